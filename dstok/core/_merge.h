/* The pair table, the symbols that merging starts from, and the loops for short texts: one text, or sixteen at once.
 *
 * In: the bytes of short texts. Out: their ids, as plain merging gives them; why is told in _bpe.pyx.
 *
 * Pair table: a perfect hash, so that a look-up reads two places and never searches. The pair's first hash chooses a
 * seed (uint16; for V3 64 KB, which stay in the level-2 cache), seed and second hash the slot: left << 44 |
 * right << 24 | rank, all ones if empty (V3: 1 MB, 97 % full). `build_pairs` in _pairs.pyx finds the seeds
 * (Belazzougui, Botelho, Dietzfelbinger: Hash, displace, and compress, 2009).
 *
 * Lanes: merging one text is a chain of dependent look-ups. Sixteen at once, one in each lane of a register, wait for
 * memory together, and the scan for the least rank costs no branches: symbol p of all texts is a register, so is the
 * rank of the pairs (p, p + 1).
 */
#ifndef DSTOK_MERGE_H
#define DSTOK_MERGE_H

#include <stdint.h>
#include <string.h>

#include "_simd.h"

enum {
    NO_RANK = 0xFFFFFF,
    FEW_SYMBOLS = 48, /* that are merged by scanning their ranks at once, and */
    SHORT = 128,      /* if sweeps have gone before */
    LANES = 16,
    LANE_BITS = 5,
    LANE_SYMBOLS = 1 << LANE_BITS, /* at most, of a text that is merged in a lane */
};

typedef struct {
    const uint64_t *slots;
    const uint16_t *seeds; /* behind the last one: the salt of the second hash, and, if it is not 0, of the first */
    int slot_shift;        /* 32 - log2(slots) */
    int seed_shift;
    uint32_t left_mix;     /* what the first hash multiplies by */
    uint32_t right_mix;
    const uint32_t *merged; /* id by rank; NULL: rank + first */
    uint32_t first;
    uint32_t mix;           /* what the second hash multiplies the right id by */
    int wide;               /* use AVX-512 */
} PairTable;

#define PAIR_0 0x9E3779B1u
#define PAIR_1 0x85EBCA6Bu
#define PAIR_2 0xC2B2AE35u
#define PAIR_3 0x27D4EB2Fu
#define PAIR_4 0x165667B1u
#define PAIR_5 0xD6E8FEB9u

/* The factors of the two hashes under their salts, 0 at first: see `build_pairs`. All are odd. */
static inline uint32_t left_mix_of(uint32_t salt) { return PAIR_0 + 2 * PAIR_2 * salt; }
static inline uint32_t right_mix_of(uint32_t salt) { return PAIR_1 + 2 * PAIR_3 * salt; }
static inline uint32_t mix_of(uint32_t salt) { return PAIR_3 + 2 * salt; }

static inline uint32_t pair_bucket(uint32_t left, uint32_t right, uint32_t left_mix, uint32_t right_mix,
                                   int seed_shift) {
    return (left * left_mix + right * right_mix) >> seed_shift;
}

static inline uint32_t pair_slot(uint32_t left, uint32_t right, uint32_t seed, uint32_t mix, int slot_shift) {
    return ((left * PAIR_2 + right * mix) ^ seed * PAIR_4) * PAIR_5 >> slot_shift;
}

/* The rank of the merge of two ids, or NO_RANK. */
static inline uint32_t pair_rank(const PairTable *t, uint32_t left, uint32_t right) {
    uint32_t seed = t->seeds[pair_bucket(left, right, t->left_mix, t->right_mix, t->seed_shift)];
    uint64_t entry = t->slots[pair_slot(left, right, seed, t->mix, t->slot_shift)];
    return entry >> 24 == ((uint64_t)left << 20 | right) ? (uint32_t)entry & NO_RANK : NO_RANK;
}

static inline uint32_t pair_merged(const PairTable *t, uint32_t rank) {
    return t->merged ? t->merged[rank] : rank + t->first;
}

#ifdef DSTOK_X86

