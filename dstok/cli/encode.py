"""`dstok encode`, `decode`, `count`, `truncate`, `chunk`: texts -> ids, their number, parts of so many; ids -> text.

In: files or records; for `decode` files of ids in any format that `encode` writes. Out: ids in one of four formats; the
text of all ids, with nothing between or after; a number a text, and the total of several files; the kept text, or a
JSON line a part with its place. Exit code 1: a text has more than --max-tokens. Invariants: the ids of a file equal
those of the whole file in one call, however it is cut into blocks, and `count` is their number; memory does not grow
with the file, except for parts. Decode of encode is the file, byte for byte, even where a block ends inside a
character. Parts are those of `Tokenizer.truncate` and `chunk_spans`. An unreadable file does not stop the count of the
others, as with `wc`; the exit code is then 2.
"""

from __future__ import annotations

import json
import re
from argparse import Namespace
from collections.abc import Callable, Iterable, Iterator
from typing import TYPE_CHECKING, Any

from dstok._util.arguments import utf8
from dstok._util.files import visible
from dstok.cli import arguments as options
from dstok.cli.arguments import Command, TextOptions, load_model, missing, refuse_unless
from dstok.cli.output import CommandError, about_input, complain, json_bytes, label_of, streams, texts_of, watching
from dstok.errors import FileError, UnknownIdError
from dstok.io.id_files import BINARY_FORMATS, ID_FORMATS, ID_WRITERS, IdWriter, Output, id_groups, id_lines
from dstok.io.text_files import GivenText, Source, open_source

if TYPE_CHECKING:
    from dstok.tokenizer import Tokenizer

    Spans = Iterable[tuple[int, int]]

IDS = re.compile(r"[0-9\s]+|\[[0-9\s,]*\]")  # decimal, or an array


def run_count(arguments: Namespace) -> int:
    tokenizer, keywords, before, after = TextOptions.of(arguments)
    limit, total, code = arguments.max_tokens, 0, 0
    named = len(arguments.files) > 1 and not arguments.jsonl

    def line(name: str, count: int, label: str) -> bytes:
        if arguments.json:
            return json.dumps({"name": name, "tokens": count}).encode() + b"\n"
        return f"{count}\t{visible(label)}\n".encode() if named else f"{count}\n".encode()

    with Output(arguments.output, arguments.files) as output, watching(arguments.files) as progress:
        for path in arguments.files:
            try:
                with open_source(path, progress) as source:
                    for name, _, text in texts_of(arguments, source):
                        with about_input(name):
                            count = (count_blocks(tokenizer, source, **keywords) if text is None else
                                     tokenizer.count(text, **keywords)) + len(before) + len(after)
                        total += count
                        progress.bar.wipe()  # the next line would be written onto the bar of a terminal
                        if limit is not None and count > limit:
                            complain(f"{name}: {count} tokens, {count - limit} over --max-tokens {limit}")
                            code = max(code, options.OVER_BUDGET)
                        output.write(line(name, count, path))
            except (CommandError, FileError) as error:
                progress.bar.wipe()
                complain(error)
                code = options.BAD
        progress.bar.close()
        if named:
            output.write(line("total", total, "total"))
    return code


def count_blocks(tokenizer: Tokenizer, source: Source, *, block_size: int = 0, **keywords: Any) -> int:
    """The number of ids of the whole `source`, read in blocks."""
    stream, total = tokenizer.encode_stream(**keywords), 0
    with about_input(source.name):
        for block in source.blocks(block_size):
            count = stream.feed_count(block)
            source.gave(count)
            total += count
        return total + stream.finish_count()


def run_encode(arguments: Namespace) -> None:
    tokenizer, keywords, before, after = TextOptions.of(arguments)
    with streams(arguments.output, arguments.files) as (output, sources):
        if arguments.format in BINARY_FORMATS and output.is_terminal():
            raise CommandError("binary ids are not written to a terminal (-o FILE, or a pipe)")
        writer = ID_WRITERS[arguments.format](output)
        encode = tokenizer.encode_array if writer.wants_arrays else tokenizer.encode
        for source in sources:
            for name, _, text in texts_of(arguments, source):
                with about_input(name):
                    ids = [] if text is None else encode(text, **keywords)
                writer.begin()
                writer.add(before)
                if text is None:
                    encode_blocks(tokenizer, source, writer, **keywords)
                writer.add(ids)
                writer.add(after)
                writer.end()
        writer.close()


