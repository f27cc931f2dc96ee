/* A tuple for a piece, whose fields are not set: of a type of tuples, and the number of its fields.
 *
 * Invariant: the garbage collector does not track it. A piece is in no cycle, and many tracked tuples would start
 * collections. */
#ifndef DSTOK_PIECE_LIST_H
#define DSTOK_PIECE_LIST_H

#include <Python.h>

static PyObject *untracked_tuple(PyTypeObject *cls, Py_ssize_t fields) {
    PyObject *tuple = (PyObject *)PyObject_GC_NewVar(PyTupleObject, cls, fields);
#if PY_VERSION_HEX >= 0x030E0000
    if (tuple)
        ((PyTupleObject *)tuple)->ob_hash = -1; /* a tuple remembers its hash from Python 3.14 on; -1: it has none yet */
#endif
    return tuple;
}

#endif
