/* The live merges of a model: those that some text needs. The others, its dead merges, never happen.
 *
 * In: all merges of a model, and its tokens. Out: for each token the rank of its live merge, if it has one.
 * Invariant: merging gives the same ids of any bytes with the live merges as with all, whatever the ranks are:
 * docs/proofs_ids.md, "Live rules". Example: "abc" may be a b + c or a + b c. If "ab" has a lower rank than "bc", merging
 * the bytes "abc" takes the first way, and the merge a + bc is dead.
 * A merge whose sides are built by rising ranks is live if no merge crosses its border while they are built: a few
 * look-ups (docs/proofs_ids.md, "Spines"). The bytes of other products are merged.
 * Time: O(n log n) in the bytes of all products. The index of pairs has a random seed, and spines a budget, so no choice
 * of merges makes it slow. */
#ifndef DSTOK_LIVE_H
#define DSTOK_LIVE_H

#include <string.h>

#include "bpe/merge_loops.h"
#include "text/hash.h"

#define LIVE_UNKNOWN 0xFFFFFFFFu

enum { STEPS_A_MERGE = 32, AHEAD_MERGES = 16 };

enum { FILTER_BITS = 4 }; /* for each slot: a bit for each hash. The filter stays in the level-2 cache. */

/* An open hash table of pairs. A slot is left << ID_BITS | right, above the RANK_BITS of rank + 1; empty ones are 0. */
typedef struct {
    const uint32_t *merges; /* flat: left, right, merged, by rank */
    int64_t count;
    uint64_t *slots;  /* mask + 1 of them, zeros before `merge_index` */
    uint64_t *filter; /* FILTER_BITS * (mask + 1) bits, zeros before it: no pair has a hash whose bit is 0 */
    uint64_t mask;
    uint64_t seed;
} MergeIndex;

/* The bit of a pair in the filter; divided by FILTER_BITS, the first slot that may be that of the pair. */
static inline uint64_t index_bit(const MergeIndex *m, uint32_t left, uint32_t right) {
    return hash_word(m->seed, (uint64_t)left << 32 | right) & (FILTER_BITS * (m->mask + 1) - 1);
}

/* The slot of a pair, or the empty one where it belongs. */
static inline uint64_t *index_slot(const MergeIndex *m, uint32_t left, uint32_t right) {
    uint64_t at = index_bit(m, left, right) / FILTER_BITS, pair = (uint64_t)left << ID_BITS | right;
    while (m->slots[at] && m->slots[at] >> RANK_BITS != pair)
        at = (at + 1) & m->mask;
    return m->slots + at;
}

/* The rank of the merge of two ids, or NO_RANK. */
static inline uint32_t index_rank(const void *index, uint32_t left, uint32_t right) {
    const MergeIndex *m = index;
    uint64_t bit = index_bit(m, left, right);
    uint32_t rank = m->filter[bit / 64] >> bit % 64 & 1 ? (uint32_t)*index_slot(m, left, right) & NO_RANK : 0;
    return rank ? rank - 1 : NO_RANK;
}

static inline uint32_t index_merged(const void *index, uint32_t rank) { return ((const MergeIndex *)index)->merges[3 * rank + 2]; }

/* Fills the slots. Returns the rank of the first merge whose pair a lower rank has, too, or 0. */
static inline int64_t merge_index(MergeIndex *m) {
    for (int64_t i = 0; i < m->count; i++) {
        const uint32_t *merge = m->merges + 3 * i, *ahead = merge + 3 * (i + AHEAD_MERGES < m->count ? AHEAD_MERGES : 0);
        uint64_t bit = index_bit(m, merge[0], merge[1]), *slot = index_slot(m, merge[0], merge[1]);
        __builtin_prefetch(m->slots + index_bit(m, ahead[0], ahead[1]) / FILTER_BITS, 1);
        if (*slot)
            return i;
        m->filter[bit / 64] |= 1ull << bit % 64;
        *slot = ((uint64_t)merge[0] << ID_BITS | merge[1]) << RANK_BITS | (uint64_t)(i + 1);
    }
    return 0;
}

/* How a token is made. */
typedef struct {
    uint32_t built;    /* rank + 1 of the live merge of a token that is built by rising ranks, 0 of a symbol */
    uint32_t sides[2]; /* of that merge */
    uint32_t length;   /* in bytes */
} Origin;

/* The facts about each token that are known so far, by its id. */
typedef struct {
    uint32_t *live; /* the rank of the live merge, or NO_RANK; LIVE_UNKNOWN: not found yet */
    uint32_t *last; /* rank + 1 of the last merge that makes the token */
    Origin *origins;
} Known;

#define UNBUILT 0xFFFFFFFFu
#define PENDING 0xFFFFFFFEu /* unbuilt, and a merge was met whose sides are no symbols yet */

/* Writes to `spine` a token, its outer part (side 1: the right one) and so on, down to a symbol. Returns their number. */
static inline int64_t spine_of(const Known *k, uint32_t token, int side, uint32_t *spine) {
    int64_t count = 0;
    for (spine[count++] = token; k->origins[token].built; spine[count++] = token)
        token = k->origins[token].sides[side];
    return count;
}

