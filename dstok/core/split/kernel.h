/* The tables that the mask kernel reads: the kind of each character to a set of rules, and the safe cuts.

   In: a set of rules, and the kind of each class of the loaded automaton to them. Out: `KernelTables`.
   Invariant: an ASCII character has the kind that `ascii` says, in every automaton. Any other character has the kind of
   its class in `kinds`. Where the rules know no kind, it is F_RARE: the automaton reads such characters. Before the
   tables are made, the walk has shown that rules and kinds cut as the automaton does (compiled/kernel_selection.py).
   Example, V3's rules: "!" has A_PUNCT; the class of \u00e9 has F_LETTER; U+0001 has nothing, and is rare. */
#ifndef DSTOK_KERNEL_H
#define DSTOK_KERNEL_H

#include <stdint.h>
#include <string.h>

/* The sets of rules, a row of fields for each: what the pattern of a family asks of the rules of words (rules_words.h).
 * docs/rules.md explains the fields and their values. LLM and CODER have rules of their own (rules_runs.h). OWN: a copy of
 * the kernel is made for the row, where its fields are constants. AS: the row runs in the copy of another, which reads the
 * fields that differ. */
#define RULE_ROWS(OWN, AS, ...) \
    /*             copy     digits, first lead   cased suffix      tail           newlines        cjk */ \
    OWN(V3,       V3,      (3, 1, LEAD_BLANK, 0,    SUFFIX_NONE,  TAIL_NEWLINES, NEWLINES_LAST,  CJK_FIRST), __VA_ARGS__) \
    OWN(ONES,     ONES,    (1, 0, LEAD_ANY,   0,    SUFFIX_PIECE, TAIL_NEWLINES, NEWLINES_LAST), __VA_ARGS__) \
    OWN(THREES,   THREES,  (3, 0, LEAD_ANY,   0,    SUFFIX_PIECE, TAIL_NEWLINES, NEWLINES_LAST), __VA_ARGS__) \
    OWN(CASED,    CASED,   (3, 0, LEAD_ANY,   1,    SUFFIX_WORD,  TAIL_SLASHES,  NEWLINES_LAST), __VA_ARGS__) \
    OWN(GPT2,     GPT2,    (0, 0, LEAD_SPACE, 0,    SUFFIX_SMALL, TAIL_NONE,     NEWLINES_BLANK), __VA_ARGS__) \
    AS(CL100K,    THREES,  (3, 0, LEAD_ANY,   0,    SUFFIX_PIECE, TAIL_NEWLINES, NEWLINES_LAST, .ends = 1), __VA_ARGS__) \
    OWN(LLM,      LLM,     (0), __VA_ARGS__) \
    OWN(CODER,    CODER,   (0), __VA_ARGS__) \
    OWN(TEKKEN,   TEKKEN,  (1, 0, LEAD_ANY,   1,    SUFFIX_NONE,  TAIL_SLASHES,  NEWLINES_LAST), __VA_ARGS__) \
    OWN(KIMI,     KIMI,    (3, 0, LEAD_ANY,   1,    SUFFIX_WORD,  TAIL_NEWLINES, NEWLINES_LAST,  CJK_RUN), __VA_ARGS__) \
    AS(TWOS,      THREES,  (2, 0, LEAD_ANY,   0,    SUFFIX_PIECE, TAIL_NEWLINES, NEWLINES_LAST), __VA_ARGS__) \
    AS(STARCODER, GPT2,    (1, 1, LEAD_SPACE, 0,    SUFFIX_SMALL, TAIL_NONE,     NEWLINES_BLANK), __VA_ARGS__) \
    AS(SEED_CODER, ONES,   (1, 0, LEAD_ANY,   0,    SUFFIX_PIECE, TAIL_NONE,     NEWLINES_LAST), __VA_ARGS__) \
    AS(MINICPM,   THREES,  (3, 1, LEAD_ANY,   0,    SUFFIX_PIECE, TAIL_NEWLINES, NEWLINES_LAST), __VA_ARGS__) \
    AS(UFAKZEKA,  ONES,    (1, 0, LEAD_ANY,   0,    SUFFIX_NONE,  TAIL_NEWLINES, NEWLINES_LAST), __VA_ARGS__) \
    OWN(SPARK,    SPARK,   (1, 1, LEAD_BLANK, 0,    SUFFIX_NONE,  TAIL_NONE,     NEWLINES_ALONE, CJK_FIRST), __VA_ARGS__) \
    OWN(YOUTU,    YOUTU,   (1, 0, LEAD_ANY,   1,    SUFFIX_WORD,  TAIL_SLASHES,  NEWLINES_LAST,  CJK_FIRST), __VA_ARGS__) \
    OWN(LAGUNA,   LAGUNA,  (1, 0, LEAD_ANY,   0,    SUFFIX_PIECE, TAIL_NEWLINES, NEWLINES_FIRST), __VA_ARGS__)

