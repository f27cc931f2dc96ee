# The encoder's pass over a text, without the GIL.
cimport cython
from libc.stdint cimport uint8_t, uint32_t

from dstok.core.encode.finder cimport LeftFinder
from dstok.core.encode.memory cimport Pool, Workspace
from dstok.core.encode.sinks cimport IdSink, Sink
from dstok.core.cpu.level cimport Implementation
from dstok.core.text.added_tokens cimport Match, Policy
from dstok.core.text.normalize cimport Form, Normalizer
from dstok.core.text.utf8 cimport Source

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


cdef extern from "Python.h":
    bint PyUnicode_CheckExact(object) noexcept
    bint PyUnicode_IS_ASCII(object) noexcept
    bint PyUnicode_IS_COMPACT(object) noexcept
    int PyUnicode_KIND(object) noexcept
    void *PyUnicode_DATA(object) noexcept
    Py_ssize_t PyUnicode_GET_LENGTH(object) noexcept

cdef extern from "bpe/piece_cache.h":
    enum:
        SHORT_TEXT                # bytes of a short text, at most
        SHORT_IDS                 # words of room for its ids
        GENERAL "PROBE_MISSED"    # the text is left to the general path


@cython.final
cdef class ShortPass:
    cdef LeftFinder finder
    cdef IdSink sink
    cdef Pool pool
    cdef bint serves          # ASCII
    cdef bint serves_all      # other texts, too
    cdef int prefix

    cdef int ids(self, const uint8_t *data, int kind, Py_ssize_t length, Policy policy, uint32_t *out) noexcept
    cdef int ids_of(self, Workspace w, const uint8_t *text, int length, uint32_t *out) noexcept
    cdef int ids_of_many(self, Workspace w, const uint8_t *text, int pieces, uint32_t *out) noexcept


cdef inline int short_ids(ShortPass short, object text, Policy policy, uint32_t *out) noexcept:
    # Writes the ids of any text; returns their number, or GENERAL.
    cdef int kind
    cdef Py_ssize_t length
    if not short.serves or not PyUnicode_CheckExact(text) or not PyUnicode_IS_COMPACT(text):
        return GENERAL
    length = PyUnicode_GET_LENGTH(text)
    if not length:
        return 0
    kind = 0 if PyUnicode_IS_ASCII(text) else PyUnicode_KIND(text)
    if length * min(kind + 1, 4) > SHORT_TEXT or kind and not short.serves_all:  # bytes of a character, at most
        return GENERAL
    return short.ids(<const uint8_t *>PyUnicode_DATA(text), kind, length, policy, out)


cdef void encode_rewritten(
    Pass run, Form form, Policy policy, Workspace w, const Source *source, bint replace
) noexcept nogil
cdef int encode_by_stretch(
    Pass run, Normalizer normalizer, Policy policy, Workspace w, const Source *source, bint replace, Py_ssize_t limit
) except -1
