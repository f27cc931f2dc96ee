/* The merge loop of BPE training.
 *
 * In: words with counts, and the settings of a trainer. Out: merges, each with the count of its pair.
 * Invariant: each merge takes the pair of the highest count, of several the one with the smallest (left id, right id).
 * The count of a pair is the number of its places in all words, each as often as its word counts; "aaa" has two (a, a).
 * Source: upstream 0.23.3, models/bpe/trainer.rs, comes to this without affixes. tests/helpers/trainer_reference.py
 * follows it line by line.
 *
 * Why counts only fall. Take two places of one string between borders of tokens. Borders only go, so no merge has crossed
 * these. Inside, each merge did the same at both places. So both are cut alike at any time, and the merge that first
 * makes the string makes it everywhere. Hence a pair appears once, with all its places.
 *
 * Therefore the pairs after a limit, in the order of merges, need no entry and no list. When no pair is before it, all
 * pairs are counted again, in passes over the words, and the loop goes on with a later limit. The limit is where the count is
 * a part of the highest one, or where the lists of the pairs before it fill half of `room`. When they have grown to all
 * of it, pairs are counted again, too. So memory has a bound, and merges do not depend on it.
 *
 * Pairs are counted part by part of their hashes if the table of all of them would be too large.
 *
 * Several lanes: each merge is that of one lane (counts/lanes.h), of several pairs the one with the largest spellings, and
 * is made in all. So each lane needs the lists of all its pairs, and no pair waits.
 */
#ifndef DSTOK_MERGE_LOOP_H
#define DSTOK_MERGE_LOOP_H

#include "cpu/platform.h"
#include "counts/deltas.h"
#include "counts/lanes.h"

enum {
    AHEAD = 8, /* distance, in places of a list, to the word that is fetched */
    MOST_THREADS = 64,
    MOST_BITS = 16,
    LOOP_GOES_ON, LOOP_ENDED, LOOP_OUT_OF_MEMORY, LOOP_TABLE_FULL,
};

typedef struct {
    uint32_t left, right, merged;
} Merge;

typedef struct {
    Lane *lanes, *lane;           /* all of them; the one at work */
    uint32_t many;
    Parity parity;
    Deltas deltas;
    Tokens tokens;
    const uint32_t *taken;     /* first tokens that a merge may spell, by length and then by bytes */
    int64_t taken_count;
    uint32_t ids;              /* the next new id */
    uint64_t vocab_size, most; /* ids and merges, at most */
    uint64_t longest;          /* tokens of a new pair are together shorter than this */
    int64_t least;             /* the count below which nothing is merged */
    int64_t divisor;           /* of the highest count: pairs below that part of it wait */
    uint64_t pairs_room;       /* bytes for pairs and their lists */
    int bits;                  /* pairs are counted in 2**bits parts */
    Merge *merges;
    int64_t *counts;           /* of their pairs */
    uint64_t size, counted;    /* the number of merges; that when all pairs were counted */
    uint64_t room;             /* of all arrays by id or by merge */
    uint64_t visits, rebuilds;
    int threads;               /* that share the visits of lists of `shared` places or more */
    uint32_t shared;
    Deltas others[MOST_THREADS - 1];
    uint32_t left, right, merged; /* the merge that is being made */
} Loop;

static void loop_free(Loop *l) {
    while (l->many)
        lane_free(l->lanes + --l->many);
    deltas_free(&l->deltas);
    for (int i = 0; i < MOST_THREADS - 1; i++)
        deltas_free(l->others + i);
    free(l->lanes);
    free(l->parity.turns);
    free(l->tokens.bytes);
    free(l->tokens.starts);
    free(l->tokens.lengths);
    free(l->merges);
    free(l->counts);
}

/* Makes room for `wanted` ids and merges, and for `bytes` more bytes of tokens; false if memory is out. */
static int loop_room(Loop *l, uint64_t wanted, uint64_t bytes) {
    Tokens *t = &l->tokens;
    uint64_t room = l->room, starts = room, merges = room, counts = room;
    if (!array_grow((void **)&t->bytes, &t->room, t->size + bytes, 1) ||
        !array_grow((void **)&t->lengths, &room, wanted, sizeof *t->lengths) ||
        !array_grow((void **)&t->starts, &starts, wanted, sizeof *t->starts) ||
        !array_grow((void **)&l->merges, &merges, wanted, sizeof *l->merges) ||
        !array_grow((void **)&l->counts, &counts, wanted, sizeof *l->counts) || !deltas_ids(&l->deltas, room))
        return 0;
    l->room = room;
    return 1;
}

