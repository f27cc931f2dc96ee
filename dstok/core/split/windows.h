/* Verdicts of windows: where pieces begin, as far as a few characters around a place tell (regex/windows.py).

   In: text, with 65 readable bytes. Out: two bits for each of its first 64 bytes: a piece begins here; unknown.
   No byte waits for the look-ups of the byte before, as it does in the automaton. There are three look-ups for each
   byte, all in tables of a few kilobytes. Measured against the automaton: benchmarks/README.md.

   Example, Qwen's pattern, "the cat". At the place before the blank, the groups of "the" give a history. Its number and
   the groups of " c" give the verdict WINDOW_YES. At the place before the c the verdict is no. */

#ifndef DSTOK_WINDOWS_H
#define DSTOK_WINDOWS_H

#include <stdint.h>

#include "cpu/vectors.h"

#if defined(__SSE2__) && !DSTOK_EMULATED
#include <emmintrin.h>
#define WINDOW_SSE2 1
#endif

enum {
    WINDOW_EDGE = 14, /* in a history: a piece begins after it */
    WINDOW_WILD = 15, /* the group of the bytes beyond ASCII */
    WINDOW_YES = 0x80,
    WINDOW_UNKNOWN = 0x40,
    WINDOW_DROPPED = 0x20, /* with WINDOW_YES: the piece that ends here is dropped */
    WINDOW_AFTER = 2, /* places after an edge whose history has it, but one */
    WINDOW_GROUPS = 1 << 8,     /* bytes of a table */
    WINDOW_HISTORIES = 1 << 12,
};

typedef struct {
    const uint8_t *groups;    /* by byte */
    const uint8_t *histories; /* the number of a history, by the groups of three bytes */
    const uint8_t *verdicts;  /* by number, and by the groups of two bytes */
} WindowTables;

typedef struct {
    uint64_t yes, unknown, dropped; /* a piece begins here; perhaps; the piece before it is dropped */
} WindowBits;

/* Gathers the bits of 64 verdicts. */
static inline void window_bits(const uint8_t *verdicts, WindowBits *bits) {
    uint64_t yes = 0, unknown = 0, dropped = 0;
#ifdef WINDOW_SSE2
    for (int i = 0; i < 4; i++) {
        __m128i v = _mm_loadu_si128((const __m128i *)(verdicts + 16 * i)), twice = _mm_add_epi8(v, v);
        yes |= (uint64_t)(uint32_t)_mm_movemask_epi8(v) << (16 * i);
        unknown |= (uint64_t)(uint32_t)_mm_movemask_epi8(twice) << (16 * i);
        dropped |= (uint64_t)(uint32_t)_mm_movemask_epi8(_mm_add_epi8(twice, twice)) << (16 * i);
    }
#else
    for (int i = 0; i < 64; i++) {
        yes |= (uint64_t)(verdicts[i] >> 7) << i;
        unknown |= (uint64_t)(verdicts[i] >> 6 & 1) << i;
        dropped |= (uint64_t)(verdicts[i] >> 5 & 1) << i;
    }
#endif
    *bits = (WindowBits){yes, unknown, dropped};
}

/* `history`: the groups of the three bytes before p, 12 bits; it moves on by 64 bytes. */
static inline void window_block(const WindowTables *t, const uint8_t *p, uint32_t *history, WindowBits *bits) {
    uint8_t verdicts[64];
    uint32_t window = *history << 4 | t->groups[p[0]]; /* groups, four bits each, the newest in the lowest bits */
    for (int i = 0; i < 64; i++) {
        window = window << 4 | t->groups[p[i + 1]];
        verdicts[i] = t->verdicts[(uint32_t)t->histories[window >> 8 & 0xFFF] << 8 | (window & 0xFF)];
    }
    *history = window >> 4 & 0xFFF;
    window_bits(verdicts, bits);
}

/* Renews the bits of a block at p for a piece that begins at byte `place`: the bits up to there are dropped, and the
 * next WINDOW_AFTER places get verdicts with this edge in their history. */
static inline void window_after(const WindowTables *t, const uint8_t *p, int place, WindowBits *bits) {
    uint64_t left = ~(uint64_t)1 << (place + WINDOW_AFTER);
    uint32_t window = (WINDOW_EDGE << 4 | t->groups[p[place]]) << 4 | t->groups[p[place + 1]];
    bits->yes &= left;
    bits->unknown &= left;
    bits->dropped &= left;
    for (int i = place + 1; i <= place + WINDOW_AFTER; i++) {
        window = window << 4 | t->groups[p[i + 1]];
        uint8_t verdict = t->verdicts[(uint32_t)t->histories[window >> 8 & 0xFFF] << 8 | (window & 0xFF)];
        bits->yes |= (uint64_t)(verdict >> 7) << i;
        bits->unknown |= (uint64_t)(verdict >> 6 & 1) << i;
        bits->dropped |= (uint64_t)(verdict >> 5 & 1) << i;
    }
}

#endif
