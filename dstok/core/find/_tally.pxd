# The frequency of each piece.
cimport cython
from libc.stdint cimport int64_t, uint8_t, uint64_t

from dstok.core.find._finder cimport Finder
from dstok.core.merge._pieces cimport CHUNK_ROOM
from dstok.core.find._sink cimport Sink
from dstok.core.find._workspace cimport Workspace

cdef enum:
    WORD = 8                 # bytes of a piece that an entry holds itself

cdef struct Counted:
    # A piece, to be sorted.
    int64_t count
    uint64_t first           # its first bytes, the first one highest
    const uint8_t *piece
    Py_ssize_t length

cdef struct Entry:
    uint64_t hash
    int64_t count            # 0: a free place
    uint64_t word            # the bytes of a piece of up to `WORD`; else where they start, in the text of all pieces
    Py_ssize_t length


@cython.final
cdef class Tally(Sink):
    cdef Finder finder
    cdef Workspace own
    cdef Entry *entries
    cdef uint64_t words[CHUNK_ROOM]  # of the pieces of a chunk
    cdef uint8_t *text
    cdef Py_ssize_t places   # a power of two
    cdef Py_ssize_t used
    cdef Py_ssize_t text_size
    cdef Py_ssize_t text_room
    cdef Py_ssize_t memory   # bytes that the table may take
    cdef bint full
    cdef uint64_t seed
    cdef Py_ssize_t steps

    cdef void note(self, uint64_t hash, uint64_t word, const uint8_t *piece, Py_ssize_t length) noexcept nogil
    cdef uint64_t hash_of(self, const uint8_t *piece, Py_ssize_t length, uint64_t word) noexcept nogil
    cdef bint grow(self) noexcept nogil
    cdef Counted bytes_of(self, const Entry *entry) noexcept nogil
    cdef bint keep_text(self, Entry *entry, uint64_t word, const uint8_t *piece, Py_ssize_t length) noexcept nogil
