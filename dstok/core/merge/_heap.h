/* Merging by a heap: for spans where a search for each merge would take too long.
 *
 * In: the symbols of a span. Out: its ids and their ends, as plain merging gives them; _bpe.pyx says why.
 * Invariant: the remaining symbols are a list, linked both ways, in which each stands at the place of its first byte.
 * The heap holds all pairs of neighbours that can be merged, as rank << 32 | place: its least is the pair to merge
 * next. Some of its pairs have lost a symbol to another merge since; these are skipped. Time is O(n log n).
 */
#ifndef DSTOK_HEAP_H
#define DSTOK_HEAP_H

#include <stdlib.h>

#include "merge/_pair.h"

/* The memory that merging a span writes to: an entry for each of its bytes, grown on demand. */
typedef struct {
    uint64_t *heap;     /* three entries a byte: each byte starts a pair, each merge (fewer than bytes) makes two */
    int64_t candidates; /* the number of pairs in the heap */
    uint32_t *ids;      /* of the symbol at a place; NO_RANK: it is merged with the one before */
    uint32_t *next;     /* the end of the symbol */
    uint32_t *previous; /* the start of the symbol before it */
    int64_t capacity;
    uint32_t *out;  /* first the symbols, then the ids of the answer */
    uint32_t *ends; /* the ends of these ids, in bytes from the start of the span */
    uint64_t work;  /* bytes that have been merged so far */
} Scratch;

enum { SCRATCH_BYTES = 3 * sizeof(uint64_t) + 5 * sizeof(uint32_t) }; /* for each byte of a span */

static inline void scratch_free(Scratch *s) {
    free(s->heap);
    s->heap = NULL;
    s->capacity = 0;
}

/* Makes room for a span of `length` bytes; false if memory is out. The old content is lost. */
static inline int scratch_grow(Scratch *s, int64_t length) {
    int64_t capacity = 256;
    if (length <= s->capacity)
        return 1;
    while (capacity < length)
        capacity *= 2;
    scratch_free(s);
    s->heap = malloc((size_t)capacity * SCRATCH_BYTES);
    if (s->heap == NULL)
        return 0;
    s->capacity = capacity;
    s->ids = (uint32_t *)(s->heap + 3 * capacity);
    s->next = s->ids + capacity;
    s->previous = s->next + capacity;
    s->out = s->previous + capacity;
    s->ends = s->out + capacity;
    return 1;
}

static inline void heap_up(uint64_t *heap, int64_t at) {
    uint64_t item = heap[at];
    for (int64_t parent; at && heap[parent = (at - 1) >> 1] > item; at = parent)
        heap[at] = heap[parent];
    heap[at] = item;
}

static inline void heap_down(uint64_t *heap, int64_t at, int64_t size) {
    uint64_t item = heap[at];
    for (int64_t child; (child = 2 * at + 1) < size; at = child) {
        child += child + 1 < size && heap[child + 1] < heap[child];
        if (heap[child] >= item)
            break;
        heap[at] = heap[child];
    }
    heap[at] = item;
}

static inline void heap_push(Scratch *s, uint32_t rank, uint32_t place) {
    if (rank == NO_RANK)
        return;
    s->heap[s->candidates] = (uint64_t)rank << 32 | place;
    heap_up(s->heap, s->candidates++);
}

static inline uint64_t heap_pop(Scratch *s) {
    uint64_t top = s->heap[0];
    s->heap[0] = s->heap[--s->candidates];
    if (s->candidates)
        heap_down(s->heap, 0, s->candidates);
    return top;
}

/* Links the `count` symbols in `s->out`, and puts the pairs that can be merged on the heap. */
static inline void heap_fill(const PairTable *t, const uint32_t *starts, int64_t count, Scratch *s) {
    uint32_t at = 0, before = 0;
    s->candidates = 0;
    for (int64_t i = 0; i < count; before = at, at = s->next[at], i++) {
        uint32_t symbol = s->out[i], rank = i + 1 < count ? pair_rank(t, symbol, s->out[i + 1]) : NO_RANK;
        s->ids[at] = symbol;
        s->previous[at] = before;
        s->next[at] = at + starts[symbol + 1] - starts[symbol];
        if (rank != NO_RANK)
            s->heap[s->candidates++] = (uint64_t)rank << 32 | at;
    }
    for (int64_t i = (s->candidates >> 1) - 1; i >= 0; i--)
        heap_down(s->heap, i, s->candidates);
}

/* Merges the `count` symbols in `s->out`, `length` bytes together; token i has starts[i + 1] - starts[i] bytes. Returns
 * the number of ids. */
static inline int64_t merge_heap(const PairTable *t, const uint32_t *starts, int64_t length, int64_t count, Scratch *s) {
    heap_fill(t, starts, count, s);
    while (s->candidates) {
        uint64_t top = heap_pop(s);
        uint32_t at = (uint32_t)top, rank = (uint32_t)(top >> 32), right = s->next[at], end;
        if (right >= length || s->ids[at] == NO_RANK || pair_rank(t, s->ids[at], s->ids[right]) != rank)
            continue;
        s->ids[at] = pair_merged(t, rank);
        s->ids[right] = NO_RANK;
        s->next[at] = end = s->next[right];
        if (end < length) {
            s->previous[end] = at;
            heap_push(s, pair_rank(t, s->ids[at], s->ids[end]), at);
        }
        if (at)
            heap_push(s, pair_rank(t, s->ids[s->previous[at]], s->ids[at]), s->previous[at]);
    }
    count = 0;
    for (uint32_t at = 0; at < length; count++) {
        s->out[count] = s->ids[at];
        s->ends[count] = at = s->next[at];
    }
    return count;
}

#endif
