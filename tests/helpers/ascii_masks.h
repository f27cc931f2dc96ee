/* For test_mask_columns.py: the masks of ASCII by each level, compared with those of each character alone.
 *
 * In: a level, a set of rules. Out: the number of blocks that were compared, or minus the number of the first that
 * differs. Invariant: every byte stands at every column of a block, among 63 times every byte; and in blocks of
 * every length, before bytes that are no text. */
#include "check/walk.h"

enum { PORTABLE, AVX2, AVX512 };

typedef void (*Narrow)(const KernelTables *t, int rules, const uint8_t *p, uint64_t text, GridMasks *m);

#define LEVEL(level, target) \
    target static void masks_##level(const KernelTables *t, int rules, const uint8_t *p, uint64_t text, GridMasks *m) { \
        narrow_##level(t, rules, p, text, m); \
    }
LEVEL(16, )
#ifdef DSTOK_X86
LEVEL(avx2, SIMD_AVX2)
LEVEL(avx512, SIMD_AVX512)
static const Narrow LEVELS[] = {[PORTABLE] = masks_16, [AVX2] = masks_avx2, [AVX512] = masks_avx512};
#else
static const Narrow LEVELS[] = {[PORTABLE] = masks_16};
#endif

/* The masks that a block of `size` bytes should have: those of `one` at its column, of `fill` at all others. */
static void expected_of(const GridMasks *fill, const GridMasks *one, int column, int size, GridMasks *m) {
    uint64_t others = (size < 64 ? (1ull << size) - 1 : ~0ull) & ~(1ull << column);
    memset(m, 0, sizeof(*m));
    for (int i = 0; i < WALK_WORDS; i++)
        ((uint64_t *)m)[i] = (((const uint64_t *)fill)[i] & 1 ? others : 0) | ((const uint64_t *)one)[i] << column;
}

/* Without a quote, nobody reads the letters after quotes, and a level may leave them out. */
static int same(const GridMasks *found, const GridMasks *expected, int size) {
    GridMasks masks = *found;
    if (!expected->quote) {
        masks.brief = expected->brief;
        masks.r_or_v = expected->r_or_v;
        masks.l = expected->l;
        masks.e = expected->e;
    }
    return !memcmp(&masks, expected, 8 * WALK_WORDS) && masks.wide == 0 && masks.size == (size < 64 ? size : GRID_ASCII);
}

int64_t compare_ascii(int level, int rules) {
    static GridMasks single[128];
    static KernelTables t;
    uint8_t text[2 * 64];
    int64_t compared = 0;
    kernel_open(&t, rules, (const uint8_t *)"", 0);
    for (int b = 0; b < 128; b++)
        walk_ascii(rules, (uint8_t)b, &single[b]);
    for (int fill = 0; fill < 128; fill++)
        for (int b = 0; b < 128; b++)
            for (int column = 0; column < 64; column++) {
                /* every length for one fill in eight: 64 is a whole block */
                for (int size = fill % 8 ? 64 : column + 1; size <= 64; size++) {
                    GridMasks found, expected;
                    memset(text, fill, sizeof(text));
                    text[column] = (uint8_t)b;
                    expected_of(&single[fill], &single[b], column, size, &expected);
                    memset(&found, 0, sizeof(found));
                    LEVELS[level](&t, rules, text, size < 64 ? (1ull << size) - 1 : ~0ull, &found);
                    compared++;
                    if (!same(&found, &expected, size))
                        return -compared;
                }
            }
    return compared;
}
