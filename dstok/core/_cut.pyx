# cython: language_level=3, boundscheck=False, wraparound=False, cdivision=True, autotestdict=False
# cython: freethreading_compatible=True
"""The cutter: text to the spans of its pieces, by the splitter's kernels, without a vocabulary.

In: valid UTF-8. Out: the spans of the pieces that are kept, as int64 pairs in bytes; or how many there are.
Invariant: the pieces are those of `Program.pieces` without the dropped ones. They come from _splitter.pyx in chunks, as
the encoder's do, and here a chunk becomes spans instead of ids. If one automaton cannot find the pieces from the left
alone, the text is read from both sides (_two_sided.pyx).

The kernels may read `PAD` bytes after a text, which a caller's text does not have. So they first get the text without
its last bytes; then what is not sure yet, in a copy that has room after it.
"""

from cpython.unicode cimport PyUnicode_DecodeUTF8
from libc.stdint cimport int64_t, uint8_t, uint16_t, uint32_t
from libc.string cimport memcpy

from dstok.core._pieces cimport PAD
from dstok.core._splitter cimport Splitter
from dstok.core._two_sided cimport START, TwoSided, next_end, read_back
from dstok.core._utf8 cimport Source, find_invalid, open_source
from dstok.core._workspace cimport FINE, OUT_OF_MEMORY, Workspace
from dstok.core._written cimport Written

cdef enum:
    LIKELY = 4               # bytes of a piece: room made at the start; pages not written to cost nothing
    SMALL = 1 << 12          # bytes of a text that is copied as a whole


