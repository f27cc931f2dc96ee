"""Ids -> Parquet, Arrow IPC and JSON lines: a row a document, or with `pack` a row for each row of ids.

In: batches of ids. Out: one file, whose column `input_ids` is a list of ids. Packed rows also have `lengths`: how
many ids of each document are in the row, in order. JSON lines also have an `id`: the shard's name and the row's
number. Invariant: rows are written in groups of about a million ids, however they were batched. So memory is bounded,
and the bytes depend only on the documents.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import numpy as np

from dstok.corpus.extras import needed
from dstok.corpus.writers import Files, Writer

if TYPE_CHECKING:
    from dstok.corpus.writers import Array

__all__ = ["ArrowWriter", "JsonLinesWriter", "ParquetWriter"]

GROUP = 1 << 20  # ids of a group of rows


class _TableWriter(Writer):
    """Collects batches until they make a group of rows."""

    def __init__(self, files: Files, name: str, *rest: Any) -> None:
        super().__init__(files, name, *rest)
        self.waiting, self.size = list[tuple["Array", "Array", "Array"]](), 0

    def add(self, ids: Array, lengths: Array, rows: Array | None = None) -> None:
        self.waiting.append((ids, lengths, np.ones(len(lengths), np.int64) if rows is None else rows))
        self.size += len(ids)
        if self.size >= GROUP:
            self.flush()

    def close(self) -> None:
        if self.waiting:
            self.flush()

    def flush(self) -> None:
        ids, lengths, rows = (np.concatenate(part) for part in zip(*self.waiting))
        self.waiting, self.size = [], 0
        self.write(self.as_stored(ids), lengths, rows)

    def write(self, ids: Array, lengths: Array, rows: Array) -> None:
        """Write a group: rows[r] documents are in row r."""
        raise NotImplementedError


def _ends(lengths: Array) -> Array:
    """0, and the end of each of the parts with these lengths."""
    return np.concatenate([[0], np.cumsum(lengths)])


class _ArrowRows(_TableWriter):
    """Groups of rows as Arrow record batches."""

    suffix = ""

    def __init__(self, files: Files, name: str, *rest: Any) -> None:
        super().__init__(files, name, *rest)
        self.pa = needed("pyarrow")
        fields = [("input_ids", self.pa.list_(self.pa.from_numpy_dtype(self.dtype)))]
        fields += [("lengths", self.pa.list_(self.pa.int32()))] if self.packed else []
        self.schema = self.pa.schema(fields)
        self.sink: Any = self.opened(files.new(name + self.suffix))

    def opened(self, file: Any) -> Any:
        raise NotImplementedError

    def write(self, ids: Array, lengths: Array, rows: Array) -> None:
        documents = _ends(rows)
        columns = [self._lists(ids, _ends(lengths)[documents])]
        if self.packed:
            columns.append(self._lists(lengths.astype(np.int32), documents))
        self.sink.write_batch(self.pa.record_batch(columns, schema=self.schema))

    def _lists(self, values: Array, ends: Array) -> Any:
        return self.pa.ListArray.from_arrays(self.pa.array(ends, self.pa.int32()), self.pa.array(values))

    def close(self) -> None:
        super().close()
        self.sink.close()


class ParquetWriter(_ArrowRows):
    """Writes a Parquet file."""

    suffix = ".parquet"

    def opened(self, file: Any) -> Any:
        return needed("pyarrow.parquet").ParquetWriter(file, self.schema, compression="zstd", use_dictionary=False)


class ArrowWriter(_ArrowRows):
    """Writes a file of Arrow's IPC format."""

    suffix = ".arrow"

    def opened(self, file: Any) -> Any:
        return self.pa.ipc.new_file(file, self.schema)


class JsonLinesWriter(_TableWriter):
    """Writes a file of JSON lines."""

    def __init__(self, files: Files, name: str, *rest: Any) -> None:
        super().__init__(files, name, *rest)
        self.file, self.row = files.new(f"{name}.jsonl"), 0

    def write(self, ids: Array, lengths: Array, rows: Array) -> None:
        documents = _ends(rows)
        ends, row_lengths = _ends(lengths)[documents].tolist(), np.split(lengths, documents[1:-1])
        lines = (self._line(ids[start:stop], parts) for start, stop, parts in zip(ends, ends[1:], row_lengths))
        self.file.write("".join(lines).encode())

    def _line(self, ids: Array, lengths: Array) -> str:
        name = json.dumps(f"{self.name}/{self.row}")
        self.row += 1
        packed = f', "lengths": {lengths.tolist()}' if self.packed else ""
        return f'{{"id": {name}, "input_ids": {ids.tolist()}{packed}}}\n'
