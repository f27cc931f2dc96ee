"""The tables of merging, at load time: live merges, the pair table, and safe cuts.

In: the merges and tokens of a model. Out: its live merges and dead merges (live.h); slots and seeds of a perfect hash,
as pair_table.h reads them, and the merges read back from its slots; the bitmap of the pairs of characters that a
token may span.
Invariant: each pair of ids stands in the slot to which its bucket's seed sends it, and nowhere else. A pair of
characters without a bit may be cut (docs/proofs.md, "Safe cuts"); two pairs with one hash only lose a cut. Work and
memory are bounded, whatever the merges are.

Hash, displace (Belazzougui, Botelho, Dietzfelbinger 2009): pairs are put into buckets of about four. Each bucket, the
largest first, takes the first seed that sends all its pairs to free slots. For V3's 127,741 merges in 131,072 slots the
largest seed is 3,519. It takes 25 ms. Both hashes have a salt: merges can be chosen so that too many share a bucket, or
two of a bucket share their slot under all seeds; under another salt they do not. Merges that are chosen against all
salts are refused.
"""

from libc.stdint cimport uint8_t, uint16_t, uint32_t, uint64_t
from libc.string cimport memcpy, memset

from dstok.core.bpe.merge cimport (
    ID_BITS, NO_RANK, RANK_BITS, CharacterTable, StartTable, left_mix_of, mix_of, pair_bucket, pair_slot, right_mix_of,
)
from dstok.core.cpu.level cimport BORDERS
from dstok.core.text.utf8 cimport code_point

from array import array
from functools import cache

cdef extern from "bpe/live.h":
    ctypedef struct MergeRows:
        const uint32_t *merges
        Py_ssize_t count
        uint32_t *rows, *rights, *ranks
    Py_ssize_t merge_rows(MergeRows *m, Py_ssize_t ids, uint32_t *places, uint32_t *by_right) noexcept nogil
    Py_ssize_t find_live(
        const MergeRows *m, const StartTable *start, const uint32_t *starts, const uint8_t *blob, uint32_t *live
    ) noexcept nogil

cdef extern from "split/kernel.h":
    bint cuttable "kernel_cuttable"(uint32_t c) noexcept nogil
    uint32_t kernel_joined_bit(uint32_t left, uint32_t right) noexcept nogil
    enum:
        CUT_BITS
        CUTTABLE_COUNT
    const uint32_t CUTTABLE[CUTTABLE_COUNT][2]

cdef uint64_t EMPTY = 0xFFFFFFFFFFFFFFFF
cdef uint32_t NO_ID = 0xFFFFFFFF

cdef enum:
    SEEDS = 1 << 16
    BUCKET = 4         # pairs that share a seed, on average
    CROWD = 32         # the most pairs that share one by chance: one bucket in 10 to the 18 has more
    SALTS = 16         # the number of salts to try
    ROOM = 2           # doublings of the slots in that time

MAX_IDS = 1 << ID_BITS
MAX_MERGES = NO_RANK - 1
MAX_SLOTS = 1 << 25    # two for each of MAX_MERGES
JOINED_BYTES = (1 << CUT_BITS) // 8
BORDER_BYTES = BORDERS
MOST_PAIRS = 1 << 13   # pairs at one border inside a token: a hundredth of the bitmap
_NONE = array("I")


def live_merges(
    merges: array[int], starts, blob, byte_ids: Sequence[int], CharacterTable characters=None
) -> tuple[array[int], array[int]]:
    """Return the live ones of flat `merges` (left, right, merged, by rank); the dead ones (rank, left, right, merged).

    Token i is blob[starts[i]:starts[i + 1]]. `characters`: of a model of characters. Raises `ValueError` if a pair is
    there twice.
    """
    cdef const uint32_t[::1] m = merges
    cdef const uint32_t[::1] s = memoryview(starts).cast("B").cast("I")
    cdef const uint8_t[::1] b = memoryview(blob).cast("B")
    cdef const uint32_t[::1] bytes_to_ids = array("I", byte_ids)
    cdef StartTable start
    cdef Py_ssize_t ids = s.shape[0] - 1, count = m.shape[0] // 3, alive, rank, again, to = 0
    if count == 0:
        return array("I"), array("I")
    cdef uint32_t[::1] places = array("I", bytes(4 * (ids + 1))), rows = array("I", bytes(4 * (ids + 1)))
    cdef uint32_t[::1] by_right = array("I", bytes(4 * count)), rights = array("I", bytes(4 * count))
    cdef uint32_t[::1] ranks = array("I", bytes(4 * count))
    cdef MergeRows r = MergeRows(&m[0], count, &rows[0], &rights[0], &ranks[0])
    again = merge_rows(&r, ids, &places[0], &by_right[0])
    if again:
        raise ValueError(f"expected each pair once, found merge {ranks[again - 1]} again as merge {ranks[again]}")
    memset(&places[0], 0xFF, 4 * ids)
    memset(&start, 0, sizeof(start))
    start.bytes = &bytes_to_ids[0]
    if characters is not None:
        characters.open(&start)
    with nogil:
        alive = find_live(&r, &start, &s[0], &b[0], &places[0])
    if alive < 0:
        raise MemoryError
    live, dead = array("I", bytes(12 * (alive + 1))), array("I", bytes(16 * (count - alive + 1)))
    cdef uint32_t[::1] kept = live, left_out = dead
    alive = 0
    for rank in range(count):
        if places[m[3 * rank + 2]] == <uint32_t>rank:
            memcpy(&kept[alive], &m[3 * rank], 12)
            alive += 3
        else:
            left_out[to] = <uint32_t>rank
            memcpy(&left_out[to + 1], &m[3 * rank], 12)
            to += 4
    return live[:alive], dead[:to]


