"""Text to pieces from both sides, for patterns that one automaton cannot follow. Its tables: regex/two_sided.py.

In, out, invariant: those of split/finder.pyx. A text is read in two passes. The first goes from the right, and notes
for each character the states from which the rest can be read without a mark there, its *side*. The second goes from the
left: where its state is not among them, a mark stands, and only one mark leads to a noted state. So that the sides need
little memory, the passes read a *window* at a time. Its end has an open side, if text follows: then the second pass
stops where only text after the window tells whether a mark stands. There the next window begins.

Between two *settling* characters no mark stands, and both states are the same in every text: a window ends before them,
with a side that is known, and the next one begins after them.
"""

cimport cython
from libc.stdint cimport uint8_t, uint16_t, uint32_t

from dstok.core.cpu.level cimport Skip
from dstok.core.split.automaton cimport DEAD, START
from dstok.core.split.finder cimport FINE, Finder, Sink, add_piece, begin_chunk, hand_over
from dstok.core.text.utf8 cimport code_point, find_invalid

from array import array

cdef enum:
    WINDOW = 1 << 12         # bytes of a window; more where one tells too little
    UNSURE = 0xFFFFFFFF      # of a mark: regex/two_sided.py
    WIDE = 0x3000            # the first character that may be `cuttable`


