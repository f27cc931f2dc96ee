/* The matrix kernel at AVX-512.

   In: text. Out: the starts of a block, as in matrix.h. The class of a character is spread over its bytes, so the row
   of the character before is always one byte before. */
#ifndef DSTOK_MATRIX_AVX512_H
#define DSTOK_MATRIX_AVX512_H

#include "split/masks_avx512.h"
#include "split/matrix.h"

#ifdef DSTOK_X86

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
