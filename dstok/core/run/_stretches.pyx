"""A text that is not normalized: each stretch between added tokens with normalized=false is normalized, then encoded.

In: the storage of a text, a normalizer, a policy, a workspace. Out: ids there, or a status that says why there are
none.
Invariant: the ids are those of the text whose stretches between raw added tokens are normalized as wholes.

There are two ways. `encode_rewritten` takes portions. A portion ends at a boundary of the normal form where no added
token may have begun. The text after it is carried over: raw text in `Raw`, normalized text in the workspace's buffer.
So there is no copy of the whole text: fresh memory costs 0.65 ms/MB, and four copies would take half of the time of an
almost normalized text. `encode_by_stretch` takes stretches as wholes. It is for runs that need to know which places
of the raw and the normalized text belong together: runs with notes or a limit, policies that refuse, and
normalizers of several steps.
"""

from cpython.bytes cimport PyBytes_AS_STRING, PyBytes_FromStringAndSize
from cpython.object cimport PyObject
from cpython.ref cimport Py_DECREF

from libc.stdint cimport uint8_t
from libc.stdlib cimport free, realloc
from libc.string cimport memcpy, memmove, memset

from dstok.core.text._added cimport Match
from dstok.core.simd._level cimport Implementation
from dstok.core.text._normalize cimport Output, Rewritten, last_boundary, rewrite, utf8_source
from dstok.core.run._pass cimport CONTEXT, LIKELY, PORTION
from dstok.core.merge._pieces cimport CHUNK_ROOM, MIDDLE
from dstok.core.text._utf8 cimport transcode
from dstok.core.find._workspace cimport FINE, INVALID_TEXT, OUT_OF_MEMORY, SPECIAL_FOUND

cdef extern from "Python.h":
    Py_ssize_t PY_SSIZE_T_MAX
    PyObject *new_bytes "PyBytes_FromStringAndSize"(const char *data, Py_ssize_t size)
    int resize_bytes "_PyBytes_Resize"(PyObject **made, Py_ssize_t size) except -1


cdef struct Raw:
    # The raw text; the part before `at` is done.
    uint8_t *text
    Py_ssize_t room
    Py_ssize_t held
    Py_ssize_t at
    Py_ssize_t unit          # units of the source that are read
    Py_ssize_t skip          # bytes ahead where no added token may begin, since one is rejected


cdef struct Made:
    # Normalized text in the buffer of the workspace; the part before `at` is done.
    Output portion
    Py_ssize_t held
    Py_ssize_t at


