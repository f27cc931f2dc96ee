/* The way into a method that gets a text and no keywords.
 *
 * In: a method of a Cython class, and a function for self and the text. Out: the method, which takes that function if it
 * can. Invariant: both give the same results; Cython's own code still reads keywords, and refuses wrong arguments.
 * It counts references to the default of each keyword: 100 of the 1,100 instructions that a line of 20 bytes takes. */
#ifndef DSTOK_ENTRY_H
#define DSTOK_ENTRY_H

#include <Python.h>

typedef PyObject *(*EntryAlone)(PyObject *self, PyObject *text);
typedef PyObject *(*EntryFull)(PyObject *self, PyObject *const *values, Py_ssize_t count, PyObject *names);

enum { ENTRIES = 2 };
static EntryFull entry_full[ENTRIES];
static EntryAlone entry_alone[ENTRIES];

/* A text is read soon: its first bytes are fetched with its header, not after it. */
static inline PyObject *entry(int i, PyObject *self, PyObject *const *values, Py_ssize_t count, PyObject *names) {
    if (__builtin_expect(count != 1 || names != NULL, 0))
        return entry_full[i](self, values, count, names);
    __builtin_prefetch((const char *)values[0] + 64);
    __builtin_prefetch((const char *)values[0] + 128);
    return entry_alone[i](self, values[0]);
}
static PyObject *entry_0(PyObject *s, PyObject *const *v, Py_ssize_t c, PyObject *n) { return entry(0, s, v, c, n); }
static PyObject *entry_1(PyObject *s, PyObject *const *v, Py_ssize_t c, PyObject *n) { return entry(1, s, v, c, n); }

/* Makes a method of a class take `alone`, if Cython has made it of the expected kind. */
static int entry_open(int i, PyObject *type, const char *name, EntryAlone alone) {
    PyObject *method = PyObject_GetAttrString(type, name);
    if (method == NULL)
        return -1;
    PyMethodDef *def = Py_IS_TYPE(method, &PyMethodDescr_Type) ? ((PyMethodDescrObject *)method)->d_method : NULL;
    if (def != NULL && def->ml_flags == (METH_FASTCALL | METH_KEYWORDS)) {
        memcpy(entry_full + i, &def->ml_meth, sizeof(*entry_full));
        entry_alone[i] = alone;
        EntryFull made = i ? entry_1 : entry_0;
        memcpy(&def->ml_meth, &made, sizeof(made));
    }
    Py_DECREF(method);
    return 0;
}

#endif
