/* The piece table, probed a chunk of pieces at a time, at the level of the processor.
 *
 * In: the starts of the pieces of a chunk. Out: a value for each piece, and the pieces that the table does not hold.
 * Once the caller has filled those in: their ids. _pieces.pyx describes the formats.
 *
 * Example: of the pieces "Hi", " " and " all" the table holds the first two, so values are [word, word, 0], and missed
 * is [2]. Then the caller merges " all", sets values[2], and `probe_emit` writes the ids of all three.
 */
#ifndef DSTOK_PROBE_H
#define DSTOK_PROBE_H

#include "merge/_probe_avx512.h"
#include "simd/_simd.h"

enum { CHUNK = 1024, CHUNK_ROOM = CHUNK + 128 }; /* pieces in work at once; room for a block more */

static inline int probe_chunk(int level, const PieceTable *t, const uint8_t *text, const uint32_t *starts, int pieces,
                              uint64_t *values, uint32_t *missed) {
#ifdef DSTOK_X86
    if (level == LEVEL_AVX512)
        return probe_avx512(t, text, starts, pieces, values, missed);
    if (level == LEVEL_AVX2)
        return probe_avx2(t, text, starts, pieces, values, missed);
#endif
    (void)level;
    return probe_portable(t, text, starts, pieces, values, missed);
}

/* Whether all levels that this processor can run look where entries are put: two ways of hashing must agree. */
static inline int probe_agrees(void) {
#ifdef DSTOK_X86
    return simd_best_level() < LEVEL_AVX512 || lists_agree();
#else
    return 1;
#endif
}

static inline int probe_emit(int level, const uint64_t *values, int at, int pieces, uint32_t **out) {
#ifdef DSTOK_X86
    if (level >= LEVEL_AVX2)
        return emit_avx2(values, at, pieces, out);
#endif
    (void)level;
    return emit_portable(values, at, pieces, out);
}

#endif
