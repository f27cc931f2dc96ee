/* Borders between two tokens of a long piece: whether they hold, and the ids that stand there if they do not.
 *
 * In: two neighbours a, b, each of which merging makes of its own bytes. Out: the ids of the bytes of both, if they are
 * not a, b. Example: of " repair" and "ing" the border holds, unless a merge joins a symbol that " repair" ends in with
 * one that "ing" begins with before these two tokens are built.
 * Invariant: the ids of a piece are those whose borders all hold (docs/proofs_ids.md, "Soft cuts"). Ranks are monotone: the
 * rank of a merge is above those of the merges that make its sides.
 * Four answers, the cheapest first: no token has the two bytes at the border side by side; two signatures without a
 * common bit; a memory of pairs; a walk down the merges of both tokens, by rank. `spent` counts the bytes that walks and
 * merges read, so that hostile texts can be left to `merge_sections`. */
#ifndef DSTOK_BORDERS_H
#define DSTOK_BORDERS_H

#include "bpe/merge_loops.h"
#include "split/kernel.h"
#include "text/hash.h"

enum {
    MEMORY_LOG2 = 16,      /* lines of two pairs of tokens, 32 bytes each: 2 MB */
    MEMORY_BYTES = 32 << MEMORY_LOG2,
    PENDING = 2 * SHORT,   /* ids that wait to be appended */
    AHEAD_RANKS = 16,      /* merges ahead of which a signature is fetched */
};

_Static_assert(2 + 3 * ID_BITS <= 64, "a value of the memory holds three ids and their number");

typedef struct {
    uint32_t left, right; /* the sides of the token's merge */
    uint32_t built;       /* its rank + 1, or 0: the token is a byte */
} Spine;

/* The signatures are bits of right sides of merges. `after`: of merges that can join a symbol that the token ends in, before
 * the token is built or once it is. `before`: of the symbols that the token begins with, and which such a merge can take. */
typedef struct Borders {
    size_t size;
    const PairTable *pairs;
    const StartTable *start;
    const uint32_t *starts; /* token i is blob[starts[i]:starts[i + 1]] */
    const uint8_t *blob;
    uint64_t *after, *before; /* the signatures by token */
    Spine *spines;
    uint8_t joined[0x10000]; /* by pair of bytes: whether they stand side by side in a token */
    KernelTables words; /* of the rules that cut long pieces, and their kernel */
    GridRunFunction cut;
    int holds; /* whether each border of ASCII words holds that the rules do not ask for */
    uint8_t flags[0x10000 + 4], page[256];
    uint16_t numbers[0x1100];
} Borders;

/* The bytes before and at `text`. */
static inline uint32_t border_two(const uint8_t *text) {
    uint16_t two;
    memcpy(&two, text - 1, sizeof(two));
    return two;
}

/* Whether a merge may cross the border at `text`, whatever its tokens are. */
static inline int border_joined(const Borders *t, const uint8_t *text) { return t->joined[border_two(text)]; }

/* The number of the bit of a right side. Most merges join symbols of a few kinds, and hardly ever a letter and a space:
 * each kind of first byte has bits of its own. */
static inline uint8_t border_bit(uint32_t token, uint8_t byte) {
    uint64_t hash = token * 0x9E3779B1u, small = byte | 0x20;
#define BITS(first, count) (uint8_t)((first) + (hash * (count) >> 32))
    return byte == ' ' ? BITS(0, 24) : byte >= 0x80 ? BITS(24, 6) : small >= 'a' && small <= 'z' ? BITS(30, 20) :
           byte > ' ' && (byte < '0' || byte > '9') ? BITS(50, 10) : BITS(60, 4);
#undef BITS
}

/* Makes the signatures and spines of `ids` tokens; NULL if memory is out. One pass over the merges, by rank: what a
 * token inherits from its sides, and the bits of merges with a lower rank, are there when its own merge comes. */
