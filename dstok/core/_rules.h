/* From class masks to piece starts: the state carried from block to block, what all sets of rules share, and V3's.

   In: `GridMasks` of a block, `GridState` of the one before. Out: the starts below the bytes decided, and the state
   behind them. On a fixed grid: what crosses a border is a few bits of state.
   What a block does not settle makes it smaller, so that it ends before that; 0 bytes decided: not even its first.

   Among the starts are safe cuts, which lie inside a piece. The automaton may go on from each of them but those of cased
   words: V3's and the others' lie between two letters, and behind a letter after a letter the automaton is where it is
   behind the first letter of a piece (tables/kernels.py looks at its edges). In cased words it remembers what
   came before: only starts of pieces are `anchors`. */
#ifndef DSTOK_RULES_H
#define DSTOK_RULES_H

#include "_masks.h"

typedef struct {
    uint64_t starts;  /* of pieces, and cuts */
    uint64_t anchors; /* those that the automaton may go on from: all of them, but in cased words */
} GridStarts;

typedef struct {
    /* Each is one bit, of the last character before the block: is it ... */
    uint64_t mark, k, space, letter, blank, number, white;
    uint64_t glue;      /* a mark that newlines may follow, or a newline that follows one */
    uint64_t newline;   /* a newline that no mark has absorbed */
    uint64_t taken;     /* V3: an ASCII mark that takes letters, or an ASCII letter taken */
    uint64_t leader;    /* words: a mark that starts a piece, and takes the letters behind it */
    uint64_t suffix;    /* words: the end of 's and the like */
    uint64_t lower;     /* cased words: a small letter */
    uint64_t both;      /* cased words: a letter of no case */
    uint64_t absorbed;  /* cased words: a newline or slash that a mark has absorbed */
    uint64_t digits;    /* not a bit: digits since the last number start */
    uint32_t before;    /* the code point, if it is cuttable, else 0 */
} GridState;

/* Where a block lies. The rules hold for any number of bytes: of 64 in the kernel, of few where they are walked through
 * (_walk.pyx). All but the first two are constants where speed counts. */
typedef struct {
    const uint8_t *p, *stop; /* the block's first byte, and the end of what may be looked at */
    int final;               /* the text ends at `stop` */
    uint64_t text;           /* the block's bytes: the lowest bits */
    int more;                /* text may go on behind them: not the text's last block */
    int ends;                /* blanks at the text's end belong to a newline before them, as before a newline */
} GridText;

/* Whether the blanks from p on end before a newline: 1, 0, or -1 if that is not known; at the text's end, `ends`. */
static int grid_newline_ahead(const uint8_t *p, const uint8_t *stop, int final, int ends) {
    while (p < stop && (*p == ' ' || (*p >= '\t' && *p <= '\r' && *p != '\n' && *p != '\r')))
        p++;
    if (p == stop)
        return final ? ends : -1;
    if (*p >= 0x80)
        return -1;
    return *p == '\n' || *p == '\r';
}

/* Numbers in threes: up to nine digits without a branch. */
GRID_INLINE uint64_t grid_threes(uint64_t number, const GridState *s) {
    uint64_t start = number & ~(number << 1 | s->number);
    uint64_t four = number & number << 1 & number << 2 & number << 3;
    if (__builtin_expect(s->number & number, 0)) {
        uint64_t before = (2ull << (3 - s->digits)) - 1;
        if ((number & before) == before)
            start |= 1ull << (3 - s->digits);
    }
    uint64_t third = start << 3 & four, sixth = third << 3 & four;
    start |= third | sixth;
    while (__builtin_expect((sixth = sixth << 3 & four) != 0, 0))
        start |= sixth;
    return start;
}

/* The digits since the last number start, where the last of `size` bytes decided is one; `before` of them if there is no
 * start among these, which are digits then. */
GRID_INLINE uint64_t grid_digits(uint64_t number_start, int size, uint64_t before) {
    uint64_t begun = number_start & ((2ull << (size - 1)) - 1);
    return begun ? (uint64_t)(size - (63 - __builtin_clzll(begun))) : before + (uint64_t)size;
}

/* Makes the block smaller, so that `bit`, if there is one, comes first in the next. */
GRID_INLINE void grid_until(GridMasks *m, uint64_t bit) {
    if (__builtin_expect(bit != 0, 0) && __builtin_ctzll(bit) < m->size) {
        m->size = __builtin_ctzll(bit);
        m->last = 0;
    }
}

/* White space: where its runs start, where the last blank does that leads one of `led` characters (bits of their first
 * bytes do), and the blank behind the last newline of a run. Makes m->size smaller where a run is too long to tell;
 * 0 if it is so from the block's begin on. */
