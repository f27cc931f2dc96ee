/* The class masks of a block: 64 bytes of text -> a word a class (bit i: byte i belongs to a character of it). AVX-512.

   In: text, of which GRID_LOOK bytes may be read, or the bytes that are there. Out: `GridMasks`.
   ASCII is looked up in registers; other characters are compressed into lanes, looked up by pages, and spread again
   over all their bytes. All else (_rules.h, _words.h) is arithmetic on these words.
   `rules` is constant where these are called: the compiler makes a copy a set of rules. */
#ifndef DSTOK_MASKS_H
#define DSTOK_MASKS_H

#include "_kernel.h"

enum {
    GRID_LOOK = 67, /* bytes that must follow: a block, and the rest of a character that begins in it */
    GRID_PAGES = 4, /* of one block that are looked up; with more of them the rest is gathered */
    KANA = 0x30,    /* the page of kana and ideographs' punctuation: tried first, since finding a page costs 20 cycles */
};

#ifdef DSTOK_X86

#define GRID_TARGET SIMD_AVX512
#define GRID_INLINE GRID_TARGET __attribute__((always_inline)) static inline

typedef struct {
    uint64_t letter, mark, number, space, blank, newline, rare, cuts; /* blank: spaces, too; cuts: safe cuts */
    uint64_t ascii, mark_ascii, k;           /* V3: ASCII letters and marks, the CJK class */
    uint64_t quote, brief, r_or_v, l, e;     /* words: the quote; letters behind it, brief: s, t, m and d */
    uint64_t upper, lower, both, combining;  /* cased words: letters by case; both: of no case, or combining */
    uint64_t slash;
    uint64_t wide_blank;                     /* blanks that are not ASCII */
    uint64_t leads, three, four, trail;      /* first bytes of characters of two bytes or more, of three or four, of
                                              * four; the bytes behind those */
    int size;                                /* bytes to decide */
    uint32_t last;                           /* the last of the characters in them, if it is cuttable, else 0 */
} GridMasks;

/* By characters: bit i is the block's i-th character that is not ASCII. */
typedef struct {
    uint64_t letter, mark, k, blank, number, rare, cut;
} GridLanes;

/* Bytes shifted, each in itself. */
#define BYTES_LEFT(v, n, mask) _mm512_and_si512(_mm512_slli_epi16(v, n), _mm512_set1_epi8((char)(mask)))
#define BYTES_RIGHT(v, n, mask) _mm512_and_si512(_mm512_srli_epi16(v, n), _mm512_set1_epi8((char)(mask)))

/* Each byte of `index` looked up in 256 bytes. */
GRID_TARGET
static inline __m512i grid_look_up(const uint8_t *table, __m512i index) {
    __m512i low = _mm512_permutex2var_epi8(_mm512_loadu_si512(table), index, _mm512_loadu_si512(table + 64));
    __m512i high = _mm512_permutex2var_epi8(_mm512_loadu_si512(table + 128), index, _mm512_loadu_si512(table + 192));
    return _mm512_mask_blend_epi8(_mm512_movepi8_mask(index), low, high);
}

/* Sixteen code points of their upper and lower bytes. */
GRID_TARGET
static inline __m512i grid_code_points(__m128i high, __m128i low) {
    return _mm512_or_si512(_mm512_slli_epi32(_mm512_cvtepu8_epi32(high), 8), _mm512_cvtepu8_epi32(low));
}

/* The flags of those of sixteen characters whose page is not in one piece: a gather, which costs two cycles each. */
GRID_TARGET
static inline __m128i grid_mixed(const KernelTables *t, __m128i flags, __m128i high, __m128i low, __mmask16 mixed) {
    __m512i found = _mm512_mask_i32gather_epi32(_mm512_setzero_si512(), mixed, grid_code_points(high, low), t->flags, 1);
    return _mm_mask_blend_epi8(mixed, flags, _mm512_cvtepi32_epi8(found));
}

/* The flags of characters of two and three bytes, by their upper bytes: whole pages of ideographs and Hangul are of
 * one kind; the first pages that are not, of the script and its punctuation, are looked up one after the other; what is
 * left is gathered. */
