# cython: language_level=3, boundscheck=False, wraparound=False, cdivision=True, autotestdict=False
"""The workspace: everything that one encoding run writes to.

A tokenizer is immutable; what a run writes lies here, and a workspace serves one run at a time. So threads
share a tokenizer without a lock, and the memory of a tokenizer is bounded by the number of its workspaces.
Invariant: between runs at most `KEEP` bytes of each growable buffer stay allocated.
"""

cimport cython
from libc.stdint cimport uint8_t, uint32_t
from cpython.buffer cimport PyBuffer_FillInfo
from libc.stdlib cimport free, realloc
from libc.string cimport memcpy

from dstok.core._bpe cimport free_scratch
from dstok.core._pieces cimport open_table

cdef extern from "_huge.h":
    void *huge_alloc(size_t size) noexcept nogil

cdef enum:
    KEEP = 1 << 22


cdef class PieceMemory:
    """A private, writable copy of the three pre-filled piece tables."""

    cdef uint8_t *memory
    cdef Py_ssize_t size
    cdef readonly tuple sizes

    def __cinit__(self, tables):
        cdef const uint8_t[::1] view
        cdef Py_ssize_t at = 0
        self.sizes = tuple(len(table) for table in tables)
        self.size = sum(self.sizes)
        self.memory = <uint8_t *>huge_alloc(self.size)
        if self.memory == NULL:
            raise MemoryError
        for table in tables:
            view = table
            memcpy(self.memory + at, &view[0], view.shape[0])
            at += view.shape[0]

    def __getbuffer__(self, Py_buffer *buffer, int flags):
        PyBuffer_FillInfo(buffer, self, self.memory, self.size, False, flags)

    def __dealloc__(self):
        free(self.memory)

    def tables(self):
        """Views of the three tables."""
        a, b, _ = self.sizes
        view = memoryview(self)
        return view[:a], view[a:a + b], view[a + b:]


@cython.final
cdef class Workspace:
    """`tables` are the buffers of the three piece tables: this workspace's own if `writable`."""

    def __cinit__(self, tables, bint writable):
        cdef uint8_t[::1] a, b, c
        a, b, c = tables
        self._keep = (a, b, c)
        open_table(&self.table, &a[0], &b[0], &c[0])
        self.table.writable = writable

    def __dealloc__(self):
        free_scratch(&self.scratch)
        free_scratch(&self.junction)
        free(self.out)
        free(self.marks)
        free(self.buffer)

    cdef void begin(self, bint counting, bint marking) noexcept nogil:
        """Makes ready for a run."""
        self.pieces = self.count = self.total = self.marked = self.base = 0
        self.counting = counting
        self.marking = marking
        self.tracing = False
        self.fresh = True
        self.status = FINE

    cdef bint reserve(self, Py_ssize_t more) noexcept nogil:
        """Room for `more` ids; false, with the status set, if memory is out."""
        cdef Py_ssize_t wanted = self.count + more
        cdef void *grown
        if wanted <= self.capacity:
            return True
        wanted = max(wanted, self.capacity + self.capacity // 2)
        if self.out == NULL:
            grown = huge_alloc(wanted * sizeof(uint32_t))
        else:
            grown = realloc(self.out, wanted * sizeof(uint32_t))
        if grown == NULL:
            self.status = OUT_OF_MEMORY
            return False
        self.out = <uint32_t *>grown
        self.capacity = wanted
        return True

    cdef bint reserve_buffer(self, Py_ssize_t size) noexcept nogil:
        cdef void *grown
        if size <= self.buffer_size:
            return True
        grown = realloc(self.buffer, size)
        if grown == NULL:
            self.status = OUT_OF_MEMORY
            return False
        self.buffer = <uint8_t *>grown
        self.buffer_size = size
        return True

    cdef bint mark(self, Py_ssize_t start, Py_ssize_t end) noexcept nogil:
        """Notes that the id to be written next is an added token that spans these bytes of the buffer."""
        cdef void *grown
        if self.marked == self.mark_capacity:
            grown = realloc(self.marks, (2 * self.marked + 64) * sizeof(Mark))
            if grown == NULL:
                self.status = OUT_OF_MEMORY
                return False
            self.marks = <Mark *>grown
            self.mark_capacity = 2 * self.marked + 64
        self.marks[self.marked].index = self.total + self.count
        self.marks[self.marked].start = self.base + start
        self.marks[self.marked].end = self.base + end
        self.marked += 1
        return True

    cdef void trim(self) noexcept:
        """Gives back what a large run has grown."""
        if self.capacity * sizeof(uint32_t) > KEEP:
            free(self.out)
            self.out = NULL
            self.capacity = 0
        if self.mark_capacity * sizeof(Mark) > KEEP:
            free(self.marks)
            self.marks = NULL
            self.mark_capacity = 0
        if self.buffer_size > KEEP:
            free(self.buffer)
            self.buffer = NULL
            self.buffer_size = 0
        if self.scratch.capacity * 44 > KEEP:
            free_scratch(&self.scratch)
            self.scratch.ids = self.scratch.next = self.scratch.previous = NULL
            self.scratch.out = self.scratch.ends = NULL
            self.scratch.heap = NULL
            self.scratch.capacity = 0
