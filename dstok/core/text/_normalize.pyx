"""The normalizer of a model: whether a text is normalized; if not, the normalized text and its characters' sources.

In: valid UTF-8, or the storage of a `str`. Out: UTF-8, and the index of the source of each code point.
Invariant: text and indexes are upstream's. A text that passes is not rewritten. In any other text only the stretches
that change are rewritten.
"""

cimport cython
from cpython.bytes cimport PyBytes_AS_STRING
from libc.stdint cimport uint8_t, uint32_t
from libc.stdlib cimport free, realloc
from libc.string cimport memcpy, memset

from array import array

from dstok.core.text._forms cimport BOUNDARY, CHANGED, NO_MEMORY, NORMALIZED, Codes, Form, Verdict, release
from dstok.core.simd._level cimport Implementation, chosen
from dstok.core.text._utf8 cimport Source, code_point, encoded, find_invalid, open_source


cdef bint puts_space(int prefix, const uint8_t *text, Py_ssize_t length) noexcept nogil:
    """Whether a space goes before a stretch, already normalized, at the text's start."""
    return length > 0 and (prefix == PREFIX_STRETCH or prefix != PREFIX_NONE and text[0] != 0x20)


cdef Source utf8_source(const uint8_t *text, Py_ssize_t length) noexcept nogil:
    cdef Source source
    source.data = text
    source.length = length
    source.kind = 0
    source.valid = True
    return source


@cython.final
cdef class Rewritten:
    """Keeps alive what `source` points to."""

    def __dealloc__(self):
        free(self._made)


@cython.final
cdef class Normalizer:
    """A model's normalizer: `form` alone, or a `chain` of steps in Python, and `form` only tells when it runs.

    `chain` has a method `apply(text: str, sources: list[int]) -> tuple[str, list[int]]`. `local`: no step looks
    across a boundary of `form`, so a text may be normalized in parts. `always`: the chain may change any text.
    `prefix`: where a model of characters puts a space before a stretch. The core's pass may do this instead
    (run/_pass.pyx); then it takes the normalizer without it, `bare`.
    """

    def __init__(self, Form form not None, chain, bint local, bint always=False, int prefix=PREFIX_NONE):
        self.form, self.chain, self.local, self.always = form, chain, local, always
        self.prefix = prefix
        self.later = self if prefix != PREFIX_TEXT else self.bare()

    def bare(self):
        """The normalizer without its prefix."""
        return self if self.prefix == PREFIX_NONE else Normalizer(self.form, self.chain, self.local, self.always)

    def __copy__(self):
        return self  # it never changes

    cdef Verdict verdict(self, const Source *source, const Implementation *level, bint prefixed) noexcept nogil:
        """NORMALIZED if normalizing surely changes nothing, however added tokens cut the text; else CHANGED.

        `prefixed`: whether the prefix counts.
        NORMALIZED also for invalid text: encoding it raises. NO_MEMORY if there is not enough to find out.
        """
        cdef Codes work, before
        cdef Py_ssize_t end = 0, at
        if source.kind == 0 and not source.valid and find_invalid(
                <const uint8_t *>source.data, source.length, level) >= 0:
            return NORMALIZED
        if prefixed and self.prefix != PREFIX_NONE:
            return CHANGED
        if self.chain is not None:
            return CHANGED if self.always or self.form.skip_clean(source, 0) < source.length else NORMALIZED
        memset(&work, 0, sizeof(work))
        memset(&before, 0, sizeof(before))
        at = self.form.find(source, 0, &end, &work, &before)
        release(&work)
        release(&before)
        if at < 0:
            return NO_MEMORY
        return NORMALIZED if at == source.length else CHANGED

    def is_normalized(self, text not None):
        """Whether normalizing a `str` or valid UTF-8 surely changes nothing, wherever added tokens cut it."""
        cdef Source source = open_source(text)
        cdef const Implementation *level = chosen()
        cdef Verdict verdict
        source.valid = True
        with nogil:
            verdict = self.verdict(&source, level, True)
        if verdict == NO_MEMORY:
            raise MemoryError
        return verdict == NORMALIZED

    cdef bint keeps_ascii(self):
        """Whether normalizing leaves every text of ASCII characters as it is, but for the prefix."""
        cdef bytes characters = bytes(range(128))
        cdef Source source = utf8_source(<const uint8_t *>PyBytes_AS_STRING(characters), len(characters))
        return not self.always and self.form.skip_clean(&source, 0) == source.length

    cpdef bytes normalize(self, bytes text):
        """The normalized text of valid UTF-8."""
        if self.chain is not None:
            if self.is_normalized(text):
                return text
            return self.chain.apply(text.decode(), None)[0].encode()
        text = self._rewrite(text, None)
        return b" " + text if puts_space(self.prefix, text, len(text)) else text

    cdef Rewritten rewritten(self, bytes text):
        """Does what `normalize` does, without a copy of the text that the form makes."""
        cdef Rewritten made = Rewritten()
        cdef Source source = utf8_source(<const uint8_t *>PyBytes_AS_STRING(text), len(text))
        cdef Output out
        cdef bint done
        if self.chain is not None or self.prefix != PREFIX_NONE:
            text = made._keep = self.normalize(text)
            made.source = utf8_source(<const uint8_t *>PyBytes_AS_STRING(text), len(text))
            return made
        memset(&out, 0, sizeof(out))
        with nogil:
            done = rewrite(self.form, &source, &out)
        made._keep, made._made = text, out.text
        if not done:
            raise MemoryError
        made.source = source if out.same else utf8_source(out.text, out.size)
        return made

    def align(self, bytes text not None):
        """(normalized, sources) of valid UTF-8: for each code point of the result, the index of its source."""
        cdef str chars
        if self.chain is None:
            sources = array("I")
            text = self._rewrite(text, sources)
            if puts_space(self.prefix, text, len(text)):
                sources.insert(0, 0)
                text = b" " + text
            return text, sources
        chars = text.decode()
        chars, sources = self.chain.apply(chars, list(range(len(chars))))
        return chars.encode(), array("I", sources)

    def _rewrite(self, bytes text, sources):
        """The text normalized by the form. `sources`, if it is not None, gets the source of each code point."""
        cdef Source source = utf8_source(<const uint8_t *>PyBytes_AS_STRING(text), len(text))
        cdef Output out
        cdef bint done
        memset(&out, 0, sizeof(out))
        out.aligned = sources is not None
        try:
            with nogil:
                done = rewrite(self.form, &source, &out)
            if not done:
                raise MemoryError
            if out.aligned:
                sources.frombytes((<const uint8_t *>out.sources)[:out.count * sizeof(uint32_t)])
            return text if out.same else out.text[:out.size]
        finally:
            free(out.text)
            free(out.sources)

    def last_boundary(self, const uint8_t[::1] text not None, Py_ssize_t at, Py_ssize_t stop):
        """The last place after `at` and before `stop` where valid UTF-8 may be cut for good, or `at`."""
        return last_boundary(self.form, &text[0], at, stop) if at < stop else at


