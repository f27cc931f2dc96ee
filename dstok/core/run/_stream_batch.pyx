"""Many streams of ids, one id of each at a time: as text, up to a stop string.

In: ids, and the stream of each. Out: the text that each id makes sure.
Invariant: the texts of a stream, joined, are those of a stream of its own: bytes that are no UTF-8 become U+FFFD, and
bytes of a character wait until it is whole. The text ends before the first stop string, as if characters came one by
one: of several that end at one character, before the longest. So the cutting into tokens changes nothing.

The text of each token is made once. A character that is not whole is kept as bytes of its stream, and text that may
begin a stop string is kept as text.
"""

from cpython.bytes cimport PyBytes_AS_STRING, PyBytes_GET_SIZE
from cpython.list cimport PyList_New, PyList_SET_ITEM
from cpython.mem cimport PyMem_Calloc, PyMem_Free
from cpython.object cimport PyObject
from cpython.ref cimport Py_INCREF, Py_XDECREF
from libc.stdint cimport int64_t, uint8_t
from libc.string cimport memcpy

from dstok.errors import ArgumentError, DecodeError, UnknownIdError

cdef extern from "Python.h":
    Py_ssize_t PyUnicode_GET_LENGTH(object text) noexcept
    void *PyUnicode_DATA(object text) noexcept
    int PyUnicode_KIND(object text) noexcept
    Py_UCS4 PyUnicode_READ(int kind, const void *data, Py_ssize_t at) noexcept
    object PyUnicode_DecodeUTF8Stateful(const char *data, Py_ssize_t size, const char *errors, Py_ssize_t *used)

cdef enum:
    WAITING = 4  # room for the bytes of a character that is not whole: three at most
    STOPPED = 1  # the stream has met a stop string
    FAILED = 2   # its ids are no text, in the sense of errors="strict"

cdef str NOTHING = ""

cdef struct Waiting:
    uint8_t data[WAITING]
    int size


cdef class StopSearch:
    """The stop strings of one stream, and how many characters of each the text ends with (Knuth, Morris and Pratt)."""

    cdef tuple stops
    cdef Py_ssize_t *seen       # characters of each stop string
    cdef Py_ssize_t *borders    # for each start of a stop string, its longest part that is at its end, too
    cdef Py_ssize_t *places     # of each stop string's borders

    def __cinit__(self, tuple stops not None):
        cdef Py_ssize_t i, at, size, total = sum([len(stop) for stop in stops])
        self.stops = stops
        self.seen = <Py_ssize_t *>PyMem_Calloc(len(stops) + 1, sizeof(Py_ssize_t))
        self.places = <Py_ssize_t *>PyMem_Calloc(len(stops) + 1, sizeof(Py_ssize_t))
        self.borders = <Py_ssize_t *>PyMem_Calloc(total + 1, sizeof(Py_ssize_t))
        if not (self.seen and self.places and self.borders):
            raise MemoryError
        for i, stop in enumerate(stops):
            self.places[i + 1] = self.places[i] + len(stop)
            size = 0
            for at in range(1, len(stop)):
                size = self._step(i, stop, size, ord(stop[at]))
                self.borders[self.places[i] + at] = size

    def __dealloc__(self):
        PyMem_Free(self.seen)
        PyMem_Free(self.places)
        PyMem_Free(self.borders)

    cdef Py_ssize_t _step(self, Py_ssize_t number, str stop, Py_ssize_t size, Py_UCS4 char) noexcept:
        """The characters of a stop string that a text ends with, after one more character."""
        cdef const void *data = PyUnicode_DATA(stop)
        cdef int kind = PyUnicode_KIND(stop)
        cdef Py_ssize_t length = PyUnicode_GET_LENGTH(stop)
        while size and (size == length or PyUnicode_READ(kind, data, size) != char):
            size = self.borders[self.places[number] + size - 1]
        return size + 1 if PyUnicode_READ(kind, data, size) == char else size

    cdef Py_ssize_t feed(self, str text, Py_ssize_t *length) noexcept:
        """The place in `text` after the first stop string, whose `length` it sets; -1 if there is none."""
        cdef const void *data = PyUnicode_DATA(text)
        cdef int kind = PyUnicode_KIND(text)
        cdef Py_ssize_t at, i
        length[0] = 0
        for at in range(PyUnicode_GET_LENGTH(text)):
            for i in range(len(self.stops)):
                self.seen[i] = self._step(i, <str>self.stops[i], self.seen[i], PyUnicode_READ(kind, data, at))
                if self.seen[i] == self.places[i + 1] - self.places[i]:
                    length[0] = max(length[0], self.seen[i])
            if length[0]:
                return at + 1
        return -1

    cdef Py_ssize_t open(self) noexcept:
        """The characters at the end of the text that may begin a stop string."""
        cdef Py_ssize_t i, most = 0
        for i in range(len(self.stops)):
            most = max(most, self.seen[i])
        return most


