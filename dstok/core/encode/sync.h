/* Slots: words that one thread holds at a time; and objects that are made on first use. No thread waits for another.
 *
 * In: a word that is 0 at first, or a place that is NULL. Out: whether the calling thread holds it now; the object that stays.
 * Invariant: of the threads of a process at most one holds a slot, with the GIL or without it. All threads see one late
 * object; the thread that was slower drops its own.
 *
 * A slot that is held contains the number of the process: how many forks led to it, plus one. A forked child has
 * another number, so it sees that a slot of a thread of the parent is lost: the child does not have that thread. The
 * child takes the slot, and throws away the data that it guards, since no thread will finish the change to it.
 * Example: in a parent of number 1 a thread holds a slot, which is 1. Its child has the number 2, finds 1, and takes
 * it. */
#ifndef DSTOK_SYNC_H
#define DSTOK_SYNC_H

#include <Python.h>

#include "cpu/platform.h"

enum { SLOT_BUSY, SLOT_FREE, SLOT_LOST };

static int slot_process = 1; /* changes in a child while it still has one thread */

static void slot_forked(void) { slot_process++; }

/* Call it once, before any slot is taken; not 0 if memory is out. */
static int slot_watch_forks(void) { return platform_watch_forks(slot_forked); }

/* BUSY: another thread holds it. Else the calling thread holds it now: it was FREE, or LOST by a thread that ended.
 * Threads take and give slots with the GIL, if there is one. Then none comes between, and neither instruction has to
 * lock memory, which would take a fifth of the time of a short line. */
static inline int slot_take(int *slot) {
    int held = __atomic_load_n(slot, __ATOMIC_RELAXED);
    if (held == slot_process)
        return SLOT_BUSY;
#ifdef Py_GIL_DISABLED
    if (!__atomic_compare_exchange_n(slot, &held, slot_process, 0, __ATOMIC_ACQUIRE, __ATOMIC_RELAXED))
        return SLOT_BUSY;
#else
    __atomic_store_n(slot, slot_process, __ATOMIC_RELAXED);
#endif
    return held ? SLOT_LOST : SLOT_FREE;
}

/* `process`: the `slot_process` at the time of taking. If the thread itself has forked since then, and another one has
 * taken the slot for lost, that one keeps it. */
static inline void slot_give(int *slot, int process) {
#ifdef Py_GIL_DISABLED
    __atomic_compare_exchange_n(slot, &process, 0, 0, __ATOMIC_RELEASE, __ATOMIC_RELAXED);
#else
    if (__atomic_load_n(slot, __ATOMIC_RELAXED) == process)
        __atomic_store_n(slot, 0, __ATOMIC_RELAXED);
#endif
}

/* Whether a slot is held, or lost. */
static inline int slot_held(int *slot) { return __atomic_load_n(slot, __ATOMIC_RELAXED) != 0; }

/* The object that is there, borrowed, or NULL. */
static inline PyObject *late_object(PyObject **place) { return __atomic_load_n(place, __ATOMIC_ACQUIRE); }

/* Puts `made` there, taking over its reference, if no other thread was faster. Returns the object there, borrowed. */
static inline PyObject *late_put(PyObject **place, PyObject *made) {
    PyObject *there = NULL;
    if (__atomic_compare_exchange_n(place, &there, made, 0, __ATOMIC_ACQ_REL, __ATOMIC_ACQUIRE))
        return made;
    Py_DECREF(made);
    return there;
}

#endif
