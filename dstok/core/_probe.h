/* The piece table, probed a chunk of pieces at a time.
 *
 * In: the starts of the pieces of a chunk. Out: a value a piece, and which pieces the table does not hold; then,
 * once the caller has filled those in, their ids. The formats are described in _pieces.pyx.
 *
 * Example: of the pieces "Hi", " " and " all" with the table holding the first two, values are [word, word, 0], and missed
 * is [2]. Then the caller merges " all", sets values[2], and `probe_emit` writes the ids of all three.
 *
 * No loop has a branch on the length of a key: that branch, mispredicted for every eighth piece, cost as much as the probe
 * (3.5 ns). Every piece is first taken for a short one (to 8 bytes); the longer ones (to 24) are put on a list.
 */
#ifndef DSTOK_PROBE_H
#define DSTOK_PROBE_H

#include <stdint.h>
#include <string.h>

#include "_simd.h"

enum { CHUNK = 1024, CHUNK_ROOM = CHUNK + 128 }; /* pieces in work at once; room for a block's worth more */

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


/* Keys, and the two lines that each may stand in. */

static inline uint64_t piece_turn(uint64_t word) {
    return word << 32 | word >> 32;
}

/* The low `bytes` bytes of a word, all of it from 8 on. */
static inline uint64_t piece_low(uint64_t word, uint32_t bytes) {
    return bytes < 8 ? word & ~(~0ull << 8 * bytes) : word;
}

/* The words of a key of up to 24 bytes, zeros after it. Reads 24 bytes. */
static inline void piece_key(const uint8_t *text, uint32_t length, uint64_t *key) {
    memcpy(key, text, 24);
    key[0] = piece_low(key[0], length);
    key[1] = length > 8 ? piece_low(key[1], length - 8) : 0;
    key[2] = length > 16 ? piece_low(key[2], length - 16) : 0;
}

static inline uint64_t *piece_line_a(const PieceTable *t, uint64_t key) {
    return t->a + 8 * (key * HASH_0 >> t->a_shift);
}

static inline uint64_t *piece_second_a(const PieceTable *t, uint64_t key) {
    return t->a + 8 * (piece_turn(key * HASH_1) * HASH_2 >> t->a_shift);
}

static inline uint64_t piece_mix(const uint64_t *key) {
    return key[0] ^ piece_turn(key[1] * HASH_1 + key[2]);
}

static inline uint64_t *piece_line_b(const PieceTable *t, const uint64_t *key) {
    return t->b + 8 * (piece_mix(key) * HASH_0 >> t->b_shift);
}

static inline uint64_t *piece_second_b(const PieceTable *t, const uint64_t *key) {
    return t->b + 8 * (piece_turn(piece_mix(key) * HASH_1) * HASH_2 >> t->b_shift);
}

/* The value of a key in a line, or 0. A key stands in a line at most once (_insert_a, _insert_b), so that values may be
 * or-ed. */
static inline uint64_t piece_value_a(const uint64_t *line, uint64_t key) {
    uint64_t value = line[3] == key ? line[7] : 0;
    value = line[2] == key ? line[6] : value;
    value = line[1] == key ? line[5] : value;
    return line[0] == key ? line[4] : value;
}

static inline uint64_t piece_value_b(const uint64_t *line, uint64_t key_0, uint64_t key_1, uint64_t key_2) {
    uint64_t value = ((line[1] ^ key_0) | (line[3] ^ key_1) | (line[5] ^ key_2)) ? 0 : line[7];
    return ((line[0] ^ key_0) | (line[2] ^ key_1) | (line[4] ^ key_2)) ? value : line[6];
}

/* Whether a value found is not the piece's: absent, of another length (keys that differ in zero bytes), or too old. */
static inline int piece_wrong(const PieceTable *t, uint64_t value, uint32_t length) {
    return ((value >> 2 & 63) != length) | (!(value & 3) & (t->head - (value >> 16) > RING_SAFE));
}

/* The second line of a piece of up to 24 bytes, if it may stand there: only what a full line has dropped does, and a line
 * stays full. */
static inline const uint64_t *piece_second(const PieceTable *t, const uint8_t *text, uint32_t length) {
    uint64_t key[3];
    piece_key(text, length, key);
    if (!(length <= 8 ? piece_line_a(t, key[0]) : piece_line_b(t, key))[7])
        return NULL;
    return length <= 8 ? piece_second_a(t, key[0]) : piece_second_b(t, key);
}

