/* The class masks of a block at AVX-512.

   In and out: as in masks.h. ASCII is looked up in a table of 128 bytes that lies in registers. For the other
   characters the code points are made in two bytes, upper and lower, at all places at once, and looked up page by page.
   The flags at the places of first bytes count; they are moved up to the other bytes of their characters. */
#ifndef DSTOK_MASKS_AVX512_H
#define DSTOK_MASKS_AVX512_H

#include "split/masks.h"
#include "split/matrix.h"

#ifdef DSTOK_X86

enum {
    GRID_PAGES = 4, /* pages of a block that are looked up; characters of further pages are looked up one by one */
    KANA = 0x30,    /* the page of kana and ideographs' punctuation: tried first, since finding a page costs 20 cycles */
};

/* Each byte shifted by itself. */
#define BYTES_LEFT(v, n, mask) _mm512_and_si512(_mm512_slli_epi16(v, n), _mm512_set1_epi8((char)(mask)))
#define BYTES_RIGHT(v, n, mask) _mm512_and_si512(_mm512_srli_epi16(v, n), _mm512_set1_epi8((char)(mask)))

/* Each byte of `index` looked up in 256 bytes. */
SIMD_AVX512
static inline __m512i avx512_look_up(const uint8_t *table, __m512i index) {
    __m512i low = _mm512_permutex2var_epi8(_mm512_loadu_si512(table), index, _mm512_loadu_si512(table + 64));
    __m512i high = _mm512_permutex2var_epi8(_mm512_loadu_si512(table + 128), index, _mm512_loadu_si512(table + 192));
    return _mm512_mask_blend_epi8(_mm512_movepi8_mask(index), low, high);
}

/* Sixteen code points from their upper and lower bytes. */
SIMD_AVX512
static inline __m512i avx512_code_points(__m128i high, __m128i low) {
    return _mm512_or_si512(_mm512_slli_epi32(_mm512_cvtepu8_epi32(high), 8), _mm512_cvtepu8_epi32(low));
}

/* Bytes of `v` where the mask is set, else 0. */
SIMD_AVX512
static inline __m512i avx512_only(uint64_t mask, __m512i v) {
    return _mm512_mask_blend_epi8(mask, _mm512_setzero_si512(), v);
}

/* The bytes of `flags` n places further up, where the mask is set. */
SIMD_AVX512
static inline __m512i avx512_moved(__m512i flags, int n, uint64_t mask) {
    return avx512_only(mask, _mm512_permutexvar_epi8(_mm512_loadu_si512(GRID_PLACES - n), flags));
}

/* The flags with those of the characters in `left`, one by one. */
SIMD_AVX512
static inline __m512i avx512_left(const KernelTables *t, __m512i flags, __m512i high, __m512i low, uint64_t left) {
    uint8_t flag[64], highs[64], lows[64];
    _mm512_storeu_si512(flag, flags);
    _mm512_storeu_si512(highs, high);
    _mm512_storeu_si512(lows, low);
    for (; left; left &= left - 1) {
        int i = __builtin_ctzll(left);
        flag[i] = t->flags[(uint32_t)highs[i] << 8 | lows[i]];
    }
    return _mm512_loadu_si512(flag);
}

/* The flags with those of characters of four bytes. */
SIMD_AVX512
static inline __m512i avx512_four(const KernelTables *t, const uint8_t *p, __m512i flags, uint64_t four) {
    uint8_t flag[64];
    _mm512_storeu_si512(flag, flags);
    for (; four; four &= four - 1)
        flag[__builtin_ctzll(four)] = grid_four(t, p + __builtin_ctzll(four));
    return _mm512_loadu_si512(flag);
}

/* The flags of characters of two bytes. Latin-1 is looked up by character: half a page of it is not ASCII. The others
 * are looked up by their lead bytes. */
SIMD_AVX512
static inline __m512i avx512_two(const KernelTables *t, __m512i high, __m512i low) {
    __m512i latin = _mm512_permutex2var_epi8(_mm512_loadu_si512(t->flags + 128), low, _mm512_loadu_si512(t->flags + 192));
    __m512i lead = _mm512_or_si512(BYTES_LEFT(high, 2, 0x1C), BYTES_RIGHT(low, 6, 0x03));
    __m512i leads = _mm512_broadcast_i64x4(_mm256_loadu_si256((const __m256i *)t->lead_flags));
    return _mm512_mask_blend_epi8(_mm512_test_epi8_mask(high, high), latin, _mm512_permutexvar_epi8(lead, leads));
}

