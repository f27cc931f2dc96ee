/* The mask kernel: the starts of pieces, found block by block, with a state carried from each block to the next.
 *
 * In: text, and the state carried from the block before. Out: the starts of pieces, appended as 32-bit offsets.
 * A block is 64 bytes. It begins where the last one ended, not where a piece begins: only a few bits of state cross the
 * border, so the processor works on several blocks at once. It decides up to 63 bytes, in whole characters, and sees the
 * first class after them. In a text of 130 letters "a" the blocks decide bytes 0 to 62, 63 to 125 and 126 to 129.
 * The kernel gives up (returns 0) at a place that its rules do not settle, and where blanks after a newline go on for
 * too long. The caller then goes back to the last anchor, and takes the automaton.
 * Masks: masks.h; rules: rules_words.h (DeepSeek's V3, Qwen, Llama 3, tiktoken), rules_runs.h (DeepSeek's LLM, Coder, V2). Models that merge characters have a kernel without rules, matrix.h, in the same blocks.
 */
#ifndef DSTOK_GRID_H
#define DSTOK_GRID_H

#include "cpu/implementation.h"
#include "split/masks_avx512.h"
#include "split/rules_runs.h"
#include "split/rules_words.h"
#include "split/shuffles.h"

#define VECTOR_CODE "split/masks_vector.h"
#include "cpu/vectors.h"
#define VECTOR_CODE "split/skip.h"
#include "cpu/vectors.h"
#include "split/shuffles_avx512.h"

/* Writes the starts of a block, `base` added: bits 0 and 3 with base 126 give 126 and 129. `out` has room for 64. */
typedef void (*GridWrite)(uint64_t bits, uint32_t base, uint32_t *out);

/* Writes eight at a time, without a branch for each; entries after the last start do not count. */
GRID_INLINE void grid_write(uint64_t bits, uint32_t base, uint32_t *out) {
    for (uint32_t *end = out + __builtin_popcountll(bits); out < end; out += 8)
        for (int i = 0; i < 8; i++) {
            out[i] = base + (uint32_t)__builtin_ctzll(bits | 1ull << 63);
            bits &= bits - 1;
        }
}

#ifdef DSTOK_X86
/* Looks the places of eight bits up at once. The loop above takes one round or two for a block, which the processor
 * mispredicts; for a short text it takes fewer steps. */
SIMD_AVX2 GRID_INLINE void grid_write_avx2(uint64_t bits, uint32_t base, uint32_t *out) {
    int size = 8;
    __asm__("" : "+r"(size)); /* else the compiler makes eight constants anew for each block */
    __m256i at = _mm256_set1_epi32((int)base), next = _mm256_set1_epi32(size);
    for (int i = 0; i < 64; i += 8) {
        uint64_t byte = bits >> i & 0xFF;
        __m256i places = _mm256_cvtepu8_epi32(_mm_loadl_epi64((const __m128i *)(BIT_PLACES + byte)));
        _mm256_storeu_si256((__m256i *)out, _mm256_add_epi32(places, at));
        at = _mm256_add_epi32(at, next);
        out += __builtin_popcountll(byte);
    }
}

SIMD_AVX512 GRID_INLINE void grid_write_avx512(uint64_t bits, uint32_t base, uint32_t *out) {
    __m512i offsets = _mm512_maskz_compress_epi8(bits, _mm512_loadu_si512(GRID_PLACES)), bases = _mm512_set1_epi32((int)base);
#define OFFSETS(q) _mm512_add_epi32(bases, _mm512_cvtepu8_epi32(_mm512_extracti32x4_epi32(offsets, q)))
    _mm512_storeu_si512(out, OFFSETS(0));
    _mm512_storeu_si512(out + 16, OFFSETS(1));
    if (__builtin_expect(__builtin_popcountll(bits) > 32, 0)) {
        _mm512_storeu_si512(out + 32, OFFSETS(2));
        _mm512_storeu_si512(out + 48, OFFSETS(3));
    }
#undef OFFSETS
}
#endif

