/* Soft cuts: long pieces cut into words by rules that know nothing of the model's pattern.
 *
 * In: the starts of pieces. Out: the starts of words: those of the pieces, and those that the rules find in the same
 * text; a word has about MIDDLE bytes at most, or it is a run of one byte, of KEY252_MAX at most. Invariant: any cuts are
 * right, since each border between words is checked (bpe/borders.h). The rules are V3's for every vocabulary, but for
 * numbers, which stay whole: they cut the piece "to be, or 1984" into "to", " be", ",", " or" and " 1984". */
#ifndef DSTOK_SOFT_CUTS_H
#define DSTOK_SOFT_CUTS_H

#include "bpe/borders.h"
#include "bpe/piece_cache.h"
#include "split/grid.h"

enum { SOFT = CHUNK / 4 * 3, WINDOW = 4096 }; /* words and bytes that are cut at once */
_Static_assert(SOFT + 64 + WINDOW / (MIDDLE - 3) < CHUNK_ROOM, "the words of a window");

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
    for (int i = 0; i < 2 * SHORT; i++) {
        uint32_t ids[SHORT], size = i % SHORT + 1, last;
        for (uint32_t k = 0; k < size; k++)
            ids[k] = t->start->bytes[i < SHORT ? ' ' : '\t'];
        last = ids[merge_short(t->pairs, ids, (int)size) - 1];
        for (; t->spines[last].built; last = t->spines[last].right)
            t->taken[i / SHORT][size - 1] = -t->spines[last].built;
    }
    kernel_open(&t->words, RULES_SOFT, &kind, 1);
    t->cut = level->grid[RULES_SOFT].run;
}

typedef uint32_t Four __attribute__((vector_size(16), aligned(4), may_alias));

/* Words of a chunk: their starts, and the end of the last one; the numbers of those whose border with the word before may
 * not hold. */
typedef struct {
    uint32_t *starts;
    uint16_t *asked;
    int count, asks;
} SoftWords;

/* Cuts words that have no key in the piece table, but for runs, whose bytes are equal but for the first and the last. */
static inline void soft_shorten(const uint8_t *text, SoftWords *w) {
    for (int i = 0; i < w->count; i++) {
        uint32_t *start = w->starts + i, cut = *start + MIDDLE;
        Four one = MIDDLE - (*(Four *)(start + 1) - *(Four *)start);
        Four all = one | (MIDDLE - (*(Four *)(start + 5) - *(Four *)(start + 4)));
        int calm = !((all[0] | all[1] | all[2] | all[3]) >> 31); /* none of eight words is long */
        i += calm ? 7 : 0;
        if (calm || start[1] <= cut || (start[1] - *start <= KEY252_MAX &&
                                        !memcmp(text + *start + 1, text + *start + 2, start[1] - *start - 3)))
            continue;
        while ((text[cut] & 0xC0) == 0x80)
            cut--;
        memmove(start + 2, start + 1, (size_t)(w->count++ - i) * sizeof(*start));
        start[1] = cut;
    }
}

/* Lists the words whose border with the word before may be crossed by a merge, unless it is that of a piece (`hard`, a bit
 * for each place from `origin` on). Moves such a border by one where that is likely to make it hold: the last of some
 * blanks leads a word, but those before may take it first; the "((" of "((x" is a word, but "(x" may merge first. */
static inline void soft_list(const Borders *t, const uint8_t *text, const uint64_t *hard, uint32_t origin, int first,
                             SoftWords *w) {
    uint32_t *starts = w->starts;
    uint16_t joined[CHUNK_ROOM];
    int64_t size = first;
    joined[0] = w->asks = 0;
    for (int i = 1; i < w->count; i++) {
        joined[size] = (uint16_t)i;
        size += border_joined(t, text + starts[i]);
    }
    for (int i = 0; i < size; i++) {
        uint32_t start = starts[joined[i]];
        w->asked[w->asks] = joined[i];
        w->asks += ~hard[(start - origin) >> 6] >> (start & 63) & 1;
    }
    for (int i = first; i < w->asks; i++) {
        uint32_t *start = starts + w->asked[i], length = start[0] - start[-1], two = border_two(text + *start);
        if (two == 0x2020 || two == 0x0909)
            *start += length < SHORT && start[0] + 1 < start[1] &&
                      t->taken[two == 0x0909][length] >= t->early[(two & 0xFF) | text[*start + 1] << 8];
        else
            *start -= length > 1 && t->early[two] > t->early[border_two(text + *start - 1)];
    }
}

/* Finds up to CHUNK words from `at` on. `hard` has the starts of pieces from that one on that has `at`; the last piece
 * ends at `end`. */
static inline void soft_words(const Borders *t, const uint8_t *text, const uint32_t *hard, uint32_t at, uint32_t end,
                              SoftWords *w) {
    uint64_t bits[WINDOW / 64 + 3] = {0};
    uint32_t stop = end - at > WINDOW ? at + WINDOW : end;
    GridRun run = {.starts = w->starts, .at = at, .more = bits, .origin = at & ~63u};
    w->starts[0] = at;
    for (const uint32_t *next = hard + 1; *next < stop; next++)
        bits[(*next - run.origin) >> 6] |= 1ull << (*next & 63);
    while (t->cut(&t->words, text, stop, stop == end, SOFT, &run), run.pieces < SOFT && run.starts[run.pieces] < end) {
        int over = stop < end && run.at + GRID_LOOK > stop;
        if (run.starts[run.pieces] < run.at && !(over && run.pieces))
            run.starts[++run.pieces] = run.at;
        if (over)
            break;
        do /* a character that the rules do not settle is a word */
            run.at++;
        while (run.at < end && (text[run.at] & 0xC0) == 0x80);
        run.starts[++run.pieces] = run.at;
        memset(&run.state, 0, sizeof(run.state));
    }
    w->count = run.pieces;
    soft_shorten(text, w);
    soft_list(t, text, bits, run.origin, at > *hard, w);
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
    uint32_t lefts[CHUNK_ROOM], rights[CHUNK_ROOM];
    int64_t size = w->asks, left = 0;
    for (int i = 0; i < size; i++) {
        int word = w->asked[i];
        lefts[i] = word ? soft_end(table, side, values[word - 1], 1) : before;
        rights[i] = soft_end(table, side, values[word], 0);
        __builtin_prefetch(t->after + lefts[i]);
        __builtin_prefetch(t->before + rights[i]);
    }
    for (int i = 0; i < size; i++) {
        lefts[left] = lefts[i];
        rights[left] = rights[i];
        w->asked[left] = w->asked[i];
        left += border_asks(t, lefts[i], rights[i]);
    }
    for (int i = 0; i < left; i++)
        __builtin_prefetch(memory_line(memory, lefts[i], rights[i]));
    size = left;
    left = 0;
    for (int i = 0; i < size; i++) {
        w->asked[left] = w->asked[i];
        left += border_known(memory, lefts[i], rights[i]) != 0;
    }
    w->asks = (int)left;
}

#endif
