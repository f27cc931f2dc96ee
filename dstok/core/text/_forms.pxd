# Normalization forms over UTF-8 and str storage.
cimport cython
from libc.stdint cimport int32_t, uint8_t, uint16_t, uint32_t, uint64_t

from dstok.core.text._utf8 cimport Source

cdef enum:
    # The flags of a character: dstok/unicode/normalization.py.
    BOUNDARY = 1             # the character and the text before it never change each other
    TROUBLED = 2
    HANGUL = 4

cdef enum Verdict:
    # Of a text, or of a stretch between boundaries.
    NORMALIZED
    CHANGED
    NO_MEMORY

cdef struct Codes:
    # Code points in work.
    uint32_t *codes
    int32_t *changes         # by upstream's count: 1 for a new code point, -n for one after which n are gone, else 0
    uint8_t *classes
    Py_ssize_t size
    Py_ssize_t capacity


@cython.final
cdef class Form:
    cdef const uint16_t *pages
    cdef const uint16_t *page_numbers
    cdef const uint8_t *classes
    cdef const uint8_t *flags
    cdef const uint32_t *starts
    cdef const uint32_t *sequences
    cdef uint32_t *pairs     # open addressing: first, second, composite
    cdef uint32_t pair_mask
    cdef bint composed
    cdef uint32_t lowest     # the first code point that is not clean
    cdef int lead            # the byte that `lowest` begins with in UTF-8
    cdef uint32_t low        # the largest power of two that is at most `lowest`
    cdef uint8_t whole[16]   # whether all code points that begin with the byte 0xE0 + i in UTF-8 are clean
    cdef uint64_t clean[1024]  # a bit for each code point below 0x10000
    cdef object _keep

    cdef uint32_t record(self, uint32_t c) noexcept nogil
    cdef bint is_clean(self, uint32_t c) noexcept nogil
    cdef Py_ssize_t skip_clean(self, const Source *source, Py_ssize_t at) noexcept nogil
    cdef Py_ssize_t skip_utf8(self, const uint8_t *text, Py_ssize_t at, Py_ssize_t length) noexcept nogil
    cdef Py_ssize_t find(
        self, const Source *source, Py_ssize_t at, Py_ssize_t *end, Codes *work, Codes *before
    ) noexcept nogil
    cdef int settle(
        self, const Source *source, Py_ssize_t at, Py_ssize_t end, Codes *work, Codes *before
    ) noexcept nogil
    cdef bint decompose(self, const Codes *before, Codes *out) noexcept nogil
    cdef bint reorder(self, Codes *out) noexcept nogil
    cdef void compose(self, Codes *out) noexcept nogil
    cdef uint32_t pair(self, uint32_t first, uint32_t second) noexcept nogil


cdef void release(Codes *text) noexcept nogil
