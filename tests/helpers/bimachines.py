"""How much memory a family's pattern needs: `python tests/helpers/bimachines.py` prints the table of docs/rules.md.

In: an automaton of marked texts. Out: the bimachine that cuts as it does, made as small as it gets. It reads a text from
the left and from the right, and the states on both sides of a place tell whether a piece begins there.
Invariant: of each side, states are told apart only if some text on the other side tells them apart. The periods are those
of the maps of states to states that words of classes make: 1 for memory that a flip-flop can hold, 3 for a counter of three.
Source: Krohn and Rhodes: a machine is a cascade of flip-flops and of the groups in its monoid of maps.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence
from typing import NamedTuple

from upstream import model_splits

from dstok.regex.cascade import compile_splits
from dstok.regex.dfa import DEAD, START
from dstok.regex.marked_language import FINAL, Marked

States = frozenset[int]
FAMILIES = ("deepseek-v3", "qwen-2.5", "glm-4", "minimax", "gpt2", "cl100k_base", "deepseek-llm-7b-base", "deepseek-coder-33b-base",
            "tekken")


class Side(NamedTuple):
    """Of one direction: how many states, how many maps of them to them there are, and the periods of these."""

    states: int
    maps: int
    periods: tuple[int, ...]


def bimachine(marked: Marked) -> tuple[Side, Side]:
    """What reads from the left, and what reads from the right."""
    rows, end, mark = marked.rows, marked.end, marked.end + 1

    def onward(states: States, column: int) -> States:
        return frozenset(rows[state][column] for state in states | {rows[state][mark] for state in states}) - {DEAD}

    def back(states: States, column: int) -> States:
        return frozenset(state for state, row in enumerate(rows) if row[column] in states or rows[row[column]][mark] in states)

    ends = frozenset(state for state, row in enumerate(rows) if row[end] == FINAL)
    before, forward = explored(frozenset([START]), onward, end)
    after, backward = explored(ends, back, end)

    def begins(left: States, right: States) -> bool:
        return any(rows[state][mark] in right for state in left)

    left = merged(forward, [tuple(begins(one, other) for other in after) for one in before])
    right = merged(backward, [tuple(begins(one, other) for one in before) for other in after])
    return side(left), side(right)


def explored(start: States, step: Callable[[States, int], States], columns: int) -> tuple[list[States], list[list[int]]]:
    """The states that can be reached, and the table of what leads where."""
    numbers, queue, rows = {start: 0}, [start], []
    for states in queue:
        targets = [step(states, column) for column in range(columns)]
        for target in targets:
            if target not in numbers:
                numbers[target] = len(numbers)
                queue.append(target)
        rows.append([numbers[target] for target in targets])
    return queue, rows


def merged(rows: list[list[int]], told: Sequence[tuple[bool, ...]]) -> list[list[int]]:
    """The table with states merged that no text tells apart, by Moore's refinement."""
    numbers: dict[object, int] = {}
    block = [numbers.setdefault(each, len(numbers)) for each in told]
    count = 0
    while count != len(numbers):
        count, numbers = len(numbers), {}
        block = [numbers.setdefault((block[i], *(block[t] for t in row)), len(numbers)) for i, row in enumerate(rows)]
    found = dict(zip(block, rows))
    return [[block[target] for target in found[number]] for number in range(count)]


def side(rows: list[list[int]]) -> Side:
    generators = list(zip(*rows))
    maps, queue = set(generators), list(set(generators))
    for one in queue:
        new = {tuple(other[target] for target in one) for other in generators} - maps
        maps |= new
        queue += new
    return Side(len(rows), len(maps), tuple(sorted(set(map(period, maps)))))


def period(one: tuple[int, ...]) -> int:
    """After how many times more a map of states, done again and again, is the same."""
    seen, power = {one: 0}, one
    while (power := tuple(one[target] for target in power)) not in seen:
        seen[power] = len(seen)
    return len(seen) - seen[power]


def line(name: str) -> str:
    kept = compile_splits(model_splits(name)).kept
    assert kept
    left, right = bimachine(kept)
    cells = [name, left.states, left.maps, right.states, right.maps, ", ".join(map(str, sorted({*left.periods, *right.periods})))]
    return "| " + " | ".join(map(str, cells)) + " |"


if __name__ == "__main__":
    sys.stdout.write("\n".join(map(line, FAMILIES)) + "\n")
