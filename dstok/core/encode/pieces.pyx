"""Pieces without ids: the calls of a finder for Python; offsets in characters; pieces as objects.

In: valid UTF-8, or offsets and spans that rise. Out: the spans of the pieces that are kept, as int64[n, 2] in bytes;
these pieces; their number; offsets in code points; an object for each piece.
Invariant: the pieces are those of `Program.pieces` without the dropped ones. Each call leases a run, and works in it
without the GIL. Offsets that do not rise, or lie outside of the text, are refused before the text is read there.
`add_pieces` makes the objects that their class, a NamedTuple of `FIELDS` fields, would make: a call of it in Python
would take most of the time. Short pieces with the same text share a `str` as a rule.
"""

cimport cython
from cpython.object cimport PyObject, PyTypeObject
from cpython.ref cimport Py_INCREF, Py_XDECREF
from cpython.tuple cimport PyTuple_SET_ITEM
from cpython.unicode cimport PyUnicode_DecodeUTF8
from libc.stdint cimport int64_t, uint8_t, uint32_t, uint64_t
from libc.stdlib cimport calloc, free
from libc.string cimport memset

from dstok.core.bpe.merge cimport KEY24_MAX
from dstok.core.cpu.level cimport Implementation, chosen
from dstok.core.encode.memory cimport Pool, numpy_, spans_of
from dstok.core.encode.sinks cimport SPANS, Run
from dstok.core.split.automaton cimport Memo, Scanner, begin_memo, drop, scan_piece
from dstok.core.split.finder cimport FINE, Finder
from dstok.core.text.hash cimport hash_first, key_mix, key_of
from dstok.core.text.utf8 cimport Rows, Source, characters_in, characters_within, find_invalid, open_source

from array import array

from dstok._util.arguments import not_utf8
from dstok.errors import TextError

cdef enum:
    BYTES_PER_PIECE = 4      # room made at the start; unused pages cost nothing

ctypedef object (*Result)(Run run, const Source *source, Pool pool)  # takes the result of a call from its run


cdef object as_spans(Run run, const Source *source, Pool pool):
    return spans_of(&run.out.bytes, pool)


cdef object as_number(Run run, const Source *source, Pool pool):
    return run.out.total


cdef object as_strings(Run run, const Source *source, Pool pool):
    cdef const char *data = <const char *>source.data
    cdef const int64_t *span = run.out.bytes.data
    cdef Py_ssize_t i
    return [PyUnicode_DecodeUTF8(data + span[2 * i], span[2 * i + 1] - span[2 * i], NULL)
            for i in range(run.out.bytes.count)]


