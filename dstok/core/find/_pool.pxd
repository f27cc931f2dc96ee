# The pool of workspaces of one encoder or splitter.
cimport cython
from cpython.object cimport PyObject
from libc.stdint cimport uint32_t

from dstok.core.merge._bpe cimport BPE
from dstok.core.merge._pieces cimport PieceMemory
from dstok.core.find._workspace cimport Workspace

cdef extern from "find/_late.h":
    PyObject *late_object(PyObject **place) noexcept
    PyObject *late_put(PyObject **place, PyObject *made) noexcept

cdef enum:
    KEPT = 2                 # workspaces with a piece table of their own (19 MB each): 80 MB a tokenizer, at most
    LARGE = 1 << 17          # ids of a buffer that a workspace does not keep


@cython.final
cdef class Pool:
    cdef BPE bpe
    cdef object direct
    cdef int slots[KEPT]
    cdef PyObject *kept[KEPT]     # workspaces; only the holder of a slot reads and writes its place
    cdef PyObject *common         # the piece table that all further workspaces read, and do not write to
    cdef int spare_slot
    cdef uint32_t *spare[2]       # buffers of ids that came back, for the next long text
    cdef Py_ssize_t spare_capacity[2]

    cdef bint _hold(self, int place) noexcept
    cdef Workspace lease(self)
    cdef PyObject *take_first(self) noexcept
    cdef void give_first(self) noexcept
    cdef PieceMemory _common_table(self)
    cdef int _keep(self, int place) except -1
    cdef void release(self, Workspace w) noexcept
    cdef void keep(self, uint32_t *ids, Py_ssize_t capacity) noexcept
    cdef void lend(self, Workspace w) noexcept
    cdef bint _open_spares(self) noexcept
