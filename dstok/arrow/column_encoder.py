"""A function over tables and batches: a column of texts in, columns of ids and lengths out.

In: the arguments that Arrow libraries pass to functions: a table, a record batch, an iterator over these, an array;
or a frame or series of Polars. Out: the same kind of object.
Invariant: rows and their order stay, and so do other columns. A `ColumnEncoder` never changes, and pickles to the
same bytes in every process, so that a cache keyed by the pickle (as in `datasets`) recognizes it.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import pyarrow as pa

from dstok.arrow.encoding import encode, encode_and_count
from dstok.base.arguments import explained
from dstok.base.ids import Dtype
from dstok.base.numbers import thread_count
from dstok.base.texts import Errors, Special
from dstok.errors import ArgumentError, ColumnError

if TYPE_CHECKING:
    from dstok.tokenizer import Tokenizer

__all__ = ["ColumnEncoder"]


class ColumnEncoder:
    """Encodes the column `column` of its argument into the columns `ids` and `length`.

    ids: lists of `dtype`; length: int64, None: no such column. A column with one of these names is replaced. The
    other keywords are those of `dstok.arrow.encode`. It can be passed as it is to

        datasets    table.with_format("arrow").map(encoder, batched=True, num_proc=2)
        Ray Data    dataset.map_batches(encoder, batch_format="pyarrow")
        Polars      frame.lazy().map_batches(encoder), or series.map_batches(encoder) of ids alone
        DuckDB      connection.create_function("ids", encoder, ["VARCHAR"], "UINTEGER[]", type="arrow")
        Spark       frame.mapInArrow(encoder, schema), with dtype="int32"

    A table, record batch or Polars frame gives one with these columns; an array, chunked array or series gives the
    ids; an iterator gives an iterator over the results. Raises `ColumnError` if there is no such column, and as
    `encode`.

    >>> import dstok, pyarrow
    >>> from dstok import arrow
    >>> encoder = arrow.ColumnEncoder(dstok.load("deepseek-v3"), add_eos=True)
    >>> encoder(pyarrow.table({"text": ["Hello", None]})).to_pylist()
    [{'text': 'Hello', 'input_ids': [19923, 1], 'length': 2}, {'text': None, 'input_ids': None, 'length': None}]
    """

    @explained
    def __init__(
        self, tok: Tokenizer, column: str = "text", *, ids: str = "input_ids", length: str | None = "length",
        threads: int = 1, special: Special = "all", add_bos: bool = False, add_eos: bool = False,
        errors: Errors = "strict", dtype: Dtype = "uint32",
    ) -> None:
        named = special if isinstance(special, str) else sorted(special)  # a set has another order in each process
        self._tok, self._column, self._ids, self._length = tok, column, ids, length
        self._options: dict[str, Any] = {
            "threads": thread_count(threads), "special": named, "add_bos": add_bos, "add_eos": add_eos,
            "errors": errors, "dtype": dtype}
        encode(tok, pa.array(["a"]), **self._options)  # invalid options raise here, not in a worker

    def __call__(self, batch: Any) -> Any:
        if isinstance(batch, pa.Table | pa.RecordBatch):
            return self._table(batch)
        if isinstance(batch, Iterator):
            return map(self, batch)
        polars = sys.modules.get("polars")
        if polars is not None and isinstance(batch, polars.DataFrame):
            return self._frame(batch, polars.Series)
        if polars is not None and isinstance(batch, polars.Series):
            return polars.Series(batch.name, self._encoded(batch))
        if isinstance(batch, dict):
            raise ArgumentError('expected a table, found dict: of a data set take with_format("arrow"), of Ray '
                                'batch_format="pyarrow"', "batch")
        return self._encoded(batch)

    def _encoded(self, array: Any) -> Any:
        return encode(self._tok, array, **self._options)

    def _table(self, table: Any) -> Any:
        for name, column in self._columns(table.column(self._place(table.schema.names, self._column))):
            if name in table.schema.names:
                table = table.set_column(self._place(table.schema.names, name), name, column)
            else:
                table = table.append_column(name, column)
        return table

    def _frame(self, frame: Any, series: Any) -> Any:
        texts = frame.to_series(self._place(frame.columns, self._column))
        return frame.with_columns([series(name, column) for name, column in self._columns(texts)])

    def _columns(self, texts: Any) -> Iterator[tuple[str, Any]]:
        lists, counts = encode_and_count(self._tok, texts, **self._options)
        yield self._ids, lists
        if self._length is not None:
            yield self._length, counts

    def _place(self, names: list[str], wanted: str) -> int:
        if names.count(wanted) != 1:
            found = ", ".join(map(repr, names)) or "no column"
            raise ColumnError(f"expected one column {wanted!r}, found {found}")
        return names.index(wanted)

    def __repr__(self) -> str:
        return f"<dstok.arrow.ColumnEncoder {self._column!r} -> {self._ids!r}: {self._tok!r}>"

    def __reduce__(self) -> tuple[Any, ...]:
        """One text holds all options, so that the bytes are equal even if equal objects are not identical."""
        names = {"column": self._column, "ids": self._ids, "length": self._length}
        return _restored, (self._tok, json.dumps({**names, **self._options}, sort_keys=True))


def _restored(tok: Tokenizer, options: str) -> ColumnEncoder:
    return ColumnEncoder(tok, **json.loads(options))
