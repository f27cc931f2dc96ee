/* The piece table, probed a chunk of pieces at a time, at the level of the processor.
 *
 * In: the starts of the pieces of a chunk. Out: a value a piece, and which pieces the table does not hold; then,
 * once the caller has filled those in, their ids. The formats are described in _pieces.pyx.
 *
 * Example: of the pieces "Hi", " " and " all" with the table holding the first two, values are [word, word, 0], and missed
 * is [2]. Then the caller merges " all", sets values[2], and `probe_emit` writes the ids of all three.
 */
#ifndef DSTOK_PROBE_H
#define DSTOK_PROBE_H

#include "_probe_avx512.h"
#include "_simd.h"

enum { CHUNK = 1024, CHUNK_ROOM = CHUNK + 128 }; /* pieces in work at once; room for a block's worth more */

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

/* Whether all levels that this processor can run look where entries are put: the piece table is hashed for in two ways. */
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
