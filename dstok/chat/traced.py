"""Text that knows where each part of it comes from: a template's literals, or a message.

In: literals, texts of messages, what a template joins. Out: `Traced`, a `str` that keeps its parts through `+` and
through `joined`.
Invariant: the lengths of the parts add up to the length of the text. Any other operation of `str` gives a text of which
no origin is known, so no text counts as the template's own that is not. A template sees nothing of it: `Traced` has no
public name that `str` does not have, and jinja's sandbox hides names with an underscore.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import NamedTuple

__all__ = ["Origin", "Part", "Traced", "joined", "literal", "merged", "of_message", "parts_of", "sampled", "upto"]


class Origin(NamedTuple):
    """Where a text comes from: is it a literal of the template; of which message, -1 if of none; is it sampled?"""

    own: bool
    message: int
    sampled: bool


Part = tuple[int, Origin]  # how many characters, and where they come from
UNKNOWN = Origin(False, -1, False)
LITERAL = Origin(True, -1, False)


class Traced(str):
    """A text with its parts. Without parts, as jinja's `format` makes it, its origin is unknown."""

    __slots__ = ("_parts",)
    _parts: tuple[Part, ...]

    def __new__(cls, text: str = "", parts: Iterable[Part] | None = None) -> Traced:
        made = super().__new__(cls, text)
        made._parts = ((len(text), UNKNOWN),) if parts is None else tuple(parts)
        return made

    def __str__(self) -> str:
        return self

    def __add__(self, other: str) -> str:
        if type(other) is not str and type(other) is not Traced:  # markupsafe's text has a `+` of its own
            return NotImplemented
        return Traced(str.__add__(self, other), (*self._parts, *parts_of(other)))

    def __radd__(self, other: str) -> str:
        if type(other) is not str:
            return NotImplemented
        return Traced(str.__add__(other, self), (*parts_of(other), *self._parts))


def parts_of(text: str) -> tuple[Part, ...]:
    """The parts of a text; of one that is not traced a single one of unknown origin."""
    return text._parts if type(text) is Traced else ((len(text), UNKNOWN),)  # noqa: SLF001 (no method: see above)


def literal(text: str) -> Traced:
    """A literal of a template."""
    return Traced(text, ((len(text), LITERAL),))


def of_message(text: str, message: int) -> Traced:
    """Text of a message."""
    return Traced(text, ((len(text), Origin(False, message, False)),))


def joined(texts: Iterable[str]) -> Traced:
    """The texts as one. Raises `TypeError` for what is no text, as `"".join` does."""
    items = list(texts)
    return Traced("".join(items), [part for item in items for part in parts_of(item)])


def sampled(text: Traced) -> Traced:
    """The same text, as written by a model."""
    return Traced(str.__str__(text), [(size, origin._replace(sampled=True)) for size, origin in parts_of(text)])


def upto(text: Traced, end: int) -> Traced:
    """The text before `end`."""
    kept, at = [], 0
    for size, origin in parts_of(text):
        if at < end:
            kept.append((min(size, end - at), origin))
        at += size
    return Traced(text[:end], kept)


def merged(parts: Sequence[Part]) -> list[Part]:
    """The parts that are not empty; neighbours of one origin as one."""
    found: list[Part] = []
    for size, origin in parts:
        if size and found and found[-1][1] == origin:
            found[-1] = found[-1][0] + size, origin
        elif size:
            found.append((size, origin))
    return found
