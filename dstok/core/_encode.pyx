# cython: language_level=3, boundscheck=False, wraparound=False, cdivision=True, autotestdict=False
# cython: annotation_typing=False
"""The encoder: Python's side of a pass.

In: a text (`str` or UTF-8 bytes) and a policy. Out: ids, as a list or an array, or their number.
Invariant: the tables never change; each call works in a workspace that it leases, and without the GIL.
"""

cimport cython
from cpython.buffer cimport PyBUF_WRITABLE, PyBuffer_FillInfo, PyBuffer_Release, PyObject_GetBuffer
from cpython.bytes cimport PyBytes_AS_STRING, PyBytes_FromStringAndSize
from cpython.list cimport PyList_New
from cpython.object cimport PyObject
from cpython.ref cimport Py_DECREF, Py_INCREF, Py_XDECREF
from libc.stdint cimport uint8_t, uint32_t
from libc.stdlib cimport calloc, free
from libc.string cimport memcpy

from dstok.core._added cimport Match
from dstok.core._bpe cimport BPE
from dstok.core._forms cimport NO_MEMORY, NORMALIZED, Verdict
from dstok.core._normalize cimport Normalizer, Rewritten
from dstok.core._pass cimport CONTEXT as context, Pass
from dstok.core._policy cimport Policy
from dstok.core._pool cimport LARGE, Pool, late_object, late_put
from dstok.core._stretches cimport encode_rewritten
from dstok.core._utf8 cimport Source, source_of, transcode
from dstok.core._workspace cimport FINE, OUT_OF_MEMORY, SPECIAL_FOUND, Workspace

from dstok.base.texts import Errors, Special, Text, lone_surrogate, not_utf8, plain, replaces
from dstok.errors import SpecialTokenError

cdef extern from "Python.h":
    Py_ssize_t PY_SSIZE_T_MAX
    ctypedef struct PyListObject:
        PyObject **ob_item
    PyObject *new_bytes "PyBytes_FromStringAndSize"(const char *data, Py_ssize_t size)
    int resize_bytes "_PyBytes_Resize"(PyObject **made, Py_ssize_t size) except -1

cdef extern from "_late.h":
    # As it is in C: with objects of Cython's an id takes 30 instructions, and 9 so.
    PyObject *late_int(PyObject **place, unsigned long value) except NULL

cdef extern from *:
    void __builtin_prefetch(const void *) noexcept nogil

cdef enum:
    AHEAD = 12               # ids ahead whose objects are fetched
    SHORT = 1 << 10          # units of a text for which the GIL is not released: that would take longer (60 ns)
    GIVE = 1 << 14           # ids from which on the buffer itself is given away, not copied

CONTEXT = context           # bytes before a part that is encoded which `encode_part` needs as context
START = (True, 0, 0)         # of a text, for `encode_part`: Workspace.fresh and .skip


