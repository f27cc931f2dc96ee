"""Matches at a known place of a text: the oracle letters of its places, the end of a match, the places of its groups.

In: valid UTF-8, and the tables of regex/match_tables.py. Out: letters, an end in bytes, or the starts and ends of groups.
Invariant: time is linear in the text that is read. The search for groups goes over the paths of a match in order of
preference, and visits no state twice at one place. So it takes time and bits of memory of the order of states times
the length of the match.
Source: the passes of regex/match_tables.py; backtracking with a set of visited places, as in RE2 (BitState).
"""

cimport cython
from libc.stdint cimport int32_t, int64_t, uint8_t, uint16_t, uint32_t, uint64_t
from libc.stdlib cimport calloc, free, realloc

from dstok.core.text._utf8 cimport code_point
from dstok.errors import UnsupportedError

from array import array

cdef enum:
    MAX_VISITS = 1 << 27     # states times bytes of a match: 16 MiB of bits, and frames of at most 512 MiB
    FOUND = 1
    NONE = 0
    NO_MEMORY = -1

cdef enum:                   # the kinds of states: regex/match_tables.py
    CHAR
    LOOK
    BRANCH
    GROUP
    MATCH


@cython.final
cdef class PathReader:
    """The tables of one pattern's matches. It never changes."""

    def __cinit__(self, pages, page_numbers, int end, int letters, list readings, match, full_match, states, targets,
                  members, int start, int groups):
        self._keep = (pages, page_numbers, readings, match, full_match, states, targets, members)
        self.pages, self.page_numbers = pages, memoryview(page_numbers).cast("H")
        self.match, self.full_match = match, full_match
        self.states, self.targets, self.members = states, targets, members
        self.end, self.count, self.start, self.groups = end, letters, start, groups
        self.readings = readings

    def letters(self, const uint8_t[::1] text not None):
        """The oracle letters of a text, array("H") of len(text) + 1: at the offset of each character and at the end.

        Other offsets have the number of letters, which is no letter.
        """
        found = array("H", bytes(2 * (text.shape[0] + 1)))
        cdef uint16_t[::1] out = found
        cdef const uint16_t[::1] following, written
        cdef const uint8_t *data = &text[0] if text.shape[0] else NULL
        cdef Py_ssize_t at, width = 0
        cdef int letters, start
        cdef bint ahead
        with nogil:
            for at in range(text.shape[0]):
                out[at] = self.symbol(data + at, &width) if data[at] & 0xC0 != 0x80 else self.count
            out[text.shape[0]] = self.end
        for ahead, letters, start, next_states, new_letters in self.readings:
            following, written = memoryview(next_states).cast("H"), memoryview(new_letters).cast("H")
            with nogil:
                read(out, self.count, ahead, letters, start, &following[0], &written[0])
        return found

    def end_of(self, const uint8_t[::1] text not None, const uint16_t[::1] letters, bint full):
        """The end of the match at the start of a text, or -1; with `full` of one up to the end of the text.

        `letters` are those of the text; None if there are no readings.
        """
        cdef Text source = opened(text, letters)
        cdef const uint32_t[::1] edges = self.full_match if full else self.match
        cdef Py_ssize_t at = 0, width = 0, found = -1
        cdef uint32_t edge = 2  # the start
        with nogil:
            while edge >> 1 and at <= source.length:
                edge = edges[(edge >> 1) * self.count + self.letter(&source, at, &width)]
                if edge & 1:
                    found = at
                at += width
        return found

    def places(self, const uint8_t[::1] text not None, const uint16_t[::1] letters, Py_ssize_t start, Py_ssize_t end):
        """The start and the end of each group of the match text[start:end], array("q"); -1 for a group without place.

        Raises `UnsupportedError` for a match that is too long.
        """
        cdef Text source = opened(text, letters)
        found = array("q", [-1]) * (2 * self.groups)
        cdef int64_t[::1] slots = found
        cdef int status
        if (end - start + 1) * (self.states.shape[0] // 3) > MAX_VISITS:
            raise UnsupportedError(f"groups of a match of {end - start} bytes, longer than "
                                   f"{MAX_VISITS // (self.states.shape[0] // 3)}")
        with nogil:
            status = self.find(&source, start, end, &slots[0] if self.groups else NULL)
        if status == NO_MEMORY:
            raise MemoryError
        if status == NONE:
            raise ValueError("expected a match of the pattern")
        return found

    cdef int find(self, const Text *text, Py_ssize_t start, Py_ssize_t end, int64_t *slots) noexcept nogil:
        cdef Search s
        cdef Frame *frame
        cdef Py_ssize_t i
        cdef int status
        s.states, s.targets = <const State *>&self.states[0], &self.targets[0]
        s.start, s.end, s.count, s.capacity, s.frames = start, end, 0, 0, NULL
        s.visited = <uint64_t *>calloc((end - start + 1) * (self.states.shape[0] // 3) // 64 + 1, 8)
        status = self.search(&s, text) if s.visited else NO_MEMORY
        for i in range(s.count if status == FOUND else 0):
            frame = &s.frames[i]
            if s.states[frame.state].kind == GROUP:
                slots[s.states[frame.state].value] = frame.place
        free(s.visited)
        free(s.frames)
        return status

    cdef int search(self, Search *s, const Text *text) noexcept nogil:
        """Goes along the preferred path; a path that ends goes back to the last branch with a target left."""
        cdef int32_t state = self.start
        cdef Py_ssize_t at = s.start, width = 0
        cdef State here
        while True:
            here = s.states[state]
            if not visit(s, (at - s.start) * (self.states.shape[0] // 3) + state):
                state = -1
            elif here.kind == CHAR or here.kind == LOOK:
                if self.members[here.value * self.count + self.letter(text, at, &width)]:
                    state = here.target if here.kind == LOOK or at < s.end else -1
                    at += width if here.kind == CHAR else 0
                else:
                    state = -1
            elif here.kind == MATCH:
                if at == s.end:
                    return FOUND
                state = -1
            else:
                if not push(s, state, at):
                    return NO_MEMORY
                state = here.target if here.kind == GROUP else -1
            if state < 0:
                state = back(s, &at)
                if state < 0:
                    return NONE

    cdef inline uint32_t symbol(self, const uint8_t *at, Py_ssize_t *width) noexcept nogil:
        cdef uint32_t c = code_point(at, width)
        return self.pages[(<uint32_t>self.page_numbers[c >> 8] << 8) | (c & 0xFF)]

    cdef inline uint32_t letter(self, const Text *text, Py_ssize_t at, Py_ssize_t *width) noexcept nogil:
        """The letter at a place, and the number of bytes to the next place."""
        cdef uint32_t symbol = self.end
        width[0] = 1
        if at < text.length:
            symbol = self.symbol(text.data + at, width)
        return text.letters[at] if text.letters else symbol


cdef inline bint visit(Search *s, Py_ssize_t number) noexcept nogil:
    # Whether this is the first visit.
    cdef uint64_t bit = <uint64_t>1 << (number & 63)
    if s.visited[number >> 6] & bit:
        return False
    s.visited[number >> 6] |= bit
    return True


cdef bint push(Search *s, int32_t state, Py_ssize_t at) noexcept nogil:
    cdef void *grown
    if s.count == s.capacity:
        s.capacity = 2 * s.capacity + 64
        grown = realloc(s.frames, s.capacity * sizeof(Frame))
        if grown == NULL:
            return False
        s.frames = <Frame *>grown
    s.frames[s.count].state, s.frames[s.count].place, s.frames[s.count].taken = state, at, 0
    s.count += 1
    return True


cdef int32_t back(Search *s, Py_ssize_t *at) noexcept nogil:
    """The next target of the last branch that has one left, or -1; `at` becomes its place."""
    cdef Frame *frame
    cdef State here
    while s.count:
        frame = &s.frames[s.count - 1]
        here = s.states[frame.state]
        if here.kind == BRANCH and frame.taken < here.target:
            frame.taken += 1
            at[0] = frame.place
            return s.targets[here.value + frame.taken - 1]
        s.count -= 1
    return -1


cdef void read(
    uint16_t[::1] out, int none, bint ahead, int letters, uint32_t state, const uint16_t *following,
    const uint16_t *written
) noexcept nogil:
    """One reading, in place."""
    cdef Py_ssize_t i, at, last = out.shape[0] - 1
    cdef uint32_t cell
    for i in range(last + 1):
        at = last - i if ahead else i
        if out[at] != none:
            cell = state * letters + out[at]
            out[at], state = written[cell], following[cell]


cdef Text opened(const uint8_t[::1] text, const uint16_t[::1] letters):
    cdef Text source
    source.data = &text[0] if text.shape[0] else NULL
    source.letters = &letters[0] if letters is not None else NULL
    source.length = text.shape[0]
    return source
