/* Merging by AVX2: the ranks of eight pairs at once, and up to 64 short texts step by step.
 *
 * In: the symbols of texts. Out: their ids, as `merge_short` gives them.
 */
#ifndef DSTOK_STRIPS_AVX2_H
#define DSTOK_STRIPS_AVX2_H

#include "bpe/strips.h"
#include "cpu/vectors.h"

#ifdef DSTOK_X86

#pragma GCC diagnostic ignored "-Wpsabi" /* about vectors as arguments: all functions that have such are inlined */

/* A vector of ids, ranks or places. */
enum { LANE = 8 };
_Static_assert(LANE <= (int)PAIRS, "pair_ranks_avx2 gets more ids than a vector holds");
_Static_assert(2 * LANE == STRIP, "a strip is two vectors");
_Static_assert(ID_BITS == 20 && RANK_BITS == 24, "the halves of a slot that lane_rank compares");
typedef uint32_t Lane __attribute__((vector_size(4 * LANE), may_alias));
typedef Lane LooseLane __attribute__((aligned(4)));
typedef uint16_t LaneSeeds __attribute__((vector_size(2 * LANE)));
typedef uint64_t LaneSlots __attribute__((vector_size(4 * LANE)));
#define LANE_FUNCTION SIMD_AVX2 __attribute__((always_inline)) static inline
#define LANE_AT(words) (*(LooseLane *)(words))
#define LANE_LOAD(lane) _mm256_loadu_si256((const __m256i *)&(lane))

/* Does what `pair_slot` does, for eight pairs. Plain loads: gathers are no faster, and on many processors slow. */
LANE_FUNCTION Lane lane_slot(const PairTable *t, Lane left, Lane right) {
    const uint16_t *seeds = t->seeds;
    Lane b = (left * t->left_mix + right * t->right_mix) >> (uint32_t)t->seed_shift;
    LaneSeeds found = {seeds[b[0]], seeds[b[1]], seeds[b[2]], seeds[b[3]],
                       seeds[b[4]], seeds[b[5]], seeds[b[6]], seeds[b[7]]};
    Lane seed = __builtin_convertvector(found, Lane);
    return ((left * PAIR_2 + right * t->mix) ^ seed * PAIR_4) * PAIR_5 >> (uint32_t)t->slot_shift;
}

/* Does what `pair_rank` does, for eight pairs whose slots are known. */
LANE_FUNCTION Lane lane_rank(const PairTable *t, const uint32_t *s, Lane left, Lane right) {
    const uint64_t *slots = t->slots;
    LaneSlots even = {slots[s[0]], slots[s[2]], slots[s[4]], slots[s[6]]};
    LaneSlots odd = {slots[s[1]], slots[s[3]], slots[s[5]], slots[s[7]]};
    Lane low = (Lane)((even & 0xFFFFFFFF) | odd << 32), high = (Lane)(even >> 32 | (odd & 0xFFFFFFFF00000000));
    Lane wrong = (high ^ (left << 12 | right >> 8)) | (low >> 24 ^ (right & 0xFF)) | (left | right) >> ID_BITS;
    return (low & NO_RANK) | ((Lane)(wrong != 0) & NO_RANK);
}

enum { RANKS_AT_ONCE = 128 };

/* Writes the ranks of `count` pairs, and up to seven more, to `ranks`, which may be `left`. First it finds and fetches many
 * slots: a rank waits for two loads, one after the other, and the processor sees only a few vectors ahead. */
LANE_FUNCTION void lane_ranks(const PairTable *t, const uint32_t *left, const uint32_t *right, uint32_t *ranks,
                              int64_t count) {
    uint32_t slots[RANKS_AT_ONCE];
    for (int64_t base = 0; base < count; base += RANKS_AT_ONCE) {
        int64_t size = count - base < RANKS_AT_ONCE ? count - base : RANKS_AT_ONCE;
        for (int64_t i = 0; i < size; i += LANE) {
            LANE_AT(slots + i) = lane_slot(t, LANE_AT(left + base + i), LANE_AT(right + base + i));
            for (int j = 0; j < LANE; j++)
                __builtin_prefetch(t->slots + slots[i + j]);
        }
        for (int64_t i = 0; i < size; i += LANE)
            LANE_AT(ranks + base + i) = lane_rank(t, slots + i, LANE_AT(left + base + i), LANE_AT(right + base + i));
    }
}

