/* What the grid kernel reads of a model: what each character is to a set of rules, and the safe cuts.

   In: the classes of the loaded automaton. Out: `KernelTables`.
   Invariant: every class of the automaton is covered, once, here. An ASCII character is what `ascii` says, and the tables
   are filled only if its class is the one that the rules mean by that; any other character is what its class is in
   `kinds`, and what the rules do not know there is F_RARE, which goes to the automaton. So a pattern of a known automaton
   with other sets gets the kernel only as far as its masks hold (kernel_open). */
#ifndef DSTOK_KERNEL_H
#define DSTOK_KERNEL_H

#include <stdint.h>
#include <string.h>

enum { /* class numbers of V3's automaton */
    C_OTHER = 0, C_BLANK = 1, C_NEWLINE = 2, C_SPACE = 3, C_MARK_ASCII = 4, C_NUMBER = 5, C_LETTER_ASCII = 6,
    C_MARK = 7, C_LETTER = 8, C_COMBINING = 9, C_K_OTHER = 10, C_K_LETTER = 11, C_K_COMBINING = 12, C_K_MARK = 13,
};

/* Which automaton the masks are for: V3's (_rules.h), or those of _words.h. */
enum { RULES_NONE = 0, RULES_V3 = 1, RULES_ONES = 2, RULES_THREES = 3, RULES_CASED = 4 };

enum { GRID_RANGES = 2 }; /* of pages that hold one kind of character, three bytes each: ideographs, Hangul */

typedef struct {
    const uint8_t *pages;          /* as the scanner's tables */
    const uint16_t *page_numbers;
    const uint8_t *joined;         /* the safe cuts' bitmap, or NULL */
    const uint8_t *flags;          /* F_ flags of the code points below 0x10000, and 4 bytes to spare */
    uint8_t ascii[128];            /* A_ bits */
    uint8_t page_flags[256];       /* the flags of all code points of a page, or F_MIXED if they differ */
    uint8_t lead_flags[32];        /* the flags of all characters of two bytes with a lead byte, from C0 on, or F_MIXED */
    uint8_t range_first[GRID_RANGES], range_size[GRID_RANGES], range_flags[GRID_RANGES]; /* of pages; flags 0: none */
    uint8_t kinds[256];            /* the flags of a class's characters that are not ASCII */
    int rules;
} KernelTables;

/* Of a character that is not ASCII. F_K: V3's CJK class; for the rules of words the same bit says that the character
 * may be cut before, F_CUTTABLE that it may be cut behind. In cased words F_LETTER with F_MARK is a capital, with
 * F_BLANK a letter of no case, with both a combining mark. */
enum { F_LETTER = 1, F_MARK = 2, F_K = 4, F_CUT_BEFORE = 4, F_BLANK = 8, F_CUTTABLE = 16, F_RARE = 32, F_NUMBER = 64,
       F_MIXED = 128 };

/* Of an ASCII character. A_BRIEF: a letter that is one with a quote before it. A character with none of them is rare. */
enum { A_LETTER = 1, A_MARK = 2, A_QUOTE = 4, A_BLANK = 8, A_NEWLINE = 16, A_BRIEF = 32, A_NUMBER = 64, A_UPPER = 128 };

/* Safe cuts: the bit of a pair of characters, in 32-bit arithmetic so that sixteen fit in a register. */
#define CUT_LEFT 0x9E3779B1u
#define CUT_RIGHT 0x85EBCA6Bu
#define CUT_BITS 20

static inline uint32_t kernel_joined_bit(uint32_t left, uint32_t right) {
    return (left * CUT_LEFT + right * CUT_RIGHT) >> (32 - CUT_BITS);
}

static inline int kernel_may_cut(const uint8_t *joined, uint32_t left, uint32_t right) {
    uint32_t bit = kernel_joined_bit(left, right);
    return !(joined[bit >> 3] >> (bit & 7) & 1);
}

/* Does a pattern of words name this letter in 's, 't and so on, in any case? Such letters have classes of their own. */
static inline int words_named(int b) {
    return strchr("delmrstv", b | 0x20) != NULL;
}

