"""Tables of texts -> texts one by one: Arrow's, and the data sets of `datasets`.

In: anything that a training takes as its texts. Out: `str` and bytes, or lists of them; of a table, the UTF-8 of a
column. Invariant: the texts come in their order, about a thousand rows at a time, and a row without text is an error.
Neither pyarrow nor `datasets` is imported for other texts.
"""

from __future__ import annotations

import sys
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from dstok.base.extras import of_extra
from dstok.errors import ArgumentError, TextError
from dstok.vocabularies.counting import Texts

__all__ = ["texts_of"]

ROWS = 1000  # of a column that become objects of Python at a time


def texts_of(source: Any, field: str) -> Texts:
    """The texts of a source. field: the column of a table.

    Raises `ArgumentError` for a table without this column, or with anything but texts in it. Reading raises
    `TextError` for a row without text, and for a broken array.

    >>> import pyarrow as pa
    >>> list(texts_of(pa.table({"id": [1, 2], "text": ["a", "b"]}), "text"))
    [b'a', b'b']
    """
    if isinstance(source, Mapping):
        raise ArgumentError(f"expected texts, found a {type(source).__name__} with {', '.join(map(str, source))}: name "
                            "one of these", "texts")
    if _is_dataset(source):
        return _column_texts(_of_tables(source.with_format("arrow").iter(ROWS), field))
    if hasattr(source, "__arrow_c_stream__") or hasattr(source, "__arrow_c_array__"):
        with of_extra("arrow", "training from Arrow"):
            return _column_texts(_of_arrow(source, field))
    return source  # type: ignore[no-any-return]


def _is_dataset(source: Any) -> bool:
    """Whether it is a `Dataset` or an `IterableDataset`, whose iteration gives rows."""
    library = sys.modules.get("datasets")
    return library is not None and isinstance(source, library.Dataset | library.IterableDataset)


def _of_arrow(source: Any, field: str) -> Iterable[Any]:
    """The arrays of a column: an array, a chunked one, or that of a table."""
    import pyarrow as pa

    from dstok.arrow.columns import pieces_of

    if hasattr(source, "__arrow_c_stream__"):
        try:
            return _of_tables(pa.RecordBatchReader.from_stream(source), field)
        except pa.ArrowInvalid:  # a stream of arrays, not of batches
            pass
    arrays, kind, _ = pieces_of(source)
    return _of_tables(map(pa.RecordBatch.from_struct_array, arrays), field) if pa.types.is_struct(kind) else arrays


def _of_tables(tables: Iterable[Any], field: str) -> Iterator[Any]:
    """The arrays of a column of tables or record batches. Of a data set the columns are known when it is read."""
    for table in tables:
        names = table.schema.names
        if names.count(field) != 1:
            found = ", ".join(map(repr, names)) or "none"
            raise ArgumentError(f"expected one column {field!r}, found {found}", "field")
        column = table.column(field)
        yield from getattr(column, "chunks", [column])


def _column_texts(arrays: Iterable[Any]) -> Iterator[bytes]:
    from dstok.arrow.binaries import as_binary

    row = 0
    for array in arrays:
        for start in range(0, len(array), ROWS):
            for text in as_binary(array.slice(start, ROWS)).to_pylist():
                if text is None:
                    raise TextError("expected text, found null", 0, row)
                yield text
                row += 1
