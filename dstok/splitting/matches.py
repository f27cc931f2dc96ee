"""Matches of a text, as Python's `re` gives them: match objects, and templates of `sub`.

In: a `Matcher` and a text. Out: `Match` objects, in order; a text with replacements.
Invariant: `match.group()` is what the text has at `match.span()`: `str` of `str`, bytes of bytes. Groups cost a second
pass over their match, when one of them is asked for.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any, NoReturn

from dstok.base.lazy import lazy
from dstok.base.texts import Errors, Text
from dstok.core.run._offsets import in_characters
from dstok.errors import ArgumentError, PickleError
from dstok.splitting.matcher import Matcher
from dstok.splitting.texts import Unit, readable

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

    Spans = npt.NDArray[np.int64]

__all__ = ["Match", "Replacement", "Searched"]

Span = tuple[int, int]

_TEMPLATE = re.compile(r"\\(?:([1-9][0-9]?)|g<([^>]*)>|(.?))", re.DOTALL)
_ESCAPES = {"n": "\n", "r": "\r", "t": "\t", "f": "\f", "v": "\v", "a": "\a", "b": "\b", "\\": "\\"}


class Match:
    r"""One match of a splitter's pattern; made by `Splitter.finditer`, `search`, `match` and `fullmatch`.

    Group 0 is the match. A place counts characters of a `str`, bytes of bytes, or what `unit` of the call says;
    `byte_span` has the match in bytes of the UTF-8 text. A group that matched nothing is None, and its span is
    (-1, -1). Raises `GroupError` for a group that the pattern does not have, and `UnsupportedError` for one without an
    exact place: inside an atomic group, a look-around or a repetition of what can match the empty text.

    >>> import dstok
    >>> found = dstok.Splitter(r"(?<key>\w+)=(?<value>\d+)").search("é: size=42")
    >>> found.group(), found.span(), found["key"], found.span("value")
    ('size=42', (3, 10), 'size', (8, 10))
    """

    __slots__ = ("_known", "_searched", "_span", "byte_span")

    def __init__(self, searched: Searched, in_bytes: Span, span: Span) -> None:
        self._searched, self.byte_span, self._span = searched, in_bytes, span
        self._known: list[Span] | None = None

    def span(self, group: int | str = 0) -> Span:
        """The start and the end of a group."""
        if group == 0:
            return self._span
        start, end = self._in_bytes(group)
        return self._place(start), self._place(end)

    def start(self, group: int | str = 0) -> int:
        """The start of a group."""
        return self.span(group)[0]

    def end(self, group: int | str = 0) -> int:
        """The end of a group."""
        return self.span(group)[1]

    def group(self, *groups: int | str) -> Any:
        """The text of a group; of several groups a tuple of their texts."""
        found = tuple(map(self._text, groups or (0,)))
        return found if len(found) > 1 else found[0]

    __getitem__ = group

    def groups(self, default: Any = None) -> tuple[Any, ...]:
        """The texts of all groups but 0, with `default` for those that matched nothing."""
        return tuple(self._text(number + 1, default) for number in range(len(self._searched.matcher.names)))

    def groupdict(self, default: Any = None) -> dict[str, Any]:
        """The texts of all groups with names, by name."""
        return {name: self._text(name, default) for name in self._searched.matcher.names if name is not None}

    def expand(self, template: str | bytes) -> Any:
        r"""The template of `Splitter.sub`, filled with the groups of this match. Raises `ArgumentError` as `sub`."""
        return Replacement(template, self._searched).of(self)

    def __copy__(self) -> Match:
        return self  # it never changes

    def __deepcopy__(self, memo: dict[int, Any]) -> Match:
        return self

    def __reduce_ex__(self, protocol: Any) -> NoReturn:
        raise PickleError("expected what pickles, found a Match, which holds its whole text: pickle what you need of "
                          "it, such as its groups and spans")

    def __repr__(self) -> str:
        return f"<Match span={self._span}, group={self._text(0)!r}>"

    def _text(self, group: int | str, default: Any = None) -> Any:
        start, end = self._in_bytes(group)
        return default if start < 0 else self._searched.part(start, end)

    def _in_bytes(self, group: int | str) -> Span:
        number = 0 if group == 0 else self._searched.matcher.number_of(group)
        if number == 0:
            return self.byte_span
        if self._known is None:
            self._known = self._searched.groups(self.byte_span)
        return self._known[number - 1]

    def _place(self, place: int) -> int:
        """A place in bytes in the unit of the match."""
        if place < 0 or not self._searched.converts:
            return place
        return self._span[0] + len(self._searched.data[self.byte_span[0] : place].decode())  # type: ignore[union-attr]


class Searched:
    """A text that is searched: `data` in the core's form, and how its matches are shown."""

    def __init__(self, matcher: Matcher, text: Text, errors: Errors, unit: Unit | None = None) -> None:
        if unit not in ("bytes", "characters", None):
            raise ArgumentError(f'expected the unit "bytes" or "characters", found {unit!r}', "unit")
        self.matcher, self.data, self.is_str = matcher, readable(text, errors), isinstance(text, str)
        characters = self.is_str if unit is None else unit == "characters"
        self.converts = characters and not isinstance(self.data, str)  # places in bytes to places in characters
        self._letters: Any = None

    @lazy
    def utf8(self) -> bytes:
        """The text as UTF-8, made once: each match of groups reads it."""
        return self.data.encode() if isinstance(self.data, str) else self.data

    def part(self, start: int, end: int) -> str | bytes:
        """The text between two places in bytes, in the type of the whole text."""
        part = self.data[start:end]
        return part.decode() if self.is_str and isinstance(part, bytes) else part

    def groups(self, span: Span) -> list[Span]:
        """The places of all groups of a match, in bytes."""
        if self._letters is None:
            self._letters = self.matcher.letters(self.utf8)
        places = self.matcher.places(self.utf8, self._letters, span)
        return list(zip(places[::2], places[1::2]))

    def blocks(self) -> Iterator[tuple[Spans, Spans]]:
        """The spans of matches in bytes, some at a time, and the same in the unit."""
        at = before = 0
        for spans in self.matcher.blocks(self.data):
            shown = spans
            if self.converts and len(spans):
                places = spans.reshape(-1) - at
                in_characters(memoryview(self.utf8)[at:], places)
                shown = (places + before).reshape(-1, 2)
                at, before = int(spans[-1, 1]), int(shown[-1, 1])
            yield spans, shown

    def texts(self) -> list[Any]:
        """The texts of all matches."""
        if self.is_str and not self.matcher.empty:
            return self.matcher.span_pass.split(self.data)
        return [self.part(start, end) for spans, _ in self.blocks() for start, end in spans.tolist()]

    def matches(self) -> Iterator[Match]:
        """All matches, in order."""
        for spans, shown in self.blocks():
            for (start, end), span in zip(spans.tolist(), shown.tolist()):
                yield Match(self, (start, end), tuple(span))

    def first(self, full: bool) -> Match | None:
        """The match at the start of the text; with `full` only one that is the whole text."""
        end = self.matcher.first_end(self.utf8, full)
        if end < 0:
            return None
        return Match(self, (0, end), (0, len(self.utf8[:end].decode()) if self.converts else end))

    def replaced(self, make: Callable[[Match], Any], limit: int) -> tuple[Any, int]:
        """(the text with `make(match)` in place of each match, the number of these); at most `limit`, 0 for all."""
        parts: list[Any] = []
        at = number = 0
        for match in self.matches():
            start, end = match.byte_span
            parts += [self.part(at, start), self._checked(make(match))]
            at, number = end, number + 1
            if number == limit:
                break
        parts.append(self.part(at, len(self.data)))
        return ("" if self.is_str else b"").join(parts), number

    def _checked(self, made: Any) -> Any:
        if isinstance(made, str if self.is_str else bytes):
            return made
        expected = "str" if self.is_str else "bytes"
        raise ArgumentError(f"expected {expected} in place of a match, as the text is, found {type(made).__name__}",
                            "replacement")


