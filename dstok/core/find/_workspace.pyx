"""The workspace: the memory that one encoding run writes to.

In: a run. Out: memory for its ids, notes and scratch, and a piece table of its own.
Invariant: a workspace serves one run at a time, and a tokenizer never changes. So threads share a tokenizer without a
lock, and the memory of a tokenizer is bounded by the number of its workspaces. Between runs at most `KEEP` bytes of
each growable buffer stay allocated.
"""

cimport cython
from libc.stdint cimport int64_t, uint8_t, uint32_t
from libc.stdlib cimport free, realloc

from dstok.core.merge._bpe cimport SCRATCH_BYTES, Scratch, scratch_free
from dstok.core.merge._pieces cimport PAD, PieceMemory
from dstok.core.split._scan cimport drop

cdef extern from "simd/_platform.h":
    void *huge_alloc(size_t size) noexcept nogil
    void *huge_grown(void *memory, size_t used, size_t size) noexcept nogil

cdef enum:
    KEEP = 1 << 22


@cython.final
cdef class Workspace:
    """`pieces` is a piece table: this workspace's own if `writable`. None for runs that make no ids."""

    def __cinit__(self, PieceMemory pieces, bint writable):
        self._keep = pieces
        self.opening = 2
        if pieces is not None:
            self.table = pieces.table
            self.table.writable = writable

    def __dealloc__(self):
        scratch_free(&self.scratch)
        scratch_free(&self.junction)
        free(self.out)
        free(self.side)
        free(self.spans)
        free(self.char_spans)
        free(self.notes)
        free(self.buffer)
        free(self.lead)
        drop(&self.memo)

    cdef void begin(self, bint counting, bint noting) noexcept nogil:
        """Makes the workspace ready for a run."""
        self.pieces = 0
        self.count = self.total = self.spanned = self.noted = self.base = self.origin = self.side_used = 0
        self.starts[0] = 0
        self.counting = counting
        self.noting = noting
        self.fresh = self.opening
        self.prefix = 0
        self.status = FINE

    cdef void begin_spans(self, bint ends_only) noexcept nogil:
        """Makes it ready for a run that writes spans, or only ends in characters."""
        self.ends_only = ends_only
        self.spanned = self.counted = self.characters = 0
        self.counts_characters = True

    cdef void begin_chunk(self, Py_ssize_t at) noexcept nogil:
        """Begins an empty chunk, whose first piece begins at `at` of the buffer in work."""
        self.origin = at
        self.pieces = 0
        self.starts[0] = 0

    cdef void next_chunk(self) noexcept nogil:
        """Begins an empty chunk at the end of the last one."""
        self.begin_chunk(self.origin + self.starts[self.pieces])

    cdef bint reserve(self, Py_ssize_t more) noexcept nogil:
        """Makes room for `more` ids; false, with the status set, if memory is out."""
        cdef Py_ssize_t wanted = self.count + more
        cdef void *grown
        if wanted <= self.capacity:
            return True
        wanted = max(wanted, self.capacity + self.capacity // 2)
        if self.count == 0:
            free(self.out)
            self.out = NULL
            self.capacity = 0
            grown = huge_alloc(wanted * sizeof(uint32_t))
        else:
            grown = huge_grown(self.out, self.count * sizeof(uint32_t), wanted * sizeof(uint32_t))
        if grown == NULL:
            self.status = OUT_OF_MEMORY
            return False
        self.out = <uint32_t *>grown
        self.capacity = wanted
        return True

    cdef bint reserve_spans(self, Py_ssize_t more) noexcept nogil:
        """Makes room for `more` spans; false, with the status set, if memory is out."""
        cdef Py_ssize_t wanted = self.spanned + more
        if wanted <= self.span_room:
            return True
        wanted = max(wanted, self.span_room + self.span_room // 2)
        if not (more_spans(&self.spans, self.spanned, wanted) and more_spans(&self.char_spans, self.spanned, wanted)):
            self.status = OUT_OF_MEMORY
            return False
        self.span_room = wanted
        return True

    cdef bint reserve_side(self, Py_ssize_t more) noexcept nogil:
        """Makes room for `more` words in `side`; false, with the status set, if memory is out."""
        cdef Py_ssize_t wanted = self.side_used + more
        cdef void *grown
        if wanted <= self.side_size:
            return True
        wanted = max(wanted, self.side_size + self.side_size // 2)
        grown = realloc(self.side, wanted * sizeof(uint32_t))
        if grown == NULL:
            self.status = OUT_OF_MEMORY
            return False
        self.side = <uint32_t *>grown
        self.side_size = wanted
        return True

    cdef bint reserve_buffer(self, Py_ssize_t size) noexcept nogil:
        """Makes room for `size` bytes of text, and for the bytes that may be read after it; false if memory is out."""
        cdef void *grown
        if size <= self.buffer_size:
            return True
        grown = realloc(self.buffer, size + PAD)
        if grown == NULL:
            self.status = OUT_OF_MEMORY
            return False
        self.buffer = <uint8_t *>grown
        self.buffer_size = size
        return True

    cdef bint reserve_lead(self, Py_ssize_t size) noexcept nogil:
        """Does what `reserve_buffer` does, for the first part of a stretch."""
        cdef void *grown
        if size <= self.lead_size:
            return True
        grown = realloc(self.lead, size + PAD)
        if grown == NULL:
            self.status = OUT_OF_MEMORY
            return False
        self.lead = <uint8_t *>grown
        self.lead_size = size
        return True

    cdef bint note(self, Py_ssize_t start, Py_ssize_t end) noexcept nogil:
        """Notes that the next id is an added token that spans these bytes of the buffer."""
        cdef void *grown
        if self.noted == self.note_capacity:
            grown = realloc(self.notes, (2 * self.noted + 64) * sizeof(Note))
            if grown == NULL:
                self.status = OUT_OF_MEMORY
                return False
            self.notes = <Note *>grown
            self.note_capacity = 2 * self.noted + 64
        self.notes[self.noted].index = self.total + self.count
        self.notes[self.noted].start = self.base + start
        self.notes[self.noted].end = self.base + end
        self.noted += 1
        return True

    cdef void trim(self) noexcept:
        """Frees the memory that a large run has grown."""
        if self.capacity * sizeof(uint32_t) > KEEP:
            free(self.out)
            self.out = NULL
            self.capacity = 0
        if self.span_room * 2 * sizeof(int64_t) > KEEP:
            free(self.spans)
            free(self.char_spans)
            self.spans = self.char_spans = NULL
            self.span_room = 0
        if self.note_capacity * sizeof(Note) > KEEP:
            free(self.notes)
            self.notes = NULL
            self.note_capacity = 0
        if self.side_size * sizeof(uint32_t) > KEEP:
            free(self.side)
            self.side = NULL
            self.side_size = 0
        if self.buffer_size > KEEP:
            free(self.buffer)
            self.buffer = NULL
            self.buffer_size = 0
        if self.memo.known != NULL:
            drop(&self.memo)
        _trim(&self.scratch)
        _trim(&self.junction)


cdef bint more_spans(int64_t **spans, Py_ssize_t used, Py_ssize_t wanted) noexcept nogil:
    """Makes an array of spans larger; false if memory is out. One without spans is new, with large pages."""
    cdef void *grown
    if used == 0:
        free(spans[0])
        spans[0] = NULL
        grown = huge_alloc(wanted * 2 * sizeof(int64_t))
    else:
        grown = realloc(spans[0], wanted * 2 * sizeof(int64_t))
    if grown != NULL:
        spans[0] = <int64_t *>grown
    return grown != NULL


cdef void _trim(Scratch *s) noexcept:
    if s.capacity * SCRATCH_BYTES > KEEP:
        scratch_free(s)
