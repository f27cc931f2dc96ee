/* The piece table: the bytes of a piece -> its ids, bounded. Only this file knows its layout.
 *
 * In: the bytes of a piece. Out: its ids, if the table holds them.
 * Invariant: an entry holds the whole key and the ids that `BPE.merge_piece` gave for it, so a hit is exact and a miss only
 * costs time: key and length are compared, and the ids in the ring are still there. The table never grows.
 *
 *     key8     key up to 8 bytes; lines (64 bytes) of 4 keys and their 4 values
 *     key24    key up to 24 bytes; lines of 2 entries, interleaved: words 0 of both, words 1, words 2, values
 *     key62    key up to 62 bytes, 128 bytes an entry, up to 16 ids
 *     key252   key up to 252 bytes, 512 bytes an entry, up to 64 ids: table rules, rows of dashes
 *     ring     ids of the pieces in key8 and key24 that have more than fit into a value; new ids overwrite the oldest
 *
 * A value is a word of 64 bits. No piece has the value 0.
 *
 *     bits 0, 1        number of ids in the value, 1 to 3; 0: the ids are too many or have more than 18 bits
 *     bits 2 to 7      number of bytes of the piece, if it has a key
 *     bits 8, 26, 44   where the ids begin
 *     Without ids:
 *     bits 8 to 15     number of ids in the ring; 0: they are in the run's own `side` buffer
 *     bits 16 to 63    where in the ring, as the count of all ids ever written there; or where in `side`, where the number
 *                      of ids comes first. Values of the second kind are never stored.
 *
 * Example: "Hi", two bytes, is V3's one id 23166, and its value is 1 | 2 << 2 | 23166 << 8.
 *
 * Every key of key8 and key24 has two lines, by two hashes (Pagh and Rodler's cuckoo hashing). The probe of a chunk looks
 * at the first line. If that is full, a miss looks at the second line before it merges. A new entry takes the first place
 * of its first line. The entry that drops out at the end goes to its own other line; an entry that drops out there is
 * lost. (With one line a key, one in eight entries of a half-full key24 is lost again and again: Chinese text takes 20 %
 * longer, warm.) A short piece that is found in its second line goes back to its first one. (Else, after texts of 40 MB, one
 * look-up in six takes the second line.) Two pieces have one key if they differ only in zero bytes at the end. A key stands
 * in a line at most once, so the newer of the two is kept. In key62 and key252 a key has a set of four places.
 */
#ifndef DSTOK_PIECE_CACHE_H
#define DSTOK_PIECE_CACHE_H

#include <string.h>

#include "cpu/implementation.h"
#include "text/hash.h"

enum {
    KEY8_MAX = WORD,  /* bytes of a key, at most */
    KEY24_MAX = MIDDLE,
    KEY62_MAX = 62,
    KEY252_MAX = 252,
    KEY252_IDS = 64,      /* ids of an entry in key252, at most */
    KEY8_LINES_LOG2 = 16, /* 4 MB, 262,144 entries */
    KEY24_LINES_LOG2 = 17, /* 8 MB, 262,144 entries */
    KEY62_SETS_LOG2 = 12, /* 2 MB, 16,384 entries */
    KEY252_SETS_LOG2 = 9, /* 1 MB, 2,048 entries */
    PIECE_WAYS = 4,       /* entries of a set in key62 and key252 */
    PIECE_STEPS = 2, /* the first line and the other one: more make texts of ever new pieces 1.7 times slower */
};

enum { VALUE_ID_BITS = 18 }; /* of an id in a value that holds up to three */
_Static_assert(8 + 3 * VALUE_ID_BITS <= 64, "a value holds a number of ids, a length and three ids");

/* The ring holds the ids of entries with more than three. RING_SAFE: the greatest age of an entry at which the ids that
 * one chunk adds (CHUNK_ROOM times 24 at most) cannot overwrite the ids that the same chunk has found. */
#define RING (1u << 20)
#define RING_SAFE (RING - (1u << 15))
_Static_assert(CHUNK_ROOM * MIDDLE <= RING - RING_SAFE, "the ids that a chunk adds");
enum { RING_STEP = 8 }; /* ids that are copied at once; so many may be read after the ring's end */

/* Writes the ids of a piece that the table of a run does not hold; returns their end, or NULL if memory is out. */
typedef uint32_t *(*PieceMerge)(void *run, const uint8_t *piece, uint32_t length, uint32_t *out);

struct PieceTable {
    uint64_t *key8;  /* lines of 4 keys, then their 4 values */
    uint64_t *key24; /* lines of two entries, interleaved: 2 first words, 2 second, 2 third, 2 values */
    uint8_t *key62;
    uint8_t *key252;
    uint32_t *ring;
    uint64_t head;   /* where the ring is written next: never wraps; its place is head % RING */
    int key8_shift;     /* 64 - log2(lines) */
    int key24_shift;
    int writable;
    PieceMerge merge;
    void *run;
};