/* The starts that a run has found: `starts` has `pieces` + 1 of them, as offsets. `anchor` is the number of the last
 * start from which the automaton may go on. The states are zeros at first. */
struct GridRun {
    GridState state;
    ShuffleState shuffle;
    int64_t from; /* the block of shuffles with the last anchor, and the state from the left before it */
    uint8_t left;
    uint32_t *starts, *ends; /* the ends of pieces where some are dropped; else NULL */
    int pieces, anchor;
    uint32_t at; /* how far the text is decided */
    const uint64_t *more; /* more starts, for RULES_SOFT: a bit for each place from `origin` on */
    uint32_t origin;
    uint16_t *asked;      /* `asks` numbers of starts: the anchors, or `all`, but for those of `more` */
    int asks;
    uint64_t all;
};

/* From class masks to starts, by a set of rules. Returns the bytes decided, or 0. */
GRID_INLINE int grid_block(int rules, GridText x, GridMasks *m, GridState *s, GridStarts *found) {
    if (rules == RULES_SOFT)
        return soft_block(m, s, found);
    return rules_of_runs(rules) ? runs_block(rules, &x, m, s, found) : words_block(rules, &x, m, s, found);
}

/* Decides the last block, of fewer than 64 bytes, or one of 64 in a text that ends after `size`. It is not inlined. */
typedef int (*GridLast)(const KernelTables *t, const uint8_t *p, int size, GridState *s, GridStarts *found);
/* The masks of ASCII, and those of the other characters. */
typedef void (*GridNarrow)(const KernelTables *t, int rules, const uint8_t *p, uint64_t text, GridMasks *m);
typedef void (*GridWide)(const KernelTables *t, int rules, const uint8_t *p, uint64_t text, uint32_t before, GridMasks *m);

GRID_INLINE int grid_last_by(const KernelTables *t, int rules, GridNarrow narrow, GridWide wide, const uint8_t *p,
                             int size, GridState *s, GridStarts *found) {
    uint64_t text = size < 64 ? (1ull << size) - 1 : ~0ull;
    GridMasks m;
    narrow(t, rules, p, text, &m);
    if (m.wide)
        wide(t, rules, p, text, s->before, &m);
    return grid_block(rules, (GridText){p, p + size, 1, text, size >= 64, kernel_own(t, rules)}, &m, s, found);
}

/* Finds where the pieces of a whole text end: of "Hi  all" bits 2, 3 and 7 of ends[0] are set. Returns the bytes of the
 * first block. A text of 64 bytes and more may have two: then ends[1] has the bits of the second. Returns 0 if the rules
 * do not settle the text in two blocks. The state is zeros before the text, and nobody needs it after one block: the compiler
 * drops what makes it. */
GRID_INLINE int grid_only_by(const KernelTables *t, int rules, GridNarrow narrow, GridWide wide, GridLast last,
                             const uint8_t *p, int size, uint64_t *ends) {
    GridState s = {0};
    GridStarts found = {0};
    if (size < 64) {
        if (__builtin_expect(grid_last_by(t, rules, narrow, wide, p, size, &s, &found) < size, 0))
            return 0;
        ends[0] = (found.starts & ~1ull) | 1ull << size;
        return size;
    }
    int whole = last(t, p, size, &s, &found), left = size - whole;
    if (!whole || left >= 64)
        return 0;
    ends[0] = found.starts & ~1ull;
    if (__builtin_expect(last(t, p + whole, left, &s, &found) < left, 0))
        return 0;
    ends[1] = found.starts | 1ull << left;
    return whole;
}

/* The starts found so far, and how far the text is decided. `fresh` has no bit for a start that is there already. */
typedef struct {
    uint32_t *starts, here;
    int count, anchor;
    uint64_t fresh;
    GridRun *run;
} GridEnd;

