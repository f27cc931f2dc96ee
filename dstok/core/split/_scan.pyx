"""The scanner: the collapsed automaton over UTF-8.

In: valid UTF-8. Out: the pieces, left to right, one for each `scan_piece` (which is in the .pxd, so that the encoder
inlines it).
Invariant: the same pieces as `Program.pieces`, which runs the same automaton in Python.

Tables: a class for each code point, in pages of 256; and `edges` of uint32, a row for each state. Row 0 is the dead
state, row 1 the start. A row has 128 columns by ASCII byte, so that most steps look no class up, then a column for each
class. The last column is for the end of the text. An edge is `(tag + 1) << 24 | next state * ROW | operation`, with 0
in place of `tag + 1` if it has no tag. The operation says in which place the end of the piece is kept
(regex/marked_language.py).

A long run of bytes that leave the automaton in its state is skipped by vectors (_skip.h), up to the next border.
"""

cimport cython
from array import array

from libc.stdint cimport uint8_t, uint16_t, uint32_t
from libc.stdlib cimport calloc, free, malloc
from libc.string cimport memset

from dstok.core.simd._level cimport Skip, chosen
from dstok.core.text._utf8 cimport find_invalid

cdef enum:
    SHIFT = 6                # 64 bytes: more than most pieces have

MAX_SYMBOLS = ROW - 128
MAX_STATES = (1 << 24) // ROW
MAX_TAGS = 254


