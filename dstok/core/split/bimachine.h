/* The section of a bimachine: two automata that read a text from both sides. regex/bimachine.py makes it.

   In: a section. Out: its tables. Invariant: `check_bimachine` has looked at all numbers, or dstok has just made them.
   A section begins with four words: the numbers of states from the left, from the right and ahead, and of classes. Then come
   a byte for each class of the alphabet, its class here; the marks; and the steps, for each class one for each state from the
   left, then the same for the right and ahead. State 0 is that at the start of a text, from the right at its end, ahead
   where it may go on. */
#ifndef DSTOK_BIMACHINE_H
#define DSTOK_BIMACHINE_H

#include <stddef.h>
#include <stdint.h>

enum { BIMACHINE_KINDS = 128, BIMACHINE_HEAD = 16 + BIMACHINE_KINDS, BIMACHINE_STATES = 1 << 16 };
#define BIMACHINE_UNSURE 0xFFFFFFFFu /* a mark that later text decides */

typedef struct {
    uint32_t lefts, rights, aheads, classes;
    const uint8_t *kinds;
    const uint32_t *marks, *ahead_marks;  /* by state from the left, then from the right: 0 for none, or tag + 1 << 16 | the
                                           * state from the left after it */
    const uint16_t *left, *right, *ahead; /* next states by class, then state */
} Bimachine;

/* Finds the tables of a section; returns 0 if its size is wrong. */
static inline int bimachine_open(Bimachine *b, const uint8_t *section, ptrdiff_t size) {
    const uint32_t *head = (const uint32_t *)section;
    if (size < BIMACHINE_HEAD)
        return 0;
    for (int i = 0; i < 4; i++)
        if (head[i] - 1 >= (i < 3 ? BIMACHINE_STATES : BIMACHINE_KINDS))
            return 0;
    b->lefts = head[0];
    b->rights = head[1];
    b->aheads = head[2];
    b->classes = head[3];
    b->kinds = section + 16;
    uint64_t marks = (uint64_t)b->lefts * ((uint64_t)b->rights + b->aheads);
    b->marks = (const uint32_t *)(section + BIMACHINE_HEAD);
    b->ahead_marks = b->marks + (size_t)b->lefts * b->rights;
    b->left = (const uint16_t *)(b->marks + marks);
    b->right = b->left + (size_t)b->lefts * b->classes;
    b->ahead = b->right + (size_t)b->rights * b->classes;
    uint64_t steps = ((uint64_t)b->lefts + b->rights + b->aheads) * b->classes;
    return (uint64_t)size == BIMACHINE_HEAD + 4 * marks + 2 * steps;
}

#endif
