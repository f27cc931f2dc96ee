/* The needs of a walk through the rules (proofs.pyx): the masks of one character, and the state as a number.
 *
 * In: a character, as a byte of ASCII or as a kind and a width. Out: its masks, which `walk_join` puts together to a
 * block; the starts that the rules give for the block. Invariant: masks and rules are the kernel's own. */
#ifndef DSTOK_WALK_H
#define DSTOK_WALK_H

#include <stddef.h>

#include "split/grid.h"

#ifndef DSTOK_SOURCES /* setup.py says what it is; without it no program that is stored counts */
#define DSTOK_SOURCES ""
#endif

enum {
    WALK_WORDS = offsetof(GridMasks, size) / 8,   /* words of the masks of a character */
    WALK_BITS = offsetof(GridState, digits) / 8,  /* one-bit parts of the state */
    WALK_DIGITS = 2,                              /* bits of the number of digits since the last number start, 0 to 3 */
    /* A node is a number. From its lowest bit on: the knowledge of the text ahead, the state of the `Marked`, the state
     * carried over, and each character that is not decided. */
    WALK_AHEAD_BITS = 3,
    WALK_MARKED_BITS = 10,
    WALK_STATE_BITS = 18,
    WALK_SYMBOL_BITS = 6,
    WALK_HEAD_BITS = WALK_AHEAD_BITS + WALK_MARKED_BITS + WALK_STATE_BITS,
};
_Static_assert(WALK_BITS + WALK_DIGITS <= WALK_STATE_BITS, "a node has room for the state");
_Static_assert(WALK_HEAD_BITS <= 32, "all of a node but its characters is a uint32_t");
_Static_assert(offsetof(GridMasks, size) % 8 == 0 && offsetof(GridState, digits) % 8 == 0, "arrays of uint64_t");

/* A hash of a node in the lower bits. */
static inline uint64_t walk_hash(uint64_t node) { return node * 0x9E3779B97F4A7C15ull >> 40; }

/* The masks of an ASCII character at the start of a block. Here it stands after a quote: else some levels would not
 * look at letters. */
static void walk_ascii(int rules, uint8_t byte, GridMasks *m) {
    static const KernelTables none;
    uint8_t text[2 * 64] = {'\'', byte};
    narrow_16(&none, ROWS[rules].copy, text, 3, m);
    for (int i = 0; i < WALK_WORDS; i++)
        ((uint64_t *)m)[i] >>= 1;
}

/* The masks of any other character, of `width` bytes. */
static void walk_wide(int rules, int width, uint8_t flags, GridMasks *m) {
#define IS(flag) (flags & (flag) ? 1 : 0)
    GridBits first = {.letter = IS(F_LETTER), .punct = IS(F_PUNCT), .cjk = IS(F_CJK), .blank = IS(F_BLANK),
                       .rare = IS(F_RARE), .number = IS(F_NUMBER)};
#undef IS
    memset(m, 0, sizeof(*m));
    m->leads = 1;
    m->three = width > 2;
    m->four = width > 3;
    grid_spread(ROWS[rules].copy, NULL, &first, (1ull << width) - 1, 0, m);
}

/* Joins the masks of `m` and, after their `width` bytes, those of `one`. */
static inline void walk_join(const GridMasks *m, const GridMasks *one, int width, GridMasks *joined) {
    for (int i = 0; i < WALK_WORDS; i++)
        ((uint64_t *)joined)[i] = ((const uint64_t *)m)[i] | ((const uint64_t *)one)[i] << width;
}

/* Decides a block of `width` bytes, `size` of them at most. After it lies `ahead`, if that is not 0, and there the text
 * ends if `final`. Returns the number of bytes decided. */
static int walk_block(int rules, const GridMasks *masks, int width, int size, int more, int final, uint8_t ahead,
                      GridState *s, uint64_t *starts) {
    uint8_t text[64 + 1];
    GridMasks m = *masks;
    GridStarts found = {0, 0};
    m.size = size;
    m.last = 0;
    text[width] = ahead;
    GridText x = {text, text + width + (ahead != 0), final, (1ull << width) - 1, more, rules};
    size = grid_block(ROWS[rules].copy, x, &m, s, &found);
    *starts = found.starts;
    return size;
}

/* The state as a number; above WALK_STATE_BITS if there are more digits than rules of threes can leave. */
static uint32_t walk_pack(const GridState *s) {
    uint32_t packed = s->number ? (uint32_t)s->digits << WALK_BITS : 0;
    for (int i = 0; i < WALK_BITS; i++)
        packed |= (uint32_t)((const uint64_t *)s)[i] << i;
    return packed;
}

static GridState walk_unpack(uint32_t packed) {
    GridState s = {.digits = packed >> WALK_BITS};
    for (int i = 0; i < WALK_BITS; i++)
        ((uint64_t *)&s)[i] = packed >> i & 1;
    return s;
}

#endif
