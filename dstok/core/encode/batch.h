/* Numbers and flags that the threads of a batch share without a lock: who takes which part, which parts are done, where
 * an error is.
 *
 * In: words that all threads of a batch see. Out: the next part, or the words that another thread has written.
 * Invariant: a thread that sees a number of another thread also sees all that the other wrote before it.
 * On x86 each of these instructions keeps that order; on ARM only those that acquire and release.
 *
 * Example: an exception ends the calling thread's work while another thread begins. That thread notes its beginning,
 * and then takes a part. The calling thread stops the counter, and then waits for all threads that have begun. Either
 * the other thread counts first: then the calling thread sees its note, and waits for it. Or the stop comes first: then
 * the other thread gets no part. */
#ifndef DSTOK_BATCH_H
#define DSTOK_BATCH_H

#include <stddef.h>

/* The next number, which no other thread gets. */
static inline ptrdiff_t batch_next(ptrdiff_t *counter) { return __atomic_fetch_add(counter, 1, __ATOMIC_ACQ_REL); }

/* Leaves no number below `size`. */
static inline void batch_stop(ptrdiff_t *counter, ptrdiff_t size) { __atomic_fetch_add(counter, size, __ATOMIC_ACQ_REL); }

/* Marks a part as done: a thread that sees the flag sees the part's ids. */
static inline void batch_publish(int *flag) { __atomic_store_n(flag, 1, __ATOMIC_RELEASE); }
static inline int batch_published(int *flag) { return __atomic_load_n(flag, __ATOMIC_ACQUIRE); }

/* The first text with an error, as far as is known: a hint while threads work, which needs no order. It is final after
 * the calling thread has all locks. */
static inline ptrdiff_t batch_least(ptrdiff_t *least) { return __atomic_load_n(least, __ATOMIC_RELAXED); }
static inline void batch_lower(ptrdiff_t *least, ptrdiff_t value) {
    ptrdiff_t now = __atomic_load_n(least, __ATOMIC_RELAXED);
    while (value < now && !__atomic_compare_exchange_n(least, &now, value, 0, __ATOMIC_RELAXED, __ATOMIC_RELAXED))
        ;
}

#endif
