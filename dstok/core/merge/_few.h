/* The pieces of a short text, from bytes to ids: a few one after the other, more by the loops for chunks.
 *
 * In: the starts of pieces. Out: their ids; or PROBE_MISSED, if the table lacks one of them.
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

/* Writes the ids of any number of pieces, by the loops for chunks. */
static inline int few_chunk(const Implementation *level, const PieceTable *t, const uint8_t *text, const uint32_t *starts,
                            int pieces, uint32_t *out) {
    uint64_t values[SHORT_TEXT + 8];
    uint32_t missed[SHORT_TEXT + 8], *end = out;
    int misses = level->probe(t, text, starts, pieces, values, missed), at = 0;
    for (int i = 0; i < misses; i++) {
        uint32_t index = missed[i], start = starts[index];
        values[index] = few_second(t, text + start, starts[index + 1] - start);
        if (!values[index])
            return PROBE_MISSED;
    }
    while ((at = level->emit(values, at, pieces, &end)) < pieces)
        end = piece_from_ring(t, values[at++], end);
    return (int)(end - out);
}

/* Writes the ids of up to SHORT_TEXT pieces; returns their number, or PROBE_MISSED. `starts` is as for `probe_portable`, and
 * `out` has room for SHORT_IDS. */
static inline int probe_few(const Implementation *level, const PieceTable *t, const uint8_t *text, const uint32_t *starts,
                            int pieces, uint32_t *out) {
    return (pieces > FEW ? few_chunk(level, t, text, starts, pieces, out) : level->few(t, text, starts, pieces, out));
}

#endif
