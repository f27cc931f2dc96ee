"""The pool of runs, and the objects through which Python gets the results of a run.

In: a call that needs a run. Out: a run that no other call has, until it comes back; its ids or spans as an object with
the buffer protocol, or copied to uint32[n].
Invariant: one call at a time has a run or a buffer, and a tokenizer never changes, so threads share it without a lock.
No call waits: if all runs that are kept are in use, it gets a new one, which reads a common piece table. At a fork the
child loses what the threads of its parent had in use, since a thread may have stopped amid a change (sync.h). Memory
has one owner. Between two texts at most ARRAY_KEPT bytes of each array of a run stay allocated.
"""

cimport cython
from cpython.buffer cimport PyBUF_WRITABLE, PyBuffer_FillInfo, PyBuffer_Release, PyObject_GetBuffer
from cpython.ref cimport Py_INCREF, Py_XDECREF
from libc.stdint cimport int64_t
from libc.stdlib cimport free
from libc.string cimport memcpy, memset

from dstok.core.encode.sinks cimport IdSink, SpanSink

cdef extern from "encode/sync.h":
    enum:
        SLOT_BUSY
        SLOT_FREE
        SLOT_LOST
    int slot_process
    int slot_watch_forks() noexcept nogil
    int slot_take(int *slot) noexcept nogil
    void slot_give(int *slot, int process) noexcept nogil
    bint slot_held(int *slot) noexcept nogil

cdef enum:
    SPARE = 24 << 20         # bytes of the buffers that are kept: enough ids for a text of 18 MB
    GIVE = 1 << 14           # from this many ids on, the buffer itself is given away, not copied

MAX_WORKSPACES = KEPT

if slot_watch_forks():
    raise MemoryError


@cython.final
cdef class Pool:
    """Runs that merge by `bpe`; their piece tables begin with the ids whose bits in `direct` are set.

    Without `bpe` they make spans of pieces.
    """

    def __cinit__(self, BPE bpe=None, direct: Buffer = None):
        self.bpe, self.direct = bpe, direct

    def __dealloc__(self):
        cdef int i
        for i in range(KEPT):
            Py_XDECREF(self.kept[i])
        Py_XDECREF(self.common)
        free(self.spare[0])
        free(self.spare[1])

    cdef bint _hold(self, int place) noexcept:
        """Take the slot of a place, if no other thread has it just now."""
        cdef int found = slot_take(&self.slots[place])
        if found == SLOT_LOST:
            self.kept[place] = NULL  # it must not be freed, either: the thread may have stopped just there
        return found != SLOT_BUSY

    cdef Run lease(self):
        """Return a run that nobody else has, until `release`."""
        cdef int place
        cdef Run run
        for place in range(KEPT):
            if self._hold(place):
                if self.kept[place] != NULL:
                    run = <Run>self.kept[place]
                else:
                    try:
                        run = self._new(place)
                    except BaseException:
                        slot_give(&self.slots[place], slot_process)
                        raise
                    Py_INCREF(run)
                    self.kept[place] = <PyObject *>run
                run.process = slot_process
                return run
        return self._new(-1)

    cdef Run _new(self, int place):
        """Return a new run for a place; -1: one that is not kept."""
        cdef Run run
        if self.bpe is None:
            run = SpanSink()
        elif place < 0:
            run = IdSink(self.bpe, self._common_table(), False)
        else:
            run = IdSink(self.bpe, PieceMemory(self.bpe, self.direct), True)
        run.number = place
        return run

    cdef PieceMemory _common_table(self):
        """Return the piece table that all further runs read."""
        cdef PyObject *common = late_object(&self.common)
        if common == NULL:
            made = PieceMemory(self.bpe, self.direct)
            Py_INCREF(made)
            common = late_put(&self.common, <PyObject *>made)
        return <PieceMemory>common

    cdef void release(self, Run run) noexcept:
        if run.out.ids.room > LARGE:
            self.keep(run.out.ids.data, run.out.ids.room * sizeof(uint32_t))
            run.out.ids.data, run.out.ids.room = NULL, 0
        run.trim()
        if run.number >= 0:
            slot_give(&self.slots[run.number], run.process)

    cdef PyObject *take_first(self) noexcept:
        """Hold the first run, and give it; NULL if it is in use or not made yet."""
        if not self._hold(0):
            return NULL
        if self.kept[0] == NULL:
            self.give_first()
            return NULL
        return self.kept[0]

    cdef void give_first(self) noexcept:
        slot_give(&self.slots[0], slot_process)

    def workspaces(self) -> tuple[int, int]:
        """Return the number of runs, and the number of those at rest. For tests."""
        cdef int i
        resting = sum([self.kept[i] != NULL and not slot_held(&self.slots[i]) for i in range(KEPT)])
        return resting + sum([self.slots[i] == slot_process for i in range(KEPT)]), resting

    def passed(self) -> int:
        """Return the number of borders that the automaton has passed so far: see `Scanner.passed`. For tests."""
        cdef int i
        return sum([(<Run>self.kept[i]).memo.passed for i in range(KEPT) if self.kept[i] != NULL])

    def work(self) -> int:
        """Return the number of bytes that sections and borders of long pieces have read so far. For tests."""
        cdef int i
        return sum([(<IdSink>self.kept[i]).scratch[0].work + (<IdSink>self.kept[i]).scratch[1].work
                    for i in range(KEPT) if self.kept[i] != NULL])

    # The large buffers of one run serve the next: fresh memory costs 0.65 ms/MB, more than half of the time of
    # encoding. Two of them, for the two threads of a batch.

    cdef bint _open_spares(self) noexcept:
        """Take the slot of the spare buffers, if no other thread has it just now."""
        cdef int found = slot_take(&self.spare_slot)
        if found == SLOT_LOST:
            memset(self.spare, 0, sizeof(self.spare))
            memset(self.spare_size, 0, sizeof(self.spare_size))
        return found != SLOT_BUSY

    cdef void keep(self, void *memory, Py_ssize_t size) noexcept:
        """Take a buffer back, in the place of a smaller one, if both spare buffers are not too large together."""
        cdef int i
        if self._open_spares():
            i = self.spare_size[1] < self.spare_size[0]
            if size > self.spare_size[i] and size + self.spare_size[1 - i] <= SPARE:
                self.spare[i], memory = memory, self.spare[i]
                self.spare_size[i] = size
            slot_give(&self.spare_slot, slot_process)
        free(memory)

    cdef void lend(self, void *array, Py_ssize_t *room, size_t entry) noexcept:
        """Give an array the larger spare buffer, if that is larger than its own."""
        cdef void *memory
        cdef int i
        if self._open_spares():
            i = self.spare_size[1] > self.spare_size[0]
            if room[0] * <Py_ssize_t>entry < self.spare_size[i]:
                memcpy(&memory, array, sizeof(memory))
                free(memory)
                memcpy(array, &self.spare[i], sizeof(memory))
                room[0] = self.spare_size[i] // <Py_ssize_t>entry
                self.spare[i], self.spare_size[i] = NULL, 0
            slot_give(&self.spare_slot, slot_process)