def all_merges(live: array[int], dead: array[int]) -> array[int]:
    """Return the flat list of all merges, by rank, from the two lists of `live_merges`.

    Raises `ValueError` if the ranks of the dead ones do not rise, or are too high.
    """
    cdef const uint32_t[::1] m = live, d = dead
    cdef Py_ssize_t alive = 0, gone = 0, count = m.shape[0] // 3 + d.shape[0] // 4, rank
    found = array("I", bytes(12 * count))
    cdef uint32_t[::1] f = found
    for rank in range(count):
        if gone < d.shape[0] and d[gone] == <uint32_t>rank:
            memcpy(&f[3 * rank], &d[gone + 1], 12)
            gone += 4
        elif alive < m.shape[0]:
            memcpy(&f[3 * rank], &m[alive], 12)
            alive += 3
        else:
            raise ValueError(f"expected dead merges with ranks that rise to at most {count - 1}, found {d[gone]}")
    return found


def build_pairs(merges: array[int]) -> tuple[bytes, bytes] | None:
    """Build the pair table of flat `merges` (left, right, merged, in rank order): its slots and seeds, as bytes.

    None if too many pairs collide under each of the salts, as a pair that is there twice does with itself.
    """
    cdef const uint32_t[::1] m = merges
    cdef Py_ssize_t count = m.shape[0] // 3, most
    cdef int seed_bits = 4, salt, first_salt
    cdef Py_ssize_t size = 16
    while (<Py_ssize_t>BUCKET << seed_bits) < count:
        seed_bits += 1
    while size * 0.98 < count:
        size *= 2
    most = min(size << ROOM, MAX_SLOTS)
    for first_salt in range(SALTS):
        buckets = _by_bucket(m, first_salt, 32 - seed_bits)
        if buckets is not None:
            break
    else:
        return None
    for salt in range(SALTS):
        slots = array("Q", [EMPTY]) * size
        seeds = array("H", bytes(2 << seed_bits))
        if _place(m, buckets, slots, seeds, mix_of(salt)):
            seeds.extend([salt, first_salt] if first_salt else [salt])
            return slots.tobytes(), seeds.tobytes()
        size = min(size << (salt & 1), most)
    return None


def merges_of(pairs: Buffer) -> array[int]:
    """Return the merges of a pair table's slots, flat: left, right (uint32), in rank order.

    Raises `ValueError` if its ranks are not 0, 1, 2 and so on, each once.
    """
    cdef const uint64_t[::1] slots = memoryview(pairs).cast("B").cast("Q")
    cdef Py_ssize_t i, count = 0
    cdef uint64_t rank
    for i in range(slots.shape[0]):
        count += slots[i] != EMPTY
    merges = array("I", [NO_ID]) * (2 * count)
    cdef uint32_t[::1] m = merges
    for i in range(slots.shape[0]):
        if slots[i] == EMPTY:
            continue
        rank = slots[i] & NO_RANK
        if rank >= <uint64_t>count or m[2 * rank] != NO_ID:
            raise ValueError(f"expected the ranks below {count} in the pair table, each once, found {rank} in slot {i}")
        m[2 * rank] = <uint32_t>(slots[i] >> (RANK_BITS + ID_BITS))
        m[2 * rank + 1] = <uint32_t>(slots[i] >> RANK_BITS & ((1 << ID_BITS) - 1))
    return merges


