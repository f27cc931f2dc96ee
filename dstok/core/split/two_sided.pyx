"""Text to pieces from both sides, for patterns that one automaton cannot follow. Its tables: regex/two_sided.py.

In, out, invariant: those of split/finder.pyx. A text is read in two passes. The first goes from the right, and notes
for each character the states from which the rest can be read without a mark there. The second goes from the left: where
its state is not among them, a mark stands, and only one mark leads to a noted state. Between two *settling* characters
no mark stands, and both states are the same in every text. So the passes read up to the next settling byte at a time.
"""

cimport cython
from libc.stdint cimport uint8_t, uint16_t, uint32_t
from libc.string cimport memcpy

from dstok.core.cpu.level cimport PAD, Implementation, Skip, chosen
from dstok.core.split.automaton cimport DEAD, START
from dstok.core.split.finder cimport FINE, Finder, Sink, add_piece, begin_chunk, hand_over
from dstok.core.text.utf8 cimport code_point, find_invalid

from array import array


@cython.final
cdef class TwoSided(Finder):
    """Finds pieces from both sides."""

    cdef const uint8_t *pages     # as in the tables of the scanner
    cdef const uint16_t *page_numbers
    cdef const uint16_t *forward  # next state by state and class, from the left
    cdef const uint16_t *backward  # next state by state and class, from the right
    cdef const uint32_t *marks    # by state and state from the right: (tag + 1) << 16 | state after the mark; 0: none
    cdef const uint8_t *dropped   # by tag
    cdef Py_ssize_t classes
    cdef Py_ssize_t sides         # number of states from the right; those from here on are open
    cdef Py_ssize_t columns       # the same with the open ones
    cdef const Implementation *level
    cdef uint8_t settles[256]     # whether a byte settles; those of characters beyond ASCII do not
    cdef Skip skip                # the same bytes
    cdef uint32_t settled         # the state after them
    cdef uint32_t settled_side    # the state from the right before them
    cdef object _keep

    def __cinit__(
        self, pages: bytes, page_numbers: bytes, forward: bytes, backward: bytes, marks: bytes, dropped: bytes,
        int classes, Py_ssize_t sides
    ):
        cdef const uint8_t[::1] p = pages, n = page_numbers, f = forward, b = backward, m = marks, d = dropped
        cdef Py_ssize_t states = f.shape[0] // (2 * classes), columns = b.shape[0] // (2 * classes)
        if (n.shape[0] != 2 * 0x1100 or f.shape[0] != 2 * classes * states or b.shape[0] != 2 * classes * columns
                or m.shape[0] != 4 * states * columns or not 0 < sides <= columns):
            raise ValueError("tables of two sides of the wrong size")
        self._keep = (p, n, f, b, m, d)
        self.pages, self.page_numbers, self.dropped = &p[0], <const uint16_t *>&n[0], &d[0]
        self.forward, self.backward = <const uint16_t *>&f[0], <const uint16_t *>&b[0]
        self.marks, self.classes, self.sides, self.columns = <const uint32_t *>&m[0], classes, sides, columns
        self.level = chosen()
        self.find_settling(states)

    cdef int find_settling(self, Py_ssize_t states) except -1:
        """Find the largest set of settling bytes that share both states."""
        cdef Py_ssize_t byte, number
        pairs = {}  # by the two states: the classes
        for number in range(self.classes):
            after = {self.forward[state * self.classes + number] for state in range(states)} - {DEAD}
            before = {self.backward[side * self.classes + number] for side in range(self.sides)}
            if len(after) == len(before) == 1:
                state, side = after.pop(), before.pop()
                if not self.marks[state * self.columns + side]:
                    pairs.setdefault((state, side), set()).add(number)
        narrow = [self.pages[self.page_numbers[0] << 8 | byte] for byte in range(0x80)]
        if pairs:
            (self.settled, self.settled_side), settling = max(
                pairs.items(), key=lambda pair: sum(number in pair[1] for number in narrow))
            for byte in range(0x80):
                if narrow[byte] in settling:
                    self.settles[byte] = True
                    self.skip.low[byte & 15] |= 1 << (byte >> 4)
        return 0

    def strategy(self) -> str:
        """Name the strategy: "both sides"."""
        return "both sides"

    cdef inline uint32_t class_at(self, const uint8_t *text, Py_ssize_t *width) noexcept nogil:
        cdef uint32_t c = code_point(text, width)
        return self.pages[(<uint32_t>self.page_numbers[c >> 8] << 8) | (c & 0xFF)]

    cdef void read_back(
        self, const uint8_t *text, Py_ssize_t length, uint16_t *sides, uint32_t side
    ) noexcept nogil:
        """Write the state of the right side to the offset of each character, and to the end, where it is `side`."""
        cdef Py_ssize_t at = length, width
        sides[length] = <uint16_t>side
        while at:
            at -= 1
            while text[at] & 0xC0 == 0x80:
                at -= 1
            side = self.backward[side * self.classes + self.class_at(text + at, &width)]
            sides[at] = <uint16_t>side

    cdef void read_on(
        self, Sink sink, Py_ssize_t at, Py_ssize_t end, Py_ssize_t *start, uint32_t *state
    ) noexcept nogil:
        """Read a stretch from the left, and add the pieces that end in it; renew their start and the state."""
        cdef const uint16_t *sides = <const uint16_t *>sink.buffer - at
        cdef const uint8_t *text = sink.chunk.text
        cdef Py_ssize_t width = 0
        cdef uint32_t mark
        while True:
            mark = self.marks[state[0] * self.columns + sides[at]]
            if mark:
                if not self.dropped[(mark >> 16) - 1]:
                    add_piece(sink, True, start[0], at)
                start[0], state[0] = at, mark & 0xFFFF
            if at == end:
                break
            state[0] = self.forward[state[0] * self.classes + self.class_at(text + at, &width)]
            at += width

    cdef void find_all(self, Sink sink, const uint8_t *text, Py_ssize_t length) noexcept nogil:
        """Keep the states of a stretch in the sink's buffer; the text's last stretches are copied behind them."""
        cdef Py_ssize_t at = 0, start = 0, end
        cdef uint32_t state = START
        cdef bint copied = False
        sink.chunk.text, sink.chunk.base = text, 0
        begin_chunk(&sink.chunk, 0)
        while start < length and sink.fault.status == FINE:
            end = at
            while end < length and not self.settles[text[end]]:
                end += 1
            if not copied and end > length - PAD:  # sinks may read `PAD` bytes after the pieces
                hand_over(sink, True)
                length -= start
                if not sink.reserve_buffer(3 * length + 2, 0):
                    return
                memcpy(sink.buffer + 2 * (length + 1), text + start, length)
                text = sink.chunk.text = sink.buffer + 2 * (length + 1)
                at, end, sink.chunk.base, start, copied = at - start, end - start, start, 0, True
                begin_chunk(&sink.chunk, 0)
            if not sink.reserve_buffer(2 * (end - at + 1), 0):
                return
            self.read_back(
                text + at, end - at, <uint16_t *>sink.buffer, 0 if end == length else self.settled_side)
            self.read_on(sink, at, end, &start, &state)
            if end == length:
                break
            at = self.level.skip(&self.skip, text, end, length)
            state = self.settled
        hand_over(sink, True)

    def spans(self, const uint8_t[::1] text not None) -> list[tuple[int, int, int]]:
        """List (start, end, tag) of the pieces of valid UTF-8 `text`, in bytes, the dropped ones too."""
        cdef Py_ssize_t at = 0, start, width, length = text.shape[0]
        cdef uint32_t state = START, mark
        cdef uint16_t[::1] sides = array("H", bytes(2 * (length + 1)))
        found = []
        if length and find_invalid(&text[0], length, self.level) >= 0:
            raise ValueError("expected valid utf-8")
        if length:
            self.read_back(&text[0], length, &sides[0], 0)
        while at < length:
            start, mark = at, 0
            while not mark:
                state = self.forward[state * self.classes + self.class_at(&text[at], &width)]
                at += width
                mark = self.marks[state * self.columns + sides[at]]
            state = mark & 0xFFFF
            found.append((start, at, (mark >> 16) - 1))
        return found
