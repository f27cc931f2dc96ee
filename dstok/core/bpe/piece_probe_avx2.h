/* The probe in batches, and the writing of ids, by AVX2. AVX-512 has an instruction for the hash.
 *
 * In and out: as in piece_probe.h. Invariant: the same values, the same missing pieces, the same ids.
 */
#ifndef DSTOK_PROBE_AVX2_H
#define DSTOK_PROBE_AVX2_H

#include "bpe/piece_probe.h"
#include "cpu/vectors.h"

#ifdef DSTOK_X86

/* From 32 bytes on the result may be anything: no value that a look-up finds by it has such a length. */
SIMD_AVX2 __attribute__((always_inline))
static inline uint64_t low_avx2(uint64_t word, uint32_t bytes) {
    return _bzhi_u64(word, 8 * bytes);
}

/* The values of four short keys in their lines: numbers 0, 4, 1 and 5. */
SIMD_AVX2 __attribute__((always_inline))
static inline __m256i four_avx2(const uint64_t *const *lines, const uint64_t *keys) {
    __m256i v[4];
    for (int j = 0; j < 4; j++) {
        int i = j / 2 + j % 2 * 4;
        const __m256i *line = (const __m256i *)lines[i];
        v[j] = _mm256_cmpeq_epi64(_mm256_load_si256(line), _mm256_set1_epi64x((long long)keys[i]));
        v[j] = _mm256_and_si256(v[j], _mm256_load_si256(line + 1));
    }
    __m256i low = _mm256_or_si256(_mm256_unpacklo_epi64(v[0], v[1]), _mm256_unpackhi_epi64(v[0], v[1]));
    __m256i high = _mm256_or_si256(_mm256_unpacklo_epi64(v[2], v[3]), _mm256_unpackhi_epi64(v[2], v[3]));
    return _mm256_or_si256(_mm256_permute2x128_si256(low, high, 0x21), _mm256_blend_epi32(low, high, 0xF0));
}

SIMD_AVX2 __attribute__((always_inline))
static inline __m128i long_avx2(const uint64_t *line, uint64_t key_0, uint64_t key_1, uint64_t key_2) {
    const __m128i *words = (const __m128i *)line;
    __m128i same = _mm_cmpeq_epi64(_mm_load_si128(words), _mm_set1_epi64x((long long)key_0));
    same = _mm_and_si128(same, _mm_cmpeq_epi64(_mm_load_si128(words + 1), _mm_set1_epi64x((long long)key_1)));
    same = _mm_and_si128(same, _mm_cmpeq_epi64(_mm_load_si128(words + 2), _mm_set1_epi64x((long long)key_2)));
    same = _mm_and_si128(same, _mm_load_si128(words + 3));
    return _mm_or_si128(same, _mm_unpackhi_epi64(same, same));
}

enum { PROBE_LIST = 256 }; /* pieces at once: the lines of more, and their keys, would not fit the level-1 cache */

/* A batch of pieces: keys and lines of all as if they were short (longer ones have key 0 and line 0), and a list of those
 * of 9 to 24 bytes with their own. Of eight, those with even numbers come first. */
typedef struct {
    uint64_t keys[PROBE_LIST], long_keys[PROBE_LIST][3];
    const uint64_t *lines[PROBE_LIST], *long_lines[PROBE_LIST];
    uint8_t longer[PROBE_LIST + 8];
    size_t longs;
} ProbeBatch;

/* The words at two places, each loaded into its half by one instruction. */
SIMD_AVX2 __attribute__((always_inline))
static inline __m128i probe_words_avx2(const uint8_t *one, const uint8_t *other) {
    __m128d word = _mm_castsi128_pd(_mm_loadl_epi64((const __m128i *)one));
    return _mm_castpd_si128(_mm_loadh_pd(word, (const double *)other));
}

/* `hash_first` of four words: its upper half in the upper half of each, and anything below. So 2^26 lines at most. */
typedef __m256i (*ProbeHash)(__m256i words);

SIMD_AVX512 __attribute__((always_inline))
static inline __m256i probe_hash_avx512(__m256i words) {
    return _mm256_mullo_epi64(words, _mm256_set1_epi64x((long long)HASH_0));
}