@cython.final
cdef class SpanPass:
    """Finds the pieces of valid texts (ASCII `str` or UTF-8 bytes). It never changes."""

    cdef readonly Finder finder
    cdef Pool pool
    cdef const Implementation *level

    def __cinit__(self, Finder finder not None):
        self.finder, self.pool, self.level = finder, Pool(), chosen()

    def __copy__(self):
        return self  # it never changes

    cdef int find(self, Run run, const Source *source) except -1 nogil:
        """Find the pieces of a valid text, in a run that the caller leases, begins and releases."""
        if not run.wanted & SPANS or run.reserve_spans(source.length // BYTES_PER_PIECE):
            self.finder.find_all(run, <const uint8_t *>source.data, source.length)
        if run.fault.status != FINE:
            with gil:
                raise MemoryError
        return 0

    cdef object of_text(self, text, int wanted, Result result):
        """Find the pieces of a valid text, and return what `result` makes of them."""
        cdef Source source = opened(text)
        cdef Run run = self.pool.lease()
        try:
            run.begin(wanted)
            with nogil:
                self.find(run, &source)
            return result(run, &source, self.pool)
        finally:
            self.pool.release(run)

    def spans(self, text not None: str | bytes) -> npt.NDArray[np.int64]:
        """Return the spans of the pieces in bytes, int64[n, 2]."""
        return self.of_text(text, SPANS, as_spans)

    def count(self, text not None: str | bytes) -> int:
        """Return the number of pieces that are kept."""
        return self.of_text(text, 0, as_number)

    def split(self, text not None: str | bytes) -> list[str]:
        """Return the pieces as a list of `str`."""
        return self.of_text(text, SPANS, as_strings)

    def spans_of(self, list texts not None) -> tuple[npt.NDArray[np.int64], list[int]]:
        """Return (spans, counts): spans of all texts, in bytes of each, int64[n, 2]; their numbers by text, a list."""
        cdef Run run = self.pool.lease()
        cdef Source source
        cdef Py_ssize_t before
        cdef list counts = []
        try:
            run.begin(SPANS)
            for text in texts:
                source = opened(text)
                before = run.out.bytes.count
                with nogil:
                    self.find(run, &source)
                counts.append(run.out.bytes.count - before)
            return spans_of(&run.out.bytes, self.pool), counts
        finally:
            self.pool.release(run)

    def of_rows(
        self, Rows rows not None, Py_ssize_t first, Py_ssize_t end, bint counting
    ) -> tuple[npt.NDArray[np.int64] | None, array[int]]:
        """Return (spans, ends) of the rows from `first` to `end`: row i has the spans from `ends[i]` to `ends[i + 1]`.

        Spans are in bytes of the row, int64[n, 2]; None if `counting`. `ends` is an array of typecode "q". Raises
        `TextError` for the first row that is not UTF-8.
        """
        cdef Run run = self.pool.lease()
        cdef int64_t[::1] ends = array("q", bytes(8 * (end - first + 1)))
        cdef Source source
        cdef Py_ssize_t i, fault
        try:
            run.begin(0 if counting else SPANS)
            with nogil:
                for i in range(first, end):
                    rows.place(&source, i, i + 1)
                    fault = find_invalid(<const uint8_t *>source.data, source.length, self.level)
                    if fault >= 0:
                        with gil:
                            error = not_utf8((<const uint8_t *>source.data)[fault], fault)
                            raise TextError(error.message, fault, i)
                    self.find(run, &source)
                    ends[i - first + 1] = run.out.total + run.out.bytes.count
            return None if counting else spans_of(&run.out.bytes, self.pool), ends.base
        finally:
            self.pool.release(run)

    def settled_spans(
        self, const uint8_t[::1] text not None, bint final, uint32_t left=0
    ) -> tuple[npt.NDArray[np.int64], int, int]:
        """Return (spans, end, left): the pieces of `text` that no later text can change, all of them if it is `final`.

        `left` is the state to go on with at `end`.
        """
        cdef Run run = self.pool.lease()
        cdef Py_ssize_t end, length = text.shape[0]
        try:
            run.begin(SPANS)
            run.left = left
            with nogil:
                end = self.finder.find_in_copy(run, &text[0] if length else NULL, 0, length, final)
            if run.fault.status != FINE:
                raise MemoryError
            return spans_of(&run.out.bytes, self.pool), end, run.left
        finally:
            self.pool.release(run)


cdef Source opened(text) except *:
    """Return the source of ASCII `str` or UTF-8 bytes."""
    cdef Source source = open_source(text)
    if source.kind:
        raise ValueError("expected ascii str or bytes")
    return source


cdef enum:
    ROOM = 8                 # bytes that `characters_in` may read after the text
    FAR = 64                 # bytes from which on a loop over single bytes, which becomes vectors, is faster


cdef inline int64_t begun(const uint8_t *text, Py_ssize_t start, Py_ssize_t end, Py_ssize_t length) noexcept nogil:
    # The number of characters that begin in text[start:end]. The text has `length` bytes.
    if end - start < FAR and end + ROOM <= length:
        return characters_in(text + start, end - start)
    return characters_within(text + start, end - start)


cdef inline bint within(const uint8_t *text, Py_ssize_t at, Py_ssize_t length) noexcept nogil:
    # Whether an offset lies inside a character.
    return at < length and text[at] & 0xC0 == 0x80


def in_characters(const uint8_t[::1] text not None, int64_t[::1] offsets not None):
    """Overwrite rising offsets in bytes of valid UTF-8, at borders of characters, by offsets in code points."""
    cdef Py_ssize_t i, at = 0
    cdef int64_t offset, characters = 0
    with nogil:
        for i in range(offsets.shape[0]):
            offset = offsets[i]
            if not at <= offset <= text.shape[0]:
                with gil:
                    raise not_rising(text, offset, at)
            characters += begun(&text[0], at, offset, text.shape[0])
            at, offsets[i] = offset, characters


def char_spans(const uint8_t[::1] text not None, const int64_t[:, ::1] spans not None) -> npt.NDArray[np.int64]:
    """Return code point spans, int64[n, 2], of rising byte spans of `text`: all characters with a byte in the span."""
    cdef Py_ssize_t i, at = 0, before = 0, length = text.shape[0]
    cdef int64_t start, end, characters = 0, to_end = 0
    cdef const uint8_t *data = &text[0] if length else NULL
    found = numpy_().empty((spans.shape[0], 2), numpy_().int64)
    cdef int64_t[:, ::1] out = found
    with nogil:
        for i in range(spans.shape[0]):
            start, end = spans[i, 0], spans[i, 1]
            if not at <= start <= end <= length:
                with gil:
                    raise not_rising(text, end if at <= start else start, start if at <= start else at)
            # As a rule a span begins where the last one ends.
            characters = to_end if start == before else characters + begun(data, at, start, length)
            to_end = characters + begun(data, start, end, length)
            # A span that begins inside a character takes all of the character.
            out[i, 0] = characters - within(data, start, length)
            out[i, 1] = to_end
            at, before = start, end
    return found


cdef object not_rising(const uint8_t[::1] text, int64_t offset, int64_t before):
    return ValueError(f"expected offsets that rise up to {text.shape[0]}, found {offset} after {before}")


cdef extern from "encode/piece_list.h":
    object untracked_tuple(PyTypeObject *cls, Py_ssize_t fields)

cdef enum:
    FIELDS = 8               # text, start, end, char_start, char_end, step, alternative, token_id
    SHARED_BITS = 10
    WORTH = 1 << 12          # bytes of a text from which on pieces share their `str`

cdef struct Shared:
    uint64_t key[3]
    PyObject *text           # NULL: the entry is free, and its key is that of no piece


def add_pieces(
    list pieces not None, type cls not None, Scanner scanner not None, list reasons not None, bytes text not None,
    Py_ssize_t at, Py_ssize_t stop, Py_ssize_t chars
) -> int:
    """Add the pieces of `text[at:stop]`, which begins at character `chars`; return the character at its end."""
    cdef const uint8_t *data = text
    cdef Py_ssize_t end
    cdef tuple reason
    cdef Memo memo
    cdef Shared *known = NULL
    if not (issubclass(cls, tuple) and len(cls._fields) == FIELDS and not cls.__dictoffset__):
        raise TypeError(f"expected a NamedTuple of {FIELDS} fields, found {cls.__name__}")
    if not 0 <= at <= stop <= len(text):
        raise ValueError(f"expected a part of {len(text)} bytes, found {at}:{stop}")
    if stop - at >= WORTH:
        known = <Shared *>calloc(1 << SHARED_BITS, sizeof(Shared))
    memset(&memo, 0, sizeof(memo))
    begin_memo(&memo, &scanner.tables, at, stop)
    start_object, first_object = at, chars  # one object for an end and for the start after it
    try:
        while at < stop:
            end = scan_piece(&scanner.tables, data, at, stop, True, &memo)
            shown = text_of(known if stop - at >= KEY24_MAX else NULL, data + at, end - at)
            chars += len(<str>shown)
            end_object = end
            last_object = end_object if chars == end else chars
            reason = <tuple>reasons[memo.tag - 1]
            if reason is not None:
                step, alternative = reason
                piece = untracked_tuple(<PyTypeObject *>cls, FIELDS)
                put(piece, 0, shown)
                put(piece, 1, start_object)
                put(piece, 2, end_object)
                put(piece, 3, first_object)
                put(piece, 4, last_object)
                put(piece, 5, step)
                put(piece, 6, alternative)
                put(piece, 7, None)
                pieces.append(piece)
            at, start_object, first_object = end, end_object, last_object
    finally:
        drop(&memo)
        forget(known)
    return chars


cdef str text_of(Shared *known, const uint8_t *piece, Py_ssize_t length):
    """Return the text of a piece: with `known`, that of an earlier piece, if any. It may then read KEY24_MAX bytes."""
    cdef uint64_t key[3]
    cdef Shared *entry
    if known == NULL or length >= KEY24_MAX:
        return PyUnicode_DecodeUTF8(<const char *>piece, length, NULL)
    key_of(piece, <uint32_t>length, key)
    key[2] |= <uint64_t>length << 56  # in the last byte, which no key has
    entry = &known[hash_first(key_mix(key)) >> (64 - SHARED_BITS)]
    if entry.key[0] == key[0] and entry.key[1] == key[1] and entry.key[2] == key[2]:
        return <str>entry.text
    made = PyUnicode_DecodeUTF8(<const char *>piece, length, NULL)
    Py_INCREF(made)
    Py_XDECREF(entry.text)
    entry.key[0], entry.key[1], entry.key[2], entry.text = key[0], key[1], key[2], <PyObject *>made
    return made


cdef void forget(Shared *known) noexcept:
    cdef int i
    if known != NULL:
        for i in range(1 << SHARED_BITS):
            Py_XDECREF(known[i].text)
        free(known)


cdef inline int put(object piece, Py_ssize_t field, object value) except -1:
    """Set a field of a new tuple, which takes a reference."""
    Py_INCREF(value)
    PyTuple_SET_ITEM(piece, field, value)
    return 0