/* Gives the next `length` bytes of the tokens, which are there, the next id. */
static uint32_t loop_new_id(Loop *l, uint32_t length) {
    l->tokens.starts[l->ids] = l->tokens.size;
    l->tokens.lengths[l->ids] = length;
    l->tokens.size += length;
    return l->ids++;
}

/* Takes `many` lanes, and the first tokens: i is bytes[starts[i]:starts[i + 1]]; false if memory is out. */
static int loop_open(Loop *l, uint32_t many, const uint8_t *bytes, const uint32_t *starts, uint32_t count) {
    if (!(l->lanes = calloc(many, sizeof *l->lanes)) || !loop_room(l, (uint64_t)count + 1, starts[count]))
        return 0;
    l->lane = l->lanes;
    l->many = many;
    if (starts[count])
        memcpy(l->tokens.bytes, bytes, starts[count]);
    while (l->ids < count)
        loop_new_id(l, starts[l->ids + 1] - starts[l->ids]);
    return 1;
}

/* Whether a pair counts: the first pairs, of two bytes, always do. */
static inline int loop_allows(const Loop *l, uint32_t left, uint32_t right) {
    uint64_t length = (uint64_t)l->tokens.lengths[left] + l->tokens.lengths[right];
    return length == 2 || length < l->longest;
}

/* Notes a place where the pair was merged: between two neighbours, NO_TOKEN at an end of the word. `before` is the place of
 * the left one, `place` that of the new token. */
static inline void loop_note(const Loop *l, Deltas *d, uint32_t left, uint32_t right, int64_t count, uint32_t before,
                             uint32_t place) {
    d->merged += count;
    if (left != NO_TOKEN) {
        Change *change = deltas_change(d, BEFORE, left);
        if (left != l->merged)
            change->lost += count;
        else if (loop_allows(l, left, l->left))
            d->near[l->left].side[AFTER].gained -= count;
        if (loop_allows(l, left, l->merged))
            deltas_gain(d, BEFORE, change, left, count, before);
    }
    if (right != NO_TOKEN) {
        Change *change = deltas_change(d, AFTER, right);
        change->lost += count;
        if (loop_allows(l, l->merged, right))
            deltas_gain(d, AFTER, change, right, count, place);
    }
}

static inline void loop_visit_short(const Loop *l, Deltas *d, uint32_t place) {
    uint32_t *word = l->lane->words.cells + place, *ids = word + HEAD, size = word_size(word), at = 0, to;
    uint32_t left = l->left, right = l->right;
    while (at + 1 < size && !(ids[at] == left && ids[at + 1] == right))
        at++;
    if (at + 1 >= size)
        return;
    for (to = at; at < size; to++) {
        if (at + 1 < size && ids[at] == left && ids[at + 1] == right) {
            loop_note(l, d, to ? ids[to - 1] : NO_TOKEN, at + 2 < size ? ids[at + 2] : NO_TOKEN, word_count(word), place,
                      place);
            ids[to] = l->merged;
            at += 2;
        } else {
            ids[to] = ids[at++];
        }
    }
    word_resize(word, to);
}

static inline void loop_visit_long(const Loop *l, Deltas *d, uint32_t entry) {
    const Words *words = &l->lane->words;
    const uint32_t *lengths = l->tokens.lengths;
    uint32_t *token = words->tokens + entry, *right = token + lengths[l->left];
    if (*token != l->left || *right != l->right)
        return;
    uint32_t *end = right + lengths[l->right], before = token[-1], place = LONG_PLACE | entry;
    int64_t count = words->counts[long_word(words, entry)];
    loop_note(l, d, before, *end, count, before == NO_TOKEN ? 0 : place - lengths[before], place);
    right[-1] = right[0] = NO_TOKEN; /* the old borders; those outside get the new id */
    token[0] = end[-1] = l->merged;
}

/* A part of a list, and where a thread notes what it changes. */
typedef struct {
    const Loop *loop;
    Deltas *deltas;
    const uint32_t *list;
    uint32_t size;
    int fine;
} Visit;