/* Entries of eight pairs; the lanes that match get their rank. */
SIMD_AVX512
static inline __m256i lanes_half(const PairTable *t, __m256i left, __m256i right, __m256i slot, __mmask8 asked) {
    const __m512i none = _mm512_set1_epi64(-1);
    __m512i entry = _mm512_mask_i32gather_epi64(none, asked, slot, (const long long *)t->slots, 8);
    __m512i key = _mm512_or_si512(_mm512_slli_epi64(_mm512_cvtepu32_epi64(left), 20), _mm512_cvtepu32_epi64(right));
    __mmask8 equal = _mm512_cmpeq_epi64_mask(_mm512_srli_epi64(entry, 24), key);
    __m512i rank = _mm512_and_si512(entry, _mm512_set1_epi64(NO_RANK));
    return _mm512_cvtepi64_epi32(_mm512_mask_mov_epi64(_mm512_set1_epi64(NO_RANK), equal, rank));
}

/* `pair_rank` of the lanes asked for; NO_RANK in the others. */
SIMD_AVX512
static inline __m512i lanes_rank(const PairTable *t, __m512i left, __m512i right, __mmask16 asked) {
    __m512i bucket = _mm512_add_epi32(_mm512_mullo_epi32(left, _mm512_set1_epi32((int)t->left_mix)),
                                      _mm512_mullo_epi32(right, _mm512_set1_epi32((int)t->right_mix)));
    __m512i mixed = _mm512_add_epi32(_mm512_mullo_epi32(left, _mm512_set1_epi32((int)PAIR_2)),
                                     _mm512_mullo_epi32(right, _mm512_set1_epi32((int)t->mix)));
    bucket = _mm512_srl_epi32(bucket, _mm_cvtsi32_si128(t->seed_shift));
    __m512i seed = _mm512_mask_i32gather_epi32(_mm512_setzero_si512(), asked, bucket, t->seeds, 2);
    seed = _mm512_and_si512(seed, _mm512_set1_epi32(0xFFFF));
    mixed = _mm512_xor_si512(mixed, _mm512_mullo_epi32(seed, _mm512_set1_epi32((int)PAIR_4)));
    __m512i slot = _mm512_srl_epi32(_mm512_mullo_epi32(mixed, _mm512_set1_epi32((int)PAIR_5)),
                                    _mm_cvtsi32_si128(t->slot_shift));
    __m256i low = lanes_half(t, _mm512_castsi512_si256(left), _mm512_castsi512_si256(right),
                             _mm512_castsi512_si256(slot), (__mmask8)asked);
    __m256i high = lanes_half(t, _mm512_extracti64x4_epi64(left, 1), _mm512_extracti64x4_epi64(right, 1),
                              _mm512_extracti64x4_epi64(slot, 1), (__mmask8)(asked >> 8));
    return _mm512_inserti64x4(_mm512_castsi256_si512(low), high, 1);
}

/* `pair_ranks`, sixteen at a time. */
SIMD_AVX512
static void pair_ranks_wide(const PairTable *t, const uint32_t *ids, uint32_t *ranks, int64_t count) {
    for (int64_t i = 0; i + 1 < count; i += LANES) {
        __mmask16 asked = count - 1 - i >= LANES ? 0xFFFF : (__mmask16)((1u << (count - 1 - i)) - 1);
        __m512i left = _mm512_maskz_loadu_epi32(asked, ids + i), right = _mm512_maskz_loadu_epi32(asked, ids + i + 1);
        _mm512_mask_storeu_epi32(ranks + i, asked, lanes_rank(t, left, right, asked));
    }
}

#endif

/* The ranks of all neighbours: `count` - 1 of them. */
static inline void pair_ranks(const PairTable *t, const uint32_t *ids, uint32_t *ranks, int64_t count) {
#ifdef DSTOK_X86
    if (t->wide && count >= LANES) {
        pair_ranks_wide(t, ids, ranks, count);
        return;
    }
#endif
    for (int64_t i = 0; i + 1 < count; i++)
        ranks[i] = pair_rank(t, ids[i], ids[i + 1]);
}

/* Merges the `count` symbols in `ids`, at most SHORT; returns how many ids are left. Sennrich's algorithm as it
 * stands: the scan of a small array for the least rank is cheaper than any structure that would avoid it (a bitmap of
 * the symbols that are left, instead of closing the gap, and a branchless minimum: 157 ns a piece instead of 154). */
