/* Counted pieces: sorting them in place, and blocks of sorted ones, as counts files have them.
 *
 * In: pieces with their counts. Out: the same, sorted by bytes or by count; bytes of blocks; pieces read from blocks.
 * Invariant: pieces differ, so there is one order. A block is read safely whatever its bytes are.
 * Example: "car" 3 times and "cart" once are the block 0 3 c a r 3, 3 1 t 1: bytes shared with the piece before, bytes
 * that follow, these, the count. Numbers are LEB128. Nothing follows if a piece is the start of the one before, which the
 * order by count allows.
 *
 * The sort takes eight bytes of a piece at a time. It groups pieces by one byte of these (McIlroy, Bostic, McIlroy:
 * Engineering Radix Sort, 1993), or by a small count; few are sorted by insertion. It calls itself for all groups but the
 * largest, and is never deeper than log2(pieces).
 */
#ifndef DSTOK_COUNTED_H
#define DSTOK_COUNTED_H

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "cpu/platform.h"

enum {
    KEY_BYTES = 8,
    BY_COUNT = -KEY_BYTES, /* a depth: the key is the count, and the first bytes come after it */
    OFTEN = 255,           /* a count that few pieces have, or more */
    AHEAD_OF_KEY = 16,     /* distance, in pieces, to the bytes that are fetched */
    INSERTED = 32,         /* pieces that are sorted by insertion */
    NUMBER_BYTES = 10,     /* of a LEB128 number, at most */
};

typedef struct {
    uint64_t key; /* bytes of the piece as a number, the first one highest */
    uint64_t number;
} Entry;

typedef struct {
    const uint8_t *text; /* piece i is `text[ends[i]:ends[i + 1]]` */
    const int64_t *ends, *counts;
    int64_t size; /* of `text` */
} Pieces;

/* Bytes of a piece behind `depth`; none or fewer than none if it ends before. */
static inline int64_t entry_left(const Pieces *p, const Entry *e, int64_t depth) {
    return p->ends[e->number + 1] - p->ends[e->number] - depth;
}

/* The bytes of a piece from `depth` on, as a number; zeros follow its end. */
static inline uint64_t key_from(const Pieces *p, int64_t start, int64_t end) {
    uint64_t key = 0;
    if (start >= end)
        return 0;
    if (start + KEY_BYTES > p->size) {
        for (int byte = 0; byte < KEY_BYTES; byte++)
            key = key << 8 | (start + byte < end ? p->text[start + byte] : 0);
        return key;
    }
    memcpy(&key, p->text + start, KEY_BYTES); /* little-endian, like the whole core */
    key = __builtin_bswap64(key);
    return end - start < KEY_BYTES ? key & ~(uint64_t)0 << 8 * (KEY_BYTES - (end - start)) : key;
}

static inline void load_keys(const Pieces *p, Entry *e, int64_t size, int64_t depth) {
    for (int64_t i = 0; i < size; i++) {
        uint64_t number = e[i].number;
        if (i + 2 * AHEAD_OF_KEY < size) {
            __builtin_prefetch(p->ends + e[i + 2 * AHEAD_OF_KEY].number);
            __builtin_prefetch(p->text + p->ends[e[i + AHEAD_OF_KEY].number] + depth);
        }
        e[i].key = depth < 0 ? ~(uint64_t)p->counts[number] : key_from(p, p->ends[number] + depth, p->ends[number + 1]);
    }
}

/* The order of two pieces, or of what is left of them: below 0, 0, or above. */
static inline int piece_order(const uint8_t *one, int64_t length, const uint8_t *other, int64_t other_length) {
    int64_t both = length < other_length ? length : other_length;
    int difference = both > 0 ? memcmp(one, other, (size_t)both) : 0;
    return difference ? difference : (length > other_length) - (length < other_length);
}

/* Whether `a` comes before `b`; both agree before `depth`, and have the keys from there. */
static inline int entry_before(const Pieces *p, const Entry *a, const Entry *b, int64_t depth) {
    int64_t after = depth + KEY_BYTES;
    if (a->key != b->key)
        return a->key < b->key;
    return piece_order(p->text + p->ends[a->number] + after, entry_left(p, a, after),
                       p->text + p->ends[b->number] + after, entry_left(p, b, after)) < 0;
}

