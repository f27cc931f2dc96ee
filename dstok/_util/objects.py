"""Values that are made once for an object, attributes that are made when first used, copies of objects that have state.

In: a function of an object, or an object whose attributes are its state. Out: the same function, which remembers its
value for each object (`Beside`); an attribute (`lazy`); a second object in the same state (`Separate`).
Invariant: all threads get one value, from the first thread that finishes, without a lock. (Up to Python 3.11
functools.cached_property has one lock for all objects: a child forked while another thread holds it would wait for
ever.) `Beside` tells objects apart by identity: a `WeakKeyDictionary` would compare tables, and drop the value of two
equal tokenizers with the first.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Generic, NoReturn, Self, TypeVar
from weakref import ref

from dstok.errors import PickleError

__all__ = ["Beside", "Separate", "lazy"]  # type checkers take `lazy` for an import

T = TypeVar("T")
V = TypeVar("V")


class Beside(Generic[T, V]):
    """`make`, called once for each object."""

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


class Separate:
    """Base of classes with state. `copy.copy` and `copy.deepcopy` call `copy`. The objects do not pickle."""

    def copy(self) -> Self:
        """Return a second object that goes on by itself: neither sees the later input of the other.

        Every attribute is copied, one level deep; one that cannot be copied is an error.
        """
        from copy import copy  # not needed without a copy

        other = object.__new__(type(self))
        for name, value in vars(self).items():
            setattr(other, name, copy(value))
        return other

    def __copy__(self) -> Self:
        return self.copy()

    def __deepcopy__(self, memo: dict[int, Any]) -> Self:
        return self.copy()

    def __reduce_ex__(self, protocol: Any) -> NoReturn:
        raise PickleError(f"expected what pickles, found a {type(self).__name__}, which is in work in this process: "
                          "pickle its tokenizer, and begin another one there")


if TYPE_CHECKING:  # pyright lets no other descriptor stand for a property of a protocol
    from builtins import property as lazy
else:
    class lazy:  # noqa: N801 - a decorator
        """The decorator of a lazy attribute's method."""

        def __init__(self, make: Callable[[Any], Any]) -> None:
            self._make, self._name, self.__doc__ = make, make.__name__, make.__doc__

        def __get__(self, instance: Any, owner: type) -> Any:
            if instance is None:
                return self
            made = self._make(instance)
            return instance.__dict__.setdefault(self._name, made)  # from then on Python finds it there first
