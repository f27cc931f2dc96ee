/* Merging sixteen short texts at once, by AVX2.
 *
 * In: the symbols of texts. Out: their ids, as `merge_short` gives them.
 *
 * Merging one text is a chain of look-ups that wait for each other, and of branches that cannot be predicted. Here each
 * text has a lane of two vectors. The symbols p of all texts are one row, and the ranks of the pairs (p, p + 1) are
 * another. So all texts wait for memory together, the search for the least rank has no branches, and blending rows
 * closes the gap that a merged symbol leaves. Example: of the texts "ab" and "cd", row 0 is a c, row 1 is b d.
 */
#ifndef DSTOK_LANES_H
#define DSTOK_LANES_H

#include "merge/_merge.h"

enum {
    LANES = 16,
    LANE_BITS = 5,
    LANE_SYMBOLS = 1 << LANE_BITS, /* the most that a text in a lane has */
};

/* Text i is ids[0][i], ids[1][i] and so on, then NO_ID. */
typedef struct {
    uint32_t ids[LANE_SYMBOLS + 1][LANES] __attribute__((aligned(32)));
    uint32_t ranks[LANE_SYMBOLS + 1][LANES] __attribute__((aligned(32)));
    int most; /* the number of symbols of the longest text */
} Lanes;

#define NO_ID 0xFFFFFFFFu

static inline void lanes_clear(Lanes *lanes) {
    memset(lanes->ids, 0xFF, sizeof(lanes->ids));
    lanes->most = 0;
}

static inline void lanes_put(Lanes *lanes, int lane, const uint32_t *ids, int count) {
    for (int p = 0; p < count; p++)
        lanes->ids[p][lane] = ids[p];
    lanes->most = count > lanes->most ? count : lanes->most;
}

/* Writes the ids of a lane; returns their number. */
static inline int lanes_take(const Lanes *lanes, int lane, uint32_t *ids) {
    int count = 0;
    for (; lanes->ids[count][lane] != NO_ID; count++)
        ids[count] = lanes->ids[count][lane];
    return count;
}

/* `merge_lanes` for processors without AVX2. */
static inline void merge_lanes_portable(const PairTable *t, Lanes *lanes, int size) {
    for (int lane = 0; lane < size; lane++) {
        uint32_t ids[LANE_SYMBOLS];
        int before = lanes_take(lanes, lane, ids), count = merge_short(t, ids, before);
        lanes_put(lanes, lane, ids, count);
        for (int p = count; p < before; p++)
            lanes->ids[p][lane] = NO_ID;
    }
}

#ifdef DSTOK_X86

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
static inline void merge_lanes(const PairTable *t, Lanes *lanes, int size) {
    if (size > LANE)
        lanes_merge(t, lanes, 2);
    else
        lanes_merge(t, lanes, 1);
}

#undef ROW
#undef HALVES
#undef LANE_LOAD
#else
#define merge_lanes merge_lanes_portable
#endif
#endif
