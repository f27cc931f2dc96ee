/* Sixteen short texts, to be merged at once.
 *
 * In: the symbols of texts. Out: their ids, as `merge_short` gives them.
 *
 * Merging one text is a chain of look-ups that wait for each other, and of branches that cannot be predicted. Here each
 * text has a lane of two vectors. The symbols p of all texts are one row, and the ranks of the pairs (p, p + 1) are
 * another. So all texts wait for memory together, the search for the least rank has no branches, and blending rows
 * closes the gap that a merged symbol leaves. Example: of the texts "ab" and "cd", row 0 is a c, row 1 is b d.
 */
#ifndef DSTOK_LANES_H
#define DSTOK_LANES_H

#include <string.h>

#include "merge/_pair.h"

enum {
    LANES = 16,
    LANE_BITS = 5,
    LANE_SYMBOLS = 1 << LANE_BITS, /* the most that a text in a lane has */
};

/* Text i is ids[0][i], ids[1][i] and so on, then NO_ID. */
struct Lanes {
    uint32_t ids[LANE_SYMBOLS + 1][LANES] __attribute__((aligned(32)));
    uint32_t ranks[LANE_SYMBOLS + 1][LANES] __attribute__((aligned(32)));
    int most; /* the number of symbols of the longest text */
};

#define NO_ID 0xFFFFFFFFu

static inline void lanes_clear(Lanes *lanes) {
    memset(lanes->ids, 0xFF, sizeof(lanes->ids));
    lanes->most = 0;
}

static inline void lanes_put(Lanes *lanes, int lane, const uint32_t *ids, int count) {
    for (int p = 0; p < count; p++)
        lanes->ids[p][lane] = ids[p];
    lanes->most = count > lanes->most ? count : lanes->most;
}

/* Writes the ids of a lane; returns their number. */
static inline int lanes_take(const Lanes *lanes, int lane, uint32_t *ids) {
    int count = 0;
    for (; lanes->ids[count][lane] != NO_ID; count++)
        ids[count] = lanes->ids[count][lane];
    return count;
}

#endif
