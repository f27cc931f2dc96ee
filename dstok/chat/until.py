"""Text that comes in parts, read up to the first of some delimiters.

In: parts of a text. Out: what stands before a delimiter, and the delimiter. Invariant: the answer does not depend on
how the text is cut. Time is linear in the text. Kept is the text before the delimiter; of text that is passed on as it
comes, less than a delimiter.
"""

from __future__ import annotations

import re
from functools import cache

__all__ = ["Found", "Reader", "ends_in_part"]

Found = tuple[str, str]  # the text before a delimiter, and the delimiter


@cache
def _pattern(delimiters: tuple[str, ...]) -> re.Pattern[str]:
    return re.compile("|".join(map(re.escape, delimiters)))


def ends_in_part(text: str, delimiters: tuple[str, ...]) -> int:
    """How many characters at the end a delimiter may begin with.

    >>> ends_in_part("a </thi", ("</think>",))
    5
    """
    longest = min(max(map(len, delimiters)) - 1, len(text))
    end = text[len(text) - longest :]
    if not [delimiter for delimiter in delimiters if delimiter[0] in end]:  # as at most ends
        return 0
    return next((size for size in range(longest, 0, -1) if any(one.startswith(text[-size:]) for one in delimiters)), 0)


class Reader:
    """Holds the text that is not yet read."""

    def __init__(self) -> None:
        self.text = ""
        self._before: list[str] = []

    def add(self, text: str) -> None:
        """More of the text."""
        self.text += text

    def until(self, delimiters: tuple[str, ...]) -> Found | None:
        """The text up to the first delimiter, which is read, too; None if there is none yet: then the text is kept."""
        found = _pattern(delimiters).search(self.text)
        if found is None:
            self._before.append(self._sure(delimiters))
            return None
        before = "".join(self._before) + self.text[: found.start()]
        self._before.clear()
        self.text = self.text[found.end() :]
        return before, found.group()

    def passing(self, delimiters: tuple[str, ...]) -> Found:
        """The text up to the first delimiter and the delimiter, or all that can be no part of one, and "". """
        found = _pattern(delimiters).search(self.text)
        if found is None:
            return self._sure(delimiters), ""
        before, self.text = self.text[: found.start()], self.text[found.end() :]
        return before, found.group()

    def rest(self) -> str:
        """All that is left."""
        rest = "".join(self._before) + self.text
        self._before.clear()
        self.text = ""
        return rest

    @property
    def held(self) -> int:
        """How many characters are kept."""
        return sum(map(len, self._before)) + len(self.text)

    def _sure(self, delimiters: tuple[str, ...]) -> str:
        """Takes the text but for an end that a delimiter may begin with."""
        keep = ends_in_part(self.text, delimiters)
        sure, self.text = self.text[: len(self.text) - keep], self.text[len(self.text) - keep :]
        return sure
