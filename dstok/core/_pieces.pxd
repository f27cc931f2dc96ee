# The piece table: piece bytes -> ids, bounded; and the safe cuts inside pieces.
from libc.stdint cimport uint8_t, uint32_t, uint64_t

cdef enum:
    WORD = 8         # bytes of a key in table a
    MIDDLE = 24      # ... in table b
    LONG = 62        # ... in table c
    LONG_IDS = 16    # ids of an entry in table c

cdef struct Entry8:
    uint64_t key
    uint64_t value

cdef struct Entry24:
    uint64_t key[3]
    uint64_t value

cdef struct Entry62:
    uint8_t length
    uint8_t count
    uint8_t key[62]
    uint32_t ids[16]

cdef struct PieceTable:
    Entry8 *a
    Entry24 *b
    Entry62 *c
    int a_shift              # 64 - log2(sets of four)
    int b_shift              # 64 - log2(sets of two)
    int c_shift              # 64 - log2(entries)
    bint writable

cdef struct Probe:
    # What the first pass leaves for the second: the key's first word, and where its set lies.
    uint64_t word
    void *place

cdef inline uint64_t load_word(const uint8_t *text, Py_ssize_t length) noexcept nogil:
    # The first `length` (1 to 8) bytes, zeros above; reads no byte beyond them.
    cdef uint64_t low, high
    if length >= 8:
        return (<const uint64_t *>text)[0]
    if length >= 4:
        low = (<const uint32_t *>text)[0]
        high = (<const uint32_t *>(text + length - 4))[0]
        return low | high << (8 * (length - 4))
    low = text[0]
    if length >= 2:
        low |= <uint64_t>text[length - 1] << (8 * (length - 1))
        low |= <uint64_t>text[1] << 8
    return low


cdef void locate(const PieceTable *t, const uint8_t *text, Py_ssize_t length, Probe *probe) noexcept nogil
cdef Py_ssize_t look_up(
    const PieceTable *t, const uint8_t *text, Py_ssize_t length, const Probe *probe, uint32_t *out
) noexcept nogil
cdef void insert(
    PieceTable *t, const uint8_t *text, Py_ssize_t length, const uint32_t *ids, Py_ssize_t count
) noexcept nogil
cdef bint may_cut(const uint64_t *joined, uint32_t left, uint32_t right) noexcept nogil


cdef inline bint cuttable(uint32_t c) noexcept nogil:
    # Kana, ideographs and Hangul: the scripts whose runs are long and whose neighbours seldom join.
    return 0x3040 <= c <= 0x30FF or 0x3400 <= c <= 0x9FFF or 0xAC00 <= c <= 0xD7A3


cdef int open_table(PieceTable *t, uint8_t *a, uint8_t *b, uint8_t *c) except -1
