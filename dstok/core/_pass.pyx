# cython: language_level=3, boundscheck=False, wraparound=False, cdivision=True, autotestdict=False
"""The pass: over a text once, from added tokens through pieces to ids, without the GIL.

In: the storage of a text, a policy, a workspace. Out: ids in the workspace, or a status that says why not.
Invariant: the ids are those of the text as a whole, however it is fed: text is taken in stretches of about
`WINDOW` bytes, and of each stretch only as much as no later text can change: whole matches of added tokens,
and pieces whose end the automaton has seen. The rest is carried over to the next stretch.

Order of work in a stretch, as upstream: added tokens with normalized=false on the raw text; between them
those with normalized=true; between those the pieces, which go into chunks (_chunk.pyx) that make ids of them.
"""

cimport cython
from libc.stdint cimport uint8_t, uint32_t, uint64_t
from libc.stdlib cimport calloc, free
from libc.string cimport memcmp, memcpy, memmove, memset

from dstok.core._added cimport Match
from dstok.core._bpe cimport BPE
from dstok.core._chunk cimport Chunks
from dstok.core._pieces cimport CHUNK, CHUNK_ROOM, MIDDLE, PAD, cuttable, may_cut
from dstok.core._policy cimport Policy
from dstok.core._scan cimport Scanner, scan_piece
from dstok.core._utf8 cimport Source, code_point, find_invalid, transcode
from dstok.core._workspace cimport FINE, INVALID_TEXT, OUT_OF_MEMORY, SPECIAL_FOUND, Workspace

cdef extern from *:
    int __builtin_ctzll(uint64_t) noexcept nogil

cdef enum:
    BLOCK = 64               # bytes the mask kernel looks at
    LIKELY = 3               # bytes a token: room made at the start; pages not written to cost nothing
    WINDOW = 1 << 16         # bytes of text in work at a time; fits the level-2 cache with its tables
    BRIEF = 1 << 10          # units of a text that is copied or transcoded as a whole
    SMALL = 1 << 12          # bytes of a text that is copied, to have room to read behind it
    CONTEXT = 4              # bytes kept before it, for single_word: the longest character
    FAR = 1 << 30            # bytes that a chunk may span: its offsets have 32 bits
    BORDERS = 1 << 14        # bytes of two bitmaps of the 65,536 characters of the BMP
    GROUPS = 1 << 8          # bytes of a table of pattern/windows.py
    HISTORIES = 1 << 12      # another
    DROPPED = 2              # the scanner's tag, plus one, of a piece that a Removed step drops

