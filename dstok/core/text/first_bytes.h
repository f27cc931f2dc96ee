/* The next place where one of many texts may begin: memchr for the first bytes of all of them at once.

   In: a text, and `FirstBytes`, made of the texts to search. Out: the first place where one of them may begin, or the
   text's end; or whether the text has one of their first bytes. At the end of the text, the start of a searched text is
   enough for a place.
   Example: the added tokens of V3 begin with "<\uff5c" or "<|E". A page of HTML has "<" everywhere; the search passes
   over "<p>" and "<a href", and stops at "<|E".

   Vectors find the first bytes, if they are few. Then tables tell whether the next bytes fit. The searched texts are in
   eight groups. There is a table for each of the first three places: for each byte, it has the groups with a text that
   has this byte there. A text of a group may begin here if all three tables name the group. Vectors look up the two
   halves of a byte instead, and so accept some more places.
   Source: Hyperscan's "Teddy" (Langdale). */
#ifndef DSTOK_FIRST_BYTES_H
#define DSTOK_FIRST_BYTES_H

#include "cpu/implementation.h"

/* Whether a text may begin with these `size` bytes, or with their start. */
__attribute__((always_inline))
static inline int first_fits(const FirstBytes *firsts, const uint8_t *text, int64_t size) {
    uint8_t groups = firsts->groups[0][text[0]];
    for (int i = 1; i < FIRST_DEEP && i < size; i++)
        groups &= firsts->groups[i][text[i]];
    return groups != 0;
}

/* The first place in text[at:stop], or `stop`. */
static inline int64_t first_of(const FirstBytes *firsts, const uint8_t *text, int64_t at, int64_t stop) {
    if (!firsts->count)
        return stop;
    if (firsts->count <= FIRST_MOST)
        return firsts->level->first_of(firsts, text, at, stop);
    while (at < stop && !first_fits(firsts, text + at, stop - at)) /* too many first bytes for vectors */
        at++;
    return at;
}

#endif