static inline void sort_few(const Pieces *p, Entry *e, int64_t size, int64_t depth) {
    for (int64_t i = 1; i < size; i++) {
        Entry moved = e[i];
        int64_t at = i;
        for (; at && entry_before(p, &moved, e + at - 1, depth); at--)
            e[at] = e[at - 1];
        e[at] = moved;
    }
}

/* Moves the pieces that end within the keys from `depth` to the front; returns their number. */
static inline int64_t ended_first(const Pieces *p, Entry *e, int64_t size, int64_t depth) {
    int64_t ended = 0;
    for (int64_t i = 0; depth >= 0 && i < size; i++)
        if (entry_left(p, e + i, depth + KEY_BYTES) <= 0) {
            Entry moved = e[i];
            e[i] = e[ended];
            e[ended++] = moved;
        }
    return ended;
}

/* Groups pieces by the byte of their keys at `shift`; `ends` gets the end of each group. */
static inline void group_by_byte(Entry *e, int64_t size, int shift, int64_t ends[256]) {
    int64_t next[256], at = 0;
    memset(ends, 0, 256 * sizeof *ends);
    for (int64_t i = 0; i < size; i++)
        ends[e[i].key >> shift & 255]++;
    for (int byte = 0; byte < 256; byte++) {
        next[byte] = at;
        at = ends[byte] += at;
    }
    for (int byte = 0; byte < 256; byte++)
        while (next[byte] < ends[byte]) {
            Entry moved = e[next[byte]];
            for (int to; (to = (int)(moved.key >> shift & 255)) != byte;) {
                Entry there = e[next[to]];
                e[next[to]++] = moved;
                moved = there;
            }
            e[next[byte]++] = moved;
        }
}

/* Sorts pieces that agree before `depth`, and whose keys from there are loaded. */
static inline void sort_keyed(const Pieces *p, Entry *e, int64_t size, int64_t depth) {
    while (size > INSERTED) {
        uint64_t differing = 0;
        int64_t ends[256], largest = 0, at = 0;
        for (int64_t i = 1; i < size; i++)
            differing |= e[i].key ^ e[0].key;
        if (!differing) { /* distinct pieces: at most 9 end here, with 0 to 8 bytes more */
            int64_t ended = ended_first(p, e, size, depth);
            sort_few(p, e, ended, depth);
            e += ended;
            size -= ended;
            depth += KEY_BYTES;
            load_keys(p, e, size, depth);
            continue;
        }
        group_by_byte(e, size, (63 - __builtin_clzll(differing)) & ~7, ends);
        for (int i = 1; i < 256; i++)
            if (ends[i] - ends[i - 1] > ends[largest] - (largest ? ends[largest - 1] : 0))
                largest = i;
        for (int i = 0; i < 256; at = ends[i++])
            if (i != largest)
                sort_keyed(p, e + at, ends[i] - at, depth);
        at = largest ? ends[largest - 1] : 0;
        size = ends[largest] - at;
        e += at;
    }
    sort_few(p, e, size, depth);
}

/* The place of a piece among the groups by count: 0 for OFTEN and more. */
static inline int count_group(const Pieces *p, int64_t number) {
    uint64_t count = (uint64_t)p->counts[number];
    return count < OFTEN ? OFTEN - (int)count : 0;
}

/* Sorts `size` pieces, whose numbers `e` gets: by bytes, or the most frequent first and then by bytes. Pieces are put
 * into their groups in the order of the text, so their first bytes are read without a leap. */
static inline void sort_counted(const Pieces *p, Entry *e, int64_t size, int by_count) {
    int64_t ends[OFTEN + 1] = {0}, at = 0;
    for (int64_t i = 0; i < size; i++)
        ends[by_count ? count_group(p, i) : OFTEN]++;
    for (int group = 0; group <= OFTEN; group++) {
        at += ends[group];
        ends[group] = at - ends[group];
    }
    for (int64_t i = 0; i < size; i++) {
        int group = by_count ? count_group(p, i) : OFTEN;
        e[ends[group]++] = (Entry){group ? key_from(p, p->ends[i], p->ends[i + 1]) : ~(uint64_t)p->counts[i], (uint64_t)i};
    }
    for (int group = 0; group <= OFTEN; group++) {
        at = group ? ends[group - 1] : 0;
        sort_keyed(p, e + at, ends[group] - at, group ? 0 : BY_COUNT);
    }
}

