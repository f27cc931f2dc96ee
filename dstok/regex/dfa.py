r"""Deterministic automata: rows of edges, each with a next state and a tag; made from a step, and minimized.

In: a start and a step from state to state. Out: `DFA`, a table of transitions over symbols (a symbol is a class, or the
end of the text), with a readable search for the longest match, and a fingerprint.
Invariant: state 0 is dead, state 1 is the start. Run from there, the last transition with a tag ends the match BEFORE
the symbol just read; the tag says which match it is: see `OPERATION`. Example: `a+` on "aab": the transition on "b"
carries the tag, and the match is "aa". So a match is seen one symbol late, and a transition can decide `(?!\S)` and
`$`. States are numbered breadth-first.
Source: Moore's partition refinement.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Collection, Sequence, Sized
from dataclasses import dataclass
from typing import TypeVar

from dstok.errors import UnsupportedError
from dstok.regex.compile_budget import Size, spend, stage, within

S = TypeVar("S")

DEAD, START = 0, 1
NO_TAG = -1
# A tag is `operation * OPERATION + t`. SET_0 is 0: as far as is known, the match ends here, and `t` says why. The
# others are for regex/marked_language.py, which keeps two places.
SET_0, SET_1, MOVE, MOVE_SET_1, KEEP = range(5)
HERE = 2  # the place of a symbol, beside 0 and 1
OPERATION = 1 << 20  # above every alternative's number

Edge = tuple[int, int]  # (next state, tag of the match that ends before this symbol, or NO_TAG)
DFA_FORMAT = 1  # the version of the tags' meaning, a part of the fingerprint


def operation(places: list[int], mark: int, dead: bool) -> int:
    """The tag that makes these places, in order, the places 0 and 1; `HERE` is the symbol's. `dead`: it is the last."""
    if len(places) > 2:
        raise UnsupportedError("steps that leave more than two ends of a piece open at once")
    moved = places[:1] == [1]
    if HERE in places:
        return (MOVE_SET_1 if moved else SET_1 if len(places) == 2 else SET_0) * OPERATION + mark
    if moved or (dead and mark):
        return (MOVE if moved else KEEP) * OPERATION + mark
    return NO_TAG


@dataclass(frozen=True)
class DFA:
    """`edges[state][symbol]` is (next state, tag); row 0 is the dead state, row 1 the start.

    The last symbol of a row is the end of the text; its edge always leads to `DEAD`.
    """

    edges: tuple[tuple[Edge, ...], ...]

    @property
    def symbols(self) -> int:
        return len(self.edges[0])

    @property
    def states(self) -> int:
        """The number of states that a scan can be in: all but the dead one."""
        return len(self.edges) - 1

    def longest(self, symbols: list[int], start: int = 0) -> tuple[int, int] | None:
        """(end, tag) of the match at `symbols[start:]`, or None: the scanner in readable form.

        `symbols` are classes only; the end of the text follows the last of them.
        """
        state, place, second, kept = START, -1, -1, NO_TAG
        for at in range(start, len(symbols) + 1):
            symbol = symbols[at] if at < len(symbols) else self.symbols - 1
            state, tag = self.edges[state][symbol]
            if tag != NO_TAG:
                operation, kept = divmod(tag, OPERATION)
                place = second if operation in (MOVE, MOVE_SET_1) else at if operation == SET_0 else place
                second = at if operation in (SET_1, MOVE_SET_1) else second
            if state == DEAD:
                break
        return None if place < 0 else (place, kept)

    def fingerprint(self) -> str:
        """A hash that two minimal DFAs share exactly when they are the same automaton."""
        from hashlib import sha256

        return sha256(repr((DFA_FORMAT, self.edges)).encode()).hexdigest()


def explore(
    start: S, step: Callable[[S, int], tuple[S, int]], symbols: int, dead: S, end: int | None = None,
    limit: Size = "edges",
) -> list[list[Edge]]:
    """The table of an automaton given by its `step`, breadth-first from `start`; `dead` becomes row 0.

    Symbols from `end` on are the end of the text; with None only the last one is. `limit`: what is counted.
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
        within(limit, len(numbers) * (symbols if limit == "edges" else 1))
    return rows


@stage("minimizing an automaton")
def minimize(edges: list[list[Edge]], end: int | None = None, limit: Size = "edges") -> DFA:
    """The smallest DFA with the same tags on every path, numbered breadth-first from the start.

    A state without a way to a tag becomes the dead state; if the start is one, row 1 is dead, too.
    """
    tags: dict[tuple[int, ...], int] = {}
    block = [tags.setdefault(tuple(tag for _, tag in row), len(tags)) for row in edges]
    block = equivalence([[target for target, _ in row] for row in edges], block)
    if block[START] == block[DEAD]:
        return DFA((tuple([(DEAD, NO_TAG)] * len(edges[0])),) * 2)
    representative = {b: i for i, b in reversed(list(enumerate(block)))}

    def step(state: int, symbol: int) -> tuple[int, int]:
        target, tag = edges[representative[state]][symbol]
        return block[target], tag

    return DFA(tuple(map(tuple, explore(block[START], step, len(edges[0]), block[DEAD], end, limit))))


def equivalence(rows: Sequence[Sequence[int]], block: list[int]) -> list[int]:
    """The coarsest refinement of a partition, given by `block` numbers, such that each block leads to one block.

    `rows` has the next state by state and symbol. Only states that lead to a state with a new number are looked at
    again. They differ from the rest of their block, which leads to no such state. Of a block that is divided the
    largest part keeps the number, so a state gets log2(n) new ones at most.
    """
    block, members = block.copy(), [set[int]() for _ in range(max(block) + 1)]
    into: list[set[int]] = [set() for _ in rows]
    for state, row in enumerate(rows):
        members[block[state]].add(state)
        for target in row:
            into[target].add(state)
    changed: Collection[int] = range(len(rows))
    while changed:
        spend(len(changed) * len(rows[0]))
        found: dict[int, dict[tuple[int, ...], set[int]]] = {}
        for state in changed:
            found.setdefault(block[state], {}).setdefault(tuple(map(block.__getitem__, rows[state])), set()).add(state)
        changed = set()
        for number, signatures in found.items():
            parts = sorted(signatures.values(), key=len)
            if len(members[number]) - sum(map(len, parts)) < len(parts[-1]):
                parts.append(members[number].difference(*parts))  # the rest, which may be empty
                members[number] = parts.pop(-2)
            else:
                members[number].difference_update(*parts)
            for part in filter(None, parts):
                for state in part:
                    block[state] = len(members)
                    changed |= into[state]
                members.append(part)
    return block
