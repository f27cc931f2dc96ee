"""`dstok encode`, `decode`, `count`, `truncate`, `chunk`: texts -> ids, their number, parts of so many; ids -> text.

In: files or records; for `decode` files of ids in any format that `encode` writes. Out: ids in one of four formats; the
text of all ids; a number a text, and the total of several files; the kept text, or a JSON line a part with its place.
Invariants: the ids of a file equal those of the whole file in one call, however it is cut into blocks, and `count` is
their number; memory does not grow with the file, except for parts. Decode of encode is the file, byte for byte. Parts
are those of `Tokenizer.truncate` and `chunk_spans`. An unreadable file does not stop the count of the others.
"""

from __future__ import annotations

import json
import re
from argparse import Namespace
from collections.abc import Callable, Iterable, Iterator
from typing import Any

from dstok._util.arguments import utf8
from dstok._util.files import visible
from dstok.cli.arguments import BAD, OVER_BUDGET, TextOptions, load_model, missing, refuse_unless
from dstok.cli.output import CommandError, about_input, complain, json_bytes, label_of, streams, texts_of, watching
from dstok.errors import FileError, UnknownIdError
from dstok.io.id_files import BINARY_FORMATS, ID_WRITERS, IdWriter, Output, id_groups, id_lines
from dstok.io.text_files import GivenText, Source, open_source
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

    with Output(arguments.output) as output, watching(arguments.files) as progress:
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
                            code = max(code, OVER_BUDGET)
                        output.write(line(name, count, path))
            except (CommandError, FileError) as error:
                progress.bar.wipe()
                complain(error)
                code = BAD
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
