"""The code points whose general category changed between Unicode versions.

In: the generated table of changes, from Unicode 14.0 on. Out: for a code point its category by version; for a pair of
versions the code points that differ. Invariant: a code point outside the table has the same category in all `VERSIONS`.
Source: unicode_tables/changes.py.
"""

from __future__ import annotations

from functools import cache
from pathlib import Path

from dstok.unicode import category_of

_rows = [row for row in Path(__file__).with_suffix(".txt").read_text("utf-8").split("\n") if not row.startswith("#")]
VERSIONS = tuple(_rows[0].split())


@cache
def _changes() -> dict[int, tuple[str, ...]]:
    """By code point, rising, its category in each version."""
    found = dict[int, tuple[str, ...]]()
    for word in " ".join(_rows[1:]).split():
        span, row = word.split(":")
        first, _, last = span.partition("-")
        kinds = tuple(row[at : at + 2] for at in range(0, len(row), 2))
        found |= dict.fromkeys(range(int(first, 16), int(last or first, 16) + 1), kinds)
    return found


def categories(char: str) -> dict[str, str]:
    """The general category of a character in each version."""
    row = _changes().get(ord(char))
    return dict(zip(VERSIONS, row)) if row else dict.fromkeys(VERSIONS, category_of(ord(char)))


def changed() -> tuple[int, ...]:
    """The code points whose category differs between any two of the versions, rising."""
    return tuple(_changes())


def edges() -> tuple[int, ...]:
    """First and last of each run of code points that changed together."""
    rows = _changes()
    return tuple(code for code, row in rows.items() if not row == rows.get(code - 1) == rows.get(code + 1))


@cache
def moved(version: str, other: str) -> dict[str, str]:
    """The characters whose categories in `version` and `other` differ, with the category in `version`."""
    one, two = VERSIONS.index(version), VERSIONS.index(other)
    return {chr(code): row[one] for code, row in _changes().items() if row[one] != row[two]}


@cache
def stand_in(category: str, code: int) -> str:
    """The nearest character of this category, in all versions, to a code point."""
    for distance in range(1, 0x110000):
        for near in (code - distance, code + distance):
            if 0 <= near < 0x110000 and near not in _changes() and category_of(near) == category:
                return chr(near)
    raise ValueError(f"no code point has the category {category!r}")