/* Merges the pair in all words of a part; sets `fine`, false if memory is out. */
static void *loop_visit_part(void *visit) {
    Visit *v = visit;
    v->fine = deltas_ids(v->deltas, v->loop->room);
    for (uint32_t i = 0; i < v->size && v->fine; i++) {
        uint32_t place = v->list[i];
        v->fine = deltas_room(v->deltas, LONG / 2);
        if (!v->fine)
            break;
        if (i + AHEAD < v->size && !(v->list[i + AHEAD] & LONG_PLACE))
            __builtin_prefetch(v->loop->lane->words.cells + v->list[i + AHEAD], 1);
        if (place & LONG_PLACE)
            loop_visit_long(v->loop, v->deltas, place & ~LONG_PLACE);
        else
            loop_visit_short(v->loop, v->deltas, place);
    }
    return NULL;
}

/* The same as one part for all places of short words, by several threads. A word has one place in the list, so no two
 * threads change one word. Their notes are joined in the order of the parts: the lists do not depend on threads. */
static int loop_visit_together(Loop *l, const uint32_t *list, uint32_t size) {
    Visit visits[MOST_THREADS];
    Thread threads[MOST_THREADS];
    int begun[MOST_THREADS] = {0}, fine = 1;
    for (int i = 0; i < l->threads; i++) {
        uint32_t from = (uint32_t)((uint64_t)size * i / l->threads), to = (uint32_t)((uint64_t)size * (i + 1) / l->threads);
        visits[i] = (Visit){l, i ? l->others + i - 1 : &l->deltas, list + from, to - from, 0};
        begun[i] = i && thread_begin(threads + i, loop_visit_part, visits + i);
    }
    for (int i = 0; i < l->threads; i++)
        if (!begun[i])
            loop_visit_part(visits + i);
    for (int i = 0; i < l->threads; i++) {
        if (begun[i])
            thread_end(threads[i]);
        fine = fine && visits[i].fine && (!i || deltas_join(&l->deltas, visits[i].deltas));
    }
    return fine;
}

/* Merges the pair in all words of a list of the lane at work; false if memory is out. */
static int loop_visit(Loop *l, const uint32_t *list, uint32_t size) {
    uint32_t shorts = 0; /* places of short words, which come first, for several threads */
    while (l->threads > 1 && size >= l->shared && shorts < size && !(list[shorts] & LONG_PLACE))
        shorts++;
    l->visits += size;
    if (shorts && !loop_visit_together(l, list, shorts))
        return 0;
    Visit rest = {l, &l->deltas, list + shorts, size - shorts, 0};
    loop_visit_part(&rest);
    l->lane->windows -= l->deltas.merged;
    l->deltas.merged = 0;
    return rest.fine;
}

/* Takes the noted changes of one side over into the counts; false if memory is out. */
static int loop_settle(Loop *l, int side) {
    Notes *notes = l->deltas.notes + side;
    PairCounts *pairs = &l->lane->pairs;
    if (!deltas_lists(&l->deltas, side, l->merged, pairs->limit))
        return 0;
    for (uint64_t i = 0; i < notes->count; i++) {
        uint32_t id = notes->ids[i];
        Change *noted = &l->deltas.near[id].side[side], change = *noted;
        memset(noted, 0, sizeof *noted);
        if (change.lost) {
            CountedPair *old = pairs_find(pairs, side == BEFORE ? pair_key(id, l->left) : pair_key(l->right, id));
            if (old)
                old->count -= change.lost;
        }
        CountedPair made = {deltas_key(side, id, l->merged), change.gained, change.list, change.size, change.noted - 1};
        if (change.list && !pairs_add(pairs, made))
            return 0;
    }
    notes->count = notes->size = 0;
    return 1;
}

/* Every window of two neighbours in the lane's words that counts: runs DO with `key`, `count` and `place`. */
#define FOR_EACH_WINDOW(l, DO)                                                                                         \
    const Words *words = &(l)->lane->words;                                                                            \
    for (uint64_t at = 0; at < words->cells_size; at += HEAD + word_room(words->cells + at)) {                         \
        const uint32_t *word = words->cells + at, *ids = word + HEAD, place = (uint32_t)at;                            \
        int64_t count = word_count(word);                                                                              \
        for (uint32_t i = 0; i + 1 < word_size(word); i++)                                                             \
            if (loop_allows(l, ids[i], ids[i + 1])) {                                                                  \
                uint64_t key = pair_key(ids[i], ids[i + 1]);                                                           \
                DO                                                                                                     \
            }                                                                                                          \
    }                                                                                                                  \
    for (uint64_t number = 0; number < words->longs; number++) {                                                       \
        const uint32_t *tokens = words->tokens;                                                                        \
        int64_t count = words->counts[number];                                                                         \
        for (uint64_t entry = words->starts[number], next; tokens[entry] != NO_TOKEN; entry = next) {                  \
            next = entry + (l)->tokens.lengths[tokens[entry]];                                                         \
            if (tokens[next] != NO_TOKEN && loop_allows(l, tokens[entry], tokens[next])) {                             \
                uint64_t key = pair_key(tokens[entry], tokens[next]);                                                  \
                uint32_t place = LONG_PLACE | (uint32_t)entry;                                                         \
                DO                                                                                                     \
            }                                                                                                          \
        }                                                                                                              \
    }