enum { LEAD_SPACE, LEAD_ANY, LEAD_BLANK };
enum { SUFFIX_NONE, SUFFIX_SMALL, SUFFIX_PIECE, SUFFIX_WORD };
enum { TAIL_NONE, TAIL_NEWLINES, TAIL_SLASHES };
enum { NEWLINES_BLANK, NEWLINES_ALONE, NEWLINES_LAST, NEWLINES_FIRST };
enum { CJK_NONE, CJK_FIRST, CJK_RUN };

typedef struct {
    uint8_t copy, digits, first, lead, cased, suffix, tail, newlines, cjk, ends;
} Rules;

#define RULE_NUMBER(set, copy, fields, prefix) prefix##set,
enum { RULES_NONE, RULE_ROWS(RULE_NUMBER, RULE_NUMBER, RULES_) RULES_MATRIX, RULES_SHUFFLES, RULES_SOFT, RULES_COUNT };
#define RULE_FIELDS(...) __VA_ARGS__
#define RULE_ROW(set, copy, fields, none) {RULES_##copy, RULE_FIELDS fields},
static const Rules ROWS[] = {{0}, RULE_ROWS(RULE_ROW, RULE_ROW, ) {0}, {0}, {0} /* SOFT: rules_runs.h */};

static inline int rules_of_runs(int rules) {
    return rules == RULES_LLM || rules == RULES_CODER;
}

/* Whether the flag F_CJK has this meaning. */
static inline int rules_of_cjk(int rules) {
    return rules_of_runs(rules) || ROWS[rules].cjk == CJK_FIRST;
}

/* Whether F_NUMBER has a meaning. Where digits are counted, bytes are: no character of two bytes or more is a number. */
static inline int rules_of_numbers(int rules) {
    return ROWS[rules].digits < 2 || ROWS[rules].cjk == CJK_RUN;
}

enum { GRID_RANGES = 2 }; /* runs of pages that hold one kind of character, three bytes each: ideographs, Hangul */

typedef struct KernelTables {
    const uint8_t *pages;          /* as in the tables of the scanner */
    const uint16_t *page_numbers;
    const uint8_t *joined;         /* the bitmap of the safe cuts, or NULL */
    const uint8_t *flags;          /* F_ flags of the code points below 0x10000, and 4 bytes to spare */
    uint8_t ascii[128];            /* A_ bits */
    uint8_t page_flags[256];       /* the flags of all code points of a page, or F_MIXED if they differ */
    uint8_t lead_flags[32];        /* the flags of all characters of two bytes with a lead byte, from C0 on, or F_MIXED;
                                    * of C3 without U+00D7 and U+00F7, the signs among Latin-1's letters */
    uint8_t range_first[GRID_RANGES], range_size[GRID_RANGES], range_flags[GRID_RANGES]; /* of pages; flags 0: none */
    uint8_t kinds[256];            /* the flags of the characters of a class that are not ASCII */
    int rules;
    const struct Shuffles *shuffles; /* NULL: none */
    uint8_t rows[16], joiner;      /* the matrix of matrix.h by class, twice, for look-ups of 16 bytes; its joiner */
} KernelTables;

/* The flags of a character that is not ASCII. One bit has two names, since all eight are taken and no set of rules
 * needs both: it says that a character is of the CJK class (F_CJK: V3, runs), or that the text may be cut before it
 * (F_CUT_BEFORE: the others). F_CUTTABLE: the text may be cut after it, and, except in
 * words, before. */
enum { F_LETTER = 1, F_PUNCT = 2, F_CJK = 4, F_CUT_BEFORE = F_CJK, F_BLANK = 8, F_CUTTABLE = 16, F_RARE = 32,
       F_NUMBER = 64, F_MIXED = 128 };

/* The flags of a letter in cased words: a small one has F_LETTER alone. Nothing is a letter and punctuation, a letter and
 * blank, or a letter and a number, so these combinations can stand for the other kinds: E with acute, a Korean letter, a
 * combining acute, a Chinese character of CJK_RUN. */
