# The scanner: one automaton over UTF-8, a piece at a time.
cimport cython
from libc.stdint cimport uint8_t, uint16_t, uint32_t

from dstok.core._utf8 cimport code_point

cdef enum:
    ROW = 256                     # edges of a state: by byte for ASCII, from 128 on by class
    ROWS = 0xFFFF00               # the bits of an edge that hold where the next state's row starts

cdef enum:                        # the low byte of an edge with a tag: pattern/dfa.py
    SET_0
    SET_1
    MOVE
    MOVE_SET_1
    KEEP

cdef struct ScanTables:
    const uint8_t *pages          # class of a code point: pages[page_numbers[c >> 8] << 8 | c & 255]
    const uint16_t *page_numbers
    const uint32_t *edges         # see _scan.pyx
    uint32_t end                  # the column for the end of the text


@cython.final
cdef class Scanner:
    cdef ScanTables tables
    cdef object _keep


cdef inline Py_ssize_t scan_piece(
    const ScanTables *s, const uint8_t *text, Py_ssize_t at, Py_ssize_t stop, bint final,
    uint32_t *tag, bint *wide
) noexcept nogil:
    # The end of the piece that begins at `at` < `stop`, or -1 if more text is needed to tell (only when
    # not `final`: then `stop` is not the end of the text). `tag` gets the tag of the piece plus one,
    # `wide` becomes true if it read a three-byte character from U+3000 on (where _cuts may cut).
    cdef uint32_t edge = ROW, settled = 0, c
    cdef Py_ssize_t last = -1, second = -1, width
    while at < stop:
        c = text[at]
        if c < 0x80:
            edge = s.edges[(edge & ROWS) + c]
            width = 1
        else:
            wide[0] |= 0xE3 <= c <= 0xED
            c = code_point(text + at, &width)
            edge = s.edges[(edge & ROWS) + 128 + s.pages[(<uint32_t>s.page_numbers[c >> 8] << 8) | (c & 0xFF)]]
        if edge >> 24:
            settled = edge
            if edge & 0xFF == SET_0:
                last = at
            else:
                set_places(edge, at, &last, &second)
        if edge & ROWS == 0:
            tag[0] = settled >> 24
            return last
        at += width
    if not final:
        return -1
    edge = s.edges[(edge & ROWS) + s.end]
    if edge >> 24:
        settled = edge
        set_places(edge, stop, &last, &second)
    tag[0] = settled >> 24
    return last


cdef inline void set_places(uint32_t edge, Py_ssize_t at, Py_ssize_t *first, Py_ssize_t *second) noexcept nogil:
    # What an edge with a tag does to the two places.
    cdef uint32_t operation = edge & 0xFF
    if operation == MOVE or operation == MOVE_SET_1:
        first[0] = second[0]
    elif operation == SET_0:
        first[0] = at
    if operation == SET_1 or operation == MOVE_SET_1:
        second[0] = at
