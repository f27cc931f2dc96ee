# cython: initializedcheck=False
"""UTF-8: validation of bytes, transcoding of `str` storage, and the rows of a batch where they lie.

In: bytes, the storage of a `str` (1, 2 or 4 bytes a code point), or buffers with the offset of each row, as in Arrow.
Out: valid UTF-8, a portion at a time; sources; rows as bytes, and Arrow's views of them.
Invariant: all text that leaves this file is valid UTF-8. An invalid byte or surrogate is reported by its offset, or
replaced by U+FFFD where the caller asks for it. Levels differ in speed alone (utf8.h). Each row lies inside its buffer,
else making the rows raises `TextError`; the buffers are held as long as the rows, and no thread may write to them.
Source: the Unicode standard, table 3-7 (well-formed UTF-8 byte sequences).
"""

cimport cython
from cpython.array cimport array as c_array, clone, resize
from cpython.bytes cimport PyBytes_FromStringAndSize
from libc.string cimport memset

from dstok.core.cpu.level cimport chosen

from array import array

from dstok._util.arguments import Text, characters, utf8
from dstok.errors import ArgumentError, TextError, bounded

CUT_LENGTHS = (TEXT_MOST, RUN_MOST)

cdef extern from "Python.h":
    bint Py_UNICODE_ISSPACE(Py_UCS4) noexcept nogil


cdef inline bint blank_at(const Source *source, Py_ssize_t at) noexcept nogil:
    cdef Py_ssize_t width
    return Py_UNICODE_ISSPACE(code_at(source, at, &width))


cdef Py_ssize_t next_cut(const Source *source, Py_ssize_t at, Py_ssize_t *left) noexcept nogil:
    """Return the end of the part from `at` on of the storage of a `str`. After `left` characters is a cut by length.

    A run is known up to `known`. If it is too long, it holds `there`: from there the search goes back to the start of a
    later run. So few characters are read, and each once at most. First `left` is TEXT_MOST.
    """
    cdef Py_ssize_t end = min(at + left[0], source.length), known = at + 1, there = at + RUN_MOST, later
    cdef bint blank
    while there < end:
        blank, later = blank_at(source, there), there
        while later > known and blank_at(source, later - 1) == blank:
            later -= 1
        if later == known and blank_at(source, known - 1) == blank:
            left[0] -= there - at
            return there
        known, there = there + 1, later + RUN_MOST
    left[0] = TEXT_MOST
    return end


def read_segments(
    segments: Iterable[tuple[Text, bool]], bint replace, Py_ssize_t number
) -> tuple[list[str], list[bool], array[int], array[int]]:
    """Return (texts, trusted, ends, ranges) of pairs (text, trusted). The first pair is segment `number`.

    `ends` are the segments' ends in characters, and `ranges` the starts and ends, in turn, of trusted text in bytes.
    Raises `ArgumentError` and `TextError`.

    >>> read_segments([("aé", True), (b"b", True), ("c", False)], False, 0)
    (['aé', 'b', 'c'], [True, True, False], array('q', [2, 3, 4]), array('q', [0, 4]))
    """
    cdef list pairs = list(segments), texts = [], trusted = []
    cdef c_array longs = array("q")
    cdef c_array ends = clone(longs, len(pairs), False), ranges = clone(longs, 2 * len(pairs), False)
    cdef Py_ssize_t end = 0, count = 0  # `count`: of what `ranges` holds
    cdef int64_t at = 0, size
    cdef Source source
    for segment in pairs:
        if not (isinstance(segment, (tuple, list)) and len(segment) == 2 and isinstance(segment[1], bool)):
            raise ArgumentError(f"expected (text, True or False) as segment {number}, found {type(segment).__name__}: "
                                f"{bounded(repr(segment))}", "segments")
        text, sure = segment
        try:
            if replace or type(text) is not str:
                text = characters(text, replace)
            source = source_of(text)
            size = source.length if source.kind == 0 else size_of(&source)
            if size < 0:
                utf8(text, False)
        except TextError as error:
            raise TextError(error.message, error.offset, number) from None
        end += source.length
        ends.data.as_longlongs[len(texts)] = end
        texts.append(text)
        trusted.append(sure)
        if sure and size:
            if count == 0 or ranges.data.as_longlongs[count - 1] != at:
                ranges.data.as_longlongs[count] = at
                count += 2
            ranges.data.as_longlongs[count - 1] = at + size
        at += size
        number += 1
    resize(ranges, count)
    return texts, trusted, ends, ranges


cdef int64_t size_of(const Source *source) noexcept nogil:
    """Return the number of bytes of the storage of a `str` as UTF-8, or -1. The loops become vectors."""
    cdef int64_t size = source.length
    cdef uint32_t c, surrogates = 0
    cdef Py_ssize_t at
    if source.kind == 1:
        for at in range(source.length):
            size += (<const uint8_t *>source.data)[at] >> 7
    elif source.kind == 2:
        for at in range(source.length):
            c = (<const uint16_t *>source.data)[at]
            size += (c >= 0x80) + (c >= 0x800)
            surrogates |= c >> 11 == 0x1B
    else:
        for at in range(source.length):
            c = (<const uint32_t *>source.data)[at]
            size += (c >= 0x80) + (c >= 0x800) + (c >= 0x10000)
            surrogates |= c >> 11 == 0x1B
    return -1 if surrogates else size


