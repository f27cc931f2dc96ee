"""The tables of merging, at load time: live merges, and the pair table.

In: the merges and tokens of a model. Out: its live merges and dead merges (live.h); slots and seeds of a perfect hash,
as pair_table.h reads them.
Invariant: each pair of ids stands in the slot to which its bucket's seed sends it, and nowhere else. Work and memory
are bounded, whatever the merges are.

Hash, displace (Belazzougui, Botelho, Dietzfelbinger 2009): pairs are put into buckets of about four. Each bucket, the
largest first, takes the first seed that sends all its pairs to free slots. For V3's 127,741 merges in 131,072 slots the
largest seed is 3,519. It takes 25 ms. Both hashes have a salt: merges can be chosen so that too many share a bucket, or
two of a bucket share their slot under all seeds; under another salt they do not. Merges that are chosen against all
salts are refused.
"""

from cpython.bytes cimport PyBytes_AS_STRING
from libc.stdint cimport uint8_t, uint16_t, uint32_t, uint64_t
from libc.string cimport memcpy, memset

from dstok.core.bpe.merge cimport (
    ID_BITS, NO_RANK, RANK_BITS, CharacterTable, StartTable, left_mix_of, mix_of, pair_bucket, pair_slot, right_mix_of,
)
from dstok.core.cpu.platform cimport huge_free, huge_zeroed, prefetch

from array import array
from os import urandom

from dstok.core.text.model_json import large_bytes, uint32s

cdef extern from "bpe/live.h":
    enum:
        FILTER_BITS
    ctypedef struct MergeIndex:
        const uint32_t *merges
        Py_ssize_t count
        uint64_t *slots
        uint64_t *filter
        uint64_t mask, seed
    ctypedef struct Origin:
        pass
    ctypedef struct Known:
        uint32_t *live
        uint32_t *last
        Origin *origins
    Py_ssize_t merge_index(MergeIndex *m) noexcept nogil
    uint32_t index_rank(const void *m, uint32_t left, uint32_t right) noexcept nogil
    Py_ssize_t find_live(
        const MergeIndex *m, const StartTable *start, const uint32_t *starts, const uint8_t *blob, Py_ssize_t ids,
        Known *k
    ) noexcept nogil

cdef enum:
    SEEDS = 1 << 16
    BUCKET = 4         # pairs that share a seed, on average
    CROWD = 32         # the most pairs that share one by chance: one bucket in 10 to the 18 has more
    AHEAD = 32         # pairs between the fetch of a line and its use
    SALTS = 16         # the number of salts to try
    ROOM = 2           # doublings of the slots in that time

MAX_IDS = 1 << ID_BITS
MAX_MERGES = NO_RANK - 1
MAX_SLOTS = 1 << 25    # two for each of MAX_MERGES


def live_merges(
    const uint32_t[::1] merges not None, const uint32_t[::1] starts not None, const uint8_t[::1] blob not None,
    byte_ids: Sequence[int], CharacterTable characters=None
) -> tuple[array[int], array[int]]:
    """Return the live ones of `merges` (left, right, merged, by rank); the dead ones (rank, left, right, merged).

    Token i is blob[starts[i]:starts[i + 1]]. `characters`: of a model of characters. Raises `ValueError` if a pair is
    there twice.
    """
    cdef const uint32_t[::1] bytes_to_ids = array("I", byte_ids)
    cdef uint32_t[::1] kept, left_out
    cdef StartTable start
    cdef Py_ssize_t ids = starts.shape[0] - 1, count = merges.shape[0] // 3, alive = 0, rank, again, to = 0
    cdef uint64_t mask = 15
    if count == 0:
        return array("I"), array("I")
    while mask < 2 * <uint64_t>count:
        mask = 2 * mask + 1
    cdef Py_ssize_t words = FILTER_BITS * (mask + 1) // 64
    cdef size_t room = 8 * (mask + 1 + words) + (sizeof(Origin) + 8) * ids
    cdef uint64_t *slots = <uint64_t *>huge_zeroed(room)
    cdef uint64_t *filter = slots + mask + 1
    cdef Origin *origins = <Origin *>(filter + words)
    cdef uint32_t *ranks = <uint32_t *>(origins + ids)
    cdef MergeIndex index = MergeIndex(&merges[0], count, slots, filter, mask, int.from_bytes(urandom(8), "little"))
    cdef Known k = Known(ranks, ranks + ids, origins)
    if slots == NULL:
        raise MemoryError
    memset(&start, 0, sizeof(start))
    start.bytes = &bytes_to_ids[0]
    if characters is not None:
        characters.open(&start)
    try:
        with nogil:
            again = merge_index(&index)
            if not again:
                alive = find_live(&index, &start, &starts[0], &blob[0], ids, &k)
        if again:
            rank = index_rank(&index, merges[3 * again], merges[3 * again + 1])
            raise ValueError(f"expected each pair once, found merge {rank} again as merge {again}")
        if alive < 0:
            raise MemoryError
        live, dead = uint32s(3 * alive), uint32s(4 * (count - alive))
        kept, left_out = live, dead
        alive = 0
        for rank in range(count):
            if ranks[merges[3 * rank + 2]] == <uint32_t>rank:
                memcpy(&kept[alive], &merges[3 * rank], 12)
                alive += 3
            else:
                left_out[to] = <uint32_t>rank
                memcpy(&left_out[to + 1], &merges[3 * rank], 12)
                to += 4
        return live, dead
    finally:
        huge_free(slots, room)


