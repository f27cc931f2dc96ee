"""An Arrow array of texts -> an Arrow array of lists: of spans, of pieces, or the numbers of pieces.

In: a splitter, and any argument of `column_of`. Out: lists of structs, of strings or of views; int64.
Invariant: row i holds the result of `Splitter.spans`, `split` or `count` for text i; a null row is null. A chunked
array keeps its chunks. Texts are read where they lie. Views of pieces lie in the buffers of the texts.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from dstok._util.arguments import Errors, explained, replaces_faults
from dstok.arrow.columns import Column, Texts, check_argument, column_of
from dstok.arrow.ids import counts_of, rows_named
from dstok.core.encode.pieces import in_characters
from dstok.core.text.utf8 import Rows
from dstok.errors import DstokError
from dstok.pretokenizer.pieces import checked_unit, count_rows, span_rows
from dstok.pretokenizer.splitter import Splitter, span_pass_of

if TYPE_CHECKING:
    from dstok.pretokenizer.pieces import Unit

WINDOW_LOG2 = 30  # a view's place in its buffer has 32 bits

Ints = npt.NDArray[np.int64]


@explained
def spans(
    splitter: Splitter, array: Any, *, unit: Unit = "bytes", num_threads: int = 1, errors: Errors = "strict",
) -> Any:
    """Start and end of each piece of each text, as `ListArray` of structs; a null text stays null.

    The structs have the fields `start` and `end`, int32. A large array, and one with more pieces than 31 bits can
    count, gives a `LargeListArray`, with int64. `array` and errors as for `dstok.arrow.encode`, keywords as for
    `Splitter.spans_batch`.

    >>> import dstok, pyarrow
    >>> from dstok import arrow
    >>> arrow.spans(dstok.Splitter.preset("gpt-2"), pyarrow.array(["it's", None])).to_pylist()
    [[{'start': 0, 'end': 2}, {'start': 2, 'end': 4}], None]
    """
    checked_unit(unit)
    found = _found(splitter, array, num_threads, errors)
    if unit == "characters":
        rows, bounds = found.column.texts.rows(), found.bounds.tolist()
        for row in range(len(rows)):
            text = rows[row]
            if not text.isascii():
                in_characters(text, found.spans[bounds[row] : bounds[row + 1]].reshape(-1))
    large = found.large()
    number = pa.int64() if large else pa.int32()
    kind = pa.struct([("start", number), ("end", number)])

    def structs(texts: Ints, counts: Ints, places: Ints) -> pa.Array:
        numbers = [pa.array(places[:, side].astype(number.to_pandas_dtype())) for side in (0, 1)]
        return pa.StructArray.from_arrays(numbers, fields=list(kind))

    return _lists(found, structs, kind, large)


@explained
def split(
    splitter: Splitter, array: Any, *, views: bool = False, num_threads: int = 1, errors: Errors = "strict",
) -> Any:
    """The pieces of each text of an Arrow array, as `ListArray` of strings; a null text stays null.

    views: pieces as views (`string_view`) of the texts: no text is copied, and the array keeps the texts' buffers.
    `array` and errors as for `dstok.arrow.encode`; `num_threads` and `errors` as for `Splitter.split_batch`. A large
    array, and one with more bytes than 31 bits can count, gives a `LargeListArray`, of large strings or of views.

    >>> import dstok, pyarrow
    >>> from dstok import arrow
    >>> arrow.split(dstok.Splitter.preset("gpt-2"), pyarrow.array(["it's 42", None])).to_pylist()
    [['it', "'s", ' 42'], None]
    """
    found = _found(splitter, array, num_threads, errors)
    large = found.large()
    kind = pa.string_view() if views else pa.large_string() if large else pa.string()

    def pieces(texts: Ints, counts: Ints, places: Ints) -> pa.Array:
        given = found.column.texts
        rows = Rows(given.buffers, np.repeat(given.owners[texts], counts),
                    np.repeat(given.starts[texts], counts) + places[:, 0], places[:, 1] - places[:, 0])
        if views:
            return _views(given, rows, len(places))
        ends = np.concatenate([np.zeros(1, np.int64), np.cumsum(places[:, 1] - places[:, 0])])
        offsets = pa.py_buffer(ends.astype(np.int64 if large else np.int32))
        return pa.Array.from_buffers(kind, len(places), [None, offsets, pa.py_buffer(rows.joined())])

    return _lists(found, pieces, kind, large)


@explained
def number_of_pieces(splitter: Splitter, array: Any, *, num_threads: int = 1, errors: Errors = "strict") -> Any:
    """The number of pieces of each text of an Arrow array, as `Int64Array`. Else like `split`.

    >>> import dstok, pyarrow
    >>> from dstok import arrow
    >>> arrow.number_of_pieces(dstok.Splitter.preset("gpt-2"), pyarrow.array(["it's 42", None])).to_pylist()
    [3, None]
    """
    check_argument(splitter, Splitter)
    column = _read(array, errors)
    with rows_named(column):
        texts = column.texts
        return counts_of(column, np.diff(count_rows(span_pass_of(splitter), texts.rows(), texts.lengths, num_threads)))


class _Found(NamedTuple):
    """Spans, int64[n, 2]: text i of the column has those from `bounds[i]` to `bounds[i + 1]`."""

    column: Column
    spans: Ints
    bounds: Ints

    def large(self) -> bool:
        """Whether offsets need 64 bits: a text has no more pieces than bytes."""
        return self.column.exceeds(self.column.texts.lengths)


def _found(splitter: Splitter, array: Any, num_threads: int, errors: Errors) -> _Found:
    check_argument(splitter, Splitter)
    column = _read(array, errors)
    with rows_named(column):
        texts = column.texts
        return _Found(column, *span_rows(span_pass_of(splitter), texts.rows(), texts.lengths, num_threads))


def _read(array: Any, errors: Errors) -> Column:
    """The column, with repaired texts if they are to be replaced."""
    replace = replaces_faults(errors)
    column = column_of(array)
    if not replace:
        return column
    with rows_named(column):
        rows = column.texts.rows()
    given = [rows[row] for row in range(len(rows))]
    repaired = [text.decode("utf-8", "replace").encode() for text in given]
    if repaired == given:  # then no text is copied
        return column
    lengths = np.array([len(text) for text in repaired], np.int64)
    return column._replace(texts=Texts([b"".join(repaired)], np.zeros(len(repaired), np.int32),
                                       np.cumsum(lengths) - lengths, lengths, column.texts.present))


def _lists(
    found: _Found, made: Callable[[Ints, Ints, Ints], pa.Array], kind: pa.DataType, large: bool,
) -> pa.Array | pa.ChunkedArray:
    """An array of lists, as the column has rows.

    `made` makes the values of an array: from the text of each row, the number of its pieces, their spans.
    """
    arrays, listed, bounds = list[pa.Array](), pa.large_list(kind) if large else pa.list_(kind), found.bounds
    for part in found.column.parts:
        first, stop = part.texts.start, part.texts.stop
        texts, null = np.arange(first, stop), ~found.column.texts.present[part.texts]
        picked: Any = slice(bounds[first], bounds[stop])
        if part.places is not None:
            own = part.places.fill_null(0).to_numpy(zero_copy_only=False)
            null = np.append(null, True)[own] | part.places.is_null().to_numpy(zero_copy_only=False)
            texts = first + own
        counts = np.zeros(len(texts), np.int64)
        texts = texts[~null]  # all may be null, and the dictionary empty
        counts[~null] = bounds[texts + 1] - bounds[texts]
        ends = np.concatenate([np.zeros(1, np.int64), np.cumsum(counts)])
        counts = counts[~null]
        if part.places is not None:
            picked = np.arange(ends[-1]) + np.repeat(bounds[texts] - ends[:-1][~null], counts)
        values = made(texts, counts, found.spans[picked])
        offsets = pa.array(ends.astype(np.int64 if large else np.int32))
        array = pa.LargeListArray if large else pa.ListArray
        arrays.append(array.from_arrays(offsets, values, type=listed, mask=pa.array(null) if null.any() else None))
    return found.column.joined(arrays, listed)


def _views(texts: Texts, rows: Rows, count: int) -> pa.Array:
    try:
        views, windows = rows.views(WINDOW_LOG2)
    except OverflowError as error:
        raise DstokError(f"views: {error}") from error
    buffers = [pa.py_buffer(texts.buffers[number]).slice(start) for number, start in windows]
    return pa.Array.from_buffers(pa.string_view(), count, [None, pa.py_buffer(views), *buffers])