GRID_INLINE int grid_white(const GridText *x, GridMasks *m, const GridState *s, uint64_t white, uint64_t led,
                           uint64_t *starts) {
    uint64_t last_blank = m->blank & led >> 1;
    if (m->wide_blank) {
        /* Its last byte is marked; the piece starts at its first. */
        uint64_t last = last_blank & m->wide_blank;
        last_blank = (last_blank & ~m->wide_blank) | (last >> 1 & m->leads & ~m->three) |
                     (last >> 2 & m->three & ~m->four) | (last >> 3 & m->four);
    }
    uint64_t behind = m->blank & ((m->newline & white) << 1 | s->newline);
    unsigned long long run;
    if (__builtin_expect(__builtin_uaddll_overflow(m->blank | (x->more ? ~x->text : 0), behind, &run), 0)) {
        /* The blanks touch the end of the block: begin the next one with them, or, if this is that, look ahead. */
        int first = 63 - __builtin_clzll(behind);
        if (first) {
            grid_until(m, 1ull << first);
        } else {
            int ahead = grid_newline_ahead(x->p + __builtin_popcountll(x->text), x->stop, x->final, x->ends);
            if (ahead < 0)
                return 0;
            behind = ahead ? 0 : behind;
        }
    }
    uint64_t newline = m->newline | (x->ends && !x->more ? ~x->text : 0);
    if (__builtin_expect((run & ~m->blank & newline) != 0, 0))
        for (uint64_t left = behind; left; left &= left - 1) {
            uint64_t one = left & -left;
            if ((m->blank + one) & ~m->blank & newline)
                behind &= ~one;
        }
    *starts = (white & ~(white << 1 | s->white)) | last_blank | behind;
    return 1;
}

/* Where what is undecided before `bit` begins: white space right before it, which it may be part of, from its start. */
GRID_INLINE uint64_t grid_undecided(uint64_t bit, uint64_t white) {
    uint64_t below = bit - 1, run = white & ~(white << 1) & below;
    return bit && white & bit >> 1 ? 1ull << (63 - __builtin_clzll(run)) : bit;
}

#define LAST(mask) ((mask) >> end & 1)

/* The state behind a block that all rules have. */
GRID_INLINE void grid_carry(const GridMasks *m, GridState *s, uint64_t white, uint64_t number_start) {
    int end = m->size - 1;
    s->mark = LAST(m->mark);
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

/* V3. Returns the bytes decided, or 0. */
GRID_INLINE int v3_block(const GridText *x, GridMasks *m, GridState *s, GridStarts *found) {
    uint64_t not_k = ~m->k, edge = m->k ^ (m->k << 1 | s->k); /* edge: where the CJK class begins or ends */

    /* Marks: a run starts a piece, at the space before it if there is one. Newlines right behind belong to it. */
    uint64_t mark_run = m->mark & (~(m->mark << 1 | s->mark) | edge);
    uint64_t mark_start = mark_run & (~(m->space << 1 | s->space) | m->k);
    uint64_t glued = m->newline & ((m->mark & not_k) << 1 | s->glue);
    uint64_t absorbed = m->newline & (m->newline ^ (m->newline + glued));

    uint64_t white = (m->blank | m->newline) & ~absorbed;
    uint64_t undecided = grid_undecided(m->rare & -m->rare, white);
    if (__builtin_expect(undecided & 1, 0))
        return 0;
    grid_until(m, undecided);

    /* An ASCII mark that starts a piece takes the ASCII letters behind it, and only those; the bit of another one's first
     * byte meets no letter. */
    uint64_t taken = (mark_start << 1 | s->taken) & m->ascii;
    uint64_t rest = m->ascii + taken; /* zero where the ASCII letters taken were, one behind them */
    uint64_t beyond = (rest | s->taken) & ~m->ascii & m->letter;

    /* Letters: a run starts a piece, unless a blank before it leads it, or a mark has taken it. */
    uint64_t letters_before = m->letter << 1 | s->letter;
    uint64_t letter_run = m->letter & (~letters_before | edge);
    uint64_t letter_start = (letter_run & ~((m->blank << 1 | s->blank) & not_k) & ~taken) | beyond;

    uint64_t number_start = grid_threes(m->number, s);
    uint64_t white_start;
    if (!grid_white(x, m, s, white, (m->letter | m->mark) & not_k, &white_start))
        return 0;

    uint64_t cuts = m->cuts & m->letter & letters_before;
    found->starts = (mark_start | letter_start | number_start | white_start | (m->k & edge) | cuts) & ((1ull << m->size) - 1);
    found->anchors = found->starts;
    int end = m->size - 1;
    s->k = LAST(m->k);
    s->glue = LAST((m->mark & not_k) | absorbed);
    s->taken = LAST(mark_start | (m->ascii & ~rest));
    grid_carry(m, s, white, number_start);
    return m->size;
}

#endif
