# cython: language_level=3, boundscheck=False, wraparound=False, cdivision=True, autotestdict=False
# cython: freethreading_compatible=True
"""Ids -> bytes.

In: ids, of one list or of many. Out: the bytes of their tokens, one after the other.
Invariant: an id without a token is an error that names it. Nothing is left out unless the caller asks for it.
An id may have two byte strings: BPE makes it from one, and, if it is also an added token, decoding gives the other.
"""

from cpython.bytes cimport PyBytes_AS_STRING, PyBytes_FromStringAndSize
from libc.stdint cimport int64_t, uint8_t, uint32_t
from libc.stdlib cimport calloc, free, malloc
from libc.string cimport memcpy

from array import array

from dstok.core.simd._level cimport Implementation, chosen
from dstok.core.text._utf8 cimport find_invalid

from dstok.errors import ArgumentError, UnknownIdError


cdef class Decoder:
    """`starts` and `blob` hold the vocabulary, `added` the added tokens as (id, bytes, whether it may be skipped)."""

    cdef const uint8_t **texts
    cdef uint32_t *lengths
    cdef uint8_t *skipped
    cdef readonly Py_ssize_t size
    cdef const Implementation *level
    cdef object _keep

    def __cinit__(self, starts, blob, Py_ssize_t size, list added):
        cdef const uint32_t[::1] s = memoryview(starts).cast("B").cast("I")
        cdef const uint8_t[::1] b = memoryview(blob).cast("B")
        cdef Py_ssize_t i
        cdef bytes text
        self.size, self.level = size, chosen()
        self.texts = <const uint8_t **>calloc(size + 1, sizeof(void *))
        self.lengths = <uint32_t *>calloc(size + 1, sizeof(uint32_t))
        self.skipped = <uint8_t *>calloc(size + 1, 1)
        if not (self.texts and self.lengths and self.skipped):
            raise MemoryError
        for i in range(min(size, s.shape[0] - 1)):
            if s[i + 1] > s[i]:
                self.texts[i] = &b[s[i]]
                self.lengths[i] = s[i + 1] - s[i]
        for i, text, skipped in added:
            self.texts[i] = <const uint8_t *>PyBytes_AS_STRING(text)
            self.lengths[i] = len(text)
            self.skipped[i] = bool(skipped)
        self._keep = (b, added)

    def __dealloc__(self):
        free(self.texts)
        free(self.lengths)
        free(self.skipped)

    def __copy__(self):
        return self  # it never changes

    cdef Py_ssize_t _check(self, token, Py_ssize_t index) except -1:
        cdef Py_ssize_t i
        try:
            i = token
        except OverflowError:
            i = -1
        except TypeError:
            hint = ": decode_batch takes lists of ids" if isinstance(token, (list, tuple)) else ""
            raise ArgumentError(f"expected an id at index {index}, found {type(token).__name__}{hint}", "ids") from None
        if not 0 <= i < self.size or self.texts[i] == NULL:
            raise UnknownIdError(token, index, self.size)
        return i

    def token(self, token, Py_ssize_t index=0):
        """The bytes of one token."""
        cdef Py_ssize_t i = self._check(token, index)
        return self.texts[i][:self.lengths[i]]

    def has(self, Py_ssize_t token):
        """Whether an id has a token."""
        return 0 <= token < self.size and self.texts[token] != NULL

    def decode(self, list ids, bint skip_special):
        """The bytes of `ids`."""
        cdef Py_ssize_t total = 0, count = len(ids), index, i
        cdef uint8_t *out
        # The first pass checks ids into memory that no caller's object can change before the second pass.
        cdef uint32_t *checked = <uint32_t *>malloc((count + 1) * sizeof(uint32_t))
        if checked == NULL:
            raise MemoryError
        try:
            for index in range(count):
                i = self._check(ids[index], index)
                checked[index] = <uint32_t>i
                if not (skip_special and self.skipped[i]):
                    total += self.lengths[i]
            result = PyBytes_FromStringAndSize(NULL, total)
            out = <uint8_t *>PyBytes_AS_STRING(result)
            for index in range(count):
                i = checked[index]
                if not (skip_special and self.skipped[i]):
                    memcpy(out, self.texts[i], self.lengths[i])
                    out += self.lengths[i]
            return result
        finally:
            free(checked)

    def decode_lists(self, const uint32_t[::1] ids not None, const int64_t[::1] counts not None, bint skip_special):
        """(bytes, sizes, broken) of lists that lie one after the other; `counts` are their lengths in `ids`.

        `sizes` holds the number of bytes of each list, an array of typecode "q"; `broken` names the lists that are not
        UTF-8.
        """
        cdef Py_ssize_t rows = counts.shape[0], row, total
        cdef int64_t[::1] sizes = array("q", bytes(8 * (rows + 1)))
        cdef uint8_t *out
        # Copies, since another thread may write to the caller's arrays between the two passes.
        cdef const uint32_t[::1] own = memoryview(bytes(ids)).cast("I")
        cdef const int64_t[::1] own_counts = memoryview(bytes(counts)).cast("q")
        total = self._measure(own, own_counts, sizes, skip_special)
        text = PyBytes_FromStringAndSize(NULL, total)
        out = <uint8_t *>PyBytes_AS_STRING(text)
        broken = []
        with nogil:
            self._write(own, own_counts, out, skip_special)
            for row in range(rows):
                if find_invalid(out, sizes[row], self.level) >= 0:
                    with gil:
                        broken.append(row)
                out += sizes[row]
        return text, sizes.base[:rows], broken

    cdef Py_ssize_t _measure(
        self, const uint32_t[::1] ids, const int64_t[::1] counts, int64_t[::1] sizes, bint skip_special
    ) except -1:
        """Writes the number of bytes of each list to `sizes`, and returns their sum. Looks at every id."""
        cdef Py_ssize_t row, at = 0, end = 0, total = 0
        cdef uint32_t i
        with nogil:
            for row in range(counts.shape[0]):
                end += counts[row]
                if not at <= end <= ids.shape[0]:
                    with gil:
                        raise ValueError(f"expected lists of {ids.shape[0]} ids, found list {row} to end at {end}")
                while at < end:
                    i = ids[at]
                    if i >= self.size or self.texts[i] == NULL:
                        with gil:
                            raise UnknownIdError(i, at - end + counts[row], self.size, row)
                    if not (skip_special and self.skipped[i]):
                        sizes[row] += self.lengths[i]
                    at += 1
                total += sizes[row]
        return total

    cdef void _write(
        self, const uint32_t[::1] ids, const int64_t[::1] counts, uint8_t *out, bint skip_special
    ) noexcept nogil:
        cdef Py_ssize_t row, at, end = 0
        cdef uint32_t i
        for row in range(counts.shape[0]):
            end += counts[row]
        for at in range(end):
            i = ids[at]
            if not (skip_special and self.skipped[i]):
                memcpy(out, self.texts[i], self.lengths[i])
                out += self.lengths[i]
