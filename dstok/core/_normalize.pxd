# The normalizer of a model.
cimport cython
from libc.stdint cimport uint8_t

from dstok.core._forms cimport Form
from dstok.core._utf8 cimport Source


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

    cdef bint passes(self, const Source *source, bint wide) noexcept nogil
    cpdef bytes normalize(self, bytes text)
    cdef Rewritten rewritten(self, bytes text)
