/* Objects that are made late, by the thread that needs them first, and then stay.
 *
 * In: a place that is NULL at first, and the object that a thread has made for it. Out: the object that stays.
 * Invariant: all threads see one object, with the GIL or without it; the thread that was slower drops its own. */
#ifndef DSTOK_LATE_H
#define DSTOK_LATE_H

#include <Python.h>

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
