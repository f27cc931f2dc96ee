# Normalization forms over UTF-8 and str storage.
cimport cython
from libc.stdint cimport int32_t, uint8_t, uint16_t, uint32_t, uint64_t

from dstok.core.cpu.level cimport Implementation
from dstok.core.text.utf8 cimport Source

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

cdef struct Code:
    uint32_t code
    int32_t change           # by upstream's count: 1 for a new code point, -n for one after which n are gone, else 0
    uint8_t combining        # its class

cdef struct Codes:
    # Code points in work.
    Code *codes
    Py_ssize_t size, capacity

cdef struct Stretch:
    # A stretch between boundaries.
    Codes before, made


@cython.final
cdef class Form:
    cdef const uint16_t *pages, *page_numbers
    cdef const uint8_t *classes, *flags
    cdef const uint32_t *starts, *sequences
    cdef uint32_t *pairs     # open addressing: first, second, composite
    cdef uint32_t pair_mask
    cdef bint composed
    cdef uint32_t lowest     # the first code point that is not clean
    cdef int lead            # the byte that `lowest` begins with in UTF-8
    cdef uint32_t low        # the largest power of two that is at most `lowest`
    cdef uint8_t clean_leads[16]  # whether all code points that begin with the byte 0xE0 + i in UTF-8 are clean
    cdef uint64_t clean[1024]  # a bit for each code point below 0x10000
    cdef object _keep

    cdef uint32_t record(self, uint32_t c) noexcept nogil
    cdef bint is_clean(self, uint32_t c) noexcept nogil
    cdef Py_ssize_t skip_clean(self, const Source *source, Py_ssize_t at) noexcept nogil
    cdef Py_ssize_t skip_utf8(self, const uint8_t *text, Py_ssize_t at, Py_ssize_t length) noexcept nogil
    cdef Py_ssize_t find(self, const Source *source, Py_ssize_t at, Py_ssize_t *end, Stretch *work) noexcept nogil
    cdef Verdict settle(self, const Source *source, Py_ssize_t at, Py_ssize_t end, Stretch *work) noexcept nogil
    cdef bint decompose(self, const Codes *before, Codes *out) noexcept nogil
    cdef void compose(self, Codes *out) noexcept nogil
    cdef uint32_t pair(self, uint32_t first, uint32_t second) noexcept nogil


cdef enum:
    # Where a model of characters puts a space: nowhere, before each stretch, before each stretch that begins with
    # none, only before such a one at the text's start.
    PREFIX_NONE = 0
    PREFIX_STRETCH = 1
    PREFIX_UNLESS_BLANK = 2
    PREFIX_TEXT = 3


cdef struct Output:
    uint8_t *text
    Py_ssize_t size, capacity
    bint same                # nothing changes, so nothing is written
    bint aligned             # the caller wants the sources, too
    uint32_t *sources        # by code point of the output
    Py_ssize_t count, sources_room
    Py_ssize_t taken         # code points of the input that are done


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
    cdef bytes rewritten(self, bytes text, sources)
    cdef Py_ssize_t carry(self, bytes text, ranges, Py_ssize_t start, found, Py_ssize_t begun) except -1


cdef bint puts_space(int prefix, const uint8_t *text, Py_ssize_t length) noexcept nogil
cdef Source utf8_source(const uint8_t *text, Py_ssize_t length) noexcept nogil
cdef bint copy_text(Output *out, const uint8_t *text, Py_ssize_t size) noexcept nogil
cdef bint rewrite(Form form, const Source *source, Output *out) noexcept nogil
cdef Py_ssize_t last_boundary(Form form, const uint8_t *text, Py_ssize_t at, Py_ssize_t stop) noexcept nogil
