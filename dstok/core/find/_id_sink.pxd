# A chunk of pieces, from bytes to ids.
cimport cython
from libc.stdint cimport int64_t, uint8_t, uint32_t, uint64_t

from dstok.core.merge._bpe cimport BPE
from dstok.core.simd._level cimport Implementation
from dstok.core.find._sink cimport Sink
from dstok.core.find._workspace cimport Workspace


cdef class IdSink(Sink):
    cdef BPE bpe
    cdef const Implementation *level
    cdef bint in_strips           # the level merges several pieces at once, and no piece has lost bytes

    cdef void finish(self, Workspace w) noexcept nogil
    cdef bint find_values(self, Workspace w, const uint8_t *chunk) noexcept nogil
    cdef int look_again(self, Workspace w, const uint8_t *chunk, int misses) noexcept nogil
    cdef bint merge_missed(self, Workspace w, const uint8_t *chunk, int misses) noexcept nogil
    cdef bint keep_whole(self, Workspace w, const uint8_t *chunk, uint32_t index) noexcept nogil
    cdef bint merge_batch(self, Workspace w, const uint8_t *chunk, const uint32_t *batch, int size) noexcept nogil
    cdef void keep(
        self, Workspace w, const uint8_t *chunk, uint32_t index, const uint32_t *ids, Py_ssize_t found) noexcept nogil
    cdef bint miss(self, Workspace w, const uint8_t *chunk, uint32_t index) noexcept nogil
    cdef void emit(self, Workspace w) noexcept nogil
    cdef Py_ssize_t tally(self, Workspace w) noexcept nogil
    cdef const uint32_t *located(self, Workspace w, uint64_t value, uint32_t *count) noexcept nogil


@cython.final
cdef class IdSpanSink(IdSink):
    cdef uint32_t *characters     # of each token: twice the number that begin in it, and 1 if it begins inside one

    cdef void write(
        self, Workspace w, const uint8_t *text, Py_ssize_t start, Py_ssize_t end, Py_ssize_t first) noexcept nogil
    cdef void write_pieces(self, Workspace w, const uint8_t *text, Py_ssize_t first) noexcept nogil
    cdef void write_known(
        self, Workspace w, const uint8_t *text, Py_ssize_t start, Py_ssize_t end, Py_ssize_t first) noexcept nogil
    cdef int64_t write_spans(
        self, const uint32_t *ids, Py_ssize_t count, int64_t place, int64_t characters, int64_t *spans,
        int64_t *char_spans) noexcept nogil
    cdef int64_t write_ends(
        self, const uint32_t *ids, Py_ssize_t count, int64_t characters, int64_t *ends) noexcept nogil
