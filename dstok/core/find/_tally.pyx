# cython: language_level=3, boundscheck=False, wraparound=False, cdivision=True, autotestdict=False
# cython: freethreading_compatible=True
"""The sink of frequencies: the number of occurrences of each piece of a corpus, counted as the pieces are found.

In: texts, one after the other. Out: each distinct piece with its number of occurrences.
Invariant: the counts are the sums over all texts of the pieces of `SpanPass.split`. The table takes at most `memory`
bytes: if it needed more, it says so and counts no further.

The table is an open hash table, half full at most; beside it the bytes of the pieces lie one after the other. The hash
has a random seed, so nobody can make a text that is slow for everybody.
"""

cimport cython
from libc.stdint cimport uint8_t, uint64_t
from libc.stdlib cimport calloc, free, realloc
from libc.string cimport memcmp, memcpy

from dstok.core.find._finder cimport Finder
from dstok.core.text._hash cimport hash_bytes
from dstok.core.find._sink cimport Sink
from dstok.core.text._utf8 cimport Source, open_source
from dstok.core.find._workspace cimport FINE, Workspace

import os

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
        cdef const uint8_t *chunk = text + w.origin
        cdef int i
        for i in range(w.pieces):
            self.note(chunk + w.starts[i], w.starts[i + 1] - w.starts[i])
        w.next_chunk()

    cdef void take_giant(self, Workspace w, const uint8_t *text, Py_ssize_t start, Py_ssize_t end) noexcept nogil:
        self.note(text + start, end - start)

    cdef void note(self, const uint8_t *piece, Py_ssize_t length) noexcept nogil:
        """Counts one piece."""
        cdef uint64_t h = hash_bytes(self.seed, piece, length)
        cdef Py_ssize_t place = <Py_ssize_t>(h & <uint64_t>(self.places - 1))
        cdef Entry *entry = self.entries + place
        if self.full:
            return
        while entry.count:
            if entry.hash == h and entry.length == length and not memcmp(self.text + entry.start, piece, length):
                entry.count += 1
                return
            place = (place + 1) & (self.places - 1)
            entry = self.entries + place
            self.steps += 1
        if not self.keep_text(entry, piece, length):
            return
        entry.hash, entry.count, entry.length = h, 1, length
        self.used += 1
        if 2 * self.used > self.places and not self.grow():
            self.full = True

    cdef bint keep_text(self, Entry *entry, const uint8_t *piece, Py_ssize_t length) noexcept nogil:
        """Copies a new piece; false, with `full` set, if that would take too much."""
        cdef Py_ssize_t room = self.text_room
        cdef void *grown
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
        entry.start = self.text_size
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
        """A list of (piece as bytes, number of occurrences)."""
        cdef Py_ssize_t i
        found = []
        for i in range(self.places):
            if self.entries[i].count:
                found.append((self.text[self.entries[i].start:self.entries[i].start + self.entries[i].length],
                              self.entries[i].count))
        return found

    def passed(self):
        """The number of places with other pieces that look-ups have passed. For tests."""
        return self.steps

    def distinct(self):
        """The number of distinct pieces."""
        return self.used
