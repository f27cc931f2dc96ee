/* Lists of ids, and the ints in them, which all lists of the process share.
 *
 * In: ids. Out: a list of ints.
 * Invariant: the int of an id is made once, never changes, and is never freed. So a list takes no reference to it, and
 * making a list does not read it. CPython counts no references to such an int from 3.12 on, as for 0 to 256. In older
 * versions a list that is freed gives one back: the count of each int lasts for 2^62 of them.
 *
 * The ints lie in one array, so an id tells the place of its int. With a table of pointers, each list would wait twice
 * for memory: lines take 6 to 15 % longer.
 *
 * The first of them are compared with CPython's own. If they differ, or if the build has DSTOK_PLAIN_INTS, each list gets
 * new ints. */
#ifndef DSTOK_INTS_H
#define DSTOK_INTS_H

#include <Python.h>
#include <stdint.h>
#include <string.h>

#if PY_VERSION_HEX < 0x030B0000
#include <longintrepr.h>
#endif

#include "cpu/implementation.h"
#include "cpu/platform.h"

#if PY_VERSION_HEX < 0x030C0000
#define INT_DIGITS(number) ((number)->ob_digit)
#else
#define INT_DIGITS(number) ((number)->long_value.ob_digit)
#endif

/* Ids from here on, which no known model has, get a new int in each list. An int below has one digit. */
#define INTS ((Py_ssize_t)1 << (PyLong_SHIFT < 19 ? PyLong_SHIFT : 19))

static PyLongObject *ints;
static Py_ssize_t ints_made;
#ifdef DSTOK_PLAIN_INTS
static Py_ssize_t ints_most = 0; /* ints that are made, at most */
#else
static Py_ssize_t ints_most = INTS;
#endif

/* Whether the int of an id acts as CPython's own does. */
static int ints_act(Py_ssize_t id) {
    PyObject *made = (PyObject *)(ints + id), *own = PyLong_FromSsize_t(id), *sum = own ? PyNumber_Add(made, own) : NULL;
    int same = sum && PyObject_RichCompareBool(made, own, Py_EQ) == 1 && PyObject_Hash(made) == PyObject_Hash(own) &&
               PyLong_AsSsize_t(sum) == 2 * id;
    Py_XDECREF(own);
    Py_XDECREF(sum);
    PyErr_Clear();
    return same;
}

/* Makes the ints from `ints_made` to `end`, with the bytes of those that CPython makes. */
static int ints_fill(Py_ssize_t end) {
    PyObject *zero = PyLong_FromLong(0), *other = PyLong_FromLong(1000);
    if (zero != NULL && other != NULL) {
        PyLongObject model = *(PyLongObject *)other;
        *(PyObject *)&model = *zero; /* 1000 has a count of references; 0 has none from 3.12 on */
#if PY_VERSION_HEX < 0x030C0000
        Py_SET_REFCNT((PyObject *)&model, PY_SSIZE_T_MAX / 2);
#endif
        for (Py_ssize_t id = ints_made; id < end; id++) {
            ints[id] = model;
            INT_DIGITS(ints + id)[0] = (digit)id;
        }
        if (ints_made == 0) {
            ints[0] = *(PyLongObject *)zero;
            *(PyObject *)ints = *(PyObject *)&model;
        }
        if (ints_made == 0 && !(ints_act(0) && ints_act(end - 1)))
            ints_most = end = 0;
        __atomic_store_n(&ints_made, end, __ATOMIC_RELEASE);
    }
    Py_XDECREF(zero);
    Py_XDECREF(other);
    return zero == NULL || other == NULL ? -1 : 0;
}

/* Makes all ints below `size` that have a place in the array. */
static int ints_reach(Py_ssize_t size) {
    int failed = 0;
#ifdef Py_GIL_DISABLED
    static PyMutex lock;
    PyMutex_Lock(&lock);
#endif
    if (ints == NULL && ints_most)
        ints = huge_zeroed(huge_rounded((size_t)INTS * sizeof(PyLongObject)));
    if (ints == NULL && ints_most) {
        PyErr_NoMemory();
        failed = -1;
    } else if (ints_made < size && ints_made < ints_most) {
        failed = ints_fill(size < ints_most ? size : ints_most);
    }
#ifdef Py_GIL_DISABLED
    PyMutex_Unlock(&lock);
#endif
    return failed;
}

/* Does what `ints_list` does, where ints are missing. */
static __attribute__((noinline)) PyObject *ints_new_list(const uint32_t *ids, Py_ssize_t count, Py_ssize_t size) {
    PyObject *list = ints_reach(size) ? NULL : PyList_New(count);
    for (Py_ssize_t i = 0; list != NULL && i < count; i++) {
        PyObject *item = ids[i] < ints_most ? (PyObject *)(ints + ids[i]) : PyLong_FromUnsignedLong(ids[i]);
        PyList_SET_ITEM(list, i, item);
        if (item == NULL)
            Py_CLEAR(list);
    }
    return list;
}

static inline int ints_are_made(Py_ssize_t size) { return size <= __atomic_load_n(&ints_made, __ATOMIC_ACQUIRE); }

/* The ints of all ids below `size`, or NULL where some are missing, or have another size. */
static inline const char *ints_below(Py_ssize_t size) {
    return ints_are_made(size) && sizeof(*ints) == INT_BYTES ? (const char *)ints : NULL;
}

static inline void ints_put_few(PyObject **items, const uint32_t *ids, Py_ssize_t count) {
    for (Py_ssize_t i = 0; i < count; i++) {
        items[i] = (PyObject *)(ints + ids[i]);
        __builtin_prefetch(items[i], PY_VERSION_HEX < 0x030C0000);
    }
}

/* Four at a time; the last four overlap those before. A loop for the rest would cost a mispredicted branch a list.
 * All ints are fetched, for whoever reads or frees the list. In 3.11 freeing it writes to each of them. */
static inline void ints_put(PyObject **items, const uint32_t *ids, Py_ssize_t count) {
    for (Py_ssize_t i = 0; i < count - 4; i += 4)
        ints_put_few(items + i, ids + i, 4);
    if (count < 4)
        ints_put_few(items, ids, count);
    else
        ints_put_few(items + count - 4, ids + count - 4, 4);
}

/* The list of ids below `size`. The items come first, so that their ints are fetched while the list is made; PyList_New
 * would write zeros there. Large pages for many were tried: a
 * first pass took 13 % less by the median, and up to five times as long where a host backs new large pages slowly. */
static inline PyObject *ints_list(const uint32_t *ids, Py_ssize_t count, Py_ssize_t size) {
    if (__builtin_expect(!ints_are_made(size), 0))
        return ints_new_list(ids, count, size);
#ifdef Py_GIL_DISABLED
    PyObject *list = PyList_New(count);
    if (list != NULL)
        ints_put(((PyListObject *)list)->ob_item, ids, count);
#else
    PyObject **items = count ? PyMem_New(PyObject *, count) : NULL;
    if (items == NULL && count)
        return PyErr_NoMemory();
    ints_put(items, ids, count);
    PyObject *list = PyList_New(0);
    if (list == NULL) {
        PyMem_Free(items);
        return NULL;
    }
    ((PyListObject *)list)->ob_item = items;
    ((PyListObject *)list)->allocated = count;
    Py_SET_SIZE(list, count);
#endif
    return list;
}

#endif