cdef Py_ssize_t last_boundary(Form form, const uint8_t *text, Py_ssize_t at, Py_ssize_t stop) noexcept nogil:
    """Does what `Normalizer.last_boundary` does."""
    cdef Py_ssize_t here = stop, width
    while here > at:
        here -= 1
        if text[here] & 0xC0 != 0x80 and form.flags[form.record(code_point(text + here, &width))] & BOUNDARY:
            return here
    return at


cdef bint rewrite(Form form, const Source *source, Output *out) noexcept nogil:
    """Writes the normalized text of UTF-8; false if memory is out."""
    cdef Py_ssize_t at = 0, found, end = 0
    cdef Codes work, before
    cdef bint fine = True
    memset(&work, 0, sizeof(work))
    memset(&before, 0, sizeof(before))
    while fine:
        found = form.find(source, at, &end, &work, &before)
        fine = found >= 0
        if found == source.length and at == 0 and not out.aligned:
            out.same = True
            break
        fine = fine and copy_text(out, <const uint8_t *>source.data + at, found - at)
        if not fine or found == source.length:
            break
        fine = write_codes(out, &work, before.size)
        at = end
    release(&work)
    release(&before)
    return fine


cdef bint room_for(Output *out, Py_ssize_t size, Py_ssize_t count) noexcept nogil:
    """Makes room for `size` bytes more, and for the sources of `count` code points; false if memory is out."""
    cdef void *grown
    if out.size + size > out.capacity:
        out.capacity = max(out.size + size, 2 * out.capacity)
        grown = realloc(out.text, out.capacity)
        if grown == NULL:
            return False
        out.text = <uint8_t *>grown
    if out.aligned and out.count + count > out.places:
        out.places = max(out.count + count, 2 * out.places)
        grown = realloc(out.sources, out.places * sizeof(uint32_t))
        if grown == NULL:
            return False
        out.sources = <uint32_t *>grown
    return True


cdef bint copy_text(Output *out, const uint8_t *text, Py_ssize_t size) noexcept nogil:
    """Writes text that stays as it is."""
    cdef Py_ssize_t i
    if not room_for(out, size, size):
        return False
    if size:
        memcpy(out.text + out.size, text, size)
    out.size += size
    if out.aligned:
        for i in range(size):
            if text[i] & 0xC0 != 0x80:
                out.sources[out.count] = <uint32_t>out.taken
                out.count += 1
                out.taken += 1
    return True


cdef bint write_codes(Output *out, const Codes *made, Py_ssize_t count) noexcept nogil:
    """Writes the new text of a stretch of `count` code points. Upstream's rule: a new one has the source before it."""
    cdef Py_ssize_t i, at = out.taken
    if not room_for(out, 4 * made.size, made.size):
        return False
    for i in range(made.size):
        out.size += encoded(made.codes[i], out.text + out.size)
        if out.aligned:
            out.sources[out.count] = <uint32_t>(max(at - 1, 0) if made.changes[i] > 0 else at)
            out.count += 1
            at += 1 - made.changes[i]
    out.taken += count
    return True
