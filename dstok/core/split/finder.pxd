# Text to pieces, without the GIL: a finder fills chunks, a sink takes them.
from libc.stdint cimport uint8_t, uint16_t, uint32_t

from dstok.core.cpu.level cimport (
    CHUNK, CHUNK_ROOM, GridOnlyFunction, GridRunFunction, Implementation, KernelTables, Shuffles,
)
from dstok.core.split.automaton cimport Memo

cdef extern from "split/kernel.h":
    enum:
        RULES_COUNT, RULES_NONE, RULES_MATRIX, RULES_SHUFFLES, CJK_RUN, CJK_FIRST, NEWLINES_FIRST
        F_LETTER, F_PUNCT, F_CJK, F_BLANK, F_NUMBER, F_RARE, F_CAPITAL, F_CASELESS, F_COMBINING, F_HAN
        F_CUTTABLE, F_CUT_BEFORE, F_MIXED, SHUFFLE_CUTTABLE, SHUFFLE_CUT_BEFORE
    bint cuttable "kernel_cuttable"(uint32_t c) noexcept nogil
    bint may_cut "kernel_may_cut"(const uint8_t *joined, uint32_t left, uint32_t right) noexcept nogil
    ctypedef struct Rules:
        uint8_t copy, digits, first, lead, cased, suffix, tail, newlines, cjk, ends
    const Rules *RULES "ROWS"
    bint rules_of_cjk(int rules) noexcept nogil
    void kernel_open(KernelTables *t, int rules, const uint8_t *kinds, size_t classes) noexcept nogil

cdef extern from "split/shuffles.h":
    enum:
        BIMACHINE_HEAD, BIMACHINE_KINDS, BIMACHINE_STATES, BIMACHINE_UNSURE, SHUFFLE_CLASSES, SHUFFLE_STATES
    ctypedef struct Bimachine:
        uint32_t lefts, rights, aheads, classes
        const uint8_t *kinds
        const uint32_t *marks
        const uint32_t *ahead_marks
        const uint16_t *left
        const uint16_t *right
        const uint16_t *ahead
    bint bimachine_open(Bimachine *b, const uint8_t *section, Py_ssize_t size) noexcept nogil
    bint shuffles_open(Shuffles *s, const Bimachine *b, const uint8_t *ascii) noexcept nogil

cdef enum:
    CHUNK_SPAN_MAX = 1 << 30  # bytes that a chunk may span: its offsets have 32 bits

cdef struct Chunk:           # some hundred pieces of a text
    const uint8_t *text      # byte 0 of the buffer in work
    Py_ssize_t base          # its offset in the caller's text
    Py_ssize_t origin        # start of the chunk, in the buffer
    int pieces               # they lie end to end, unless some text is dropped
    uint32_t starts[CHUNK_ROOM + 64]  # of each, from `origin`, and the end of the last one
    uint32_t ends[CHUNK_ROOM + 64]    # of each, where text between pieces is dropped

cdef enum Status:
    FINE = 0
    OUT_OF_MEMORY = 1
    SPECIAL_FOUND = 2
    INVALID_TEXT = 3

cdef struct Fault:           # why a sink takes no more; FINE: it does
    Status status
    Py_ssize_t offset        # in bytes (INVALID_TEXT in a str: code points)
    int token                # SPECIAL_FOUND: the token
    bint normalized          # SPECIAL_FOUND: whether the matcher is that of normalized tokens


cdef class Sink:
    cdef Chunk chunk         # a finder fills it
    cdef Memo memo           # of the finder's automaton, for the text in work
    cdef uint32_t left       # where a finder that reads from both sides goes on: its state there; 0: a text begins
    cdef uint16_t *sides     # its states from the right, for the window in work
    cdef Py_ssize_t sides_room
    cdef Py_ssize_t window   # bytes of that window
    cdef uint8_t *buffer     # text that is copied, so that there is room after it, or transcoded
    cdef Py_ssize_t buffer_room
    cdef Fault fault

    cdef void take(self) noexcept nogil
    cdef void take_apart(self) noexcept nogil
    cdef void take_giant(self, Py_ssize_t start, Py_ssize_t end) noexcept nogil
    cdef bint set_fault(self, Status status, Py_ssize_t offset=*, int token=*, bint normalized=*) noexcept nogil
    cdef bint reserve(
        self, void *array, Py_ssize_t *room, Py_ssize_t used, Py_ssize_t wanted, size_t entry) noexcept nogil
    cdef bint reserve_buffer(self, Py_ssize_t size, Py_ssize_t used) noexcept nogil
    cdef void trim(self) noexcept