GRID_TARGET
static inline __m512i grid_flags(const KernelTables *t, __m512i high, __m512i low, uint64_t used) {
    __m512i flags = grid_look_up(t->page_flags, high);
    uint64_t mixed = _mm512_movepi8_mask(flags) & used;
    uint64_t here = _mm512_mask_cmpeq_epi8_mask(mixed, high, _mm512_set1_epi8(KANA));
    for (int i = 0, page = KANA; mixed; i++) {
        if (here) {
            flags = _mm512_mask_blend_epi8(here, flags, grid_look_up(t->flags + 256 * page, low));
            mixed &= ~here;
        }
        if (!mixed || i == GRID_PAGES)
            break;
        page = _mm_cvtsi128_si32(_mm512_castsi512_si128(_mm512_maskz_compress_epi8(mixed, high))) & 0xFF;
        here = _mm512_mask_cmpeq_epi8_mask(mixed, high, _mm512_set1_epi8((char)page));
    }
    if (mixed & 0xFFFF)
        flags = _mm512_inserti32x4(flags, grid_mixed(t, _mm512_castsi512_si128(flags), _mm512_castsi512_si128(high),
                                                     _mm512_castsi512_si128(low), (__mmask16)mixed), 0);
    if (mixed >> 16)
        flags = _mm512_inserti32x4(flags, grid_mixed(t, _mm512_extracti32x4_epi32(flags, 1),
                                                     _mm512_extracti32x4_epi32(high, 1),
                                                     _mm512_extracti32x4_epi32(low, 1), (__mmask16)(mixed >> 16)), 1);
    return flags;
}

/* Which of sixteen characters no token joins with the one before it, of those in `pairs`. *before is the character
 * before them, and becomes the last of them. */
GRID_TARGET
static inline uint64_t grid_cuts(const KernelTables *t, __m128i high, __m128i low, __mmask16 pairs, uint32_t *before) {
    __m512i c = grid_code_points(high, low), left = _mm512_alignr_epi32(c, _mm512_set1_epi32((int)*before), 15);
    __m512i hash = _mm512_add_epi32(_mm512_mullo_epi32(left, _mm512_set1_epi32((int)CUT_LEFT)),
                                    _mm512_mullo_epi32(c, _mm512_set1_epi32((int)CUT_RIGHT)));
    hash = _mm512_srli_epi32(hash, 32 - CUT_BITS);
    __m512i word = _mm512_mask_i32gather_epi32(_mm512_set1_epi32(-1), pairs, _mm512_srli_epi32(hash, 5),
                                               (const int *)t->joined, 4);
    word = _mm512_srlv_epi32(word, _mm512_and_si512(hash, _mm512_set1_epi32(31)));
    *before = (uint32_t)_mm_extract_epi32(_mm512_extracti32x4_epi32(c, 3), 3);
    return _mm512_mask_testn_epi32_mask(pairs, word, _mm512_set1_epi32(1));
}

/* The characters of four bytes, one by one. */
GRID_TARGET
static inline void grid_four(const KernelTables *t, const uint8_t *p, uint64_t leads, uint64_t four, GridLanes *lanes) {
    for (; four; four &= four - 1) {
        int i = __builtin_ctzll(four), lane = __builtin_popcountll(leads & ((1ull << i) - 1));
        uint32_t c = (p[i] & 0x07u) << 18 | (p[i + 1] & 0x3Fu) << 12 | (p[i + 2] & 0x3Fu) << 6 | (p[i + 3] & 0x3Fu);
        uint8_t flags = t->kinds[t->pages[(uint32_t)t->page_numbers[c >> 8] << 8 | (c & 0xFF)]];
        uint64_t bit = 1ull << lane;
        lanes->letter = (lanes->letter & ~bit) | (flags & F_LETTER ? bit : 0);
        lanes->mark = (lanes->mark & ~bit) | (flags & F_MARK ? bit : 0);
        lanes->k = (lanes->k & ~bit) | (flags & F_K ? bit : 0);
        lanes->blank = (lanes->blank & ~bit) | (flags & F_BLANK ? bit : 0);
        lanes->number = (lanes->number & ~bit) | (flags & F_NUMBER ? bit : 0);
        lanes->rare = (lanes->rare & ~bit) | (flags & F_RARE ? bit : 0);
    }
}

