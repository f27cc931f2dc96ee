"""The piece table, and safe cuts.

In: the bytes of a piece. Out: its ids, if the table holds them.
Invariant: an entry holds the whole key and the ids that `BPE.merge_piece` gave for it, so a hit is exact
and a miss only costs time. The table never grows: it has arrays of fixed size, by length of the key.

    a: key up to 8 bytes; lines (64 bytes) of 4 keys and their 4 values
    b: key up to 24 bytes; lines of 2 entries, interleaved: words 0 of both, words 1, words 2, values
    c: key up to 62 bytes, 128 bytes an entry, up to 16 ids
    d: key up to 252 bytes, 512 bytes an entry, up to 64 ids: table rules, rows of dashes
    ring: ids of the pieces in a and b that have more than fit into a value; new ids overwrite the oldest

A value is a word of 64 bits. No piece has the value 0.

    bits 0, 1        number of ids in the value, 1 to 3; 0: the ids are too many or have more than 18 bits
    bits 2 to 7      number of bytes of the piece
    bits 8, 26, 44   where the ids begin
    Without ids:
    bits 8 to 15     number of ids in the ring; 0: they are in the run's own `side` buffer
    bits 16 to 63    where in the ring, as the count of all ids ever written there; or where in `side`, where the number
                     of ids comes first. Values of the second kind are never stored.

Example: "Hi", two bytes, is V3's one id 23166, and its value is 1 | 2 << 2 | 23166 << 8.

Every key of a and b has two lines, by two hashes (Pagh and Rodler's cuckoo hashing). The probe of a chunk looks at the
first line. If that is full, a miss looks at the second line before it merges. A new entry takes the first place of
its first line. The entry that drops out at the end goes to its own other line; an entry that drops out there is lost.
(With one line a key, one in eight entries of a half-full table b is lost again and again: Chinese text takes 20 %
longer, warm.) Two pieces have one key if they differ only in zero bytes at the end. A key stands in a line at most
once, so the newer of the two is kept. In c and d a key has a set of four places.

The tables start out filled with the vocabulary.

Safe cuts. BPE can join two neighbouring characters only by a merge whose product is a token that spans the
border between them. `joined_pairs` goes through all tokens and all borders inside each: at the border lie a
suffix and a prefix of the token. The token can span the border c|d only if c ends in that suffix or the suffix ends in
c, and if d begins with that prefix or the prefix begins with d. `joined_pairs` notes every such (c, d). No merge joins
any other pair. So merging both sides apart gives the same as merging them together: the merges on one side neither see
nor move the other side, and keep their order among themselves. Pairs are noted as bits under a hash of the pair. If
another pair has the same hash, only a cut is lost.
In a model of characters all borders between characters may be cut where no merge joins the two beside it, whatever the
ranks are: the first merge across the border would join a token that ends in c with one that begins with d. So the pairs
are those at the borders inside merges (`joined_characters`), fewer than those inside tokens.
Example: if 中国 is the only token that reaches over two of these characters, (中, 国) is noted, and 我在中国 is cut
into 我, 在 and 中国.
"""

from array import array
from functools import cache

cimport cython
from libc.stdint cimport uint8_t, uint16_t, uint32_t, uint64_t
from libc.string cimport memcmp, memcpy, memmove, memset

from dstok.core.merge._bpe cimport BPE
from dstok.core.text._hash cimport hash_bytes, key_of
from dstok.core.text._utf8 cimport code_point

cdef extern from "split/_kernel.h":
    uint32_t kernel_joined_bit(uint32_t left, uint32_t right) noexcept nogil
    bint kernel_may_cut(const uint8_t *joined, uint32_t left, uint32_t right) noexcept nogil
    enum:
        CUT_BITS
        CUTTABLE_COUNT
    const uint32_t CUTTABLE[CUTTABLE_COUNT][2]

cdef extern from "simd/_platform.h":
    void *huge_zeroed(size_t size) noexcept nogil
    void huge_free(void *memory, size_t size) noexcept nogil