/* The value of a piece in its second line, or 0. */
static inline uint64_t piece_value(const PieceTable *t, const uint64_t *line, const uint8_t *text, uint32_t length) {
    uint64_t key[3], value;
    piece_key(text, length, key);
    value = length <= 8 ? piece_value_a(line, key[0]) : piece_value_b(line, key[0], key[1], key[2]);
    return piece_wrong(t, value, length) ? 0 : value;
}

/* How a level does it: the low bytes of a word; the values of two short keys in two lines; the value of a long one; which
 * of four values are the pieces', as far as can be told without the ring (bits). */
typedef uint64_t (*ProbeLow)(uint64_t word, uint32_t bytes);
typedef void (*ProbePair)(const uint64_t *const *lines, const uint64_t *keys, uint64_t *values);
typedef uint64_t (*ProbeLong)(const uint64_t *line, uint64_t key_0, uint64_t key_1, uint64_t key_2);
typedef int (*ProbeFour)(const uint64_t *values, const uint32_t *starts);

enum { PROBE_BATCH = 128 }; /* pieces whose lines and keys fit the level-1 cache */

/* The pieces whose value is not theirs. */
__attribute__((always_inline))
static inline int probe_check(ProbeFour four, const PieceTable *t, const uint32_t *starts, int pieces,
                              const uint64_t *values, uint32_t *missed) {
    int count = 0;
    for (size_t i = 0, end = (size_t)pieces; i < end; i += 4) {
        if (__builtin_expect(four(values + i, starts + i) == 15, 1))
            continue;
        for (size_t k = i; k < end && k < i + 4; k++) {
            missed[count] = (uint32_t)k;
            count += piece_wrong(t, values[k], starts[k + 1] - starts[k]);
        }
    }
    return count;
}

/* The values of all pieces of a chunk, and the list of those that are missing; `starts` has pieces + 1, and four more may
 * be read. */
__attribute__((always_inline))
static inline int probe_by(ProbeLow low, ProbePair pair, ProbeLong of_long, ProbeFour four, const PieceTable *t,
                           const uint8_t *text, const uint32_t *starts, int pieces, uint64_t *values, uint32_t *missed) {
    uint64_t keys[PROBE_BATCH + 1], long_keys[PROBE_BATCH][3];
    const uint64_t *lines[PROBE_BATCH + 1], *long_lines[PROBE_BATCH], *a = t->a, *b = t->b;
    uint16_t longer[PROBE_BATCH + 1];
    int a_shift = t->a_shift, b_shift = t->b_shift;
    uint64_t hash_0 = HASH_0;
    __asm__("" : "+r"(hash_0)); /* the compiler would make the constant anew for each piece */
    for (int base = 0; base < pieces; base += PROBE_BATCH) {
        const uint32_t *from = starts + base;
        uint64_t *to = values + base;
        int size = pieces - base < PROBE_BATCH ? pieces - base : PROBE_BATCH;
        size_t longs = 0;
        uint64_t start = from[0], end;
        for (size_t i = 0; i < (size_t)size; i++) {
            end = from[i + 1];
            uint64_t key, length = end - start, is_short = (uint64_t)((int64_t)(length - 9) >> 63);
            memcpy(&key, text + start, 8);
            keys[i] = key = low(key, (uint32_t)length);
            lines[i] = a + 8 * (key * hash_0 >> a_shift & is_short);
            __builtin_prefetch(lines[i]);
            longer[longs] = (uint16_t)i;
            longs += 1 + is_short;
            start = end;
        }
        keys[size] = 0;
        lines[size] = a;
        for (size_t j = 0; j < longs; j++) {
            uint32_t start = from[longer[j]], length = from[longer[j] + 1] - start;
            uint64_t *key = long_keys[j];
            memcpy(key, text + start, 24);
            key[1] = low(key[1], length - 8);
            key[2] = low(key[2], length > 16 ? length - 16 : 0);
            long_lines[j] = b + 8 * (piece_mix(key) * HASH_0 >> b_shift);
            __builtin_prefetch(long_lines[j]);
        }
        for (size_t i = 0; i < (size_t)size; i += 2)
            pair(lines + i, keys + i, to + i);
        for (size_t j = 0; j < longs; j++)
            to[longer[j]] = of_long(long_lines[j], long_keys[j][0], long_keys[j][1], long_keys[j][2]);
    }
    return probe_check(four, t, starts, pieces, values, missed);
}