SIMD_AVX2 __attribute__((always_inline))
static inline __m256i probe_hash_avx2(__m256i words) {
    __m256i low = _mm256_mul_epu32(words, _mm256_set1_epi64x((long long)HASH_0));
    __m256i cross = _mm256_mullo_epi32(words, _mm256_set1_epi64x((long long)(HASH_0 << 32 | HASH_0 >> 32)));
    return _mm256_add_epi32(low, _mm256_add_epi32(cross, _mm256_slli_epi64(cross, 32)));
}

/* Keys and lines of the pieces of four lengths that begin at start[0], [2], [4] and [6]. Plain loads: a gather costs more than
 * twice as much on some processors, and far more on those whose gathers the system has to mend. */
SIMD_AVX2 __attribute__((always_inline))
static inline void probe_four_avx2(ProbeHash hash, const PieceTable *t, const uint8_t *text, const uint32_t *start,
                                   __m256i unused, uint64_t *keys, const uint64_t **lines) {
    __m256i key = _mm256_set_m128i(probe_words_avx2(text + start[4], text + start[6]),
                                   probe_words_avx2(text + start[0], text + start[2]));
    key = _mm256_and_si256(key, _mm256_srlv_epi64(_mm256_set1_epi32(-1), unused));
    _mm256_storeu_si256((__m256i *)keys, key);
    __m256i line = _mm256_srl_epi64(hash(key), _mm_cvtsi32_si128(t->key8_shift - PROBE_LINE));
    line = _mm256_and_si256(line, _mm256_set1_epi64x(-PROBE_BYTES));
    _mm256_storeu_si256((__m256i *)lines, _mm256_add_epi64(line, _mm256_set1_epi64x((long long)(uintptr_t)t->key8)));
    for (int j = 0; j < 4; j++)
        __builtin_prefetch(lines[j]);
}

SIMD_AVX2 __attribute__((always_inline))
static inline __m256i probe_lengths_avx2(const uint32_t *starts) {
    return _mm256_sub_epi32(_mm256_loadu_si256((const __m256i *)(starts + 1)), _mm256_loadu_si256((const __m256i *)starts));
}

/* Keys and lines of the eight pieces from number i on. */
SIMD_AVX2 __attribute__((always_inline))
static inline void probe_eight_avx2(ProbeHash hash, const PieceTable *t, const uint8_t *text, const uint32_t *starts,
                                    size_t i, ProbeBatch *batch) {
    __m256i length = probe_lengths_avx2(starts + i);
    __m256i unused = _mm256_sub_epi32(_mm256_set1_epi32(64), _mm256_slli_epi32(length, 3));
    __m256i even = _mm256_and_si256(unused, _mm256_set1_epi64x(0xFFFFFFFF)), odd = _mm256_srli_epi64(unused, 32);
    probe_four_avx2(hash, t, text, starts + i, even, batch->keys + i, batch->lines + i);
    probe_four_avx2(hash, t, text, starts + i + 1, odd, batch->keys + i + 4, batch->lines + i + 4);
    __m256i longer = _mm256_cmpgt_epi32(length, _mm256_set1_epi32(WORD));
    longer = _mm256_andnot_si256(_mm256_cmpgt_epi32(length, _mm256_set1_epi32(MIDDLE)), longer);
    int chosen = _mm256_movemask_ps(_mm256_castsi256_ps(longer));
    uint64_t places = BIT_PLACES[chosen] + i * 0x0101010101010101;
    memcpy(batch->longer + batch->longs, &places, sizeof(places));
    batch->longs += (size_t)__builtin_popcount((unsigned)chosen);
}

/* Keys and lines of the longer pieces. */
SIMD_AVX2 __attribute__((always_inline))
static inline void probe_longer_avx2(const PieceTable *t, const uint8_t *text, const uint32_t *starts, ProbeBatch *batch) {
    static const uint8_t LOW[32] = {255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255};
    for (size_t j = 0; j < batch->longs; j++) {
        const uint32_t *from = starts + batch->longer[j];
        const uint8_t *piece = text + from[0];
        uint64_t *key = batch->long_keys[j];
        __m128i rest = _mm_and_si128(_mm_loadu_si128((const __m128i *)(piece + WORD)),
                                     _mm_loadu_si128((const __m128i *)(LOW + (MIDDLE - (from[1] - from[0])))));
        memcpy(key, piece, WORD);
        _mm_storeu_si128((__m128i *)(key + 1), rest);
        batch->long_lines[j] = key24_line(t, key);
        __builtin_prefetch(batch->long_lines[j]);
    }
}

