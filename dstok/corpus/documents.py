r"""A part of an input file -> its documents, in batches; a document that cannot be encoded -> an error, or an entry.

In: a `FileRange`. Out: `DocumentBatch`es of texts; anything that is not text goes to `Faults`, which raises a
`FileError`, or, if the run skips such documents, lists it.
Invariant: the documents come in the order of the file, and each bad one is named with its file, line or row, and the
reason. A batch holds about a megabyte, so the largest allowed document bounds memory. After the last batch
`DocumentReader.record` tells what was read, with a checksum. A range of a file of lines has exactly the lines that
begin in it, so adjacent ranges share no line and lose none:

    ab|cd\nef\ng   ranges of 2 bytes -> 0:2 "abcd\n", 2:4 nothing, 4:6 "ef\n", 6:8 nothing, 8: "g"
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any, BinaryIO, NamedTuple

import numpy as np

from dstok._util.files import file_faults
from dstok._util.imports import needed
from dstok.corpus.inputs import FileRange
from dstok.corpus.settings import CorpusSettings
from dstok.corpus.tables import rows_of
from dstok.errors import FileError
from dstok.io.text_files import PACKED, Source, json_kind

BLOCK = 1 << 19  # bytes; a thread encodes some blocks while the next ones are read, in shards of 4 MB, too


class Faults:
    """Handles bad documents: raises an error, or passes `listed` a line of JSON each."""

    def __init__(self, listed: Callable[[bytes], None] | None) -> None:
        self.listed, self.skips, self.count = listed, listed is not None, 0

    def found(self, path: str, unit: str, number: int | None, why: str, parameter: str = "") -> None:
        """Reports a bad document. number: of lines from 1 on, of rows from 0 on; None for a whole file.

        Raises `FileError` unless it is skipped.
        """
        if self.listed is None:
            place = path if number is None else f"{path}: {unit} {number}"
            raise FileError(f"{place}: {why}", f"{parameter}, skip".removeprefix(", "))
        self.count += 1
        entry = {"file": path, **({} if number is None else {unit: number}), "reason": why}
        self.listed(json.dumps(entry).encode() + b"\n")


class DocumentBatch(NamedTuple):
    """Texts that are encoded together. Text i has number `numbers[i]`.

    texts: `str`, or bytes, which need not be UTF-8; or an Arrow array of binaries without nulls. size: bytes of the
    input read for them, unpacked.
    """

    texts: Any
    numbers: Sequence[int]
    size: int

    def each(self) -> Iterator[tuple[int, str | bytes]]:
        return zip(self.numbers, self.texts if isinstance(self.texts, list) else self.texts.to_pylist())


class DocumentReader:
    """Reads the documents of a part."""

    unit = ""

    def __init__(self, part: FileRange, settings: CorpusSettings, faults: Faults) -> None:
        self.part, self.settings, self.faults = part, settings, faults
        self.path = part.file.path
        self.next: int | None = None  # the number of the next document, once one has been read

    def batches(self) -> Iterator[DocumentBatch]:
        """The documents. Raises `FileError` unless bad ones are skipped; then a broken file ends here.

        A file that is not the planned one, or changes while it is read, is a `FileError` in any case.
        """
        change = self.part.file.checked_change()
        try:
            yield from self.read()
        except FileError as error:
            if not self.faults.skips:
                if not error.parameter.endswith("skip"):
                    error.parameter = f"{error.parameter}, skip".removeprefix(", ")
                raise
            self.bad(self.next, f"the rest of the file: {error.message.removeprefix(f'{self.path}: ')}")
        self.part.file.checked_change(change)

    def read(self) -> Iterator[DocumentBatch]:
        raise NotImplementedError

    def record(self) -> dict[str, Any]:
        """A record of the input read, for the manifest."""
        raise NotImplementedError

    def place(self, number: int) -> int | None:
        """The number in the file of the document with that number in its batch's `numbers`; None for a whole file."""
        return number

    def bad(self, number: int | None, why: str, parameter: str = "") -> None:
        self.faults.found(self.path, self.unit, None if number is None else self.place(number), why, parameter)

    def too_long(self, number: int, size: int) -> None:
        self.bad(number, f"expected a document of at most {self.settings.largest} bytes, found {size}", "largest")


