# cython: language_level=3, boundscheck=False, wraparound=False, cdivision=True, autotestdict=False
"""The pair table, built: a perfect hash of the merges.

In: the merges. Out: slots and seeds, as _merge.h reads them.
Invariant: each pair stands in the slot to which its bucket's seed sends it, and nowhere else.

Hash, displace (Belazzougui, Botelho, Dietzfelbinger 2009): pairs are put into buckets of about four, and for one bucket
after the other, the largest first, the first seed is taken that sends all its pairs to slots that are free. For V3's
127,741 merges in 131,072 slots the largest seed is 3,519. It takes 25 ms.
"""

from array import array

from libc.stdint cimport uint16_t, uint32_t, uint64_t

from dstok.core._bpe cimport NO_RANK, PAIR_3, pair_bucket, pair_slot

cdef enum:
    SEEDS = 1 << 16
    BUCKET = 4         # pairs that share a seed, on average

MAX_IDS = 1 << 20
MAX_MERGES = NO_RANK - 1


def build_pairs(merges):
    """The pair table of flat `merges` (left, right, merged, in rank order): its slots and seeds, as bytes."""
    cdef const uint32_t[::1] m = merges
    cdef Py_ssize_t count = m.shape[0] // 3
    cdef int slot_bits = 4, seed_bits = 4, salt
    while (<Py_ssize_t>BUCKET << seed_bits) < count:
        seed_bits += 1
    while (<Py_ssize_t>1 << slot_bits) * 0.98 < count:
        slot_bits += 1
    places = _by_bucket(m, 32 - seed_bits)
    for salt in range(SEEDS):
        slots = array("Q", [0xFFFFFFFFFFFFFFFF]) * (1 << slot_bits)
        seeds = array("H", bytes(2 << seed_bits) + salt.to_bytes(2, "little"))
        if _place(m, places, slots, seeds, PAIR_3 + 2 * salt):
            return slots.tobytes(), seeds.tobytes()
        slot_bits += salt & 1
    raise AssertionError("no perfect hash")


cdef list _by_bucket(const uint32_t[::1] m, int seed_shift):
    """(bucket, ranks) of the pairs, the largest buckets first."""
    cdef Py_ssize_t rank
    buckets = {}
    seen = set()
    for rank in range(m.shape[0] // 3):
        pair = <uint64_t>m[3 * rank] << 20 | m[3 * rank + 1]
        if pair not in seen:
            seen.add(pair)
            buckets.setdefault(pair_bucket(m[3 * rank], m[3 * rank + 1], seed_shift), []).append(rank)
    return sorted(buckets.items(), key=lambda item: (-len(item[1]), item[0]))


cdef bint _place(const uint32_t[::1] m, list buckets, uint64_t[::1] slots, uint16_t[::1] seeds, uint32_t mix):
    """Finds for each bucket the first seed that sends its pairs to free slots; false if one has none."""
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
                if slots[slot] != <uint64_t>0xFFFFFFFFFFFFFFFF:
                    break
                slots[slot] = <uint64_t>m[3 * rank] << 44 | <uint64_t>m[3 * rank + 1] << 24 | <uint64_t>rank
                taken[i] = slot
            else:
                break
            while i:
                i -= 1
                slots[taken[i]] = <uint64_t>0xFFFFFFFFFFFFFFFF
        else:
            return False
        seeds[bucket] = <uint16_t>seed
    return True
