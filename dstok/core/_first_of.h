/* The next byte that is one of up to four: memchr for a few bytes at once.

   In: text, and `FirstBytes`. Out: where the first of these bytes is, or the text's end; or whether any of them is there.
   Example: where "<" and "[" begin all added tokens, the text between them is passed over by this search. */
#ifndef DSTOK_FIRST_OF_H
#define DSTOK_FIRST_OF_H

#include <stdint.h>
#include <string.h>

#include "_simd.h"

enum { FIRST_MOST = 4, FIRST_PAD = 32 };

typedef struct {
    uint8_t bytes[FIRST_MOST][FIRST_PAD]; /* to look for: each so many times; of fewer the last one again */
    int few;                              /* these are all of them */
    int level;
} FirstBytes;

#define VECTOR_CODE "_first_of_vector.h"
#include "_vectors.h"

/* The place in text[at:stop], or `stop`. */
static inline int64_t first_of(const FirstBytes *firsts, const uint8_t *text, int64_t at, int64_t stop) {
#ifdef DSTOK_X86
    if (firsts->level >= LEVEL_AVX2)
        return first_of_avx2(firsts, text, at, stop);
#endif
    return first_of_16(firsts, text, at, stop);
}

/* Whether there is one in `text`, or in the up to FIRST_PAD bytes after it, which are read. */
static inline int first_in(const FirstBytes *firsts, const uint8_t *text, int64_t size) {
#ifdef DSTOK_X86
    if (firsts->level >= LEVEL_AVX2)
        return first_in_avx2(firsts, text, size);
#endif
    return first_in_16(firsts, text, size);
}

#endif