/* A block in the making, and the totals of all blocks so far. */
typedef struct {
    uint8_t *data;
    ptrdiff_t size, room;
    int64_t distinct, length, longest; /* bytes of all pieces; of the longest */
    uint64_t occurrences;
} Block;

static inline uint8_t *put_number(uint8_t *at, uint64_t number) {
    for (; number > 127; number >>= 7)
        *at++ = (uint8_t)(number | 128);
    *at++ = (uint8_t)number;
    return at;
}

/* Adds a piece, after `last` of the same block. 0: the block is as large as `wanted` already; -1: no memory. */
static inline int block_add(Block *b, int64_t wanted, const uint8_t *last, int64_t last_length, const uint8_t *piece,
                     int64_t length, int64_t count) {
    int64_t shared = 0, most = b->size + length + 3 * NUMBER_BYTES;
    uint8_t *at;
    if (b->size && most > wanted)
        return 0;
    if (most > b->room && !huge_grow(&b->data, &b->room, b->size, most > wanted ? most : wanted, 1))
        return -1;
    while (b->size && shared < last_length && shared < length && last[shared] == piece[shared])
        shared++;
    at = put_number(put_number(b->data + b->size, (uint64_t)shared), (uint64_t)(length - shared));
    memcpy(at, piece + shared, (size_t)(length - shared));
    b->size = put_number(at + length - shared, (uint64_t)count) - b->data;
    b->distinct++;
    b->length += length;
    b->longest = length > b->longest ? length : b->longest;
    b->occurrences += (uint64_t)count;
    return 1;
}

/* A piece read from a block, and the rest of the block. */
typedef struct {
    const uint8_t *at, *end;
    uint8_t *piece;
    int64_t length, count; /* count 0: none has been read */
    ptrdiff_t room;
} Cursor;

enum { CURSOR_END, CURSOR_FINE, CURSOR_BROKEN, CURSOR_NO_MEMORY };

static inline int take_number(Cursor *c, uint64_t *number) {
    *number = 0;
    for (int shift = 0; shift < 63 && c->at < c->end; shift += 7) {
        uint8_t byte = *c->at++;
        *number |= (uint64_t)(byte & 127) << shift;
        if (byte < 128)
            return 1;
    }
    return 0;
}

/* Reads the next piece. Broken is also what does not come after the piece before. */
static inline int cursor_next(Cursor *c, int by_count) {
    uint64_t shared, more, count;
    const uint8_t *rest;
    int ascends;
    if (c->at == c->end)
        return CURSOR_END;
    if (!take_number(c, &shared) || !take_number(c, &more) || shared > (uint64_t)c->length ||
        more > (uint64_t)(c->end - c->at) || !(shared + more))
        return CURSOR_BROKEN;
    rest = c->at;
    c->at += more;
    if (!take_number(c, &count) || !count)
        return CURSOR_BROKEN;
    ascends = !c->count || piece_order(rest, (int64_t)more, c->piece + shared, c->length - (int64_t)shared) > 0;
    if (c->count && (by_count && (int64_t)count != c->count ? (int64_t)count > c->count : !ascends))
        return CURSOR_BROKEN;
    c->length = (int64_t)(shared + more);
    if (!huge_grow(&c->piece, &c->room, (ptrdiff_t)shared, c->length, 1))
        return CURSOR_NO_MEMORY;
    memcpy(c->piece + shared, rest, (size_t)more);
    c->count = (int64_t)count;
    return CURSOR_FINE;
}

/* Whether the piece of `a` comes before that of `b`. */
static inline int cursor_before(const Cursor *a, const Cursor *b, int by_count) {
    if (by_count && a->count != b->count)
        return a->count > b->count;
    return piece_order(a->piece, a->length, b->piece, b->length) < 0;
}

#endif
