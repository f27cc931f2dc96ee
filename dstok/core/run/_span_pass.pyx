"""The pass of spans: Python's side of a finder without a vocabulary.

In: valid UTF-8. Out: the spans of the pieces that are kept, as int64[n, 2] in bytes; or these pieces; or their number.
Invariant: the pieces are those of `Program.pieces` without the dropped ones. Each call leases a workspace, and works in
it without the GIL.
"""

cimport cython
from cpython.unicode cimport PyUnicode_DecodeUTF8
from libc.stdint cimport int64_t, uint8_t
from libc.stdlib cimport free, malloc

from dstok.core.find._finder cimport Finder, LeftFinder
from dstok.core.find._pool cimport Pool
from dstok.core.find._sink cimport SPAN, CountSink, Sink, SpanSink
from dstok.core.simd._level cimport chosen
from dstok.core.text._rows cimport Rows
from dstok.core.text._utf8 cimport Source, find_invalid, open_source
from dstok.core.find._workspace cimport FINE, Workspace
from dstok.core.run._written cimport spans_written

from array import array

from dstok._util.arguments import not_utf8
from dstok.errors import TextError

cdef enum:
    LIKELY = 4               # bytes of a piece: room made at the start; unused pages cost nothing

cdef SpanSink SPANS = SpanSink()
cdef CountSink COUNT = CountSink()


@cython.final
cdef class SpanPass:
    """Finder -> spans. It never changes."""

    def __cinit__(self, Finder finder not None):
        self.finder, self.pool, self.level = finder, Pool(), chosen()

    def __copy__(self):
        return self  # it never changes

    def way(self):
        """The way it finds pieces: see `PieceFinder.way` and `TwoSided.way`."""
        return self.finder.way()

    cdef int _run(self, Sink sink, Workspace w, const Source *source) except -1:
        """Hands all pieces of a text to a sink, in a workspace that the caller leases and releases."""
        with nogil:
            self.finder.find_all(sink, w, <const uint8_t *>source.data, source.length)
        if w.status != FINE:
            raise MemoryError
        return 0

    def spans(self, text not None):
        """The spans of valid `text` (ASCII `str` or UTF-8 bytes) in bytes, int64[n, 2]."""
        return self.spans_of([text])[0]

    def spans_of(self, list texts not None):
        """(spans of all texts, each in bytes of its own text, int64[n, 2]; a list of the number of spans by text)."""
        cdef Workspace w = self.pool.lease()
        cdef Source source
        cdef Py_ssize_t before
        cdef list counts = []
        w.begin(False, False)
        try:
            for text in texts:
                source = opened(text)
                before = w.count
                if not w.reserve(source.length // LIKELY * SPAN):
                    raise MemoryError
                self._run(SPANS, w, &source)
                counts.append((w.count - before) // SPAN)
            return spans_written(w, self.pool), counts
        finally:
            self.pool.release(w)

    def of_rows(self, Rows rows not None, Py_ssize_t first, Py_ssize_t end, bint counting):
        """(spans, ends) of the rows from `first` to `end`: row i has the spans from `ends[i]` to `ends[i + 1]`.

        Spans are in bytes of their own row, int64[n, 2]; None if `counting`. `ends` is an array of typecode "q". Raises
        `TextError` for the first row that is not UTF-8.
        """
        cdef Workspace w = self.pool.lease()
        cdef Sink sink = COUNT if counting else SPANS
        cdef int64_t[::1] ends = array("q", bytes(8 * (end - first + 1)))
        cdef Source *sources = <Source *>malloc((end - first + 1) * sizeof(Source))
        cdef Py_ssize_t i = 0, fault = -1
        w.begin(counting, False)
        try:
            if sources == NULL:
                raise MemoryError
            rows.place(sources, first, end)
            with nogil:
                for i in range(end - first):
                    fault = find_invalid(<const uint8_t *>sources[i].data, sources[i].length, self.level)
                    if fault >= 0 or not (counting or w.reserve(sources[i].length // LIKELY * SPAN)):
                        break
                    self.finder.find_all(sink, w, <const uint8_t *>sources[i].data, sources[i].length)
                    if w.status != FINE:
                        break
                    ends[i + 1] = w.total if counting else w.count // SPAN
                else:
                    i = -1
            if fault >= 0:
                error = not_utf8((<const uint8_t *>sources[i].data)[fault], fault)
                raise TextError(error.message, fault, first + i)
            if i >= 0:
                raise MemoryError
            return None if counting else spans_written(w, self.pool), ends.base
        finally:
            free(sources)
            self.pool.release(w)

    def count(self, text not None):
        """The number of pieces that are kept."""
        cdef Source source = opened(text)
        cdef Workspace w = self.pool.lease()
        w.begin(True, False)
        try:
            self._run(COUNT, w, &source)
            return w.total
        finally:
            self.pool.release(w)

    def split(self, text not None):
        """The pieces as a list of `str`."""
        cdef Source source = opened(text)
        cdef Workspace w = self.pool.lease()
        cdef const char *data = <const char *>source.data
        cdef const int64_t *span
        cdef Py_ssize_t i
        w.begin(False, False)
        try:
            if not w.reserve(source.length // LIKELY * SPAN):
                raise MemoryError
            self._run(SPANS, w, &source)
            span = <const int64_t *>w.out
            return [PyUnicode_DecodeUTF8(data + span[2 * i], span[2 * i + 1] - span[2 * i], NULL)
                    for i in range(w.count // SPAN)]
        finally:
            self.pool.release(w)

    def sure_spans(self, const uint8_t[::1] text not None, bint final):
        """(spans, end): the pieces of `text` that no later text can change, all of them if it is `final`.

        Raises `TypeError` for a finder that reads from both sides: no piece is sure before the text ends.
        """
        cdef LeftFinder finder = self.finder
        cdef Workspace w = self.pool.lease()
        cdef Py_ssize_t end, length = text.shape[0]
        w.begin(False, False)
        try:
            with nogil:
                end = finder.find_in_copy(SPANS, w, &text[0] if length else NULL, 0, length, final)
            if w.status != FINE:
                raise MemoryError
            return spans_written(w, self.pool), end
        finally:
            self.pool.release(w)


cdef Source opened(text) except *:
    """ASCII `str` or UTF-8 bytes as they lie."""
    cdef Source source = open_source(text)
    if source.kind:
        raise ValueError("expected ascii str or bytes")
    return source
