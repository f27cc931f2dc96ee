"""AST -> NFA with ordered alternatives.

In: the AST of a pattern and an alphabet of oracle letters. Out: a Thompson NFA over oracle letters.
Invariant: a state's epsilon edges have the order in which a backtracking matcher tries them. So the first path that
matches is upstream's (leftmost-first).
Source: Thompson's construction; the ordered form is Pike's, as in RE2 and regex-automata.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from dstok.errors import UnsupportedError
from dstok.regex.ast import (
    Alternate,
    Chars,
    Concat,
    Fixed,
    Group,
    Look,
    Node,
    OracleLetters,
    Repeat,
    Test,
    is_nullable,
    position_of,
)
from dstok.regex.automaton import DEAD, NO_TAG, START
from dstok.regex.compile_budget import located, spend, stage, within
from dstok.unicode.code_point_set import CodePointSet

if TYPE_CHECKING:
    from dstok.regex.lookaround import OracleAlphabet


@dataclass(frozen=True)
class CharState:
    """Takes one character whose class is in `symbols`."""

    symbols: frozenset[int]
    target: int


@dataclass(frozen=True)
class LookState:
    """Passes, taking nothing, if the next symbol (a class, or the end) is in `symbols`."""

    symbols: frozenset[int]
    target: int


@dataclass
class SplitState:
    """Epsilon edges to `targets`, in order of preference."""

    targets: list[int]


@dataclass
class GroupState(SplitState):
    """An epsilon edge at which a group begins or ends: slot 2(n - 1) is the start of group n, the next one its end."""

    slot: int


@dataclass(frozen=True)
class MatchState:
    """The pattern has matched with its alternative number `tag`."""

    tag: int


State = CharState | LookState | SplitState | MatchState


@dataclass
class NFA:
    """`states`, with the first one at index `start`."""

    alphabet: OracleAlphabet
    states: list[State] = field(default_factory=list)
    start: int = 0
    _symbols: dict[CodePointSet, frozenset[int]] = field(default_factory=dict)

    def add(self, state: State) -> int:
        """Add a state; return its number."""
        self.states.append(state)
        within("NFA states", len(self.states))
        return len(self.states) - 1

    def symbols(self, members: CodePointSet) -> frozenset[int]:
        """The classes that make up `members`, looked up once for each set."""
        if members not in self._symbols:
            spend(len(members.ranges), self.alphabet.count)
            self._symbols[members] = self.alphabet.symbols(members)
        return self._symbols[members]


@stage("building the NFA")
def build_nfa(node: Node, letters: OracleAlphabet, empty: bool = True) -> NFA:
    """The NFA of `node`; the tag of a match is the index of its top-level alternative.

    Without `empty` it has only the paths that take a character.
    """
    nfa, starts = NFA(letters), list[int]()
    alternatives = node.items if isinstance(node, Alternate) else (node,)
    ends = [nfa.add(MatchState(tag)) for tag in range(len(alternatives))]
    nowhere = -1 if empty else nfa.add(SplitState([]))
    for item, end in zip(alternatives, ends):
        try:
            starts.append(_Builder(nfa).build(item, end if empty else nowhere, end))
        except UnsupportedError as error:
            raise located(error, position_of(item)) from None
    nfa.start = nfa.add(SplitState(starts))
    return nfa


class _Builder:
    """Builds states from the back.

    A node leads to `empty` if the innermost loop's turn has taken no character yet, otherwise to `moved`. A turn that
    takes none leaves its loop, as upstream's does.
    """

    def __init__(self, nfa: NFA) -> None:
        self.nfa = nfa

    def build(self, node: Node, empty: int, moved: int) -> int:
        """The first state of `node`."""
        nfa = self.nfa
        spend(4)
        if isinstance(node, Chars):
            return nfa.add(CharState(nfa.symbols(node.set), moved))
        if isinstance(node, Alternate):
            return nfa.add(SplitState([self.build(item, empty, moved) for item in node.items]))
        if isinstance(node, Concat):
            return self.concat(node.items, empty, moved)
        if isinstance(node, Repeat):
            return self.repeat(node, empty, moved)
        if isinstance(node, Fixed):
            return self.fixed(node, empty, moved)
        if isinstance(node, Group):
            start = 2 * (node.number - 1)
            at_moved = nfa.add(GroupState([moved], start + 1))
            at_empty = at_moved if empty == moved else nfa.add(GroupState([empty], start + 1))
            return nfa.add(GroupState([self.build(node.item, at_empty, at_moved)], start))
        symbols = self.passing(node)
        spend(nfa.alphabet.count, len(symbols))
        return nfa.add(LookState(symbols, empty))

    def passing(self, node: Node) -> frozenset[int]:
        """The oracle letters before which a node without width passes."""
        letters = self.nfa.alphabet
        if isinstance(node, Look):
            return self.nfa.symbols(node.set) | (letters.ends if node.at_end else frozenset())
        if isinstance(node, Test):
            values = letters.values(node.predicate)
            return frozenset(letter for letter, value in enumerate(values) if value == node.value)
        assert isinstance(node, OracleLetters), "look-around has been made tests of oracle letters"
        return frozenset(i for i, letter in enumerate(letters.projected(node.level)) if letter in node.letters)

    def concat(self, items: Sequence[Node], empty: int, moved: int) -> int:
        """The first state of the items. Each stands twice: if no character was taken before it, and if one was."""
        for item in reversed(items):
            here = self.build(item, empty, moved)
            moved = here if empty == moved else self.build(item, moved, moved)
            empty = here
        return empty

    def repeat(self, node: Repeat, empty: int, moved: int) -> int:
        """`low` copies, then a loop or `high - low` optional copies."""
        if node.high is None:
            moved_loop = self.loop(node, moved, None)
            empty_loop = moved_loop if empty == moved else self.loop(node, empty, moved_loop)
            empty, moved = empty_loop, moved_loop
        else:
            after_empty, after_moved = empty, moved
            for _ in range(node.high - node.low):
                here = self.choice(node, self.build(node.item, empty, moved), after_empty)
                moved = here if empty == moved else self.choice(node, self.build(node.item, moved, moved), after_moved)
                empty = here
        return self.concat([node.item] * node.low, empty, moved)

    def choice(self, node: Repeat, again: int, after: int) -> int:
        return self.nfa.add(SplitState([again, after] if node.greedy else [after, again]))

    def loop(self, node: Repeat, after: int, moved_loop: int | None) -> int:
        """A loop that leads to `after`; its turns come back to it, or to `moved_loop`."""
        loop = SplitState([])
        entry = self.nfa.add(loop)
        back = entry if moved_loop is None else moved_loop
        again = self.build(node.item, after if is_nullable(node.item) else back, back)
        loop.targets = [again, after] if node.greedy else [after, again]
        return entry

    def fixed(self, node: Fixed, empty: int, moved: int) -> int:
        """The states of an automaton that runs by itself, left only where it does not match again later."""
        nfa, automaton = self.nfa, self.nfa.alphabet.automata[node.automaton]
        letters = nfa.alphabet.projected(automaton.level)
        states = [SplitState([]) for _ in automaton.dfa.edges]
        numbers = [nfa.add(state) for state in states]
        first = SplitState([])
        for state, target, q in [(first, empty, START), *((s, moved, q) for q, s in enumerate(states))]:
            by_target: dict[int, set[int]] = {}
            leaves: set[int] = set()
            spend(len(letters), len(letters))
            again = automaton.again(q, nfa.alphabet)
            for letter, projected in enumerate(letters):
                after, tag = automaton.dfa.edges[q][projected]
                if tag != NO_TAG and not again[letter]:
                    leaves.add(letter)
                if after != DEAD:
                    by_target.setdefault(after, set()).add(letter)
            state.targets = [nfa.add(LookState(frozenset(leaves), target))] if leaves else []
            state.targets += [nfa.add(CharState(frozenset(taken), numbers[t])) for t, taken in by_target.items()]
        return nfa.add(first)