/* The two lines of each table that a key may stand in. */
static inline uint64_t *key8_line(const PieceTable *t, uint64_t key) { return t->key8 + 8 * (hash_first(key) >> t->key8_shift); }
static inline uint64_t *key8_second(const PieceTable *t, uint64_t key) {
    return t->key8 + 8 * (hash_second(key) >> t->key8_shift);
}
static inline uint64_t *key24_line(const PieceTable *t, const uint64_t *key) {
    return t->key24 + 8 * (hash_first(key_mix(key)) >> t->key24_shift);
}
static inline uint64_t *key24_second(const PieceTable *t, const uint64_t *key) {
    return t->key24 + 8 * (hash_second(key_mix(key)) >> t->key24_shift);
}

/* The value of a key in a line, or 0. A key stands in a line at most once (key8_insert, key24_insert), so values may be
 * or-ed. */
static inline uint64_t key8_value(const uint64_t *line, uint64_t key) {
    uint64_t value = line[3] == key ? line[7] : 0;
    value = line[2] == key ? line[6] : value;
    value = line[1] == key ? line[5] : value;
    return line[0] == key ? line[4] : value;
}

static inline uint64_t key24_value(const uint64_t *line, uint64_t key_0, uint64_t key_1, uint64_t key_2) {
    uint64_t value = ((line[1] ^ key_0) | (line[3] ^ key_1) | (line[5] ^ key_2)) ? 0 : line[7];
    return ((line[0] ^ key_0) | (line[2] ^ key_1) | (line[4] ^ key_2)) ? value : line[6];
}

/* Whether the value is wrong for the piece: absent, of another length (keys that differ in zero bytes), or too old. */
static inline int piece_wrong(const PieceTable *t, uint64_t value, uint32_t length) {
    return ((value >> 2 & 63) != length) | (!(value & 3) & (t->head - (value >> 16) > RING_SAFE));
}

/* The ids in the ring that a value without ids stands for, and their number; 0: the value is of another kind. */
static inline const uint32_t *piece_ring(const PieceTable *t, uint64_t value, uint32_t *count) {
    *count = value >> 8 & 0xFF;
    return t->ring + (value >> 16 & (RING - 1));
}

/* The ids of a value without ids, in the ring or in `side`, and their number. */
static inline const uint32_t *piece_elsewhere(const PieceTable *t, const uint32_t *side, uint64_t value, uint32_t *count) {
    const uint32_t *ids = piece_ring(t, value, count);
    if (*count)
        return ids;
    *count = side[value >> 16];
    return side + (value >> 16) + 1;
}

/* Writes the ids in the ring that a value stands for; returns their end. Most pieces have at most RING_STEP of them: so
 * many are always written, since a copy of a known size is no call. */
static inline uint32_t *piece_from_ring(const PieceTable *t, uint64_t value, uint32_t *out) {
    uint32_t count;
    const uint32_t *ids = piece_ring(t, value, &count);
    memcpy(out, ids, RING_STEP * sizeof(uint32_t));
    if (__builtin_expect(count > RING_STEP, 0))
        memcpy(out + RING_STEP, ids + RING_STEP, (count - RING_STEP) * sizeof(uint32_t));
    return out + count;
}

/* The second line of a piece of up to 24 bytes, or NULL if it cannot stand there: only an entry that a full line has
 * dropped does, and a line stays full. */
static inline const uint64_t *piece_second(const PieceTable *t, const uint8_t *text, uint32_t length) {
    uint64_t key[3];
    key_of(text, length, key);
    if (!(length <= WORD ? key8_line(t, key[0]) : key24_line(t, key))[7])
        return NULL;
    return length <= WORD ? key8_second(t, key[0]) : key24_second(t, key);
}

/* The entries for longer keys. */
typedef struct {
    uint8_t length, count, key[KEY62_MAX];
    uint32_t ids[16];
} Key62;
typedef struct {
    uint16_t length, count;
    uint8_t key[KEY252_MAX];
    uint32_t ids[KEY252_IDS];
} Key252;

static inline Key62 *key62_set(const PieceTable *t, uint64_t hash) {
    return (Key62 *)t->key62 + PIECE_WAYS * (hash >> (64 - KEY62_SETS_LOG2));
}
static inline Key252 *key252_set(const PieceTable *t, uint64_t hash) {
    return (Key252 *)t->key252 + PIECE_WAYS * (hash >> (64 - KEY252_SETS_LOG2));
}

