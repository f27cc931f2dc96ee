"""`dstok decode`: ids -> text.

In: files of ids in any format that `encode` writes. Out: the text of all of them, with nothing between or after, or,
with --jsonl, a JSON object for each line of ids. Invariant: decode of encode is the file, byte for byte, even where a
block ends inside a character.
"""

from __future__ import annotations

import codecs
from argparse import Namespace
from typing import TYPE_CHECKING

from dstok.cli.arguments import add_command, add_files, add_jsonl, add_model, add_output, field_of
from dstok.cli.errors import CommandError, about_input
from dstok.cli.models import load_model
from dstok.cli.progress import watching
from dstok.errors import UnknownIdError
from dstok.files.id_files import id_groups, id_lines
from dstok.files.inputs import Source, open_source
from dstok.files.outputs import BINARY_FORMATS, ID_FORMATS, Output

if TYPE_CHECKING:
    from dstok.cli.arguments import Commands
    from dstok.tokenizer import Tokenizer

__all__ = ["add_commands"]


def add_commands(commands: Commands) -> None:
    parser = add_command(commands, "decode", run, "turn token ids into text",
                         "dstok encode notes.md | dstok decode        prints notes.md")
    add_files(parser)
    add_model(parser)
    parser.add_argument("--format", choices=ID_FORMATS,
                        help="the format of the ids (default: detected from the data)")
    add_jsonl(parser, "each line of ids is one text, written as a JSON object")
    parser.add_argument("--errors", choices=("replace", "strict", "bytes"), default="replace",
                        help="unfinished characters: U+FFFD (default), an error, or their bytes unchanged")
    add_output(parser)


def run(arguments: Namespace) -> None:
    arguments.field = field_of(arguments)
    if arguments.jsonl and arguments.errors == "bytes":
        raise CommandError("--errors bytes: JSON holds text only")
    if arguments.jsonl and arguments.format in BINARY_FORMATS:
        raise CommandError(f"--jsonl: {arguments.format} has no lines")
    tokenizer = load_model(arguments.model)
    write = _write_records if arguments.jsonl else _write_text
    files = arguments.files
    with Output(arguments.output, files) as output, watching(files, not output.is_terminal()) as progress:
        for path in files:
            with open_source(path, progress) as source:
                write(arguments, tokenizer, source, output)


def _write_text(arguments: Namespace, tokenizer: Tokenizer, source: Source, output: Output) -> None:
    text = _Text(source.name, arguments.errors)
    index = 0
    for ids in id_groups(source, arguments.format):
        output.write(text.feed(_token_bytes(tokenizer, ids, source.name, index)))
        index += len(ids)
    output.write(text.feed(b"", final=True))


def _write_records(arguments: Namespace, tokenizer: Tokenizer, source: Source, output: Output) -> None:
    import json

    for number, ids in enumerate(id_lines(source, arguments.format), 1):
        name = f"{source.name}: line {number}"
        text = _Text(name, arguments.errors).feed(_token_bytes(tokenizer, ids, name, 0), final=True)
        record = {arguments.field: text.decode()}
        output.write(json.dumps(record, ensure_ascii=False).encode() + b"\n")


def _token_bytes(tokenizer: Tokenizer, ids: list[int], name: str, index: int) -> bytes:
    """The bytes of `ids`; the first id is number `index` of its input."""
    with about_input(name):
        try:
            return tokenizer.decode_bytes(ids)
        except UnknownIdError as error:
            raise UnknownIdError(error.id, index + error.index, tokenizer.vocab_size) from error


class _Text:
    """Bytes of tokens -> valid UTF-8, across blocks."""

    def __init__(self, name: str, errors: str) -> None:
        self.name, self.seen = name, 0
        self.decoder = None if errors == "bytes" else codecs.getincrementaldecoder("utf-8")(errors)

    def feed(self, data: bytes, *, final: bool = False) -> bytes:
        if self.decoder is None:
            return data
        start = self.seen - len(self.decoder.getstate()[0])
        self.seen += len(data)
        try:
            return self.decoder.decode(data, final).encode()
        except UnicodeDecodeError as error:
            raise CommandError(f"{self.name}: the ids are not whole characters at byte offset "
                               f"{start + error.start} of their text") from error
