# cython: language_level=3, boundscheck=False, wraparound=False, cdivision=True, autotestdict=False
# cython: freethreading_compatible=True
"""The sink of frequencies: the number of occurrences of each piece of a corpus, counted as the pieces are found.

In: texts, one after the other. Out: each distinct piece with its number of occurrences.
Invariant: the counts are the sums over all texts of the pieces of `SpanPass.split`. The table takes at most `memory`
bytes: if it needed more, it says so and counts no further.

The table is an open hash table, half full at most; beside it the bytes of the longer pieces lie one after the other.
The hash has a random seed, so nobody can make a text that is slow for everybody.
"""

cimport cython
from cpython.unicode cimport PyUnicode_DecodeUTF8
from libc.stdint cimport uint8_t, uint32_t, uint64_t
from libc.stdlib cimport calloc, free, malloc, qsort, realloc
from libc.string cimport memcmp, memcpy, memset

from dstok.core.find._finder cimport Finder
from dstok.core.text._hash cimport hash_bytes, hash_word
from dstok.core.find._sink cimport Sink
from dstok.core.text._utf8 cimport Source, open_source
from dstok.core.find._workspace cimport FINE, Workspace

import os

cdef extern from *:
    void __builtin_prefetch(const void *) noexcept nogil

cdef enum:
    FIRST = 1 << 12          # places of a new table


