r"""Marked texts -> the tables that read them from both sides.

In: `Marked`, which takes exactly one marking of each text. Out: `Bimachine`: how states move from the left, how they
move from the right, and for the two states at a place whether a mark stands there.
Invariant: a state from the right is a set: the states from which the `Marked` takes the rest of the text without a mark
before its first character. If it holds the state from the left, no mark stands at the place. Otherwise one does: the
only mark that leads to a state of the set, since there is one right marking.
Source: Schuetzenberger's bimachines, made of an unambiguous automaton.

Every `Marked` can be read in this way. Its pieces may depend on the text before them (`\b`, look-behind), and its next
end may be at more places than regex/marked_language.py keeps. The price: a second pass.

Where a text may go on, its end has an *open side*: the set of all sides, since each is that of some text. Reading to
the left makes the set smaller. A place whose side is open still has one mark if all sides of the set give it the same.
"""

from __future__ import annotations

from array import array
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from dstok.regex.compile_budget import LIMITS, spend, stage, steps_left, within
from dstok.regex.dfa import DEAD, START
from dstok.regex.marked_language import FINAL, Marked

UNSURE = 0xFFFFFFFF


@dataclass(frozen=True)
class Bimachine:
    """Three tables in one, little-endian. `columns`: the numbers of known and of all sides; the last ones are open.

    uint32 `marks[state][side]`: (tag + 1) << 16 | the state after the mark, 0 for no mark, `UNSURE` if later text
    decides. uint16 `forward[class][state]` and `backward[class][side]`. Side 0 is that of a text's end, the first open
    one that of an end where the text may go on, if there is one; else this is 0, too.
    """

    tables: bytes
    columns: tuple[int, int]


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
    known = len(sides)
    within("cells of a table of marks", known * len(rows))
    opened = _open_sides(backward, known, end, len(rows))
    marks = array("I")
    for state, found in enumerate(map(marked.marks, range(len(rows)))):
        of_sides = [0 if state in side else next(((tag + 1) << 16 | after for tag, after in found if after in side), 0)
                    for side in sides]
        several = ({of_sides[side] for side in each} for each in opened)
        marks.extend(of_sides + [each.pop() if len(each) == 1 else UNSURE for each in several])
    steps = array("H", (row[symbol] for symbol in range(end) for row in rows))
    for symbol in range(end):
        steps.extend(backward[symbol::end])
    return Bimachine(marks.tobytes() + steps.tobytes(), (known, known + len(opened)))


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


def _open_sides(backward: array[int], known: int, end: int, states: int) -> list[frozenset[int]]:
    """The open sides, as sets of the `known` ones; appends their rows to `backward`.

    If there are too many, only the first, which then stays as large as it is: a text's end is waited for.
    """
    first, most = frozenset(range(known)), min(LIMITS["cells of a table of marks"] // states, 1 << 16)
    opened, numbers, rows = [first] if known > 1 else [], {first: known}, array("H")
    for each in opened:  # grows
        steps = (4 * end + states) * len(each)  # of this row, whose targets may be as large, and of the marks
        if known + len(opened) > most or steps > steps_left():
            backward.extend([known] * end)
            return [first]
        spend(steps)
        for symbol in range(end):
            target = frozenset(backward[side * end + symbol] for side in each)
            if len(target) > 1 and target not in numbers:
                numbers[target] = known + len(opened)
                opened.append(target)
            rows.append(min(target) if len(target) == 1 else numbers[target])
    backward.extend(rows)
    return opened


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
