"""`dstok count`: text -> its number of tokens.

In: files or records. Out: a number a text; for several files their names and the total too. The exit code is 1 if a
text has more than --max-tokens. Invariant: the number is that of the ids that `encode` writes with the same options. An
unreadable file does not stop the count of the others, as with `wc`; the exit code is then 2.

`dstok decode`: ids -> text.

In: files of ids in any format that `encode` writes. Out: the text of all of them, with nothing between or after, or,
with --jsonl, a JSON object for each line of ids. Invariant: decode of encode is the file, byte for byte, even where a
block ends inside a character.

`dstok encode`: text -> ids.

In: files or records. Out: their ids in one of four formats. Invariant: the ids of a file equal those of the whole file
in one call, however it is cut into blocks; memory does not grow with the file.

`dstok truncate` and `dstok chunk`: texts -> parts of at most so many tokens.

In: files or records. Out: the kept text itself, or a JSON line a part with its place. Invariant: parts and places are
those of `Tokenizer.truncate` and `dstok.padding.chunk_spans`; a text is in memory as a whole.
"""

from __future__ import annotations

import json
import re
from argparse import Namespace
from collections.abc import Callable, Iterable, Iterator
from typing import TYPE_CHECKING, Any

from dstok._util.arguments import utf8
from dstok._util.files import visible
from dstok.cli.arguments import (
    Parser,
    add_command,
    add_files,
    add_json,
    add_jsonl,
    add_model,
    add_output,
    add_text,
    at_least_0,
    edge_ids,
    field_of,
    load_model,
    missing,
    refuse_unless,
    text_keywords,
)
from dstok.cli.errors import CommandError, about_input, complain
from dstok.cli.output import Progress, label_of, watching
from dstok.errors import FileError, UnknownIdError
from dstok.io.id_files import BINARY_FORMATS, ID_FORMATS, IdWriter, Output, id_groups, id_lines, id_writer
from dstok.io.text_files import GivenText, Source, open_source, records
from dstok.methods.budget import chunk_spans

if TYPE_CHECKING:
    from dstok.cli.arguments import Commands
    from dstok.tokenizer import Tokenizer

__all__ = [
    "add_count", "add_decode", "add_encode", "add_fit", "count_blocks", "encode_blocks",
]

OVER_BUDGET, BAD = 1, 2
OUTPUT = """\
prints a number; for several files a number and a name for each, and the total; with --jsonl a number for
each record. With --json each is an object on a line, {"name": "a.txt", "tokens": 3}, with the very name:
elsewhere it has escapes for what cannot be printed. If a file cannot be read, the command names it on
standard error, and counts the others.

"""


def add_count(commands: Commands) -> None:
    parser = add_command(commands, "count", run, "count the tokens of a text",
                         "dstok count --max-tokens 8000 prompts/*.txt || echo too long", OUTPUT)
    add_text(parser)
    add_json(parser, "a JSON object for each file or record")
    parser.add_argument("--max-tokens", type=at_least_0, metavar="N",
                        help="exit with 1 if a file (with --jsonl: a record) has more tokens, and name it")
    add_output(parser)


def run(arguments: Namespace) -> int:
    tokenizer = load_model(arguments.model, arguments.upstream)
    counter = _Counter(arguments, tokenizer)
    with Output(arguments.output, arguments.files) as output, watching(arguments.files) as progress:
        for path in arguments.files:
            try:
                counter.file(path, output, progress)
            except (CommandError, FileError) as error:
                progress.bar.wipe()
                complain(error)
                counter.code = BAD
        progress.bar.close()
        if len(arguments.files) > 1 and not arguments.jsonl:
            output.write(counter.line("total", counter.total, "\ttotal"))
    return counter.code


class _Counter:
    """The options for each text, and the results so far."""

    def __init__(self, arguments: Namespace, tokenizer: Tokenizer) -> None:
        self.tokenizer, self.field = tokenizer, field_of(arguments)
        self.keywords, self.limit = text_keywords(arguments, tokenizer), arguments.max_tokens
        self.extra = sum(map(len, edge_ids(arguments, tokenizer)))
        self.several = len(arguments.files) > 1
        self.json, self.total, self.code = arguments.json, 0, 0

    def file(self, path: str, output: Output, progress: Progress) -> None:
        """Counts one file, and writes its line or lines once it has been read whole."""
        label = f"\t{visible(path)}" if self.several and self.field is None else ""
        with open_source(path, progress) as source:
            for name, count in self.counts(source):
                count += self.extra
                self.total += count
                progress.bar.wipe()  # the next line would be written onto the bar of a terminal
                self.judge(name, count)
                output.write(self.line(name, count, label))

    def line(self, name: str, count: int, label: str) -> bytes:
        """The output for a text: its number and `label`, or JSON."""
        if self.json:
            return json.dumps({"name": name, "tokens": count}).encode() + b"\n"
        return f"{count}{label}\n".encode()

    def counts(self, source: Source) -> Iterator[tuple[str, int]]:
        """Name and count of each text in `source`."""
        if self.field is None:
            yield source.name, count_blocks(self.tokenizer, source, **self.keywords)
            return
        for record in records(source, self.field, self.keywords["errors"]):
            with about_input(record.name):
                count = self.tokenizer.count(record.text, **self.keywords)
            yield record.name, count

    def judge(self, name: str, count: int) -> None:
        if self.limit is not None and count > self.limit:
            complain(f"{name}: {count} tokens, {count - self.limit} over --max-tokens {self.limit}")
            self.code = max(self.code, OVER_BUDGET)


