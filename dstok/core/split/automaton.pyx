# cython: initializedcheck=False
"""The automaton over UTF-8: pieces from left to right; the matches at a known offset, and their groups.

In: valid UTF-8. Out: pieces, one for each `scan_piece` (in the .pxd, so that finders inline it); of the tables of
regex/match_tables.py: oracle letters, the end of a match in bytes, or the starts and ends of groups.
Invariant: the pieces are those of `Program.pieces`, which runs the same automaton in Python, in linear time. The search
for groups follows the paths of a match in order of preference, no state twice at one offset (RE2's BitState).

Tables: a class for each code point, in pages of 256; and `edges` of uint32, a row for each state: row 0 is dead, row 1
the start. A row has 128 columns by ASCII byte, then one for each class, the last for the end of the text. An edge is
`(tag + 1) << 24 | next state * ROW | operation`, without a tag `next state * ROW`. The operation says which end of the
piece is kept (regex/marked_language.py). Vectors skip long runs of bytes that keep the state (skip.h).
"""

cimport cython
from libc.stdint cimport int32_t, int64_t, uint64_t
from libc.stdlib cimport calloc, free, malloc
from libc.string cimport memset

from dstok.core.cpu.level cimport chosen
from dstok.core.text.utf8 cimport find_invalid

from array import array

from dstok.errors import UnsupportedError

cdef extern from "cpu/platform.h":
    bint huge_grow(void *array, Py_ssize_t *room, Py_ssize_t used, Py_ssize_t wanted, size_t entry) noexcept nogil

cdef enum:
    SHIFT = 6                # 64 bytes: more than most pieces have

MAX_SYMBOLS = ROW - 128
MAX_STATES = (1 << 24) // ROW
MAX_TAGS = 254


def pack_edges(edges: Sequence[Sequence[tuple[int, int]]], classes: bytes) -> bytes:
    """Return the bytes of the `edges` table of a DFA, given as rows of (next state, tag or -1), like `DFA.edges`.

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
    """Free the memory of a memo."""
    free(memo.known)
    free(memo.path)
    memo.known = NULL
    memo.path = NULL


cdef Py_ssize_t scan_far(
    const ScanTables *s, const uint8_t *text, Py_ssize_t at, Py_ssize_t stop, bint final, Run run, Memo *memo
) noexcept nogil:
    """Continue `scan_piece` at `at` < `stop`, and ask the memo at every border."""
    cdef Py_ssize_t border = (at >> s.shift) + 1, pause = min(stop, border << s.shift), width = 0
    cdef Py_ssize_t tagged = -1, moved = -1  # the place of the last tag, and the place where `run.first` was set
    cdef Py_ssize_t skip_at = at
    cdef uint32_t known
    cdef bint wide = memo.wide
    memo.count = 0
    while True:
        if at < pause:
            if at >= skip_at:
                skip_at = skipped(s, text, &run, &at, pause, &wide)
                if at == pause:
                    continue
            run.edge = next_edge(s, text + at, run.edge, &width, &wide)
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
    memo.tag, memo.wide = run.settled >> 24, wide
    learn(memo, s, moved, tagged)
    return run.first


cdef uint32_t recall(Memo *memo, const ScanTables *s, Py_ssize_t border, Py_ssize_t at, const Run *run) noexcept nogil:
    """Return an edge to the dead state with the effect of the rest of the run; or 0, and the border joins the path.

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


cdef void learn(Memo *memo, const ScanTables *s, Py_ssize_t moved, Py_ssize_t tagged) noexcept nogil:
    """Remember the path of a finished run. No later piece comes to borders before the end of this one."""
    cdef Py_ssize_t row, place
    for row in range(memo.last, memo.last - memo.count, -1):
        place = (memo.origin + row) << s.shift
        memo.known[row * s.states + memo.path[row]] = (
            (MOVE if place <= moved else KEEP) | (memo.tag << 8 if place <= tagged else 0))


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
        """Find, for each state, the bytes that leave the automaton in it."""
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
        """Return a list of (start, end, tag) of the pieces of valid UTF-8 `text`, in bytes."""
        return self.scan(text)[0]

    def scan(self, const uint8_t[::1] text not None) -> tuple[list[tuple[int, int, int]], int]:
        """Return the spans, and how many borders the runs have passed far beyond a possible end."""
        cdef Py_ssize_t at = 0, stop = text.shape[0], end
        cdef Memo memo
        found = []
        if stop and find_invalid(&text[0], stop, chosen()) >= 0:
            raise ValueError("expected valid utf-8")
        memset(&memo, 0, sizeof(memo))
        begin_memo(&memo, &self.tables, 0, stop)
        try:
            while at < stop:
                end = scan_piece(&self.tables, &text[0], at, stop, True, &memo)
                found.append((at, end, memo.tag - 1))
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

cdef struct State:
    int32_t kind
    int32_t value            # CHAR, LOOK: a set; BRANCH: the first one of its targets; GROUP: a slot
    int32_t target           # BRANCH: the number of its targets

cdef struct Frame:
    int64_t place
    int32_t state
    int32_t taken            # the number of targets that were tried

cdef struct Text:
    const uint8_t *data
    const uint16_t *letters  # NULL: there are no readings, and a letter is a symbol
    Py_ssize_t length

cdef struct Search:
    uint64_t *visited        # a bit for each place and state
    Frame *frames            # the path
    Py_ssize_t count
    Py_ssize_t room


