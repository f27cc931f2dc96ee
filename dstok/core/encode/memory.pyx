"""The memory of a run: a workspace, the pool that lends it, and the objects through which Python gets what it holds.

In: a call that needs memory for ids, notes and scratch, and a piece table. Out: a workspace that no other call has and
that comes back; its ids or spans as an object with the buffer protocol, or copied to uint32[n].
Invariant: with the GIL or without it, one call at a time has a workspace or a buffer, and a tokenizer never changes: so
threads share it without a lock. No call waits for another one. If all workspaces that are kept are in use, it gets a
new one, which is not kept, and reads a common piece table. At a fork the child loses all that the threads of its parent
had in use, since a thread may have stopped amid a change (sync.h says how it knows). Memory has one owner: what Python
gets no longer belongs to the workspace. Between runs at most `KEEP` bytes of each growable buffer stay allocated.
"""

cimport cython
from cpython.buffer cimport PyBUF_WRITABLE, PyBuffer_FillInfo, PyBuffer_Release, PyObject_GetBuffer
from cpython.ref cimport Py_INCREF, Py_XDECREF
from libc.stdlib cimport free, realloc
from libc.string cimport memcpy, memset

from dstok.core.bpe.merge cimport PAD, SCRATCH_BYTES, scratch_free
from dstok.core.split.automaton cimport drop

cdef extern from "cpu/platform.h":
    void *huge_alloc(size_t size) noexcept nogil
    void *huge_grown(void *memory, size_t used, size_t size) noexcept nogil

cdef enum:
    KEEP = 1 << 22