@cython.final
cdef class Encoder:
    """The encoder of one model: tables that never change, and a pool of workspaces.

    `direct` are the ids (uint32) that the piece tables are filled with, the most frequent ones first.
    """

    def __cinit__(self, Pass run not None, BPE bpe not None, direct, Py_ssize_t size, Normalizer normalizer=None):
        self.run, self.normalizer = run, normalizer
        self.pool = Pool(bpe, direct)
        self.size = size
        self.ints = <PyObject **>calloc(size + 1, sizeof(PyObject *))
        if self.ints == NULL:
            raise MemoryError

    def __dealloc__(self):
        cdef Py_ssize_t i
        if self.ints != NULL:
            for i in range(self.size):
                Py_XDECREF(self.ints[i])
            free(self.ints)

    def __copy__(self):
        return self  # what of it changes is no part of what it gives

    def way(self):
        """How this processor finds the model's pieces; see `Splitter.way`."""
        return self.run.way()

    def workspaces(self):
        """How many workspaces there are, and how many of them are at rest. For tests."""
        return self.pool.workspaces()

    def passed(self):
        """How many borders the runs of the automaton have passed so far; see `Scanner.passed`. For tests."""
        return self.pool.passed()

    # Python's side.

    cdef fail(self, Workspace w, Policy policy, text):
        """Raises the error that `w.status` stands for."""
        if w.status == OUT_OF_MEMORY:
            raise MemoryError
        if w.status == SPECIAL_FOUND:
            raise SpecialTokenError(policy.contents[w.normalized][w.token], w.where)
        if isinstance(text, str):
            raise lone_surrogate(text[w.where], w.where)
        raise not_utf8(text[w.where], w.where)

    cdef list list_of(self, const uint32_t *ids, Py_ssize_t count):
        """A list of ints, each id's object made once and shared."""
        cdef list result = PyList_New(count)
        cdef PyObject **items = (<PyListObject *>result).ob_item
        cdef PyObject **ints = self.ints
        cdef Py_ssize_t i, near = max(count - AHEAD, 0)
        for i in range(near):
            __builtin_prefetch(ints[ids[i + AHEAD]])
            items[i] = late_int(&ints[ids[i]], ids[i])
        for i in range(near, count):
            items[i] = late_int(&ints[ids[i]], ids[i])
        return result

    # A text: as it is, or normalized between the added tokens with normalized=false.

    cdef int text(
        self, Policy policy, Workspace w, const Source *source, bint replace, Py_ssize_t limit
    ) except -1 nogil:
        """Encodes one text. What is written in Python (a chain of normalizers) may raise; for the rest see `fail`."""
        cdef Verdict verdict = NORMALIZED
        if self.normalizer is not None:
            verdict = self.normalizer.verdict(source, self.run.level)
        if verdict == NO_MEMORY:
            w.status = OUT_OF_MEMORY
        elif verdict == NORMALIZED:
            self.run.text(policy, w, source, replace, limit)
        elif limit == PY_SSIZE_T_MAX and not (w.noting or policy.refuses) and self.normalizer.chain is None:
            encode_rewritten(self.run, self.normalizer.form, policy, w, source, replace)
        else:
            with gil:
                self.in_stretches(policy, w, source, replace, limit)
        return 0

    cdef int in_stretches(
        self, Policy policy, Workspace w, const Source *source, bint replace, Py_ssize_t limit
    ) except -1:
        """Encodes a text that is not normalized. Marks and `where` then count bytes of the normalized text."""
        cdef bytes text = utf8_of(source, replace, self.run.level)
        if text is None:
            self.run.text(policy, w, source, replace, PY_SSIZE_T_MAX)  # says where the fault is, however far on
        else:
            self.stretches(policy, w, text, limit)
        return 0

    cdef int stretches(self, Policy policy, Workspace w, bytes text, Py_ssize_t limit) except -1:
        cdef Py_ssize_t at = 0, place = 0, start, end, content
        cdef Match match
        for start, end, content, match.token in [*policy.raw_spans(text), (len(text), len(text), 0, -1)]:
            if at < start:
                place = self.stretch(policy.inner, w, text[at:start], at, place, limit)
            if w.status != FINE or w.total + w.count >= limit:
                return 0
            if match.token >= 0:
                w.base, match.start, match.end, match.content = place, 0, end - start, content - place
                if not self.run.special(policy, False, w, &match):
                    return 0
                place += end - start
            at = end
            w.where = place
        return 0

    cdef Py_ssize_t stretch(
        self, Policy policy, Workspace w, bytes text, Py_ssize_t start, Py_ssize_t place, Py_ssize_t limit
    ) except -1:
        """Encodes a stretch that begins at `start`, and at `place` of the normalized text; returns where it ends."""
        cdef Rewritten normalized = self.normalizer.rewritten(text)
        cdef Py_ssize_t i = w.noted
        with nogil:
            self.run.text(policy, w, &normalized.source, False, limit)
        while i < w.noted:
            w.notes[i].start += place
            w.notes[i].end += place
            i += 1
        if w.status == SPECIAL_FOUND:
            w.where = start + source_offset(self.normalizer, text, w.where)
        else:
            w.where += place
        return place + normalized.source.length

    cdef int _run(
        self, Workspace w, text, Policy policy, bint replace, bint counting, bint noting, Py_ssize_t limit
    ) except -1:
        """Encodes `text` in a workspace that the caller has leased, and releases."""
        cdef Source source
        if not isinstance(text, (str, bytes)):
            text = plain(text)
        if replace and isinstance(text, bytes):
            text = text.decode("utf-8", "replace")
        source = source_of(text)
        w.begin(counting, noting)
        if source.length <= SHORT:
            self.text(policy, w, &source, replace, limit)
        else:
            if not counting and source.length > LARGE:
                self.pool.lend(w)
            with nogil:
                self.text(policy, w, &source, replace, limit)
        if w.status != FINE:
            self.fail(w, policy, text)
        return 0

    cpdef list encode(self, text, Policy policy, bint replace):
        """The ids of `text` as a list."""
        cdef Workspace w = self.pool.lease()
        try:
            self._run(w, text, policy, replace, False, False, PY_SSIZE_T_MAX)
            return self.list_of(w.out, w.count)
        finally:
            self.pool.release(w)

    cdef encode_array(self, text, Policy policy, bint replace, Py_ssize_t before, Py_ssize_t after):
        """The ids of `text` as uint32[n], with room left before and after.

        Of a long text it is the buffer that the ids were written to.
        """
        cdef Workspace w = self.pool.lease()
        try:
            self._run(w, text, policy, replace, False, False, PY_SSIZE_T_MAX)
            if w.count >= GIVE and 2 * w.count >= w.capacity and before + after == 0:
                return numpy_().frombuffer(Ids.take(w, self.pool), _uint32)
            result = (_empty or numpy_().empty)(before + w.count + after, _uint32)
            put_ids(result, before, w)
            return result
        finally:
            self.pool.release(w)

    cpdef Py_ssize_t count(self, text, Policy policy, bint replace) except -1:
        """The number of ids of `text`."""
        cdef Workspace w = self.pool.lease()
        try:
            self._run(w, text, policy, replace, True, False, PY_SSIZE_T_MAX)
            return w.total
        finally:
            self.pool.release(w)

    def encode_noted(self, text, Policy policy not None, bint replace, allocate, Py_ssize_t limit=PY_SSIZE_T_MAX):
        """(ids, notes, end): notes are (index, start, end) of added tokens, in bytes.

        With a `limit` it stops once there are that many ids; `end` is how many bytes they cover.
        """
        cdef Workspace w = self.pool.lease()
        cdef Py_ssize_t i
        try:
            self._run(w, text, policy, replace, False, True, limit)
            ids = allocate(w.count)
            put_ids(ids, 0, w)
            notes = [(w.notes[i].index, w.notes[i].start, w.notes[i].end) for i in range(w.noted)]
            return ids, notes, w.where
        finally:
            self.pool.release(w)

    def pieces(self, bytes text not None, Policy policy not None):
        """(start, end) of what is looked up or merged as one: pieces, and parts between safe cuts. For tests."""
        cdef Workspace w = self.pool.lease()
        cdef Source source = source_of(text)
        cdef Py_ssize_t i
        w.begin(True, False)
        w.tracing = True
        try:
            with nogil:
                self.run.text(policy, w, &source, False, PY_SSIZE_T_MAX)
            if w.status != FINE:
                self.fail(w, policy, text)
            return [(w.notes[i].start, w.notes[i].end) for i in range(w.noted)]
        finally:
            self.pool.release(w)

    def encode_part(self, const uint8_t[::1] text not None, Py_ssize_t at, Policy policy not None, tuple state,
                    bint final, allocate):
        """(ids, end, state) of the part of valid UTF-8 `text[at:]` that later text cannot change.

        For streams: bytes before `at` are context; `state` is `START` and then as it came out the last time.
        `allocate` None: the number of ids instead of the ids.
        """
        cdef Workspace w = self.pool.lease()
        cdef Py_ssize_t length = text.shape[0], end = at
        cdef const uint8_t *start = &text[0] if length else NULL
        w.begin(allocate is None, False)
        try:
            w.fresh, w.skip[0], w.skip[1] = state
            if length > at or final:
                with nogil:
                    end = self.run.part(policy, w, start, at, length, final)
            if w.status != FINE:
                self.fail(w, policy, None)
            if allocate is None:
                return w.total, end, (w.fresh, w.skip[0], w.skip[1])
            ids = allocate(w.count)
            put_ids(ids, 0, w)
            return ids, end, (w.fresh, w.skip[0], w.skip[1])
        finally:
            self.pool.release(w)


