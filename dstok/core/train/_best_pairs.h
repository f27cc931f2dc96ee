/* The first pairs in the order of counts, as many as a number of bytes holds.
 *
 * In: all pairs with their counts, in any order. Out: the first pairs, and `limit`: of the pairs that were offered, exactly
 * those before it were kept.
 * Invariant: the kept pairs are a heap with the last one at its root. Memory does not depend on how many pairs are offered.
 */
#ifndef DSTOK_BEST_PAIRS_H
#define DSTOK_BEST_PAIRS_H

#include "train/_pair_counts.h"

/* Bytes for each pair beside its list: of the table, with three to six places a pair, of two heaps that may have doubled. */
enum { BYTES_A_PAIR = 6 * sizeof(CountedPair) + 2 * sizeof(HeapItem) + 2 * sizeof(CountedPair) };

typedef struct {
    CountedPair *items;
    uint64_t count, room;
    uint64_t bytes, most; /* that the kept pairs take; that they may take */
    HeapItem limit;
} BestPairs;

static inline HeapItem order_of(CountedPair pair) { return (HeapItem){pair.count, pair.key}; }

/* Keeps only pairs before `limit` from now on. */
static inline void best_restrict(BestPairs *b, HeapItem limit) {
    if (heap_before(limit, b->limit))
        b->limit = limit;
}

static inline void best_down(BestPairs *b, uint64_t at, CountedPair pair) {
    for (uint64_t child; (child = 2 * at + 1) < b->count; at = child) {
        child += child + 1 < b->count && heap_before(order_of(b->items[child]), order_of(b->items[child + 1]));
        if (!heap_before(order_of(pair), order_of(b->items[child])))
            break;
        b->items[at] = b->items[child];
    }
    b->items[at] = pair;
}

/* Takes the last of the pairs out. */
static inline void best_pop(BestPairs *b) {
    best_restrict(b, order_of(b->items[0]));
    b->bytes -= BYTES_A_PAIR + list_bytes(b->items[0].size);
    if (--b->count)
        best_down(b, 0, b->items[b->count]);
}

/* Keeps the pair if it belongs to the first ones; false if memory is out. The very first pair is always kept. */
static inline int best_offer(BestPairs *b, CountedPair pair) {
    if (!heap_before(order_of(pair), b->limit))
        return 1;
    if (b->count == b->room) {
        CountedPair *grown = realloc(b->items, 2 * (b->room + 512) * sizeof *grown);
        if (!grown)
            return 0;
        b->items = grown;
        b->room = 2 * (b->room + 512);
    }
    uint64_t at = b->count++;
    for (uint64_t parent; at && heap_before(order_of(b->items[parent = (at - 1) / 2]), order_of(pair)); at = parent)
        b->items[at] = b->items[parent];
    b->items[at] = pair;
    b->bytes += BYTES_A_PAIR + list_bytes(pair.size);
    while (b->bytes > b->most && b->count > 1)
        best_pop(b);
    return 1;
}

/* Makes the table, the heap and empty lists of the pairs that were kept; false if memory is out. */
static inline int best_take(const BestPairs *b, PairCounts *p) {
    uint64_t size = 1 << 12;
    while (size < 3 * b->count)
        size *= 2;
    if (!(p->places = pairs_table(size)))
        return 0;
    p->mask = size - 1;
    p->limit = b->limit;
    for (uint64_t i = b->count; i-- > 0;) {
        CountedPair pair = b->items[i];
        if (!heap_before(order_of(pair), b->limit))
            continue;
        pair.room = pair.size;
        pair.size = 0;
        if (!(pair.list = malloc(pair.room * sizeof *pair.list)))
            return 0;
        if (!pairs_add(p, pair))
            return 0;
    }
    return 1;
}

#endif
