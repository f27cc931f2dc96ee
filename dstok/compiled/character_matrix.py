r"""The matrix of a model that merges characters: where its text may be cut, by the classes of two neighbours.

In: the pairs of characters that some merge joins. Out: the matrix, for `CharacterFinder`: 8 rows of 8 bits, the joiner
(core/split/matrix.h), then the class of each code point as a table of two stages, page numbers and pages.
Invariant: each pair has the bit of its classes, so a cut is only where no merge joins the two sides
(core/split/matrix.h has the proof). The classes of characters may be any; these make few bits, because the trainers of
such models split their texts by script, digits and white space.

Example: with the merges (" ", "t"), (" t", "he") and ("h", "e") the pairs are " t", "th" and "he". A space joins a
letter, and a letter a letter. So "the cat" may be cut before the space only, and "!?" before the question mark.
"""

from __future__ import annotations

from collections.abc import Iterable

from dstok.core.split.finder import ASCII_CLASSES, WIDE_CLASSES
from dstok.regex.alphabet import pages_of
from dstok.unicode import MAX_CODE_POINT, CodePointSet, general_category

CLASSES = 8
MATRIX_HEAD = 16  # bytes before the page numbers
SPACE = 0x20
NO_JOINER = 0xFF


def character_matrix(pairs: Iterable[int], split: bool = False) -> bytes:
    """The smallest matrix of all pairs, left << 32 | right; `split`: none joins a space with the character before it.

    >>> rows = character_matrix(ord(left) << 32 | ord(right) for left, right in [" t", "th", "he"])[:CLASSES]
    >>> [rows[ASCII_CLASSES[ord(char)]] == 1 << ASCII_CLASSES[ord("a")] for char in " a!"]
    [True, True, False]
    """
    letters, others = WIDE_CLASSES  # ASCII has its classes in the core; beyond it are letters and marks, and others
    classes = [CodePointSet.from_chars("".join(chr(c) for c in range(128) if ASCII_CLASSES[c] == number))
               for number in range(CLASSES)]
    wide = CodePointSet.from_ranges([(0x80, MAX_CODE_POINT)])
    classes[letters] = (general_category("L") | general_category("M")) & wide
    classes[others] |= wide - classes[letters]
    pages, page_numbers = pages_of(classes)
    numbers = memoryview(page_numbers).cast("H")
    kept = [(pair >> 32, pair & 0xFFFFFFFF) for pair in pairs if not (split and pair & 0xFFFFFFFF == SPACE)]
    # The joiner is the one character but the space that is joined with a space after it, if it is ASCII.
    before_space = {left for left, right in kept if right == SPACE} - {SPACE}
    joiner = max(before_space) if len(before_space) == 1 and max(before_space) < 0x80 else NO_JOINER
    rows = bytearray(CLASSES)
    for left, right in kept:
        if (left, right) != (joiner, SPACE):
            one, other = (pages[numbers[c >> 8] << 8 | c & 0xFF] for c in (left, right))
            rows[one] |= 1 << other
    return bytes(rows) + bytes([joiner]).ljust(MATRIX_HEAD - CLASSES, b"\0") + page_numbers + pages