cdef class Cutter(Splitter):
    """`Splitter(scanner, None, None, rules, kinds, None, windows)`, or, with `read_both_sides`, tables of two sides."""

    def __init__(self, *_):
        self._rest = []

    def read_both_sides(self, TwoSided both not None):
        """Uses tables of both sides from now on, in the place of the splitter's own ways."""
        self.both = both

    def way(self):
        """How pieces are found: as `Splitter.way`, or "both sides"."""
        return "both sides" if self.both is not None else Splitter.way(self)

    cdef Workspace lease(self):
        """A workspace that no other call uses; the caller appends it to `_rest` again."""
        cdef Workspace w
        try:
            w = self._rest.pop()
        except IndexError:
            w = Workspace(None, False)
        w.begin(False, False)
        return w

    cdef int check(self, Workspace w) except -1:
        if w.status != FINE:
            raise MemoryError
        return 0

    # What becomes of pieces.

    cdef void keep_span(self, Workspace w, const uint8_t *text, Py_ssize_t start, Py_ssize_t end) noexcept nogil:
        """Takes one piece."""
        cdef int64_t *out
        if w.counting:
            w.total += 1
        elif w.reserve(SPAN):
            out = <int64_t *>(w.out + w.count)
            out[0] = w.base + start
            out[1] = w.base + end
            w.count += SPAN

    cdef void flush(self, Workspace w, const uint8_t *text) noexcept nogil:
        """Takes the pieces of a chunk, and begins the next one after them."""
        cdef int64_t *out
        cdef int64_t base = w.base + w.origin
        cdef int i
        if w.counting:
            w.total += w.pieces
        elif w.reserve(w.pieces * SPAN):
            out = <int64_t *>(w.out + w.count)
            for i in range(w.pieces):
                out[2 * i] = base + w.starts[i]
                out[2 * i + 1] = base + w.starts[i + 1]
            w.count += w.pieces * SPAN
        w.origin += w.starts[w.pieces]
        w.pieces = 0
        w.starts[0] = 0

    cdef void add_giant(self, Workspace w, const uint8_t *text, Py_ssize_t start, Py_ssize_t end) noexcept nogil:
        """Takes one piece of more than a gigabyte."""
        self.keep_span(w, text, start, end)
        self.begin_chunk(w, end)

    # A text.

    cdef void run(self, Workspace w, const uint8_t *text, Py_ssize_t length) noexcept nogil:
        """Takes all pieces of a text."""
        cdef Py_ssize_t at = 0, stop
        w.base = 0
        if self.both is not None:
            self.whole(w, text, length)
            return
        if not w.counting and not w.reserve(length // LIKELY * SPAN):
            return
        if length > SMALL:
            stop = length - PAD
            while text[stop] & 0xC0 == 0x80:
                stop -= 1
            at = self.pieces(w, text, 0, stop, False)
        if w.status == FINE:
            self.part(w, text, at, length, True)

    cdef Py_ssize_t part(
        self, Workspace w, const uint8_t *text, Py_ssize_t at, Py_ssize_t length, bint final
    ) noexcept nogil:
        """Takes the pieces of `text[at:]`, of a copy with room after it; returns where the first unsure one begins."""
        cdef Py_ssize_t taken
        if not w.reserve_buffer(length - at):
            return at
        if length > at:
            memcpy(w.buffer, text + at, length - at)
        w.base = at
        taken = at + self.pieces(w, w.buffer, 0, length - at, final)
        w.base = 0
        return taken

    cdef void whole(self, Workspace w, const uint8_t *text, Py_ssize_t length) noexcept nogil:
        """Takes all pieces of a text, read from both sides."""
        cdef Py_ssize_t start = 0, end
        cdef uint32_t state = START, tag = 0
        if not w.reserve_buffer(2 * (length + 1)):
            w.status = OUT_OF_MEMORY
            return
        read_back(&self.both.tables, text, length, <uint16_t *>w.buffer)
        while start < length and w.status == FINE:
            end = next_end(&self.both.tables, text, start, <uint16_t *>w.buffer, &state, &tag)
            if not self.both.tables.dropped[tag]:
                self.keep_span(w, text, start, end)
            start = end

    # Python's side.

    def spans(self, text not None):
        """The spans of valid `text` (ASCII `str` or UTF-8 bytes) in bytes, a buffer of int64 pairs."""
        cdef Source source = opened(text)
        cdef Workspace w = self.lease()
        with nogil:
            self.run(w, <const uint8_t *>source.data, source.length)
        self.check(w)
        found = Written.take(w, None)
        self._rest.append(w)
        return found

    def count(self, text not None):
        """How many pieces are kept."""
        cdef Source source = opened(text)
        cdef Workspace w = self.lease()
        cdef Py_ssize_t total
        w.counting = True
        with nogil:
            self.run(w, <const uint8_t *>source.data, source.length)
        self.check(w)
        total = w.total
        self._rest.append(w)
        return total

    def split(self, text not None):
        """The pieces as a list of `str`."""
        cdef Source source = opened(text)
        cdef Workspace w = self.lease()
        cdef const char *data = <const char *>source.data
        cdef const int64_t *span
        cdef Py_ssize_t i
        with nogil:
            self.run(w, <const uint8_t *>source.data, source.length)
        self.check(w)
        span = <const int64_t *>w.out
        found = [PyUnicode_DecodeUTF8(data + span[2 * i], span[2 * i + 1] - span[2 * i], NULL)
                 for i in range(w.count // SPAN)]
        w.trim()
        self._rest.append(w)
        return found

    def spans_of(self, list texts not None):
        """(spans of all texts, each text's own in bytes; how many each text has, as a list)."""
        cdef Workspace w = self.lease()
        cdef Source source
        cdef Py_ssize_t before
        cdef list counts = []
        for text in texts:
            source = opened(text)
            before = w.count
            with nogil:
                self.run(w, <const uint8_t *>source.data, source.length)
            self.check(w)
            counts.append((w.count - before) // SPAN)
        found = Written.take(w, None)
        self._rest.append(w)
        return found, counts

    def sure_spans(self, const uint8_t[::1] text not None, bint final):
        """(spans, end): the pieces of `text` that no later text can change, all of them if it is `final`."""
        cdef Workspace w = self.lease()
        cdef Py_ssize_t end, length = text.shape[0]
        if self.both is not None:
            raise ValueError("expected an automaton that reads from the left alone")
        with nogil:
            end = self.part(w, &text[0] if length else NULL, 0, length, final)
        self.check(w)
        found = Written.take(w, None)
        self._rest.append(w)
        return found, end


cdef Source opened(text) except *:
    """ASCII `str` or UTF-8 bytes as they lie."""
    cdef Source source = open_source(text)
    if source.kind:
        raise ValueError("expected ascii str or bytes")
    return source


def first_invalid(const uint8_t[::1] text not None):
    """The offset of the first byte that is not part of well-formed UTF-8, or -1."""
    return find_invalid(&text[0], text.shape[0], 0) if text.shape[0] else -1


def in_characters(const uint8_t[::1] text not None, int64_t[::1] places not None):
    """Turns ascending offsets in bytes of valid UTF-8, at borders of characters, into code points, in place."""
    cdef Py_ssize_t i, at = 0
    cdef int64_t characters = 0
    with nogil:
        for i in range(places.shape[0]):
            while at < places[i]:
                characters += text[at] & 0xC0 != 0x80
                at += 1
            places[i] = characters
