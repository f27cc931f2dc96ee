# cython: language_level=3, boundscheck=False, wraparound=False, cdivision=True, autotestdict=False
"""The piece table, and safe cuts.

In: the bytes of a piece. Out: its ids, if the table holds them.
Invariant: an entry holds the whole key and the ids that `BPE.merge_piece` gave for it, so a hit is exact
and a miss only costs time. The table never grows: three arrays of fixed size, by length of the key; a new
entry takes the first place of its small set and pushes the others back.

    a: key up to 8 bytes, 16 bytes an entry, sets of 4 (one cache line), up to 3 ids below 2**18
    b: key up to 24 bytes, 32 bytes an entry, sets of 2 (one cache line), up to 3 ids below 2**18
    c: key up to 62 bytes, 128 bytes an entry, up to 16 ids: what fits neither a nor b

A value packs count, length and three ids: `count | length << 2 | ids[0] << 8 | ids[1] << 26 | ids[2] << 44`.
The tables start out filled with the vocabulary (`prefill`), as bytes that an image can hold and a process
can map copy-on-write.

Safe cuts. BPE can join two neighbouring characters only by a merge whose product is a token that spans the
border between them. `joined_pairs` goes through all tokens and all borders inside each: at the border lie a
suffix and a prefix of the token, and the token can span the border c|d only if c ends in that suffix or the
suffix ends in c, and d begins with that prefix or the prefix begins with d. Every such (c, d) is marked. A
pair that is not marked is never joined, so merging both sides apart gives what merging them together does:
the merges on one side neither see nor move the other, and among themselves keep their order. Marks are bits
under a hash of the pair: a collision only forgoes a cut.
"""

from array import array

from libc.stdint cimport uint8_t, uint32_t, uint64_t
from libc.string cimport memcmp, memcpy

from dstok.core._bpe cimport BPE

cdef extern from *:
    void __builtin_prefetch(const void *) noexcept nogil

cdef enum:
    ID_BITS = 18
    JOINED_BITS = 20

A_SETS_LOG2 = 16
B_SETS_LOG2 = 16
C_ENTRIES_LOG2 = 14
JOINED_BYTES = (1 << JOINED_BITS) // 8


cdef inline uint64_t _spread(uint64_t h) noexcept nogil:
    return h * <uint64_t>0x9E3779B97F4A7C15


cdef inline void _key24(const uint8_t *text, Py_ssize_t length, uint64_t *key) noexcept nogil:
    key[0] = load_word(text, 8)
    key[1] = load_word(text + 8, min(length - 8, 8))
    key[2] = load_word(text + 16, length - 16) if length > 16 else 0


cdef inline uint64_t _hash24(const uint64_t *key) noexcept nogil:
    cdef uint64_t h = _spread(key[0] ^ key[2] * <uint64_t>0xC2B2AE3D27D4EB4F)
    return _spread((h ^ h >> 32) + key[1])


cdef inline Entry62 *_entry_c(const PieceTable *t, const uint8_t *text, Py_ssize_t length) noexcept nogil:
    cdef uint64_t h = <uint64_t>length
    cdef Py_ssize_t at = 0
    while at + 8 <= length:
        h = _spread(h ^ load_word(text + at, 8))
        h ^= h >> 29
        at += 8
    if at < length:
        h = _spread(h ^ load_word(text + at, length - at))
        h ^= h >> 29
    return &t.c[_spread(h) >> t.c_shift]


cdef void locate(const PieceTable *t, const uint8_t *text, Py_ssize_t length, Probe *probe) noexcept nogil:
    """The first pass over a piece: hash, and ask for the cache line."""
    cdef uint64_t key[3]
    if length <= WORD:
        probe.word = load_word(text, length)
        probe.place = &t.a[4 * (_spread(probe.word) >> t.a_shift)]
    elif length <= MIDDLE:
        _key24(text, length, key)
        probe.word = key[0]
        probe.place = &t.b[2 * (_hash24(key) >> t.b_shift)]
    elif length <= LONG:
        probe.place = _entry_c(t, text, length)
    else:
        return
    __builtin_prefetch(probe.place)


cdef inline Py_ssize_t _unpack(uint64_t value, uint32_t *out) noexcept nogil:
    out[0] = (value >> 8) & 0x3FFFF
    out[1] = (value >> 26) & 0x3FFFF
    out[2] = (value >> 44) & 0x3FFFF
    return value & 3


cdef inline Py_ssize_t _look_up_c(
    const Entry62 *entry, const uint8_t *text, Py_ssize_t length, uint32_t *out
) noexcept nogil:
    if entry.length != length or memcmp(entry.key, text, length):
        return 0
    memcpy(out, entry.ids, sizeof(entry.ids))
    return entry.count


cdef Py_ssize_t look_up(
    const PieceTable *t, const uint8_t *text, Py_ssize_t length, const Probe *probe, uint32_t *out
) noexcept nogil:
    """The second pass: the number of ids written to `out` (room for 16), or 0 if the piece is not held."""
    cdef Entry8 *a
    cdef Entry24 *b
    cdef uint64_t key[3]
    cdef int i
    if length <= WORD:
        a = <Entry8 *>probe.place
        for i in range(4):
            if a[i].key == probe.word and (a[i].value >> 2 & 63) == <uint64_t>length:
                return _unpack(a[i].value, out)
        return _look_up_c(_entry_c(t, text, length), text, length, out)
    if length <= MIDDLE:
        _key24(text, length, key)
        b = <Entry24 *>probe.place
        for i in range(2):
            if b[i].key[0] == key[0] and b[i].key[1] == key[1] and b[i].key[2] == key[2]:
                if (b[i].value >> 2 & 63) == <uint64_t>length:
                    return _unpack(b[i].value, out)
        return _look_up_c(_entry_c(t, text, length), text, length, out)
    return _look_up_c(<Entry62 *>probe.place, text, length, out)


