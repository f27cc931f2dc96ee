"""Sorted pieces with their counts, from several sources into one: the streaming part of counts files.

In: blocks (find/_counted.h), source by source in order. Out: blocks of all pieces in order, or the pieces of a block.
Invariant: a piece occurs once, with the sum of its counts, each times the weight of its source. Memory holds a block of
each source, and the pieces in work. Broken blocks raise `ValueError` with the number of the source, as do pieces out of
order.

A binary heap holds the sources, the one with the first piece on top.
"""

cimport cython
from cpython.bytes cimport PyBytes_AS_STRING, PyBytes_FromStringAndSize, PyBytes_GET_SIZE
from libc.stdint cimport int64_t, uint8_t, uint64_t
from libc.stdlib cimport calloc, free, realloc
from libc.string cimport memcpy, memset

from dstok.core.find._counted cimport (
    CURSOR_BROKEN, CURSOR_END, CURSOR_FINE, CURSOR_NO_MEMORY, Block, Cursor, block_add, cursor_before, cursor_next,
    piece_order)

from array import array

cdef extern from *:
    """
    static inline int weighed(int64_t *sum, int64_t count, int64_t weight) {
        int64_t product;
        return !__builtin_mul_overflow(count, weight, &product) && !__builtin_add_overflow(*sum, product, sum);
    }
    """
    bint weighed(int64_t *sum, int64_t count, int64_t weight) noexcept nogil

cdef enum State:
    FULL                     # the block is as large as it should be
    WAITING                  # the source on top of the heap has no block
    DONE
    BROKEN
    NO_MEMORY
    TOO_LARGE                # a count, or the sum of all, of more than 63 bits

cdef struct Held:
    uint8_t *piece
    int64_t length
    int64_t room


