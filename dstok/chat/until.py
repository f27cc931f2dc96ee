"""Text that comes in parts, read up to the first of some marks.

In: parts of a text. Out: what stands before a mark, and the mark. Invariant: the answer does not depend on how the text
is cut; time is linear in the text, and what is kept is the text before the mark, or, of a text that is passed on as it
comes, less than a mark.
"""

from __future__ import annotations

import re
from functools import cache

__all__ = ["Found", "Reader", "ends_in_part"]

Found = tuple[str, str]  # the text before a mark, and the mark


@cache
def _pattern(marks: tuple[str, ...]) -> re.Pattern[str]:
    return re.compile("|".join(map(re.escape, marks)))


def ends_in_part(text: str, marks: tuple[str, ...]) -> int:
    """How many characters at the end a mark may begin with.

    >>> ends_in_part("a </thi", ("</think>",))
    5
    """
    longest = min(max(map(len, marks)) - 1, len(text))
    end = text[len(text) - longest :]
    if not [mark for mark in marks if mark[0] in end]:  # as at most ends
        return 0
    return next((size for size in range(longest, 0, -1) if any(mark.startswith(text[-size:]) for mark in marks)), 0)


class Reader:
    """Holds the text that is not yet read."""

    def __init__(self) -> None:
        self.text = ""
        self._before: list[str] = []

    def add(self, text: str) -> None:
        """More of the text."""
        self.text += text

    def until(self, marks: tuple[str, ...]) -> Found | None:
        """The text up to the first mark, which is read, too; None if there is none yet: then the text is kept."""
        found = _pattern(marks).search(self.text)
        if found is None:
            self._before.append(self._sure(marks))
            return None
        before = "".join(self._before) + self.text[: found.start()]
        self._before.clear()
        self.text = self.text[found.end() :]
        return before, found.group()

    def passing(self, marks: tuple[str, ...]) -> Found:
        """The text up to the first mark and the mark, or all that can be no part of one, and "". """
        found = _pattern(marks).search(self.text)
        if found is None:
            return self._sure(marks), ""
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

    def _sure(self, marks: tuple[str, ...]) -> str:
        """Takes the text but for an end that a mark may begin with."""
        keep = ends_in_part(self.text, marks)
        sure, self.text = self.text[: len(self.text) - keep], self.text[len(self.text) - keep :]
        return sure
