# The normalizer of a model.
cimport cython
from libc.stdint cimport uint8_t, uint32_t

from dstok.core.text._forms cimport Form, Verdict
from dstok.core.simd._level cimport Implementation
from dstok.core.text._utf8 cimport Source


cdef struct Output:
    uint8_t *text
    Py_ssize_t size
    Py_ssize_t capacity
    bint same                # nothing changes, so nothing is written
    bint aligned             # the caller wants the sources, too
    uint32_t *sources        # by code point of the output
    Py_ssize_t count
    Py_ssize_t places
    Py_ssize_t taken         # code points of the input that are done


@cython.final
cdef class Rewritten:
    """Normalized text, as a source."""
    cdef Source source
    cdef uint8_t *_made
    cdef object _keep


@cython.final
cdef class Normalizer:
    cdef Form form
    cdef readonly object chain
    cdef readonly bint local
    cdef bint always

    cdef Verdict verdict(self, const Source *source, const Implementation *level) noexcept nogil
    cdef bint keeps_ascii(self)
    cpdef bytes normalize(self, bytes text)
    cdef Rewritten rewritten(self, bytes text)


cdef Source utf8_source(const uint8_t *text, Py_ssize_t length) noexcept nogil
cdef bint rewrite(Form form, const Source *source, Output *out) noexcept nogil
cdef Py_ssize_t last_boundary(Form form, const uint8_t *text, Py_ssize_t at, Py_ssize_t stop) noexcept nogil
