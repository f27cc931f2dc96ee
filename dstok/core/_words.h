/* The rules of words: the one pattern of Llama 3 and its kin, as arithmetic on class masks.

   In: `GridMasks` and the state before. Out: the starts of pieces; by three sets of rules,

       ones     (?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+
                (Qwen; Qwen 3.5 with combining marks among the letters)
       threes   the same with \p{N}{1,3} (Llama 3, GLM)
       cased    letters split before a capital, 's and the like behind a word, / behind a mark's newlines (MiniMax, o200k)

   Which automata these are, kernels.py says; tests hold them against it as V3's (tests/test_kernel.py). "Mark" is
   whatever is no letter, number or white space. Not settled here, but left to the automaton: numbers beyond ASCII
   in threes; what is beyond ASCII of the classes of the space, newlines, the quote, the slash and the letters named (the
   long s, U+017F, which (?i:'s) takes); a capital behind a letter of no case, a combining mark behind another mark in
   cased words. */
#ifndef DSTOK_WORDS_H
#define DSTOK_WORDS_H

#include "_rules.h"

/* Does upstream's pattern name this letter in 's, 't and so on, in any case? Such letters have classes of their own. */
static inline int words_named(int b) {
    return strchr("delmrstv", b | 0x20) != NULL;
}

/* What an ASCII character is. */
static uint8_t words_kind(int rules, int b) {
    int small = b | 0x20;
    if (small >= 'a' && small <= 'z')
        return A_LETTER | (strchr("stmd", small) ? A_BRIEF : 0) | (rules == RULES_CASED && b != small ? A_UPPER : 0);
    if (b >= '0' && b <= '9')
        return A_NUMBER;
    if (b == '\n' || b == '\r')
        return A_NEWLINE;
    if (b == ' ' || (b >= '\t' && b <= '\r'))
        return A_BLANK;
    return b == '\'' ? A_MARK | A_QUOTE : A_MARK;
}

/* What no two classes share: characters with equal ones are of one class. */
static int words_class(int rules, int b) {
    int kind = words_kind(rules, b);
    if (kind & A_LETTER && words_named(b))
        return rules == RULES_CASED ? b : b | 0x20;
    return b == ' ' || (b == '/' && rules == RULES_CASED) ? b : kind << 8;
}

/* The flags of the class of the ASCII character `b`, for its other characters. Where the rules look at one character, the
 * space, the quote or a letter named, others of its class are rare: the long s is one, and a pattern of the same
 * automaton may have more, such as [\r\n\u2028] or ['\u2019]. */
static uint8_t words_flags(int rules, int b) {
    int kind = words_kind(rules, b);
    if (kind & (A_NEWLINE | A_QUOTE) || b == ' ' || (kind & A_LETTER && words_named(b)) || (b == '/' && rules == RULES_CASED))
        return F_RARE;
    if (kind & A_LETTER)
        return F_LETTER | (kind & A_UPPER ? F_MARK : 0);
    if (kind & A_NUMBER)
        return F_NUMBER | (rules == RULES_ONES ? 0 : F_RARE);
    return kind & A_MARK ? F_MARK : F_BLANK;
}

/* Fills `ascii` and `kinds` for a set of rules. `classes` are those of the ASCII characters, numbered in the order in
 * which they come; 0 if they are not the ones that the rules are for. */
static int words_open(KernelTables *t, int rules, const uint8_t *classes) {
    int count = 0;
    for (int b = 0; b < 128; b++) {
        int class = -1;
        for (int before = 0; before < b && class < 0; before++)
            if (words_class(rules, before) == words_class(rules, b))
                class = classes[before];
        if (classes[b] != (class < 0 ? count++ : class))
            return 0;
        t->ascii[b] = words_kind(rules, b);
        t->kinds[classes[b]] = words_flags(rules, b);
    }
    /* The classes without ASCII: of letters; in cased words the second has combining marks. */
    for (int class = count; class < 256; class++)
        t->kinds[class] = rules != RULES_CASED ? F_LETTER : class == count ? F_LETTER | F_BLANK : F_LETTER | F_BLANK | F_MARK;
    return 1;
}

#ifdef DSTOK_X86

/* The bit behind each character whose first byte is one of `first`. */
GRID_INLINE uint64_t words_behind(const GridMasks *m, uint64_t first) {
    uint64_t wide = first & m->leads;
    return (first ^ wide) << 1 | (wide & ~m->three) << 2 | (wide & m->three & ~m->four) << 3 | (wide & m->four) << 4;
}