/* Whether merging leaves the border between two tokens alone until both are built. `a` and `b` hold their spines, the
 * tokens themselves first. Of equal ranks the left pair is merged first. */
static inline int stay_apart(const MergeIndex *m, const Known *k, const uint32_t *a, int64_t left, const uint32_t *b,
                             int64_t right) {
    while (left > 1 || right > 1) {
        uint32_t next_left = left > 1 ? k->origins[a[left - 2]].built : UNBUILT;
        uint32_t next_right = right > 1 ? k->origins[b[right - 2]].built : UNBUILT;
        uint32_t across = index_rank(m, a[left - 1], b[right - 1]);
        if (next_left <= next_right ? across + 1 < next_left : across + 1 <= next_right)
            return 0;
        if (next_left <= next_right)
            left--;
        else
            right--;
    }
    return 1;
}

/* The rank of the last merge of a text, if merging makes one token of it, or NO_RANK. */
static inline uint32_t last_merge(const MergeIndex *m, const StartTable *start, const uint8_t *text, int64_t length,
                                  Scratch *s) {
    int64_t count = start_symbols(start, text, length, s->out);
    count = heap_merge(index_rank, index_merged, m, NULL, count, count, 2, s);
    return count == 2 ? index_rank(m, s->ids[0], s->ids[s->next[0]]) : NO_RANK;
}

/* Whether merging never makes the token of its own bytes: it has no merges, or none at `rank` or above that could. */
static inline int is_never_made(const Known *k, uint32_t token, int64_t rank) {
    return k->origins[token].built >= PENDING &&
           (k->live[token] == NO_RANK || (k->live[token] == LIVE_UNKNOWN && k->last[token] <= rank));
}

/* Fills what is known before the first merge: the symbols that merging starts from. A byte of a character in a model of
 * characters is none here, since it depends on its neighbours; its `last` says that it may be made. */
static inline void know_symbols(const MergeIndex *m, const StartTable *start, const uint32_t *starts,
                                const uint8_t *blob, int64_t ids, Known *k) {
    memset(k->live, 0xFF, (size_t)ids * 4);
    memset(k->last, 0, (size_t)ids * 4);
    for (int64_t rank = 0; rank < m->count; rank++)
        k->last[m->merges[3 * rank + 2]] = (uint32_t)rank + 1;
    for (int64_t i = 0; i < ids; i++) {
        uint32_t symbols[4], length = starts[i + 1] - starts[i];
        const uint8_t *text = blob + starts[i];
        k->origins[i] = (Origin){UNBUILT, {0, 0}, length};
        if (length == 0 || length > 4 || start_symbols(start, text, length, symbols) != 1 || symbols[0] != (uint32_t)i)
            continue;
        if (start->wide.ids && length == 1 && text[0] >= 0x80)
            k->last[i] = UNBUILT;
        else {
            k->live[i] = NO_RANK;
            k->origins[i].built = 0;
        }
    }
}

/* Finds the live merge of each product of the merges. Token i is blob[starts[i]:starts[i + 1]]. Returns the number of
 * live merges, -1: no memory. */
static inline int64_t find_live(const MergeIndex *m, const StartTable *start, const uint32_t *starts,
                                const uint8_t *blob, int64_t ids, Known *k) {
    int64_t alive = 0, steps = 0;
    Scratch scratch;
    memset(&scratch, 0, sizeof scratch);
    know_symbols(m, start, starts, blob, ids, k);
    for (int64_t rank = 0; rank < m->count; rank++) {
        const uint32_t *merge = m->merges + 3 * rank, *next = merge + (rank + AHEAD_MERGES < m->count ? 3 * AHEAD_MERGES : 0);
        uint32_t left = merge[0], right = merge[1], made = merge[2];
        __builtin_prefetch(k->origins + next[0]);
        __builtin_prefetch(k->origins + next[1]);
        steps += STEPS_A_MERGE;
        if (k->live[made] != LIVE_UNKNOWN)
            continue;
        const Origin *one = k->origins + left, *other = k->origins + right;
        Origin *whole = k->origins + made;
        int built = one->built < PENDING && other->built < PENDING && whole->length == one->length + other->length;
        if (!scratch_grow(&scratch, whole->length)) {
            alive = -1;
            break;
        }
        if (built && steps >= whole->length) { /* spines are no longer than their tokens */
            int64_t a = spine_of(k, left, 1, scratch.ids), b = spine_of(k, right, 0, scratch.next);
            steps -= a + b;
            if (stay_apart(m, k, scratch.ids, a, scratch.next, b)) {
                k->live[made] = (uint32_t)rank;
                *whole = (Origin){(uint32_t)rank + 1, {left, right}, whole->length};
            }
        } else if (!is_never_made(k, left, rank) && !is_never_made(k, right, rank))
            whole->built = PENDING;
        if (whole->built == PENDING && k->last[made] == rank + 1) {
            uint32_t last = last_merge(m, start, blob + starts[made], whole->length, &scratch);
            k->live[made] = last != NO_RANK && index_merged(m, last) == made ? last : NO_RANK;
        }
        alive += k->live[made] < NO_RANK;
    }
    scratch_free(&scratch);
    return alive;
}

#endif
