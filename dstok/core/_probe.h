/* The piece table, probed a chunk of pieces at a time. AVX-512; the twin for other processors is in _pieces.pyx.
 *
 * In: the starts of the pieces of a chunk. Out: a value a piece, and which pieces the table does not hold; then,
 * once the caller has filled those in, their ids. The formats are described in _pieces.pyx.
 *
 * Short keys (to 8 bytes) and long ones (to 24) are first sorted into lists, so that none of the loops has a branch
 * on the length: that branch, mispredicted for every eighth piece, cost as much as the probe (3.5 ns).
 */
#ifndef DSTOK_PROBE_H
#define DSTOK_PROBE_H

#include <stdint.h>
#include <string.h>

#include "_simd.h"

enum { CHUNK = 512, CHUNK_ROOM = CHUNK + 128, FEW = 24 }; /* pieces in work at once; room for a block's worth more */

/* Ids of entries with more than three. RING_SAFE: how old an entry may be, so that what one chunk adds (CHUNK_ROOM
 * times 24 at most) does not overwrite what the same chunk has found. */
#define RING (1u << 20)
#define RING_SAFE (RING - (1u << 15))

typedef struct {
    uint64_t *a;     /* lines of 4 keys, then their 4 values */
    uint64_t *b;     /* lines of two entries, interleaved: 2 first words, 2 second, 2 third, 2 values */
    uint8_t *c;      /* entries for keys up to 62 bytes */
    uint8_t *d;      /* and up to 252 */
    uint32_t *ring;
    uint64_t head;   /* where the ring is written next: never wraps, its place is head % RING */
    int a_shift;     /* 64 - log2(lines) */
    int b_shift;
    int writable;
} PieceTable;

#define HASH_0 0x9E3779B97F4A7C15ull
#define HASH_1 0xC2B2AE3D27D4EB4Full
#define HASH_2 0xD6E8FEB86659FD93ull

#ifdef DSTOK_X86

#define PROBE_TARGET SIMD_AVX512

/* Pieces of one range of lengths: which of the chunk they are, where they start, how long they are, where their
 * line is. */
typedef struct {
    int count;
    uint32_t index[CHUNK_ROOM], start[CHUNK_ROOM], length[CHUNK_ROOM], line[CHUNK_ROOM];
} PieceList;

PROBE_TARGET
static inline int probe_append(PieceList *list, int count, __mmask16 chosen, __m512i index, __m512i start,
                               __m512i length) {
    _mm512_storeu_si512(list->index + count, _mm512_maskz_compress_epi32(chosen, index));
    _mm512_storeu_si512(list->start + count, _mm512_maskz_compress_epi32(chosen, start));
    _mm512_storeu_si512(list->length + count, _mm512_maskz_compress_epi32(chosen, length));
    return count + __builtin_popcount(chosen);
}

/* Ends a list. The loops over it work on eight at a time: what they see behind the end must be readable text. */
PROBE_TARGET
static inline void probe_close(PieceList *list, int count) {
    _mm512_storeu_si512(list->start + count, _mm512_setzero_si512());
    _mm512_storeu_si512(list->length + count, _mm512_set1_epi32(1));
    list->count = count;
}

/* Sorts the pieces by length; those above 24 bytes get the value of none. */
PROBE_TARGET
static inline void probe_sort(const uint32_t *starts, int pieces, PieceList *brief, PieceList *lengthy,
                              uint64_t *values) {
    __m512i index = _mm512_set_epi32(15, 14, 13, 12, 11, 10, 9, 8, 7, 6, 5, 4, 3, 2, 1, 0);
    int briefs = 0, lengthies = 0; /* not in the lists: the compiler would read them back after each store */
    for (int i = 0; i < pieces; i += 16) {
        __m512i start = _mm512_loadu_si512(starts + i);
        __m512i length = _mm512_sub_epi32(_mm512_loadu_si512(starts + i + 1), start);
        __mmask16 used = pieces - i >= 16 ? 0xFFFF : (__mmask16)((1u << (pieces - i)) - 1);
        __mmask16 is_brief = _mm512_mask_cmple_epu32_mask(used, length, _mm512_set1_epi32(8));
        __mmask16 fits = _mm512_mask_cmple_epu32_mask(used, length, _mm512_set1_epi32(24));
        briefs = probe_append(brief, briefs, is_brief, index, start, length);
        lengthies = probe_append(lengthy, lengthies, fits & ~is_brief, index, start, length);
        if (__builtin_expect(fits != used, 0))
            for (int rest = used & ~fits; rest; rest &= rest - 1)
                values[i + __builtin_ctz(rest)] = 0;
        index = _mm512_add_epi32(index, _mm512_set1_epi32(16));
    }
    probe_close(brief, briefs);
    probe_close(lengthy, lengthies);
}

