r"""Marked texts -> a bimachine: two automata, one from the left and one from the right, that say where pieces begin.

In: `Marked`, which takes exactly one marking of each text. Out: `Bimachine`; its section of an image, which
core/split/bimachine.h describes.
Invariant: a state from the left is the set of states of the `Marked` that some marking of the text before leads to; one
from the right, of those that take the text after, with a mark first or without. A piece begins between the two exactly
if a mark leads from one set to the other. Few states are made minimal. Too many sets from the left are never made:
then a state is the one of the `Marked` after the right marks so far, and a mark says which state follows it. The same
patterns give the same bytes: docs/proofs.md, "Both sides".
Source: Schuetzenberger's bimachines.

Where a text may go on, any state from the right may follow its end: the automaton `ahead` reads back from the set of
all of them. A mark that they do not agree on is unsure.
"""

from __future__ import annotations

from array import array
from collections.abc import Callable, Iterable, Sequence
from itertools import chain
from typing import NamedTuple

from dstok.regex.compile_budget import LIMITS, LimitError, spend, stage, steps_left, within
from dstok.regex.dfa import DEAD, START, equivalence
from dstok.regex.marked_language import FINAL, Marked

KINDS = 128  # bytes for the classes in a section: core/split/bimachine.h
MAX_STATES, MAX_CLASSES = 32, 31  # of shuffles: core/split/shuffles.h
MAX_SETS = 1024  # of an automaton that is then made minimal
UNSURE = 0xFFFFFFFF

_States = frozenset[int]
_Rows = Sequence[Sequence[int]]


class Bimachine(NamedTuple):
    """The automata: `left[state][class]`, `right[state][class]` and `ahead[state][class]` are next states.

    State 0 of `left` is that at a text's start, of `right` at its end, of `ahead` where it may go on. The marks are by
    state from the left, then from the right: 0 for none, (tag + 1) << 16 | the state from the left after it, or UNSURE.
    """

    left: _Rows
    right: _Rows
    ahead: _Rows
    marks: _Rows
    ahead_marks: _Rows

    def section(self, shuffled: bool = False) -> bytes:
        """The section of an image; with `shuffled` empty if it is too large for shuffles, or marks change states.

        Classes with the same steps are one; those of `ahead` follow from the others.
        """
        numbers: dict[tuple[int, ...], int] = {}
        kinds = bytes(numbers.setdefault(tuple(row[symbol] for row in (*self.left, *self.right)), len(numbers))
                      for symbol in range(len(self.left[0])))
        columns, sides = [kinds.index(number) for number in range(len(numbers))], (self.left, self.right, self.ahead)
        if shuffled and (max(map(len, sides[:2])) > MAX_STATES or len(columns) > MAX_CLASSES or any(
                cell and cell & 0xFFFF != number for number, row in enumerate(self.marks) for cell in row)):
            return b""
        head = array("I", [*map(len, sides), len(columns)]).tobytes() + kinds.ljust(KINDS, b"\0")
        marks = array("I", chain.from_iterable((*self.marks, *self.ahead_marks))).tobytes()
        return head + marks + array("H", (row[c] for side in sides for c in columns for row in side)).tobytes()


