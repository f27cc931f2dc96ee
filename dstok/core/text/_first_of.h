/* The next byte that is one of up to four: memchr for a few bytes at once.

   In: text, and `FirstBytes`. Out: the place of the first of these bytes, or the text's end; or whether there is one.
   Example: if "<" and "[" begin all added tokens, this search passes over the text between them. */
#ifndef DSTOK_FIRST_OF_H
#define DSTOK_FIRST_OF_H

#include <stdint.h>
#include <string.h>

#include "simd/_simd.h"

enum { FIRST_MOST = 4, FIRST_PAD = 32 };

typedef struct {
    uint8_t bytes[FIRST_MOST][FIRST_PAD]; /* the bytes to look for, each repeated; if fewer, the last one again */
    int few;                              /* whether `bytes` holds all of them */
    int level;
} FirstBytes;

#define VECTOR_CODE "text/_first_of_vector.h"
#include "simd/_vectors.h"

/* The place of the first one in text[at:stop], or `stop`. */
static inline int64_t first_of(const FirstBytes *firsts, const uint8_t *text, int64_t at, int64_t stop) {
#ifdef DSTOK_X86
    if (firsts->level >= LEVEL_AVX2)
        return first_of_avx2(firsts, text, at, stop);
#endif
    return first_of_16(firsts, text, at, stop);
}

/* Whether there is one in `text`, or in the up to FIRST_PAD bytes after it, which it reads. */
static inline int first_in(const FirstBytes *firsts, const uint8_t *text, int64_t size) {
#ifdef DSTOK_X86
    if (firsts->level >= LEVEL_AVX2)
        return first_in_avx2(firsts, text, size);
#endif
    return first_in_16(firsts, text, size);
}

#endif
