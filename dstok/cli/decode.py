"""`dstok decode`: ids -> text.

In: files of ids in any format that `encode` writes. Out: the text of all of them, with nothing between or after, or,
with --jsonl, a JSON object for each line of ids. Invariant: decode of encode is the file, byte for byte, even where a
block ends inside a character.
"""

from __future__ import annotations

import json
import re
from argparse import Namespace
from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING

from dstok.cli.arguments import add_command, add_files, add_jsonl, add_model, add_output, field_of, missing
from dstok.cli.errors import CommandError, about_input
from dstok.cli.models import load_model
from dstok.cli.progress import watching
from dstok.errors import UnknownIdError
from dstok.files.id_files import id_groups, id_lines
from dstok.files.inputs import GivenText, Source, open_source
from dstok.files.outputs import BINARY_FORMATS, ID_FORMATS, Output

if TYPE_CHECKING:
    from dstok.cli.arguments import Commands
    from dstok.tokenizer import Tokenizer

__all__ = ["add_commands"]

IDS = re.compile(r"[0-9\s]+|\[[0-9\s,]*\]")  # decimal, or an array


def add_commands(commands: Commands) -> None:
    parser = add_command(commands, "decode", run, "turn token ids into text",
                         "dstok encode notes.md | dstok decode        prints notes.md\n  dstok decode 19923 2058",
                         "Words that are ids, and name no file, are the ids themselves.\n\n")
    add_files(parser)
    add_model(parser)
    parser.add_argument("--format", choices=ID_FORMATS,
                        help="the format of the ids (default: detected from the data)")
    add_jsonl(parser, "each line of ids is one text, written as a JSON object")
    parser.add_argument("--json", action="store_true", help="a JSON object for each file, with its text")
    parser.add_argument("--errors", choices=("replace", "strict", "bytes"), default="replace",
                        help="unfinished characters: U+FFFD (default), an error, or their bytes unchanged")
    add_output(parser)


def run(arguments: Namespace) -> None:
    arguments.field = field_of(arguments)
    if (arguments.json or arguments.jsonl) and arguments.errors == "bytes":
        raise CommandError("--errors bytes: JSON holds text only")
    if arguments.jsonl and arguments.format in BINARY_FORMATS:
        raise CommandError(f"--jsonl: {arguments.format} has no lines")
    files = _files_or_ids(arguments)
    tokenizer = load_model(arguments.model)
    write = _write_records if arguments.jsonl else _write_text
    with Output(arguments.output, files) as output, watching(files, not output.is_terminal()) as progress:
        for path in files:
            with open_source(path, progress) as source:
                write(arguments, tokenizer, source, output)


def _files_or_ids(arguments: Namespace) -> list[str]:
    """The files; or the words themselves, as one input, if they are ids and none of them names a file."""
    files: list[str] = arguments.files
    if not missing(files):
        return files
    words = " ".join(files)
    if arguments.format in BINARY_FORMATS or not IDS.fullmatch(words):
        raise CommandError(f"{files[0]}: no such file or directory (ids themselves are words: dstok decode 19923 2058)")
    return [_GivenIds(words)]


class _GivenIds(GivenText):
    __slots__ = ()
    name = "the ids"


def _write_text(arguments: Namespace, tokenizer: Tokenizer, source: Source, output: Output) -> None:
    groups = id_groups(source, arguments.format)
    if arguments.json:
        text = b"".join(_text(arguments, tokenizer, source.name, groups)).decode()
        output.write(json.dumps({"name": source.name, "text": text}, ensure_ascii=False).encode() + b"\n")
        return
    for data in (_token_bytes if arguments.errors == "bytes" else _text)(arguments, tokenizer, source.name, groups):
        output.write(data)


def _write_records(arguments: Namespace, tokenizer: Tokenizer, source: Source, output: Output) -> None:
    for number, ids in enumerate(id_lines(source, arguments.format), 1):
        with about_input(f"{source.name}: line {number}"):
            record = {arguments.field: tokenizer.decode(ids, errors=arguments.errors)}
        output.write(json.dumps(record, ensure_ascii=False).encode() + b"\n")


def _text(arguments: Namespace, tokenizer: Tokenizer, name: str, groups: Iterable[list[int]]) -> Iterator[bytes]:
    """The text of all ids of an input, in UTF-8."""
    stream = tokenizer.decode_stream(errors=arguments.errors, whole_runs=True)
    for ids in groups:
        with about_input(name):
            yield stream.feed(ids).encode()
    with about_input(name):
        yield stream.finish().encode()


def _token_bytes(_: Namespace, tokenizer: Tokenizer, name: str, groups: Iterable[list[int]]) -> Iterator[bytes]:
    """The bytes of all ids of an input."""
    index = 0
    for ids in groups:
        with about_input(name):
            try:
                yield tokenizer.decode_bytes(ids)
            except UnknownIdError as error:
                raise UnknownIdError(error.id, index + error.index, tokenizer.vocab_size) from error
        index += len(ids)
