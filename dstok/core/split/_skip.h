/* A run of bytes that leave an automaton in its state: its end, by vectors, for each level.
 *
 * In: a text, and the `Skip` of a state. Out: the first place whose byte may lead elsewhere, or the end.
 * Invariant: all bytes before that place lead from the state to itself, without a tag.
 * Example: in [^,\n]+ the state inside a field stays for all bytes but "," and the line feed.
 *
 * A byte has two halves. `low` has, for the lower half, a bit for each upper half with which it stays; `BIT_OF` has the
 * bit of an upper half. Bytes from 0x80 on stay all, or none counts. Source: Hyperscan's "Shufti" (Langdale). */
#ifndef DSTOK_SKIP_H
#define DSTOK_SKIP_H

#include <string.h>

#include "simd/_implementation.h"

/* Whether a byte stays. */
static inline int skips(const Skip *skip, uint8_t byte) {
    return byte < 0x80 ? skip->low[byte & 15] >> (byte >> 4) & 1 : skip->beyond != 0;
}

#define VECTOR_CODE "split/_skip_vector.h"
#include "simd/_vectors.h"

#endif
