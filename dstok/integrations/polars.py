r"""Splitters in expressions of Polars: `pl.col("text").dstok`.

In: an expression, or a series, of strings. Out: an expression or a series. Importing this module adds the namespace.
Invariant: row i holds the result of `Splitter.spans`, `split` or `count` for text i; a null row is null. Pieces are
views of the column's texts: no text is copied.
Source: Polars 2.1.

>>> import dstok, polars as pl
>>> import dstok.integrations.polars
>>> words = dstok.Splitter(r"\w+")
>>> frame = pl.DataFrame({"text": ["a word", None]})
>>> frame.select(pl.col("text").dstok.split(words))["text"].to_list()
[['a', ' ', 'word'], None]
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import polars as pl

from dstok import arrow
from dstok.base.texts import Errors
from dstok.splitting.splitter import Splitter
from dstok.splitting.texts import Unit

__all__ = ["SplitterExpressions", "SplitterSeries"]

SPANS = pl.List(pl.Struct({"start": pl.Int32, "end": pl.Int32}))
PIECES = pl.List(pl.String)


@pl.api.register_series_namespace("dstok")
class SplitterSeries:
    """`series.dstok`."""

    def __init__(self, series: pl.Series) -> None:
        self._series = series

    def spans(
        self, splitter: Splitter, *, unit: Unit = "bytes", threads: int = 1, errors: Errors = "strict"
    ) -> pl.Series:
        """`List(Struct({start: Int32, end: Int32}))`; keywords as for `dstok.arrow.spans`."""
        found = arrow.spans(splitter, self._texts(), unit=unit, threads=threads, errors=errors)
        return pl.Series(self._series.name, found).cast(SPANS)

    def split(self, splitter: Splitter, *, threads: int = 1, errors: Errors = "strict") -> pl.Series:
        """The pieces, `List(String)`; keywords as for `dstok.arrow.split`."""
        found = arrow.split(splitter, self._texts(), views=True, threads=threads, errors=errors)
        return pl.Series(self._series.name, found, PIECES)

    def count(self, splitter: Splitter, *, threads: int = 1, errors: Errors = "strict") -> pl.Series:
        """The number of pieces, `Int64`."""
        found = arrow.number_of_pieces(splitter, self._texts(), threads=threads, errors=errors)
        return pl.Series(self._series.name, found, pl.Int64)

    def _texts(self) -> Any:
        return self._series.to_arrow(compat_level=pl.CompatLevel.newest())


@pl.api.register_expr_namespace("dstok")
class SplitterExpressions:
    """`expression.dstok`: the calls of `SplitterSeries`, for lazy frames too."""

    def __init__(self, expression: pl.Expr) -> None:
        self._expression = expression

    def spans(
        self, splitter: Splitter, *, unit: Unit = "bytes", threads: int = 1, errors: Errors = "strict"
    ) -> pl.Expr:
        """As `SplitterSeries.spans`."""
        return self._mapped(
            lambda texts: texts.spans(splitter, unit=unit, threads=threads, errors=errors), SPANS)

    def split(self, splitter: Splitter, *, threads: int = 1, errors: Errors = "strict") -> pl.Expr:
        """As `SplitterSeries.split`."""
        return self._mapped(lambda texts: texts.split(splitter, threads=threads, errors=errors), PIECES)

    def count(self, splitter: Splitter, *, threads: int = 1, errors: Errors = "strict") -> pl.Expr:
        """As `SplitterSeries.count`."""
        return self._mapped(lambda texts: texts.count(splitter, threads=threads, errors=errors), pl.Int64())

    def _mapped(self, call: Callable[[SplitterSeries], pl.Series], dtype: pl.DataType) -> pl.Expr:
        return self._expression.map_batches(
            lambda series: call(SplitterSeries(series)), return_dtype=dtype, is_elementwise=True)
