"""The pool: the workspaces of one encoder or splitter, and the large buffers that outlast a run.

In: calls that need a workspace. Out: a workspace that no other thread has, and that comes back after the call.
Invariant: with the GIL or without it, one call at a time has a workspace or a buffer. No call waits for another one:
if all workspaces that are kept are in use, it gets a new one, which is not kept, and reads a common piece table.
At a fork, the child loses all that the threads of its parent had in use, since a thread may have stopped amid a change.
The child makes new workspaces. _slot.h says how it knows.
"""

cimport cython
from cpython.object cimport PyObject
from cpython.ref cimport Py_INCREF, Py_XDECREF
from libc.stdint cimport uint32_t
from libc.stdlib cimport free
from libc.string cimport memset

from dstok.core.merge._bpe cimport BPE
from dstok.core.merge._pieces cimport PieceMemory
from dstok.core.find._workspace cimport Workspace

cdef extern from "find/_slot.h":
    enum:
        SLOT_BUSY
        SLOT_FREE
        SLOT_LOST
    int slot_process
    int slot_watch_forks() noexcept nogil
    int slot_take(int *slot) noexcept nogil
    int slot_take_with_gil(int *slot) noexcept
    void slot_give(int *slot, int process) noexcept nogil
    void slot_give_with_gil(int *slot, int process) noexcept
    bint slot_held(int *slot) noexcept nogil

cdef enum:
    SPARE = 6 << 20          # ids of the buffers that are kept (24 MB): enough for a text of 18 MB

MAX_WORKSPACES = KEPT

if slot_watch_forks():
    raise MemoryError


@cython.final
cdef class Pool:
    """Workspaces that merge by `bpe`; their piece tables begin with the ids whose bits in `direct` are set.

    Without `bpe` they have no piece table, and serve runs that make no ids.
    """

    def __cinit__(self, BPE bpe=None, direct=None):
        self.bpe, self.direct = bpe, direct

    def __dealloc__(self):
        cdef int i
        for i in range(KEPT):
            Py_XDECREF(self.kept[i])
        Py_XDECREF(self.common)
        free(self.spare[0])
        free(self.spare[1])

    cdef bint _hold(self, int place) noexcept:
        """Takes the slot of a place, if no other thread has it just now."""
        cdef int found = slot_take_with_gil(&self.slots[place])
        if found == SLOT_LOST:
            self.kept[place] = NULL  # it must not be freed, either: the thread may have stopped just there
        return found != SLOT_BUSY

    cdef Workspace lease(self):
        cdef int place
        cdef Workspace w
        for place in range(KEPT):
            if self._hold(place):
                if self.kept[place] == NULL:
                    self._keep(place)
                w = <Workspace>self.kept[place]
                w.process = slot_process
                return w
        w = Workspace(self._common_table(), False)
        w.place = -1
        return w

    cdef PieceMemory _common_table(self):
        """The piece table that all further workspaces read."""
        cdef PyObject *common = late_object(&self.common)
        if common == NULL and self.bpe is not None:
            made = PieceMemory(self.bpe, self.direct)
            Py_INCREF(made)
            common = late_put(&self.common, <PyObject *>made)
        return None if common == NULL else <PieceMemory>common

    cdef int _keep(self, int place) except -1:
        """Makes the workspace of a place whose slot the caller has taken; gives the slot back if it cannot."""
        cdef Workspace w
        try:
            w = Workspace(None if self.bpe is None else PieceMemory(self.bpe, self.direct), True)
        except BaseException:
            slot_give_with_gil(&self.slots[place], slot_process)
            raise
        Py_INCREF(w)
        w.place = place
        self.kept[place] = <PyObject *>w
        return 0

    cdef void release(self, Workspace w) noexcept:
        if w.capacity > LARGE:
            self.keep(w.out, w.capacity)
            w.out = NULL
            w.capacity = 0
        w.trim()
        if w.place >= 0:
            slot_give_with_gil(&self.slots[w.place], w.process)

    cdef PyObject *take_first(self) noexcept:
        """Holds the first workspace, and gives it. NULL if it is in use or not made yet."""
        if not self._hold(0):
            return NULL
        if self.kept[0] == NULL:
            self.give_first()
            return NULL
        return self.kept[0]

    cdef void give_first(self) noexcept:
        slot_give_with_gil(&self.slots[0], slot_process)

    def workspaces(self):
        """The number of workspaces, and the number of those at rest. For tests."""
        cdef int i
        resting = sum([self.kept[i] != NULL and not slot_held(&self.slots[i]) for i in range(KEPT)])
        return resting + sum([self.slots[i] == slot_process for i in range(KEPT)]), resting

    def passed(self):
        """The number of borders that runs of the automaton have passed so far; see `Scanner.passed`. For tests."""
        cdef int i
        return sum([(<Workspace>self.kept[i]).memo.passed for i in range(KEPT) if self.kept[i] != NULL])

    # The large buffers of ids of one run serve the next: fresh memory costs 0.65 ms/MB, more than half of the time of
    # encoding. Two of them, for the two threads of a batch.

    cdef bint _open_spares(self) noexcept:
        """Takes the slot of the spare buffers, if no other thread has it just now."""
        cdef int found = slot_take_with_gil(&self.spare_slot)
        if found == SLOT_LOST:
            memset(self.spare, 0, sizeof(self.spare))
            memset(self.spare_capacity, 0, sizeof(self.spare_capacity))
        return found != SLOT_BUSY

    cdef void keep(self, uint32_t *ids, Py_ssize_t capacity) noexcept:
        """Takes a buffer back, in the place of a smaller one, if both spare buffers are not too large together."""
        cdef int i
        if self._open_spares():
            i = self.spare_capacity[1] < self.spare_capacity[0]
            if capacity > self.spare_capacity[i] and capacity + self.spare_capacity[1 - i] <= SPARE:
                self.spare[i], ids = ids, self.spare[i]
                self.spare_capacity[i] = capacity
            slot_give_with_gil(&self.spare_slot, slot_process)
        free(ids)

    cdef void lend(self, Workspace w) noexcept:
        """Gives a workspace the larger spare buffer, if that is larger than its own."""
        cdef int i
        if self._open_spares():
            i = self.spare_capacity[1] > self.spare_capacity[0]
            if w.capacity < self.spare_capacity[i]:
                free(w.out)
                w.out, w.capacity = self.spare[i], self.spare_capacity[i]
                self.spare[i] = NULL
                self.spare_capacity[i] = 0
            slot_give_with_gil(&self.spare_slot, slot_process)


cdef class Contest:
    """A number that only the holder of a slot adds to. For tests."""

    cdef int slot
    cdef readonly long sum

    def add(self, long rounds):
        """Takes the slot, adds one, and gives the slot back, `rounds` times, without the GIL."""
        cdef volatile long *sum = &self.sum
        with nogil:
            while rounds:
                if slot_take(&self.slot) != SLOT_BUSY:
                    sum[0] = sum[0] + 1
                    rounds -= 1
                    slot_give(&self.slot, slot_process)
