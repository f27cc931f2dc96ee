r"""The matrix of a model that merges characters: where its text may be cut, by the classes of two neighbours.

In: the pairs of characters that some merge joins. Out: the matrix, for `CharacterFinder`: 8 rows of 8 bits, then the
class of each code point as a table of two stages, page numbers and pages.
Invariant: each pair has the bit of its classes, so a cut is only where no merge joins the two sides
(core/split/_matrix.h has the proof). The classes of characters may be any; these make few bits, because the trainers of
such models split their texts by script, digits and white space.

Example: with the merges (" ", "t"), (" t", "he") and ("h", "e") the pairs are " t", "th" and "he". A space joins a
letter, and a letter a letter. So "the cat" may be cut before the space only, and "!?" before the question mark.
"""

from __future__ import annotations

from collections.abc import Iterable

from dstok.core.find._finder import ASCII_CLASSES, WIDE_CLASSES
from dstok.pattern.alphabet import pages_of
from dstok.unicode import MAX_CODE_POINT, CodePointSet, general_category

__all__ = ["CLASSES", "character_matrix"]

CLASSES = 8
SPACE = ASCII_CLASSES[0x20]


def character_matrix(pairs: Iterable[int], split: bool = False) -> bytes:
    """The smallest matrix of all pairs, left << 32 | right; `split`: none joins a space with the character before it.

    >>> rows = character_matrix(ord(left) << 32 | ord(right) for left, right in [" t", "th", "he"])[:CLASSES]
    >>> [rows[ASCII_CLASSES[ord(char)]] == 1 << ASCII_CLASSES[ord("a")] for char in " a!"]
    [True, True, False]
    """
    pages, page_numbers = _pages()
    numbers = memoryview(page_numbers).cast("H")
    rows = bytearray(CLASSES)
    for pair in pairs:
        left, right = (pages[numbers[c >> 8] << 8 | c & 0xFF] for c in (pair >> 32, pair & 0xFFFFFFFF))
        if not (split and right == SPACE):
            rows[left] |= 1 << right
    return bytes(rows) + page_numbers + pages


def _pages() -> tuple[bytes, bytes]:
    """The classes of all code points: ASCII as in the core; then letters and marks, others."""
    letters, others = WIDE_CLASSES
    classes = [CodePointSet.from_chars("".join(chr(c) for c in range(128) if ASCII_CLASSES[c] == number))
               for number in range(CLASSES)]
    wide = CodePointSet.from_ranges([(0x80, MAX_CODE_POINT)])
    classes[letters] = (general_category("L") | general_category("M")) & wide
    classes[others] |= wide - classes[letters]
    return pages_of(classes)
