/* Merging by AVX2: the ranks of eight pairs at once, and up to sixteen short texts side by side.
 *
 * In: the symbols of texts. Out: their ids, as `merge_short` gives them.
 */
#ifndef DSTOK_LANES_AVX2_H
#define DSTOK_LANES_AVX2_H

#include "merge/_lanes.h"
#include "simd/_simd.h"

#ifdef DSTOK_X86

#pragma GCC diagnostic ignored "-Wpsabi" /* about vectors as arguments: all functions that have such are inlined */

/* A vector of ids, ranks or places. */
enum { LANE = 8 };
_Static_assert(LANE <= (int)PAIRS, "pair_ranks_avx2 gets more ids than a vector holds");
_Static_assert(RANK_BITS + LANE_BITS < 32, "a rank and a place are compared as a signed word");
_Static_assert(ID_BITS == 20 && RANK_BITS == 24, "the halves of a slot that lane_rank compares");
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

/* Half of the lanes, and each of the halves in use. */
#define ROW(rows, p, h) (*(Lane *)&lanes->rows[p][LANE * (h)])
#define HALVES for (int h = 0; h < halves; h++)

#define LANE_LOAD(lane) _mm256_loadu_si256((const __m256i *)&(lane))

LANE_FUNCTION Lane lane_select(Lane chosen, Lane a, Lane b) {
    _mm256_storeu_si256((__m256i *)&a, _mm256_blendv_epi8(LANE_LOAD(b), LANE_LOAD(a), LANE_LOAD(chosen)));
    return a;
}

LANE_FUNCTION Lane lane_min(Lane a, Lane b) {
    _mm256_storeu_si256((__m256i *)&a, _mm256_min_epu32(LANE_LOAD(a), LANE_LOAD(b)));
    return a;
}

LANE_FUNCTION Lane lane_greater(Lane a, Lane b) {
    _mm256_storeu_si256((__m256i *)&a, _mm256_cmpgt_epi32(LANE_LOAD(a), LANE_LOAD(b)));
    return a;
}

LANE_FUNCTION Lane lane_merged(const PairTable *t, Lane rank, Lane active) {
    Lane made = rank + t->first, r = rank & active;
    if (t->merged)
        for (int i = 0; i < LANE; i++)
            made[i] = t->merged[r[i]];
    return made | ~active;
}

/* Merges the texts in all lanes. A rank stands in its row with the place in its low bits, so among equal ranks the
 * leftmost is the least. */
LANE_FUNCTION void lanes_merge(const PairTable *t, Lanes *lanes, int halves) {
    const Lane none = (Lane){0} + ((uint32_t)NO_RANK << LANE_BITS), nothing = (Lane){0} + NO_ID;
    Lane least[2] = {none, none};
    for (int p = 0; p + 1 < lanes->most; p++)
        HALVES {
            ROW(ranks, p, h) = lane_rank(t, ROW(ids, p, h), ROW(ids, p + 1, h)) << LANE_BITS | (uint32_t)p;
            least[h] = lane_min(least[h], ROW(ranks, p, h));
        }
    for (int p = lanes->most - (lanes->most > 0); p <= lanes->most; p++)
        HALVES ROW(ranks, p, h) = none + (uint32_t)p;
    /* A text that is still merged loses a symbol a round. So the longest possible text is one shorter each round. */
    for (int most = lanes->most; most > 1; most--) {
        Lane active[2], at[2], made[2], before[2], after[2], any = {0};
        HALVES any |= active[h] = lane_greater(none, least[h]);
        if (_mm256_testz_si256(LANE_LOAD(any), LANE_LOAD(any)))
            break;
        HALVES {
            Lane previous = nothing, here = ROW(ids, 0, h), rank = ROW(ranks, 0, h), place = {0};
            at[h] = (least[h] & (LANE_SYMBOLS - 1)) | (~active[h] & (2 * LANE_SYMBOLS));
            made[h] = lane_merged(t, least[h] >> LANE_BITS, active[h]);
            before[h] = after[h] = nothing;
            least[h] = none;
            /* Close the gap; on the way take the new symbol's neighbours, and forget the ranks of its old pairs. */
            for (int p = 0; p < most; p++, place += 1) {
                Lane next = ROW(ids, p + 1, h), next_rank = ROW(ranks, p + 1, h), is = (Lane)(place == at[h]);
                Lane past = lane_greater(place, at[h]);
                before[h] = lane_select(is, previous, before[h]);
                after[h] = lane_select((Lane)(place == at[h] + 1), next, after[h]);
                previous = here;
                ROW(ids, p, h) = lane_select(is, made[h], lane_select(past, next, here));
                rank = lane_select(past, next_rank - 1, rank) | (((Lane)(place == at[h] - 1) | is) & none);
                ROW(ranks, p, h) = rank;
                least[h] = lane_min(least[h], rank);
                here = next, rank = next_rank;
            }
        }
        /* The ranks of the two pairs with the new symbol. */
        HALVES before[h] = lane_rank(t, before[h], made[h]) << LANE_BITS | ((at[h] - 1) & (LANE_SYMBOLS - 1));
        HALVES after[h] = lane_rank(t, made[h], after[h]) << LANE_BITS | (at[h] & (LANE_SYMBOLS - 1));
        HALVES {
            Lane place = {0};
            least[h] = lane_min(least[h], lane_min(before[h], after[h]));
            for (int p = 0; p < most; p++, place += 1) {
                Lane rank = lane_select((Lane)(place == at[h] - 1), before[h], ROW(ranks, p, h));
                ROW(ranks, p, h) = lane_select((Lane)(place == at[h]), after[h], rank);
            }
        }
    }
}

/* Merges the texts in the first `size` lanes; the other lanes are empty. */
SIMD_AVX2
static inline void merge_lanes_avx2(const PairTable *t, Lanes *lanes, int size) {
    if (size > LANE)
        lanes_merge(t, lanes, 2);
    else
        lanes_merge(t, lanes, 1);
}

#undef ROW
#undef HALVES
#undef LANE_LOAD
#endif
#endif
