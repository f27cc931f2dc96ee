# Text to the spans of its pieces, without ids.
from libc.stdint cimport uint8_t

from dstok.core._splitter cimport Splitter
from dstok.core._two_sided cimport TwoSided
from dstok.core._workspace cimport Workspace

cdef enum:
    SPAN = 4                 # words of an `int64_t[2]` in a workspace's buffer


cdef class Cutter(Splitter):
    cdef TwoSided both       # None: the splitter's own ways
    cdef list _rest          # workspaces that no call uses

    cdef Workspace lease(self)
    cdef void keep_span(self, Workspace w, const uint8_t *text, Py_ssize_t start, Py_ssize_t end) noexcept nogil
    cdef void run(self, Workspace w, const uint8_t *text, Py_ssize_t length) noexcept nogil
    cdef Py_ssize_t part(
        self, Workspace w, const uint8_t *text, Py_ssize_t at, Py_ssize_t length, bint final) noexcept nogil
    cdef void whole(self, Workspace w, const uint8_t *text, Py_ssize_t length) noexcept nogil
    cdef int check(self, Workspace w) except -1
