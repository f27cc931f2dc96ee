r"""Marked texts -> the tables that read them from both sides.

In: `Marked`, which takes exactly one marking of each text. Out: `Bimachine`: how states move from the left, how they
move from the right, and for the two states at a place whether a mark stands there.
Invariant: a state from the right is a set: the states from which the `Marked` takes the rest of the text without a mark
before its first character. If it holds the state from the left, no mark stands at the place. Otherwise one does: the
only mark that leads to a state of the set, since there is one right marking.
Source: Schuetzenberger's bimachines, made of an unambiguous automaton.

Every `Marked` can be read in this way. Its pieces may depend on the text before them (`\b`, look-behind), and its next
end may be at more places than regex/marked_language.py keeps. The price: a second pass, and the whole text must be
there.
"""

from __future__ import annotations

from array import array
from collections.abc import Callable
from dataclasses import dataclass

from dstok.regex.compile_budget import spend, stage, within
from dstok.regex.dfa import DEAD
from dstok.regex.marked_language import FINAL, Marked


@dataclass(frozen=True)
class Bimachine:
    """Little-endian tables.

    uint16: `forward[state * classes + class]` and `backward[side * classes + class]`. uint32:
    `marks[state * sides + side]`, (tag + 1) << 16 | the state after the mark, 0 for no mark.
    """

    forward: bytes
    backward: bytes
    marks: bytes
    sides: int


@stage("reading texts from both sides")
def make_bimachine(marked: Marked) -> Bimachine:
    """The tables. Raises `UnsupportedError` if there are too many states from the right."""
    rows, end, step = marked.rows, marked.end, _step_back(marked)
    sides = [frozenset(s for s, row in enumerate(rows) if row[end] == FINAL)]
    numbers, backward = {sides[0]: 0}, array("H")
    for side in sides:  # grows
        for target in step(side):
            if target not in numbers:
                spend(0, len(target))
                numbers[target] = len(sides)
                sides.append(target)
            backward.append(numbers[target])
        within("states from the right", len(sides))
    within("cells of a table of marks", len(sides) * len(rows))
    forward = array("H", [target for row in rows for target in row[:end]])
    marks = array("I", (
        0 if state in side else next(((tag + 1) << 16 | after for tag, after in found if after in side), 0)
        for state, found in enumerate(map(marked.marks, range(len(rows)))) for side in sides))
    return Bimachine(forward.tobytes(), backward.tobytes(), marks.tobytes(), len(sides))


def _step_back(marked: Marked) -> Callable[[frozenset[int]], list[frozenset[int]]]:
    """The states from the right before each character, given the one after it."""
    into: list[dict[int, list[int]]] = [{} for _ in range(marked.end)]
    before: dict[int, list[int]] = {}
    known: dict[tuple[int, frozenset[int]], frozenset[int]] = {}  # by symbol, and states that it leads to
    for state, row in enumerate(marked.rows):
        for symbol in range(marked.end):
            if row[symbol] != DEAD:
                into[symbol].setdefault(row[symbol], []).append(state)
        for _, after in marked.marks(state):
            before.setdefault(after, []).append(state)

    def step(side: frozenset[int]) -> list[frozenset[int]]:
        reached, row = side.union(*(before.get(state, ()) for state in side)), []
        spend(4 * len(side))
        for symbol, states in enumerate(into):
            key = symbol, reached.intersection(states)
            spend(1 + len(key[1]) // 4)
            if key not in known:
                known[key] = frozenset(state for target in key[1] for state in states[target])
                spend(len(known[key]), len(key[1]))
            row.append(known[key])
        return row

    return step
