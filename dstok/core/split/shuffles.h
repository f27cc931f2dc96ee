/* The tables of shuffles: two automata read a text from both sides, and the two states at a place say whether a piece
   begins there. They are those of a bimachine (bimachine.h) of any pattern, if it is small and marks change no state.

   In: text, and the state from the left before a block. Out: the starts in the block of 64 bytes that no text after it can
   change. Invariant: docs/proofs.md, "Shuffles".
   A step is a look-up of a state in the row of a class. By byte shuffles a block takes it at all places at once: it guesses
   the states, and takes the step from each neighbour's, until no state changes; real texts need two or three turns. Other
   blocks step from place to place.
   A character is read at its first byte; its other bytes have the class `inside`, which changes no state. The text after a
   block is not known, but a *settled* class leads to one state from all others: a block ends before the last character of
   such a class. If that is soon, the automaton `ahead` tells what holds for every text that may follow.
   Source: bimachines (Schuetzenberger); states by shuffles, Mytkowicz, Musuvathi, Schulte, "Data-parallel finite-state
   machines", 2014. */
#ifndef DSTOK_SHUFFLES_H
#define DSTOK_SHUFFLES_H

#include "cpu/implementation.h"
#include "split/bimachine.h"
#include "split/masks.h"

enum { SHUFFLE_STATES = 32, SHUFFLE_CLASSES = 31, SHUFFLE_KEPT = 1, SHUFFLE_DROPPED = 2, /* tags of marks, plus one */
       SHUFFLE_LEAST = 32,    /* bytes that a block decides without `ahead` */
       SHUFFLE_PARTS = 10,    /* of both sides; with more, AVX2 takes no turns */
       SHUFFLE_TURNS = 6,     /* at AVX2. With more than 16 states half as many, and half the steps: turns take longer then */
       SHUFFLE_RUNS = 6, SHUFFLE_STEPS = 40, /* wrong places that are mended, and steps of that */
       SHUFFLE_PATIENCE = 16 }; /* blocks that step from place to place after one that took more */

/* The flags of a character beyond ASCII are its class, and whether the text may be cut after it, and before it. */
enum { SHUFFLE_CLASS = 31, SHUFFLE_CUTTABLE = 32, SHUFFLE_CUT_BEFORE = 64 };

/* The rows of some classes that are not settled, for look-ups of 16 bytes. Where two states are the same in all these rows,
 * they have the same column. The column of a state, and what `select` has for the class, add up to the place in `next`. */
typedef struct {
    uint8_t columns[SHUFFLE_STATES], select[SHUFFLE_STATES], next[16];
} ShufflePart;

/* One of the two automata. `first` is the state after a class inside a word: a guess. A *settled* class leads to one state
 * from all others, which is `first`. A class that changes no state is *still*. */
typedef struct {
    uint8_t rows[(SHUFFLE_CLASSES + 1) * SHUFFLE_STATES]; /* AVX-512: the distinct rows of classes that are not settled */
    uint8_t first[64], index[64], part[64]; /* by class; where its row begins in 128 bytes of `rows`, 0x80: none; which 128 */
    uint8_t settled[SHUFFLE_STATES], still[SHUFFLE_STATES]; /* by class: `first` of settled ones, others 0; 0xFF or 0 */
    uint8_t steps[SHUFFLE_STATES * SHUFFLE_STATES]; /* the next state by class, then state */
    ShufflePart parts[SHUFFLE_PARTS];       /* the classes that are neither settled nor still */
    int size, count;                        /* bytes of `rows`; parts, SHUFFLE_PARTS + 1 if they are too many */
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
    uint8_t ascii[128], planes[5][16]; /* the class of a character; each bit, inverted: by lower half, one for each upper half */
    int shift, inside, drops;        /* log2 of a row's size, 4 if classes are below 16, too; whether pieces are dropped */
    int calm, calm_side;             /* the states around *calm* bytes, which lead to these from all, without a mark; -1: none */
    int other, other_side;           /* the same of all other ASCII characters, with marks anywhere; -1: these differ */
    uint64_t starts[3];              /* all bits: others after calm bytes, calm bytes after others, others after others start */
    Skip skip;                       /* calm bytes */
} Shuffles;

typedef struct {
    uint8_t left, cut; /* the state from the left before the block; whether it begins with a cut */
    uint8_t chained, guess; /* blocks that are to be stepped from place to place; which guess turns begin with */
} ShuffleState;

typedef struct {
    uint64_t starts, anchors, dropped; /* starts and cuts; those that are starts; those of which the piece before is dropped */
} ShuffleStarts;

