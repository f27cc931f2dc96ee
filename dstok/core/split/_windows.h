/* Verdicts of windows: where pieces begin, as far as a few characters around a place tell (pattern/windows.py).

   In: text, with 65 readable bytes. Out: two bits for each of its first 64 bytes: a piece begins here; unknown.
   No byte waits for the look-ups of the byte before, as it does in the automaton. There are three look-ups for each
   byte, all in tables of a few kilobytes. Measured against the automaton: benchmarks/README.md.

   Example, Qwen's pattern, "the cat". At the place before the blank, the groups of "the" give a history. Its number and
   the groups of " c" give the verdict WINDOW_YES. At the place before the c the verdict is no. */

#ifndef DSTOK_WINDOWS_H
#define DSTOK_WINDOWS_H

#include <stdint.h>

#include "simd/_simd.h"

#if defined(__SSE2__) && !DSTOK_EMULATED
#include <emmintrin.h>
#define WINDOW_SSE2 1
#endif

enum {
    WINDOW_EDGE = 14, /* in a history: a piece begins after it */
    WINDOW_WILD = 15, /* the group of the bytes beyond ASCII */
    WINDOW_YES = 0x80,
    WINDOW_UNKNOWN = 0x40,
    WINDOW_GROUPS = 1 << 8,     /* bytes of a table */
    WINDOW_HISTORIES = 1 << 12,
};

typedef struct {
    const uint8_t *groups;    /* by byte */
    const uint8_t *histories; /* the number of a history, by the groups of three bytes */
    const uint8_t *verdicts;  /* by number, and by the groups of two bytes */
} WindowTables;

/* Gathers the bits 0x80, and 0x40, of 64 verdicts. */
static inline void window_bits(const uint8_t *verdicts, uint64_t *yes, uint64_t *unknown) {
    uint64_t high = 0, low = 0;
#ifdef WINDOW_SSE2
    for (int i = 0; i < 4; i++) {
        __m128i v = _mm_loadu_si128((const __m128i *)(verdicts + 16 * i));
        high |= (uint64_t)(uint32_t)_mm_movemask_epi8(v) << (16 * i);
        low |= (uint64_t)(uint32_t)_mm_movemask_epi8(_mm_add_epi8(v, v)) << (16 * i);
    }
#else
    for (int i = 0; i < 64; i++) {
        high |= (uint64_t)(verdicts[i] >> 7) << i;
        low |= (uint64_t)(verdicts[i] >> 6 & 1) << i;
    }
#endif
    *yes = high;
    *unknown = low;
}

/* `history`: the groups of the three bytes before p, 12 bits; it moves on by 64 bytes. */
static inline void window_block(
    const WindowTables *t, const uint8_t *p, uint32_t *history, uint64_t *yes, uint64_t *unknown) {
    uint8_t verdicts[64];
    uint32_t window = *history << 4 | t->groups[p[0]]; /* groups, four bits each, the newest in the lowest bits */
    for (int i = 0; i < 64; i++) {
        window = window << 4 | t->groups[p[i + 1]];
        verdicts[i] = t->verdicts[(uint32_t)t->histories[window >> 8 & 0xFFF] << 8 | (window & 0xFF)];
    }
    *history = window >> 4 & 0xFFF;
    window_bits(verdicts, yes, unknown);
}

#endif
