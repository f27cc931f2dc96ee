"""Ids -> raw, megatron and datatrove files: all ids in a row, and beside them the ends of documents.

raw: `.bin` holds the ids, `.offsets` uint64[documents + 1], the first 0; document i is `ids[offsets[i] : offsets[i +
1]]`

datatrove: `.ds` holds the ids, `.ds.index` uint64[documents], the end of each, `.ds.metadata` three lines of text.

megatron: `_text_document.bin` holds the ids, `.idx` a header of 34 bytes, int32[sequences] lengths, int64[sequences]
places in bytes, int64[documents + 1] the first sequence of each document. A document without ids has no sequence.
With `pack` each row is a document, and its sequences are the parts of documents in it.

All numbers are little-endian.
"""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING, Any

import numpy as np

from dstok.corpus.writers import Files, Numbers, Writer

if TYPE_CHECKING:
    from dstok.corpus.writers import Array

__all__ = ["MAGIC", "MEGATRON_DTYPES", "DatatroveWriter", "MegatronWriter", "RawWriter"]

MAGIC = b"MMIDIDX\x00\x00"
MEGATRON_DTYPES = {"int32": 4, "uint16": 8}  # megatron knows more
_UNITS = ("", "k", "M", "G", "T", "P", "E")


class RawWriter(Writer):
    """Writes `RawFile`'s two files."""

    def __init__(self, files: Files, name: str, *rest: Any) -> None:
        super().__init__(files, name, *rest)
        self.ids, self.offsets, self.end = files.new(f"{name}.bin"), files.new(f"{name}.offsets"), 0
        self.offsets.write(bytes(8))

    def add(self, ids: Array, lengths: Array, rows: Array | None = None) -> None:
        self.ids.write(self.as_stored(ids))
        self.offsets.write((np.cumsum(lengths) + self.end).astype("<u8"))
        self.end += len(ids)


class DatatroveWriter(Writer):
    """Writes `DatatroveFile`'s three files."""

    def __init__(self, files: Files, name: str, *rest: Any) -> None:
        super().__init__(files, name, *rest)
        self.ids, self.index, self.end = files.new(f"{name}.ds"), files.new(f"{name}.ds.index"), 0

    def add(self, ids: Array, lengths: Array, rows: Array | None = None) -> None:
        self.ids.write(self.as_stored(ids))
        self.index.write((np.cumsum(lengths) + self.end).astype("<u8"))
        self.end += len(ids)

    def close(self) -> None:
        lines = f"{self.tokenizer}|{self.dtype.itemsize}\n{self.end}\n{_metric(self.end)}"
        self.files.new(f"{self.name}.ds.metadata").write(lines.encode())


def _metric(count: int) -> str:
    """A count of tokens as datatrove's reader shows it, with three digits.

    >>> _metric(1234567), _metric(42)
    ('1.23 MT', '42.0 T')
    """
    digits, exponent = f"{count:.2e}".split("e")
    thousands, rest = divmod(int(exponent), 3)
    return f"{float(digits) * 10**rest:.{2 - rest}f} {_UNITS[thousands]}T"


class MegatronWriter(Writer):
    """Writes `MegatronFile`'s two files."""

    def __init__(self, files: Files, name: str, *rest: Any) -> None:
        super().__init__(files, name, *rest)
        self.ids = files.new(f"{name}_text_document.bin")
        self.lengths, self.rows = Numbers(files.scratch, "<i4"), Numbers(files.scratch)

    def add(self, ids: Array, lengths: Array, rows: Array | None = None) -> None:
        self.ids.write(self.as_stored(ids))
        self.lengths.add(lengths[lengths > 0])
        self.rows.add((lengths > 0) if rows is None else rows)

    def close(self) -> None:
        index = self.files.new(f"{self.name}_text_document.idx")
        code = MEGATRON_DTYPES[self.dtype.name]
        index.write(MAGIC + struct.pack("<QBQQ", 1, code, self.lengths.count, self.rows.count + 1))
        for block in self.lengths.blocks():
            index.write(block)
        place = 0
        for block in self.lengths.blocks():
            ends = np.cumsum(block, dtype=np.int64) * self.dtype.itemsize + place
            index.write(np.concatenate([[place], ends[:-1]]).astype("<i8"))
            place = int(ends[-1])
        index.write(bytes(8))
        first = 0
        for block in self.rows.blocks():
            index.write((np.cumsum(block) + first).astype("<i8"))
            first += int(block.sum())
        self.lengths.close()
        self.rows.close()
