/* The words of a training: the distinct pieces of a corpus, as ids that grow by merges.
 *
 * In: words as ids, with their counts. Out: places, each the number of a word or of a token in it.
 * Invariant: a word's ids spell its piece, whatever was merged. Words of one id are dropped: they hold no pair.
 *
 * There are two forms, since a visit of a word reads all of it, and a text without cuts is one word of a million ids:
 *
 * - a short word of up to `longest_short` ids, at most LONG, lies in `cells`: the two halves of its count, the number of its ids and, in the upper
 *   half of that cell, the room behind them, then the ids. A merge closes up the ids. Its place is its first cell.
 * - a longer word lies in `tokens`, an entry for each byte. The first and the last byte of a token have its id, those
 *   between have NO_TOKEN, as has the entry before each word. A merge moves nothing. A place is LONG_PLACE plus the entry of a
 *   token's first byte; so a merge costs as much as the word holds the pair.
 */
#ifndef DSTOK_WORD_STORE_H
#define DSTOK_WORD_STORE_H

#include "counts/pair_queue.h"

#define NO_TOKEN UINT32_MAX
#define LONG_PLACE 0x80000000u
enum { LONG = 1024, HEAD = 3 }; /* ids of a short word, at most (fewer in tests); cells before its ids */

typedef struct {
    uint32_t *cells, *tokens;
    uint64_t cells_size, cells_room, tokens_size, tokens_room;
    uint64_t *starts; /* of each long word in `tokens` */
    int64_t *counts;  /* of the long words */
    uint64_t longs, longs_room, longest_short;
} Words;

static inline void words_free(Words *w) {
    free(w->cells);
    free(w->tokens);
    free(w->starts);
    free(w->counts);
}

/* Makes room for words of at most `cells` cells in the short form, or `tokens` bytes in the long one; false if memory is
 * out. */
static inline int words_room(Words *w, uint64_t cells, uint64_t tokens, uint64_t longs) {
    uint64_t starts_room = w->longs_room;
    if (!w->tokens_size)
        w->tokens_size = 1; /* the entry before the first word */
    if (!array_grow((void **)&w->cells, &w->cells_room, w->cells_size + cells, sizeof *w->cells) ||
        !array_grow((void **)&w->tokens, &w->tokens_room, w->tokens_size + tokens + 1, sizeof *w->tokens) ||
        !array_grow((void **)&w->starts, &starts_room, w->longs + longs, sizeof *w->starts) ||
        !array_grow((void **)&w->counts, &w->longs_room, w->longs + longs, sizeof *w->counts))
        return 0;
    w->tokens[0] = NO_TOKEN;
    return 1;
}

static inline int64_t word_count(const uint32_t *word) { return (int64_t)((uint64_t)word[1] << 32 | word[0]); }
static inline uint32_t word_size(const uint32_t *word) { return word[2] & 0xFFFF; }
static inline uint32_t word_room(const uint32_t *word) { return word[2] >> 16; }
static inline void word_resize(uint32_t *word, uint32_t size) { word[2] = (word[2] & 0xFFFF0000u) | size; }

/* Adds a word of at least two ids, for which there is room. */
static inline void words_add(Words *w, const uint32_t *ids, uint64_t size, int64_t count, const uint32_t *lengths) {
    if (size <= w->longest_short) {
        uint32_t *word = w->cells + w->cells_size;
        word[0] = (uint32_t)count;
        word[1] = (uint32_t)((uint64_t)count >> 32);
        word[2] = (uint32_t)(size << 16 | size);
        memcpy(word + HEAD, ids, size * sizeof *ids);
        w->cells_size += HEAD + size;
        return;
    }
    w->starts[w->longs] = w->tokens_size;
    w->counts[w->longs++] = count;
    for (uint64_t i = 0; i < size; i++) {
        uint32_t *entry = w->tokens + w->tokens_size, length = lengths[ids[i]];
        memset(entry, 0xFF, length * sizeof *entry); /* NO_TOKEN */
        entry[0] = entry[length - 1] = ids[i];
        w->tokens_size += length;
    }
    w->tokens[w->tokens_size++] = NO_TOKEN;
}

/* Closes up the short words, and drops those of one id. All places of short words change. */
static inline void words_close_up(Words *w) {
    uint64_t to = 0;
    for (uint64_t at = 0, next; at < w->cells_size; at = next) {
        uint32_t *word = w->cells + at, size = word_size(word);
        next = at + HEAD + word_room(word);
        if (size < 2)
            continue;
        memmove(w->cells + to, word, (HEAD + size) * sizeof *word);
        w->cells[to + 2] = size << 16 | size;
        to += HEAD + size;
    }
    w->cells_size = to;
}

/* The number of the long word at an entry: by bisection. */
static inline uint64_t long_word(const Words *w, uint64_t entry) {
    uint64_t low = 0, high = w->longs;
    while (high - low > 1) {
        uint64_t middle = (low + high) / 2;
        if (w->starts[middle] <= entry)
            low = middle;
        else
            high = middle;
    }
    return low;
}

#endif
