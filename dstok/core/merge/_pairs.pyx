# cython: language_level=3, boundscheck=False, wraparound=False, cdivision=True, autotestdict=False
# cython: freethreading_compatible=True
"""The pair table, built, and read back: a perfect hash of the merges.

In: the merges. Out: slots and seeds, as _merge.h reads them, or nothing, if pairs collide under all salts. In the other
direction: slots in, and the merges out, so that no file stores them a second time.
Invariant: each pair stands in the slot to which its bucket's seed sends it, and nowhere else. Work and memory are
bounded, whatever the merges are.

Hash, displace (Belazzougui, Botelho, Dietzfelbinger 2009): pairs are put into buckets of about four. Each bucket,
the largest first, takes the first seed that sends all its pairs to free slots. For V3's 127,741 merges in 131,072 slots
the largest seed is 3,519. It takes 25 ms.

Both hashes have a salt. Merges can be chosen so that too many share a bucket, or two of a bucket share their slot under
all seeds; under another salt they do not. (If the first hash had no salt, the table would double until memory is out.)
Merges that are chosen against all salts are refused.
"""

from array import array

from libc.stdint cimport uint16_t, uint32_t, uint64_t

from dstok.core.merge._bpe cimport (
    ID_BITS, NO_RANK, RANK_BITS, left_mix_of, mix_of, pair_bucket, pair_slot, right_mix_of,
)

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


def build_pairs(merges):
    """The pair table of flat `merges` (left, right, merged, in rank order): its slots and seeds, as bytes.

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


def merges_of(pairs):
    """The merges of a pair table's slots, flat: left, right (uint32), in rank order.

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
    """(bucket, ranks) of the pairs, the largest buckets first; None if a bucket has more than CROWD."""
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
    """Finds the first seed for each bucket that sends its pairs to free slots; false if a bucket has none."""
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
