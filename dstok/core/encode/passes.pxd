# The encoder's pass over a text, without the GIL.
cimport cython
from libc.stdint cimport uint8_t, uint32_t

from dstok.core.encode.memory cimport Pool
from dstok.core.encode.sinks cimport IdSink, Run
from dstok.core.split.finder cimport LeftFinder
from dstok.core.text.added_tokens cimport Policy
from dstok.core.text.normalize cimport Form, Normalizer
from dstok.core.text.utf8 cimport Source

cdef enum:
    CONTEXT = 4              # bytes kept before a portion, for single_word: the longest character


cdef Py_ssize_t encode_part(
    LeftFinder finder, Policy policy, Run run, const uint8_t *text, Py_ssize_t at, Py_ssize_t stop, bint final
) noexcept nogil
cdef void encode_text(
    LeftFinder finder, Policy policy, Run run, const Source *source, bint replace, Py_ssize_t limit) noexcept nogil


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
    cdef Pool pool
    cdef bint serves          # ASCII
    cdef bint serves_all      # other texts, too
    cdef int prefix

    cdef int ids(self, const uint8_t *data, int kind, Py_ssize_t length, Policy policy, uint32_t *out) noexcept
    cdef int ids_of(self, IdSink run, const uint8_t *text, int length, uint32_t *out) noexcept
    cdef int ids_of_many(self, IdSink run, const uint8_t *text, int pieces, uint32_t *out) noexcept


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
    LeftFinder finder, Form form, Policy policy, Run run, const Source *source, bint replace) noexcept nogil
cdef int encode_by_section(
    LeftFinder finder, Normalizer normalizer, Policy policy, Run run, const Source *source, bint replace,
    Py_ssize_t limit) except -1
