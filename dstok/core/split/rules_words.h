/* The rules of words: the one pattern of Llama 3 and its kin, as arithmetic on class masks.

   In: `GridMasks` and the state before. Out: the starts of pieces, by six sets of rules:

       ones     (?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+
                (Qwen; Qwen 3.5 with combining marks among the letters)
       threes   the same with \p{N}{1,3} (Llama 3, GLM)
       cased    letters split before a capital, 's and the like after a word, / after the newlines of punctuation
                (MiniMax, o200k)
       tekken   as cased, without 's and the like, and with \p{N} (Mistral Nemo)
       cl100k   as threes; white space at the end of the text is one piece: \s++$ before \s*[\r\n]
       gpt2     's|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+
                (only a space leads; newlines are blanks like others)

   They differ in "a12 345": it is "a", "1", "2", " ", "3", "4", "5" by ones and tekken, "a", "12", " ", "345" by threes,
   and "a", "12", " 345" by gpt2. At the end of a text "a  \n  " is "a", "  \n", "  " by threes, and "a", "  \n  " by
   cl100k. "Cased words" are those of cased and of tekken.

   compiled/kernel_selection.py finds out which automata they stand for. Punctuation is any character but letters, numbers and
   white space. Left to the automaton:
   - in threes, numbers beyond ASCII;
   - characters beyond ASCII in the class of the space, of the newlines, of the quote, of the slash, or of one of the
     letters named above: (?i:'s) also takes the long s, U+017F;
   - in cased words, a capital after a letter of no case, and a combining mark after punctuation;
   - in cased, a suffix after a suffix: "I'd've" is "I'd", "'ve". */
#ifndef DSTOK_WORDS_H
#define DSTOK_WORDS_H

#include "split/rules_v3.h"

/* The bit after each character whose first byte is in `first`: for a character of two bytes at 4 it is bit 6. */
GRID_INLINE uint64_t words_after(const GridMasks *m, uint64_t first) {
    uint64_t wide = first & m->leads;
    return (first ^ wide) << 1 | (wide & ~m->three) << 2 | (wide & m->three & ~m->four) << 3 | (wide & m->four) << 4;
}

/* Returns the bytes decided, or 0. */
GRID_INLINE int words_block(int rules, const GridText *x, GridMasks *m, GridState *s, GridStarts *found) {
    const int cased = rules_of_cased(rules), gpt2 = rules == RULES_GPT2;
    const int ones = rules == RULES_ONES || rules == RULES_TEKKEN;
    if (gpt2) {
        m->blank |= m->newline;
        m->newline = 0;
    }
    uint64_t letters_before = m->letter << 1 | s->letter, slash = cased ? m->slash : 0;

    /* Punctuation: a run starts a piece, at the space before it if there is one. Newlines right after belong to it. In
     * cased words slashes after those belong to it too, and are no punctuation then: "!\n/a" is "!\n/" and "a". */
    uint64_t glued = (m->newline & (m->punct << 1 | s->glue)) | (slash & s->absorbed);
    uint64_t chain = m->newline | slash;
    uint64_t absorbed = (chain & ~(chain + glued)) | glued;
    if (cased)
        m->punct &= ~absorbed;

    /* 's and the like: after a word in cased, nowhere in tekken, else where the quote starts a piece.
     *
     *     "it'sx"   letter       1 1 0 1 1
     *               quote        0 0 1 0 0
     *               brief        0 0 0 1 0     the s after it
     *               suffix       0 0 0 0 1     the character after the suffix starts a piece
     *               starts       1 0 1 0 1     "it", "'s", "x"; in cased 1 0 0 0 1: "it's", "x"
     *
     * longer is the same for re, ve and ll: the bit of the second letter. */
    uint64_t punct_start = m->punct & ~(m->punct << 1 | s->punct) & ~(m->space << 1 | s->space);
    uint64_t quote = m->quote & (cased ? letters_before & ~s->suffix : punct_start);
    uint64_t brief = quote << 1 & m->brief;
    uint64_t longer = ((quote << 1 & m->r_or_v) << 1 & m->e) | ((quote << 1 & m->l) << 1 & m->l);
    uint64_t suffix = brief << 1 | longer << 1, inside = gpt2 ? brief | longer >> 1 : 0;
    if (cased) {
        uint64_t suffixed = brief >> 1 | longer >> 2;
        inside = suffixed | brief | longer | longer >> 1;
        m->rare |= (m->rare >> 1 | m->rare >> 2) & m->quote; /* perhaps a suffix: it is settled with the quote */
        m->rare |= (brief & suffixed >> 1) >> 1 | (longer & suffixed >> 1) >> 2; /* I'd've: a suffix after a suffix */
        m->rare |= m->combining & (m->punct << 1 | s->punct); /* "!\u0301" */
        m->rare |= m->upper & (m->caseless << 1 | s->caseless); /* "\u4e2dA" */
        m->punct &= ~suffixed;
        punct_start = m->punct & ~(m->punct << 1 | s->punct) & ~(m->space << 1 | s->space);
    }
    uint64_t white = (m->blank | m->newline) & ~absorbed, white_start;
    uint64_t undecided = grid_undecided(m->rare & -m->rare, white);
    if (undecided & 1)
        return 0;
    grid_until(m, undecided);
    if (x->more)
        grid_until(m, quote & ~(x->text >> 3));
    if (!m->size)
        return 0;

    /* Letters: a run starts a piece, unless a blank or punctuation before it leads it; so do letters after a suffix.
     * "a (b" is "a", " (", "b"; "a(b" is "a", "(b". In cased words "aBc" is "a", "Bc". */
    uint64_t led = gpt2 ? m->space << 1 | s->space : m->blank << 1 | s->blank;
    uint64_t leader = gpt2 ? 0 : words_after(m, punct_start);
    uint64_t letter_start = m->letter & ~letters_before & ~led & ~(leader | s->leader);
    if (cased)
        letter_start |= m->upper & (m->lower << 1 | s->lower);
    letter_start = (letter_start & ~inside) | suffix | s->suffix;

    uint64_t number_start = gpt2   ? m->number & ~(m->number << 1 | s->number) & ~led
                            : ones ? m->number & ~m->trail
                                   : grid_threes(m->number, s);
    if (!grid_white(x, m, s, white, x->text & ~(m->blank | m->newline), &white_start))
        return 0;

    uint64_t decided = (1ull << m->size) - 1;
    found->anchors = (punct_start | letter_start | number_start | white_start) & decided;
    found->starts = found->anchors | (m->cuts & m->letter & letters_before & decided);
    if (!cased)
        found->anchors = found->starts;
    int end = m->size - 1;
    s->glue = LAST(m->punct | absorbed);
    s->leader = leader >> m->size & 1;
    s->suffix = suffix >> m->size & 1;
    if (cased) {
        s->lower = LAST(m->lower);
        s->caseless = LAST(m->caseless);
        s->absorbed = LAST(absorbed);
    }
    grid_carry(m, s, white, gpt2 || ones ? m->number : number_start); /* digits: 1 where none are counted */
    return m->size;
}

#endif
