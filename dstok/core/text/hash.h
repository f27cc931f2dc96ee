/* The keys and hashes of pieces: every look-up by bytes takes its hash from here.
 *
 * In: bytes. Out: a hash of 64 bits. Hashes of keys are good in the high bits, hashes of any bytes in all bits.
 * Invariant: equal bytes have equal hashes. Unequal bytes may have, too, so a look-up compares the bytes. A table that
 * is searched until a place is free has a random seed: else the author of a model or a text could choose bytes that
 * collide. A table with a fixed number of places for each hash needs no seed: entries that collide are forgotten
 * sooner.
 *
 * A piece of up to 24 bytes is a key of three words, zeros after it, and its hash takes no loop. Example: "Hi" has the
 * key 0x6948, 0, 0, and so has "Hi" with a zero byte after it.
 * bpe/piece_probe_avx2.h does the same in vectors of keys; `probes_open` (kernels/levels.h) compares it with this when dstok
 * is imported.
 */
#ifndef DSTOK_HASH_H
#define DSTOK_HASH_H

#include <stdint.h>
#include <string.h>

enum {
    WORD = 8,    /* bytes of a piece with a key of one word, at most */
    MIDDLE = 24, /* bytes of a piece with a key, at most */
};

#define HASH_0 0x9E3779B97F4A7C15ull
#define HASH_1 0xC2B2AE3D27D4EB4Full
#define HASH_2 0xD6E8FEB86659FD93ull

static inline uint64_t hash_turn(uint64_t word) { return word << 32 | word >> 32; }

/* The low `bytes` bytes of a word; from 8 on the whole word. */
static inline uint64_t key_low(uint64_t word, uint32_t bytes) {
    return bytes < WORD ? word & ~(~0ull << 8 * bytes) : word;
}

/* The key of a piece of up to MIDDLE bytes. Reads MIDDLE bytes. */
static inline void key_of(const uint8_t *piece, uint32_t length, uint64_t *key) {
    memcpy(key, piece, MIDDLE);
    key[0] = key_low(key[0], length);
    key[1] = length > WORD ? key_low(key[1], length - WORD) : 0;
    key[2] = length > 2 * WORD ? key_low(key[2], length - 2 * WORD) : 0;
}

/* The words of a key mixed into one. */
static inline uint64_t key_mix(const uint64_t *key) { return key[0] ^ hash_turn(key[1] * HASH_1 + key[2]); }

/* Two hashes of a word, for the first and the second place to look at. */
static inline uint64_t hash_first(uint64_t word) { return word * HASH_0; }
static inline uint64_t hash_second(uint64_t word) { return hash_turn(word * HASH_1) * HASH_2; }

/* The product of two words, its upper half folded onto its lower one: each bit depends on all bits of both words.
 * (Without the fold the low bits would depend on low bits alone: words that differ only in high bits collide under
 * every seed.) */
static inline uint64_t hash_fold(uint64_t one, uint64_t other) {
    unsigned __int128 product = (unsigned __int128)one * other;
    return (uint64_t)product ^ (uint64_t)(product >> 64);
}

/* The factor that a seed gives: odd. */
static inline uint64_t hash_factor(uint64_t seed) { return HASH_0 ^ seed << 1; }

/* The last step of a hash: after one fold, words that differ only in high bits are an arithmetic progression. */
static inline uint64_t hash_end(uint64_t hash) { return hash_fold(hash, HASH_1); }

/* The hash of one word, under a seed. */
static inline uint64_t hash_word(uint64_t seed, uint64_t word) {
    return hash_end(hash_fold(seed ^ word, hash_factor(seed)));
}

/* Fewer than eight bytes, zeros after them: without a copy to memory that a read of eight bytes would wait for. */
static inline uint64_t short_word(const uint8_t *bytes, int64_t length) {
    uint32_t first, last;
    int64_t half = length / 2, end = length - 1; /* the places of some bytes may be one */
    if (length < 4)
        return length ? bytes[0] | (uint64_t)bytes[half] << 8 * half | (uint64_t)bytes[end] << 8 * end : 0;
    memcpy(&first, bytes, 4);
    memcpy(&last, bytes + length - 4, 4);
    return first | (uint64_t)last << 8 * (length - 4);
}

/* The hash of any bytes, eight at a time; the last eight may overlap those before. `seed` is random where others choose
 * the bytes and no look-up may be slow, else 0. */
static inline uint64_t hash_bytes(uint64_t seed, const uint8_t *bytes, int64_t length) {
    uint64_t hash = seed ^ (uint64_t)length, factor = hash_factor(seed), word = 0;
    if (length < WORD)
        return hash_end(hash_fold(hash ^ short_word(bytes, length), factor));
    for (int64_t at = 0; at < length; at += WORD) {
        memcpy(&word, bytes + (at + WORD < length ? at : length - WORD), WORD);
        hash = hash_fold(hash ^ word, factor);
    }
    return hash_end(hash);
}

/* Four hashes of any bytes, each of every fourth word: as fast as memory is read. */
static inline void hash_lanes(const uint8_t *bytes, int64_t length, uint64_t *lanes) {
    for (int i = 0; i < 4; i++)
        lanes[i] = hash_word((uint64_t)i, (uint64_t)length);
    for (; length > 0; bytes += 4 * WORD, length -= 4 * WORD) {
        uint64_t words[4] = {0, 0, 0, 0};
        if (length >= 4 * WORD)
            memcpy(words, bytes, 4 * WORD);
        else
            memcpy(words, bytes, (size_t)length);
        for (int i = 0; i < 4; i++)
            lanes[i] = hash_fold(lanes[i] ^ words[i], HASH_0);
    }
    for (int i = 0; i < 4; i++)
        lanes[i] = hash_end(lanes[i]);
}

#endif