/* The characters of a block that are not ASCII, into its masks. `text` says which bytes are text. */
GRID_INLINE void grid_wide(const KernelTables *t, int rules, const uint8_t *p, __m512i x, uint64_t text, uint64_t wide,
                           uint32_t before, GridMasks *m) {
    uint64_t leads = _mm512_cmpge_epu8_mask(x, _mm512_set1_epi8((char)0xC0));
    uint64_t three = _mm512_cmpge_epu8_mask(x, _mm512_set1_epi8((char)0xE0));
    uint64_t four = _mm512_cmpge_epu8_mask(x, _mm512_set1_epi8((char)0xF0));
    __m512i next = ~text ? _mm512_maskz_loadu_epi8(text >> 1, p + 1) : _mm512_loadu_si512(p + 1);
    __m512i last = ~text ? _mm512_maskz_loadu_epi8(text >> 2, p + 2) : _mm512_loadu_si512(p + 2);
    uint64_t used = ~0ull >> (64 - __builtin_popcountll(leads));

    /* Characters by lanes, their code points in two bytes. */
    __m512i x0 = _mm512_maskz_compress_epi8(leads, x), x1 = _mm512_maskz_compress_epi8(leads, next);
    __m512i x2 = _mm512_maskz_compress_epi8(leads, last);
    __mmask64 is_three = _mm512_cmpge_epu8_mask(x0, _mm512_set1_epi8((char)0xE0));
    __mmask64 is_four = _mm512_cmpge_epu8_mask(x0, _mm512_set1_epi8((char)0xF0));
    __m512i high = BYTES_RIGHT(x0, 2, 0x07);
    __m512i low = _mm512_or_si512(BYTES_LEFT(x0, 6, 0xC0), _mm512_and_si512(x1, _mm512_set1_epi8(0x3F)));
    high = _mm512_mask_blend_epi8(is_three, high, _mm512_or_si512(BYTES_LEFT(x0, 4, 0xF0), BYTES_RIGHT(x1, 2, 0x0F)));
    low = _mm512_mask_blend_epi8(is_three, low, _mm512_or_si512(BYTES_LEFT(x1, 6, 0xC0),
                                                                _mm512_and_si512(x2, _mm512_set1_epi8(0x3F))));
    __m512i flags = grid_flags(t, high, low, used & ~is_four);

    GridLanes lanes;
#define LANES(flag) (_mm512_test_epi8_mask(flags, _mm512_set1_epi8(flag)) & used)
    lanes.letter = LANES(F_LETTER);
    lanes.mark = LANES(F_MARK);
    lanes.k = rules == RULES_V3 ? LANES(F_K) : 0;
    lanes.blank = LANES(F_BLANK);
    lanes.number = rules == RULES_V3 ? 0 : LANES(F_NUMBER);
    lanes.rare = LANES(F_RARE);
    lanes.cut = 0;

    /* Safe cuts, between neighbours that are cuttable: both have three bytes. */
    uint64_t cuttable = _pdep_u64(LANES(F_CUTTABLE) & ~is_four, leads);
    uint64_t behind = rules == RULES_V3 ? cuttable : _pdep_u64(LANES(F_CUT_BEFORE) & ~is_four, leads);
    uint64_t pairs = _pext_u64(behind & (cuttable << 3 | (before != 0)), leads);
    if (pairs) {
        lanes.cut = grid_cuts(t, _mm512_castsi512_si128(high), _mm512_castsi512_si128(low), (__mmask16)pairs, &before);
        if (pairs >> 16)
            lanes.cut |= grid_cuts(t, _mm512_extracti32x4_epi32(high, 1), _mm512_extracti32x4_epi32(low, 1),
                                   (__mmask16)(pairs >> 16), &before) << 16;
    }
#undef LANES
    if (four)
        grid_four(t, p, leads, four, &lanes);

    /* From lanes to all bytes of the characters. */
#define BYTES(lane_mask) grid_bytes(_pdep_u64(lane_mask, leads), three, four)
#define grid_bytes(first, three, four) ((first) | (first) << 1 | ((first) & (three)) << 2 | ((first) & (four)) << 3)
    if (rules == RULES_CASED) {
        /* Two flags together say of which case a letter is. */
        uint64_t upper = lanes.letter & lanes.mark & ~lanes.blank, both = lanes.letter & lanes.blank;
        m->upper |= BYTES(upper);
        m->lower |= BYTES(lanes.letter & ~lanes.mark & ~lanes.blank);
        m->both = BYTES(both);
        m->combining = BYTES(both & lanes.mark);
        lanes.mark &= ~lanes.letter;
        lanes.blank &= ~lanes.letter;
    }
    if (rules != RULES_V3)
        m->number |= BYTES(lanes.number);
    m->letter |= BYTES(lanes.letter);
    m->mark |= BYTES(lanes.mark);
    if (rules == RULES_V3)
        m->k = BYTES(lanes.k);
    m->wide_blank = BYTES(lanes.blank);
    m->rare |= _pdep_u64(lanes.rare, leads);
    m->cuts = _pdep_u64(lanes.cut, leads);
#undef BYTES
#undef grid_bytes
    m->blank |= m->wide_blank;
    m->leads = leads;
    m->trail = wide & ~leads;
    m->three = three;
    m->four = four;
    if (~text)
        return; /* the end: everything is decided */
    /* Decide whole characters only: up to the last byte that begins one. */
    m->size = 63 - __builtin_clzll(~wide | leads);
    uint64_t end = m->size >= 3 ? 1ull << (m->size - 3) : 0;
    if (end & cuttable) {
        const uint8_t *q = p + m->size - 3;
        m->last = (q[0] & 0x0Fu) << 12 | (q[1] & 0x3Fu) << 6 | (q[2] & 0x3Fu);
    }
}

