# Text to the spans of its pieces, without ids.
cimport cython

from dstok.core.cpu.level cimport Implementation
from dstok.core.encode.memory cimport Pool
from dstok.core.encode.sinks cimport Run
from dstok.core.split.finder cimport Finder
from dstok.core.text.utf8 cimport Source


@cython.final
cdef class SpanPass:
    cdef readonly Finder finder
    cdef Pool pool
    cdef const Implementation *level

    cdef int find(self, Run run, const Source *source) except -1 nogil
