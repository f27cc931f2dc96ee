"""Parquet, Arrow IPC and data sets -> the texts of a column, about a megabyte at a time.

In: a file, and its row groups, record batches or rows to read. Out: the column's values, as Arrow arrays of binary,
or `None` where a value is null. Invariant: a part of a file is read without the others; a row group or record batch
bounds memory. Every error of pyarrow about a broken file becomes a `FileError` with its name.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from functools import lru_cache
from typing import TYPE_CHECKING, Any

from dstok._util.files import reason
from dstok._util.imports import needed
from dstok.errors import ArgumentError, FileError

if TYPE_CHECKING:
    from dstok.corpus.inputs import InputFile

SIZE = 1 << 20  # bytes of a column that are passed on together, about
SET_ROWS = 10_000  # rows of a data set that are read together


def extents(file: InputFile) -> list[tuple[int, int, int]]:
    """(start, stop, bytes, about) of row groups, record batches or rows that are read together.

    An unreadable file is one part: its error is reported in its turn.
    """
    try:
        if file.kind == "dataset":
            return [(at, min(at + SET_ROWS, file.size), SET_ROWS) for at in range(0, file.size, SET_ROWS)]
        count = (_parquet(file.path).num_row_groups if file.kind == "parquet" else
                 int(getattr(_open_arrow(file.path), "num_record_batches", 0)))
    except FileError:
        count = 0
    share = file.size // max(1, count)
    return [(at, at + 1, share) for at in range(count)] or [(0, -1, file.size)]


def rows_of(file: InputFile, start: int, stop: int, field: str) -> Iterator[tuple[int, Any]]:
    """The column `field` of a part of `file`: values, after the number of the first one's row. Raises `FileError`."""
    read = {"parquet": _of_parquet, "arrow": _of_arrow, "dataset": _of_dataset}[file.kind]
    with about(file.path):
        from dstok.arrow.columns import as_binary  # which needs pyarrow

        for first, column in read(file, start, stop, field):
            step = _rows(len(column), column.nbytes)
            for at in range(0, len(column), step):
                try:
                    values = as_binary(column.slice(at, step))
                except ArgumentError:
                    raise FileError(f"{file.path}: expected text in the column {field!r}, found {column.type}",
                                    "field") from None
                yield first + at, values


def _rows(count: int, size: int) -> int:
    """The number of rows in about `SIZE` bytes, if `count` rows are `size` bytes."""
    return max(1, min(count, 1 << 16, count * SIZE // max(1, size)))


@contextmanager
def about(path: str) -> Iterator[None]:
    """Turns errors of pyarrow while it reads `path` into errors that name it."""
    pa = needed("pyarrow")
    try:
        yield
    except FileError:
        raise
    except (pa.ArrowException, OSError, ValueError, KeyError) as error:
        raise FileError(f"{path}: {reason(error).splitlines()[0]}") from error


def _parquet(path: str) -> Any:
    parquet = needed("pyarrow.parquet")
    with about(path):
        return parquet.ParquetFile(needed("pyarrow").OSFile(os.fsencode(path)), pre_buffer=False)


def _of_parquet(file: InputFile, start: int, stop: int, field: str) -> Iterator[tuple[int, Any]]:
    with _parquet(file.path) as parquet:
        _check_field(file.path, field, parquet.schema_arrow.names)
        sizes = [parquet.metadata.row_group(i).num_rows for i in range(parquet.num_row_groups)]
        groups = range(start, len(sizes) if stop < 0 else stop)
        first = sum(sizes[:start])
        rows = _rows(max(1, parquet.metadata.num_rows), file.size * 2)  # compressed to a half or less
        for batch in parquet.iter_batches(rows, row_groups=[*groups], columns=[field], use_threads=False):
            yield first, batch.column(0)
            first += batch.num_rows


def _open_arrow(path: str, options: Any = None) -> Any:
    """The reader of an Arrow file, or of a stream as `datasets` writes it."""
    pa = needed("pyarrow")
    with about(path):
        source = pa.OSFile(os.fsencode(path))  # not mapped: a file that is cut while it is read would end the process
        try:
            return pa.ipc.open_file(source, options=options)
        except pa.ArrowInvalid:
            source.seek(0)
            with about(f"{path}: expected an Arrow file or stream, such as Feather V2"):
                return pa.ipc.open_stream(source, options=options)


def _of_arrow(file: InputFile, start: int, stop: int, field: str) -> Iterator[tuple[int, Any]]:
    names = _open_arrow(file.path).schema.names
    _check_field(file.path, field, names)
    options = needed("pyarrow.ipc").IpcReadOptions(included_fields=[names.index(field)])  # reads no other column
    reader, first = _open_arrow(file.path, options), 0
    count = getattr(reader, "num_record_batches", None)  # None: a stream
    batches = iter(reader) if count is None else map(reader.get_batch, range(count if stop < 0 else stop))
    for number, batch in enumerate(batches):
        if number >= start:
            yield first, batch.column(field)
        first += batch.num_rows


@lru_cache(1)
def load_dataset(name: str) -> Any:
    """The data set NAME[:CONFIG[:SPLIT]], through `datasets`. Raises `FileError`."""
    datasets = needed("datasets")
    path, config, split = [*name.split(":"), "", ""][:3]
    try:
        return datasets.load_dataset(path, config or None, split=split or "train")
    except Exception as error:  # a loader may raise anything
        raise FileError(f"{name}: {reason(error).splitlines()[0]}") from error


def _of_dataset(file: InputFile, start: int, stop: int, field: str) -> Iterator[tuple[int, Any]]:
    loaded = load_dataset(file.path)
    if len(loaded) != file.size:
        raise FileError(f"{file.path}: has changed since the run began: expected {file.size} rows, found {len(loaded)}")
    _check_field(file.path, field, loaded.column_names)
    table = loaded.with_format("arrow")
    for chunk in table[start:stop].column(field).chunks:
        yield start, chunk
        start += len(chunk)


def _check_field(path: str, field: str, names: list[str]) -> None:
    if names.count(field) != 1:
        found = ", ".join(map(repr, names)) or "none"
        raise FileError(f"{path}: expected one column {field!r}, found {found}", "field")