__attribute__((always_inline))
static inline void pair_portable(const uint64_t *const *lines, const uint64_t *keys, uint64_t *values) {
    values[0] = piece_value_a(lines[0], keys[0]);
    values[1] = piece_value_a(lines[1], keys[1]);
}

__attribute__((always_inline))
static inline int four_portable(const uint64_t *values, const uint32_t *starts) {
    int fine = 0;
    for (int i = 0; i < 4; i++)
        fine |= ((values[i] >> 2 & 63) == starts[i + 1] - starts[i] && values[i] & 3) << i;
    return fine;
}

static int probe_portable(const PieceTable *t, const uint8_t *text, const uint32_t *starts, int pieces, uint64_t *values,
                          uint32_t *missed) {
    return probe_by(piece_low, pair_portable, piece_value_b, four_portable, t, text, starts, pieces, values, missed);
}

/* Writes the ids of values with up to three ids, in one go, as long as there are such; returns where it stopped.
 * Four ids are written a piece, of which as many count as there are. */
static int emit_portable(const uint64_t *values, int at, int pieces, uint32_t **out) {
    uint32_t *o = *out;
    for (; at < pieces && values[at] & 3; at++) {
        uint64_t value = values[at];
        o[0] = (uint32_t)(value >> 8) & ((1 << 18) - 1);
        o[1] = (uint32_t)(value >> 26) & ((1 << 18) - 1);
        o[2] = (uint32_t)(value >> 44) & ((1 << 18) - 1);
        o += value & 3;
    }
    *out = o;
    return at;
}

#ifdef DSTOK_X86

/* From 32 bytes on it may be anything: no value that is found by it has such a length. */
SIMD_AVX2 __attribute__((always_inline))
static inline uint64_t low_avx2(uint64_t word, uint32_t bytes) {
    return _bzhi_u64(word, 8 * bytes);
}

SIMD_AVX2 __attribute__((always_inline))
static inline void pair_avx2(const uint64_t *const *lines, const uint64_t *keys, uint64_t *values) {
    const uint64_t *first = lines[0], *second = lines[1];
    __m256i v0 = _mm256_cmpeq_epi64(_mm256_load_si256((const __m256i *)first), _mm256_set1_epi64x((long long)keys[0]));
    __m256i v1 = _mm256_cmpeq_epi64(_mm256_load_si256((const __m256i *)second), _mm256_set1_epi64x((long long)keys[1]));
    v0 = _mm256_and_si256(v0, _mm256_load_si256((const __m256i *)(first + 4)));
    v1 = _mm256_and_si256(v1, _mm256_load_si256((const __m256i *)(second + 4)));
    __m256i both = _mm256_or_si256(_mm256_unpacklo_epi64(v0, v1), _mm256_unpackhi_epi64(v0, v1));
    _mm_storeu_si128((__m128i *)values, _mm_or_si128(_mm256_castsi256_si128(both), _mm256_extracti128_si256(both, 1)));
}

SIMD_AVX2 __attribute__((always_inline))
static inline uint64_t long_avx2(const uint64_t *line, uint64_t key_0, uint64_t key_1, uint64_t key_2) {
    const __m128i *words = (const __m128i *)line;
    __m128i same = _mm_cmpeq_epi64(_mm_load_si128(words), _mm_set1_epi64x((long long)key_0));
    same = _mm_and_si128(same, _mm_cmpeq_epi64(_mm_load_si128(words + 1), _mm_set1_epi64x((long long)key_1)));
    same = _mm_and_si128(same, _mm_cmpeq_epi64(_mm_load_si128(words + 2), _mm_set1_epi64x((long long)key_2)));
    same = _mm_and_si128(same, _mm_load_si128(words + 3));
    return (uint64_t)_mm_cvtsi128_si64(_mm_or_si128(same, _mm_unpackhi_epi64(same, same)));
}

