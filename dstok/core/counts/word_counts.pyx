"""The frequency of each piece of a corpus, counted as the pieces are found; sorted pieces of several sources in one.

In: texts, or blocks of sorted pieces (sorted_words.h). Out: each distinct piece with its count, in blocks.
Invariant: the counts are the sums over all texts of the pieces of `SpanPass.split`, or over all sources of a piece's
counts, each times the weight of its source. `Tally` takes at most `memory` bytes, beside `NEAR_BYTES`. If it needs
more, it calls `spill`, and is emptied; without `spill` it says that it is full, and counts no further.

In `Tally` each distinct piece gets a number when it first occurs. The probe of the piece table finds the numbers of the
most frequent pieces, in a small table that forgets; an open hash table with a random seed has all pieces.
Example: "a", " ", "b", " ", "a" get the numbers 0, 1, 2, 1, 0. All five miss the probe; the next chunk's will not.
"""

cimport cython
from cpython.bytes cimport PyBytes_AS_STRING, PyBytes_FromStringAndSize, PyBytes_GET_SIZE
from cpython.exc cimport PyErr_Fetch, PyErr_NormalizeException
from cpython.object cimport PyObject
from cpython.ref cimport Py_XDECREF
from libc.stdint cimport int64_t, uint8_t, uint32_t, uint64_t
from libc.stdlib cimport calloc, free, malloc, realloc
from libc.string cimport memcmp, memcpy, memset

from dstok.core.bpe.merge cimport KEY24_MAX, VALUE_ID_BITS, piece_insert, piece_lines_open
from dstok.core.cpu.level cimport CHUNK_ROOM, Implementation, PieceTable, chosen
from dstok.core.cpu.platform cimport (
    add_overflow, huge_free, huge_grow, huge_grown, huge_zeroed, mul_overflow, prefetch,
)
from dstok.core.split.finder cimport FINE, OUT_OF_MEMORY, Finder, Sink
from dstok.core.text.hash cimport hash_bytes
from dstok.core.text.utf8 cimport Source, open_source

import os
from array import array

cdef extern from "counts/sorted_words.h":
    ctypedef struct Entry:
        uint64_t number
    ctypedef struct Pieces:
        const uint8_t *text
        const int64_t *ends, *counts
        int64_t size
    ctypedef struct Block:
        uint8_t *data
        Py_ssize_t size
        int64_t distinct, length, longest
        uint64_t occurrences
    ctypedef struct Cursor:
        const uint8_t *at, *end
        uint8_t *piece
        int64_t length, count
        Py_ssize_t room
    enum:
        CURSOR_END
        CURSOR_FINE
        CURSOR_BROKEN
        CURSOR_NO_MEMORY
    void sort_counted(const Pieces *pieces, Entry *entries, int64_t size, int by_count) noexcept nogil
    int block_add(Block *block, int64_t wanted, const uint8_t *last, int64_t last_length, const uint8_t *piece,
                  int64_t length, int64_t count) noexcept nogil
    int cursor_next(Cursor *cursor, int by_count) noexcept nogil
    bint cursor_before(const Cursor *one, const Cursor *other, int by_count) noexcept nogil
    int piece_order(const uint8_t *one, int64_t length, const uint8_t *other, int64_t other_length) noexcept nogil

cdef extern from *:
    PyObject *PyObject_CallOneArg(object call, object argument)
    int PyException_SetTraceback(PyObject *error, PyObject *trace)

cdef enum:
    FIRST_LOG2 = 13          # places of a new table
    FIRST_MANY = 1 << 12     # pieces that fill them
    LARGE = 1 << 21          # bytes of a large page
    NEAR_LOG2 = 15           # 2 MB for 131,072 short pieces, 2 MB for 65,536 longer ones: whole large pages
    NEAR_BYTES = 128 << NEAR_LOG2
    NEAR = 1 << VALUE_ID_BITS  # numbers that a value can hold
    ONE_ID = 1               # a value: one id, 0
    AHEAD = 8                # distance, in pieces, to the place that is fetched