cdef Source open_source(object text) except *:
    """Return the source of a `str` or bytes."""
    if not isinstance(text, (str, bytes)):
        raise TypeError(f"expected str or bytes, found {type(text).__name__}")
    return source_of(text)


cdef Py_ssize_t find_invalid(const uint8_t *text, Py_ssize_t length, const Implementation *level) noexcept nogil:
    """Return the offset of the first byte that is not part of well-formed UTF-8, or -1."""
    cdef Py_ssize_t at = level.valid(text, length) if level.valid != NULL else 0
    cdef Py_ssize_t i, width
    cdef uint64_t block[2]
    cdef uint32_t c
    while at < length:
        if text[at] < 0x80:
            # Takes sixteen ASCII bytes a step: most texts are mostly ASCII.
            while at + 16 <= length:
                memcpy(block, text + at, 16)
                if (block[0] | block[1]) & <uint64_t>0x8080808080808080:
                    break
                at += 16
            while at < length and text[at] < 0x80:
                at += 1
            continue
        width = 2 + (text[at] >= 0xE0) + (text[at] >= 0xF0)
        if text[at] < 0xC2 or text[at] > 0xF4 or at + width > length:
            return at
        for i in range(at + 1, at + width):
            if text[i] & 0xC0 != 0x80:
                return at
        c = code_point(text + at, &width)
        if c >> (5 * width - 4) == 0 or c >> 11 == 0x1B or c > 0x10FFFF:  # too long a form, a surrogate, too large
            return at
        at += width
    return -1


cdef Py_ssize_t _transcode(
    const Unit *units, Py_ssize_t length, Py_ssize_t *at, uint8_t *out, Py_ssize_t capacity, bint replace
) noexcept nogil:
    """Do what `transcode` does, for one width of storage."""
    cdef Py_ssize_t here = at[0], run
    cdef uint8_t *start = out
    cdef uint8_t *limit = out + capacity - 4
    cdef uint32_t c, seen
    cdef int i
    while here < length and out <= limit:
        c = units[here]
        if c < 0x80:
            # Takes eight ASCII characters a step, as long as they last: the compiler makes vectors of it.
            run = min(length - here, limit - out + 1)
            while run >= 8:
                seen = 0
                for i in range(8):
                    seen |= units[here + i]
                    out[i] = <uint8_t>units[here + i]
                if seen >= 0x80:
                    break
                here += 8
                out += 8
                run -= 8
            while run > 0 and units[here] < 0x80:
                out[0] = <uint8_t>units[here]
                out += 1
                here += 1
                run -= 1
            continue
        if Unit is not uint8_t:
            if c >> 11 == 0x1B:  # D800 to DFFF
                if not replace:
                    at[0] = here
                    return -1
                c = 0xFFFD
        out += encoded(c, out)
        here += 1
    at[0] = here
    return out - start


cdef Py_ssize_t transcode(
    const Source *source, Py_ssize_t *at, uint8_t *out, Py_ssize_t capacity, bint replace,
    const Implementation *level
) noexcept nogil:
    """Write code points from `at[0]` on as UTF-8 while 4 more bytes fit; returns the number of bytes.

    Advances `at[0]`. At a lone surrogate it stops and returns -1; with `replace` it writes U+FFFD instead.
    """
    cdef const uint8_t *data = <const uint8_t *>source.data
    cdef Py_ssize_t done = 0, rest
    if level.transcode != NULL:
        done = level.transcode(data, source.kind, source.length, at, out, capacity)
    out += done
    capacity -= done
    if source.kind == 1:
        rest = _transcode(data, source.length, at, out, capacity, replace)
    elif source.kind == 2:
        rest = _transcode(<const uint16_t *>data, source.length, at, out, capacity, replace)
    else:
        rest = _transcode(<const uint32_t *>data, source.length, at, out, capacity, replace)
    return rest if rest < 0 else done + rest


def first_invalid(const uint8_t[::1] text not None) -> int:
    """Return the offset of the first byte that is not part of well-formed UTF-8, or -1."""
    return find_invalid(&text[0], text.shape[0], chosen()) if text.shape[0] else -1


def is_text(object value) -> bool:
    """Tell whether it is a `str` without a lone surrogate."""
    try:
        return isinstance(value, str) and (value.isascii() or bool(value.encode()))
    except UnicodeEncodeError:
        return False


cdef enum:
    VIEW = 4                 # words of a view: a length, and the text; or its first four bytes, its buffer, its place
    INLINE = 12              # bytes of a text that lies in its view