cdef int put_ids(ids, Py_ssize_t at, Workspace w) except -1:
    """Copies the ids of `w` to a place in an array of uint32: a view of Cython's takes 1,500 instructions more."""
    cdef Py_buffer view
    PyObject_GetBuffer(ids, &view, PyBUF_WRITABLE)
    try:
        if view.len < (at + w.count) * <Py_ssize_t>sizeof(uint32_t):
            raise ValueError(f"expected room for {w.count} ids from place {at} on, found {view.len} bytes")
        if w.count:  # else `out` may be NULL, which memcpy does not allow even for no bytes
            memcpy(<uint32_t *>view.buf + at, w.out, w.count * sizeof(uint32_t))
    finally:
        PyBuffer_Release(&view)
    return 0


cdef bytes utf8_of(const Source *source, bint replace, int level):
    """The text of a source as UTF-8; None if it is no text."""
    cdef Py_ssize_t unit = 0, written, room = source.length * max(source.kind, 2) + source.length + 4
    cdef PyObject *made
    cdef uint8_t *out
    if source.kind == 0:
        return PyBytes_FromStringAndSize(<const char *>source.data, source.length)
    made = new_bytes(NULL, room)  # three bytes for a unit of one or two bytes, five for one of four
    if made == NULL:
        raise MemoryError
    out = <uint8_t *>PyBytes_AS_STRING(<object>made)
    with nogil:
        written = transcode(source, &unit, out, room, replace, level)
    resize_bytes(&made, max(written, 0))  # in place: memory that was not written to was never there
    text = <object>made
    Py_DECREF(text)
    return None if written < 0 else text


