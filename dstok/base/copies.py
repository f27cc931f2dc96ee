"""Copies of what is in work: texts that grow, streams.

In: an object whose attributes are its state. Out: one that goes on by itself from there.
Invariant: two copies share nothing that changes. Every attribute is copied, one level deep; what never changes (the
core's tables and policies) copies as itself, and what cannot be copied is an error, not shared.
"""

from __future__ import annotations

from copy import copy
from typing import Any, NoReturn, TypeVar

from dstok.errors import PickleError

__all__ = ["Separate"]

Self = TypeVar("Self", bound="Separate")


class Separate:
    """Base of what has a state of its own. `copy.copy` and `copy.deepcopy` are `copy`; it does not pickle."""

    def copy(self: Self) -> Self:
        """One that goes on by itself: what either is given from now on, the other does not see."""
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
