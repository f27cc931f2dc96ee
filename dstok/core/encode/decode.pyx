# cython: initializedcheck=False
"""Ids -> bytes or text.

In: one list of ids or many. A list is a Python list, or numbers in a buffer, which are read where they lie. Out: the
bytes of their tokens, one after the other, as `bytes` or as `str`.
Invariant: an id without a token is an error that names it. Nothing is left out unless the caller asks for it.

An id that is also an added token may have two byte strings: BPE makes the id from one, and decoding gives the other.
Models of characters have byte tokens: the run E4 B8 AD is a character, and each byte of the run E4 B8 is U+FFFD. A byte
token is written as two bytes that no text has, and its byte; `_settle` then makes text of each run, in place.
One pass reads and checks the ids, and writes their tokens to a buffer (decode.h). Python gets a copy of the buffer.
If each token is whole characters, the bytes need no validation.
"""

from cpython.buffer cimport PyBUF_FORMAT, PyBUF_STRIDES, PyBuffer_Release
from cpython.bytes cimport PyBytes_AS_STRING, PyBytes_FromStringAndSize
from cpython.exc cimport PyErr_Clear
from libc.stdint cimport int64_t, uint8_t, uint16_t, uint32_t, uint64_t
from libc.stdlib cimport calloc, free, malloc
from libc.string cimport memchr, memcpy, memmove, memset

from dstok.core.encode.memory cimport Pool
from dstok.core.encode.sinks cimport Run
from dstok.core.cpu.level cimport Implementation, chosen
from dstok.core.cpu.platform cimport huge_alloc
from dstok.core.text.utf8 cimport PyUnicode_DATA, PyUnicode_KIND, find_invalid

import sys
from array import array
from itertools import pairwise

from dstok._util.arguments import id_list
from dstok.errors import ArgumentError, UnknownIdError, UnsupportedError

cdef extern from "Python.h":
    object PyUnicode_New(Py_ssize_t size, uint32_t most)
    int get_buffer "PyObject_GetBuffer"(object given, Py_buffer *view, int flags) noexcept

cdef extern from "encode/decode.h":
    enum:
        DECODE_COPY
        DECODE_ROOM
        DECODE_LISTS_CHANGE
        HAS_TOKEN
        MAY_SKIP
        NOT_ASCII
        NOT_WHOLE
    ctypedef struct DecodeTable:
        uint32_t *starts
        uint8_t *kinds, *blob, *cells
        uint64_t size
    ctypedef struct DecodeTaken:
        uint8_t *out, *end
        uint32_t kinds
    ctypedef Py_ssize_t (*DecodeTake)(
        const DecodeTable *table, DecodeTaken *taken, const char *at, Py_ssize_t step, Py_ssize_t count, uint32_t skip
    ) noexcept nogil
    bint decode_take(const DecodeTable *table, DecodeTaken *taken, uint64_t value, uint32_t skip) noexcept
    DecodeTake decode_taker(const char *format, Py_ssize_t size) noexcept
    Py_ssize_t decode_take_list(
        const DecodeTable *table, DecodeTaken *taken, object ids, Py_ssize_t at, uint32_t skip) noexcept
    Py_ssize_t decode_code_points(const uint8_t *text, Py_ssize_t length, uint8_t *most) noexcept nogil
    void decode_widen(const uint8_t *text, Py_ssize_t length, int kind, void *out) noexcept nogil

cdef enum:
    MARK = 0xFE              # begins a byte token, which is written as b"\xfe\xff" and its byte
    MARKED = 3               # bytes
    MOST_BYTES = 0xFFFFFFFF  # of all tokens together
    LIKELY = 5               # bytes of a token, for the first guess at the room
    LONG = 1 << 12           # ids from which on the GIL is released: for fewer, releasing it would take longer


