/* The look-up of a few pieces, one after the other, for each level.
 *
 * In: the starts of pieces. Out: their ids; or PROBE_MISSED, if the table lacks one of them.
 * Invariant: as in _piece_table.h. Nothing is written to the table.
 * The loops of _probe_batches.h take 90 instructions before the first piece. They avoid branches on a key's length.
 * For few pieces the processor predicts most of these branches.
 */
#ifndef DSTOK_PROBE_FEW_H
#define DSTOK_PROBE_FEW_H

#include "merge/_few.h"
#include "merge/_probe_avx2.h"

/* The steps of a level: the low bytes of a word; the value of a short key in a line; that of a long key. */
typedef uint64_t (*ProbeLow)(uint64_t word, uint32_t bytes);
typedef uint64_t (*ProbeShort)(const uint64_t *line, uint64_t key);
typedef uint64_t (*ProbeLong)(const uint64_t *line, uint64_t key_0, uint64_t key_1, uint64_t key_2);

/* The value of a piece in its first line; it may be wrong. */
__attribute__((always_inline))
static inline uint64_t few_first(ProbeLow low, ProbeShort of_short, ProbeLong of_long, const PieceTable *t,
                                 const uint8_t *text, uint32_t length) {
    uint64_t key[3];
    if (length <= WORD) {
        memcpy(key, text, WORD);
        key[0] = low(key[0], length);
        return of_short(piece_line_a(t, key[0]), key[0]);
    }
    if (length > MIDDLE)
        return 0;
    memcpy(key, text, MIDDLE);
    key[1] = low(key[1], length - WORD);
    key[2] = low(key[2], length > 2 * WORD ? length - 2 * WORD : 0);
    return of_long(piece_line_b(t, key), key[0], key[1], key[2]);
}

/* Writes the ids of a piece whose value in its first line holds no ids; returns their end, or NULL if it finds none. */
__attribute__((noinline))
static uint32_t *few_others(const PieceTable *t, const uint8_t *text, uint32_t length, uint64_t value, uint32_t *out) {
    if (piece_wrong(t, value, length))
        value = few_second(t, text, length);
    if (!value)
        return NULL;
    return value & 3 ? probe_unpack(value, out) : piece_from_ring(t, value, out);
}

__attribute__((always_inline))
static inline int few_by(ProbeLow low, ProbeShort of_short, ProbeLong of_long, const PieceTable *t, const uint8_t *text,
                         const uint32_t *starts, int pieces, uint32_t *out) {
    uint32_t *end = out;
    uint64_t start = starts[0];
    for (size_t i = 0; i < (size_t)pieces; i++) {
        uint32_t length = starts[i + 1] - (uint32_t)start;
        uint64_t value = few_first(low, of_short, of_long, t, text + start, length);
        if (__builtin_expect((value >> 2 & 63) == length && value & 3, 1))
            end = probe_unpack(value, end);
        else if (!(end = few_others(t, text + start, length, value, end)))
            return PROBE_MISSED;
        start += length;
    }
    return (int)(end - out);
}

static int few_portable(const PieceTable *t, const uint8_t *text, const uint32_t *starts, int pieces, uint32_t *out) {
    return few_by(key_low, piece_value_a, piece_value_b, t, text, starts, pieces, out);
}

#ifdef DSTOK_X86
SIMD_AVX2 __attribute__((always_inline))
static inline uint64_t short_avx2(const uint64_t *line, uint64_t key) {
    __m256i same = _mm256_cmpeq_epi64(_mm256_load_si256((const __m256i *)line), _mm256_set1_epi64x((long long)key));
    same = _mm256_and_si256(same, _mm256_load_si256((const __m256i *)(line + 4)));
    __m128i half = _mm_or_si128(_mm256_castsi256_si128(same), _mm256_extracti128_si256(same, 1));
    return (uint64_t)_mm_cvtsi128_si64(_mm_or_si128(half, _mm_unpackhi_epi64(half, half)));
}

SIMD_AVX2
static int few_avx2(const PieceTable *t, const uint8_t *text, const uint32_t *starts, int pieces, uint32_t *out) {
    return few_by(low_avx2, short_avx2, long_avx2, t, text, starts, pieces, out);
}
#endif

#endif
