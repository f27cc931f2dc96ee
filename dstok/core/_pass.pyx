# cython: language_level=3, boundscheck=False, wraparound=False, cdivision=True, autotestdict=False
"""The pass: over a text once, from added tokens through pieces to ids, without the GIL.

In: the storage of a text, a policy, a workspace. Out: ids in the workspace, or a status that says why not.
Invariant: the ids are those of the text as a whole, however it is fed: text is taken in stretches of about
`WINDOW` bytes, and of each stretch only as much as no later text can change: whole matches of added tokens,
and pieces whose end the automaton has seen. The rest is carried over to the next stretch.

Order of work in a stretch, as upstream: added tokens with normalized=false on the raw text; between them
those with normalized=true; between those the pieces; each piece by the piece table, else by merging.
"""

cimport cython
from libc.stdint cimport uint8_t, uint32_t, uint64_t
from libc.string cimport memcpy, memmove

from dstok.core._added cimport Match
from dstok.core._bpe cimport BPE
from dstok.core._pieces cimport LONG_IDS, MIDDLE, cuttable, insert, locate, look_up, look_up_long, may_cut
from dstok.core._policy cimport Policy
from dstok.core._scan cimport Scanner, scan_piece
from dstok.core._utf8 cimport Source, code_point, find_invalid, transcode
from dstok.core._workspace cimport CHUNK, FINE, INVALID_TEXT, OUT_OF_MEMORY, SPECIAL_FOUND, Workspace

cdef extern from *:
    int __builtin_ctzll(uint64_t) noexcept nogil

cdef enum:
    BLOCK = 64               # bytes the mask kernel looks at
    LIKELY = 3               # bytes a token: room made at the start; pages not written to cost nothing
    WINDOW = 1 << 16         # bytes of text in work at a time; fits the level-2 cache with its tables
    CONTEXT = 4              # bytes kept before it, for single_word: the longest character
    DROPPED = 2              # the scanner's tag, plus one, of a piece that a Removed step drops

LEVELS = {"automaton": LEVEL_NONE, "portable": LEVEL_PORTABLE, "avx2": LEVEL_AVX2, "avx512": LEVEL_AVX512}


def best_level():
    """The name of the best level of the mask kernel that this processor can run."""
    return next(name for name, level in LEVELS.items() if level == kernel_best_level())