@cython.final
cdef class Tally(Sink):
    """Count the pieces that `finder` finds in the texts that `add` gets. One thread at a time."""

    cdef Finder finder
    cdef const Implementation *level
    cdef PieceTable near             # the numbers of pieces, for the probe
    cdef void *lines                 # its memory
    cdef uint64_t *places            # the upper half of a hash, and a number plus one; 0: a free place
    cdef int places_log2
    cdef int64_t *counts             # by number
    cdef int64_t *ends               # piece i is `text[ends[i]:ends[i + 1]]`
    cdef uint8_t *text
    cdef Py_ssize_t used             # numbers given
    cdef Py_ssize_t room             # of `counts`
    cdef Py_ssize_t text_room
    cdef Py_ssize_t memory           # bytes that the table may take
    cdef bint full
    cdef object spill                # gets the tally when it is full
    cdef object error                # an exception of `spill`
    cdef Block out                   # the blocks that `block` gives
    cdef Py_ssize_t given            # sorted pieces that are in blocks
    cdef uint64_t seed
    cdef Py_ssize_t steps
    cdef uint64_t values[CHUNK_ROOM]  # of the pieces of a chunk, and those that are missed: as in `IdSink`
    cdef uint32_t missed[CHUNK_ROOM]
    cdef uint32_t numbers[CHUNK_ROOM + 8]  # of the pieces of a chunk
    cdef uint32_t found[CHUNK_ROOM]        # of the missed ones

    def __cinit__(self, Finder finder not None):
        self.finder, self.level = finder, chosen()
        self.memory = 1 << 62
        self.lines = huge_zeroed(NEAR_BYTES)
        self.places_log2 = FIRST_LOG2
        self.places = <uint64_t *>huge_zeroed(sizeof(uint64_t) << FIRST_LOG2)
        self.ends = <int64_t *>calloc(1, sizeof(int64_t))
        piece_lines_open(&self.near, self.lines, NEAR_LOG2, NEAR_LOG2)
        if self.lines == NULL or self.places == NULL or self.ends == NULL:
            raise MemoryError
        self.seed = int.from_bytes(os.urandom(8), "little")

    def __dealloc__(self):
        huge_free(self.lines, NEAR_BYTES)
        huge_free(self.places, sizeof(uint64_t) << self.places_log2)
        free(self.counts)
        free(self.ends)
        free(self.text)
        free(self.out.data)

    cdef void take(self) noexcept nogil:
        cdef const uint8_t *text = self.chunk.text + self.chunk.origin
        cdef const uint32_t *starts = self.chunk.starts
        cdef uint32_t *end = self.numbers
        cdef int64_t *counts
        cdef int i, pieces = self.chunk.pieces
        cdef int misses = self.level.probe(&self.near, text, self.chunk.starts, pieces, self.values, self.missed)
        if self.find_missed(text, misses):
            self.level.emit(self.values, 0, pieces, &end)
            for i in range(misses):
                self.numbers[self.missed[i]] = self.found[i]
            counts = self.counts
            for i in range(pieces):
                counts[self.numbers[i]] += 1
        elif self.spill is None:
            self.set_fault(OUT_OF_MEMORY)
        else:
            for i in range(pieces):
                self.add_count(text + starts[i], starts[i + 1] - starts[i], 1)

    cdef bint find_missed(self, const uint8_t *text, int misses) noexcept nogil:
        """Set `found`, and makes the values of all pieces such as have one id; false if the table is full.

        Fetches the places of all pieces before it looks at the first: so the processor waits for many at once.
        """
        cdef uint64_t hashes[CHUNK_ROOM]
        cdef const uint32_t *starts = self.chunk.starts
        cdef const uint8_t *piece
        cdef uint32_t length
        cdef Py_ssize_t number
        cdef int i
        for i in range(misses):
            length = starts[self.missed[i] + 1] - starts[self.missed[i]]
            hashes[i] = hash_bytes(self.seed, text + starts[self.missed[i]], length)
            prefetch(self.places + (hashes[i] >> (64 - self.places_log2)))
        for i in range(misses):
            piece, length = text + starts[self.missed[i]], starts[self.missed[i] + 1] - starts[self.missed[i]]
            number = self.number_of(hashes[i], piece, length)
            if number < 0:
                return False
            self.found[i], self.values[self.missed[i]] = <uint32_t>number, ONE_ID
            if length <= KEY24_MAX and number < NEAR:
                piece_insert(&self.near, piece, length, &self.found[i], 1)
        return True

    cdef void take_giant(self, Py_ssize_t start, Py_ssize_t end) noexcept nogil:
        self.add_count(self.chunk.text + start, end - start, 1)

    cdef bint add_count(self, const uint8_t *piece, Py_ssize_t length, int64_t count) noexcept nogil:
        """Add to the count of a piece, in an emptied table if this one is full; false, with a fault, if it stays."""
        cdef uint64_t hash = hash_bytes(self.seed, piece, length)
        cdef Py_ssize_t number = self.number_of(hash, piece, length)
        while number < 0 and self.make_room():
            number = self.number_of(hash, piece, length)
        if number >= 0:
            self.counts[number] += count
        else:
            self.set_fault(OUT_OF_MEMORY)
        return number >= 0

    cdef bint make_room(self) noexcept nogil:
        """Let `spill` write the table, and empties it; false, with an `error` if there was one, if it cannot."""
        cdef PyObject *done
        cdef PyObject *kind = NULL
        cdef PyObject *error = NULL
        cdef PyObject *trace = NULL
        if self.spill is None or self.error is not None:
            return False
        if not self.used:
            return self.release()
        with gil:
            done = PyObject_CallOneArg(self.spill, self)
            if done == NULL:  # in Cython's own words this function, whose callers cannot raise, could drop an exception
                PyErr_Fetch(&kind, &error, &trace)
                PyErr_NormalizeException(&kind, &error, &trace)
                if trace != NULL:
                    PyException_SetTraceback(error, trace)
                self.error = <object>error
            else:
                self.empty()
            Py_XDECREF(done)
            Py_XDECREF(kind)
            Py_XDECREF(error)
            Py_XDECREF(trace)
        return not self.full

    cdef bint release(self) noexcept nogil:
        """Free the memory of an empty table, for a piece that takes nearly all; false if there is none to free."""
        cdef uint64_t *places
        if not self.room and not self.text_room and self.places_log2 == FIRST_LOG2:
            return False
        places = <uint64_t *>huge_zeroed(sizeof(uint64_t) << FIRST_LOG2)
        if places == NULL:
            return False
        huge_free(self.places, sizeof(uint64_t) << self.places_log2)
        free(self.counts)
        free(self.text)
        self.counts, self.text, self.room, self.text_room = NULL, NULL, 0, 0
        self.places, self.places_log2 = places, FIRST_LOG2
        self.ends = <int64_t *>realloc(self.ends, sizeof(int64_t))
        self.full = False
        return True

    cdef Py_ssize_t number_of(self, uint64_t hash, const uint8_t *piece, Py_ssize_t length) noexcept nogil:
        """Return the number of a piece, a new one if it had none; -1 if the table is full."""
        cdef Py_ssize_t place = <Py_ssize_t>(hash >> (64 - self.places_log2)), number
        if self.full:
            return -1
        while self.places[place]:
            number = <Py_ssize_t><uint32_t>self.places[place] - 1
            if self.places[place] >> 32 == hash >> 32 and self.ends[number + 1] - self.ends[number] == length and (
                    not memcmp(self.text + self.ends[number], piece, length)):
                return number
            place = (place + 1) & ((<Py_ssize_t>1 << self.places_log2) - 1)
            self.steps += 1
        return self.keep(place, hash, piece, length)

    cdef Py_ssize_t keep(
        self, Py_ssize_t place, uint64_t hash, const uint8_t *piece, Py_ssize_t length
    ) noexcept nogil:
        """Give a new piece, which belongs to a free place, a number; -1, with `full` set, if that takes too much."""
        cdef Py_ssize_t number = self.used, start = self.ends[number]
        if not self.more_text(length) or (number == self.room and not self.more_numbers()):
            self.full = True
            return -1
        memcpy(self.text + start, piece, length)
        self.counts[number], self.ends[number + 1] = 0, start + length
        self.places[place] = hash >> 32 << 32 | <uint64_t>(number + 1)
        self.used = number + 1
        if self.used << 1 >> self.places_log2 and not self.more_places():
            self.full = True
        return number

    # Memory.

    cdef Py_ssize_t bytes_left(self) noexcept nogil:
        """Return the number of bytes that the table may take beside those that it has."""
        return self.memory - self.text_room - <Py_ssize_t>sizeof(int64_t) * (
            2 * self.room + (<Py_ssize_t>1 << self.places_log2))

    cdef Py_ssize_t large(self, Py_ssize_t size) noexcept nogil:
        """`size`; in whole large pages if a large table may take many of them: small pages cost a fault each."""
        if self.used < FIRST_MANY or self.bytes_left() < size + 16 * LARGE:
            return size
        return (size + LARGE - 1) & -LARGE

    cdef void *grown(self, void *memory, Py_ssize_t used, Py_ssize_t size) noexcept nogil:
        """Do what `realloc` does; with a copy on large pages, if the table may take both at once."""
        return huge_grown(memory, used, size) if size <= self.bytes_left() else realloc(memory, size)

    cdef bint more_text(self, Py_ssize_t length) noexcept nogil:
        """Make room for the bytes of a piece; false if that would take too much."""
        cdef Py_ssize_t wanted = self.ends[self.used] + length, room = self.text_room
        cdef void *grown
        if wanted <= room:
            return True
        room = min(self.large(wanted + room // 2 + 4096), room + self.bytes_left())
        grown = self.grown(self.text, self.ends[self.used], room) if room >= wanted else NULL
        if grown == NULL:
            return False
        self.text, self.text_room = <uint8_t *>grown, room
        return True

    cdef bint more_numbers(self) noexcept nogil:
        """Make room for half as many numbers more; false if that would take too much."""
        cdef Py_ssize_t room = self.large(
            (self.room + self.room // 2 + (1 << FIRST_LOG2 >> 1)) * sizeof(int64_t)) // <Py_ssize_t>sizeof(int64_t)
        cdef void *grown
        if room >> 31 or 2 * <Py_ssize_t>sizeof(int64_t) * (room - self.room) > self.bytes_left():
            return False
        grown = self.grown(self.counts, self.used * sizeof(int64_t), room * sizeof(int64_t))
        if grown == NULL:
            return False
        self.counts = <int64_t *>grown
        grown = self.grown(self.ends, (self.used + 1) * sizeof(int64_t), (room + 1) * sizeof(int64_t))
        if grown == NULL:
            return False
        self.ends, self.room = <int64_t *>grown, room
        return True

    cdef bint more_places(self) noexcept nogil:
        """Make at least twice as many places; false if that would take too much."""
        cdef Py_ssize_t size = <Py_ssize_t>1 << self.places_log2, i, place
        cdef Py_ssize_t more = self.large(2 * size * sizeof(uint64_t)) // <Py_ssize_t>sizeof(uint64_t)
        cdef uint64_t *places = NULL
        cdef int log2 = self.places_log2 + 1
        while more >> log2 > 1:
            log2 += 1
        if more * <Py_ssize_t>sizeof(uint64_t) <= self.bytes_left():
            places = <uint64_t *>huge_zeroed(more * sizeof(uint64_t))
        if places == NULL:
            return False
        for i in range(size):
            if self.places[i]:
                place = <Py_ssize_t>(self.places[i] >> (64 - log2))
                while places[place]:
                    place = (place + 1) & (more - 1)
                places[place] = self.places[i]
        huge_free(self.places, size * sizeof(uint64_t))
        self.places, self.places_log2 = places, log2
        return True

    # The calls for Python.

    def limit(self, Py_ssize_t memory, spill: Callable[[Tally], None] = None):
        """Set how many bytes the table may take, and the function that gets the tally if that is not enough.

        `spill(tally)` calls `sort` and `block`. It comes from a thread that counts. Its exceptions end the call of
        `add`, `add_rows` or `merge`.
        """
        self.memory, self.spill = memory, spill

    def add(self, list texts not None) -> bool:
        """Count the pieces of valid texts (ASCII `str` or UTF-8 bytes); false if there was no room for all."""
        cdef Py_ssize_t count = len(texts), i = 0
        cdef Source *sources = <Source *>malloc((count + 1) * sizeof(Source))
        if sources == NULL:
            raise MemoryError
        self.set_fault(FINE)
        try:
            for i in range(count):
                sources[i] = open_source(texts[i])
                if sources[i].kind:
                    raise ValueError("expected ascii str or bytes")
            i = 0
            with nogil:
                while i < count and self.fault.status == FINE:
                    self.finder.find_all(self, <const uint8_t *>sources[i].data, sources[i].length)
                    i += 1
        finally:
            free(sources)
            self.trim()
        self.check(self.fault.status)
        return self.fault.status == FINE

    cdef int check(self, int status) except -1:
        """Raise what happened in a thread without the GIL."""
        error, self.error = self.error, None
        if error is not None:
            raise error
        if status != FINE and not self.full:
            raise MemoryError
        return 0

    def merge(self, Tally other not None) -> bool:
        """Add the counts of another tally; false if there was no room for all."""
        cdef bint fits
        with nogil:
            fits = self.add_counts(other.text, other.ends, other.counts, other.used)
        self.check(FINE)
        return fits

    def add_rows(
        self, bytes pieces not None, const int64_t[::1] offsets not None, const int64_t[::1] counts not None
    ) -> bool:
        """Add counts, in the form of `counted`; false if there was no room for all."""
        cdef const uint8_t *text = <const uint8_t *>PyBytes_AS_STRING(pieces)
        cdef bint fits = True
        if counts.shape[0]:
            with nogil:
                fits = self.add_counts(text, &offsets[0], &counts[0], counts.shape[0])
        self.check(FINE)
        return fits

    cdef bint add_counts(
        self, const uint8_t *text, const int64_t *ends, const int64_t *counts, Py_ssize_t size
    ) noexcept nogil:
        cdef Py_ssize_t i, ahead
        cdef uint64_t hash
        for i in range(size):
            ahead = min(i + AHEAD, size - 1)
            hash = hash_bytes(self.seed, text + ends[ahead], ends[ahead + 1] - ends[ahead])
            prefetch(self.places + (hash >> (64 - self.places_log2)))
            if not self.add_count(text + ends[i], ends[i + 1] - ends[i], counts[i]):
                return False
        return True

    def sort(self, bint by_count):
        """Sort the pieces: by their bytes, or the most frequent first and then by bytes.

        `block` comes next, or `clear`. It takes no memory: the table's places become the order.
        """
        cdef Pieces pieces = Pieces(
            text=self.text, ends=self.ends, counts=self.counts, size=self.ends[self.used])
        with nogil:
            sort_counted(&pieces, <Entry *>self.places, self.used, by_count)
        self.given = 0

    def block(self, Py_ssize_t size) -> bytes:
        """Return the next of the sorted pieces, as a block of about `size` bytes; b"" after the last one."""
        cdef const Entry *order = <const Entry *>self.places
        cdef Py_ssize_t last = 0, last_length = 0, number
        cdef int status = 1
        self.out.size = 0
        with nogil:
            while self.given < self.used and status > 0:
                number = order[self.given].number
                if self.counts[number]:  # 0: it was found in a chunk for which there was no room
                    status = block_add(&self.out, size, self.text + last, last_length, self.text + self.ends[number],
                                       self.ends[number + 1] - self.ends[number], self.counts[number])
                    last, last_length = self.ends[number], self.ends[number + 1] - self.ends[number]
                self.given += status > 0
        if status < 0:
            raise MemoryError
        return PyBytes_FromStringAndSize(<const char *>self.out.data, self.out.size)

    def clear(self, bint release=False):
        """Empty the table. Its memory stays, unless it is to `release` it."""
        self.empty()
        if release:
            self.release()

    cdef void empty(self) noexcept:
        memset(self.lines, 0, NEAR_BYTES)
        memset(self.places, 0, sizeof(uint64_t) << self.places_log2)
        self.used, self.full = 0, False
        self.out.distinct = self.out.length = self.out.longest = self.out.occurrences = 0

    def totals(self) -> tuple[int, int, int, int]:
        """(distinct pieces, their bytes, the sum of their counts, bytes of the longest) of the blocks since `clear`."""
        return self.out.distinct, self.out.length, self.out.occurrences, self.out.longest

    def counted(self) -> tuple[bytes, array[int], array[int]]:
        """Return (pieces, offsets, counts), the most frequent first, and equally frequent ones by their bytes.

        Piece i is `pieces[offsets[i]:offsets[i + 1]]`. The arrays have the typecode "q". Only `clear` may come next.
        """
        cdef const Entry *order = <const Entry *>self.places
        cdef Py_ssize_t i, number, length, at = 0
        cdef bytes pieces = PyBytes_FromStringAndSize(NULL, self.ends[self.used])
        cdef char *out = PyBytes_AS_STRING(pieces)
        cdef int64_t[::1] offsets = array("q", [0]) * (self.used + 1)
        cdef int64_t[::1] counts = array("q", [0]) * (self.used + 1)
        self.sort(True)
        with nogil:
            for i in range(self.used):
                if i + 2 * AHEAD < self.used:
                    prefetch(self.ends + order[i + 2 * AHEAD].number)
                    prefetch(self.text + self.ends[order[i + AHEAD].number])
                number = order[i].number
                length = self.ends[number + 1] - self.ends[number]
                memcpy(out + at, self.text + self.ends[number], length)
                at += length
                counts[i], offsets[i + 1] = self.counts[number], at
        return pieces, offsets.base, counts.base[:self.used]

    def passed(self) -> int:
        """Return the number of places with other pieces that look-ups have passed. For tests."""
        return self.steps

    def distinct(self) -> int:
        """Return the number of distinct pieces."""
        return self.used


cdef enum:                   # beside the status of a cursor, which is CURSOR_END if a source has no block
    FULL = 16                # the block is as large as it should be
    TOO_LARGE                # a count, or the sum of all, of more than 63 bits


cdef int check_cursor(int status, int source) except -1:
    """Raise what a cursor has met."""
    if status == CURSOR_NO_MEMORY:
        raise MemoryError
    if status == CURSOR_BROKEN:
        raise ValueError("expected pieces with counts, in order", source)
    return 0


@cython.final
cdef class Merge:
    """Merge `sources`: iterators of blocks.

    by_count: the most frequent pieces come first, and no two sources share one.
    weights: whole numbers above 0, one a source.
    """
    cdef list sources
    cdef list blocks                 # in work, one a source
    cdef Cursor *cursors
    cdef int many                    # of them: the collector may have taken `sources` when the rest is freed
    cdef int64_t *weights
    cdef int *heap
    cdef int size                    # of the heap
    cdef bint by_count
    cdef Cursor held                 # the piece whose counts are added up
    cdef Cursor last                 # the piece before it, in the block
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
        self.many = size
        for i in range(size):
            self.weights[i] = weights[i]
            if self.fill(i):
                self.heap[self.size] = i
                self.size += 1
        for i in range(self.size // 2 - 1, -1, -1):
            self.sink(i)

    def __dealloc__(self):
        cdef int i
        for i in range(self.many):
            free(self.cursors[i].piece)
        free(self.cursors)
        free(self.weights)
        free(self.heap)
        free(self.held.piece)
        free(self.last.piece)
        free(self.out.data)

    cdef bint fill(self, int source) except -1:
        """Take the next block of a source, and its first piece; false after the last one."""
        cdef bytes block = next(self.sources[source], None)
        cdef Cursor *cursor = self.cursors + source
        cdef int status
        self.blocks[source] = block
        if block is None:
            return False
        cursor.at = <const uint8_t *>PyBytes_AS_STRING(block)
        cursor.end = cursor.at + PyBytes_GET_SIZE(block)
        status = cursor_next(cursor, self.by_count)
        check_cursor(CURSOR_BROKEN if status == CURSOR_END else status, source)
        return True

    cdef void sink(self, int at) noexcept nogil:
        """Move a source down the heap to its place."""
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

    cdef int write(self, int64_t size) noexcept nogil:
        """Add the held piece to the block."""
        cdef int status
        if not self.count:
            return CURSOR_FINE
        if self.out.occurrences + <uint64_t>self.count >> 63:
            return TOO_LARGE
        status = block_add(&self.out, size, self.last.piece, self.last.length, self.held.piece, self.held.length,
                           self.count)
        if status <= 0:
            return CURSOR_NO_MEMORY if status else FULL
        self.held, self.last, self.count = self.last, self.held, 0
        return CURSOR_FINE

    cdef int run(self, int64_t size) noexcept nogil:
        """Go on until the block is full, or something else is needed."""
        cdef Cursor *cursor
        cdef int64_t product = 0
        cdef int status
        while self.size:
            cursor = self.cursors + self.heap[0]
            if not self.count or piece_order(
                    cursor.piece, cursor.length, self.held.piece, self.held.length):
                status = self.write(size)
                if status != CURSOR_FINE:
                    return status
                if not huge_grow(&self.held.piece, &self.held.room, 0, cursor.length, 1):
                    return CURSOR_NO_MEMORY
                memcpy(self.held.piece, cursor.piece, cursor.length)
                self.held.length = cursor.length
            if mul_overflow(cursor.count, self.weights[self.heap[0]], &product) or (
                    add_overflow(self.count, product, &self.count)):
                return TOO_LARGE
            status = cursor_next(cursor, self.by_count)
            if status != CURSOR_FINE:
                return status
            self.sink(0)
        return self.write(size)

    def block(self, Py_ssize_t size) -> bytes:
        """Return the next block, of about `size` bytes; b"" after the last. Raises `ValueError` and `OverflowError`."""
        cdef int status = CURSOR_END
        self.out.size = 0
        while status == CURSOR_END:
            with nogil:
                status = self.run(size)
            if status == CURSOR_END:
                if not self.fill(self.heap[0]):
                    self.size -= 1
                    self.heap[0] = self.heap[self.size]
                self.sink(0)
        if status == TOO_LARGE:
            raise OverflowError("expected a sum of counts below 2**63")
        check_cursor(status, self.heap[0])
        return PyBytes_FromStringAndSize(<const char *>self.out.data, self.out.size)

    def totals(self) -> tuple[int, int, int, int]:
        """Return (distinct pieces, their bytes, the sum of their counts, bytes of the longest) of the blocks so far."""
        return self.out.distinct, self.out.length, self.out.occurrences, self.out.longest


def rows_of(bytes block not None) -> tuple[bytes, array[int], array[int]]:
    """Return (pieces, offsets, counts) of a block: piece i is `pieces[offsets[i]:offsets[i + 1]]`.

    The arrays have the typecode "q". Raises `ValueError`.
    """
    cdef const uint8_t *start = <const uint8_t *>PyBytes_AS_STRING(block)
    cdef bytes pieces = b""
    cdef char *out = NULL
    cdef int64_t[::1] offsets, counts
    cdef int64_t rows = 0, length = 0
    cdef Cursor cursor
    cdef int status
    for copies in range(2):  # the first time only their number and bytes are counted
        if copies:
            pieces = PyBytes_FromStringAndSize(NULL, length)
            out = PyBytes_AS_STRING(pieces)
            offsets, counts = array("q", bytes(8 * (rows + 1))), array("q", bytes(8 * (rows + 1)))
        cursor = Cursor(at=start, end=start + PyBytes_GET_SIZE(block), piece=NULL, length=0, room=0, count=0)
        rows = length = 0
        with nogil:
            status = cursor_next(&cursor, True)
            while status == CURSOR_FINE:
                if out != NULL:
                    memcpy(out + length, cursor.piece, cursor.length)
                    counts[rows], offsets[rows + 1] = cursor.count, length + cursor.length
                rows, length = rows + 1, length + cursor.length
                cursor.count = 0  # any order will do
                status = cursor_next(&cursor, True)
            free(cursor.piece)
        check_cursor(status, 0)
    return pieces, offsets.base, counts.base[:rows]
