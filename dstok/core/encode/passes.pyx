"""The passes: over a text once, from added tokens through pieces to a sink, without the GIL.

In: the storage of a text, a policy, a workspace. Out: the results of the sink in the workspace (ids, as a rule), or a
status that says why there are none.
Invariant: the ids are those of the text as a whole, however it is fed. First added tokens with normalized=false are
found in the raw text; what stands between them is normalized; then those with normalized=true are found, and between
those the pieces (encode/finder.pyx). So works upstream.

`Pass` takes text in portions of about `PORTION` bytes. Only the part of a portion that no later text can change is
encoded: whole matches of added tokens, and pieces whose end the automaton has seen. The rest is carried over. Example:
a portion ends in "Hello wor"; "Hello" is encoded, and " wor" is carried over, since "ld" may follow.

`ShortPass` does its work in a third of the steps for a `str` of up to `SHORT_TEXT` bytes of UTF-8: text and ids lie on
the stack, and it holds the pool's first workspace for its table, starts and values. A text is `GENERAL`, and left to
`Pass`, if an added token may begin in it, if it has a lone surrogate, or if the kernel does not settle it.

A text that is not normalized has two ways. `encode_rewritten` takes portions, which end at a boundary of the normal
form where no added token may have begun. The text after it is carried over: raw text in `Raw`, normalized text in the
workspace's buffer. So there is no copy of the whole text, which would take half of the time. `encode_by_stretch` takes
stretches as wholes, for runs that need to know which places of the raw and the normalized text belong together: runs
with notes or a limit, policies that refuse, and normalizers of several steps.
"""

cimport cython
from cpython.bytes cimport PyBytes_AS_STRING, PyBytes_FromStringAndSize
from cpython.object cimport PyObject
from cpython.ref cimport Py_DECREF
from libc.stdint cimport uint64_t
from libc.stdlib cimport free, realloc
from libc.string cimport memcpy, memmove, memset

from dstok.core.encode.finder cimport CharacterFinder
from dstok.core.encode.memory cimport FINE, INVALID_TEXT, OUT_OF_MEMORY, SPECIAL_FOUND
from dstok.core.bpe.merge cimport CHUNK_ROOM, KEY24_MAX, PAD
from dstok.core.cpu.level cimport FIRST_PAD, PieceTable, chosen
from dstok.core.text.normalize cimport (
    PREFIX_NONE, PREFIX_TEXT, Output, Rewritten, last_boundary, puts_space, rewrite, utf8_source,
)
from dstok.core.text.utf8 cimport code_point, find_invalid, transcode

cdef enum:
    BRIEF = 1 << 10          # units of a text that is copied or transcoded as a whole
    SMALL = 1 << 12          # bytes of a text that is copied, so that there is room to read after it