/* The flags of characters of two and three bytes, by their upper bytes. Whole pages of ideographs and Hangul have one
 * kind. The first pages with several kinds (the script and its punctuation) are looked up one after the other. */
SIMD_AVX512
static inline __m512i avx512_flags(const KernelTables *t, __m512i high, __m512i low, uint64_t used) {
    __m512i flags = avx512_look_up(t->page_flags, high);
    uint64_t two = _mm512_mask_cmplt_epu8_mask(used, high, _mm512_set1_epi8(0x08));
    if (two)
        flags = _mm512_mask_blend_epi8(two, flags, avx512_two(t, high, low));
    uint64_t mixed = _mm512_movepi8_mask(flags) & used;
    uint64_t here = _mm512_mask_cmpeq_epi8_mask(mixed, high, _mm512_set1_epi8(KANA));
    for (int i = 0, page = KANA; mixed; i++) {
        if (here) {
            flags = _mm512_mask_blend_epi8(here, flags, avx512_look_up(t->flags + 256 * page, low));
            mixed &= ~here;
        }
        if (!mixed || i == GRID_PAGES)
            break;
        page = _mm_cvtsi128_si32(_mm512_castsi512_si128(_mm512_maskz_compress_epi8(mixed, high))) & 0xFF;
        here = _mm512_mask_cmpeq_epi8_mask(mixed, high, _mm512_set1_epi8((char)page));
    }
    if (__builtin_expect(mixed != 0, 0))
        flags = avx512_left(t, flags, high, low, mixed);
    return flags;
}

/* The characters, of those in `pairs`, that no token joins with the character before. *before is the character before
 * the sixteen, and becomes the last of them. */
SIMD_AVX512
static inline uint64_t avx512_cuts(const KernelTables *t, __m128i high, __m128i low, __mmask16 pairs, uint32_t *before) {
    __m512i c = avx512_code_points(high, low), left = _mm512_alignr_epi32(c, _mm512_set1_epi32((int)*before), 15);
    __m512i hash = _mm512_add_epi32(_mm512_mullo_epi32(left, _mm512_set1_epi32((int)CUT_LEFT)),
                                    _mm512_mullo_epi32(c, _mm512_set1_epi32((int)CUT_RIGHT)));
    hash = _mm512_srli_epi32(hash, 32 - CUT_BITS);
    __m512i word = _mm512_mask_i32gather_epi32(_mm512_set1_epi32(-1), pairs, _mm512_srli_epi32(hash, 5),
                                               (const int *)t->joined, 4);
    word = _mm512_srlv_epi32(word, _mm512_and_si512(hash, _mm512_set1_epi32(31)));
    *before = (uint32_t)_mm_extract_epi32(_mm512_extracti32x4_epi32(c, 3), 3);
    return _mm512_mask_testn_epi32_mask(pairs, word, _mm512_set1_epi32(1));
}

/* The safe cuts between the neighbours in `pairs`. Each lead byte has a lane, so the character before is in the lane
 * before. */
SIMD_AVX512
static inline uint64_t avx512_all_cuts(const KernelTables *t, __m512i high, __m512i low, uint64_t leads, uint64_t pairs,
                                       uint32_t before) {
    pairs = _pext_u64(pairs, leads);
    high = _mm512_maskz_compress_epi8(leads, high);
    low = _mm512_maskz_compress_epi8(leads, low);
    uint64_t cut = avx512_cuts(t, _mm512_castsi512_si128(high), _mm512_castsi512_si128(low), (__mmask16)pairs, &before);
    if (pairs >> 16)
        cut |= avx512_cuts(t, _mm512_extracti32x4_epi32(high, 1), _mm512_extracti32x4_epi32(low, 1),
                           (__mmask16)(pairs >> 16), &before) << 16;
    return _pdep_u64(cut, leads);
}