/* Sets the column of each state, equal for states that are the same in all `count` rows; returns the number of columns. */
static inline int shuffles_columns(const uint8_t *const *rows, int count, int states, uint8_t *columns) {
    int last = 0;
    for (int i = 0; i < states; i++) {
        int j = 0;
        for (int k = 0; k < count;) { /* ends at i at the latest */
            int same = rows[k][i] == rows[k][j];
            k = same ? k + 1 : 0;
            j += !same;
        }
        columns[i] = (uint8_t)(j < i ? columns[j] : last++);
    }
    return last;
}

/* Sets a side: `next` has the next states of each class. */
static inline void shuffles_open_side(const Shuffles *s, ShuffleSide *side, const uint16_t *next, int states) {
    int word = s->ascii['a'], guess = next[word * states + next[word * states]], width = 1 << s->shift;
    const uint8_t *rows[SHUFFLE_PARTS][17]; /* of a part */
    uint8_t counts[SHUFFLE_PARTS] = {0}, columns[SHUFFLE_STATES];
    for (int c = 0; c <= s->inside; c++) { /* the last class changes no state */
        uint8_t *row = side->steps + (c << s->shift), *end = side->rows + side->size, *at = side->rows;
        int still = 1, part;
        for (int i = 0; i < width; i++) {
            row[i] = (uint8_t)(c == s->inside || i >= states ? i : next[c * states + i]);
            still &= row[i] == i;
        }
        side->first[c] = row[guess];
        side->index[c] = 0x80;
        if (c < s->inside && !memcmp(row, row + 1, (size_t)states - 1)) {
            side->settled[c] = row[0];
            continue;
        }
        while (at < end && memcmp(at, row, (size_t)width))
            at += width;
        side->still[c] = (uint8_t)-still;
        side->index[c] = (uint8_t)((at - side->rows) & 127);
        side->part[c] = (uint8_t)((at - side->rows) >> 7);
        if (at < end)
            continue;
        memcpy(at, row, (size_t)width);
        side->size += width;
        if (still || side->count > SHUFFLE_PARTS)
            continue;
        for (part = 0; part < SHUFFLE_PARTS; part = counts[part] ? part + 1 : SHUFFLE_PARTS) {
            rows[part][counts[part]] = at;
            if ((counts[part] + 1) * shuffles_columns(rows[part], counts[part] + 1, states, columns) <= 16)
                break;
        }
        if (part < SHUFFLE_PARTS)
            counts[part]++;
        if (part >= side->count)
            side->count = part + 1;
    }
    for (int i = 0; i < side->count && side->count <= SHUFFLE_PARTS; i++) {
        ShufflePart *part = &side->parts[i];
        int size = shuffles_columns(rows[i], counts[i], states, part->columns);
        memset(part->select, 0x80, sizeof(part->select)); /* a look-up from 0x80 on gives 0 */
        for (int k = 0; k < counts[i]; k++) {
            for (int j = 0; j < states; j++)
                part->next[k * size + part->columns[j]] = rows[i][k][j];
            for (int c = 0; c < s->inside; c++)
                if (!memcmp(side->steps + (c << s->shift), rows[i][k], (size_t)width))
                    part->select[c] = (uint8_t)(k * size);
        }
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

/* The state from the left after a class times 32, and that from the right before it, if neither depends on the text; else
 * -1. `calm`: also if a mark stands between two such characters. */
static inline int shuffles_around(const Bimachine *b, uint32_t c, int calm) {
    const uint16_t *left = b->left + c * b->lefts, *right = b->right + c * b->rights;
    for (uint32_t i = 1; i < b->lefts || i < b->rights; i++)
        if ((i < b->lefts && left[i] != left[0]) || (i < b->rights && right[i] != right[0]))
            return -1;
    return calm && b->marks[left[0] * b->rights + right[0]] ? -1 : left[0] << 5 | right[0];
}

/* Finds the largest set of calm bytes. Runs of them are skipped by vectors. */
static inline void shuffles_open_calm(Shuffles *s, const Bimachine *b) {
    int found[128], best = -1, most = 0;
    for (int c = 0; c < 128; c++)
        found[c] = shuffles_around(b, s->ascii[c], 1);
    for (int c = 0; c < 128; c++) {
        int count = 0;
        for (int other = 0; other < 128; other++)
            count += found[other] == found[c];
        if (found[c] >= 0 && count > most) {
            most = count;
            best = found[c];
        }
    }
    int other = -2;
    for (int c = 0; c < 128; c++) {
        int is_calm = best >= 0 && found[c] == best, around = shuffles_around(b, s->ascii[c], 0);
        s->skip.low[c & 15] |= (uint8_t)(is_calm << (c >> 4));
        other = is_calm ? other : other == -2 || other == around ? around : -1;
    }
    s->calm = best < 0 ? -1 : best >> 5;
    s->calm_side = best & 31;
    s->other = best < 0 || s->drops || other < 0 ? -1 : other >> 5;
    s->other_side = other & 31;
    for (int i = 0; i < 3 && s->other >= 0; i++) {
        int side = i == 1 ? s->calm_side : s->other_side;
        s->starts[i] = -(uint64_t)(s->right.starts[side >> 3][i ? s->other : s->calm] >> (side & 7) & 1);
    }
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
        for (int i = 0, kind = s->ascii[c] = b->kinds[ascii[c]]; i < 5; i++)
            s->planes[i][c & 15] |= (uint8_t)((~kind >> i & 1) << (c >> 4));
    shuffles_open_side(s, &s->left, b->left, lefts);
    if (!shuffles_open_verdicts(s, &s->right, b->right, rights, b->marks, lefts) ||
        (aheads && !shuffles_open_verdicts(s, &s->ahead, b->ahead, aheads, b->ahead_marks, lefts)))
        return 0;
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

#define SHUFFLE_STEP(side, shift, c, state) (side)->steps[(size_t)(c) << (shift) | (state)]

/* Mends the states after 64 characters, in the order of reading from the left (`up`) or the right, at the places `wrong`, to
 * which no step leads from the state before, and from there on as far as they change. `first`: the state before them.
 * Returns 0 after `most` steps. */
GRID_INLINE int shuffle_mend(const ShuffleSide *side, int shift, int up, const uint8_t *classes, uint8_t first,
                             uint64_t wrong, int most, uint8_t *states) {
    while (wrong) {
        int i = up ? __builtin_ctzll(wrong) : 63 - __builtin_clzll(wrong);
        uint8_t state = i == (up ? 0 : 63) ? first : states[up ? i - 1 : i + 1];
        while ((state = SHUFFLE_STEP(side, shift, classes[i], state)) != states[i]) {
            states[i] = state;
            if (i == (up ? 63 : 0))
                return 1;
            if (!most--)
                return 0;
            i += up ? 1 : -1;
        }
        wrong &= up ? ~1ull << i : (1ull << i) - 1;
    }
    return 1;
}

/* The states from the left after 64 characters, by their classes, and those from the right that have read them. `first`: the
 * state before them; `guess`: one from the right that is likely. Each side has two chains of half a block, which the
 * processor steps at the same time. The second one begins with the state that three characters lead to from `first` or
 * `guess`, and is mended where the first one leads elsewhere. */
GRID_INLINE void shuffle_chains(const ShuffleSide *on, const ShuffleSide *back, int shift, const uint8_t *classes,
                                uint8_t first, uint8_t guess, uint8_t *after, uint8_t *sides) {
    uint8_t left[2] = {first, first}, right[2] = {0, guess};
    for (int i = 29; i < 32; i++) {
        left[1] = SHUFFLE_STEP(on, shift, classes[i], left[1]);
        right[1] = SHUFFLE_STEP(back, shift, classes[63 - i], right[1]);
    }
    for (int i = 0; i < 32; i++)
        for (int k = 0; k < 2; k++) {
            after[32 * k + i] = left[k] = SHUFFLE_STEP(on, shift, classes[32 * k + i], left[k]);
            sides[63 - 32 * k - i] = right[k] = SHUFFLE_STEP(back, shift, classes[63 - 32 * k - i], right[k]);
        }
    shuffle_mend(on, shift, 1, classes, first, 1ull << 32, 64, after);
    shuffle_mend(back, shift, 0, classes, 0, 1ull << 31, 64, sides);
}

/* Ends what turns have not: mends few wrong places, or steps from place to place; then the next blocks do so, too. */
GRID_INLINE void shuffle_end_turns(const Shuffles *h, const ShuffleSide *back, int shift, const uint8_t *classes, uint8_t guess,
                                   const uint64_t *wrong, ShuffleState *s, uint8_t *after, uint8_t *sides) {
    if (__builtin_popcountll(wrong[0]) + __builtin_popcountll(wrong[1]) <= SHUFFLE_RUNS &&
        shuffle_mend(&h->left, shift, 1, classes, s->left, wrong[0], SHUFFLE_STEPS >> (shift > 4), after) &&
        shuffle_mend(back, shift, 0, classes, 0, wrong[1], SHUFFLE_STEPS >> (shift > 4), sides))
        return;
    s->guess ^= !s->chained;
    s->chained = s->chained ? s->chained - 1 : SHUFFLE_PATIENCE << (shift > 4 ? 2 : 0);
    shuffle_chains(&h->left, back, shift, classes, s->left, guess, after, sides);
}

#endif
