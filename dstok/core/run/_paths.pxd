# Matches at a known place: see _paths.pyx.
cimport cython
from libc.stdint cimport int32_t, int64_t, uint8_t, uint16_t, uint32_t, uint64_t

cdef struct State:
    int32_t kind
    int32_t value            # CHAR, LOOK: a set; BRANCH: the first one of its targets; GROUP: a slot
    int32_t target           # BRANCH: the number of its targets

cdef struct Frame:
    int64_t place
    int32_t state
    int32_t taken            # the number of targets that were tried

cdef struct Text:
    const uint8_t *data
    const uint16_t *letters  # NULL: there are no readings, and a letter is a symbol
    Py_ssize_t length

cdef struct Search:
    const State *states
    const int32_t *targets
    uint64_t *visited
    Frame *frames
    Py_ssize_t count
    Py_ssize_t capacity
    Py_ssize_t start
    Py_ssize_t end


@cython.final
cdef class PathReader:
    cdef object _keep, readings
    cdef const uint8_t[::1] pages, members
    cdef const uint16_t[::1] page_numbers
    cdef const uint32_t[::1] match, full_match
    cdef const int32_t[::1] states, targets
    cdef int end, count, start, groups

    cdef int find(self, const Text *text, Py_ssize_t start, Py_ssize_t end, int64_t *slots) noexcept nogil
    cdef int search(self, Search *s, const Text *text) noexcept nogil
    cdef uint32_t symbol(self, const uint8_t *at, Py_ssize_t *width) noexcept nogil
    cdef uint32_t letter(self, const Text *text, Py_ssize_t at, Py_ssize_t *width) noexcept nogil
