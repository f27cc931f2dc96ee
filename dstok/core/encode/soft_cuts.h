/* Soft cuts: long pieces cut into words by rules that know nothing of the model's pattern.
 *
 * In: the starts of pieces. Out: the starts of words: those of the pieces, and those that the rules find in the same
 * text (`soft_block`); a word has about MIDDLE bytes at most, or it is a run of one byte, of KEY252_MAX at most. Invariant:
 * any cuts are right, since each border between words is checked (bpe/borders.h), unless no merge can cross it. The rules are
 * the same for every vocabulary. They cut the piece "to be, or 1984" into "to", " be", ",", " or" and " 1984". */
#ifndef DSTOK_SOFT_CUTS_H
#define DSTOK_SOFT_CUTS_H

#include "bpe/borders.h"
#include "bpe/piece_cache.h"
#include "split/grid.h"

enum { SOFT = CHUNK / 4 * 3, WINDOW = 4096 }; /* words and bytes that are cut at once */
_Static_assert(SOFT + 64 + WINDOW / (MIDDLE - 3) < CHUNK_ROOM, "the words of a window");

typedef uint32_t Four __attribute__((vector_size(16), aligned(4), may_alias));
typedef uint64_t Two __attribute__((vector_size(16)));

/* Words of a chunk: their starts, and the end of the last one; the numbers of those whose border with the word before may
 * not hold. */
typedef struct {
    uint32_t *starts;
    uint16_t *asked;
    int count, asks;
} SoftWords;

/* Cuts words that have no key in the piece table, but for runs, whose bytes are equal but for the first and the last. The
 * cut is after many blanks; or so that all but the rest has a key, or some bytes before, where two of them merge later. */
static inline void soft_shorten(const Borders *t, const uint8_t *text, SoftWords *w) {
    for (int i = 0; i < w->count; i++) {
        uint32_t *start = w->starts + i;
        Four longer = {0};
        for (int j = 0; j < 16; j += 4)
            longer |= MIDDLE - (*(Four *)(start + j + 1) - *(Four *)(start + j));
        if (!((((Two)longer)[0] | ((Two)longer)[1]) & 0x8000000080000000)) { /* none of sixteen words is long */
            i += 15;
            continue;
        }
        while (start[1] - start[0] <= MIDDLE && ++i < w->count)
            start++;
        uint32_t end = start[1], cut = *start + MIDDLE, run = *start + 2, at = (uint32_t)w->asks;
        if (i == w->count || (end - *start <= KEY252_MAX && !memcmp(text + *start + 1, text + *start + 2, end - *start - 3)))
            continue;
        while (run < cut && text[run] == text[*start + 1])
            run++;
        uint32_t many = run > *start + 4, late = 0;
        cut = many ? run : cut;
        for (uint32_t place = cut, last = many ? cut : cut - 4; place > last; place--) {
            uint32_t rank = pair_rank(t->pairs, t->start->bytes[text[place - 1]], t->start->bytes[text[place]]);
            cut = rank > late ? place : cut;
            late = rank > late ? rank : late;
        }
        while ((text[cut] & 0xC0) == 0x80)
            cut--;
        memmove(start + 2, start + 1, (size_t)(w->count++ - i) * sizeof(*start));
        start[1] = cut;
        for (w->asks++; at && w->asked[at - 1] > i; at--)
            w->asked[at] = w->asked[at - 1] + 1;
        w->asked[at] = (uint16_t)(i + 1);
    }
}

/* Finds up to CHUNK words from `at` on, and lists those whose border with the word before may be crossed by a merge, unless
 * it is that of a piece. `hard` has the starts of pieces from that one on that has `at`; the last piece ends at `end`. */
