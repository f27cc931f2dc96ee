/* The vectors of the core: the x86 instructions that it may use, or their emulation, and one text for all sizes of vectors.

   In: the compiler's macros, and DSTOK_EMULATE_AVX512 (set by `DSTOK_EMULATE=avx512 pip install .`, see setup.py), which
   finds tests/emulation/emulated.h: so tests run the code of every level on any processor, slowly.
   Out: DSTOK_X86 where there are intrinsics; SIMD_TARGET, for functions that use them; DSTOK_EMULATED, 0 or 1.

   If VECTOR_CODE is the name of a header, includes it once for each size of the compiler's own vectors: one text for
   AVX2, NEON and any other processor. That header gets

   VECTOR       bytes of a vector, 32 or 16
   V            a vector of that size
   W            the same in words of two bytes
   NAME(x)      x with the level's name
   FUNCTION     the words before a function; TARGET: before a function that is called by a pointer
   HIDE(v)      makes the compiler forget the value of v
   BITS(v)      the highest bits of a vector's bytes, as a number
   and, where the processor can,
   LOOK_UP(table, index)    looks each byte of the vector `index`, below 16, up in 16 bytes; 0 for one from 0x80 on
   LOOK_UP_16(out, table, index)    the same for 16 bytes of `index`, all in memory
   MOVE_UP(out, below, v), MOVE_DOWN(out, v, above)    moves the bytes of `v` by one place, the free one from its neighbour
   These go by way of memory, and the compiler sees through it: emulated, registers are no vectors of its own. */
#ifndef DSTOK_VECTORS_H
#define DSTOK_VECTORS_H

#include "cpu/platform.h"

#if defined(DSTOK_EMULATE_AVX512)

#include <emulated.h>
#define DSTOK_X86 1
#define DSTOK_EMULATED 1
#define SIMD_TARGET(features)

#else

#define DSTOK_EMULATED 0
#if defined(__x86_64__)
#include <immintrin.h>
#define DSTOK_X86 1
#define SIMD_TARGET(features) __attribute__((target(features)))
#endif

#endif

#if defined(__aarch64__) && defined(__ARM_NEON) && !defined(__AARCH64EB__)
#define SIMD_NEON 1
#else
#define SIMD_NEON 0
#endif

#define SIMD_AVX2 SIMD_TARGET("avx2,bmi,bmi2,lzcnt,popcnt")
/* Most AVX-512 code may use all of these: processors with VBMI2 have them all. */
#define SIMD_AVX512 SIMD_TARGET("avx512f,avx512bw,avx512vl,avx512dq,avx512vbmi,avx512vbmi2,bmi,bmi2,lzcnt,popcnt")

/* The vectors that this build can use here, as VECTORS_ bits. */
static inline int simd_vectors(void) {
    return DSTOK_EMULATED ? VECTORS_AVX2 | VECTORS_AVX512 : platform_vectors();
}

typedef uint8_t Vector_16 __attribute__((vector_size(16), aligned(1), may_alias));
typedef uint8_t Vector_32 __attribute__((vector_size(32), aligned(1), may_alias));
typedef uint16_t Words_16 __attribute__((vector_size(16), aligned(1), may_alias));
typedef uint16_t Words_32 __attribute__((vector_size(32), aligned(1), may_alias));

/* Of each number of eight bits, the places of its bits, from the lowest byte on. */
static uint64_t BIT_PLACES[256];

__attribute__((unused))
static inline void bit_places_open(void) {
    for (int bits = 0; bits < 256; bits++) {
        int n = 0;
        for (uint64_t i = 0; i < 8; i++)
            if (bits >> i & 1)
                BIT_PLACES[bits] |= i << 8 * n++;
    }
}

#if SIMD_NEON
#include <arm_neon.h>
#endif

