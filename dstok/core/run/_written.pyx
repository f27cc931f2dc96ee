"""The results of a run, given to Python: ids or spans in the workspace's own memory, or copied to an array.

In: a workspace after a run. Out: an object with the buffer protocol, or uint32[n].
Invariant: memory has one owner. Memory that Python gets no longer belongs to the workspace.
"""

cimport cython
from cpython.buffer cimport PyBUF_WRITABLE, PyBuffer_FillInfo, PyBuffer_Release, PyObject_GetBuffer
from cpython.object cimport PyObject
from cpython.ref cimport Py_INCREF
from libc.stdint cimport uint32_t
from libc.stdlib cimport free
from libc.string cimport memcpy

from dstok.core.find._pool cimport late_object, late_put
from dstok.core.find._sink cimport SPAN

cdef enum:
    GIVE = 1 << 14           # from this many ids on, the buffer itself is given away, not copied

cdef PyObject *_numpy = NULL  # a tuple, made by the first thread that needs it


@cython.no_gc  # it is in no cycle, and must find its pool when it goes
cdef class Written:
    """The words of a workspace, as bytes. With the object they go back to `pool`, or are freed if that is None."""

    @staticmethod
    cdef Written take(Workspace w, Pool pool):
        """Takes the words of a workspace, which loses them."""
        cdef Written taken = Written()
        taken.pool = pool
        taken.words, taken.count, taken.capacity = w.out, w.count, w.capacity
        w.out = NULL
        w.count = w.capacity = 0
        return taken

    def __getbuffer__(self, Py_buffer *buffer, int flags):
        PyBuffer_FillInfo(buffer, self, self.words, self.count * sizeof(uint32_t), False, flags)

    def __dealloc__(self):
        if self.pool is not None:
            self.pool.keep(self.words, self.capacity)
        else:
            free(self.words)


cdef tuple _parts():
    """numpy, its `empty` and its uint32, imported when the first array is wanted. Threads may ask at once."""
    cdef PyObject *there = late_object(&_numpy)
    if there == NULL:
        import numpy
        made = numpy, numpy.empty, numpy.dtype(numpy.uint32)
        Py_INCREF(made)
        there = late_put(&_numpy, <PyObject *>made)
    return <tuple>there


cdef object numpy_():
    """The numpy module."""
    return _parts()[0]


cdef object array_of(Workspace w, Pool pool, Py_ssize_t before, Py_ssize_t after):
    """The ids of a workspace as uint32[n], with room left before and after. For a long text it is the memory itself."""
    cdef tuple parts = _parts()
    if w.count >= GIVE and 2 * w.count >= w.capacity and before + after == 0:
        return parts[0].frombuffer(Written.take(w, pool), parts[2])
    return array_with(w.out, w.count, before, after)


cdef object array_with(const uint32_t *ids, Py_ssize_t count, Py_ssize_t before, Py_ssize_t after):
    """A copy of ids as uint32[n], with room left before and after."""
    cdef tuple parts = _parts()
    result = parts[1](before + count + after, parts[2])
    _put(result, before, ids, count)
    return result


cdef object spans_written(Workspace w, Pool pool):
    """The spans that `SpanSink` has written, as int64[n, 2]: the memory itself."""
    return _span_rows(Written.take(w, pool))


cdef tuple spans_of_ids(Workspace w):
    """The spans that `IdSpanSink` has written, in bytes and in characters, as int64[n, 2]: the memory itself.

    The second is None if the sink could not count the text's characters.
    """
    cdef Written spans = Written(), chars = Written()
    spans.words, chars.words = <uint32_t *>w.spans, <uint32_t *>w.char_spans
    spans.count = chars.count = w.spanned * SPAN
    spans.capacity = chars.capacity = w.span_room * SPAN
    w.spans = w.char_spans = NULL
    w.spanned = w.span_room = 0
    return _span_rows(spans), _span_rows(chars) if w.counts_characters else None


cdef object _span_rows(Written taken):
    numpy = numpy_()
    if not taken.count:
        return numpy.empty((0, 2), numpy.int64)  # numpy refuses a buffer of no bytes
    return numpy.frombuffer(taken, numpy.int64).reshape(-1, 2)


cdef int put_ids(ids, Py_ssize_t at, Workspace w) except -1:
    """Copies the ids of `w` to a place in an array of uint32."""
    return _put(ids, at, w.out, w.count)


cdef int _put(ids, Py_ssize_t at, const uint32_t *words, Py_ssize_t count) except -1:
    # By hand: a view of Cython's takes 1,500 instructions more.
    cdef Py_buffer view
    PyObject_GetBuffer(ids, &view, PyBUF_WRITABLE)
    try:
        if view.len < (at + count) * <Py_ssize_t>sizeof(uint32_t):
            raise ValueError(f"expected room for {count} ids from place {at} on, found {view.len} bytes")
        if count:  # else `words` may be NULL, and memcpy does not allow that even for no bytes
            memcpy(<uint32_t *>view.buf + at, words, count * sizeof(uint32_t))
    finally:
        PyBuffer_Release(&view)
    return 0
