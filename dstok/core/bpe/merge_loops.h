/* The symbols that merging starts from, and the loops: for short texts, and by a heap for spans.
 *
 * In: bytes, or the symbols of a span. Out: their ids and, by the heap, their ends, as plain merging gives them: merge.pyx.
 * Invariant of the heap: the remaining symbols are a list, linked both ways, in which each stands at the place of its first
 * byte. The heap holds all pairs of neighbours that can be merged, as rank << 32 | place: its least is the pair to merge
 * next. Some of its pairs have lost a symbol to another merge since; these are skipped. Time is O(n log n).
 */
#ifndef DSTOK_MERGE_LOOPS_H
#define DSTOK_MERGE_LOOPS_H

#include <stdlib.h>
#include <string.h>

#include "bpe/pair_table.h"

enum {
    FEW_SYMBOLS = 48, /* the most symbols that are merged by scanning their ranks at once */
    SHORT = 128,      /* the most if sweeps have gone before */
};

/* Merges the `count` symbols in `ids`, at most SHORT; returns the number of ids left. Sennrich's algorithm as it
 * stands: scanning a small array for the least rank is cheaper than any structure that would avoid the scan (a bitmap
 * of the symbols left, instead of closing the gap, and a branchless minimum: 157 ns a piece instead of 154). */
static inline int merge_short(const PairTable *t, uint32_t *ids, int count) {
    uint32_t ranks[SHORT];
    pair_ranks(t, ids, ranks, count);
    for (;;) {
        uint32_t least = NO_RANK;
        int at = 0;
        for (int i = 0; i + 1 < count; i++)
            if (ranks[i] < least) {
                least = ranks[i];
                at = i;
            }
        if (least == NO_RANK)
            return count;
        ids[at] = pair_merged(t, least);
        count--;
        for (int i = at + 1; i < count; i++)
            ids[i] = ids[i + 1];
        for (int i = at + 1; i + 1 < count; i++)
            ranks[i] = ranks[i + 1];
        if (at)
            ranks[at - 1] = pair_rank(t, ids[at - 1], ids[at]);
        if (at + 1 < count)
            ranks[at] = pair_rank(t, ids[at], ids[at + 1]);
    }
}

/* Merges rank by rank, each in one sweep from left to right, as long as a sweep merges one symbol in 64; `ranks` has
 * room for `count`. Returns the number of ids left, which may not all be merged yet. Ranks must be monotone: then a
 * merge makes no pair of its own rank or below, and a sweep does the same as merging one by one. Runs and periodic text
 * take a sweep for each doubling of their tokens: 2 KB of spaces take 40 us, and 207 by the heap. */
static inline int64_t merge_sweeps(const PairTable *t, uint32_t *ids, uint32_t *ranks, int64_t count) {
    pair_ranks(t, ids, ranks, count);
    ranks[count - 1] = NO_RANK;
    for (int64_t before = 2 * count; (before - count) * 64 >= before;) {
        int32_t least = NO_RANK;
        for (int64_t i = 0; i < count; i++)
            least = (int32_t)ranks[i] < least ? (int32_t)ranks[i] : least;
        if (least == NO_RANK)
            break;
        uint32_t made = pair_merged(t, (uint32_t)least);
        int64_t to = 0;
        before = count;
        for (int64_t from = 0; from < count; to++) {
            if (ranks[from] != (uint32_t)least) {
                ids[to] = ids[from];
                ranks[to] = ranks[from++];
                continue;
            }
            ids[to] = made;
            from += 2;
            ranks[to] = from < count ? pair_rank(t, made, ids[from]) : NO_RANK;
            if (to)
                ranks[to - 1] = pair_rank(t, ids[to - 1], made);
        }
        count = to;
    }
    return count;
}

/* The entry of two neighbouring bytes, by left << 8 | right. Ranks of merges of two bytes are numbered in their
 * order; any other rank stands as the number of those below it. */
typedef struct {
    uint16_t rank;   /* of the merge of the two bytes, or NO_PAIR */
    uint16_t before; /* the least rank of a merge of a token that ends in `left` with the byte `right` */
    uint16_t after;  /* the least rank of a merge of the byte `left` with a token that begins with `right` */
    uint16_t torn;   /* whether the two bytes stand at a torn border of a token; see facts.pyx */
} BytePair;

enum { NO_PAIR = 0xFFFF };

/* A character beyond the BMP that is a token: its number << 32 | its id. */
typedef struct {
    const uint64_t *ids; /* rising; NULL: the model merges bytes */
    int64_t count;
} WideCharacters;

