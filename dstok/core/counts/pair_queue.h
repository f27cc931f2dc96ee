/* The pairs that may be merged next: their counts, the words that hold them, the most frequent one; and the first of all pairs.
 *
 * In: pairs of ids with counts that only fall. Out: the count of a pair; the pair of the highest count, of several the
 * one with the smallest ids, left before right. This is the order of pairs. With `spelled`, of several pairs the one
 * with the largest spellings comes out; the table holds all pairs then, and `limit` leaves out those that occur nowhere.
 * Invariant: a pair that comes before `limit` in this order enters the table and the heap once; the others wait. The heap
 * may have an older, higher count of a pair: whoever takes the first item compares it with the table. Pairs leave the
 * table only with all others (`pairs_free`). `BestPairs` keeps the first of all pairs that it is offered, in any order, as
 * many as a number of bytes holds: exactly those before its `limit`, once they are sorted and cut.
 * Sources: open addressing with linear probing, a binary heap: Knuth, The Art of Computer Programming 3, 6.4 and 5.2.3.
 */
#ifndef DSTOK_PAIR_QUEUE_H
#define DSTOK_PAIR_QUEUE_H

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#define NO_PAIR_KEY UINT64_MAX

typedef struct {
    uint64_t key;   /* left << 32 | right; NO_PAIR_KEY: a free place */
    int64_t count;
    uint32_t *list; /* the places that hold the pair, ascending, and some that held it before */
    uint32_t size, room; /* of the list */
} CountedPair;

typedef struct {
    int64_t count;
    uint64_t key;
} HeapItem;

/* Token i is the `lengths[i]` bytes from `bytes + starts[i]` on. */
typedef struct {
    uint8_t *bytes;
    uint64_t *starts;
    uint32_t *lengths;
    uint64_t size, room; /* of `bytes` */
} Tokens;

typedef struct {
    CountedPair *places;
    uint64_t mask; /* the number of places - 1; at most half of them are used */
    uint64_t used;
    HeapItem *heap;
    uint64_t items, room; /* of the heap */
    HeapItem limit;
    uint64_t held; /* bytes of all lists */
    const Tokens *spelled; /* decides between pairs of one count; NULL: ids do */
} PairCounts;

/* Makes room for `wanted` entries, with half as many again as there were; false if memory is out. */
static inline int array_grow(void **array, uint64_t *room, uint64_t wanted, size_t entry) {
    if (wanted <= *room)
        return 1;
    uint64_t more = wanted + *room / 2;
    void *grown = realloc(*array, more * entry);
    if (!grown)
        return 0;
    *array = grown;
    *room = more;
    return 1;
}

static inline uint64_t pair_key(uint32_t left, uint32_t right) { return (uint64_t)left << 32 | right; }

/* Nobody chooses ids freely: they follow from counts. So the hash needs no seed. (Its factors: splitmix64's.) */
static inline uint64_t pair_hash(uint64_t key) {
    key = (key ^ key >> 30) * 0xBF58476D1CE4E5B9u;
    key = (key ^ key >> 27) * 0x94D049BB133111EBu;
    return key ^ key >> 31;
}

static inline CountedPair *pairs_place(CountedPair *places, uint64_t mask, uint64_t key) {
    uint64_t at = pair_hash(key) & mask;
    while (places[at].key != key && places[at].key != NO_PAIR_KEY)
        at = (at + 1) & mask;
    return places + at;
}

/* The pair, or NULL. */
static inline CountedPair *pairs_find(PairCounts *p, uint64_t key) {
    CountedPair *place = pairs_place(p->places, p->mask, key);
    return place->key == key ? place : NULL;
}

static inline void pairs_free(PairCounts *p) {
    for (uint64_t i = 0; p->places && i <= p->mask; i++)
        if (p->places[i].key != NO_PAIR_KEY)
            free(p->places[i].list);
    free(p->places);
    free(p->heap);
    memset(p, 0, sizeof *p);
}

/* An empty table of `size` places, a power of two; NULL if memory is out. */
static inline CountedPair *pairs_table(uint64_t size) {
    CountedPair *places = malloc(size * sizeof *places);
    if (places)
        memset(places, 0xFF, size * sizeof *places);
    return places;
}

/* Doubles the table if it is half full; false if memory is out. */
static inline int pairs_grow(PairCounts *p) {
    uint64_t size = p->mask + 1;
    CountedPair *places;
    if (p->places && 2 * p->used < size)
        return 1;
    size = p->places ? 2 * size : 1 << 12;
    if (!(places = pairs_table(size)))
        return 0;
    for (uint64_t i = 0; p->places && i <= p->mask; i++)
        if (p->places[i].key != NO_PAIR_KEY)
            *pairs_place(places, size - 1, p->places[i].key) = p->places[i];
    free(p->places);
    p->places = places;
    p->mask = size - 1;
    return 1;
}

/* Adds to the count and to the size of a pair's list, which does not exist; false if memory is out. */
static inline int pairs_count(PairCounts *p, uint64_t key, int64_t count) {
    CountedPair *place = pairs_place(p->places, p->mask, key);
    if (place->key == key) {
        place->count += count;
        place->size++;
        return 1;
    }
    *place = (CountedPair){key, count, NULL, 1, 0};
    p->used++;
    return pairs_grow(p);
}

