/* What the threads of a batch tell each other without a lock: who takes which part, which parts are done, where an error is.
 *
 * In: words that all threads of a batch see. Out: the next part, or what another thread has written.
 * Invariant: a thread that sees a number another one has left there also sees all that the other wrote before.
 * On x86 each of these instructions keeps that order; on ARM only those that acquire and release.
 *
 * Example: an exception ends the calling thread's work. A thread that begins just then notes that it has begun, and then
 * takes a part. The calling thread stops the counter, and then waits for all that have begun. Either the other's step of the
 * counter comes first: then its note is seen, and it is waited for. Or the stop comes first: then it takes no part. */
#ifndef DSTOK_BATCH_H
#define DSTOK_BATCH_H

#include <stddef.h>

/* The next number, which no other thread gets. */
static inline ptrdiff_t batch_next(ptrdiff_t *counter) { return __atomic_fetch_add(counter, 1, __ATOMIC_ACQ_REL); }

/* No number below `size` is left. */
static inline void batch_stop(ptrdiff_t *counter, ptrdiff_t size) { __atomic_fetch_add(counter, size, __ATOMIC_ACQ_REL); }

/* A part is done: who sees the flag sees its ids. */
static inline void batch_publish(int *flag) { __atomic_store_n(flag, 1, __ATOMIC_RELEASE); }
static inline int batch_published(int *flag) { return __atomic_load_n(flag, __ATOMIC_ACQUIRE); }

/* The first text with an error, as far as is known: a hint while threads work, which needs no order. After the locks of the
 * threads it is final. */
static inline ptrdiff_t batch_least(ptrdiff_t *least) { return __atomic_load_n(least, __ATOMIC_RELAXED); }
static inline void batch_lower(ptrdiff_t *least, ptrdiff_t value) {
    ptrdiff_t now = __atomic_load_n(least, __ATOMIC_RELAXED);
    while (value < now && !__atomic_compare_exchange_n(least, &now, value, 0, __ATOMIC_RELAXED, __ATOMIC_RELAXED))
        ;
}

#endif
