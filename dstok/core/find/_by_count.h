/* The order of counted pieces: the most frequent first, and equally frequent ones by their bytes.
 *
 * In: pieces with their counts. Out: the same, sorted. Invariant: pieces differ, so there is one order.
 * Example: "b" 3 times, "a" twice, "c" twice are in this order.
 *
 * A radix sort by the first eight bytes and then by count comes first: it takes as long for a thousand pieces as comparing
 * takes for a hundred. Pieces that are equal there are compared.
 */
#ifndef DSTOK_BY_COUNT_H
#define DSTOK_BY_COUNT_H

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

enum {
    COUNTED_FIRST = 8, /* bytes of a piece that `first` has */
    DIGIT_BITS = 11,   /* of a radix sort's pass */
    DIGITS = 1 << DIGIT_BITS,
};

typedef struct {
    uint64_t first; /* the first bytes as a number, the first one highest */
    int64_t count;
    const uint8_t *piece;
    int64_t length;
} Counted;

/* A piece with its count, to be sorted. */
static inline Counted counted(const uint8_t *piece, int64_t length, int64_t count) {
    Counted made = {0, count, piece, length};
    for (int i = 0; i < COUNTED_FIRST; i++)
        made.first = made.first << 8 | (i < length ? piece[i] : 0);
    return made;
}

/* The number that decides the place: large counts give small numbers. */
static inline uint64_t counted_key(const Counted *piece, int by_count) {
    return by_count ? ~(uint64_t)piece->count : piece->first;
}

/* One pass of the sort, from `from` to `to`; 0, with nothing moved, if all have the same digit. */
static int counted_pass(const Counted *from, Counted *to, int64_t size, int by_count, int shift) {
    int64_t places[DIGITS] = {0}, at = 0;
    for (int64_t i = 0; i < size; i++)
        places[counted_key(from + i, by_count) >> shift & (DIGITS - 1)]++;
    if (places[counted_key(from, by_count) >> shift & (DIGITS - 1)] == size)
        return 0;
    for (int i = 0; i < DIGITS; i++) {
        int64_t count = places[i];
        places[i] = at;
        at += count;
    }
    for (int64_t i = 0; i < size; i++)
        to[places[counted_key(from + i, by_count) >> shift & (DIGITS - 1)]++] = from[i];
    return 1;
}

/* For qsort: pieces of one count and the same first bytes. */
static int counted_order(const void *one, const void *other) {
    const Counted *a = one, *b = other;
    int difference = memcmp(a->piece, b->piece, (size_t)(a->length < b->length ? a->length : b->length));
    return difference ? difference : (a->length > b->length) - (a->length < b->length);
}

/* Sorts pieces; `other` has as much room. Returns the array of the two that has them then. */
static Counted *sort_counted(Counted *pieces, Counted *other, int64_t size) {
    for (int by_count = 0; by_count <= 1 && size; by_count++)
        for (int shift = 0; shift < 64; shift += DIGIT_BITS)
            if (counted_pass(pieces, other, size, by_count, shift)) {
                Counted *sorted = other;
                other = pieces;
                pieces = sorted;
            }
    for (int64_t at = 0, end; at < size; at = end) {
        for (end = at + 1; end < size && pieces[end].count == pieces[at].count && pieces[end].first == pieces[at].first; end++)
            ;
        if (end - at > 1)
            qsort(pieces + at, (size_t)(end - at), sizeof(Counted), counted_order);
    }
    return pieces;
}

#endif