/* Appends the starts of a block that has decided `size` bytes. */
GRID_INLINE void grid_append(int rules, GridWrite write, GridStarts found, int size, GridEnd *end) {
    if (rules == RULES_SOFT) {
        GridRun *run = end->run;
        uint32_t at = end->here - run->origin;
        const uint64_t *more = run->more + (at >> 6);
        uint64_t there = (more[0] >> (at & 63) | more[1] << 1 << (~at & 63)) & ~(~0ull << size);
        found.starts = (found.starts | there) & end->fresh;
        for (uint64_t left = (found.anchors | run->all) & found.starts & ~there; left; left &= left - 1)
            run->asked[run->asks++] = (uint16_t)(end->count + __builtin_popcountll(found.starts & (left ^ (left - 1))));
    }
    found.starts &= end->fresh;
    end->fresh = ~0ull;
    write(found.starts, end->here, end->starts + end->count + 1);
    if (ROWS[rules].cased || rules == RULES_SHUFFLES) {
        found.anchors &= found.starts;
        if (found.anchors)
            end->anchor = end->count + __builtin_popcountll(found.starts & (~0ull >> __builtin_clzll(found.anchors)));
    }
    end->count += __builtin_popcountll(found.starts);
    end->here += (uint32_t)size;
}

GRID_INLINE GridEnd grid_enter(GridRun *run) {
    return (GridEnd){run->starts, run->at, run->pieces, run->anchor, ~0ull << (run->at == run->starts[run->pieces]), run};
}

/* Adds the last piece where the text ends. */
GRID_INLINE void grid_leave(int rules, uint32_t stop, int final, GridEnd end, GridRun *run) {
    if (final && end.here == stop && end.starts[end.count] < stop) {
        end.starts[++end.count] = stop;
        end.anchor = end.count;
    }
    run->at = end.here;
    run->pieces = end.count;
    run->anchor = ROWS[rules].cased || rules == RULES_SHUFFLES ? end.anchor : end.count;
}

/* Decides blocks of ASCII from `end->here` on, until one is not or is not decided whole; returns 0 where the rules give up.
 * It is not inlined: with one loop for all blocks, the compiler would have too few registers for either kind. */
typedef int (*GridPlain)(const KernelTables *t, const uint8_t *p, uint32_t stop, int final, int full, GridState *s,
                         GridEnd *end);

/* This copy of the rules has the masks of other characters as constants. `ahead`: the masks of the next block are made before
 * the rules of this one. Both are long chains of dependent instructions, and the processor sees only so many at a time. */
GRID_INLINE int grid_plain_by(const KernelTables *t, int rules, int ahead, GridNarrow narrow, GridWrite write,
                              const uint8_t *p, uint32_t stop, int final, int full, GridState *s, GridEnd *plain) {
    GridEnd end = *plain;
    uint32_t look = final ? 64 : GRID_LOOK;
    int size, more;
    GridMasks m, next;
    narrow(t, rules, p + end.here, ~0ull, &m);
    do {
        GridText x = {p + end.here, p + stop, final, ~0ull, 1, kernel_own(t, rules)};
        GridStarts found;
        more = end.here + GRID_ASCII + look <= stop;
        if (ahead && more)
            narrow(t, rules, x.p + GRID_ASCII, ~0ull, &next);
        grid_narrow(~0ull, 0, &m);
        s->cjk = 0;
        size = grid_block(rules, x, &m, s, &found);
        if (__builtin_expect(!size, 0))
            break;
        grid_append(rules, write, found, size, &end);
        if (ahead && size == GRID_ASCII)
            m = next;
        else if (more)
            narrow(t, rules, p + end.here, ~0ull, &m);
    } while (more && !m.wide && end.count < full);
    *plain = end;
    return size;
}

/* Appends starts to `run`, as offsets from `p`, until there are `full` pieces or the text from `run->at` on is too
 * short. If `final`, the text and the last piece end at `stop`: only then may fewer than GRID_LOOK bytes follow, and
 * bytes after `stop` are read. `plain` (NULL: none) is called at the second block of ASCII in a row. `ahead`: the masks
 * of the next block are made before the rules of this one, as in `grid_plain_by`. */
