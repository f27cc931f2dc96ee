"""Text to pieces by an automaton, from the left, or by faster strategies that agree with it.

In, out, invariant: those of split/finder.pyx. The first of three strategies that a model has is taken: the mask kernel
(split/finder.pyx); windows (split/windows.h), in which a few characters tell whether a piece begins between them; the
automaton alone. Where one of the first two cannot tell, the automaton finds a piece.

A resync point is an offset where a piece begins, whatever stands before: docs/proofs.md, "Growing texts". It is the
first start that the pieces after all possible ends of the piece over a place have in common.
"""

cimport cython

from dstok.core.cpu.level cimport CHUNK
from dstok.core.split.automaton cimport (
    DROPPED, ROW, ROWS, Run, ScanTables, Scanner, begin_memo, next_edge, scan_piece, settle,
)
from dstok.core.split.finder cimport (
    CHUNK_SPAN_MAX, FINE, RULES_MATRIX, Chunk, Finder, Sink, add_piece, begin_chunk, hand_over,
)

cdef extern from *:
    int __builtin_ctzll(uint64_t) noexcept nogil
    int __builtin_popcountll(uint64_t) noexcept nogil

cdef enum:
    BLOCK = 64               # bytes that windows look at
    PATIENCE = 512           # bytes that the automaton reads where windows tell little
    ENDS_MAX = 32            # possible ends of a piece: more hardly ever meet
    BEFORE = -1              # initial `Run.first`: the piece has no end from the place on
    UNKNOWN = -2             # only more text can tell


@cython.final
cdef class PieceFinder(Finder):
    """Finds the pieces of an automaton.

    `joined` is the bitmap of bpe/tables.pyx that says where a piece may be cut (None: nowhere). `borders` are
    characters at whose borders there are no cuts either (compiled/build.py). `windows` are the tables of
    regex/windows.py (None: none). `rules` is the set of rules that cuts as the automaton does (0: none). `kinds` gives
    the kind of each class of characters beyond ASCII (compiled/kernel_selection.py).
    """

    cdef Scanner scanner
    cdef WindowTables windows    # groups NULL: none
    cdef tuple made_of

    def __cinit__(
        self, Scanner scanner not None, const uint8_t[::1] joined=None, int rules=0, bytes kinds=b"",
        const uint8_t[::1] borders=None, const uint8_t[::1] windows=None
    ):
        cdef Py_ssize_t size
        self.scanner, self.apart, self._keep = scanner, scanner.drops, (joined, borders)
        self.made_of = rules, kinds, windows
        if borders is not None:
            self.borders = &borders[0]
        if windows is not None:  # groups, histories and verdicts lie one after the other
            size = windows.shape[0] - WINDOW_GROUPS - WINDOW_HISTORIES
            if size <= 0 or size % 256:
                raise ValueError("window tables of the wrong size")
            self.windows.groups, self.windows.histories = &windows[0], &windows[WINDOW_GROUPS]
            self.windows.verdicts = &windows[WINDOW_GROUPS + WINDOW_HISTORIES]
        if not 0 <= rules < RULES_MATRIX:
            raise ValueError(f"expected a set of rules below {RULES_MATRIX}, found {rules}")
        self.open_kernel(rules, kinds, scanner.tables.pages, scanner.tables.page_numbers,
                         NULL if joined is None else &joined[0])

    def strategy(self) -> str:
        """Name the strategy: "automaton", "windows", or the mask kernel with its level."""
        if self.run_grid != NULL:
            return Finder.strategy(self)
        return "automaton" if self.windows.groups == NULL else "windows"

    def without_cuts(self) -> PieceFinder:
        """Make a finder of the automaton's pieces, without cuts inside them."""
        rules, kinds, windows = self.made_of
        return PieceFinder(self.scanner, None, rules, kinds, None, windows)

    cdef Py_ssize_t begin(self, Sink sink, Py_ssize_t at, Py_ssize_t stop, bint final) noexcept nogil:
        """Find pieces by verdicts of windows, until these end. The automaton finds what no verdict settles.

        `base` is the first byte of a block, `at` the start of the piece in work, in the block or before it.
        """
        cdef Chunk *chunk = &sink.chunk
        cdef Py_ssize_t base = at, ahead = 0, end
        cdef bint anew
        cdef uint32_t history = WINDOW_EDGE
        cdef WindowBits bits
        begin_memo(&sink.memo, &self.scanner.tables, at, stop)
        if self.run_grid != NULL or self.windows.groups == NULL:
            return at
        while stop - base > BLOCK and sink.fault.status == FINE:
            if base - at > BLOCK or at < ahead:  # a long piece, or one where windows tell little
                end = self.piece(sink, at, stop, final)
                if end < 0:
                    return ~at
                if end - at > BLOCK:  # the next one may be as long
                    ahead = max(ahead, end + BLOCK)
                base = at = end
                history = WINDOW_EDGE
                continue
            if base + BLOCK - chunk.origin > CHUNK_SPAN_MAX:
                hand_over(sink, self.apart)
                begin_chunk(chunk, at)
            window_block(&self.windows, chunk.text + base, &history, &bits)
            if base == at:
                bits.yes &= ~<uint64_t>1
                bits.unknown &= ~<uint64_t>1
            if __builtin_popcountll(bits.unknown) > __builtin_popcountll(bits.yes):
                ahead = base + PATIENCE
            anew = False
            while not anew:
                at = add_block(self, chunk, at, base, bits.yes & ((bits.unknown & -bits.unknown) - 1), bits.dropped)
                if chunk.pieces >= CHUNK:
                    hand_over(sink, self.apart)
                if not bits.unknown:
                    break
                end = self.piece(sink, at, stop, final)
                if end < 0:
                    return ~at
                at = end
                anew = not base <= at < base + BLOCK - WINDOW_AFTER
                if not anew:
                    window_after(&self.windows, chunk.text + base, <int>(at - base), &bits)
            base += BLOCK
            if anew or at >= base:
                base = at
                history = WINDOW_EDGE
        return at

    cdef Py_ssize_t piece(self, Sink sink, Py_ssize_t at, Py_ssize_t stop, bint final) noexcept nogil:
        cdef Py_ssize_t end = scan_piece(&self.scanner.tables, sink.chunk.text, at, stop, final, &sink.memo)
        if end >= 0 and sink.memo.tag != DROPPED:
            if sink.memo.wide and self.kernel.joined != NULL:
                self.add_cut(sink, at, end)
            else:
                add_piece(sink, self.apart, at, end)
        return end

    def resync_point(self, const uint8_t[::1] text not None, Py_ssize_t at) -> int:
        """Return the first offset from `at` on that is a resync point, or -1. `at` lies between two characters."""
        cdef Py_ssize_t end, stop = text.shape[0]
        cdef uint32_t state
        cdef const ScanTables *s = &self.scanner.tables
        cdef Sink sink = Sink()  # for its memo
        ends = set()
        for state in range(1, s.states if 0 <= at < stop else 0):
            end = end_from(s, &text[0], at, stop, state)
            if end == UNKNOWN:
                return -1
            if end != BEFORE:
                ends.add(end)
        if not ends:
            return -1
        begin_memo(&sink.memo, s, min(ends), stop)
        while 1 < len(ends) <= ENDS_MAX:
            at = min(ends)
            end = scan_piece(s, &text[0], at, stop, False, &sink.memo) if at < stop else -1
            if end < 0:
                return -1
            ends.remove(at)
            ends.add(end)
        return ends.pop() if len(ends) == 1 else -1


