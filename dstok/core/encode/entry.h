/* The way into a method that gets a text and no keywords.
 *
 * In: a method of a Cython class, and a function for self and the text. Out: the method, which takes that function if it
 * can. Invariant: both give the same results; Cython's own code still reads keywords, and refuses wrong arguments.
 * It counts references to the default of each keyword: 100 of the 1,100 instructions that a line of 20 bytes takes. */
#ifndef DSTOK_ENTRY_H
#define DSTOK_ENTRY_H

#include <Python.h>

typedef PyObject *(*EntryFull)(PyObject *self, PyObject *const *values, Py_ssize_t count, PyObject *names);
static struct {
    EntryFull full;
    PyObject *(*alone)(PyObject *self, PyObject *text);
} entries[2];

/* The text is read soon: its first bytes are fetched with its header, not after it. Texts that were made one after the other
 * often lie in a row, so the bytes after a short text are those of texts that come soon. */
static inline PyObject *entry(int i, PyObject *self, PyObject *const *values, Py_ssize_t count, PyObject *names) {
    if (__builtin_expect(count != 1 || names != NULL, 0))
        return entries[i].full(self, values, count, names);
    for (int at = 64; at <= 512; at += 64)
        __builtin_prefetch((const char *)values[0] + at);
    return entries[i].alone(self, values[0]);
}
static PyObject *entry_0(PyObject *s, PyObject *const *v, Py_ssize_t c, PyObject *n) { return entry(0, s, v, c, n); }
static PyObject *entry_1(PyObject *s, PyObject *const *v, Py_ssize_t c, PyObject *n) { return entry(1, s, v, c, n); }

/* Makes a method of a class take `alone`, if Cython has made it of the expected kind. Cython gives a PyTypeObject. */
static int entry_open(int i, void *type, const char *name, PyObject *(*alone)(PyObject *self, PyObject *text)) {
    PyObject *method = PyObject_GetAttrString((PyObject *)type, name);
    if (method == NULL)
        return -1;
    PyMethodDef *def = Py_IS_TYPE(method, &PyMethodDescr_Type) ? ((PyMethodDescrObject *)method)->d_method : NULL;
    if (def != NULL && def->ml_flags == (METH_FASTCALL | METH_KEYWORDS) && entries[i].full == NULL) {
        entries[i].full = (EntryFull)(void (*)(void))def->ml_meth;
        entries[i].alone = alone;
        def->ml_meth = (PyCFunction)(void (*)(void))(i ? entry_1 : entry_0);
    }
    Py_DECREF(method);
    return 0;
}

#endif
