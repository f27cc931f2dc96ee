/* The differences between systems and compilers, for the core: which vectors may be used, forks, large memory.
 *
 * In: the processor, and the system (Linux, macOS, Windows; other systems work as far as they are like one of these).
 * Out: the functions below. Invariant: no other file of the core asks which system it is.
 *
 * The compilers are gcc and clang, on Windows clang-cl: the core is written in their vectors, which Microsoft's
 * compiler lacks. Numbers of the processor's features: Intel's Software Developer's Manual, volume 2, CPUID. Numbers of
 * the registers that the system saves: volume 1, chapter 13.
 */
#ifndef DSTOK_PLATFORM_H
#define DSTOK_PLATFORM_H

#if !defined(__GNUC__) && !defined(__clang__)
#error "expected gcc or clang (on Windows clang-cl): the core is written in vectors that other compilers do not have"
#endif

#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#if defined(__linux__)
#include <sys/mman.h>
#endif
#if !defined(_WIN32)
#include <pthread.h>
#endif
#if defined(__x86_64__)
#include <cpuid.h>
#endif

/* Vectors. */

enum { VECTORS_AVX2 = 1, VECTORS_AVX512 = 2 }; /* each means all instructions that SIMD_AVX2 or SIMD_AVX512 names */

#if defined(__x86_64__)

enum {
    CPUID_1_ECX = 1 << 23 | 1 << 27,                     /* POPCNT, OSXSAVE */
    CPUID_EXTENDED_ECX = 1 << 5,                         /* LZCNT */
    CPUID_7_EBX_AVX2 = 1 << 3 | 1 << 5 | 1 << 8,         /* BMI1, AVX2, BMI2 */
    CPUID_7_ECX_AVX512 = 1 << 1 | 1 << 6,                /* VBMI, VBMI2 */
    SAVED_AVX2 = 0x06,                                   /* XMM, YMM */
    SAVED_AVX512 = 0xE6,                                 /* and the masks, and the whole of ZMM */
};
#define CPUID_7_EBX_AVX512 (1u << 16 | 1u << 17 | 1u << 30 | 1u << 31) /* F, DQ, BW, VL */

/* The vectors that the processor has and the system saves, as VECTORS_ bits. Not by the compiler's own
 * __builtin_cpu_supports: that needs a library of clang's that Windows does not link. */
static inline int platform_vectors(void) {
    uint32_t a, b, c, d, saved;
    if (!__get_cpuid(1, &a, &b, &c, &d) || (c & CPUID_1_ECX) != CPUID_1_ECX)
        return 0;
    __asm__ volatile("xgetbv" : "=a"(saved), "=d"(d) : "c"(0)); /* the registers that the system saves: it has OSXSAVE */
    if (!__get_cpuid(0x80000001, &a, &b, &c, &d) || !(c & CPUID_EXTENDED_ECX) || !__get_cpuid_count(7, 0, &a, &b, &c, &d))
        return 0;
    if ((b & CPUID_7_EBX_AVX2) != CPUID_7_EBX_AVX2 || (saved & SAVED_AVX2) != SAVED_AVX2)
        return 0;
    if ((b & CPUID_7_EBX_AVX512) != CPUID_7_EBX_AVX512 || (c & CPUID_7_ECX_AVX512) != CPUID_7_ECX_AVX512 ||
        (saved & SAVED_AVX512) != SAVED_AVX512)
        return VECTORS_AVX2;
    return VECTORS_AVX2 | VECTORS_AVX512;
}

#else

static inline int platform_vectors(void) { return 0; }

#endif

/* Forks. */

/* Calls `forked` from now on in each child that a fork makes. Not 0 if memory is out. */
static inline int platform_watch_forks(void (*forked)(void)) {
#if defined(_WIN32)
    (void)forked; /* there are none */
    return 0;
#else
    return pthread_atfork(NULL, NULL, forked);
#endif
}

/* Threads. */

#if defined(_WIN32)
typedef int Thread;
static inline int thread_begin(Thread *thread, void *(*work)(void *), void *data) {
    (void)thread, (void)work, (void)data;
    return 0; /* the caller does the work */
}
static inline void thread_end(Thread thread) { (void)thread; }
#else
typedef pthread_t Thread;
/* Begins a thread that calls work(data); false if the system allows none. */
static inline int thread_begin(Thread *thread, void *(*work)(void *), void *data) {
    return !pthread_create(thread, NULL, work, data);
}
/* Waits until the thread is done. */
static inline void thread_end(Thread thread) { pthread_join(thread, NULL); }
#endif

/* Large memory, on pages of 2 MB where a program may ask the system for them (Linux): a first pass over fresh 4 KB
 * pages costs a fault each, about 0.65 ms/MB, and look-ups all over a table miss the TLB. */

#define HUGE_PAGE ((size_t)1 << 21)
#define HUGE_LEAST (HUGE_PAGE / 4) /* bytes from which on a large page costs less than the small ones */

