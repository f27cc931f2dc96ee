# Text to the spans of its pieces, without ids.
cimport cython

from dstok.core.find._finder cimport Finder
from dstok.core.find._memory cimport Pool, Workspace
from dstok.core.find._sinks cimport Sink
from dstok.core.simd._level cimport Implementation
from dstok.core.text._utf8 cimport Source


@cython.final
cdef class SpanPass:
    cdef readonly Finder finder
    cdef Pool pool
    cdef const Implementation *level

    cdef int _run(self, Sink sink, Workspace w, const Source *source) except -1