cdef list _by_bucket(const uint32_t[::1] m, uint32_t salt, int seed_shift):
    """Return (bucket, ranks) of the pairs, the largest buckets first; None if a bucket has more than CROWD."""
    cdef uint32_t left_mix = left_mix_of(salt), right_mix = right_mix_of(salt), bucket
    cdef uint32_t[::1] sizes = array("I", bytes(4 << (32 - seed_shift)))
    cdef Py_ssize_t rank
    buckets = {}
    for rank in range(m.shape[0] // 3):
        bucket = pair_bucket(m[3 * rank], m[3 * rank + 1], left_mix, right_mix, seed_shift)
        sizes[bucket] += 1
        if sizes[bucket] > CROWD:
            return None
        buckets.setdefault(bucket, []).append(rank)
    return sorted(buckets.items(), key=lambda item: (-len(item[1]), item[0]))


cdef bint _place(const uint32_t[::1] m, list buckets, uint64_t[::1] slots, uint16_t[::1] seeds, uint32_t mix):
    """Find the first seed for each bucket that sends its pairs to free slots; false if a bucket has none."""
    cdef int slot_shift = 33 - int(slots.shape[0]).bit_length()
    cdef uint32_t seed, slot
    cdef Py_ssize_t rank, i, size, bucket
    cdef Py_ssize_t[::1] ranks
    cdef uint32_t[::1] taken
    for bucket, found in buckets:
        ranks, size = array("q", found), len(found)
        taken = array("I", bytes(4 * size))
        for seed in range(SEEDS):
            for i in range(size):
                rank = ranks[i]
                slot = pair_slot(m[3 * rank], m[3 * rank + 1], seed, mix, slot_shift)
                if slots[slot] != EMPTY:
                    break
                slots[slot] = ((<uint64_t>m[3 * rank] << ID_BITS | m[3 * rank + 1]) << RANK_BITS) | <uint64_t>rank
                taken[i] = slot
            else:
                break
            while i:
                i -= 1
                slots[taken[i]] = EMPTY
        else:
            return False
        seeds[bucket] = <uint16_t>seed
    return True


def cuttable_ranges() -> tuple[tuple[int, int], ...]:
    """Return the ranges of cuttable characters, (first, last)."""
    return tuple([(CUTTABLE[i][0], CUTTABLE[i][1]) for i in range(CUTTABLE_COUNT)])


def joined_pairs(tokens: Iterable[bytes], borders: bytearray = None) -> bytes:
    """Build the bitmap of the pairs of cuttable characters that one of `tokens` (bytes) may span.

    Cuttable characters take three bytes each, so around a border inside a token at most three bytes
    on either side matter: whole characters, or parts that stand for every character with that part.

    A token of a part and a part, such as a4 | ed, has pairs of 400 and 2,000 characters, and the bits for all these
    pairs would fill the bitmap of Qwen's tokens. With `borders` (compiled/build.py), only the characters after the
    border get bits, and `borders` holds these.
    """
    bits = bytearray(JOINED_BYTES)
    cdef uint8_t[::1] b = bits
    cdef const uint32_t[::1] lefts, rights
    cdef Py_ssize_t i, j
    cdef uint32_t bit
    pairs = set()
    for token in tokens:
        if token.isascii():
            continue  # ASCII alone touches no cuttable character
        for border in range(1, len(token)):
            pairs.add((token[max(0, border - 3):border], token[border:border + 3]))
    for left, right in pairs:
        lefts, rights = _characters(left, 0), _characters(right, 1)
        if borders is not None and lefts.shape[0] * rights.shape[0] > MOST_PAIRS:
            for c in rights:
                borders[BORDER_BYTES // 2 + (c >> 3)] |= 1 << (c & 7)
            continue
        for i in range(lefts.shape[0]):
            for j in range(rights.shape[0]):
                bit = kernel_joined_bit(lefts[i], rights[j])
                b[bit >> 3] |= <uint8_t>(1 << (bit & 7))
    return bytes(bits)


def joined_characters(merges: array[int], starts, blob) -> array[int]:
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


def joined_bits(const uint64_t[::1] pairs not None) -> bytes:
    """Build the bitmap for the safe cuts of a model of characters, from the pairs of `joined_characters`."""
    bits = bytearray(JOINED_BYTES)
    cdef uint8_t[::1] b = bits
    cdef Py_ssize_t i
    cdef uint32_t bit
    for i in range(pairs.shape[0]):
        bit = kernel_joined_bit(<uint32_t>(pairs[i] >> 32), <uint32_t>pairs[i])
        b[bit >> 3] |= <uint8_t>(1 << (bit & 7))
    return bytes(bits)


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
