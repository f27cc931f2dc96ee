/* The probe in batches, and the writing of ids, by AVX2.
 *
 * In and out: as in _probe_batches.h. Invariant: the same values, the same missing pieces, the same ids.
 */
#ifndef DSTOK_PROBE_AVX2_H
#define DSTOK_PROBE_AVX2_H

#include "merge/_probe_batches.h"
#include "simd/_simd.h"

#ifdef DSTOK_X86

/* From 32 bytes on the result may be anything: no value that a look-up finds by it has such a length. */
SIMD_AVX2 __attribute__((always_inline))
static inline uint64_t low_avx2(uint64_t word, uint32_t bytes) {
    return _bzhi_u64(word, 8 * bytes);
}

SIMD_AVX2 __attribute__((always_inline))
static inline void pair_avx2(const uint64_t *const *lines, const uint64_t *keys, uint64_t *values) {
    const uint64_t *first = lines[0], *second = lines[1];
    __m256i v0 = _mm256_cmpeq_epi64(_mm256_load_si256((const __m256i *)first), _mm256_set1_epi64x((long long)keys[0]));
    __m256i v1 = _mm256_cmpeq_epi64(_mm256_load_si256((const __m256i *)second), _mm256_set1_epi64x((long long)keys[1]));
    v0 = _mm256_and_si256(v0, _mm256_load_si256((const __m256i *)(first + 4)));
    v1 = _mm256_and_si256(v1, _mm256_load_si256((const __m256i *)(second + 4)));
    __m256i both = _mm256_or_si256(_mm256_unpacklo_epi64(v0, v1), _mm256_unpackhi_epi64(v0, v1));
    _mm_storeu_si128((__m128i *)values, _mm_or_si128(_mm256_castsi256_si128(both), _mm256_extracti128_si256(both, 1)));
}

SIMD_AVX2 __attribute__((always_inline))
static inline uint64_t long_avx2(const uint64_t *line, uint64_t key_0, uint64_t key_1, uint64_t key_2) {
    const __m128i *words = (const __m128i *)line;
    __m128i same = _mm_cmpeq_epi64(_mm_load_si128(words), _mm_set1_epi64x((long long)key_0));
    same = _mm_and_si128(same, _mm_cmpeq_epi64(_mm_load_si128(words + 1), _mm_set1_epi64x((long long)key_1)));
    same = _mm_and_si128(same, _mm_cmpeq_epi64(_mm_load_si128(words + 2), _mm_set1_epi64x((long long)key_2)));
    same = _mm_and_si128(same, _mm_load_si128(words + 3));
    return (uint64_t)_mm_cvtsi128_si64(_mm_or_si128(same, _mm_unpackhi_epi64(same, same)));
}

SIMD_AVX2 __attribute__((always_inline))
static inline int four_avx2(const uint64_t *values, const uint32_t *starts) {
    __m256i value = _mm256_loadu_si256((const __m256i *)values);
    __m128i length = _mm_sub_epi32(_mm_loadu_si128((const __m128i *)(starts + 1)), _mm_loadu_si128((const __m128i *)starts));
    __m256i has = _mm256_and_si256(_mm256_srli_epi64(value, 2), _mm256_set1_epi64x(63));
    __m256i elsewhere = _mm256_cmpeq_epi64(_mm256_and_si256(value, _mm256_set1_epi64x(3)), _mm256_setzero_si256());
    __m256i fine = _mm256_andnot_si256(elsewhere, _mm256_cmpeq_epi64(has, _mm256_cvtepu32_epi64(length)));
    return _mm256_movemask_pd(_mm256_castsi256_pd(fine));
}

SIMD_AVX2
static int probe_avx2(const PieceTable *t, const uint8_t *text, const uint32_t *starts, int pieces, uint64_t *values,
                      uint32_t *missed) {
    return probe_by(low_avx2, pair_avx2, long_avx2, four_avx2, t, text, starts, pieces, values, missed);
}

_Static_assert(VALUE_ID_BITS == 18, "ids begin at bit 0 of byte 1, bit 2 of byte 3 and bit 4 of byte 5");
/* The three bytes where each id begins, for two values. */
static const int8_t EMIT_FROM[32] = {1, 2,  3,  -1, 3,  4,  5,  -1, 5,  6,  7,  -1, -1, -1, -1, -1,
                                     9, 10, 11, -1, 11, 12, 13, -1, 13, 14, 15, -1, -1, -1, -1, -1};

SIMD_AVX2
static int emit_avx2(const uint64_t *values, int at, int pieces, uint32_t **out) {
    /* Drops the bits below and above an id in its bytes. */
    const __m256i from = _mm256_loadu_si256((const __m256i *)EMIT_FROM);
    const __m256i below = _mm256_setr_epi32(0, 2, 4, 0, 0, 2, 4, 0);
    const __m256i low = _mm256_set1_epi32((1 << VALUE_ID_BITS) - 1);
    const uint64_t *v = values + at, *end = values + pieces - 1;
    uint32_t *o = *out;
    for (; v < end; v += 2) {
        uint64_t count = v[0] & 3, second = v[1] & 3;
        if (!count || !second)
            break;
        __m256i ids = _mm256_broadcastsi128_si256(_mm_loadu_si128((const __m128i *)v));
        ids = _mm256_and_si256(_mm256_srlv_epi32(_mm256_shuffle_epi8(ids, from), below), low);
        _mm_storeu_si128((__m128i *)o, _mm256_castsi256_si128(ids));
        o += count;
        _mm_storeu_si128((__m128i *)o, _mm256_extracti128_si256(ids, 1));
        o += second;
    }
    *out = o;
    return emit_portable(values, (int)(v - values), pieces, out);
}

#endif
#endif