SIMD_AVX2 __attribute__((always_inline))
static inline int four_avx2(const uint64_t *values, const uint32_t *starts) {
    __m256i value = _mm256_loadu_si256((const __m256i *)values);
    __m128i length = _mm_sub_epi32(_mm_loadu_si128((const __m128i *)(starts + 1)), _mm_loadu_si128((const __m128i *)starts));
    __m256i has = _mm256_and_si256(_mm256_srli_epi64(value, 2), _mm256_set1_epi64x(63));
    __m256i elsewhere = _mm256_cmpeq_epi64(_mm256_and_si256(value, _mm256_set1_epi64x(3)), _mm256_setzero_si256());
    __m256i fine = _mm256_andnot_si256(elsewhere, _mm256_cmpeq_epi64(has, _mm256_cvtepu32_epi64(length)));
    return _mm256_movemask_pd(_mm256_castsi256_pd(fine));
}

SIMD_AVX2
static int probe_avx2(const PieceTable *t, const uint8_t *text, const uint32_t *starts, int pieces, uint64_t *values,
                      uint32_t *missed) {
    return probe_by(low_avx2, pair_avx2, long_avx2, four_avx2, t, text, starts, pieces, values, missed);
}

/* Of two values, the three bytes that each id begins in. */
static const int8_t EMIT_FROM[32] = {1, 2,  3,  -1, 3,  4,  5,  -1, 5,  6,  7,  -1, -1, -1, -1, -1,
                                     9, 10, 11, -1, 11, 12, 13, -1, 13, 14, 15, -1, -1, -1, -1, -1};

SIMD_AVX2
static int emit_avx2(const uint64_t *values, int at, int pieces, uint32_t **out) {
    /* Away with what lies below an id in its bytes, and above. */
    const __m256i from = _mm256_loadu_si256((const __m256i *)EMIT_FROM);
    const __m256i below = _mm256_setr_epi32(0, 2, 4, 0, 0, 2, 4, 0);
    const __m256i low = _mm256_set1_epi32((1 << 18) - 1);
    const uint64_t *v = values + at, *end = values + pieces - 1;
    uint32_t *o = *out;
    for (; v < end; v += 2) {
        uint64_t count = v[0] & 3, second = v[1] & 3;
        if (!count || !second)
            break;
        __m256i ids = _mm256_broadcastsi128_si256(_mm_loadu_si128((const __m128i *)v));
        ids = _mm256_and_si256(_mm256_srlv_epi32(_mm256_shuffle_epi8(ids, from), below), low);
        _mm_storeu_si128((__m128i *)o, _mm256_castsi256_si128(ids));
        o += count;
        _mm_storeu_si128((__m128i *)o, _mm256_extracti128_si256(ids, 1));
        o += second;
    }
    *out = o;
    return emit_portable(values, (int)(v - values), pieces, out);
}

/* Pieces of one range of lengths: which of them they are, where they start, how long they are, where their line is. More
 * than PROBE_LIST would not fit the level-1 cache. */
enum { PROBE_LIST = 512 };
typedef struct {
    int count;
    uint32_t index[PROBE_LIST + 16], start[PROBE_LIST + 16], length[PROBE_LIST + 16], line[PROBE_LIST + 16];
} PieceList;

SIMD_AVX512
static inline int probe_append(PieceList *list, int count, __mmask16 chosen, __m512i index, __m512i start,
                               __m512i length) {
    _mm512_storeu_si512(list->index + count, _mm512_maskz_compress_epi32(chosen, index));
    _mm512_storeu_si512(list->start + count, _mm512_maskz_compress_epi32(chosen, start));
    _mm512_storeu_si512(list->length + count, _mm512_maskz_compress_epi32(chosen, length));
    return count + __builtin_popcount(chosen);
}

/* Ends a list. The loops over it work on eight at a time: what they see after the end must be readable text. */
SIMD_AVX512
static inline void probe_close(PieceList *list, int count) {
    _mm512_storeu_si512(list->start + count, _mm512_setzero_si512());
    _mm512_storeu_si512(list->length + count, _mm512_set1_epi32(1));
    list->count = count;
}

/* Sorts the pieces by length; those above 24 bytes get the value of none. */
SIMD_AVX512
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
SIMD_AVX512
static inline __m512i probe_low(__m512i words, __m512i bits) {
    __m512i kept = _mm512_max_epi64(_mm512_min_epi64(bits, _mm512_set1_epi64(64)), _mm512_setzero_si512());
    return _mm512_and_si512(words, _mm512_srlv_epi64(_mm512_set1_epi64(-1), _mm512_sub_epi64(_mm512_set1_epi64(64), kept)));
}

