/* The missed pieces of a chunk that are equal, so that each is merged once.
 *
 * In: the pieces. Out: `first[i]`, the number of the first piece that is equal to number i.
 * Example: for the pieces "Hi", " all", "Hi" it is 0, 1, 0.
 * In cold English and code every third or fourth missed piece stands in its chunk before.
 */
#ifndef DSTOK_REPEATS_H
#define DSTOK_REPEATS_H

#include "text/hash.h"

enum {
    REPEATS_LOG2 = 11, /* slots at most: nearly two for each piece of a chunk */
    REPEATS_STEPS = 32, /* slots that are read for a piece: after them it counts as new. By chance there are fewer, but
                           a text can be made of pieces that all have one slot */
};

/* Whether two pieces are equal, if they have keys: it does not look at longer ones. */
static inline int repeats(const uint8_t *text, const uint32_t *starts, uint32_t one, uint32_t other) {
    uint32_t length = starts[one + 1] - starts[one];
    return length <= MIDDLE && length == starts[other + 1] - starts[other] &&
           memcmp(text + starts[one], text + starts[other], length) == 0;
}

/* Finds repeats as the head of this file says; `missed` are the pieces' indexes. Reads MIDDLE bytes from each start. */
static inline void find_repeats(const uint8_t *text, const uint32_t *starts, const uint32_t *missed, int count,
                                uint16_t *first) {
    uint16_t slots[1 << REPEATS_LOG2]; /* number + 1 */
    int log2 = 1;
    while (1 << log2 < 2 * count && log2 < REPEATS_LOG2)
        log2++;
    memset(slots, 0, sizeof(*slots) << log2);
    for (int i = 0; i < count; i++) {
        uint64_t key[3];
        first[i] = (uint16_t)i;
        if (starts[missed[i] + 1] - starts[missed[i]] > MIDDLE)
            continue;
        key_of(text + starts[missed[i]], starts[missed[i] + 1] - starts[missed[i]], key);
        uint32_t slot = (uint32_t)(hash_first(key_mix(key)) >> (64 - log2));
        int steps = 0;
        while (slots[slot] && !repeats(text, starts, missed[i], missed[slots[slot] - 1]) && ++steps < REPEATS_STEPS)
            slot = (slot + 1) & ((1u << log2) - 1);
        if (steps == REPEATS_STEPS)
            continue;
        if (slots[slot])
            first[i] = slots[slot] - 1;
        else
            slots[slot] = (uint16_t)(i + 1);
    }
}

#endif