/* Makes an empty table of keys up to 24 bytes alone, with so many lines of each kind, of zeros: 64 bytes each. */
static inline void piece_lines_open(PieceTable *t, void *memory, int key8_log2, int key24_log2) {
    t->key8 = memory;
    t->key24 = t->key8 + ((size_t)8 << key8_log2);
    t->key8_shift = 64 - key8_log2;
    t->key24_shift = 64 - key24_log2;
    t->writable = 1;
}

/* Makes an empty table of PIECE_TABLE_BYTES of zeros. */
#define PIECE_TABLE_BYTES ((64u << KEY8_LINES_LOG2) + (64u << KEY24_LINES_LOG2) + (PIECE_WAYS * sizeof(Key62) << KEY62_SETS_LOG2) + \
                           (PIECE_WAYS * sizeof(Key252) << KEY252_SETS_LOG2) + 4 * (RING + RING_STEP))
static inline void piece_table_open(PieceTable *t, void *memory) {
    piece_lines_open(t, memory, KEY8_LINES_LOG2, KEY24_LINES_LOG2);
    t->key62 = (uint8_t *)(t->key24 + (8 << KEY24_LINES_LOG2));
    t->key252 = t->key62 + (PIECE_WAYS * sizeof(Key62) << KEY62_SETS_LOG2);
    t->ring = (uint32_t *)(t->key252 + (PIECE_WAYS * sizeof(Key252) << KEY252_SETS_LOG2));
}

static inline void key8_insert(const PieceTable *t, uint64_t key, uint64_t value) {
    uint64_t *line = key8_line(t, key);
    for (int step = 0; step < PIECE_STEPS; step++) {
        for (int i = 0; i < 4; i++)
            if (line[i] == key && line[4 + i]) { /* the same key: a copy, of another length (zero bytes), or too old */
                line[4 + i] = value;
                return;
            }
        uint64_t last_key = line[3], last_value = line[7];
        for (int i = 3; i > 0; i--) {
            line[i] = line[i - 1];
            line[4 + i] = line[3 + i];
        }
        line[0] = key;
        line[4] = value;
        if (!last_value)
            return;
        key = last_key;
        value = last_value;
        line = line == key8_line(t, key) ? key8_second(t, key) : key8_line(t, key);
    }
}

/* The value of a piece in its second line, or 0. A short one goes back to its first line. Its copy stays: where the other
 * drops out again, it takes its place. */
static inline uint64_t piece_value(const PieceTable *t, const uint64_t *line, const uint8_t *text, uint32_t length) {
    uint64_t key[3], value;
    key_of(text, length, key);
    value = length <= WORD ? key8_value(line, key[0]) : key24_value(line, key[0], key[1], key[2]);
    if (piece_wrong(t, value, length))
        return 0;
    if (length <= WORD && t->writable)
        key8_insert(t, key[0], value);
    return value;
}

static inline void key24_insert(const PieceTable *t, uint64_t *key, uint64_t value) {
    uint64_t *line = key24_line(t, key), last[4];
    for (int step = 0; step < PIECE_STEPS; step++) {
        for (int i = 0; i < 2; i++)
            if (line[i] == key[0] && line[2 + i] == key[1] && line[4 + i] == key[2] && line[6 + i]) {
                line[6 + i] = value;
                return;
            }
        for (int i = 0; i < 4; i++) {
            last[i] = line[2 * i + 1];
            line[2 * i + 1] = line[2 * i];
            line[2 * i] = i == 3 ? value : key[i];
        }
        if (!last[3])
            return;
        memcpy(key, last, 3 * sizeof *key);
        value = last[3];
        line = line == key24_line(t, key) ? key24_second(t, key) : key24_line(t, key);
    }
}

/* Writes the ids of the values from number `at` to `stop`; returns their end. `side` may be NULL if no value needs it. */
static inline uint32_t *piece_emit(const Implementation *level, const PieceTable *t, const uint32_t *side,
                                   const uint64_t *values, int at, int stop, uint32_t *out) {
    while ((at = level->emit(values, at, stop, &out)) < stop) {
        uint64_t value = values[at++];
        uint32_t count;
        if (value >> 8 & 0xFF) {
            out = piece_from_ring(t, value, out);
        } else {
            const uint32_t *ids = piece_elsewhere(t, side, value, &count);
            memcpy(out, ids, count * sizeof(uint32_t));
            out += count;
        }
    }
    return out;
}

/* Up to three ids in a word, without the length, or 0 if they do not fit. */
static inline uint64_t piece_pack(const uint32_t *ids, int64_t count) {
    uint64_t one = ids[0], two = count > 1 ? ids[1] : 0, three = count > 2 ? ids[2] : 0;
    if (count > 3 || (one | two | three) >> VALUE_ID_BITS)
        return 0;
    return (uint64_t)count | one << 8 | two << (8 + VALUE_ID_BITS) | three << (8 + 2 * VALUE_ID_BITS);
}

