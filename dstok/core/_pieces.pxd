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
    # What the first pass leaves for the second: the key's words, and where its set lies.
    uint64_t key[3]
    void *place

cdef extern from *:
    void __builtin_prefetch(const void *) noexcept nogil


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


cdef inline uint64_t spread(uint64_t h) noexcept nogil:
    return h * <uint64_t>0x9E3779B97F4A7C15


cdef inline uint64_t hash24(const uint64_t *key) noexcept nogil:
    cdef uint64_t h = spread(key[0] ^ key[2] * <uint64_t>0xC2B2AE3D27D4EB4F)
    return spread((h ^ h >> 32) + key[1])


cdef inline void load_key(const uint8_t *text, Py_ssize_t length, bint roomy, uint64_t *key) noexcept nogil:
    # The words of a key of up to 24 bytes. `roomy`: 24 bytes may be read, so no branch on the length is needed
    # (it would be mispredicted every other piece).
    cdef uint64_t ones = <uint64_t>0 - 1
    if roomy:
        key[0] = (<const uint64_t *>text)[0] & ones >> (64 - 8 * min(length, 8))
        if length > 8:
            key[1] = (<const uint64_t *>(text + 8))[0] & ones >> (64 - 8 * min(length - 8, 8))
            key[2] = (<const uint64_t *>(text + 16))[0] & (ones >> (64 - 8 * (length - 16)) if length > 16 else 0)
    else:
        key[0] = load_word(text, min(length, 8))
        if length > 8:
            key[1] = load_word(text + 8, min(length - 8, 8))
            key[2] = load_word(text + 16, length - 16) if length > 16 else 0


cdef inline void locate(
    const PieceTable *t, const uint8_t *text, Py_ssize_t length, bint roomy, Probe *probe
) noexcept nogil:
    # The first pass over a piece of up to 24 bytes: hash, and ask for the cache line.
    if length <= WORD:
        load_key(text, length, roomy, probe.key)
        probe.place = &t.a[4 * (spread(probe.key[0]) >> t.a_shift)]
        __builtin_prefetch(probe.place)
    elif length <= MIDDLE:
        load_key(text, length, roomy, probe.key)
        probe.place = &t.b[2 * (hash24(probe.key) >> t.b_shift)]
        __builtin_prefetch(probe.place)


cdef inline uint64_t same(bint equal, uint64_t value) noexcept nogil:
    # `value` if equal, else 0, without a branch.
    return value & (<uint64_t>0 - <uint64_t>equal)


cdef inline Py_ssize_t look_up(const Probe *probe, Py_ssize_t length, uint32_t *out) noexcept nogil:
    # The second pass over a piece of up to 24 bytes: the number of ids written to `out` (room for 3), or 0 if
    # neither a nor b holds it. All entries of the set are compared, so that no branch tells them apart.
    cdef const Entry8 *a
    cdef const Entry24 *b
    cdef uint64_t value
    cdef uint64_t word = probe.key[0], size = <uint64_t>length
    if length <= WORD:
        a = <const Entry8 *>probe.place
        value = same((a[0].key == word) & ((a[0].value >> 2 & 63) == size), a[0].value)
        value |= same((a[1].key == word) & ((a[1].value >> 2 & 63) == size), a[1].value)
        value |= same((a[2].key == word) & ((a[2].value >> 2 & 63) == size), a[2].value)
        value |= same((a[3].key == word) & ((a[3].value >> 2 & 63) == size), a[3].value)
    else:
        b = <const Entry24 *>probe.place
        value = same((b[0].key[0] == word) & (b[0].key[1] == probe.key[1]) & (b[0].key[2] == probe.key[2])
                     & ((b[0].value >> 2 & 63) == size), b[0].value)
        value |= same((b[1].key[0] == word) & (b[1].key[1] == probe.key[1]) & (b[1].key[2] == probe.key[2])
                      & ((b[1].value >> 2 & 63) == size), b[1].value)
    out[0] = (value >> 8) & 0x3FFFF
    out[1] = (value >> 26) & 0x3FFFF
    out[2] = (value >> 44) & 0x3FFFF
    return value & 3


cdef Py_ssize_t look_up_long(
    const PieceTable *t, const uint8_t *text, Py_ssize_t length, uint32_t *out
) noexcept nogil
cdef void insert(
    PieceTable *t, const uint8_t *text, Py_ssize_t length, const uint32_t *ids, Py_ssize_t count
) noexcept nogil
cdef bint may_cut(const uint64_t *joined, uint32_t left, uint32_t right) noexcept nogil


cdef inline bint cuttable(uint32_t c) noexcept nogil:
    # Kana, ideographs and Hangul: the scripts whose runs are long and whose neighbours seldom join.
    return 0x3040 <= c <= 0x30FF or 0x3400 <= c <= 0x9FFF or 0xAC00 <= c <= 0xD7A3


cdef int open_table(PieceTable *t, uint8_t *a, uint8_t *b, uint8_t *c) except -1