cdef extern from *:
    void __builtin_prefetch(const void *) noexcept nogil

cdef enum:
    A_LINES_LOG2 = 16     # 4 MB, 262,144 entries
    B_LINES_LOG2 = 17     # 8 MB, 262,144 entries
    WAYS = 4              # entries of a set in tables c and d
    C_SETS_LOG2 = 12      # 2 MB, 16,384 entries
    D_SETS_LOG2 = 9       # 1 MB, 2,048 entries
    AHEAD = 16
    STEPS = 2             # the first line and the other one: more make texts of ever new pieces 1.7 times slower

TABLE_BYTES = ((64 << A_LINES_LOG2) + (64 << B_LINES_LOG2) + (WAYS * sizeof(EntryC) << C_SETS_LOG2)
               + (WAYS * sizeof(EntryD) << D_SETS_LOG2) + 4 * (RING + RING_STEP))
JOINED_BYTES = (1 << CUT_BITS) // 8
BORDER_BYTES = BORDERS
MOST_PAIRS = 1 << 13      # pairs at one border inside a token: a hundredth of the bitmap
_NONE = array("I")


cdef struct EntryC:
    uint8_t length
    uint8_t count
    uint8_t key[62]
    uint32_t ids[16]


cdef struct EntryD:
    uint16_t length
    uint16_t count
    uint8_t key[252]
    uint32_t ids[64]


@cython.final
cdef class PieceMemory:
    """The memory of a piece table, filled with the tokens whose bits in `direct` are set."""

    def __cinit__(self, BPE bpe not None, const uint8_t[::1] direct not None):
        self.size = TABLE_BYTES
        self.memory = huge_zeroed(self.size)
        if self.memory == NULL:
            raise MemoryError
        self.table.b = <uint64_t *>self.memory
        self.table.a = self.table.b + (<Py_ssize_t>8 << B_LINES_LOG2)
        self.table.c = <uint8_t *>(self.table.a + (<Py_ssize_t>8 << A_LINES_LOG2))
        self.table.d = self.table.c + (<Py_ssize_t>(WAYS * sizeof(EntryC)) << C_SETS_LOG2)
        self.table.ring = <uint32_t *>(self.table.d + (<Py_ssize_t>(WAYS * sizeof(EntryD)) << D_SETS_LOG2))
        self.table.a_shift, self.table.b_shift = 64 - A_LINES_LOG2, 64 - B_LINES_LOG2
        self.table.writable = True
        if 8 * direct.shape[0] < bpe.size:
            raise ValueError(f"expected {bpe.size} bits, found {direct.shape[0]} bytes")
        with nogil:
            _prefill(&self.table, bpe, &direct[0])
        bpe.fetch()

    def __dealloc__(self):
        huge_free(self.memory, self.size)


cdef void _prefill(PieceTable *t, BPE bpe, const uint8_t *direct) noexcept nogil:
    # The last one inserted stands first in its set: low ids are the most frequent. Lines are fetched some ids ahead:
    # else it would take three times as long.
    cdef Py_ssize_t i
    cdef uint32_t token, length
    cdef uint64_t key[3]
    cdef uint64_t last[3]
    for i in range(bpe.size - 1, -1, -1):
        if i >= AHEAD:
            _prefetch_line(t, bpe, <uint32_t>(i - AHEAD))
        if direct[i >> 3] >> (i & 7) & 1:
            token, length = <uint32_t>i, _length(bpe, <uint32_t>i)
            if not token >> VALUE_ID_BITS and _key_of_token(bpe, token, key):
                _insert_key(t, key, length, _pack(&token, 1) | length << 2)
            else:
                memset(last, 0, sizeof(last))
                memcpy(last, bpe.blob + bpe.starts[token], min(length, <uint32_t>MIDDLE))
                insert(t, bpe.blob + bpe.starts[token] if length > MIDDLE else <const uint8_t *>last, length, &token, 1)


