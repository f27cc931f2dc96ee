/* The class masks of a block: 64 bytes of text -> a word for each class (bit i: byte i belongs to a character of it).

   In: text, with GRID_LOOK readable bytes, or, for the last block, PAD bytes after the text. Out: `GridMasks`.
   Levels differ in how they make these words (masks_avx512.h; masks_vector.h), and in nothing else: all that follows is
   arithmetic on words. For a character beyond ASCII each level finds the flags at its first byte, and spreads most of
   them over all its bytes (`GridBits`). `rules` is a constant where these functions are called. Example, "\u00e9! a":

       bytes        C3 A9 21 20 61     the first on the left, as in all examples of these headers:
       leads         1  0  0  0  0     so `letter << 1` says for each byte whether a letter stands before it
       letter        1  1  0  0  1     before it is spread 1 0 0 0 1
       punct         0  0  1  0  0 */
#ifndef DSTOK_MASKS_H
#define DSTOK_MASKS_H

#include "split/kernel.h"
#include "cpu/vectors.h"

enum {
    GRID_LOOK = 67,  /* bytes that must follow: a block, and the rest of a character that begins in it */
    GRID_ASCII = 63, /* bytes that a block of ASCII decides, unless its rules do not settle one of them */
};

/* Has no target of its own: the compiler inlines it into functions of any instruction set. */
#define GRID_INLINE __attribute__((always_inline)) static inline

/* The places of a block; from GRID_PLACES - n on, the place n before each; from GRID_PLACES + 1 on, the one after. */
static const uint8_t GRID_PLACES_AND_MORE[3 + 64 + 1] = {
    0,  0,  0,  0,  1,  2,  3,  4,  5,  6,  7,  8,  9,  10, 11, 12, 13, 14, 15, 16, 17, 18, 19,
    20, 21, 22, 23, 24, 25, 26, 27, 28, 29, 30, 31, 32, 33, 34, 35, 36, 37, 38, 39, 40, 41, 42,
    43, 44, 45, 46, 47, 48, 49, 50, 51, 52, 53, 54, 55, 56, 57, 58, 59, 60, 61, 62, 63, 63};
#define GRID_PLACES (GRID_PLACES_AND_MORE + 3)

typedef struct {
    uint64_t letter, punct, number, space;   /* punct: punctuation, see docs/glossary.md */
    uint64_t blank, newline, rare, cuts;     /* blank: spaces, too; cuts: safe cuts */
    uint64_t ascii, cjk;                     /* V3, runs: ASCII letters, the CJK class */
    uint64_t quote, brief, r_or_v, l, e;     /* words: the quote; letters after it, brief: s, t, m and d */
    uint64_t upper, lower, caseless, combining; /* cased words: letters by case; caseless: combining marks, too */
    uint64_t slash;                          /* cased words: the slash */
    uint64_t line;                           /* NEWLINES_FIRST: line feeds, which are no newlines then */
    uint64_t wide_blank;                     /* blanks that are not ASCII */
    uint64_t leads, three, four, trail;      /* first bytes of characters of two bytes or more, of three or four, of
                                              * four; the bytes after those */
    int size;                                /* bytes to decide */
    uint32_t last;                           /* the last character in these bytes, if it is cuttable, else 0 */
    uint64_t wide;                           /* bytes that are not ASCII */
} GridMasks;

/* For characters beyond ASCII, the bits of their first bytes, or of all their bytes. cjk, cut_before: the flags F_CJK
 * and F_CUT_BEFORE. */
typedef struct {
    uint64_t letter, punct;
    union {
        uint64_t cjk, cut_before; /* one flag: V3 and runs, words */
    };
    uint64_t blank, cuttable, rare, number, cut;
} GridBits;

/* The code point of a character of three bytes. */
GRID_INLINE uint32_t grid_three(const uint8_t *p) {
    return (p[0] & 0x0Fu) << 12 | (p[1] & 0x3Fu) << 6 | (p[2] & 0x3Fu);
}

