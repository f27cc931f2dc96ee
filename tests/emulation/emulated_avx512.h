/* The intrinsics of AVX-512 that the core uses, and those of its masks for vectors of any size, in plain C.

   In: the macros of emulated.h, which includes this. Out: the intrinsics, by the rules that stand there. */
#ifndef DSTOK_EMULATED_AVX512_H
#define DSTOK_EMULATED_AVX512_H

/* Loads and stores of whole vectors. */
LOAD(_mm512_loadu_si512, __m512i)
STORE(_mm512_storeu_si512, __m512i)

/* Loads of the lanes of a mask, and stores. */
#define MASKZ_LOAD(name, M, u) \
    EMULATED __m512i name(M k, const void *from) { \
        __m512i r; \
        memset(&r, 0, sizeof r); \
        EACH(COUNT(r, u)) if (BIT(k)) memcpy(&r.u[i], (const char *)from + i * sizeof r.u[0], sizeof r.u[0]); \
        return r; \
    }
MASKZ_LOAD(_mm512_maskz_loadu_epi8, __mmask64, u8)

/* Vectors of constants. */
SET1(_mm512_set1_epi8, __m512i, u8, char)
SET1(_mm512_set1_epi16, __m512i, u16, short)
SET1(_mm512_set1_epi32, __m512i, u32, int)

EMULATED __m512i _mm512_setzero_si512(void) { return _mm512_set1_epi8(0); }

/* Lane by lane, from two vectors. */
LANES(_mm512_and_si512, __m512i, u64, uint64_t, A & B)
LANES(_mm512_or_si512, __m512i, u64, uint64_t, A | B)
LANES(_mm512_add_epi32, __m512i, u32, uint32_t, A + B)
LANES(_mm512_mullo_epi32, __m512i, u32, uint32_t, A * B)
LANES(_mm512_srlv_epi32, __m512i, u32, uint32_t, B > 31 ? 0 : A >> B)

/* Shifts of all lanes by the same number of bits. */
SHIFT(_mm512_slli_epi16, __m512i, u16, unsigned, by, (uint16_t)(a.u16[i] << n))
SHIFT(_mm512_srli_epi16, __m512i, u16, unsigned, by, a.u16[i] >> n)
SHIFT(_mm512_slli_epi32, __m512i, u32, unsigned, by, a.u32[i] << n)
SHIFT(_mm512_srli_epi32, __m512i, u32, unsigned, by, a.u32[i] >> n)
SHIFT(_mm512_srli_epi64, __m512i, u64, unsigned, by, a.u64[i] >> n)

/* Comparisons: one bit for each lane. */
#define COMPARE(name, V, M, u, T, condition) \
    EMULATED M name(V a, V b) { \
        M k = 0; \
        EACH(COUNT(a, u)) { T A = (T)a.u[i], B = (T)b.u[i]; k |= (M)((M)(condition) << i); } \
        return k; \
    }
#define MASK_COMPARE(name, base, V, M) EMULATED M name(M k, V a, V b) { return k & base(a, b); }
COMPARE(_mm512_cmpeq_epi8_mask, __m512i, __mmask64, u8, uint8_t, A == B)
COMPARE(_mm512_cmpneq_epi8_mask, __m512i, __mmask64, u8, uint8_t, A != B)
COMPARE(_mm512_cmpge_epu8_mask, __m512i, __mmask64, u8, uint8_t, A >= B)
COMPARE(_mm512_cmplt_epu8_mask, __m512i, __mmask64, u8, uint8_t, A < B)
COMPARE(_mm512_cmpeq_epi32_mask, __m512i, __mmask16, u32, uint32_t, A == B)
COMPARE(_mm512_cmpge_epu32_mask, __m512i, __mmask16, u32, uint32_t, A >= B)
COMPARE(_mm512_test_epi8_mask, __m512i, __mmask64, u8, uint8_t, (A & B) != 0)
COMPARE(_mm512_test_epi16_mask, __m512i, __mmask32, u16, uint16_t, (A & B) != 0)
COMPARE(_mm512_testn_epi8_mask, __m512i, __mmask64, u8, uint8_t, (A & B) == 0)
COMPARE(_mm512_testn_epi32_mask, __m512i, __mmask16, u32, uint32_t, (A & B) == 0)
MASK_COMPARE(_mm512_mask_cmpeq_epi8_mask, _mm512_cmpeq_epi8_mask, __m512i, __mmask64)
MASK_COMPARE(_mm512_mask_cmplt_epu8_mask, _mm512_cmplt_epu8_mask, __m512i, __mmask64)
MASK_COMPARE(_mm512_mask_test_epi8_mask, _mm512_test_epi8_mask, __m512i, __mmask64)
MASK_COMPARE(_mm512_mask_testn_epi8_mask, _mm512_testn_epi8_mask, __m512i, __mmask64)
MASK_COMPARE(_mm512_mask_testn_epi32_mask, _mm512_testn_epi32_mask, __m512i, __mmask16)

