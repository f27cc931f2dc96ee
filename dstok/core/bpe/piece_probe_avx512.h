/* The probe by AVX-512: keys and hashes are made eight at a time.
 *
 * In and out: as in piece_probe.h. Invariant: the same values, the same missing pieces.
 */
#ifndef DSTOK_PROBE_AVX512_H
#define DSTOK_PROBE_AVX512_H

#include "bpe/piece_probe_avx2.h"

#ifdef DSTOK_X86

/* Pieces of 9 to 24 bytes: their indexes, starts, lengths and lines. */
typedef struct {
    int count;
    uint32_t index[PROBE_LIST + 16], start[PROBE_LIST + 16], length[PROBE_LIST + 16], line[PROBE_LIST + 16];
} PieceList;

/* The low `bits` of each word: the whole word from 64 on, nothing from 0 down. */
SIMD_AVX512
static inline __m512i probe_low(__m512i words, __m512i bits) {
    __m512i kept = _mm512_max_epi64(_mm512_min_epi64(bits, _mm512_set1_epi64(64)), _mm512_setzero_si512());
    return _mm512_and_si512(words, _mm512_srlv_epi64(_mm512_set1_epi64(-1), _mm512_sub_epi64(_mm512_set1_epi64(64), kept)));
}

/* Stores the lines of hashes as bytes from `lines`, and fetches them. */
SIMD_AVX512
static inline void probe_lines(const uint64_t *lines, __m512i hash, __m128i shift, uint32_t *at) {
    __m256i line = _mm512_cvtepi64_epi32(_mm512_srl_epi64(hash, shift));
    _mm256_storeu_si256((__m256i *)at, _mm256_and_si256(line, _mm256_set1_epi32(-64)));
    for (int j = 0; j < 8; j++)
        __builtin_prefetch((const uint8_t *)lines + at[j]);
}

/* The words at text + start[0], ..., text + start[7]. Plain loads: a gather costs more than twice as much on some
 * processors, and far more on those whose gathers the system has to mend. */
SIMD_AVX512 __attribute__((always_inline))
static inline __m512i probe_words(const uint8_t *text, const uint32_t *start) {
    long long word[8];
    for (int j = 0; j < 8; j++)
        memcpy(&word[j], text + start[j], WORD);
    return _mm512_set_epi64(word[7], word[6], word[5], word[4], word[3], word[2], word[1], word[0]);
}

/* Keys and lines of eight pieces, as if all were short: for longer ones both are 0. */
SIMD_AVX512 __attribute__((always_inline))
static inline void probe_hash_eight(const PieceTable *t, const uint8_t *text, const uint32_t *starts, __m128i shift,
                                    uint64_t *keys, uint32_t *line) {
    __m256i length = _mm256_sub_epi32(_mm256_loadu_si256((const __m256i *)(starts + 1)),
                                      _mm256_loadu_si256((const __m256i *)starts));
    __m512i unused = _mm512_sub_epi64(_mm512_set1_epi64(64), _mm512_slli_epi64(_mm512_cvtepu32_epi64(length), 3));
    __m512i key = _mm512_and_si512(probe_words(text, starts), _mm512_srlv_epi64(_mm512_set1_epi64(-1), unused));
    _mm512_storeu_si512(keys, key);
    probe_lines(t->key8, _mm512_mullo_epi64(key, _mm512_set1_epi64((long long)HASH_0)), shift, line);
}

SIMD_AVX512 __attribute__((always_inline))
static inline int probe_append(PieceList *list, int count, __mmask16 chosen, __m512i index, __m512i start,
                               __m512i length) {
    _mm512_storeu_si512(list->index + count, _mm512_maskz_compress_epi32(chosen, index));
    _mm512_storeu_si512(list->start + count, _mm512_maskz_compress_epi32(chosen, start));
    _mm512_storeu_si512(list->length + count, _mm512_maskz_compress_epi32(chosen, length));
    return count + __builtin_popcount(chosen);
}

/* The same for all of up to PROBE_LIST pieces. Lists the pieces of 9 to 24 bytes. */
SIMD_AVX512
static inline void probe_hash_all(const PieceTable *t, const uint8_t *text, const uint32_t *starts, int pieces,
                                  uint64_t *keys, uint32_t *line, PieceList *longer) {
    __m512i index = _mm512_set_epi32(15, 14, 13, 12, 11, 10, 9, 8, 7, 6, 5, 4, 3, 2, 1, 0);
    __m128i shift = _mm_cvtsi32_si128(t->key8_shift - PROBE_LINE);
    int count = 0; /* not longer->count: the compiler would read it back after each store */
    for (int i = 0; i < pieces; i += 16) {
        const uint32_t *from = starts + i;
        uint32_t last[17];
        if (__builtin_expect(pieces - i < 16, 0)) { /* what lies after the end may be no places in the text */
            for (int j = 0; j < 17; j++)
                last[j] = from[j < pieces - i ? j : pieces - i];
            from = last;
        }
        probe_hash_eight(t, text, from, shift, keys + i, line + i);
        probe_hash_eight(t, text, from + 8, shift, keys + i + 8, line + i + 8);
        __m512i start = _mm512_loadu_si512(from), length = _mm512_sub_epi32(_mm512_loadu_si512(from + 1), start);
        __mmask16 chosen = _mm512_cmpgt_epu32_mask(length, _mm512_set1_epi32(WORD));
        chosen = _mm512_mask_cmple_epu32_mask(chosen, length, _mm512_set1_epi32(MIDDLE));
        count = probe_append(longer, count, chosen, index, start, length);
        index = _mm512_add_epi32(index, _mm512_set1_epi32(16));
    }
    /* The loop over the list takes eight at a time, so the entries after the end must point to readable text. */
    _mm512_storeu_si512(longer->start + count, _mm512_setzero_si512());
    _mm512_storeu_si512(longer->length + count, _mm512_set1_epi32(1));
    longer->count = count;
}