/* The masks that V3's rules read, of the ASCII characters. */
GRID_INLINE void grid_ascii(const KernelTables *t, __m512i x, uint64_t narrow, GridMasks *m) {
    __m512i class = _mm512_permutex2var_epi8(_mm512_loadu_si512(t->ascii), x, _mm512_loadu_si512(t->ascii + 64));
#define CLASS(c) _mm512_mask_cmpeq_epi8_mask(narrow, class, _mm512_set1_epi8(c))
    m->ascii = m->letter = CLASS(C_LETTER_ASCII);
    m->mark_ascii = m->mark = CLASS(C_MARK_ASCII);
    m->number = CLASS(C_NUMBER);
    m->space = CLASS(C_SPACE);
    m->blank = m->space | CLASS(C_BLANK);
    m->newline = CLASS(C_NEWLINE);
    m->rare = CLASS(C_OTHER);
    m->k = 0;
#undef CLASS
}

/* The masks that the rules of words read, of the ASCII characters. */
GRID_INLINE void grid_ascii_words(const KernelTables *t, int rules, __m512i x, uint64_t narrow, GridMasks *m) {
    __m512i kinds = _mm512_permutex2var_epi8(_mm512_loadu_si512(t->ascii), x, _mm512_loadu_si512(t->ascii + 64));
    __m512i small = _mm512_or_si512(x, _mm512_set1_epi8(0x20));
#define KIND(kind) _mm512_mask_test_epi8_mask(narrow, kinds, _mm512_set1_epi8((char)(kind)))
#define IS(v, c) _mm512_mask_cmpeq_epi8_mask(narrow, v, _mm512_set1_epi8(c))
    m->letter = KIND(A_LETTER);
    m->mark = KIND(A_MARK);
    m->number = KIND(A_NUMBER);
    m->space = IS(x, ' ');
    m->blank = KIND(A_BLANK);
    m->newline = KIND(A_NEWLINE);
    m->rare = 0;
    m->quote = KIND(A_QUOTE);
    m->brief = KIND(A_BRIEF);
    m->r_or_v = IS(small, 'r') | IS(small, 'v');
    m->l = IS(small, 'l');
    m->e = IS(small, 'e');
    if (rules == RULES_CASED) {
        m->upper = KIND(A_UPPER);
        m->lower = m->letter & ~m->upper;
        m->both = m->combining = 0;
        m->slash = IS(x, '/');
    }
#undef KIND
#undef IS
}

/* By pointer: of a copy gcc's address sanitizer does not align the stack. */
GRID_INLINE void grid_masks(const KernelTables *t, int rules, const uint8_t *p, uint64_t text, uint32_t before,
                            GridMasks *m) {
    __m512i x = ~text ? _mm512_maskz_loadu_epi8(text, p) : _mm512_loadu_si512(p);
    uint64_t wide = _mm512_movepi8_mask(x), narrow = ~wide & text;
    if (rules == RULES_V3)
        grid_ascii(t, x, narrow, m);
    else
        grid_ascii_words(t, rules, x, narrow, m);
    m->cuts = m->wide_blank = m->leads = m->three = m->four = m->trail = 0;
    m->size = ~text ? __builtin_popcountll(text) : 63;
    m->last = 0;
    if (wide)
        grid_wide(t, rules, p, x, text, wide, before, m);
}

#endif
#endif
