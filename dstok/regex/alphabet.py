"""Code points -> equivalence classes.

In: the character sets of patterns. Out: a partition of all code points but the surrogates (no text holds these). Each
set is a union of classes. Example: the sets `[a-f]` and `[d-z]` make four classes: a to c, d to f, g to z, all others.
Invariant: two code points share a class exactly when no set tells them apart. So an automaton over classes decides as
one over code points. Class numbers rise with the smallest member: the same sets give the same numbers.
Source: the partition refinement of DFA compilers (regex-automata calls it byte classes).
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterable
from dataclasses import dataclass

from dstok.regex.compile_budget import spend, stage
from dstok.unicode.code_point_set import CodePointSet, pages_of

_SURROGATES = CodePointSet.from_ranges([(0xD800, 0xDFFF)])


@dataclass(frozen=True)
class Alphabet:
    """A partition of the code points into `classes`, each non-empty.

    Symbols of an automaton are class numbers, and `end` (= number of classes): the end of the text.
    """

    classes: tuple[CodePointSet, ...]
    _starts: tuple[int, ...]
    _numbers: tuple[int, ...]

    @property
    def end(self) -> int:
        return len(self.classes)

    def class_of(self, char: str) -> int:
        """The class of a one-character string."""
        return self._numbers[bisect_right(self._starts, ord(char)) - 1]

    def symbols(self, members: CodePointSet) -> frozenset[int]:
        """The classes that make up `members`, which must be a union of classes."""
        symbols = frozenset(i for i, c in enumerate(self.classes) if c.ranges[0][0] in members)
        assert sum(len(self.classes[i]) for i in symbols) == len(members - _SURROGATES)
        return symbols

    def pages(self) -> tuple[bytes, bytes]:
        """The classes' two-stage table for the scanner."""
        return pages_of(self.classes)


@stage("dividing the characters into classes")
def build_alphabet(sets: Iterable[CodePointSet]) -> Alphabet:
    """The coarsest alphabet that makes each of `sets` a union of classes."""
    edges: dict[int, int] = {0: 0}  # code point -> the sets that begin or end there, as bits
    for bit, members in enumerate([_SURROGATES, *sets]):
        words = 1 + bit // 512  # a cell holds 512 bits of the number
        spend(2 * words * len(members.ranges), 2 * words * len(members.ranges))
        for first, last in members.ranges:
            edges[first] = edges.get(first, 0) ^ (1 << bit)
            edges[last + 1] = edges.get(last + 1, 0) ^ (1 << bit)
    edges.pop(0x110000, None)
    starts, signatures = sorted(edges), list[int]()
    signature, by_signature = 0, dict[int, list[tuple[int, int]]]()  # the stretches by the sets that hold them
    for first, after in zip(starts, [*starts[1:], 0x110000]):
        signature ^= edges[first]
        signatures.append(signature)
        if not signature & 1:  # bit 0: the surrogates, which no text holds
            by_signature.setdefault(signature, []).append((first, after - 1))
    number = {s: i for i, s in enumerate(by_signature)}
    classes = tuple(CodePointSet.from_ranges(ranges) for ranges in by_signature.values())
    return Alphabet(classes, tuple(starts), tuple(number.get(s, 0) for s in signatures))
