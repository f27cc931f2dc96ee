"""Attributes that are made when first used.

In: a method without arguments. Out: an attribute; the object keeps its value.
Invariant: all threads get one value, from the first thread that finishes. There is no lock.
Up to Python 3.11 functools.cached_property has one lock for all objects, so one object would wait for another, and a
child that is forked while another thread holds the lock would wait for ever.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Generic, TypeVar

__all__ = ["lazy"]

T = TypeVar("T")


class _Lazy(Generic[T]):
    def __init__(self, make: Callable[[Any], T]) -> None:
        self._make, self._name = make, make.__name__
        self.__doc__ = make.__doc__

    def __get__(self, instance: Any, owner: type) -> Any:
        if instance is None:
            return self
        made = self._make(instance)
        return instance.__dict__.setdefault(self._name, made)  # from then on Python finds it there first


if TYPE_CHECKING:  # pyright lets no other descriptor stand for a property of a protocol
    from builtins import property as lazy
else:
    def lazy(make: Callable[[Any], T]) -> _Lazy[T]:
        """The decorator of a lazy attribute's method.

        >>> class Text:
        ...     @lazy
        ...     def words(self):
        ...         print("made")
        ...         return "a b".split()
        >>> text = Text()
        >>> text.words is text.words
        made
        True
        """
        return _Lazy(make)
