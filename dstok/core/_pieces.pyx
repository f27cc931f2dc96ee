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

cdef enum:
    ID_BITS = 18
    JOINED_BITS = 20

A_SETS_LOG2 = 16
B_SETS_LOG2 = 16
C_ENTRIES_LOG2 = 14
JOINED_BYTES = (1 << JOINED_BITS) // 8


cdef inline Entry62 *_entry_c(const PieceTable *t, const uint8_t *text, Py_ssize_t length) noexcept nogil:
    cdef uint64_t h = <uint64_t>length
    cdef Py_ssize_t at = 0
    while at + 8 <= length:
        h = spread(h ^ load_word(text + at, 8))
        h ^= h >> 29
        at += 8
    if at < length:
        h = spread(h ^ load_word(text + at, length - at))
        h ^= h >> 29
    return &t.c[spread(h) >> t.c_shift]


cdef Py_ssize_t look_up_long(
    const PieceTable *t, const uint8_t *text, Py_ssize_t length, uint32_t *out
) noexcept nogil:
    """The number of ids written to `out` (room for 16) of a piece that table c holds, or 0."""
    cdef const Entry62 *entry
    if length > LONG:
        return 0
    entry = _entry_c(t, text, length)
    if entry.length != length or memcmp(entry.key, text, length):
        return 0
    memcpy(out, entry.ids, sizeof(entry.ids))
    return entry.count


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
    locate(t, text, length, False, &probe)
    if length <= WORD:
        _insert_a(<Entry8 *>probe.place, probe.key[0], value)
    else:
        _insert_b(<Entry24 *>probe.place, probe.key, value)


cdef void _insert_a(Entry8 *entries, uint64_t key, uint64_t value) noexcept nogil:
    cdef int i
    for i in range(3, 0, -1):
        entries[i] = entries[i - 1]
    entries[0].key = key
    entries[0].value = value


cdef void _insert_b(Entry24 *entries, const uint64_t *key, uint64_t value) noexcept nogil:
    entries[1] = entries[0]
    memcpy(entries[0].key, key, sizeof(entries[0].key))
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
    return spread(<uint64_t>left << 21 | right) >> (64 - JOINED_BITS)


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