static inline Borders *borders_new(const PairTable *pairs, const StartTable *start, const uint32_t *starts,
                                   const uint8_t *blob, int64_t ids) {
    int64_t slots = 1ll << (32 - pairs->slot_shift), merges = 0;
    size_t size = huge_rounded(sizeof(Borders) + (size_t)ids * (2 * sizeof(uint64_t) + sizeof(Spine) + 1));
    Borders *t = huge_zeroed(size);
    if (!t)
        return NULL;
    t->size = size;
    t->pairs = pairs;
    t->start = start;
    t->starts = starts;
    t->blob = blob;
    t->after = (uint64_t *)(t + 1);
    t->before = t->after + ids;
    t->spines = (Spine *)(t->before + ids);
    uint8_t *bits = (uint8_t *)(t->spines + ids);
    for (int64_t i = 0; i < ids && starts[i] < starts[ids]; i++) {
        bits[i] = border_bit((uint32_t)i, blob[starts[i]]);
        for (uint32_t at = starts[i] + 1; at < starts[i + 1]; at++)
            t->joined[border_two(blob + at)] = 1;
    }
    for (int64_t i = 0; i < slots; i++)
        if (~pairs->slots[i]) {
            uint32_t rank = pairs->slots[i] & NO_RANK, right = pairs->slots[i] >> RANK_BITS & ((1 << ID_BITS) - 1);
            uint32_t left = (uint32_t)(pairs->slots[i] >> (RANK_BITS + ID_BITS));
            t->spines[pair_merged(pairs, rank)] = (Spine){left, right, rank + 1};
            merges++;
        }
    for (uint32_t rank = 0; rank < merges; rank++) {
        const Spine *ahead = t->spines + pair_merged(pairs, rank + AHEAD_RANKS < merges ? rank + AHEAD_RANKS : rank);
        __builtin_prefetch(t->after + ahead->left);
        __builtin_prefetch(t->before + ahead->right);
        uint32_t token = pair_merged(pairs, rank);
        uint32_t left = t->spines[token].left, right = t->spines[token].right;
        uint64_t bit = 1ull << bits[right];
        t->after[token] = t->after[right];
        t->before[right] |= bit; /* of equal ranks the merge across is further left */
        t->before[token] = t->before[left];
        t->after[left] |= bit;
    }
    return t;
}

static inline void borders_free(Borders *t) {
    if (t)
        huge_free(t, t->size);
}

/* The tables of borders, or NULL: no thread has made them. */
static inline Borders *borders_made(Borders **place) { return __atomic_load_n(place, __ATOMIC_ACQUIRE); }

/* Puts `made` there, if no other thread was faster. */
static inline void borders_put(Borders **place, Borders *made) {
    Borders *there = NULL;
    if (!__atomic_compare_exchange_n(place, &there, made, 0, __ATOMIC_ACQ_REL, __ATOMIC_RELAXED))
        borders_free(made);
}

/* Whether a border needs a closer look. */
static inline int border_asks(const Borders *t, uint32_t a, uint32_t b) {
    return (t->after[a] & t->before[b]) != 0;
}

enum { BORDER_HOLDS, BORDER_JOINS, BORDER_FAILS };

/* Tells whether a merge crosses the border of a and b. The walk takes back merges of both, the latest first, and looks
 * at the pair at the border each time: it is merged if its rank is below that of the next merge to the left of the
 * border, and at most that of the next one to the right. BORDER_JOINS: only the pair a, b itself is merged. */
static inline int border_walk(const Borders *t, uint32_t a, uint32_t b, uint32_t *made) {
    uint32_t rank = pair_rank(t->pairs, a, b), next_left = NO_RANK, next_right = NO_RANK;
    int found = rank == NO_RANK ? BORDER_HOLDS : BORDER_JOINS;
    if (found == BORDER_JOINS)
        *made = pair_merged(t->pairs, rank);
    for (;;) {
        const Spine *left = t->spines + a, *right = t->spines + b;
        if (left->built > right->built) {
            next_left = left->built - 1;
            a = left->right;
        } else if (right->built) {
            next_right = right->built - 1;
            b = right->left;
        } else {
            return found;
        }
        rank = pair_rank(t->pairs, a, b);
        if (rank < next_left && rank <= next_right && rank != NO_RANK)
            return BORDER_FAILS;
    }
}

/* The key of a pair in the memory; it is not 0. */
static inline uint64_t memory_key(uint32_t a, uint32_t b) { return (uint64_t)a << ID_BITS | b | 1ull << 63; }