cdef inline uint32_t _length(BPE bpe, uint32_t token) noexcept nogil:
    return bpe.starts[token + 1] - bpe.starts[token]


cdef inline bint _key_of_token(BPE bpe, uint32_t token, uint64_t *key) noexcept nogil:
    """The key of a token; false if it has none, or if the blob ends before what `key_of` reads."""
    if _length(bpe, token) > MIDDLE or <Py_ssize_t>bpe.starts[token] + MIDDLE > bpe.starts[bpe.size]:
        return False
    key_of(bpe.blob + bpe.starts[token], _length(bpe, token), key)
    return True


cdef inline void _prefetch_line(const PieceTable *t, BPE bpe, uint32_t token) noexcept nogil:
    cdef uint64_t key[3]
    if _key_of_token(bpe, token, key):
        __builtin_prefetch(piece_line_a(t, key[0]) if _length(bpe, token) <= WORD else piece_line_b(t, key))


cdef inline EntryC *_set_c(const PieceTable *t, uint64_t hash) noexcept nogil:
    return <EntryC *>t.c + WAYS * (hash >> (64 - C_SETS_LOG2))


cdef inline EntryD *_set_d(const PieceTable *t, uint64_t hash) noexcept nogil:
    return <EntryD *>t.d + WAYS * (hash >> (64 - D_SETS_LOG2))


cdef Py_ssize_t look_up_long(
    const PieceTable *t, const uint8_t *text, Py_ssize_t length, uint32_t *out
) noexcept nogil:
    """Writes the ids of a piece of more than 24 bytes that tables c and d hold; returns their number, or 0."""
    cdef uint64_t hash
    cdef const EntryC *c
    cdef const EntryD *d
    cdef int way
    if length > LONGEST:
        return 0
    hash = hash_bytes(0, text, length)
    if length <= LONG:
        c = _set_c(t, hash)
        for way in range(WAYS):
            if c[way].length == length and not memcmp(c[way].key, text, length):
                memcpy(out, c[way].ids, sizeof(c[way].ids))
                return c[way].count
    d = _set_d(t, hash)
    for way in range(WAYS):
        if d[way].length == length and not memcmp(d[way].key, text, length):
            memcpy(out, d[way].ids, d[way].count * 4)
            return d[way].count
    return 0


cdef uint64_t insert(
    PieceTable *t, const uint8_t *text, Py_ssize_t length, const uint32_t *ids, Py_ssize_t count
) noexcept nogil:
    """Remembers a piece, if it fits, and forgets the piece that drops out. Returns its value, or 0 if it has none.

    Reads `MIDDLE` bytes of a piece that has a key.
    """
    cdef uint64_t key[3]
    cdef uint64_t value = 0
    if length <= MIDDLE:
        value = _pack(ids, count)
        if value == 0 and t.writable:
            value = _to_ring(t, ids, count)
        if value:
            value |= <uint64_t>length << 2
    if not t.writable:
        return value
    if value:
        key_of(text, <uint32_t>length, key)
        _insert_key(t, key, length, value)
    elif MIDDLE < length <= LONGEST and count <= MOST_IDS:
        _insert_long(t, text, length, ids, count)
    return value


cdef inline uint64_t _pack(const uint32_t *ids, Py_ssize_t count) noexcept nogil:
    """Up to three ids in a word, without the length, or 0 if they do not fit."""
    cdef uint64_t one = ids[0], two = ids[1 if count > 1 else 0], three = ids[2 if count > 2 else 0]
    if count > 3 or (one | two | three) >> VALUE_ID_BITS:
        return 0
    two = two if count > 1 else 0
    three = three if count > 2 else 0
    return <uint64_t>count | one << 8 | two << (8 + VALUE_ID_BITS) | three << (8 + 2 * VALUE_ID_BITS)


