/* The intrinsics of AVX2 and below, and of BMI2, that the core uses, in plain C: for tests on processors without them.
   Those of AVX-512 and masks: emulated_avx512.h, included at the end.

   In, out: as Intel's intrinsics guide says; vectors are unions of arrays. vectors.h includes this in place of
   <immintrin.h>. tests/core/split/test_emulation.py compares each intrinsic with the processor's own, where there is one,
   and finds those that the core uses and these two files lack. Bytes that an instruction leaves undefined become 0xEE.
   Bytes that a mask leaves out are not read or written, so the address sanitizer sees all that a gather or a masked
   load reads. (SIMDe 0.8.2, a library for the same purpose, lacks 24 of them, among those the compressions of bytes,
   masked gathers, PDEP and PEXT.) */
#ifndef DSTOK_EMULATED_H
#define DSTOK_EMULATED_H

#include <stdint.h>
#include <string.h>

#if defined(__BYTE_ORDER__) && __BYTE_ORDER__ == __ORDER_BIG_ENDIAN__
#error "the lanes of vectors are little-endian"
#endif

typedef union { uint8_t u8[16]; uint16_t u16[8]; uint32_t u32[4]; uint64_t u64[2]; } Emulated128;
typedef union { uint8_t u8[32]; uint16_t u16[16]; uint32_t u32[8]; uint64_t u64[4]; } Emulated256;
typedef union { uint8_t u8[64]; uint16_t u16[32]; uint32_t u32[16]; uint64_t u64[8]; } Emulated512;

#define __m128i Emulated128
#define __m256i Emulated256
#define __m256 Emulated256
#define __m128d Emulated128
#define __m256d Emulated256
#define __m512i Emulated512
#define __mmask8 uint8_t
#define __mmask16 uint16_t
#define __mmask32 uint32_t
#define __mmask64 uint64_t

#if defined(__GNUC__)
#define EMULATED static inline __attribute__((unused))
#else
#define EMULATED static inline
#endif
#define EACH(n) for (int i = 0; i < (n); i++)
#define BIT(mask) ((mask) >> i & 1)
/* The lanes of type `u` in a vector. */
#define COUNT(v, u) ((int)(sizeof((v).u) / sizeof((v).u[0])))

/* Loads and stores of whole vectors. */
#define LOAD(name, V) EMULATED V name(const void *from) { V r; memcpy(&r, from, sizeof r); return r; }
#define STORE(name, V) EMULATED void name(void *to, V a) { memcpy(to, &a, sizeof a); }
LOAD(_mm_load_si128, __m128i)
LOAD(_mm_loadu_si128, __m128i)
EMULATED __m128i _mm_loadl_epi64(const void *from) { __m128i r = {{0}}; memcpy(&r, from, 8); return r; }
EMULATED __m128d _mm_loadh_pd(__m128d a, const void *from) { memcpy(&a.u64[1], from, 8); return a; }
LOAD(_mm256_load_si256, __m256i)
LOAD(_mm256_loadu_si256, __m256i)
STORE(_mm_storeu_si128, __m128i)
STORE(_mm256_storeu_si256, __m256i)

/* Vectors of constants. */
#define SET1(name, V, u, T) EMULATED V name(T x) { V r; EACH(COUNT(r, u)) r.u[i] = x; return r; }
SET1(_mm_set1_epi64x, __m128i, u64, long long)
SET1(_mm256_set1_epi8, __m256i, u8, char)
SET1(_mm256_set1_epi32, __m256i, u32, int)
SET1(_mm256_set1_epi64x, __m256i, u64, long long)

EMULATED __m256i _mm256_setzero_si256(void) { return _mm256_set1_epi8(0); }
EMULATED __m128i _mm_setzero_si128(void) { return _mm_set1_epi64x(0); }
EMULATED __m128i _mm_cvtsi32_si128(int x) { __m128i r = {.u32 = {(uint32_t)x, 0, 0, 0}}; return r; }

EMULATED __m256i _mm256_setr_epi32(int a, int b, int c, int d, int e, int f, int g, int h) {
    const int lanes[8] = {a, b, c, d, e, f, g, h};
    return _mm256_loadu_si256(lanes);
}
EMULATED __m256i _mm256_set_epi32(int h, int g, int f, int e, int d, int c, int b, int a) {
    return _mm256_setr_epi32(a, b, c, d, e, f, g, h);
}

/* Lane by lane, from two vectors: A and B are their lanes, as types of C. */
#define LANES(name, V, u, T, expression) \
    EMULATED V name(V a, V b) { \
        V r; \
        EACH(COUNT(r, u)) { T A = (T)a.u[i], B = (T)b.u[i]; r.u[i] = expression; } \
        return r; \
    }
