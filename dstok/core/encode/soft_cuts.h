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

enum { SAMPLE = 64, SOFT = CHUNK / 4 * 3 }; /* one token in so many is tried; words that the rules cut at once */

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
    const uint32_t *bytes = t->start->bytes;
    for (int byte = 0; byte < 256; byte++)
        t->trails[byte] = pair_rank(t->pairs, bytes[' '], bytes[' ']) <= pair_rank(t->pairs, bytes[' '], bytes[byte]);
}

/* Takes the rules that cut inside the fewest of the `ids` tokens, if the level has any. */
static inline void soft_choose(Borders *t, const Implementation *level, int64_t ids) {
    const uint8_t kind = F_LETTER;
    int64_t least = INT64_MAX;
    int best = RULES_NONE;
    for (int rules = RULES_NONE + 1; rules < RULES_MATRIX; rules++) {
        uint64_t ends[2];
        int64_t cut = 0;
        if (!level->grid[rules].only)
            continue;
        kernel_open(&t->words, rules, &kind, 1);
        for (int64_t i = 0; i < ids && t->starts[i] + GRID_LOOK < t->starts[ids] && cut < least; i += SAMPLE) {
            uint32_t size = t->starts[i + 1] - t->starts[i];
            if (size && size < 64)
                cut += level->grid[rules].only(&t->words, t->blob + t->starts[i], (int)size, ends) && ends[0] & (ends[0] - 1);
        }
        if (cut < least) {
            least = cut;
            best = rules;
        }
    }
    kernel_open(&t->words, best, &kind, 1);
    t->cut = level->grid[best].run;
}

/* Words of a chunk: their starts, and the end of the last one; the numbers of those whose border with the word before may
 * not hold; and how many more words there may be than the rules cut. */
typedef struct {
    uint32_t *starts;
    uint16_t *asked;
    int count, asks, room;
} SoftWords;

/* Adds a start, and others before it, so that each word has a key in the piece table; returns 0 if there is no room for
 * them. `soft`: the border is asked, unless no token has its bytes side by side. */
static inline int soft_add(const Borders *t, const uint8_t *text, uint32_t start, int soft, SoftWords *w) {
    uint32_t cut = w->starts[w->count];
    while (__builtin_expect(start - cut > MIDDLE, 0)) {
        for (cut += MIDDLE; (text[cut] & 0xC0) == 0x80;)
            cut--;
        if (!w->room--)
            return 0;
        w->starts[++w->count] = cut;
        w->asked[w->asks++] = (uint16_t)w->count;
    }
    w->starts[++w->count] = start;
    w->asked[w->asks] = (uint16_t)w->count;
    w->asks += soft && border_joined(t, text + start);
    return 1;
}

/* Moves the starts that are asked and stand between two blanks, if these merge before the second one merges with what
 * follows. Most rules let the last blank lead a word. */
static inline void soft_move(const Borders *t, const uint8_t *text, SoftWords *w) {
    int size = w->asks;
    w->asks = 0;
    for (int i = 0; i < size; i++) {
        int word = w->asked[i];
        uint32_t *start = w->starts + word, two = border_two(text + *start);
        *start += ((two == 0x2020) | (two == 0x0909)) & t->trails[text[*start + 1]] & (word && *start + 1 < start[1]) &
                  (word && *start - start[-1] < MIDDLE);
        w->asked[w->asks] = (uint16_t)word;
        w->asks += border_joined(t, text + *start);
    }
}

/* Finds up to CHUNK words from `at` on. `hard` has the starts of pieces from that one on that has `at`; the last piece
 * ends at `end`. */
static inline void soft_words(const Borders *t, const uint8_t *text, const uint32_t *hard, uint32_t at, uint32_t end,
                              SoftWords *words) {
    uint32_t soft[CHUNK_ROOM + 64], last, start, stop;
    GridRun run = {.starts = soft, .at = at};
    SoftWords w = *words;
    for (soft[0] = at;;) {
        t->cut(&t->words, text, end, 1, SOFT, &run);
        if (run.pieces >= SOFT || soft[run.pieces] == end)
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
    w.starts[0] = at;
    w.asked[0] = w.count = 0;
    w.asks = at > *hard++;
    w.room = CHUNK - run.pieces;
    for (const uint32_t *next = soft + 1;; hard++) {
        stop = *hard < last ? *hard : last;
        while ((start = *next) < stop && soft_add(t, text, start, 1, &w))
            next++;
        if (start < stop || (start > stop && !w.room--) || !soft_add(t, text, stop, 0, &w) || stop == last)
            break;
        next += start == stop;
    }
    w.asks -= w.asks && w.asked[w.asks - 1] == w.count; /* the end of the last word */
    soft_move(t, text, &w);
    *words = w;
}

/* The ids of a value, which may be `few`, and their number. */
static inline const uint32_t *soft_ids(const PieceTable *table, const uint32_t *side, uint64_t value, uint32_t *few,
                                       uint32_t *count) {
    *count = (uint32_t)(piece_unpack(value, few) - few);
    return *count ? few : piece_elsewhere(table, side, value, count);
}

/* The first or the last id of a value. */
static inline uint32_t soft_end(const PieceTable *table, const uint32_t *side, uint64_t value, int last) {
    uint32_t few[3], count;
    const uint32_t *ids = soft_ids(table, side, value, few, &count);
    return ids[last ? count - 1 : 0];
}

/* Drops from the words that are asked those whose border holds by its signatures, or by the memory. `values` are those of
 * the words; the token `before` is that before the first one. `side` has the ids of values that are in no table. */
static inline void soft_asks(const Borders *t, uint64_t *memory, const PieceTable *table, const uint32_t *side,
                             const uint64_t *values, uint32_t before, SoftWords *w) {
    uint32_t lefts[CHUNK_ROOM], rights[CHUNK_ROOM];
    int size = w->asks, left = 0;
    for (int i = 0; i < size; i++) {
        int word = w->asked[i];
        lefts[i] = word ? soft_end(table, side, values[word - 1], 1) : before;
        rights[i] = soft_end(table, side, values[word], 0);
        __builtin_prefetch(t->signatures + lefts[i]);
        __builtin_prefetch(t->signatures + rights[i]);
    }
    for (int i = 0; i < size; i++) {
        uint32_t a = lefts[left] = lefts[i], b = rights[left] = rights[i];
        w->asked[left] = w->asked[i];
        if (border_asks(t, a, b)) {
            __builtin_prefetch(memory_line(memory, a, b));
            left++;
        }
    }
    size = left;
    left = 0;
    for (int i = 0; i < size; i++) {
        w->asked[left] = w->asked[i];
        left += !border_remembered(memory, lefts[i], rights[i]);
    }
    w->asks = left;
}

#endif
