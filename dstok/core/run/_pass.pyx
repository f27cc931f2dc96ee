"""The pass: over a text once, from added tokens through pieces to a sink, without the GIL.

In: the storage of a text, a policy, a workspace. Out: the results of the sink in the workspace (ids, as a rule), or a
status that says why there are none.
Invariant: the ids are those of the text as a whole, however it is fed. Text is taken in portions of about `PORTION`
bytes. Only the part of a portion that no later text can change is encoded: whole matches of added tokens, and
pieces whose end the automaton has seen. The rest is carried over to the next portion. Example: a portion ends in
"Hello wor"; "Hello" is encoded, and " wor" is carried over, since "ld" may follow.

The order of work is upstream's. First added tokens with normalized=false are found in the raw text, then between
them those with normalized=true. Between those the finder finds the pieces (find/_finder.pyx).
"""

cimport cython
from libc.stdint cimport uint8_t
from libc.string cimport memcpy, memmove, memset

from dstok.core.text._added cimport Match
from dstok.core.find._finder cimport CharacterFinder, LeftFinder
from dstok.core.simd._level cimport FIRST_PAD, chosen
from dstok.core.text._normalize cimport PREFIX_NONE, PREFIX_TEXT, puts_space
from dstok.core.merge._pieces cimport CHUNK_ROOM, MIDDLE, PAD
from dstok.core.text._policy cimport Policy
from dstok.core.find._sink cimport Sink
from dstok.core.text._utf8 cimport Source, code_point, find_invalid, transcode
from dstok.core.find._workspace cimport FINE, INVALID_TEXT, SPECIAL_FOUND, Workspace

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
        if size < 0 or not w.reserve_lead(size + 1):
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
        elif not w.counting and not w.reserve(length // LIKELY + CHUNK_ROOM * MIDDLE):
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
        elif not w.counting and not w.reserve(source.length // LIKELY + CHUNK_ROOM * MIDDLE):
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
