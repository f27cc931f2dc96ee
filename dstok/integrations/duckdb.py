r"""Splitters as functions of DuckDB, over Arrow.

In: a connection, a splitter. Out: three functions of SQL. Invariant: they give the results of `Splitter.spans`, `split`
and `count`; null gives null.
Source: DuckDB 2.0.

>>> import dstok, duckdb
>>> from dstok.integrations.duckdb import register
>>> connection = duckdb.connect()
>>> register(connection, dstok.Splitter(r"\w+"), "word")
>>> connection.sql("select word_split('a word'), word_count('a word'), word_spans('é')").fetchall()
[(['a', ' ', 'word'], 3, [{'start': 0, 'end': 2}])]
"""

from __future__ import annotations

from functools import partial
from typing import Any

import pyarrow as pa
from duckdb import DuckDBPyConnection
from duckdb.func import PythonUDFType

from dstok import arrow
from dstok.base.texts import Errors
from dstok.splitting.splitter import Splitter
from dstok.splitting.texts import Unit

__all__ = ["register"]

SPANS = 'STRUCT("start" INTEGER, "end" INTEGER)[]'


def register(
    connection: DuckDBPyConnection, splitter: Splitter, name: str, *, unit: Unit = "bytes", errors: Errors = "strict",
) -> None:
    """Adds functions of a VARCHAR to a connection: `name`, and "_spans", "_split" or "_count" after it.

    They give `STRUCT("start" INTEGER, "end" INTEGER)[]`, `VARCHAR[]` and `BIGINT`. `unit` is that of the spans.
    """
    calls: dict[str, tuple[Any, str]] = {
        "spans": (partial(arrow.spans, unit=unit), SPANS),
        "split": (partial(arrow.split, views=True), "VARCHAR[]"),
        "count": (arrow.number_of_pieces, "BIGINT"),
    }
    for call, (function, kind) in calls.items():
        made = _of_arrays(partial(function, splitter, errors=errors))
        connection.create_function(f"{name}_{call}", made, ["VARCHAR"], kind, type=PythonUDFType.ARROW)


def _of_arrays(function: Any) -> Any:
    """`function` with a parameter that DuckDB can see: it counts them."""
    def of_texts(texts: Any) -> pa.Array | pa.ChunkedArray:
        return function(texts)

    return of_texts