/* The low `bits` of each word; all of it from 64 on, none from 0 down. */
PROBE_TARGET
static inline __m512i probe_low(__m512i words, __m512i bits) {
    __m512i kept = _mm512_max_epi64(_mm512_min_epi64(bits, _mm512_set1_epi64(64)), _mm512_setzero_si512());
    return _mm512_and_si512(words, _mm512_srlv_epi64(_mm512_set1_epi64(-1), _mm512_sub_epi64(_mm512_set1_epi64(64), kept)));
}

PROBE_TARGET
static inline void probe_prefetch(const uint64_t *lines, const uint32_t *line) {
    for (int j = 0; j < 8; j++)
        __builtin_prefetch(lines + 8 * (size_t)line[j]);
}

/* Keys and lines of short pieces. */
PROBE_TARGET
static inline void probe_hash_brief(const PieceTable *t, const uint8_t *text, PieceList *list, uint64_t *keys) {
    __m128i shift = _mm_cvtsi32_si128(t->a_shift);
    for (int i = 0; i < list->count; i += 8) {
        __m256i start = _mm256_loadu_si256((const __m256i *)(list->start + i));
        __m512i length = _mm512_cvtepu32_epi64(_mm256_loadu_si256((const __m256i *)(list->length + i)));
        __m512i unused = _mm512_sub_epi64(_mm512_set1_epi64(64), _mm512_slli_epi64(length, 3));
        __m512i key = _mm512_i32gather_epi64(start, (const long long *)text, 1);
        key = _mm512_and_si512(key, _mm512_srlv_epi64(_mm512_set1_epi64(-1), unused));
        _mm512_storeu_si512(keys + i, key);
        __m512i hash = _mm512_srl_epi64(_mm512_mullo_epi64(key, _mm512_set1_epi64((long long)HASH_0)), shift);
        _mm256_storeu_si256((__m256i *)(list->line + i), _mm512_cvtepi64_epi32(hash));
        probe_prefetch(t->a, list->line + i);
    }
}

/* Keys and lines of longer pieces. */
PROBE_TARGET
static inline void probe_hash_lengthy(const PieceTable *t, const uint8_t *text, PieceList *list, uint64_t *keys_0,
                                      uint64_t *keys_1, uint64_t *keys_2) {
    __m128i shift = _mm_cvtsi32_si128(t->b_shift);
    for (int i = 0; i < list->count; i += 8) {
        __m256i start = _mm256_loadu_si256((const __m256i *)(list->start + i));
        __m512i bits = _mm512_slli_epi64(
            _mm512_cvtepu32_epi64(_mm256_loadu_si256((const __m256i *)(list->length + i))), 3);
        __mmask8 three = _mm512_cmpgt_epi64_mask(bits, _mm512_set1_epi64(128));
        __m512i key_0 = _mm512_i32gather_epi64(start, (const long long *)text, 1);
        __m512i key_1 = _mm512_i32gather_epi64(start, (const long long *)(text + 8), 1), key_2 = _mm512_setzero_si512();
        key_1 = probe_low(key_1, _mm512_sub_epi64(bits, _mm512_set1_epi64(64)));
        __m512i hash = _mm512_ror_epi64(_mm512_mullo_epi64(key_1, _mm512_set1_epi64((long long)HASH_1)), 32);
        if (three) {
            key_2 = _mm512_mask_i32gather_epi64(key_2, three, start, (const long long *)(text + 16), 1);
            key_2 = probe_low(key_2, _mm512_sub_epi64(bits, _mm512_set1_epi64(128)));
            hash = _mm512_xor_si512(
                hash, _mm512_ror_epi64(_mm512_mullo_epi64(key_2, _mm512_set1_epi64((long long)HASH_2)), 32));
        }
        _mm512_storeu_si512(keys_0 + i, key_0);
        _mm512_storeu_si512(keys_1 + i, key_1);
        _mm512_storeu_si512(keys_2 + i, key_2);
        hash = _mm512_mullo_epi64(_mm512_xor_si512(hash, key_0), _mm512_set1_epi64((long long)HASH_0));
        _mm256_storeu_si256((__m256i *)(list->line + i), _mm512_cvtepi64_epi32(_mm512_srl_epi64(hash, shift)));
        probe_prefetch(t->b, list->line + i);
    }
}