@cython.final
cdef class PathReader:
    """The tables of one pattern's matches. It never changes."""

    cdef object _keep, readings
    cdef const uint8_t[::1] pages, members
    cdef const uint16_t[::1] page_numbers
    cdef const uint32_t[::1] match, full_match
    cdef const int32_t[::1] states, targets
    cdef int end, count, start, groups

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
        """Return the oracle letters of a text, array("H") of len(text) + 1: at each character's offset and at the end.

        Other offsets have the number of letters, which is no letter.
        """
        found = array("H", bytes(2 * (text.shape[0] + 1)))
        cdef uint16_t[::1] out = found
        cdef const uint16_t[::1] following, written
        cdef Text source = opened(text, None)
        cdef Py_ssize_t i, at, width = 0
        cdef uint32_t state, cell
        cdef int letters
        cdef bint ahead
        with nogil:
            for at in range(text.shape[0] + 1):
                if at == text.shape[0] or text[at] & 0xC0 != 0x80:
                    out[at] = self.letter(&source, at, &width)
                else:
                    out[at] = self.count
        for ahead, letters, next_states, new_letters in self.readings:
            state = START
            following, written = memoryview(next_states).cast("H"), memoryview(new_letters).cast("H")
            with nogil:
                for i in range(out.shape[0]):
                    at = out.shape[0] - 1 - i if ahead else i
                    if out[at] != self.count:
                        cell = state * letters + out[at]
                        out[at], state = written[cell], following[cell]
        return found

    def end_of(self, const uint8_t[::1] text not None, const uint16_t[::1] letters, bint full) -> int:
        """Return the end of the match at the start of a text, or -1; with `full` of one up to the end of the text.

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
        """Return the start and the end of each group of the match text[start:end], array("q"); -1: it took no part.

        Raises `UnsupportedError` for a match that is too long.
        """
        cdef Text source = opened(text, letters)
        cdef Search path = Search(NULL, NULL, 0, 0)
        cdef const State *states = <const State *>&self.states[0]
        cdef Py_ssize_t i, count = self.states.shape[0] // 3
        cdef int status = NO_MEMORY
        if (end - start + 1) * count > MAX_VISITS:
            raise UnsupportedError(f"groups of a match of {end - start} bytes, longer than {MAX_VISITS // count}")
        found = array("q", [-1]) * (2 * self.groups)
        path.visited = <uint64_t *>calloc((end - start + 1) * count // 64 + 1, 8)
        try:
            if path.visited != NULL:
                with nogil:
                    status = self.search(&path, &source, start, end)
            if status == NO_MEMORY:
                raise MemoryError
            if status == NONE:
                raise ValueError("expected a match of the pattern")
            for i in range(path.count):
                if states[path.frames[i].state].kind == GROUP:
                    found[states[path.frames[i].state].value] = path.frames[i].place
            return found
        finally:
            free(path.visited)
            free(path.frames)

    cdef int search(self, Search *path, const Text *text, Py_ssize_t start, Py_ssize_t end) noexcept nogil:
        """Follow the preferred path; a path that ends goes back to the last branch with a target left."""
        cdef const State *states = <const State *>&self.states[0]
        cdef Py_ssize_t at = start, width = 0, visit
        cdef int32_t state = self.start, next
        cdef uint64_t bit
        cdef Frame *frame
        cdef State here
        while state >= 0:
            here, next = states[state], -1
            visit = (at - start) * (self.states.shape[0] // 3) + state
            bit = <uint64_t>1 << (visit & 63)
            if not path.visited[visit >> 6] & bit:
                path.visited[visit >> 6] |= bit
                if here.kind == CHAR or here.kind == LOOK:
                    if self.members[here.value * self.count + self.letter(text, at, &width)] and (
                            here.kind == LOOK or at < end):
                        next = here.target
                        at += width if here.kind == CHAR else 0
                elif here.kind == MATCH:
                    if at == end:
                        return FOUND
                else:
                    if not huge_grow(&path.frames, &path.room, path.count, path.count + 1, sizeof(Frame)):
                        return NO_MEMORY
                    path.frames[path.count] = Frame(at, state, 0)
                    path.count += 1
                    next = here.target if here.kind == GROUP else -1
            while next < 0 and path.count:
                frame = &path.frames[path.count - 1]
                here = states[frame.state]
                if here.kind == BRANCH and frame.taken < here.target:
                    at, next = frame.place, self.targets[here.value + frame.taken]
                    frame.taken += 1
                else:
                    path.count -= 1
            state = next
        return NONE

    cdef inline uint32_t letter(self, const Text *text, Py_ssize_t at, Py_ssize_t *width) noexcept nogil:
        """Return the letter at a place, and the number of bytes to the next place."""
        cdef uint32_t c, letter = self.end
        width[0] = 1
        if at < text.length:
            c = code_point(text.data + at, width)
            letter = self.pages[(<uint32_t>self.page_numbers[c >> 8] << 8) | (c & 0xFF)]
        return text.letters[at] if text.letters != NULL else letter


cdef Text opened(const uint8_t[::1] text, const uint16_t[::1] letters):
    cdef Text source
    source.data = &text[0] if text.shape[0] else NULL
    source.letters = &letters[0] if letters is not None else NULL
    source.length = text.shape[0]
    return source