def count_blocks(tokenizer: Tokenizer, source: Source, *, block_size: int = 0, **keywords: Any) -> int:
    """The number of ids of the whole `source`, read in blocks."""
    stream = tokenizer.encode_stream(**keywords)
    total = 0
    with about_input(source.name):
        for block in source.blocks(block_size):
            count = stream.feed_count(block)
            source.gave(count)
            total += count
        return total + stream.finish_count()


IDS = re.compile(r"[0-9\s]+|\[[0-9\s,]*\]")  # decimal, or an array


def add_decode(commands: Commands) -> None:
    parser = add_command(commands, "decode", run_decode, "turn token ids into text",
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


def run_decode(arguments: Namespace) -> None:
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


FORMATS = """\
formats:
  ids    decimal, separated by blanks, a line for each file or record (default)
  json   an array, a line for each file or record
  npy    one numpy array of uint32, all files in a row
  u32    raw little-endian uint32, all files in a row

"""


def add_encode(commands: Commands) -> None:
    parser = add_command(commands, "encode", run_encode, "turn text into token ids",
                         "dstok encode --format u32 --add-eos -o corpus.u32 a.txt b.txt.zst", FORMATS)
    add_text(parser)
    parser.add_argument("--format", choices=ID_FORMATS, default="ids", help="the format of the ids, see below")
    add_json(parser)
    add_output(parser)


def run_encode(arguments: Namespace) -> None:
    tokenizer = load_model(arguments.model, arguments.upstream)
    encoder = _Encoder(arguments, tokenizer)
    files = arguments.files
    with Output(arguments.output, files) as output, watching(files, not output.is_terminal()) as progress:
        if arguments.format in BINARY_FORMATS and output.is_terminal():
            raise CommandError("binary ids are not written to a terminal (-o FILE, or a pipe)")
        writer = id_writer(arguments.format, output)
        for path in files:
            with open_source(path, progress) as source:
                encoder.write(source, writer)
        writer.close()


class _Encoder:
    """The options for each text."""

    def __init__(self, arguments: Namespace, tokenizer: Tokenizer) -> None:
        self.tokenizer, self.field = tokenizer, field_of(arguments)
        self.keywords = text_keywords(arguments, tokenizer)
        self.begin, self.end = edge_ids(arguments, tokenizer)

    def write(self, source: Source, writer: IdWriter) -> None:
        if self.field is None:
            writer.begin()
            writer.add(self.begin)
            encode_blocks(self.tokenizer, source, writer, **self.keywords)
            writer.add(self.end)
            writer.end()
            return
        encode = self.tokenizer.encode_array if writer.wants_arrays else self.tokenizer.encode
        for record in records(source, self.field, self.keywords["errors"]):
            with about_input(record.name):
                ids = encode(record.text, **self.keywords)
            writer.begin()
            for part in (self.begin, ids, self.end):
                writer.add(part)
            writer.end()


def encode_blocks(
    tokenizer: Tokenizer, source: Source, writer: IdWriter, *, block_size: int = 0, **keywords: Any
) -> None:
    """Writes the ids of the whole `source`, read in blocks."""
    stream = tokenizer.encode_stream(**keywords)
    arrays = writer.wants_arrays
    with about_input(source.name):
        for block in source.blocks(block_size):
            ids = stream.feed(block) if arrays else stream.feed_list(block)
            source.gave(len(ids))
            writer.add(ids)
        writer.add(stream.finish() if arrays else stream.finish_list())


if TYPE_CHECKING:
    from dstok.cli.arguments import Commands
    from dstok.tokenizer import Tokenizer

    Spans = Iterable[tuple[int, int]]
    Cut = Callable[[str, dict[str, Any]], Spans]  # a text, keywords of the tokenizer's methods -> places of parts

FIELDS = """\
  text                  the text of the part
  char_start, char_end  its place in the text, half-open, in code points
  byte_start, byte_end  the same in bytes of UTF-8
  tokens                its number of tokens, BOS and EOS included, if requested
  file, line            with several files, with --jsonl: the text it belongs to

"""


def add_fit(commands: Commands) -> None:
    parser = add_command(commands, "truncate", run_truncate, "cut a text to a number of tokens",
                         "dstok truncate --max-tokens 8000 --side left log.txt",
                         "writes the kept text itself; with --json or --jsonl a JSON object a text:\n" + FIELDS)
    _add_input(parser)
    parser.add_argument("--side", choices=("left", "right"), default="right",
                        help="the end of the text that is cut off (default right)")
    add_json(parser, "a JSON object for each file, with the place of the kept text")
    parser = add_command(commands, "chunk", run_chunk, "cut a text into parts of a number of tokens",
                         "dstok chunk --max-tokens 512 --overlap 64 book.txt > parts.jsonl",
                         "a JSON object a part:\n" + FIELDS)
    _add_input(parser)
    parser.add_argument("--overlap", type=at_least_0, default=0, metavar="N",
                        help="begin each part at most N tokens before the end of the last one (default 0)")
    add_json(parser, "a JSON object for each part, as always")


def _add_input(parser: Parser) -> None:
    add_text(parser)
    parser.add_argument("--max-tokens", type=at_least_0, required=True, metavar="N",
                        help="the most tokens of a part, BOS and EOS included, if requested")
    add_output(parser)


def run_truncate(arguments: Namespace) -> None:
    tokenizer = load_model(arguments.model, arguments.upstream)
    rows = arguments.json or arguments.jsonl
    refuse_unless(rows or len(arguments.files) == 1, "text output", "one file (--json takes several)")

    def cut(text: str, keywords: dict[str, Any]) -> Spans:
        kept = len(tokenizer.truncate(text, arguments.max_tokens, truncation_side=arguments.side, **keywords))
        yield (0, kept) if arguments.side == "right" else (len(text) - kept, len(text))

    _Parts(arguments, tokenizer, cut, rows).write()


def run_chunk(arguments: Namespace) -> None:
    tokenizer = load_model(arguments.model, arguments.upstream)

    def cut(text: str, keywords: dict[str, Any]) -> Spans:
        return chunk_spans(tokenizer, text, arguments.max_tokens, overlap=arguments.overlap, **keywords)

    _Parts(arguments, tokenizer, cut, rows=True).write()


class _Parts:
    """The options for each text. `rows`: JSON lines instead of the texts of the parts."""

    def __init__(self, arguments: Namespace, tokenizer: Tokenizer, cut: Cut, rows: bool) -> None:
        self.arguments, self.tokenizer, self.cut, self.rows = arguments, tokenizer, cut, rows
        self.field = field_of(arguments)
        edge_ids(arguments, tokenizer)  # refuses tokens that the model lacks
        edges = {"add_bos": arguments.add_bos, "add_eos": arguments.add_eos}
        self.keywords = text_keywords(arguments, tokenizer) | edges

    def write(self) -> None:
        files = self.arguments.files
        with Output(self.arguments.output, files) as output, watching(files, not output.is_terminal()) as progress:
            for path in files:
                with open_source(path, progress) as source:
                    for line in self.lines(source, source.name if len(files) > 1 else None):
                        output.write(line)

    def lines(self, source: Source, file: str | None) -> Iterator[bytes]:
        """The output for the texts of a file."""
        for name, number, given in self.texts(source):
            with about_input(name):
                text = utf8(given, self.keywords["errors"] == "replace").decode()
                places = self.cut(text, self.keywords)
                yield from self.objects(text, places, label_of(file, number)) if self.rows else _plain(text, places)

    def texts(self, source: Source) -> Iterator[tuple[str, int | None, str | bytes]]:
        """Name, line and text of each record, or the file as one text."""
        if self.field is None:
            yield source.name, None, source.read_all()
            return
        for record in records(source, self.field, self.arguments.errors):
            yield record.name, record.line, record.text

    def objects(self, text: str, places: Spans, label: dict[str, Any]) -> Iterator[bytes]:
        """A JSON line for each part. Bytes are counted on from the last part's start."""
        last = byte_start = 0
        for start, end in places:
            byte_start += len(text[last:start].encode())
            last, part = start, text[start:end]
            row = {"text": part, "char_start": start, "char_end": end, "byte_start": byte_start,
                   "byte_end": byte_start + len(part.encode()), "tokens": self.tokenizer.count(part, **self.keywords)}
            line = json.dumps(label | row, ensure_ascii=False)
            yield line.encode("utf-8", "backslashreplace") + b"\n"  # JSON's escape, for a name that is not UTF-8


def _plain(text: str, places: Spans) -> Iterator[bytes]:
    """The parts themselves."""
    return (text[start:end].encode() for start, end in places)
