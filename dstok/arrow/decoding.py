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
from dstok.arrow.columns import LIMIT, check, check_argument, pieces_of
from dstok.errors import ArgumentError, UnknownIdError
from dstok.methods.decoding import decode_lists
from dstok.tokenizer import Tokenizer


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
    large = pa.types.is_large_list(kind) or pa.types.is_large_list_view(kind)
    content = getattr(kind, "value_type", None)
    if not (large or pa.types.is_list(kind) or pa.types.is_list_view(kind) or pa.types.is_fixed_size_list(kind)) or (
            not pa.types.is_integer(content) and not pa.types.is_null(content)):
        raise ArgumentError(f"expected an Arrow array of lists of ids, found one of {kind}", "lists")
    check(pieces, whole=True)
    counts = [pc.list_value_length(piece).fill_null(0).to_numpy(zero_copy_only=False).astype(np.int64)
              for piece in pieces]
    data, sizes, repaired = decode_lists(
        tok, _ids(tok, pieces, counts), np.concatenate([np.empty(0, np.int64), *counts]),
        skip_special_tokens=skip_special_tokens, errors=errors)
    bounds = np.concatenate([np.zeros(1, np.int64), np.cumsum(sizes)])  # text i is `data[bounds[i] : bounds[i + 1]]`
    spans = list(pairwise(np.cumsum([0, *map(len, pieces)]).tolist()))
    large = large or any(bounds[end] - bounds[at] > LIMIT for at, end in spans)
    in_bytes, in_chars = (pa.large_binary(), pa.large_string()) if large else (pa.binary(), pa.string())
    made = []
    for piece, (at, end) in zip(pieces, spans):
        ends = bounds[at : end + 1]
        offsets = pa.py_buffer((ends - ends[0]).astype(np.int64 if large else np.int32))
        held = pa.py_buffer(data).slice(int(ends[0]), int(ends[-1] - ends[0]))
        texts = pa.Array.from_buffers(in_bytes, len(piece), [None, offsets, held])
        changed = {number - at: text.encode() for number, text in repaired.items() if at <= number < end}
        if changed:
            mask = np.zeros(len(piece), np.bool_)
            mask[list(changed)] = True
            texts = pc.replace_with_mask(texts, pa.array(mask), pa.array(list(changed.values()), in_bytes))
        if piece.null_count:
            texts = pc.if_else(piece.is_valid(), texts, pa.scalar(None, in_bytes))
        made.append(texts.view(in_chars))
    return pa.chunked_array(made, in_chars) if chunked else made[0]


def _ids(tok: Tokenizer, pieces: list[pa.Array], counts: list[npt.NDArray[np.int64]]) -> npt.NDArray[np.uint32]:
    """The ids of all lists in a row. Raises `UnknownIdError` for values outside uint32, and `ArgumentError`."""
    parts, row = [np.empty(0, np.uint32)], 0
    for piece, lengths in zip(pieces, counts):
        if not len(piece):
            continue  # its offsets may be invalid, and `flatten` reads them
        values = piece.flatten()
        ids: Any = None if values.null_count else values.to_numpy(zero_copy_only=False)
        bad = values.is_null().to_numpy(zero_copy_only=False) if ids is None else (ids < 0) | (ids > (1 << 32) - 1)
        if bad.any():
            place, ends = int(bad.argmax()), np.cumsum(lengths)
            number = int(np.searchsorted(ends, place, side="right"))
            index = place - int(ends[number] - lengths[number])
            if ids is None:
                raise ArgumentError(f"list {row + number}: expected an id at index {index}, found null", "lists")
            raise UnknownIdError(int(ids[place]), index, tok.vocab_size, row + number)
        parts.append(ids.astype(np.uint32, copy=False))
        row += len(piece)
    return parts[1] if len(parts) == 2 else np.concatenate(parts)
