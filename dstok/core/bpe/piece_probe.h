/* The probe in batches of pieces, and the writing of ids: the loops for every processor. In bpe/piece_probe_avx2.h
 * vectors make the keys and lines.
 *
 * In: the starts of the pieces of a chunk. Out: their values in their first lines, and the missing pieces.
 * Invariant: that of piece_cache.h.
 *
 * No loop has a branch on the length of a key: it would be mispredicted for every eighth piece, and cost as much as the
 * whole probe (3.5 ns). A loop first takes every piece for a short one (to 8 bytes), and puts the longer ones (to 24)
 * on a list.
 */
#ifndef DSTOK_PIECE_PROBE_H
#define DSTOK_PIECE_PROBE_H

#include "bpe/piece_cache.h"

enum {
    PROBE_LINE = 6,                /* log2 of a line's bytes */
    PROBE_BYTES = 1 << PROBE_LINE,
    PROBE_BATCH = 128,             /* pieces whose lines and keys fit the level-1 cache */
};

/* Lists the wrong ones of the values of the pieces from number `from` to `to`; returns the length of the list. */
static inline int probe_wrong(const PieceTable *t, const uint32_t *starts, size_t from, size_t to, const uint64_t *values,
                              uint32_t *missed, int count) {
    for (size_t i = from; i < to; i++) {
        missed[count] = (uint32_t)i;
        count += piece_wrong(t, values[i], starts[i + 1] - starts[i]);
    }
    return count;
}

/* The values of all pieces of a chunk, and the list of the missing ones. `starts` has pieces + 1, and eight more, which
 * are the same afterwards; eight more values may be written. */
static int probe_portable(const PieceTable *t, const uint8_t *text, uint32_t *starts, int pieces, uint64_t *values,
                          uint32_t *missed) {
    uint64_t keys[PROBE_BATCH], long_keys[PROBE_BATCH][3];
    const uint64_t *lines[PROBE_BATCH], *long_lines[PROBE_BATCH];
    uint16_t longer[PROBE_BATCH + 1];
    int key8_shift = t->key8_shift, key24_shift = t->key24_shift;
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
            keys[i] = key = key_low(key, (uint32_t)length);
            lines[i] = t->key8 + 8 * (hash_first(key) >> key8_shift & is_short);
            __builtin_prefetch(lines[i]);
            longer[longs] = (uint16_t)i;
            longs += 1 + is_short;
            start = end;
        }
        for (size_t j = 0; j < longs; j++) {
            uint32_t start = from[longer[j]], length = from[longer[j] + 1] - start;
            uint64_t *key = long_keys[j];
            memcpy(key, text + start, MIDDLE);
            key[1] = key_low(key[1], length - WORD);
            key[2] = key_low(key[2], length > 2 * WORD ? length - 2 * WORD : 0);
            long_lines[j] = t->key24 + 8 * (hash_first(key_mix(key)) >> key24_shift);
            __builtin_prefetch(long_lines[j]);
        }
        for (size_t i = 0; i < (size_t)size; i++)
            to[i] = key8_value(lines[i], keys[i]);
        for (size_t j = 0; j < longs; j++)
            to[longer[j]] = key24_value(long_lines[j], long_keys[j][0], long_keys[j][1], long_keys[j][2]);
    }
    int count = 0;
    uint64_t old = t->head > RING_SAFE; /* whether ids in the ring may be too old */
    for (size_t i = 0, end = (size_t)pieces; i < end; i += 4) {
        int fit = 1;
        for (size_t j = i; j < i + 4; j++)
            fit &= (values[j] & 0xFF) - 4 * (uint64_t)(starts[j + 1] - starts[j]) - old < 4 - old;
        if (__builtin_expect(!fit, 0))
            count = probe_wrong(t, starts, i, i + 4 < end ? i + 4 : end, values, missed, count);
    }
    return count;
}

/* A text of pieces of all lengths that have a key: piece i has i + 1 bytes. */
typedef struct {
    uint32_t starts[MIDDLE + 1];
    uint8_t text[MIDDLE * (MIDDLE + 1) / 2 + MIDDLE];
} ProbeSample;

static inline void probe_sample(ProbeSample *sample) {
    sample->starts[0] = 0;
    for (uint32_t i = 0; i < sizeof(sample->text); i++)
        sample->text[i] = (uint8_t)(i * 151 + 1);
    for (uint32_t i = 0; i < MIDDLE; i++)
        sample->starts[i + 1] = sample->starts[i] + i + 1;
}

