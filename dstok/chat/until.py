"""Text that comes in parts, read up to the first of some delimiters: the one place that the parsers read text through.

In: parts of a text. Out: what stands before a delimiter, and the delimiter. Invariant: the answer does not depend on
how the text is cut. Time is linear in the text: a place in it moves forward only, and what was searched is not searched
again, but for an end shorter than a delimiter. Kept is the text before the delimiter; of text that is passed on as it
comes, less than a delimiter. tests/chat/test_linear_time.py counts the characters that each call here looks at.
"""

from __future__ import annotations

import re
from functools import cache

__all__ = ["Delimiters", "Found", "Reader", "delimiters"]

Found = tuple[str, str]  # the text before a delimiter, and the delimiter


class Delimiters:
    """Some texts, none of which stands within another. `search` finds the first, or a part of one at the text's end.

    >>> closing = Delimiters("</think>", "</end>")
    >>> [closing.search(text).group() for text in ("a </think> b </e", "a </th", "</</e")]
    ['</think>', '</th', '</e']
    """

    def __init__(self, *texts: str) -> None:
        self.texts = frozenset(texts)
        self.search = re.compile(_pattern(texts)).search


def _pattern(texts: tuple[str, ...]) -> str:
    r"""A pattern that reads each character of a text once for each character of a delimiter, at most.

    >>> _pattern(("ab", "ac"))
    'a(?:b|c|\\Z)'
    """
    rests: dict[str, list[str]] = {}
    for text in texts:
        rests.setdefault(text[0], []).append(text[1:])
    return "|".join(re.escape(first) + ("" if more == [""] else rf"(?:{_pattern(tuple(more))}|\Z)")
                    for first, more in rests.items())


@cache
def delimiters(*texts: str) -> Delimiters:
    """The delimiters of these texts, compiled once."""
    return Delimiters(*texts)


class Reader:
    """Holds the text that is not yet read."""

    def __init__(self) -> None:
        self._text, self._at = "", 0  # what is before the place `_at` has been read
        self._before: list[str] = []  # what `until` has searched without finding anything

    def add(self, text: str) -> None:
        """More of the text."""
        self._text, self._at = self._text[self._at :] + text, 0

    def passing(self, delimiters: Delimiters) -> Found:
        """The text up to the first delimiter and the delimiter, or all that can be no part of one, and "". """
        text, at = self._text, self._at
        found = delimiters.search(text, at)
        if found is None:
            self._text, self._at = "", 0
            return text[at:], ""
        start, end = found.span()
        delimiter = found[0]
        if end == len(text) and delimiter not in delimiters.texts:
            self._text, self._at = delimiter, 0
            return text[at:start], ""
        self._at = end
        return text[at:start], delimiter

    def until(self, delimiters: Delimiters) -> Found | None:
        """The text up to the first delimiter, which is read, too; None if there is none yet: then the text is kept."""
        before, delimiter = self.passing(delimiters)
        if delimiter and not self._before:
            return before, delimiter
        if before:
            self._before.append(before)
        if not delimiter:
            return None
        before = "".join(self._before)
        self._before.clear()
        return before, delimiter

    def ahead(self, count: int) -> str:
        """What comes next, at most so many characters; it stays."""
        return self._text[self._at : self._at + count]

    def skip(self, count: int) -> None:
        """Passes over so many characters of those that `ahead` has shown."""
        self._at += count

    def rest(self) -> str:
        """All that is left."""
        rest = "".join([*self._before, self._text[self._at :]])
        self._before.clear()
        self._text, self._at = "", 0
        return rest

    @property
    def held(self) -> int:
        """How many characters are kept."""
        return sum(map(len, self._before)) + len(self._text) - self._at