cdef Py_ssize_t add_block(
    PieceFinder finder, Chunk *chunk, Py_ssize_t at, Py_ssize_t base, uint64_t ends, uint64_t dropped
) noexcept nogil:
    """Add the pieces that end in a block, the first of them from `at` on; return the end of the last."""
    cdef int n = chunk.pieces
    cdef uint32_t start = <uint32_t>(at - chunk.origin), offset = <uint32_t>(base - chunk.origin)
    if not finder.apart:
        while ends:
            n += 1
            chunk.starts[n] = offset + <uint32_t>__builtin_ctzll(ends)
            ends &= ends - 1
        start = chunk.starts[n]
    while ends:
        chunk.starts[n] = start
        start = chunk.ends[n] = offset + <uint32_t>__builtin_ctzll(ends)
        n += not dropped >> __builtin_ctzll(ends) & 1
        ends &= ends - 1
    chunk.pieces = n
    return chunk.origin + start


cdef Py_ssize_t end_from(
    const ScanTables *s, const uint8_t *text, Py_ssize_t at, Py_ssize_t stop, uint32_t state
) noexcept nogil:
    """Return the end of the piece whose run reads `text[at:stop]` from `state` on, or BEFORE, or UNKNOWN."""
    cdef Py_ssize_t width
    cdef bint wide = False
    cdef Run run = Run(state * ROW, 0, BEFORE, BEFORE)
    while at < stop:
        run.edge = next_edge(s, text + at, run.edge, &width, &wide)
        if run.edge >> 24:
            settle(&run, at)
        if run.edge & ROWS == 0:
            return run.first
        at += width
    return UNKNOWN
