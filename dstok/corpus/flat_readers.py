"""raw, megatron and datatrove files -> rows of ids.

In: the file of ids, and the file beside it with the ends of documents. Out: a `TokenFile`. Invariant: the places of
documents ascend, and end where the ids end. The layouts: `flat_writers.py`.
"""

from __future__ import annotations

import os
import struct
from collections.abc import Iterator
from typing import TYPE_CHECKING

import numpy as np

from dstok.base.faults import reason
from dstok.corpus.flat_writers import MAGIC, MEGATRON_DTYPES
from dstok.corpus.token_files import IDS, Many, TokenFile, map_array
from dstok.errors import FileError

if TYPE_CHECKING:
    from dstok.corpus.writers import Array

__all__ = ["DatatroveFile", "MegatronFile", "RawFile"]

HEADER = 34  # bytes of a megatron index before its arrays
PARTS = 1 << 16  # documents that are passed on together


class _Flat(TokenFile):
    """Ids in a row. `ends`: where documents end, or, if rows are packed, their parts; a row then has `pack` ids."""

    ids: Array
    ends: Array  # int64[parts + 1], the first 0

    def check(self, where: str) -> None:
        self.tokens = len(self.ids)
        last = int(self.ends[-1])
        if last != self.tokens or self.ends[0] != 0 or bool((self.ends[1:] < self.ends[:-1]).any()):
            raise self.wrong(f"{last} ids, in ascending places, as {where} says", f"{self.tokens} ids")
        if self.pack and self.tokens % self.pack:
            raise self.wrong(f"rows of {self.pack} ids", f"{self.tokens} ids")

    def __len__(self) -> int:
        return self.tokens // self.pack if self.pack else len(self.ends) - 1

    def row(self, index: int) -> Array:
        if self.pack:
            return self.ids[index * self.pack : (index + 1) * self.pack]
        return self.ids[self.ends[index] : self.ends[index + 1]]

    def lengths(self, index: int) -> Array:
        if not self.pack:
            return super().lengths(index)
        first, last = np.searchsorted(self.ends, [index * self.pack, (index + 1) * self.pack], "right")
        return np.diff(self.ends[first - 1 : last])

    def many(self) -> Iterator[Many]:
        rows = max(1, IDS // self.pack) if self.pack else PARTS
        for at in range(0, len(self), rows):
            yield self._packed(at, min(at + rows, len(self))) if self.pack else self._documents(at, at + rows)

    def _documents(self, start: int, stop: int) -> Many:
        ends = np.asarray(self.ends[start : stop + 1]).astype(np.int64)
        return Many(np.asarray(self.ids[ends[0] : ends[-1]]).astype(np.uint32), np.diff(ends), None)

    def _packed(self, start: int, stop: int) -> Many:
        lengths = [self.lengths(row) for row in range(start, stop)]
        ids = np.asarray(self.ids[start * self.pack : stop * self.pack]).astype(np.uint32)
        return Many(ids, np.concatenate(lengths), np.array([len(one) for one in lengths]))


class RawFile(_Flat):
    """A file of ids, and a file of the offsets of its documents."""

    def __init__(self, path: str, dtype: str, pack: int) -> None:
        super().__init__(path, dtype, pack)
        offsets = path.removesuffix(".bin") + ".offsets"
        self.ids, self.ends = map_array(path, f"<{np.dtype(dtype).str[1:]}"), map_array(offsets, "<i8")
        if not len(self.ends):
            raise FileError(f"{offsets}: expected at least one offset, found none")
        self.check(offsets)


class DatatroveFile(_Flat):
    """A file of ids as datatrove writes it, with its index and its metadata."""

    def __init__(self, path: str, dtype: str, pack: int) -> None:
        super().__init__(path, dtype, pack)
        size, count = _metadata(f"{path}.metadata")
        self.ids = map_array(path, f"<u{size}")
        self.ends = np.concatenate([[0], map_array(f"{path}.index", "<i8")])
        self.check(f"{path}.index")
        if count != self.tokens:
            raise self.wrong(f"{count} ids, as {path}.metadata says", f"{self.tokens}")


def _metadata(path: str) -> tuple[int, int]:
    """The bytes of an id, and the number of ids."""
    try:
        with open(path, encoding="utf-8") as file:
            first, second = file.readline(), file.readline()
        size, count = int(first.rpartition("|")[2]), int(second)
        if size not in (2, 4):
            raise ValueError(f"expected ids of 2 or 4 bytes, found {size}")
        return size, count
    except (OSError, ValueError) as error:
        raise FileError(f"{path}: {reason(error)}") from error


class MegatronFile(_Flat):
    """A file of ids as Megatron-LM writes it, with its index."""

    def __init__(self, path: str, dtype: str, pack: int) -> None:
        super().__init__(path, dtype, 0)
        index = path.removesuffix(".bin") + ".idx"
        code, sequences, documents = _header(index)
        self.ids = map_array(path, f"<{np.dtype(code).str[1:]}")
        lengths = map_array(index, "<i4", HEADER, sequences)
        self.parts = np.concatenate([[0], np.cumsum(lengths, dtype=np.int64)])
        self.places = map_array(index, "<i8", HEADER + 4 * sequences, sequences)
        self.rows = map_array(index, "<i8", HEADER + 12 * sequences, documents)
        self._check_index(index, self.ids.dtype.itemsize)
        self.ends = self.parts[self.rows]
        self.check(index)
        self.packed = pack > 0

    def _check_index(self, index: str, itemsize: int) -> None:
        ascend = bool((np.diff(self.rows) >= 0).all()) and len(self.rows) > 0
        if not ascend or self.rows[0] != 0 or self.rows[-1] != len(self.parts) - 1:
            raise FileError(f"{index}: expected documents' sequences from 0 to {len(self.parts) - 1}, ascending")
        if bool((self.places != self.parts[:-1] * itemsize).any()):
            raise FileError(f"{index}: expected sequences one after the other, found other places")

    def lengths(self, index: int) -> Array:
        if not self.packed:
            return super().lengths(index)
        return np.diff(self.parts[self.rows[index] : self.rows[index + 1] + 1])

    def many(self) -> Iterator[Many]:
        if not self.packed:
            yield from super().many()
            return
        for at in range(0, len(self), PARTS):
            rows = np.asarray(self.rows[at : at + PARTS + 1])
            parts = self.parts[rows[0] : rows[-1] + 1]
            yield Many(np.asarray(self.ids[parts[0] : parts[-1]]).astype(np.uint32), np.diff(parts), np.diff(rows))


def _header(path: str) -> tuple[str, int, int]:
    """The dtype, the number of sequences and of documents + 1 of an index of the length that it states."""
    try:
        with open(path, "rb") as file:
            start, size = file.read(HEADER), os.fstat(file.fileno()).st_size
    except OSError as error:
        raise FileError(f"{path}: {reason(error)}") from error
    if len(start) < HEADER or not start.startswith(MAGIC):
        raise FileError(f"{path}: expected an index of megatron's, found another file")
    version, code, sequences, documents = struct.unpack("<QBQQ", start[len(MAGIC) :])
    dtype = next((dtype for dtype, known in MEGATRON_DTYPES.items() if known == code), None)
    if version != 1 or dtype is None:
        raise FileError(f"{path}: expected version 1 and ids of {' or '.join(MEGATRON_DTYPES)}, found version "
                        f"{version} and code {code}")
    if size != HEADER + 12 * sequences + 8 * documents:
        raise FileError(f"{path}: expected {HEADER + 12 * sequences + 8 * documents} bytes, found {size}")
    return dtype, sequences, documents
