# An automaton of marked texts, read from both sides.
cimport cython
from libc.stdint cimport uint8_t, uint16_t, uint32_t

from dstok.core.find._finder cimport Finder
from dstok.core.find._sink cimport Sink
from dstok.core.find._workspace cimport Workspace
from dstok.core.simd._level cimport Implementation, Skip

cdef struct SidesTables:
    const uint8_t *pages          # as in the tables of the scanner
    const uint16_t *page_numbers
    const uint16_t *forward       # next state by state and class, from the left
    const uint16_t *backward      # next state by state and class, from the right
    const uint32_t *marks         # by state and state from the right: (tag + 1) << 16 | state after the mark; 0: none
    const uint8_t *dropped        # by tag
    Py_ssize_t classes
    Py_ssize_t sides              # number of states from the right


@cython.final
cdef class TwoSided(Finder):
    cdef SidesTables tables
    cdef Py_ssize_t states
    cdef const Implementation *level
    cdef uint8_t settles[256]     # whether a byte settles; those of characters beyond ASCII do not
    cdef Skip skip                # the same bytes
    cdef uint32_t settled         # the state after them
    cdef uint32_t settled_side    # the state from the right before them
    cdef object _keep

    cdef int find_settling(self) except -1
    cdef bint copy_rest(
        self, Sink sink, Workspace w, const uint8_t **text, Py_ssize_t *length, Py_ssize_t start) noexcept nogil
    cdef void read_on(
        self, Sink sink, Workspace w, const uint8_t *text, Py_ssize_t at, Py_ssize_t end, Py_ssize_t *start,
        uint32_t *state) noexcept nogil