/* The flags of the characters beyond ASCII, at their first bytes, and their code points. Sets m->leads, three, four. */
SIMD_AVX512 GRID_INLINE __m512i avx512_wide(const KernelTables *t, const uint8_t *p, uint64_t text, GridMasks *m,
                                            __m512i *high, __m512i *low) {
    __m512i x = ~text ? _mm512_maskz_loadu_epi8(text, p) : _mm512_loadu_si512(p);
    uint64_t leads = m->leads = _mm512_cmpge_epu8_mask(x, _mm512_set1_epi8((char)0xC0));
    uint64_t three = m->three = _mm512_cmpge_epu8_mask(x, _mm512_set1_epi8((char)0xE0));
    uint64_t four = m->four = _mm512_cmpge_epu8_mask(x, _mm512_set1_epi8((char)0xF0)), asked = leads & ~four;
    __m512i next = ~text ? _mm512_maskz_loadu_epi8(text >> 1, p + 1) : _mm512_loadu_si512(p + 1);
    __m512i last = ~text ? _mm512_maskz_loadu_epi8(text >> 2, p + 2) : _mm512_loadu_si512(p + 2);

    /* The code points, in two bytes; a character of two bytes as if a third byte stood before it. */
    __m512i middle = _mm512_mask_blend_epi8(three, x, next), end = _mm512_mask_blend_epi8(three, next, last);
    *high = _mm512_or_si512(avx512_only(three, BYTES_LEFT(x, 4, 0xF0)), BYTES_RIGHT(middle, 2, 0x0F));
    *low = _mm512_or_si512(BYTES_LEFT(middle, 6, 0xC0), _mm512_and_si512(end, _mm512_set1_epi8(0x3F)));
    __m512i flags = avx512_only(asked, avx512_flags(t, *high, *low, asked));
    return __builtin_expect(four != 0, 0) ? avx512_four(t, p, flags, four) : flags;
}

/* The flags at all bytes of their characters. */
SIMD_AVX512 GRID_INLINE __m512i avx512_every(__m512i flags, const GridMasks *m) {
    __m512i moved = _mm512_or_si512(avx512_moved(flags, 1, m->leads << 1), avx512_moved(flags, 2, m->three << 2));
    __m512i every = _mm512_or_si512(flags, moved);
    return __builtin_expect(m->four != 0, 0) ? _mm512_or_si512(every, avx512_moved(flags, 3, m->four << 3)) : every;
}

/* Sets the masks of the characters beyond ASCII. `text` says which bytes are text. */
SIMD_AVX512 GRID_INLINE void wide_avx512(const KernelTables *t, int rules, const uint8_t *p, uint64_t text,
                                         uint32_t before, GridMasks *m) {
    __m512i high, low, flags = avx512_wide(t, p, text, m, &high, &low), every = avx512_every(flags, m);

#define HAS(v, flag) _mm512_test_epi8_mask(v, _mm512_set1_epi8(flag))
    GridBits first = {.cuttable = HAS(flags, F_CUTTABLE), .rare = HAS(flags, F_RARE)};
    GridBits all = {.letter = HAS(every, F_LETTER), .punct = HAS(every, F_PUNCT), .cjk = HAS(every, F_CJK),
                    .blank = HAS(every, F_BLANK)};
    if (!rules_of_cjk(rules))
        first.cut_before = HAS(flags, F_CUT_BEFORE);
    if (rules_of_numbers(rules))
        all.number = HAS(every, F_NUMBER);
#undef HAS
    uint64_t pairs = grid_pairs(rules, &first, before);
    if (pairs)
        first.cut = avx512_all_cuts(t, high, low, m->leads, pairs, before);
    grid_add(rules, p, &first, all, m->wide, !~text, m);
}

