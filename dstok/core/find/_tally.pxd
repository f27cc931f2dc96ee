# The frequency of each piece.
cimport cython
from libc.stdint cimport int64_t, uint8_t, uint64_t

from dstok.core.find._finder cimport Finder
from dstok.core.find._sink cimport Sink
from dstok.core.find._workspace cimport Workspace

cdef struct Entry:
    uint64_t hash
    int64_t count            # 0: a free place
    Py_ssize_t start         # start of the bytes of the piece, in the text of all pieces
    Py_ssize_t length


@cython.final
cdef class Tally(Sink):
    cdef Finder finder
    cdef Workspace own
    cdef Entry *entries
    cdef uint8_t *text
    cdef Py_ssize_t places   # a power of two
    cdef Py_ssize_t used
    cdef Py_ssize_t text_size
    cdef Py_ssize_t text_room
    cdef Py_ssize_t memory   # bytes that the table may take
    cdef bint full
    cdef uint64_t seed
    cdef Py_ssize_t steps

    cdef void note(self, const uint8_t *piece, Py_ssize_t length) noexcept nogil
    cdef bint grow(self) noexcept nogil
    cdef bint keep_text(self, Entry *entry, const uint8_t *piece, Py_ssize_t length) noexcept nogil
