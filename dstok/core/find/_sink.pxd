# The sinks of the pieces of a text.
cimport cython
from libc.stdint cimport uint8_t, uint32_t

from dstok.core.merge._pieces cimport CHUNK
from dstok.core.find._workspace cimport Workspace

cdef enum:
    FAR = 1 << 30            # bytes that a chunk may span: its offsets have 32 bits
    SPAN = 4                 # words of an `int64_t[2]` in a workspace's buffer


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