static inline int merge_short(const PairTable *t, uint32_t *ids, int count) {
    uint32_t ranks[SHORT];
    pair_ranks(t, ids, ranks, count);
    for (;;) {
        uint32_t least = NO_RANK;
        int at = 0;
        for (int i = 0; i + 1 < count; i++)
            if (ranks[i] < least) {
                least = ranks[i];
                at = i;
            }
        if (least == NO_RANK)
            return count;
        ids[at] = pair_merged(t, least);
        count--;
        for (int i = at + 1; i < count; i++)
            ids[i] = ids[i + 1];
        for (int i = at + 1; i + 1 < count; i++)
            ranks[i] = ranks[i + 1];
        if (at)
            ranks[at - 1] = pair_rank(t, ids[at - 1], ids[at]);
        if (at + 1 < count)
            ranks[at] = pair_rank(t, ids[at], ids[at + 1]);
    }
}

/* Merges rank by rank, each in one sweep from left to right, as long as a sweep merges one symbol in 64; `ranks` has
 * room for `count`. Returns how many ids are left, not all merged yet perhaps. Ranks must be monotone: then a merge makes
 * no pair of its own rank or below, and a sweep does what merging one by one would. Runs and periodic text take a sweep
 * for each doubling of their tokens: 2 KB of spaces 40 us, and by the heap 207. */
static inline int64_t merge_sweeps(const PairTable *t, uint32_t *ids, uint32_t *ranks, int64_t count) {
    pair_ranks(t, ids, ranks, count);
    ranks[count - 1] = NO_RANK;
    for (int64_t before = 2 * count; (before - count) * 64 >= before;) {
        int32_t least = NO_RANK;
        for (int64_t i = 0; i < count; i++)
            least = (int32_t)ranks[i] < least ? (int32_t)ranks[i] : least;
        if (least == NO_RANK)
            break;
        uint32_t made = pair_merged(t, (uint32_t)least);
        int64_t to = 0;
        before = count;
        for (int64_t from = 0; from < count; to++) {
            if (ranks[from] != (uint32_t)least) {
                ids[to] = ids[from];
                ranks[to] = ranks[from++];
                continue;
            }
            ids[to] = made;
            from += 2;
            ranks[to] = from < count ? pair_rank(t, made, ids[from]) : NO_RANK;
            if (to)
                ranks[to - 1] = pair_rank(t, ids[to - 1], made);
        }
        count = to;
    }
    return count;
}

/* What is known of two neighbouring bytes, by left << 8 | right. Ranks of merges of two bytes are numbered in their
 * order, others stand as the number of those below them. */
typedef struct {
    uint16_t rank;   /* of their merge, or NO_PAIR */
    uint16_t before; /* the least rank of a merge of a token that ends in `left` with the byte `right` */
    uint16_t behind; /* the least rank of a merge of the byte `left` with a token that begins with `right` */
    uint16_t torn;   /* whether they stand at a torn border of a token; see dstok/characters.py */
} BytePair;

enum { NO_PAIR = 0xFFFF };

typedef struct {
    const uint32_t *bytes;    /* the id of each byte */
    const BytePair *pairs;    /* NULL: start from bytes */
    const uint32_t *pair_ids; /* by `rank` of BytePair */
    const uint32_t *atoms;    /* id + 1 of each BMP character that is a token, or NULL */
} StartTable;

static inline const BytePair *byte_pair(const StartTable *t, const uint8_t *text) {
    return t->pairs + ((uint32_t)text[0] << 8 | text[1]);
}

/* Asks for the lines that `start_symbols` will read. */
static inline void start_prefetch(const StartTable *t, const uint8_t *text, int64_t length) {
    if (t->pairs)
        for (int64_t at = 0; at + 1 < length; at++)
            __builtin_prefetch(byte_pair(t, text + at));
}

/* The id of the character of three bytes that merging may take whole at `at`, or -1. */
static inline int64_t start_atom(const StartTable *t, const uint8_t *text, int64_t at, int64_t length) {
    const uint8_t *p = text + at;
    uint32_t character = (p[0] & 15u) << 12 | (p[1] & 63u) << 6 | (p[2] & 63u), id = t->atoms[character];
    if ((p[1] & 0xC0) != 0x80 || (p[2] & 0xC0) != 0x80 || character < 0x800 || id == 0)
        return -1;
    if (at && byte_pair(t, p - 1)->torn)
        return -1;
    /* A continuation byte too many: only in bytes that are not text. */
    if (at + 3 < length && (byte_pair(t, p + 2)->torn || (p[3] & 0xC0) == 0x80))
        return -1;
    return (int64_t)id - 1;
}