@cython.final
cdef class Rows:
    """Row i is `buffers[owners[i]][starts[i]:starts[i] + lengths[i]]`: owners int32[n], the others int64[n]."""

    def __cinit__(
        self, list buffers not None, const int32_t[::1] owners not None, const int64_t[::1] starts not None,
        const int64_t[::1] lengths not None
    ):
        if not owners.shape[0] == starts.shape[0] == lengths.shape[0]:
            raise ValueError(f"expected {owners.shape[0]} starts and lengths, "
                             f"found {starts.shape[0]} and {lengths.shape[0]}")
        cdef const uint8_t[::1] view
        cdef Py_ssize_t i
        cdef int64_t start, length
        cdef int32_t owner
        self.held = [memoryview(buffer).cast("B") for buffer in buffers]
        cdef const int64_t[::1] sizes = array("q", [held.nbytes for held in self.held])
        self.owners, self.starts, self.lengths, self.repaired = owners, starts, lengths, []
        self.bases = array("q", bytes(8 * (len(buffers) + 1)))
        for i in range(len(buffers)):
            view = self.held[i]
            self.bases[i] = <int64_t>&view[0]
        for i in range(owners.shape[0]):  # the one place where a row is compared with its buffer
            owner, start, length = owners[i], starts[i], lengths[i]
            if not (0 <= owner < len(buffers) and 0 <= start <= sizes[owner] and 0 <= length <= sizes[owner] - start):
                raise TextError(f"expected a text inside its buffer, found {length} bytes from byte {start} on", 0, i)

    cdef inline const uint8_t *row(self, Py_ssize_t row) noexcept nogil:
        return <const uint8_t *>self.bases[self.owners[row]] + self.starts[row]

    def __len__(self):
        return self.owners.shape[0]

    def __getitem__(self, Py_ssize_t row) -> bytes:
        """Return a copy of a row, as bytes."""
        if not 0 <= row < self.owners.shape[0]:
            raise IndexError(row)
        return bytes(self.held[self.owners[row]][self.starts[row]:self.starts[row] + self.lengths[row]])

    cdef int lay(self, Source *sources, bint replace, const Implementation *level) except -1:
        """Write the place of each row to `sources`; with `replace`, each maximal invalid part becomes U+FFFD."""
        cdef Py_ssize_t i
        self.place(sources, 0, self.owners.shape[0])
        for i in range(self.owners.shape[0] if replace else 0):
            if find_invalid(<const uint8_t *>sources[i].data, sources[i].length, level) < 0:
                sources[i].valid = True
            else:
                text = self[i].decode("utf-8", "replace")
                self.repaired.append(text)
                sources[i] = source_of(text)
        return 0

    cdef void place(self, Source *sources, Py_ssize_t first, Py_ssize_t end) noexcept nogil:
        """Write the places of the rows from `first` to `end` to `sources`."""
        cdef Py_ssize_t i
        for i in range(first, end):
            sources[i - first] = Source(data=self.row(i), length=self.lengths[i], kind=0, valid=False)

    def joined(self) -> bytes:
        """Return the bytes of all rows, one after the other."""
        cdef int64_t size = 0
        cdef Py_ssize_t i
        for i in range(self.lengths.shape[0]):
            size += self.lengths[i]
        cdef bytes made = PyBytes_FromStringAndSize(NULL, size)
        cdef char *out = PyBytes_AS_STRING(made)
        with nogil:
            for i in range(self.lengths.shape[0]):
                memcpy(out, self.row(i), self.lengths[i])
                out += self.lengths[i]
        return made

    def views(self, int window_log2) -> tuple[bytes, list[tuple[int, int]]]:
        """(16 bytes a row: Arrow's views; (number of a buffer, its first byte) of each buffer that the views name).

        Places in a view have 32 bits. So a large buffer counts as several, which begin 2**`window_log2` bytes apart.
        Raises `OverflowError` for a row of 2**31 bytes or more.
        """
        cdef list windows = []
        cdef int32_t[::1] firsts = array("i", [0] * (len(self.held) + 1))
        cdef Py_ssize_t i, count = self.owners.shape[0]
        for i in range(len(self.held)):
            firsts[i] = len(windows)
            windows += [(i, start) for start in range(0, max(self.held[i].nbytes, 1), 1 << window_log2)]
        for i in range(count):
            if self.lengths[i] >> 31:
                raise OverflowError(f"expected rows of less than 2**31 bytes, found one of {self.lengths[i]}")
        cdef bytes made = PyBytes_FromStringAndSize(NULL, count * VIEW * sizeof(int32_t))
        cdef int32_t *view = <int32_t *>PyBytes_AS_STRING(made)
        memset(view, 0, count * VIEW * sizeof(int32_t))
        with nogil:
            for i in range(count):
                view[0] = <int32_t>self.lengths[i]
                memcpy(view + 1, self.row(i), view[0] if view[0] <= INLINE else sizeof(int32_t))
                if view[0] > INLINE:
                    view[2] = firsts[self.owners[i]] + <int32_t>(self.starts[i] >> window_log2)
                    view[3] = <int32_t>(self.starts[i] & ((<int64_t>1 << window_log2) - 1))
                view += VIEW
        return made, windows
