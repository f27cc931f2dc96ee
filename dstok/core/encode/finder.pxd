# Text to pieces, without the GIL.
cimport cython
from libc.stdint cimport uint8_t, uint16_t, uint32_t, uint64_t

from dstok.core.encode.memory cimport Workspace
from dstok.core.encode.sinks cimport Sink
from dstok.core.cpu.level cimport GridOnlyFunction, GridRunFunction, Implementation, KernelTables, Skip
from dstok.core.split.automaton cimport Scanner

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
        WINDOW_AFTER
        WINDOW_DROPPED
        WINDOW_EDGE
        WINDOW_GROUPS
        WINDOW_HISTORIES
        WINDOW_UNKNOWN
        WINDOW_WILD
        WINDOW_YES
    ctypedef struct WindowBits:
        uint64_t yes, unknown, dropped
    void window_block(const WindowTables *t, const uint8_t *p, uint32_t *history, WindowBits *bits) noexcept nogil
    void window_after(const WindowTables *t, const uint8_t *p, int place, WindowBits *bits) noexcept nogil


cdef class Finder:
    cdef void find_all(self, Sink sink, Workspace w, const uint8_t *text, Py_ssize_t length) noexcept nogil


cdef class LeftFinder(Finder):
    cdef const Implementation *level
    cdef const uint8_t *joined
    cdef KernelTables kernel
    cdef uint8_t *flags      # kernel.flags
    cdef GridRunFunction run_grid  # NULL: this model has no rules, or the level no mask kernel
    cdef GridOnlyFunction only_grid  # the same rules
    cdef bint apart          # some text is dropped, so pieces need not touch
    cdef object _keep

    cdef int open_flags(self) except -1
    cdef void open_pages(self) noexcept nogil
    cdef uint8_t cut_flags(self, uint32_t c) noexcept nogil
    cdef void hand_over(self, Sink sink, Workspace w, const uint8_t *text) noexcept nogil
    cdef void add(
        self, Sink sink, Workspace w, const uint8_t *text, Py_ssize_t start, Py_ssize_t end) noexcept nogil
    cdef Py_ssize_t find(
        self, Sink sink, Workspace w, const uint8_t *text, Py_ssize_t at, Py_ssize_t stop, bint final
    ) noexcept nogil
    cdef Py_ssize_t find_in_copy(
        self, Sink sink, Workspace w, const uint8_t *text, Py_ssize_t at, Py_ssize_t length, bint final
    ) noexcept nogil
    cdef int starts_of(self, const uint8_t *text, int length, uint32_t *starts) noexcept nogil
    cdef void find_short(self, Sink sink, Workspace w, const uint8_t *text, Py_ssize_t length) noexcept nogil
    cdef Py_ssize_t grid(
        self, Sink sink, Workspace w, const uint8_t *text, Py_ssize_t stop, bint final) noexcept nogil
    cdef Py_ssize_t by_rules(
        self, Sink sink, Workspace w, const uint8_t *text, Py_ssize_t at, Py_ssize_t stop, bint final
    ) noexcept nogil
    cdef Py_ssize_t by_pieces(
        self, Sink sink, Workspace w, const uint8_t *text, Py_ssize_t at, Py_ssize_t stop, bint final
    ) noexcept nogil
    cdef Py_ssize_t piece(
        self, Sink sink, Workspace w, const uint8_t *text, Py_ssize_t at, Py_ssize_t stop, bint final
    ) noexcept nogil


@cython.final
cdef class PieceFinder(LeftFinder):
    cdef Scanner scanner
    cdef const uint8_t *borders  # characters to cut neither after nor before: bits; NULL: none
    cdef WindowTables windows    # groups NULL: none
    cdef int rules
    cdef bytes own_kinds
    cdef object own_windows

    cdef int open_windows(self, tables) except -1
    cdef void add_cut(
        self, Sink sink, Workspace w, const uint8_t *text, Py_ssize_t start, Py_ssize_t end) noexcept nogil
    cdef Py_ssize_t add_sure(
        self, Workspace w, Py_ssize_t at, Py_ssize_t base, uint64_t ends, uint64_t dropped) noexcept nogil
    cdef Py_ssize_t by_windows(
        self, Sink sink, Workspace w, const uint8_t *text, Py_ssize_t at, Py_ssize_t stop, bint final
    ) noexcept nogil


@cython.final
cdef class CharacterFinder(LeftFinder):
    cdef const uint8_t[::1] matrix
    cdef bint split

    cdef Py_ssize_t first_part(
        self, const uint8_t *text, Py_ssize_t at, Py_ssize_t stop, bint final) noexcept nogil


cdef struct SidesTables:
    const uint8_t *pages          # as in the tables of the scanner
    const uint16_t *page_numbers
    const uint16_t *forward       # next state by state and class, from the left
    const uint16_t *backward      # next state by state and class, from the right
    const uint32_t *marks         # by state and state from the right: (tag + 1) << 16 | state after the mark; 0: none
    const uint8_t *dropped        # by tag
    Py_ssize_t classes
    Py_ssize_t sides              # number of states from the right


@cython.final
cdef class TwoSided(Finder):
    cdef SidesTables tables
    cdef Py_ssize_t states
    cdef const Implementation *level
    cdef uint8_t settles[256]     # whether a byte settles; those of characters beyond ASCII do not
    cdef Skip skip                # the same bytes
    cdef uint32_t settled         # the state after them
    cdef uint32_t settled_side    # the state from the right before them
    cdef object _keep

    cdef int find_settling(self) except -1
    cdef bint copy_rest(
        self, Sink sink, Workspace w, const uint8_t **text, Py_ssize_t *length, Py_ssize_t start) noexcept nogil
    cdef void read_on(
        self, Sink sink, Workspace w, const uint8_t *text, Py_ssize_t at, Py_ssize_t end, Py_ssize_t *start,
        uint32_t *state) noexcept nogil