/* What an ASCII character is to a set of rules. */
static uint8_t kernel_kind(int rules, int b) {
    int small = b | 0x20, words = rules != RULES_V3;
    if (small >= 'a' && small <= 'z')
        return A_LETTER | (words && strchr("stmd", small) ? A_BRIEF : 0) |
               (rules == RULES_CASED && b != small ? A_UPPER : 0);
    if (b >= '0' && b <= '9')
        return A_NUMBER;
    if (b == '\n' || b == '\r')
        return A_NEWLINE;
    if (b == ' ' || (b >= '\t' && b <= '\r'))
        return A_BLANK;
    if (b == '\'' && words)
        return A_MARK | A_QUOTE;
    return words || (b > ' ' && b < 0x7F) ? A_MARK : 0;
}

/* Rules of words: what no two classes share; characters with equal ones are of one class. */
static int words_class(int rules, int b) {
    int kind = kernel_kind(rules, b);
    if (kind & A_LETTER && words_named(b))
        return rules == RULES_CASED ? b : b | 0x20;
    return b == ' ' || (b == '/' && rules == RULES_CASED) ? b : kind << 8;
}

/* Rules of words: the flags of the class of the ASCII character `b`, for its other characters. Where the rules look at one
 * character, the space, the quote or a letter named, others of its class are rare: the long s is one, and a pattern of the
 * same automaton may have more, such as [\r\n\u2028] or ['\u2019]. */
static uint8_t words_flags(int rules, int b) {
    int kind = kernel_kind(rules, b);
    if (kind & (A_NEWLINE | A_QUOTE) || b == ' ' || (kind & A_LETTER && words_named(b)) || (b == '/' && rules == RULES_CASED))
        return F_RARE;
    if (kind & A_LETTER)
        return F_LETTER | (kind & A_UPPER ? F_MARK : 0);
    if (kind & A_NUMBER)
        return F_NUMBER | (rules == RULES_ONES ? 0 : F_RARE);
    return kind & A_MARK ? F_MARK : F_BLANK;
}

/* `classes` are those of the ASCII characters, numbered in the order in which they come; 0 if they are not the ones that
 * the rules are for. */
static int words_open(KernelTables *t, int rules, const uint8_t *classes) {
    int count = 0;
    for (int b = 0; b < 128; b++) {
        int class = -1;
        for (int before = 0; before < b && class < 0; before++)
            if (words_class(rules, before) == words_class(rules, b))
                class = classes[before];
        if (classes[b] != (class < 0 ? count++ : class))
            return 0;
        t->kinds[classes[b]] = words_flags(rules, b);
    }
    /* The classes without ASCII: of letters; in cased words the second has combining marks. */
    for (int class = count; class < 256; class++)
        t->kinds[class] = rules != RULES_CASED ? F_LETTER : class == count ? F_LETTER | F_BLANK : F_LETTER | F_BLANK | F_MARK;
    return 1;
}

/* V3: the class that an ASCII character must have. */
static int v3_class(int b) {
    switch (kernel_kind(RULES_V3, b)) {
    case A_LETTER: return C_LETTER_ASCII;
    case A_NUMBER: return C_NUMBER;
    case A_NEWLINE: return C_NEWLINE;
    case A_BLANK: return b == ' ' ? C_SPACE : C_BLANK;
    case A_MARK: return C_MARK_ASCII;
    default: return C_OTHER;
    }
}

/* V3: the flags of a class's characters that are not ASCII. */
static uint8_t v3_flags(int class) {
    switch (class) {
    case C_LETTER: case C_COMBINING: return F_LETTER;
    case C_MARK: return F_MARK;
    case C_K_LETTER: return F_LETTER | F_K;
    case C_K_MARK: return F_MARK | F_K;
    case C_BLANK: return F_BLANK;
    default: return F_RARE;
    }
}

static int v3_open(KernelTables *t, const uint8_t *classes) {
    for (int b = 0; b < 128; b++)
        if (classes[b] != v3_class(b))
            return 0;
    for (int class = 0; class < 256; class++)
        t->kinds[class] = v3_flags(class);
    return 1;
}

/* Fills `ascii` and `kinds` for a set of rules; 0 if the ASCII characters' `classes` are not the ones it is for. */
static int kernel_open(KernelTables *t, int rules, const uint8_t *classes) {
    t->rules = rules;
    for (int b = 0; b < 128; b++)
        t->ascii[b] = kernel_kind(rules, b);
    return rules == RULES_V3 ? v3_open(t, classes) : words_open(t, rules, classes);
}

#endif
