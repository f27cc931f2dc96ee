"""Sinks: a finder hands them the pieces of a text, and each kind makes something else of these.

In: a chunk, some hundred pieces of a text. Their starts stand in the workspace. They lie end to end; but where a finder
drops some text, they lie apart, and their ends stand there, too.
Out: in the workspace, by kind: spans (`SpanSink`), their number (`CountSink`), notes (`NoteSink`). _id_sink.pyx makes
ids, _tally.pyx frequencies.
Invariant: a sink takes all pieces of the chunk, and leaves the workspace ready for the next one. If it cannot, the
status says why, and the chunk is empty.

Example: "Hi  all" has the pieces "Hi", " " and " all", so `starts` is 0, 2, 3, 7, and `SpanSink` writes (0, 2), (2, 3),
(3, 7). A sink is called once for each chunk, so the indirect call costs nothing.
"""

cimport cython
from libc.stdint cimport int64_t, uint8_t, uint32_t
from libc.string cimport memcpy

from dstok.core.find._workspace cimport FINE
from dstok.core.merge._pieces cimport CHUNK_ROOM


cdef class Sink:
    """The base of all sinks: takes pieces and makes nothing of them."""

    cdef void take(self, Workspace w, const uint8_t *text) noexcept nogil:
        """Takes the pieces of the chunk, and begins the next one where they end."""
        w.next_chunk()

    cdef void take_apart(self, Workspace w, const uint8_t *text) noexcept nogil:
        """Does what `take` does, for pieces that lie apart. By default `take` gets those that touch."""
        cdef uint32_t spans[2][CHUNK_ROOM]
        cdef int i, pieces = w.pieces
        cdef Py_ssize_t origin = w.origin
        memcpy(spans[0], w.starts, pieces * sizeof(uint32_t))
        memcpy(spans[1], w.ends, pieces * sizeof(uint32_t))
        w.begin_chunk(origin)
        for i in range(pieces):
            add_piece(self, w, text, origin + spans[0][i], origin + spans[1][i])
            if w.status != FINE:
                break
        if w.pieces and w.status == FINE:
            self.take(w, text)
        w.begin_chunk(origin + spans[1][pieces - 1])

    cdef void take_giant(self, Workspace w, const uint8_t *text, Py_ssize_t start, Py_ssize_t end) noexcept nogil:
        """Takes one piece of more than a gigabyte, which no chunk can hold."""
        pass

    cdef bint take_added(
        self, Workspace w, const uint8_t *text, uint32_t id, Py_ssize_t start, Py_ssize_t end
    ) noexcept nogil:
        """Takes an added token between pieces; false if memory is out."""
        return True

    cdef void begin_lead(self, Workspace w, const uint8_t *text, Py_ssize_t at) noexcept nogil:
        """Tells that the next pieces come from a copy of `text[at:]` with a space before it."""
        pass

    cdef void end_lead(self, Workspace w, Py_ssize_t first, Py_ssize_t width) noexcept nogil:
        """Tells that they were taken: the id number `first` has the space, before a character of `width` bytes."""
        pass


@cython.final
cdef class SpanSink(Sink):
    """Writes the span of each piece, in bytes, as a pair of int64."""

    cdef void take(self, Workspace w, const uint8_t *text) noexcept nogil:
        self.write(w, w.starts + 1)
        w.next_chunk()

    cdef void take_apart(self, Workspace w, const uint8_t *text) noexcept nogil:
        self.write(w, w.ends)
        w.begin_chunk(w.origin + w.ends[w.pieces - 1])

    cdef void write(self, Workspace w, const uint32_t *ends) noexcept nogil:
        """Writes the spans of the chunk's pieces, which end at `ends`."""
        cdef int64_t *out
        cdef int64_t base = w.base + w.origin
        cdef int i
        if w.reserve(w.pieces * SPAN):
            out = <int64_t *>(w.out + w.count)
            for i in range(w.pieces):
                out[2 * i] = base + w.starts[i]
                out[2 * i + 1] = base + ends[i]
            w.count += w.pieces * SPAN

    cdef void take_giant(self, Workspace w, const uint8_t *text, Py_ssize_t start, Py_ssize_t end) noexcept nogil:
        cdef int64_t *out
        if w.reserve(SPAN):
            out = <int64_t *>(w.out + w.count)
            out[0], out[1] = w.base + start, w.base + end
            w.count += SPAN

    cdef bint take_added(
        self, Workspace w, const uint8_t *text, uint32_t id, Py_ssize_t start, Py_ssize_t end
    ) noexcept nogil:
        self.take_giant(w, text, start, end)
        return w.status == FINE


@cython.final
cdef class CountSink(Sink):
    """Counts the pieces in `total`."""

    cdef void take(self, Workspace w, const uint8_t *text) noexcept nogil:
        w.total += w.pieces
        w.next_chunk()

    cdef void take_apart(self, Workspace w, const uint8_t *text) noexcept nogil:
        w.total += w.pieces
        w.begin_chunk(w.origin + w.ends[w.pieces - 1])

    cdef void take_giant(self, Workspace w, const uint8_t *text, Py_ssize_t start, Py_ssize_t end) noexcept nogil:
        w.total += 1


@cython.final
cdef class NoteSink(Sink):
    """Notes the span of each piece, so that tests see the cuts inside pieces."""

    cdef void take(self, Workspace w, const uint8_t *text) noexcept nogil:
        cdef int i
        for i in range(w.pieces):
            if not w.note(w.origin + w.starts[i], w.origin + w.starts[i + 1]):
                break
        w.next_chunk()

    cdef void take_giant(self, Workspace w, const uint8_t *text, Py_ssize_t start, Py_ssize_t end) noexcept nogil:
        w.note(start, end)
