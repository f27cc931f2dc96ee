/* The tables of shuffles: two automata read a text from both sides, and the two states at a place say whether a piece
   begins there. They are those of a bimachine (bimachine.h) of any pattern, if it is small and marks change no state.

   In: text, and the state from the left before a block. Out: the starts in the block of 64 bytes that no text after it can
   change. Invariant: docs/proofs.md, "Shuffles".
   A step is a look-up of a state in the row of a class, by byte shuffles. AVX-512 guesses the state at each place, and
   takes the step from its neighbour's state at all places at once, until no state changes; real texts need two or three
   turns. The other levels step from place to place.
   A character is read at its first byte; its other bytes have the class `inside`, which changes no state. The text after a
   block is not known, but a *settled* class leads to one state from all others: a block ends before the last character of
   such a class. If that is soon, the automaton `ahead` tells what holds for every text that may follow.
   Source: bimachines (Schuetzenberger); states by shuffles, Mytkowicz, Musuvathi, Schulte, "Data-parallel finite-state
   machines", 2014. */
#ifndef DSTOK_SHUFFLES_H
#define DSTOK_SHUFFLES_H

#include "cpu/implementation.h"
#include "split/bimachine.h"
#include "split/kernel.h"

enum { SHUFFLE_STATES = 32, SHUFFLE_CLASSES = 31, SHUFFLE_KEPT = 1, SHUFFLE_DROPPED = 2, /* tags of marks, plus one */
       SHUFFLE_LEAST = 32 }; /* bytes that a block decides without `ahead` */

/* In 16 bytes the state 16 is looked up at 0x80, where the first half of a row has zeros, and so on. */
#define SHUFFLE_UPPER(state) (uint8_t)(((state) & 15) | ((state) & 16) << 3)
#define SHUFFLE_NUMBER(upper) (uint8_t)(((upper) & 15) | ((upper) >> 3 & 16))

/* The flags of a character beyond ASCII are its class, and whether the text may be cut after it, and before it. */
enum { SHUFFLE_WIDE = 0x80, SHUFFLE_CLASS = 31, SHUFFLE_CUTTABLE = 32, SHUFFLE_CUT_BEFORE = 64 };

/* One of the two automata. `first` is the state after a class inside a word: a guess. A *settled* class leads to one state
 * from all others, which is `first`. */
typedef struct {
    uint8_t rows[(SHUFFLE_CLASSES + 1) * SHUFFLE_STATES]; /* AVX-512: the distinct rows of classes that are not settled */
    uint8_t first[64], index[64], part[64]; /* by class; where its row begins in 128 bytes of `rows`, 0x80: none; which 128 */
    uint8_t steps[256 * SHUFFLE_STATES];    /* the others: by character (SHUFFLE_WIDE), then state, from 16 on SHUFFLE_UPPER */
    int size;                               /* the bytes of `rows` */
} ShuffleSide;

/* Verdicts, as bits: by state from the right / 8, and state from the left. A look-up of 64 bytes may begin at each row. */
typedef struct {
    ShuffleSide side;
    uint8_t starts[4][32], dropped[4][32], unknown[4][32], spare[32];
    int known; /* 0: there are no such tables */
} ShuffleVerdicts;

typedef struct Shuffles {
    ShuffleSide left;
    ShuffleVerdicts right, ahead;
    uint8_t ascii[128], settled[16]; /* the class of a character; of settled ones: by lower half, a bit for each upper half */
    int shift, inside, drops;        /* log2 of a row's size, 4 if classes are below 16, too; whether pieces are dropped */
    int calm, calm_side;             /* the states around *calm* bytes, which lead to these from all, without a mark; -1: none */
    uint8_t calms[256];              /* whether a byte is calm */
    Skip skip;                       /* the same bytes */
} Shuffles;

/* By the upper half of a byte: the bit in `settled`; 0 beyond ASCII. */
static const uint8_t SHUFFLE_BITS[16] = {1, 2, 4, 8, 16, 32, 64, 128};

typedef struct {
    uint8_t left, cut; /* the state from the left before the block; whether it begins with a cut */
} ShuffleState;

typedef struct {
    uint64_t starts, anchors, dropped; /* starts and cuts; those that are starts; those of which the piece before is dropped */
} ShuffleStarts;

/* Sets a side: `next` has the next states of each class. */
static inline void shuffles_open_side(const Shuffles *s, ShuffleSide *side, const uint16_t *next, int states) {
    int word = s->ascii['a'], guess = next[word * states + next[word * states]], width = 1 << s->shift;
    for (int c = 0; c <= s->inside; c++) { /* the last class changes no state */
        uint8_t row[SHUFFLE_STATES];
        int at = 0;
        for (int i = 0; i < SHUFFLE_STATES; i++)
            row[i] = (uint8_t)(c == s->inside || i >= states ? i : next[c * states + i]);
        side->first[c] = row[guess];
        side->index[c] = 0x80;
        if (c < s->inside && !memcmp(row, row + 1, (size_t)states - 1))
            continue;
        while (at < side->size && memcmp(side->rows + at, row, (size_t)width))
            at += width;
        memcpy(side->rows + at, row, (size_t)width);
        side->size = at == side->size ? at + width : side->size;
        side->index[c] = (uint8_t)(at & 127);
        side->part[c] = (uint8_t)(at >> 7);
    }
    for (int b = 0; b < 256; b++) {
        int c = b < 128 ? s->ascii[b] : b & SHUFFLE_CLASS;
        for (int i = 0; i < width; i++)
            side->steps[b * width + i] = SHUFFLE_UPPER(c >= s->inside || i >= states ? i : next[c * states + i]);
    }
}