/* Where what is undecided before `bit` begins: white space right before it, which it may be part of, from its start. */
GRID_INLINE uint64_t words_undecided(uint64_t bit, uint64_t white) {
    uint64_t below = bit - 1, run = white & ~(white << 1) & below;
    return bit && white & bit >> 1 ? 1ull << (63 - __builtin_clzll(run)) : bit;
}

/* Makes the block smaller, so that `bit`, if there is one, comes first in the next. */
GRID_INLINE void words_until(GridMasks *m, uint64_t bit) {
    if (__builtin_expect(bit != 0, 0) && __builtin_ctzll(bit) < m->size) {
        m->size = __builtin_ctzll(bit);
        m->last = 0;
    }
}

/* Returns the bytes decided, or 0. */
GRID_INLINE int words_block(int rules, const uint8_t *p, const uint8_t *stop, int final, uint64_t text, GridMasks *m,
                            GridState *s, uint64_t *starts) {
    const int cased = rules == RULES_CASED;
    uint64_t letters_before = m->letter << 1 | s->letter, slash = cased ? m->slash : 0;

    /* Marks: a run starts a piece, at the space before it if there is one. Newlines right behind belong to it; in cased
     * words slashes behind those, too, which are no marks then. */
    uint64_t glued = (m->newline & (m->mark << 1 | s->glue)) | (slash & s->absorbed);
    uint64_t chain = m->newline | slash;
    uint64_t absorbed = (chain & ~(chain + glued)) | glued;
    if (cased)
        m->mark &= ~absorbed;

    /* 's and the like: behind a word in cased words, else where the quote starts a piece. */
    uint64_t mark_start = m->mark & ~(m->mark << 1 | s->mark) & ~(m->space << 1 | s->space);
    uint64_t quote = m->quote & (cased ? letters_before & ~s->suffix : mark_start);
    uint64_t brief = quote << 1 & m->brief;
    uint64_t longer = (quote << 1 & m->r_or_v) << 1 & m->e | (quote << 1 & m->l) << 1 & m->l;
    uint64_t suffix = brief << 1 | longer << 1, inside = 0;
    if (cased) {
        uint64_t suffixed = brief >> 1 | longer >> 2;
        inside = suffixed | brief | longer | longer >> 1;
        m->rare |= (m->rare >> 1 | m->rare >> 2) & m->quote; /* perhaps a suffix: it is settled with the quote */
        m->rare |= (brief & suffixed >> 1) >> 1 | (longer & suffixed >> 1) >> 2; /* I'd've: a suffix behind a suffix */
        m->rare |= m->combining & (m->mark << 1 | s->mark);
        m->rare |= m->upper & (m->both << 1 | s->both);
        m->mark &= ~suffixed;
        mark_start = m->mark & ~(m->mark << 1 | s->mark) & ~(m->space << 1 | s->space);
    }
    uint64_t white = (m->blank | m->newline) & ~absorbed, white_start;
    uint64_t undecided = words_undecided(m->rare & -m->rare, white);
    if (undecided & 1)
        return 0;
    words_until(m, undecided);
    if (!~text)
        words_until(m, quote & ~0ull << 61);

    /* Letters: a run starts a piece, unless a blank or a mark before it leads it; so does what follows a suffix. */
    uint64_t leader = words_behind(m, mark_start);
    uint64_t letter_start = m->letter & ~letters_before & ~(m->blank << 1 | s->blank) & ~(leader | s->leader);
    if (cased)
        letter_start |= m->upper & (m->lower << 1 | s->lower);
    letter_start = (letter_start & ~inside) | suffix | s->suffix;

    uint64_t number_start = rules == RULES_ONES ? m->number & ~m->trail : grid_threes(m->number, s);
    if (!grid_white(p, stop, final, m, s, white, text & ~(m->blank | m->newline), &white_start))
        return 0;

    *starts = (mark_start | letter_start | number_start | white_start | m->cuts) & ((1ull << m->size) - 1);
    int end = m->size - 1;
    s->glue = LAST(m->mark | absorbed);
    s->leader = leader >> m->size & 1;
    s->suffix = suffix >> m->size & 1;
    if (cased) {
        s->lower = LAST(m->lower);
        s->both = LAST(m->both);
        s->absorbed = LAST(absorbed);
    }
    grid_carry(m, s, white, number_start);
    return m->size;
}

#endif
#endif
