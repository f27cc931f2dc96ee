"""Finders: text to pieces, without the GIL.

In: a stretch of text without added tokens, and a sink. Out: the pieces, which the sink gets in chunks (sinks.pyx), and
the start of the first piece that later text may change. A finder knows no ids.
Invariant: the pieces are the automaton's, cut further only where no token can reach over the cut.

A `PieceFinder` takes the first way that its model has: the mask kernel (split/grid.h), with rules that cut as the
automaton does; windows (split/windows.h), in which a few characters tell whether a piece begins between them; the
automaton alone. Where one of the first two cannot tell, the automaton finds a piece; then the faster way goes on. The
automaton must begin at an anchor: the start of a piece, or a cut that is as good as one (split/rules_v3.h). Example:
to V3's rules U+0001 is rare, so in "Hi\\x01 all" the kernel finds "Hi" and stops. The automaton finds the next piece,
and the kernel goes on at its end.

A `CharacterFinder` cuts the text of a model that merges characters at the borders that no merge crosses
(split/matrix.h).

A `TwoSided` reads a text in two passes. The first goes from the right, and notes for each place the states from which
the rest can be read without a mark at the place. The second goes from the left: where its state is not among them, a
mark stands, and only one mark leads to a noted state. Between two *settling* characters no mark stands, and both states
are the same in every text. So the passes read a text stretch by stretch, each up to the next settling byte.

`sure_start` finds a place where a piece begins whatever stands before: docs/proofs.md, "Growing texts".
"""

cimport cython
from libc.stdlib cimport calloc, free
from libc.string cimport memcmp, memcpy, memmove, memset

from dstok.core.encode.memory cimport FINE
from dstok.core.encode.sinks cimport FAR, add_apart, add_piece
from dstok.core.bpe.merge cimport BORDERS, CHUNK, PAD
from dstok.core.cpu.level cimport GRID_RANGES, GridRun, chosen
from dstok.core.split.automaton cimport (
    DEAD, DROPPED, ROW, ROWS, START, Memo, Run, ScanTables, begin_memo, drop, next_edge, scan_piece, settle,
)
from dstok.core.text.utf8 cimport code_point, find_invalid

from array import array

from dstok.core.cpu.level import level_shown

cdef extern from *:
    int __builtin_ctzll(uint64_t) noexcept nogil
    int __builtin_popcountll(uint64_t) noexcept nogil

cdef extern from "split/grid.h":
    enum:
        GRID_LOOK

cdef enum:
    BLOCK = 64               # bytes that windows look at
    SMALL = 1 << 12          # bytes of a text that is copied as a whole
    PATIENCE = 512           # bytes that the automaton reads where windows tell little

# The sets of rules, and the flags of characters that are not ASCII, which compiled/kernel_selection.py names.
RULES = (RULES_NONE, RULES_V3, RULES_ONES, RULES_THREES, RULES_CASED, RULES_GPT2, RULES_CL100K, RULES_LLM, RULES_CODER,
         RULES_TEKKEN)
FLAGS = (F_LETTER, F_PUNCT, F_CJK, F_BLANK, F_NUMBER, F_RARE, F_CAPITAL, F_CASELESS, F_COMBINING)


# The classes of the matrix kernel: one for each ASCII character; that of letters beyond ASCII, of all other characters.
ASCII_CLASSES = bytes([matrix_ascii(b) for b in range(128)])
WIDE_CLASSES = (MATRIX_WIDE, MATRIX_OTHER)


