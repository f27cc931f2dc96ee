"""Text to pieces from both sides, for patterns that one automaton cannot follow. Its tables: regex/two_sided.py.

In, out, invariant: those of split/finder.pyx. A text is read in two passes. The first goes from the right, and notes
for each character the states from which the rest can be read without a mark there, its *side*. The second goes from the
left: where its state is not among them, a mark stands, and only one mark leads to a noted state. So that the sides need
little memory, the passes read a *window* at a time. Its end has an open side, if text follows: then the second pass
stops where only text after the window tells whether a mark stands. There the next window begins.

Between two *settling* characters no mark stands, and both states are the same in every text: a window ends before a run
of them, with a side that is known, and the next one begins after them.
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
    RUN = 16                 # settling bytes that are passed over: reading fewer takes less time
    LEAST = 64               # bytes of a part, where four are read at once
    UNSURE = 0xFFFFFFFF      # of a mark: regex/two_sided.py
    WIDE = 0x3000            # the first character that may be `cuttable`


cdef struct Steps:
    const uint8_t *pages          # as in the tables of the scanner
    const uint16_t *page_numbers
    const uint16_t *forward       # next state by class and state, from the left
    const uint16_t *backward      # next side by class and side, from the right
    const uint32_t *marks         # by state and side: (tag + 1) << 16 | state after the mark; 0: none; UNSURE
    uint32_t states
    uint32_t columns              # number of sides
    uint32_t open_side            # that of an end where the text may go on
    bint narrows                  # whether an open side gets smaller
    uint32_t forward_at[128]      # of an ASCII character: where the row of its class begins
    uint32_t backward_at[128]


cdef inline uint32_t class_at(const Steps *t, const uint8_t *text, Py_ssize_t *width, bint *wide) noexcept nogil:
    # The class of a character beyond ASCII.
    cdef uint32_t c = code_point(text, width)
    wide[0] |= c >= WIDE
    return t.pages[(<uint32_t>t.page_numbers[c >> 8] << 8) | (c & 0xFF)]


cdef inline uint32_t back(const Steps *t, const uint8_t *text, uint32_t side) noexcept nogil:
    # The side before a byte: a character is read at its first one.
    cdef Py_ssize_t width
    cdef bint wide
    if text[0] < 0x80:
        return t.backward[t.backward_at[text[0]] + side]
    if text[0] < 0xC0:
        return side
    return t.backward[class_at(t, text, &width, &wide) * t.columns + side]


cdef inline void back_over(
    const Steps *t, const uint8_t *text, Py_ssize_t start, Py_ssize_t end, uint16_t *sides
) noexcept nogil:
    # Writes the sides of `text[start:end]`, from that of the end on.
    cdef uint32_t side = sides[end]
    while end > start:
        end -= 1
        side = back(t, text + end, side)
        sides[end] = <uint16_t>side


cdef void read_back(
    const Steps *t, const uint8_t *text, Py_ssize_t length, uint16_t *sides, uint32_t side
) noexcept nogil:
    """Write the side of each byte to its offset, and `side`, that of the end, to the end.

    A long text has four parts, which are read at once: a look-up waits for the one before. The first three begin with
    open sides; where one meets the true side, read from the next part, it is right from there on.
    """
    cdef Py_ssize_t size = length >> 2, i, part, at
    cdef uint32_t a = t.open_side, b = t.open_side, c = t.open_side, d
    sides[length] = <uint16_t>side
    if size < LEAST or not t.narrows:
        back_over(t, text, 0, length, sides)
        return
    back_over(t, text, 4 * size, length, sides)
    d = sides[4 * size]
    for i in range(size - 1, -1, -1):
        a, b = back(t, text + i, a), back(t, text + size + i, b)
        c, d = back(t, text + 2 * size + i, c), back(t, text + 3 * size + i, d)
        sides[i], sides[size + i] = <uint16_t>a, <uint16_t>b
        sides[2 * size + i], sides[3 * size + i] = <uint16_t>c, <uint16_t>d
    for part in range(3, 0, -1):
        at = part * size
        side = sides[at]
        while at > (part - 1) * size:
            at -= 1
            side = back(t, text + at, side)
            if sides[at] == side:
                break
            sides[at] = <uint16_t>side


cdef inline uint32_t next_mark(
    const Steps *t, const uint8_t *text, Py_ssize_t *at, Py_ssize_t end, const uint16_t *sides, uint32_t *state,
    bint *wide
) noexcept nogil:
    # Reads from `at` < `end` to the next mark, and returns it; 0 if there is none up to the end.
    cdef Py_ssize_t place = at[0], width
    cdef uint32_t here = state[0], mark = 0
    while place < end and not mark:
        if text[place] < 0x80:
            here = t.forward[t.forward_at[text[place]] + here]
            place += 1
        else:
            here = t.forward[class_at(t, text + place, &width, wide) * t.states + here]
            place += width
        mark = t.marks[here * t.columns + sides[place]]
    at[0], state[0] = place, here
    return mark


@cython.final
cdef class TwoSided(Finder):
    """Finds pieces from both sides.

    `tables` and `counts`, its `columns`, are those of a `Bimachine`. `dropped` has a byte for each tag: is the piece
    dropped? `joined` and `borders` as of `PieceFinder`.
    """

    cdef Steps steps
    cdef const uint8_t *dropped   # by tag
    cdef bint settling            # whether some byte settles
    cdef uint8_t settles[256]     # which do; characters beyond ASCII do not
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
        cdef Steps *own = &self.steps
        cdef int byte
        if n.shape[0] != 2 * 0x1100 or not 0 < sides <= columns or states < 2 or (
                t.shape[0] != 4 * states * columns + 2 * states * classes + steps):
            raise ValueError("tables of two sides of the wrong size")
        self.made_of = pages, page_numbers, tables, dropped, classes, counts
        self._keep = (p, n, t, d, joined, borders)
        self.dropped, self.apart = &d[0], any(dropped)
        own.pages, own.page_numbers, own.marks = &p[0], <const uint16_t *>&n[0], <const uint32_t *>&t[0]
        own.forward = <const uint16_t *>(own.marks + states * columns)
        own.backward, own.states, own.columns = own.forward + classes * states, <uint32_t>states, <uint32_t>columns
        own.open_side, own.narrows = <uint32_t>(sides if sides < columns else 0), columns > sides + 1
        if borders is not None:
            self.borders = &borders[0]
        if joined is not None:
            self.kernel.joined = &joined[0]
        narrow = [own.pages[own.page_numbers[0] << 8 | byte] for byte in range(0x80)]
        for byte in range(0x80):
            own.forward_at[byte], own.backward_at[byte] = narrow[byte] * states, narrow[byte] * columns
        self.find_settling(narrow, classes, sides)

    cdef int find_settling(self, list narrow, Py_ssize_t classes, Py_ssize_t sides) except -1:
        """Find the largest set of settling bytes that share both states."""
        cdef Py_ssize_t byte, number
        cdef Steps *own = &self.steps
        pairs = {}  # by the two states: the classes
        for number in range(classes):
            after = {own.forward[number * own.states + state] for state in range(own.states)} - {DEAD}
            before = {own.backward[number * own.columns + side] for side in range(sides)}
            if len(after) == len(before) == 1:
                state, side = after.pop(), before.pop()
                if not own.marks[state * own.columns + side]:
                    pairs.setdefault((state, side), set()).add(number)
        if pairs:
            (self.settled, self.settled_side), settling = max(
                pairs.items(), key=lambda pair: sum(number in pair[1] for number in narrow))
            for byte in range(0x80):
                if narrow[byte] in settling:
                    self.settles[byte] = self.settling = True
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

    cdef Py_ssize_t read_on(
        self, Sink sink, Py_ssize_t at, Py_ssize_t end, Py_ssize_t *start, uint32_t *begun, uint32_t *state
    ) noexcept nogil:
        """Read a window from the left, and add the pieces that end in it; return where a mark is unsure, or the end.

        Renews the start of the piece in work with the state there, `begun`, and the state.
        """
        cdef const uint16_t *sides = sink.sides - at
        cdef const uint8_t *text = sink.chunk.text
        cdef bint cuts = self.kernel.joined != NULL, wide = at > start[0]
        cdef uint32_t mark = self.steps.marks[state[0] * self.steps.columns + sides[at]] if at > start[0] else 0
        while True:
            if mark == UNSURE:
                return at
            if mark:
                if not self.dropped[(mark >> 16) - 1]:
                    if wide and cuts:
                        self.add_cut(sink, start[0], at)
                    else:
                        add_piece(sink, self.apart, start[0], at)
                start[0], state[0], wide = at, mark & 0xFFFF, False
                begun[0] = state[0]
            if at == end:
                return at
            mark = next_mark(&self.steps, text, &at, end, sides, state, &wide)

    cdef inline Py_ssize_t settling_run(
        self, const uint8_t *text, Py_ssize_t at, Py_ssize_t limit
    ) noexcept nogil:
        """Return where `RUN` settling bytes begin, or the limit. It may miss less than two such runs in a row."""
        cdef Py_ssize_t i
        while limit - at >= RUN:
            if self.settles[text[at]] & self.settles[text[at + 5]] & self.settles[text[at + 10]] & (
                    self.settles[text[at + 15]]):
                i = 0
                while i < RUN and self.settles[text[at + i]]:
                    i += 1
                if i == RUN:
                    return at
            at += RUN
        return limit

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
            end, side = limit, 0 if final and limit == stop else self.steps.open_side
            if self.settling:
                end = self.settling_run(text, at, limit)
                if end < limit:
                    side = self.settled_side
            if not sink.reserve(&sink.sides, &sink.sides_room, 0, end - at + 1, sizeof(uint16_t)):
                break
            read_back(&self.steps, text + at, end - at, sink.sides, side)
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
        cdef Py_ssize_t at = 0, start = 0, length = text.shape[0]
        cdef uint32_t state = START, mark
        cdef uint16_t[::1] sides = array("H", bytes(2 * (length + 1)))
        cdef bint wide = False
        found = []
        if length and find_invalid(&text[0], length, self.level) >= 0:
            raise ValueError("expected valid utf-8")
        if length:
            read_back(&self.steps, &text[0], length, &sides[0], 0)
        while at < length:
            mark = next_mark(&self.steps, &text[0], &at, length, &sides[0], &state, &wide)
            found.append((start, at, <Py_ssize_t>(mark >> 16) - 1))
            start, state = at, mark & 0xFFFF
        return found
