# The pool of runs, and the objects through which Python gets what a run holds.
cimport cython
from cpython.object cimport PyObject
from libc.stdint cimport uint32_t

from dstok.core.bpe.merge cimport BPE, PieceMemory
from dstok.core.encode.sinks cimport Ids, Run, Spans

cdef extern from "encode/sync.h":
    PyObject *late_object(PyObject **place) noexcept
    PyObject *late_put(PyObject **place, PyObject *made) noexcept

cdef enum:
    KEPT = 2                 # runs with a piece table of their own (19 MB each): 80 MB a tokenizer, at most
    LARGE = 1 << 17          # ids of a buffer that a run does not keep


@cython.final
cdef class Pool:
    cdef BPE bpe
    cdef object direct
    cdef int slots[KEPT]
    cdef PyObject *kept[KEPT]     # runs; only the holder of a slot reads and writes its run
    cdef PyObject *common         # the piece table that all further runs read, and do not write to
    cdef int spare_slot
    cdef void *spare[2]           # buffers that came back, for the next long text
    cdef Py_ssize_t spare_size[2]

    cdef bint _hold(self, int place) noexcept
    cdef Run lease(self)
    cdef PyObject *take_first(self) noexcept
    cdef void give_first(self) noexcept
    cdef PieceMemory _common_table(self)
    cdef Run _new(self, int place)
    cdef void release(self, Run run) noexcept
    cdef void keep(self, void *memory, Py_ssize_t size) noexcept
    cdef void lend(self, void *array, Py_ssize_t *room, size_t entry) noexcept
    cdef bint _open_spares(self) noexcept


@cython.final
cdef class OwnedBuffer:
    cdef Pool pool
    cdef void *data
    cdef Py_ssize_t size
    cdef Py_ssize_t room

    @staticmethod
    cdef OwnedBuffer take(void *array, Py_ssize_t *count, Py_ssize_t *room, size_t entry, Pool pool)


cdef object numpy_()
cdef object array_of(Ids *ids, Pool pool)
cdef object array_with(const uint32_t *ids, Py_ssize_t count)
cdef object spans_of(Spans *spans, Pool pool)
cdef int put_ids(room, const Ids *ids) except -1
