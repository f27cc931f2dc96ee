"""An Arrow array of texts -> an Arrow array of lists of pieces.

In: a splitter, and any argument of `column_of`. Out: lists of strings.
Invariant: row i holds the result of `Splitter.split` for text i; a null row is null. A chunked array keeps its
chunks.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from dstok.arrow.columns import Chunk, column_of
from dstok.arrow.encoding import LIMIT, joined, rows_named, total
from dstok.base.texts import Errors
from dstok.splitting.texts import numbered

if TYPE_CHECKING:
    from dstok.splitting.splitter import Splitter

__all__ = ["split"]

Ints = npt.NDArray[np.int64]


def split(splitter: Splitter, array: Any, *, threads: int = 1, errors: Errors = "strict") -> Any:
    """The pieces of each text of an Arrow array, as `ListArray` of strings; a null text stays null.

    `array` and errors as for `dstok.arrow.encode`; `threads` and `errors` as for `Splitter.split_batch`. A large
    array, and one with more bytes than 31 bits can count, gives a `LargeListArray` of large strings.

    >>> import dstok, pyarrow
    >>> from dstok import arrow
    >>> arrow.split(dstok.Splitter.preset("gpt-2"), pyarrow.array(["it's 42", None])).to_pylist()
    [['it', "'s", ' 42'], None]
    """
    column = column_of(array)
    with rows_named(column):
        rows = column.rows()
        texts = [_bytes(numbered(rows[row], errors, row)) for row in range(len(rows))]
        spans, offsets = splitter.spans_batch(texts, threads=threads)
    sizes = np.array([len(text) for text in texts], np.int64)
    large = column.large or _exceed(column.chunks, sizes)
    arrays, at = [], 0
    for chunk in column.chunks:
        end = at + len(chunk.owners)
        chosen = spans[offsets[at] : offsets[end]]
        lists = _lists(texts[at:end], chosen, np.diff(offsets[at : end + 1]), ~chunk.present, large)
        arrays.append(lists if chunk.places is None else lists.take(chunk.places))
        at = end
    return joined(column, arrays, pa.large_list(pa.large_string()) if large else pa.list_(pa.string()))


def _bytes(text: str | bytes) -> bytes:
    return text if isinstance(text, bytes) else text.encode()


def _exceed(chunks: list[Chunk], sizes: Ints) -> bool:
    """Whether a chunk has more bytes than offsets of 32 bits can count; it has no more pieces than bytes."""
    at = 0
    for chunk in chunks:
        if total(chunk, sizes[at : at + len(chunk.owners)]) > LIMIT:
            return True
        at += len(chunk.owners)
    return False


def _lists(texts: list[bytes], spans: Ints, counts: Ints, null: npt.NDArray[np.bool_], large: bool) -> pa.Array:
    """An array of lists: for each text its `counts` pieces, by their spans in the text."""
    width = np.int64 if large else np.int32
    bases = np.cumsum([0, *map(len, texts)])[:-1]
    placed = spans + np.repeat(bases, counts)[:, None]
    ends = np.concatenate([np.zeros(1, np.int64), np.cumsum(placed[:, 1] - placed[:, 0])]).astype(width)
    data = _kept(b"".join(texts), placed, int(ends[-1]))
    kind = pa.large_string() if large else pa.string()
    pieces = pa.Array.from_buffers(kind, len(spans), [None, pa.py_buffer(ends), pa.py_buffer(data)])
    bounds = pa.array(np.concatenate([np.zeros(1, np.int64), np.cumsum(counts)]).astype(width))
    made = pa.LargeListArray if large else pa.ListArray
    return made.from_arrays(bounds, pieces, mask=pa.array(null) if null.any() else None)


def _kept(data: bytes, placed: Ints, size: int) -> bytes:
    """The `size` bytes that lie in a piece; pieces do not overlap."""
    if size == len(data):
        return data
    changes = np.zeros(len(data) + 1, np.int8)
    changes[placed[:, 0]] += 1  # no two pieces begin at one place, or end at one
    changes[placed[:, 1]] -= 1
    inside = np.cumsum(changes[:-1], dtype=np.int8).astype(np.bool_)
    return np.frombuffer(data, np.uint8)[inside].tobytes()
