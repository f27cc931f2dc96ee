"""Numbers from callers -> whole numbers within bounds.

In: the name of an argument, and its value: an int, or a value that Python takes for one, such as numpy's integers. Out:
an int. Invariant: any other value raises an `ArgumentError` that names the argument, the expected and the found value.
True and False are no numbers here.
"""

from __future__ import annotations

import sys
from operator import index
from typing import Any

from dstok.errors import ArgumentError

__all__ = ["MANY", "thread_count", "whole_number"]

MOST = sys.maxsize  # the largest count of the core and numpy
MANY = 1 << 40      # ids: more than any memory holds


def whole_number(name: str, value: Any, least: int = 0, why: str = "", most: int = MOST) -> int:
    """`value` as an int of at least `least`, which `why` explains, and at most `most`. Raises `ArgumentError`.

    >>> whole_number("length", -1)
    Traceback (most recent call last):
    ...
    dstok.errors.ArgumentError: expected length to be at least 0, found -1
    """
    try:
        number = None if isinstance(value, bool) else index(value)
    except TypeError:
        number = None
    if number is None:
        found = "None" if value is None else f"{type(value).__name__}: {_shown(value)}"
        raise ArgumentError(f"expected {name} to be a whole number, found {found}", name)
    if number < least:
        raise ArgumentError(f"expected {name} to be at least {least}{why}, found {_shown(number)}", name)
    if number > most:
        raise ArgumentError(f"expected {name} to be at most {most}, found {_shown(number)}", name)
    return number


def thread_count(threads: Any) -> int:
    """The number of threads that a call may use: at least one. Raises `ArgumentError`.

    >>> thread_count(2)
    2
    """
    return whole_number("threads", threads, 1)


def _shown(value: Any) -> str:
    """The text of the value, cut short if it is long. Python writes no digits of a very long int."""
    if isinstance(value, int) and value.bit_length() > 256:
        return f"{'-' if value < 0 else ''}2**{value.bit_length() - 1} or more"
    text = repr(value)
    return text if len(text) <= 60 else text[:56] + "..."
