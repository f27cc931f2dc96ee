# The pass over a short text.
cimport cython
from libc.stdint cimport uint8_t, uint32_t

from dstok.core.find._finder cimport LeftFinder
from dstok.core.find._id_sink cimport IdSink
from dstok.core.text._normalize cimport Normalizer
from dstok.core.text._policy cimport Policy
from dstok.core.find._pool cimport Pool
from dstok.core.find._workspace cimport Workspace

cdef extern from "Python.h":
    bint PyUnicode_CheckExact(object) noexcept
    bint PyUnicode_IS_ASCII(object) noexcept
    bint PyUnicode_IS_COMPACT(object) noexcept
    int PyUnicode_KIND(object) noexcept
    void *PyUnicode_DATA(object) noexcept
    Py_ssize_t PyUnicode_GET_LENGTH(object) noexcept

cdef extern from "merge/_few.h":
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