/* The pieces whose value is not theirs: absent, of another length (keys that differ in zero bytes), or too old. */
PROBE_TARGET
static inline int probe_missed(const PieceTable *t, const uint32_t *starts, int pieces, const uint64_t *values,
                               uint32_t *missed) {
    __m256i index = _mm256_set_epi32(7, 6, 5, 4, 3, 2, 1, 0);
    int count = 0;
    for (int i = 0; i < pieces; i += 8) {
        __m512i value = _mm512_loadu_si512(values + i);
        __m512i length = _mm512_cvtepu32_epi64(_mm256_sub_epi32(_mm256_loadu_si256((const __m256i *)(starts + i + 1)),
                                                                _mm256_loadu_si256((const __m256i *)(starts + i))));
        __m512i has = _mm512_and_si512(_mm512_srli_epi64(value, 2), _mm512_set1_epi64(63));
        __m512i age = _mm512_sub_epi64(_mm512_set1_epi64((long long)t->head), _mm512_srli_epi64(value, 16));
        __mmask8 in_ring = _mm512_testn_epi64_mask(value, _mm512_set1_epi64(3));
        __mmask8 wrong = _mm512_cmpneq_epi64_mask(has, length) |
                         _mm512_mask_cmpgt_epu64_mask(in_ring, age, _mm512_set1_epi64(RING_SAFE));
        wrong &= pieces - i >= 8 ? 0xFF : (__mmask8)((1u << (pieces - i)) - 1);
        _mm256_storeu_si256((__m256i *)(missed + count), _mm256_maskz_compress_epi32(wrong, index));
        count += __builtin_popcount(wrong);
        index = _mm256_add_epi32(index, _mm256_set1_epi32(8));
    }
    return count;
}

PROBE_TARGET
static inline uint64_t probe_a(const uint64_t *line, uint64_t key) {
    __mmask8 same = _mm256_cmpeq_epi64_mask(_mm256_load_si256((const __m256i *)line), _mm256_set1_epi64x((long long)key));
    __m256i value = _mm256_maskz_compress_epi64(same, _mm256_load_si256((const __m256i *)(line + 4)));
    return (uint64_t)_mm_cvtsi128_si64(_mm256_castsi256_si128(value));
}

PROBE_TARGET
static inline uint64_t probe_b(const uint64_t *line, uint64_t key_0, uint64_t key_1, uint64_t key_2) {
    const __m128i *words = (const __m128i *)line;
    __mmask8 same = _mm_cmpeq_epi64_mask(_mm_load_si128(words), _mm_set1_epi64x((long long)key_0));
    same = _mm_mask_cmpeq_epi64_mask(same, _mm_load_si128(words + 1), _mm_set1_epi64x((long long)key_1));
    same = _mm_mask_cmpeq_epi64_mask(same, _mm_load_si128(words + 2), _mm_set1_epi64x((long long)key_2));
    return (uint64_t)_mm_cvtsi128_si64(_mm_maskz_compress_epi64(same, _mm_load_si128(words + 3)));
}

static inline uint64_t probe_turn(uint64_t word) {
    return word << 32 | word >> 32;
}

