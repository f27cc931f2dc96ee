# What one encoding run writes to: ids, marks, scratch memory, and its own piece table.
cimport cython
from libc.stdint cimport uint8_t, uint32_t

from dstok.core._bpe cimport Scratch
from dstok.core._pieces cimport PieceTable, Probe

cdef enum:
    CHUNK = 256      # pieces that are located (hashed, prefetched) before they are looked up

cdef enum Status:
    FINE = 0
    OUT_OF_MEMORY = 1
    SPECIAL_FOUND = 2
    INVALID_TEXT = 3

cdef struct Mark:
    # An added token: its place among the ids, and its span in bytes.
    Py_ssize_t index
    Py_ssize_t start
    Py_ssize_t end


@cython.final
cdef class Workspace:
    cdef PieceTable table
    cdef Scratch scratch
    cdef Scratch junction
    cdef Py_ssize_t starts[CHUNK]
    cdef Py_ssize_t ends[CHUNK]
    cdef Probe probes[CHUNK]
    cdef Py_ssize_t readable          # how many bytes of the buffer in work may be read
    cdef Py_ssize_t pieces            # how many of `starts`, `ends` are filled
    cdef uint32_t *out
    cdef Py_ssize_t count             # ids in `out`
    cdef Py_ssize_t capacity
    cdef Py_ssize_t total             # ids so far, those already dropped when counting included
    cdef bint counting                # ids are counted, not kept
    cdef Mark *marks
    cdef Py_ssize_t marked
    cdef Py_ssize_t mark_capacity
    cdef bint marking                 # added tokens leave marks
    cdef bint tracing                 # pieces leave marks
    cdef uint8_t *buffer              # transcoded text
    cdef Py_ssize_t buffer_size
    cdef Py_ssize_t base              # offset in the text of byte 0 of the buffer in work
    cdef bint fresh                   # no text of the present stretch has been taken yet
    cdef Py_ssize_t skip[2]           # bytes ahead where no added token (raw, normalized) may begin: one was rejected
    cdef Status status
    cdef Py_ssize_t where             # of the fault, in bytes (INVALID_TEXT in a str: code points)
    cdef int token                    # SPECIAL_FOUND: which
    cdef bint normalized              # SPECIAL_FOUND: of which matcher
    cdef object _keep

    cdef void begin(self, bint counting, bint marking) noexcept nogil
    cdef bint reserve(self, Py_ssize_t more) noexcept nogil
    cdef bint reserve_buffer(self, Py_ssize_t size) noexcept nogil
    cdef bint mark(self, Py_ssize_t start, Py_ssize_t end) noexcept nogil
    cdef void trim(self) noexcept
