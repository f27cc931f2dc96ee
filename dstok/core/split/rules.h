/* From class masks to piece starts: the state carried from block to block, and the parts that all sets of rules share.

   In: `GridMasks` of a block, `GridState` of the one before. Out: the starts below the decided bytes, and the state
   after them. A block may begin anywhere: only a few bits of state cross its border.
   A place that the rules do not settle makes the block smaller, so that it ends before. 0 bytes decided: not even its
   first byte.

   Example, the rules for letters and blanks alone, "Hi  all" (`docs/rules.md` has more of it):

       letter                    1 1 0 0 1 1 1
       blank                     0 0 1 1 0 0 0
       letter & ~(letter << 1)   1 0 0 0 1 0 0     a run of letters begins ...
       blank & letter >> 1       0 0 0 1 0 0 0     ... but a blank before it leads it
       starts                    1 0 1 1 0 0 0     "Hi", " ", " all"

   If this block were cut after "Hi  ", the state would say: the last character was a blank (`blank` and `space` are 1).
   The next block then begins with "all", and its run of letters starts no piece, since s->blank says that a blank leads
   it.

   Some starts are safe cuts, which lie inside a piece, between two letters. Where the rules give up, the automaton may
   go on from the last cut: after the letter that follows the cut, its state is the one after the first letter of a
   piece (compiled/kernel_selection.py looks at its edges). Cased words are an exception: there the automaton remembers the text
   before, and may go on only from starts of pieces. The places that it may go on from are the `anchors`. */
#ifndef DSTOK_RULES_H
#define DSTOK_RULES_H

#include "split/masks.h"

typedef struct {
    uint64_t starts;  /* of pieces, and cuts */
    uint64_t anchors; /* the starts that the automaton may go on from: all of them, except in cased words; of soft cuts,
                       * which need no automaton, those of borders to look at */
} GridStarts;

typedef struct {
    /* Each is one bit about the last character before the block, and says whether it is ... */
    uint64_t punct, cjk, space, letter, blank, number, white;
    uint64_t glue;      /* punctuation that newlines may follow, or a newline that follows it */
    uint64_t newline;   /* a newline that no punctuation has absorbed */
    uint64_t leader;    /* words: punctuation that starts a piece, and takes the letters after it; V3: or a letter taken */
    uint64_t suffix;    /* words: the end of 's and the like */
    uint64_t lower;     /* cased words: a small letter */
    uint64_t caseless;  /* cased words: a letter of no case, or a combining mark */
    uint64_t absorbed;  /* TAIL_SLASHES: a newline or slash that punctuation has absorbed; else a line feed (masks.h) */
    uint64_t gap;       /* runs: a character that no Split takes */
    uint64_t ascii;     /* runs: an ASCII letter, if the rules need it */
    uint64_t digits;    /* not a bit: digits since the last number start */
    uint32_t before;    /* the code point of the last character, if it is cuttable, else 0 */
    uint32_t begins;    /* the matrix kernel: does the block begin with a start? */
} GridState;

/* The place of a block. The rules hold for any number of bytes: 64 in the kernel, few in the walk (check/proofs.pyx). Where
 * speed counts, all fields but the first two are constants. */
typedef struct {
    const uint8_t *p, *stop; /* the first byte of the block, and the end of the text that it may look at */
    int final;               /* the text ends at `stop` */
    uint64_t text;           /* the bytes of the block, as the lowest bits */
    int more;                /* text may go on after them: it is not the last block of the text */
    int rules;               /* the set whose fields count where rows share a copy: kernel_own */
} GridText;

/* Whether the blanks from p on end before a newline: 1 for "  \n", 0 for "  b", -1 if that is not known. At the text's
 * end: `row->ends`. */
static int grid_newline_ahead(const uint8_t *p, const uint8_t *stop, int final, const Rules *row) {
    while (p < stop && (*p == ' ' || (*p >= '\t' && *p <= '\r' && *p != '\n' && *p != '\r')))
        p++;
    if (p == stop)
        return final ? row->ends : -1;
    if (*p >= 0x80)
        return -1;
    return *p == '\r' || (*p == '\n' && row->newlines != NEWLINES_FIRST);
}

/* Numbers in pieces of `most` digits, two or three: in threes, up to nine digits without a branch. "12345678" then starts
 * pieces at 0, 3 and 6: "123", "456", "78". If the block before ended in two digits of a piece (s->digits is 2), "345"
 * starts one at 1: the 3 is the third of that piece. */
GRID_INLINE uint64_t grid_groups(int most, uint64_t number, const GridState *s) {
    uint64_t start = number & ~(number << 1 | s->number);
    uint64_t beyond = number & number << 1 & number << 2 & (most > 2 ? number << 3 : ~0ull);
    if (__builtin_expect(s->number & number, 0)) {
        uint64_t before = (2ull << (most - s->digits)) - 1;
        if ((number & before) == before)
            start |= 1ull << (most - s->digits);
    }
    uint64_t second = start << most & beyond, third = second << most & beyond;
    start |= second | third;
    while (__builtin_expect((third = third << most & beyond) != 0, 0))
        start |= third;
    return start;
}