__attribute__((always_inline, unused))
static inline uint32_t bits_16(const uint8_t *v) {
#if defined(__SSE2__) && !DSTOK_EMULATED
    return (uint32_t)_mm_movemask_epi8(_mm_loadu_si128((const __m128i *)v));
#elif SIMD_NEON
    static const uint8_t weights[16] = {1, 2, 4, 8, 16, 32, 64, 128, 1, 2, 4, 8, 16, 32, 64, 128};
    uint8x16_t set = vreinterpretq_u8_s8(vshrq_n_s8(vreinterpretq_s8_u8(vld1q_u8(v)), 7));
    uint8x16_t sums = vandq_u8(set, vld1q_u8(weights));
    sums = vpaddq_u8(sums, sums);
    sums = vpaddq_u8(sums, sums);
    return vgetq_lane_u16(vreinterpretq_u16_u8(vpaddq_u8(sums, sums)), 0);
#else
    uint32_t bits = 0;
    for (int i = 0; i < 2; i++) {
        uint64_t word;
        memcpy(&word, v + 8 * i, 8);
        bits |= (uint32_t)((word >> 7 & 0x0101010101010101ull) * 0x0102040810204080ull >> 56) << 8 * i;
    }
    return bits;
#endif
}
#endif

#ifdef VECTOR_CODE
#define FUNCTION TARGET __attribute__((always_inline)) static inline

#ifdef DSTOK_X86
#define VECTOR 32
#define V Vector_32
#define W Words_32
#define NAME(x) x##_avx2
#define TARGET SIMD_AVX2
#if DSTOK_EMULATED
#define HIDE(v) (void)(v)
#else
#define HIDE(v) __asm__("" : "+x"(v))
#endif
#define BITS(v) (uint32_t)_mm256_movemask_epi8(_mm256_loadu_si256((const __m256i *)&(v)))
#define LOOK_UP(table, index) ({ \
    V places = (index), looked_up; \
    _mm256_storeu_si256((__m256i *)&looked_up, _mm256_shuffle_epi8( \
        _mm256_broadcastsi128_si256(_mm_loadu_si128((const __m128i *)(table))), \
        _mm256_loadu_si256((const __m256i *)&places))); \
    looked_up; })
#define LOOK_UP_16(out, table, index) _mm_storeu_si128((__m128i *)(out), _mm_shuffle_epi8( \
    _mm_loadu_si128((const __m128i *)(table)), _mm_loadu_si128((const __m128i *)(index))))
#define LOADED(v) _mm256_loadu_si256((const __m256i *)&(v))
#define MOVE_UP(out, below, v) _mm256_storeu_si256((__m256i *)&(out), \
    _mm256_alignr_epi8(LOADED(v), _mm256_permute2x128_si256(LOADED(below), LOADED(v), 0x21), 15))
#define MOVE_DOWN(out, v, above) _mm256_storeu_si256((__m256i *)&(out), \
    _mm256_alignr_epi8(_mm256_permute2x128_si256(LOADED(v), LOADED(above), 0x21), LOADED(v), 1))
#include "cpu/vector_code.h"
#endif

#define VECTOR 16
#define V Vector_16
#define W Words_16
#define NAME(x) x##_16
#define TARGET
#if SIMD_NEON
#define HIDE(v) __asm__("" : "+w"(v))
#elif defined(__SSE2__) && !DSTOK_EMULATED
#define HIDE(v) __asm__("" : "+x"(v))
#else
#define HIDE(v) (void)(v)
#endif
#define BITS(v) bits_16((const uint8_t *)&(v))
#if SIMD_NEON
#define LOOK_UP(table, index) (V)vqtbl1q_u8(vld1q_u8(table), (uint8x16_t)(index))
#define LOOK_UP_16(out, table, index) vst1q_u8(out, vqtbl1q_u8(vld1q_u8(table), vld1q_u8(index)))
#define MOVE_UP(out, below, v) out = (V)vextq_u8((uint8x16_t)(below), (uint8x16_t)(v), 15)
#define MOVE_DOWN(out, v, above) out = (V)vextq_u8((uint8x16_t)(v), (uint8x16_t)(above), 1)
#endif
#include "cpu/vector_code.h"

#undef FUNCTION
#undef VECTOR_CODE
#endif
