# The tables of windows, for the finder and for the checks of images.
from libc.stdint cimport uint8_t, uint32_t, uint64_t

cdef extern from "split/windows.h":
    ctypedef struct WindowTables:
        const uint8_t *groups
        const uint8_t *histories
        const uint8_t *verdicts
    enum:
        WINDOW_AFTER, WINDOW_DROPPED, WINDOW_EDGE, WINDOW_GROUPS, WINDOW_HISTORIES, WINDOW_UNKNOWN, WINDOW_WILD
        WINDOW_YES
    ctypedef struct WindowBits:
        uint64_t yes, unknown, dropped
    void window_block(const WindowTables *t, const uint8_t *p, uint32_t *history, WindowBits *bits) noexcept nogil
    void window_after(const WindowTables *t, const uint8_t *p, int place, WindowBits *bits) noexcept nogil
