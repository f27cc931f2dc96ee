/* The grid kernel: piece starts on a fixed grid of blocks, with carried state. AVX-512 only.
 *
 * In: text, the state carried from the block before. Out: the starts of pieces, appended as 32-bit offsets.
 * Unlike in _kernel.h a block begins wherever the last one ended, not at a sure piece start: what crosses the border
 * is a few bits of state. So no block waits for the starts of the one before it, and the processor works on several at
 * once (0.40 -> 0.29 ns/byte on wiki.test.raw).
 *
 * A block is 64 bytes; it decides up to 63 of them, whole characters, and sees the first class of what follows.
 * It gives up (returns 0) at what its rules do not settle, and where blanks behind a newline run on for too long:
 * the caller then goes back to the last start that it has and takes the restarting kernel or the automaton.
 * Masks: _masks.h; rules: _rules.h (V3's), _words.h (those of Qwen, Llama 3, GLM, MiniMax).
 */
#ifndef DSTOK_GRID_H
#define DSTOK_GRID_H

#include "_words.h"

#ifdef DSTOK_X86

static const uint8_t GRID_IOTA[64] = {
    0,  1,  2,  3,  4,  5,  6,  7,  8,  9,  10, 11, 12, 13, 14, 15, 16, 17, 18, 19, 20, 21,
    22, 23, 24, 25, 26, 27, 28, 29, 30, 31, 32, 33, 34, 35, 36, 37, 38, 39, 40, 41, 42, 43,
    44, 45, 46, 47, 48, 49, 50, 51, 52, 53, 54, 55, 56, 57, 58, 59, 60, 61, 62, 63};

/* One block: its starts. Returns the bytes decided, or 0. `text` says which bytes are text: not all in the last
 * block, after which nothing follows. */
GRID_INLINE int grid_block(const KernelTables *t, int rules, const uint8_t *p, const uint8_t *stop, int final,
                           uint64_t text, GridState *s, uint64_t *starts) {
    GridMasks m;
    grid_masks(t, rules, p, text, s->before, &m);
    if (rules == RULES_V3)
        return v3_block(p, stop, final, &m, s, starts);
    return words_block(rules, p, stop, final, text, &m, s, starts);
}

/* The last block, of fewer than 64 bytes: not inlined. */
typedef int (*GridLast)(const KernelTables *t, const uint8_t *p, int size, GridState *s, uint64_t *starts);

/* Appends starts to `starts`, of which `*pieces` + 1 are there, offsets from `p`, until there are `full` pieces or
 * the text from `*at` on is too short. If `final`, the text ends at `stop`, and so does the last piece: only then may
 * fewer than GRID_LOOK bytes follow, and bytes behind `stop` are read. Returns 0 if it met what it cannot settle. */
GRID_INLINE int grid_run_by(const KernelTables *t, int rules, GridLast last, GridState *s, const uint8_t *p, uint32_t *at,
                            uint32_t stop, int final, uint32_t *starts, int *pieces, int full) {
    __m512i iota = _mm512_loadu_si512(GRID_IOTA);
    uint32_t here = *at, look = final ? 64 : GRID_LOOK;
    int count = *pieces, fine = 1;
    while (count < full && here < stop) {
        uint64_t bits;
        int size;
        if (here + look <= stop)
            size = grid_block(t, rules, p + here, p + stop, final, ~0ull, s, &bits);
        else if (final)
            size = last(t, p + here, (int)(stop - here), s, &bits);
        else
            break;
        if (__builtin_expect(!size, 0)) {
            fine = 0;
            break;
        }
        bits &= ~(uint64_t)(here == starts[count]);
        __m512i offsets = _mm512_maskz_compress_epi8(bits, iota), base = _mm512_set1_epi32((int)here);
        uint32_t *out = starts + count + 1;
        int found = __builtin_popcountll(bits);
#define OFFSETS(q) _mm512_add_epi32(base, _mm512_cvtepu8_epi32(_mm512_extracti32x4_epi32(offsets, q)))
        _mm512_storeu_si512(out, OFFSETS(0));
        _mm512_storeu_si512(out + 16, OFFSETS(1));
        if (__builtin_expect(found > 32, 0)) {
            _mm512_storeu_si512(out + 32, OFFSETS(2));
            _mm512_storeu_si512(out + 48, OFFSETS(3));
        }
#undef OFFSETS
        count += found;
        here += (uint32_t)size;
    }
    if (final && here == stop && starts[count] < stop)
        starts[++count] = stop;
    *at = here;
    *pieces = count;
    return fine;
}

#define GRID_RUN(name, rules) \
    GRID_TARGET __attribute__((noinline)) \
    static int name##_last(const KernelTables *t, const uint8_t *p, int size, GridState *s, uint64_t *starts) { \
        return grid_block(t, rules, p, p + size, 1, (1ull << size) - 1, s, starts); \
    } \
    GRID_TARGET static int name(const KernelTables *t, GridState *s, const uint8_t *p, uint32_t *at, uint32_t stop, \
                                int final, uint32_t *starts, int *pieces, int full) { \
        return grid_run_by(t, rules, name##_last, s, p, at, stop, final, starts, pieces, full); \
    }
GRID_RUN(grid_run_v3, RULES_V3)
GRID_RUN(grid_run_ones, RULES_ONES)
GRID_RUN(grid_run_threes, RULES_THREES)
GRID_RUN(grid_run_cased, RULES_CASED)
#undef GRID_RUN

/* By the rules of the tables. */
static int grid_run(const KernelTables *t, GridState *s, const uint8_t *p, uint32_t *at, uint32_t stop, int final,
                    uint32_t *starts, int *pieces, int full) {
    switch (t->rules) {
    case RULES_ONES: return grid_run_ones(t, s, p, at, stop, final, starts, pieces, full);
    case RULES_THREES: return grid_run_threes(t, s, p, at, stop, final, starts, pieces, full);
    case RULES_CASED: return grid_run_cased(t, s, p, at, stop, final, starts, pieces, full);
    default: return grid_run_v3(t, s, p, at, stop, final, starts, pieces, full);
    }
}

#else

static int grid_run(const KernelTables *t, GridState *s, const uint8_t *p, uint32_t *at, uint32_t stop, int final,
                    uint32_t *starts, int *pieces, int full) {
    (void)t, (void)s, (void)p, (void)at, (void)stop, (void)final, (void)starts, (void)pieces, (void)full;
    return 0;
}

#endif
#endif
