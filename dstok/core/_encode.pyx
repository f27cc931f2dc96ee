# cython: language_level=3, boundscheck=False, wraparound=False, cdivision=True, autotestdict=False
"""The encoder: one pass over a text, from added tokens through pieces to ids, without the GIL.

In: texts (`str` or UTF-8 bytes) and a policy for added tokens. Out: ids.
Invariant: the ids are those of the text as a whole, however it is fed: text is taken in stretches of about
`WINDOW` bytes, and of each stretch only as much as no later text can change: whole matches of added tokens,
and pieces whose end the automaton has seen. The rest is carried over to the next stretch.

Order of work in a stretch, as upstream: added tokens with normalized=false on the raw text; between them
those with normalized=true; between those the pieces; each piece by the piece table, else by merging.
"""

cimport cython
from cpython.buffer cimport PyBuffer_FillInfo
from cpython.list cimport PyList_New, PyList_SET_ITEM
from cpython.long cimport PyLong_FromUnsignedLong
from cpython.object cimport PyObject
from cpython.ref cimport Py_INCREF, Py_XDECREF
from libc.stdint cimport uint8_t, uint16_t, uint32_t, uint64_t
from libc.stdlib cimport calloc, free, malloc, realloc
from libc.string cimport memcpy, memmove

import threading
from array import array

from dstok.core._added cimport Match, Matcher
from dstok.core._bpe cimport BPE
from dstok.core._pieces cimport LONG_IDS, MIDDLE, cuttable, insert, locate, look_up, look_up_long, may_cut
from dstok.core._scan cimport Scanner, scan_piece
from dstok.core._utf8 cimport Source, code_point, find_invalid, open_source, transcode
from dstok.core._workspace cimport (
    CHUNK,
    FINE,
    INVALID_TEXT,
    OUT_OF_MEMORY,
    SPECIAL_FOUND,
    Workspace,
)

from dstok.errors import SpecialTokenError, TextError

cdef extern from "Python.h":
    Py_ssize_t PY_SSIZE_T_MAX

cdef extern from "_kernel.h":
    ctypedef struct KernelTables:
        const uint8_t *pages
        const uint16_t *page_numbers
        const uint64_t *joined
        uint8_t ascii[128]
    ctypedef struct Block:
        uint64_t starts
        int sure
        bint whole
    enum:
        LEVEL_NONE
        LEVEL_PORTABLE
        LEVEL_AVX2
        LEVEL_AVX512
    int kernel_best_level() noexcept nogil
    bint kernel_plain_ascii(const uint8_t *ascii) noexcept nogil
    Block kernel_block(int level, const KernelTables *t, const uint8_t *p, int size, bint final) noexcept nogil

cdef extern from *:
    int __builtin_ctzll(uint64_t) noexcept nogil

cdef enum:
    BLOCK = 64               # bytes the mask kernel looks at
    LIKELY = 3               # bytes a token: room made at the start; pages not written to cost nothing
    GIVE = 1 << 14           # ids from which on the buffer itself is given away, not copied
    WINDOW = 1 << 16         # bytes of text in work at a time; fits the level-2 cache with its tables
    CONTEXT = 4              # bytes kept before it, for single_word: the longest character
    DROPPED = 2              # the scanner's tag, plus one, of a piece that a Removed step drops

MAX_WORKSPACES = 8           # that a tokenizer keeps, each with a piece table of its own
PARTS_PER_THREAD = 4
START = (True, 0, 0)         # of a text, for `encode_part`: Workspace.fresh and .skip
LEVELS = {"automaton": LEVEL_NONE, "portable": LEVEL_PORTABLE, "avx2": LEVEL_AVX2, "avx512": LEVEL_AVX512}


def best_level():
    """The name of the best level of the mask kernel that this processor can run."""
    return next(name for name, level in LEVELS.items() if level == kernel_best_level())


