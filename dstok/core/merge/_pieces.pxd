# The piece table: piece bytes -> ids, bounded; and the safe cuts inside pieces.
cimport cython
from libc.stdint cimport uint8_t, uint32_t, uint64_t

from dstok.core.simd._level cimport PieceTable

cdef enum:
    BORDERS = 1 << 14  # bytes of two bitmaps of the 65,536 characters of the BMP
    LONG = 62        # bytes of a key in table c, at most
    LONGEST = 252    # bytes of a key in table d, at most
    MOST_IDS = 64    # ids of an entry in table d, at most
    PAD = 72         # bytes after a text that may be read; they are not used

cdef extern from "split/_kernel.h":
    bint cuttable "kernel_cuttable"(uint32_t c) noexcept nogil

cdef extern from "merge/_piece_table.h":
    enum:
        WORD         # bytes of a key in table a, at most
        MIDDLE       # bytes of a key in table b, at most
        CHUNK        # pieces in work at once
        CHUNK_ROOM
        RING
        RING_STEP
        VALUE_ID_BITS
    const uint32_t *piece_ring(const PieceTable *t, uint64_t value, uint32_t *count) noexcept nogil
    bint piece_in_ring(uint64_t value) noexcept nogil
    uint32_t *piece_from_ring(const PieceTable *t, uint64_t value, uint32_t *out) noexcept nogil
    const uint64_t *piece_second(const PieceTable *t, const uint8_t *text, uint32_t length) noexcept nogil
    uint64_t piece_value(
        const PieceTable *t, const uint64_t *line, const uint8_t *text, uint32_t length) noexcept nogil
    uint64_t *piece_line_a(const PieceTable *t, uint64_t key) noexcept nogil
    uint64_t *piece_second_a(const PieceTable *t, uint64_t key) noexcept nogil
    uint64_t *piece_line_b(const PieceTable *t, const uint64_t *key) noexcept nogil
    uint64_t *piece_second_b(const PieceTable *t, const uint64_t *key) noexcept nogil


@cython.final
cdef class PieceMemory:
    cdef PieceTable table
    cdef void *memory
    cdef Py_ssize_t size


cdef Py_ssize_t look_up_long(
    const PieceTable *t, const uint8_t *text, Py_ssize_t length, uint32_t *out
) noexcept nogil
cdef uint64_t insert(
    PieceTable *t, const uint8_t *text, Py_ssize_t length, const uint32_t *ids, Py_ssize_t count
) noexcept nogil
cdef bint may_cut(const uint8_t *joined, uint32_t left, uint32_t right) noexcept nogil
