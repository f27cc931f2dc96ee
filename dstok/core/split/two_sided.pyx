"""Text to pieces from both sides, for patterns that one automaton cannot follow, by a bimachine: split/bimachine.h.

In, out, invariant: those of split/finder.pyx. Shuffles read a bimachine that is small (split/shuffles.h). Where they
cannot tell, and for larger ones, a text is read twice, a *window* at a time. The first pass goes from the right, and
notes for each byte the state from the right, its *side*. The second goes from the left: its state and the side say
whether a mark stands at a place. If text follows a window, the first pass begins with the state ahead that stands for
all texts, and the second stops where only later text tells. The next window begins at the start of the last piece.
"""

cimport cython
from libc.stdint cimport uint8_t, uint16_t, uint32_t

from dstok.core.split.finder cimport (
    BIMACHINE_UNSURE, FINE, Bimachine, Finder, Sink, add_piece, bimachine_open,
)
from dstok.core.text.utf8 cimport code_point, find_invalid

from array import array

from dstok.core.cpu.level import level_shown

cdef enum:
    WINDOW = 1 << 9          # bytes of a window; more where one tells too little
    WIDE = 0x3000            # the first character that may be `cuttable`


cdef struct Reader:
    const uint8_t *pages          # as in the tables of the scanner
    const uint16_t *page_numbers
    Bimachine machine
    uint8_t ascii[128]            # the class of a character


cdef inline uint32_t class_at(const Reader *r, const uint8_t *text, Py_ssize_t *width, bint *wide) noexcept nogil:
    cdef uint32_t c = text[0]
    if c < 0x80:
        width[0] = 1
        return r.ascii[c]
    c = code_point(text, width)
    wide[0] |= c >= WIDE
    return r.machine.kinds[r.pages[(<uint32_t>r.page_numbers[c >> 8] << 8) | (c & 0xFF)]]


cdef void read_back(
    const Reader *r, const uint8_t *text, Py_ssize_t length, bint final, uint16_t *sides
) noexcept nogil:
    """Write the side of each byte to its offset, and that of the end, of the text or of a window, to the end."""
    cdef const uint16_t *steps = r.machine.right if final else r.machine.ahead
    cdef uint32_t count = r.machine.rights if final else r.machine.aheads, side = 0
    cdef Py_ssize_t width
    cdef bint wide
    sides[length] = 0
    while length:
        length -= 1
        if text[length] & 0xC0 != 0x80:  # a character is read at its first byte
            side = steps[class_at(r, text + length, &width, &wide) * count + side]
        sides[length] = <uint16_t>side


cdef inline uint32_t next_mark(
    const Reader *r, const uint8_t *text, Py_ssize_t *at, Py_ssize_t end, bint final, const uint16_t *sides,
    uint32_t *state, bint *wide
) noexcept nogil:
    # Reads from `at` < `end` to the next mark, and returns it; 0 if there is none up to the end.
    cdef const uint32_t *marks = r.machine.marks if final else r.machine.ahead_marks
    cdef uint32_t count = r.machine.rights if final else r.machine.aheads, here = state[0], mark = 0
    cdef Py_ssize_t place = at[0], width
    while place < end and not mark:
        here = r.machine.left[class_at(r, text + place, &width, wide) * r.machine.lefts + here]
        place += width
        mark = marks[here * count + sides[place]]
    at[0], state[0] = place, here
    return mark