/* Sets the masks of ASCII, and m->wide. By pointer: gcc's address sanitizer does not align the stack for a copy. */
SIMD_AVX512 GRID_INLINE void narrow_avx512(const KernelTables *t, int rules, const uint8_t *p, uint64_t text, GridMasks *m) {
    __m512i x = ~text ? _mm512_maskz_loadu_epi8(text, p) : _mm512_loadu_si512(p);
    uint64_t wide = _mm512_movepi8_mask(x), narrow = ~wide & text;
    __m512i kinds = _mm512_permutex2var_epi8(_mm512_loadu_si512(t->ascii), x, _mm512_loadu_si512(t->ascii + 64));
#define KIND(kind) _mm512_mask_test_epi8_mask(narrow, kinds, _mm512_set1_epi8((char)(kind)))
#define IS(v, c) _mm512_mask_cmpeq_epi8_mask(narrow, v, _mm512_set1_epi8(c))
    m->letter = m->ascii = KIND(A_LETTER);
    m->punct = KIND(A_PUNCT);
    m->number = KIND(A_NUMBER);
    m->space = IS(x, ' ');
    m->blank = KIND(A_BLANK);
    m->line = ROWS[rules].newlines == NEWLINES_FIRST ? IS(x, '\n') : 0;
    m->newline = KIND(A_NEWLINE) & ~m->line;
    m->rare = ROWS[rules].lead == LEAD_BLANK ? _mm512_mask_testn_epi8_mask(narrow, kinds, kinds) : 0;
    m->quote = m->brief = m->r_or_v = m->l = m->e = 0;
    if (ROWS[rules].suffix) {
        __m512i small = ROWS[rules].suffix == SUFFIX_SMALL ? x : _mm512_or_si512(x, _mm512_set1_epi8(0x20));
        m->quote = KIND(A_QUOTE);
        m->brief = KIND(A_BRIEF);
        m->r_or_v = IS(small, 'r') | IS(small, 'v');
        m->l = IS(small, 'l');
        m->e = IS(small, 'e');
    }
    if (ROWS[rules].cased) {
        m->upper = KIND(A_UPPER);
        m->lower = m->letter & ~m->upper;
        m->caseless = m->combining = 0;
        m->slash = IS(x, '/');
    }
#undef KIND
#undef IS
    grid_narrow(text, wide, m);
}

/* The matrix kernel, as in matrix.h. The class of a character is spread over its bytes, so the row of the character before
 * is always one byte before. */

/* A table of 16 bytes, looked up by class. */
SIMD_AVX512 GRID_INLINE __m512i avx512_by_class(const uint8_t *table, __m512i classes) {
    return _mm512_permutexvar_epi8(classes, _mm512_broadcast_i32x4(_mm_loadu_si128((const __m128i *)table)));
}

/* Returns the starts in a block, but for its first byte. `*size`: the bytes decided, unless the text ends before. */
SIMD_AVX512 GRID_INLINE uint64_t matrix_avx512(const KernelTables *t, const uint8_t *p, uint64_t text, int *size) {
    __m512i x = ~text ? _mm512_maskz_loadu_epi8(text, p) : _mm512_loadu_si512(p);
    uint64_t wide = _mm512_movepi8_mask(x), cuts = 0, trail = 0;
    __m512i classes = _mm512_permutex2var_epi8(_mm512_loadu_si512(t->ascii), x, _mm512_loadu_si512(t->ascii + 64));
    *size = GRID_ASCII;
    if (wide) {
        GridMasks m;
        __m512i high, low, flags = avx512_wide(t, p, text, &m, &high, &low);
        classes = _mm512_mask_blend_epi8(wide, classes, avx512_every(flags, &m));
        uint64_t cuttable = _mm512_test_epi8_mask(flags, _mm512_set1_epi8(F_CUTTABLE)), pairs = cuttable & cuttable << 3;
        if (pairs)
            cuts = avx512_all_cuts(t, high, low, m.leads, pairs, 0);
        trail = wide & ~m.leads;
        *size = 63 - __builtin_clzll(~wide | m.leads);
    }
    __m512i before = avx512_moved(avx512_by_class(t->rows, classes), 1, ~0ull);
    uint64_t joiner = _mm512_cmpeq_epi8_mask(x, _mm512_set1_epi8((char)t->joiner));
    trail |= joiner << 1 & _mm512_cmpeq_epi8_mask(x, _mm512_set1_epi8(' '));
    return (_mm512_testn_epi8_mask(before, avx512_by_class(MATRIX_BITS, classes)) & ~trail) | cuts;
}

#endif
#endif
