"""Text to pieces by an automaton, from the left, or by a mask kernel that agrees with it.

In, out, invariant: those of split/finder.pyx. The kernel has a set of rules for the automaton, or shuffles made from it
(split/shuffles.h). Where it cannot tell, and for automata too large for both, the automaton finds a piece.

A resync point is an offset where a piece begins, whatever stands before: docs/proofs_ids.md, "Growing texts". It is the
first start that the pieces after all possible ends of the piece over a place have in common.
"""

cimport cython
from libc.stdint cimport uint8_t, uint32_t

from dstok.core.split.automaton cimport (
    DROPPED, ROW, ROWS, Run, ScanTables, Scanner, begin_memo, next_edge, scan_piece, settle,
)
from dstok.core.split.finder cimport (
    RULES_MATRIX, RULES_NONE, Bimachine, Finder, Sink, add_piece, bimachine_open,
)

cdef enum:
    ENDS_MAX = 32            # possible ends of a piece: more hardly ever meet
    BEFORE = -1              # initial `Run.first`: the piece has no end from the place on


@cython.final
cdef class PieceFinder(Finder):
    """Finds the pieces of an automaton.

    `joined` is the bitmap of bpe/tables.pyx that says where a piece may be cut (None: nowhere). `borders` are
    characters at whose borders there are no cuts either (compiled/build.py). `shuffles` is a section of
    split/bimachine.h (None: none). `rules` is the set of rules that cuts as the automaton does (0: none). `kinds` gives
    the kind of each class of characters beyond ASCII (compiled/kernel_selection.py).
    """

    cdef Scanner scanner
    cdef tuple made_of

    def __cinit__(
        self, Scanner scanner not None, const uint8_t[::1] joined=None, int rules=0, bytes kinds=b"",
        const uint8_t[::1] borders=None, const uint8_t[::1] shuffles=None
    ):
        cdef const ScanTables *s = &scanner.tables
        cdef Bimachine machine
        cdef const uint8_t *cuts
        self.scanner, self.apart, self._keep = scanner, scanner.drops, (joined, borders)
        self.made_of = rules, kinds, shuffles
        if borders is not None:
            self.borders = &borders[0]
        if not 0 <= rules < RULES_MATRIX:
            raise ValueError(f"expected a set of rules below {RULES_MATRIX}, found {rules}")
        # No cuts where pieces are dropped: a part would be kept.
        cuts = NULL if joined is None or self.apart else &joined[0]
        if shuffles is None or rules != RULES_NONE:
            self.open_kernel(rules, kinds, s.pages, s.page_numbers, cuts)
        elif not bimachine_open(&machine, &shuffles[0], shuffles.shape[0]) or not self.open_shuffles(
                &machine, s.pages, s.page_numbers, cuts):
            raise ValueError("tables of shuffles of the wrong size")

    def strategy(self) -> str:
        """Name the strategy: "automaton", or the mask kernel or shuffles with their level."""
        return "automaton" if self.run_grid == NULL else Finder.strategy(self)

    def without_cuts(self) -> PieceFinder:
        """Make a finder of the automaton's pieces, without cuts inside them."""
        rules, kinds, shuffles = self.made_of
        return PieceFinder(self.scanner, None, rules, kinds, None, shuffles)

    cdef void begin(self, Sink sink, Py_ssize_t at, Py_ssize_t stop) noexcept nogil:
        """Begin the memo of the automaton."""
        begin_memo(&sink.memo, &self.scanner.tables, at, stop)

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
        cdef Py_ssize_t end, stop = text.shape[0], width
        cdef uint32_t state
        cdef bint wide = False
        cdef const ScanTables *s = &self.scanner.tables
        cdef Sink sink = Sink()  # for its memo
        cdef Run run
        ends = set()
        for state in range(1, s.states if 0 <= at < stop else 0):
            run, end = Run(state * ROW, 0, BEFORE, BEFORE), at
            while run.edge & ROWS:
                if end == stop:
                    return -1  # only more text can tell
                run.edge = next_edge(s, &text[end], run.edge, &width, &wide)
                if run.edge >> 24:
                    settle(&run, end)
                end += width
            if run.first != BEFORE:
                ends.add(run.first)
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