GRID_INLINE void grid_run_by(const KernelTables *t, int rules, int ahead, GridNarrow narrow, GridWide wide,
                             GridWrite write, GridPlain plain, GridLast last, const uint8_t *p, uint32_t stop, int final,
                             int full, GridRun *run) {
    GridEnd end = grid_enter(run);
    uint32_t look = final ? 64 : GRID_LOOK;
    /* Whether `next` has the masks of the block; whether the block before was ASCII: `plain` makes its masks anew, which
     * does not pay for a text of two blocks. */
    int made = 0, calm = plain && stop - end.here >= 2 * 64;
    GridState *s = &run->state;
    GridMasks m, next;
    while (end.count < full && end.here < stop) {
        GridStarts found;
        int size;
        if (end.here + look <= stop) {
            GridText x = {p + end.here, p + stop, final, ~0ull, 1, kernel_own(t, rules)};
            if (ahead && made) {
                m = next;
            } else {
                narrow(t, rules, x.p, ~0ull, &m);
                if (m.wide)
                    wide(t, rules, x.p, ~0ull, s->before, &m);
            }
            if (calm && !m.wide && !s->cjk) {
                GridEnd copy = end; /* so `end` itself can stay in registers */
                size = plain(t, p, stop, final, full, s, &copy);
                end = copy;
                made = calm = 0;
                if (__builtin_expect(!size, 0))
                    break;
                continue;
            }
            calm = plain && !m.wide;
            int whole = m.size;
            made = ahead && end.here + (uint32_t)whole + look <= stop;
            if (made) {
                narrow(t, rules, x.p + whole, ~0ull, &next);
                if (next.wide)
                    wide(t, rules, x.p + whole, ~0ull, m.last, &next);
            }
            size = grid_block(rules, x, &m, s, &found);
            made &= size == whole;
        } else if (final) {
            size = last(t, p + end.here, (int)(stop - end.here), s, &found);
        } else {
            break;
        }
        if (__builtin_expect(!size, 0))
            break;
        grid_append(rules, write, found, size, &end);
    }
    grid_leave(rules, stop, final, end, run);
}

/* Returns the starts in a block, but for its first byte. `*size`: the bytes decided, unless the text ends before. */
typedef uint64_t (*MatrixBlock)(const KernelTables *t, const uint8_t *p, uint64_t text, int *size);

/* Does what `grid_run_by` does, by a matrix. It decides everything. */
GRID_INLINE void matrix_run_by(const KernelTables *t, MatrixBlock block, GridWrite write, const uint8_t *p, uint32_t stop,
                               int final, int full, GridRun *run) {
    GridEnd end = grid_enter(run);
    uint64_t begins = run->state.begins;
    while (end.count < full && end.here < stop && (final || end.here + GRID_LOOK <= stop)) {
        uint32_t left = stop - end.here;
        int size;
        uint64_t text = left < 64 ? (1ull << left) - 1 : ~0ull;
        uint64_t starts = (block(t, p + end.here, text, &size) & ~1ull) | begins;
        if (left < 64)
            size = (int)left;
        begins = starts >> size & 1;
        grid_append(RULES_MATRIX, write, (GridStarts){starts & ((1ull << size) - 1), 0}, size, &end);
    }
    run->state.begins = (uint32_t)begins;
    grid_leave(RULES_MATRIX, stop, final, end, run);
}

/* Does what `grid_only_by` does, by a matrix, in one block. */
GRID_INLINE int matrix_only_by(const KernelTables *t, MatrixBlock block, const uint8_t *p, int size, uint64_t *ends) {
    int decided;
    if (size >= 64)
        return 0;
    ends[0] = (block(t, p, (1ull << size) - 1, &decided) & ((1ull << size) - 2)) | 1ull << size;
    return size;
}

/* Finds the starts in a block; returns the bytes decided: all of them if the text ends there (`last`), or 0. */
typedef int (*ShuffleBlock)(const KernelTables *t, int shift, const uint8_t *p, uint64_t text, int last, ShuffleState *s,
                            ShuffleStarts *found);

/* Appends the pieces that end in a block where some are dropped: the start after the last kept one is that of the piece
 * in work. */
