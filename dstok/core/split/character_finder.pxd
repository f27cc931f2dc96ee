# The matrix of a model that merges characters, and the finder that reads it.
cimport cython
from libc.stdint cimport uint8_t, uint32_t

from dstok.core.cpu.level cimport KernelTables
from dstok.core.split.finder cimport Finder

cdef extern from "split/matrix.h":
    enum:
        MATRIX_CLASSES, MATRIX_JOINER, MATRIX_NONE, MATRIX_NUMBERS, MATRIX_OTHER, MATRIX_PAGES
        MATRIX_SPACE, MATRIX_WIDE
    uint8_t matrix_ascii(int b) noexcept nogil
    bint matrix_apart(const KernelTables *t, uint32_t left, uint32_t right) noexcept nogil
    void matrix_open(KernelTables *t, const uint8_t *table) noexcept nogil


@cython.final
cdef class CharacterFinder(Finder):
    cdef const uint8_t[::1] matrix
    cdef bint split
