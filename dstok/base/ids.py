"""Ids as they come in: lists, arrays, other iterables -> a list.

Invariant: what is no sequence is a `TypeError` that says what was found; whether each is an id, the decoder tells.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

__all__ = ["listed"]


def listed(ids: Iterable[int]) -> list[int]:
    """The ids as a list. Raises `TypeError`.

    >>> listed(range(3))
    [0, 1, 2]
    >>> listed(7)
    Traceback (most recent call last):
    ...
    TypeError: expected ids, found int: give one id as [7]
    """
    found: Any = ids.tolist() if hasattr(ids, "tolist") else ids  # numpy's ints and torch's are slow one by one
    if isinstance(found, str | bytes | bytearray):
        raise TypeError(f"expected ids, found {type(found).__name__}")
    if found is not ids and isinstance(found, list):
        return found
    try:
        each = iter(found)
    except TypeError:
        hint = f": give one id as [{found}]" if hasattr(found, "__index__") else ""
        raise TypeError(f"expected ids, found {type(ids).__name__}{hint}") from None
    return list(each)
