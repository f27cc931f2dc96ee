# Counted pieces, sorted, and blocks of them: counts/sorted_words.h.
cimport cython
from libc.stdint cimport int64_t, uint8_t, uint32_t, uint64_t

from dstok.core.cpu.level cimport CHUNK_ROOM, Implementation, PieceTable
from dstok.core.split.finder cimport Finder, Sink

cdef extern from "counts/sorted_words.h":
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


@cython.final
cdef class Tally(Sink):
    cdef Finder finder
    cdef const Implementation *level
    cdef PieceTable near             # the numbers of pieces, for the probe
    cdef void *lines                 # its memory
    cdef uint64_t *places            # the upper half of a hash, and a number plus one; 0: a free place
    cdef int places_log2
    cdef int64_t *counts             # by number
    cdef int64_t *ends               # piece i is `text[ends[i]:ends[i + 1]]`
    cdef uint8_t *text
    cdef Py_ssize_t used             # numbers given
    cdef Py_ssize_t room             # of `counts`
    cdef Py_ssize_t text_room
    cdef Py_ssize_t memory           # bytes that the table may take
    cdef bint full
    cdef object spill                # gets the tally when it is full
    cdef object error                # an exception of `spill`
    cdef Block out                   # the blocks that `block` gives
    cdef Py_ssize_t given            # sorted pieces that are in blocks
    cdef uint64_t seed
    cdef Py_ssize_t steps
    cdef uint64_t values[CHUNK_ROOM]  # of the pieces of a chunk, and those that are missed: as in `IdSink`
    cdef uint32_t missed[CHUNK_ROOM]
    cdef uint32_t numbers[CHUNK_ROOM + 8]  # of the pieces of a chunk
    cdef uint32_t found[CHUNK_ROOM]        # of the missed ones

    cdef bint find_missed(self, const uint8_t *chunk, int misses) noexcept nogil
    cdef bint make_room(self) noexcept nogil
    cdef bint release(self) noexcept nogil
    cdef bint add_count(self, const uint8_t *piece, Py_ssize_t length, int64_t count) noexcept nogil
    cdef int check(self, int status) except -1
    cdef Py_ssize_t number_of(self, uint64_t hash, const uint8_t *piece, Py_ssize_t length) noexcept nogil
    cdef Py_ssize_t keep(self, Py_ssize_t place, uint64_t hash, const uint8_t *piece, Py_ssize_t length) noexcept nogil
    cdef Py_ssize_t bytes_left(self) noexcept nogil
    cdef Py_ssize_t large(self, Py_ssize_t size) noexcept nogil
    cdef void *grown(self, void *memory, Py_ssize_t used, Py_ssize_t size) noexcept nogil
    cdef bint more_text(self, Py_ssize_t length) noexcept nogil
    cdef bint more_numbers(self) noexcept nogil
    cdef bint more_places(self) noexcept nogil
