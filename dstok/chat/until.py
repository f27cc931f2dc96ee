"""Text that comes in parts, read up to the first of some delimiters. All parsers read text through this file.

In: parts of a text. Out: the text before a delimiter, and the delimiter. Invariant: the answer does not depend on how
the text is cut. Time is linear in the text: a place in it moves only forward, and only an end shorter than a
delimiter is searched again. The reader keeps the text before the delimiter; when it passes text on at once, it keeps
less than a delimiter. tests/chat/test_linear_time.py counts the characters that each call here looks at.
"""

from __future__ import annotations

import re
import sys
from functools import cache

__all__ = ["Delimiters", "Found", "TextBuffer", "delimiters"]

NEAR, WINDOW = 256, 1024  # code points: more than any delimiter has

Found = tuple[str, str]  # the text before a delimiter, and the delimiter


class Delimiters:
    """Some texts; none stands within another. `search` finds the first, or a part of one at the text's end.

    >>> closing = Delimiters("</think>", "</end>")
    >>> [closing.search(text).group() for text in ("a </think> b </e", "a </th", "</</e")]
    ['</think>', '</th', '</e']
    """

    def __init__(self, *texts: str) -> None:
        self.texts = frozenset(texts)
        self.longest = max(map(len, texts))
        self.near = NEAR if len({text[0] for text in texts}) > 1 else sys.maxsize // 2
        self.search = re.compile(_pattern(texts)).search

    def skip(self, text: str, at: int) -> int:
        """A place from `at` on before which no delimiter begins.

        This is faster than `search` where that is far away, and the delimiters begin with several characters.
        """
        while len(text) - at > NEAR:
            stop = min(at + WINDOW, len(text))
            found = [place for one in self.texts if (place := text.find(one, at, stop)) >= 0]
            if found:
                return min(found)
            at = stop - self.longest + 1
        return at


def _pattern(texts: tuple[str, ...]) -> str:
    r"""A pattern that reads each character of a text at most once for each character of a delimiter.

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


class TextBuffer:
    """Holds the text not yet read."""

    def __init__(self) -> None:
        self._text, self._at = "", 0  # everything before the place `_at` has been read
        self._before: list[str] = []  # the text that `until` has searched without success

    def add(self, text: str) -> None:
        """Adds text."""
        self._text, self._at = self._text[self._at :] + text, 0

    def passing(self, delimiters: Delimiters) -> Found:
        """The text up to the first delimiter and the delimiter, or all that cannot be part of one, and ""."""
        text, at = self._text, self._at
        near = delimiters.near
        match = delimiters.search(text, at, at + near)
        if len(text) - at > near and (match is None or match[0] not in delimiters.texts):
            match = delimiters.search(text, delimiters.skip(text, at + near - delimiters.longest), len(text))
        if match is None:
            self._text, self._at = "", 0
            return text[at:], ""
        start, end = match.span()
        delimiter = match[0]
        if end == len(text) and delimiter not in delimiters.texts:
            self._text, self._at = delimiter, 0
            return text[at:start], ""
        self._at = end
        return text[at:start], delimiter

    def until(self, delimiters: Delimiters) -> Found | None:
        """Reads up to and including the first delimiter; None if there is none yet, and the text is kept."""
        before, delimiter = self.passing(delimiters)
        if delimiter and not self._before:
            return before, delimiter
        if before:
            self._before.append(before)
        if not delimiter:
            return None
        return self.joined(self._before), delimiter

    def ahead(self, count: int) -> str:
        """The next characters, at most `count`. They are not read."""
        return self._text[self._at : self._at + count]

    def skip(self, count: int) -> None:
        """Passes over `count` of the characters that `ahead` has shown."""
        self._at += count

    def rest(self) -> str:
        """All remaining text."""
        rest = self.joined([*self._before, self._text[self._at :]])
        self._before.clear()
        self._text, self._at = "", 0
        return rest

    def joined(self, texts: list[str]) -> str:
        """Several texts as one; the list is empty afterwards."""
        text = "".join(texts)
        texts.clear()
        return text

    @property
    def is_holding(self) -> bool:
        """Whether the end of the text searched last may begin a delimiter."""
        return bool(self._text)

    @property
    def held(self) -> int:
        """The number of characters kept."""
        return sum(map(len, self._before)) + len(self._text) - self._at
