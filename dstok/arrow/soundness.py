"""Checks that an Arrow array is sound: its rows lie in its buffers.

In: arrays from any producer. Out: nothing, or `TextError` with the number of the first row at fault.
Invariant: with `whole` each row has been checked, and the array may be given to pyarrow's functions, which check
nothing and crash. Without it only the sizes of buffers are checked; core/text/_rows.pyx then checks each text. The
C data interface gives the sizes of views' buffers, and no others. A producer's last offset must be trusted.
Source: `Array.validate` of Arrow, plus the checks that it omits: negative offsets and sizes, the number of null rows,
and the offset of lists of one size.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterable, Iterator
from typing import Any

import pyarrow as pa

from dstok.errors import TextError

__all__ = ["check"]

BYTES = {pa.string(): pa.binary(), pa.large_string(): pa.large_binary(), pa.string_view(): pa.binary_view()}
LISTS = (pa.types.is_list, pa.types.is_large_list, pa.types.is_list_view, pa.types.is_large_list_view,
         pa.types.is_fixed_size_list, pa.types.is_map)


def check(arrays: Iterable[pa.Array], whole: bool) -> None:
    """Raises `TextError`, which names the row, for an array that is not sound. UTF-8 is not checked."""
    before = 0
    for array in arrays:
        fault = _fault(array, whole)
        if fault:
            raise TextError(f"expected a valid Arrow array: {fault}", 0, before + _first_row(array, whole))
        before += len(array)


def _fault(array: pa.Array, whole: bool) -> str:
    """The fault in words; "" if there is none."""
    parts = list(_parts(array))
    for part in parts:
        if part.offset < 0 or any(buffer is not None and buffer.size < 0 for buffer in part.buffers()):
            return "a negative offset, or a buffer of negative size"
    try:
        (_as_bytes(array) if whole else array).validate(full=whole)
    except pa.ArrowException as error:
        return str(error)
    return next(filter(None, (_null_fault(part) or _size_fault(part) for part in parts)), "")


def _parts(array: pa.Array) -> Iterator[pa.Array]:
    """An array, and the arrays inside it."""
    yield array
    if pa.types.is_dictionary(array.type):
        yield from _parts(array.dictionary)
    elif pa.types.is_struct(array.type):
        for number in range(array.type.num_fields):
            yield from _parts(array.field(number))
    elif any(is_one(array.type) for is_one in LISTS):
        yield from _parts(array.values)


def _as_bytes(array: pa.Array) -> pa.Array:
    """The same buffers as an array of bytes, if it is one of strings."""
    if pa.types.is_dictionary(array.type):
        return pa.DictionaryArray.from_arrays(array.indices, _as_bytes(array.dictionary), safe=False)
    return array.view(BYTES[array.type]) if array.type in BYTES else array


def _null_fault(array: pa.Array) -> str:
    bitmap = array.buffers()[0]
    if bitmap is None:
        return ""
    present = pa.Array.from_buffers(pa.bool_(), len(array), [None, bitmap], offset=array.offset).true_count
    null = len(array) - present
    return "" if null == array.null_count else f"{array.null_count} rows said to be null, found {null}"


def _size_fault(array: pa.Array) -> str:
    if not pa.types.is_fixed_size_list(array.type):
        return ""
    needed, there = (array.offset + len(array)) * array.type.list_size, len(array.values)
    return "" if needed <= there else f"{needed} values needed, found {there}"


def _first_row(array: Any, whole: bool) -> int:
    """The last row of the shortest slice that is not sound either."""
    try:
        count = len(array)
    except SystemError:  # a negative size
        return 0
    return max(0, bisect_left(range(count + 1), True, key=lambda end: bool(_fault(array.slice(0, end), whole))) - 1)
