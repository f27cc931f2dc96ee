# The normalizer of a model.
cimport cython
from libc.stdint cimport uint8_t, uint32_t

from dstok.core.text._forms cimport Form, Verdict
from dstok.core.simd._level cimport Implementation
from dstok.core.text._utf8 cimport Source


cdef enum:
    # Where the model of characters puts a space: nowhere, before each stretch, before each stretch that begins with
    # none, only before such a one at the text's start.
    PREFIX_NONE = 0
    PREFIX_STRETCH = 1
    PREFIX_UNLESS_BLANK = 2
    PREFIX_TEXT = 3


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
    cdef readonly int prefix
    cdef readonly Normalizer later  # for stretches after the first one

    cdef Verdict verdict(self, const Source *source, const Implementation *level, bint prefixed) noexcept nogil
    cdef bint keeps_ascii(self)
    cpdef bytes normalize(self, bytes text)
    cdef Rewritten rewritten(self, bytes text)


cdef bint puts_space(int prefix, const uint8_t *text, Py_ssize_t length) noexcept nogil
cdef Source utf8_source(const uint8_t *text, Py_ssize_t length) noexcept nogil
cdef bint rewrite(Form form, const Source *source, Output *out) noexcept nogil
cdef Py_ssize_t last_boundary(Form form, const uint8_t *text, Py_ssize_t at, Py_ssize_t stop) noexcept nogil