/* Writes the ids that a value has, and anything up to the third; returns their end. */
static inline uint32_t *piece_unpack(uint64_t value, uint32_t *out) {
    for (int i = 0; i < 3; i++)
        out[i] = (uint32_t)(value >> (8 + VALUE_ID_BITS * i)) & ((1 << VALUE_ID_BITS) - 1);
    return out + (value & 3);
}

/* Writes ids to the ring, in one stretch; returns their value without the length. */
static inline uint64_t piece_to_ring(PieceTable *t, const uint32_t *ids, int64_t count) {
    uint64_t place = t->head & (RING - 1);
    if (place + (uint64_t)count > RING) {
        t->head += RING - place;
        place = 0;
    }
    memcpy(t->ring + place, ids, (size_t)count * 4);
    t->head += (uint64_t)count;
    return (uint64_t)count << 8 | (t->head - (uint64_t)count) << 16;
}

/* Remembers a piece, if it fits, and forgets the piece that drops out. Returns its value, or 0 if it has none. Reads
 * KEY24_MAX bytes of a piece that has a key. */
static inline uint64_t piece_insert(PieceTable *t, const uint8_t *text, int64_t length, const uint32_t *ids, int64_t count) {
    uint64_t key[3], value = piece_pack(ids, count);
    if (length <= KEY24_MAX) {
        if (!value && t->writable)
            value = piece_to_ring(t, ids, count);
        if (value)
            value |= (uint64_t)length << 2;
    }
    if (!t->writable)
        return value;
    if (length <= KEY24_MAX) {
        key_of(text, (uint32_t)length, key);
        if (length <= KEY8_MAX)
            key8_insert(t, key[0], value);
        else
            key24_insert(t, key, value);
    } else if (length <= KEY252_MAX && count <= KEY252_IDS) {
        uint64_t hash = hash_bytes(0, text, length);
        Key62 *short_set = key62_set(t, hash);
        Key252 *long_set = key252_set(t, hash);
        if (length <= KEY62_MAX && count <= (int64_t)(sizeof short_set->ids / sizeof *ids)) {
            memmove(short_set + 1, short_set, (PIECE_WAYS - 1) * sizeof *short_set);
            short_set->length = (uint8_t)length;
            short_set->count = (uint8_t)count;
            memcpy(short_set->key, text, (size_t)length);
            memcpy(short_set->ids, ids, (size_t)count * 4);
        } else {
            memmove(long_set + 1, long_set, (PIECE_WAYS - 1) * sizeof *long_set);
            long_set->length = (uint16_t)length;
            long_set->count = (uint16_t)count;
            memcpy(long_set->key, text, (size_t)length);
            memcpy(long_set->ids, ids, (size_t)count * 4);
        }
    }
    return value;
}

/* The hash of a piece of more than 24 bytes, whose entries are fetched; 0 if the table cannot hold it. */
static inline uint64_t piece_fetch_long(const PieceTable *t, const uint8_t *text, int64_t length) {
    uint64_t hash = length <= KEY252_MAX ? hash_bytes(0, text, length) : 0;
    __builtin_prefetch(length <= KEY62_MAX ? (const void *)key62_set(t, hash) : (const void *)key252_set(t, hash));
    return hash;
}

/* Writes the ids of a piece of more than 24 bytes, if the table has it; returns their number, or 0. */
static inline int64_t piece_find_long(const PieceTable *t, uint64_t hash, const uint8_t *text, int64_t length, uint32_t *out) {
    const Key62 *short_set = key62_set(t, hash);
    const Key252 *long_set = key252_set(t, hash);
    for (int way = 0; length <= KEY62_MAX && way < PIECE_WAYS; way++)
        if (short_set[way].length == length && !memcmp(short_set[way].key, text, (size_t)length)) {
            memcpy(out, short_set[way].ids, sizeof short_set[way].ids);
            return short_set[way].count;
        }
    for (int way = 0; way < PIECE_WAYS; way++)
        if (long_set[way].length == length && !memcmp(long_set[way].key, text, (size_t)length)) {
            memcpy(out, long_set[way].ids, long_set[way].count * 4u);
            return long_set[way].count;
        }
    return 0;
}

/* The pass over a short text: its limits, and its ids by the shortest way. */
enum {
    PROBE_FAILED = -1,
    SHORT_TEXT = 2048, /* most bytes of a text */
    SHORT_IDS = SHORT_TEXT + RING_STEP, /* room for its ids, each a byte at least, and for those written after them */
};

#endif
