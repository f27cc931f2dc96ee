"""The automaton over UTF-8: pieces from left to right; the matches at a known place, and their groups.

In: valid UTF-8. Out: pieces, one for each `scan_piece` (which is in the .pxd, so that finders inline it); of the tables
of regex/match_tables.py: oracle letters, the end of a match in bytes, or the starts and ends of groups.
Invariant: the pieces are those of `Program.pieces`, which runs the same automaton in Python. Time is linear in the text
that is read. The search for groups goes over the paths of a match in order of preference, and visits no state twice at
one place. So its time and memory in bits are of the order of states times the length of the match (RE2's BitState).

Tables: a class for each code point, in pages of 256; and `edges` of uint32, a row for each state. Row 0 is the dead
state, row 1 the start. A row has 128 columns by ASCII byte, so that most steps look no class up, then a column for each
class. The last column is for the end of the text. An edge is `(tag + 1) << 24 | next state * ROW | operation`, with 0
in place of `tag + 1` if it has no tag. The operation says in which place the end of the piece is kept
(regex/marked_language.py). A long run of bytes that leave the automaton in its state is skipped by vectors (skip.h).
"""

cimport cython
from libc.stdlib cimport calloc, free, malloc, realloc
from libc.string cimport memset

from dstok.core.cpu.level cimport chosen
from dstok.core.text.utf8 cimport find_invalid

from array import array

from dstok.errors import UnsupportedError

cdef enum:
    SHIFT = 6                # 64 bytes: more than most pieces have

MAX_SYMBOLS = ROW - 128
MAX_STATES = (1 << 24) // ROW
MAX_TAGS = 254


def pack_edges(edges: Sequence[Sequence[tuple[int, int]]], classes: bytes) -> bytes:
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

    def spans(self, const uint8_t[::1] text not None) -> list[tuple[int, int, int]]:
        """A list of (start, end, tag) of the pieces of valid UTF-8 `text`, in bytes."""
        return self._scan(text)[0]

    def passed(self, const uint8_t[::1] text not None) -> int:
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


cdef enum:
    MAX_VISITS = 1 << 27     # states times bytes of a match: 16 MiB of bits, and frames of at most 512 MiB
    FOUND = 1
    NONE = 0
    NO_MEMORY = -1

cdef enum:                   # the kinds of states: regex/match_tables.py
    CHAR
    LOOK
    BRANCH
    GROUP
    MATCH