SIMD_AVX512
static inline void probe_prefetch(const uint64_t *lines, const uint32_t *line) {
    for (int j = 0; j < 8; j++)
        __builtin_prefetch(lines + 8 * (size_t)line[j]);
}

/* Keys and lines of short pieces. */
SIMD_AVX512
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
SIMD_AVX512
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
        __m512i hash = _mm512_mullo_epi64(key_1, _mm512_set1_epi64((long long)HASH_1));
        if (three) {
            key_2 = _mm512_mask_i32gather_epi64(key_2, three, start, (const long long *)(text + 16), 1);
            key_2 = probe_low(key_2, _mm512_sub_epi64(bits, _mm512_set1_epi64(128)));
            hash = _mm512_add_epi64(hash, key_2);
        }
        _mm512_storeu_si512(keys_0 + i, key_0);
        _mm512_storeu_si512(keys_1 + i, key_1);
        _mm512_storeu_si512(keys_2 + i, key_2);
        hash = _mm512_xor_si512(_mm512_ror_epi64(hash, 32), key_0);
        hash = _mm512_mullo_epi64(hash, _mm512_set1_epi64((long long)HASH_0));
        _mm256_storeu_si256((__m256i *)(list->line + i), _mm512_cvtepi64_epi32(_mm512_srl_epi64(hash, shift)));
        probe_prefetch(t->b, list->line + i);
    }
}

/* The pieces whose value is not theirs: absent, of another length (keys that differ in zero bytes), or too old. */
SIMD_AVX512
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

SIMD_AVX512
static inline uint64_t probe_a(const uint64_t *line, uint64_t key) {
    __mmask8 same = _mm256_cmpeq_epi64_mask(_mm256_load_si256((const __m256i *)line), _mm256_set1_epi64x((long long)key));
    __m256i value = _mm256_maskz_compress_epi64(same, _mm256_load_si256((const __m256i *)(line + 4)));
    return (uint64_t)_mm_cvtsi128_si64(_mm256_castsi256_si128(value));
}

/* The values of up to PROBE_LIST pieces. */
SIMD_AVX512
static inline void probe_lists(const PieceTable *t, const uint8_t *text, const uint32_t *starts, int pieces,
                               uint64_t *values) {
    PieceList brief, lengthy;
    uint64_t keys[PROBE_LIST], keys_0[PROBE_LIST], keys_1[PROBE_LIST], keys_2[PROBE_LIST];
    probe_sort(starts, pieces, &brief, &lengthy, values);
    probe_hash_brief(t, text, &brief, keys);
    probe_hash_lengthy(t, text, &lengthy, keys_0, keys_1, keys_2);
    for (int i = 0; i < brief.count; i++)
        values[brief.index[i]] = probe_a(t->a + 8 * (size_t)brief.line[i], keys[i]);
    for (int i = 0; i < lengthy.count; i++)
        values[lengthy.index[i]] = long_avx2(t->b + 8 * (size_t)lengthy.line[i], keys_0[i], keys_1[i], keys_2[i]);
}

/* For up to so many pieces the lists cost more than they save (50 ns a call). */
enum { PROBE_NO_LISTS = 24 };

SIMD_AVX512
static int probe_avx512(const PieceTable *t, const uint8_t *text, const uint32_t *starts, int pieces, uint64_t *values,
                       uint32_t *missed) {
    if (pieces <= PROBE_NO_LISTS)
        return probe_avx2(t, text, starts, pieces, values, missed);
    for (int base = 0; base < pieces; base += PROBE_LIST)
        probe_lists(t, text, starts + base, pieces - base < PROBE_LIST ? pieces - base : PROBE_LIST, values + base);
    return probe_missed(t, starts, pieces, values, missed);
}

#endif

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

static inline int probe_emit(int level, const uint64_t *values, int at, int pieces, uint32_t **out) {
#ifdef DSTOK_X86
    if (level >= LEVEL_AVX2)
        return emit_avx2(values, at, pieces, out);
#endif
    (void)level;
    return emit_portable(values, at, pieces, out);
}

#endif