cdef inline void begin_chunk(Chunk *chunk, Py_ssize_t at) noexcept nogil:
    # Begins an empty chunk, whose first piece begins at `at` of the buffer in work.
    chunk.origin, chunk.pieces, chunk.starts[0] = at, 0, 0


cdef inline void hand_over(Sink sink, bint apart) noexcept nogil:
    # Lets the sink take the pieces, if there are any, unless it has a fault. An empty chunk begins at their end.
    cdef Chunk *chunk = &sink.chunk
    cdef Py_ssize_t end
    if not chunk.pieces:
        return
    end = chunk.origin + (chunk.ends[chunk.pieces - 1] if apart else chunk.starts[chunk.pieces])
    if sink.fault.status == FINE:
        if apart:
            sink.take_apart()
        else:
            sink.take()
    begin_chunk(chunk, end)


cdef inline void add_piece(Sink sink, bint apart, Py_ssize_t start, Py_ssize_t end) noexcept nogil:
    # Adds a piece. Unless they lie `apart`, all pieces of a chunk touch.
    cdef Chunk *chunk = &sink.chunk
    if end - chunk.origin > CHUNK_SPAN_MAX or not apart and start != chunk.origin + chunk.starts[chunk.pieces]:
        hand_over(sink, apart)
        begin_chunk(chunk, start)
        if end - start > CHUNK_SPAN_MAX:
            if sink.fault.status == FINE:
                sink.take_giant(start, end)
            begin_chunk(chunk, end)
            return
    if apart:
        chunk.starts[chunk.pieces] = <uint32_t>(start - chunk.origin)
        chunk.ends[chunk.pieces] = <uint32_t>(end - chunk.origin)
        chunk.pieces += 1
    else:
        chunk.pieces += 1
        chunk.starts[chunk.pieces] = <uint32_t>(end - chunk.origin)
    if chunk.pieces >= CHUNK:
        hand_over(sink, apart)


cdef class Finder:
    cdef const Implementation *level
    cdef KernelTables kernel
    cdef GridRunFunction run_grid  # NULL: this model has no rules, or the level no mask kernel
    cdef GridOnlyFunction only_grid  # the same rules
    cdef const uint8_t *borders  # characters to cut neither after nor before, as bits; NULL: none
    cdef bint of_characters  # a `CharacterFinder`
    cdef bint apart          # some text is dropped, so pieces need not touch
    cdef object _keep

    cdef int open_kernel(
        self, int rules, const uint8_t[::1] kinds, const uint8_t *pages, const uint16_t *page_numbers,
        const uint8_t *joined) except -1
    cdef bint open_shuffles(
        self, const Bimachine *machine, const uint8_t *pages, const uint16_t *page_numbers, const uint8_t *joined
    ) except -1
    cdef void begin(self, Sink sink, Py_ssize_t at, Py_ssize_t stop) noexcept nogil
    cdef void go_on(self, Sink sink, Py_ssize_t at, Py_ssize_t end, uint32_t left) noexcept nogil
    cdef Py_ssize_t find(
        self, Sink sink, const uint8_t *text, Py_ssize_t at, Py_ssize_t stop, bint final) noexcept nogil
    cdef void find_all(self, Sink sink, const uint8_t *text, Py_ssize_t length) noexcept nogil
    cdef Py_ssize_t find_in_copy(
        self, Sink sink, const uint8_t *text, Py_ssize_t at, Py_ssize_t length, bint final) noexcept nogil
    cdef int starts_of(self, const uint8_t *text, int length, uint32_t *starts) noexcept nogil
    cdef void find_short(self, Sink sink, const uint8_t *text, Py_ssize_t length) noexcept nogil
    cdef Py_ssize_t first_part(self, const uint8_t *text, Py_ssize_t at, Py_ssize_t stop, bint final) noexcept nogil
    cdef Py_ssize_t piece(self, Sink sink, Py_ssize_t at, Py_ssize_t stop, bint final) noexcept nogil
    cdef void add_cut(self, Sink sink, Py_ssize_t start, Py_ssize_t end) noexcept nogil


cdef void open_pages(KernelTables *kernel) noexcept nogil
