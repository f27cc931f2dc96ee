# UTF-8 in and out: validation, and transcoding of str storage in stretches.
cimport cython
from cpython.bytes cimport PyBytes_AS_STRING, PyBytes_GET_SIZE
from cpython.unicode cimport PyUnicode_Check
from libc.stdint cimport int32_t, int64_t, uint8_t, uint16_t, uint32_t, uint64_t
from libc.string cimport memcpy

from dstok.core.cpu.level cimport Implementation

cdef extern from "Python.h":
    int PyUnicode_KIND(object) noexcept
    void *PyUnicode_DATA(object) noexcept
    Py_ssize_t PyUnicode_GET_LENGTH(object) noexcept
    bint PyUnicode_IS_ASCII(object) noexcept

ctypedef fused Unit:
    uint8_t
    uint16_t
    uint32_t

cdef struct Source:
    # A text as Python stores it. kind 0: UTF-8 bytes (ASCII str storage included), used in place;
    # kind 1, 2, 4: str storage of that many bytes a code point.
    const void *data
    Py_ssize_t length  # in units of the storage
    int kind
    bint valid         # ASCII str storage is known to be valid

cdef Py_ssize_t find_invalid(const uint8_t *text, Py_ssize_t length, const Implementation *level) noexcept nogil
cdef Py_ssize_t transcode(
    const Source *source, Py_ssize_t *at, uint8_t *out, Py_ssize_t capacity, bint replace,
    const Implementation *level
) noexcept nogil


# The cuts of `Encoder.cut_texts`, in code points: a text is cut every TEXT_MOST, and in runs of RUN_MOST, whose
# characters are all blank to `str.isspace` or all not.
cdef enum:
    TEXT_MOST = 400_000
    RUN_MOST = 25_000

cdef Py_ssize_t next_cut(const Source *source, Py_ssize_t at, Py_ssize_t *left) noexcept nogil
cdef Source open_source(object text) except *


cdef inline Source source_of(object text) noexcept:
    # Does what `open_source` does, where the caller has refused any other type than `str` and bytes.
    cdef Source source
    if PyUnicode_Check(text):
        source.data = PyUnicode_DATA(text)
        source.length = PyUnicode_GET_LENGTH(text)
        source.valid = PyUnicode_IS_ASCII(text)
        source.kind = 0 if source.valid else PyUnicode_KIND(text)
    else:
        source.data = PyBytes_AS_STRING(text)
        source.length = PyBytes_GET_SIZE(text)
        source.kind = 0
        source.valid = False
    return source


cdef inline uint32_t code_point(const uint8_t *p, Py_ssize_t *width) noexcept nogil:
    # The code point at p of valid UTF-8, and the number of its bytes.
    cdef uint32_t b = p[0]
    if b < 0x80:
        width[0] = 1
        return b
    if b < 0xE0:
        width[0] = 2
        return ((b & 0x1F) << 6) | (p[1] & 0x3F)
    if b < 0xF0:
        width[0] = 3
        return ((b & 0x0F) << 12) | ((p[1] & 0x3F) << 6) | (p[2] & 0x3F)
    width[0] = 4
    return ((b & 0x07) << 18) | ((p[1] & 0x3F) << 12) | ((p[2] & 0x3F) << 6) | (p[3] & 0x3F)


cdef inline uint32_t code_at(const Source *source, Py_ssize_t at, Py_ssize_t *width) noexcept nogil:
    # The code point at a unit of valid text, and the number of its units.
    width[0] = 1
    if source.kind == 0:
        return code_point(<const uint8_t *>source.data + at, width)
    if source.kind == 1:
        return (<const uint8_t *>source.data)[at]
    return (<const uint16_t *>source.data)[at] if source.kind == 2 else (<const uint32_t *>source.data)[at]


cdef inline int64_t characters_in(const uint8_t *text, Py_ssize_t size) noexcept nogil:
    # The number of characters that begin in `size` bytes of valid UTF-8. Reads up to 7 bytes after them.
    cdef int64_t count = 0
    cdef uint64_t word
    while size > 0:
        memcpy(&word, text, 8)
        word = (~word >> 7 | word >> 6) & <uint64_t>0x0101010101010101  # a byte of the form 10xxxxxx begins none
        if size < 8:
            word &= (<uint64_t>1 << 8 * size) - 1
        count += <int64_t>(word * <uint64_t>0x0101010101010101 >> 56)
        text += 8
        size -= 8
    return count


cdef inline int64_t characters_within(const uint8_t *text, Py_ssize_t size) noexcept nogil:
    # The same; reads no byte after them. Of long texts the loop becomes vectors.
    cdef int64_t count = 0
    cdef Py_ssize_t at
    for at in range(size):
        count += text[at] & 0xC0 != 0x80
    return count


cdef inline Py_ssize_t encoded(uint32_t c, uint8_t *out) noexcept nogil:
    # Writes a code point as UTF-8; returns the number of bytes.
    if c < 0x80:
        out[0] = <uint8_t>c
        return 1
    if c < 0x800:
        out[0] = <uint8_t>(0xC0 | (c >> 6))
        out[1] = <uint8_t>(0x80 | (c & 0x3F))
        return 2
    if c < 0x10000:
        out[0] = <uint8_t>(0xE0 | (c >> 12))
        out[1] = <uint8_t>(0x80 | ((c >> 6) & 0x3F))
        out[2] = <uint8_t>(0x80 | (c & 0x3F))
        return 3
    out[0] = <uint8_t>(0xF0 | (c >> 18))
    out[1] = <uint8_t>(0x80 | ((c >> 12) & 0x3F))
    out[2] = <uint8_t>(0x80 | ((c >> 6) & 0x3F))
    out[3] = <uint8_t>(0x80 | (c & 0x3F))
    return 4


@cython.final
cdef class Rows:
    cdef list held                # memoryviews of the buffers, of uint8
    cdef const int32_t[::1] owners
    cdef const int64_t[::1] starts
    cdef const int64_t[::1] lengths
    cdef int64_t[::1] bases       # the address of each buffer
    cdef list repaired            # texts that replace invalid ones

    cdef int lay(self, Source *sources, bint replace, const Implementation *level) except -1
    cdef void place(self, Source *sources, Py_ssize_t first, Py_ssize_t end) noexcept nogil
    cdef const uint8_t *row(self, Py_ssize_t row) noexcept nogil