static inline void soft_words(const Borders *t, const uint8_t *text, const uint32_t *hard, uint32_t at, uint32_t end,
                              SoftWords *w) {
    uint64_t bits[WINDOW / 64 + 3] = {0};
    uint32_t stop = end - at > WINDOW ? at + WINDOW : end;
    GridRun run = {.starts = w->starts, .at = at, .more = bits, .origin = at & ~63u, .asked = w->asked, .asks = at > *hard,
                   .all = t->holds - 1ull};
    w->starts[0] = at;
    w->asked[0] = 0;
    for (const uint32_t *next = hard + 1; *next < stop; next++)
        bits[(*next - run.origin) >> 6] |= 1ull << (*next & 63);
    t->cut(&t->words, text, stop, stop == end, SOFT, &run);
    if (!run.pieces) /* a word as long as the window */
        run.starts[++run.pieces] = run.at;
    w->count = run.pieces;
    w->asks = run.asks;
    soft_shorten(t, text, w);
    int asks = 0;
    for (int i = 0; i < w->asks && w->asked[i] < w->count; i++) { /* the next words begin with the last one */
        w->asked[asks] = w->asked[i];
        asks += border_joined(t, text + w->starts[w->asked[i]]);
    }
    w->asks = asks;
}

/* Makes the tables of the rules: characters beyond ASCII are letters, but for the signs among which most texts have their
 * punctuation. */
static inline void soft_open(Borders *t, const Implementation *level) {
    const uint8_t kind = F_LETTER;
    memset(t->flags, F_LETTER, sizeof(t->flags));
    memset(t->flags + 0x2010, F_PUNCT, 0x60);
    memset(t->flags + 0x3000, F_PUNCT, 0x30);
    memset(t->flags + 0xFF00, F_PUNCT, 0x10);
    t->words.flags = t->flags;
    t->words.pages = t->page;
    t->words.page_numbers = t->numbers;
    kernel_open(&t->words, RULES_SOFT, &kind, 1);
    t->cut = level->grid[RULES_SOFT].run;
    int holds = t->holds = 1;
    for (int a = 0; t->cut && a < 128; a++) { /* beside each byte: no border that a token crosses may go unasked */
        uint8_t text[256 + 128] = {0};
        uint16_t asked[CHUNK_ROOM];
        uint32_t starts[CHUNK_ROOM] = {0}, ends[2] = {0, 256};
        SoftWords w = {starts, asked, 0, 0};
        for (int i = 0; i < 256; i++)
            text[i] = (uint8_t)(i & 1 ? i >> 1 : a);
        soft_words(t, text, ends, 0, 256, &w);
        for (int i = 1; i < w.count; i++)
            w.asks -= border_joined(t, text + starts[i]);
        holds &= w.asks == 0;
    }
    t->holds = holds;
}

/* The first or the last id of a value. */
static inline uint32_t soft_end(const PieceTable *table, const uint32_t *side, uint64_t value, int last) {
    uint32_t count = value & 3;
    if (__builtin_expect(count != 0, 1))
        return value >> (8 + VALUE_ID_BITS * (last ? count - 1 : 0)) & ((1 << VALUE_ID_BITS) - 1);
    const uint32_t *ids = piece_elsewhere(table, side, value, &count);
    return ids[last ? count - 1 : 0];
}

/* Drops from the words that are asked those whose border holds by its signatures, or by the memory. `values` are those of
 * the words; the token `before` is that before the first one. `side` has the ids of values that are in no table. */
static inline void soft_asks(const Borders *t, uint64_t *memory, const PieceTable *table, const uint32_t *side,
                             const uint64_t *values, uint32_t before, SoftWords *w) {
    int left = 0;
    for (int i = 0; i < w->asks; i++) {
        int word = w->asked[i];
        uint32_t token = word ? soft_end(table, side, values[word - 1], 1) : before;
        uint32_t next = soft_end(table, side, values[word], 0);
        w->asked[left] = w->asked[i];
        left += border_asks(t, token, next) && border_known(memory, token, next);
    }
    w->asks = left;
}

#endif