cdef inline uint64_t _to_ring(PieceTable *t, const uint32_t *ids, Py_ssize_t count) noexcept nogil:
    """Writes ids to the ring, in one stretch; returns their value without the length."""
    cdef uint64_t place = t.head & (RING - 1)
    if place + count > RING:
        t.head += RING - place
        place = 0
    memcpy(t.ring + place, ids, count * 4)
    t.head += count
    return <uint64_t>count << 8 | (t.head - count) << 16


cdef inline void _insert_key(const PieceTable *t, uint64_t *key, Py_ssize_t length, uint64_t value) noexcept nogil:
    if length <= WORD:
        _insert_a(t, key, value)
    else:
        _insert_b(t, key, value)


cdef void _insert_a(const PieceTable *t, uint64_t *key, uint64_t value) noexcept nogil:
    cdef uint64_t *line = piece_line_a(t, key[0])
    cdef uint64_t last_key, last_value
    cdef int _, i
    for _ in range(STEPS):
        if (line[0] == key[0]) | (line[1] == key[0]) | (line[2] == key[0]) | (line[3] == key[0]):
            for i in range(4):
                if line[i] == key[0] and line[4 + i]:  # the same key with another length (zero bytes), or too old
                    line[4 + i] = value
                    return
        last_key, last_value = line[3], line[7]
        for i in range(3, 0, -1):
            line[i] = line[i - 1]
            line[4 + i] = line[3 + i]
        line[0], line[4] = key[0], value
        if last_value == 0:
            return
        key[0], value = last_key, last_value
        line = piece_second_a(t, key[0]) if line == piece_line_a(t, key[0]) else piece_line_a(t, key[0])


cdef void _insert_b(const PieceTable *t, uint64_t *key, uint64_t value) noexcept nogil:
    cdef uint64_t *line = piece_line_b(t, key)
    cdef uint64_t last[4]
    cdef int _, i
    for _ in range(STEPS):
        for i in range(2):
            if line[i] == key[0] and line[2 + i] == key[1] and line[4 + i] == key[2] and line[6 + i]:
                line[6 + i] = value
                return
        for i in range(4):
            last[i] = line[2 * i + 1]
            line[2 * i + 1] = line[2 * i]
            line[2 * i] = value if i == 3 else key[i]
        if last[3] == 0:
            return
        key[0], key[1], key[2], value = last[0], last[1], last[2], last[3]
        line = piece_second_b(t, key) if line == piece_line_b(t, key) else piece_line_b(t, key)


