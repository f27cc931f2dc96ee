"""The sink of frequencies: the number of occurrences of each piece of a corpus, counted as the pieces are found.

In: texts. Out: each distinct piece with its number of occurrences.
Invariant: the counts are the sums over all texts of the pieces of `SpanPass.split`. The table takes at most `memory`
bytes, beside `NEAR_BYTES`: if it needed more, it says so and counts no further.

Each distinct piece gets a number when it first occurs. There are two ways from a piece to its number:

- the probe of the piece table (merge/_probe_batches.h), in a small table that forgets: its values hold numbers in place
  of ids. It takes all pieces of a chunk at once, and finds the most frequent ones;
- an open hash table, half full at most, which has all pieces. The hash has a random seed, so nobody can make a text
  that is slow for everybody.

Example: "a", " ", "b", " ", "a" get the numbers 0, 1, 2, 1, 0. All five miss the probe; the next chunk's will not.
"""

cimport cython
from cpython.bytes cimport PyBytes_AS_STRING, PyBytes_FromStringAndSize
from cpython.unicode cimport PyUnicode_DecodeUTF8
from libc.stdint cimport int64_t, uint8_t, uint32_t, uint64_t
from libc.stdlib cimport calloc, free, malloc, realloc
from libc.string cimport memcmp, memcpy

from dstok.core.find._finder cimport Finder
from dstok.core.find._sink cimport Sink
from dstok.core.find._workspace cimport FINE, OUT_OF_MEMORY, Workspace
from dstok.core.merge._pieces cimport MIDDLE, VALUE_ID_BITS, insert
from dstok.core.simd._level cimport chosen
from dstok.core.text._hash cimport hash_bytes
from dstok.core.text._utf8 cimport Source, open_source

import os
from array import array

cdef extern from "find/_by_count.h":
    ctypedef struct Counted:
        int64_t count
        const uint8_t *piece
        int64_t length
    Counted counted_of "counted"(const uint8_t *piece, int64_t length, int64_t count) noexcept nogil
    Counted *sort_counted(Counted *pieces, Counted *other, int64_t size) noexcept nogil

cdef extern from "simd/_platform.h":
    void *huge_alloc(size_t size) noexcept nogil
    void *huge_zeroed(size_t size) noexcept nogil
    void huge_free(void *memory, size_t size) noexcept nogil

cdef extern from *:
    void __builtin_prefetch(const void *) noexcept nogil

cdef enum:
    FIRST_LOG2 = 13          # places of a new table
    A_LINES_LOG2 = 15        # 2 MB, 131,072 short pieces
    B_LINES_LOG2 = 15        # 2 MB, 65,536 longer ones: both fill whole large pages
    NEAR_BYTES = (64 << A_LINES_LOG2) + (64 << B_LINES_LOG2)
    NEAR = 1 << VALUE_ID_BITS  # numbers that a value can hold
    ONE_ID = 1               # a value: one id, 0
    AHEAD = 8                # distance, in pieces, to the place that is fetched


