/* Soft cuts: long pieces cut into words by rules that know nothing of the model's pattern.
 *
 * In: the starts of pieces. Out: the starts of words: those of the pieces, and those that the rules find in the same
 * text; a word has at most MIDDLE bytes. Invariant: any cuts are right, since each border between words is checked
 * (bpe/borders.h). The rules are those that cut inside the fewest tokens. Example: V3's rules cut the piece "to be, or"
 * into "to", " be", "," and " or". */
#ifndef DSTOK_SOFT_CUTS_H
#define DSTOK_SOFT_CUTS_H

#include "bpe/borders.h"
#include "bpe/piece_cache.h"
#include "split/grid.h"

enum { SAMPLE = 64, SOON = 16 }; /* one token in so many is tried; words ahead of which a signature is fetched */

/* Sets the kinds of characters beyond ASCII: they are letters, but for the signs among which most texts have their
 * punctuation. */
static inline void soft_flags(Borders *t) {
    memset(t->flags, F_LETTER, sizeof(t->flags));
    memset(t->flags + 0x2010, F_PUNCT, 0x60);
    memset(t->flags + 0x3000, F_PUNCT, 0x30);
    memset(t->flags + 0xFF00, F_PUNCT, 0x10);
    t->words.flags = t->flags;
    t->words.pages = t->page;
    t->words.page_numbers = t->numbers;
}

/* Takes the rules that cut inside the fewest of the `ids` tokens, if the level has any. */
static inline void soft_choose(Borders *t, const Implementation *level, int64_t ids) {
    const uint8_t kind = F_LETTER;
    int64_t least = INT64_MAX;
    int best = RULES_NONE;
    for (int rules = RULES_NONE + 1; rules < RULES_MATRIX; rules++) {
        uint32_t starts[CHUNK_ROOM];
        int64_t cut = 0;
        if (!level->grid[rules].only)
            continue;
        kernel_open(&t->words, rules, &kind, 1);
        for (int64_t i = 0; i < ids && t->starts[i] + GRID_LOOK < t->starts[ids] && cut < least; i += SAMPLE) {
            uint32_t size = t->starts[i + 1] - t->starts[i];
            if (size && size < 64)
                cut += level->grid[rules].only(&t->words, t->blob + t->starts[i], (int)size, starts) > 1;
        }
        if (cut < least) {
            least = cut;
            best = rules;
        }
    }
    kernel_open(&t->words, best, &kind, 1);
    t->cut = level->grid[best].run;
}

/* Whether `start` stands between two spaces, or two tabs. Most rules let the last blank lead a word, but blanks merge
 * first. */
static inline uint32_t soft_inside(const uint8_t *text, uint32_t start) {
    uint16_t two;
    memcpy(&two, text + start - 1, sizeof(two));
    return (two == 0x2020) | (two == 0x0909);
}

/* Adds a start after `*before`, which is the last one, and others between both, so that each word has a key in the piece
 * table; returns the number of words, at most CHUNK. */
static inline int soft_add(const uint8_t *text, uint32_t start, uint32_t *before, uint32_t *words, int count) {
    while (__builtin_expect(start - *before > MIDDLE, 0) && count < CHUNK) {
        uint32_t cut = *before + MIDDLE;
        while ((text[cut] & 0xC0) == 0x80)
            cut--;
        words[++count] = *before = cut;
    }
    if (count == CHUNK)
        return count;
    words[count + 1] = start;
    count += start > *before;
    *before = start;
    return count;
}

/* Writes the starts of up to CHUNK words from `at` on to `words`, and the end of the last one; returns their number.
 * `hard` has the starts of pieces from `at` on, up to `end`. */
static inline int soft_words(const Borders *t, const uint8_t *text, const uint32_t *hard, uint32_t at, uint32_t end,
                             uint32_t *words) {
    uint32_t soft[CHUNK_ROOM + 64], before = at, last, stop;
    GridRun run = {.starts = soft, .at = at};
    int count = 0;
    for (soft[0] = at;;) {
        t->cut(&t->words, text, end, 1, CHUNK, &run);
        if (run.pieces >= CHUNK || soft[run.pieces] == end)
            break;
        /* A character that the rules do not settle is a word. */
        if (soft[run.pieces] < run.at)
            soft[++run.pieces] = run.at;
        do
            run.at++;
        while (run.at < end && (text[run.at] & 0xC0) == 0x80);
        soft[++run.pieces] = run.at;
        memset(&run.state, 0, sizeof(run.state));
        if (run.at == end)
            break;
    }
    last = soft[run.pieces];
    words[0] = at;
    for (const uint32_t *next = soft + 1; count < CHUNK; hard++) {
        stop = *hard < last ? *hard : last;
        for (; *next < stop && count < CHUNK; next++)
            count = soft_add(text, *next + soft_inside(text, *next), &before, words, count);
        count = soft_add(text, stop, &before, words, count);
        next += *next == stop;
        if (stop == last)
            break;
    }
    return count;
}

/* The ids of a value, which may be `few`, and their number. */
static inline const uint32_t *soft_ids(const PieceTable *table, const uint32_t *side, uint64_t value, uint32_t *few,
                                       uint32_t *count) {
    *count = (uint32_t)(piece_unpack(value, few) - few);
    return *count ? few : piece_elsewhere(table, side, value, count);
}

/* Writes to `asked` the numbers of the words whose border with the word before may not hold; returns how many they are.
 * `before` is the token before the first one. `side` has the ids of values that are in no table. */
static inline int soft_asks(const Borders *t, uint64_t *memory, const PieceTable *table, const uint32_t *side,
                            const uint64_t *values, int words, uint32_t before, uint16_t *asked) {
    uint32_t lefts[CHUNK_ROOM], rights[CHUNK_ROOM];
    int size = 0, left = 0;
    for (int i = 0; i < words; i++) {
        uint64_t value = values[i];
        uint32_t mask = (1 << VALUE_ID_BITS) - 1, first = (uint32_t)(value >> 8) & mask, count = value & 3;
        uint32_t last = (uint32_t)(value >> (8 + VALUE_ID_BITS * (count - (count > 0)))) & mask;
        if (__builtin_expect(!count, 0)) {
            const uint32_t *ids = piece_elsewhere(table, side, value, &count);
            first = ids[0];
            last = ids[count - 1];
        }
        __builtin_prefetch(t->signatures + ((uint32_t)(values[i + SOON] >> 8) & mask));
        asked[size] = (uint16_t)i;
        lefts[size] = before;
        rights[size] = first;
        size += border_asks(t, before, first);
        before = last;
    }
    for (int i = 0; i < size; i++) {
        __builtin_prefetch(memory_line(memory, lefts[i], rights[i]));
        __builtin_prefetch(t->spines + lefts[i]);
        __builtin_prefetch(t->spines + rights[i]);
    }
    for (int i = 0; i < size; i++) {
        asked[left] = asked[i];
        left += !border_remembered(memory, lefts[i], rights[i]);
    }
    return left;
}

#endif
