# Counted pieces, sorted, and blocks of them: find/_counted.h.
from libc.stdint cimport int64_t, uint8_t, uint64_t

cdef extern from "find/_counted.h":
    ctypedef struct Entry:
        uint64_t number
    ctypedef struct Pieces:
        const uint8_t *text
        const int64_t *ends
        const int64_t *counts
        int64_t size
    ctypedef struct Block:
        uint8_t *data
        int64_t size
        int64_t distinct
        int64_t length
        int64_t longest
        uint64_t occurrences
    ctypedef struct Cursor:
        const uint8_t *at
        const uint8_t *end
        uint8_t *piece
        int64_t length
        int64_t room
        int64_t count
    enum:
        CURSOR_END
        CURSOR_FINE
        CURSOR_BROKEN
        CURSOR_NO_MEMORY
    void sort_counted(const Pieces *pieces, Entry *entries, int64_t size, int by_count) noexcept nogil
    int block_add(Block *block, int64_t wanted, const uint8_t *last, int64_t last_length, const uint8_t *piece,
                  int64_t length, int64_t count) noexcept nogil
    int cursor_next(Cursor *cursor, int by_count) noexcept nogil
    bint cursor_before(const Cursor *one, const Cursor *other, int by_count) noexcept nogil
    int piece_order(const uint8_t *one, int64_t length, const uint8_t *other, int64_t other_length) noexcept nogil
