/* Short texts, to be merged at once.
 *
 * In: the symbols of texts. Out: their ids, as `merge_short` gives them.
 *
 * Merging one text is a chain of look-ups that wait for each other, and of branches that cannot be predicted. Here each
 * text is a strip of two vectors, and one search without branches finds its least rank. All strips that can still be
 * merged take one step together: all are searched, then all ranks are looked up, then all are entered. So many look-ups
 * wait for memory at the same time. Example: of the texts "abc" and "de", the first step makes "ab" and "de" in one go.
 */
#ifndef DSTOK_STRIPS_H
#define DSTOK_STRIPS_H

#include <string.h>

#include "bpe/pair_table.h"
#include "text/hash.h"

enum {
    STRIPS = 64,
    STRIP = 16,                /* places of a strip; the last one is always empty, so no strip reaches into the next */
    STRIP_SYMBOLS = STRIP - 1, /* the most that a text in a strip has */
};

#define NO_ID 0xFFFFFFFFu

/* `symbols` holds those of all texts, end to end; those of text i begin at `starts[i]`. The ids of text i, once merged,
 * are ids[i + 1][0], ids[i + 1][1] and so on, `counts[i]` of them; before them and after them is NO_ID. */
struct Strips {
    uint32_t symbols[STRIPS * STRIP_SYMBOLS + MIDDLE + STRIP];
    uint32_t starts[STRIPS + 1];
    uint32_t ids[STRIPS + 2][STRIP];
    int counts[STRIPS];
    int size;
};

static inline void strips_clear(Strips *s) { s->size = s->starts[0] = 0; }

/* Where to write the symbols of the next text, up to MIDDLE of them. */
static inline uint32_t *strips_next(Strips *s) { return s->symbols + s->starts[s->size]; }

/* Takes the next text with the `count` symbols that have been written; 0 if they are too many. */
static inline int strips_take(Strips *s, int64_t count) {
    if (count > STRIP_SYMBOLS)
        return 0;
    s->counts[s->size] = (int)count;
    s->starts[s->size + 1] = s->starts[s->size] + (uint32_t)count;
    s->size++;
    return 1;
}

/* The ids of a text that is merged. */
static inline const uint32_t *strips_ids(const Strips *s, int i) { return s->ids[i + 1]; }

#endif
