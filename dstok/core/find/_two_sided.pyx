"""Marked texts read from both sides: the pieces of any automaton of marked texts, in two passes.

In: valid UTF-8 and the tables of pattern/bimachine.py. Out: the pieces, handed to a sink, or as a list with their tags.
Invariant: the first pass goes from the right, and notes for each place the states from which the rest of the text can
be read without a mark at the place. The second pass goes from the left. If its state is among the noted states, no mark
stands at the place. Else a mark stands there, and only one mark leads to a noted state, since there is one right
marking. Memory: three bytes for each byte of text, two that the first pass writes, and a copy of the text.
"""

cimport cython
from libc.stdint cimport uint8_t, uint16_t, uint32_t
from libc.string cimport memcpy

from dstok.core.find._finder cimport Finder
from dstok.core.simd._level cimport chosen
from dstok.core.split._scan cimport START
from dstok.core.find._sink cimport Sink, add_apart
from dstok.core.text._utf8 cimport code_point, find_invalid
from dstok.core.find._workspace cimport FINE, Workspace

from array import array


@cython.final
cdef class TwoSided(Finder):
    """Finds pieces from both sides. Its tables are those of pattern/bimachine.py: see _two_sided.pxd."""

    def __cinit__(self, pages, page_numbers, forward, backward, marks, dropped, int classes):
        cdef const uint8_t[::1] p = pages
        cdef const uint8_t[::1] n = page_numbers
        cdef const uint8_t[::1] f = forward
        cdef const uint8_t[::1] b = backward
        cdef const uint8_t[::1] m = marks
        cdef const uint8_t[::1] d = dropped
        cdef Py_ssize_t states = f.shape[0] // (2 * classes), sides = b.shape[0] // (2 * classes)
        if (n.shape[0] != 2 * 0x1100 or f.shape[0] != 2 * classes * states or b.shape[0] != 2 * classes * sides
                or m.shape[0] != 4 * states * sides):
            raise ValueError("tables of two sides of the wrong size")
        self._keep = (p, n, f, b, m, d)
        self.tables.pages, self.tables.page_numbers = &p[0], <const uint16_t *>&n[0]
        self.tables.forward, self.tables.backward = <const uint16_t *>&f[0], <const uint16_t *>&b[0]
        self.tables.marks, self.tables.dropped = <const uint32_t *>&m[0], &d[0]
        self.tables.classes, self.tables.sides = classes, sides

    def way(self):
        """The way it finds pieces: "both sides"."""
        return "both sides"

    cdef void find_all(self, Sink sink, Workspace w, const uint8_t *text, Py_ssize_t length) noexcept nogil:
        cdef Py_ssize_t start = 0, end
        cdef uint32_t state = START, tag = 0
        cdef uint16_t *sides
        w.base = 0
        w.begin_chunk(0)
        if not w.reserve_buffer(3 * length + 2):
            return
        sides = <uint16_t *>w.buffer
        if length:  # else it may be NULL, and memcpy does not allow that even for no bytes
            memcpy(w.buffer + 2 * (length + 1), text, length)  # sinks may read `PAD` bytes after the pieces
        text = w.buffer + 2 * (length + 1)
        read_back(&self.tables, text, length, sides)
        while start < length and w.status == FINE:
            end = next_end(&self.tables, text, start, sides, &state, &tag)
            if not self.tables.dropped[tag]:
                add_apart(sink, w, text, start, end)
            start = end
        if w.pieces and w.status == FINE:
            sink.take_apart(w, text)

    def spans(self, const uint8_t[::1] text not None):
        """A list of (start, end, tag) of the pieces of valid UTF-8 `text`, in bytes, the dropped ones too."""
        cdef Py_ssize_t at = 0, end
        cdef uint32_t state = START, tag = 0
        cdef uint16_t[::1] sides
        found = []
        if text.shape[0] == 0:
            return found
        if find_invalid(&text[0], text.shape[0], chosen()) >= 0:
            raise ValueError("expected valid utf-8")
        sides = array("H", bytes(2 * (text.shape[0] + 1)))
        read_back(&self.tables, &text[0], text.shape[0], &sides[0])
        while at < text.shape[0]:
            end = next_end(&self.tables, &text[0], at, &sides[0], &state, &tag)
            found.append((at, end, tag))
            at = end
        return found


cdef inline uint32_t class_at(const SidesTables *s, const uint8_t *text, Py_ssize_t *width) noexcept nogil:
    cdef uint32_t c = code_point(text, width)
    return s.pages[(<uint32_t>s.page_numbers[c >> 8] << 8) | (c & 0xFF)]


cdef void read_back(
    const SidesTables *s, const uint8_t *text, Py_ssize_t length, uint16_t *sides
) noexcept nogil:
    """Writes the state of the right side to the offset of each character, and to the end."""
    cdef Py_ssize_t at = length, width
    cdef uint32_t side = 0
    sides[length] = 0
    while at:
        at -= 1
        while text[at] & 0xC0 == 0x80:
            at -= 1
        side = s.backward[side * s.classes + class_at(s, text + at, &width)]
        sides[at] = <uint16_t>side


cdef Py_ssize_t next_end(
    const SidesTables *s, const uint8_t *text, Py_ssize_t at, const uint16_t *sides, uint32_t *state, uint32_t *tag
) noexcept nogil:
    """The end of the piece that begins at `at`, before the end of the text; renews `state`, the left side's."""
    cdef uint32_t here = state[0], mark = 0
    cdef Py_ssize_t width
    while not mark:
        here = s.forward[here * s.classes + class_at(s, text + at, &width)]
        at += width
        mark = s.marks[here * s.sides + sides[at]]
    state[0] = mark & 0xFFFF
    tag[0] = (mark >> 16) - 1
    return at
