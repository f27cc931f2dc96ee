"""Values that are made once for an object and kept as long as it lives.

In: a function of an object. Out: the same function, which remembers its value for each object.
Invariant: identity tells objects apart. A `WeakKeyDictionary` would use hash and equality. For tokenizers these read
the tables, and two equal tokenizers would share a value that goes when the first of them goes.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Generic, TypeVar
from weakref import ref

__all__ = ["Beside"]

T = TypeVar("T")
V = TypeVar("V")


class Beside(Generic[T, V]):
    """`make`, called once for each object.

    >>> class Text(str): pass
    >>> length = Beside(lambda text: print("made") or len(text))
    >>> text = Text("abc")
    >>> length(text), length(text)
    made
    (3, 3)
    """

    def __init__(self, make: Callable[[T], V]) -> None:
        self._make = make
        self._kept: dict[int, tuple[ref[T], V]] = {}

    def __call__(self, owner: T) -> V:
        key = id(owner)
        kept = self._kept.get(key)
        if kept is not None and kept[0]() is owner:
            return kept[1]
        value = self._make(owner)
        self._kept[key] = ref(owner, lambda _: self._kept.pop(key, None)), value
        return value
