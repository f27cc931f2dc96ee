/* The implementation of each level that this build has, made of the kernels of all floors.
 *
 * In: the kernels' functions. Out: IMPLEMENTATIONS. Only kernels/levels.pyx includes this file, so one module holds all
 * kernels.
 */
#ifndef DSTOK_LEVELS_H
#define DSTOK_LEVELS_H

#include "bpe/strips_avx2.h"
#include "bpe/piece_probe_avx2.h"
#include "cpu/implementation.h"
#include "split/grid.h"
#include "text/first_bytes.h"
#include "text/utf8.h"

#define VECTOR_CODE "text/first_bytes_vector.h"
#include "cpu/vectors.h"

/* A copy of the kernel for a set of rules (split/kernel.h), whose fields are constants in it; the copy ANY reads the fields
 * of a row as it runs, and is a fifth slower. `alone`: blocks of ASCII have a loop of their own. `ahead`: of the other
 * blocks, too, the masks are made before the rules of the block before. */
#define RULES_ANY t->rules
#define GRID_COPY(set, copy, fields, level, target, alone, ahead, write) \
    target __attribute__((noinline)) \
    static int grid_last_##set##_##level(const KernelTables *t, const uint8_t *p, int size, GridState *s, GridStarts *found) { \
        return grid_last_by(t, RULES_##set, narrow_##level, wide_##level, p, size, s, found); \
    } \
    target static int grid_only_##set##_##level(const KernelTables *t, const uint8_t *p, int size, uint64_t *ends) { \
        return grid_only_by(t, RULES_##set, narrow_##level, wide_##level, grid_last_##set##_##level, p, size, ends); \
    } \
    target __attribute__((noinline)) \
    static int grid_plain_##set##_##level(const KernelTables *t, const uint8_t *p, uint32_t stop, int final, int full, \
                                          GridState *s, GridEnd *end) { \
        return grid_plain_by(t, RULES_##set, ahead, narrow_##level, write, p, stop, final, full, s, end); \
    } \
    target static void grid_run_##set##_##level(const KernelTables *t, const uint8_t *p, uint32_t stop, int final, int full, \
                                                GridRun *run) { \
        grid_run_by(t, RULES_##set, ahead, narrow_##level, wide_##level, write, alone ? grid_plain_##set##_##level : NULL, \
                    grid_last_##set##_##level, p, stop, final, full, run); \
    }
#define NO_COPY(...)
#define KERNEL(set, copy, fields, level) [RULES_##set] = {grid_run_##copy##_##level, grid_only_##copy##_##level},
#define KERNEL_ANY(set, copy, fields, level) KERNEL(set, ANY, fields, level)
#define skip_block_avx512 skip_block_avx2 /* AVX-512 would not make it faster */
/* `COPY` makes the copies of the rows that have one, `OF` names the functions of a row. */
#define GRID_LEVEL(level, target, alone, ahead, write, COPY, OF) \
    RULE_ROWS(COPY, NO_COPY, level, target, alone, ahead, write) \
    COPY(SOFT, SOFT, (), level, target, alone, ahead, write) \
    target static int matrix_only_##level(const KernelTables *t, const uint8_t *p, int size, uint64_t *ends) { \
        return matrix_only_by(t, matrix_##level, p, size, ends); \
    } \
    target static void matrix_run_##level(const KernelTables *t, const uint8_t *p, uint32_t stop, int final, int full, \
                                          GridRun *run) { \
        matrix_run_by(t, matrix_##level, write, p, stop, final, full, run); \
    } \
    target static int shuffle_only_##level(const KernelTables *t, const uint8_t *p, int size, uint64_t *ends) { \
        return t->shuffles->shift == 4 ? shuffle_only_by(t, 4, shuffle_##level, p, size, ends) \
                                       : shuffle_only_by(t, 5, shuffle_##level, p, size, ends); \
    } \
    target static void shuffle_run_##level(const KernelTables *t, const uint8_t *p, uint32_t stop, int final, int full, \
                                           GridRun *run) { \
        if (t->shuffles->shift == 4) \
            shuffle_run_by(t, 4, shuffle_##level, skip_block_##level, write, p, stop, final, full, run); \
        else \
            shuffle_run_by(t, 5, shuffle_##level, skip_block_##level, write, p, stop, final, full, run); \
    } \
    static const GridFunctions GRID_##level[RULES_COUNT] = { \
        RULE_ROWS(OF, OF, level) OF(SOFT, SOFT, (), level) [RULES_MATRIX] = {matrix_run_##level, matrix_only_##level}, \
        [RULES_SHUFFLES] = {shuffle_run_##level, shuffle_only_##level}};

#ifdef DSTOK_X86 /* few processors have no AVX2: for them, one copy for all rows keeps the module small */
GRID_COPY(ANY, ANY, (), 16, , 0, 0, grid_write)
GRID_LEVEL(16, , 0, 0, grid_write, NO_COPY, KERNEL_ANY)
GRID_LEVEL(avx2, SIMD_AVX2, 1, 0, grid_write_avx2, GRID_COPY, KERNEL)
GRID_LEVEL(avx512, SIMD_AVX512, 1, 1, grid_write_avx512, GRID_COPY, KERNEL)
#else
GRID_LEVEL(16, , 0, 0, grid_write, GRID_COPY, KERNEL)
#endif

/* The instructions that the compiler may use by default: on aarch64 NEON. */
#if SIMD_NEON
#define DEFAULT_NAME "neon"
#define DEFAULT_UTF8 .transcode = utf8_transcode_16, .valid = utf8_valid_16
#else
#define DEFAULT_NAME "portable"
#define DEFAULT_UTF8 .transcode = NULL, .valid = NULL
#endif
#define DEFAULT_STAGES .probe = probe_portable, .few = few_portable, .emit = emit_portable, DEFAULT_UTF8, \
    .first_of = first_of_16, .first_in = first_in_16, .skip = skip_run_16, .pair_ranks = pair_ranks_portable
/* The stages that AVX-512 would not make faster. */
#define AVX2_STAGES .few = few_avx2, .emit = emit_avx2, .first_of = first_of_avx2, .first_in = first_in_avx2, \
    .skip = skip_run_avx2, .valid = utf8_valid_avx2, \
    .pair_ranks = pair_ranks_avx2, .merge_strips = merge_strips_avx2

static const GridFunctions GRID_NONE[RULES_COUNT];

/* From the slowest to the fastest. "automaton" has no mask kernel. */
static const Implementation IMPLEMENTATIONS[] = {
    {.name = "automaton", .grid = GRID_NONE, DEFAULT_STAGES},
    {.name = DEFAULT_NAME, .grid = GRID_16, DEFAULT_STAGES},
#ifdef DSTOK_X86
    {.name = "avx2", .vectors = VECTORS_AVX2, .grid = GRID_avx2, .probe = probe_avx2, .transcode = utf8_transcode_avx2, AVX2_STAGES},
    {.name = "avx512", .vectors = VECTORS_AVX2 | VECTORS_AVX512, .copy = copy_avx512, .grid = GRID_avx512, .probe = probe_avx512, .transcode = utf8_transcode_avx512, .widen = utf8_widen_avx512,
     AVX2_STAGES},
#endif
};
enum { IMPLEMENTATION_COUNT = sizeof(IMPLEMENTATIONS) / sizeof(*IMPLEMENTATIONS) };

/* Fills the tables of the probe. Returns whether all levels that the processor can run look for entries in the right
 * lines: their hash functions must agree. */
static inline int probes_open(int vectors) {
#ifdef DSTOK_X86
    static uint64_t lines[8 << 4];
    const PieceTable t = {.key8 = lines, .key24 = lines, .key8_shift = 60, .key24_shift = 60};
    ProbeSample sample;
    probe_sample(&sample);
    bit_places_open();
    return (!(vectors & VECTORS_AVX2) || batch_agrees_avx2(&t, &sample)) &&
           (!(vectors & VECTORS_AVX512) || batch_agrees_avx512(&t, &sample));
#else
    (void)vectors;
    return 1;
#endif
}

#endif
