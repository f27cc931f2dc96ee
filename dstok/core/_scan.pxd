# The scanner: one automaton over UTF-8, a piece at a time.
from libc.stdint cimport uint8_t, uint16_t, uint32_t

from dstok.core._utf8 cimport code_point

cdef struct ScanTables:
    const uint8_t *pages          # class of a code point: pages[page_numbers[c >> 8] << 8 | c & 255]
    const uint16_t *page_numbers
    const uint32_t *edges         # edges[state + symbol], see _scan.pyx
    uint32_t start                # the start state, already times `symbols`
    uint32_t end                  # the symbol for the end of the text
    uint8_t ascii[128]            # class of an ASCII character


cdef class Scanner:
    cdef ScanTables tables
    cdef object _keep
    cdef readonly bytes kinds


cdef inline Py_ssize_t scan_piece(
    const ScanTables *s, const uint8_t *text, Py_ssize_t at, Py_ssize_t stop, bint final,
    uint32_t *tag, bint *wide
) noexcept nogil:
    # The end of the piece that begins at `at` < `stop`, or -1 if more text is needed to tell (only when
    # not `final`: then `stop` is not the end of the text). `tag` gets the tag of the piece plus one,
    # `wide` becomes true if it read a three-byte character from U+3000 on (where _cuts may cut).
    cdef uint32_t state = s.start, edge, c
    cdef Py_ssize_t last = -1, width
    while at < stop:
        c = text[at]
        if c < 0x80:
            edge = s.edges[state + s.ascii[c]]
            width = 1
        else:
            wide[0] |= 0xE3 <= c <= 0xED
            c = code_point(text + at, &width)
            edge = s.edges[state + s.pages[(<uint32_t>s.page_numbers[c >> 8] << 8) | (c & 0xFF)]]
        if edge >> 24:
            last = at
            tag[0] = edge >> 24
        state = edge & 0xFFFFFF
        if state == 0:
            return last
        at += width
    if not final:
        return -1
    edge = s.edges[state + s.end]
    if edge >> 24:
        last = stop
        tag[0] = edge >> 24
    return last
