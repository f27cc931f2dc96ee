/* The rules of words: the patterns of V3, Qwen, Llama 3, GPT-2 and their kin, as arithmetic on class masks.

   In: `GridMasks` and the state before. Out: the starts of pieces, by a row of fields (`ROWS` in kernel.h; docs/rules.md has
   the rows and the families). THREES is:

       (?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+

   A field changes one of its parts. "a12 345" is "a", "12", " ", "345" by THREES, and "a", "1", "2", " ", "3", "4", "5" with
   digits 1, "a", "12", " 345" with digits 0. At the end of a text "a  \n  " is "a", "  \n", "  ", and "a", "  \n  " with
   `ends`.

   compiled/kernel_selection.py finds out which automata a row stands for. Punctuation is any character but letters, numbers and
   white space; with LEAD_BLANK \p{P} and \p{S}. Left to the automaton:
   - where digits are counted, numbers beyond ASCII;
   - characters beyond ASCII in the class of the space, of the newlines, of the quote, of the slash, or of one of the
     letters named above: (?i:'s) also takes the long s, U+017F;
   - in cased words, a capital after a letter of no case, and a combining mark after punctuation;
   - with SUFFIX_WORD, a suffix after a suffix: "I'd've" is "I'd", "'ve". */
#ifndef DSTOK_WORDS_H
#define DSTOK_WORDS_H

#include "split/rules.h"

/* The bit after each character whose first byte is in `first`: for a character of two bytes at 4 it is bit 6. */
GRID_INLINE uint64_t words_after(const GridMasks *m, uint64_t first) {
    uint64_t wide = first & m->leads;
    return (first ^ wide) << 1 | (wide & ~m->three) << 2 | (wide & m->three & ~m->four) << 3 | (wide & m->four) << 4;
}