SIMD_AVX2 __attribute__((always_inline))
static inline void probe_batch_avx2(ProbeHash hash, const PieceTable *t, const uint8_t *text, const uint32_t *starts,
                                    size_t pieces, ProbeBatch *batch) {
    batch->longs = 0;
    for (size_t i = 0; i < pieces; i += 8)
        probe_eight_avx2(hash, t, text, starts, i, batch);
    probe_longer_avx2(t, text, starts, batch);
}

/* Whether the batch sends pieces of all lengths to the lines where entries are put. */
SIMD_AVX2 __attribute__((always_inline))
static inline int batch_agrees(ProbeHash hash, const PieceTable *t, const ProbeSample *sample) {
    ProbeBatch batch;
    const uint64_t *lines[WORD];
    probe_batch_avx2(hash, t, sample->text, sample->starts, MIDDLE, &batch);
    for (int i = 0; i < WORD; i++)
        lines[i] = batch.lines[i / 2 + i % 2 * 4];
    return batch.longs == MIDDLE - WORD && probe_lines_agree(t, sample, lines, batch.long_lines);
}

/* Which of eight values may be wrong for their pieces, as bits: the lowest byte of a right one is 4 times the length, and
 * 1 to 3 for the number of ids, or 0 for ids in the ring. Once these may be too `old`, 0 is a doubt. */
SIMD_AVX2 __attribute__((always_inline))
static inline uint64_t probe_doubt_avx2(const uint64_t *values, const uint32_t *starts, int old) {
    const __m256i *v = (const __m256i *)values;
    __m256i value = _mm256_castps_si256(_mm256_shuffle_ps(
        _mm256_castsi256_ps(_mm256_loadu_si256(v)), _mm256_castsi256_ps(_mm256_loadu_si256(v + 1)), 0x88));
    value = _mm256_and_si256(_mm256_permute4x64_epi64(value, 0xD8), _mm256_set1_epi32(0xFF));
    __m256i less = _mm256_sub_epi32(value, _mm256_slli_epi32(probe_lengths_avx2(starts), 2));
    less = _mm256_sub_epi32(less, _mm256_set1_epi32(old));
    __m256i fit = _mm256_cmpeq_epi32(_mm256_min_epu32(less, _mm256_set1_epi32(3 - old)), less);
    return (uint8_t)~_mm256_movemask_ps(_mm256_castsi256_ps(fit));
}

/* Lists the pieces whose value is wrong; returns their number. */
SIMD_AVX2
static int probe_missed_avx2(const PieceTable *t, const uint32_t *starts, size_t pieces, const uint64_t *values,
                             uint32_t *missed) {
    int count = 0, old = t->head > RING_SAFE;
    for (size_t i = 0; i < pieces; i += 64) {
        uint64_t doubts = 0;
        size_t size = pieces - i < 64 ? pieces - i : 64;
        for (size_t j = 0; j < size; j += 8)
            doubts |= probe_doubt_avx2(values + i + j, starts + i + j, old) << j;
        for (doubts &= ~0ull >> (64 - size); doubts; doubts &= doubts - 1) {
            size_t at = i + (size_t)__builtin_ctzll(doubts);
            count = probe_wrong(t, starts, at, at + 1, values, missed, count);
        }
    }
    return count;
}

/* A piece above 8 bytes first gets the value of key 0 in line 0, if there is one. Up to 24 bytes its own is written over
 * it; above, the value is one of another length, so the piece is missed. */
SIMD_AVX2 __attribute__((always_inline))
static inline int probe_by(ProbeHash hash, const PieceTable *t, const uint8_t *text, uint32_t *starts, int pieces,
                           uint64_t *values, uint32_t *missed) {
    ProbeBatch batch;
    __m256i *after = (__m256i *)(starts + pieces + 1), kept = _mm256_loadu_si256(after); /* may be no places in the text */
    _mm256_storeu_si256(after, _mm256_set1_epi32((int)starts[pieces])); /* so that eight empty pieces follow */
    for (size_t base = 0, all = (size_t)pieces; base < all; base += PROBE_LIST) {
        size_t size = all - base < PROBE_LIST ? all - base : PROBE_LIST;
        uint64_t *to = values + base;
        probe_batch_avx2(hash, t, text, starts + base, size, &batch);
        for (size_t i = 0; i < size; i += 8) {
            _mm256_storeu_si256((__m256i *)(to + i), four_avx2(batch.lines + i, batch.keys + i));
            _mm256_storeu_si256((__m256i *)(to + i + 4), four_avx2(batch.lines + i + 2, batch.keys + i + 2));
        }
        for (size_t j = 0; j < batch.longs; j++) {
            const uint64_t *key = batch.long_keys[j];
            to[batch.longer[j]] = (uint64_t)_mm_cvtsi128_si64(long_avx2(batch.long_lines[j], key[0], key[1], key[2]));
        }
    }
    _mm256_storeu_si256(after, kept);
    return probe_missed_avx2(t, starts, (size_t)pieces, values, missed);
}

