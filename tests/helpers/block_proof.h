/* For the proof of the rules (block_proof.py): the masks of one character, and the states that small blocks reach.
 *
 * In: a set of rules; symbols, as the masks of characters. Out: masks; the states, each as the number of walk.h.
 * A program, which `gcc -x c` compiles: git ignores files that end in .c, which Cython writes. */
#include "check/walk.h"

int words_of_masks(void) { return WALK_WORDS; }

int bits_of_state(void) { return WALK_BITS; }

void masks_of_ascii(int rules, int byte, uint64_t *out) {
    GridMasks m;
    memset(&m, 0, sizeof(m));
    walk_ascii(rules, (uint8_t)byte, &m);
    memcpy(out, &m, 8 * WALK_WORDS);
}

void masks_of_wide(int rules, int width, int flags, uint64_t *out) {
    GridMasks m;
    memset(&m, 0, sizeof(m));
    walk_wide(rules, width, (uint8_t)flags, &m);
    memcpy(out, &m, 8 * WALK_WORDS);
}

typedef struct {
    int rules, count;
    const uint64_t *symbols; /* WALK_WORDS each */
    const int *widths;
    uint8_t *seen; /* of each state */
    uint32_t *found;
    long number;
} Search;

static void note(Search *search, uint32_t state) {
    if (!search->seen[state]) {
        search->seen[state] = 1;
        search->found[search->number++] = state;
    }
}

/* Tries the block of these masks from a state, and all that begin with it. */
static void grow(Search *search, uint32_t state, const GridMasks *m, int characters, int width, int last_width) {
    static const uint8_t aheads[] = {0, '\r', 'x'};
    for (int more = 0; characters && more < 2; more++)
        for (int i = 0; (!more || characters > 1) && i < 3; i++) {
            GridState s = walk_unpack(state);
            uint64_t starts;
            if (walk_block(search->rules, m, width, more ? width - last_width : width, more, 1, more ? aheads[i] : 0, &s,
                           &starts))
                note(search, walk_pack(&s));
        }
    if (characters >= (m->quote & 1 ? 4 : 3))
        return;
    for (int i = 0; i < search->count; i++) {
        GridMasks one, joined;
        memset(&one, 0, sizeof(one));
        memcpy(&one, search->symbols + (long)i * WALK_WORDS, 8 * WALK_WORDS);
        memset(&joined, 0, sizeof(joined));
        walk_join(m, &one, width, &joined);
        grow(search, state, &joined, characters + 1, width + search->widths[i], search->widths[i]);
    }
}

/* Writes the states that small blocks reach from the start of a text; returns their number. */
long reached(int rules, const uint64_t *symbols, const int *widths, int count, uint32_t *found) {
    static uint8_t seen[1 << 24];
    GridMasks empty;
    Search search = {rules, count, symbols, widths, seen, found, 0};
    memset(seen, 0, sizeof(seen));
    memset(&empty, 0, sizeof(empty));
    note(&search, 0);
    for (long i = 0; i < search.number; i++)
        grow(&search, found[i], &empty, 0, 0, 0);
    return search.number;
}

/* The C itself, for a comparison: returns the bytes decided, and sets the state and the starts. */
int decided(int rules, const uint64_t *masks, int width, int size, int more, uint32_t *state, uint64_t *starts) {
    GridMasks m;
    memset(&m, 0, sizeof(m));
    memcpy(&m, masks, 8 * WALK_WORDS);
    GridState s = walk_unpack(*state);
    int bytes = walk_block(rules, &m, width, size, more, 0, 0, &s, starts);
    *state = walk_pack(&s);
    return bytes;
}
