/* The live merges of a model: those that some text needs. The others, its dead merges, never happen.
 *
 * In: all merges of a model, and its tokens. Out: for each token the rank of its live merge, if it has one.
 * Invariant: merging gives the same ids of any bytes with the live merges as with all, whatever the ranks are:
 * docs/proofs.md, "Live rules". Example: "abc" may be a b + c or a + b c. If "ab" has a lower rank than "bc", merging
 * the bytes "abc" takes the first way, and the merge a + bc is dead.
 * Time: O(n log n) in the bytes of all products. A pair is found by binary search among those with its left id, so no
 * choice of merges makes it slow. */
#ifndef DSTOK_LIVE_H
#define DSTOK_LIVE_H

#include <string.h>

#include "bpe/merge_loops.h"

#define LIVE_UNKNOWN 0xFFFFFFFFu

/* Merges by left id, those of one left id by right id: a row for each left id. */
typedef struct {
    const uint32_t *merges; /* flat: left, right, merged, by rank */
    int64_t count;
    uint32_t *rows; /* where the row of a left id begins; the last entry is the end of all */
    uint32_t *rights;
    uint32_t *ranks;
} MergeRows;

/* Writes to `first`, for each of `ids` ids, the number of merges with a lower id on a `side`. */
static inline void merge_places(const MergeRows *m, int side, uint32_t *first, int64_t ids) {
    uint32_t before = 0;
    memset(first, 0, (size_t)ids * 4);
    for (int64_t i = 0; i < m->count; i++)
        first[m->merges[3 * i + side]]++;
    for (int64_t i = 0; i < ids; i++) {
        uint32_t here = first[i];
        first[i] = before;
        before += here;
    }
}

/* Fills the rows for ids below `ids`: a counting sort by right id, then one by left id. `places` has room for `ids`,
 * `by_right` for all merges. Returns the number of a place whose pair the place before has, too, or 0. */
static inline int64_t merge_rows(MergeRows *m, int64_t ids, uint32_t *places, uint32_t *by_right) {
    merge_places(m, 1, places, ids);
    for (int64_t i = 0; i < m->count; i++)
        by_right[places[m->merges[3 * i + 1]]++] = (uint32_t)i;
    merge_places(m, 0, m->rows, ids);
    m->rows[ids] = (uint32_t)m->count;
    memcpy(places, m->rows, (size_t)ids * 4);
    for (int64_t i = 0; i < m->count; i++) {
        const uint32_t *merge = m->merges + 3 * (int64_t)by_right[i];
        uint32_t at = places[merge[0]]++;
        m->rights[at] = merge[1];
        m->ranks[at] = by_right[i];
    }
    for (int64_t i = 1; i < m->count; i++)
        if (m->rights[i] == m->rights[i - 1] && m->merges[3 * m->ranks[i]] == m->merges[3 * m->ranks[i - 1]])
            return i;
    return 0;
}

static inline uint32_t row_rank(const void *rows, uint32_t left, uint32_t right) {
    const MergeRows *m = rows;
    uint32_t low = m->rows[left], end = m->rows[left + 1], high = end;
    while (low < high) {
        uint32_t middle = (low + high) >> 1;
        if (m->rights[middle] < right)
            low = middle + 1;
        else
            high = middle;
    }
    return low < end && m->rights[low] == right ? m->ranks[low] : NO_RANK;
}

static inline uint32_t row_merged(const void *rows, uint32_t rank) { return ((const MergeRows *)rows)->merges[3 * rank + 2]; }

/* The rank of the last merge of a text, if merging makes one token of it, or NO_RANK. */
static inline uint32_t last_merge(const MergeRows *m, const StartTable *start, const uint8_t *text, int64_t length,
                                  Scratch *s) {
    int64_t count = start_symbols(start, text, length, s->out);
    count = heap_merge(row_rank, row_merged, m, NULL, count, count, 2, s);
    return count == 2 ? row_rank(m, s->ids[0], s->ids[s->next[0]]) : NO_RANK;
}

/* Writes to `live` the rank of each product's live merge, or NO_RANK; LIVE_UNKNOWN stands before and after for an id
 * that no merge makes. Token i is blob[starts[i]:starts[i + 1]]. Returns the number of live merges, -1: no memory. */
static inline int64_t find_live(const MergeRows *m, const StartTable *start, const uint32_t *starts,
                                const uint8_t *blob, uint32_t *live) {
    int64_t alive = 0;
    Scratch scratch;
    memset(&scratch, 0, sizeof scratch);
    for (int64_t rank = 0; rank < m->count; rank++) {
        uint32_t made = m->merges[3 * rank + 2], length = starts[made + 1] - starts[made];
        if (live[made] == LIVE_UNKNOWN) {
            if (!scratch_grow(&scratch, length)) {
                alive = -1;
                break;
            }
            live[made] = last_merge(m, start, blob + starts[made], length, &scratch);
        }
        alive += live[made] == (uint32_t)rank;
    }
    scratch_free(&scratch);
    return alive;
}

#endif
