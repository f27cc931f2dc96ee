"""Arrow arrays: text to ids and back, without Python objects. Extra: `pip install "dstok[arrow]"`. Docs: docs/arrow.md.

    encode, count    an array of texts -> an array of lists of ids; of the numbers of ids
    truncate         an array of texts -> an array of texts of at most so many ids
    decode           an array of lists of ids -> an array of texts
    conversations    conversations -> a table of ids, labels and the message of each id, for training
    spans, split     an array of texts -> an array of lists of the pieces from a `Splitter`, as places or texts
    number_of_pieces ... -> an array of their numbers
    ColumnEncoder    a function over tables and batches, for datasets, Ray, Polars, DuckDB, Spark

>>> import dstok, pyarrow
>>> from dstok import arrow
>>> tok = dstok.load("deepseek-v3")
>>> arrow.encode(tok, pyarrow.array(["Hello world", None])).to_pylist()
[[19923, 2058], None]
"""

from __future__ import annotations

from dstok.errors import DstokError

try:
    from dstok.arrow.ids import ColumnEncoder, conversations, count, decode, encode, truncate
    from dstok.arrow.splitting import number_of_pieces, spans, split
except ModuleNotFoundError as error:
    if error.name != "pyarrow":
        raise
    raise DstokError('dstok.arrow needs pyarrow: pip install "dstok[arrow]"') from None

__all__ = [
    "ColumnEncoder", "conversations", "count", "decode", "encode", "number_of_pieces", "spans", "split", "truncate",
]