cdef inline void _insert_long(
    const PieceTable *t, const uint8_t *text, Py_ssize_t length, const uint32_t *ids, Py_ssize_t count
) noexcept nogil:
    cdef uint64_t hash = hash_bytes(0, text, length)
    cdef EntryC *c = _set_c(t, hash)
    cdef EntryD *d = _set_d(t, hash)
    if length <= LONG and count <= <Py_ssize_t>(sizeof(c.ids) // sizeof(uint32_t)):
        memmove(c + 1, c, (WAYS - 1) * sizeof(EntryC))
        c.length, c.count = <uint8_t>length, <uint8_t>count
        memcpy(c.key, text, length)
        memcpy(c.ids, ids, count * 4)
    else:
        memmove(d + 1, d, (WAYS - 1) * sizeof(EntryD))
        d.length, d.count = <uint16_t>length, <uint16_t>count
        memcpy(d.key, text, length)
        memcpy(d.ids, ids, count * 4)


cdef bint may_cut(const uint8_t *joined, uint32_t left, uint32_t right) noexcept nogil:
    """Whether no token spans the border between the characters `left` and `right`."""
    return kernel_may_cut(joined, left, right)


def cuttable_ranges():
    """The ranges of cuttable characters, (first, last)."""
    return tuple([(CUTTABLE[i][0], CUTTABLE[i][1]) for i in range(CUTTABLE_COUNT)])


def joined_pairs(tokens, borders=None):
    """The bitmap of the pairs of cuttable characters that one of `tokens` (bytes) may span.

    Cuttable characters take three bytes each, so around a border inside a token at most three bytes
    on either side matter: whole characters, or parts that stand for every character with that part.

    A token of a part and a part, such as a4 | ed, has pairs of 400 and 2,000 characters, and the bits for all these
    pairs would fill the bitmap of Qwen's tokens. With `borders` (compiled/build.py), only the characters after the border
    get bits, and `borders` holds these.
    """
    bits = bytearray(JOINED_BYTES)
    cdef uint8_t[::1] b = bits
    pairs = set()
    for token in tokens:
        if token.isascii():
            continue  # ASCII alone touches no cuttable character
        for border in range(1, len(token)):
            pairs.add((token[max(0, border - 3):border], token[border:border + 3]))
    for left, right in pairs:
        before, after = _characters(left, 0), _characters(right, 1)
        if borders is not None and len(before) * len(after) > MOST_PAIRS:
            for c in after:
                borders[BORDER_BYTES // 2 + (c >> 3)] |= 1 << (c & 7)
        else:
            _put_bits(b, before, after)
    return bytes(bits)


def joined_characters(merges, starts, blob):
    """The pairs of characters that a merge joins, left << 32 | right, rising, as array("Q"): those at its border.

    `merges` is flat (left, right, merged) and token i is blob[starts[i]:starts[i + 1]], whole characters.
    """
    cdef const uint32_t[::1] m = merges
    cdef const uint32_t[::1] s = memoryview(starts).cast("B").cast("I")
    cdef const uint8_t[::1] b = memoryview(blob).cast("B")
    cdef Py_ssize_t rank, at, width
    cdef uint64_t left
    pairs = set()
    for rank in range(m.shape[0] // 3):
        at = s[m[3 * rank] + 1] - 1
        while b[at] & 0xC0 == 0x80:
            at -= 1
        left = code_point(&b[at], &width)
        pairs.add(left << 32 | code_point(&b[s[m[3 * rank + 1]]], &width))
    return array("Q", sorted(pairs))


def joined_bits(const uint64_t[::1] pairs not None):
    """The bitmap for the safe cuts of a model of characters, from the pairs of `joined_characters`."""
    bits = bytearray(JOINED_BYTES)
    cdef uint8_t[::1] b = bits
    cdef Py_ssize_t i
    cdef uint32_t bit
    for i in range(pairs.shape[0]):
        bit = kernel_joined_bit(<uint32_t>(pairs[i] >> 32), <uint32_t>pairs[i])
        b[bit >> 3] |= <uint8_t>(1 << (bit & 7))
    return bytes(bits)


cdef _put_bits(uint8_t[::1] bits, const uint32_t[::1] lefts, const uint32_t[::1] rights):
    cdef Py_ssize_t i, j
    cdef uint32_t bit
    for i in range(lefts.shape[0]):
        for j in range(rights.shape[0]):
            bit = kernel_joined_bit(lefts[i], rights[j])
            bits[bit >> 3] |= <uint8_t>(1 << (bit & 7))


def _characters(part, side):
    """The cuttable characters that agree with `part`, as an array: whole, or their last (side 0) or first bytes (1)."""
    if len(part) < 3:
        return _characters_by_part()[side].get(part, _NONE)
    # A border inside a character, or beside a longer or shorter one, is not between two cuttable characters.
    text = part.decode("utf-8", "replace")
    return array("I", [ord(text)]) if len(text) == 1 and cuttable(<uint32_t>ord(text)) else _NONE


@cache
def _characters_by_part():
    """The cuttable characters by their last one or two bytes, and by their first one or two."""
    by_end, by_front = {}, {}
    for low, high in cuttable_ranges():
        for c in range(low, high + 1):
            encoded = chr(c).encode()
            for size in (1, 2):
                by_end.setdefault(encoded[-size:], array("I")).append(c)
                by_front.setdefault(encoded[:size], array("I")).append(c)
    return by_end, by_front