def pack_edges(edges, classes):
    """The bytes of the `edges` table of a DFA, given as rows of (next state, tag or -1), like `DFA.edges`.

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


cdef void drop(Memo *memo) noexcept nogil:
    """Frees the memory of a memo."""
    free(memo.known)
    free(memo.path)
    memo.known = NULL
    memo.path = NULL


cdef Py_ssize_t scan_far(
    const ScanTables *s, const uint8_t *text, Py_ssize_t at, Py_ssize_t stop, bint final,
    Run run, uint32_t *tag, bint *wide, Memo *memo
) noexcept nogil:
    """Continues `scan_piece` at `at` < `stop`, and asks the memo at every border."""
    cdef Py_ssize_t border = (at >> s.shift) + 1, pause = min(stop, border << s.shift), width = 0
    cdef Py_ssize_t tagged = -1, moved = -1  # the place of the last tag, and the place where `run.first` was set
    cdef Py_ssize_t skip_at = at
    cdef uint32_t known
    memo.count = 0
    while True:
        if at < pause:
            if at >= skip_at:
                skip_at = skipped(s, text, &run, &at, pause, wide)
                if at == pause:
                    continue
            run.edge = next_edge(s, text + at, run.edge, &width, wide)
        elif at < stop:
            known = recall(memo, s, border, at, &run)
            border += 1
            pause = min(stop, border << s.shift)
            if not known:
                continue
            run.edge = known
        elif final:
            run.edge = s.edges[(run.edge & ROWS) + s.end] & ~<uint32_t>ROWS
        else:
            return -1
        if run.edge >> 24:
            settle(&run, at)
            tagged = at
            if run.edge & 0xFF not in (SET_1, KEEP):
                moved = at
        if run.edge & ROWS == 0:
            break
        at += width
    tag[0] = run.settled >> 24
    learn(memo, s, moved, tagged, tag[0])
    return run.first


cdef uint32_t recall(Memo *memo, const ScanTables *s, Py_ssize_t border, Py_ssize_t at, const Run *run) noexcept nogil:
    """An edge to the dead state with the same effect as the rest of the run, or 0, and the border joins the path.

    A run that has kept a place not long ago passes, and its path begins anew. Without memory it remembers nothing.
    """
    cdef uint32_t state = (run.edge & ROWS) // ROW, known
    cdef Py_ssize_t row = border - memo.origin
    if at - run.first <= s.span:
        memo.count = 0
        return 0
    memo.passed += 1
    if memo.known == NULL:
        memo.known = <uint16_t *>calloc(memo.rows * s.states, sizeof(uint16_t))
        memo.path = <uint32_t *>malloc(memo.rows * sizeof(uint32_t))
        if memo.known == NULL or memo.path == NULL:
            drop(memo)
            memo.count = 0
            return 0
    known = memo.known[row * s.states + state]
    if known:
        return known >> 8 << 24 | (known & 0xFF)
    memo.path[row] = state
    memo.last = row
    memo.count += 1
    return 0


cdef void learn(Memo *memo, const ScanTables *s, Py_ssize_t moved, Py_ssize_t tagged, uint32_t tag) noexcept nogil:
    """Remembers the path of a finished run. No later piece comes to borders before the end of this one."""
    cdef Py_ssize_t row, place
    for row in range(memo.last, memo.last - memo.count, -1):
        place = (memo.origin + row) << s.shift
        memo.known[row * s.states + memo.path[row]] = (
            (MOVE if place <= moved else KEEP) | (tag << 8 if place <= tagged else 0))


@cython.final
cdef class Scanner:
    """The tables of one automaton, kept alive.

    Borders are `1 << shift` bytes apart. By default this is the number of states, or 64 if that is more.
    """

    def __cinit__(self, pages, page_numbers, edges, int symbols, int shift=-1):
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
        self.tables.states = <uint32_t>(e.shape[0] // (4 * ROW))
        self.tables.shift = shift if shift >= 0 else max(SHIFT, (int(self.tables.states) - 1).bit_length())
        self.tables.span = <Py_ssize_t>1 << self.tables.shift
        self.tables.level = chosen()
        self.skips = <Skip *>calloc(self.tables.states, sizeof(Skip))
        if self.skips == NULL:
            raise MemoryError
        self.tables.skips = self.skips
        self.find_skips(p.shape[0])
        self.drops = any(self.tables.edges[i] >> 24 == DROPPED for i in range(e.shape[0] // 4))

    def __dealloc__(self):
        free(self.skips)

    cdef int find_skips(self, Py_ssize_t pages) except -1:
        """Finds, for each state, the bytes that leave the automaton in it."""
        cdef uint8_t beyond[256]
        cdef const uint32_t *row
        cdef uint32_t state, byte, loop
        cdef Py_ssize_t i
        memset(beyond, 0, sizeof(beyond))  # the classes of characters that are not ASCII
        for i in range(pages):
            if i >> 8 != self.tables.page_numbers[0] or i & 0xFF >= 0x80:
                beyond[self.tables.pages[i]] = True
        for state in range(START, self.tables.states):
            row, loop = self.tables.edges + state * ROW, state * ROW
            for byte in range(0x80):
                if row[byte] == loop:
                    self.skips[state].low[byte & 15] |= 1 << (byte >> 4)
                    self.skips[state].any = True
            self.skips[state].beyond = 0x80
            for i in range(self.tables.end - 128):
                if beyond[i] and row[128 + i] != loop:
                    self.skips[state].beyond = 0
                    break
            self.skips[state].any |= self.skips[state].beyond
        return 0

    def spans(self, const uint8_t[::1] text not None):
        """A list of (start, end, tag) of the pieces of valid UTF-8 `text`, in bytes."""
        return self._scan(text)[0]

    def passed(self, const uint8_t[::1] text not None):
        """The number of borders that the runs over `text` have passed far beyond a possible end. For tests."""
        return self._scan(text)[1]

    cdef tuple _scan(self, const uint8_t[::1] text):
        cdef Py_ssize_t at = 0, stop = text.shape[0], end
        cdef uint32_t tag = 0
        cdef bint wide = False
        cdef Memo memo
        found = []
        if stop and find_invalid(&text[0], stop, chosen()) >= 0:
            raise ValueError("expected valid utf-8")
        memset(&memo, 0, sizeof(memo))
        begin_memo(&memo, &self.tables, 0, stop)
        try:
            while at < stop:
                end = scan_piece(&self.tables, &text[0], at, stop, True, &tag, &wide, &memo)
                found.append((at, end, tag - 1))
                at = end
        finally:
            drop(&memo)
        return found, memo.passed
