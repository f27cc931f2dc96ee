# Ids and spans that leave their workspace.
cimport cython
from libc.stdint cimport uint32_t

from dstok.core.find._pool cimport Pool
from dstok.core.find._workspace cimport Workspace


@cython.final
cdef class Written:
    cdef Pool pool
    cdef uint32_t *words
    cdef Py_ssize_t count
    cdef Py_ssize_t capacity

    @staticmethod
    cdef Written take(Workspace w, Pool pool)


cdef object numpy_()
cdef object array_of(Workspace w, Pool pool, Py_ssize_t before, Py_ssize_t after)
cdef object array_with(const uint32_t *ids, Py_ssize_t count, Py_ssize_t before, Py_ssize_t after)
cdef object spans_written(Workspace w, Pool pool)
cdef tuple spans_of_ids(Workspace w)
cdef int put_ids(ids, Py_ssize_t at, Workspace w) except -1