@cython.final
cdef class PathReader:
    """The tables of one pattern's matches. It never changes."""

    def __cinit__(
        self, pages: bytes, page_numbers: bytes, int end, int letters, list readings, match: array[int],
        full_match: array[int], states: array[int], targets: array[int], members: bytes, int start, int groups
    ):
        self._keep = (pages, page_numbers, readings, match, full_match, states, targets, members)
        self.pages, self.page_numbers = pages, memoryview(page_numbers).cast("H")
        self.match, self.full_match = match, full_match
        self.states, self.targets, self.members = states, targets, members
        self.end, self.count, self.start, self.groups = end, letters, start, groups
        self.readings = readings

    def letters(self, const uint8_t[::1] text not None) -> array[int]:
        """The oracle letters of a text, array("H") of len(text) + 1: at the offset of each character and at the end.

        Other offsets have the number of letters, which is no letter.
        """
        found = array("H", bytes(2 * (text.shape[0] + 1)))
        cdef uint16_t[::1] out = found
        cdef const uint16_t[::1] following, written
        cdef const uint8_t *data = &text[0] if text.shape[0] else NULL
        cdef Py_ssize_t at, width = 0
        cdef int letters, start
        cdef bint ahead
        with nogil:
            for at in range(text.shape[0]):
                out[at] = self.symbol(data + at, &width) if data[at] & 0xC0 != 0x80 else self.count
            out[text.shape[0]] = self.end
        for ahead, letters, start, next_states, new_letters in self.readings:
            following, written = memoryview(next_states).cast("H"), memoryview(new_letters).cast("H")
            with nogil:
                read(out, self.count, ahead, letters, start, &following[0], &written[0])
        return found

    def end_of(self, const uint8_t[::1] text not None, const uint16_t[::1] letters, bint full) -> int:
        """The end of the match at the start of a text, or -1; with `full` of one up to the end of the text.

        `letters` are those of the text; None if there are no readings.
        """
        cdef Text source = opened(text, letters)
        cdef const uint32_t[::1] edges = self.full_match if full else self.match
        cdef Py_ssize_t at = 0, width = 0, found = -1
        cdef uint32_t edge = 2  # the start
        with nogil:
            while edge >> 1 and at <= source.length:
                edge = edges[(edge >> 1) * self.count + self.letter(&source, at, &width)]
                if edge & 1:
                    found = at
                at += width
        return found

    def places(
        self, const uint8_t[::1] text not None, const uint16_t[::1] letters, Py_ssize_t start, Py_ssize_t end
    ) -> array[int]:
        """The start and the end of each group of the match text[start:end], array("q"); -1 for a group without place.

        Raises `UnsupportedError` for a match that is too long.
        """
        cdef Text source = opened(text, letters)
        found = array("q", [-1]) * (2 * self.groups)
        cdef int64_t[::1] slots = found
        cdef int status
        if (end - start + 1) * (self.states.shape[0] // 3) > MAX_VISITS:
            raise UnsupportedError(f"groups of a match of {end - start} bytes, longer than "
                                   f"{MAX_VISITS // (self.states.shape[0] // 3)}")
        with nogil:
            status = self.find(&source, start, end, &slots[0] if self.groups else NULL)
        if status == NO_MEMORY:
            raise MemoryError
        if status == NONE:
            raise ValueError("expected a match of the pattern")
        return found

    cdef int find(self, const Text *text, Py_ssize_t start, Py_ssize_t end, int64_t *slots) noexcept nogil:
        cdef Search s
        cdef Frame *frame
        cdef Py_ssize_t i
        cdef int status
        s.states, s.targets = <const State *>&self.states[0], &self.targets[0]
        s.start, s.end, s.count, s.capacity, s.frames = start, end, 0, 0, NULL
        s.visited = <uint64_t *>calloc((end - start + 1) * (self.states.shape[0] // 3) // 64 + 1, 8)
        status = self.search(&s, text) if s.visited else NO_MEMORY
        for i in range(s.count if status == FOUND else 0):
            frame = &s.frames[i]
            if s.states[frame.state].kind == GROUP:
                slots[s.states[frame.state].value] = frame.place
        free(s.visited)
        free(s.frames)
        return status

    cdef int search(self, Search *s, const Text *text) noexcept nogil:
        """Goes along the preferred path; a path that ends goes back to the last branch with a target left."""
        cdef int32_t state = self.start
        cdef Py_ssize_t at = s.start, width = 0
        cdef State here
        while True:
            here = s.states[state]
            if not visit(s, (at - s.start) * (self.states.shape[0] // 3) + state):
                state = -1
            elif here.kind == CHAR or here.kind == LOOK:
                if self.members[here.value * self.count + self.letter(text, at, &width)]:
                    state = here.target if here.kind == LOOK or at < s.end else -1
                    at += width if here.kind == CHAR else 0
                else:
                    state = -1
            elif here.kind == MATCH:
                if at == s.end:
                    return FOUND
                state = -1
            else:
                if not push(s, state, at):
                    return NO_MEMORY
                state = here.target if here.kind == GROUP else -1
            if state < 0:
                state = back(s, &at)
                if state < 0:
                    return NONE

    cdef inline uint32_t symbol(self, const uint8_t *at, Py_ssize_t *width) noexcept nogil:
        cdef uint32_t c = code_point(at, width)
        return self.pages[(<uint32_t>self.page_numbers[c >> 8] << 8) | (c & 0xFF)]

    cdef inline uint32_t letter(self, const Text *text, Py_ssize_t at, Py_ssize_t *width) noexcept nogil:
        """The letter at a place, and the number of bytes to the next place."""
        cdef uint32_t symbol = self.end
        width[0] = 1
        if at < text.length:
            symbol = self.symbol(text.data + at, width)
        return text.letters[at] if text.letters else symbol


cdef inline bint visit(Search *s, Py_ssize_t number) noexcept nogil:
    # Whether this is the first visit.
    cdef uint64_t bit = <uint64_t>1 << (number & 63)
    if s.visited[number >> 6] & bit:
        return False
    s.visited[number >> 6] |= bit
    return True


cdef bint push(Search *s, int32_t state, Py_ssize_t at) noexcept nogil:
    cdef void *grown
    if s.count == s.capacity:
        s.capacity = 2 * s.capacity + 64
        grown = realloc(s.frames, s.capacity * sizeof(Frame))
        if grown == NULL:
            return False
        s.frames = <Frame *>grown
    s.frames[s.count].state, s.frames[s.count].place, s.frames[s.count].taken = state, at, 0
    s.count += 1
    return True


cdef int32_t back(Search *s, Py_ssize_t *at) noexcept nogil:
    """The next target of the last branch that has one left, or -1; `at` becomes its place."""
    cdef Frame *frame
    cdef State here
    while s.count:
        frame = &s.frames[s.count - 1]
        here = s.states[frame.state]
        if here.kind == BRANCH and frame.taken < here.target:
            frame.taken += 1
            at[0] = frame.place
            return s.targets[here.value + frame.taken - 1]
        s.count -= 1
    return -1


cdef void read(
    uint16_t[::1] out, int none, bint ahead, int letters, uint32_t state, const uint16_t *following,
    const uint16_t *written
) noexcept nogil:
    """One reading, in place."""
    cdef Py_ssize_t i, at, last = out.shape[0] - 1
    cdef uint32_t cell
    for i in range(last + 1):
        at = last - i if ahead else i
        if out[at] != none:
            cell = state * letters + out[at]
            out[at], state = written[cell], following[cell]


cdef Text opened(const uint8_t[::1] text, const uint16_t[::1] letters):
    cdef Text source
    source.data = &text[0] if text.shape[0] else NULL
    source.letters = &letters[0] if letters is not None else NULL
    source.length = text.shape[0]
    return source