cdef void insert(
    PieceTable *t, const uint8_t *text, Py_ssize_t length, const uint32_t *ids, Py_ssize_t count
) noexcept nogil:
    """Remembers a piece, if it fits; what it pushes out is forgotten."""
    cdef uint64_t value = <uint64_t>count | <uint64_t>length << 2
    cdef Probe probe
    cdef Entry62 *c
    cdef Py_ssize_t i
    cdef bint packs = count <= 3 and length <= MIDDLE
    if not t.writable or length > LONG or count > LONG_IDS:
        return
    for i in range(min(count, 3)):
        packs = packs and ids[i] >> ID_BITS == 0
        value |= <uint64_t>ids[i] << (8 + ID_BITS * i)
    if not packs:
        c = _entry_c(t, text, length)
        c.length = <uint8_t>length
        c.count = <uint8_t>count
        memcpy(c.key, text, length)
        memcpy(c.ids, ids, count * 4)
        return
    locate(t, text, length, &probe)
    if length <= WORD:
        _insert_a(<Entry8 *>probe.place, probe.word, value)
    else:
        _insert_b(<Entry24 *>probe.place, text, length, value)


cdef void _insert_a(Entry8 *entries, uint64_t key, uint64_t value) noexcept nogil:
    cdef int i
    for i in range(3, 0, -1):
        entries[i] = entries[i - 1]
    entries[0].key = key
    entries[0].value = value


cdef void _insert_b(Entry24 *entries, const uint8_t *text, Py_ssize_t length, uint64_t value) noexcept nogil:
    entries[1] = entries[0]
    _key24(text, length, entries[0].key)
    entries[0].value = value


cdef int open_table(PieceTable *t, uint8_t *a, uint8_t *b, uint8_t *c) except -1:
    t.a, t.b, t.c = <Entry8 *>a, <Entry24 *>b, <Entry62 *>c
    t.a_shift, t.b_shift, t.c_shift = 64 - A_SETS_LOG2, 64 - B_SETS_LOG2, 64 - C_ENTRIES_LOG2
    t.writable = True
    return 0


def table_sizes():
    """The sizes of the three tables, in bytes."""
    return (64 << A_SETS_LOG2, 64 << B_SETS_LOG2, 128 << C_ENTRIES_LOG2)


def prefill(BPE bpe not None, tokens):
    """The three tables, as bytearrays, holding the given `tokens` (ids), of which earlier ones win."""
    cdef PieceTable t
    cdef uint32_t token
    cdef Py_ssize_t length
    cdef const uint8_t *text
    a, b, c = (bytearray(size) for size in table_sizes())
    cdef uint8_t[::1] va = a, vb = b, vc = c
    open_table(&t, &va[0], &vb[0], &vc[0])
    for token in reversed(tokens):  # the last one inserted stands first in its set
        length = bpe.starts[token + 1] - bpe.starts[token]
        text = bpe.blob + bpe.starts[token]
        insert(&t, text, length, &token, 1)
    return a, b, c


cdef inline uint64_t _joined_bit(uint32_t left, uint32_t right) noexcept nogil:
    return _spread(<uint64_t>left << 21 | right) >> (64 - JOINED_BITS)


cdef bint may_cut(const uint64_t *joined, uint32_t left, uint32_t right) noexcept nogil:
    """Whether no token spans the border between the characters `left` and `right`."""
    cdef uint64_t bit = _joined_bit(left, right)
    return not (joined[bit >> 6] >> (bit & 63) & 1)


def joined_pairs(tokens):
    """The bitmap of the pairs of cuttable characters that one of `tokens` (bytes) may span.

    Cuttable characters take three bytes each, so around a border inside a token at most three bytes
    on either side matter: whole characters, or parts that stand for every character with that part.
    """
    bits = bytearray(JOINED_BYTES)
    cdef uint8_t[::1] b = bits
    lefts, rights = {}, {}
    pairs = set()
    for token in tokens:
        if max(token, default=0) < 0x80:
            continue  # ASCII alone touches no cuttable character
        for border in range(1, len(token)):
            pairs.add((token[max(0, border - 3):border], token[border:border + 3]))
    for left, right in pairs:
        if left not in lefts:
            lefts[left] = _characters(left, False)
        if right not in rights:
            rights[right] = _characters(right, True)
        _mark(b, lefts[left], rights[right])
    return bytes(bits)


cdef _mark(uint8_t[::1] bits, const uint32_t[::1] lefts, const uint32_t[::1] rights):
    cdef Py_ssize_t i, j
    cdef uint64_t bit
    for i in range(lefts.shape[0]):
        for j in range(rights.shape[0]):
            bit = _joined_bit(lefts[i], rights[j])
            bits[bit >> 3] |= <uint8_t>(1 << (bit & 7))


def _characters(part, at_front):
    """The cuttable characters that agree with `part`: whole, or its first or last bytes, as an array."""
    found = array("I")
    if len(part) == 3:
        # A border inside a character, or beside a longer or shorter one, is none between two cuttable
        # characters.
        text = part.decode("utf-8", "replace")
        if len(text) == 1 and cuttable(<uint32_t>ord(text)):
            found.append(ord(text))
        return found
    for c in range(0x3040, 0xD7A4):
        if cuttable(c):
            encoded = chr(c).encode()
            if encoded.startswith(part) if at_front else encoded.endswith(part):
                found.append(c)
    return found
