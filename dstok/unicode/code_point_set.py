"""Sets of code points, and their algebra.

In: ranges of code points, or characters. Out: `CodePointSet`, an immutable and hashable set.
Invariant: `ranges` is canonical: ascending, disjoint and non-adjacent. So two sets are equal exactly when their ranges
are, and every operation is linear in the number of ranges, not of code points.
Source: the Unicode Standard, section 3.4, definition D9 (the codespace is 0..0x10FFFF, surrogates included).
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterable, Iterator
from itertools import accumulate, chain

from dstok._util.arguments import explained
from dstok.errors import ArgumentError

MAX_CODE_POINT = 0x10FFFF


class CodePointSet:
    """An immutable set of code points, kept as inclusive ranges.

    `ranges` must be canonical already; `from_ranges` takes ranges in any order.

    Raises `ArgumentError` if the ranges are not ascending, disjoint and non-adjacent within 0..0x10FFFF.

    >>> letters = CodePointSet.from_ranges([(0x61, 0x7A), (0x41, 0x5A)])
    >>> letters
    CodePointSet(U+0041..U+005A, U+0061..U+007A)
    >>> letters.ranges
    ((65, 90), (97, 122))
    >>> len(letters), "a" in letters, 0x40 in letters
    (52, True, False)
    >>> letters - CodePointSet.from_chars("xyz")
    CodePointSet(U+0041..U+005A, U+0061..U+0077)
    """

    __slots__ = ("_ranges",)

    def __init__(self, ranges: tuple[tuple[int, int], ...] = ()) -> None:
        previous = -2  # no code point is adjacent to it
        for first, last in ranges:
            if not previous + 1 < first <= last <= MAX_CODE_POINT:
                raise ArgumentError("expected ascending, disjoint, non-adjacent ranges within 0..0x10FFFF, "
                                    f"found ({first}, {last}) after {max(previous, -1)}", "ranges")
            previous = last
        self._ranges = ranges

    @property
    def ranges(self) -> tuple[tuple[int, int], ...]:
        """The inclusive ranges `(first, last)`, ascending."""
        return self._ranges

    @classmethod
    @explained
    def from_ranges(cls, ranges: Iterable[tuple[int, int]]) -> CodePointSet:
        """The union of inclusive ranges `(first, last)`, which may come in any order and overlap.

        Raises `ArgumentError` if a range is empty (`last < first`) or leaves 0..0x10FFFF.

        >>> CodePointSet.from_ranges([(5, 9), (1, 3), (4, 6)])
        CodePointSet(U+0001..U+0009)
        """
        joined: list[tuple[int, int]] = []
        for first, last in sorted(ranges):
            if not 0 <= first <= last <= MAX_CODE_POINT:
                raise ArgumentError(f"expected 0 <= first <= last <= 0x10FFFF, found ({first}, {last})", "ranges")
            if joined and first <= joined[-1][1] + 1:
                joined[-1] = (joined[-1][0], max(joined[-1][1], last))
            else:
                joined.append((first, last))
        return cls(tuple(joined))

    @classmethod
    @explained
    def from_chars(cls, chars: str) -> CodePointSet:
        """The set of the code points in a string.

        >>> CodePointSet.from_chars("abcx")
        CodePointSet(U+0061..U+0063, U+0078)
        """
        return cls.from_ranges((ord(char), ord(char)) for char in chars)

    @classmethod
    def empty(cls) -> CodePointSet:
        """The set without code points.

        >>> bool(CodePointSet.empty())
        False
        """
        return cls()

    @classmethod
    def all(cls) -> CodePointSet:
        """The set of all 1,114,112 code points, surrogates included.

        >>> len(CodePointSet.all())
        1114112
        """
        return cls(((0, MAX_CODE_POINT),))

    @explained
    def sample(self, count: int, seed: int = 0) -> list[int]:
        """`count` different code points, all equally likely; the same ones for the same `seed`.

        Raises `ArgumentError` if `count` is below 0 or over the number of code points.

        >>> CodePointSet.from_chars("abcxyz").sample(6) == CodePointSet.from_chars("abcxyz").sample(6)
        True
        >>> sorted(map(chr, CodePointSet.from_chars("axy").sample(3)))
        ['a', 'x', 'y']
        """
        from random import Random

        if not 0 <= count <= len(self):
            raise ArgumentError(f"expected a count from 0 to {len(self)}, found {count}", "count")
        ends = list(accumulate(last - first + 1 for first, last in self.ranges))
        chosen = Random(seed).sample(range(len(self)), count)
        return [self.ranges[at][1] - (ends[at] - 1 - n) for n in chosen for at in [bisect_right(ends, n)]]

    def checksum(self) -> str:
        """The SHA-256, in hexadecimal, of the ranges: equal sets have the same one, on every machine.

        >>> CodePointSet.from_chars("ab").checksum()[:8]
        'e64fc90f'
        """
        from hashlib import sha256

        return sha256(" ".join(f"{first:X}-{last:X}" for first, last in self.ranges).encode()).hexdigest()

    def __contains__(self, item: int | str) -> bool:
        """Whether a code point, or a string's only character (else `ArgumentError`), is in the set."""
        if isinstance(item, str) and len(item) != 1:
            raise ArgumentError(f"expected one character, found {len(item)}", "item")
        code_point = ord(item) if isinstance(item, str) else item
        index = bisect_right(self.ranges, (code_point, MAX_CODE_POINT)) - 1
        return index >= 0 and code_point <= self.ranges[index][1]

    def __len__(self) -> int:
        """The number of code points."""
        return sum(last - first + 1 for first, last in self.ranges)

    def __iter__(self) -> Iterator[int]:
        """The code points in ascending order."""
        return chain.from_iterable(range(first, last + 1) for first, last in self.ranges)

    def __eq__(self, other: object) -> bool:
        return self.ranges == other.ranges if isinstance(other, CodePointSet) else NotImplemented

    def __hash__(self) -> int:
        return hash(self.ranges)

    def __or__(self, other: CodePointSet) -> CodePointSet:
        return CodePointSet.from_ranges(self.ranges + other.ranges)

    def __and__(self, other: CodePointSet) -> CodePointSet:
        left, right, found = self.ranges, other.ranges, list[tuple[int, int]]()
        i = j = 0
        while i < len(left) and j < len(right):
            first, last = max(left[i][0], right[j][0]), min(left[i][1], right[j][1])
            if first <= last:
                found.append((first, last))
            if left[i][1] < right[j][1]:
                i += 1
            else:
                j += 1
        return CodePointSet(tuple(found))

    def __sub__(self, other: CodePointSet) -> CodePointSet:
        return self & ~other

    def __xor__(self, other: CodePointSet) -> CodePointSet:
        return (self - other) | (other - self)

    def __invert__(self) -> CodePointSet:
        """The code points that the set leaves out."""
        starts = (0, *(last + 1 for _, last in self.ranges))
        lasts = (*(first - 1 for first, _ in self.ranges), MAX_CODE_POINT)
        return CodePointSet(tuple((start, last) for start, last in zip(starts, lasts) if start <= last))

    @explained
    def isdisjoint(self, other: CodePointSet) -> bool:
        """Whether the sets share no code point.

        >>> CodePointSet.from_chars("ab").isdisjoint(CodePointSet.from_chars("bc"))
        False
        """
        return not self & other

    @explained
    def issubset(self, other: CodePointSet) -> bool:
        """Whether every code point of this set is in `other`.

        >>> CodePointSet.from_chars("ab").issubset(CodePointSet.from_chars("abc"))
        True
        """
        return self.isdisjoint(~other)

    def __repr__(self) -> str:
        shown = [range_text(first, last) for first, last in self.ranges[:4]]
        if len(self.ranges) > 4:
            shown.append(f"{len(self.ranges) - 4} more ranges")
        return f"CodePointSet({', '.join(shown)})"


def range_text(first: int, last: int) -> str:
    """A range in the form of Unicode's files: "U+0041..U+005A", for one code point "U+00AA"."""
    return f"U+{first:04X}" if first == last else f"U+{first:04X}..U+{last:04X}"


def pages_of(classes: Iterable[CodePointSet]) -> tuple[bytes, bytes]:
    """The two-stage table of disjoint classes: (256-byte pages, uint16 page number per code point >> 8).

    `pages[numbers[c >> 8] * 256 + (c & 255)]` is the class of code point c; one that is in none gets class 0.
    """
    flat = bytearray(0x110000)
    for number, members in enumerate(classes):
        for first, last in members.ranges:
            flat[first : last + 1] = bytes([number]) * (last - first + 1)
    distinct: dict[bytes, int] = {}
    numbers = bytearray()
    for at in range(0, 0x110000, 256):
        number = distinct.setdefault(bytes(flat[at : at + 256]), len(distinct))
        numbers += number.to_bytes(2, "little")
    return b"".join(distinct), bytes(numbers)
