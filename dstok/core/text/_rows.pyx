"""Texts that lie in buffers, one row beside the other, as Arrow keeps them.

In: buffers of UTF-8, and for each row the number of its buffer, its first byte there, its length. Out: sources, which
the encoder reads where they lie; rows as bytes; Arrow's views of them.
Invariant: each row lies inside its buffer: else making the rows raises `TextError`. The buffers are held as long as
the rows. Arrow's buffers never change: no thread may write to them while another reads them.
"""

cimport cython
from cpython.bytes cimport PyBytes_AS_STRING, PyBytes_FromStringAndSize
from libc.stdint cimport int32_t, int64_t, uint8_t
from libc.stdlib cimport free, malloc
from libc.string cimport memcpy, memset

from array import array

from dstok.core.simd._level cimport Implementation
from dstok.core.text._utf8 cimport Source, find_invalid, source_of

from dstok.errors import TextError

cdef enum:
    VIEW = 4                 # words of a view: a length, and the text; or its first four bytes, its buffer, its place
    INLINE = 12              # bytes of a text that lies in its view


@cython.final
cdef class Rows:
    """Row i is `buffers[owners[i]][starts[i]:starts[i] + lengths[i]]`: owners int32[n], the others int64[n]."""

    def __cinit__(self, list buffers not None, const int32_t[::1] owners not None,
                  const int64_t[::1] starts not None, const int64_t[::1] lengths not None):
        if not owners.shape[0] == starts.shape[0] == lengths.shape[0]:
            raise ValueError(f"expected {owners.shape[0]} starts and lengths, "
                             f"found {starts.shape[0]} and {lengths.shape[0]}")
        self.held = [memoryview(buffer).cast("B") for buffer in buffers]
        self.owners, self.starts, self.lengths, self.repaired = owners, starts, lengths, []
        self._check()

    cdef int _check(self) except -1:
        """The one place where a row is compared with its buffer."""
        cdef const int64_t[::1] sizes = array("q", [buffer.nbytes for buffer in self.held])
        cdef Py_ssize_t i
        cdef int64_t start, length
        cdef int32_t owner
        for i in range(self.owners.shape[0]):
            owner, start, length = self.owners[i], self.starts[i], self.lengths[i]
            if not (0 <= owner < sizes.shape[0] and 0 <= start <= sizes[owner]
                    and 0 <= length <= sizes[owner] - start):
                raise TextError(f"expected a text inside its buffer, found {length} bytes from byte {start} on", 0, i)
        return 0

    def __len__(self):
        return self.owners.shape[0]

    def __getitem__(self, Py_ssize_t row):
        """A copy of a row, as bytes."""
        if not 0 <= row < self.owners.shape[0]:
            raise IndexError(row)
        return bytes(self.held[self.owners[row]][self.starts[row]:self.starts[row] + self.lengths[row]])

    cdef int lay(self, Source *sources, bint replace, const Implementation *level) except -1:
        """Writes the place of each row to `sources`; with `replace`, repaired copies take the place of invalid rows."""
        self.place(sources, 0, self.owners.shape[0])
        if replace:
            self._repair(sources, level)
        return 0

    cdef int place(self, Source *sources, Py_ssize_t first, Py_ssize_t end) except -1:
        """Writes the places of the rows from `first` to `end` to `sources`."""
        cdef const uint8_t **bases = self._bases()
        cdef Py_ssize_t i
        for i in range(first, end):
            sources[i - first].data, sources[i - first].length = bases[self.owners[i]] + self.starts[i], self.lengths[i]
            sources[i - first].kind, sources[i - first].valid = 0, False
        free(bases)
        return 0

    cdef const uint8_t **_bases(self) except NULL:
        """The first byte of each buffer; the caller frees them."""
        cdef const uint8_t[::1] view
        cdef Py_ssize_t i, count = len(self.held)
        cdef const uint8_t **bases = <const uint8_t **>malloc((count + 1) * sizeof(void *))
        if bases == NULL:
            raise MemoryError
        for i in range(count):
            view = self.held[i]
            bases[i] = &view[0]
        return bases

    def joined(self):
        """The bytes of all rows, one after the other."""
        cdef int64_t size = 0
        cdef Py_ssize_t i
        for i in range(self.lengths.shape[0]):
            size += self.lengths[i]
        cdef bytes made = PyBytes_FromStringAndSize(NULL, size)
        cdef char *out = PyBytes_AS_STRING(made)
        cdef const uint8_t **bases = self._bases()
        with nogil:
            for i in range(self.lengths.shape[0]):
                memcpy(out, bases[self.owners[i]] + self.starts[i], self.lengths[i])
                out += self.lengths[i]
        free(bases)
        return made

    def views(self, int window_log2):
        """(16 bytes a row: Arrow's views; (number of a buffer, its first byte) of each buffer that the views name).

        Places in a view have 32 bits. So a large buffer counts as several, which begin 2**`window_log2` bytes apart.
        Raises `OverflowError` for a row of 2**31 bytes or more.
        """
        cdef list windows = []
        cdef int32_t[::1] firsts = array("i", [0] * (len(self.held) + 1))
        cdef Py_ssize_t i, count = self.owners.shape[0]
        for i in range(len(self.held)):
            firsts[i] = len(windows)
            windows += [(i, start) for start in range(0, max(self.held[i].nbytes, 1), 1 << window_log2)]
        for i in range(count):
            if self.lengths[i] >> 31:
                raise OverflowError(f"expected rows of less than 2**31 bytes, found one of {self.lengths[i]}")
        cdef bytes made = PyBytes_FromStringAndSize(NULL, count * VIEW * sizeof(int32_t))
        cdef int32_t *view = <int32_t *>PyBytes_AS_STRING(made)
        cdef const uint8_t **bases = self._bases()
        cdef int64_t start
        memset(view, 0, count * VIEW * sizeof(int32_t))
        with nogil:
            for i in range(count):
                start, view[0] = self.starts[i], <int32_t>self.lengths[i]
                if view[0] <= INLINE:
                    memcpy(view + 1, bases[self.owners[i]] + start, view[0])
                else:
                    memcpy(view + 1, bases[self.owners[i]] + start, sizeof(int32_t))
                    view[2] = firsts[self.owners[i]] + <int32_t>(start >> window_log2)
                    view[3] = <int32_t>(start & ((<int64_t>1 << window_log2) - 1))
                view += VIEW
        free(bases)
        return made, windows

    cdef int _repair(self, Source *sources, const Implementation *level) except -1:
        """Each maximal part of an invalid sequence becomes U+FFFD."""
        cdef Py_ssize_t i
        for i in range(self.owners.shape[0]):
            if find_invalid(<const uint8_t *>sources[i].data, sources[i].length, level) < 0:
                sources[i].valid = True
            else:
                text = self[i].decode("utf-8", "replace")
                self.repaired.append(text)
                sources[i] = source_of(text)
        return 0
