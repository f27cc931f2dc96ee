/* The words of each language in a training, and which language is next.
 *
 * In: a lane for each language, or one for all words; the number of tokens in each; the settings of `Parity`.
 * Out: the lane whose most frequent pair is merged next.
 * Invariant: upstream (0.23.3, models/bpe/parity_trainer.rs) chooses the same language, where it finds one.
 * tests/helpers/parity_reference.py has the rules.
 */
#ifndef DSTOK_LANES_H
#define DSTOK_LANES_H

#include "counts/words.h"

/* Words with their pairs. A training has one lane, unless it balances languages. */
typedef struct {
    Words words;
    PairCounts pairs;
    int64_t windows, occurrences; /* pairs of neighbours in all words, as often as these count; the sum of the counts */
    int64_t before;               /* `windows` before the first merge */
    uint64_t turns;               /* how often the window of turns has it */
    int ended, aside;             /* no pair of it may be merged; it has had its turns, in this choice */
} Lane;

/* How languages take turns: docs/tutorials/training.md has the definition. Lanes: one for each language, one for the dev
 * texts of each or none, one for the words of all languages if there are `together` merges. */
typedef struct {
    uint32_t languages, dev;      /* the first lane of dev texts; 0: lengths are those of the languages' words */
    const double *ratios;         /* the compressions that are wanted; NULL: lengths alone decide */
    uint64_t together;            /* merges of the most frequent pair of all languages, which come first */
    double most;                  /* turns of a language, as a part of the window */
    uint64_t window, made, room;  /* turns in the window; all that there were; of `turns` */
    uint32_t *turns;              /* the languages of the window */
} Parity;

static inline void lane_free(Lane *lane) {
    words_free(&lane->words);
    pairs_free(&lane->pairs);
}

/* How much a language needs the next merge: its length, or how far its compression is behind the one that is wanted. */
static inline int64_t parity_need(const Parity *p, const Lane *lanes, uint32_t language) {
    const Lane *lane = lanes + p->dev + language;
    int64_t need = lane->windows + lane->occurrences;
    if (p->ratios) {
        double compression = (double)(lane->before + lane->occurrences) / (double)need / p->ratios[language];
        memcpy(&need, &compression, sizeof need); /* the order of positive numbers is that of their bits */
        need = -need;
    }
    return need;
}

static inline int parity_has_turns(const Parity *p, const Lane *lane) {
    return (double)lane->turns / (double)p->window <= p->most;
}

/* The language with the greatest need that has turns left; NULL if memory is out. If those with pairs have none left,
 * upstream takes the first one, even if it has ended. Where upstream looks for ever, `last` is taken. */
static inline Lane *parity_choose(Parity *p, Lane *first) {
    Lane *last = first, *best;
    uint32_t ended = 0;
    for (uint32_t i = 0; i < p->languages; i++) {
        first[i].aside = first[i].ended;
        ended += first[i].ended;
    }
    for (;; last = best, best->aside = 1) {
        int64_t need = INT64_MIN;
        best = NULL;
        for (uint32_t i = 0; i < p->languages; i++)
            if (!first[i].aside && (!best || parity_need(p, first, i) > need)) {
                best = first + i;
                need = parity_need(p, first, i);
            }
        if (!best || parity_has_turns(p, best))
            break;
    }
    if (!best)
        best = first->ended && (ended == 1 || parity_has_turns(p, first)) ? first : last;
    uint64_t place = p->made++ % p->window;
    if (p->made > p->window)
        first[p->turns[place]].turns--;
    else if (!array_grow((void **)&p->turns, &p->room, p->made, sizeof *p->turns))
        return NULL;
    p->turns[place] = (uint32_t)(best - first);
    best->turns++;
    return best;
}

#endif