LANES(_mm_and_si128, __m128i, u64, uint64_t, A & B)
LANES(_mm_xor_si128, __m128i, u64, uint64_t, A ^ B)
LANES(_mm_or_si128, __m128i, u64, uint64_t, A | B)
LANES(_mm_sub_epi32, __m128i, u32, uint32_t, A - B)
LANES(_mm_min_epu32, __m128i, u32, uint32_t, A < B ? A : B)
LANES(_mm_cmpeq_epi64, __m128i, u64, uint64_t, A == B ? ~0ull : 0)
LANES(_mm256_and_si256, __m256i, u64, uint64_t, A & B)
LANES(_mm256_or_si256, __m256i, u64, uint64_t, A | B)
LANES(_mm256_andnot_si256, __m256i, u64, uint64_t, ~A & B)
LANES(_mm256_add_epi32, __m256i, u32, uint32_t, A + B)
LANES(_mm256_add_epi64, __m256i, u64, uint64_t, A + B)
LANES(_mm256_sub_epi32, __m256i, u32, uint32_t, A - B)
LANES(_mm256_mullo_epi32, __m256i, u32, uint32_t, A * B)
LANES(_mm256_mullo_epi64, __m256i, u64, uint64_t, A * B)
LANES(_mm256_mul_epu32, __m256i, u64, uint64_t, (A & 0xFFFFFFFF) * (B & 0xFFFFFFFF))
LANES(_mm256_min_epu32, __m256i, u32, uint32_t, A < B ? A : B)
LANES(_mm256_cmpgt_epi32, __m256i, u32, int32_t, A > B ? ~0u : 0)
LANES(_mm256_cmpeq_epi32, __m256i, u32, uint32_t, A == B ? ~0u : 0)
LANES(_mm256_cmpeq_epi64, __m256i, u64, uint64_t, A == B ? ~0ull : 0)
LANES(_mm256_srlv_epi32, __m256i, u32, uint32_t, B > 31 ? 0 : A >> B)
LANES(_mm256_srlv_epi64, __m256i, u64, uint64_t, B > 63 ? 0 : A >> B)

/* Shifts of all lanes by the same number of bits, given as an int or in a vector. */
#define SHIFT(name, V, u, C, count, expression) \
    EMULATED V name(V a, C by) { \
        uint64_t n = count; \
        EACH(COUNT(a, u)) a.u[i] = n >= 8 * sizeof a.u[0] ? 0 : (expression); \
        return a; \
    }
SHIFT(_mm256_slli_epi32, __m256i, u32, unsigned, by, a.u32[i] << n)
SHIFT(_mm256_slli_epi64, __m256i, u64, unsigned, by, a.u64[i] << n)
SHIFT(_mm256_srl_epi64, __m256i, u64, __m128i, by.u64[0], a.u64[i] >> n)
SHIFT(_mm256_srli_epi64, __m256i, u64, unsigned, by, a.u64[i] >> n)

/* The highest bit of each lane. */
#define MOVEMASK(name, V, u) \
    EMULATED int name(V a) { \
        uint32_t k = 0; \
        EACH(COUNT(a, u)) k |= (uint32_t)(a.u[i] >> (8 * sizeof a.u[0] - 1)) << i; \
        return (int)k; \
    }
MOVEMASK(_mm_movemask_epi8, __m128i, u8)
MOVEMASK(_mm256_movemask_epi8, __m256i, u8)
MOVEMASK(_mm256_movemask_ps, __m256, u32)
MOVEMASK(_mm256_movemask_pd, __m256d, u64)

/* Bytes of `b` where the highest bit of `k` is set. */
EMULATED __m256i _mm256_blendv_epi8(__m256i a, __m256i b, __m256i k) {
    EACH(32) if (k.u8[i] >> 7) a.u8[i] = b.u8[i];
    return a;
}

/* Lanes from memory, by signed indices; a lane whose highest bit in `k` is not set comes from `s`. */
#define GATHER_256(name, u, X, index_u, I) \
    EMULATED __m256i emulated_mask_##name(__m256i s, const void *from, X index, __m256i k, int scale) { \
        EACH(COUNT(s, u)) if (k.u[i] >> (8 * sizeof k.u[0] - 1)) \
            memcpy(&s.u[i], (const char *)from + (int64_t)(I)index.index_u[i] * scale, sizeof s.u[0]); \
        return s; \
    } \
    EMULATED __m256i _mm256_##name(const void *from, X index, int scale) { \
        return emulated_mask_##name(_mm256_setzero_si256(), from, index, _mm256_set1_epi8((char)0x80), scale); \
    }
GATHER_256(i32gather_epi32, u32, __m256i, u32, int32_t)
GATHER_256(i32gather_epi64, u64, __m128i, u32, int32_t)
GATHER_256(i64gather_epi64, u64, __m256i, u64, int64_t)

/* Lanes of another width. */
#define CONVERT(name, To, to, From, source) \
    EMULATED To name(From a) { \
        To r; \
        memset(&r, 0xEE, sizeof r); \
        EACH(COUNT(a, source) < COUNT(r, to) ? COUNT(a, source) : COUNT(r, to)) \
            memcpy(&r.to[i], &(uint64_t){a.source[i]}, sizeof r.to[0]); \
        return r; \
    }
