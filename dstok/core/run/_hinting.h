/* A method that is called for short lines, and tells which keyword of its own stands for one that another library has.

   In: a method that Cython made, its class; `plain`, which does the same for a call with one argument and no keywords;
   `refuse(name, keywords)`, which raises an error for keywords that it knows. Out: the same method, which calls `plain`
   for such a call, and `refuse` when a call with keywords has failed with `TypeError`. An object of another class is an
   error: Cython's methods would take it for one of theirs.
   Invariant: a call with keywords that does not fail costs some jumps more. Without `plain` the defaults of all keywords
   would cost 100 instructions, a tenth of a short line. `**others` in the signature would cost a dict for each call,
   4 % of a short line, and would hide from type checkers which keywords there are. */

#ifndef DSTOK_HINTING_H
#define DSTOK_HINTING_H

#include <Python.h>

enum { HINTED = 3 };
typedef PyObject *(*PlainCall)(PyObject *self, PyObject *argument);

static struct {
    PyObject *method;
    PlainCall plain;
} hinted[HINTED];
static PyTypeObject *hinting_class;
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
    if (PyVectorcall_NARGS(count) && !PyObject_TypeCheck(arguments[0], hinting_class))
        return PyErr_Format(PyExc_TypeError, "expected self to be a %s, found %s", hinting_class->tp_name,
                            Py_TYPE(arguments[0])->tp_name);
    for (int i = 0; i < HINTED && keywords == NULL && PyVectorcall_NARGS(count) == 2; i++)
        if (method == hinted[i].method)
            return hinted[i].plain(arguments[0], arguments[1]);
    PyObject *found = hinting_inner(method, arguments, count, keywords);
    if (found == NULL && keywords != NULL && PyErr_ExceptionMatches(PyExc_TypeError))
        hinting_explain(method, keywords);
    return found;
}

/* A method that is called in another way than the first one, or not by vectorcall, stays as it is. */
static void hint_keywords(int place, PyObject *method, PyTypeObject *owner, PlainCall plain, PyObject *refuse) {
    PyTypeObject *kind = Py_TYPE(method);
    if (!PyType_HasFeature(kind, Py_TPFLAGS_HAVE_VECTORCALL) || kind->tp_vectorcall_offset <= 0)
        return;
    vectorcallfunc *slot = (vectorcallfunc *)((char *)method + kind->tp_vectorcall_offset);
    if (*slot == NULL || (hinting_inner != NULL && *slot != hinting_inner))
        return;
    hinting_inner = *slot;
    hinting_class = owner; /* it outlives its methods */
    hinted[place].method = method;
    hinted[place].plain = plain;
    Py_XINCREF(refuse);
    Py_XSETREF(hinting_refuse, refuse);
    *slot = hinting_call;
}

#endif