cdef class StreamBatch:
    """`count` streams. `decoder` gives the tokens; those that may be skipped are empty with `skip_special`.

    With `make`, which makes a stream, each has such a stream: for models whose tokens are not text by themselves, and
    for errors="strict".
    """

    cdef object decoder, make
    cdef bint skip_special
    cdef readonly Py_ssize_t count
    cdef Py_ssize_t size        # ids
    cdef PyObject **tokens      # of each id: its text, or its bytes if they are not whole characters; NULL: not known
    cdef Waiting *waiting
    cdef uint8_t *over          # why each stream takes no more ids, or 0
    cdef uint8_t *slow          # whether its text is not that of its next token alone: it may stop, or bytes wait
    cdef list held, searches, own

    def __cinit__(self, decoder, bint skip_special, Py_ssize_t count, make=None):
        cdef Py_ssize_t slot
        self.decoder, self.skip_special, self.count, self.size = decoder, skip_special, count, decoder.size
        self.tokens = <PyObject **>PyMem_Calloc(self.size + 1, sizeof(PyObject *))
        self.waiting = <Waiting *>PyMem_Calloc(count + 1, sizeof(Waiting))
        self.over, self.slow = <uint8_t *>PyMem_Calloc(count + 1, 1), <uint8_t *>PyMem_Calloc(count + 1, 1)
        if not (self.tokens and self.waiting and self.over and self.slow):
            raise MemoryError
        self.held, self.searches, self.make = [""] * count, [None] * count, make
        self.own = [make() if make is not None else None for _ in range(count)]
        for slot in range(count):
            self.slow[slot] = make is not None

    def __dealloc__(self):
        cdef Py_ssize_t id
        if self.tokens:
            for id in range(self.size):
                Py_XDECREF(self.tokens[id])
        PyMem_Free(self.tokens)
        PyMem_Free(self.waiting)
        PyMem_Free(self.over)
        PyMem_Free(self.slow)

    def step(self, const int64_t[::1] ids not None, const int64_t[::1] slots):
        """The text that each id adds to its stream. Without `slots`, id i is stream i's; -1 adds nothing.

        Raises `UnknownIdError` or `ArgumentError`, and has then taken no id; or `DecodeError` for streams that fail,
        with the texts of all.
        """
        cdef Py_ssize_t i, slot
        cdef list texts, failed = []
        cdef PyObject *token
        for i in range(ids.shape[0]):
            if slots is not None and not 0 <= slots[i] < self.count:
                raise ArgumentError(f"expected slots below {self.count}, found {slots[i]} at index {i}", "slots")
            if ids[i] != -1:
                self._know(ids[i], i)
        texts = PyList_New(ids.shape[0])
        for i in range(ids.shape[0]):
            slot = i if slots is None else slots[i]
            token = self.tokens[ids[i]] if ids[i] != -1 else <PyObject *>NOTHING
            if self.slow[slot] or type(<object>token) is not str:
                text = ""
                try:
                    text = "" if self.over[slot] else self._add(slot, ids[i], <object>token)
                except DecodeError as error:
                    self.over[slot] = FAILED
                    failed.append((slot, error))
            else:
                text = <object>token
            Py_INCREF(text)
            PyList_SET_ITEM(texts, i, text)
        if failed:
            raise DecodeError(f"slot {failed[0][0]}: {failed[0][1]}", texts, [slot for slot, _ in failed])
        return texts

    def finish(self, Py_ssize_t slot):
        """The rest of a stream, which is empty then: U+FFFD for a character that is not whole, and text held back."""
        cdef Waiting *waiting = &self.waiting[slot]
        text, error = "", None
        if not self.over[slot]:
            rest = waiting.data[:waiting.size]
            try:
                text = rest.decode("utf-8", "replace") if self.make is None else self.own[slot].finish()
            except DecodeError as caught:
                error = caught
            text = self._until_stop(slot, text)
        text += self.held[slot]
        self.begin(slot, ())
        if error is not None:
            raise DecodeError(f"slot {slot}: {error}", [text], [slot])
        return text

    def begin(self, Py_ssize_t slot, tuple stops not None):
        """Empties a stream, and sets its stop strings."""
        self.waiting[slot].size = self.over[slot] = 0
        self.held[slot], self.searches[slot] = "", StopSearch(stops) if stops else None
        self.own[slot] = self.make() if self.make is not None else None
        self.slow[slot] = bool(stops) or self.make is not None

    def is_over(self, Py_ssize_t slot):
        """Whether a stream has met a stop string."""
        return self.over[slot] == STOPPED

    cdef int _know(self, int64_t id, Py_ssize_t index) except -1:
        """Makes the token of an id, if it is not known."""
        if not 0 <= id < self.size:
            raise UnknownIdError(id, index, self.size)
        if self.tokens[id] == NULL:
            data = self.decoder.token(id, index)
            token = "" if self.skip_special and not self.decoder.decode([id], True) else data
            try:
                token = token.decode() if token else ""
            except UnicodeDecodeError:
                pass
            Py_INCREF(token)
            self.tokens[id] = <PyObject *>token
        return 0

    cdef str _add(self, Py_ssize_t slot, int64_t id, object token):
        """The text that a token adds to a stream."""
        cdef Waiting *waiting = &self.waiting[slot]
        cdef Py_ssize_t used = 0, size
        if self.make is not None:
            return self._until_stop(slot, self.own[slot].feed(id) if id != -1 else "")
        if type(token) is str and (waiting.size == 0 or not token):
            return self._until_stop(slot, <str>token)
        data = waiting.data[:waiting.size] + (token if type(token) is bytes else (<str>token).encode())
        size = PyBytes_GET_SIZE(data)
        text = PyUnicode_DecodeUTF8Stateful(PyBytes_AS_STRING(data), size, "replace", &used)
        waiting.size = <int>(size - used)
        self.slow[slot] = waiting.size or self.searches[slot] is not None
        memcpy(waiting.data, PyBytes_AS_STRING(data) + used, waiting.size)
        return self._until_stop(slot, <str>text)

    cdef str _until_stop(self, Py_ssize_t slot, str text):
        """The part of a text that a stream gives now: up to a stop string, or to what may begin one."""
        cdef Py_ssize_t length, end, keep
        if self.searches[slot] is None or not text:
            return text
        end = (<StopSearch>self.searches[slot]).feed(text, &length)
        whole = <str>self.held[slot] + (text if end < 0 else text[:end])
        keep = length if end >= 0 else (<StopSearch>self.searches[slot]).open()
        given = PyUnicode_GET_LENGTH(whole) - keep
        self.held[slot] = "" if end >= 0 else whole[given:]
        self.over[slot] = STOPPED if end >= 0 else 0
        return whole[:given]