/* Sets one of the automata from the right, and its verdicts; returns 0 if a mark changes the state from the left. */
static inline int shuffles_open_verdicts(Shuffles *s, ShuffleVerdicts *of, const uint16_t *next, int sides,
                                         const uint32_t *marks, int lefts) {
    shuffles_open_side(s, &of->side, next, sides);
    of->known = 1;
    for (int i = 0; i < lefts * sides; i++) {
        int state = i / sides, side = i % sides, bit = 1 << (side & 7), sure = marks[i] && marks[i] != BIMACHINE_UNSURE;
        if (sure && (int)(marks[i] & 0xFFFF) != state)
            return 0;
        of->starts[side >> 3][state] |= (uint8_t)(sure ? bit : 0);
        of->dropped[side >> 3][state] |= (uint8_t)(sure && marks[i] >> 16 == SHUFFLE_DROPPED ? bit : 0);
        of->unknown[side >> 3][state] |= (uint8_t)(marks[i] == BIMACHINE_UNSURE ? bit : 0);
        s->drops |= sure && marks[i] >> 16 == SHUFFLE_DROPPED;
    }
    return 1;
}

/* The state from the left after a class times 32, and that from the right before it, if neither depends on the text, and no
 * mark stands between two such characters; else -1. */
static inline int shuffles_calm(const Bimachine *b, uint32_t c) {
    const uint16_t *left = b->left + c * b->lefts, *right = b->right + c * b->rights;
    for (uint32_t i = 1; i < b->lefts || i < b->rights; i++)
        if ((i < b->lefts && left[i] != left[0]) || (i < b->rights && right[i] != right[0]))
            return -1;
    return b->marks[left[0] * b->rights + right[0]] ? -1 : left[0] << 5 | right[0];
}

/* Finds the largest set of calm bytes. Runs of them are skipped by vectors. */
static inline void shuffles_open_calm(Shuffles *s, const Bimachine *b) {
    int found[128], best = -1, most = 0;
    for (int c = 0; c < 128; c++)
        found[c] = shuffles_calm(b, s->ascii[c]);
    for (int c = 0; c < 128; c++) {
        int count = 0;
        for (int other = 0; other < 128; other++)
            count += found[other] == found[c];
        if (found[c] >= 0 && count > most) {
            most = count;
            best = found[c];
        }
    }
    for (int c = 0; c < 128; c++) {
        s->calms[c] = best >= 0 && found[c] == best;
        s->skip.low[c & 15] |= (uint8_t)(s->calms[c] << (c >> 4));
    }
    s->calm = best < 0 ? -1 : best >> 5;
    s->calm_side = best & 31;
}

/* Returns 0 if the bimachine is too large, or a mark changes the state. `ascii`: the class of each ASCII character. */
static inline int shuffles_open(Shuffles *s, const Bimachine *b, const uint8_t *ascii) {
    int lefts = (int)b->lefts, rights = (int)b->rights, aheads = b->aheads > SHUFFLE_STATES ? 0 : (int)b->aheads;
    if (b->lefts > SHUFFLE_STATES || b->rights > SHUFFLE_STATES || b->classes > SHUFFLE_CLASSES)
        return 0;
    memset(s, 0, sizeof(*s));
    s->inside = (int)b->classes;
    s->shift = lefts > 16 || rights > 16 || aheads > 16 || b->classes > 15 ? 5 : 4;
    for (int c = 0; c < 128; c++)
        s->ascii[c] = b->kinds[ascii[c]];
    shuffles_open_side(s, &s->left, b->left, lefts);
    if (!shuffles_open_verdicts(s, &s->right, b->right, rights, b->marks, lefts) ||
        (aheads && !shuffles_open_verdicts(s, &s->ahead, b->ahead, aheads, b->ahead_marks, lefts)))
        return 0;
    for (int c = 0; c < 128; c++)
        s->settled[c & 15] |= (uint8_t)(s->right.side.index[s->ascii[c]] >> 7 << (c >> 4));
    shuffles_open_calm(s, b);
    return 1;
}

/* How many bytes of a block are decided by the settled places, whatever follows; 0: none. */
static inline int shuffle_end(uint64_t settled) {
    return 63 - __builtin_clzll(settled | 1);
}

/* The same by the places whose verdict is unknown; all but the last character of `wide` bytes at most. */
static inline int shuffle_ahead(uint64_t unknown, uint64_t trail) {
    return __builtin_ctzll(unknown | 1ull << (63 - __builtin_clzll(~trail)));
}

#endif
