"""Texts that lie in buffers, one row beside the other, as Arrow keeps them.

In: buffers of UTF-8, and for each row the number of its buffer, its first byte there, its length. Out: sources, which
the encoder reads where they lie, and a row as bytes.
Invariant: each row lies inside its buffer: else making the rows raises `TextError`. The buffers are held as long as
the rows. Arrow's buffers never change: no thread may write to them while another reads them.
"""

cimport cython
from libc.stdint cimport int32_t, int64_t, uint8_t
from libc.stdlib cimport free, malloc

from array import array

from dstok.core.simd._level cimport Implementation
from dstok.core.text._utf8 cimport Source, find_invalid, source_of

from dstok.errors import TextError


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
        cdef const uint8_t[::1] view
        cdef Py_ssize_t i, count = len(self.held)
        cdef const uint8_t **bases = <const uint8_t **>malloc((count + 1) * sizeof(void *))
        try:
            if bases == NULL:
                raise MemoryError
            for i in range(count):
                view = self.held[i]
                bases[i] = &view[0]
            self._place(sources, bases)
        finally:
            free(bases)
        if replace:
            self._repair(sources, level)
        return 0

    cdef int _place(self, Source *sources, const uint8_t **bases) except -1:
        cdef Py_ssize_t i
        for i in range(self.owners.shape[0]):
            sources[i].data, sources[i].length = bases[self.owners[i]] + self.starts[i], self.lengths[i]
            sources[i].kind, sources[i].valid = 0, False
        return 0

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