static inline uint64_t *memory_line(uint64_t *memory, uint32_t a, uint32_t b) {
    return memory + (hash_second(memory_key(a, b)) >> (64 - MEMORY_LOG2)) * 4;
}

#define BORDER_NEW (~0ull)
/* Returns BORDER_NEW for a pair that the memory lacks, 0 if the border of the pair holds; else the ids that replace the
 * pair, above two bits for their number. */
static inline uint64_t border_known(uint64_t *memory, uint32_t a, uint32_t b) {
    uint64_t key = memory_key(a, b), *line = memory_line(memory, a, b);
    return line[0] == key ? line[1] : line[2] == key ? line[3] : BORDER_NEW;
}

static inline uint32_t border_id(uint64_t value, int i) {
    return (uint32_t)(value >> (2 + ID_BITS * i)) & ((1 << ID_BITS) - 1);
}

/* Writes the ids of the bytes of a and b, if the border does not hold; returns their number, 0 if it holds, -1 if both
 * are too long to be merged here. */
static inline int border_ids(const Borders *t, uint64_t *memory, uint32_t a, uint32_t b, uint32_t *ids,
                             int64_t *spent) {
    uint64_t value = border_known(memory, a, b), *line = memory_line(memory, a, b);
    if (value != BORDER_NEW) {
        for (int i = 0; i < 3; i++)
            ids[i] = border_id(value, i);
        return value & 3;
    }
    uint32_t left = t->starts[a + 1] - t->starts[a], right = t->starts[b + 1] - t->starts[b];
    *spent += left + right;
    int found = border_walk(t, a, b, ids), count = found == BORDER_JOINS;
    if (found == BORDER_FAILS) {
        uint8_t text[SHORT];
        if (left + right > SHORT)
            return -1;
        memcpy(text, t->blob + t->starts[a], left);
        memcpy(text + left, t->blob + t->starts[b], right);
        count = merge_short(t->pairs, ids, (int)start_symbols(t->start, text, left + right, ids));
    }
    if (count > 3)
        return count;
    value = (uint64_t)count;
    for (int i = 0; i < count; i++)
        value |= (uint64_t)ids[i] << (2 + ID_BITS * i);
    line[2] = line[0];
    line[3] = line[1];
    line[0] = memory_key(a, b);
    line[1] = value;
    return count;
}

/* Appends an id to out[floor:count], whose borders hold, and rewrites ids as long as a border does not. Returns the
 * number of ids, or -1 if that takes too long or too much room: `PENDING` more are enough for the answer. */
static inline int64_t border_push(const Borders *t, uint64_t *memory, uint32_t *out, int64_t floor, int64_t count,
                                  uint32_t id, int64_t *spent, int64_t most) {
    uint32_t pending[PENDING], ids[SHORT];
    int size = 1, found, holds = 1; /* the last `holds` ones hold among themselves */
    pending[0] = id;
    for (int64_t room = count + PENDING; size;) {
        id = pending[size - 1];
        if (count == floor || !border_asks(t, out[count - 1], id) ||
            !(found = border_ids(t, memory, out[count - 1], id, ids, spent))) {
            for (; holds; holds--)
                out[count++] = pending[--size];
            holds = 1;
            continue;
        }
        count--;
        size--;
        if (found < 0 || ++*spent > most || size + found > PENDING || count + size + found > room)
            return -1;
        for (holds = found; found;)
            pending[size++] = ids[--found];
    }
    return count;
}

/* Does what `border_push` does, for the `size` ids of a word, whose borders hold. Once an id stands as it came, so do
 * those after it. */
static inline int64_t border_append(const Borders *t, uint64_t *memory, uint32_t *out, int64_t floor, int64_t count,
                                    const uint32_t *ids, int size, int64_t *spent, int64_t most) {
    for (int i = 0; i < size; i++) {
        count = border_push(t, memory, out, floor, count, ids[i], spent, most);
        if (count < 0)
            break;
        if (out[count - 1] == ids[i]) {
            memcpy(out + count, ids + i + 1, (size_t)(size - 1 - i) * 4);
            return count + size - 1 - i;
        }
    }
    return count;
}

#endif
