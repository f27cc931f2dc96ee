"""Offsets in a text: bytes -> code points, spans of tokens -> numbers of pieces.

In: valid UTF-8, offsets or spans that rise. Out: the same places in code points, or the numbers of their pieces.
Invariant: one pass over the text and the spans, whatever they are. Offsets that do not rise, or lie outside of the
text, are refused before the text is read there.
"""

from libc.stdint cimport int64_t, uint8_t

from dstok.core.text._utf8 cimport characters_in, characters_within
from dstok.core.run._written cimport numpy_

cdef enum:
    ROOM = 8                 # bytes that `characters_in` may read after the text
    FAR = 64                 # bytes from which on a loop over single bytes, which becomes vectors, is faster


cdef inline int64_t begun(const uint8_t *text, Py_ssize_t start, Py_ssize_t end, Py_ssize_t length) noexcept nogil:
    # The number of characters that begin in text[start:end]. The text has `length` bytes.
    if end - start < FAR and end + ROOM <= length:
        return characters_in(text + start, end - start)
    return characters_within(text + start, end - start)


cdef inline bint within(const uint8_t *text, Py_ssize_t place, Py_ssize_t length) noexcept nogil:
    # Whether a place lies inside a character.
    return place < length and text[place] & 0xC0 == 0x80


def in_characters(const uint8_t[::1] text not None, int64_t[::1] places not None):
    """Turns rising offsets in bytes of valid UTF-8, at borders of characters, into offsets in code points, in place."""
    cdef Py_ssize_t i, at = 0
    cdef int64_t place, characters = 0
    with nogil:
        for i in range(places.shape[0]):
            place = places[i]
            if not at <= place <= text.shape[0]:
                with gil:
                    raise not_rising(text, place, at)
            characters += begun(&text[0], at, place, text.shape[0])
            at, places[i] = place, characters


def char_spans(const uint8_t[::1] text not None, const int64_t[:, ::1] spans not None):
    """Code point spans, int64[n, 2], of rising byte spans of `text`: all characters with a byte in the span."""
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
            # A span that begins inside a character takes the whole character.
            out[i, 0] = characters - within(data, start, length)
            out[i, 1] = to_end
            at, before = start, end
    return found


def piece_numbers(const int64_t[:, ::1] spans not None, const int64_t[::1] ends not None):
    """For each span, the number of the piece that it begins in, int64[n]; the pieces end at `ends`. Both rise."""
    cdef Py_ssize_t i, piece = 0
    found = numpy_().empty(spans.shape[0], numpy_().int64)
    cdef int64_t[::1] out = found
    with nogil:
        for i in range(spans.shape[0]):
            while piece < ends.shape[0] and ends[piece] <= spans[i, 0]:
                piece += 1
            out[i] = piece
    return found


cdef object not_rising(const uint8_t[::1] text, int64_t place, int64_t before):
    return ValueError(f"expected offsets that rise up to {text.shape[0]}, found {place} after {before}")