@stage("reading texts from both sides", own=True)
def make_bimachine(marked: Marked, most: int = 0) -> Bimachine:
    """The bimachine; with `most`, one that has at most so many states from the right before it is minimal.

    Raises `UnsupportedError` if there are too many states from the right.
    """
    rows, end = marked.rows, marked.end
    into, before = _reversed(marked)

    def with_marks(states: Iterable[int]) -> _States:
        taken = frozenset(states)
        return taken.union(*(before[state] for state in taken if state in before))

    def from_right(states: _States) -> list[_States]:
        spend(4 * len(states))
        found = [[state for target in states if target in each for state in each[target]] for each in into]
        spend(sum(map(len, found)) // 4)
        return list(map(with_marks, found))

    def from_left(states: _States) -> list[_States]:
        spend(end * len(states) // 2)
        here = states.union(after for state in states for _, after in marked.marks(state))
        return [frozenset(rows[state][symbol] for state in here) - {DEAD} for symbol in range(end)]

    most = most or LIMITS["states from the right"]
    found = _explored(with_marks(state for state, row in enumerate(rows) if row[end] == FINAL), from_right, most)
    if found is None:
        raise LimitError(f"more than {most} states from the right")
    rights, right = found
    determined = _explored(frozenset([START]), from_left, MAX_SETS, steps_left() // 4)
    numbers = {state: number for number, state in enumerate(sorted(range(len(rows)), key=lambda each: each != START))}
    lefts, left = determined or ([frozenset([state]) for state in numbers],
                                 [[numbers[target] for target in rows[state][:end]] for state in numbers])
    within("cells of a table of marks", len(lefts) * len(rights))
    holders = [0] * len(rows)  # the sets from the right with a state, as bits
    for number, states in enumerate(rights):
        for state in states:
            holders[state] |= 1 << number
    marks: list[list[int]] = []
    for states in lefts:
        spend(len(rights) // 4)
        found_here: dict[int, int] = {}  # the sets from the right with which a mark stands here, as bits
        for tag, after in (each for state in states for each in marked.marks(state)):
            cell = (tag + 1) << 16 | (0 if determined else numbers[after])
            found_here[cell] = found_here.get(cell, 0) | holders[after]
        marks.append([0] * len(rights))
        for cell, bits in found_here.items():
            marks[-1] = [cell if bits >> side & 1 else other for side, other in enumerate(marks[-1])]
    if determined and len(rights) <= MAX_SETS:
        one, other = _merged(left, marks), _merged(right, [*zip(*marks)])
        left, right = _smaller(left, one), _smaller(right, other)
        marks = [[marks[state][side] for side in _firsts(other)] for state in _firsts(one)]
    ahead, ahead_marks = _ahead(right, marks, end)
    if determined:
        marks, ahead_marks = ([[cell | number if 0 < cell < UNSURE else cell for cell in row]
                               for number, row in enumerate(table)] for table in (marks, ahead_marks))
    return Bimachine(left, right, ahead, marks, ahead_marks)


def piece_ends(marked: Marked, symbols: Sequence[int]) -> list[int]:
    """The ends of the pieces of a text, given as symbols: a readable form of core/split/two_sided.pyx."""
    marks = [[after for _, after in marked.marks(state)] for state in range(len(marked.rows))]
    sides = [{state for state, row in enumerate(marked.rows) if row[marked.end] == FINAL}]
    for symbol in reversed(symbols):
        read = sides[-1] | {state for state, found in enumerate(marks) if not sides[-1].isdisjoint(found)}
        sides.append({state for state, row in enumerate(marked.rows) if row[symbol] in read})
    state, ends = START, []
    for at, (symbol, side) in enumerate(zip(symbols, sides[-2::-1]), 1):
        state = marked.rows[state][symbol]
        if state not in side:
            state = next(after for after in marks[state] if after in side)
            ends.append(at)
    return ends


def _reversed(marked: Marked) -> tuple[list[dict[int, list[int]]], dict[int, list[int]]]:
    """For each symbol and state, the states from which it leads there; the same for the marks together."""
    into: list[dict[int, list[int]]] = [{} for _ in range(marked.end)]
    before: dict[int, list[int]] = {}
    for state, row in enumerate(marked.rows):
        for each, target in zip(into, row):
            if target != DEAD:
                each.setdefault(target, []).append(state)
        for _, after in marked.marks(state):
            before.setdefault(after, []).append(state)
    return into, before


def _ahead(right: _Rows, marks: _Rows, end: int) -> tuple[_Rows, _Rows]:
    """The automaton ahead, and its marks. If it would be too large, it has one state: a text's end is waited for."""
    full = frozenset(range(len(right)))
    most, steps = LIMITS["cells of a table of marks"] // len(marks), steps_left() * 3 // 4

    def back(states: _States) -> list[_States]:
        spend((end + len(marks) // 4) * len(states))
        return [frozenset(right[state][symbol] for state in states) for symbol in range(end)]

    sets, ahead = _explored(full, back, min(most, 1 << 16), steps) or ([full], [[0] * end])
    told = [[each.pop() if len(each := {row[state] for state in states}) == 1 else UNSURE for states in sets]
            for row in marks]
    if len(sets) > MAX_SETS:
        return ahead, told
    merged = _merged(ahead, [*zip(*told)])
    return _smaller(ahead, merged), [[row[state] for state in _firsts(merged)] for row in told]


def _explored(
    start: _States, step: Callable[[_States], list[_States]], most: int, steps: int = 1 << 60,
) -> tuple[list[_States], list[list[int]]] | None:
    """The sets that can be reached, and what leads where; None if they are more than `most`, or ask for more steps."""
    numbers, sets, rows, least = {start: 0}, [start], list[list[int]](), steps_left() - steps
    for states in sets:  # grows
        rows.append([])
        for target in step(states):
            if target not in numbers:
                if len(sets) == most:
                    return None
                spend(0, len(target))
                numbers[target] = len(sets)
                sets.append(target)
            rows[-1].append(numbers[target])
        if steps_left() <= least:
            return None
    return sets, rows


def _merged(rows: _Rows, told: _Rows) -> list[int]:
    """The number of each state, equal for states that no text tells apart. The first states of the numbers rise."""
    numbers: dict[tuple[int, ...], int] = {}
    block = equivalence(rows, [numbers.setdefault(tuple(each), len(numbers)) for each in told])
    order = {number: i for i, number in enumerate(dict.fromkeys(block))}
    return [order[number] for number in block]


def _smaller(rows: _Rows, merged: list[int]) -> list[list[int]]:
    """The table of the merged states."""
    return [[merged[target] for target in rows[state]] for state in _firsts(merged)]


def _firsts(merged: list[int]) -> list[int]:
    """The first state of each number."""
    return [merged.index(number) for number in range(max(merged) + 1)]
