"""Pieces as objects, one for each that the scanner finds.

In: valid UTF-8; for each tag of the scanner the step and the alternative that it stands for, or None for dropped text;
the class of the objects. Out: objects of this class, added to a list.
Invariant: they are those that the class itself would make. It is a NamedTuple of `FIELDS` fields. Its call in Python
would take most of the time, so the tuple is made here.
"""

from cpython.object cimport PyObject, PyTypeObject
from cpython.ref cimport Py_INCREF
from cpython.tuple cimport PyTuple_SET_ITEM
from cpython.unicode cimport PyUnicode_DecodeUTF8
from libc.stdint cimport uint8_t, uint32_t
from libc.string cimport memset

from dstok.core.split._scan cimport Memo, Scanner, begin_memo, drop, scan_piece

cdef extern from "Python.h":
    void PyObject_GC_UnTrack(PyObject *object)
    object allocate "PyType_GenericAlloc"(PyTypeObject *cls, Py_ssize_t items)

cdef enum:
    FIELDS = 8               # text, start, end, char_start, char_end, step, alternative, token_id


def add_pieces(
    list pieces not None, type cls not None, Scanner scanner not None, list reasons not None, bytes text not None,
    Py_ssize_t at, Py_ssize_t stop, Py_ssize_t chars
):
    """Adds the pieces of `text[at:stop]`, which begins at character `chars`; returns the character at its end."""
    cdef const uint8_t *data = text
    cdef Py_ssize_t end
    cdef tuple reason
    cdef uint32_t tag = 0
    cdef bint wide = False
    cdef Memo memo
    if not (issubclass(cls, tuple) and len(cls._fields) == FIELDS):
        raise TypeError(f"expected a NamedTuple of {FIELDS} fields, found {cls.__name__}")
    if not 0 <= at <= stop <= len(text):
        raise ValueError(f"expected a part of {len(text)} bytes, found {at}:{stop}")
    memset(&memo, 0, sizeof(memo))
    begin_memo(&memo, &scanner.tables, at, stop)
    start_object, first_object = at, chars  # one object for an end and for the start after it
    try:
        while at < stop:
            end = scan_piece(&scanner.tables, data, at, stop, True, &tag, &wide, &memo)
            shown = PyUnicode_DecodeUTF8(<const char *>data + at, end - at, NULL)
            chars += len(<str>shown)
            end_object = end
            last_object = end_object if chars == end else chars
            reason = <tuple>reasons[tag - 1]
            if reason is not None:
                piece = allocate(<PyTypeObject *>cls, FIELDS)
                PyObject_GC_UnTrack(<PyObject *>piece)  # it is in no cycle, and many of them would start collections
                put(piece, 0, shown)
                put(piece, 1, start_object)
                put(piece, 2, end_object)
                put(piece, 3, first_object)
                put(piece, 4, last_object)
                put(piece, 5, reason[0])
                put(piece, 6, reason[1])
                put(piece, 7, None)
                pieces.append(piece)
            at, start_object, first_object = end, end_object, last_object
    finally:
        drop(&memo)
    return chars


cdef inline int put(object piece, Py_ssize_t field, object value) except -1:
    """Sets a field of a new tuple, which takes a reference."""
    Py_INCREF(value)
    PyTuple_SET_ITEM(piece, field, value)
    return 0
