/* The mask kernel: 64 bytes at a time, the places where pieces start, as bits.
 *
 * In: text from a sure piece start on. Out: a word whose bit i says that a piece starts at byte i, and how much of
 * it is sure. It implements one automaton, V3's, and is used only where the loaded automaton is that one
 * (fingerprint in dstok/tables.py); tests hold it against the automaton on all short strings over the classes
 * and on random text, at every level.
 *
 * A block is turned into one word a class (bit i: byte i belongs to a character of that class), which is where
 * the levels differ (AVX-512, AVX2, portable); all else is arithmetic on words, the same for all. The letters are
 * the class numbers of `dstok explain`. A block may begin at any piece start, since the automaton is restarted
 * there. What is not sure in a block (white space that touches its end, the last piece) is left for the next.
 */
#ifndef DSTOK_KERNEL_H
#define DSTOK_KERNEL_H

#include <stdint.h>
#include <string.h>

#include "_simd.h"

enum { /* class numbers of V3's automaton */
    C_OTHER = 0, C_BLANK = 1, C_NEWLINE = 2, C_SPACE = 3, C_MARK_ASCII = 4, C_NUMBER = 5, C_LETTER_ASCII = 6,
    C_MARK = 7, C_LETTER = 8, C_COMBINING = 9, C_K_OTHER = 10, C_K_LETTER = 11, C_K_COMBINING = 12, C_K_MARK = 13,
    CLASSES = 16
};

/* Which automaton the masks are for: V3's, or those of _words.h. */
enum { RULES_NONE = 0, RULES_V3 = 1, RULES_ONES = 2, RULES_THREES = 3, RULES_CASED = 4 };

enum { LEVEL_NONE = 0, LEVEL_PORTABLE = 1, LEVEL_AVX2 = 2, LEVEL_AVX512 = 3 };

typedef struct {
    const uint8_t *pages;          /* as the scanner's tables */
    const uint16_t *page_numbers;
    const uint8_t *joined;         /* the safe cuts' bitmap, or NULL */
    const uint8_t *flags;          /* F_ flags of the code points below 0x10000, and 4 bytes to spare */
    uint8_t ascii[128];            /* class by ASCII byte; words: A_ bits */
    uint8_t page_flags[256];       /* the flags of all code points of a page, or F_MIXED if they differ */
    uint8_t kinds[256];            /* the flags of a class's characters that are not ASCII */
    int rules;
} KernelTables;

/* Of a character that is not ASCII. F_K: V3's CJK class; for the rules of words the same bit says that the character
 * may be cut before, F_CUTTABLE that it may be cut behind. In cased words F_LETTER with F_MARK is a capital, with
 * F_BLANK a letter of no case, with both a combining mark. */
enum { F_LETTER = 1, F_MARK = 2, F_K = 4, F_CUT_BEFORE = 4, F_BLANK = 8, F_CUTTABLE = 16, F_RARE = 32, F_NUMBER = 64,
       F_MIXED = 128 };

/* Of an ASCII character, for the rules of words. A_BRIEF: a letter that is one with a quote before it. */
enum { A_LETTER = 1, A_MARK = 2, A_QUOTE = 4, A_BLANK = 8, A_NEWLINE = 16, A_BRIEF = 32, A_NUMBER = 64, A_UPPER = 128 };

typedef struct {
    uint64_t starts;  /* bit i: a piece starts at byte i; bit 0 is always set */
    int sure;         /* the last start that no later text can move: where the next block begins */
    int whole;        /* nothing rare: the starts of the whole block are known, as far as `sure` or `final` say */
} Block;

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

static inline int kernel_cuttable(uint32_t c) {
    return (c >= 0x3040 && c <= 0x30FF) || (c >= 0x3400 && c <= 0x9FFF) || (c >= 0xAC00 && c <= 0xD7A3);
}

/* What a character of this class, not ASCII, is to the grid kernel. */
static inline uint8_t kernel_flags(uint32_t class) {
    switch (class) {
    case C_LETTER: case C_COMBINING: return F_LETTER;
    case C_MARK: return F_MARK;
    case C_K_LETTER: return F_LETTER | F_K;
    case C_K_MARK: return F_MARK | F_K;
    case C_BLANK: return F_BLANK;
    default: return F_RARE;
    }
}