/* Whether `lines` and `long_lines` of the pieces are those of `key8_line` and `key24_line`, where entries are
 * put. If not, pieces would be merged again and again, and no wrong id would show it. */
static inline int probe_lines_agree(const PieceTable *t, const ProbeSample *sample, const uint64_t *const *lines,
                                    const uint64_t *const *long_lines) {
    int wrong = 0;
    for (uint32_t i = 0; i < MIDDLE; i++) {
        uint64_t key[3];
        key_of(sample->text + sample->starts[i], i + 1, key);
        if (i < WORD)
            wrong |= lines[i] != key8_line(t, key[0]);
        else
            wrong |= long_lines[i - WORD] != key24_line(t, key);
    }
    return !wrong;
}

/* Writes the ids of values with up to three ids, in one go, as long as there are such; returns where it stopped.
 * A step may write four ids for a piece: only as many count as the piece has. */
static int emit_portable(const uint64_t *values, int at, int pieces, uint32_t **out) {
    uint32_t *o = *out;
    for (; at < pieces && values[at] & 3; at++)
        o = piece_unpack(values[at], o);
    *out = o;
    return at;
}

/* A few pieces, one after the other. The loops above take 90 instructions before the first piece, and avoid branches on a
 * key's length; for few pieces the processor predicts most of these. */

/* Writes the ids of a piece whose value in its first line holds no ids; returns their end, or NULL if memory is out. */
__attribute__((noinline))
static uint32_t *few_others(const PieceTable *t, const uint8_t *text, uint32_t length, uint64_t value, uint32_t *out) {
    if (piece_wrong(t, value, length)) {
        const uint64_t *line = length <= MIDDLE ? piece_second(t, text, length) : NULL;
        value = line ? piece_value(t, line, text, length) : 0;
    }
    if (!value)
        return t->merge(t->run, text, length, out);
    return value & 3 ? piece_unpack(value, out) : piece_from_ring(t, value, out);
}

/* Makes the function of a level by its steps: they look up a short key and a long key, take the value out of what is
 * `Found`, and write its ids as `piece_unpack` does. All lines are fetched first: while the processor waits for one of
 * them, it reads only some seven pieces ahead. So are the ints, which a list would wait for. */
#define PROBE_FEW(name, target, Found, low, of_short, of_long, value_of, unpack) \
    target static int name(const PieceTable *t, const uint8_t *text, const uint64_t *ends, int whole, const char *ints, \
                           uint32_t *out) { \
        /* least: the lowest byte of a value of the piece's length with one id */ \
        struct { const uint64_t *line; const uint8_t *at; uint64_t key[3], least; } pieces[FEW], *last = pieces, *p; \
        const uint8_t *at = text, *base = text; \
        uint32_t *end = out; \
        for (int block = 0; block < 2; block++, base += whole) \
            for (uint64_t left = ends[block]; left; left &= left - 1, last++) { \
                const uint8_t *stop = base + __builtin_ctzll(left); \
                uint64_t length = (uint64_t)(stop - at), key; \
                memcpy(&key, at, WORD); \
                if (length <= WORD) { \
                    last->key[0] = key = low(key, (uint32_t)length); \
                    last->line = key8_line(t, key); \
                } else { /* above MIDDLE the value is of another length */ \
                    memcpy(last->key, at, MIDDLE); \
                    last->key[1] = low(last->key[1], (uint32_t)length - WORD); \
                    last->key[2] = low(last->key[2], length > 2 * WORD ? (uint32_t)length - 2 * WORD : 0); \
                    last->line = key24_line(t, last->key); \
                } \
                __builtin_prefetch(last->line); \
                last->least = 4 * length + 1; \
                last->at = at; \
                at = stop; \
            } \
        for (p = pieces; p < last; p++) { \
            const uint64_t *key = p->key; \
            Found found = p->least <= 4 * WORD + 1 ? of_short(p->line, key[0]) : of_long(p->line, key[0], key[1], key[2]); \
            uint64_t value = value_of(found); \
            /* Is the value of this length, and has it ids? */ \
            if (__builtin_expect((value & 0xFF) - p->least < 3, 1)) { \
                unpack(found, end); \
                if (ints) \
                    __builtin_prefetch(ints + INT_BYTES * (value >> 8 & ((1 << VALUE_ID_BITS) - 1))); \
                end += value & 3; \
            } else if (!(end = few_others(t, p->at, (uint32_t)p->least >> 2, value, end))) { \
                return PROBE_FAILED; \
            } \
        } \
        return (int)(end - out); \
    }

PROBE_FEW(few_portable, , uint64_t, key_low, key8_value, key24_value, (uint64_t), piece_unpack)

#endif