cdef inline bint keeps(const uint8_t *borders, uint32_t left, uint32_t right, bint first) noexcept nogil:
    # Is a cut between these characters forbidden, the piece's first behind the one, or any before the other?
    return (first and borders[left >> 3] >> (left & 7) & 1) or borders[BORDERS // 2 + (right >> 3)] >> (right & 7) & 1


LEVELS = {"automaton": LEVEL_NONE, "portable": LEVEL_PORTABLE, "avx2": LEVEL_AVX2, "avx512": LEVEL_AVX512}


def best_level():
    """The name of the best level of the mask kernel that this processor can run."""
    return next(name for name, level in LEVELS.items() if level == kernel_best_level())


@cython.final
cdef class Pass(Chunks):
    """What a pass reads: scanner, merge loops, and `joined`, the bitmap of _pieces.joined_pairs (None: no cuts).

    `borders` are characters at whose borders there are no cuts either (see tables.py), `windows` the tables of
    pattern/windows.py; None: none. `rules` says which automaton the mask kernel is to stand for, 0: it has none
    for this one. `level` is the kernel's, "automaton" for none; a level above the processor's best becomes that one.
    """

    def __cinit__(self, Scanner scanner, BPE bpe, joined, str level="automaton", int rules=0, borders=None,
                  windows=None):
        cdef const uint8_t[::1] bits
        self.scanner, self.bpe = scanner, bpe
        self._keep = (joined, borders, windows)
        if joined is not None:
            bits = joined
            self.joined = &bits[0]
        if borders is not None:
            bits = borders
            self.borders = &bits[0]
        if windows is not None:
            self.open_windows(windows)
        self.open_kernel(LEVELS[level], rules)

    def __dealloc__(self):
        free(self.flags)

    cdef int open_kernel(self, int level, int rules) except -1:
        """Sets the mask kernels up; rules RULES_NONE or level LEVEL_NONE: none."""
        cdef const uint8_t *first = self.scanner.tables.pages + (<Py_ssize_t>self.scanner.tables.page_numbers[0] << 8)
        cdef uint32_t c
        self.wide = kernel_best_level() == LEVEL_AVX512 and level in (LEVEL_NONE, LEVEL_AVX512)
        self.level = min(level, kernel_best_level()) if rules else LEVEL_NONE
        self.kernel.rules = rules
        self.kernel.pages = self.scanner.tables.pages
        self.kernel.page_numbers = self.scanner.tables.page_numbers
        self.kernel.joined = self.joined
        if rules == RULES_V3:
            memcpy(self.kernel.ascii, first, 128)
            for c in range(CLASSES):
                self.kernel.kinds[c] = kernel_flags(c)
            if self.level == LEVEL_AVX2 and not kernel_plain_ascii(self.kernel.ascii):
                self.level = LEVEL_PORTABLE
        elif self.level != LEVEL_AVX512 or not words_open(&self.kernel, rules, first):
            self.level = LEVEL_NONE  # the rules of words are for AVX-512 alone
        if self.level == LEVEL_AVX512:
            self.open_flags()
        return 0

    cdef int open_flags(self) except -1:
        """What the grid kernel wants to know of each character, in one look-up."""
        cdef uint32_t c, page
        cdef bint same
        self.flags = <uint8_t *>calloc(0x10000 + 4, 1)
        if self.flags == NULL:
            raise MemoryError
        for c in range(0x80, 0x10000):
            page = self.kernel.page_numbers[c >> 8]
            self.flags[c] = self.kernel.kinds[self.kernel.pages[page << 8 | (c & 0xFF)]]
            if self.joined != NULL and cuttable(c):
                self.flags[c] |= self.cut_flags(c)
        for page in range(256):
            same = not memcmp(self.flags + 256 * page, self.flags + 256 * page + 1, 255)
            self.kernel.page_flags[page] = self.flags[256 * page] if same else F_MIXED
        self.kernel.flags = self.flags
        return 0

    cdef uint8_t cut_flags(self, uint32_t c) noexcept nogil:
        """Whether a cuttable character may be cut behind, and before: with borders fewer than `add_cut` allows."""
        cdef uint8_t flags = F_CUTTABLE
        if self.borders != NULL and self.borders[c >> 3] >> (c & 7) & 1:
            flags = 0
        if self.kernel.rules != RULES_V3 and (
                self.borders == NULL or not self.borders[BORDERS // 2 + (c >> 3)] >> (c & 7) & 1):
            flags |= F_CUT_BEFORE
        return flags

    cdef int open_windows(self, tables) except -1:
        """Groups, histories and verdicts lie one after the other."""
        cdef const uint8_t[::1] bytes = tables
        if bytes.shape[0] <= GROUPS + HISTORIES or (bytes.shape[0] - GROUPS - HISTORIES) % 256:
            raise ValueError("window tables of the wrong size")
        self.windows.groups = &bytes[0]
        self.windows.histories = &bytes[GROUPS]
        self.windows.verdicts = &bytes[GROUPS + HISTORIES]
        return 0

    # Pieces, put into a chunk.

    cdef void begin_chunk(self, Workspace w, Py_ssize_t at) noexcept nogil:
        w.origin = at
        w.pieces = 0
        w.starts[0] = 0

    cdef void add(self, Workspace w, const uint8_t *text, Py_ssize_t start, Py_ssize_t end) noexcept nogil:
        """Adds a piece. The pieces of a chunk lie end to end, and not farther apart than its offsets reach."""
        if start != w.origin + w.starts[w.pieces] or end - w.origin > FAR:
            if w.pieces:
                self.flush(w, text)
            self.begin_chunk(w, start)
            if end - start > FAR:
                self.add_giant(w, text, start, end)
                return
        w.pieces += 1
        w.starts[w.pieces] = <uint32_t>(end - w.origin)
        if w.pieces >= CHUNK:
            self.flush(w, text)

    cdef void add_giant(self, Workspace w, const uint8_t *text, Py_ssize_t start, Py_ssize_t end) noexcept nogil:
        """Encodes one piece of more than a gigabyte."""
        cdef Py_ssize_t found
        if w.status != FINE or not w.reserve(end - start):
            return
        found = self.bpe.merge_piece(text + start, end - start, w.out + w.count, &w.scratch, &w.junction)
        if found < 0:
            w.status = OUT_OF_MEMORY
        elif w.counting:
            w.total += found
        else:
            w.count += found
        self.begin_chunk(w, end)

    cdef void add_cut(self, Workspace w, const uint8_t *text, Py_ssize_t start, Py_ssize_t end) noexcept nogil:
        """Adds the parts of a piece, cut where no token can span two characters."""
        cdef uint32_t left = 0, right
        cdef Py_ssize_t at = start, begun = start, width
        while at < end:
            right = code_point(text + at, &width)
            if left and cuttable(right) and may_cut(self.joined, left, right) and (
                    self.borders == NULL or not keeps(self.borders, left, right, start == begun)):
                self.add(w, text, start, at)
                start = at
            left = right if cuttable(right) else 0
            at += width
        self.add(w, text, start, end)

    # From text to pieces: by the grid kernel where it can, else by blocks from the last start, else the automaton.

    cdef Py_ssize_t grid(self, Workspace w, const uint8_t *text, Py_ssize_t stop, bint final) noexcept nogil:
        """Pieces from where the chunk ends, until the text's end or something rare; returns the last one's end."""
        cdef GridState state
        cdef uint32_t here = w.starts[w.pieces]
        memset(&state, 0, sizeof(state))
        while w.status == FINE:
            grid_run(&self.kernel, &state, text + w.origin, &here, <uint32_t>min(stop - w.origin, <Py_ssize_t>FAR),
                     final and stop - w.origin <= FAR, w.starts, &w.pieces, CHUNK)
            if w.pieces < CHUNK:
                break
            here -= w.starts[w.pieces]
            self.flush(w, text)
        return w.origin + w.starts[w.pieces]

    cdef Py_ssize_t blocks(
        self, Workspace w, const uint8_t *text, Py_ssize_t at, Py_ssize_t stop, bint final
    ) noexcept nogil:
        """As `pieces`, by the mask kernels; a piece that they cannot settle goes to the automaton."""
        cdef Block block
        cdef Py_ssize_t size, start, end
        cdef uint64_t starts
        cdef bint last
        while at < stop and w.status == FINE:
            if self.level == LEVEL_AVX512 and (final or stop - at >= GRID_LOOK):
                at = self.grid(w, text, stop, final)
                if at == stop or w.status != FINE:
                    break
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

    cdef Py_ssize_t words(
        self, Workspace w, const uint8_t *text, Py_ssize_t at, Py_ssize_t stop, bint final
    ) noexcept nogil:
        """As `pieces`, by the grid kernel alone; a piece that it does not settle goes to the automaton."""
        cdef Py_ssize_t end
        while at < stop and w.status == FINE:
            if final or stop - at >= GRID_LOOK:
                at = self.grid(w, text, stop, final)
                if at == stop or w.status != FINE:
                    break
            end = self.piece(w, text, at, stop, final)
            if end < 0:
                break
            at = end
        return at

    cdef Py_ssize_t by_windows(
        self, Workspace w, const uint8_t *text, Py_ssize_t at, Py_ssize_t stop, bint final
    ) noexcept nogil:
        """As `pieces`, by verdicts of windows; a piece that one does not settle goes to the automaton.

        `base` is the first byte of a block, `at` where the piece in work begins, in the block or before it.
        """
        cdef Py_ssize_t base = at
        cdef uint32_t history = WINDOW_EDGE
        cdef uint64_t yes, unknown
        cdef Py_ssize_t end
        cdef int bit
        while stop - base > BLOCK and w.status == FINE:
            window_block(&self.windows, text + base, &history, &yes, &unknown)
            if base == at:
                yes &= ~<uint64_t>1
                unknown &= ~<uint64_t>1
            while yes | unknown:
                bit = __builtin_ctzll(yes | unknown)
                if yes >> bit & 1:
                    self.add(w, text, at, base + bit)
                    at = base + bit
                    yes &= yes - 1
                    continue
                end = self.piece(w, text, at, stop, final)
                if end < 0:
                    return at
                at = end
                if end >= base:  # what is told of the piece's inside and end is past
                    bit = <int>min(end - base, BLOCK - 1)
                    yes = yes >> bit >> 1 << bit << 1
                    unknown = unknown >> bit >> 1 << bit << 1
            base += BLOCK
            if at >= base:
                base = at
                history = WINDOW_EDGE
        return at

    cdef Py_ssize_t pieces(
        self, Workspace w, const uint8_t *text, Py_ssize_t at, Py_ssize_t stop, bint final
    ) noexcept nogil:
        """Encodes the pieces of `text[at:stop]`; returns where the first piece starts that is not sure."""
        cdef Py_ssize_t end
        self.begin_chunk(w, at)
        if self.level == LEVEL_NONE:
            if self.windows.groups != NULL:
                at = self.by_windows(w, text, at, stop, final)
            while at < stop and w.status == FINE:
                end = self.piece(w, text, at, stop, final)
                if end < 0:
                    break
                at = end
        elif self.kernel.rules == RULES_V3:
            at = self.blocks(w, text, at, stop, final)
        else:
            at = self.words(w, text, at, stop, final)
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
        elif not w.counting and not w.reserve(length // LIKELY + CHUNK_ROOM * MIDDLE):
            return
        while length - at > SMALL and w.status == FINE:
            stop = min(at + window, length - PAD)
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
            window = WINDOW if taken > at else 2 * window
            at = taken
        if w.status == FINE:
            self.at_end(policy, w, text, at, length)

    cdef Py_ssize_t part(
        self, Policy policy, Workspace w, const uint8_t *text, Py_ssize_t at, Py_ssize_t stop, bint final
    ) noexcept nogil:
        """As `buffer`, of text that nothing may be read behind: a copy of it."""
        cdef Py_ssize_t keep = min(at, CONTEXT), length = stop - at + keep
        if not w.reserve_buffer(length):
            return at
        if length:  # else both may be NULL, which memcpy does not allow even for no bytes
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
        """Encodes `str` storage, transcoded a window at a time."""
        cdef Py_ssize_t unit = 0, held = 0, at = 0, taken, written, keep, window = WINDOW
        if limit < WINDOW // 8:
            window = max(8 * limit, 256)
        elif not w.counting and not w.reserve(source.length // LIKELY + CHUNK_ROOM * MIDDLE):
            return
        while w.status == FINE:
            if not w.reserve_buffer(held + window + 4):
                return
            written = transcode(source, &unit, w.buffer + held, window, replace, self.wide)
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

    cdef void short_text(self, Policy policy, Workspace w, const Source *source, bint replace) noexcept nogil:
        """Encodes a short text as a whole, from a copy: as `in_place` and `transcoded` do, with less ceremony."""
        cdef Py_ssize_t length = source.length, unit = 0
        if not w.reserve_buffer(4 * length + 4):
            return
        if source.kind == 0:
            memcpy(w.buffer, source.data, length)
        else:
            length = transcode(source, &unit, w.buffer, 4 * length + 4, replace, self.wide)
            if length < 0:
                w.status = INVALID_TEXT
                w.where = unit
                return
        if policy.idle(w.buffer, length):
            self.pieces(w, w.buffer, 0, length, True)
        else:
            self.buffer(policy, w, w.buffer, 0, length, True)
        w.where = length if w.status == FINE else w.where

    cdef void text(
        self, Policy policy, Workspace w, const Source *source, bint replace, Py_ssize_t limit
    ) noexcept nogil:
        """Encodes one text."""
        cdef Py_ssize_t fault
        w.fresh = True
        w.skip[0] = w.skip[1] = 0
        w.base = 0
        if source.kind == 0 and not source.valid:
            fault = find_invalid(<const uint8_t *>source.data, source.length, self.wide)
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
