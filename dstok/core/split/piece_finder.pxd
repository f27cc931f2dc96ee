# The tables of shuffles, for the finder and for the checks of images.
from libc.stdint cimport uint8_t, uint32_t

from dstok.core.cpu.level cimport Shuffles

cdef extern from "split/shuffles.h":
    enum:
        SHUFFLE_CLASSES, SHUFFLE_DROPPED, SHUFFLE_HEAD, SHUFFLE_KEPT, SHUFFLE_KINDS, SHUFFLE_STATES, SHUFFLE_UNKNOWN
    Py_ssize_t shuffles_size(const uint8_t *section, Py_ssize_t size) noexcept nogil
    void shuffles_open(Shuffles *s, const uint8_t *section, const uint8_t *ascii) noexcept nogil