@cython.final
cdef class Pass:
    """What a pass reads: scanner, merge loops, and `joined`, the bitmap of _pieces.joined_pairs (None: no cuts).

    `level` is the mask kernel's, "automaton" for none; a level above the processor's best becomes that one.
    """

    def __cinit__(self, Scanner scanner, BPE bpe, joined, str level="automaton"):
        cdef const uint8_t[::1] bits
        self.scanner, self.bpe = scanner, bpe
        if joined is not None:
            bits = joined
            self._keep = bits
            self.joined = <const uint64_t *>&bits[0]
        self.open_kernel(LEVELS[level])

    cdef void open_kernel(self, int level):
        """Sets the mask kernel up; level LEVEL_NONE: the automaton alone."""
        cdef const uint8_t *first = self.scanner.tables.pages + (<Py_ssize_t>self.scanner.tables.page_numbers[0] << 8)
        self.kernel.pages = self.scanner.tables.pages
        self.kernel.page_numbers = self.scanner.tables.page_numbers
        self.kernel.joined = self.joined
        memcpy(self.kernel.ascii, first, 128)
        self.level = min(level, kernel_best_level())
        if self.level == LEVEL_AVX2 and not kernel_plain_ascii(self.kernel.ascii):
            self.level = LEVEL_PORTABLE

    cdef void flush(self, Workspace w, const uint8_t *text) noexcept nogil:
        """Encodes the pieces collected in `w`: locate all, then look each up or merge it."""
        cdef Py_ssize_t i, length, found
        cdef bint roomy
        for i in range(w.pieces):
            roomy = w.starts[i] + MIDDLE <= w.readable
            locate(&w.table, text + w.starts[i], w.ends[i] - w.starts[i], roomy, &w.probes[i])
        if not w.reserve(CHUNK * LONG_IDS):
            return
        for i in range(w.pieces):
            length = w.ends[i] - w.starts[i]
            if length <= MIDDLE:
                found = look_up(&w.probes[i], length, w.out + w.count)
                if found:
                    w.count += found
                    continue
            if not self.miss(w, text + w.starts[i], length):
                return
        if w.tracing:
            for i in range(w.pieces):
                if not w.mark(w.starts[i], w.ends[i]):
                    return
        w.pieces = 0
        if w.counting:
            w.total += w.count
            w.count = 0

    cdef bint miss(self, Workspace w, const uint8_t *piece, Py_ssize_t length) noexcept nogil:
        """Encodes a piece that tables a and b do not hold; false if memory is out."""
        cdef Py_ssize_t found = look_up_long(&w.table, piece, length, w.out + w.count)
        if not found:
            if not w.reserve(length + CHUNK * LONG_IDS):
                return False
            found = self.bpe.merge_piece(piece, length, w.out + w.count, &w.scratch, &w.junction)
            if found < 0:
                w.status = OUT_OF_MEMORY
                return False
            insert(&w.table, piece, length, w.out + w.count, found)
        w.count += found
        return True

    cdef void add(self, Workspace w, const uint8_t *text, Py_ssize_t start, Py_ssize_t end) noexcept nogil:
        w.starts[w.pieces] = start
        w.ends[w.pieces] = end
        w.pieces += 1
        if w.pieces == CHUNK:
            self.flush(w, text)

    cdef void add_cut(self, Workspace w, const uint8_t *text, Py_ssize_t start, Py_ssize_t end) noexcept nogil:
        """Adds the parts of a piece, cut where no token can span two characters."""
        cdef uint32_t left = 0, right
        cdef Py_ssize_t at = start, width
        while at < end:
            right = code_point(text + at, &width)
            if left and cuttable(right) and may_cut(self.joined, left, right):
                self.add(w, text, start, at)
                start = at
            left = right if cuttable(right) else 0
            at += width
        self.add(w, text, start, end)

    cdef Py_ssize_t blocks(
        self, Workspace w, const uint8_t *text, Py_ssize_t at, Py_ssize_t stop, bint final
    ) noexcept nogil:
        """As `_pieces`, by the mask kernel; a piece that it cannot settle goes to the automaton."""
        cdef Block block
        cdef Py_ssize_t size, start, end
        cdef uint64_t starts
        cdef bint last
        while at < stop and w.status == FINE:
            size = min(stop - at, BLOCK)
            last = final and at + size == stop
            block = kernel_block(self.level, &self.kernel, text + at, <int>size, last)
            if block.sure == 0 and not (last and block.starts == 1 and block.whole):
                end = self.piece(w, text, at, stop, final)
                if end < 0:
                    break
                at = end
                continue
            starts = block.starts & (block.starts - 1)
            start = at
            while starts:
                end = at + __builtin_ctzll(starts)
                if end > at + block.sure:
                    break
                self.add(w, text, start, end)
                start = end
                starts &= starts - 1
            if last and block.whole:
                self.add(w, text, start, stop)
                start = stop
            at = start
        return at

    cdef Py_ssize_t pieces(
        self, Workspace w, const uint8_t *text, Py_ssize_t at, Py_ssize_t stop, bint final
    ) noexcept nogil:
        """Encodes the pieces of `text[at:stop]`; returns where the first piece starts that is not sure."""
        cdef Py_ssize_t end
        if self.level != LEVEL_NONE:
            at = self.blocks(w, text, at, stop, final)
        else:
            while at < stop and w.status == FINE:
                end = self.piece(w, text, at, stop, final)
                if end < 0:
                    break
                at = end
        if w.pieces and w.status == FINE:
            self.flush(w, text)
        return at

    cdef Py_ssize_t piece(
        self, Workspace w, const uint8_t *text, Py_ssize_t at, Py_ssize_t stop, bint final
    ) noexcept nogil:
        """Adds the piece at `at`, by the automaton; returns its end, or -1 if it is not sure."""
        cdef uint32_t tag = 0
        cdef bint wide = False
        cdef Py_ssize_t end = scan_piece(&self.scanner.tables, text, at, stop, final, &tag, &wide)
        if end >= 0 and tag != DROPPED:
            if wide and self.joined != NULL:
                self.add_cut(w, text, at, end)
            else:
                self.add(w, text, at, end)
        return end

    cdef bint special(
        self, Policy policy, bint normalized, Workspace w, const Match *match
    ) noexcept nogil:
        """Writes the id of an added token."""
        if policy.refuses:
            w.status = SPECIAL_FOUND
            w.where = w.base + match.content
            w.token = match.token
            w.normalized = normalized
            return False
        if w.marking and not w.mark(match.start, match.end):
            return False
        if not w.reserve(1):
            return False
        w.out[w.count] = policy.ids[normalized][match.token]
        w.count += 1
        if w.counting:
            w.total += w.count
            w.count = 0
        return True

    cdef Py_ssize_t stretch(
        self, Policy policy, Workspace w, const uint8_t *text, Py_ssize_t at, Py_ssize_t stop,
        Py_ssize_t left, bint final
    ) noexcept nogil:
        """Encodes text that holds no raw added token: finds the normalized ones, and pieces between."""
        cdef Match match
        cdef Py_ssize_t begun = at, scan
        if w.fresh:
            left = at
            w.skip[1] = 0
        scan = at + w.skip[1]
        while True:
            match.token = -1
            match.safe = stop
            match.scan = at
            if policy.normalized is not None:
                match = policy.normalized.find(text, at, scan, stop, left, final)
            if match.token < 0:
                at = self.pieces(w, text, at, match.safe, final)
                w.skip[1] = max(match.scan - at, 0)
                break
            self.pieces(w, text, at, match.start, True)
            if w.status != FINE or not self.special(policy, True, w, &match):
                break
            at = scan = match.end
        if at > begun:
            w.fresh = False
        return at

    cdef Py_ssize_t buffer(
        self, Policy policy, Workspace w, const uint8_t *text, Py_ssize_t at, Py_ssize_t stop, bint final
    ) noexcept nogil:
        """Encodes `text[at:stop]`, or, if not `final`, the part of it that is sure; returns its end."""
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
            if w.status != FINE or not self.special(policy, False, w, &match):
                return at
            at = scan = match.end
            w.fresh = True

    cdef void in_place(
        self, Policy policy, Workspace w, const uint8_t *text, Py_ssize_t length, Py_ssize_t limit
    ) noexcept nogil:
        """Encodes valid UTF-8 where it lies, window by window; stops early once `limit` ids are there."""
        cdef Py_ssize_t at = 0, stop, taken, window = WINDOW
        if limit < WINDOW // 8:
            window = max(8 * limit, 256)
        elif not w.counting and not w.reserve(w.count + length // LIKELY):
            return
        w.readable = length
        while w.status == FINE:
            stop = min(at + window, length)
            while stop < length and text[stop] & 0xC0 == 0x80:
                stop -= 1
            taken = self.buffer(policy, w, text, at, stop, stop == length)
            if stop == length or w.total + w.count >= limit:
                w.where = taken if w.status == FINE else w.where
                return
            window = WINDOW if taken > at else 2 * window
            at = taken

    cdef void transcoded(
        self, Policy policy, Workspace w, const Source *source, bint replace, Py_ssize_t limit
    ) noexcept nogil:
        """Encodes `str` storage, transcoded a window at a time."""
        cdef Py_ssize_t unit = 0, held = 0, at = 0, taken, written, keep, window = WINDOW
        if limit < WINDOW // 8:
            window = max(8 * limit, 256)
        elif not w.counting and not w.reserve(w.count + source.length // LIKELY):
            return
        while w.status == FINE:
            if not w.reserve_buffer(held + window + 4):
                return
            w.readable = w.buffer_size
            written = transcode(source, &unit, w.buffer + held, window, replace)
            if written < 0:
                w.status = INVALID_TEXT
                w.where = unit
                return
            held += written
            taken = self.buffer(policy, w, w.buffer, at, held, unit == source.length)
            if unit == source.length or w.total + w.count >= limit:
                w.where = w.base + taken if w.status == FINE else w.where
                return
            window = WINDOW if taken > at else 2 * window
            keep = min(taken, CONTEXT)
            memmove(w.buffer, w.buffer + taken - keep, held - taken + keep)
            w.base += taken - keep
            held -= taken - keep
            at = keep

    cdef void text(
        self, Policy policy, Workspace w, const Source *source, bint trusted, bint replace, Py_ssize_t limit
    ) noexcept nogil:
        """Encodes one text."""
        cdef Py_ssize_t fault
        w.fresh = True
        w.skip[0] = w.skip[1] = 0
        w.base = 0
        if source.kind != 0:
            self.transcoded(policy, w, source, replace, limit)
            return
        if not trusted:
            fault = find_invalid(<const uint8_t *>source.data, source.length)
            if fault >= 0:
                w.status = INVALID_TEXT
                w.where = fault
                return
        self.in_place(policy, w, <const uint8_t *>source.data, source.length, limit)
