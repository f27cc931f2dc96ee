# The encoder's pass over a text, without the GIL.
cimport cython
from libc.stdint cimport uint8_t

from dstok.core.text._added cimport Match
from dstok.core.find._finder cimport LeftFinder
from dstok.core.simd._level cimport Implementation
from dstok.core.text._policy cimport Policy
from dstok.core.find._sink cimport Sink
from dstok.core.text._utf8 cimport Source
from dstok.core.find._workspace cimport Workspace

cdef enum:
    LIKELY = 3               # bytes of text for a token: room made at the start; unused pages cost nothing
    PORTION = 1 << 16        # bytes of text in work at a time; it fits the level-2 cache with its tables
    CONTEXT = 4              # bytes kept before a portion, for single_word: the longest character


@cython.final
cdef class Pass:
    cdef LeftFinder finder
    cdef Sink sink
    cdef const Implementation *level

    cdef bint special(
        self, Policy policy, bint normalized, Workspace w, const uint8_t *text, const Match *match
    ) noexcept nogil
    cdef Py_ssize_t stretch(
        self, Policy policy, Workspace w, const uint8_t *text, Py_ssize_t at, Py_ssize_t stop,
        Py_ssize_t left, bint final
    ) noexcept nogil
    cdef Py_ssize_t lead(
        self, Workspace w, const uint8_t *text, Py_ssize_t at, Py_ssize_t stop, bint final
    ) noexcept nogil
    cdef Py_ssize_t buffer(
        self, Policy policy, Workspace w, const uint8_t *text, Py_ssize_t at, Py_ssize_t stop, bint final
    ) noexcept nogil
    cdef void in_place(
        self, Policy policy, Workspace w, const uint8_t *text, Py_ssize_t length, Py_ssize_t limit
    ) noexcept nogil
    cdef Py_ssize_t part(
        self, Policy policy, Workspace w, const uint8_t *text, Py_ssize_t at, Py_ssize_t stop, bint final
    ) noexcept nogil
    cdef void at_end(
        self, Policy policy, Workspace w, const uint8_t *text, Py_ssize_t at, Py_ssize_t length
    ) noexcept nogil
    cdef void transcoded(
        self, Policy policy, Workspace w, const Source *source, bint replace, Py_ssize_t limit
    ) noexcept nogil
    cdef void short_text(self, Policy policy, Workspace w, const Source *source, bint replace) noexcept nogil
    cdef void text(
        self, Policy policy, Workspace w, const Source *source, bint replace, Py_ssize_t limit
    ) noexcept nogil
