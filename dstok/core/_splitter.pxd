# Text to pieces, without the GIL.
from libc.stdint cimport uint8_t, uint16_t, uint32_t, uint64_t

from dstok.core._chunk cimport Chunks
from dstok.core._scan cimport Scanner
from dstok.core._workspace cimport Workspace

cdef extern from "_simd.h":
    bint DSTOK_EMULATED

cdef extern from "_kernel.h":
    ctypedef struct KernelTables:
        const uint8_t *pages
        const uint16_t *page_numbers
        const uint8_t *joined
        const uint8_t *flags
        uint8_t ascii[128]
        uint8_t page_flags[256]
        uint8_t kinds[256]
        int rules
    ctypedef struct Block:
        uint64_t starts
        int sure
        bint whole
    enum:
        LEVEL_NONE
        LEVEL_PORTABLE
        LEVEL_AVX2
        LEVEL_AVX512
        RULES_V3
        CLASSES
        F_CUTTABLE
        F_CUT_BEFORE
        F_MIXED
    uint8_t kernel_flags(uint32_t character_class) noexcept nogil
    int kernel_best_level() noexcept nogil
    bint kernel_plain_ascii(const uint8_t *ascii) noexcept nogil
    Block kernel_block(int level, const KernelTables *t, const uint8_t *p, int size, bint final) noexcept nogil

cdef extern from "_windows.h":
    ctypedef struct WindowTables:
        const uint8_t *groups
        const uint8_t *histories
        const uint8_t *verdicts
    enum:
        WINDOW_EDGE
    void window_block(
        const WindowTables *t, const uint8_t *p, uint32_t *history, uint64_t *yes, uint64_t *unknown) noexcept nogil

cdef extern from "_words.h":
    bint words_open(KernelTables *t, int rules, const uint8_t *classes) noexcept nogil

cdef extern from "_grid.h":
    enum:
        GRID_LOOK
    ctypedef struct GridState:
        pass
    bint grid_run(
        const KernelTables *t, GridState *state, const uint8_t *p, uint32_t *at, uint32_t stop, bint final,
        uint32_t *starts, int *pieces, int full) noexcept nogil


cdef class Splitter(Chunks):
    cdef Scanner scanner
    cdef const uint8_t *joined
    cdef const uint8_t *borders  # characters not to cut behind, or before: bits; NULL: none
    cdef WindowTables windows    # groups NULL: none
    cdef KernelTables kernel
    cdef uint8_t *flags      # kernel.flags
    cdef int level           # of the mask kernels
    cdef object _keep

    cdef int open_kernel(self, int level, int rules) except -1
    cdef int open_flags(self) except -1
    cdef uint8_t cut_flags(self, uint32_t c) noexcept nogil
    cdef int open_windows(self, tables) except -1
    cdef void begin_chunk(self, Workspace w, Py_ssize_t at) noexcept nogil
    cdef void add_giant(self, Workspace w, const uint8_t *text, Py_ssize_t start, Py_ssize_t end) noexcept nogil
    cdef Py_ssize_t grid(self, Workspace w, const uint8_t *text, Py_ssize_t stop, bint final) noexcept nogil
    cdef void add(self, Workspace w, const uint8_t *text, Py_ssize_t start, Py_ssize_t end) noexcept nogil
    cdef void add_cut(self, Workspace w, const uint8_t *text, Py_ssize_t start, Py_ssize_t end) noexcept nogil
    cdef Py_ssize_t blocks(
        self, Workspace w, const uint8_t *text, Py_ssize_t at, Py_ssize_t stop, bint final
    ) noexcept nogil
    cdef Py_ssize_t words(
        self, Workspace w, const uint8_t *text, Py_ssize_t at, Py_ssize_t stop, bint final
    ) noexcept nogil
    cdef Py_ssize_t by_windows(
        self, Workspace w, const uint8_t *text, Py_ssize_t at, Py_ssize_t stop, bint final
    ) noexcept nogil
    cdef Py_ssize_t pieces(
        self, Workspace w, const uint8_t *text, Py_ssize_t at, Py_ssize_t stop, bint final
    ) noexcept nogil
    cdef Py_ssize_t piece(
        self, Workspace w, const uint8_t *text, Py_ssize_t at, Py_ssize_t stop, bint final
    ) noexcept nogil