@cython.final
cdef class Tally(Sink):
    """Counts the pieces that `finder` finds in the texts that `add` gets. One thread at a time."""

    def __cinit__(self, Finder finder not None):
        self.finder, self.own, self.level = finder, Workspace(None, False), chosen()
        self.memory = 1 << 62
        self.lines = huge_zeroed(NEAR_BYTES)
        self.near.a, self.near.b = <uint64_t *>self.lines, <uint64_t *>self.lines + (<Py_ssize_t>8 << A_LINES_LOG2)
        self.near.a_shift, self.near.b_shift, self.near.writable = 64 - A_LINES_LOG2, 64 - B_LINES_LOG2, True
        self.places_log2 = FIRST_LOG2
        self.places = <uint64_t *>calloc(<size_t>1 << FIRST_LOG2, sizeof(uint64_t))
        self.ends = <int64_t *>calloc(1, sizeof(int64_t))
        if self.lines == NULL or self.places == NULL or self.ends == NULL:
            raise MemoryError
        self.seed = int.from_bytes(os.urandom(8), "little")

    def __dealloc__(self):
        huge_free(self.lines, NEAR_BYTES)
        free(self.places)
        free(self.counts)
        free(self.ends)
        free(self.text)

    cdef void take(self, Workspace w, const uint8_t *text) noexcept nogil:
        cdef const uint8_t *chunk = text + w.origin
        cdef uint32_t *end = self.numbers
        cdef int64_t *counts
        cdef int i, misses = self.level.probe(&self.near, chunk, w.starts, w.pieces, w.values, w.missed)
        if self.find_missed(w, chunk, misses):
            self.level.emit(w.values, 0, w.pieces, &end)
            for i in range(misses):
                self.numbers[w.missed[i]] = self.found[i]
            counts = self.counts
            for i in range(w.pieces):
                counts[self.numbers[i]] += 1
        w.next_chunk()

    cdef bint find_missed(self, Workspace w, const uint8_t *chunk, int misses) noexcept nogil:
        """Sets `found`, and makes the values of all pieces such as have one id; false, with a status, if it cannot.

        Fetches the places of all pieces before it looks at the first: so the processor waits for many at once.
        """
        cdef uint64_t hashes[CHUNK_ROOM]
        cdef const uint8_t *piece
        cdef uint32_t length
        cdef Py_ssize_t number
        cdef int i
        for i in range(misses):
            length = w.starts[w.missed[i] + 1] - w.starts[w.missed[i]]
            hashes[i] = self.hash_of(chunk + w.starts[w.missed[i]], length)
            self.fetch(hashes[i])
        for i in range(misses):
            piece, length = chunk + w.starts[w.missed[i]], w.starts[w.missed[i] + 1] - w.starts[w.missed[i]]
            number = self.number_of(hashes[i], piece, length)
            if number < 0:
                w.status = OUT_OF_MEMORY
                return False
            self.found[i], w.values[w.missed[i]] = <uint32_t>number, ONE_ID
            if length <= MIDDLE and number < NEAR:
                insert(&self.near, piece, length, &self.found[i], 1)
        return True

    cdef void take_giant(self, Workspace w, const uint8_t *text, Py_ssize_t start, Py_ssize_t end) noexcept nogil:
        cdef Py_ssize_t number = self.number_of(self.hash_of(text + start, end - start), text + start, end - start)
        if number < 0:
            w.status = OUT_OF_MEMORY
        else:
            self.counts[number] += 1

    cdef inline uint64_t hash_of(self, const uint8_t *piece, Py_ssize_t length) noexcept nogil:
        return hash_bytes(self.seed, piece, length)

    cdef inline void fetch(self, uint64_t hash) noexcept nogil:
        """Fetches the place of a piece."""
        __builtin_prefetch(self.places + (hash >> (64 - self.places_log2)))

    cdef Py_ssize_t number_of(self, uint64_t hash, const uint8_t *piece, Py_ssize_t length) noexcept nogil:
        """The number of a piece, a new one if it had none; -1 if the table is full."""
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
        """Gives a new piece, which belongs to a free place, a number; -1, with `full` set, if that takes too much."""
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
        """The number of bytes that the table may take beside those that it has."""
        return self.memory - self.text_room - <Py_ssize_t>sizeof(int64_t) * (
            2 * self.room + (<Py_ssize_t>1 << self.places_log2))

    cdef bint more_text(self, Py_ssize_t length) noexcept nogil:
        """Makes room for the bytes of a piece; false if that would take too much."""
        cdef Py_ssize_t wanted = self.ends[self.used] + length, room = self.text_room
        cdef void *grown
        if wanted <= room:
            return True
        room = min(wanted + room // 2 + 4096, room + self.bytes_left())
        grown = realloc(self.text, room) if room >= wanted else NULL
        if grown == NULL:
            return False
        self.text, self.text_room = <uint8_t *>grown, room
        return True

    cdef bint more_numbers(self) noexcept nogil:
        """Makes room for half as many numbers more; false if that would take too much."""
        cdef Py_ssize_t room = self.room + self.room // 2 + (1 << FIRST_LOG2 >> 1)
        cdef void *grown
        if room >> 31 or 2 * <Py_ssize_t>sizeof(int64_t) * (room - self.room) > self.bytes_left():
            return False
        grown = realloc(self.counts, room * sizeof(int64_t))
        if grown == NULL:
            return False
        self.counts = <int64_t *>grown
        grown = realloc(self.ends, (room + 1) * sizeof(int64_t))
        if grown == NULL:
            return False
        self.ends, self.room = <int64_t *>grown, room
        return True

    cdef bint more_places(self) noexcept nogil:
        """Doubles the number of places; false if that would take too much."""
        cdef Py_ssize_t size = <Py_ssize_t>1 << self.places_log2, i, place
        cdef uint64_t *places = NULL
        if size * <Py_ssize_t>sizeof(uint64_t) <= self.bytes_left():
            places = <uint64_t *>calloc(2 * size, sizeof(uint64_t))
        if places == NULL:
            return False
        for i in range(size):
            if self.places[i]:
                place = <Py_ssize_t>(self.places[i] >> (63 - self.places_log2))
                while places[place]:
                    place = (place + 1) & (2 * size - 1)
                places[place] = self.places[i]
        free(self.places)
        self.places, self.places_log2 = places, self.places_log2 + 1
        return True

    # The calls for Python.

    def limit(self, Py_ssize_t memory):
        """Sets how many bytes the table may take."""
        self.memory = memory

    def add(self, list texts not None):
        """Counts the pieces of valid texts (ASCII `str` or UTF-8 bytes); the number of texts until it is full."""
        cdef Py_ssize_t count = len(texts), i = 0
        cdef Workspace w = self.own
        cdef Source *sources = <Source *>malloc((count + 1) * sizeof(Source))
        if sources == NULL:
            raise MemoryError
        w.begin(True, False)
        try:
            for i in range(count):
                sources[i] = open_source(texts[i])
                if sources[i].kind:
                    raise ValueError("expected ascii str or bytes")
            i = 0
            with nogil:
                while i < count and w.status == FINE:
                    self.finder.find_all(self, w, <const uint8_t *>sources[i].data, sources[i].length)
                    i += 1
        finally:
            free(sources)
            w.trim()
        if w.status != FINE and not self.full:
            raise MemoryError
        return i

    def is_full(self):
        """Whether the table has no room for more pieces."""
        return self.full

    def merge(self, Tally other not None):
        """Adds the counts of another tally; false if the table is full."""
        cdef uint64_t hashes[AHEAD]
        cdef Py_ssize_t i, number
        with nogil:
            for i in range(other.used + AHEAD):
                if i >= AHEAD:
                    number = self.number_of(
                        hashes[i % AHEAD], other.text + other.ends[i - AHEAD],
                        other.ends[i - AHEAD + 1] - other.ends[i - AHEAD])
                    if number < 0:
                        break
                    self.counts[number] += other.counts[i - AHEAD]
                if i < other.used:
                    hashes[i % AHEAD] = self.hash_of(other.text + other.ends[i], other.ends[i + 1] - other.ends[i])
                    self.fetch(hashes[i % AHEAD])
        return not self.full

    def counted(self):
        """(pieces, offsets, counts), the most frequent first, and equally frequent ones by their bytes.

        Piece i is `pieces[offsets[i]:offsets[i + 1]]`. The arrays have the typecode "q".
        """
        cdef Py_ssize_t i, at = 0
        cdef bytes pieces = PyBytes_FromStringAndSize(NULL, self.ends[self.used])
        cdef uint8_t *out = <uint8_t *>PyBytes_AS_STRING(pieces)
        cdef int64_t[::1] offsets = array("q", bytes(8 * (self.used + 1)))
        cdef int64_t[::1] counts = array("q", bytes(8 * (self.used + 1)))
        cdef Counted *order = <Counted *>huge_alloc((self.used + 1) * 2 * sizeof(Counted))
        cdef Counted *sorted
        if order == NULL:
            raise MemoryError
        with nogil:
            for i in range(self.used):
                order[i] = counted_of(self.text + self.ends[i], self.ends[i + 1] - self.ends[i], self.counts[i])
            sorted = sort_counted(order, order + self.used + 1, self.used)
            for i in range(self.used):
                memcpy(out + at, sorted[i].piece, sorted[i].length)
                at += sorted[i].length
                counts[i], offsets[i + 1] = sorted[i].count, at
            free(order)
        return pieces, offsets.base, counts.base[:self.used]

    def passed(self):
        """The number of places with other pieces that look-ups have passed. For tests."""
        return self.steps

    def distinct(self):
        """The number of distinct pieces."""
        return self.used


def dict_of(bytes pieces not None, const int64_t[::1] offsets not None, const int64_t[::1] counts not None):
    """The result of `Tally.counted` as a dict."""
    cdef const char *text = PyBytes_AS_STRING(pieces)
    cdef dict found = {}
    cdef Py_ssize_t i
    for i in range(counts.shape[0]):
        found[PyUnicode_DecodeUTF8(text + offsets[i], offsets[i + 1] - offsets[i], NULL)] = counts[i]
    return found
