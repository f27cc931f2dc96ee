# The scanner: one automaton over UTF-8, a piece at a time.
cimport cython
from libc.stdint cimport uint8_t, uint16_t, uint32_t

from dstok.core.cpu.level cimport Implementation, Skip
from dstok.core.text.utf8 cimport code_point

cdef enum:
    SKIP_EVERY = 16               # bytes of a piece between two tries to skip some; most pieces are shorter
    SKIP_SELDOM = 64              # the same after a try that skipped few
    ROW = 256                     # edges of a state: by byte for ASCII, from 128 on by class
    ROWS = 0xFFFF00               # the bits of an edge that hold the start of the row of the next state

cdef enum:                        # of the automata: regex/dfa.py, regex/marked_language.py
    DEAD = 0
    START = 1
    FINAL = 2
    OPERATION = 1 << 20

cdef enum:
    DROPPED = 2                   # tag plus one, as the scanner gives it, of a piece that a Removed step drops

cdef enum:                        # the low byte of an edge with a tag: regex/dfa.py
    SET_0
    SET_1
    MOVE
    MOVE_SET_1
    KEEP

cdef struct ScanTables:
    const uint8_t *pages          # class of a code point: pages[page_numbers[c >> 8] << 8 | c & 255]
    const uint16_t *page_numbers
    const uint32_t *edges         # see automaton.pyx
    uint32_t end                  # the column for the end of the text
    uint32_t states
    const Skip *skips             # by state: the bytes that leave it as it is
    const Implementation *level
    int shift                     # there is a border every `1 << shift` bytes
    Py_ssize_t span               # 1 << shift

cdef struct Run:
    uint32_t edge                 # the last edge taken
    uint32_t settled              # the last edge with a tag
    Py_ssize_t first              # the end of the piece, as far as is known, or -1
    Py_ssize_t second             # another possible end

cdef struct Memo:                 # of the pieces of one text: what the scanner tells of the last, and remembers of all
    uint32_t tag                  # of the last piece, plus one
    bint wide                     # it has a three-byte character from U+3000 on (which may be `cuttable`)
    uint16_t *known               # by border from `origin` on, and by state; NULL: nothing yet
    uint32_t *path                # by border: the state in which the run in work has passed it
    Py_ssize_t origin
    Py_ssize_t rows
    Py_ssize_t last               # the row of the last border of the path
    Py_ssize_t count              # the number of borders of the path
    Py_ssize_t passed             # all borders passed, for tests


@cython.final
cdef class Scanner:
    cdef ScanTables tables
    cdef Skip *skips
    cdef bint drops                   # whether some pieces have the tag DROPPED
    cdef object _keep

    cdef int find_skips(self, Py_ssize_t pages) except -1


cdef void drop(Memo *memo) noexcept nogil
cdef Py_ssize_t scan_far(
    const ScanTables *s, const uint8_t *text, Py_ssize_t at, Py_ssize_t stop, bint final, Run run, Memo *memo
) noexcept nogil


cdef inline void begin_memo(Memo *memo, const ScanTables *s, Py_ssize_t at, Py_ssize_t stop) noexcept nogil:
    # Makes a memo ready for the pieces of `text[at:stop]`.
    if memo.known != NULL:
        drop(memo)
    memo.origin = at >> s.shift
    memo.rows = (stop >> s.shift) - memo.origin + 1


cdef inline Py_ssize_t scan_piece(
    const ScanTables *s, const uint8_t *text, Py_ssize_t at, Py_ssize_t stop, bint final, Memo *memo
) noexcept nogil:
    # The end of the piece that begins at `at` < `stop`, or -1 if only more text can tell (and `final` is false:
    # `stop` is not the end of the text). `memo`, which tells more of the piece, has begun at the start of this or an
    # earlier piece, and with this `stop`.
    cdef Py_ssize_t pause = min(stop, at + s.span), skip_at = at + SKIP_EVERY, width
    cdef bint wide = False
    cdef Run run
    run.edge = ROW
    run.settled = 0
    run.first = run.second = -1
    while at < pause:
        if at >= skip_at:
            skip_at = skipped(s, text, &run, &at, pause, &wide)
            if at == pause:
                break
        run.edge = next_edge(s, text + at, run.edge, &width, &wide)
        if run.edge >> 24:
            settle(&run, at)
        if run.edge & ROWS == 0:
            memo.tag, memo.wide = run.settled >> 24, wide
            return run.first
        at += width
    memo.wide = wide
    if at < stop:
        return scan_far(s, text, at, stop, final, run, memo)
    if not final:
        return -1
    run.edge = s.edges[(run.edge & ROWS) + s.end]
    if run.edge >> 24:
        settle(&run, stop)
    memo.tag = run.settled >> 24
    return run.first


cdef inline uint32_t next_edge(
    const ScanTables *s, const uint8_t *text, uint32_t edge, Py_ssize_t *width, bint *wide
) noexcept nogil:
    # The edge for the character at `text`, from the state that `edge` leads to.
    cdef uint32_t c = text[0]
    if c < 0x80:
        width[0] = 1
        return s.edges[(edge & ROWS) + c]
    wide[0] |= 0xE3 <= c <= 0xED
    c = code_point(text, width)
    return s.edges[(edge & ROWS) + 128 + s.pages[(<uint32_t>s.page_numbers[c >> 8] << 8) | (c & 0xFF)]]


cdef inline Py_ssize_t whole(const uint8_t *text, Py_ssize_t at) noexcept nogil:
    # `at`, or the start of the character that `at` lies in.
    cdef Py_ssize_t lead = at - 1
    if text[lead] < 0x80:
        return at
    while text[lead] < 0xC0:
        lead -= 1
    return lead if lead + 2 + (text[lead] >= 0xE0) + (text[lead] >= 0xF0) > at else at


cdef inline Py_ssize_t skipped(
    const ScanTables *s, const uint8_t *text, Run *run, Py_ssize_t *at, Py_ssize_t stop, bint *wide
) noexcept nogil:
    # Moves `at` over bytes, up to `stop`, that leave the automaton in its state; returns where to try again.
    cdef const Skip *skip = s.skips + (run.edge & ROWS) // ROW
    cdef Py_ssize_t start = at[0]
    if skip.any:
        at[0] = s.level.skip(skip, text, start, stop)
        if at[0] > start:
            run.edge &= ROWS
            if skip.beyond:
                wide[0] = True
                at[0] = whole(text, at[0])
    return at[0] + (SKIP_EVERY if at[0] - start >= SKIP_EVERY else SKIP_SELDOM)


cdef inline void settle(Run *run, Py_ssize_t at) noexcept nogil:
    # Applies the operation of an edge with a tag to the run.
    cdef uint32_t operation = run.edge & 0xFF
    run.settled = run.edge
    if operation == SET_0:
        run.first = at
        return
    if operation == MOVE or operation == MOVE_SET_1:
        run.first = run.second
    if operation == SET_1 or operation == MOVE_SET_1:
        run.second = at
