"""An Arrow array of lists of ids -> an Arrow array of texts.

In: lists of integers of any width and kind (plain, large, of fixed size, views). Out: strings, whose bytes stay in
the buffer that the decoder wrote.
Invariant: row i is `Tokenizer.decode` of list i; a null row is null. A null among the ids is an error.
"""

from __future__ import annotations

from itertools import pairwise
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from dstok._util.arguments import Errors, explained
from dstok.arrow.columns import check, check_argument, pieces_of
from dstok.errors import ArgumentError, UnknownIdError
from dstok.methods.decoding import decode_lists
from dstok.tokenizer import Tokenizer

__all__ = ["decode"]

LIMIT = (1 << 31) - 1  # bytes in an array with offsets of 32 bits
MOST = (1 << 32) - 1


@explained
def decode(tok: Tokenizer, lists: Any, *, skip_special_tokens: bool = False, errors: Errors = "replace") -> Any:
    """The text of each list of an Arrow array of lists of ids, as `StringArray`; a null list stays null.

    A `ChunkedArray` gives a `ChunkedArray`. Lists with offsets of 64 bits, and texts with more bytes than 32 bits can
    count, give a `LargeStringArray`. Keywords as for `Tokenizer.decode`. Raises `UnknownIdError` and `DecodeError`,
    which name the row, `ArgumentError` for another array, and `TextError` for a broken one.

    >>> import dstok, pyarrow
    >>> from dstok import arrow
    >>> arrow.decode(dstok.load("deepseek-v3"), pyarrow.array([[19923, 2058], None])).to_pylist()
    ['Hello world', None]
    """
    check_argument(tok, Tokenizer)
    pieces, kind, chunked = pieces_of(lists)
    content = getattr(kind, "value_type", None)
    if not _is_list(kind) or not (pa.types.is_integer(content) or pa.types.is_null(content)):
        raise ArgumentError(f"expected an Arrow array of lists of ids, found one of {kind}", "lists")
    check(pieces, whole=True)
    counts = [_counts(piece) for piece in pieces]
    data, sizes, repaired = decode_lists(
        tok, _ids(tok, pieces, counts), np.concatenate([np.empty(0, np.int64), *counts]),
        skip_special_tokens=skip_special_tokens, errors=errors)
    bounds = np.concatenate([np.zeros(1, np.int64), np.cumsum(sizes)])
    ends = np.cumsum([0, *map(len, pieces)])
    large = _is_large(kind) or any(bounds[end] - bounds[at] > LIMIT for at, end in pairwise(ends))
    made = [_texts(piece, data, bounds[at : end + 1], _between(repaired, at, end), large)
            for piece, (at, end) in zip(pieces, pairwise(ends))]
    return pa.chunked_array(made, _kind(large)) if chunked else made[0]


def _is_list(kind: pa.DataType) -> bool:
    small = (pa.types.is_list, pa.types.is_list_view, pa.types.is_fixed_size_list)
    return _is_large(kind) or any(is_one(kind) for is_one in small)


def _is_large(kind: pa.DataType) -> bool:
    return bool(pa.types.is_large_list(kind) or pa.types.is_large_list_view(kind))


def _kind(large: bool) -> pa.DataType:
    return pa.large_string() if large else pa.string()


def _counts(lists: pa.Array) -> npt.NDArray[np.int64]:
    counts: npt.NDArray[np.int64] = pc.list_value_length(lists).fill_null(0).to_numpy(zero_copy_only=False)
    return counts.astype(np.int64)


def _ids(tok: Tokenizer, pieces: list[pa.Array], counts: list[npt.NDArray[np.int64]]) -> npt.NDArray[np.uint32]:
    """The ids of all lists in a row. Raises `UnknownIdError` for values outside uint32, and `ArgumentError`."""
    parts, row = [np.empty(0, np.uint32)], 0
    for piece, lengths in zip(pieces, counts):
        if not len(piece):
            continue  # its offsets may be invalid, and `flatten` reads them
        values = piece.flatten()
        if values.null_count:
            place = int(pc.index(values.is_null(), True).as_py())
            number, index = _place(lengths, place)
            raise ArgumentError(f"list {row + number}: expected an id at index {index}, found null", "lists")
        ids = values.to_numpy(zero_copy_only=False)
        bad = np.flatnonzero((ids < 0) | (ids > MOST))
        if len(bad):
            number, index = _place(lengths, int(bad[0]))
            raise UnknownIdError(int(ids[bad[0]]), index, tok.vocab_size, row + number)
        parts.append(ids.astype(np.uint32, copy=False))
        row += len(piece)
    return parts[1] if len(parts) == 2 else np.concatenate(parts)


def _place(lengths: npt.NDArray[np.int64], at: int) -> tuple[int, int]:
    """(list, index in it) of the id at a place among all ids."""
    ends = np.cumsum(lengths)
    number = int(np.searchsorted(ends, at, side="right"))
    return number, at - int(ends[number] - lengths[number])


def _between(repaired: dict[int, str], start: int, end: int) -> dict[int, str]:
    return {number - start: text for number, text in repaired.items() if start <= number < end}


def _texts(
    lists: pa.Array, data: bytes, bounds: npt.NDArray[np.int64], repaired: dict[int, str], large: bool,
) -> pa.Array:
    """The texts of an array: text i is `data[bounds[i]:bounds[i + 1]]`, or its repaired form."""
    held = pa.py_buffer(data).slice(int(bounds[0]), int(bounds[-1] - bounds[0]))
    offsets = pa.py_buffer((bounds - bounds[0]).astype(np.int64 if large else np.int32))
    texts = pa.Array.from_buffers(pa.large_binary() if large else pa.binary(), len(lists), [None, offsets, held])
    changed = np.zeros(len(lists), np.bool_)
    changed[list(repaired)] = True
    if repaired:
        new = pa.array([text.encode() for text in repaired.values()], texts.type)
        texts = pc.replace_with_mask(texts, pa.array(changed), new)
    if lists.null_count:
        texts = pc.if_else(lists.is_valid(), texts, pa.scalar(None, texts.type))
    return texts.view(_kind(large))