enum { F_CAPITAL = F_LETTER | F_PUNCT, F_CASELESS = F_LETTER | F_BLANK, F_COMBINING = F_LETTER | F_PUNCT | F_BLANK,
       F_HAN = F_LETTER | F_NUMBER };

/* The kind of an ASCII character. A_BRIEF: s, t, m, d: after an apostrophe it is a contraction ('s). A character
 * without a kind is rare to V3's rules, and one of the others to those of runs. */
enum { A_LETTER = 1, A_PUNCT = 2, A_QUOTE = 4, A_BLANK = 8, A_NEWLINE = 16, A_BRIEF = 32, A_NUMBER = 64, A_UPPER = 128 };

/* Cuttable characters: kana, ideographs and Hangul, letters only: the scripts whose runs are long and whose neighbours
 * seldom join, the most frequent range first. All take three bytes in UTF-8. This is the one definition: Python has it
 * by `cuttable_ranges` of bpe/tables.pyx. */
#define CUTTABLE_RANGES(R) \
    R(0x4E00, 0x9FFF) R(0xAC00, 0xD7A3) R(0x3041, 0x3096) R(0x309D, 0x309F) R(0x30A1, 0x30FA) R(0x30FC, 0x30FF) \
    R(0x3400, 0x4DBF)

#define RANGE(first, last) {first, last},
static const uint32_t CUTTABLE[][2] = {CUTTABLE_RANGES(RANGE)};
#undef RANGE
enum { CUTTABLE_COUNT = sizeof(CUTTABLE) / sizeof(CUTTABLE[0]) };

static inline int kernel_cuttable(uint32_t c) {
#define IN(first, last) || (c >= (first) && c <= (last))
    return 0 CUTTABLE_RANGES(IN);
#undef IN
}

/* Safe cuts: the bit of a pair of characters, in 32-bit arithmetic so that sixteen fit in a register. */
#define CUT_LEFT 0x9E3779B1u
#define CUT_RIGHT 0x85EBCA6Bu
#define CUT_BITS 20

static inline uint32_t kernel_joined_bit(uint32_t left, uint32_t right) {
    return (left * CUT_LEFT + right * CUT_RIGHT) >> (32 - CUT_BITS);
}

static inline int kernel_may_cut(const uint8_t *joined, uint32_t left, uint32_t right) {
    uint32_t bit = kernel_joined_bit(left, right), word;
    memcpy(&word, joined + 4 * (bit >> 5), 4); /* little-endian, like the whole core */
    return !(word >> (bit & 31) & 1);
}

/* The kind of an ASCII character to a set of rules. */
static uint8_t kernel_kind(int rules, int b) {
    const Rules *row = &ROWS[rules];
    int small = b | 0x20;
    if (small >= 'a' && small <= 'z')
        return A_LETTER | (strchr("stmd", row->suffix == SUFFIX_SMALL ? b : small) ? A_BRIEF : 0) |
               (row->cased && b != small ? A_UPPER : 0);
    if (b >= '0' && b <= '9')
        return A_NUMBER;
    if (b == '\n' || b == '\r')
        return A_NEWLINE;
    if (b == ' ' || (b >= '\t' && b <= '\r'))
        return A_BLANK;
    if (b == '\'' && row->suffix)
        return A_PUNCT | A_QUOTE;
    if (rules == RULES_CODER && strchr("$+<=>^`|~", b))
        return 0;
    return (b > ' ' && b < 0x7F) || !(row->lead == LEAD_BLANK || rules_of_runs(rules)) ? A_PUNCT : 0;
}

#define NOT_SHARED(...)
#define SHARED(set, copy_of, fields, copy) || (copy) == RULES_##copy_of
/* The set whose fields count in a copy of the kernel: where several rows share the copy, the one that is open. */
static inline int kernel_own(const KernelTables *t, int copy) {
    return 0 RULE_ROWS(NOT_SHARED, SHARED, copy) ? t->rules : copy;
}

static inline void kernel_open(KernelTables *t, int rules, const uint8_t *kinds, size_t classes) {
    t->rules = rules;
    for (int b = 0; b < 128; b++)
        t->ascii[b] = kernel_kind(rules, b);
    memset(t->kinds, F_RARE, sizeof(t->kinds));
    if (classes) /* none have no address */
        memcpy(t->kinds, kinds, classes < sizeof(t->kinds) ? classes : sizeof(t->kinds));
}

#endif