@cython.final
cdef class Merge:
    """Merges `sources`: iterators of blocks.

    by_count: the most frequent pieces come first, and no two sources share one.
    weights: whole numbers above 0, one a source.
    """
    cdef list sources
    cdef list blocks                 # in work, one a source
    cdef Cursor *cursors
    cdef int64_t *weights
    cdef int *heap
    cdef int size                    # of the heap
    cdef bint by_count
    cdef Held held                   # the piece whose counts are added up
    cdef Held last                   # the piece before it, in the block
    cdef int64_t count
    cdef Block out

    def __cinit__(self, list sources not None, list weights not None, bint by_count):
        cdef int i, size = <int>len(sources)
        self.sources, self.blocks, self.by_count = sources, [None] * size, by_count
        self.cursors = <Cursor *>calloc(size + 1, sizeof(Cursor))
        self.weights = <int64_t *>calloc(size + 1, sizeof(int64_t))
        self.heap = <int *>calloc(size + 1, sizeof(int))
        if self.cursors == NULL or self.weights == NULL or self.heap == NULL:
            raise MemoryError
        for i in range(size):
            self.weights[i] = weights[i]
            if self.fill(i):
                self.heap[self.size] = i
                self.size += 1
        for i in range(self.size // 2 - 1, -1, -1):
            self.sink(i)

    def __dealloc__(self):
        cdef int i
        for i in range(len(self.sources) if self.cursors != NULL else 0):
            free(self.cursors[i].piece)
        free(self.cursors)
        free(self.weights)
        free(self.heap)
        free(self.held.piece)
        free(self.last.piece)
        free(self.out.data)

    cdef bint fill(self, int source) except -1:
        """Takes the next block of a source, and its first piece; false after the last one."""
        cdef bytes block = next(self.sources[source], None)
        cdef Cursor *cursor = self.cursors + source
        cdef int status
        self.blocks[source] = block
        if block is None:
            return False
        cursor.at = <const uint8_t *>PyBytes_AS_STRING(block)
        cursor.end = cursor.at + PyBytes_GET_SIZE(block)
        status = cursor_next(cursor, self.by_count)
        if status == CURSOR_NO_MEMORY:
            raise MemoryError
        if status != CURSOR_FINE:
            raise broken(source)
        return True

    cdef void sink(self, int at) noexcept nogil:
        """Moves a source down the heap to its place."""
        cdef int moved = self.heap[at], below = 2 * at + 1
        while below < self.size:
            if below + 1 < self.size and self.before(self.heap[below + 1], self.heap[below]):
                below += 1
            if not self.before(self.heap[below], moved):
                break
            self.heap[at], at = self.heap[below], below
            below = 2 * at + 1
        self.heap[at] = moved

    cdef inline bint before(self, int one, int other) noexcept nogil:
        return cursor_before(self.cursors + one, self.cursors + other, self.by_count)

    cdef State write(self, int64_t size) noexcept nogil:
        """Adds the held piece to the block."""
        cdef int status
        if not self.count:
            return DONE
        if self.out.occurrences + <uint64_t>self.count >> 63:
            return TOO_LARGE
        status = block_add(&self.out, size, self.last.piece, self.last.length, self.held.piece, self.held.length,
                           self.count)
        if status <= 0:
            return NO_MEMORY if status else FULL
        self.held, self.last = self.last, self.held
        self.count = 0
        return DONE

    cdef State hold(self, const Cursor *cursor) noexcept nogil:
        """Copies a piece, to add up its counts."""
        cdef int64_t room = cursor.length + cursor.length // 8 + 64
        cdef void *grown
        if cursor.length > self.held.room or not self.held.room:
            grown = realloc(self.held.piece, room)
            if grown == NULL:
                return NO_MEMORY
            self.held.piece, self.held.room = <uint8_t *>grown, room
        memcpy(self.held.piece, cursor.piece, cursor.length)
        self.held.length = cursor.length
        return DONE

    cdef State run(self, int64_t size) noexcept nogil:
        """Goes on until the block is full, or something else is needed."""
        cdef Cursor *cursor
        cdef State state
        cdef int status
        while self.size:
            cursor = self.cursors + self.heap[0]
            if not self.count or piece_order(
                    cursor.piece, cursor.length, self.held.piece, self.held.length):
                state = self.write(size)
                if state == DONE:
                    state = self.hold(cursor)
                if state != DONE:
                    return state
            if not weighed(&self.count, cursor.count, self.weights[self.heap[0]]):
                return TOO_LARGE
            status = cursor_next(cursor, self.by_count)
            if status != CURSOR_FINE:
                return WAITING if status == CURSOR_END else BROKEN if status == CURSOR_BROKEN else NO_MEMORY
            self.sink(0)
        return self.write(size)

    def block(self, Py_ssize_t size):
        """The next block, of about `size` bytes; b"" after the last one. Raises `ValueError`, and `OverflowError`."""
        cdef State state = WAITING
        self.out.size = 0
        while state == WAITING:
            with nogil:
                state = self.run(size)
            if state == WAITING:
                if not self.fill(self.heap[0]):
                    self.size -= 1
                    self.heap[0] = self.heap[self.size]
                self.sink(0)
        if state == BROKEN:
            raise broken(self.heap[0])
        if state == NO_MEMORY:
            raise MemoryError
        if state == TOO_LARGE:
            raise OverflowError("expected a sum of counts below 2**63")
        return PyBytes_FromStringAndSize(<const char *>self.out.data, self.out.size)

    def totals(self):
        """(distinct pieces, their bytes, the sum of their counts, bytes of the longest) of the blocks so far."""
        return self.out.distinct, self.out.length, self.out.occurrences, self.out.longest


def rows_of(bytes block not None):
    """(pieces, offsets, counts) of a block: piece i is `pieces[offsets[i]:offsets[i + 1]]`.

    The arrays have the typecode "q". Raises `ValueError`.
    """
    cdef int64_t rows = 0, length = 0
    read(block, NULL, NULL, NULL, &rows, &length)
    cdef bytes pieces = PyBytes_FromStringAndSize(NULL, length)
    cdef int64_t[::1] offsets = array("q", bytes(8 * (rows + 1)))
    cdef int64_t[::1] counts = array("q", bytes(8 * (rows + 1)))
    read(block, <uint8_t *>PyBytes_AS_STRING(pieces), &offsets[0], &counts[0], &rows, &length)
    return pieces, offsets.base, counts.base[:rows]


cdef int read(
    bytes block, uint8_t *pieces, int64_t *offsets, int64_t *counts, int64_t *rows, int64_t *length
) except -1:
    """Counts the pieces of a block and their bytes; and copies them, unless `pieces` is NULL."""
    cdef Cursor cursor
    cdef int status
    memset(&cursor, 0, sizeof(Cursor))
    cursor.at = <const uint8_t *>PyBytes_AS_STRING(block)
    cursor.end = cursor.at + PyBytes_GET_SIZE(block)
    rows[0] = length[0] = 0
    with nogil:
        status = cursor_next(&cursor, True)
        while status == CURSOR_FINE:
            if pieces != NULL:
                memcpy(pieces + length[0], cursor.piece, cursor.length)
                counts[rows[0]], offsets[rows[0] + 1] = cursor.count, length[0] + cursor.length
            rows[0] += 1
            length[0] += cursor.length
            cursor.count = 0  # any order will do
            status = cursor_next(&cursor, True)
        free(cursor.piece)
    if status == CURSOR_NO_MEMORY:
        raise MemoryError
    if status == CURSOR_BROKEN:
        raise broken(0)
    return 0


cdef object broken(int source):
    return ValueError("expected pieces with counts, in order", source)
