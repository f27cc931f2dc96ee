"""Sure starts: places where a piece begins, whatever text stands before.

In: valid UTF-8 from the middle of a text, without added tokens; a place in it. Out: the first sure start that is found
from the place on, or -1.
Invariant: in every text that contains these bytes, a piece begins at the sure start. So the rest may be encoded as a
text of its own.

Example: in "...ought it" the place before "ought" may lie inside a word or at its start, but a piece surely begins at
" it" (V3).

The proof. One piece begins before the place and ends at it or after it. Its run of the automaton reads the character
at the place, in an unknown state. So one run starts in each state. A run gives a possible end of the piece, or shows
that a piece in this state ends before the place; then the state is impossible. From each possible end on, the pieces
are followed. Where all of these sequences have a start in common, a piece begins in any case.
Source: synchronizing words of automata (Cerny, 1964), here for the words at hand.
"""

from libc.stdint cimport uint8_t, uint32_t
from libc.string cimport memmove, memset

from dstok.core.find._finder cimport CharacterFinder, LeftFinder, PieceFinder
from dstok.core.split._scan cimport (
    ROW, ROWS, Memo, Run, Scanner, ScanTables, begin_memo, drop, next_edge, scan_piece, settle,
)

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