/* Counts the pairs of one part of the hashes, in a table of at most `most` places. */
static int loop_count(const Loop *l, PairCounts *found, uint64_t part, uint64_t most) {
    int shift = 64 - l->bits;
    if (!pairs_grow(found))
        return LOOP_OUT_OF_MEMORY;
    FOR_EACH_WINDOW(l, {
        (void)place;
        if (l->bits && pair_hash(key) >> shift != part)
            continue;
        if (2 * (found->used + 1) > found->mask && 2 * (found->mask + 1) > most && l->bits < MOST_BITS)
            return LOOP_TABLE_FULL;
        if (!pairs_count(found, key, count))
            return LOOP_OUT_OF_MEMORY;
    })
    return LOOP_GOES_ON;
}

/* Keeps the first of the counted pairs; false if memory is out. */
static int loop_keep(const Loop *l, const PairCounts *found, BestPairs *best) {
    int64_t highest = 0;
    for (uint64_t i = 0; i <= found->mask; i++) {
        CountedPair pair = found->places[i];
        if (pair.key == NO_PAIR_KEY)
            continue;
        if (pair.count > highest)
            best_restrict(best, (HeapItem){(highest = pair.count) / l->divisor - 1, 0});
        if (!best_offer(best, pair))
            return 0;
    }
    return 1;
}

/* Finds the first of all pairs. */
static int loop_rank(const Loop *l, BestPairs *best) {
    int status = LOOP_GOES_ON;
    best->count = best->bytes = 0;
    best->limit = (HeapItem){l->parity.languages ? 0 : l->least - 1, 0}; /* merges of other lanes need all lists */
    for (uint64_t part = 0; part < UINT64_C(1) << l->bits && status == LOOP_GOES_ON; part++) {
        PairCounts found = {0};
        status = loop_count(l, &found, part, l->pairs_room / (4 * sizeof(CountedPair)));
        if (status == LOOP_GOES_ON && !loop_keep(l, &found, best))
            status = LOOP_OUT_OF_MEMORY;
        pairs_free(&found);
    }
    best_cut(best);
    return status;
}

/* Counts all pairs of the lane again, and keeps the first ones; false if memory is out. */
static int loop_rebuild(Loop *l) {
    BestPairs best = {.most = l->pairs_room / 2};
    Lane *lane = l->lane;
    int status;
    words_close_up(&lane->words);
    pairs_free(&lane->pairs);
    lane->pairs.spelled = l->parity.languages ? &l->tokens : NULL;
    while ((status = loop_rank(l, &best)) == LOOP_TABLE_FULL)
        l->bits++;
    int fine = status == LOOP_GOES_ON && best_take(&best, &lane->pairs);
    free(best.items);
    if (!fine)
        return 0;
    FOR_EACH_WINDOW(l, {
        CountedPair *pair = pairs_find(&lane->pairs, key);
        (void)count;
        if (pair && !(pair->size && pair->list[pair->size - 1] == place))
            pair->list[pair->size++] = place;
    })
    return 1;
}

/* The id of the token that the pair spells, for which there is room: of a first one, or a new id. */
static uint32_t loop_id(Loop *l, uint32_t left, uint32_t right) {
    const Tokens *t = &l->tokens;
    uint32_t length = t->lengths[left] + t->lengths[right];
    uint8_t *spelled = t->bytes + t->size;
    int64_t low = 0, high = l->taken_count;
    memcpy(spelled, t->bytes + t->starts[left], t->lengths[left]);
    memcpy(spelled + t->lengths[left], t->bytes + t->starts[right], t->lengths[right]);
    while (low < high) {
        int64_t middle = (low + high) / 2;
        uint32_t token = l->taken[middle], size = t->lengths[token];
        int order = size != length ? (size > length) - (size < length) : memcmp(t->bytes + t->starts[token], spelled, length);
        if (!order)
            return token;
        if (order < 0)
            low = middle + 1;
        else
            high = middle;
    }
    return loop_new_id(l, length);
}