/* The characters that are not ASCII, one by one: their classes into m, safe cuts between neighbours into *cuts,
 * and into *rare those that only the automaton handles. `leads` are their first bytes. */
static inline void kernel_wide(const KernelTables *t, const uint8_t *p, uint64_t leads, uint64_t *m, uint64_t *cuts,
                               uint64_t *rare) {
    uint32_t before = 0;
    int end = -1;
    while (leads) {
        int i = __builtin_ctzll(leads), width;
        uint32_t b = p[i], c;
        leads &= leads - 1;
        if (b >= 0xE0 && b < 0xF0) {
            c = (b & 0x0F) << 12 | (p[i + 1] & 0x3Fu) << 6 | (p[i + 2] & 0x3Fu);
            width = 3;
            if (t->joined && kernel_cuttable(c)) {
                if (end == i && kernel_may_cut(t->joined, before, c))
                    *cuts |= 1ull << i;
                before = c;
                end = i + 3;
            }
        } else if (b < 0xE0) {
            c = (b & 0x1F) << 6 | (p[i + 1] & 0x3Fu);
            width = 2;
        } else {
            c = (b & 0x07) << 18 | (p[i + 1] & 0x3Fu) << 12 | (p[i + 2] & 0x3Fu) << 6 | (p[i + 3] & 0x3Fu);
            width = 4;
        }
        uint32_t class = t->pages[(uint32_t)t->page_numbers[c >> 8] << 8 | (c & 0xFF)];
        uint64_t bits = ((1ull << width) - 1) << i;
        m[class] |= bits;
        if (class <= C_LETTER_ASCII || class == C_K_OTHER || class == C_K_COMBINING)
            *rare |= bits;
    }
}

/* From class words to piece starts. `size` is how many bytes of the block are text; if `final`, nothing follows. */
static inline Block kernel_starts(const uint64_t *m, uint64_t cuts, uint64_t rare, int size, int final) {
    uint64_t text = size == 64 ? ~0ull : (1ull << size) - 1;
    if (rare) {
        /* Only what lies before the first rare character is looked at, as if the block ended there. */
        int edge = __builtin_ctzll(rare);
        text = edge ? (1ull << edge) - 1 : 0;
        size = edge;
        final = 0;
    }
    uint64_t space = m[C_SPACE] & text, newline = m[C_NEWLINE] & text, blank = (space | m[C_BLANK]) & text;
    uint64_t ascii = m[C_LETTER_ASCII] & text, number = m[C_NUMBER] & text;
    uint64_t k_letter = m[C_K_LETTER] & text, k_mark = m[C_K_MARK] & text, k = k_letter | k_mark;
    uint64_t letter = (ascii | m[C_LETTER] | m[C_COMBINING] | k_letter) & text;
    uint64_t mark_ascii = m[C_MARK_ASCII] & text, mark = (mark_ascii | m[C_MARK] | k_mark) & text;
    uint64_t edge = k ^ k << 1;  /* where the CJK class begins or ends */

    /* Marks: a run starts a piece, at the space before it if there is one. Newlines right behind belong to it. */
    uint64_t mark_run = mark & (~(mark << 1) | edge);
    uint64_t mark_start = mark_run & (~(space << 1) | k);
    uint64_t glued = newline & (mark & ~k) << 1;
    uint64_t absorbed = newline & (newline ^ (newline + glued));

    /* An ASCII mark that starts a piece takes the ASCII letters behind it, and only those. */
    uint64_t taken = (mark_start & mark_ascii) << 1 & ascii;
    uint64_t beyond = (ascii + taken) & ~ascii & letter;

    /* Letters: a run starts a piece, unless a blank before it leads it, or a mark has taken it. */
    uint64_t letter_run = letter & (~(letter << 1) | edge);
    uint64_t letter_start = (letter_run & ~(blank << 1 & ~k) & ~taken) | beyond;

    /* Numbers in threes. */
    uint64_t number_start = number & ~(number << 1), third = number_start;
    uint64_t four = number & number << 1 & number << 2 & number << 3;
    while ((third = third << 3 & four))
        number_start |= third;

    /* White space: a run starts a piece; so does its last blank before a letter or mark outside the CJK class. */
    uint64_t white = (blank | newline) & ~absorbed;
    uint64_t white_start = white & ~(white << 1);
    uint64_t last_blank = blank & ((letter | mark) & ~k) >> 1;

    /* A blank behind the last newline of its run starts a piece: not if only blanks lie between it and another. */
    uint64_t behind = blank & (newline & white) << 1, rest = behind;
    while (rest) {
        uint64_t one = rest & -rest;
        uint64_t after = (blank + one) & ~blank;  /* bit where the run of blanks ends */
        rest &= rest - 1;
        if (after & newline)
            behind &= ~one;
    }

    Block block;
    block.whole = !rare;
    block.starts = mark_start | letter_start | number_start | white_start | last_blank | behind | (k & edge) |
                   (cuts & text);
    block.starts |= 1;
    block.starts &= text | 1;
    uint64_t sure = block.starts;
    if (!final && size && white >> (size - 1) & 1) {
        /* White space touches the end: of its run, only the start is sure. */
        uint64_t upto = white_start;
        int run = 63 - __builtin_clzll(upto);
        sure &= run == 63 ? ~0ull : (2ull << run) - 1;
    }
    block.sure = 63 - __builtin_clzll(sure);
    return block;
}