class LineRange:
    """The lines of a file that begin from byte `start` on and before `stop` (-1: to the end).

    After `blocks` has ended: `start` and `stop` are those of the lines themselves, `sha256` is the checksum of their
    bytes, for a packed file as stored.
    """

    def __init__(self, path: str, start: int, stop: int) -> None:
        self.path, self.start, self.stop = path, start, stop
        self.hash: Any = hashlib.sha256()

    @property
    def sha256(self) -> str:
        return str(self.hash.hexdigest())

    def blocks(self) -> Iterator[bytes]:
        """The bytes. Raises `FileError`."""
        with file_faults(self.path), open(self.path, "rb") as file:
            yield from self._unpacked(file) if self.path.endswith(PACKED) else self._lines(file)

    def _unpacked(self, file: BinaryIO) -> Iterator[bytes]:
        hashed = _Hashed(file, self.hash)
        if not file.peek(1):  # type: ignore[attr-defined]
            raise FileError(f"{self.path}: expected packed data, found an empty file")
        fault = None
        try:
            yield from Source(self.path, hashed).blocks()  # type: ignore[arg-type]
        except FileError as error:
            fault = error
        while hashed.read(BLOCK):
            pass
        self.stop = file.tell()
        if fault is not None:
            raise fault

    def _lines(self, file: BinaryIO) -> Iterator[bytes]:
        stop = os.fstat(file.fileno()).st_size if self.stop < 0 else self.stop
        at = file.seek(max(0, self.start - 1))
        while self.start > 0 and at < stop and (piece := file.readline(BLOCK)):  # to the first line of the range
            at += len(piece)
            if piece.endswith(b"\n"):
                break
        self.start, block = at, b"\n"
        while True:
            block = (file.read(min(BLOCK, stop - at)) if at < stop else
                     b"" if block.endswith(b"\n") else file.readline(BLOCK))
            if not block:
                break
            at += len(block)
            self.hash.update(block)
            yield block
        self.stop = at


class _Hashed:
    """A binary stream, whose bytes go into a hash as they are read."""

    def __init__(self, raw: BinaryIO, hash: Any) -> None:
        self.raw, self.hash = raw, hash
        self.fileno, self.isatty, self.tell = raw.fileno, raw.isatty, raw.tell

    def read(self, size: int = -1) -> bytes:
        data = self.raw.read(size)
        self.hash.update(data)
        return data


def count_lines(path: str, stop: int) -> int:
    """The number of lines that end before byte `stop` of a file. Raises `FileError`."""
    lines = 0
    with file_faults(path), open(path, "rb") as file:
        while stop > 0 and (block := file.read(min(stop, BLOCK))):
            lines, stop = lines + block.count(b"\n"), stop - len(block)
    return lines


def lines_of(blocks: Iterable[bytes], largest: int) -> Iterator[list[bytes | int]]:
    """The lines of `blocks` without line feeds, some thousand at a time; the size of one longer than `largest`."""
    pieces, size = list[bytes](), 0  # of the line that has not ended; of one that is too long only the size is kept
    for block in blocks:
        first, *lines = block.split(b"\n")
        size += len(first)
        pieces.append(first)
        if size > largest:
            pieces.clear()
        if lines:
            last = lines.pop()
            fit = max(map(len, lines), default=0) <= largest
            yield [b"".join(pieces) if size <= largest else size,
                   *(lines if fit else (one if len(one) <= largest else len(one) for one in lines))]
            pieces, size = [last], len(last)
    if size:
        yield [b"".join(pieces) if size <= largest else size]


class _Lines(DocumentReader):
    """A document a line. Numbers count the lines from the start of the part."""

    unit = "line"
    before: int | None = None  # lines before the part; counted only when an error names a line

    def __init__(self, part: FileRange, settings: CorpusSettings, faults: Faults) -> None:
        super().__init__(part, settings, faults)
        self.line_range = LineRange(self.path, part.start, part.stop)

    def record(self) -> dict[str, Any]:
        lines = self.line_range
        return {"file": self.part.file.name, "start": lines.start, "stop": lines.stop, "sha256": lines.sha256}

    def read(self) -> Iterator[DocumentBatch]:
        number = 1
        for lines in lines_of(self.line_range.blocks(), self.settings.largest):
            texts, numbers = self.texts(lines, number)
            size = sum(line if isinstance(line, int) else len(line) for line in lines)
            yield DocumentBatch(texts, numbers, len(lines) + size)
            self.next = number = number + len(lines)

    def texts(self, lines: list[bytes | int], first: int) -> tuple[list[str | bytes], Sequence[int]]:
        """The texts of `lines`, and their numbers."""
        found = list[tuple[str | bytes, int]]()
        for number, line in enumerate(lines, first):
            if isinstance(line, int):
                self.too_long(number, line)
            elif (text := self.text(line, number)) is not None:
                found.append((text, number))
        return [text for text, _ in found], [number for _, number in found]

    def text(self, line: bytes, number: int) -> str | bytes | None:
        """The document in a line; None if it holds none."""
        return line.removesuffix(b"\r")

    def place(self, number: int) -> int | None:
        if self.before is None:
            self.before = count_lines(self.path, self.line_range.start) if self.line_range.start else 0
        return self.before + number


