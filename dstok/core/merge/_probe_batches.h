/* The probe in batches of pieces, and the writing of ids: the loops for every processor. The levels with vectors run
 * the same loops with other steps.
 *
 * In: the starts of the pieces of a chunk. Out: their values in their first lines, and the missing pieces.
 * Invariant: that of _piece_table.h.
 *
 * No loop has a branch on the length of a key: it would be mispredicted for every eighth piece, and cost as much as the
 * whole probe (3.5 ns). A loop first takes every piece for a short one (to 8 bytes), and puts the longer ones (to 24)
 * on a list.
 */
#ifndef DSTOK_PROBE_BATCHES_H
#define DSTOK_PROBE_BATCHES_H

#include "merge/_piece_table.h"

/* The steps of a level: the low bytes of a word; the values of two short keys in two lines; the value of a long key;
 * which of four values are the pieces', as far as one can tell without the ring (bits). */
typedef uint64_t (*ProbeLow)(uint64_t word, uint32_t bytes);
typedef void (*ProbePair)(const uint64_t *const *lines, const uint64_t *keys, uint64_t *values);
typedef uint64_t (*ProbeLong)(const uint64_t *line, uint64_t key_0, uint64_t key_1, uint64_t key_2);
typedef int (*ProbeFour)(const uint64_t *values, const uint32_t *starts);

enum { PROBE_BATCH = 128 }; /* pieces whose lines and keys fit the level-1 cache */

/* Lists the pieces whose value is wrong. */
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

/* The values of all pieces of a chunk, and the list of the missing ones. `starts` has pieces + 1, and four more may be
 * read. */
__attribute__((always_inline))
static inline int probe_by(ProbeLow low, ProbePair pair, ProbeLong of_long, ProbeFour four, const PieceTable *t,
                           const uint8_t *text, const uint32_t *starts, int pieces, uint64_t *values, uint32_t *missed) {
    uint64_t keys[PROBE_BATCH + 1], long_keys[PROBE_BATCH][3];
    const uint64_t *lines[PROBE_BATCH + 1], *long_lines[PROBE_BATCH], *a = t->a, *b = t->b;
    uint16_t longer[PROBE_BATCH + 1];
    int a_shift = t->a_shift, b_shift = t->b_shift;
    for (int base = 0; base < pieces; base += PROBE_BATCH) {
        const uint32_t *from = starts + base;
        uint64_t *to = values + base;
        int size = pieces - base < PROBE_BATCH ? pieces - base : PROBE_BATCH;
        size_t longs = 0;
        uint64_t start = from[0], end;
        for (size_t i = 0; i < (size_t)size; i++) {
            end = from[i + 1];
            uint64_t key, length = end - start, is_short = (uint64_t)((int64_t)(length - WORD - 1) >> 63);
            memcpy(&key, text + start, WORD);
            keys[i] = key = low(key, (uint32_t)length);
            lines[i] = a + 8 * (hash_first(key) >> a_shift & is_short);
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
            memcpy(key, text + start, MIDDLE);
            key[1] = low(key[1], length - WORD);
            key[2] = low(key[2], length > 2 * WORD ? length - 2 * WORD : 0);
            long_lines[j] = b + 8 * (hash_first(key_mix(key)) >> b_shift);
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
    return probe_by(key_low, pair_portable, piece_value_b, four_portable, t, text, starts, pieces, values, missed);
}

/* Writes the ids that a value has; returns their end. */
static inline uint32_t *probe_unpack(uint64_t value, uint32_t *o) {
    for (int i = 0; i < 3; i++)
        o[i] = (uint32_t)(value >> (8 + VALUE_ID_BITS * i)) & ((1 << VALUE_ID_BITS) - 1);
    return o + (value & 3);
}

/* Writes the ids of values with up to three ids, in one go, as long as there are such; returns where it stopped.
 * A step may write four ids for a piece: only as many count as the piece has. */
static int emit_portable(const uint64_t *values, int at, int pieces, uint32_t **out) {
    uint32_t *o = *out;
    for (; at < pieces && values[at] & 3; at++)
        o = probe_unpack(values[at], o);
    *out = o;
    return at;
}

#endif