static Block block_portable(const KernelTables *t, const uint8_t *p, int size, int final) {
    uint64_t m[CLASSES] = {0}, cuts = 0, rare = 0, leads = 0;
    for (int i = 0; i < size; i++) {
        if (p[i] < 0x80)
            m[t->ascii[p[i]]] |= 1ull << i;
        else
            leads |= (uint64_t)(p[i] >= 0xC0) << i;
    }
    rare = m[C_OTHER];
    if (leads)
        kernel_wide(t, p, leads, m, &cuts, &rare);
    return kernel_starts(m, cuts, rare, size, final);
}

#ifdef DSTOK_X86
SIMD_AVX512
static Block block_avx512(const KernelTables *t, const uint8_t *p, int size, int final) {
    uint64_t m[CLASSES], cuts = 0, rare, text = size == 64 ? ~0ull : (1ull << size) - 1;
    __m512i x = _mm512_maskz_loadu_epi8(text, p);
    uint64_t wide = _mm512_movepi8_mask(x), narrow = text & ~wide;
    __m512i class = _mm512_permutex2var_epi8(_mm512_loadu_si512(t->ascii), x, _mm512_loadu_si512(t->ascii + 64));
    for (int c = 0; c <= C_LETTER_ASCII; c++)
        m[c] = _mm512_mask_cmpeq_epi8_mask(narrow, class, _mm512_set1_epi8((char)c));
    for (int c = C_MARK; c < CLASSES; c++)
        m[c] = 0;
    rare = m[C_OTHER];
    if (wide)
        kernel_wide(t, p, _mm512_mask_cmpge_epu8_mask(wide, x, _mm512_set1_epi8((char)0xC0)), m, &cuts, &rare);
    return kernel_starts(m, cuts, rare, size, final);
}

/* The ASCII classes by comparison, since AVX2 has no 128-entry look-up: only for tables that pass
 * `kernel_plain_ascii`. */
