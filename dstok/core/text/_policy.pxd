# The added tokens that a call matches.
cimport cython
from libc.stdint cimport uint8_t, uint32_t

from dstok.core.text._added cimport Matcher
from dstok.core.simd._level cimport FirstBytes


@cython.final
cdef class Policy:
    cdef Matcher raw
    cdef Matcher normalized
    cdef object raw_ids
    cdef object normalized_ids
    cdef const uint32_t *ids[2]
    cdef FirstBytes firsts            # the bytes that the tokens begin with
    cdef readonly bint refuses
    cdef readonly tuple contents
    cdef readonly Py_ssize_t reach    # the most bytes of a token; -1 if the text beside a token may decide about it
    cdef readonly Policy inner        # the policy inside a stretch between raw tokens
    cdef readonly Policy quick        # the policy of calls that give ids alone

    cdef bint idle(self, const uint8_t *text, Py_ssize_t length) noexcept nogil
    cpdef list raw_spans(self, bytes text)
