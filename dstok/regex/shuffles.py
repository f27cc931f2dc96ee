r"""Marked texts -> two small automata, one from the left and one from the right, that say where pieces begin.

In: `Marked`, with mark 0 for a kept piece and 1 for a dropped one. Out: the section of an image that
core/split/shuffles.h describes, or nothing if an automaton has too many states.
Invariant: a state from the left is the set of states of the `Marked` that some marking of the text before leads to; one
from the right, of those that take the text after, with a mark first or without. A piece begins between the two exactly
if a mark leads from one set to the other: the `Marked` takes one marking alone. Both are minimal, and the same patterns
give the same bytes: docs/proofs.md, "Shuffles".
Source: Schuetzenberger's bimachines; Moore's refinement.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import NamedTuple

from dstok.regex.compile_budget import spend, stage
from dstok.regex.dfa import DEAD, START
from dstok.regex.marked_language import FINAL, Marked

MAX_STATES, MAX_CLASSES, KINDS = 32, 31, 127  # core/split/shuffles.h
MAX_SETS = 1024  # of an automaton that is not minimal yet
NO, KEPT, DROPPED, UNKNOWN = 0, 1, 2, 3  # verdicts

_States = frozenset[int]


class Sides(NamedTuple):
    """The two automata: `left[state][class]` and `right[state][class]` are next states, 0 the first one.

    `verdicts[state from the left][state from the right]`: no piece begins there, or one does after a kept piece, or
    after a dropped one. `ahead` and `ahead_verdicts` are the same for texts that go on: state 0 of `ahead` stands
    before any text, and a verdict is unknown where it depends on that.
    """

    left: list[list[int]]
    right: list[list[int]]
    verdicts: list[list[int]]
    ahead: list[list[int]]
    ahead_verdicts: list[list[int]]


@stage("making shuffles", own=True)
def shuffle_tables(marked: Marked) -> bytes:
    """The section of an image; empty if there are too many states or classes for shuffles."""
    sides = find_sides(marked)
    if sides is None or max(len(sides.left), len(sides.right)) > MAX_STATES or marked.end > KINDS:
        return b""
    numbers: dict[tuple[int, ...], int] = {}  # classes with the same steps are one; those of `ahead` follow from these
    kinds = [0] * KINDS
    for symbol in range(marked.end):
        kinds[symbol] = numbers.setdefault(tuple(row[symbol] for row in (*sides.left, *sides.right)), len(numbers))
    if len(numbers) > MAX_CLASSES:
        return b""
    if len(sides.ahead) > MAX_STATES:  # then the core knows nothing before a character that settles it
        sides = sides._replace(ahead=[], ahead_verdicts=[])
    columns = [kinds.index(number) for number in range(len(numbers))]
    steps = [row[symbol] for side in (sides.left, sides.right, sides.ahead) for symbol in columns for row in side]
    verdicts = [verdict for row in (*sides.verdicts, *sides.ahead_verdicts) for verdict in row]
    return bytes([len(sides.left), len(sides.right), len(sides.ahead), len(numbers), *kinds, *steps, *verdicts])


def find_sides(marked: Marked) -> Sides | None:
    """The minimal automata, or None if they have more than `MAX_SETS` states before they are minimal."""
    rows, end = marked.rows, marked.end
    marks = [marked.marks(state) for state in range(len(rows))]

    def from_left(states: _States, symbol: int) -> _States:
        spend(2 * len(states))
        before = states.union(after for state in states for _, after in marks[state])
        return frozenset(rows[state][symbol] for state in before) - {DEAD}

    def with_marks(states: Iterable[int]) -> _States:
        spend(len(rows))
        taken = frozenset(states)
        return taken | {state for state, found in enumerate(marks) if any(after in taken for _, after in found)}

    def from_right(states: _States, symbol: int) -> _States:
        return with_marks(state for state, row in enumerate(rows) if row[symbol] in states)

    def verdict(left: _States, right: _States) -> int:
        spend(len(left))
        return next((KEPT + mark for state in left for mark, after in marks[state] if after in right), NO)

    left = _explored(frozenset([START]), from_left, end)
    right = _explored(with_marks(state for state, row in enumerate(rows) if row[end] == FINAL), from_right, end)
    if left is None or right is None:
        return None
    verdicts = [[verdict(one, other) for other in right[0]] for one in left[0]]
    lefts, rights = _merged(left[1], verdicts), _merged(right[1], [*zip(*verdicts)])
    first = Sides(_smaller(left[1], lefts), _smaller(right[1], rights),
                  [[verdicts[one][other] for other in _firsts(rights)] for one in _firsts(lefts)], [], [])
    ahead = _explored(frozenset(range(len(first.right))), lambda states, symbol: frozenset(
        first.right[state][symbol] for state in states), end)
    if ahead is None:
        return first
    told = [[found.pop() if len(found := {row[state] for state in states}) == 1 else UNKNOWN for states in ahead[0]]
            for row in first.verdicts]
    merged = _merged(ahead[1], [*zip(*told)])
    return first._replace(ahead=_smaller(ahead[1], merged),
                          ahead_verdicts=[[row[state] for state in _firsts(merged)] for row in told])


def _explored(
    start: _States, step: Callable[[_States, int], _States], symbols: int,
) -> tuple[list[_States], list[list[int]]] | None:
    """The sets that can be reached, and what leads where; None if there are too many."""
    numbers, sets, rows = {start: 0}, [start], list[list[int]]()
    for states in sets:  # grows
        rows.append([])
        for symbol in range(symbols):
            target = step(states, symbol)
            if target not in numbers:
                if len(sets) == MAX_SETS:
                    return None
                spend(0, len(target))
                numbers[target] = len(sets)
                sets.append(target)
            rows[-1].append(numbers[target])
    return sets, rows


def _merged(rows: Sequence[Sequence[int]], told: Sequence[Sequence[int]]) -> list[int]:
    """The number of each state, equal for states that no text tells apart. The first states of the numbers rise."""
    numbers: dict[tuple[int, ...], int] = {}
    merged = [numbers.setdefault(tuple(each), len(numbers)) for each in told]
    count = 0
    while count != len(numbers):
        spend(len(rows) * len(rows[0]))
        count, numbers = len(numbers), {}
        merged = [numbers.setdefault((merged[state], *(merged[target] for target in row)), len(numbers))
                  for state, row in enumerate(rows)]
    return merged


def _smaller(rows: list[list[int]], merged: list[int]) -> list[list[int]]:
    """The table of the merged states."""
    return [[merged[target] for target in rows[state]] for state in _firsts(merged)]


def _firsts(merged: list[int]) -> list[int]:
    """The first state of each number."""
    return [merged.index(number) for number in range(max(merged) + 1)]
