"""Text that counts how many of its characters are looked at, so that a test counts steps and measures no time.

In: a text, and a `Steps`. Out: a `Counted`, a `str` whose methods count what they read or copy; what they return is
counted, too. Invariant: no method of `str` is free, and one that has no count here raises AssertionError. C code that
reads a `str` by itself (a regular expression, `join`, json) counts nothing: a test puts a counting call in its place,
and `Steps.check` tells whether a text got there uncounted.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

__all__ = ["Counted", "Steps"]


class Steps:
    """Steps so far: characters that were looked at or copied, calls of functions, lines that ran."""

    def __init__(self) -> None:
        self.characters = self.calls = self.lines = 0

    @property
    def total(self) -> int:
        return self.characters + self.calls + self.lines

    def check(self, text: str, short: int = 64) -> None:
        """Fails for a text that nobody counts, unless it is short."""
        assert isinstance(text, Counted) or len(text) <= short, f"{len(text)} characters went by uncounted"

    @contextmanager
    def counting(self) -> Iterator[None]:
        """Counts the calls of functions of Python and of C."""
        before = sys.getprofile()
        sys.setprofile(self._event)
        try:
            yield
        finally:
            sys.setprofile(before)

    def _event(self, frame: Any, event: str, argument: Any) -> None:
        self.calls += event in ("call", "c_call")

    @contextmanager
    def counting_lines(self) -> Iterator[None]:
        """Counts the lines of Python that run, each time that they run."""
        before = sys.gettrace()
        sys.settrace(self._line)
        try:
            yield
        finally:
            sys.settrace(before)

    def _line(self, frame: Any, event: str, argument: Any) -> Any:
        self.lines += 1
        return self._line


class Counted(str):
    """A text whose methods add to `steps`."""

    steps: Steps

    def __new__(cls, text: str, steps: Steps) -> Counted:
        made = super().__new__(cls, text)
        made.steps = steps
        return made


def _whole(text: Counted, found: Any, arguments: tuple[Any, ...]) -> int:
    """All of the text, and of what is put in its place."""
    return len(str.__str__(text)) + (len(found) if isinstance(found, str) else 0)


def _result(text: Counted, found: Any, arguments: tuple[Any, ...]) -> int:
    """A copy."""
    return len(found)


def _window(text: Counted, found: Any, arguments: tuple[Any, ...]) -> int:
    """The text between the places in the arguments."""
    start, stop, _ = slice(*(arguments[1:] if len(arguments) == 3 else (0, None))).indices(len(text))
    return stop - start


def _argument(text: Counted, found: Any, arguments: tuple[Any, ...]) -> int:
    """As much as stands in the arguments."""
    texts = arguments[0] if isinstance(arguments[0], tuple) else arguments[:1]
    return sum(len(one) for one in texts if isinstance(one, str))


Cost = Callable[[Counted, Any, tuple[Any, ...]], int]
COSTS: dict[str, Cost] = {
    **dict.fromkeys(["__getitem__", "__add__", "__mul__", "__rmul__", "__format__", "__repr__", "__str__"], _result),
    **dict.fromkeys(["__contains__", "__hash__", "__iter__", "count", "encode", "index", "isascii", "isspace",
                     "join", "lstrip", "partition", "removeprefix", "removesuffix", "replace", "rfind", "rindex",
                     "rpartition", "rstrip", "split", "splitlines", "strip"], _whole),
    "find": _window,
    **dict.fromkeys(["__eq__", "__ne__", "startswith", "endswith"], _argument),
}
FREE = {"__class__", "__new__", "__init__", "__len__", "__getattribute__", "__doc__", "__dir__", "__sizeof__",
        "__init_subclass__", "__subclasshook__", "__setattr__", "__delattr__", "__getstate__", "maketrans"}


def _counting(name: str, cost: Cost) -> Callable[..., Any]:
    plain = getattr(str, name)

    def call(self: Counted, *arguments: Any) -> Any:
        found = plain(self, *arguments)
        self.steps.characters += cost(self, found, arguments)
        return _also_counted(found, self.steps)

    return call


def _also_counted(found: Any, steps: Steps) -> Any:
    if isinstance(found, str):
        return Counted(found, steps)
    return type(found)(Counted(one, steps) for one in found) if isinstance(found, tuple | list) else found


def _unknown(name: str) -> Callable[..., Any]:
    def call(self: Counted, *arguments: Any) -> Any:
        raise AssertionError(f"nobody has said what str.{name} costs")

    return call


def _radd(self: Counted, other: str) -> Counted:
    self.steps.characters += len(other) + len(self)
    return Counted(str.__add__(other, self), self.steps)


for _name in dir(str):
    if _name not in FREE:
        setattr(Counted, _name, _counting(_name, COSTS[_name]) if _name in COSTS else _unknown(_name))
Counted.__radd__ = _radd  # type: ignore[attr-defined]
