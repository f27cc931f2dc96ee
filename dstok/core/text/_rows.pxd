# Texts that lie in buffers, and their places there.
cimport cython
from libc.stdint cimport int32_t, int64_t, uint8_t

from dstok.core.simd._level cimport Implementation
from dstok.core.text._utf8 cimport Source


@cython.final
cdef class Rows:
    cdef list held                # memoryviews of the buffers, of uint8
    cdef const int32_t[::1] owners
    cdef const int64_t[::1] starts
    cdef const int64_t[::1] lengths
    cdef list repaired            # texts that replace invalid ones

    cdef int lay(self, Source *sources, bint replace, const Implementation *level) except -1
    cdef int _check(self) except -1
    cdef int place(self, Source *sources, Py_ssize_t first, Py_ssize_t end) except -1
    cdef const uint8_t **_bases(self) except NULL
    cdef int _repair(self, Source *sources, const Implementation *level) except -1
