/* The pair table: the rank of the merge of two ids, for one pair or for all neighbours.
 *
 * In: two ids. Out: the rank of their merge, or none.
 * It is a perfect hash: a look-up reads two places, and never searches. The first hash of a pair chooses a seed
 * (uint16; for V3 64 KB, which stay in the level-2 cache). The seed and the second hash give the slot: left << 44 |
 * right << 24 | rank, all ones if empty (V3: 1 MB, 97 % full). `build_pairs` in tables.pyx finds the seeds
 * (Belazzougui, Botelho, Dietzfelbinger: Hash, displace, and compress, 2009).
 */
#ifndef DSTOK_PAIR_H
#define DSTOK_PAIR_H

#include "cpu/implementation.h"

enum {
    RANK_BITS = 24,
    NO_RANK = (1 << RANK_BITS) - 1,
    ID_BITS = 20, /* of an id in a slot */
    PAIRS = 8,    /* up to so many ids no level finds their ranks faster than one by one */
};
_Static_assert(RANK_BITS + 2 * ID_BITS == 64, "a slot holds two ids and a rank");

struct PairTable {
    const uint64_t *slots;
    const uint16_t *seeds; /* then the salt of the second hash, and, if it is not 0, the salt of the first */
    int slot_shift;        /* 32 - log2(slots) */
    int seed_shift;
    uint32_t left_mix;     /* factors of the first hash */
    uint32_t right_mix;
    const uint32_t *merged; /* id by rank; NULL: rank + first */
    uint32_t first;
    uint32_t mix;           /* factor of the right id in the second hash */
    const Implementation *level;
};

#define PAIR_0 0x9E3779B1u
#define PAIR_1 0x85EBCA6Bu
#define PAIR_2 0xC2B2AE35u
#define PAIR_3 0x27D4EB2Fu
#define PAIR_4 0x165667B1u
#define PAIR_5 0xD6E8FEB9u

/* The factors of the two hashes under their salts, which begin with 0: see `build_pairs`. All are odd. */
static inline uint32_t left_mix_of(uint32_t salt) { return PAIR_0 + 2 * PAIR_2 * salt; }
static inline uint32_t right_mix_of(uint32_t salt) { return PAIR_1 + 2 * PAIR_3 * salt; }
static inline uint32_t mix_of(uint32_t salt) { return PAIR_3 + 2 * salt; }

static inline uint32_t pair_bucket(uint32_t left, uint32_t right, uint32_t left_mix, uint32_t right_mix,
                                   int seed_shift) {
    return (left * left_mix + right * right_mix) >> seed_shift;
}

static inline uint32_t pair_slot(uint32_t left, uint32_t right, uint32_t seed, uint32_t mix, int slot_shift) {
    return ((left * PAIR_2 + right * mix) ^ seed * PAIR_4) * PAIR_5 >> slot_shift;
}

static inline void read_lines(const void *table, size_t size) {
    for (size_t at = 0; at < size; at += 64)
        (void)*((const volatile uint8_t *)table + at);
}

/* The rank of the merge of two ids, or NO_RANK. */
static inline uint32_t pair_rank(const PairTable *t, uint32_t left, uint32_t right) {
    uint32_t seed = t->seeds[pair_bucket(left, right, t->left_mix, t->right_mix, t->seed_shift)];
    uint64_t entry = t->slots[pair_slot(left, right, seed, t->mix, t->slot_shift)];
    return entry >> RANK_BITS == ((uint64_t)left << ID_BITS | right) ? (uint32_t)entry & NO_RANK : NO_RANK;
}

static inline uint32_t pair_merged(const PairTable *t, uint32_t rank) {
    return t->merged ? t->merged[rank] : rank + t->first;
}

/* The ranks of all neighbours: `count` - 1 of them. */
static inline void pair_ranks_portable(const PairTable *t, const uint32_t *ids, uint32_t *ranks, int64_t count) {
    for (int64_t i = 0; i + 1 < count; i++)
        ranks[i] = pair_rank(t, ids[i], ids[i + 1]);
}

/* The same, by the level where it is faster. */
static inline void pair_ranks(const PairTable *t, const uint32_t *ids, uint32_t *ranks, int64_t count) {
    if (count > PAIRS)
        t->level->pair_ranks(t, ids, ranks, count);
    else
        pair_ranks_portable(t, ids, ranks, count);
}

#endif