/* Does what `pair_ranks` does, eight at a time. */
SIMD_AVX2
static void pair_ranks_avx2(const PairTable *t, const uint32_t *ids, uint32_t *ranks, int64_t count) {
    lane_ranks(t, ids, ids + 1, ranks, (count - 1) / LANE * LANE);
    ids += count - 1 - LANE; /* the last eight overlap those before */
    lane_ranks(t, ids, ids + 1, ranks + count - 1 - LANE, LANE);
}

LANE_FUNCTION Lane lane_select(Lane chosen, Lane a, Lane b) {
    _mm256_storeu_si256((__m256i *)&a, _mm256_blendv_epi8(LANE_LOAD(b), LANE_LOAD(a), LANE_LOAD(chosen)));
    return a;
}

LANE_FUNCTION Lane lane_greater(Lane a, Lane b) {
    _mm256_storeu_si256((__m256i *)&a, _mm256_cmpgt_epi32(LANE_LOAD(a), LANE_LOAD(b)));
    return a;
}

/* Four bits for each of a and b that are equal. */
LANE_FUNCTION uint64_t lane_equal(Lane a, Lane b) {
    Lane equal = (Lane)(a == b);
    return (uint32_t)_mm256_movemask_epi8(LANE_LOAD(equal));
}

/* The least word of two vectors. */
LANE_FUNCTION uint32_t lane_least(const Lane *lanes) {
    __m256i both = _mm256_min_epu32(LANE_LOAD(lanes[0]), LANE_LOAD(lanes[1]));
    __m128i least = _mm_min_epu32(_mm256_castsi256_si128(both), _mm256_extracti128_si256(both, 1));
    least = _mm_min_epu32(least, _mm_shuffle_epi32(least, 0x4E));
    return (uint32_t)_mm_cvtsi128_si32(_mm_min_epu32(least, _mm_shuffle_epi32(least, 0xB1)));
}

/* A word in all places; the numbers of the places in a half of a strip; a word in a strip's last place. */
#define ALL(word) ((Lane){0} + (word))
#define PLACES(h) ((Lane){0, 1, 2, 3, 4, 5, 6, 7} + (uint32_t)(LANE * (h)))
#define LAST(h, word) ((Lane){0, 0, 0, 0, 0, 0, 0, (h) ? (word) : 0})
#define HALVES for (int h = 0; h < 2; h++)

/* Lays `count` symbols in a strip, and their ranks; returns the least of these. */
LANE_FUNCTION uint32_t strip_open(const uint32_t *symbols, const uint32_t *symbol_ranks, int count, uint32_t *ids,
                                  uint32_t *ranks) {
    Lane end = ALL((uint32_t)count), rank[2];
    HALVES {
        LANE_AT(ids + LANE * h) = lane_select(lane_greater(end, PLACES(h)), LANE_AT(symbols + LANE * h), ALL(NO_ID));
        rank[h] = lane_select(lane_greater(end - 1, PLACES(h)), LANE_AT(symbol_ranks + LANE * h), ALL(NO_RANK));
        LANE_AT(ranks + LANE * h) = rank[h];
    }
    return lane_least(rank);
}

/* The place of the leftmost pair of a rank. */
LANE_FUNCTION uint32_t strip_find(const uint32_t *ranks, uint32_t rank) {
    uint64_t found = lane_equal(LANE_AT(ranks), ALL(rank)) | lane_equal(LANE_AT(ranks + LANE), ALL(rank)) << 32;
    return (uint32_t)__builtin_ctzll(found) / 4;
}