@cython.final
cdef class Pass:
    """Added tokens -> finder -> sink. It never changes."""

    def __cinit__(self, LeftFinder finder not None, Sink sink not None):
        self.finder, self.sink, self.level = finder, sink, chosen()

    # Added tokens, and the text between them.

    cdef bint special(
        self, Policy policy, bint normalized, Workspace w, const uint8_t *text, const Match *match
    ) noexcept nogil:
        """Hands an added token to the sink; false, with a status, if it cannot."""
        if policy.refuses:
            w.status = SPECIAL_FOUND
            w.where = w.base + match.content
            w.token = match.token
            w.normalized = normalized
            return False
        if w.noting and not w.note(match.start, match.end):
            return False
        return self.sink.take_added(w, text, policy.ids[normalized][match.token], match.start, match.end)

    cdef Py_ssize_t stretch(
        self, Policy policy, Workspace w, const uint8_t *text, Py_ssize_t at, Py_ssize_t stop,
        Py_ssize_t left, bint final
    ) noexcept nogil:
        """Encodes text without raw added tokens: finds the normalized ones, and the pieces between them."""
        cdef Match match
        cdef Py_ssize_t begun = at, scan
        if w.fresh:
            left = at
            w.skip[1] = 0
            if w.prefix != PREFIX_NONE and at < stop:
                at = self.lead(w, text, at, stop, final)
                if at < 0 or w.status != FINE:
                    return begun
        scan = at + w.skip[1]
        while True:
            match.token = -1
            match.safe = stop
            match.scan = at
            if policy.normalized is not None:
                match = policy.normalized.find(text, at, scan, stop, left, final)
            if match.token < 0:
                at = self.finder.find(self.sink, w, text, at, match.safe, final)
                w.skip[1] = max(match.scan - at, 0)
                break
            self.finder.find(self.sink, w, text, at, match.start, True)
            if w.status != FINE or not self.special(policy, True, w, text, &match):
                break
            at = scan = match.end
        if at > begun:
            w.fresh = 0
        return at

    cdef Py_ssize_t lead(
        self, Workspace w, const uint8_t *text, Py_ssize_t at, Py_ssize_t stop, bint final
    ) noexcept nogil:
        """Encodes the first part of a stretch of a model of characters, from a copy with a space before it.

        Returns the part's end, `at` if no space goes before it, -1 if the part is not sure. Only where no added token
        is found after normalizing. The finder is a `CharacterFinder`: `Encoder` takes no other with a prefix.
        """
        cdef Py_ssize_t size, first = w.spanned, width
        if w.prefix == PREFIX_TEXT and w.fresh != 2 or not puts_space(w.prefix, text + at, stop - at):
            return at
        size = (<CharacterFinder>self.finder).first_part(text, at, stop, final) - at
        if size < 0 or not w.grow(<void **>&w.lead, &w.lead_size, size + 1, 1):
            return -1
        w.lead[0] = 0x20
        memcpy(w.lead + 1, text + at, size)
        self.sink.begin_lead(w, text, at)
        w.base += at - 1  # the space stands for the byte before
        self.finder.find(self.sink, w, w.lead, 0, size + 1, True)
        w.base -= at - 1
        code_point(text + at, &width)
        self.sink.end_lead(w, first, width)
        return at + size

    cdef Py_ssize_t buffer(
        self, Policy policy, Workspace w, const uint8_t *text, Py_ssize_t at, Py_ssize_t stop, bint final
    ) noexcept nogil:
        """Encodes `text[at:stop]`, or, if not `final`, the sure part of it; returns the part's end."""
        cdef Match match
        cdef Py_ssize_t scan = at + w.skip[0]
        while True:
            match.token = -1
            match.safe = stop
            match.scan = at
            if policy.raw is not None:
                match = policy.raw.find(text, at, scan, stop, 0, final)
            if match.token < 0:
                at = self.stretch(policy, w, text, at, match.safe, 0, final)
                w.skip[0] = max(match.scan - at, 0)
                return at
            self.stretch(policy, w, text, at, match.start, 0, True)
            if w.status != FINE or not self.special(policy, False, w, text, &match):
                return at
            at = scan = match.end
            w.fresh = 1

    cdef void in_place(
        self, Policy policy, Workspace w, const uint8_t *text, Py_ssize_t length, Py_ssize_t limit
    ) noexcept nogil:
        """Encodes valid UTF-8 where it lies, portion by portion; stops early once `limit` ids are there."""
        cdef Py_ssize_t at = 0, stop, taken, portion = PORTION
        if limit < PORTION // 8:
            portion = max(8 * limit, 256)
        elif not w.counting and not w.reserve(length // LIKELY + CHUNK_ROOM * KEY24_MAX):
            return
        while length - at > SMALL and w.status == FINE:
            stop = min(at + portion, length - PAD)
            while text[stop] & 0xC0 == 0x80:
                stop -= 1
            taken = self.buffer(policy, w, text, at, stop, False)
            if w.status != FINE:
                return
            if w.total + w.count >= limit:
                w.where = taken
                return
            if taken == at and stop + PAD + CONTEXT >= length:
                break
            portion = PORTION if taken > at else 2 * portion
            at = taken
        if w.status == FINE:
            self.at_end(policy, w, text, at, length)

    cdef Py_ssize_t part(
        self, Policy policy, Workspace w, const uint8_t *text, Py_ssize_t at, Py_ssize_t stop, bint final
    ) noexcept nogil:
        """Does what `buffer` does, with a copy of the text, so that nothing is read after its end."""
        cdef Py_ssize_t keep = min(at, CONTEXT), length = stop - at + keep
        if not w.reserve_buffer(length):
            return at
        if length:  # else both may be NULL, and memcpy does not allow that even for no bytes
            memcpy(w.buffer, text + at - keep, length)
        w.base = at - keep
        return w.base + self.buffer(policy, w, w.buffer, keep, length, final)

    cdef void at_end(
        self, Policy policy, Workspace w, const uint8_t *text, Py_ssize_t at, Py_ssize_t length
    ) noexcept nogil:
        """Encodes the rest of a text."""
        cdef Py_ssize_t taken = self.part(policy, w, text, at, length, True)
        w.where = taken if w.status == FINE else w.where

    cdef void transcoded(
        self, Policy policy, Workspace w, const Source *source, bint replace, Py_ssize_t limit
    ) noexcept nogil:
        """Encodes `str` storage, transcoded a portion at a time."""
        cdef Py_ssize_t unit = 0, held = 0, at = 0, taken, written, keep, portion = PORTION
        if limit < PORTION // 8:
            portion = max(8 * limit, 256)
        elif not w.counting and not w.reserve(source.length // LIKELY + CHUNK_ROOM * KEY24_MAX):
            return
        while w.status == FINE:
            if not w.reserve_buffer(held + portion + 4):
                return
            written = transcode(source, &unit, w.buffer + held, portion, replace, self.level)
            if written < 0:
                w.status = INVALID_TEXT
                w.where = unit
                return
            held += written
            taken = self.buffer(policy, w, w.buffer, at, held, unit == source.length)
            if unit == source.length or w.total + w.count >= limit:
                w.where = w.base + taken if w.status == FINE else w.where
                return
            portion = PORTION if taken > at else 2 * portion
            keep = min(taken, CONTEXT)
            memmove(w.buffer, w.buffer + taken - keep, held - taken + keep)
            w.base += taken - keep
            held -= taken - keep
            at = keep

    cdef void short_text(self, Policy policy, Workspace w, const Source *source, bint replace) noexcept nogil:
        """Encodes a short text as a whole, from a copy: like `in_place` and `transcoded`, in fewer steps."""
        cdef Py_ssize_t length = source.length, unit = 0
        cdef uint8_t *text
        if not w.reserve_buffer(4 * length + 5):
            return
        text = w.buffer + 1
        w.buffer[0] = 0x20
        if source.kind == 0:
            memcpy(text, source.data, length)
        else:
            length = transcode(source, &unit, text, 4 * length + 4, replace, self.level)
            if length < 0:
                w.status = INVALID_TEXT
                w.where = unit
                return
        memset(text + length, 0, FIRST_PAD)  # else the old bytes there might begin tokens
        if w.prefix != PREFIX_NONE and w.noting or not policy.idle(text, length):  # notes need the space's own place
            self.buffer(policy, w, text, 0, length, True)
        elif puts_space(w.prefix, text, length):
            self.finder.find_short(self.sink, w, w.buffer, length + 1)
        else:
            self.finder.find_short(self.sink, w, text, length)
        w.where = length if w.status == FINE else w.where

    cdef void text(
        self, Policy policy, Workspace w, const Source *source, bint replace, Py_ssize_t limit
    ) noexcept nogil:
        """Encodes one text."""
        cdef Py_ssize_t fault
        w.fresh = w.opening
        w.skip[0] = w.skip[1] = 0
        w.base = 0
        if source.kind == 0 and not source.valid:
            fault = find_invalid(<const uint8_t *>source.data, source.length, self.level)
            if fault >= 0:
                w.status = INVALID_TEXT
                w.where = fault
                return
        if source.length <= BRIEF and limit > BRIEF:
            self.short_text(policy, w, source, replace)
        elif source.kind != 0:
            self.transcoded(policy, w, source, replace, limit)
        else:
            self.in_place(policy, w, <const uint8_t *>source.data, source.length, limit)


cdef extern from "bpe/piece_cache.h":
    enum:
        FEW_PIECES
    int few_emit(
        const Implementation *level, const PieceTable *t, const uint64_t *values, int pieces, uint32_t *out
    ) noexcept nogil

cdef enum:
    STEP = 32                # units of storage that a level transcodes at once, and a multiple of it
    ROOM = 128               # bytes of so many units; and more than the bytes that must be left to transcode at once


@cython.final
cdef class ShortPass:
    """Serves a model with a mask kernel. A normalizer must leave ASCII as it is, but for a prefix; then ASCII only."""

    def __cinit__(self, LeftFinder finder not None, IdSink sink not None, Pool pool not None, Normalizer normalizer):
        self.finder, self.sink, self.pool = finder, sink, pool
        self.serves = finder.run_grid != NULL and (normalizer is None or normalizer.keeps_ascii())
        self.prefix = PREFIX_NONE if normalizer is None else normalizer.prefix
        self.serves_all = self.serves and normalizer is None

    cdef int ids(self, const uint8_t *data, int kind, Py_ssize_t length, Policy policy, uint32_t *out) noexcept:
        """Writes the ids of a short text in the storage of a `str`; returns their number, or `GENERAL`."""
        cdef uint8_t text[SHORT_TEXT + ROOM + PAD]
        cdef PyObject *first
        cdef int count
        if kind:
            length = short_utf8(data, kind, length, text, self.finder.level)
            if length < 0:
                return GENERAL
        elif puts_space(self.prefix, data, length):
            text[0] = 0x20
            memcpy(text + 1, data, length)
            length += 1
            if length > SHORT_TEXT:
                return GENERAL
        else:
            memcpy(text, data, length)
        memset(text + length, 0, FIRST_PAD)  # otherwise an added token could seem to begin in old bytes there
        if not policy.quick.idle(text, length):
            return GENERAL
        first = self.pool.take_first()
        if first == NULL:
            return GENERAL
        count = self.ids_of(<Workspace>first, text, <int>length, out)
        self.pool.give_first()
        return count

    cdef int ids_of(self, Workspace w, const uint8_t *text, int length, uint32_t *out) noexcept:
        """Does what `ids` does, for UTF-8 without added tokens, in the first workspace."""
        cdef int pieces = self.finder.starts_of(text, length, w.starts), count = GENERAL
        if pieces <= FEW_PIECES:
            if pieces < 0:
                return GENERAL
            count = self.finder.level.few(&w.table, text, w.starts, pieces, out)
        return count if count != GENERAL else self.ids_of_many(w, text, pieces, out)

    cdef int ids_of_many(self, Workspace w, const uint8_t *text, int pieces, uint32_t *out) noexcept:
        """Writes the ids of any number of pieces, by the loops for chunks; `GENERAL` if memory is out."""
        cdef int misses = self.finder.level.probe(&w.table, text, w.starts, pieces, w.values, w.missed)
        if misses:
            misses = self.sink.look_again(w, text, misses)
        if not misses:
            return few_emit(self.finder.level, &w.table, w.values, pieces, out)
        w.begin(False, False)
        w.pieces = pieces
        if self.sink.merge_missed(w, text, misses):
            self.sink.finish(w)
        if w.status != FINE:
            return GENERAL
        memcpy(out, w.out, w.count * sizeof(uint32_t))
        return <int>w.count


cdef inline Py_ssize_t short_utf8(
    const uint8_t *data, int kind, Py_ssize_t length, uint8_t *text, const Implementation *level
) noexcept:
    """Transcodes a short text; returns the number of bytes, or -1 at a lone surrogate.

    Zeros make whole steps of the units: so none are left to be transcoded one by one.
    """
    cdef uint8_t units[SHORT_TEXT + ROOM]
    cdef Source source
    cdef Py_ssize_t unit = 0, more = -length & (STEP - 1), written
    memcpy(units, data, length * kind)
    memset(units + length * kind, 0, more * kind)
    source.data, source.length, source.kind, source.valid = units, length + more, kind, False
    written = transcode(&source, &unit, text, SHORT_TEXT + ROOM, False, level)
    return written if written < 0 else written - more


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
    if w.counting or w.reserve(source.length // LIKELY + CHUNK_ROOM * KEY24_MAX):
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
