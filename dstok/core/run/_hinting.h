/* A method that tells which keyword of its own stands for one that another library has.

   In: a method that Cython made, and `refuse(name, keywords)`, which raises an error for keywords that it knows. Out: the
   same method, which calls `refuse` when a call with keywords has failed with `TypeError`.
   Invariant: a call that does not fail costs one jump more. `**others` in the signature would cost a dict for each call,
   4 % of a short line, and would hide from type checkers which keywords there are. */

#ifndef DSTOK_HINTING_H
#define DSTOK_HINTING_H

#include <Python.h>

static vectorcallfunc hinting_inner;  /* how Cython's methods are called: the same function for all of one kind */
static PyObject *hinting_refuse;

static void hinting_explain(PyObject *method, PyObject *keywords) {
    PyObject *kind, *value, *trace;
    PyErr_Fetch(&kind, &value, &trace);
    PyObject *name = PyObject_GetAttrString(method, "__name__");
    PyObject *done = name == NULL ? NULL : PyObject_CallFunctionObjArgs(hinting_refuse, name, keywords, NULL);
    Py_XDECREF(name);
    if (done == NULL) {  /* the error of `refuse` stands in the place of the first one */
        Py_XDECREF(kind);
        Py_XDECREF(value);
        Py_XDECREF(trace);
        return;
    }
    Py_DECREF(done);
    PyErr_Restore(kind, value, trace);
}

static PyObject *hinting_call(PyObject *method, PyObject *const *arguments, size_t count, PyObject *keywords) {
    PyObject *found = hinting_inner(method, arguments, count, keywords);
    if (found == NULL && keywords != NULL && PyErr_ExceptionMatches(PyExc_TypeError))
        hinting_explain(method, keywords);
    return found;
}

/* A method that is called in another way than the first one, or not by vectorcall, stays as it is. */
static void hint_keywords(PyObject *method, PyObject *refuse) {
    PyTypeObject *kind = Py_TYPE(method);
    if (!PyType_HasFeature(kind, Py_TPFLAGS_HAVE_VECTORCALL) || kind->tp_vectorcall_offset <= 0)
        return;
    vectorcallfunc *slot = (vectorcallfunc *)((char *)method + kind->tp_vectorcall_offset);
    if (*slot == NULL || (hinting_inner != NULL && *slot != hinting_inner))
        return;
    hinting_inner = *slot;
    Py_XINCREF(refuse);
    Py_XSETREF(hinting_refuse, refuse);
    *slot = hinting_call;
}

#endif
