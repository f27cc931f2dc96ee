# Text to the spans of its pieces, without ids.
cimport cython

from dstok.core.encode.finder cimport Finder
from dstok.core.encode.memory cimport Pool, Workspace
from dstok.core.encode.sinks cimport Sink
from dstok.core.cpu.level cimport Implementation
from dstok.core.text.utf8 cimport Source


@cython.final
cdef class SpanPass:
    cdef readonly Finder finder
    cdef Pool pool
    cdef const Implementation *level

    cdef int _run(self, Sink sink, Workspace w, const Source *source) except -1