def encode_blocks(
    tokenizer: Tokenizer, source: Source, writer: IdWriter, *, block_size: int = 0, **keywords: Any
) -> None:
    """Writes the ids of the whole `source`, read in blocks."""
    stream, arrays = tokenizer.encode_stream(**keywords), writer.wants_arrays
    with about_input(source.name):
        for block in source.blocks(block_size):
            ids = stream.feed(block) if arrays else stream.feed_list(block)
            source.gave(len(ids))
            writer.add(ids)
        writer.add(stream.finish() if arrays else stream.finish_list())


class _GivenIds(GivenText):
    __slots__ = ()
    name = "the ids"


def run_decode(arguments: Namespace) -> None:
    if (arguments.json or arguments.jsonl) and arguments.errors == "bytes":
        raise CommandError("--errors bytes: JSON holds text only")
    if arguments.jsonl and arguments.format in BINARY_FORMATS:
        raise CommandError(f"--jsonl: {arguments.format} has no lines")
    files: list[str] = arguments.files
    if missing(files):  # the words may be ids, and are then one input
        words = " ".join(files)
        if arguments.format in BINARY_FORMATS or not IDS.fullmatch(words):
            raise CommandError(f"{files[0]}: no such file or directory (ids themselves are words: dstok decode 19923 "
                               "2058)")
        files = [_GivenIds(words)]
    tokenizer = load_model(arguments.model)
    with streams(arguments.output, files) as (output, sources):
        for source in sources:
            for data in _decoded(arguments, tokenizer, source):
                output.write(data)


def _decoded(arguments: Namespace, tokenizer: Tokenizer, source: Source) -> Iterator[bytes]:
    """The texts of an input: a JSON object a line, or for all of it, or the text itself, in UTF-8."""
    if arguments.jsonl:
        for number, ids in enumerate(id_lines(source, arguments.format), 1):
            with about_input(f"{source.name}: line {number}"):
                record = {arguments.field: tokenizer.decode(ids, errors=arguments.errors)}
            yield json_bytes(record)
        return
    groups, index = id_groups(source, arguments.format), 0
    for ids in groups if arguments.errors == "bytes" else ():
        with about_input(source.name):
            try:
                yield tokenizer.decode_bytes(ids)
            except UnknownIdError as error:
                raise UnknownIdError(error.id, index + error.index, tokenizer.vocab_size) from error
        index += len(ids)
    if arguments.errors == "bytes":
        return
    stream = tokenizer.decode_stream(errors=arguments.errors, whole_runs=True)

    def texts() -> Iterator[str]:
        with about_input(source.name):
            yield from map(stream.feed, groups)
            yield stream.finish()

    if arguments.json:
        yield json_bytes({"name": source.name, "text": "".join(texts())})
    else:
        yield from map(str.encode, texts())


def run_truncate(arguments: Namespace) -> None:
    rows = arguments.json or arguments.jsonl
    refuse_unless(rows or len(arguments.files) == 1, "text output", "one file (--json takes several)")

    def cut(tokenizer: Tokenizer, text: str, keywords: dict[str, Any]) -> Spans:
        kept = len(tokenizer.truncate(text, arguments.max_tokens, truncation_side=arguments.side, **keywords))
        yield (0, kept) if arguments.side == "right" else (len(text) - kept, len(text))

    _write_parts(arguments, cut, rows)


def run_chunk(arguments: Namespace) -> None:
    from dstok.methods.budget import chunk_spans

    def cut(tokenizer: Tokenizer, text: str, keywords: dict[str, Any]) -> Spans:
        return chunk_spans(tokenizer, text, arguments.max_tokens, overlap=arguments.overlap, **keywords)

    _write_parts(arguments, cut, rows=True)