/* Returns the bytes decided, or 0. */
GRID_INLINE int words_block(int rules, const GridText *x, GridMasks *m, GridState *s, GridStarts *found) {
    const Rules *row = &ROWS[rules], *own = &ROWS[x->rules];
    const uint64_t lone = row->newlines == NEWLINES_ALONE ? m->newline : 0;
    if (row->newlines < NEWLINES_LAST) {
        m->blank |= m->newline;
        m->newline = 0;
    }
    /* edge: where the CJK class, or its letters of no case (to Youtu, Korean), begin or end, twice in "ab\u4e2d\u6587cd". Where
     * it begins is a start, whatever stands before: so the starts of letters and punctuation need not tell it apart. */
    const uint64_t caseless = row->cased ? m->caseless : 0, caseless_before = row->cased ? caseless << 1 | s->caseless : 0;
    const uint64_t cjk = row->cjk ? m->cjk : 0, cjk_before = row->cjk ? cjk << 1 | s->cjk : 0;
    const uint64_t edge = (cjk ^ cjk_before) | (cjk & (caseless ^ caseless_before));
    const uint64_t first = row->cjk == CJK_FIRST ? cjk : 0, first_before = row->cjk == CJK_FIRST ? cjk_before : 0;
    uint64_t letters_before = m->letter << 1 | s->letter, slash = row->tail == TAIL_SLASHES ? m->slash : 0;

    /* Punctuation: a run starts a piece, at the space before it if there is one. Newlines right after belong to it. With
     * TAIL_SLASHES slashes after those belong to it too, and are no punctuation then: "!\n/a" is "!\n/" and "a".
     *
     *     "a !?\n\nb"   punct        0 0 1 1 0 0 0
     *                   punct_run    0 0 1 0 0 0 0
     *                   punct_start  0 0 0 0 0 0 0     a space before it starts the piece: see grid_white
     *                   absorbed     0 0 0 0 1 1 0     no longer white space
     *                   starts       1 1 0 0 0 0 1     "a", " !?\n\n", "b"
     *
     * absorbed: adding the first newline to the run carries over all of it; the changed bits are the run. */
    uint64_t chain = own->tail ? m->newline | slash : 0;
    uint64_t glued = (m->newline & chain & ((m->punct & ~cjk) << 1 | s->glue)) | (slash & s->absorbed);
    uint64_t absorbed = chain & ~(chain + glued);
    if (row->tail == TAIL_SLASHES) {
        absorbed |= glued;
        m->punct &= ~absorbed;
    }
    uint64_t punct_run = m->punct & (~(m->punct << 1 | s->punct) | edge);
    uint64_t punct_start = punct_run & ~(m->space << 1 | s->space);

    /* 's and the like: after a word (SUFFIX_WORD), nowhere, or else where the quote starts a piece.
     *
     *     "it'sx"   letter       1 1 0 1 1
     *               quote        0 0 1 0 0
     *               brief        0 0 0 1 0     the s after it
     *               suffix       0 0 0 0 1     the character after the suffix starts a piece
     *               starts       1 0 1 0 1     "it", "'s", "x"; after a word 1 0 0 0 1: "it's", "x"
     *
     * longer is the same for re, ve and ll: the bit of the second letter. */
    uint64_t quote = 0, suffix = 0, inside = 0;
    if (row->suffix) {
        quote = row->suffix == SUFFIX_WORD ? letters_before & ~first_before & ~s->suffix : punct_start;
        quote &= own->suffix ? m->quote : 0;
        uint64_t brief = quote << 1 & m->brief;
        uint64_t longer = ((quote << 1 & m->r_or_v) << 1 & m->e) | ((quote << 1 & m->l) << 1 & m->l);
        suffix = brief << 1 | longer << 1;
        inside = row->lead == LEAD_SPACE ? brief | longer >> 1 : 0;
        if (row->suffix == SUFFIX_WORD) {
            uint64_t suffixed = brief >> 1 | longer >> 2;
            inside = suffixed | brief | longer | longer >> 1;
            m->rare |= (m->rare >> 1 | m->rare >> 2) & m->quote; /* perhaps a suffix: it is settled with the quote */
            m->rare |= (brief & suffixed >> 1) >> 1 | (longer & suffixed >> 1) >> 2; /* I'd've: a suffix after a suffix */
            m->punct &= ~suffixed;
            punct_start = m->punct & (~(m->punct << 1 | s->punct) | edge) & ~(m->space << 1 | s->space);
        }
    }
    if (row->cased) {
        m->rare |= m->combining & (m->punct << 1 | s->punct); /* "!\u0301" */
        m->rare |= m->upper & caseless_before & ~edge; /* "\u4e2dA" */
    }
    uint64_t white = (m->blank | m->newline) & ~absorbed, white_start;
    uint64_t undecided = grid_undecided(m->rare & -m->rare, white);
    if (__builtin_expect(undecided & 1, 0))
        return 0;
    grid_until(m, undecided);
    if (row->suffix) {
        if (x->more)
            grid_until(m, quote & ~(x->text >> 3));
        if (!m->size)
            return 0;
    }

    /* Letters: a run starts a piece, unless a blank or punctuation before it leads it; so do letters after a suffix.
     * "a (b" is "a", " (", "b"; "a(b" is "a", "(b"; with LEAD_BLANK "ab cd!ef" is "ab", " cd", "!ef". In cased words "aBc"
     * is "a", "Bc".
     * LEAD_BLANK: ASCII punctuation that starts a piece takes the ASCII letters right after it, and no others: "!ab" is
     * one piece, "!a\u00e9" two, "!a" and "\u00e9", whose start is `beyond`. In "?!ab" the ! starts no piece and takes
     * nothing. Other punctuation takes none either: the bit after its first byte belongs to its own second byte, which
     * is no letter. */
    uint64_t led = row->lead == LEAD_SPACE ? m->space << 1 | s->space : (m->blank & ~lone) << 1 | s->blank;
    uint64_t leader = 0, taken = 0, rest = 0, beyond = 0;
    if (row->lead == LEAD_ANY) {
        leader = words_after(m, punct_start & ~first);
        taken = leader | s->leader;
    }
    if (row->lead == LEAD_BLANK) {
        taken = (punct_start << 1 | s->leader) & m->ascii;
        rest = m->ascii + taken; /* 0 where ASCII letters are taken, 1 right after them */
        beyond = (rest | s->leader) & ~m->ascii & m->letter;
    }
    uint64_t letter_start = (m->letter & (~letters_before | edge) & ~led & ~taken) | beyond;
    if (row->cased)
        letter_start |= m->upper & (m->lower << 1 | s->lower);
    if (row->suffix)
        letter_start = (letter_start & ~inside) | suffix | s->suffix;

    uint64_t number_start = row->digits > 1 ? grid_groups(own->digits, m->number, s)
                            : own->digits   ? m->number & ~m->trail
                                            : m->number & ~(m->number << 1 | s->number) & ~led;
    uint64_t after_blanks = own->first ? m->letter | m->punct : x->text & ~(m->blank | m->newline);
    if (!grid_white(x, m, s, white, after_blanks & ~(first | m->line), &white_start))
        return 0;

    /* NEWLINES_ALONE: " \n\nb" is " \n", "\n", "b", but "\n\n b" is "\n", "\n", " b". Nothing has a tail, so s->glue is free. */
    uint64_t begun = lone & ~(white << 1 | (s->white & ~s->glue)), apart = lone & ~(lone + begun);
    white_start |= apart | (white & (apart << 1 | (row->newlines == NEWLINES_ALONE ? s->glue : 0)));

    uint64_t decided = (1ull << m->size) - 1, cuts = m->cuts & m->letter & letters_before;
    if (row->cjk == CJK_RUN)
        cuts |= m->cuts & cjk & cjk_before;
    found->anchors = punct_start | letter_start | number_start | white_start | (cjk & edge);
    found->anchors |= m->line & ~(m->line << 1 | s->absorbed);
    found->starts = (found->anchors | cuts) & decided;
    found->anchors = row->cased ? found->anchors & decided : found->starts;
    int end = m->size - 1;
    s->glue = row->newlines == NEWLINES_ALONE ? LAST(apart)
              : LAST((m->punct & ~cjk) | absorbed);
    s->leader = row->lead == LEAD_BLANK ? LAST(punct_start | (m->ascii & ~rest)) : leader >> m->size & 1;
    if (row->suffix)
        s->suffix = suffix >> m->size & 1;
    if (row->cjk)
        s->cjk = LAST(cjk);
    if (row->cased) {
        s->lower = LAST(m->lower);
        s->caseless = LAST(caseless);
    }
    s->absorbed = LAST(row->tail == TAIL_SLASHES ? absorbed : m->line);
    grid_carry(m, s, white, row->digits > 1 ? number_start : m->number); /* digits: 1 where none are counted */
    if (row->newlines == NEWLINES_ALONE)
        s->blank &= ~LAST(lone);
    return m->size;
}

#endif