def merged_ids(live: array[int]) -> bytes:
    """Return the products of flat `live` by rank; nothing if each is the rank plus a constant: arithmetic is faster."""
    cdef const uint32_t[::1] m = live
    cdef Py_ssize_t i
    for i in range(2, m.shape[0], 3):
        if m[i] != m[2] + i // 3:
            return live[2::3].tobytes()
    return b""


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
        buckets = _by_bucket(m, first_salt, seed_bits)
        if buckets is not None:
            break
    else:
        return None
    for salt in range(SALTS):
        seeds = array("H", bytes(2 << seed_bits))
        slots = _place(m, buckets, size, seeds, mix_of(salt))
        if slots is not None:
            seeds.extend([salt, first_salt] if first_salt else [salt])
            return slots, seeds.tobytes()
        size = min(size << (salt & 1), most)
    return None


cdef tuple _by_bucket(const uint32_t[::1] m, uint32_t salt, int seed_bits):
    """Sort the ranks by bucket, the largest buckets first. Return buckets, their sizes, and all ranks, in this order.

    None if a bucket has more than CROWD. Two counting sorts: of the ranks by bucket, of the buckets by size.
    """
    cdef uint32_t left_mix = left_mix_of(salt), right_mix = right_mix_of(salt), bucket, at = 0
    cdef Py_ssize_t count = m.shape[0] // 3, rank, i
    cdef uint32_t[::1] bucket_of = array("I", [0]) * (count + 1), size_of = array("I", [0]) * (1 << seed_bits)
    cdef uint32_t[::1] buckets = array("I", [0]) * (1 << seed_bits), ends = array("I", [0]) * (1 << seed_bits)
    cdef uint32_t[::1] ranks = array("I", [0]) * (count + 1), sizes = array("I", [0]) * (1 << seed_bits)
    cdef Py_ssize_t[CROWD + 1] first  # the place of the next bucket of a size
    cdef Py_ssize_t[CROWD + 1] of_size
    memset(of_size, 0, sizeof(of_size))
    for rank in range(count):
        bucket = bucket_of[rank] = pair_bucket(m[3 * rank], m[3 * rank + 1], left_mix, right_mix, 32 - seed_bits)
        if size_of[bucket] == CROWD:
            return None
        size_of[bucket] += 1
    for i in range(size_of.shape[0]):
        of_size[size_of[i]] += 1
    first[CROWD] = 0
    for i in range(CROWD, 0, -1):
        first[i - 1] = first[i] + of_size[i]
    for i in range(size_of.shape[0]):
        buckets[first[size_of[i]]] = <uint32_t>i
        first[size_of[i]] += 1
    for i in range(size_of.shape[0]):
        sizes[i], ends[buckets[i]] = size_of[buckets[i]], at
        at += sizes[i]
    for rank in range(count):
        ranks[ends[bucket_of[rank]]] = <uint32_t>rank
        ends[bucket_of[rank]] += 1
    return buckets, sizes, ranks


cdef bytes _place(const uint32_t[::1] m, tuple sorted_buckets, Py_ssize_t slots, uint16_t[::1] seeds, uint32_t mix):
    """Find the first seed for each bucket that sends its pairs to free slots; return the slots.

    None if a bucket has no such seed. Most seeds are tried for the last buckets, so what is free is kept as bits, which
    stay in the level-1 cache.
    """
    cdef const uint32_t[::1] buckets = sorted_buckets[0], sizes = sorted_buckets[1], ranks = sorted_buckets[2]
    cdef int slot_shift = 33 - int(slots).bit_length()
    cdef uint64_t[::1] taken = array("Q", [0]) * (slots + 63 >> 6)
    cdef bytes made = large_bytes(8 * slots)[0]
    cdef uint64_t *table = <uint64_t *>PyBytes_AS_STRING(made)
    cdef uint32_t seed, rank
    cdef uint32_t[CROWD] found
    cdef Py_ssize_t number, i, at = 0
    cdef bint well = True
    with nogil:
        memset(table, 0xFF, 8 * slots)
        for number in range(buckets.shape[0]):
            for i in range(at + AHEAD, min(at + AHEAD + sizes[number], ranks.shape[0])):
                prefetch(&m[0] + 3 * <size_t>ranks[i])
            for seed in range(SEEDS):
                for i in range(sizes[number]):
                    rank = ranks[at + i]
                    found[i] = pair_slot(m[3 * rank], m[3 * rank + 1], seed, mix, slot_shift)
                    if taken[found[i] >> 6] >> (found[i] & 63) & 1:
                        break
                    taken[found[i] >> 6] |= <uint64_t>1 << (found[i] & 63)
                else:
                    break
                while i:
                    i -= 1
                    taken[found[i] >> 6] &= ~(<uint64_t>1 << (found[i] & 63))
            else:
                well = False
                break
            seeds[buckets[number]] = <uint16_t>seed
            for i in range(sizes[number]):
                rank = ranks[at + i]
                table[found[i]] = ((<uint64_t>m[3 * rank] << ID_BITS | m[3 * rank + 1]) << RANK_BITS) | rank
            at += sizes[number]
    return made if well else None