typedef struct {
    const uint32_t *bytes;    /* the id of each byte, in a model of characters that of the ASCII character if it has one */
    const BytePair *pairs;    /* NULL: start from bytes */
    const uint32_t *pair_ids; /* by `rank` of the BytePair */
    const uint32_t *atoms;    /* id + 1 of each BMP character that is a token, or NULL */
    WideCharacters wide;
} StartTable;

static inline const BytePair *byte_pair(const StartTable *t, const uint8_t *text) {
    return t->pairs + ((uint32_t)text[0] << 8 | text[1]);
}

/* The id of the character of three bytes at `at`, if merging may start from it, or -1. */
static inline int64_t start_atom(const StartTable *t, const uint8_t *text, int64_t at, int64_t length) {
    const uint8_t *p = text + at;
    uint32_t bytes = (uint32_t)p[0] << 16 | (uint32_t)p[1] << 8 | p[2];
    uint32_t character = (bytes >> 4 & 0xF000) | (bytes >> 2 & 0xFC0) | (bytes & 0x3F), id = t->atoms[character];
    if ((bytes & 0xC0C0) != 0x8080 || character < 0x800 || id == 0)
        return -1;
    if (at && byte_pair(t, p - 1)->torn)
        return -1;
    /* A continuation byte too many occurs only in bytes that are not text. */
    if (at + 3 < length && (byte_pair(t, p + 2)->torn || (p[3] & 0xC0) == 0x80))
        return -1;
    return (int64_t)id - 1;
}

/* Writes the symbols of a text without characters of three bytes; returns their number. There is no branch on whether a
 * pair is taken. Of two pairs that share a byte at most one is: the rank of each would have to be below the other's. */
static inline int64_t start_pairs(const StartTable *t, const uint8_t *text, int64_t length, uint32_t *ids) {
    const BytePair edge = {NO_PAIR, NO_PAIR, NO_PAIR, 0}, *pair = length > 1 ? byte_pair(t, text) : &edge;
    uint32_t before = NO_PAIR, covered = 0; /* covered: whether the byte is the second of a pair; all ones if so */
    int64_t count = 0;
    for (int64_t at = 0; at < length; at++) {
        const BytePair *after = at + 2 < length ? byte_pair(t, text + at + 1) : &edge;
        uint32_t rank = pair->rank, taken = -(uint32_t)((rank < before) & (rank < after->after));
        ids[count] = (t->pair_ids[rank & taken] & taken) | (t->bytes[text[at]] & ~taken);
        count += 1 - (covered & 1);
        covered = taken;
        before = pair->before;
        pair = after;
    }
    return count;
}

/* The character beyond ASCII at the start of `text`, and its bytes; 0 if there is none. */
static inline int character_at(const uint8_t *text, int64_t length, uint32_t *character) {
    int width = text[0] < 0xC2 ? 0 : text[0] < 0xE0 ? 2 : text[0] < 0xF0 ? 3 : text[0] < 0xF5 ? 4 : 0;
    if (!width || width > length)
        return 0;
    *character = text[0] & (0x7F >> width);
    for (int i = 1; i < width; i++) {
        if ((text[i] & 0xC0) != 0x80)
            return 0;
        *character = *character << 6 | (text[i] & 63);
    }
    return width;
}

/* The id of a character beyond the BMP, or -1. */
static inline int64_t wide_id(const WideCharacters *wide, uint32_t character) {
    int64_t low = 0, high = wide->count;
    while (low < high) {
        int64_t middle = (low + high) >> 1;
        if (wide->ids[middle] >> 32 < character)
            low = middle + 1;
        else
            high = middle;
    }
    return low < wide->count && wide->ids[low] >> 32 == character ? (int64_t)(uint32_t)wide->ids[low] : -1;
}

/* Whether merging may start from the pair of bytes at `at`, with a byte after it. */
static inline int starts_pair(const StartTable *t, const uint8_t *text, int64_t at, int64_t length) {
    uint16_t rank = byte_pair(t, text + at)->rank;
    return rank != NO_PAIR && (!at || rank < byte_pair(t, text + at - 1)->before) &&
           (at + 2 >= length || rank < byte_pair(t, text + at + 1)->after);
}

/* Does what `start_symbols` does, for a model of characters: a character that is no token gives its bytes. Its pairs are
 * those of ASCII characters. */
static inline int64_t start_characters(const StartTable *t, const uint8_t *text, int64_t length, uint32_t *ids) {
    int64_t at = 0, count = 0, id;
    uint32_t character;
    if (t->pairs) {
        while (at < length && text[at] < 0x80)
            at++;
        if (at == length)
            return start_pairs(t, text, length, ids);
    }
    for (at = 0; at < length; count++) {
        if (text[at] < 0x80) {
            int pair = t->pairs && at + 1 < length && starts_pair(t, text, at, length);
            ids[count] = pair ? t->pair_ids[byte_pair(t, text + at)->rank] : t->bytes[text[at]];
            at += 1 + pair;
            continue;
        }
        int width = character_at(text + at, length - at, &character);
        id = !width ? -1 : width < 4 ? (int64_t)t->atoms[character] - 1 : wide_id(&t->wide, character);
        ids[count] = id < 0 ? t->bytes[text[at]] : (uint32_t)id;
        at += id < 0 ? 1 : width;
    }
    return count;
}