@cython.final
cdef class Workspace:
    """`pieces` is a piece table: this workspace's own if `writable`. None for runs that make no ids."""

    def __cinit__(self, PieceMemory pieces, bint writable):
        self._keep = pieces
        self.opening = 2
        if pieces is not None:
            self.table = pieces.table
            self.table.writable = writable

    def __dealloc__(self):
        scratch_free(&self.scratch)
        scratch_free(&self.junction)
        free(self.out)
        free(self.side)
        free(self.spans)
        free(self.char_spans)
        free(self.notes)
        free(self.buffer)
        free(self.lead)
        drop(&self.memo)

    cdef void begin(self, bint counting, bint noting) noexcept nogil:
        """Makes the workspace ready for a run."""
        self.pieces = 0
        self.count = self.total = self.spanned = self.noted = self.base = self.origin = self.side_used = 0
        self.starts[0] = 0
        self.counting = counting
        self.noting = noting
        self.fresh = self.opening
        self.prefix = 0
        self.status = FINE

    cdef void begin_spans(self, bint ends_only) noexcept nogil:
        """Makes it ready for a run that writes spans, or only ends in characters."""
        self.ends_only = ends_only
        self.spanned = self.counted = self.characters = 0
        self.counts_characters = True

    cdef void begin_chunk(self, Py_ssize_t at) noexcept nogil:
        """Begins an empty chunk, whose first piece begins at `at` of the buffer in work."""
        self.origin = at
        self.pieces = 0
        self.starts[0] = 0

    cdef void next_chunk(self) noexcept nogil:
        """Begins an empty chunk at the end of the last one."""
        self.begin_chunk(self.origin + self.starts[self.pieces])

    cdef bint reserve(self, Py_ssize_t more) noexcept nogil:
        """Makes room for `more` ids; false, with the status set, if memory is out."""
        cdef Py_ssize_t wanted = self.count + more
        cdef void *grown
        if wanted <= self.capacity:
            return True
        wanted = max(wanted, self.capacity + self.capacity // 2)
        if self.count == 0:
            free(self.out)
            self.out = NULL
            self.capacity = 0
            grown = huge_alloc(wanted * sizeof(uint32_t))
        else:
            grown = huge_grown(self.out, self.count * sizeof(uint32_t), wanted * sizeof(uint32_t))
        if grown == NULL:
            self.status = OUT_OF_MEMORY
            return False
        self.out = <uint32_t *>grown
        self.capacity = wanted
        return True

    cdef bint reserve_spans(self, Py_ssize_t more) noexcept nogil:
        """Makes room for `more` spans; false, with the status set, if memory is out."""
        cdef Py_ssize_t wanted = self.spanned + more
        if wanted <= self.span_room:
            return True
        wanted = max(wanted, self.span_room + self.span_room // 2)
        if not (more_spans(&self.spans, self.spanned, wanted) and more_spans(&self.char_spans, self.spanned, wanted)):
            self.status = OUT_OF_MEMORY
            return False
        self.span_room = wanted
        return True

    cdef bint reserve_side(self, Py_ssize_t more) noexcept nogil:
        """Makes room for `more` words in `side`; false, with the status set, if memory is out."""
        cdef Py_ssize_t wanted = self.side_used + more
        return wanted <= self.side_size or self.grow(
            <void **>&self.side, &self.side_size, max(wanted, self.side_size + self.side_size // 2), sizeof(uint32_t))

    cdef bint reserve_buffer(self, Py_ssize_t size) noexcept nogil:
        """Makes room for `size` bytes of text, and for the bytes that may be read after it; false if memory is out."""
        return self.grow(<void **>&self.buffer, &self.buffer_size, size, 1)

    cdef bint grow(self, void **memory, Py_ssize_t *room, Py_ssize_t wanted, Py_ssize_t entry) noexcept nogil:
        """Makes an array as large as `wanted`, and PAD bytes; false, with the status set, if memory is out."""
        cdef void *grown
        if wanted <= room[0]:
            return True
        grown = realloc(memory[0], wanted * entry + PAD)
        if grown == NULL:
            self.status = OUT_OF_MEMORY
            return False
        memory[0], room[0] = grown, wanted
        return True

    cdef bint note(self, Py_ssize_t start, Py_ssize_t end) noexcept nogil:
        """Notes that the next id is an added token that spans these bytes of the buffer."""
        if self.noted == self.note_capacity and not self.grow(
                <void **>&self.notes, &self.note_capacity, 2 * self.noted + 64, sizeof(Note)):
            return False
        self.notes[self.noted] = Note(self.total + self.count, self.base + start, self.base + end)
        self.noted += 1
        return True

    cdef void trim(self) noexcept:
        """Frees the memory that a large run has grown."""
        _trim(<void **>&self.out, &self.capacity, sizeof(uint32_t))
        if self.span_room * 2 * sizeof(int64_t) > KEEP:
            free(self.spans)
            free(self.char_spans)
            self.spans = self.char_spans = NULL
            self.span_room = 0
        _trim(<void **>&self.notes, &self.note_capacity, sizeof(Note))
        _trim(<void **>&self.side, &self.side_size, sizeof(uint32_t))
        _trim(<void **>&self.buffer, &self.buffer_size, 1)
        if self.memo.known != NULL:
            drop(&self.memo)
        if max(self.scratch.capacity, self.junction.capacity) * SCRATCH_BYTES > KEEP:
            scratch_free(&self.scratch)
            scratch_free(&self.junction)


cdef void _trim(void **memory, Py_ssize_t *room, Py_ssize_t entry) noexcept:
    """Frees an array of more than KEEP bytes."""
    if room[0] * entry > KEEP:
        free(memory[0])
        memory[0], room[0] = NULL, 0


cdef bint more_spans(int64_t **spans, Py_ssize_t used, Py_ssize_t wanted) noexcept nogil:
    """Makes an array of spans larger; false if memory is out. One without spans is new, with large pages."""
    cdef void *grown
    if used == 0:
        free(spans[0])
        spans[0] = NULL
        grown = huge_alloc(wanted * 2 * sizeof(int64_t))
    else:
        grown = realloc(spans[0], wanted * 2 * sizeof(int64_t))
    if grown != NULL:
        spans[0] = <int64_t *>grown
    return grown != NULL


cdef extern from "encode/sync.h":
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

    def workspaces(self) -> tuple[int, int]:
        """The number of workspaces, and the number of those at rest. For tests."""
        cdef int i
        resting = sum([self.kept[i] != NULL and not slot_held(&self.slots[i]) for i in range(KEPT)])
        return resting + sum([self.slots[i] == slot_process for i in range(KEPT)]), resting

    def passed(self) -> int:
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


cdef enum:
    GIVE = 1 << 14           # from this many ids on, the buffer itself is given away, not copied

cdef PyObject *_numpy = NULL  # a tuple, made by the first thread that needs it


@cython.no_gc  # it is in no cycle, and must find its pool when it goes
cdef class Written:
    """The words of a workspace, as bytes. With the object they go back to `pool`, or are freed if that is None."""

    @staticmethod
    cdef Written take(Workspace w, Pool pool):
        """Takes the words of a workspace, which loses them."""
        cdef Written taken = Written()
        taken.pool = pool
        taken.words, taken.count, taken.capacity = w.out, w.count, w.capacity
        w.out = NULL
        w.count = w.capacity = 0
        return taken

    def __getbuffer__(self, Py_buffer *buffer, int flags):
        PyBuffer_FillInfo(buffer, self, self.words, self.count * sizeof(uint32_t), False, flags)

    def __dealloc__(self):
        if self.pool is not None:
            self.pool.keep(self.words, self.capacity)
        else:
            free(self.words)


cdef tuple _parts():
    """numpy, its `empty` and its uint32, imported when the first array is wanted. Threads may ask at once."""
    cdef PyObject *there = late_object(&_numpy)
    if there == NULL:
        import numpy
        made = numpy, numpy.empty, numpy.dtype(numpy.uint32)
        Py_INCREF(made)
        there = late_put(&_numpy, <PyObject *>made)
    return <tuple>there


cdef object numpy_():
    """The numpy module."""
    return _parts()[0]


cdef object array_of(Workspace w, Pool pool, Py_ssize_t before, Py_ssize_t after):
    """The ids of a workspace as uint32[n], with room left before and after. For a long text it is the memory itself."""
    cdef tuple parts = _parts()
    if w.count >= GIVE and 2 * w.count >= w.capacity and before + after == 0:
        return parts[0].frombuffer(Written.take(w, pool), parts[2])
    return array_with(w.out, w.count, before, after)


cdef object array_with(const uint32_t *ids, Py_ssize_t count, Py_ssize_t before, Py_ssize_t after):
    """A copy of ids as uint32[n], with room left before and after."""
    cdef tuple parts = _parts()
    result = parts[1](before + count + after, parts[2])
    _put(result, before, ids, count)
    return result


cdef object spans_written(Workspace w, Pool pool):
    """The spans that `SpanSink` has written, as int64[n, 2]: the memory itself."""
    return _span_rows(Written.take(w, pool))


cdef tuple spans_of_ids(Workspace w):
    """The spans that `IdSpanSink` has written, in bytes and in characters, as int64[n, 2]: the memory itself.

    The second is None if the sink could not count the text's characters.
    """
    cdef Written spans = Written(), chars = Written()
    spans.words, chars.words = <uint32_t *>w.spans, <uint32_t *>w.char_spans
    spans.count = chars.count = w.spanned * SPAN
    spans.capacity = chars.capacity = w.span_room * SPAN
    w.spans = w.char_spans = NULL
    w.spanned = w.span_room = 0
    return _span_rows(spans), _span_rows(chars) if w.counts_characters else None


cdef object _span_rows(Written taken):
    numpy = numpy_()
    if not taken.count:
        return numpy.empty((0, 2), numpy.int64)  # numpy refuses a buffer of no bytes
    return numpy.frombuffer(taken, numpy.int64).reshape(-1, 2)


cdef int put_ids(ids, Py_ssize_t at, Workspace w) except -1:
    """Copies the ids of `w` to a place in an array of uint32."""
    return _put(ids, at, w.out, w.count)


cdef int _put(ids, Py_ssize_t at, const uint32_t *words, Py_ssize_t count) except -1:
    # By hand: a view of Cython's takes 1,500 instructions more.
    cdef Py_buffer view
    PyObject_GetBuffer(ids, &view, PyBUF_WRITABLE)
    try:
        if view.len < (at + count) * <Py_ssize_t>sizeof(uint32_t):
            raise ValueError(f"expected room for {count} ids from place {at} on, found {view.len} bytes")
        if count:  # else `words` may be NULL, and memcpy does not allow that even for no bytes
            memcpy(<uint32_t *>view.buf + at, words, count * sizeof(uint32_t))
    finally:
        PyBuffer_Release(&view)
    return 0
