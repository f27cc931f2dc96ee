"""Pieces as objects, one for each that the scanner finds.

In: valid UTF-8; for each tag of the scanner the step and the alternative that it stands for, or None for dropped text;
the class of the objects. Out: objects of this class, added to a list.
Invariant: they are those that the class itself would make. It is a NamedTuple of `FIELDS` fields. Its call in Python
would take most of the time, so the tuple is made here. Fresh memory takes a third of the rest, so short pieces with
the same text share a `str` as a rule.
"""

from cpython.object cimport PyObject, PyTypeObject
from cpython.ref cimport Py_INCREF, Py_XDECREF
from cpython.tuple cimport PyTuple_SET_ITEM
from cpython.unicode cimport PyUnicode_DecodeUTF8
from libc.stdint cimport uint8_t, uint32_t, uint64_t
from libc.stdlib cimport calloc, free
from libc.string cimport memset

from dstok.core.split._scan cimport Memo, Scanner, begin_memo, drop, scan_piece
from dstok.core.text._hash cimport hash_first, key_mix, key_of

cdef extern from "text/_hash.h":
    enum:
        MIDDLE               # bytes of a key; its last byte is the piece's length here

cdef extern from "run/_piece_list.h":
    object untracked_tuple(PyTypeObject *cls, Py_ssize_t fields)

cdef enum:
    FIELDS = 8               # text, start, end, char_start, char_end, step, alternative, token_id
    SHARED_BITS = 10
    WORTH = 1 << 12          # bytes of a text from which on pieces share their `str`

cdef struct Shared:
    uint64_t key[3]
    PyObject *text           # NULL: the place is free, and its key is that of no piece


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
    cdef Shared *known = NULL
    if not (issubclass(cls, tuple) and len(cls._fields) == FIELDS and not cls.__dictoffset__):
        raise TypeError(f"expected a NamedTuple of {FIELDS} fields, found {cls.__name__}")
    if not 0 <= at <= stop <= len(text):
        raise ValueError(f"expected a part of {len(text)} bytes, found {at}:{stop}")
    if stop - at >= WORTH:
        known = <Shared *>calloc(1 << SHARED_BITS, sizeof(Shared))
    memset(&memo, 0, sizeof(memo))
    begin_memo(&memo, &scanner.tables, at, stop)
    start_object, first_object = at, chars  # one object for an end and for the start after it
    try:
        while at < stop:
            end = scan_piece(&scanner.tables, data, at, stop, True, &tag, &wide, &memo)
            shown = text_of(known if stop - at >= MIDDLE else NULL, data + at, end - at)
            chars += len(<str>shown)
            end_object = end
            last_object = end_object if chars == end else chars
            reason = <tuple>reasons[tag - 1]
            if reason is not None:
                step, alternative = reason
                piece = untracked_tuple(<PyTypeObject *>cls, FIELDS)
                put(piece, 0, shown)
                put(piece, 1, start_object)
                put(piece, 2, end_object)
                put(piece, 3, first_object)
                put(piece, 4, last_object)
                put(piece, 5, step)
                put(piece, 6, alternative)
                put(piece, 7, None)
                pieces.append(piece)
            at, start_object, first_object = end, end_object, last_object
    finally:
        drop(&memo)
        forget(known)
    return chars


cdef str text_of(Shared *known, const uint8_t *piece, Py_ssize_t length):
    """The text of a piece: with `known`, that of an earlier piece, if there is one. Then it may read MIDDLE bytes."""
    cdef uint64_t key[3]
    cdef Shared *place
    if known == NULL or length >= MIDDLE:
        return PyUnicode_DecodeUTF8(<const char *>piece, length, NULL)
    key_of(piece, <uint32_t>length, key)
    key[2] |= <uint64_t>length << 56
    place = &known[hash_first(key_mix(key)) >> (64 - SHARED_BITS)]
    if place.key[0] == key[0] and place.key[1] == key[1] and place.key[2] == key[2]:
        return <str>place.text
    made = PyUnicode_DecodeUTF8(<const char *>piece, length, NULL)
    Py_INCREF(made)
    Py_XDECREF(place.text)
    place.key[0], place.key[1], place.key[2], place.text = key[0], key[1], key[2], <PyObject *>made
    return made


cdef void forget(Shared *known) noexcept:
    cdef int i
    if known != NULL:
        for i in range(1 << SHARED_BITS):
            Py_XDECREF(known[i].text)
        free(known)


cdef inline int put(object piece, Py_ssize_t field, object value) except -1:
    """Sets a field of a new tuple, which takes a reference."""
    Py_INCREF(value)
    PyTuple_SET_ITEM(piece, field, value)
    return 0