/* The symbols that merging starts from; returns how many there are. */
static inline int64_t start_symbols(const StartTable *t, const uint8_t *text, int64_t length, uint32_t *ids) {
    int64_t at = 0, count = 0, atom;
    if (!t->pairs) {
        for (; at < length; at++)
            ids[at] = t->bytes[text[at]];
        return length;
    }
    while (at + 1 < length) {
        if (text[at] >= 0xE0 && at + 2 < length && text[at] < 0xF0 && (atom = start_atom(t, text, at, length)) >= 0) {
            ids[count++] = (uint32_t)atom;
            at += 3;
            continue;
        }
        uint16_t rank = byte_pair(t, text + at)->rank;
        if (rank != NO_PAIR && (!at || rank < byte_pair(t, text + at - 1)->before) &&
            (at + 2 >= length || rank < byte_pair(t, text + at + 1)->behind)) {
            ids[count++] = t->pair_ids[rank];
            at += 2;
        } else
            ids[count++] = t->bytes[text[at++]];
    }
    if (at < length)
        ids[count++] = t->bytes[text[at]];
    return count;
}

enum {
    REPEATS_LOG2 = 11, /* slots: more than three a piece */
    REPEAT_BYTES = 24, /* of the longest piece that is looked at */
    FEW_REPEATS = 4,   /* pieces that are compared with each other */
};

/* Which of the pieces `missed` are equal to earlier ones: `first[i]` is the number of the first one that is equal to
 * number i. In cold English and code every third or fourth missed piece stands in its chunk before. Reads up to eight
 * bytes from each start. */
static inline void find_repeats(const uint8_t *text, const uint32_t *starts, const uint32_t *missed, int count,
                                uint16_t *first) {
    uint16_t slots[1 << REPEATS_LOG2]; /* number + 1 */
    if (count <= FEW_REPEATS) {
        /* As in a line: to clear the slots would take longer. */
        for (int i = 0; i < count; i++) {
            uint32_t start = starts[missed[i]], length = starts[missed[i] + 1] - start;
            first[i] = (uint16_t)i;
            for (int j = 0; j < i && first[i] == i; j++)
                if (starts[missed[j] + 1] - starts[missed[j]] == length && length <= REPEAT_BYTES &&
                    memcmp(text + starts[missed[j]], text + start, length) == 0)
                    first[i] = first[j];
        }
        return;
    }
    memset(slots, 0, sizeof(slots));
    for (int i = 0; i < count; i++) {
        const uint8_t *piece = text + starts[missed[i]];
        uint32_t length = starts[missed[i] + 1] - starts[missed[i]];
        uint64_t head, tail = 0;
        first[i] = (uint16_t)i;
        if (length > REPEAT_BYTES)
            continue;
        memcpy(&head, piece, 8);
        if (length < 8)
            head &= ~(uint64_t)0 >> (64 - 8 * length);
        else
            memcpy(&tail, piece + length - 8, 8);
        uint64_t hash = (head ^ (tail << 31 | tail >> 33) ^ length) * 0x9E3779B97F4A7C15ull;
        uint32_t slot = (uint32_t)(hash >> (64 - REPEATS_LOG2));
        for (; slots[slot]; slot = (slot + 1) & ((1 << REPEATS_LOG2) - 1)) {
            uint32_t other = missed[slots[slot] - 1];
            if (starts[other + 1] - starts[other] == length && memcmp(text + starts[other], piece, length) == 0) {
                first[i] = slots[slot] - 1;
                break;
            }
        }
        slots[slot] = first[i] + 1;
    }
}

/* Symbols of sixteen texts: text i is ids[0][i], ids[1][i] and so on, `counts[i]` of them. */
typedef struct {
    uint32_t ids[LANE_SYMBOLS + 1][LANES];
    uint32_t counts[LANES];
} Lanes;

/* `merge_lanes` for processors without AVX-512. */
static inline void merge_lanes_portable(const PairTable *t, Lanes *lanes) {
    for (int lane = 0; lane < LANES; lane++) {
        uint32_t ids[LANE_SYMBOLS];
        for (uint32_t p = 0; p < lanes->counts[lane]; p++)
            ids[p] = lanes->ids[p][lane];
        lanes->counts[lane] = (uint32_t)merge_short(t, ids, (int)lanes->counts[lane]);
        for (uint32_t p = 0; p < lanes->counts[lane]; p++)
            lanes->ids[p][lane] = ids[p];
    }
}