cdef Py_ssize_t source_offset(Normalizer normalizer, bytes text, Py_ssize_t offset) except -1:
    """Where in `text` the character comes from that lies at `offset` of its normalized text."""
    normalized, sources = normalizer.align(text)
    return len(text.decode()[:sources[len(normalized[:offset].decode())]].encode())


@cython.no_gc  # it is in no cycle, and must find its pool when it goes
cdef class Ids:
    """Memory of ids, as bytes; goes back to its pool with the object."""

    @staticmethod
    cdef Ids take(Workspace w, Pool pool):
        """The ids of a workspace, which loses them."""
        cdef Ids taken = Ids()
        taken.pool = pool
        taken.ids, taken.count, taken.capacity = w.out, w.count, w.capacity
        w.out = NULL
        w.count = w.capacity = 0
        return taken

    def __getbuffer__(self, Py_buffer *buffer, int flags):
        PyBuffer_FillInfo(buffer, self, self.ids, self.count * sizeof(uint32_t), False, flags)

    def __dealloc__(self):
        if self.pool is not None:
            self.pool.keep(self.ids, self.capacity)


cdef object _np = None
cdef object _uint32 = None
cdef object _empty = None


cdef object numpy_():
    """numpy, imported when the first array is wanted."""
    global _np, _uint32, _empty
    if _np is None:
        import numpy
        _uint32, _empty = numpy.dtype(numpy.uint32), numpy.empty
        _np = numpy
    return _np


cdef str _ALL = "all"
cdef str _STRICT = "strict"


