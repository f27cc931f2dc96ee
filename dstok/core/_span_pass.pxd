# Text to the spans of its pieces, without ids.
cimport cython


from dstok.core._finder cimport Finder
from dstok.core._pool cimport Pool
from dstok.core._sink cimport Sink
from dstok.core._utf8 cimport Source
from dstok.core._workspace cimport Workspace


@cython.final
cdef class SpanPass:
    cdef Finder finder
    cdef Pool pool

    cdef int _run(self, Sink sink, Workspace w, const Source *source) except -1
