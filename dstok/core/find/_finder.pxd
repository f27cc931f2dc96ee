# Text to pieces, without the GIL.
cimport cython
from libc.stdint cimport uint8_t, uint16_t, uint32_t, uint64_t

from dstok.core.split._scan cimport Scanner
from dstok.core.find._sink cimport Sink
from dstok.core.find._workspace cimport Workspace

cdef extern from "simd/_simd.h":
    bint DSTOK_EMULATED

cdef extern from "split/_kernel.h":
    enum:
        GRID_RANGES
        RULES_CASED
        F_CUTTABLE
        F_CUT_BEFORE
        F_MIXED
    ctypedef struct KernelTables:
        const uint8_t *pages
        const uint16_t *page_numbers
        const uint8_t *joined
        const uint8_t *flags
        uint8_t page_flags[256]
        uint8_t lead_flags[32]
        uint8_t range_first[GRID_RANGES]
        uint8_t range_size[GRID_RANGES]
        uint8_t range_flags[GRID_RANGES]
        uint8_t kinds[256]
        int rules
    bint rules_of_words(int rules) noexcept nogil
    void kernel_open(KernelTables *t, int rules, const uint8_t *kinds, size_t classes) noexcept nogil

cdef extern from "split/_windows.h":
    ctypedef struct WindowTables:
        const uint8_t *groups
        const uint8_t *histories
        const uint8_t *verdicts
    enum:
        WINDOW_EDGE
    void window_block(
        const WindowTables *t, const uint8_t *p, uint32_t *history, uint64_t *yes, uint64_t *unknown) noexcept nogil


cdef class Finder:
    cdef void find_all(self, Sink sink, Workspace w, const uint8_t *text, Py_ssize_t length) noexcept nogil


@cython.final
cdef class PieceFinder(Finder):
    cdef int level               # see simd/_level.pyx
    cdef Scanner scanner
    cdef const uint8_t *joined
    cdef const uint8_t *borders  # characters to cut neither after nor before: bits; NULL: none
    cdef WindowTables windows    # groups NULL: none
    cdef KernelTables kernel
    cdef uint8_t *flags      # kernel.flags
    cdef void *run_grid      # a GridRunFunction; NULL: this automaton has no rules
    cdef void *only_grid     # a GridOnlyFunction, the same rules
    cdef int rules
    cdef bytes own_kinds
    cdef object own_windows
    cdef object _keep

    cdef int open_kernel(self, int rules, bytes kinds) except -1
    cdef int open_flags(self) except -1
    cdef void open_pages(self) noexcept nogil
    cdef uint8_t cut_flags(self, uint32_t c) noexcept nogil
    cdef int open_windows(self, tables) except -1
    cdef Py_ssize_t find(
        self, Sink sink, Workspace w, const uint8_t *text, Py_ssize_t at, Py_ssize_t stop, bint final
    ) noexcept nogil
    cdef Py_ssize_t find_in_copy(
        self, Sink sink, Workspace w, const uint8_t *text, Py_ssize_t at, Py_ssize_t length, bint final
    ) noexcept nogil
    cdef int starts_of(self, const uint8_t *text, int length, uint32_t *starts) noexcept nogil
    cdef void find_short(self, Sink sink, Workspace w, const uint8_t *text, Py_ssize_t length) noexcept nogil
    cdef void add_cut(
        self, Sink sink, Workspace w, const uint8_t *text, Py_ssize_t start, Py_ssize_t end) noexcept nogil
    cdef Py_ssize_t grid(
        self, Sink sink, Workspace w, const uint8_t *text, Py_ssize_t stop, bint final) noexcept nogil
    cdef Py_ssize_t by_rules(
        self, Sink sink, Workspace w, const uint8_t *text, Py_ssize_t at, Py_ssize_t stop, bint final
    ) noexcept nogil
    cdef Py_ssize_t by_windows(
        self, Sink sink, Workspace w, const uint8_t *text, Py_ssize_t at, Py_ssize_t stop, bint final
    ) noexcept nogil
    cdef Py_ssize_t piece(
        self, Sink sink, Workspace w, const uint8_t *text, Py_ssize_t at, Py_ssize_t stop, bint final
    ) noexcept nogil