cdef void encode_rewritten(
    Pass run, Form form, Policy policy, Workspace w, const Source *source, bint replace
) noexcept nogil:
    """Encodes valid UTF-8, or `str` storage. Not for a run with notes, nor for a policy that refuses."""
    cdef Py_ssize_t portion = PORTION
    cdef bint final
    cdef Raw raw
    cdef Made made
    memset(&raw, 0, sizeof(raw))
    memset(&made, 0, sizeof(made))
    w.fresh = 2
    w.skip[0] = w.skip[1] = 0
    w.base = 0
    if w.counting or w.reserve(source.length // LIKELY + CHUNK_ROOM * MIDDLE):
        while read(&raw, w, source, portion, replace, run.level):
            # Without an end of a piece or a boundary in sight, it reads twice as much each time: so it looks at bytes
            # at most twice as often as there are bytes.
            final = raw.unit == source.length
            portion = PORTION if stretches(run, form, policy, w, &raw, &made, final) else 2 * portion
            if w.status != FINE or raw.unit == source.length:
                break
    w.where = w.base if w.status == FINE else w.where
    free(raw.text)
    free(made.portion.text)


cdef bint read(
    Raw *raw, Workspace w, const Source *source, Py_ssize_t portion, bint replace, const Implementation *level
) noexcept nogil:
    """Reads up to `portion` bytes more; false, with a status, if it cannot."""
    cdef const uint8_t *data = <const uint8_t *>source.data
    cdef Py_ssize_t written = min(portion, source.length - raw.unit)
    cdef void *grown
    if raw.held + portion + 4 > raw.room:
        grown = realloc(raw.text, raw.held + portion + 4)
        if grown == NULL:
            w.status = OUT_OF_MEMORY
            return False
        raw.text, raw.room = <uint8_t *>grown, raw.held + portion + 4
    if source.kind == 0:
        while raw.unit + written < source.length and data[raw.unit + written] & 0xC0 == 0x80:
            written -= 1
        memcpy(raw.text + raw.held, data + raw.unit, written)
        raw.unit += written
    else:
        written = transcode(source, &raw.unit, raw.text + raw.held, portion, replace, level)
        if written < 0:
            w.status = INVALID_TEXT
            w.where = raw.unit
            return False
    raw.held += written
    return True


cdef bint stretches(
    Pass run, Form form, Policy policy, Workspace w, Raw *raw, Made *made, bint last
) noexcept nogil:
    """Encodes the sure part of the raw text; false if the text after the last added token does not get on."""
    cdef Py_ssize_t at = raw.at, scan = raw.at + raw.skip, cut, keep
    cdef bint closing, moved
    cdef Match match
    while True:
        match.token = -1
        match.safe = raw.held
        match.scan = at
        if policy.raw is not None:
            match = policy.raw.find(raw.text, at, scan, raw.held, 0, last)
        closing = last or match.token >= 0
        cut = match.start if match.token >= 0 else match.safe
        if not closing:
            cut = last_boundary(form, raw.text, at, cut)
        moved = feed(run, form, policy, w, raw.text + at, cut - at, made, closing) and cut > at
        if w.status != FINE or match.token < 0:
            break
        match.end -= match.start
        match.start = 0
        if not run.special(policy, False, w, raw.text + cut, &match):
            break
        w.base += match.end
        at = scan = cut + match.end
    raw.skip = max(match.scan - cut, 0)
    keep = min(cut, CONTEXT)
    memmove(raw.text, raw.text + cut - keep, raw.held - cut + keep)
    raw.held -= cut - keep
    raw.at = keep
    return moved


cdef bint feed(
    Pass run, Form form, Policy policy, Workspace w, const uint8_t *text, Py_ssize_t size, Made *made, bint closing
) noexcept nogil:
    """Normalizes a part of a stretch, the last if `closing`, and encodes its sure part; false if there is none."""
    cdef Source source = utf8_source(text, size)
    cdef Py_ssize_t taken, keep
    cdef bint moved
    made.portion.size = 0
    made.portion.same = False
    if not rewrite(form, &source, &made.portion):
        w.status = OUT_OF_MEMORY
        return False
    if not made.portion.same:
        text, size = made.portion.text, made.portion.size
    if not w.reserve_buffer(made.held + size):
        return False
    if size:
        memcpy(w.buffer + made.held, text, size)
    made.held += size
    taken = run.stretch(policy, w, w.buffer, made.at, made.held, 0, closing)
    moved = taken > made.at
    if closing:
        w.base += made.held
        made.held = made.at = 0
        w.fresh = 1
        w.skip[1] = 0
        return moved
    keep = min(taken, CONTEXT)
    memmove(w.buffer, w.buffer + taken - keep, made.held - taken + keep)
    w.base += taken - keep
    made.held -= taken - keep
    made.at = keep
    return moved


cdef int encode_by_stretch(
    Pass run, Normalizer normalizer, Policy policy, Workspace w, const Source *source, bint replace, Py_ssize_t limit
) except -1:
    """Encodes any text; notes and `where` then count bytes of the normalized text. A normalizer's step may raise."""
    cdef bytes text = utf8_of(source, replace, run.level)
    cdef Py_ssize_t at = 0, place = 0, start, end, content
    cdef Match match
    if text is None:
        run.text(policy, w, source, replace, PY_SSIZE_T_MAX)  # says where the fault is, however far on
        return 0
    w.counts_characters = False  # those of the normalized text are not the text's
    for start, end, content, match.token in [*policy.raw_spans(text), (len(text), len(text), 0, -1)]:
        if at < start:
            place = one_stretch(
                run, normalizer.later if at else normalizer, policy.inner, w, text[at:start], at, place, limit)
        if w.status != FINE or w.total + w.count >= limit:
            return 0
        if match.token >= 0:
            w.base, match.start, match.end, match.content = place, 0, end - start, content - place
            if not run.special(policy, False, w, <const uint8_t *>PyBytes_AS_STRING(text) + start, &match):
                return 0
            place += end - start
        at = end
        w.where = place
    return 0


cdef Py_ssize_t one_stretch(
    Pass run, Normalizer normalizer, Policy policy, Workspace w, bytes text, Py_ssize_t start, Py_ssize_t place,
    Py_ssize_t limit
) except -1:
    """Encodes a stretch that begins at `start`, and at `place` in the normalized text; returns its end there."""
    cdef Rewritten normalized = normalizer.rewritten(text)
    cdef Py_ssize_t i, noted = w.noted, spanned = w.spanned
    with nogil:
        run.text(policy, w, &normalized.source, False, limit)
    for i in range(2 * spanned, 2 * w.spanned):
        w.spans[i] += place
    for i in range(noted, w.noted):
        w.notes[i].start += place
        w.notes[i].end += place
    if w.status == SPECIAL_FOUND:
        w.where = start + source_offset(normalizer, text, w.where)
    else:
        w.where += place
    return place + normalized.source.length


cdef bytes utf8_of(const Source *source, bint replace, const Implementation *level):
    """The text of a source as UTF-8; None if it is no text."""
    cdef Py_ssize_t unit = 0, written, room = source.length * max(source.kind, 2) + source.length + 4
    cdef PyObject *made
    cdef uint8_t *out
    if source.kind == 0:
        return PyBytes_FromStringAndSize(<const char *>source.data, source.length)
    made = new_bytes(NULL, room)  # three bytes for a unit of one or two bytes, five for a unit of four
    if made == NULL:
        raise MemoryError
    out = <uint8_t *>PyBytes_AS_STRING(<object>made)
    with nogil:
        written = transcode(source, &unit, out, room, replace, level)
    resize_bytes(&made, max(written, 0))  # in place: pages that are not written to cost nothing
    text = <object>made
    Py_DECREF(text)
    return None if written < 0 else text


cdef Py_ssize_t source_offset(Normalizer normalizer, bytes text, Py_ssize_t offset) except -1:
    """The place in `text` of the source of the character at `offset` of the normalized text."""
    normalized, sources = normalizer.align(text)
    return len(text.decode()[:sources[len(normalized[:offset].decode())]].encode())
