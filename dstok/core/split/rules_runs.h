/* The rules of runs: DeepSeek's first patterns, a Split for each kind of character, as arithmetic on class masks.

   In: `GridMasks` and the state before. Out: the starts of pieces, by two sets of rules:

       coder    [\r\n]   \s?\p{L}+   \s?\p{P}+   [the CJK class]+   each \p{N}                      (Coder 33B)
       llm      the same with lists of letters and of punctuation, and \s+$ after these two (LLM, Coder 7B v1.5, V2, VL)

   "ab\n7" is "ab", "\n", "7": a newline is a piece by itself, and so is a number. A run of one kind is a piece: letters
   or punctuation, with the blank that leads them; characters of the CJK class; a *gap*. No Split takes a gap: it is
   blanks that lead nothing, and others, such as the + of Coder, or Hebrew in LLM.
   A later Split also cuts the pieces of an earlier one. Coder's \s?\p{L}+ takes " \u4e2d\u6587a" whole, and then the
   CJK class cuts it: " ", "\u4e2d\u6587", "a". LLM's punctuation, [!-/:-~...], holds the ASCII letters, so it cuts
   words where these end: "caf\u00e9" is "caf", "\u00e9".
   One rule of llm looks to the right: \s+$ takes the blanks at the end of a gap, but only if an earlier Split has ended
   the gap: at a newline, at a letter or punctuation with its blank, or at the end of the text. If others stand before
   the blanks in the gap, the blanks then start a piece: with "\x01" for the others, "\x01  " is "\x01", "  ". If a
   number or the CJK class ends the gap they start none, since these Splits come later: "\x01  7" is "\x01  ", "7".
   Not settled here: blanks that are also of the CJK class or of LLM's punctuation, such as U+3000; letters beyond ASCII
   that are of this punctuation, such as those of full width. */
#ifndef DSTOK_RUNS_H
#define DSTOK_RUNS_H

#include "split/rules.h"

/* The begins of runs of `kind`. `before` is 1 if the block's first byte continues a run. */
GRID_INLINE uint64_t runs_begin(uint64_t kind, uint64_t before) {
    return kind & ~(kind << 1 | before);
}

/* The `blanks` right after others, at the end of a gap, as the first bit of each run. With "\x01" for the others:
 *
 *     "\x01  \n\x01 7"   others      1 0 0 0 1 0 0
 *                        blanks      0 1 1 0 0 1 0
 *                        closed      0 0 0 1 0 0 0     these bits end a gap
 *                        returned    0 1 0 0 0 0 0     "\x01", "  ", "\n", "\x01 ", "7"
 *
 * If the block does not show the end of such blanks, it becomes smaller, so that it ends before them. */
GRID_INLINE uint64_t runs_last_blanks(const GridText *x, GridMasks *m, uint64_t blanks, uint64_t after_other,
                                      uint64_t closed) {
    uint64_t found = 0;
    for (uint64_t left = blanks & after_other; left; left &= left - 1) {
        uint64_t one = left & -left, end = (blanks + one) & ~blanks & x->text;
        if (end ? (end & closed) != 0 : !x->more)
            found |= one;
        if (!end && x->more)
            grid_until(m, one);
    }
    return found;
}

/* Returns the bytes decided, or 0. */
GRID_INLINE int runs_block(int rules, const GridText *x, GridMasks *m, GridState *s, GridStarts *found) {
    uint64_t undecided = grid_undecided(m->rare & -m->rare, m->blank);
    if (__builtin_expect(undecided & 1, 0))
        return 0;
    grid_until(m, undecided);

    /* "ab  c+ (": the second blank leads the c, the third the parenthesis; the first is a gap, and the + of Coder is one.
     *
     *     letter    1 1 0 0 1 0 0 0
     *     lead      0 0 0 1 0 0 1 0
     *     gap       0 0 1 0 0 1 0 0
     *     starts    1 0 1 1 0 1 1 0     "ab", " ", " c", "+", " ("
     */
    uint64_t lead = grid_leading_blanks(m, m->letter | m->punct), wide = lead & m->leads;
    uint64_t leading = lead | wide << 1 | (wide & m->three) << 2 | (wide & m->four) << 3; /* all of their bytes */
    uint64_t others = x->text & ~(m->letter | m->punct | m->cjk | m->number | m->newline | m->blank);
    uint64_t blanks = m->blank & ~leading, gap = blanks | others;
    uint64_t starts = lead | runs_begin(gap, s->gap) | m->newline | (m->number & ~m->trail);

    /* Letters and punctuation, unless a blank leads them; inside them each edge of the CJK class; characters of that
     * class that are neither. */
    uint64_t letters_before = m->letter << 1 | s->letter, edge = m->cjk ^ (m->cjk << 1 | s->cjk);
    uint64_t run = runs_begin(m->letter, s->letter) | runs_begin(m->punct, s->punct);
    starts |= (run & ~(m->blank << 1 | s->blank)) | ((m->letter | m->punct) & edge);
    starts |= runs_begin(m->cjk & ~m->letter & ~m->punct, s->cjk & ~s->letter & ~s->punct);
    if (rules == RULES_LLM) {
        starts |= m->letter & letters_before & (m->ascii ^ (m->ascii << 1 | s->ascii));
        starts |= runs_last_blanks(x, m, blanks, others << 1 | (s->gap & ~s->blank), lead | m->newline);
        if (!m->size)
            return 0;
    }
    uint64_t inside = (m->letter & letters_before) | (m->cjk & (m->cjk << 1 | s->cjk));
    found->starts = (starts | (m->cuts & inside)) & ((1ull << m->size) - 1);
    found->anchors = found->starts;
    int end = m->size - 1;
    s->letter = LAST(m->letter);
    s->punct = LAST(m->punct);
    s->cjk = LAST(m->cjk);
    s->blank = LAST(m->blank);
    s->gap = LAST(gap);
    s->ascii = rules == RULES_LLM && LAST(m->ascii);
    s->before = m->last;
    return m->size;
}

/* The words of soft cuts: any of blanks, then punctuation, then letters; blanks before a number; newlines with blanks or
 * punctuation before them. It decides everything: "to  be, (or\n" is "to", "  be", ",", " (or", "\n". The anchors are the
 * borders that most vocabularies have a token across: beside a character beyond ASCII, and after a newline. */
GRID_INLINE int soft_block(const GridMasks *m, GridState *s, GridStarts *found) {
    uint64_t open = m->wide | m->newline, blanks = m->blank << 1 | s->blank, puncts = blanks | m->punct << 1 | s->punct;
    uint64_t starts = runs_begin(m->letter, s->letter) & ~puncts;
    starts |= runs_begin(m->newline, s->newline) & ~puncts;
    starts |= (runs_begin(m->number, s->number) | m->blank) & ~blanks;
    starts |= m->punct & ~puncts;
    found->starts = starts & ((1ull << m->size) - 1);
    found->anchors = found->starts & (m->wide | open << 1 | s->gap);
    grid_carry(m, s, m->blank | m->newline, starts);
    s->gap = open >> (m->size - 1) & 1;
    return m->size;
}

#endif