@cython.final
cdef class Tally(Sink):
    """Counts the pieces that `finder` finds in the texts that `add` gets. One thread at a time."""

    def __cinit__(self, Finder finder not None):
        self.finder, self.own = finder, Workspace(None, False)
        self.places = FIRST
        self.memory = 1 << 62
        self.entries = <Entry *>calloc(FIRST, sizeof(Entry))
        if self.entries == NULL:
            raise MemoryError
        self.seed = int.from_bytes(os.urandom(8), "little")

    def __dealloc__(self):
        free(self.entries)
        free(self.text)

    cdef void take(self, Workspace w, const uint8_t *text) noexcept nogil:
        """Fetches the places of all pieces before it looks at the first: so the processor waits for many at once."""
        cdef const uint8_t *chunk = text + w.origin
        cdef uint32_t length
        cdef int i
        for i in range(w.pieces):
            length = w.starts[i + 1] - w.starts[i]
            self.words[i] = word_of(chunk + w.starts[i], length)
            w.values[i] = self.hash_of(chunk + w.starts[i], length, self.words[i])
            __builtin_prefetch(self.entries + (w.values[i] & <uint64_t>(self.places - 1)))
        for i in range(w.pieces):
            self.note(w.values[i], self.words[i], chunk + w.starts[i], w.starts[i + 1] - w.starts[i])
        w.next_chunk()

    cdef void take_giant(self, Workspace w, const uint8_t *text, Py_ssize_t start, Py_ssize_t end) noexcept nogil:
        self.note(self.hash_of(text + start, end - start, 0), 0, text + start, end - start)

    cdef uint64_t hash_of(self, const uint8_t *piece, Py_ssize_t length, uint64_t word) noexcept nogil:
        if length <= WORD:
            return hash_word(self.seed ^ <uint64_t>length, word)
        return hash_bytes(self.seed, piece, length)

    cdef void note(self, uint64_t hash, uint64_t word, const uint8_t *piece, Py_ssize_t length) noexcept nogil:
        """Counts one piece."""
        cdef Py_ssize_t place = <Py_ssize_t>(hash & <uint64_t>(self.places - 1))
        cdef Entry *entry = self.entries + place
        if self.full:
            return
        while entry.count:
            if entry.hash == hash and entry.length == length and (
                    entry.word == word if length <= WORD else not memcmp(self.text + entry.word, piece, length)):
                entry.count += 1
                return
            place = (place + 1) & (self.places - 1)
            entry = self.entries + place
            self.steps += 1
        if not self.keep_text(entry, word, piece, length):
            return
        entry.hash, entry.count, entry.length = hash, 1, length
        self.used += 1
        if 2 * self.used > self.places and not self.grow():
            self.full = True

    cdef bint keep_text(self, Entry *entry, uint64_t word, const uint8_t *piece, Py_ssize_t length) noexcept nogil:
        """Keeps the bytes of a new piece; false, with `full` set, if that would take too much."""
        cdef Py_ssize_t room = self.text_room
        cdef void *grown
        entry.word = word
        if length <= WORD:
            return True
        if self.text_size + length > room:
            room = self.text_size + length + room // 2 + 4096
            if room + self.places * <Py_ssize_t>sizeof(Entry) > self.memory:
                room = self.memory - self.places * <Py_ssize_t>sizeof(Entry)
            grown = realloc(self.text, room) if room >= self.text_size + length else NULL
            if grown == NULL:
                self.full = True
                return False
            self.text, self.text_room = <uint8_t *>grown, room
        memcpy(self.text + self.text_size, piece, length)
        entry.word = <uint64_t>self.text_size
        self.text_size += length
        return True

    cdef bint grow(self) noexcept nogil:
        """Doubles the number of places; false if that would take too much."""
        cdef Py_ssize_t places = 2 * self.places, i, place
        cdef Entry *entries
        if self.text_room + places * <Py_ssize_t>sizeof(Entry) > self.memory:
            return False
        entries = <Entry *>calloc(places, sizeof(Entry))
        if entries == NULL:
            return False
        for i in range(self.places):
            if self.entries[i].count:
                place = <Py_ssize_t>(self.entries[i].hash & <uint64_t>(places - 1))
                while entries[place].count:
                    place = (place + 1) & (places - 1)
                entries[place] = self.entries[i]
        free(self.entries)
        self.entries, self.places = entries, places
        return True

    def limit(self, Py_ssize_t memory):
        """Sets how many bytes the table may take."""
        self.memory = memory

    def add(self, text not None):
        """Counts the pieces of valid `text` (ASCII `str` or UTF-8 bytes); false if the table is full."""
        cdef Source source = open_source(text)
        cdef Workspace w = self.own
        if source.kind:
            raise ValueError("expected ascii str or bytes")
        w.begin(True, False)
        with nogil:
            self.finder.find_all(self, w, <const uint8_t *>source.data, source.length)
        w.trim()
        if w.status != FINE:
            raise MemoryError
        return not self.full

    def counted(self):
        """{piece: number of occurrences}, the most frequent first, and equally frequent ones by their bytes."""
        cdef Py_ssize_t count = 0, i
        cdef dict counts = {}
        cdef Counted *order = <Counted *>malloc((self.used + 1) * sizeof(Counted))
        if order == NULL:
            raise MemoryError
        try:
            for i in range(self.places):
                if self.entries[i].count:
                    order[count] = self.bytes_of(&self.entries[i])
                    count += 1
            qsort(order, count, sizeof(Counted), in_order)
            for i in range(count):
                counts[PyUnicode_DecodeUTF8(<const char *>order[i].piece, order[i].length, NULL)] = order[i].count
        finally:
            free(order)
        return counts

    cdef Counted bytes_of(self, const Entry *entry) noexcept nogil:
        """An entry's piece, with its first bytes as a number in whose order they stand."""
        cdef Counted piece
        cdef uint8_t first[WORD]
        cdef int i
        piece.count, piece.length = entry.count, entry.length
        piece.piece = <const uint8_t *>&entry.word if entry.length <= WORD else self.text + entry.word
        memset(first, 0, WORD)
        memcpy(first, piece.piece, min(entry.length, <Py_ssize_t>WORD))
        piece.first = 0
        for i in range(WORD):
            piece.first = piece.first << 8 | first[i]
        return piece

    def passed(self):
        """The number of places with other pieces that look-ups have passed. For tests."""
        return self.steps

    def distinct(self):
        """The number of distinct pieces."""
        return self.used


cdef inline uint64_t word_of(const uint8_t *piece, uint32_t length) noexcept nogil:
    # The bytes of a piece of up to `WORD`, with zeros after them; of a longer one 0. Reads WORD bytes.
    cdef uint64_t word
    if length > WORD:
        return 0
    memcpy(&word, piece, WORD)
    return word if length == WORD else word & ((<uint64_t>1 << 8 * length) - 1)


cdef int in_order(const void *one, const void *other) noexcept nogil:
    # For qsort: the most frequent first, then by bytes.
    cdef const Counted *a = <const Counted *>one
    cdef const Counted *b = <const Counted *>other
    cdef int difference
    if a.count != b.count:
        return -1 if a.count > b.count else 1
    if a.first != b.first:
        return -1 if a.first < b.first else 1
    difference = memcmp(a.piece, b.piece, min(a.length, b.length))
    return difference if difference else (a.length > b.length) - (a.length < b.length)
