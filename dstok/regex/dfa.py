r"""NFA -> minimised DFA.

In: an NFA with ordered alternatives and single-character look-ahead. Out: `DFA`, a table of transitions over symbols (a
symbol is a class, or the end of the text).
Invariant: run from `START`, the last transition with a tag ends the leftmost-first match BEFORE the symbol just read.
Example: `a+` on "aab": the transition on "b" carries the tag, and the match is "aa". So a match is seen one symbol
late, and a transition can decide `(?!\S)` and `$`.
Source: the subset construction over ordered lists (RE2's "kFirstMatch", regex-automata's determinize, which also delays
matches), Moore's partition refinement. States are numbered breadth-first.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator, Sized
from typing import TypeVar

from dstok.regex.automaton import DEAD, DFA, NO_TAG, START, Edge
from dstok.regex.compile_budget import spend, stage, within
from dstok.regex.nfa import NFA, CharState, LookState, MatchState, SplitState, State

S = TypeVar("S")
VISIT = 3  # steps of the budget for a look at a state of the NFA


@stage("making the NFA deterministic")
def determinize(nfa: NFA) -> DFA:
    """The minimal DFA of `nfa`. Raises `UnsupportedError` if it, or the way to it, is too large."""
    subsets, letters = _Subsets(nfa), nfa.alphabet
    edges = explore(subsets.settle((nfa.start,)), subsets.step, letters.count, (), letters.end)
    return minimize(edges, letters.end)


class _Subsets:
    """NFA states in order of preference, and their targets by symbol. A subset never holds a split."""

    def __init__(self, nfa: NFA) -> None:
        self.nfa, self.visits = nfa, 0

    def step(self, threads: tuple[int, ...], symbol: int) -> tuple[tuple[int, ...], int]:
        targets: dict[int, None] = {}
        tag, before = NO_TAG, self.visits
        for _, state in self.walk(threads, symbol):
            if isinstance(state, MatchState):
                tag = state.tag
                break
            if isinstance(state, CharState) and symbol in state.symbols:
                targets[state.target] = None
        settled = self.settle(tuple(targets))
        spend(VISIT * (self.visits - before))
        return settled, tag

    def settle(self, threads: tuple[int, ...]) -> tuple[int, ...]:
        """`threads` without splits, and without those after a match that no look precedes: these can no longer win."""
        settled: list[int] = []
        for number, state in self.walk(threads, None):
            settled.append(number)
            if isinstance(state, MatchState):
                break
        return tuple(settled)

    def walk(self, threads: tuple[int, ...], symbol: int | None) -> Iterator[tuple[int, State]]:
        """The states other than splits that `threads` lead to, most preferred first.

        The next `symbol` passes a look or ends its thread; with None a look is a state like others.
        """
        seen: set[int] = set()
        stack = list(reversed(threads))
        while stack:
            number = stack.pop()
            if number in seen:
                continue
            seen.add(number)
            self.visits += 1
            state = self.nfa.states[number]
            if isinstance(state, SplitState):
                stack.extend(reversed(state.targets))
            elif isinstance(state, LookState) and symbol is not None:
                stack.extend([state.target] if symbol in state.symbols else [])
            else:
                yield number, state


def explore(
    start: S, step: Callable[[S, int], tuple[S, int]], symbols: int, dead: S, end: int | None = None,
) -> list[list[Edge]]:
    """The table of an automaton given by its `step`, breadth-first from `start`; `dead` becomes row 0.

    Symbols from `end` on are the end of the text; with None only the last one is.
    """
    end = symbols - 1 if end is None else end
    numbers = {dead: DEAD, start: START}
    rows: list[list[Edge]] = [[(DEAD, NO_TAG)] * symbols]
    queue = deque([start])
    while queue:
        state, row = queue.popleft(), []
        for symbol in range(symbols):
            target, tag = step(state, symbol)
            if symbol >= end:
                target = dead  # nothing follows the end of the text
            if target not in numbers:
                numbers[target] = len(numbers)
                queue.append(target)
                spend(0, len(target) if isinstance(target, Sized) else 1)
            row.append((numbers[target], tag))
        rows.append(row)
        spend(symbols, symbols)
        within("edges", len(numbers) * symbols)
    return rows


@stage("minimizing an automaton")
def minimize(edges: list[list[Edge]], end: int | None = None) -> DFA:
    """The smallest DFA with the same tags on every path, numbered breadth-first from the start.

    A state without a way to a tag becomes the dead state; if the start is one, row 1 is dead, too.
    """
    block = equivalence(edges)
    if block[START] == block[DEAD]:
        return DFA((tuple([(DEAD, NO_TAG)] * len(edges[0])),) * 2)
    representative = {b: i for i, b in reversed(list(enumerate(block)))}

    def step(state: int, symbol: int) -> tuple[int, int]:
        target, tag = edges[representative[state]][symbol]
        return block[target], tag

    return DFA(tuple(map(tuple, explore(block[START], step, len(edges[0]), block[DEAD], end))))


def equivalence(edges: list[list[Edge]]) -> list[int]:
    """A block number for each state; states share a block when no path tells their tags apart."""
    block = [0] * len(edges)
    while True:
        spend(len(edges) * len(edges[0]))
        signatures: dict[tuple[object, ...], int] = {}
        rows = (tuple((block[n], t) for n, t in row) for row in edges)
        refined = [signatures.setdefault((block[i], row), len(signatures)) for i, row in enumerate(rows)]
        if max(refined) == max(block):
            return block
        block = refined