#define PROBE_LEVEL(level, target) \
    target static int probe_##level(const PieceTable *t, const uint8_t *text, uint32_t *starts, int pieces, uint64_t *values, \
                                    uint32_t *missed) { \
        return probe_by(probe_hash_##level, t, text, starts, pieces, values, missed); \
    } \
    target static int batch_agrees_##level(const PieceTable *t, const ProbeSample *sample) { \
        return batch_agrees(probe_hash_##level, t, sample); \
    }
PROBE_LEVEL(avx2, SIMD_AVX2)
PROBE_LEVEL(avx512, SIMD_AVX512)

_Static_assert(VALUE_ID_BITS == 18, "ids begin at bit 0 of byte 1, bit 2 of byte 3 and bit 4 of byte 5");
/* The three bytes where each id begins, for two values. */
static const int8_t EMIT_FROM[32] = {1, 2,  3,  -1, 3,  4,  5,  -1, 5,  6,  7,  -1, -1, -1, -1, -1,
                                     9, 10, 11, -1, 11, 12, 13, -1, 13, 14, 15, -1, -1, -1, -1, -1};

/* The ids of two values, which both halves hold: those of the first in the lower half. */
SIMD_AVX2 __attribute__((always_inline))
static inline __m256i emit_two_avx2(__m256i values) {
    __m256i bytes = _mm256_shuffle_epi8(values, _mm256_loadu_si256((const __m256i *)EMIT_FROM));
    /* Drops the bits below and above an id in its bytes. */
    return _mm256_and_si256(_mm256_srlv_epi32(bytes, _mm256_setr_epi32(0, 2, 4, 0, 0, 2, 4, 0)),
                            _mm256_set1_epi32((1 << VALUE_ID_BITS) - 1));
}

SIMD_AVX2
static int emit_avx2(const uint64_t *values, int at, int pieces, uint32_t **out) {
    const uint64_t *v = values + at, *end = values + pieces - 1;
    uint32_t *o = *out;
    for (; v < end; v += 2) {
        uint64_t count = v[0] & 3, second = v[1] & 3;
        if (!count || !second)
            break;
        __m256i ids = emit_two_avx2(_mm256_broadcastsi128_si256(_mm_loadu_si128((const __m128i *)v)));
        __builtin_prefetch(o + 512, 1); /* the processor does not fetch the next page by itself */
        _mm_storeu_si128((__m128i *)o, _mm256_castsi256_si128(ids));
        o += count;
        _mm_storeu_si128((__m128i *)o, _mm256_extracti128_si256(ids, 1));
        o += second;
    }
    *out = o;
    return emit_portable(values, (int)(v - values), pieces, out);
}

/* Looks a short key up in its line; the result has the value in its lower half, or 0 if the line lacks the key. */
SIMD_AVX2 __attribute__((always_inline))
static inline __m128i short_avx2(const uint64_t *line, uint64_t key) {
    __m256i same = _mm256_cmpeq_epi64(_mm256_load_si256((const __m256i *)line), _mm256_set1_epi64x((long long)key));
    same = _mm256_and_si256(same, _mm256_load_si256((const __m256i *)(line + 4)));
    __m128i half = _mm_or_si128(_mm256_castsi256_si128(same), _mm256_extracti128_si256(same, 1));
    return _mm_or_si128(half, _mm_unpackhi_epi64(half, half));
}

SIMD_AVX2 __attribute__((always_inline))
static inline void unpack_avx2(__m128i found, uint32_t *out) {
    _mm_storeu_si128((__m128i *)out, _mm256_castsi256_si128(emit_two_avx2(_mm256_broadcastsi128_si256(found))));
}

PROBE_FEW(few_avx2, SIMD_AVX2, __m128i, low_avx2, short_avx2, long_avx2, (uint64_t)_mm_cvtsi128_si64, unpack_avx2)

#endif
#endif
