/* The x86 instructions that the core may use: the compiler's intrinsics, or their emulation.

   In: the compiler's macros, and DSTOK_EMULATE_AVX512 (set by `DSTOK_EMULATE=avx512 pip install .`, see setup.py),
   which finds tests/emulation/emulated.h.
   Out: DSTOK_X86 where there are intrinsics; SIMD_TARGET, for functions that use them; DSTOK_EMULATED, 0 or 1.
   Emulated, the code of every level runs on any processor, slowly: so tests run it where there is no AVX-512. */
#ifndef DSTOK_SIMD_H
#define DSTOK_SIMD_H

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

#endif