/* Keys and lines of longer pieces. */
SIMD_AVX512
static inline void probe_hash_longer(const PieceTable *t, const uint8_t *text, PieceList *list, uint64_t *keys_0,
                                     uint64_t *keys_1, uint64_t *keys_2) {
    __m128i shift = _mm_cvtsi32_si128(t->key24_shift - PROBE_LINE);
    for (int i = 0; i < list->count; i += 8) {
        __m512i bits = _mm512_slli_epi64(
            _mm512_cvtepu32_epi64(_mm256_loadu_si256((const __m256i *)(list->length + i))), 3);
        int three = _mm512_cmpgt_epi64_mask(bits, _mm512_set1_epi64(128)) != 0;
        __m512i key_0 = probe_words(text, list->start + i), key_1 = probe_words(text + 8, list->start + i);
        __m512i key_2 = _mm512_setzero_si512();
        key_1 = probe_low(key_1, _mm512_sub_epi64(bits, _mm512_set1_epi64(64)));
        __m512i hash = _mm512_mullo_epi64(key_1, _mm512_set1_epi64((long long)HASH_1));
        if (three) {
            key_2 = probe_low(probe_words(text + 16, list->start + i), _mm512_sub_epi64(bits, _mm512_set1_epi64(128)));
            hash = _mm512_add_epi64(hash, key_2);
        }
        _mm512_storeu_si512(keys_0 + i, key_0);
        _mm512_storeu_si512(keys_1 + i, key_1);
        _mm512_storeu_si512(keys_2 + i, key_2);
        hash = _mm512_xor_si512(_mm512_ror_epi64(hash, 32), key_0);
        hash = _mm512_mullo_epi64(hash, _mm512_set1_epi64((long long)HASH_0));
        probe_lines(t->key24, hash, shift, list->line + i);
    }
}

/* The values of up to PROBE_LIST pieces. A piece above 8 bytes first gets the value of key 0 in line 0, if there is one.
 * Up to 24 bytes its own is written over it; above, the value is one of another length, so the piece is missed. */
SIMD_AVX512
static inline void probe_lists(const PieceTable *t, const uint8_t *text, const uint32_t *starts, int pieces,
                               uint64_t *values) {
    PieceList longer;
    uint64_t keys[PROBE_LIST + 16], keys_0[PROBE_LIST + 8], keys_1[PROBE_LIST + 8], keys_2[PROBE_LIST + 8];
    uint32_t line[PROBE_LIST + 16];
    probe_hash_all(t, text, starts, pieces, keys, line, &longer);
    probe_hash_longer(t, text, &longer, keys_0, keys_1, keys_2);
    for (int i = 0; i < pieces; i += 4) {
        const uint64_t *const four[4] = {keys + i, keys + i + 1, keys + i + 2, keys + i + 3};
        _mm256_storeu_si256((__m256i *)(values + i), four_avx2(t->key8, line + i, four));
    }
    for (int i = 0; i < longer.count; i++)
        values[longer.index[i]] = (uint64_t)_mm_cvtsi128_si64(
            long_avx2(t->key24 + longer.line[i] / sizeof(uint64_t), keys_0[i], keys_1[i], keys_2[i]));
}

/* Whether the lists send pieces of all lengths to the lines where entries are put. */
SIMD_AVX512
static int lists_agree(const PieceTable *t, const ProbeSample *sample) {
    PieceList longer;
    uint64_t keys[4][MIDDLE + 16];
    uint32_t line[MIDDLE + 16];
    probe_hash_all(t, sample->text, sample->starts, MIDDLE, keys[0], line, &longer);
    probe_hash_longer(t, sample->text, &longer, keys[1], keys[2], keys[3]);
    return longer.count == MIDDLE - WORD && probe_lines_agree(t, sample, line, longer.line);
}

/* Up to this many pieces the lists cost more than they save (50 ns a call). */
enum { PROBE_NO_LISTS = 64 };

SIMD_AVX512
static int probe_avx512(const PieceTable *t, const uint8_t *text, uint32_t *starts, int pieces, uint64_t *values,
                       uint32_t *missed) {
    if (pieces <= PROBE_NO_LISTS)
        return probe_avx2(t, text, starts, pieces, values, missed);
    for (int base = 0; base < pieces; base += PROBE_LIST)
        probe_lists(t, text, starts + base, pieces - base < PROBE_LIST ? pieces - base : PROBE_LIST, values + base);
    return probe_missed_avx2(t, starts, (size_t)pieces, values, missed);
}

#endif
#endif
