"""Arrow arrays of texts -> arrays of binaries, which Python can take out one by one.

In: an array of strings or binaries, plain, large or as views, or of a dictionary of these. Out: its texts as large
binaries. Invariant: the array has been checked whole before pyarrow reads it: its functions check nothing, and crash.
"""

from __future__ import annotations

import pyarrow as pa

from dstok.arrow.columns import TEXTS
from dstok.arrow.soundness import check
from dstok.errors import ArgumentError

__all__ = ["as_binary"]


def as_binary(array: pa.Array) -> pa.LargeBinaryArray:
    """The texts of an array. Raises `ArgumentError` for an array of anything else, `TextError` for a broken one.

    >>> as_binary(pa.array(["a", None]).dictionary_encode()).to_pylist()
    [b'a', None]
    """
    kind = array.type.value_type if pa.types.is_dictionary(array.type) else array.type
    if kind not in (*TEXTS, pa.null()):
        raise ArgumentError(f"expected an Arrow array of strings or binaries, found one of {array.type}", "array")
    check([array], whole=True)
    return array.cast(kind).cast(pa.large_binary())