@cython.final
cdef class TwoSided(Finder):
    """Finds pieces from both sides.

    `section` is that of a bimachine. `dropped` has a byte for each tag: is the piece dropped? `joined` and `borders` as
    of `PieceFinder`.
    """

    cdef Reader reader
    cdef const uint8_t *dropped   # by tag
    cdef tuple made_of

    def __cinit__(
        self, const uint8_t[::1] pages not None, page_numbers: Buffer, const uint8_t[::1] section not None,
        bytes dropped=b"\0\1", const uint8_t[::1] joined=None, const uint8_t[::1] borders=None
    ):
        cdef const uint8_t[::1] numbers = memoryview(page_numbers).cast("B"), d = dropped
        cdef Reader *own = &self.reader
        cdef uint32_t i
        if numbers.shape[0] != 2 * 0x1100 or not bimachine_open(&own.machine, &section[0], section.shape[0]):
            raise ValueError("tables of a bimachine of the wrong size")
        self.made_of = pages, page_numbers, section, dropped
        self._keep = (numbers, d, joined, borders)
        self.dropped = &d[0]
        own.pages, own.page_numbers = &pages[0], <const uint16_t *>&numbers[0]
        for i in range(128):
            own.ascii[i] = own.machine.kinds[own.pages[own.page_numbers[0] << 8 | i]]
        for i in range(own.machine.lefts * own.machine.rights):
            self.apart |= own.machine.marks[i] and d[(own.machine.marks[i] >> 16) - 1]
        if borders is not None:
            self.borders = &borders[0]
        if joined is not None and not self.apart:  # else parts of what is dropped would be kept
            self.kernel.joined = &joined[0]
        if dropped == b"\0\1":
            self.open_shuffles(&own.machine, own.pages, own.page_numbers, self.kernel.joined)

    def strategy(self) -> str:
        """Name the strategy: "both sides", with the level of the shuffles if there are some."""
        return "both sides" if self.run_grid == NULL else f"both sides, {level_shown(self.level.name.decode())}"

    def without_cuts(self) -> TwoSided:
        """Make a finder of whole pieces."""
        return TwoSided(*self.made_of)

    def resync_point(self, const uint8_t[::1] text not None, Py_ssize_t at) -> int:
        """Return -1: the pieces may depend on any text before."""
        return -1

    cdef void begin(self, Sink sink, Py_ssize_t at, Py_ssize_t stop) noexcept nogil:
        """Begin with a small window."""
        sink.window = WINDOW

    cdef void go_on(self, Sink sink, Py_ssize_t at, Py_ssize_t end, uint32_t left) noexcept nogil:
        """Keep the state from the left at `end`; `left` is that at `at`, less than a block before."""
        cdef Py_ssize_t width
        cdef bint wide = False
        sink.left = left
        while at < end:
            sink.left = self.reader.machine.left[
                class_at(&self.reader, sink.chunk.text + at, &width, &wide) * self.reader.machine.lefts + sink.left]
            at += width

    cdef Py_ssize_t piece(self, Sink sink, Py_ssize_t at, Py_ssize_t stop, bint final) noexcept nogil:
        """Add the pieces of a window at `at`; return the start of the first one that is not sure, or -1 if none is.

        A window of which less than half is settled is doubled, so that the time is linear wherever marks are unsure.
        """
        cdef Py_ssize_t limit, end = at
        while sink.fault.status == FINE:
            limit = stop if stop - at <= sink.window else at + sink.window
            while limit < stop and sink.chunk.text[limit] & 0xC0 == 0x80:
                limit -= 1
            if not sink.reserve(&sink.sides, &sink.sides_room, 0, limit - at + 1, sizeof(uint16_t)):
                break
            end = self.read_window(sink, at, limit, final and limit == stop)
            sink.window = max(sink.window >> 1, <Py_ssize_t>WINDOW) if 2 * (end - at) > limit - at else sink.window << 1
            if end > at:
                return end
            if limit == stop:
                break
        return -1

    cdef Py_ssize_t read_window(self, Sink sink, Py_ssize_t at, Py_ssize_t end, bint final) noexcept nogil:
        """Add the sure pieces of `text[at:end]`, all of them if it is `final`; return the end of the last one."""
        cdef const uint8_t *text = sink.chunk.text
        cdef const uint16_t *sides = sink.sides - at
        cdef Py_ssize_t start = at
        cdef uint32_t state = sink.left, mark
        cdef bint wide = False
        read_back(&self.reader, text + at, end - at, final, sink.sides)
        while at < end:
            mark = next_mark(&self.reader, text, &at, end, final, sides, &state, &wide)
            if mark == BIMACHINE_UNSURE or not mark and not final:
                break
            if not mark or not self.dropped[(mark >> 16) - 1]:  # the end of a text is that of a piece
                if wide and self.kernel.joined != NULL:
                    self.add_cut(sink, start, at)
                else:
                    add_piece(sink, self.apart, start, at)
            start, state, wide = at, mark & 0xFFFF, False
            sink.left = state
        return start

    def spans(self, const uint8_t[::1] text not None) -> list[tuple[int, int, int]]:
        """List (start, end, tag) of the pieces of valid UTF-8 `text`, in bytes, the dropped ones too."""
        cdef Py_ssize_t at = 0, start = 0, length = text.shape[0]
        cdef uint32_t state = 0, mark
        cdef uint16_t[::1] sides = array("H", bytes(2 * (length + 1)))
        cdef bint wide = False
        found = []
        if length and find_invalid(&text[0], length, self.level) >= 0:
            raise ValueError("expected valid utf-8")
        if length:
            read_back(&self.reader, &text[0], length, True, &sides[0])
        while at < length:
            mark = next_mark(&self.reader, &text[0], &at, length, True, &sides[0], &state, &wide)
            found.append((start, at, <Py_ssize_t>(mark >> 16) - 1))
            start, state = at, mark & 0xFFFF
        return found
