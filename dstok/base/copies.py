"""Copies of objects that have state: a stream, or a text that grows.

In: an object whose attributes are its state. Out: a second object in the same state; both go on independently.
Invariant: the two share nothing that changes. Every attribute is copied, one level deep. Parts that never change (the
core's tables and policies) are their own copies. An attribute that cannot be copied is an error; it is never shared.
"""

from __future__ import annotations

from typing import Any, NoReturn, TypeVar

from dstok.errors import PickleError

__all__ = ["Separate"]

Self = TypeVar("Self", bound="Separate")


class Separate:
    """Base of classes with state. `copy.copy` and `copy.deepcopy` call `copy`. The objects do not pickle."""

    def copy(self: Self) -> Self:
        """A second object that goes on by itself: neither sees the later input of the other."""
        from copy import copy  # not needed without a copy

        other = object.__new__(type(self))
        for name, value in vars(self).items():
            setattr(other, name, copy(value))
        return other

    def __copy__(self: Self) -> Self:
        return self.copy()

    def __deepcopy__(self: Self, memo: dict[int, Any]) -> Self:
        return self.copy()

    def __reduce_ex__(self, protocol: Any) -> NoReturn:
        raise PickleError(f"expected what pickles, found a {type(self).__name__}, which is in work in this process: "
                          "pickle its tokenizer, and begin another one there")