/* Makes the merge of a pair: its id, its row, its changes in each lane; false if memory is out. */
static int loop_merge(Loop *l, uint64_t key, int64_t count) {
    l->left = (uint32_t)(key >> 32);
    l->right = (uint32_t)key;
    if (!loop_room(l, (l->ids > l->size ? l->ids : l->size) + 1,
                   (uint64_t)l->tokens.lengths[l->left] + l->tokens.lengths[l->right]))
        return 0;
    l->merged = loop_id(l, l->left, l->right);
    l->merges[l->size] = (Merge){l->left, l->right, l->merged};
    l->counts[l->size++] = count;
    for (l->lane = l->lanes; l->lane < l->lanes + l->many; l->lane++) {
        CountedPair *pair = pairs_find(&l->lane->pairs, key), merged;
        if (!pair)
            continue;
        merged = *pair; /* the table may move */
        *pair = (CountedPair){.key = key};
        int fine = loop_visit(l, merged.list, merged.size) && loop_settle(l, BEFORE) && loop_settle(l, AFTER);
        pairs_drop_list(&l->lane->pairs, merged.list, merged.room);
        if (!fine)
            return 0;
    }
    l->lane = l->lanes;
    return 1;
}

/* Counts the pairs of each lane; false if memory is out. */
static int loop_begin(Loop *l) {
    int fine = 1;
    l->counted = l->size;
    l->rebuilds++;
    for (l->lane = l->lanes; l->lane < l->lanes + l->many && fine; l->lane++) {
        l->lane->before = l->lane->windows;
        l->lane->ended = l->parity.ratios && !l->lane->occurrences;
        fine = loop_rebuild(l);
    }
    l->lane = l->lanes;
    return fine;
}

/* Makes one merge for the languages, or finds that the lane has none. */
static int loop_balance(Loop *l) {
    Parity *p = &l->parity;
    int together = l->size < p->together;
    if (!l->rebuilds && !loop_begin(l))
        return LOOP_OUT_OF_MEMORY;
    if (!together && p->together) {
        lane_free(l->lanes + --l->many);
        p->together = 0;
    }
    Lane *lane = together ? l->lanes + l->many - 1 : parity_choose(p, l->lanes);
    if (!lane)
        return LOOP_OUT_OF_MEMORY;
    CountedPair *pair = lane->ended ? NULL : pairs_pop(&lane->pairs);
    if (pair && pair->count >= l->least)
        return loop_merge(l, pair->key, pair->count) ? LOOP_GOES_ON : LOOP_OUT_OF_MEMORY;
    lane->ended = 1;
    for (uint32_t i = 0; i < p->languages && !together; i++)
        if (!l->lanes[i].ended)
            return LOOP_GOES_ON;
    return LOOP_ENDED;
}

/* Makes one merge, or counts anew. */
static int loop_step(Loop *l) {
    if (l->ids >= l->vocab_size || l->size >= l->most)
        return LOOP_ENDED;
    if (l->parity.languages)
        return loop_balance(l);
    /* A new pair has at least `divisor`-th of the merge's count, or of what is merged at all: so a side has `divisor` of them. */
    PairCounts *pairs = &l->lane->pairs;
    int full = pairs_bytes(pairs, 2 * l->divisor) > l->pairs_room && l->size > l->counted;
    CountedPair *pair = l->rebuilds && !full ? pairs_pop(pairs) : NULL;
    if (pair)
        return loop_merge(l, pair->key, pair->count) ? LOOP_GOES_ON : LOOP_OUT_OF_MEMORY;
    if (l->rebuilds && !full && pairs->limit.count == l->least - 1 && !pairs->limit.key)
        return LOOP_ENDED; /* no pair waits behind the limit */
    if (!loop_begin(l))
        return LOOP_OUT_OF_MEMORY;
    return pairs->items ? LOOP_GOES_ON : LOOP_ENDED;
}

/* Makes merges until the lists that were read are `visits` places long; or until the end. */
static int loop_run(Loop *l, uint64_t visits) {
    uint64_t before = l->visits;
    int status = LOOP_GOES_ON;
    while (status == LOOP_GOES_ON && l->visits - before < visits)
        status = loop_step(l);
    return status;
}

#endif
