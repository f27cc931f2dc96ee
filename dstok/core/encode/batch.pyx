"""Batches: many texts in one call, by several threads.

In: texts (`str`, UTF-8 bytes, or rows of buffers), a policy, a number of threads. Out: lists, one array, or counts.
Invariant: the ids are those of single calls, in the order of the texts; of several errors the first text's is raised.
Each thread leases a run and gives it back, whatever happens: after a second Ctrl-C the calling thread no longer waits.

A batch is cut into parts of neighbouring texts. The calling thread takes parts from the front, the others take them
from the back, without the GIL and without a lock. So the ids of the calling thread lie in order in one buffer, and only
the others' ids are copied. The calling thread makes all lists, since making one needs the GIL (encode/ints.h).
"""

cimport cython
from cpython.exc cimport PyErr_CheckSignals
from cpython.object cimport PyObject
from libc.stdint cimport int64_t, uint32_t
from libc.stdlib cimport calloc, free, malloc
from libc.string cimport memcpy

from dstok.core.encode.encoder cimport Encoder, ints_list
from dstok.core.encode.memory cimport OwnedBuffer, numpy_
from dstok.core.encode.sinks cimport IDS, Ids, Run
from dstok.core.split.finder cimport FINE, OUT_OF_MEMORY
from dstok.core.text.added_tokens cimport Policy
from dstok.core.text.utf8 cimport Rows, Source, source_of

from array import array

from dstok._util.arguments import checked_text
from dstok._util.threads import Helpers
from dstok.errors import SpecialTokenError, TextError

cdef extern from "Python.h":
    Py_ssize_t PY_SSIZE_T_MAX
    void PyObject_GC_Track(PyObject *object)
    void PyObject_GC_UnTrack(PyObject *object)

cdef extern from "encode/batch.h":
    Py_ssize_t batch_next(Py_ssize_t *counter) noexcept nogil
    void batch_stop(Py_ssize_t *counter, Py_ssize_t size) noexcept nogil
    void batch_publish(int *flag) noexcept nogil
    bint batch_published(int *flag) noexcept nogil
    Py_ssize_t batch_least(Py_ssize_t *least) noexcept nogil
    void batch_lower(Py_ssize_t *least, Py_ssize_t value) noexcept nogil

cdef enum:
    PART = 1 << 16           # bytes of text in a part: its ids (72 KB) stay in the cache, malloc has blocks for them
    CHARS_PER_ID = 3         # code points in an id
    LEAST = 1 << 14          # ids that a chunk of pieces may have, about
    ALONE = 1 << 19          # the same, if one thread has all parts: after each it waits for the GIL that others hold
    PER_TEXT = 16            # cost of a text beside its bytes, in bytes

cdef enum Wanted:
    LISTS
    ARRAYS
    LENGTHS

cdef struct Part:
    Py_ssize_t first         # its first text
    Py_ssize_t last
    Py_ssize_t at            # start of its ids in the buffer of its run
    Py_ssize_t count
    int home                 # the thread with that run
    uint32_t *block          # for lists: a copy of the ids of a part of another thread
    int done
    Py_ssize_t text          # the last of its texts that was begun