cdef inline bint keeps(const uint8_t *borders, uint32_t left, uint32_t right, bint first) noexcept nogil:
    # Whether a cut between two characters is forbidden: after `left`, if it is the first of a piece, or before `right`.
    return (first and borders[left >> 3] >> (left & 7) & 1) or borders[BORDERS // 2 + (right >> 3)] >> (right & 7) & 1


cdef inline uint8_t common(const uint8_t *flags, int size) noexcept nogil:
    # The flags that all of them have, or F_MIXED if they differ.
    return F_MIXED if memcmp(flags, flags + 1, size - 1) else flags[0]


cdef class Finder:
    """The base of all finders."""

    def way(self):
        """The way it finds pieces."""
        raise NotImplementedError

    cdef void find_all(self, Sink sink, Workspace w, const uint8_t *text, Py_ssize_t length) noexcept nogil:
        """Hands all pieces of valid UTF-8 to a sink. Reads nothing after the text.

        The sink may read `PAD` bytes after the pieces: near the text's end it gets a copy.
        """
        pass


cdef class LeftFinder(Finder):
    """The base of the finders that read from the left: by a mask kernel if there is one, else piece by piece."""

    def __cinit__(self):
        self.level = chosen()

    def __dealloc__(self):
        free(self.flags)

    def without_cuts(self):
        """A finder of the model's pieces, without cuts inside them."""
        raise NotImplementedError

    cdef int open_flags(self) except -1:
        """Sets all flags of each character, so that the mask kernel needs one look-up."""
        cdef uint32_t c, page
        self.kernel.joined = self.joined
        self.flags = <uint8_t *>calloc(0x10000 + 4, 1)
        if self.flags == NULL:
            raise MemoryError
        for c in range(0x80, 0x10000):
            page = self.kernel.page_numbers[c >> 8]
            self.flags[c] = self.kernel.kinds[self.kernel.pages[page << 8 | (c & 0xFF)]]
            if self.joined != NULL and cuttable(c):
                self.flags[c] |= self.cut_flags(c)
        self.kernel.flags = self.flags
        self.open_pages()
        return 0

    cdef void open_pages(self) noexcept nogil:
        """Sets the flags of whole pages, of runs of pages, and of all characters with a lead byte."""
        cdef uint32_t page, lead, size
        cdef int r, least
        cdef uint8_t flags
        for page in range(256):
            self.kernel.page_flags[page] = common(self.flags + 256 * page, 256)
        for lead in range(2, 32):
            self.kernel.lead_flags[lead] = common(self.flags + 64 * lead, 64)
        flags = self.flags[0xC0]
        if common(self.flags + 0xC0, 0x17) == common(self.flags + 0xD8, 0x1F) == common(self.flags + 0xF8, 8) == flags:
            self.kernel.lead_flags[3] = flags
        page = 0x08
        while page < 256:  # the longest runs are kept
            flags, size = self.kernel.page_flags[page], 1
            while page + size < 256 and self.kernel.page_flags[page + size] == flags:
                size += 1
            least = 0
            for r in range(1, GRID_RANGES):
                if self.kernel.range_size[r] < self.kernel.range_size[least]:
                    least = r
            if flags not in (0, F_MIXED) and size - 1 > self.kernel.range_size[least]:
                self.kernel.range_first[least], self.kernel.range_size[least] = <uint8_t>page, <uint8_t>(size - 1)
                self.kernel.range_flags[least] = flags
            page += size

    cdef uint8_t cut_flags(self, uint32_t c) noexcept nogil:
        """The flags of cuts of a cuttable character."""
        return F_CUTTABLE

    cdef Py_ssize_t grid(
        self, Sink sink, Workspace w, const uint8_t *text, Py_ssize_t stop, bint final
    ) noexcept nogil:
        """Finds pieces from the chunk's end on, until the text's end or a rare character; returns where to go on.

        The chunk then ends there, too. Cuts after the last anchor are dropped: they lie inside a piece that `piece`
        will find as a whole.
        """
        cdef GridRun run
        begin_run(&run, w)
        while w.status == FINE:
            self.run_grid(
                &self.kernel, text + w.origin, <uint32_t>min(stop - w.origin, <Py_ssize_t>FAR),
                final and stop - w.origin <= FAR, CHUNK, &run)
            w.pieces = run.anchor
            if run.pieces < CHUNK or run.pieces - run.anchor > CHUNK // 2:
                break
            take_upto(sink, w, text, &run)
        return w.origin + w.starts[w.pieces]

    cdef Py_ssize_t by_rules(
        self, Sink sink, Workspace w, const uint8_t *text, Py_ssize_t at, Py_ssize_t stop, bint final
    ) noexcept nogil:
        """Does what `find` does, by the mask kernel; `piece` finds a piece that the kernel does not settle."""
        cdef Py_ssize_t end
        while at < stop and w.status == FINE:
            if final or stop - at >= GRID_LOOK:
                at = self.grid(sink, w, text, stop, final)
                if at == stop or w.status != FINE:
                    break
            end = self.piece(sink, w, text, at, stop, final)
            if end < 0:
                break
            at = end
        return at

    cdef Py_ssize_t find(
        self, Sink sink, Workspace w, const uint8_t *text, Py_ssize_t at, Py_ssize_t stop, bint final
    ) noexcept nogil:
        """Hands the pieces of `text[at:stop]` to a sink; returns the start of the first piece that is not sure.

        May read `PAD` bytes after `stop`.
        """
        w.begin_chunk(at)
        if self.run_grid != NULL:
            at = self.by_rules(sink, w, text, at, stop, final)
        else:
            at = self.by_pieces(sink, w, text, at, stop, final)
        if w.pieces and w.status == FINE:
            self.hand_over(sink, w, text)
        return at

    cdef void hand_over(self, Sink sink, Workspace w, const uint8_t *text) noexcept nogil:
        """Hands the chunk to the sink."""
        if self.apart:
            sink.take_apart(w, text)
        else:
            sink.take(w, text)

    cdef void add(
        self, Sink sink, Workspace w, const uint8_t *text, Py_ssize_t start, Py_ssize_t end
    ) noexcept nogil:
        """Adds a piece to the chunk."""
        if self.apart:
            add_apart(sink, w, text, start, end)
        else:
            add_piece(sink, w, text, start, end)

    cdef void find_all(self, Sink sink, Workspace w, const uint8_t *text, Py_ssize_t length) noexcept nogil:
        """Takes first the text without its last bytes, then the unsure rest, from a copy with room after it."""
        cdef Py_ssize_t at = 0, stop = length - PAD
        w.base = 0
        if length > SMALL:
            while text[stop] & 0xC0 == 0x80:
                stop -= 1
            at = self.find(sink, w, text, 0, stop, False)
        if w.status == FINE:
            self.find_in_copy(sink, w, text, at, length, True)

    cdef Py_ssize_t find_in_copy(
        self, Sink sink, Workspace w, const uint8_t *text, Py_ssize_t at, Py_ssize_t length, bint final
    ) noexcept nogil:
        """Does what `find` does, with a copy of `text[at:length]`: it reads nothing after `length`."""
        cdef Py_ssize_t taken
        if not w.reserve_buffer(length - at):
            return at
        if length > at:
            memcpy(w.buffer, text + at, length - at)
        w.base = at
        taken = at + self.find(sink, w, w.buffer, 0, length - at, final)
        w.base = 0
        return taken

    cdef int starts_of(self, const uint8_t *text, int length, uint32_t *starts) noexcept nogil:
        """Writes the starts of the pieces of a whole text of at most `CHUNK` bytes, and its end, by the mask kernel.

        Returns the number of pieces, or -1 if the kernel does not settle the text. `starts` has room for 65 more.
        """
        cdef GridRun run
        if 0 < length < BLOCK:
            return self.only_grid(&self.kernel, text, length, starts)
        memset(&run.state, 0, sizeof(run.state))
        run.starts, run.pieces, run.anchor, run.at = starts, 0, 0, 0
        starts[0] = 0
        self.run_grid(&self.kernel, text, <uint32_t>length, True, CHUNK, &run)
        return run.pieces if run.at == <uint32_t>length else -1

    cdef void find_short(self, Sink sink, Workspace w, const uint8_t *text, Py_ssize_t length) noexcept nogil:
        """Does what `find` does, for a whole text of at most `CHUNK` bytes, in fewer steps."""
        cdef int pieces = self.starts_of(text, <int>length, w.starts) if self.run_grid != NULL else -1
        if pieces < 0:
            self.find(sink, w, text, 0, length, True)
        elif pieces:
            w.origin, w.pieces = 0, pieces
            sink.take(w, text)

    cdef Py_ssize_t by_pieces(
        self, Sink sink, Workspace w, const uint8_t *text, Py_ssize_t at, Py_ssize_t stop, bint final
    ) noexcept nogil:
        """Does what `find` does, one piece after the other."""
        cdef Py_ssize_t end
        while at < stop and w.status == FINE:
            end = self.piece(sink, w, text, at, stop, final)
            if end < 0:
                break
            at = end
        return at

    cdef Py_ssize_t piece(
        self, Sink sink, Workspace w, const uint8_t *text, Py_ssize_t at, Py_ssize_t stop, bint final
    ) noexcept nogil:
        """Adds the piece at `at`, without the mask kernel; returns its end, or -1 if it is not sure."""
        return -1


@cython.final
cdef class PieceFinder(LeftFinder):
    """Finds pieces from the left, by an automaton and faster ways that agree with it.

    `joined` is the bitmap of _tables.joined_pairs (None: no cuts). `borders` are characters at whose borders there are
    no cuts either (compiled/build.py). `windows` are the tables of regex/windows.py (None: none). `rules` is the set of
    rules that cuts as the automaton does (0: none). `kinds` gives the kind of each class of characters beyond ASCII
    (compiled/kernel_selection.py).
    """

    def __cinit__(
        self, Scanner scanner not None, joined=None, int rules=0, bytes kinds=b"", borders=None, windows=None
    ):
        cdef const uint8_t[::1] bits
        self.scanner, self.apart = scanner, scanner.drops
        self._keep = (joined, borders)
        self.rules, self.own_kinds, self.own_windows = rules, kinds, windows
        if joined is not None:
            bits = joined
            self.joined = &bits[0]
        if borders is not None:
            bits = borders
            self.borders = &bits[0]
        if windows is not None:
            self.open_windows(windows)
        if not 0 <= rules < RULES_MATRIX:
            raise ValueError(f"expected a set of rules below {RULES_MATRIX}, found {rules}")
        self.run_grid, self.only_grid = self.level.grid[rules], self.level.grid_only[rules]
        if self.run_grid != NULL:
            kernel_open(&self.kernel, rules, kinds, len(kinds))
            self.kernel.pages, self.kernel.page_numbers = scanner.tables.pages, scanner.tables.page_numbers
            self.open_flags()

    def without_cuts(self):
        """A finder of the automaton's pieces, without cuts inside them."""
        return PieceFinder(self.scanner, None, self.rules, self.own_kinds, None, self.own_windows)

    def way(self):
        """The way it finds pieces: "mask kernel, avx512" (or "avx512 (emulated)"), "windows", or "automaton"."""
        if self.run_grid != NULL:
            return "mask kernel, " + level_shown(self.level.name.decode())
        return "automaton" if self.windows.groups == NULL else "windows"

    cdef uint8_t cut_flags(self, uint32_t c) noexcept nogil:
        """F_CUTTABLE if a cut after a cuttable character is allowed, F_CUT_BEFORE if a cut before it is.

        With `borders` these are fewer cuts than `add_cut` makes, which tells the first cut of a piece from the others.
        """
        cdef uint8_t flags = F_CUTTABLE
        if self.borders != NULL and self.borders[c >> 3] >> (c & 7) & 1:
            flags = 0
        if rules_of_words(self.kernel.rules) and (
                self.borders == NULL or not self.borders[BORDERS // 2 + (c >> 3)] >> (c & 7) & 1):
            flags |= F_CUT_BEFORE
        return flags

    cdef int open_windows(self, tables) except -1:
        """Groups, histories and verdicts lie one after the other."""
        cdef const uint8_t[::1] bytes = tables
        cdef Py_ssize_t size = bytes.shape[0] - WINDOW_GROUPS - WINDOW_HISTORIES
        if size <= 0 or size % 256:
            raise ValueError("window tables of the wrong size")
        self.windows.groups = &bytes[0]
        self.windows.histories = &bytes[WINDOW_GROUPS]
        self.windows.verdicts = &bytes[WINDOW_GROUPS + WINDOW_HISTORIES]
        return 0

    cdef void add_cut(
        self, Sink sink, Workspace w, const uint8_t *text, Py_ssize_t start, Py_ssize_t end
    ) noexcept nogil:
        """Adds the parts of a piece, cut where no token can span two characters."""
        cdef uint32_t left = 0, right
        cdef Py_ssize_t at = start, begun = start, width
        while at < end:
            right = code_point(text + at, &width)
            if left and cuttable(right) and may_cut(self.joined, left, right) and (
                    self.borders == NULL or not keeps(self.borders, left, right, start == begun)):
                self.add(sink, w, text, start, at)
                start = at
            left = right if cuttable(right) else 0
            at += width
        self.add(sink, w, text, start, end)

    cdef Py_ssize_t find(
        self, Sink sink, Workspace w, const uint8_t *text, Py_ssize_t at, Py_ssize_t stop, bint final
    ) noexcept nogil:
        begin_memo(&w.memo, &self.scanner.tables, at, stop)
        return LeftFinder.find(self, sink, w, text, at, stop, final)

    cdef Py_ssize_t by_pieces(
        self, Sink sink, Workspace w, const uint8_t *text, Py_ssize_t at, Py_ssize_t stop, bint final
    ) noexcept nogil:
        """By windows, if there are any, as far as they go."""
        if self.windows.groups != NULL:
            at = self.by_windows(sink, w, text, at, stop, final)
            if at < 0:
                return ~at
        return LeftFinder.by_pieces(self, sink, w, text, at, stop, final)

    cdef Py_ssize_t by_windows(
        self, Sink sink, Workspace w, const uint8_t *text, Py_ssize_t at, Py_ssize_t stop, bint final
    ) noexcept nogil:
        """Does what `find` does, by verdicts of windows. The automaton finds a piece that no verdict settles.

        Returns also where windows end; the complement of a place at which no piece is sure. `base` is the first byte of
        a block, `at` the start of the piece in work, in the block or before it.
        """
        cdef Py_ssize_t base = at, ahead = 0, end
        cdef bint anew
        cdef uint32_t history = WINDOW_EDGE
        cdef uint64_t sure
        cdef WindowBits bits
        while stop - base > BLOCK and w.status == FINE:
            if base - at > BLOCK or at < ahead:  # a long piece, or one where windows tell little
                end = self.piece(sink, w, text, at, stop, final)
                if end < 0:
                    return ~at
                if end - at > BLOCK:  # the next one may be as long
                    ahead = max(ahead, end + BLOCK)
                base = at = end
                history = WINDOW_EDGE
                continue
            if base + BLOCK - w.origin > FAR:
                if w.pieces:
                    self.hand_over(sink, w, text)
                w.begin_chunk(at)
            window_block(&self.windows, text + base, &history, &bits)
            if base == at:
                bits.yes &= ~<uint64_t>1
                bits.unknown &= ~<uint64_t>1
            if __builtin_popcountll(bits.unknown) > __builtin_popcountll(bits.yes):
                ahead = base + PATIENCE
            anew = False
            while not anew:
                sure = bits.yes & ((bits.unknown & -bits.unknown) - 1)
                at = self.add_sure(w, at, base, sure, bits.dropped)
                if w.pieces >= CHUNK:
                    self.hand_over(sink, w, text)
                if not bits.unknown:
                    break
                end = self.piece(sink, w, text, at, stop, final)
                if end < 0:
                    return ~at
                at = end
                anew = not base <= at < base + BLOCK - WINDOW_AFTER
                if not anew:
                    window_after(&self.windows, text + base, <int>(at - base), &bits)
            base += BLOCK
            if anew or at >= base:
                base = at
                history = WINDOW_EDGE
        return at

    cdef Py_ssize_t add_sure(
        self, Workspace w, Py_ssize_t at, Py_ssize_t base, uint64_t ends, uint64_t dropped
    ) noexcept nogil:
        """Adds the pieces that end in a block, the first of them from `at` on; returns the end of the last."""
        cdef int n = w.pieces
        cdef uint32_t start = <uint32_t>(at - w.origin), offset = <uint32_t>(base - w.origin)
        if not self.apart:
            while ends:
                n += 1
                w.starts[n] = offset + <uint32_t>__builtin_ctzll(ends)
                ends &= ends - 1
            start = w.starts[n]
        while ends:
            w.starts[n] = start
            start = w.ends[n] = offset + <uint32_t>__builtin_ctzll(ends)
            n += not dropped >> __builtin_ctzll(ends) & 1
            ends &= ends - 1
        w.pieces = n
        return w.origin + start

    cdef Py_ssize_t piece(
        self, Sink sink, Workspace w, const uint8_t *text, Py_ssize_t at, Py_ssize_t stop, bint final
    ) noexcept nogil:
        cdef uint32_t tag = 0
        cdef bint wide = False
        cdef Py_ssize_t end = scan_piece(&self.scanner.tables, text, at, stop, final, &tag, &wide, &w.memo)
        if end >= 0 and tag != DROPPED:
            if wide and self.joined != NULL:
                self.add_cut(sink, w, text, at, end)
            else:
                self.add(sink, w, text, at, end)
        return end


@cython.final
cdef class CharacterFinder(LeftFinder):
    """Cuts where no merge of characters joins the two sides (split/matrix.h). To upstream a text is then one piece.

    `matrix` is that of compiled/build.py. `joined` is the bitmap of _tables.joined_bits (None: classes alone
    decide). `split`: the model's pre-tokenizer cuts before each space, and so does the matrix.
    """

    def __cinit__(self, matrix, joined=None, bint split=False):
        cdef const uint8_t[::1] m = memoryview(matrix).cast("B")
        cdef const uint8_t[::1] bits
        if m.shape[0] < MATRIX_PAGES + 256 or (m.shape[0] - MATRIX_PAGES) % 256:
            raise ValueError("a matrix of the wrong size")
        self.matrix, self._keep, self.split = m, joined, split
        if joined is not None:
            bits = joined
            self.joined = &bits[0]
        kernel_open(&self.kernel, RULES_MATRIX, bytes(range(MATRIX_CLASSES)), MATRIX_CLASSES)
        matrix_open(&self.kernel, &m[0])
        self.kernel.pages, self.kernel.page_numbers = &m[MATRIX_PAGES], <const uint16_t *>&m[MATRIX_NUMBERS]
        self.run_grid, self.only_grid = self.level.grid[RULES_MATRIX], self.level.grid_only[RULES_MATRIX]
        self.open_flags()

    def without_cuts(self):
        """A finder of upstream's pieces: the text, cut before each space if the model's pre-tokenizer does that."""
        cdef int row = 0xFF ^ self.split << MATRIX_SPACE
        head = bytes([row] * MATRIX_CLASSES) + bytes([MATRIX_NONE] * (MATRIX_NUMBERS - MATRIX_CLASSES))
        return CharacterFinder(head + self.matrix[MATRIX_NUMBERS:], None, self.split)

    def way(self):
        """The way it finds pieces: "mask kernel, avx512" (or "avx512 (emulated)"), or "pairs of characters"."""
        if self.run_grid != NULL:
            return "mask kernel, " + level_shown(self.level.name.decode())
        return "pairs of characters"

    cdef Py_ssize_t first_part(
        self, const uint8_t *text, Py_ssize_t at, Py_ssize_t stop, bint final
    ) noexcept nogil:
        """The first cut in `text[at:stop]`, which is not empty; without one, `stop` if it is final, else -1."""
        cdef Py_ssize_t width
        cdef uint32_t left = code_point(text + at, &width), right
        at += width
        while at < stop:
            right = code_point(text + at, &width)
            if matrix_apart(&self.kernel, left, right):
                return at
            left = right
            at += width
        return stop if final else -1

    cdef Py_ssize_t piece(
        self, Sink sink, Workspace w, const uint8_t *text, Py_ssize_t at, Py_ssize_t stop, bint final
    ) noexcept nogil:
        cdef Py_ssize_t end = self.first_part(text, at, stop, final)
        if end >= 0:
            add_piece(sink, w, text, at, end)
        return end


cdef inline void begin_run(GridRun *run, Workspace w) noexcept nogil:
    memset(&run.state, 0, sizeof(run.state))
    run.starts, run.pieces, run.anchor, run.at = w.starts, w.pieces, w.pieces, w.starts[w.pieces]


cdef void take_upto(Sink sink, Workspace w, const uint8_t *text, GridRun *run) noexcept nogil:
    """Hands over the chunk up to the last anchor. The pieces after it begin the next chunk."""
    cdef uint32_t base = w.starts[run.anchor]
    cdef int i
    sink.take(w, text)
    run.pieces -= run.anchor
    for i in range(1, run.pieces + 1):
        w.starts[i] = w.starts[run.anchor + i] - base
    run.at -= base
    run.anchor = 0


@cython.final
cdef class TwoSided(Finder):
    """Finds pieces from both sides. Its tables are those of regex/two_sided.py: see finder.pxd."""

    def __cinit__(self, pages, page_numbers, forward, backward, marks, dropped, int classes):
        cdef const uint8_t[::1] p = pages
        cdef const uint8_t[::1] n = page_numbers
        cdef const uint8_t[::1] f = forward
        cdef const uint8_t[::1] b = backward
        cdef const uint8_t[::1] m = marks
        cdef const uint8_t[::1] d = dropped
        cdef Py_ssize_t states = f.shape[0] // (2 * classes), sides = b.shape[0] // (2 * classes)
        if (n.shape[0] != 2 * 0x1100 or f.shape[0] != 2 * classes * states or b.shape[0] != 2 * classes * sides
                or m.shape[0] != 4 * states * sides):
            raise ValueError("tables of two sides of the wrong size")
        self._keep = (p, n, f, b, m, d)
        self.tables.pages, self.tables.page_numbers = &p[0], <const uint16_t *>&n[0]
        self.tables.forward, self.tables.backward = <const uint16_t *>&f[0], <const uint16_t *>&b[0]
        self.tables.marks, self.tables.dropped = <const uint32_t *>&m[0], &d[0]
        self.tables.classes, self.tables.sides = classes, sides
        self.states, self.level = states, chosen()
        self.find_settling()

    def way(self):
        """The way it finds pieces: "both sides"."""
        return "both sides"

    cdef int find_settling(self) except -1:
        """Finds the largest set of settling bytes that share both states."""
        cdef const SidesTables *s = &self.tables
        cdef Py_ssize_t byte, number
        pairs = {}  # by the two states: the classes
        for number in range(s.classes):
            states = {s.forward[state * s.classes + number] for state in range(self.states)} - {DEAD}
            sides = {s.backward[side * s.classes + number] for side in range(s.sides)}
            if len(states) == len(sides) == 1:
                state, side = states.pop(), sides.pop()
                if not s.marks[state * s.sides + side]:
                    pairs.setdefault((state, side), set()).add(number)
        narrow = [s.pages[s.page_numbers[0] << 8 | byte] for byte in range(0x80)]
        if not pairs:
            return 0
        (state, side), settling = max(pairs.items(), key=lambda pair: sum(number in pair[1] for number in narrow))
        for byte in range(0x80):
            if narrow[byte] in settling:
                self.settles[byte] = True
                self.skip.low[byte & 15] |= 1 << (byte >> 4)
        self.settled, self.settled_side = state, side
        return 0

    cdef void find_all(self, Sink sink, Workspace w, const uint8_t *text, Py_ssize_t length) noexcept nogil:
        cdef Py_ssize_t at = 0, start = 0, end
        cdef uint32_t state = START
        cdef bint copied = False
        w.base = 0
        w.begin_chunk(0)
        while start < length and w.status == FINE:
            end = at
            while end < length and not self.settles[text[end]]:
                end += 1
            if not copied and end > length - PAD:  # sinks may read `PAD` bytes after the pieces
                if not self.copy_rest(sink, w, &text, &length, start):
                    return
                at, end, start, copied = at - start, end - start, 0, True
            if not w.reserve_buffer(2 * (end - at + 1)):
                return
            read_back(
                &self.tables, text + at, end - at, <uint16_t *>w.buffer, 0 if end == length else self.settled_side)
            self.read_on(sink, w, text, at, end, &start, &state)
            if end == length:
                break
            at = self.level.skip(&self.skip, text, end, length)
            state = self.settled
        if w.pieces and w.status == FINE:
            sink.take_apart(w, text)
        w.base = 0

    cdef bint copy_rest(
        self, Sink sink, Workspace w, const uint8_t **text, Py_ssize_t *length, Py_ssize_t start
    ) noexcept nogil:
        """Goes on with a copy of the text from `start` on, behind the room for the states of its stretches."""
        cdef Py_ssize_t rest = length[0] - start
        if w.pieces:
            sink.take_apart(w, text[0])
        if not w.reserve_buffer(3 * rest + 2):
            return False
        memcpy(w.buffer + 2 * (rest + 1), text[0] + start, rest)
        text[0], length[0] = w.buffer + 2 * (rest + 1), rest
        w.base = start
        w.begin_chunk(0)
        return w.status == FINE

    cdef void read_on(
        self, Sink sink, Workspace w, const uint8_t *text, Py_ssize_t at, Py_ssize_t end, Py_ssize_t *start,
        uint32_t *state
    ) noexcept nogil:
        """Reads a stretch from the left, and adds the pieces that end in it; renews their start and the state."""
        cdef const SidesTables *s = &self.tables
        cdef const uint16_t *sides = <const uint16_t *>w.buffer
        cdef Py_ssize_t place = at, width = 0
        cdef uint32_t mark
        while True:
            mark = s.marks[state[0] * s.sides + sides[place - at]]
            if mark:
                if not s.dropped[(mark >> 16) - 1]:
                    add_apart(sink, w, text, start[0], place)
                start[0], state[0] = place, mark & 0xFFFF
            if place == end:
                break
            state[0] = s.forward[state[0] * s.classes + class_at(s, text + place, &width)]
            place += width

    def spans(self, const uint8_t[::1] text not None):
        """A list of (start, end, tag) of the pieces of valid UTF-8 `text`, in bytes, the dropped ones too."""
        cdef Py_ssize_t at = 0, end
        cdef uint32_t state = START, tag = 0
        cdef uint16_t[::1] sides
        found = []
        if text.shape[0] == 0:
            return found
        if find_invalid(&text[0], text.shape[0], chosen()) >= 0:
            raise ValueError("expected valid utf-8")
        sides = array("H", bytes(2 * (text.shape[0] + 1)))
        read_back(&self.tables, &text[0], text.shape[0], &sides[0], 0)
        while at < text.shape[0]:
            end = next_end(&self.tables, &text[0], at, &sides[0], &state, &tag)
            found.append((at, end, tag))
            at = end
        return found


cdef inline uint32_t class_at(const SidesTables *s, const uint8_t *text, Py_ssize_t *width) noexcept nogil:
    cdef uint32_t c = code_point(text, width)
    return s.pages[(<uint32_t>s.page_numbers[c >> 8] << 8) | (c & 0xFF)]


cdef void read_back(
    const SidesTables *s, const uint8_t *text, Py_ssize_t length, uint16_t *sides, uint32_t side
) noexcept nogil:
    """Writes the state of the right side to the offset of each character, and to the end, where it is `side`."""
    cdef Py_ssize_t at = length, width
    sides[length] = <uint16_t>side
    while at:
        at -= 1
        while text[at] & 0xC0 == 0x80:
            at -= 1
        side = s.backward[side * s.classes + class_at(s, text + at, &width)]
        sides[at] = <uint16_t>side


cdef Py_ssize_t next_end(
    const SidesTables *s, const uint8_t *text, Py_ssize_t at, const uint16_t *sides, uint32_t *state, uint32_t *tag
) noexcept nogil:
    """The end of the piece that begins at `at`, before the end of the text; renews `state`, the left side's."""
    cdef uint32_t here = state[0], mark = 0
    cdef Py_ssize_t width
    while not mark:
        here = s.forward[here * s.classes + class_at(s, text + at, &width)]
        at += width
        mark = s.marks[here * s.sides + sides[at]]
    state[0] = mark & 0xFFFF
    tag[0] = (mark >> 16) - 1
    return at


cdef enum:
    MOST = 32                # possible ends: more hardly ever meet
    BEFORE = -1              # initial `Run.first`: the piece has no end from the place on
    UNSURE = -2              # only more text can tell


cdef struct Ends:
    Py_ssize_t at[MOST]      # possible ends, in ascending order
    int count


cdef Py_ssize_t end_from(
    const ScanTables *s, const uint8_t *text, Py_ssize_t at, Py_ssize_t stop, uint32_t state
) noexcept nogil:
    """The end of the piece whose run reads `text[at:stop]` from `state` on, or BEFORE, or UNSURE."""
    cdef Py_ssize_t width
    cdef bint wide = False
    cdef Run run
    run.edge = state * ROW
    run.settled = 0
    run.first = run.second = BEFORE
    while at < stop:
        run.edge = next_edge(s, text + at, run.edge, &width, &wide)
        if run.edge >> 24:
            settle(&run, at)
        if run.edge & ROWS == 0:
            return run.first
        at += width
    return UNSURE


cdef bint put(Ends *ends, Py_ssize_t end) noexcept nogil:
    """Inserts an end in order, unless it is there already; false if there is no room."""
    cdef int i = ends.count
    while i and ends.at[i - 1] > end:
        i -= 1
    if i and ends.at[i - 1] == end:
        return True
    if ends.count == MOST:
        return False
    memmove(&ends.at[i + 1], &ends.at[i], (ends.count - i) * sizeof(Py_ssize_t))
    ends.at[i] = end
    ends.count += 1
    return True


cdef bint possible_ends(
    const ScanTables *s, const uint8_t *text, Py_ssize_t at, Py_ssize_t stop, Ends *ends
) noexcept nogil:
    """Finds the possible ends of the piece over `at`; false if the text does not tell them."""
    cdef Py_ssize_t end
    cdef uint32_t state
    ends.count = 0
    for state in range(1, s.states):
        end = end_from(s, text, at, stop, state)
        if end == UNSURE or (end != BEFORE and not put(ends, end)):
            return False
    return ends.count > 0


cdef Py_ssize_t meeting(
    const ScanTables *s, const uint8_t *text, Py_ssize_t stop, Ends *ends
) noexcept nogil:
    """The first start that the pieces from all `ends` on have in common, or -1."""
    cdef Py_ssize_t end
    cdef uint32_t tag = 0
    cdef bint wide = False
    cdef Memo memo
    memset(&memo, 0, sizeof(memo))
    begin_memo(&memo, s, ends.at[0], stop)
    while ends.count > 1 and ends.at[0] < stop:
        end = scan_piece(s, text, ends.at[0], stop, False, &tag, &wide, &memo)
        ends.count -= 1
        memmove(&ends.at[0], &ends.at[1], ends.count * sizeof(Py_ssize_t))
        if end < 0 or not put(ends, end):
            ends.count = 0
    drop(&memo)
    return ends.at[0] if ends.count == 1 else -1


def sure_start(LeftFinder finder not None, const uint8_t[::1] text not None, Py_ssize_t at):
    """The first sure start of a piece that is found in `text` from `at` on, or -1. `at` is a border of characters."""
    cdef Ends ends
    cdef Scanner scanner
    cdef Py_ssize_t place = -1
    if not 0 <= at < text.shape[0]:
        return -1
    if isinstance(finder, CharacterFinder):  # two characters tell a cut
        return (<CharacterFinder>finder).first_part(&text[0], at, text.shape[0], False)
    scanner = (<PieceFinder?>finder).scanner
    with nogil:
        if possible_ends(&scanner.tables, &text[0], at, text.shape[0], &ends):
            place = meeting(&scanner.tables, &text[0], text.shape[0], &ends)
    return place