cdef class Decoder:
    """`starts` and `blob` hold the vocabulary, `added` the added tokens as (id, bytes, whether it may be skipped).

    `byte_ids` are the ids of byte tokens. `strip`: is one space at the start of a text left out?
    """

    cdef DecodeTable table
    cdef Pool pool
    cdef const Implementation *level
    cdef Py_ssize_t longest          # bytes of the longest token
    cdef readonly bint runs, strip   # are there byte tokens; is a space at the start left out
    cdef readonly Py_ssize_t size

    def __cinit__(self, starts, blob, Py_ssize_t size, list added, byte_ids: Iterable[int] = (), bint strip=False):
        cdef const uint32_t[::1] s = memoryview(starts).cast("B").cast("I")
        cdef const uint8_t[::1] b = memoryview(blob).cast("B")
        cdef dict others = {id: (text, skipped) for id, text, skipped in added}
        cdef set bytes_alone = set(byte_ids)
        cdef Py_ssize_t i, length = b.shape[0] + sum([len(text) for text, _ in others.values()])
        length += MARKED * len(bytes_alone)
        if length > MOST_BYTES:
            raise UnsupportedError(f"tokens of {length} bytes together: expected at most {MOST_BYTES}")
        self.size, self.level, self.pool = size, chosen(), Pool()
        self.runs, self.strip = bool(bytes_alone), strip
        self.table.size = size
        self.table.starts = <uint32_t *>calloc(size + 1, sizeof(uint32_t))
        self.table.kinds = <uint8_t *>calloc(size + 1, 1)
        self.table.blob = <uint8_t *>malloc(length + DECODE_COPY)
        self.table.cells = <uint8_t *>huge_alloc(DECODE_COPY * size + 1)
        if not (self.table.starts and self.table.kinds and self.table.blob and self.table.cells):
            raise MemoryError
        memset(self.table.cells, 0, DECODE_COPY * size)
        for i in range(size):
            self.table.starts[i + 1] = self.table.starts[i]
            if i in others:
                text, skipped = others[i]
                self._lay(i, <const uint8_t *>PyBytes_AS_STRING(text), len(text), MAY_SKIP if skipped else 0)
            elif i in bytes_alone:
                text = bytes([MARK, 0xFF, b[s[i]]])
                self._lay(i, <const uint8_t *>PyBytes_AS_STRING(text), MARKED, 0)
            elif i + 1 < s.shape[0] and s[i + 1] > s[i]:
                self._lay(i, &b[s[i]], s[i + 1] - s[i], 0)

    cdef void _lay(self, Py_ssize_t id, const uint8_t *text, Py_ssize_t length, uint8_t kind) noexcept:
        """Append the token of an id to the tokens of smaller ids."""
        cdef uint8_t most
        self.longest = max(self.longest, length)
        memcpy(self.table.blob + self.table.starts[id], text, length)
        self.table.starts[id + 1] = self.table.starts[id] + <uint32_t>length
        decode_code_points(text, length, &most)
        if most >= 0x80:
            kind |= NOT_ASCII | (NOT_WHOLE if find_invalid(text, length, self.level) >= 0 else 0)
        kind |= HAS_TOKEN
        self.table.kinds[id] = kind
        if length < DECODE_COPY and not kind & MAY_SKIP:
            memcpy(self.table.cells + DECODE_COPY * id, text, length)
            self.table.cells[DECODE_COPY * id + DECODE_COPY - 1] = <uint8_t>(kind << 4 | length)

    def __dealloc__(self):
        free(self.table.starts)
        free(self.table.kinds)
        free(self.table.blob)
        free(self.table.cells)

    def __copy__(self) -> Decoder:
        return self  # it never changes

    cdef Py_ssize_t _check(self, token, Py_ssize_t index) except -1:
        cdef Py_ssize_t i
        try:
            if isinstance(token, bool):  # no number
                raise TypeError
            i = token
        except OverflowError:
            i = -1
        except TypeError:
            hint = ": decode_batch takes lists of ids" if isinstance(token, (list, tuple)) else ""
            raise ArgumentError(f"expected an id at index {index}, found {type(token).__name__}{hint}", "ids") from None
        if not self.has(i):
            raise UnknownIdError(token, index, self.size)
        return i

    def token(self, token: int, Py_ssize_t index=0) -> bytes:
        """Return the bytes of one token."""
        cdef Py_ssize_t i = self._check(token, index)
        cdef uint32_t start = self.table.starts[i]
        if self.runs and self.table.blob[start] == MARK:
            start += MARKED - 1
        return PyBytes_FromStringAndSize(<const char *>self.table.blob + start, self.table.starts[i + 1] - start)

    cpdef bint has(self, Py_ssize_t token):
        """Tell whether an id has a token."""
        return 0 <= token < self.size and self.table.kinds[token]

    def decode(self, ids, bint skip_special) -> bytes:
        """Return the bytes of `ids`."""
        return self._decoded(ids, skip_special, True, False, True)

    def marked(self, ids, bint skip_special) -> bytes:
        r"""Return the bytes of `ids`, each byte token as b"\xfe\xff" and its byte."""
        return self._decoded(ids, skip_special, False, False, True)

    def text(self, ids, bint skip_special, bint strict=False) -> str | bytes:
        """Return the text of `ids`, or, if it is not UTF-8, the bytes; byte tokens are text then unless `strict`."""
        return self._decoded(ids, skip_special, True, True, strict)

    cdef object _decoded(self, ids, bint skip_special, bint settles, bint as_text, bint strict):
        cdef Run w = self.pool.lease()
        cdef DecodeTaken taken
        try:
            self._take(w, ids, skip_special, &taken)
            if as_text:
                return self._text(w, &taken, strict)
            if settles:
                self._settle(w, 0, strict, False, &taken)
            return written(w, &taken)
        finally:
            self.pool.release(w)

    def texts(
        self, batch, bint skip_special, repair: Callable[[bytes, int], str], offsets: npt.NDArray[np.int64] = None,
        bint strict=False
    ) -> list[str]:
        """Return the text of each list of `batch`, `repair(bytes, number)` where the bytes are not UTF-8.

        With `offsets`, list i is `batch[offsets[i]:offsets[i + 1]]`. `offsets` is an int64 array that never falls and
        stays within `batch`. `strict` is as in `text`.
        """
        cdef Run w = self.pool.lease()
        cdef DecodeTaken taken
        cdef list texts = []
        try:
            if self._rows(w, batch, offsets, skip_special, repair, texts, strict):
                return texts
            for ids in batch if offsets is None else [batch[start:end] for start, end in pairwise(offsets.tolist())]:
                try:
                    self._take(w, ids, skip_special, &taken)
                except UnknownIdError as error:
                    raise UnknownIdError(error.id, error.index, error.vocab_size, len(texts)) from None
                except ArgumentError as error:
                    raise ArgumentError(f"list {len(texts)}: {error}", "batch") from None
                self._append(w, texts, &taken, repair, strict)
            return texts
        finally:
            self.pool.release(w)

    def decode_lists(
        self, const uint32_t[::1] ids not None, const int64_t[::1] counts not None, bint skip_special, bint strict=False
    ) -> tuple[bytes, array[int], list[int]]:
        """Return (bytes, sizes, broken) of lists that lie one after the other; `counts` are their lengths in `ids`.

        `sizes`, an array of typecode "q", holds the number of bytes of each list. `broken` has the numbers of the lists
        that are not UTF-8. `strict` is as in `text`.
        """
        cdef Run w = self.pool.lease()
        cdef DecodeTaken taken
        cdef DecodeTake take = decode_taker("I", 4)
        cdef int64_t[::1] sizes = array("q", bytes(8 * (counts.shape[0] + 1)))
        cdef list broken = []
        cdef Py_ssize_t row, at = 0, count, done, before
        cdef uint32_t skip = MAY_SKIP if skip_special else 0
        try:
            self._begin(w, ids.shape[0], &taken)
            with nogil:
                for row in range(counts.shape[0]):
                    count = counts[row]
                    if not 0 <= count <= ids.shape[0] - at:
                        with gil:
                            raise ValueError(
                                f"expected lists of {ids.shape[0]} ids, found list {row} end at {at + count}")
                    before, done, taken.kinds = taken.out - w.buffer, 0, 0
                    while True:
                        done += take(&self.table, &taken, <const char *>(&ids[0] + at + done), 4, count - done, skip)
                        if done == count:
                            break
                        with gil:
                            if not self._grown(w, &taken):
                                raise UnknownIdError(ids[at + done], done, self.size, row)
                    at += count
                    self._settle(w, before, strict, self.strip, &taken)
                    sizes[row] = taken.out - w.buffer - before
                    if taken.kinds & NOT_WHOLE and find_invalid(w.buffer + before, sizes[row], self.level) >= 0:
                        with gil:
                            broken.append(row)
            return written(w, &taken), sizes.base[:counts.shape[0]], broken
        finally:
            self.pool.release(w)

    # Ids from callers -> bytes in a buffer.

    cdef int _begin(self, Run w, Py_ssize_t count, DecodeTaken *taken) except -1:
        """Make room for the bytes that so many ids are likely to have."""
        w.begin(0)
        if not w.reserve_buffer(LIKELY * count + self.longest + DECODE_ROOM, 0):
            raise MemoryError
        taken.out, taken.end, taken.kinds = w.buffer, w.buffer + w.buffer_room, 0
        return 0

    cdef bint _grown(self, Run w, DecodeTaken *taken) except -1:
        """Make more room, unless the longest token fits; returns whether it did."""
        cdef Py_ssize_t done = taken.out - w.buffer
        if taken.end - taken.out >= self.longest + DECODE_COPY:
            return False
        if not w.reserve_buffer(2 * w.buffer_room, w.buffer_room):
            raise MemoryError
        taken.out, taken.end = w.buffer + done, w.buffer + w.buffer_room
        return True

    cdef int _take(self, Run w, ids, bint skip_special, DecodeTaken *taken) except -1:
        """Take the ids of one list; integers in a buffer where they lie."""
        cdef uint32_t skip = MAY_SKIP if skip_special else 0
        cdef Py_buffer view
        cdef DecodeTake take
        if type(ids) is list and not DECODE_LISTS_CHANGE:
            return self._take_list(w, ids, skip, taken)
        take = opened(ids, &view, 1)
        if take == NULL:
            return self._take_list(w, id_list(ids), skip, taken)
        try:
            return self._take_row(w, take, &view, 0, view.shape[0], skip, taken)
        finally:
            PyBuffer_Release(&view)

    cdef int _take_list(self, Run w, list ids, uint32_t skip, DecodeTaken *taken) except -1:
        """Take the ids of a list that no other thread changes meanwhile."""
        cdef Py_ssize_t at = 0, count = len(ids)
        cdef bint own = False
        self._begin(w, count, taken)
        while True:
            at = decode_take_list(&self.table, taken, ids, at, skip)
            if at == count:
                return 0
            if self._grown(w, taken):
                continue
            if not own:
                ids, own = list(ids), True  # the next object may have an __index__ that changes the caller's list
            decode_take(&self.table, taken, self._check(ids[at], at), skip)
            at += 1

    cdef int _take_row(
        self, Run w, DecodeTake take, const Py_buffer *view, Py_ssize_t start, Py_ssize_t count, uint32_t skip,
        DecodeTaken *taken
    ) except -1:
        """Take `count` integers along the last dimension of a buffer, from place `start` of the first dimension on."""
        cdef Py_ssize_t step = view.strides[view.ndim - 1], done = 0
        cdef const char *at = <const char *>view.buf + start * view.strides[0]
        self._begin(w, count, taken)
        while True:
            if count < LONG:
                done += take(&self.table, taken, at + done * step, step, count - done, skip)
            else:
                with nogil:
                    done += take(&self.table, taken, at + done * step, step, count - done, skip)
            if done == count:
                return 0
            if not self._grown(w, taken):
                at += done * step
                signed = view.format != NULL and (<bytes>view.format).islower()
                id = int.from_bytes(at[:view.itemsize], sys.byteorder, signed=signed)
                raise UnknownIdError(id, done, self.size)

    cdef bint _rows(
        self, Run w, batch, offsets, bint skip_special, repair, list texts, bint strict
    ) except -1:
        """Do the work of `texts` for integers in a buffer, in rows or with offsets; false if there are none."""
        cdef Py_buffer view
        cdef DecodeTake take = opened(batch, &view, 2 if offsets is None else 1)
        cdef const int64_t[::1] bounds = offsets
        cdef Py_ssize_t row, start, count
        cdef DecodeTaken taken
        if take == NULL:
            return False
        try:
            for row in range(view.shape[0] if offsets is None else bounds.shape[0] - 1):
                start = row if offsets is None else bounds[row]
                count = view.shape[1] if offsets is None else bounds[row + 1] - start
                try:
                    self._take_row(w, take, &view, start, count, MAY_SKIP if skip_special else 0, &taken)
                except UnknownIdError as error:
                    raise UnknownIdError(error.id, error.index, error.vocab_size, row) from None
                self._append(w, texts, &taken, repair, strict)
        finally:
            PyBuffer_Release(&view)
        return True

    cdef void _settle(
        self, Run w, Py_ssize_t start, bint strict, bint strip, DecodeTaken *taken
    ) noexcept nogil:
        """Make bytes of the marked byte tokens from a place in the buffer on, in place.

        Unless `strict` each byte of a run that is not UTF-8 becomes U+FFFD, whose three bytes the marks have left.
        """
        cdef uint8_t *text = w.buffer + start
        cdef uint8_t *at = text
        cdef uint8_t *end = taken.out
        cdef uint8_t *run, *mark
        if self.runs and taken.kinds & NOT_WHOLE:
            taken.out = text
            while at < end:
                mark = <uint8_t *>memchr(at, MARK, end - at)
                mark = mark if mark != NULL else end
                memmove(taken.out, at, mark - at)
                run = taken.out = taken.out + (mark - at)
                at = mark
                while at < end and at[0] == MARK:
                    taken.out[0] = at[MARKED - 1]
                    taken.out, at = taken.out + 1, at + MARKED
                if not strict and find_invalid(run, taken.out - run, self.level) >= 0:
                    taken.out = run
                    while taken.out < run + (at - mark):
                        memcpy(taken.out, "\xef\xbf\xbd", 3)
                        taken.out += 3
        if strip and taken.out != text and text[0] == 0x20:
            taken.out -= 1
            memmove(text, text + 1, taken.out - text)

    cdef int _append(self, Run w, list texts, DecodeTaken *taken, repair, bint strict) except -1:
        text = self._text(w, taken, strict)
        texts.append(text if type(text) is str else repair(text, len(texts)))
        return 0

    cdef object _text(self, Run w, DecodeTaken *taken, bint strict):
        """Return the text of the ids that were taken, or, if their bytes are not UTF-8, the bytes."""
        cdef Py_ssize_t length, count, done = 0
        cdef uint8_t most
        cdef uint8_t *units
        self._settle(w, 0, strict, self.strip, taken)
        length = taken.out - w.buffer
        if taken.kinds & NOT_WHOLE and find_invalid(w.buffer, length, self.level) >= 0:
            return written(w, taken)
        if not taken.kinds & NOT_ASCII:
            text = PyUnicode_New(length, 0x7F)
            memcpy(PyUnicode_DATA(text), w.buffer, length)
            return text
        count = decode_code_points(w.buffer, length, &most)
        text = PyUnicode_New(count, 0xFF if most < 0xC4 else 0xFFFF if most < 0xF0 else 0x10FFFF)
        units = <uint8_t *>PyUnicode_DATA(text)
        if PyUnicode_KIND(text) == 2 and self.level.widen != NULL:
            done = self.level.widen(w.buffer, length, <uint16_t **>&units)
        decode_widen(w.buffer + done, length - done, PyUnicode_KIND(text), units)
        return text


cdef bytes written(Run w, const DecodeTaken *taken):
    """Return the bytes of the ids that were taken."""
    return PyBytes_FromStringAndSize(<const char *>w.buffer, taken.out - w.buffer)


cdef DecodeTake opened(ids, Py_buffer *view, int dimensions) except? NULL:
    """Open a buffer of integers with so many dimensions; NULL, with nothing open, if the object has none.

    Only of types whose buffer is known to have the numbers that Python sees. numpy's masked arrays do not.
    """
    cdef DecodeTake take = NULL
    if type(ids) is not array and type(ids) is not memoryview:
        numpy = sys.modules.get("numpy")
        if numpy is None or type(ids) is not numpy.ndarray:
            return NULL
    if get_buffer(ids, view, PyBUF_FORMAT | PyBUF_STRIDES) < 0:
        PyErr_Clear()
        return NULL
    if view.ndim == dimensions:
        take = decode_taker(view.format, view.itemsize)
    if take == NULL:
        PyBuffer_Release(view)
    return take
