# cython: language_level=3, boundscheck=False, wraparound=False, cdivision=True, autotestdict=False
"""The normalizer of a model: is a text normalized; if not, its normalized text, and where each character comes from.

In: valid UTF-8, or the storage of a `str`. Out: UTF-8; and for each code point the index of its source.
Invariant: upstream keeps, for each character that comes out, one character that it stands for; so does this. A text that
passes is not rewritten; of another one only the stretches that change are.
"""

cimport cython
from cpython.bytes cimport PyBytes_AS_STRING
from libc.stdint cimport uint8_t
from libc.string cimport memset

from array import array

from dstok.core._forms cimport BOUNDARY, Codes, Form, release, utf8_of
from dstok.core._utf8 cimport Source, code_point, find_invalid, open_source


cdef Source utf8_source(const uint8_t *text, Py_ssize_t length) noexcept nogil:
    cdef Source source
    source.data = text
    source.length = length
    source.kind = 0
    source.valid = True
    return source


@cython.final
cdef class Normalizer:
    """A model's normalizer: `form` alone, or a `chain` of steps in Python, which `form` only tells when to run.

    `chain` has a method `apply(text: str, sources: list[int]) -> tuple[str, list[int]]`. `local`: no step looks
    across a boundary of `form`, so that a text may be normalized in parts. `always`: no text is known to stay.
    """

    def __init__(self, Form form not None, chain, bint local, bint always=False):
        self.form, self.chain, self.local, self.always = form, chain, local, always

    cdef bint passes(self, const Source *source, bint wide) noexcept nogil:
        """Whether normalizing surely changes nothing, however added tokens cut the text. Also true of a text that
        is none, and if memory is out: encoding it tells.
        """
        cdef Codes work, before
        cdef Py_ssize_t end = 0, at
        if source.kind == 0 and not source.valid and find_invalid(
                <const uint8_t *>source.data, source.length, wide) >= 0:
            return True
        if self.chain is not None:
            return not self.always and self.form.skip_clean(source, 0) == source.length
        memset(&work, 0, sizeof(work))
        memset(&before, 0, sizeof(before))
        at = self.form.find(source, 0, &end, &work, &before)
        release(&work)
        release(&before)
        return at < 0 or at == source.length

    def is_normalized(self, text not None):
        """Whether normalizing a `str` or valid UTF-8 surely changes nothing, wherever added tokens cut it."""
        cdef Source source = open_source(text)
        cdef bint passes
        source.valid = True
        with nogil:
            passes = self.passes(&source, False)
        return passes

    cpdef bytes normalize(self, bytes text):
        """The normalized text of valid UTF-8."""
        if self.chain is not None:
            if self.is_normalized(text):
                return text
            return self.chain.apply(text.decode(), None)[0].encode()
        return self._rewrite(text, None)

    def align(self, bytes text not None):
        """(normalized, sources) of valid UTF-8: for each code point that comes out the index of its source."""
        cdef str chars
        if self.chain is None:
            sources = array("I")
            return self._rewrite(text, sources), sources
        chars = text.decode()
        chars, sources = self.chain.apply(chars, list(range(len(chars))))
        return chars.encode(), array("I", sources)

    def _rewrite(self, bytes text, sources):
        cdef Source source = utf8_source(<const uint8_t *>PyBytes_AS_STRING(text), len(text))
        cdef const uint8_t *data = <const uint8_t *>source.data
        cdef Codes work, before
        cdef Py_ssize_t at = 0, found, end = 0, i, size, chars = 0
        cdef list parts = []
        memset(&work, 0, sizeof(work))
        memset(&before, 0, sizeof(before))
        try:
            while True:
                with nogil:
                    found = self.form.find(&source, at, &end, &work, &before)
                if found < 0:
                    raise MemoryError
                parts.append(text if found - at == source.length else data[at:found])
                if sources is not None:
                    size = 0
                    for i in range(at, found):
                        size += data[i] & 0xC0 != 0x80
                    sources.extend(range(chars, chars + size))
                    chars += size
                if found == source.length:
                    return parts[0] if len(parts) == 1 else b"".join(parts)
                parts.append(utf8_of(&work))
                if sources is not None:
                    sources.extend(sources_of(&work, chars))
                    chars += before.size
                at = end
        finally:
            release(&work)
            release(&before)

    def last_boundary(self, const uint8_t[::1] text not None, Py_ssize_t at, Py_ssize_t stop):
        """The last place behind `at` and before `stop` where valid UTF-8 may be cut for good; or `at`."""
        cdef Py_ssize_t here = stop, width
        while here > at:
            here -= 1
            if text[here] & 0xC0 != 0x80 and (
                    self.form.flags[self.form.record(code_point(&text[here], &width))] & BOUNDARY):
                return here
        return at


cdef list sources_of(const Codes *text, Py_ssize_t first):
    """The source of each code point, of a stretch that begins with the code point `first`: upstream's rule."""
    cdef list sources = []
    cdef Py_ssize_t i, at = first
    for i in range(text.size):
        sources.append(max(at - 1, 0) if text.changes[i] > 0 else at)
        at += 1 - text.changes[i]
    return sources
