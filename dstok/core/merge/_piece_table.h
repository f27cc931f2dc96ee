/* The piece table's lines: the places where a piece of up to 24 bytes may stand, and their values.
 *
 * In: the table, and the bytes of a piece. Out: its value, or 0. _pieces.pyx describes the formats.
 * Invariant: a returned value is the piece's: key and length are compared, and the ids in the ring are still there.
 */
#ifndef DSTOK_PIECE_TABLE_H
#define DSTOK_PIECE_TABLE_H

#include "text/_hash.h"
#include "simd/_implementation.h"

enum {
    CHUNK = 1024,             /* pieces in work at once */
    CHUNK_ROOM = CHUNK + 128, /* room for the starts of a block more */
    VALUE_ID_BITS = 18,       /* of an id in a value that holds up to three */
};
_Static_assert(8 + 3 * VALUE_ID_BITS <= 64, "a value holds a number of ids, a length and three ids");

/* The ring holds the ids of entries with more than three. RING_SAFE: the greatest age of an entry at which the ids that
 * one chunk adds (CHUNK_ROOM times 24 at most) cannot overwrite the ids that the same chunk has found. */
#define RING (1u << 20)
#define RING_SAFE (RING - (1u << 15))
_Static_assert(CHUNK_ROOM * MIDDLE <= RING - RING_SAFE, "the ids that a chunk adds");
enum { RING_STEP = 8 }; /* ids that are copied at once; so many may be read after the ring's end */

struct PieceTable {
    uint64_t *a;     /* lines of 4 keys, then their 4 values */
    uint64_t *b;     /* lines of two entries, interleaved: 2 first words, 2 second, 2 third, 2 values */
    uint8_t *c;      /* entries for keys up to 62 bytes */
    uint8_t *d;      /* entries for keys up to 252 bytes */
    uint32_t *ring;
    uint64_t head;   /* where the ring is written next: never wraps; its place is head % RING */
    int a_shift;     /* 64 - log2(lines) */
    int b_shift;
    int writable;
};

/* The two lines of each table that a key may stand in. */
static inline uint64_t *piece_line_a(const PieceTable *t, uint64_t key) { return t->a + 8 * (hash_first(key) >> t->a_shift); }
static inline uint64_t *piece_second_a(const PieceTable *t, uint64_t key) {
    return t->a + 8 * (hash_second(key) >> t->a_shift);
}
static inline uint64_t *piece_line_b(const PieceTable *t, const uint64_t *key) {
    return t->b + 8 * (hash_first(key_mix(key)) >> t->b_shift);
}
static inline uint64_t *piece_second_b(const PieceTable *t, const uint64_t *key) {
    return t->b + 8 * (hash_second(key_mix(key)) >> t->b_shift);
}

/* The value of a key in a line, or 0. A key stands in a line at most once (_insert_a, _insert_b), so values may be
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

/* Whether the value is wrong for the piece: absent, of another length (keys that differ in zero bytes), or too old. */
static inline int piece_wrong(const PieceTable *t, uint64_t value, uint32_t length) {
    return ((value >> 2 & 63) != length) | (!(value & 3) & (t->head - (value >> 16) > RING_SAFE));
}

/* Whether the ids of a value without ids are in the ring. */
static inline int piece_in_ring(uint64_t value) { return (value >> 8 & 0xFF) != 0; }

/* The ids in the ring that a value without ids stands for, and their number; 0: the value is of another kind. */
static inline const uint32_t *piece_ring(const PieceTable *t, uint64_t value, uint32_t *count) {
    *count = value >> 8 & 0xFF;
    return t->ring + (value >> 16 & (RING - 1));
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
    if (!(length <= WORD ? piece_line_a(t, key[0]) : piece_line_b(t, key))[7])
        return NULL;
    return length <= WORD ? piece_second_a(t, key[0]) : piece_second_b(t, key);
}

/* The value of a piece in its second line, or 0. */
static inline uint64_t piece_value(const PieceTable *t, const uint64_t *line, const uint8_t *text, uint32_t length) {
    uint64_t key[3], value;
    key_of(text, length, key);
    value = length <= WORD ? piece_value_a(line, key[0]) : piece_value_b(line, key[0], key[1], key[2]);
    return piece_wrong(t, value, length) ? 0 : value;
}

#endif