class Replacement:
    r"""A template of `sub`: text with `\1`, `\g<1>`, `\g<name>`, and the escapes of Python's templates."""

    def __init__(self, template: str | bytes, searched: Searched, orelse: str = "") -> None:
        kind = str if searched.is_str else bytes
        if not isinstance(template, kind):
            raise ArgumentError(f"expected {orelse}a template of type {kind.__name__}, as the text is, found "
                                f"{type(template).__name__}", "replacement")
        text = template.decode("utf-8", "surrogateescape") if isinstance(template, bytes) else template
        self._parts: list[str | bytes | int] = []
        self._bytes, at = kind is bytes, 0
        for escape in _TEMPLATE.finditer(text):
            self._add(text[at : escape.start()])
            self._escape(escape, searched.matcher)
            at = escape.end()
        self._add(text[at:])

    def of(self, match: Match) -> Any:
        """The template with the groups of a match; a group that matched nothing is empty."""
        empty: Any = b"" if self._bytes else ""
        return empty.join((match.group(part) if isinstance(part, int) else part) or empty for part in self._parts)

    def _add(self, text: str) -> None:
        self._parts.append(text.encode("utf-8", "surrogateescape") if self._bytes else text)

    def _escape(self, escape: re.Match[str], matcher: Matcher) -> None:
        number, name, char = escape.groups()
        if char is None:
            group = number or name
            self._parts.append(matcher.number_of(int(group) if group.isdecimal() else group))
        elif char in _ESCAPES:
            self._add(_ESCAPES[char])
        elif char and not (char.isascii() and char.isalnum()):
            self._add("\\" + char)
        else:
            raise ArgumentError(f"expected an escape of templates at {escape.start()}, found {escape[0]!r}",
                                "replacement")