@cython.final
cdef class Batch:
    """Texts to encode, with `encoder` under `policy`, by up to `threads` threads, in one call.

    The texts are `Rows`, or a list, which then belongs to the batch.
    """

    cdef Encoder encoder
    cdef Policy policy
    cdef bint replace
    cdef Py_ssize_t threads
    cdef Wanted wanted
    cdef object texts
    cdef Source *sources          # where the texts lie
    cdef object counted           # the number of ids of each text: array of typecode q
    cdef int64_t *counts          # the memory of `counted`
    cdef Part *parts
    cdef Py_ssize_t size          # the number of parts
    cdef Py_ssize_t taken         # parts taken by all threads
    cdef Py_ssize_t front         # by the calling thread
    cdef Py_ssize_t back          # by the others
    cdef Py_ssize_t failed        # the first text that could not be encoded, as far as is known
    cdef Py_ssize_t pending       # lists: the last part that still has no lists
    cdef Run own            # of the calling thread
    cdef list others              # for arrays: the ids of the other threads (OwnedBuffer), by thread
    cdef list errors              # the exceptions that stopped them, by thread

    def __cinit__(
        self, Encoder encoder not None, texts not None: list[Text] | Rows, Policy policy not None, bint replace,
        Py_ssize_t threads
    ):
        cdef int64_t[::1] counts = array("q", bytes(8 * (len(texts) + 1)))  # one more: there may be no text
        self.encoder, self.policy, self.replace, self.texts = encoder, policy, replace, texts
        self.counted, self.counts = counts.base, &counts[0]
        self.failed = PY_SSIZE_T_MAX
        self.sources = <Source *>malloc((len(texts) + 1) * sizeof(Source))
        self.parts = <Part *>calloc(len(texts) + 1, sizeof(Part))
        if self.sources == NULL or self.parts == NULL:
            raise MemoryError
        if isinstance(texts, Rows):
            (<Rows>texts).lay(self.sources, replace, encoder.finder.level)
        else:
            self._lay(texts)
        self._split(PART if threads > 1 else ALONE)
        self.threads = max(1, min(threads, self.size))

    def __dealloc__(self):
        cdef Py_ssize_t i
        if self.parts != NULL:
            for i in range(self.size):
                free(self.parts[i].block)
        free(self.parts)
        free(self.sources)

    cdef int _lay(self, list texts) except -1:
        cdef Py_ssize_t i
        for i in range(len(texts)):
            if not isinstance(texts[i], (str, bytes)):
                texts[i] = checked_text(texts[i], f"text {i}")
        if self.replace:
            self.texts = texts = [t.decode("utf-8", "replace") if isinstance(t, bytes) else t for t in texts]
        for i in range(len(texts)):
            self.sources[i] = source_of(texts[i])
        return 0

    cdef int _split(self, Py_ssize_t most) except -1:
        cdef Py_ssize_t i, size = 0, first = 0, count = len(self.texts)
        for i in range(count):
            size += self.sources[i].length + PER_TEXT
            if size >= most or i + 1 == count:
                self.parts[self.size].first, self.parts[self.size].last = first, i + 1
                self.size += 1
                first, size = i + 1, 0
        return 0

    def lists(self) -> list[list[int]]:
        """Return the ids of each text, as lists."""
        cdef list row, rows = [None] * len(self.texts)
        PyObject_GC_UnTrack(<PyObject *>rows)
        self._run(LISTS, rows)
        for row in rows:
            PyObject_GC_Track(<PyObject *>row)
        PyObject_GC_Track(<PyObject *>rows)
        return rows

    def arrays(self) -> tuple[npt.NDArray[np.uint32], npt.NDArray[np.int64]]:
        """Return all ids in a uint32 array, and the number of ids of each text in an int64 array."""
        joined = self._run(ARRAYS, None)
        return numpy_().frombuffer(joined, numpy_().uint32), numpy_().asarray(self.counted)[:len(self.texts)]

    def lengths(self) -> array[int]:
        """Return the number of ids of each text, in an array of typecode "q"."""
        self._run(LENGTHS, None)
        return self.counted[:len(self.texts)]

    # Threads, and the parts they take.

    cdef OwnedBuffer _run(self, Wanted wanted, list rows):
        """Encode all parts, with the other threads; fill `rows`, or return all ids, as `wanted` says."""
        self.wanted, self.pending = wanted, self.size - 1
        self.own = self._lease(1)
        try:
            helpers = Helpers(self._work, self._wanted, self.threads - 1) if self.threads > 1 else None
            self.others, self.errors = [None] * self.threads, [] if helpers is None else helpers.errors
            try:
                if helpers is not None:
                    helpers.start()
                while self._step(rows):
                    pass
            finally:
                batch_stop(&self.taken, self.size)  # after an exception: no thread takes another part
                if helpers is not None:
                    helpers.wait()
            self._check()
            if wanted == ARRAYS:
                return self._joined()
            while rows is not None and self.pending >= self.front:
                self._fill(rows, self.pending)
                self.pending -= 1
        finally:
            self.encoder.pool.release(self.own)
            self.own = None

    cdef Run _lease(self, Py_ssize_t share):
        """Return a run that is ready to begin, with room for one of `share` equal shares of the ids."""
        cdef Run run = self.encoder.pool.lease()
        cdef Py_ssize_t i, size = 0
        run.begin(0 if self.wanted == LENGTHS else IDS)
        if self.wanted != LENGTHS:
            self.encoder.pool.lend(&run.out.ids.data, &run.out.ids.room, sizeof(uint32_t))
        if self.wanted == ARRAYS:
            for i in range(len(self.texts)):
                size += self.sources[i].length
            if not run.reserve_ids((size // CHARS_PER_ID + LEAST) // share):  # rather too many: room costs nothing
                self.encoder.pool.release(run)
                raise MemoryError
        return run

    def _wanted(self):
        """Tell whether a part is left for a thread that begins now."""
        return batch_least(&self.taken) < self.size

    def _work(self, int index):
        """Do the work of another thread."""
        cdef Run run = None
        cdef Py_ssize_t part = -1
        try:
            run = self._lease(self.threads)
            with nogil:
                while batch_next(&self.taken) < self.size:
                    part = self.size - 1 - batch_next(&self.back)
                    self._encode(run, part, index)
            if self.wanted == ARRAYS:
                self.others[index] = self._taken(run)
        except BaseException:  # the calling thread raises it
            if part >= 0:
                batch_lower(&self.failed, self.parts[part].text)
            raise
        finally:
            if run is not None:
                self.encoder.pool.release(run)

    cdef bint _step(self, list rows) except -1:
        """Make the lists of a part that another thread has finished, or encode the next one; false: none is left."""
        PyErr_CheckSignals()
        if rows is not None and self.pending >= self.front and batch_published(&self.parts[self.pending].done) and (
                self.parts[self.pending].home):
            self._fill(rows, self.pending)
            self.pending -= 1
            return True
        if batch_next(&self.taken) >= self.size:
            return False
        self.front += 1
        with nogil:
            self._encode(self.own, self.front - 1, 0)
        if rows is not None:
            self._fill(rows, self.front - 1)
            self.own.out.ids.count = 0
        return True

    cdef int _encode(self, Run run, Py_ssize_t index, int home) except -1 nogil:
        """Encode the texts of a part, up to the first text that has an error."""
        cdef Part *part = &self.parts[index]
        cdef Ids *ids = &run.out.ids
        cdef Py_ssize_t i, before
        part.home, part.at, part.text = home, ids.count, part.first
        run.set_fault(FINE)  # an earlier error is of a later text, and is noted: these texts still count
        for i in range(part.first, part.last):
            if i >= batch_least(&self.failed):
                return 0
            part.text = i
            before = run.out.total + ids.count
            self.encoder.encode_source(self.policy.quick, run, &self.sources[i], self.replace, PY_SSIZE_T_MAX)
            if run.fault.status != FINE:
                batch_lower(&self.failed, i)
                return 0
            self.counts[i] = run.out.total + ids.count - before
        part.count = ids.count - part.at
        if self.wanted == LISTS and home:
            part.block = <uint32_t *>malloc((part.count + 1) * sizeof(uint32_t))
            if part.block == NULL:
                run.set_fault(OUT_OF_MEMORY)
                batch_lower(&self.failed, part.first)
                return 0
            if part.count:  # else `data` may be NULL, and memcpy does not allow that even for no bytes
                memcpy(part.block, ids.data + part.at, part.count * sizeof(uint32_t))
            ids.count = part.at
        batch_publish(&part.done)
        return 0

    cdef _check(self):
        """Raise the error of the first text that has one, by encoding it once more, or else a thread's error."""
        cdef Run run = self.own
        cdef Py_ssize_t index = self.failed
        errors = [error for error in self.errors if error is not None]
        if index == PY_SSIZE_T_MAX:
            if errors:
                raise errors[0]
            return
        run.begin(IDS)
        with nogil:
            self.encoder.encode_source(self.policy.quick, run, &self.sources[index], self.replace, PY_SSIZE_T_MAX)
        if run.fault.status == FINE:
            raise errors[0] if errors else MemoryError
        try:
            self.encoder.fail(run, self.policy, self.texts[index])
        except TextError as error:
            raise TextError(error.message, error.offset, index) from None
        except SpecialTokenError as error:
            raise SpecialTokenError(error.token, error.offset, index) from None

    # Results.

    cdef _fill(self, list rows, Py_ssize_t index):
        """Make the lists of a part: the calling thread's last one, or another thread's.

        The garbage collector does not track them until all are there. It would read them several times meanwhile.
        """
        cdef Part *part = &self.parts[index]
        cdef const uint32_t *ids = part.block if part.home else self.own.out.ids.data + part.at
        cdef Py_ssize_t i
        for i in range(part.first, part.last):
            row = ints_list(ids, self.counts[i], self.encoder.size)
            PyObject_GC_UnTrack(<PyObject *>row)
            rows[i] = row
            ids += self.counts[i]
        free(part.block)
        part.block = NULL

    cdef OwnedBuffer _joined(self):
        """Return all ids, in the calling thread's buffer: those of that thread, then of the others, part by part."""
        cdef Ids *ids = &self.own.out.ids
        cdef Py_ssize_t total = 0, i
        cdef OwnedBuffer other
        for i in range(self.front, self.size):
            total += self.parts[i].count
        if not self.own.reserve_ids(total):
            raise MemoryError
        for i in range(self.front, self.size):
            other = self.others[self.parts[i].home]
            memcpy(ids.data + ids.count, <uint32_t *>other.data + self.parts[i].at,
                   self.parts[i].count * sizeof(uint32_t))
            ids.count += self.parts[i].count
        return self._taken(self.own)

    cdef OwnedBuffer _taken(self, Run run):
        """Return the ids of a run, which loses them."""
        cdef Ids *ids = &run.out.ids
        return OwnedBuffer.take(&ids.data, &ids.count, &ids.room, sizeof(uint32_t), self.encoder.pool)
