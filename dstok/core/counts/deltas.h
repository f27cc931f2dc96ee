/* The changes of counts that one merge makes: by the token before and after each place of the merge.
 *
 * In: at each place the neighbours, what their pairs gain and lose. Out: the new pairs, with their lists, and the losses.
 * Invariant: the arrays are by id, so that a visit needs no hash; `near` is all zeros between merges.
 *
 * Example: in "x a b y", counted 5 times, a and b become z. Then (x, a) and (b, y) lose 5, (x, z) and (z, y) gain 5.
 * Example: in "a b a b" the second merge stands after a z. The pair (z, a), which the first merge gained, goes again.
 */
#ifndef DSTOK_DELTAS_H
#define DSTOK_DELTAS_H

#include "counts/pair_queue.h"

enum { BEFORE, AFTER };

/* For one id: the changes of pairs with it. */
typedef struct {
    int64_t gained, lost;
    uint32_t *list; /* of the new pair, if it counts enough */
    uint32_t size;  /* of the list */
    uint32_t noted; /* 0 if the id is not in `ids`; else 1 more than the places that were noted */
} Change;

typedef struct {
    Change side[2]; /* BEFORE: the id stands before the merged token; one cache line */
} Near;

typedef struct {
    uint32_t id, place;
} Place;

typedef struct {
    uint32_t *ids; /* that have been noted */
    uint64_t count, ids_room;
    Place *places;
    uint64_t size, room;
} Notes;

typedef struct {
    Near *near;
    uint64_t ids_room;
    Notes notes[2];
    int64_t merged; /* places, as often as their words count */
} Deltas;

static inline void deltas_free(Deltas *d) {
    for (Notes *notes = d->notes; notes <= d->notes + AFTER; notes++) {
        free(notes->ids);
        free(notes->places);
    }
    free(d->near);
}

/* Makes room for ids below `size`; false if memory is out. */
static inline int deltas_ids(Deltas *d, uint64_t size) {
    uint64_t before = d->ids_room, near = before, left = before, right = before;
    if (size <= before)
        return 1;
    if (!array_grow((void **)&d->near, &near, size, sizeof *d->near))
        return 0;
    memset(d->near + before, 0, (near - before) * sizeof *d->near);
    if (!array_grow((void **)&d->notes[BEFORE].ids, &left, size, sizeof(uint32_t)) ||
        !array_grow((void **)&d->notes[AFTER].ids, &right, size, sizeof(uint32_t)))
        return 0;
    d->ids_room = near;
    return 1;
}

/* Makes room for the places of one more visit; false if memory is out. */
static inline int deltas_room(Deltas *d, uint64_t visit) {
    for (Notes *notes = d->notes; notes <= d->notes + AFTER; notes++)
        if (!array_grow((void **)&notes->places, &notes->room, notes->size + visit, sizeof *notes->places))
            return 0;
    return 1;
}

static inline Change *deltas_change(Deltas *d, int side, uint32_t id) {
    Change *change = &d->near[id].side[side];
    if (!change->noted) {
        change->noted = 1;
        d->notes[side].ids[d->notes[side].count++] = id;
    }
    return change;
}

/* The new pair with `id` gains `count` at a place. */
static inline void deltas_gain(Deltas *d, int side, Change *change, uint32_t id, int64_t count, uint32_t place) {
    Notes *notes = d->notes + side;
    change->gained += count;
    change->noted++;
    notes->places[notes->size++] = (Place){id, place};
}

/* The pair of the merged token with the one before or after it. */
static inline uint64_t deltas_key(int side, uint32_t id, uint32_t merged) {
    return side == BEFORE ? pair_key(id, merged) : pair_key(merged, id);
}

/* Makes the lists of new pairs that come before `limit`; false if memory is out. */
static inline int deltas_lists(Deltas *d, int side, uint32_t merged, HeapItem limit) {
    Notes *notes = d->notes + side;
    for (uint64_t i = 0; i < notes->count; i++) {
        uint32_t id = notes->ids[i];
        Change *change = &d->near[id].side[side];
        if (heap_before((HeapItem){change->gained, deltas_key(side, id, merged)}, limit) &&
            !(change->list = malloc((change->noted - 1) * sizeof *change->list)))
            return 0;
    }
    for (uint64_t i = 0; i < notes->size; i++) {
        Change *change = &d->near[notes->places[i].id].side[side];
        uint32_t place = notes->places[i].place;
        if (change->list && !(change->size && change->list[change->size - 1] == place))
            change->list[change->size++] = place;
    }
    return 1;
}

/* Takes over the changes that `other` noted at later places, and clears them; false if memory is out. */
static inline int deltas_join(Deltas *d, Deltas *other) {
    d->merged += other->merged;
    other->merged = 0;
    for (int side = BEFORE; side <= AFTER; side++) {
        Notes *from = other->notes + side, *to = d->notes + side;
        if (!deltas_room(d, from->size))
            return 0;
        for (uint64_t i = 0; i < from->count; i++) {
            Change *old = &other->near[from->ids[i]].side[side], *change = deltas_change(d, side, from->ids[i]);
            change->gained += old->gained;
            change->lost += old->lost;
            change->noted += old->noted - 1;
            memset(old, 0, sizeof *old);
        }
        if (from->size)
            memcpy(to->places + to->size, from->places, from->size * sizeof *from->places);
        to->size += from->size;
        from->count = from->size = 0;
    }
    return 1;
}

#endif
