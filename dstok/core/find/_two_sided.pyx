"""Marked texts read from both sides: the pieces of any automaton of marked texts, in two passes.

In: valid UTF-8 and the tables of regex/two_sided.py. Out: the pieces, handed to a sink, or as a list with their tags.
Invariant: the first pass goes from the right, and notes for each place the states from which the rest of the text can
be read without a mark at the place. The second pass goes from the left. If its state is among the noted states, no mark
stands at the place. Else a mark stands there, and only one mark leads to a noted state, since there is one right
marking.

Settling characters: after them the left state is the same in every text, before them the right one is, and no mark
stands between two of them. In `\\d{4}-\\d{2}` these are all but digits and hyphens. So both passes read a text stretch
by stretch, each up to the next settling byte, and vectors skip the settling bytes between them (split/_skip.h).
Memory: three bytes for each byte of the longest stretch, and of the piece that the text ends with.
"""

cimport cython
from libc.stdint cimport uint8_t, uint16_t, uint32_t
from libc.string cimport memcpy

from dstok.core.find._finder cimport Finder
from dstok.core.simd._level cimport chosen
from dstok.core.merge._pieces cimport PAD
from dstok.core.split._scan cimport DEAD, START
from dstok.core.find._sink cimport Sink, add_apart
from dstok.core.text._utf8 cimport code_point, find_invalid
from dstok.core.find._workspace cimport FINE, Workspace

from array import array


@cython.final
cdef class TwoSided(Finder):
    """Finds pieces from both sides. Its tables are those of regex/two_sided.py: see _two_sided.pxd."""

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
        self.states, self.level = states, chosen()
        self.find_settling()

    def way(self):
        """The way it finds pieces: "both sides"."""
        return "both sides"

    cdef int find_settling(self) except -1:
        """Finds the largest set of settling bytes that share both states."""
        cdef const SidesTables *s = &self.tables
        cdef Py_ssize_t byte, number
        pairs = {}  # by the two states: the classes
        for number in range(s.classes):
            states = {s.forward[state * s.classes + number] for state in range(self.states)} - {DEAD}
            sides = {s.backward[side * s.classes + number] for side in range(s.sides)}
            if len(states) == len(sides) == 1:
                state, side = states.pop(), sides.pop()
                if not s.marks[state * s.sides + side]:
                    pairs.setdefault((state, side), set()).add(number)
        narrow = [s.pages[s.page_numbers[0] << 8 | byte] for byte in range(0x80)]
        if not pairs:
            return 0
        (state, side), settling = max(pairs.items(), key=lambda pair: sum(number in pair[1] for number in narrow))
        for byte in range(0x80):
            if narrow[byte] in settling:
                self.settles[byte] = True
                self.skip.low[byte & 15] |= 1 << (byte >> 4)
        self.settled, self.settled_side = state, side
        return 0

    cdef void find_all(self, Sink sink, Workspace w, const uint8_t *text, Py_ssize_t length) noexcept nogil:
        cdef Py_ssize_t at = 0, start = 0, end
        cdef uint32_t state = START
        cdef bint copied = False
        w.base = 0
        w.begin_chunk(0)
        while start < length and w.status == FINE:
            end = at
            while end < length and not self.settles[text[end]]:
                end += 1
            if not copied and end > length - PAD:  # sinks may read `PAD` bytes after the pieces
                if not self.copy_rest(sink, w, &text, &length, start):
                    return
                at, end, start, copied = at - start, end - start, 0, True
            if not w.reserve_buffer(2 * (end - at + 1)):
                return
            read_back(
                &self.tables, text + at, end - at, <uint16_t *>w.buffer, 0 if end == length else self.settled_side)
            self.read_on(sink, w, text, at, end, &start, &state)
            if end == length:
                break
            at = self.level.skip(&self.skip, text, end, length)
            state = self.settled
        if w.pieces and w.status == FINE:
            sink.take_apart(w, text)
        w.base = 0

    cdef bint copy_rest(
        self, Sink sink, Workspace w, const uint8_t **text, Py_ssize_t *length, Py_ssize_t start
    ) noexcept nogil:
        """Goes on with a copy of the text from `start` on, behind the room for the states of its stretches."""
        cdef Py_ssize_t rest = length[0] - start
        if w.pieces:
            sink.take_apart(w, text[0])
        if not w.reserve_buffer(3 * rest + 2):
            return False
        memcpy(w.buffer + 2 * (rest + 1), text[0] + start, rest)
        text[0], length[0] = w.buffer + 2 * (rest + 1), rest
        w.base = start
        w.begin_chunk(0)
        return w.status == FINE

    cdef void read_on(
        self, Sink sink, Workspace w, const uint8_t *text, Py_ssize_t at, Py_ssize_t end, Py_ssize_t *start,
        uint32_t *state
    ) noexcept nogil:
        """Reads a stretch from the left, and adds the pieces that end in it; renews their start and the state."""
        cdef const SidesTables *s = &self.tables
        cdef const uint16_t *sides = <const uint16_t *>w.buffer
        cdef Py_ssize_t place = at, width = 0
        cdef uint32_t mark
        while True:
            mark = s.marks[state[0] * s.sides + sides[place - at]]
            if mark:
                if not s.dropped[(mark >> 16) - 1]:
                    add_apart(sink, w, text, start[0], place)
                start[0], state[0] = place, mark & 0xFFFF
            if place == end:
                break
            state[0] = s.forward[state[0] * s.classes + class_at(s, text + place, &width)]
            place += width

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
        read_back(&self.tables, &text[0], text.shape[0], &sides[0], 0)
        while at < text.shape[0]:
            end = next_end(&self.tables, &text[0], at, &sides[0], &state, &tag)
            found.append((at, end, tag))
            at = end
        return found


cdef inline uint32_t class_at(const SidesTables *s, const uint8_t *text, Py_ssize_t *width) noexcept nogil:
    cdef uint32_t c = code_point(text, width)
    return s.pages[(<uint32_t>s.page_numbers[c >> 8] << 8) | (c & 0xFF)]


cdef void read_back(
    const SidesTables *s, const uint8_t *text, Py_ssize_t length, uint16_t *sides, uint32_t side
) noexcept nogil:
    """Writes the state of the right side to the offset of each character, and to the end, where it is `side`."""
    cdef Py_ssize_t at = length, width
    sides[length] = <uint16_t>side
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