SIMD_TARGET("avx2,bmi,bmi2,lzcnt")
static inline void classes_avx2(__m256i x, int shift, uint64_t *m, uint64_t *wide, uint64_t *leads) {
#define BYTES(c) _mm256_set1_epi8((char)(c))
#define AT_MOST(v, c) _mm256_cmpeq_epi8(_mm256_min_epu8(v, BYTES(c)), v)
#define WORD(v) ((uint64_t)(uint32_t)_mm256_movemask_epi8(v) << shift)
    __m256i letter = AT_MOST(_mm256_sub_epi8(_mm256_or_si256(x, BYTES(0x20)), BYTES('a')), 25);
    __m256i number = AT_MOST(_mm256_sub_epi8(x, BYTES('0')), 9);
    __m256i space = _mm256_cmpeq_epi8(x, BYTES(' '));
    __m256i newline = _mm256_or_si256(_mm256_cmpeq_epi8(x, BYTES('\n')), _mm256_cmpeq_epi8(x, BYTES('\r')));
    __m256i blank = _mm256_andnot_si256(newline, AT_MOST(_mm256_sub_epi8(x, BYTES('\t')), 4));
    __m256i graphic = AT_MOST(_mm256_sub_epi8(x, BYTES('!')), '~' - '!');
    uint64_t is_wide = WORD(x), is_graphic = WORD(graphic);
    m[C_LETTER_ASCII] |= WORD(letter) & ~is_wide;
    m[C_NUMBER] |= WORD(number);
    m[C_SPACE] |= WORD(space);
    m[C_NEWLINE] |= WORD(newline);
    m[C_BLANK] |= WORD(blank);
    m[C_MARK_ASCII] |= is_graphic & ~WORD(letter) & ~WORD(number);
    m[C_OTHER] |= WORD(BYTES(0xFF)) & ~is_wide & ~is_graphic & ~WORD(space) & ~WORD(newline) & ~WORD(blank);
    *wide |= is_wide;
    *leads |= WORD(_mm256_cmpeq_epi8(_mm256_max_epu8(x, BYTES(0xC0)), x));
#undef BYTES
#undef AT_MOST
#undef WORD
}

SIMD_TARGET("avx2,bmi,bmi2,lzcnt")
static Block block_avx2(const KernelTables *t, const uint8_t *p, int size, int final) {
    uint64_t m[CLASSES] = {0}, cuts = 0, rare, wide = 0, leads = 0, text = size == 64 ? ~0ull : (1ull << size) - 1;
    uint8_t padded[64];
    const uint8_t *q = p;
    if (size < 64) {
        memset(padded, 'a', 64);
        memcpy(padded, p, size);
        q = padded;
    }
    classes_avx2(_mm256_loadu_si256((const __m256i *)q), 0, m, &wide, &leads);
    classes_avx2(_mm256_loadu_si256((const __m256i *)(q + 32)), 32, m, &wide, &leads);
    rare = m[C_OTHER];
    if (wide)
        kernel_wide(t, p, leads & text, m, &cuts, &rare);
    return kernel_starts(m, cuts, rare, size, final);
}
#endif

/* Whether the ASCII classes are the plain ones that classes_avx2 compares for, and the AVX-512 kernels expect. */
static int kernel_plain_ascii(const uint8_t *ascii) {
    for (int b = 0; b < 128; b++) {
        int letter = (b | 32) >= 'a' && (b | 32) <= 'z', number = b >= '0' && b <= '9';
        int class = letter ? C_LETTER_ASCII : number ? C_NUMBER : b == ' ' ? C_SPACE
                    : b == '\n' || b == '\r' ? C_NEWLINE : b >= 9 && b <= 13 ? C_BLANK : b > ' ' && b < 127 ? C_MARK_ASCII : C_OTHER;
        if (ascii[b] != class)
            return 0;
    }
    return 1;
}

/* The best level of this processor. */
static int kernel_best_level(void) {
#ifdef DSTOK_X86
    if (SIMD_SUPPORTS("avx512vbmi") && SIMD_SUPPORTS("avx512vbmi2") &&
        SIMD_SUPPORTS("avx512bw") && SIMD_SUPPORTS("avx512vl") && SIMD_SUPPORTS("avx512dq"))
        return LEVEL_AVX512;
    if (SIMD_SUPPORTS("avx2") && SIMD_SUPPORTS("bmi2"))
        return LEVEL_AVX2;
#endif
    return LEVEL_PORTABLE;
}

static inline Block kernel_block(int level, const KernelTables *t, const uint8_t *p, int size, int final) {
#ifdef DSTOK_X86
    if (level == LEVEL_AVX512)
        return block_avx512(t, p, size, final);
    if (level == LEVEL_AVX2)
        return block_avx2(t, p, size, final);
#endif
    return block_portable(t, p, size, final);
}

#endif
