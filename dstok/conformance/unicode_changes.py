"""The code points whose general category changed between Unicode versions.

In: the generated table of changes, from Unicode 14.0 on. Out: for a code point its category by version; for a pair of
versions the code points that differ. Invariant: a code point outside the table has the same category in all `VERSIONS`.
Source: unicode_tables/changes.py.
"""

from __future__ import annotations

from bisect import bisect_right
from functools import cache

from dstok.conformance._unicode_changes import CHANGES
from dstok.conformance._unicode_changes import VERSIONS as VERSIONS
from dstok.unicode import category_of

Run = tuple[int, int, tuple[str, ...]]  # first and last code point, category by version


@cache
def _runs() -> tuple[Run, ...]:
    runs = []
    for word in CHANGES.split():
        span, row = word.split(":")
        first, _, last = span.partition("-")
        names = tuple(row[at : at + 2] for at in range(0, len(row), 2))
        runs.append((int(first, 16), int(last or first, 16), names))
    return tuple(runs)


def categories(char: str) -> dict[str, str]:
    """The general category of a character in each version."""
    code = ord(char)
    at = bisect_right(_runs(), code, key=lambda run: run[0]) - 1
    if at >= 0 and code <= _runs()[at][1]:
        return dict(zip(VERSIONS, _runs()[at][2]))
    return dict.fromkeys(VERSIONS, category_of(code))


@cache
def changed() -> tuple[int, ...]:
    """The code points whose category differs between any two of the versions, rising."""
    return tuple(code for first, last, _ in _runs() for code in range(first, last + 1))


def edges() -> tuple[int, ...]:
    """First and last of each run of code points that changed together."""
    return tuple(sorted({code for first, last, _ in _runs() for code in (first, last)}))


@cache
def moved(version: str, other: str) -> dict[str, str]:
    """The characters whose categories in `version` and `other` differ, with the category in `version`."""
    one, two = VERSIONS.index(version), VERSIONS.index(other)
    return {chr(code): row[one] for first, last, row in _runs() if row[one] != row[two]
            for code in range(first, last + 1)}


@cache
def stand_in(category: str, code: int) -> str:
    """The nearest character of this category, in all versions, to a code point."""
    fixed = frozenset(changed())
    for distance in range(1, 0x110000):
        for near in (code - distance, code + distance):
            if 0 <= near < 0x110000 and near not in fixed and category_of(near) == category:
                return chr(near)
    raise ValueError(f"no code point has the category {category!r}")
