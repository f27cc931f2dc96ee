"""Parquet, Arrow IPC and JSON lines -> rows of ids.

In: a file with a column `input_ids`, and `lengths` if rows are packed. Out: a `TokenFile`. Invariant: an Arrow file
is mapped; of a Parquet file one group of rows is in memory, of JSON lines the place of each line.
"""

from __future__ import annotations

import json
import mmap
from collections.abc import Iterator
from functools import lru_cache
from typing import TYPE_CHECKING, Any

import numpy as np

from dstok.base.faults import reason
from dstok.corpus.extras import needed
from dstok.corpus.tables import about
from dstok.corpus.token_files import Many, TokenFile
from dstok.errors import FileError

if TYPE_CHECKING:
    from dstok.corpus.writers import Array

__all__ = ["ArrowFile", "JsonLinesFile", "ParquetFile"]


class _Grouped(TokenFile):
    """Rows in groups. Each group is read whole."""

    def __init__(self, path: str, dtype: str, pack: int) -> None:
        super().__init__(path, dtype, pack)
        with about(path):
            self.sizes = self.open()
        self.ends = np.concatenate([[0], np.cumsum(self.sizes)]).astype(np.int64)
        self.group = lru_cache(2)(self._group)
        self.count: int | None = None

    def open(self) -> list[int]:
        """Open the file, and return the number of rows of each group."""
        raise NotImplementedError

    def read(self, group: int) -> Any:
        """A group, as an Arrow table or record batch."""
        raise NotImplementedError

    @property
    def tokens(self) -> int:  # type: ignore[override]
        if self.count is None:
            self.count = sum(len(many.ids) for many in self.many())
        return self.count

    def __len__(self) -> int:
        return int(self.ends[-1])

    def _group(self, group: int) -> tuple[Array, Array, Array | None, Array | None]:
        """Ids, and the ends of rows in them; for packed rows also documents' lengths, and the ends of rows there."""
        with about(self.path):
            table = self.read(group)
            ids, ends = _flat(table.column("input_ids"))
            return ids, ends, *(_flat(table.column("lengths")) if self.pack else (None, None))

    def _place(self, index: int) -> tuple[int, int]:
        group = int(np.searchsorted(self.ends, index, "right")) - 1
        return group, index - int(self.ends[group])

    def row(self, index: int) -> Array:
        group, row = self._place(index)
        ids, ends, _, _ = self.group(group)
        return ids[ends[row] : ends[row + 1]]

    def lengths(self, index: int) -> Array:
        group, row = self._place(index)
        _, _, lengths, ends = self.group(group)
        return super().lengths(index) if lengths is None or ends is None else lengths[ends[row] : ends[row + 1]]

    def many(self) -> Iterator[Many]:
        for group in range(len(self.sizes)):
            ids, ends, lengths, rows = self._group(group)
            ids = ids[ends[0] : ends[-1]].astype(np.uint32)
            yield Many(ids, np.diff(ends), None) if lengths is None or rows is None else Many(
                ids, lengths[rows[0] : rows[-1]].astype(np.int64), np.diff(rows))


def _flat(column: Any) -> tuple[Array, Array]:
    """A column of lists: all values, and the end of each list; the first end is 0 or the start of the first list."""
    pa = needed("pyarrow")
    column.validate(full=True)
    lists = column.combine_chunks() if isinstance(column, pa.ChunkedArray) else column
    if not pa.types.is_list(lists.type) or not pa.types.is_integer(lists.type.value_type) or lists.null_count:
        raise ValueError(f"expected lists of ids, found {lists.type}")
    return lists.values.to_numpy(zero_copy_only=False), lists.offsets.to_numpy().astype(np.int64)


class ParquetFile(_Grouped):
    """A Parquet file, a row group at a time."""

    def open(self) -> list[int]:
        self.file = needed("pyarrow.parquet").ParquetFile(self.path, memory_map=True, pre_buffer=False)
        metadata = self.file.metadata
        return [metadata.row_group(i).num_rows for i in range(metadata.num_row_groups)]

    def read(self, group: int) -> Any:
        return self.file.read_row_group(group, use_threads=False)


class ArrowFile(_Grouped):
    """A file of Arrow's IPC format, a record batch at a time."""

    def open(self) -> list[int]:
        pa = needed("pyarrow")
        self.file = pa.ipc.open_file(pa.memory_map(self.path))
        return [self.file.get_batch(i).num_rows for i in range(self.file.num_record_batches)]

    def read(self, group: int) -> Any:
        return self.file.get_batch(group)


class JsonLinesFile(TokenFile):
    """A file of JSON lines, mapped."""

    def __init__(self, path: str, dtype: str, pack: int) -> None:
        super().__init__(path, dtype, pack)
        try:
            with open(path, "rb") as file:
                self.data = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
        except (OSError, ValueError) as error:
            raise FileError(f"{path}: {reason(error)}") from error
        self.ends = np.array([0, *self._line_ends()], np.int64)
        self.count: int | None = None

    def _line_ends(self) -> Iterator[int]:
        at = 0
        while at < len(self.data):
            at = self.data.find(b"\n", at) + 1 or len(self.data)
            yield at

    @property
    def tokens(self) -> int:  # type: ignore[override]
        if self.count is None:
            self.count = sum(len(self.row(i)) for i in range(len(self)))
        return self.count

    def __len__(self) -> int:
        return len(self.ends) - 1

    def _value(self, index: int, key: str) -> Array:
        try:
            return np.array(json.loads(self.data[self.ends[index] : self.ends[index + 1]])[key], np.int64)
        except (ValueError, TypeError, LookupError, OverflowError, RecursionError) as error:
            raise self.wrong(f"numbers under {key!r} in line {index + 1}", reason(error)) from error

    def row(self, index: int) -> Array:
        return self._value(index, "input_ids").astype(np.uint32)

    def lengths(self, index: int) -> Array:
        return self._value(index, "lengths") if self.pack else super().lengths(index)

    def many(self) -> Iterator[Many]:
        for at in range(0, len(self), 1024):
            rows = range(at, min(at + 1024, len(self)))
            lengths = [self.lengths(row) for row in rows]
            counts = np.array([len(one) for one in lengths]) if self.pack else None
            yield Many(np.concatenate([self.row(row) for row in rows]), np.concatenate(lengths), counts)
