# cython: language_level=3, boundscheck=False, wraparound=False, cdivision=True, autotestdict=False
"""The splitter: text to pieces, put into chunks, without the GIL.

In: a stretch of text without added tokens. Out: its pieces in chunks (_chunk.pyx), which make ids of them, and where
the first piece begins that later text may change.
Invariant: the pieces are the automaton's, cut further only where no token can span the cut. Where the processor and the
automaton allow, mask kernels find them: on a fixed grid (_grid.h), for V3 also by blocks (_kernel.h); else windows
(_windows.h). What these do not settle goes to the automaton, a piece at a time.
"""

from libc.stdint cimport uint8_t, uint32_t, uint64_t
from libc.stdlib cimport calloc, free
from libc.string cimport memcmp, memcpy, memset

from dstok.core._bpe cimport BPE
from dstok.core._chunk cimport Chunks
from dstok.core._pieces cimport CHUNK, cuttable, may_cut
from dstok.core._scan cimport Scanner, scan_piece
from dstok.core._utf8 cimport code_point
from dstok.core._workspace cimport FINE, OUT_OF_MEMORY, Workspace

cdef extern from *:
    int __builtin_ctzll(uint64_t) noexcept nogil

cdef enum:
    BLOCK = 64               # bytes the mask kernel looks at
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


def emulated():
    """Whether the levels above "portable" are emulated, on any processor: a build for tests (see setup.py)."""
    return DSTOK_EMULATED


def level_shown(str name):
    """A level's name, as people are told it: "avx512 (emulated)"."""
    return f"{name} (emulated)" if DSTOK_EMULATED and LEVELS[name] > LEVEL_PORTABLE else name


cdef class Splitter(Chunks):
    """What finding pieces needs, with the tables of chunks: scanner, and `joined`, the bitmap of _pieces.joined_pairs
    (None: no cuts).

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

    def way(self):
        """How pieces are found: "mask kernel, avx512" (or another level), "windows", or "automaton"."""
        if self.level != LEVEL_NONE:
            return "mask kernel, " + level_shown(next(name for name, level in LEVELS.items() if level == self.level))
        return "automaton" if self.windows.groups == NULL else "windows"

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
            if self.level > LEVEL_PORTABLE and not kernel_plain_ascii(self.kernel.ascii):
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