cdef class LineEncoder:
    """The calls for one text after another.

    In: an encoder, what makes policies (`.policy(special)`), the ids at a text's ends (`dstok.base.ids.Ends`). It is
    whole by itself. `Tokenizer` inherits from it, and has it not as a part, because of a line's 250 ns a Python frame
    more would take 100.
    """

    cdef readonly Encoder _encoder
    cdef readonly object _added
    cdef readonly object _ends
    cdef PyObject *_all           # the policy of "all", once it was asked for

    def __init__(self, Encoder encoder not None, added, ends):
        self._encoder, self._added, self._ends = encoder, added, ends

    def __dealloc__(self):
        Py_XDECREF(self._all)

    cdef Policy _policy(self, special):
        cdef PyObject *known = late_object(&self._all)
        if special is _ALL and known != NULL:
            return <Policy>known
        policy = self._added.policy(special)
        if special == _ALL:
            Py_INCREF(policy)
            late_put(&self._all, <PyObject *>policy)
        return policy

    # Annotations are for `help` and tools: nothing is made of them here, nor are they checked.

    def encode(
        self, text: Text, *, special: Special = "all", add_bos: bool = False, add_eos: bool = False,
        errors: Errors = "strict",
    ) -> list[int]:
        """The ids of `text`, which is `str` or UTF-8 bytes of any kind, as a list.

        special: which added tokens are matched in the text: "all" (upstream's behaviour), "none" (all text is plain: no
            prompt can forge a token), "raise" (`SpecialTokenError` if the text holds one), or a set of their texts.
        add_bos, add_eos: whether BOS stands before the ids of the text, EOS after them.
        errors: of invalid UTF-8 and lone surrogates: "strict" raises `TextError` with the place, "replace" takes U+FFFD
            for each.

        Raises `TypeError` for what is no text, `UnknownTokenError` for a text in `special` that is no added token, and
        `DstokError` if the model names no BOS or EOS.

        >>> import dstok
        >>> tok = dstok.load("deepseek-v3")
        >>> tok.encode("Hello world", add_bos=True)
        [0, 19923, 2058]
        >>> tok.encode("<｜User｜>hi"), tok.encode("<｜User｜>hi", special="none")
        ([128803, 6366], [30, 28217, 6756, 28217, 32, 6366])
        """
        cdef bint replace = errors is not _STRICT and replaces(errors)
        cdef list ids = self._encoder.encode(text, self._policy(special), replace)
        return self._ends.around(ids, add_bos, add_eos) if add_bos or add_eos else ids

    def encode_array(
        self, text: Text, *, special: Special = "all", add_bos: bool = False, add_eos: bool = False,
        errors: Errors = "strict",
    ) -> npt.NDArray[np.uint32]:
        """The ids of `text` as a numpy array, uint32[n]: for a long text much faster than a list. Keywords as `encode`.

        >>> import dstok
        >>> dstok.load("deepseek-v3").encode_array("Hello world", add_eos=True)
        array([19923,  2058,     1], dtype=uint32)
        """
        cdef bint replace = errors is not _STRICT and replaces(errors)
        cdef Policy policy = self._policy(special)
        if not add_bos and not add_eos:
            return self._encoder.encode_array(text, policy, replace, 0, 0)
        before, after = self._ends.before(add_bos), self._ends.after(add_eos)
        ids = self._encoder.encode_array(text, policy, replace, len(before), len(after))
        ids[:len(before)] = before
        ids[len(ids) - len(after):] = after
        return ids

    def count(
        self, text: Text, *, special: Special = "all", add_bos: bool = False, add_eos: bool = False,
        errors: Errors = "strict",
    ) -> int:
        """The number of ids of `text`, without making them. Keywords as `encode`.

        >>> import dstok
        >>> dstok.load("deepseek-v3").count("Hello world", add_bos=True)
        3
        """
        cdef bint replace = errors is not _STRICT and replaces(errors)
        cdef Py_ssize_t framing = 0
        if add_bos or add_eos:
            framing = self._ends.extra(add_bos, add_eos)
        return framing + self._encoder.count(text, self._policy(special), replace)