class _JsonLines(_Lines):
    """JSON lines. Blank lines hold no document; a byte order mark before the first line is skipped.

    The parser is orjson: it accepts exactly the standard, so `NaN`, lone surrogates and bytes that are not UTF-8 are
    refused. The last of two equal keys counts, as in Python.
    """

    def __init__(self, part: FileRange, settings: CorpusSettings, faults: Faults) -> None:
        super().__init__(part, settings, faults)
        self.loads = needed("orjson").loads

    def texts(self, lines: list[bytes | int], first: int) -> tuple[list[Any], Sequence[int]]:
        loads, field = self.loads, self.settings.field
        try:
            found = [loads(line)[field] for line in lines]
        except (ValueError, TypeError, KeyError, IndexError):
            return super().texts(lines, first)  # line by line
        if {*map(type, found)} <= {str}:
            return found, range(first, first + len(lines))
        return super().texts(lines, first)

    def text(self, line: bytes, number: int) -> str | None:
        if number == 1 and not self.line_range.start:
            line = line.removeprefix(b"\xef\xbb\xbf")
        if not line or line.isspace():
            return None
        field, parameter = self.settings.field, ""
        try:
            line.decode()
            value = self.loads(line)
            found = value.get(field) if isinstance(value, dict) else None
            if type(found) is str:
                return found
            if not isinstance(value, dict):
                why = f"expected a JSON object, found {json_kind(value)}"
            elif field in value:
                why = f"expected a string under {field!r}, found {json_kind(found)}"
            else:
                keys = ", ".join(map(repr, [*value][:5])) + (", ..." if len(value) > 5 else "")
                why, parameter = f"expected the field {field!r}, found {keys or 'an empty object'}", "field"
        except UnicodeDecodeError as error:
            why = f"expected utf-8, found byte 0x{line[error.start]:02x} at byte offset {error.start}"
        except ValueError as error:  # orjson sees one line, so its line number is always 1
            what, column = str(getattr(error, "msg", "")), getattr(error, "colno", "")
            why = f"expected JSON, found {what[:1].lower()}{what[1:]} at column {column}"
        self.bad(number, why, parameter)
        return None


class _Whole(_Lines):
    """The file is one document."""

    def read(self) -> Iterator[DocumentBatch]:
        blocks, size = list[bytes](), 0
        for block in self.line_range.blocks():
            size += len(block)
            if size > self.settings.largest:
                blocks.clear()
            else:
                blocks.append(block)
        if size > self.settings.largest:
            self.too_long(0, size)
        else:
            yield DocumentBatch([b"".join(blocks)], [0], size)

    def place(self, number: int) -> int | None:
        return None


class _Table(DocumentReader):
    """A column of a table. The checksum covers the lengths of its values, int64, -1 for null, and then their bytes."""

    unit = "row"

    def __init__(self, part: FileRange, settings: CorpusSettings, faults: Faults) -> None:
        super().__init__(part, settings, faults)
        self.lengths, self.bytes = hashlib.sha256(), hashlib.sha256()

    def read(self) -> Iterator[DocumentBatch]:
        part = self.part
        for first, values in rows_of(part.file, part.start, part.stop, self.settings.field):
            filled = values.fill_null(b"") if values.null_count else values
            _, offsets, data = filled.buffers()
            ends = np.zeros(1, int)
            if len(filled):
                ends = np.frombuffer(offsets, np.int64, len(filled) + 1, 8 * filled.offset)
            lengths = np.where(values.is_valid(), np.diff(ends), -1)  # of the bytes of each value, -1 for null
            self.lengths.update(lengths.astype("<i8").data)
            self.bytes.update(memoryview(data or b"")[ends[0] : ends[-1]])
            numbers: Sequence[int] = range(first, first + len(values))
            good = (lengths >= 0) & (lengths <= self.settings.largest)
            for row in np.flatnonzero(~good).tolist():
                if lengths[row] < 0:
                    self.bad(numbers[row], f"expected text in the column {self.settings.field!r}, found null")
                else:
                    self.too_long(numbers[row], int(lengths[row]))
            if not good.all():
                values, numbers, lengths = values.filter(good), (first + np.flatnonzero(good)).tolist(), lengths[good]
            yield DocumentBatch(values, numbers, int(lengths.sum()))
            self.next = first + len(good)

    def record(self) -> dict[str, Any]:
        part, both = self.part, self.lengths.digest() + self.bytes.digest()
        return {"file": part.file.name, "start": part.start, "stop": part.stop,
                "sha256": hashlib.sha256(both).hexdigest()}


_READERS: dict[str, type[DocumentReader]] = {
    "jsonl": _JsonLines, "lines": _Lines, "text": _Whole, "parquet": _Table, "arrow": _Table, "dataset": _Table,
}


def reader_of(part: FileRange, settings: CorpusSettings, faults: Faults) -> DocumentReader:
    """The reader of a part, chosen by the kind of its file."""
    return _READERS[part.file.kind](part, settings, faults)