#ifdef DSTOK_X86

SIMD_AVX512
static inline __m512i lanes_merged(const PairTable *t, __m512i rank, __mmask16 asked) {
    if (!t->merged)
        return _mm512_add_epi32(rank, _mm512_set1_epi32((int)t->first));
    return _mm512_mask_i32gather_epi32(_mm512_setzero_si512(), asked, rank, t->merged, 4);
}

/* Merges the texts in all lanes; a lane with a count of 0 or 1 stays as it is. */
SIMD_AVX512
static inline void merge_lanes(const PairTable *t, Lanes *lanes) {
    __m512i ranks[LANE_SYMBOLS + 1];
    const __m512i one = _mm512_set1_epi32(1), none = _mm512_set1_epi32(NO_RANK << LANE_BITS);
    __m512i counts = _mm512_loadu_si512(lanes->counts);
    int most = (int)_mm512_reduce_max_epu32(counts);
    for (int p = 0; p + 1 < most; p++)
        ranks[p] = lanes_rank(t, _mm512_loadu_si512(lanes->ids[p]), _mm512_loadu_si512(lanes->ids[p + 1]),
                              _mm512_cmplt_epu32_mask(_mm512_set1_epi32(p + 1), counts));
    if (most)
        ranks[most - 1] = _mm512_set1_epi32(NO_RANK); /* as behind the last symbol of every lane */
    while (most > 1) {
        /* The least rank of each lane, the leftmost of equals: the place stands in its low bits. */
        __m512i least = none;
        for (int p = 0; p + 1 < most; p++)
            least = _mm512_min_epu32(least, _mm512_or_si512(_mm512_slli_epi32(ranks[p], LANE_BITS), _mm512_set1_epi32(p)));
        __mmask16 active = _mm512_cmplt_epu32_mask(least, none);
        if (!active)
            break;
        __m512i at = _mm512_and_si512(least, _mm512_set1_epi32(LANE_SYMBOLS - 1));
        __m512i made = lanes_merged(t, _mm512_srli_epi32(least, LANE_BITS), active);
        /* Close the gap; catch the new symbol's neighbours on the way. */
        __m512i before = made, behind = made, place = _mm512_setzero_si512();
        __m512i next = _mm512_loadu_si512(lanes->ids[0]);
        for (int p = 0; p + 1 < most; p++) {
            __m512i here = next;
            next = _mm512_loadu_si512(lanes->ids[p + 1]);
            __mmask16 after = _mm512_mask_cmpgt_epu32_mask(active, place, at);
            before = _mm512_mask_mov_epi32(here, _mm512_cmple_epu32_mask(at, place), before);
            behind = _mm512_mask_mov_epi32(behind, _mm512_cmpeq_epu32_mask(_mm512_add_epi32(at, one), place), next);
            here = _mm512_mask_mov_epi32(here, after, next);
            here = _mm512_mask_mov_epi32(here, _mm512_mask_cmpeq_epu32_mask(active, place, at), made);
            _mm512_storeu_si512(lanes->ids[p], here);
            ranks[p] = _mm512_mask_mov_epi32(ranks[p], after, ranks[p + 1]);
            place = _mm512_add_epi32(place, one);
        }
        counts = _mm512_mask_sub_epi32(counts, active, counts, one);
        /* The two pairs that the new symbol is in. */
        __m512i rank_before = lanes_rank(t, before, made, _mm512_mask_test_epi32_mask(active, at, at));
        __m512i rank_behind = lanes_rank(
            t, made, behind, _mm512_mask_cmplt_epu32_mask(active, _mm512_add_epi32(at, one), counts));
        most = (int)_mm512_mask_reduce_max_epu32(active, counts);
        place = _mm512_setzero_si512();
        for (int p = 0; p < most; p++) {
            ranks[p] = _mm512_mask_mov_epi32(ranks[p], _mm512_mask_cmpeq_epu32_mask(active, place, at), rank_behind);
            place = _mm512_add_epi32(place, one);
            ranks[p] = _mm512_mask_mov_epi32(ranks[p], _mm512_mask_cmpeq_epu32_mask(active, place, at), rank_before);
        }
    }
    _mm512_storeu_si512(lanes->counts, counts);
}

#else
#define merge_lanes merge_lanes_portable
#endif
#endif