GRID_INLINE void shuffle_append(uint64_t starts, uint64_t dropped, uint32_t *ends, GridEnd *end) {
    for (; starts; starts &= starts - 1) {
        int i = __builtin_ctzll(starts);
        ends[end->count] = end->here + (uint32_t)i;
        end->count += !(dropped >> i & 1);
        end->starts[end->count] = end->here + (uint32_t)i;
    }
    end->anchor = end->count;
}

typedef uint64_t (*ShuffleSkip)(const Skip *skip, const uint8_t *text, uint64_t *wide);

/* Decides a block of ASCII of calm bytes, and of others if these are all alike; returns its bytes, or 0: it is not so. */
GRID_INLINE int shuffle_two_kinds(const Shuffles *h, ShuffleSkip skip, const uint8_t *p, ShuffleState *s, ShuffleStarts *found) {
    uint64_t wide, calm = skip(&h->skip, p, &wide), after = calm << 1 | (s->left == h->calm);
    int side = calm & 1 ? h->calm_side : h->other_side;
    if (wide || (~calm && h->other < 0))
        return 0;
    found->dropped = h->right.dropped[side >> 3][s->left] >> (side & 7) & 1;
    found->starts = (~calm & after & h->starts[0]) | (calm & ~after & h->starts[1]) | (~calm & ~after & h->starts[2]);
    found->starts = (found->starts & ~1ull) | (h->right.starts[side >> 3][s->left] >> (side & 7) & 1);
    found->anchors = found->starts;
    s->left = (uint8_t)(calm >> 63 ? h->calm : h->other);
    return 64;
}

/* Does what `grid_run_by` does, by shuffles. */
GRID_INLINE void shuffle_run_by(const KernelTables *t, int shift, ShuffleBlock block, ShuffleSkip skip, GridWrite write,
                                const uint8_t *p, uint32_t stop, int final, int full, GridRun *run) {
    GridEnd end = grid_enter(run);
    ShuffleState state = run->shuffle;
    const Shuffles *h = t->shuffles;
    int calm = h->calm >= 0; /* whether a block of calm bytes is likely */
    while (end.count < full && end.here < stop && (final || end.here + GRID_LOOK <= stop)) {
        uint32_t left = stop - end.here;
        int last = final && left <= 64;
        ShuffleStarts found;
        uint8_t before = state.left;
        int size = calm && left >= 64 ? shuffle_two_kinds(h, skip, p + end.here, &state, &found) : 0;
        calm = h->other >= 0;
        if (!size)
            size = block(t, shift, p + end.here, left < 64 ? (1ull << left) - 1 : ~0ull, last, &state, &found);
        if (__builtin_expect(!size, 0))
            break;
        uint64_t decided = size < 64 ? ~0ull >> (64 - size) : ~0ull, starts = (found.starts & decided) | state.cut;
        calm |= !starts & (h->calm >= 0);
        if (starts & found.anchors) {
            run->from = end.here;
            run->left = before;
        }
        state.cut = size < 64 && found.starts >> size & ~found.anchors >> size & 1;
        if (run->ends) {
            shuffle_append(starts & end.fresh, found.dropped, run->ends, &end);
            end.fresh = ~0ull;
            end.here += (uint32_t)size;
        } else {
            grid_append(RULES_SHUFFLES, write, (GridStarts){starts, found.anchors}, size, &end);
        }
    }
    run->shuffle = state;
    if (run->ends && final && end.here == stop && end.starts[end.count] < stop)
        shuffle_append(1, t->shuffles->right.dropped[0][state.left] & 1, run->ends, &end);
    grid_leave(RULES_SHUFFLES, stop, final, end, run);
}

/* Does what `grid_only_by` does, by shuffles, in one block. */
GRID_INLINE int shuffle_only_by(const KernelTables *t, int shift, ShuffleBlock block, const uint8_t *p, int size,
                                uint64_t *ends) {
    ShuffleState state = {0};
    ShuffleStarts found;
    if (size >= 64)
        return 0;
    block(t, shift, p, (1ull << size) - 1, 1, &state, &found);
    ends[0] = (found.starts & ((1ull << size) - 2)) | 1ull << size;
    return size;
}

#endif