EMULATED __mmask64 _mm512_movepi8_mask(__m512i a) { return _mm512_test_epi8_mask(a, _mm512_set1_epi8((char)0x80)); }

/* Lanes by a mask: from `a` where it is set. */
#define MASK_BLEND(name, V, M, u) \
    EMULATED V name(M k, V s, V a) { \
        EACH(COUNT(s, u)) if (BIT(k)) s.u[i] = a.u[i]; \
        return s; \
    }
MASK_BLEND(_mm512_mask_blend_epi8, __m512i, __mmask64, u8)
MASK_BLEND(_mm512_mask_blend_epi16, __m512i, __mmask32, u16)
MASK_BLEND(emulated_blend_epi32, __m512i, __mmask16, u32)
EMULATED __m512i _mm512_mask_or_epi32(__m512i s, __mmask16 k, __m512i a, __m512i b) {
    return emulated_blend_epi32(k, s, _mm512_or_si512(a, b));
}

/* The lanes of a mask moved together, with zeros after them. */
#define COMPRESS(name, V, M, u) \
    EMULATED V name(M k, V a) { \
        V r; \
        int n = 0; \
        memset(&r, 0, sizeof r); \
        EACH(COUNT(a, u)) if (BIT(k)) r.u[n++] = a.u[i]; \
        return r; \
    }
COMPRESS(_mm512_maskz_compress_epi8, __m512i, __mmask64, u8)

/* Lanes from memory, by signed indices in 32 bits. */
#define GATHER(name, M, u, X) \
    EMULATED __m512i name(__m512i s, M k, X index, const void *from, int scale) { \
        EACH(COUNT(s, u)) if (BIT(k)) \
            memcpy(&s.u[i], (const char *)from + (int64_t)(int32_t)index.u32[i] * scale, sizeof s.u[0]); \
        return s; \
    }
GATHER(_mm512_mask_i32gather_epi32, __mmask16, u32, __m512i)

/* Lanes of another width. */
CONVERT(_mm512_cvtepu8_epi16, __m512i, u16, __m256i, u8)
CONVERT(_mm512_cvtepu8_epi32, __m512i, u32, __m128i, u8)
CONVERT(_mm512_cvtepu16_epi32, __m512i, u32, __m256i, u16)

/* Parts of vectors. */
CONVERT(_mm512_castsi512_si128, __m128i, u64, __m512i, u64)
EMULATED __m128i _mm512_extracti32x4_epi32(__m512i a, int at) { return _mm_loadu_si128(a.u8 + 16 * (at & 3)); }
EMULATED __m512i _mm512_broadcast_i32x4(__m128i a) { __m512i r; EACH(4) memcpy(r.u8 + 16 * i, &a, 16); return r; }

EMULATED __m512i _mm512_broadcast_i64x4(__m256i a) { __m512i r; EACH(2) memcpy(r.u8 + 32 * i, &a, 32); return r; }

/* Bytes and lanes by number. */
EMULATED __m512i _mm512_permutexvar_epi8(__m512i index, __m512i a) {
    __m512i r;
    EACH(64) r.u8[i] = a.u8[index.u8[i] & 63];
    return r;
}
EMULATED __m512i _mm512_permutex2var_epi8(__m512i a, __m512i index, __m512i b) {
    __m512i r;
    EACH(64) r.u8[i] = (index.u8[i] & 64 ? b : a).u8[index.u8[i] & 63];
    return r;
}
PICK(_mm512_shuffle_epi8, __m512i, u8, b.u8[i] & 128 ? 0 : a.u8[(i & 48) + (b.u8[i] & 15)])
EMULATED __m512i _mm512_alignr_epi32(__m512i a, __m512i b, int by) {
    __m512i both[2] = {b, a};
    return _mm512_loadu_si512((const char *)both + 4 * (by & 15));
}

#undef MASKZ_LOAD
#undef COMPARE
#undef MASK_COMPARE
#undef MASK_BLEND
#undef COMPRESS
#undef GATHER

#endif