CONVERT(_mm256_cvtepu8_epi32, __m256i, u32, __m128i, u8)
CONVERT(_mm256_cvtepu32_epi64, __m256i, u64, __m128i, u32)

/* Parts of vectors. */
CONVERT(_mm256_castsi256_si128, __m128i, u64, __m256i, u64)
CONVERT(_mm_castpd_si128, __m128i, u64, __m128d, u64)
CONVERT(_mm_castsi128_pd, __m128d, u64, __m128i, u64)
CONVERT(_mm256_castps_si256, __m256i, u64, __m256, u64)
CONVERT(_mm256_castsi256_ps, __m256, u64, __m256i, u64)
CONVERT(_mm256_castsi256_pd, __m256d, u64, __m256i, u64)
EMULATED __m128i _mm256_extracti128_si256(__m256i a, int at) { return _mm_loadu_si128(a.u8 + 16 * (at & 1)); }
EMULATED __m256i _mm256_set_m128i(__m128i b, __m128i a) { __m256i r = {.u64 = {a.u64[0], a.u64[1], b.u64[0], b.u64[1]}}; return r; }
EMULATED __m256i _mm256_broadcastsi128_si256(__m128i a) { __m256i r; EACH(2) memcpy(r.u8 + 16 * i, &a, 16); return r; }
EMULATED int _mm_extract_epi32(__m128i a, int at) { return (int)a.u32[at & 3]; }
EMULATED int _mm_cvtsi128_si32(__m128i a) { return (int)a.u32[0]; }
EMULATED long long _mm_cvtsi128_si64(__m128i a) { return (long long)a.u64[0]; }

/* Bytes and lanes by number. */
#define PICK(name, V, u, expression) \
    EMULATED V name(V a, V b) { \
        V r; \
        EACH(COUNT(r, u)) r.u[i] = expression; \
        return r; \
    }
PICK(_mm_shuffle_epi8, __m128i, u8, b.u8[i] & 128 ? 0 : a.u8[b.u8[i] & 15])
PICK(_mm256_shuffle_epi8, __m256i, u8, b.u8[i] & 128 ? 0 : a.u8[(i & 16) + (b.u8[i] & 15)])
EMULATED __m128i _mm_shuffle_epi32(__m128i a, int from) { __m128i r; EACH(4) r.u32[i] = a.u32[from >> 2 * i & 3]; return r; }
PICK(_mm_unpackhi_epi64, __m128i, u64, (i & 1 ? b : a).u64[1])
PICK(_mm256_unpacklo_epi64, __m256i, u64, (i & 1 ? b : a).u64[i & 2])
PICK(_mm256_unpackhi_epi64, __m256i, u64, (i & 1 ? b : a).u64[(i & 2) + 1])

/* The same by a number that the instruction holds. */
#define PICK_BY(name, V, u, expression) \
    EMULATED V name(V a, V b, int from) { \
        V r; \
        EACH(COUNT(r, u)) r.u[i] = expression; \
        return r; \
    }
PICK_BY(_mm256_blend_epi32, __m256i, u32, (BIT(from) ? b : a).u32[i])
PICK_BY(_mm256_shuffle_ps, __m256, u32, (i & 2 ? b : a).u32[(i & 4) + (from >> 2 * (i & 3) & 3)])
PICK_BY(_mm256_permute2x128_si256, __m256i, u64,
        from >> (i & 2 ? 7 : 3) & 1 ? 0 : (from >> (i & 2 ? 5 : 1) & 1 ? b : a).u64[(from >> (i & 2 ? 4 : 0) & 1) * 2 + (i & 1)])
PICK_BY(_mm256_alignr_epi8, __m256i, u8, (i & 15) + from < 16 ? b.u8[i + from] : a.u8[i + from - 16])
EMULATED __m256i _mm256_permute4x64_epi64(__m256i a, int from) {
    __m256i r;
    EACH(4) r.u64[i] = a.u64[from >> 2 * i & 3];
    return r;
}

/* Bits of words. */
EMULATED unsigned long long _pdep_u64(unsigned long long a, unsigned long long mask) {
    unsigned long long r = 0;
    for (; mask; mask &= mask - 1, a >>= 1)
        r |= a & 1 ? mask & -mask : 0;
    return r;
}
EMULATED unsigned long long _pext_u64(unsigned long long a, unsigned long long mask) {
    unsigned long long r = 0;
    for (int n = 0; mask; mask &= mask - 1, n++)
        r |= (unsigned long long)((a & mask & -mask) != 0) << n;
    return r;
}
EMULATED unsigned long long _bzhi_u64(unsigned long long a, unsigned count) {
    count &= 0xFF;
    return count > 63 ? a : a & ((1ull << count) - 1);
}

#include "emulated_avx512.h"

#undef EMULATED
#undef EACH
#undef BIT
#undef COUNT
#undef LOAD
#undef STORE
#undef SET1
#undef LANES
#undef SHIFT
#undef MOVEMASK
#undef CONVERT
#undef PICK
#undef PICK_BY
#undef NEAREST
#undef GATHER_256

#endif
