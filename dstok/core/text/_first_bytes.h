/* The next place where one of many texts may begin: memchr for the first bytes of all of them at once.

   In: text, and `FirstBytes`, made of the texts. Out: the first place whose bytes may begin one of them, or the text's
   end: near the end a text may begin whose start is there. Or whether there is one of their first bytes.
   Example: the added tokens of V3 begin with "<\uff5c" or "<|E". A page of HTML has "<" everywhere; the search passes
   over "<p>" and "<a href", and stops at "<|E".

   Vectors find the first bytes, if they are few. Then tables tell whether the next bytes fit. The texts are in eight
   groups, and a table for each of the first places has, for each byte, the groups with a text that has this byte there.
   The groups that all three tables name may begin here. Vectors look the two halves of a byte up instead, and so take
   some places more for starts.
   Source: Hyperscan's "Teddy" (Langdale). */
#ifndef DSTOK_FIRST_BYTES_H
#define DSTOK_FIRST_BYTES_H

#include "simd/_implementation.h"

/* Whether a text may begin with these `size` bytes, or with their start. */
__attribute__((always_inline))
static inline int first_fits(const FirstBytes *firsts, const uint8_t *text, int64_t size) {
    uint8_t groups = firsts->groups[0][text[0]];
    for (int i = 1; i < FIRST_DEEP && i < size; i++)
        groups &= firsts->groups[i][text[i]];
    return groups != 0;
}

/* The first place, where there are too many first bytes for vectors. */
static inline int64_t first_of_many(const FirstBytes *firsts, const uint8_t *text, int64_t at, int64_t stop) {
    while (at < stop && !first_fits(firsts, text + at, stop - at))
        at++;
    return at;
}

/* The first place in text[at:stop], or `stop`. */
static inline int64_t first_of(const FirstBytes *firsts, const uint8_t *text, int64_t at, int64_t stop) {
    if (!firsts->count)
        return stop;
    if (firsts->count > FIRST_MOST)
        return first_of_many(firsts, text, at, stop);
    return firsts->level->first_of(firsts, text, at, stop);
}

#endif
