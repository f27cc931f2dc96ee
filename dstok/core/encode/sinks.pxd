# The sinks of the pieces of a text.
cimport cython
from libc.stdint cimport int64_t, uint8_t, uint32_t, uint64_t

from dstok.core.encode.memory cimport Workspace
from dstok.core.bpe.merge cimport BPE, CHUNK
from dstok.core.cpu.level cimport Implementation

cdef enum:
    FAR = 1 << 30            # bytes that a chunk may span: its offsets have 32 bits


cdef class Sink:
    cdef void take(self, Workspace w, const uint8_t *text) noexcept nogil
    cdef void take_apart(self, Workspace w, const uint8_t *text) noexcept nogil
    cdef void take_giant(self, Workspace w, const uint8_t *text, Py_ssize_t start, Py_ssize_t end) noexcept nogil
    cdef bint take_added(
        self, Workspace w, const uint8_t *text, uint32_t id, Py_ssize_t start, Py_ssize_t end) noexcept nogil
    cdef void begin_lead(self, Workspace w, const uint8_t *text, Py_ssize_t at) noexcept nogil
    cdef void end_lead(self, Workspace w, Py_ssize_t first, Py_ssize_t width) noexcept nogil


@cython.final
cdef class SpanSink(Sink):
    cdef void write(self, Workspace w, const uint32_t *ends) noexcept nogil


@cython.final
cdef class CountSink(Sink):
    pass


@cython.final
cdef class NoteSink(Sink):
    pass


cdef inline void add_piece(
    Sink sink, Workspace w, const uint8_t *text, Py_ssize_t start, Py_ssize_t end
) noexcept nogil:
    # Adds a piece to the chunk. The pieces of a chunk lie end to end, and as far apart as its offsets reach, at most.
    if start != w.origin + w.starts[w.pieces] or end - w.origin > FAR:
        if w.pieces:
            sink.take(w, text)
        w.begin_chunk(start)
        if end - start > FAR:
            sink.take_giant(w, text, start, end)
            w.begin_chunk(end)
            return
    w.pieces += 1
    w.starts[w.pieces] = <uint32_t>(end - w.origin)
    if w.pieces >= CHUNK:
        sink.take(w, text)


cdef inline void add_apart(
    Sink sink, Workspace w, const uint8_t *text, Py_ssize_t start, Py_ssize_t end
) noexcept nogil:
    # As `add_piece`, to a chunk of pieces with text between them.
    if end - w.origin > FAR:
        if w.pieces:
            sink.take_apart(w, text)
        w.begin_chunk(start)
        if end - start > FAR:
            sink.take_giant(w, text, start, end)
            w.begin_chunk(end)
            return
    w.starts[w.pieces] = <uint32_t>(start - w.origin)
    w.ends[w.pieces] = <uint32_t>(end - w.origin)
    w.pieces += 1
    if w.pieces >= CHUNK:
        sink.take_apart(w, text)


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
