"""Text with the origin of each part: a template's literals, or a message.

In: literals, texts of messages, parts that a template joins. Out: `Traced`, a `str` that keeps its parts through `+`,
through `joined`, and where its ends are stripped.
Invariant: the lengths of the parts add up to the length of the text. Any other operation of `str` gives a text of
unknown origin, so no foreign text counts as the template's own. A template cannot see the parts: `Traced` has no
public name beyond those of `str`, and jinja's sandbox hides names with an underscore.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import NamedTuple

__all__ = ["Origin", "OriginRun", "Traced", "joined", "literal", "merged", "of_message", "parts_of", "sampled", "upto"]


class Origin(NamedTuple):
    """The origin of a text: is it a literal of the template; its message, -1 for none; is it sampled."""

    own: bool
    message: int
    sampled: bool


OriginRun = tuple[int, Origin]  # how many characters, and their origin
UNKNOWN = Origin(False, -1, False)
LITERAL = Origin(True, -1, False)


class Traced(str):
    """A text with its parts. A text without parts, as from jinja's `format`, has an unknown origin."""

    __slots__ = ("_parts",)
    _parts: tuple[OriginRun, ...]

    def __new__(cls, text: str = "", parts: Iterable[OriginRun] | None = None) -> Traced:
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


    def strip(self, chars: str | None = None, /) -> Traced:
        """As of `str`. Jinja's filter `trim` calls it."""
        return self.lstrip(chars).rstrip(chars)

    def lstrip(self, chars: str | None = None, /) -> Traced:
        """As of `str`."""
        kept = str.lstrip(self, chars)
        return Traced(kept, _last(self._parts, len(kept)))

    def rstrip(self, chars: str | None = None, /) -> Traced:
        """As of `str`."""
        return upto(self, len(str.rstrip(self, chars)))


def _last(parts: Sequence[OriginRun], count: int) -> list[OriginRun]:
    """The parts of the last `count` characters."""
    kept: list[OriginRun] = []
    for size, origin in reversed(parts):
        kept.append((min(size, count), origin))
        count -= kept[-1][0]
    return kept[::-1]


def parts_of(text: str) -> tuple[OriginRun, ...]:
    """The parts of a text. A text that is not traced has a single part of unknown origin."""
    return text._parts if type(text) is Traced else ((len(text), UNKNOWN),)  # noqa: SLF001 (no method: see above)


def literal(text: str) -> Traced:
    """A literal of a template."""
    return Traced(text, ((len(text), LITERAL),))


def of_message(text: str, message: int) -> Traced:
    """Text of a message."""
    return Traced(text, ((len(text), Origin(False, message, False)),))


def joined(texts: Iterable[str]) -> Traced:
    """The texts as one. Raises `TypeError` for anything but text, as `"".join` does."""
    items = list(texts)
    return Traced("".join(items), [part for item in items for part in parts_of(item)])


def sampled(text: Traced) -> Traced:
    """The same text, marked as written by a model."""
    return Traced(str.__str__(text), [(size, origin._replace(sampled=True)) for size, origin in parts_of(text)])


def upto(text: Traced, end: int) -> Traced:
    """The text before `end`."""
    kept, at = [], 0
    for size, origin in parts_of(text):
        if at < end:
            kept.append((min(size, end - at), origin))
        at += size
    return Traced(text[:end], kept)


def merged(parts: Sequence[OriginRun]) -> list[OriginRun]:
    """The parts that are not empty; neighbours of one origin become one."""
    runs: list[OriginRun] = []
    for size, origin in parts:
        if size and runs and runs[-1][1] == origin:
            runs[-1] = runs[-1][0] + size, origin
        elif size:
            runs.append((size, origin))
    return runs