/* A size in whole huge pages, if it is worth one, else in blocks of 64 KB. */
static inline size_t huge_rounded(size_t size) {
    size_t unit = size >= HUGE_LEAST ? HUGE_PAGE : (size_t)1 << 16;
    return (size + unit - 1) & ~(unit - 1);
}

/* Memory to be freed with `free`. */
static inline void *huge_alloc(size_t size) {
#if defined(__linux__) && defined(MADV_HUGEPAGE)
    void *memory = NULL;
    if (size < HUGE_LEAST)
        return malloc(size);
    size = huge_rounded(size);
    if (posix_memalign(&memory, HUGE_PAGE, size))
        return NULL;
    madvise(memory, size, MADV_HUGEPAGE);
    return memory;
#else
    return malloc(size);
#endif
}

/* Asks for large pages under memory that was not written yet. */
static inline void huge_advise(void *memory, size_t size) {
#if defined(__linux__) && defined(MADV_HUGEPAGE)
    size_t first = ((size_t)memory + HUGE_PAGE - 1) & ~(HUGE_PAGE - 1), end = (size_t)memory + size;
    if (first < end)
        madvise((void *)first, (end - first) & ~(HUGE_PAGE - 1), MADV_HUGEPAGE);
#else
    (void)memory, (void)size;
#endif
}

/* Does what `realloc` does, for memory with `used` bytes: glibc would copy them to small pages. */
static inline void *huge_grown(void *memory, size_t used, size_t size) {
#if defined(__linux__) && defined(MADV_HUGEPAGE)
    void *grown;
    if (size < HUGE_LEAST)
        return realloc(memory, size);
    grown = huge_alloc(size);
    if (grown) {
        memcpy(grown, memory, used);
        free(memory);
    }
    return grown;
#else
    (void)used;
    return realloc(memory, size);
#endif
}

enum {
    PAD = 72,             /* bytes after a text that may be read; they are not used */
    ARRAY_KEPT = 1 << 22, /* bytes of an array that stay allocated between two texts, at most */
};

/* Makes an array of `*room` entries as large as `wanted`, or by half larger if that is more; keeps the `used` entries.
 * False if memory is out. `array` is the place of its pointer. */
static inline int huge_grow(void *array, ptrdiff_t *room, ptrdiff_t used, ptrdiff_t wanted, size_t entry) {
    void *memory;
    if (wanted <= *room)
        return 1;
    if (wanted < *room + *room / 2)
        wanted = *room + *room / 2;
    memcpy(&memory, array, sizeof(memory));
    if (used == 0) {
        free(memory);
        *room = 0;
        memory = huge_alloc((size_t)wanted * entry + PAD);
        memcpy(array, &memory, sizeof(memory));
    } else {
        memory = huge_grown(memory, (size_t)used * entry, (size_t)wanted * entry + PAD);
    }
    if (memory == NULL)
        return 0;
    memcpy(array, &memory, sizeof(memory));
    *room = wanted;
    return 1;
}

/* Frees an array that a large text has grown. */
static inline void array_trim(void *array, ptrdiff_t *room, size_t entry) {
    void *memory;
    if ((size_t)*room * entry <= ARRAY_KEPT)
        return;
    memcpy(&memory, array, sizeof(memory));
    free(memory);
    memset(array, 0, sizeof(memory));
    *room = 0;
}

/* Zeros, at a multiple of 64 bytes, to be freed with `huge_free`. The system gives zeroed pages, so nothing is written
 * in vain. */
static inline void *huge_zeroed(size_t size) {
#if defined(__linux__) && defined(MADV_HUGEPAGE)
    char *memory = mmap(NULL, size + HUGE_PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0), *start;
    if (memory == MAP_FAILED)
        return NULL;
    start = (char *)(((size_t)memory + HUGE_PAGE - 1) & ~(HUGE_PAGE - 1));
    if (start > memory)
        munmap(memory, (size_t)(start - memory));
    munmap(start + size, HUGE_PAGE - (size_t)(start - memory));
    madvise(start, size, MADV_HUGEPAGE);
    return start;
#else
    char *memory = calloc(1, size + 64), *start;
    if (!memory)
        return NULL;
    start = (char *)(((size_t)memory + 64) & ~(size_t)63);
    start[-1] = (char)(start - memory);
    return start;
#endif
}

/* Leaves zeros that will be written here and there on small pages. */
static inline void huge_refuse(void *memory, size_t size) {
#if defined(__linux__) && defined(MADV_HUGEPAGE)
    madvise(memory, size, MADV_NOHUGEPAGE);
#else
    (void)memory, (void)size;
#endif
}

static inline void huge_free(void *start, size_t size) {
    if (!start)
        return;
#if defined(__linux__) && defined(MADV_HUGEPAGE)
    munmap(start, size);
#else
    (void)size;
    free((char *)start - ((char *)start)[-1]);
#endif
}

#endif