def _write_parts(
    arguments: Namespace, cut: Callable[[Tokenizer, str, dict[str, Any]], Spans], rows: bool,
) -> None:
    """Writes the parts of each text: JSON lines if `rows`, else the texts themselves."""
    tokenizer, keywords, *_ = TextOptions.of(arguments)
    keywords |= {"add_bos": arguments.add_bos, "add_eos": arguments.add_eos}

    def objects(text: str, places: Spans, label: dict[str, Any]) -> Iterator[bytes]:
        last = byte_start = 0  # bytes are counted on from the last part's start
        for start, end in places:
            byte_start += len(text[last:start].encode())
            last, part = start, text[start:end]
            yield json_bytes({**label, "text": part, "char_start": start, "char_end": end, "byte_start": byte_start,
                              "byte_end": byte_start + len(part.encode()), "tokens": tokenizer.count(part, **keywords)})

    with streams(arguments.output, arguments.files) as (output, sources):
        for source in sources:
            file = source.name if len(arguments.files) > 1 else None
            for name, line, given in texts_of(arguments, source):
                with about_input(name):
                    text = utf8(source.read_all() if given is None else given, arguments.errors == "replace").decode()
                    places = cut(tokenizer, text, keywords)
                    for part in (objects(text, places, label_of(file, line)) if rows else
                                 (text[start:end].encode() for start, end in places)):
                        output.write(part)


FIELDS = """\
  text                  the text of the part
  char_start, char_end  its place in the text, half-open, in code points
  byte_start, byte_end  the same in bytes of UTF-8
  tokens                its number of tokens, BOS and EOS included, if requested
  file, line            with several files, with --jsonl: the text it belongs to

"""
PARTS = f"""{options.TEXT}\
--max-tokens N !  the most tokens of a part, BOS and EOS included, if requested
{options.OUTPUT}"""
COMMANDS = {
    "encode": Command(
        run_encode, "turn text into token ids", "dstok encode --format u32 --add-eos -o corpus.u32 a.txt b.txt.zst",
        f"""{options.TEXT}\
--format {{{','.join(ID_FORMATS)}}} [ids]  the format of the ids, see below
--json
{options.OUTPUT}""", """\
formats:
  ids    decimal, separated by blanks, a line for each file or record (default)
  json   an array, a line for each file or record
  npy    one numpy array of uint32, all files in a row
  u32    raw little-endian uint32, all files in a row

"""),
    "decode": Command(
        run_decode, "turn token ids into text",
        "dstok encode notes.md | dstok decode        prints notes.md\n  dstok decode 19923 2058",
        f"""{options.FILES}{options.MODEL}\
--format {{{','.join(ID_FORMATS)}}}  the format of the ids (default: detected from the data)
--jsonl  each line of ids is one text, written as a JSON object
{options.FIELD}\
--json  a JSON object for each file, with its text
--errors {{replace,strict,bytes}} [replace]  unfinished characters: U+FFFD (default), an error, or their bytes unchanged
{options.OUTPUT}""", "Words that are ids, and name no file, are the ids themselves.\n\n"),
    "count": Command(
        run_count, "count the tokens of a text", "dstok count --max-tokens 8000 prompts/*.txt || echo too long",
        f"""{options.TEXT}\
--json  a JSON object for each file or record
--max-tokens N  exit with 1 if a file (with --jsonl: a record) has more tokens, and name it
{options.OUTPUT}""", """\
prints a number; for several files a number and a name for each, and the total; with --jsonl a number for
each record. With --json each is an object on a line, {"name": "a.txt", "tokens": 3}, with the very name:
elsewhere it has escapes for what cannot be printed. If a file cannot be read, the command names it on
standard error, and counts the others.

"""),
    "truncate": Command(
        run_truncate, "cut a text to a number of tokens", "dstok truncate --max-tokens 8000 --side left log.txt",
        f"""{PARTS}\
--side {{left,right}} [right]  the end of the text that is cut off (default right)
--json  a JSON object for each file, with the place of the kept text
""", f"writes the kept text itself; with --json or --jsonl a JSON object a text:\n{FIELDS}"),
    "chunk": Command(
        run_chunk, "cut a text into parts of a number of tokens",
        "dstok chunk --max-tokens 512 --overlap 64 book.txt > parts.jsonl",
        f"""{PARTS}\
--overlap N [0]  begin each part at most N tokens before the end of the last one (default 0)
--json  a JSON object for each part, as always
""", f"a JSON object a part:\n{FIELDS}"),
}