@cython.no_gc  # it is in no cycle, and must find its pool when it goes
cdef class OwnedBuffer:
    """An array of a run, as bytes. With the object it goes back to `pool`, or is freed if that is None."""

    @staticmethod
    cdef OwnedBuffer take(void *array, Py_ssize_t *count, Py_ssize_t *room, size_t entry, Pool pool):
        """Take an array of a run, which loses it."""
        cdef OwnedBuffer taken = OwnedBuffer()
        taken.pool, taken.size, taken.room = pool, count[0] * entry, room[0] * entry
        memcpy(&taken.data, array, sizeof(taken.data))
        memset(array, 0, sizeof(taken.data))
        count[0] = room[0] = 0
        return taken

    def __getbuffer__(self, Py_buffer *buffer, int flags):
        PyBuffer_FillInfo(buffer, self, self.data, self.size, False, flags)

    def __dealloc__(self):
        if self.pool is not None:
            self.pool.keep(self.data, self.room)
        else:
            free(self.data)


cdef PyObject *_numpy = NULL  # a tuple, made by the first thread that needs it


cdef tuple _parts():
    """Return numpy, its `empty` and its uint32, imported for the first array. Threads may ask at once."""
    cdef PyObject *there = late_object(&_numpy)
    if there == NULL:
        import numpy
        made = numpy, numpy.empty, numpy.dtype(numpy.uint32)
        Py_INCREF(made)
        there = late_put(&_numpy, <PyObject *>made)
    return <tuple>there


cdef object numpy_():
    """Return the numpy module."""
    return _parts()[0]


cdef object array_of(Ids *ids, Pool pool):
    """Return ids as uint32[n]: for a long text the memory itself."""
    if ids.count >= GIVE and 2 * ids.count >= ids.room:
        return numpy_().frombuffer(
            OwnedBuffer.take(&ids.data, &ids.count, &ids.room, sizeof(uint32_t), pool), _parts()[2])
    return array_with(ids.data, ids.count)


cdef object array_with(const uint32_t *ids, Py_ssize_t count):
    """Return a copy of ids as uint32[n]."""
    cdef tuple parts = _parts()
    cdef Ids source = Ids(<uint32_t *>ids, count, count)
    result = parts[1](count, parts[2])
    put_ids(result, &source)
    return result


cdef object spans_of(Spans *spans, Pool pool):
    """Return spans as int64[n, 2]: the memory itself."""
    numpy = numpy_()
    if not spans.count:
        return numpy.empty((0, 2), numpy.int64)  # numpy refuses a buffer of no bytes
    taken = OwnedBuffer.take(&spans.data, &spans.count, &spans.room, 2 * sizeof(int64_t), pool)
    return numpy.frombuffer(taken, numpy.int64).reshape(-1, 2)


cdef int put_ids(room, const Ids *ids) except -1:
    """Copy ids to an array of uint32. By hand: a view of Cython's takes 1,500 instructions more."""
    cdef Py_buffer view
    PyObject_GetBuffer(room, &view, PyBUF_WRITABLE)
    try:
        if view.len < ids.count * <Py_ssize_t>sizeof(uint32_t):
            raise ValueError(f"expected room for {ids.count} ids, found {view.len} bytes")
        if ids.count:  # else `data` may be NULL, and memcpy does not allow that even for no bytes
            memcpy(view.buf, ids.data, ids.count * sizeof(uint32_t))
    finally:
        PyBuffer_Release(&view)
    return 0
