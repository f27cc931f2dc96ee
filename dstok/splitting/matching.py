"""The calls of a splitter that Python's `re` has, too: the matches of its pattern, instead of its pieces.

In: texts. Out: matches, their texts, a text with replacements.
Invariant: matches are those of Python's engines (`regex`, `re`): leftmost, the first alternative that matches, and
empty matches as there. The pattern keeps its own dialect and Unicode version. Behavior and inversion, which make pieces
of matches, do not matter here. A splitter of several steps has no matches.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any, TypeVar

from dstok.base.arguments import explained
from dstok.base.lazy import lazy
from dstok.base.texts import Errors, Text
from dstok.core.run._span_pass import SpanPass
from dstok.errors import ArgumentError
from dstok.pattern.cascade import Cascade
from dstok.splitting.matcher import Matcher
from dstok.splitting.matches import Match, Replacement, Searched
from dstok.splitting.texts import Unit

__all__ = ["Matching"]

T = TypeVar("T", str, bytes)


class Matching:
    """The base of `Splitter` with the calls for matches."""

    cascade: Cascade
    _span_pass: SpanPass

    @lazy
    def _matcher(self) -> Matcher:
        return Matcher(self.cascade, self._span_pass)

    def findall(self, text: Text, *, errors: Errors = "strict") -> list[Any]:
        r"""The texts of all matches. If the pattern has a group, its texts; if it has several, tuples of theirs.

        A group that matched nothing gives the empty text. Raises `UnsupportedError` for a splitter of several steps,
        and as `split` and `Match`.

        >>> import dstok
        >>> dstok.Splitter(r"\d+").findall("a1 b22"), dstok.Splitter(r"(\w)=(\d)?").findall("a=1 b=")
        (['1', '22'], [('a', '1'), ('b', '')])
        """
        searched = Searched(self._matcher, text, errors)
        groups = len(self._matcher.names)
        if not groups:
            return searched.texts()
        empty = "" if searched.is_str else b""
        found = (match.groups(empty) for match in searched.matches())
        return [texts[0] for texts in found] if groups == 1 else list(found)

    def finditer(self, text: Text, *, unit: Unit | None = None, errors: Errors = "strict") -> Iterator[Match]:
        r"""The matches of `text`, one by one.

        unit: of their places, "bytes" of the UTF-8 text or "characters"; None: characters of a `str`, bytes of bytes.
        Raises as `findall`, before the first match, and `ArgumentError` for another unit.

        >>> import dstok
        >>> [match.span() for match in dstok.Splitter("é|b*").finditer("aébb")]
        [(0, 0), (1, 2), (2, 4), (4, 4)]
        """
        return Searched(self._matcher, text, errors, unit).matches()

    def search(self, text: Text, *, unit: Unit | None = None, errors: Errors = "strict") -> Match | None:
        r"""The first match of `text`; None if there is none. Keywords and errors as `finditer`.

        >>> import dstok
        >>> dstok.Splitter(r"\d+").search("ab 42 7")
        <Match span=(3, 5), group='42'>
        """
        return next(self.finditer(text, unit=unit, errors=errors), None)

    def match(self, text: Text, *, unit: Unit | None = None, errors: Errors = "strict") -> Match | None:
        r"""The match that begins at the start of `text`; None if there is none. Keywords and errors as `finditer`.

        >>> import dstok
        >>> dstok.Splitter("a|ab").match("abc"), dstok.Splitter("b").match("abc")
        (<Match span=(0, 1), group='a'>, None)
        """
        return Searched(self._matcher, text, errors, unit).first(False)

    def fullmatch(self, text: Text, *, unit: Unit | None = None, errors: Errors = "strict") -> Match | None:
        r"""The match that is the whole of `text`; None if there is none. Keywords and errors as `finditer`.

        >>> import dstok
        >>> dstok.Splitter("a|ab").fullmatch("ab")
        <Match span=(0, 2), group='ab'>
        """
        return Searched(self._matcher, text, errors, unit).first(True)

    @explained
    def sub(
        self, replacement: T | Callable[[Match], T], text: T, count: int = 0, *, errors: Errors = "strict",
    ) -> T:
        r"""`text` with a replacement for each match, or for the first `count` of them.

        `replacement` is a template with `\1`, `\g<name>` for groups, or a function from match to text. Raises
        `ArgumentError` for a broken template, and as `findall`.

        >>> import dstok
        >>> dstok.Splitter(r"(?<n>\d+)").sub(r"<\g<n>>", "a1 b22")
        'a<1> b<22>'
        >>> dstok.Splitter(r"\w+").sub(lambda match: match.group().upper(), b"ab cd", 1)
        b'AB cd'
        """
        return self.subn(replacement, text, count, errors=errors)[0]

    @explained
    def subn(
        self, replacement: T | Callable[[Match], T], text: T, count: int = 0, *, errors: Errors = "strict",
    ) -> tuple[T, int]:
        r"""(what `sub` gives, the number of replacements). Arguments and errors as `sub`.

        >>> import dstok
        >>> dstok.Splitter("b*").subn("-", "abc")
        ('-a--c-', 4)
        """
        if not isinstance(count, int) or count < 0:
            raise ArgumentError(f"expected a count of at least 0, found {count!r}", "count")
        searched = Searched(self._matcher, text, errors)
        make = replacement if callable(replacement) else Replacement(replacement, searched, "a function or ").of
        return searched.replaced(make, count)

    def count_matches(self, text: Text, *, errors: Errors = "strict") -> int:
        r"""The number of matches. `count` gives the number of pieces. Raises as `findall`.

        >>> import dstok
        >>> digits = dstok.Splitter(r"\d+")
        >>> digits.count_matches("a1 b22"), digits.count("a1 b22")
        (2, 4)
        """
        return self._matcher.count(Searched(self._matcher, text, errors).data)

    @explained
    def scan(
        self, text: Text, function: Callable[[int, int], object], *, unit: Unit | None = None,
        errors: Errors = "strict",
    ) -> int:
        r"""Calls `function(start, end)` for each match, until it returns True; the number of calls.

        Keywords and errors as `finditer`. It makes no match objects and no texts.

        >>> import dstok
        >>> spans = []
        >>> dstok.Splitter(r"\d").scan("a1 22", lambda start, end: spans.append((start, end))), spans
        (3, [(1, 2), (3, 4), (4, 5)])
        """
        calls = 0
        for _, spans in Searched(self._matcher, text, errors, unit).blocks():
            for start, end in spans.tolist():
                calls += 1
                if function(start, end) is True:
                    return calls
        return calls
