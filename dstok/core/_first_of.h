/* The next byte that is one of up to four: memchr for a few bytes at once.

   In: text, and four bytes (fewer, repeated). Out: where the first of them is, or the text's end. */
#ifndef DSTOK_FIRST_OF_H
#define DSTOK_FIRST_OF_H

#include <stdint.h>

#include "_simd.h"

#ifdef DSTOK_X86

SIMD_AVX512
static int64_t first_of_avx512(const uint8_t *text, int64_t at, int64_t stop, const uint8_t *bytes) {
    __m512i a = _mm512_set1_epi8((char)bytes[0]), b = _mm512_set1_epi8((char)bytes[1]);
    __m512i c = _mm512_set1_epi8((char)bytes[2]), d = _mm512_set1_epi8((char)bytes[3]);
    for (; at < stop; at += 64) {
        uint64_t read = stop - at < 64 ? (1ull << (stop - at)) - 1 : ~0ull;
        __m512i x = _mm512_maskz_loadu_epi8(read, text + at);
        uint64_t found = _mm512_cmpeq_epi8_mask(x, a) | _mm512_cmpeq_epi8_mask(x, b) | _mm512_cmpeq_epi8_mask(x, c) |
                         _mm512_cmpeq_epi8_mask(x, d);
        if ((found &= read))
            return at + __builtin_ctzll(found);
    }
    return stop;
}
#endif

static inline int is_one_of(uint8_t byte, const uint8_t *bytes) {
    return (byte == bytes[0]) | (byte == bytes[1]) | (byte == bytes[2]) | (byte == bytes[3]);
}

static int64_t first_of_portable(const uint8_t *text, int64_t at, int64_t stop, const uint8_t *bytes) {
    while (at + 32 <= stop) {
        int any = 0;
        for (int i = 0; i < 32; i++) /* of which the compiler makes vectors */
            any |= is_one_of(text[at + i], bytes);
        if (any)
            break;
        at += 32;
    }
    while (at < stop && !is_one_of(text[at], bytes))
        at++;
    return at;
}

/* The place in text[at:stop], or `stop`. */
static int64_t first_of(const uint8_t *text, int64_t at, int64_t stop, const uint8_t *bytes, int level) {
#ifdef DSTOK_X86
    if (level == LEVEL_AVX512)
        return first_of_avx512(text, at, stop, bytes);
#endif
    (void)level;
    return first_of_portable(text, at, stop, bytes);
}

#endif