/* Puts `made` in the place of a pair, and closes the gap after it. */
LANE_FUNCTION void strip_close(uint32_t *ids, uint32_t *ranks, uint32_t at, uint32_t made) {
    HALVES {
        Lane past = lane_greater(PLACES(h), ALL(at));
        LANE_AT(ids + LANE * h) = lane_select(past, LANE_AT(ids + LANE * h + 1), LANE_AT(ids + LANE * h)) | LAST(h, NO_ID);
        LANE_AT(ranks + LANE * h) = lane_select(past, LANE_AT(ranks + LANE * h + 1), LANE_AT(ranks + LANE * h)) |
                                    LAST(h, (uint32_t)NO_RANK);
    }
    ids[at] = made;
}

/* Enters the ranks of the two pairs with the new symbol; returns the least rank of the strip. */
LANE_FUNCTION uint32_t strip_enter(uint32_t *ranks, uint32_t at, uint32_t before, uint32_t after) {
    Lane rank[2];
    HALVES {
        rank[h] = lane_select((Lane)(PLACES(h) == ALL(at - 1)), ALL(before), LANE_AT(ranks + LANE * h));
        rank[h] = lane_select((Lane)(PLACES(h) == ALL(at)), ALL(after), rank[h]);
        LANE_AT(ranks + LANE * h) = rank[h];
    }
    return lane_least(rank);
}

/* The ranks of all strips, and those that have a pair to merge: their numbers and least ranks. */
typedef struct {
    uint32_t ranks[STRIPS + 1][STRIP];
    uint32_t strip[STRIPS], least[STRIPS], at[STRIPS];
    uint32_t left[2 * STRIPS], right[2 * STRIPS]; /* the two pairs with each new symbol */
    int active;
} StripRanks;
_Static_assert(2 * STRIPS % LANE == 0, "the pairs are whole vectors");

LANE_FUNCTION void strips_keep(StripRanks *r, int i, uint32_t least) {
    r->strip[r->active] = (uint32_t)i;
    r->least[r->active] = least;
    r->active += least != NO_RANK;
}

LANE_FUNCTION void strips_open(const PairTable *t, Strips *s, StripRanks *r) {
    uint32_t ranks[sizeof(s->symbols) / sizeof(*s->symbols)], end = s->starts[s->size];
    memset(s->symbols + end, 0, STRIP * sizeof(uint32_t));
    lane_ranks(t, s->symbols, s->symbols + 1, ranks, end);
    r->active = 0;
    s->ids[0][STRIP - 1] = NO_ID;
    for (int i = 0; i < s->size; i++) {
        uint32_t start = s->starts[i];
        strips_keep(r, i, strip_open(s->symbols + start, ranks + start, s->counts[i], s->ids[i + 1], r->ranks[i]));
    }
}

/* Merges one pair in each strip that has one. */
LANE_FUNCTION void strips_step(const PairTable *t, Strips *s, StripRanks *r) {
    int active = r->active;
    for (int j = 0; j < active; j++) {
        uint32_t i = r->strip[j], *ids = s->ids[i + 1], at = strip_find(r->ranks[i], r->least[j]);
        uint32_t made = pair_merged(t, r->least[j]);
        r->at[j] = at;
        r->left[2 * j] = *(ids + at - 1); /* for the first place the end of the strip before: NO_ID */
        r->right[2 * j] = r->left[2 * j + 1] = made;
        r->right[2 * j + 1] = ids[at + 2];
        s->counts[i]--;
        strip_close(ids, r->ranks[i], at, made);
    }
    lane_ranks(t, r->left, r->right, r->left, 2 * active);
    r->active = 0;
    for (int j = 0; j < active; j++) {
        uint32_t i = r->strip[j];
        strips_keep(r, (int)i, strip_enter(r->ranks[i], r->at[j], r->left[2 * j], r->left[2 * j + 1]));
    }
}

SIMD_AVX2
static void merge_strips_avx2(const PairTable *t, Strips *s) {
    StripRanks r;
    strips_open(t, s, &r);
    while (r.active)
        strips_step(t, s, &r);
}

#undef LANE_AT
#undef LANE_LOAD
#undef ALL
#undef PLACES
#undef LAST
#undef HALVES
#endif
#endif
