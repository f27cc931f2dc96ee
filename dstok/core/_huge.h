/* Large memory on pages of 2 MB where the system has them (Linux): a first pass over fresh 4 KB pages costs a fault
 * each, about 0.65 ms/MB; and look-ups all over a table miss the TLB. */
#ifndef DSTOK_HUGE_H
#define DSTOK_HUGE_H

#include <stdlib.h>
#if defined(__linux__)
#include <sys/mman.h>
#endif

#define HUGE_PAGE ((size_t)1 << 21)

/* To be freed with `free`. */
static inline void *huge_alloc(size_t size) {
#if defined(__linux__) && defined(MADV_HUGEPAGE)
    void *memory = NULL;
    if (size < HUGE_PAGE)
        return malloc(size);
    if (posix_memalign(&memory, HUGE_PAGE, size))
        return NULL;
    madvise(memory, size / HUGE_PAGE * HUGE_PAGE, MADV_HUGEPAGE);
    return memory;
#else
    return malloc(size);
#endif
}

/* Zeros, at a multiple of 64 bytes; to be freed with `huge_free`. The pages come zeroed from the system, so nothing
 * is written that is not needed. */
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