/* The flags of a character of four bytes. */
static inline uint8_t grid_four(const KernelTables *t, const uint8_t *p) {
    uint32_t c = (p[0] & 0x07u) << 18 | (p[1] & 0x3Fu) << 12 | (p[2] & 0x3Fu) << 6 | (p[3] & 0x3Fu);
    return t->kinds[t->pages[(uint32_t)t->page_numbers[c >> 8] << 8 | (c & 0xFF)]];
}

/* The places between two neighbours that may be cut apart if no token joins them, as bits of the second. Both have
 * three bytes: for the two ideographs \u6211\u5728 at the start of a text it is bit 3. */
GRID_INLINE uint64_t grid_pairs(int rules, const GridBits *first, uint32_t before) {
    return (rules_of_cjk(rules) ? first->cuttable : first->cut_before) & (first->cuttable << 3 | (before != 0));
}

/* Ends the masks of ASCII: the masks of other characters are empty. */
GRID_INLINE void grid_narrow(uint64_t text, uint64_t wide, GridMasks *m) {
    m->cjk = m->cuts = m->wide_blank = m->leads = m->three = m->four = m->trail = 0;
    m->size = ~text ? __builtin_popcountll(text) : GRID_ASCII;
    m->last = 0;
    m->wide = wide;
}

/* Adds the characters beyond ASCII to the masks: `first` has the bits of their first bytes, `all` those of all bytes.
 * `whole`: all 64 bytes are text. */
GRID_INLINE void grid_add(int rules, const uint8_t *p, const GridBits *first, GridBits all, uint64_t wide, int whole,
                          GridMasks *m) {
    if (ROWS[rules].cased) {
        /* F_HAN, F_CAPITAL, F_CASELESS and F_COMBINING are combinations of flags. */
        if (ROWS[rules].cjk == CJK_RUN) {
            m->cjk = all.letter & all.number;
            all.letter &= ~m->cjk;
            all.number &= ~m->cjk;
        }
        m->caseless = all.letter & all.blank;
        m->combining = m->caseless & all.punct;
        m->upper |= all.letter & all.punct & ~all.blank;
        m->lower |= all.letter & ~all.punct & ~all.blank;
        all.punct &= ~all.letter;
        all.blank &= ~all.letter;
    }
    if (rules_of_numbers(rules))
        m->number |= all.number;
    m->letter |= all.letter;
    m->punct |= all.punct;
    if (rules_of_cjk(rules))
        m->cjk = all.cjk;
    m->wide_blank = all.blank;
    m->rare |= first->rare;
    m->cuts = first->cut;
    m->blank |= m->wide_blank;
    m->trail = wide & ~m->leads;
    if (!whole)
        return; /* at the end of the text everything is decided */
    /* Decide whole characters only: up to the last byte that begins one. If \u4e2d is at 62 to 64, 62 bytes are decided. */
    m->size = 63 - __builtin_clzll(~wide | m->leads);
    uint64_t end = m->size >= 3 ? 1ull << (m->size - 3) : 0;
    if (end & first->cuttable)
        m->last = grid_three(p + m->size - 3);
}

/* Spreads the characters beyond ASCII from their first bytes into the masks. */
GRID_INLINE void grid_spread(int rules, const uint8_t *p, const GridBits *first, uint64_t wide, int whole, GridMasks *m) {
    uint64_t three = m->three, four = m->four;
#define BYTES(bits) ((bits) | (bits) << 1 | ((bits) & three) << 2 | ((bits) & four) << 3)
    GridBits all = {.letter = BYTES(first->letter), .punct = BYTES(first->punct), .cjk = BYTES(first->cjk),
                    .blank = BYTES(first->blank), .number = BYTES(first->number)};
#undef BYTES
    grid_add(rules, p, first, all, wide, whole, m);
}

#endif