static inline int heap_before(HeapItem a, HeapItem b) {
    return a.count != b.count ? a.count > b.count : a.key < b.key;
}

/* The order of two spellings: below 0, 0, or above. */
static inline int tokens_order(const Tokens *t, uint32_t one, uint32_t other) {
    uint32_t length = t->lengths[one], other_length = t->lengths[other];
    int order = one == other ? 0 : memcmp(t->bytes + t->starts[one], t->bytes + t->starts[other],
                                          length < other_length ? length : other_length);
    return order ? order : (length > other_length) - (length < other_length);
}

/* Whether `a` leaves the heap before `b`. */
static inline int items_before(const PairCounts *p, HeapItem a, HeapItem b) {
    if (a.count != b.count || !p->spelled)
        return heap_before(a, b);
    int order = tokens_order(p->spelled, (uint32_t)(a.key >> 32), (uint32_t)(b.key >> 32));
    return (order ? order : tokens_order(p->spelled, (uint32_t)a.key, (uint32_t)b.key)) > 0;
}

/* Moves the first item down the heap to its place. */
static inline void items_down(PairCounts *p) {
    HeapItem *heap = p->heap, item = heap[0];
    uint64_t at = 0;
    for (uint64_t child; (child = 2 * at + 1) < p->items; at = child) {
        child += child + 1 < p->items && items_before(p, heap[child + 1], heap[child]);
        if (!items_before(p, heap[child], item))
            break;
        heap[at] = heap[child];
    }
    heap[at] = item;
}

/* Puts a pair on the heap; false if memory is out. */
static inline int items_push(PairCounts *p, uint64_t key, int64_t count) {
    HeapItem item = {count, key};
    uint64_t at = p->items;
    if (!array_grow((void **)&p->heap, &p->room, at + 1, sizeof *p->heap))
        return 0;
    p->items++;
    for (uint64_t parent; at && items_before(p, item, p->heap[parent = (at - 1) / 2]); at = parent)
        p->heap[at] = p->heap[parent];
    p->heap[at] = item;
    return 1;
}

static inline void items_pop(PairCounts *p) {
    p->heap[0] = p->heap[--p->items];
    if (p->items)
        items_down(p);
}

/* Bytes that the C library takes for a list, at most. */
static inline uint64_t list_bytes(uint64_t room) { return 32 + (room * sizeof(uint32_t) & ~UINT64_C(15)); }

static inline void pairs_drop_list(PairCounts *p, uint32_t *list, uint32_t room) {
    p->held -= list ? list_bytes(room) : 0;
    free(list);
}

/* Bytes of the table, the heap and the lists, also while they grow by `more` pairs. */
static inline uint64_t pairs_bytes(const PairCounts *p, uint64_t more) {
    uint64_t table = (p->mask + 1) * sizeof *p->places, heap = p->room * sizeof *p->heap;
    return p->held + table * (2 * (p->used + more) > p->mask ? 3 : 1) + heap * (p->items + more > p->room ? 3 : 1);
}

/* The place of the most frequent pair, taken from the heap; NULL if none comes before the limit. */
static inline CountedPair *pairs_pop(PairCounts *p) {
    while (p->items) {
        HeapItem first = p->heap[0];
        CountedPair *pair = pairs_find(p, first.key);
        if (!heap_before((HeapItem){pair->count, pair->key}, p->limit)) {
            pairs_drop_list(p, pair->list, pair->room);
            pair->list = NULL;
            pair->size = pair->room = 0;
            items_pop(p);
        } else if (pair->count < first.count) {
            p->heap[0].count = pair->count;
            items_down(p);
        } else {
            items_pop(p);
            return pair;
        }
    }
    return NULL;
}

/* Adds a pair that is new to the table, with its list; false if memory is out. */
static inline int pairs_add(PairCounts *p, CountedPair pair) {
    *pairs_place(p->places, p->mask, pair.key) = pair;
    p->held += list_bytes(pair.room);
    p->used++;
    return pairs_grow(p) && items_push(p, pair.key, pair.count);
}

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

static int best_order(const void *one, const void *other) {
    HeapItem a = order_of(*(const CountedPair *)one), b = order_of(*(const CountedPair *)other);
    return heap_before(b, a) - heap_before(a, b);
}

/* Takes the last pairs out, until the rest has room. */
static inline void best_cut(BestPairs *b) {
    if (b->bytes > b->most)
        qsort(b->items, b->count, sizeof *b->items, best_order);
    for (; b->bytes > b->most && b->count > 1; b->bytes -= BYTES_A_PAIR + list_bytes(b->items[b->count].size))
        best_restrict(b, order_of(b->items[--b->count]));
}

/* Keeps the pair if it may belong to the first ones; false if memory is out. The very first pair is always kept. */
static inline int best_offer(BestPairs *b, CountedPair pair) {
    if (!heap_before(order_of(pair), b->limit))
        return 1;
    if (!array_grow((void **)&b->items, &b->room, b->count + 1, sizeof *b->items))
        return 0;
    b->items[b->count++] = pair;
    b->bytes += BYTES_A_PAIR + list_bytes(pair.size);
    if (b->bytes / 2 > b->most)
        best_cut(b);
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
        if (!(pair.list = malloc(pair.room * sizeof *pair.list)) || !pairs_add(p, pair))
            return 0;
    }
    return 1;
}

#endif