/* Writes the symbols that merging starts from; returns their number. */
static inline int64_t start_symbols(const StartTable *t, const uint8_t *text, int64_t length, uint32_t *ids) {
    int64_t at = 0, count = 0, atom;
    if (t->wide.ids)
        return start_characters(t, text, length, ids);
    if (!t->pairs) {
        for (; at < length; at++)
            ids[at] = t->bytes[text[at]];
        return length;
    }
    while (at < length && text[at] < 0xE0)
        at++;
    if (at == length)
        return start_pairs(t, text, length, ids);
    at = 0;
    while (at + 1 < length) {
        if (text[at] >= 0xE0 && at + 2 < length && text[at] < 0xF0 && (atom = start_atom(t, text, at, length)) >= 0) {
            ids[count++] = (uint32_t)atom;
            at += 3;
            continue;
        }
        if (starts_pair(t, text, at, length)) {
            ids[count++] = t->pair_ids[byte_pair(t, text + at)->rank];
            at += 2;
        } else
            ids[count++] = t->bytes[text[at++]];
    }
    if (at < length)
        ids[count++] = t->bytes[text[at]];
    return count;
}

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
    uint64_t work;  /* bytes of long pieces that have been merged so far */
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

/* How a kind of table gives the rank of two ids, or NO_RANK, and the id of a rank. */
typedef uint32_t (*RankOf)(const void *table, uint32_t left, uint32_t right);
typedef uint32_t (*MergedOf)(const void *table, uint32_t rank);

/* Merges the `count` symbols in `s->out` until `least` are left; token i takes starts[i + 1] - starts[i] places, or one
 * without `starts`, `length` together. The symbols left are in `s->ids`, linked by `s->next`; returns their number. */
__attribute__((always_inline))
static inline int64_t heap_merge(RankOf rank_of, MergedOf merged_of, const void *t, const uint32_t *starts, int64_t length,
                                 int64_t count, int64_t least, Scratch *s) {
    uint32_t at = 0, before = 0;
    s->candidates = 0;
    for (int64_t i = 0; i < count; before = at, at = s->next[at], i++) {
        uint32_t symbol = s->out[i], rank = i + 1 < count ? rank_of(t, symbol, s->out[i + 1]) : NO_RANK;
        s->ids[at] = symbol;
        s->previous[at] = before;
        s->next[at] = at + (starts ? starts[symbol + 1] - starts[symbol] : 1);
        if (rank != NO_RANK)
            s->heap[s->candidates++] = (uint64_t)rank << 32 | at;
    }
    for (int64_t i = (s->candidates >> 1) - 1; i >= 0; i--)
        heap_down(s->heap, i, s->candidates);
    while (s->candidates && count > least) {
        uint64_t top = heap_pop(s);
        uint32_t here = (uint32_t)top, rank = (uint32_t)(top >> 32), right = s->next[here], end;
        if (right >= length || s->ids[here] == NO_RANK || rank_of(t, s->ids[here], s->ids[right]) != rank)
            continue;
        count--;
        s->ids[here] = merged_of(t, rank);
        s->ids[right] = NO_RANK;
        s->next[here] = end = s->next[right];
        if (end < length) {
            s->previous[end] = here;
            heap_push(s, rank_of(t, s->ids[here], s->ids[end]), here);
        }
        if (here)
            heap_push(s, rank_of(t, s->ids[s->previous[here]], s->ids[here]), s->previous[here]);
    }
    return count;
}

static inline uint32_t heap_rank(const void *t, uint32_t left, uint32_t right) { return pair_rank(t, left, right); }
static inline uint32_t heap_merged(const void *t, uint32_t rank) { return pair_merged(t, rank); }

/* Merges the `count` symbols in `s->out`, `length` bytes together; token i has starts[i + 1] - starts[i] bytes. Returns
 * the number of ids. */
static inline int64_t merge_heap(const PairTable *t, const uint32_t *starts, int64_t length, int64_t count, Scratch *s) {
    count = heap_merge(heap_rank, heap_merged, t, starts, length, count, 0, s);
    for (uint32_t i = 0, at = 0; i < count; i++) {
        s->out[i] = s->ids[at];
        s->ends[i] = at = s->next[at];
    }
    return count;
}

#endif
