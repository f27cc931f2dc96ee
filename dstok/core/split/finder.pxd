# Text to pieces, without the GIL: a finder fills chunks, a sink takes them.
cimport cython
from libc.stdint cimport uint8_t, uint16_t, uint32_t, uint64_t

from dstok.core.cpu.level cimport (
    CHUNK_ROOM, GridOnlyFunction, GridRunFunction, Implementation, KernelTables,
)
from dstok.core.split.automaton cimport Memo, Scanner

cdef extern from "split/kernel.h":
    enum:
        RULES_COUNT, RULES_NONE, RULES_V3, RULES_ONES, RULES_THREES, RULES_CASED, RULES_GPT2, RULES_CL100K, RULES_LLM
        RULES_CODER, RULES_TEKKEN, RULES_MATRIX
        F_LETTER, F_PUNCT, F_CJK, F_BLANK, F_NUMBER, F_RARE, F_CAPITAL, F_CASELESS, F_COMBINING
        F_CUTTABLE, F_CUT_BEFORE, F_MIXED
    bint cuttable "kernel_cuttable"(uint32_t c) noexcept nogil
    bint may_cut "kernel_may_cut"(const uint8_t *joined, uint32_t left, uint32_t right) noexcept nogil
    bint rules_of_words(int rules) noexcept nogil
    void kernel_open(KernelTables *t, int rules, const uint8_t *kinds, size_t classes) noexcept nogil

cdef extern from "split/matrix.h":
    enum:
        MATRIX_CLASSES, MATRIX_JOINER, MATRIX_NONE, MATRIX_NUMBERS, MATRIX_OTHER, MATRIX_PAGES
        MATRIX_SPACE, MATRIX_WIDE
    uint8_t matrix_ascii(int b) noexcept nogil
    bint matrix_apart(const KernelTables *t, uint32_t left, uint32_t right) noexcept nogil
    void matrix_open(KernelTables *t, const uint8_t *table) noexcept nogil

cdef extern from "split/windows.h":
    ctypedef struct WindowTables:
        const uint8_t *groups
        const uint8_t *histories
        const uint8_t *verdicts
    enum:
        WINDOW_AFTER, WINDOW_DROPPED, WINDOW_EDGE, WINDOW_GROUPS, WINDOW_HISTORIES, WINDOW_UNKNOWN, WINDOW_WILD
        WINDOW_YES
    ctypedef struct WindowBits:
        uint64_t yes, unknown, dropped
    void window_block(const WindowTables *t, const uint8_t *p, uint32_t *history, WindowBits *bits) noexcept nogil
    void window_after(const WindowTables *t, const uint8_t *p, int place, WindowBits *bits) noexcept nogil


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
    cdef uint8_t *buffer     # text that is copied, so that there is room after it, or transcoded
    cdef Py_ssize_t buffer_room
    cdef Fault fault

    cdef void take(self) noexcept nogil
    cdef void take_apart(self) noexcept nogil
    cdef void take_giant(self, Py_ssize_t start, Py_ssize_t end) noexcept nogil
    cdef bint reserve(
        self, void *place, Py_ssize_t *room, Py_ssize_t used, Py_ssize_t wanted, size_t entry) noexcept nogil
    cdef bint reserve_buffer(self, Py_ssize_t size, Py_ssize_t used) noexcept nogil
    cdef void trim(self) noexcept


cdef class Finder:
    cdef void find_all(self, Sink sink, const uint8_t *text, Py_ssize_t length) noexcept nogil


cdef class LeftFinder(Finder):
    cdef const Implementation *level
    cdef Scanner scanner     # None: pairs of characters decide
    cdef const uint8_t *joined
    cdef const uint8_t *borders  # characters to cut neither after nor before: bits; NULL: none
    cdef KernelTables kernel
    cdef uint8_t *flags      # kernel.flags
    cdef GridRunFunction run_grid  # NULL: this model has no rules, or the level no mask kernel
    cdef GridOnlyFunction only_grid  # the same rules
    cdef WindowTables windows    # groups NULL: none
    cdef bint apart          # some text is dropped, so pieces need not touch
    cdef object _keep

    cdef Py_ssize_t find(
        self, Sink sink, const uint8_t *text, Py_ssize_t at, Py_ssize_t stop, bint final) noexcept nogil
    cdef Py_ssize_t find_in_copy(
        self, Sink sink, const uint8_t *text, Py_ssize_t at, Py_ssize_t length, bint final) noexcept nogil
    cdef int starts_of(self, const uint8_t *text, int length, uint32_t *starts) noexcept nogil
    cdef void find_short(self, Sink sink, const uint8_t *text, Py_ssize_t length) noexcept nogil
    cdef Py_ssize_t piece(self, Sink sink, Py_ssize_t at, Py_ssize_t stop, bint final) noexcept nogil


@cython.final
cdef class CharacterFinder(LeftFinder):
    cdef const uint8_t[::1] matrix
    cdef bint split

    cdef Py_ssize_t first_part(self, const uint8_t *text, Py_ssize_t at, Py_ssize_t stop, bint final) noexcept nogil