cdef class Policy:
    """Which added tokens are matched, and their ids. `refuses`: finding one is an error."""

    cdef Matcher raw, normalized
    cdef object raw_ids, normalized_ids
    cdef const uint32_t *ids[2]
    cdef readonly bint refuses
    cdef readonly tuple contents

    def __cinit__(self, Matcher raw, Matcher normalized, raw_ids, normalized_ids, contents, bint refuses):
        cdef const uint32_t[::1] view
        self.raw, self.normalized = raw, normalized
        self.raw_ids, self.normalized_ids = array("I", raw_ids), array("I", normalized_ids)
        self.contents = contents
        self.refuses = refuses
        view = array("I", [0]) if not raw_ids else self.raw_ids
        self.raw_ids = view
        self.ids[0] = &view[0]
        view = array("I", [0]) if not normalized_ids else self.normalized_ids
        self.normalized_ids = view
        self.ids[1] = &view[0]


@cython.final
cdef class Encoder:
    """The encoder of one model: tables that never change, and a pool of workspaces.

    `joined` is the bitmap of _pieces.joined_pairs, or None: no safe cuts. `fresh_tables()` gives the
    buffers of a private copy of the pre-filled piece tables, `shared_tables` those of one that is only read.
    """

    cdef Scanner scanner
    cdef BPE bpe
    cdef const uint64_t *joined
    cdef KernelTables kernel
    cdef int level
    cdef object _keep
    cdef object fresh_tables
    cdef object shared_tables
    cdef list pool
    cdef Py_ssize_t made
    cdef PyObject **ints
    cdef readonly Py_ssize_t size

    def __cinit__(self, Scanner scanner, BPE bpe, joined, fresh_tables, shared_tables, Py_ssize_t size,
                  str level="automaton"):
        cdef const uint8_t[::1] bits
        self.scanner, self.bpe = scanner, bpe
        if joined is not None:
            bits = joined
            self._keep = bits
            self.joined = <const uint64_t *>&bits[0]
        self._open_kernel(LEVELS[level])
        self.fresh_tables, self.shared_tables = fresh_tables, shared_tables
        self.pool = []
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

    cdef void _open_kernel(self, int level):
        """Sets the mask kernel up; level LEVEL_NONE: the automaton alone."""
        cdef const uint8_t *first = self.scanner.tables.pages + (<Py_ssize_t>self.scanner.tables.page_numbers[0] << 8)
        self.kernel.pages = self.scanner.tables.pages
        self.kernel.page_numbers = self.scanner.tables.page_numbers
        self.kernel.joined = self.joined
        memcpy(self.kernel.ascii, first, 128)
        self.level = min(level, kernel_best_level())
        if self.level == LEVEL_AVX2 and not kernel_plain_ascii(self.kernel.ascii):
            self.level = LEVEL_PORTABLE

    # Workspaces. list.pop and list.append are atomic; no lock that a fork could leave locked.

    cdef Workspace _lease(self):
        try:
            return self.pool.pop()
        except IndexError:
            pass
        if self.made < MAX_WORKSPACES:
            self.made += 1
            return Workspace(self.fresh_tables(), True)
        return Workspace(self.shared_tables, False)

    cdef void _release(self, Workspace w):
        w.trim()
        if w.table.writable:
            self.pool.append(w)

    # From text to ids, without the GIL.

    cdef void _flush(self, Workspace w, const uint8_t *text) noexcept nogil:
        """Encodes the pieces collected in `w`: locate all, then look each up or merge it."""
        cdef Py_ssize_t i, length, found
        cdef bint roomy
        for i in range(w.pieces):
            roomy = w.starts[i] + MIDDLE <= w.readable
            locate(&w.table, text + w.starts[i], w.ends[i] - w.starts[i], roomy, &w.probes[i])
        if not w.reserve(CHUNK * LONG_IDS):
            return
        for i in range(w.pieces):
            length = w.ends[i] - w.starts[i]
            if length <= MIDDLE:
                found = look_up(&w.probes[i], length, w.out + w.count)
                if found:
                    w.count += found
                    continue
            if not self._miss(w, text + w.starts[i], length):
                return
        if w.tracing:
            for i in range(w.pieces):
                if not w.mark(w.starts[i], w.ends[i]):
                    return
        w.pieces = 0
        if w.counting:
            w.total += w.count
            w.count = 0

    cdef bint _miss(self, Workspace w, const uint8_t *piece, Py_ssize_t length) noexcept nogil:
        """Encodes a piece that tables a and b do not hold; false if memory is out."""
        cdef Py_ssize_t found = look_up_long(&w.table, piece, length, w.out + w.count)
        if not found:
            if not w.reserve(length + CHUNK * LONG_IDS):
                return False
            found = self.bpe.merge_piece(piece, length, w.out + w.count, &w.scratch, &w.junction)
            if found < 0:
                w.status = OUT_OF_MEMORY
                return False
            insert(&w.table, piece, length, w.out + w.count, found)
        w.count += found
        return True

    cdef inline void _add(self, Workspace w, const uint8_t *text, Py_ssize_t start, Py_ssize_t end) noexcept nogil:
        w.starts[w.pieces] = start
        w.ends[w.pieces] = end
        w.pieces += 1
        if w.pieces == CHUNK:
            self._flush(w, text)

    cdef void _add_cut(self, Workspace w, const uint8_t *text, Py_ssize_t start, Py_ssize_t end) noexcept nogil:
        """Adds the parts of a piece, cut where no token can span two characters."""
        cdef uint32_t left = 0, right
        cdef Py_ssize_t at = start, width
        while at < end:
            right = code_point(text + at, &width)
            if left and cuttable(right) and may_cut(self.joined, left, right):
                self._add(w, text, start, at)
                start = at
            left = right if cuttable(right) else 0
            at += width
        self._add(w, text, start, end)

    cdef Py_ssize_t _blocks(
        self, Workspace w, const uint8_t *text, Py_ssize_t at, Py_ssize_t stop, bint final
    ) noexcept nogil:
        """As `_pieces`, by the mask kernel; a piece that it cannot settle goes to the automaton."""
        cdef Block block
        cdef Py_ssize_t size, start, end
        cdef uint64_t starts
        cdef bint last
        while at < stop and w.status == FINE:
            size = min(stop - at, BLOCK)
            last = final and at + size == stop
            block = kernel_block(self.level, &self.kernel, text + at, <int>size, last)
            if block.sure == 0 and not (last and block.starts == 1 and block.whole):
                end = self._piece(w, text, at, stop, final)
                if end < 0:
                    break
                at = end
                continue
            starts = block.starts & (block.starts - 1)
            start = at
            while starts:
                end = at + __builtin_ctzll(starts)
                if end > at + block.sure:
                    break
                self._add(w, text, start, end)
                start = end
                starts &= starts - 1
            if last and block.whole:
                self._add(w, text, start, stop)
                start = stop
            at = start
        return at

    cdef Py_ssize_t _pieces(
        self, Workspace w, const uint8_t *text, Py_ssize_t at, Py_ssize_t stop, bint final
    ) noexcept nogil:
        """Encodes the pieces of `text[at:stop]`; returns where the first piece starts that is not sure."""
        cdef Py_ssize_t end
        if self.level != LEVEL_NONE:
            at = self._blocks(w, text, at, stop, final)
        else:
            while at < stop and w.status == FINE:
                end = self._piece(w, text, at, stop, final)
                if end < 0:
                    break
                at = end
        if w.pieces and w.status == FINE:
            self._flush(w, text)
        return at

    cdef Py_ssize_t _piece(
        self, Workspace w, const uint8_t *text, Py_ssize_t at, Py_ssize_t stop, bint final
    ) noexcept nogil:
        """Adds the piece at `at`, by the automaton; returns its end, or -1 if it is not sure."""
        cdef uint32_t tag = 0
        cdef bint wide = False
        cdef Py_ssize_t end = scan_piece(&self.scanner.tables, text, at, stop, final, &tag, &wide)
        if end >= 0 and tag != DROPPED:
            if wide and self.joined != NULL:
                self._add_cut(w, text, at, end)
            else:
                self._add(w, text, at, end)
        return end

    cdef bint _special(
        self, Policy policy, bint normalized, Workspace w, const Match *match
    ) noexcept nogil:
        """Writes the id of an added token."""
        if policy.refuses:
            w.status = SPECIAL_FOUND
            w.where = w.base + match.content
            w.token = match.token
            w.normalized = normalized
            return False
        if w.marking and not w.mark(match.start, match.end):
            return False
        if not w.reserve(1):
            return False
        w.out[w.count] = policy.ids[normalized][match.token]
        w.count += 1
        if w.counting:
            w.total += w.count
            w.count = 0
        return True

    cdef Py_ssize_t _stretch(
        self, Policy policy, Workspace w, const uint8_t *text, Py_ssize_t at, Py_ssize_t stop,
        Py_ssize_t left, bint final
    ) noexcept nogil:
        """Encodes text that holds no raw added token: finds the normalized ones, and pieces between."""
        cdef Match match
        cdef Py_ssize_t begun = at, scan
        if w.fresh:
            left = at
            w.skip[1] = 0
        scan = at + w.skip[1]
        while True:
            match.token = -1
            match.safe = stop
            match.scan = at
            if policy.normalized is not None:
                match = policy.normalized.find(text, at, scan, stop, left, final)
            if match.token < 0:
                at = self._pieces(w, text, at, match.safe, final)
                w.skip[1] = max(match.scan - at, 0)
                break
            self._pieces(w, text, at, match.start, True)
            if w.status != FINE or not self._special(policy, True, w, &match):
                break
            at = scan = match.end
        if at > begun:
            w.fresh = False
        return at

    cdef Py_ssize_t _buffer(
        self, Policy policy, Workspace w, const uint8_t *text, Py_ssize_t at, Py_ssize_t stop, bint final
    ) noexcept nogil:
        """Encodes `text[at:stop]`, or, if not `final`, the part of it that is sure; returns its end."""
        cdef Match match
        cdef Py_ssize_t scan = at + w.skip[0]
        while True:
            match.token = -1
            match.safe = stop
            match.scan = at
            if policy.raw is not None:
                match = policy.raw.find(text, at, scan, stop, 0, final)
            if match.token < 0:
                at = self._stretch(policy, w, text, at, match.safe, 0, final)
                w.skip[0] = max(match.scan - at, 0)
                return at
            self._stretch(policy, w, text, at, match.start, 0, True)
            if w.status != FINE or not self._special(policy, False, w, &match):
                return at
            at = scan = match.end
            w.fresh = True

    cdef void _in_place(
        self, Policy policy, Workspace w, const uint8_t *text, Py_ssize_t length, Py_ssize_t limit
    ) noexcept nogil:
        """Encodes valid UTF-8 where it lies, window by window; stops early once `limit` ids are there."""
        cdef Py_ssize_t at = 0, stop, taken, window = WINDOW
        if limit < WINDOW // 8:
            window = max(8 * limit, 256)
        elif not w.counting and not w.reserve(w.count + length // LIKELY):
            return
        w.readable = length
        while w.status == FINE:
            stop = min(at + window, length)
            while stop < length and text[stop] & 0xC0 == 0x80:
                stop -= 1
            taken = self._buffer(policy, w, text, at, stop, stop == length)
            if stop == length or w.total + w.count >= limit:
                w.where = taken if w.status == FINE else w.where
                return
            window = WINDOW if taken > at else 2 * window
            at = taken

    cdef void _transcoded(
        self, Policy policy, Workspace w, const Source *source, bint replace, Py_ssize_t limit
    ) noexcept nogil:
        """Encodes `str` storage, transcoded a window at a time."""
        cdef Py_ssize_t unit = 0, held = 0, at = 0, taken, written, keep, window = WINDOW
        if limit < WINDOW // 8:
            window = max(8 * limit, 256)
        elif not w.counting and not w.reserve(w.count + source.length // LIKELY):
            return
        while w.status == FINE:
            if not w.reserve_buffer(held + window + 4):
                return
            w.readable = w.buffer_size
            written = transcode(source, &unit, w.buffer + held, window, replace)
            if written < 0:
                w.status = INVALID_TEXT
                w.where = unit
                return
            held += written
            taken = self._buffer(policy, w, w.buffer, at, held, unit == source.length)
            if unit == source.length or w.total + w.count >= limit:
                w.where = w.base + taken if w.status == FINE else w.where
                return
            window = WINDOW if taken > at else 2 * window
            keep = min(taken, CONTEXT)
            memmove(w.buffer, w.buffer + taken - keep, held - taken + keep)
            w.base += taken - keep
            held -= taken - keep
            at = keep

    cdef void _text(
        self, Policy policy, Workspace w, const Source *source, bint trusted, bint replace, Py_ssize_t limit
    ) noexcept nogil:
        """Encodes one text."""
        cdef Py_ssize_t fault
        w.fresh = True
        w.skip[0] = w.skip[1] = 0
        w.base = 0
        if source.kind != 0:
            self._transcoded(policy, w, source, replace, limit)
            return
        if not trusted:
            fault = find_invalid(<const uint8_t *>source.data, source.length)
            if fault >= 0:
                w.status = INVALID_TEXT
                w.where = fault
                return
        self._in_place(policy, w, <const uint8_t *>source.data, source.length, limit)

    # Python's side.

    cdef _fail(self, Workspace w, Policy policy, text):
        """Raises the error that `w.status` stands for."""
        if w.status == OUT_OF_MEMORY:
            raise MemoryError
        if w.status == SPECIAL_FOUND:
            raise SpecialTokenError(policy.contents[w.normalized][w.token], w.where)
        if isinstance(text, str):
            raise TextError(f"expected text, found the lone surrogate U+{ord(text[w.where]):04X} "
                            f"at code point {w.where}", w.where)
        raise TextError(f"expected utf-8, found byte 0x{text[w.where]:02x} at byte offset {w.where}", w.where)

    cdef list _list(self, const uint32_t *ids, Py_ssize_t count):
        """A list of ints, each id's object made once and shared."""
        cdef list result = PyList_New(count)
        cdef Py_ssize_t i
        cdef uint32_t token
        cdef object value
        for i in range(count):
            token = ids[i]
            if self.ints[token] == NULL:
                value = PyLong_FromUnsignedLong(token)
                Py_INCREF(value)
                self.ints[token] = <PyObject *>value
            value = <object>self.ints[token]
            Py_INCREF(value)
            PyList_SET_ITEM(result, i, value)
        return result

    cdef Workspace _run(self, text, Policy policy, bint replace, bint counting, bint marking, Py_ssize_t limit):
        """Encodes `text` in a leased workspace, which the caller releases."""
        cdef Source source
        cdef Workspace w
        if replace and isinstance(text, bytes):
            text = text.decode("utf-8", "replace")
        source = open_source(text)
        w = self._lease()
        w.begin(counting, marking)
        with nogil:
            self._text(policy, w, &source, False, replace, limit)
        if w.status != FINE:
            self._release(w)
            self._fail(w, policy, text)
        return w

    def encode(self, text, Policy policy not None, bint replace):
        """The ids of `text` as a list."""
        cdef Workspace w = self._run(text, policy, replace, False, False, PY_SSIZE_T_MAX)
        try:
            return self._list(w.out, w.count)
        finally:
            self._release(w)

    def encode_into(
        self, text, Policy policy not None, bint replace, allocate, wrap, Py_ssize_t before, Py_ssize_t after
    ):
        """The ids of `text` in a uint32 buffer that `allocate(n)` gives, with room left before and after.

        Of a long text it is the buffer that the ids were written to, as `wrap` makes it of bytes.
        """
        cdef Workspace w = self._run(text, policy, replace, False, False, PY_SSIZE_T_MAX)
        cdef uint32_t[::1] view
        try:
            if w.count >= GIVE and before + after == 0:
                return wrap(_Ids.take(w))
            result = allocate(before + w.count + after)
            if w.count:
                view = result
                memcpy(&view[before], w.out, w.count * sizeof(uint32_t))
            return result
        finally:
            self._release(w)

    def count(self, text, Policy policy not None, bint replace):
        """The number of ids of `text`."""
        cdef Workspace w = self._run(text, policy, replace, True, False, PY_SSIZE_T_MAX)
        self._release(w)
        return w.total

    def encode_marked(self, text, Policy policy not None, bint replace, allocate, Py_ssize_t limit=PY_SSIZE_T_MAX):
        """(ids, marks, end): marks are (index, start, end) of added tokens, in bytes.

        With a `limit` it stops once there are that many ids; `end` is how many bytes they cover.
        """
        cdef Workspace w = self._run(text, policy, replace, False, True, limit)
        cdef uint32_t[::1] view
        cdef Py_ssize_t i
        try:
            ids = allocate(w.count)
            if w.count:
                view = ids
                memcpy(&view[0], w.out, w.count * sizeof(uint32_t))
            marks = [(w.marks[i].index, w.marks[i].start, w.marks[i].end) for i in range(w.marked)]
            return ids, marks, w.where
        finally:
            self._release(w)

    def pieces(self, bytes text not None, Policy policy not None):
        """(start, end) of what is looked up or merged as one: pieces, and parts between safe cuts. For tests."""
        cdef Workspace w = self._lease()
        cdef Source source = open_source(text)
        cdef Py_ssize_t i
        w.begin(True, False)
        w.tracing = True
        try:
            with nogil:
                self._text(policy, w, &source, False, False, PY_SSIZE_T_MAX)
            if w.status != FINE:
                self._fail(w, policy, text)
            return [(w.marks[i].start, w.marks[i].end) for i in range(w.marked)]
        finally:
            self._release(w)

    def encode_part(self, const uint8_t[::1] text not None, Py_ssize_t at, Policy policy not None, tuple state,
                    bint final, allocate):
        """(ids, end, state) of the part of valid UTF-8 `text[at:]` that later text cannot change.

        For streams: bytes before `at` are context; `state` is `START` and then as it came out the last time.
        `allocate` None: the number of ids instead of the ids.
        """
        cdef Workspace w = self._lease()
        cdef uint32_t[::1] view
        cdef Py_ssize_t length = text.shape[0], end = at
        cdef const uint8_t *start = &text[0] if length else NULL
        w.begin(allocate is None, False)
        w.fresh, w.skip[0], w.skip[1] = state
        w.readable = length
        try:
            if length > at or final:
                with nogil:
                    end = self._buffer(policy, w, start, at, length, final)
            if w.status != FINE:
                self._fail(w, policy, None)
            if allocate is None:
                return w.total, end, (w.fresh, w.skip[0], w.skip[1])
            ids = allocate(w.count)
            if w.count:
                view = ids
                memcpy(&view[0], w.out, w.count * sizeof(uint32_t))
            return ids, end, (w.fresh, w.skip[0], w.skip[1])
        finally:
            self._release(w)

    # Batches: the texts' storage is read without the GIL; the caller's list keeps it alive.

    def encode_many(self, list texts, Policy policy not None, bint replace, Py_ssize_t threads, bint counting):
        """(ids, counts): all ids in one uint32 `array`, and an `array("Q")` of how many each text has."""
        cdef _Batch batch = _Batch(texts, replace)
        cdef list parts = batch.split(threads * PARTS_PER_THREAD if threads > 1 else 1)
        results = [None] * len(parts)
        errors = []
        todo = list(enumerate(parts))[::-1]

        def work():
            while todo and not errors:
                try:
                    index, (first, last) = todo.pop()
                except IndexError:
                    return
                try:
                    results[index] = self._many(batch, policy, replace, first, last, counting)
                except BaseException as error:
                    errors.append((index, error))

        workers = [threading.Thread(target=work) for _ in range(min(threads, len(parts)) - 1)]
        for worker in workers:
            worker.start()
        work()
        for worker in workers:
            worker.join()
        if errors:
            raise min(errors, key=lambda e: e[0])[1]
        return _joined(results)

    cdef _many(self, _Batch batch, Policy policy, bint replace, Py_ssize_t first, Py_ssize_t last, bint counting):
        cdef Workspace w = self._lease()
        cdef Py_ssize_t i = first, before = 0
        counts = array("Q", bytes(8 * (last - first)))
        cdef uint64_t[::1] view = counts
        cdef Py_ssize_t done = first
        w.begin(counting, False)
        try:
            with nogil:
                for i in range(first, last):
                    before = w.total + w.count
                    self._text(policy, w, &batch.sources[i], False, replace, PY_SSIZE_T_MAX)
                    if w.status != FINE:
                        break
                    view[i - first] = w.total + w.count - before
                    done = i + 1
            if w.status != FINE:
                self._fail_in(w, policy, batch.texts[done], done)
            ids = array("I")
            if w.count:
                ids.frombytes((<uint8_t *>w.out)[:4 * w.count])
            return ids, counts
        finally:
            self._release(w)

    cdef _fail_in(self, Workspace w, Policy policy, text, Py_ssize_t index):
        """As `_fail`, saying which text of a batch it is."""
        try:
            self._fail(w, policy, text)
        except TextError as error:
            raise TextError(f"{error.message} of text {index}", error.offset) from None

    def lists(self, ids, counts):
        """`ids` cut into lists of lengths `counts`."""
        cdef const uint32_t[::1] view
        cdef Py_ssize_t at = 0
        cdef uint64_t n
        if not len(ids):
            return [[] for _ in counts]
        view = ids
        result = []
        for n in counts:
            result.append(self._list(&view[0] + at, n))
            at += n
        return result


cdef class _Ids:
    """Memory of ids, as bytes, freed with the object."""

    cdef uint32_t *ids
    cdef Py_ssize_t size

    @staticmethod
    cdef _Ids take(Workspace w):
        """The ids of a workspace, which loses them."""
        cdef _Ids taken = _Ids()
        cdef void *shrunk = realloc(w.out, w.count * sizeof(uint32_t))
        taken.ids = <uint32_t *>shrunk if shrunk else w.out
        taken.size = w.count * sizeof(uint32_t)
        w.out = NULL
        w.count = w.capacity = 0
        return taken

    def __getbuffer__(self, Py_buffer *buffer, int flags):
        PyBuffer_FillInfo(buffer, self, self.ids, self.size, False, flags)

    def __dealloc__(self):
        free(self.ids)


cdef class _Batch:
    """Where the texts of a batch lie."""

    cdef list texts
    cdef Source *sources

    def __cinit__(self, list texts, bint replace):
        cdef Py_ssize_t i
        if replace:
            texts = [t.decode("utf-8", "replace") if isinstance(t, bytes) else t for t in texts]
        self.texts = texts
        self.sources = <Source *>malloc((len(texts) + 1) * sizeof(Source))
        if self.sources == NULL:
            raise MemoryError
        for i in range(len(texts)):
            self.sources[i] = open_source(texts[i])

    def __dealloc__(self):
        free(self.sources)

    cdef list split(self, Py_ssize_t parts):
        """Ranges of texts of about equal size."""
        cdef Py_ssize_t i, total = 0, size = 0, first = 0
        cdef list ranges = []
        for i in range(len(self.texts)):
            total += self.sources[i].length + 16
        for i in range(len(self.texts)):
            size += self.sources[i].length + 16
            if size * parts >= total or i + 1 == len(self.texts):
                ranges.append((first, i + 1))
                first, size = i + 1, 0
        return ranges


cdef _joined(list results):
    if len(results) == 1:
        return results[0]
    ids, counts = array("I"), array("Q")
    for part_ids, part_counts in results:
        ids.extend(part_ids)
        counts.extend(part_counts)
    return ids, counts