@cython.final
cdef class TwoSided(Finder):
    """Finds pieces from both sides.

    `tables` and `counts`, its `columns`, are those of a `Bimachine`; `dropped` has a byte for each tag: is the piece dropped?
    `joined` and `borders` as of `PieceFinder`.
    """

    cdef const uint8_t *pages     # as in the tables of the scanner
    cdef const uint16_t *page_numbers
    cdef const uint16_t *forward  # next state by class and state, from the left
    cdef const uint16_t *backward  # next side by class and side, from the right
    cdef const uint32_t *marks    # by state and side: (tag + 1) << 16 | state after the mark; 0: none; UNSURE
    cdef const uint8_t *dropped   # by tag
    cdef Py_ssize_t states
    cdef Py_ssize_t columns       # number of sides
    cdef uint32_t open_side       # that of an end where the text may go on
    cdef uint8_t narrow[128]      # classes of ASCII
    cdef uint8_t settles[256]     # whether a byte settles; those of characters beyond ASCII do not
    cdef Skip skip                # the same bytes
    cdef uint32_t settled         # the state after them
    cdef uint32_t settled_side    # the side before them
    cdef tuple made_of

    def __cinit__(
        self, pages: Buffer, page_numbers: Buffer, tables: Buffer, bytes dropped not None, int classes,
        counts: Sequence[int], const uint8_t[::1] joined=None, const uint8_t[::1] borders=None
    ):
        cdef const uint8_t[::1] p = pages, n = page_numbers, t = tables, d = dropped
        cdef Py_ssize_t sides = counts[0], columns = counts[1]
        cdef Py_ssize_t steps = 2 * classes * columns, states = (t.shape[0] - steps) // (4 * columns + 2 * classes)
        cdef int byte
        if n.shape[0] != 2 * 0x1100 or not 0 < sides <= columns or states < 2 or (
                t.shape[0] != 4 * states * columns + 2 * states * classes + steps):
            raise ValueError("tables of two sides of the wrong size")
        self.made_of = pages, page_numbers, tables, dropped, classes, counts
        self._keep = (p, n, t, d, joined, borders)
        self.pages, self.page_numbers, self.dropped = &p[0], <const uint16_t *>&n[0], &d[0]
        self.marks, self.states, self.columns = <const uint32_t *>&t[0], states, columns
        self.forward = <const uint16_t *>(self.marks + states * columns)
        self.backward = self.forward + classes * states
        self.open_side = <uint32_t>(sides if sides < columns else 0)
        self.apart = any(dropped)
        if borders is not None:
            self.borders = &borders[0]
        if joined is not None:
            self.kernel.joined = &joined[0]
        for byte in range(0x80):
            self.narrow[byte] = self.pages[self.page_numbers[0] << 8 | byte]
        self.find_settling(classes, sides)

    cdef int find_settling(self, Py_ssize_t classes, Py_ssize_t sides) except -1:
        """Find the largest set of settling bytes that share both states."""
        cdef Py_ssize_t byte, number
        pairs = {}  # by the two states: the classes
        for number in range(classes):
            after = {self.forward[number * self.states + state] for state in range(self.states)} - {DEAD}
            before = {self.backward[number * self.columns + side] for side in range(sides)}
            if len(after) == len(before) == 1:
                state, side = after.pop(), before.pop()
                if not self.marks[state * self.columns + side]:
                    pairs.setdefault((state, side), set()).add(number)
        if pairs:
            (self.settled, self.settled_side), settling = max(
                pairs.items(), key=lambda pair: sum(number in pair[1] for number in self.narrow))
            for byte in range(0x80):
                if self.narrow[byte] in settling:
                    self.settles[byte] = True
                    self.skip.low[byte & 15] |= 1 << (byte >> 4)
        return 0

    def strategy(self) -> str:
        """Name the strategy: "both sides"."""
        return "both sides"

    def without_cuts(self) -> TwoSided:
        """Make a finder of whole pieces."""
        return TwoSided(*self.made_of)

    def resync_point(self, const uint8_t[::1] text not None, Py_ssize_t at) -> int:
        """Return -1: the pieces may depend on any text before."""
        return -1

    cdef inline uint32_t class_at(self, const uint8_t *text, Py_ssize_t *width, bint *wide) noexcept nogil:
        cdef uint32_t c = text[0]
        if c < 0x80:
            width[0] = 1
            return self.narrow[c]
        c = code_point(text, width)
        wide[0] |= c >= WIDE
        return self.pages[(<uint32_t>self.page_numbers[c >> 8] << 8) | (c & 0xFF)]

    cdef void read_back(
        self, const uint8_t *text, Py_ssize_t length, uint16_t *sides, uint32_t side
    ) noexcept nogil:
        """Write the side of each character to its offset, and `side`, that of the end, to the end."""
        cdef Py_ssize_t at = length, width
        cdef bint wide = False
        sides[length] = <uint16_t>side
        while at:
            at -= 1
            while text[at] & 0xC0 == 0x80:
                at -= 1
            side = self.backward[self.class_at(text + at, &width, &wide) * self.columns + side]
            sides[at] = <uint16_t>side

    cdef Py_ssize_t read_on(
        self, Sink sink, Py_ssize_t at, Py_ssize_t end, Py_ssize_t *start, uint32_t *begun, uint32_t *state
    ) noexcept nogil:
        """Read a window from the left, and add the pieces that end in it; return where a mark is unsure, or the end.

        Renews the start of the piece in work with the state there, `begun`, and the state.
        """
        cdef const uint16_t *sides = sink.sides - at
        cdef const uint8_t *text = sink.chunk.text
        cdef const uint32_t *marks = self.marks
        cdef Py_ssize_t width = 0, columns = self.columns, states = self.states
        cdef uint32_t mark, here = state[0]
        cdef bint wide = self.kernel.joined != NULL and at > start[0]
        while True:
            mark = marks[here * columns + sides[at]]
            if mark and at > start[0]:
                if mark == UNSURE:
                    break
                if not self.dropped[(mark >> 16) - 1]:
                    if wide and self.kernel.joined != NULL:
                        self.add_cut(sink, start[0], at)
                    else:
                        add_piece(sink, self.apart, start[0], at)
                start[0], here, wide = at, mark & 0xFFFF, False
                begun[0] = here
            if at == end:
                break
            here = self.forward[self.class_at(text + at, &width, &wide) * states + here]
            at += width
        state[0] = here
        return at

    cdef Py_ssize_t find(
        self, Sink sink, const uint8_t *text, Py_ssize_t at, Py_ssize_t stop, bint final
    ) noexcept nogil:
        """Do what `Finder.find` does.

        A window of which less than half is read is doubled, so that the time is linear wherever marks are unsure.
        """
        cdef Py_ssize_t start = at, limit, end, reached, size = WINDOW
        cdef uint32_t begun = sink.left, state = sink.left, side
        sink.chunk.text = text
        begin_chunk(&sink.chunk, at)
        while sink.fault.status == FINE:
            limit = stop if stop - at <= size else at + size
            while limit < stop and text[limit] & 0xC0 == 0x80:
                limit -= 1
            end, side = at, 0 if final and limit == stop else self.open_side
            while end < limit and not self.settles[text[end]]:
                end += 1
            if end < limit:
                side = self.settled_side
            if not sink.reserve(&sink.sides, &sink.sides_room, 0, end - at + 1, sizeof(uint16_t)):
                break
            self.read_back(text + at, end - at, sink.sides, side)
            reached = self.read_on(sink, at, end, &start, &begun, &state)
            if reached < end or end == limit:
                if limit == stop:
                    break
                size = max(size >> 1, <Py_ssize_t>WINDOW) if 2 * (reached - at) > limit - at else size << 1
                at = reached
            else:
                at = self.level.skip(&self.skip, text, end, stop)
                state = self.settled
        sink.left = START if final else begun
        hand_over(sink, self.apart)
        return start

    def spans(self, const uint8_t[::1] text not None) -> list[tuple[int, int, int]]:
        """List (start, end, tag) of the pieces of valid UTF-8 `text`, in bytes, the dropped ones too."""
        cdef Py_ssize_t at = 0, start, width, length = text.shape[0]
        cdef uint32_t state = START, mark
        cdef uint16_t[::1] sides = array("H", bytes(2 * (length + 1)))
        cdef bint wide = False
        found = []
        if length and find_invalid(&text[0], length, self.level) >= 0:
            raise ValueError("expected valid utf-8")
        if length:
            self.read_back(&text[0], length, &sides[0], 0)
        while at < length:
            start, mark = at, 0
            while not mark:
                state = self.forward[self.class_at(&text[at], &width, &wide) * self.states + state]
                at += width
                mark = self.marks[state * self.columns + sides[at]]
            state = mark & 0xFFFF
            found.append((start, at, (mark >> 16) - 1))
        return found
