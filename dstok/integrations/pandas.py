r"""Splitters on series of pandas: `series.dstok`.

In: a series of texts. Out: a series of the same index, of Arrow's types. Importing this module adds the accessor.
Invariant: row i holds the result of `Splitter.spans`, `split` or `count` for text i; a missing text stays missing.
Source: pandas 3.1.

>>> import dstok, pandas as pd
>>> import dstok.integrations.pandas
>>> pd.Series(["a word", None]).dstok.count(dstok.Splitter(r"\w+")).tolist()
[3, <NA>]
"""

from __future__ import annotations

from typing import Any

import pandas as pd
import pyarrow as pa

from dstok import arrow
from dstok.base.texts import Errors
from dstok.splitting.splitter import Splitter
from dstok.splitting.texts import Unit

__all__ = ["SplitterAccessor"]


@pd.api.extensions.register_series_accessor("dstok")
class SplitterAccessor:
    """`series.dstok`; keywords as for the functions of `dstok.arrow`."""

    def __init__(self, series: pd.Series) -> None:
        self._series = series

    def spans(
        self, splitter: Splitter, *, unit: Unit = "bytes", threads: int = 1, errors: Errors = "strict"
    ) -> pd.Series:
        """Lists of structs with the fields `start` and `end`."""
        return self._made(arrow.spans(splitter, self._texts(), unit=unit, threads=threads, errors=errors))

    def split(self, splitter: Splitter, *, threads: int = 1, errors: Errors = "strict") -> pd.Series:
        """Lists of pieces."""
        return self._made(arrow.split(splitter, self._texts(), threads=threads, errors=errors))

    def count(self, splitter: Splitter, *, threads: int = 1, errors: Errors = "strict") -> pd.Series:
        """The number of pieces, int64."""
        return self._made(arrow.number_of_pieces(splitter, self._texts(), threads=threads, errors=errors))

    def _texts(self) -> Any:
        return pa.array(self._series, from_pandas=True)

    def _made(self, array: Any) -> pd.Series:
        return pd.Series(pd.arrays.ArrowExtensionArray(array), self._series.index, name=self._series.name)