/* The digits since the last number start, where the last of `size` decided bytes is a digit: 2 after "12345". `before`
 * is their number before the block: if no number starts in the block, it is all digits, and they are added. */
GRID_INLINE uint64_t grid_digits(uint64_t number_start, int size, uint64_t before) {
    uint64_t begun = number_start & ((2ull << (size - 1)) - 1);
    return begun ? (uint64_t)(size - (63 - __builtin_clzll(begun))) : before + (uint64_t)size;
}

/* Makes the block smaller, so that `bit`, if it is not 0, comes first in the next. */
GRID_INLINE void grid_until(GridMasks *m, uint64_t bit) {
    if (__builtin_expect(bit != 0, 0) && __builtin_ctzll(bit) < m->size) {
        m->size = __builtin_ctzll(bit);
        m->last = 0;
    }
}

/* The blanks right before `led`, where a piece starts that they lead, as bits of their first bytes. Of "a\u00a0b", the
 * bytes 61 C2 A0 62, with the bit of the b it is bit 1, where U+00A0 begins: "a", "\u00a0b". */
GRID_INLINE uint64_t grid_leading_blanks(const GridMasks *m, uint64_t led) {
    uint64_t before = m->blank & led >> 1;
    if (!m->wide_blank)
        return before;
    uint64_t last = before & m->wide_blank; /* the bytes of wide blanks that lead */
    return (before & ~m->wide_blank) | (last >> 1 & m->leads & ~m->three) | (last >> 2 & m->three & ~m->four) |
           (last >> 3 & m->four);
}

/* White space. Three places in a run of it start a piece: its first character; its last blank, if that leads one of the
 * `led` characters (bits of their first bytes); the blank after its last newline. "a \n  b":
 *
 *     blank           0 1 0 1 1 0
 *     newline         0 0 1 0 0 0
 *     a run starts    0 1 0 0 0 0
 *     last_blank      0 0 0 0 1 0     it leads the b
 *     after_newline   0 0 0 1 0 0     no newline comes after these blanks
 *     *starts         0 1 0 1 1 0     with the a: "a", " \n", " ", " b"
 *
 * In "a \n  \nb" a newline does follow, so all of the white space is one piece. Makes m->size smaller where a run is
 * too long to tell; returns 0 if the run is too long from the block's first byte on. */
GRID_INLINE int grid_white(const GridText *x, GridMasks *m, const GridState *s, uint64_t white, uint64_t led,
                           uint64_t *starts) {
    uint64_t last_blank = grid_leading_blanks(m, led);
    uint64_t after_newline = m->blank & ((m->newline & white) << 1 | s->newline);
    unsigned long long run;
    if (__builtin_expect(__builtin_uaddll_overflow(m->blank | (x->more ? ~x->text : 0), after_newline, &run), 0)) {
        /* The blanks touch the end of the block: begin the next one with them, or, if this one does so, look ahead. */
        int first = 63 - __builtin_clzll(after_newline);
        if (first) {
            grid_until(m, 1ull << first);
        } else {
            int ahead = grid_newline_ahead(x->p + __builtin_popcountll(x->text), x->stop, x->final, &ROWS[x->rules]);
            if (ahead < 0)
                return 0;
            after_newline = ahead ? 0 : after_newline;
        }
    }
    uint64_t newline = m->newline | (ROWS[x->rules].ends && !x->more ? ~x->text : 0);
    if (__builtin_expect((run & ~m->blank & newline) != 0, 0))
        for (uint64_t left = after_newline; left; left &= left - 1) {
            uint64_t one = left & -left;
            if ((m->blank + one) & ~m->blank & newline)
                after_newline &= ~one;
        }
    *starts = (white & ~(white << 1 | s->white)) | last_blank | after_newline;
    return 1;
}

/* The start of the undecided text at `bit`: the white space right before it, since `bit` decides whether that is led,
 * or else `bit` itself. For "a  \x01b" with the bit of U+0001 it is 1, the first blank; for "a\x01b" it is that bit. */
GRID_INLINE uint64_t grid_undecided(uint64_t bit, uint64_t white) {
    uint64_t below = bit - 1, run = white & ~(white << 1) & below;
    return bit && white & bit >> 1 ? 1ull << (63 - __builtin_clzll(run)) : bit;
}

#define LAST(mask) ((mask) >> end & 1)

/* Sets the part of the state after a block that all rules have. */
GRID_INLINE void grid_carry(const GridMasks *m, GridState *s, uint64_t white, uint64_t number_start) {
    int end = m->size - 1;
    s->punct = LAST(m->punct);
    s->space = LAST(m->space);
    s->letter = LAST(m->letter);
    s->blank = LAST(m->blank);
    s->white = LAST(white);
    s->newline = LAST(m->newline & white);
    s->number = LAST(m->number);
    if (s->number)
        s->digits = grid_digits(number_start, m->size, s->digits);
    s->before = m->last;
}

#endif
