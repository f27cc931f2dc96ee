# An automaton of marked texts, read from both sides.
cimport cython
from libc.stdint cimport uint8_t, uint16_t, uint32_t

from dstok.core.find._finder cimport Finder

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
    cdef object _keep
