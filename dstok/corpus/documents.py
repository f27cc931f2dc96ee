"""A part of an input file -> its documents, in batches.

In: a `FileRange`. Out: `DocumentBatch`es of texts, each with its place; anything that is not text goes to `Faults`.
Invariant: the documents come in the order of the file. A batch holds about a megabyte, so the largest allowed document
bounds memory. After the last batch `DocumentReader.record` tells what was read, with a checksum.
"""

from __future__ import annotations

import hashlib
import struct
from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

from dstok.corpus.json_lines import BadLineError, text_reader
from dstok.corpus.line_range import LineRange, count_lines
from dstok.corpus.lines import lines_of
from dstok.corpus.places import Faults, Place, with_skip
from dstok.corpus.plan import FileRange
from dstok.corpus.settings import CorpusSettings
from dstok.corpus.tables import rows_of
from dstok.errors import FileError

__all__ = ["DocumentBatch", "DocumentReader", "reader_of"]

SIZE = 1 << 20  # bytes of a batch, about


class DocumentBatch(NamedTuple):
    """Texts that are encoded together: `str`, or bytes, which need not be UTF-8. Text i has number `numbers[i]`.

    `size`: bytes of the input read for them, unpacked.
    """

    texts: list[str | bytes]
    numbers: Sequence[int]
    size: int


class DocumentReader:
    """Reads the documents of a part."""

    unit = ""

    def __init__(self, part: FileRange, settings: CorpusSettings, faults: Faults) -> None:
        self.part, self.settings, self.faults = part, settings, faults
        self.path = part.file.path

    def batches(self) -> Iterator[DocumentBatch]:
        """The documents. Raises `FileError` unless bad ones are skipped; then a broken file ends here."""
        try:
            yield from self.read()
        except FileError as error:
            if not self.faults.skips:
                error.parameter = with_skip(error.parameter)
                raise
            self.faults.found(Place(self.path), f"the rest of the file: {_without_path(error, self.path)}")

    def read(self) -> Iterator[DocumentBatch]:
        raise NotImplementedError

    def record(self) -> dict[str, Any]:
        """A record of the input read, for the manifest."""
        raise NotImplementedError

    def place(self, number: int) -> Place:
        """The place of the document with that number in its batch's `numbers`."""
        return Place(self.path, self.unit, number)

    def bad(self, number: int, why: str, parameter: str = "") -> None:
        self.faults.found(self.place(number), why, parameter)

    def too_long(self, number: int, size: int) -> None:
        self.bad(number, f"expected a document of at most {self.settings.largest} bytes, found {size}", "largest")


class _Bytes(DocumentReader):
    """A file that is read as bytes."""

    def __init__(self, part: FileRange, settings: CorpusSettings, faults: Faults) -> None:
        super().__init__(part, settings, faults)
        self.line_range = LineRange(self.path, part.start, part.stop)

    def record(self) -> dict[str, Any]:
        lines = self.line_range
        return {"file": self.part.file.name, "start": lines.start, "stop": lines.stop, "sha256": lines.sha256}


class _Lines(_Bytes):
    """A document a line. Numbers count the lines from the start of the part."""

    unit = "line"
    before: int | None = None  # lines before the part; counted only when an error names a line

    def read(self) -> Iterator[DocumentBatch]:
        number = 1
        for lines in lines_of(self.line_range.blocks(), self.settings.largest):
            texts, numbers = self.texts(lines, number)
            yield DocumentBatch(texts, numbers, sum(one if isinstance(one, int) else len(one) + 1 for one in lines))
            number += len(lines)

    def texts(self, lines: list[bytes | int], first: int) -> tuple[list[str | bytes], list[int]]:
        """The texts of `lines`, and their numbers."""
        texts, numbers = list[str | bytes](), list[int]()
        for number, line in enumerate(lines, first):
            if isinstance(line, int):
                self.too_long(number, line)
                continue
            text = self.text(line, number)
            if text is not None:
                texts.append(text)
                numbers.append(number)
        return texts, numbers

    def text(self, line: bytes, number: int) -> str | bytes | None:
        """The document in a line; None if it holds none."""
        return line.removesuffix(b"\r")

    def place(self, number: int) -> Place:
        if self.before is None:
            self.before = count_lines(self.path, self.line_range.start) if self.line_range.start else 0
        return super().place(self.before + number)


class _JsonLines(_Lines):
    """JSON lines. Blank lines hold no document; a byte order mark before the first line is skipped."""

    def __init__(self, part: FileRange, settings: CorpusSettings, faults: Faults) -> None:
        super().__init__(part, settings, faults)
        self.loads = text_reader(settings.field)

    def text(self, line: bytes, number: int) -> str | None:
        if number == 1 and not self.line_range.start:
            line = line.removeprefix(b"\xef\xbb\xbf")
        if not line or line.isspace():
            return None
        try:
            return self.loads(line)
        except BadLineError as error:
            self.bad(number, str(error), error.parameter)
            return None


class _Whole(_Bytes):
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

    def place(self, number: int) -> Place:
        return Place(self.path)


class _Table(DocumentReader):
    """A column of a table. The checksum covers its values, each after its length in eight bytes (null: length -1)."""

    unit = "row"

    def __init__(self, part: FileRange, settings: CorpusSettings, faults: Faults) -> None:
        super().__init__(part, settings, faults)
        self.hash = hashlib.sha256()

    def read(self) -> Iterator[DocumentBatch]:
        part = self.part
        for first, values in rows_of(part.file, part.start, part.stop, self.settings.field):
            batch = DocumentBatch([], list[int](), 0)
            for number, value in enumerate(values.to_pylist(), first):
                self._add(batch, number, value)
            yield batch._replace(size=sum(map(len, batch.texts)))

    def _add(self, batch: DocumentBatch, number: int, value: bytes | None) -> None:
        self.hash.update(struct.pack("<q", -1 if value is None else len(value)))
        if value is None:
            self.bad(number, f"expected text in the column {self.settings.field!r}, found null")
            return
        self.hash.update(value)
        if len(value) > self.settings.largest:
            self.too_long(number, len(value))
            return
        batch.texts.append(value)
        batch.numbers.append(number)  # type: ignore[attr-defined]

    def record(self) -> dict[str, Any]:
        part = self.part
        return {"file": part.file.name, "start": part.start, "stop": part.stop, "sha256": self.hash.hexdigest()}


_READERS: dict[str, type[DocumentReader]] = {
    "jsonl": _JsonLines, "lines": _Lines, "text": _Whole, "parquet": _Table, "arrow": _Table, "dataset": _Table,
}


def reader_of(part: FileRange, settings: CorpusSettings, faults: Faults) -> DocumentReader:
    """The reader of a part, chosen by the kind of its file."""
    return _READERS[part.file.kind](part, settings, faults)


def _without_path(error: FileError, path: str) -> str:
    return error.message.removeprefix(f"{path}: ")
