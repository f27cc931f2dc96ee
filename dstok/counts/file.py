"""Counts files: distinct pieces with their frequencies, sorted.

In: blocks of sorted pieces, from a table or a merge. Out: a file, and its blocks and pieces again.
Invariant: the same pieces and counts give the same bytes, wherever they were counted. A file with its name is complete,
and each block has a checksum. Reading holds one block in memory.

The format, little-endian: a header (`_HEADER`), then the blocks. Header: "dstokcnt"; the format's number, 1; 1 if the
most frequent pieces come first, 0 if pieces are sorted by their bytes; the SHA-256 of all that decides the pieces, or
zeros; the number of distinct pieces, their bytes, the sum of the counts, the bytes of the longest piece; the size of
the file; the CRC-32 of the header so far. A block: its size (64 bits), its CRC-32, its pieces as in
`core/find/_counted.h`.
"""

from __future__ import annotations

import os
import struct
from array import array
from collections.abc import Iterator
from typing import BinaryIO, NamedTuple, Protocol
from zlib import crc32

from dstok.base.faults import file_faults
from dstok.base.paths import StrPath, WholeFile
from dstok.core.find._counts import rows_of
from dstok.errors import FileError

__all__ = ["BLOCK", "Blocks", "CountsFile", "Rows", "Totals", "is_counts", "write_counts"]

BLOCK = 1 << 18  # bytes of a block; one with a longer piece is larger
_MAGIC, _FORMAT = b"dstokcnt", 1
_HEADER = struct.Struct("<8sII32sQQQQQ")
_SUM = struct.Struct("<I")
_BLOCK_HEADER = struct.Struct("<QI")
_START = _HEADER.size + _SUM.size

Rows = tuple[bytes, "array[int]", "array[int]"]  # pieces, offsets, counts


class Totals(NamedTuple):
    """The number of distinct pieces, their bytes, the sum of their counts, the bytes of the longest piece."""

    distinct: int
    length: int
    occurrences: int
    longest: int


class Blocks(Protocol):
    """Where blocks come from: a sorted `Tally`, a `Merge`."""

    def block(self, size: int) -> bytes: ...

    def totals(self) -> tuple[int, int, int, int]: ...


class CountsFile:
    """A counts file. `made_by`: the SHA-256 of what decides the pieces, in hex; "" if unknown. Raises `FileError`.

    `by_count`: the most frequent pieces come first, not those with the smallest bytes.
    """

    def __init__(self, path: StrPath) -> None:
        self.path = os.fspath(path)
        with file_faults(self.path), open(self.path, "rb") as file:
            header, size = file.read(_START), os.fstat(file.fileno()).st_size
        if header[: len(_MAGIC)] != _MAGIC:
            raise FileError(f"{self.path}: expected a counts file, found other bytes")
        if len(header) < _START or crc32(header[:-4]) != _SUM.unpack(header[-4:])[0]:
            raise FileError(f"{self.path}: the header of this counts file is damaged")
        _, number, by_count, made_by, *totals, expected = _HEADER.unpack(header[:-4])
        if number != _FORMAT:
            raise FileError(f"{self.path}: expected counts in format {_FORMAT}, found format {number}")
        self.size = int(expected)
        self._check_size(size)
        self.totals, self.by_count = Totals(*totals), bool(by_count)
        self.made_by = made_by.hex() if any(made_by) else ""

    def blocks(self) -> Iterator[bytes]:
        """The blocks, each checked. Raises `FileError`."""
        with file_faults(self.path), open(self.path, "rb") as file:
            file.seek(_START)
            while head := file.read(_BLOCK_HEADER.size):
                yield self._block(file, head)
            self._check_size(file.tell())  # it may have been cut since, between two blocks

    def _check_size(self, found: int) -> None:
        if found != self.size:
            raise FileError(f"{self.path}: expected {self.size} bytes, found {found}")

    def _block(self, file: BinaryIO, head: bytes) -> bytes:
        at = file.tell() - len(head)
        if len(head) == _BLOCK_HEADER.size:
            size, checksum = _BLOCK_HEADER.unpack(head)
            if size <= os.fstat(file.fileno()).st_size - file.tell():
                block = file.read(size)
                if len(block) == size > 0 and crc32(block) == checksum:
                    return block
        raise FileError(f"{self.path}: the block at byte {at} of this counts file is damaged")

    def rows(self) -> Iterator[Rows]:
        """(pieces, offsets, counts) of each block: piece i is `pieces[offsets[i]:offsets[i + 1]]`.

        Raises `FileError`.
        """
        for block in self.blocks():
            try:
                yield rows_of(block)
            except ValueError as error:
                raise FileError(f"{self.path}: {error.args[0]}") from error


def is_counts(path: StrPath) -> bool:
    """Whether a file begins as counts files do."""
    try:
        with open(path, "rb") as file:
            return file.read(len(_MAGIC)) == _MAGIC
    except OSError:
        return False


def write_counts(path: StrPath, source: Blocks, made_by: str = "", by_count: bool = False) -> CountsFile:
    """Writes all blocks of `source` to a file, at once or not at all. Raises `FileError`, and errors of the source."""
    path = os.fspath(path)
    with file_faults(path), WholeFile(path) as file:
        file.seek(_START)
        while block := source.block(BLOCK):
            file.write(_BLOCK_HEADER.pack(len(block), crc32(block)))
            file.write(block)
        header = _HEADER.pack(_MAGIC, _FORMAT, by_count, bytes.fromhex(made_by), *source.totals(), file.tell())
        file.seek(0)
        file.write(header + _SUM.pack(crc32(header)))
    return CountsFile(path)
