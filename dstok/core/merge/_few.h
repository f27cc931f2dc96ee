/* The pass over a short text (run/_short.pyx): its limits, and ids by the shortest way. The rest are the loops for chunks.
 *
 * In: a piece, or the values of pieces. Out: its value in its second line, or their ids.
 * Invariant: as in _piece_table.h. Nothing is written to the table.
 */
#ifndef DSTOK_FEW_H
#define DSTOK_FEW_H

#include "merge/_piece_table.h"
#include "simd/_implementation.h"

enum {
    PROBE_MISSED = -1,
    FEW = 8,          /* most pieces for which one after the other is faster than the loops for chunks */
    SHORT_TEXT = 384, /* most bytes of a text, and so most pieces */
    SHORT_IDS = SHORT_TEXT + RING_STEP, /* room for its ids, each a byte at least, and for those written after them */
};

/* The value of a piece in its second line, or 0. */
static inline uint64_t few_second(const PieceTable *t, const uint8_t *text, uint32_t length) {
    const uint64_t *line = length <= MIDDLE ? piece_second(t, text, length) : NULL;
    return line ? piece_value(t, line, text, length) : 0;
}

/* Writes the ids of values that have them, or have them in the ring; returns their number. `out` has room for SHORT_IDS. */
static inline int few_emit(const Implementation *level, const PieceTable *t, const uint64_t *values, int pieces,
                           uint32_t *out) {
    uint32_t *end = out;
    int at = 0;
    while ((at = level->emit(values, at, pieces, &end)) < pieces)
        end = piece_from_ring(t, values[at++], end);
    return (int)(end - out);
}

#endif
