# cython: language_level=3, boundscheck=False, wraparound=False, cdivision=True, autotestdict=False
"""The scanner: the collapsed automaton over UTF-8.

In: valid UTF-8. Out: the pieces, left to right, one `scan_piece` each (in the .pxd, so that the encoder
inlines it).
Invariant: the same pieces as `Program.pieces`, which runs the same automaton in Python.
Tables: a class table in pages of 256 code points; `edges` of uint32, `(tag + 1) << 24 | next state * ROW | operation`,
a tag of 0 for none; the operation says which place the end of the piece is kept in (pattern/finder.py). A row has 128
columns by ASCII byte, so that most steps look no class up, then one a class, the last for the end of the text. Row 0
is the dead state, row 1 the start.
"""

cimport cython
from array import array

from libc.stdint cimport uint8_t, uint16_t, uint32_t

from dstok.core._utf8 cimport find_invalid

MAX_SYMBOLS = ROW - 128
MAX_STATES = (1 << 24) // ROW
MAX_TAGS = 254
OPERATION = 1 << 20  # as in pattern/dfa.py, which a built-in model does not import


def pack_edges(edges, classes):
    """The bytes of the `edges` table of a DFA given as rows of (next state, tag or -1), as `DFA.edges`.

    `classes` are those of the 128 ASCII characters.
    """
    symbols = len(edges[0])
    if symbols > MAX_SYMBOLS or len(edges) >= MAX_STATES or any(
            tag & (OPERATION - 1) > MAX_TAGS for row in edges for _, tag in row if tag >= 0):
        raise ValueError("an automaton too large for the scanner's tables")
    packed = array("I")
    for row in edges:
        cells = [target * ROW if tag < 0 else target * ROW | (tag % OPERATION + 1) << 24 | tag // OPERATION
                 for target, tag in row]
        packed.extend([cells[c] for c in classes] + cells + [0] * (MAX_SYMBOLS - symbols))
    return packed.tobytes()


@cython.final
cdef class Scanner:
    """The tables of one automaton, kept alive."""

    def __cinit__(self, pages, page_numbers, edges, int symbols):
        cdef const uint8_t[::1] p = pages
        cdef const uint8_t[::1] n = page_numbers
        cdef const uint8_t[::1] e = edges
        if n.shape[0] != 2 * 0x1100 or e.shape[0] % (4 * ROW) or e.shape[0] < 8 * ROW:
            raise ValueError("scanner tables of the wrong size")
        self._keep = (p, n, e)
        self.tables.pages = &p[0]
        self.tables.page_numbers = <const uint16_t *>&n[0]
        self.tables.edges = <const uint32_t *>&e[0]
        self.tables.end = 128 + symbols - 1

    def spans(self, const uint8_t[::1] text not None):
        """A list of (start, end, tag) of the pieces of valid UTF-8 `text`, in bytes."""
        cdef Py_ssize_t at = 0, stop = text.shape[0], end
        cdef uint32_t tag = 0
        cdef bint wide = False
        found = []
        if stop and find_invalid(&text[0], stop, False) >= 0:
            raise ValueError("expected valid utf-8")
        while at < stop:
            end = scan_piece(&self.tables, &text[0], at, stop, True, &tag, &wide)
            found.append((at, end, tag - 1))
            at = end
        return found
