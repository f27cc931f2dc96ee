"""Ids from callers, the dtypes of ids, and the ids at the two ends of a text.

In: lists, arrays, other iterables; BOS and EOS. Out: a list of ids; an array in another dtype; the ids before a text
and after it. Invariant: a value that is no iterable raises an `ArgumentError` that says what was found. The decoder,
not this module, checks that each number is an id.
"""

from __future__ import annotations

from array import array
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any, Literal, NamedTuple, get_args

from dstok.errors import ArgumentError

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

__all__ = ["Dtype", "Ends", "checked_dtype", "common_start", "first_ids", "id_array", "id_list", "in_dtype"]

Dtype = Literal["uint32", "int32", "int64"]
_DTYPES = get_args(Dtype)


def id_list(ids: Iterable[int]) -> list[int]:
    """The ids as a list. Raises `ArgumentError`.

    >>> id_list(range(3))
    [0, 1, 2]
    >>> id_list(7)
    Traceback (most recent call last):
    ...
    dstok.errors.ArgumentError: expected ids, found int: give one id as [7]
    """
    found: Any = ids.tolist() if hasattr(ids, "tolist") else ids  # numpy's ints and torch's are slow one by one
    if isinstance(found, str | bytes | bytearray):
        raise ArgumentError(f"expected ids, found {type(found).__name__}", "ids")
    if found is not ids and isinstance(found, list):
        return found
    try:
        each = iter(found)
    except TypeError:
        hint = f": give one id as [{found}]" if hasattr(found, "__index__") else ""
        raise ArgumentError(f"expected ids, found {type(ids).__name__}{hint}", "ids") from None
    return list(each)


def first_ids(ids: npt.NDArray[np.uint32] | list[int]) -> str:
    """The number of ids and the first eight: how a `repr` shows them.

    >>> first_ids([19923, 2058])
    '2 ids: 19923, 2058'
    """
    return f"{len(ids)} ids: {', '.join(str(int(id)) for id in ids[:8])}{', ...' if len(ids) > 8 else ''}"


def common_start(one: list[int], other: list[int]) -> int:
    """The number of ids that two lists have in common at their starts.

    >>> common_start([1, 2, 3], [1, 2, 4, 5])
    2
    """
    at, end, step = 0, min(len(one), len(other)), 1 << 10
    while at < end and one[at : at + step] == other[at : at + step]:  # compared in C
        at += step
    return next((n for n in range(at, end) if one[n] != other[n]), end)


def id_array(count: int) -> array[int]:
    """Room for `count` ids, uint32: the encoder's calls write to it."""
    return array("I", bytes(4 * count))


def checked_dtype(dtype: str) -> str:
    """The dtype of ids that a caller asks for. Raises `ArgumentError`.

    >>> checked_dtype("int16")
    Traceback (most recent call last):
    ...
    dstok.errors.ArgumentError: expected dtype to be one of uint32, int32, int64, found 'int16'
    """
    if dtype not in _DTYPES:
        raise ArgumentError(f"expected dtype to be one of {', '.join(_DTYPES)}, found {dtype!r}", "dtype")
    return dtype


def in_dtype(ids: npt.NDArray[np.uint32], dtype: str) -> npt.NDArray[Any]:
    """The ids in the `dtype` that a caller asks for. Only int64 is a copy: ids are below 2**31.

    Raises `ArgumentError`.
    """
    return ids.astype(checked_dtype(dtype)) if dtype == "int64" else ids.view(checked_dtype(dtype))


class Ends(NamedTuple):
    """The ids that may stand at the two ends of a text; None: the model names no such token.

    The methods raise `ArgumentError` if a caller wants a token that the model does not name.

    >>> Ends(0, 1).around([19923, 2058], add_bos=True, add_eos=False)
    [0, 19923, 2058]
    >>> Ends(0, None).after(wanted=True)  # doctest: +ELLIPSIS
    Traceback (most recent call last):
    ...
    dstok.errors.ArgumentError: add_eos was asked for, but the model names no eos token: name it with ...
    """

    bos_id: int | None
    eos_id: int | None

    def before(self, wanted: bool) -> list[int]:
        """BOS, if it is wanted."""
        return _named(self.bos_id, "bos") if wanted else []

    def after(self, wanted: bool) -> list[int]:
        """EOS, if it is wanted."""
        return _named(self.eos_id, "eos") if wanted else []

    def around(self, ids: list[int], add_bos: bool, add_eos: bool) -> list[int]:
        """`ids` with the wanted ones around them."""
        return [*self.before(add_bos), *ids, *self.after(add_eos)]

    def extra(self, add_bos: bool, add_eos: bool) -> int:
        """The number of ids around a text."""
        return len(self.before(add_bos)) + len(self.after(add_eos))


def _named(id: int | None, kind: str) -> list[int]:
    if id is None:
        raise ArgumentError(f"add_{kind} was asked for, but the model names no {kind} token: name it with "
                            f"tok.replace({kind}_id=...), or as {kind}_token in a tokenizer_config.json beside the "
                            "model's file", f"add_{kind}")
    return [id]
