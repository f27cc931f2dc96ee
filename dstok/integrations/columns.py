r"""Columns of Polars, pandas and DuckDB: `pl.col("text").dstok.encode(tok)`, over `dstok.arrow`.

In: an expression or series of texts, or of lists of ids; a tokenizer or a splitter. Out: an expression or series.
Invariant: row i holds what `dstok.arrow` gives for text i; a missing row stays missing. `register` adds the namespace
`dstok` to a library, `register_functions` adds functions of SQL to a connection of DuckDB.
Source: Polars 2.1, pandas 3.1, DuckDB 2.0.

>>> import dstok, polars as pl
>>> from dstok.integrations import columns
>>> columns.register(pl)
>>> tok, frame = dstok.load("deepseek-v3"), pl.DataFrame({"text": ["Hello world", None]})
>>> frame.select(ids=pl.col("text").dstok.encode(tok), n=pl.col("text").dstok.count(tok)).rows()
[([19923, 2058], 2), (None, None)]
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from functools import partial
from inspect import signature
from typing import Any

import pyarrow as pa

from dstok import arrow
from dstok._util.arguments import Errors, Special
from dstok.arrow.columns import check_argument
from dstok.errors import ArgumentError
from dstok.pretokenizer.pieces import Unit
from dstok.pretokenizer.splitter import Splitter
from dstok.tokenizer import Tokenizer

__all__ = ["Namespace", "register", "register_functions"]

SPANS = 'STRUCT("start" INTEGER, "end" INTEGER)[]'


class Namespace:
    """The calls on a column; each gives a column with as many rows. Their errors are those of `dstok.arrow`.

    A wrong argument is an `ArgumentError`, a wrong keyword a `TypeError`, both when the call is written: a lazy frame
    would tell later.
    """

    def __init__(self, column: Any) -> None:
        self._column = column

    def encode(self, tokenizer: Tokenizer, **keywords: Any) -> Any:
        """The ids of each text, lists of uint32; keywords as for `dstok.arrow.encode` but `dtype`."""
        return self._checked("encode", arrow.encode, Tokenizer, tokenizer, dtype="uint32", **keywords)

    def count(self, by: Tokenizer | Splitter, **keywords: Any) -> Any:
        """The number of ids or of pieces, int64; keywords as for `dstok.arrow.count` or `number_of_pieces`."""
        call = arrow.number_of_pieces if isinstance(by, Splitter) else arrow.count
        return self._checked("count", call, Tokenizer | Splitter, by, **keywords)

    def truncate(self, tokenizer: Tokenizer, max_tokens: int, **keywords: Any) -> Any:
        """Each text cut to at most `max_tokens` ids; keywords as for `dstok.arrow.truncate`."""
        return self._checked("truncate", arrow.truncate, Tokenizer, tokenizer, max_tokens=max_tokens, **keywords)

    def decode(self, tokenizer: Tokenizer, **keywords: Any) -> Any:
        """The text of each list of ids; keywords as for `dstok.arrow.decode`."""
        return self._checked("decode", arrow.decode, Tokenizer, tokenizer, **keywords)

    def spans(self, splitter: Splitter, **keywords: Any) -> Any:
        """Lists of structs with the fields `start` and `end`; keywords as for `dstok.arrow.spans`."""
        return self._checked("spans", arrow.spans, Splitter, splitter, **keywords)

    def split(self, splitter: Splitter, **keywords: Any) -> Any:
        """The pieces of each text, lists of strings; keywords as for `dstok.arrow.split` but `views`."""
        return self._checked("split", arrow.split, Splitter, splitter, views=not isinstance(self, _Pandas), **keywords)

    def _checked(self, name: str, call: Callable[..., Any], wanted: Any, by: Any, **keywords: Any) -> Any:
        check_argument(by, wanted)
        signature(call).bind(by, None, **keywords)
        return self.applied(name, lambda texts: call(by, texts, **keywords))

    def applied(self, name: str, call: Callable[[Any], Any]) -> Any:
        """The column that `call` makes of the Arrow array of this one."""
        raise NotImplementedError


class _Pandas(Namespace):
    def applied(self, name: str, call: Callable[[Any], Any]) -> Any:
        pd, series = sys.modules["pandas"], self._column
        found = call(pa.array(series, from_pandas=True))
        return pd.Series(pd.arrays.ArrowExtensionArray(found), series.index, name=series.name)


class _PolarsSeries(Namespace):
    def applied(self, name: str, call: Callable[[Any], Any]) -> Any:
        pl, series = sys.modules["polars"], self._column
        found = call(series.to_arrow(compat_level=pl.CompatLevel.newest()))
        return pl.Series(series.name, found).cast(_polars_types(pl)[name])


class _PolarsExpression(Namespace):
    def applied(self, name: str, call: Callable[[Any], Any]) -> Any:
        return self._column.map_batches(lambda series: _PolarsSeries(series).applied(name, call), is_elementwise=True,
                                        return_dtype=_polars_types(sys.modules["polars"])[name])


def _polars_types(pl: Any) -> dict[str, Any]:
    spans = pl.List(pl.Struct({"start": pl.Int32, "end": pl.Int32}))
    return {"encode": pl.List(pl.UInt32), "count": pl.Int64, "truncate": pl.String, "decode": pl.String,
            "spans": spans, "split": pl.List(pl.String)}


def register(library: Any) -> None:
    """Adds the namespace `dstok` to the series and expressions of Polars, or to the series of pandas.

    library: the module. The calls are those of `Namespace`. Raises `ArgumentError` for another object.

    >>> import dstok, pandas as pd
    >>> from dstok.integrations import columns
    >>> columns.register(pd)
    >>> pd.Series(["Hello wide world", None]).dstok.truncate(dstok.load("deepseek-v3"), 2).tolist()
    ['Hello wide', <NA>]
    """
    name = getattr(library, "__name__", None)
    if name in ("polars", "pandas") and hasattr(library.Series, "dstok"):
        return  # a second registration would warn
    if name == "polars":
        library.api.register_series_namespace("dstok")(_PolarsSeries)
        library.api.register_expr_namespace("dstok")(_PolarsExpression)
    elif name == "pandas":
        library.api.extensions.register_series_accessor("dstok")(_Pandas)
    else:
        raise ArgumentError("expected the module polars or pandas (for a connection of DuckDB register_functions), "
                            f"found {type(library).__name__}", "library")


def register_functions(
    connection: Any, by: Tokenizer | Splitter, name: str, *, unit: Unit = "bytes", special: Special = "all",
    errors: Errors = "strict",
) -> None:
    """Adds functions of SQL to a connection of DuckDB, named `name`, "_" and the call; null gives null.

    Of a tokenizer: encode (`UINTEGER[]`), count (`BIGINT`), truncate with the number of ids as second argument
    (`VARCHAR`), decode of `UINTEGER[]` (`VARCHAR`). Of a splitter: spans
    (`STRUCT("start" INTEGER, "end" INTEGER)[]`, in `unit`), split (`VARCHAR[]`), count (`BIGINT`).

    >>> import dstok, duckdb
    >>> from dstok.integrations import columns
    >>> connection = duckdb.connect()
    >>> columns.register_functions(connection, dstok.load("deepseek-v3"), "v3")
    >>> connection.sql("select v3_encode('Hello world'), v3_count('a'), v3_truncate('Hello world', 1)").fetchall()
    [([19923, 2058], 1, 'Hello')]
    """
    check_argument(by, Tokenizer | Splitter)
    if not hasattr(connection, "create_function"):
        raise ArgumentError(f"expected a connection of DuckDB, found {type(connection).__name__}", "connection")
    texts, ids = ["VARCHAR"], ["UINTEGER[]"]

    def truncated(column: Any, rooms: Any) -> Any:
        assert isinstance(by, Tokenizer)
        return pa.array([None if None in (text, room) else by.truncate(text, room, special=special, errors=errors)
                         for text, room in zip(column.to_pylist(), rooms.to_pylist())], pa.string())

    calls: dict[str, tuple[Any, list[str], str]] = {
        "spans": (partial(arrow.spans, by, unit=unit, errors=errors), texts, SPANS),
        "split": (partial(arrow.split, by, views=True, errors=errors), texts, "VARCHAR[]"),
        "count": (partial(arrow.number_of_pieces, by, errors=errors), texts, "BIGINT"),
    } if isinstance(by, Splitter) else {
        "encode": (partial(arrow.encode, by, special=special, errors=errors), texts, "UINTEGER[]"),
        "count": (partial(arrow.count, by, special=special, errors=errors), texts, "BIGINT"),
        "decode": (partial(arrow.decode, by), ids, "VARCHAR"),
        "truncate": (truncated, ["VARCHAR", "BIGINT"], "VARCHAR"),
    }
    for call, (function, kinds, kind) in calls.items():
        # DuckDB counts the parameters that it sees
        made = function if len(kinds) > 1 else partial(lambda function, column: function(column), function)
        connection.create_function(f"{name}_{call}", made, kinds, kind, type="arrow")
