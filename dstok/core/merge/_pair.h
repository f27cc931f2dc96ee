/* The pair table: the rank of the merge of two ids, for one pair or for eight.
 *
 * In: two ids. Out: the rank of their merge, or none.
 * It is a perfect hash: a look-up reads two places, and never searches. The first hash of a pair chooses a seed
 * (uint16; for V3 64 KB, which stay in the level-2 cache). The seed and the second hash give the slot: left << 44 |
 * right << 24 | rank, all ones if empty (V3: 1 MB, 97 % full). `build_pairs` in _pairs.pyx finds the seeds
 * (Belazzougui, Botelho, Dietzfelbinger: Hash, displace, and compress, 2009).
 */
#ifndef DSTOK_PAIR_H
#define DSTOK_PAIR_H

#include <stddef.h>
#include <stdint.h>

#include "simd/_simd.h"

enum {
    NO_RANK = 0xFFFFFF,
    ID_BITS = 20,
};

typedef struct {
    const uint64_t *slots;
    const uint16_t *seeds; /* then the salt of the second hash, and, if it is not 0, the salt of the first */
    int slot_shift;        /* 32 - log2(slots) */
    int seed_shift;
    uint32_t left_mix;     /* factors of the first hash */
    uint32_t right_mix;
    const uint32_t *merged; /* id by rank; NULL: rank + first */
    uint32_t first;
    uint32_t mix;           /* factor of the right id in the second hash */
    int wide;               /* use AVX2 */
} PairTable;

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
    return entry >> 24 == ((uint64_t)left << 20 | right) ? (uint32_t)entry & NO_RANK : NO_RANK;
}

static inline uint32_t pair_merged(const PairTable *t, uint32_t rank) {
    return t->merged ? t->merged[rank] : rank + t->first;
}

#ifdef DSTOK_X86

#pragma GCC diagnostic ignored "-Wpsabi" /* about vectors as arguments: all functions that have such are inlined */

/* A vector of ids, ranks or places. */
enum { LANE = 8 };
typedef uint32_t Lane __attribute__((vector_size(4 * LANE), may_alias));
typedef uint16_t LaneSeeds __attribute__((vector_size(2 * LANE)));
typedef uint64_t LaneSlots __attribute__((vector_size(4 * LANE)));
#define LANE_FUNCTION SIMD_AVX2 __attribute__((always_inline)) static inline

/* Does what `pair_rank` does, for eight pairs. Plain loads: gathers are no faster, and on many processors slow. */
LANE_FUNCTION Lane lane_rank(const PairTable *t, Lane left, Lane right) {
    const uint16_t *seeds = t->seeds;
    const uint64_t *slots = t->slots;
    Lane b = (left * t->left_mix + right * t->right_mix) >> (uint32_t)t->seed_shift;
    LaneSeeds found = {seeds[b[0]], seeds[b[1]], seeds[b[2]], seeds[b[3]],
                       seeds[b[4]], seeds[b[5]], seeds[b[6]], seeds[b[7]]};
    Lane seed = __builtin_convertvector(found, Lane);
    Lane s = ((left * PAIR_2 + right * t->mix) ^ seed * PAIR_4) * PAIR_5 >> (uint32_t)t->slot_shift;
    LaneSlots even = {slots[s[0]], slots[s[2]], slots[s[4]], slots[s[6]]};
    LaneSlots odd = {slots[s[1]], slots[s[3]], slots[s[5]], slots[s[7]]};
    Lane low = (Lane)((even & 0xFFFFFFFF) | odd << 32), high = (Lane)(even >> 32 | (odd & 0xFFFFFFFF00000000));
    Lane wrong = (high ^ (left << 12 | right >> 8)) | (low >> 24 ^ (right & 0xFF)) | (left | right) >> ID_BITS;
    return (low & NO_RANK) | ((Lane)(wrong != 0) & NO_RANK);
}

/* Does what `pair_ranks` does, eight at a time. */
SIMD_AVX2
static void pair_ranks_avx2(const PairTable *t, const uint32_t *ids, uint32_t *ranks, int64_t count) {
    typedef Lane Loose __attribute__((aligned(4)));
    for (int64_t i = 0; i + 1 < count; i += LANE) {
        int64_t at = i + LANE < count ? i : count - 1 - LANE; /* the last eight overlap those before */
        *(Loose *)(ranks + at) = lane_rank(t, *(const Loose *)(ids + at), *(const Loose *)(ids + at + 1));
    }
}

#endif

/* The ranks of all neighbours: `count` - 1 of them. */
static inline void pair_ranks(const PairTable *t, const uint32_t *ids, uint32_t *ranks, int64_t count) {
#ifdef DSTOK_X86
    if (t->wide && count > LANE) {
        pair_ranks_avx2(t, ids, ranks, count);
        return;
    }
#endif
    for (int64_t i = 0; i + 1 < count; i++)
        ranks[i] = pair_rank(t, ids[i], ids[i + 1]);
}

#endif