/* As probe_chunk, one by one: for so few pieces its lists cost more than the branches (50 ns a call). */
PROBE_TARGET
static int probe_few(const PieceTable *t, const uint8_t *text, const uint32_t *starts, int pieces, uint64_t *values,
                     uint32_t *missed) {
    uint64_t keys[FEW], lengths[FEW];
    const uint64_t *lines[FEW];
    int count = 0;
    for (int i = 0; i < pieces; i++) {
        uint64_t key[3];
        lengths[i] = starts[i + 1] - starts[i];
        memcpy(key, text + starts[i], 8);
        keys[i] = _bzhi_u64(key[0], (uint32_t)lengths[i] * 8);
        lines[i] = t->a + 8 * (keys[i] * HASH_0 >> t->a_shift);
        __builtin_prefetch(lines[i]);
    }
    for (int i = 0; i < pieces; i++) {
        uint64_t value;
        if (lengths[i] <= 8) {
            value = probe_a(lines[i], keys[i]);
        } else if (lengths[i] <= 24) {
            uint64_t key[3];
            memcpy(key, text + starts[i], 24);
            key[1] = lengths[i] < 16 ? _bzhi_u64(key[1], (uint32_t)(lengths[i] - 8) * 8) : key[1];
            key[2] = lengths[i] > 16 ? _bzhi_u64(key[2], (uint32_t)(lengths[i] - 16) * 8) : 0;
            uint64_t hash = key[0] ^ probe_turn(key[1] * HASH_1) ^ probe_turn(key[2] * HASH_2);
            value = probe_b(t->b + 8 * (hash * HASH_0 >> t->b_shift), key[0], key[1], key[2]);
        } else {
            value = 0;
        }
        values[i] = value;
        missed[count] = (uint32_t)i;
        count += (value >> 2 & 63) != lengths[i] || (!(value & 3) && t->head - (value >> 16) > RING_SAFE);
    }
    return count;
}

/* The values of all pieces of a chunk, and the list of those that are missing; `starts` has pieces + 1. */
PROBE_TARGET
static int probe_chunk(const PieceTable *t, const uint8_t *text, const uint32_t *starts, int pieces, uint64_t *values,
                       uint32_t *missed) {
    PieceList brief, lengthy;
    uint64_t keys[CHUNK_ROOM], keys_0[CHUNK_ROOM], keys_1[CHUNK_ROOM], keys_2[CHUNK_ROOM];
    if (pieces <= FEW)
        return probe_few(t, text, starts, pieces, values, missed);
    probe_sort(starts, pieces, &brief, &lengthy, values);
    probe_hash_brief(t, text, &brief, keys);
    probe_hash_lengthy(t, text, &lengthy, keys_0, keys_1, keys_2);
    for (int i = 0; i < brief.count; i++)
        values[brief.index[i]] = probe_a(t->a + 8 * (size_t)brief.line[i], keys[i]);
    for (int i = 0; i < lengthy.count; i++)
        values[lengthy.index[i]] = probe_b(t->b + 8 * (size_t)lengthy.line[i], keys_0[i], keys_1[i], keys_2[i]);
    return probe_missed(t, starts, pieces, values, missed);
}

/* Writes the ids of values with up to three ids, in one go, as long as there are such; returns where it stopped.
 * Four ids are written a piece, of which as many count as there are. */
PROBE_TARGET
static int probe_emit(const uint64_t *values, int at, int pieces, uint32_t **out) {
    /* multishift picks eight bits at any place of the word: here those of each id, and what is above them. */
    const __m128i places = _mm_set_epi8(0, 60, 52, 44, 0, 60, 52, 44, 50, 42, 34, 26, 32, 24, 16, 8);
    const __m128i low = _mm_set1_epi32((1 << 18) - 1);
    uint32_t *o = *out;
    for (; at < pieces; at++) {
        uint64_t value = values[at], count = value & 3;
        if (__builtin_expect(!count, 0))
            break;
        __m128i ids = _mm_multishift_epi64_epi8(places, _mm_set1_epi64x((long long)value));
        _mm_storeu_si128((__m128i *)o, _mm_and_si128(ids, low));
        o += count;
    }
    *out = o;
    return at;
}

#else

static int probe_chunk(const PieceTable *t, const uint8_t *text, const uint32_t *starts, int pieces, uint64_t *values,
                       uint32_t *missed) {
    (void)t, (void)text, (void)starts, (void)pieces, (void)values, (void)missed;
    return 0;
}

static int probe_emit(const uint64_t *values, int at, int pieces, uint32_t **out) {
    (void)values, (void)pieces, (void)out;
    return at;
}

#endif
#endif
