"""AST -> NFA with ordered alternatives -> minimal DFA.

In: the AST of a pattern and an alphabet of oracle letters. Out: a Thompson NFA over oracle letters; its `DFA`.
Invariant: a state's epsilon edges have the order in which a backtracking matcher tries them. So the first path that
matches is upstream's (leftmost-first), and the match of the DFA is that path's.
Source: Thompson's construction; the ordered form is Pike's, as in RE2 and regex-automata; the subset construction over
ordered lists (RE2's "kFirstMatch", regex-automata's determinize, which also delays matches).
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from dstok.errors import UnsupportedError
from dstok.regex import ast
from dstok.regex.compile_budget import located, spend, stage, within
from dstok.regex.dfa import DEAD, DFA, NO_TAG, START, explore, minimize
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

VISIT = 3  # steps of the budget for a look at a state


@dataclass
class NFA:
    """`states`, with the first one at index `start`. It is built from the back.

    A node leads to `empty` if the innermost loop's turn has taken no character yet, otherwise to `moved`. A turn that
    takes none leaves its loop, as upstream's does.
    """

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

    def build(self, node: ast.Node, empty: int, moved: int) -> int:
        """The first state of `node`."""
        spend(4)
        if isinstance(node, ast.Chars):
            return self.add(CharState(self.symbols(node.set), moved))
        if isinstance(node, ast.Alternate):
            return self.add(SplitState([self.build(item, empty, moved) for item in node.items]))
        if isinstance(node, ast.Concat):
            return self._concat(node.items, empty, moved)
        if isinstance(node, ast.Repeat):
            return self._repeat(node, empty, moved)
        if isinstance(node, ast.Fixed):
            return self._fixed(node, empty, moved)
        if isinstance(node, ast.Group):
            start = 2 * (node.number - 1)
            at_moved = self.add(GroupState([moved], start + 1))
            at_empty = at_moved if empty == moved else self.add(GroupState([empty], start + 1))
            return self.add(GroupState([self.build(node.item, at_empty, at_moved)], start))
        symbols = self._passing(node)
        spend(self.alphabet.count, len(symbols))
        return self.add(LookState(symbols, empty))

    def _passing(self, node: ast.Node) -> frozenset[int]:
        """The oracle letters before which a node without width passes."""
        letters = self.alphabet
        if isinstance(node, ast.SearchStart):
            raise UnsupportedError("the anchor \\G in a pattern that is matched by itself")
        if isinstance(node, ast.Look):
            return self.symbols(node.set) | (letters.ends if node.at_end else frozenset())
        if isinstance(node, ast.Test):
            values = letters.values(node.predicate)
            return frozenset(letter for letter, value in enumerate(values) if value == node.value)
        assert isinstance(node, ast.OracleLetters), "look-around has been made tests of oracle letters"
        return frozenset(i for i, letter in enumerate(letters.projected(node.level)) if letter in node.letters)

    def _concat(self, items: Sequence[ast.Node], empty: int, moved: int) -> int:
        """The first state of the items. Each stands twice: if no character was taken before it, and if one was."""
        for item in reversed(items):
            here = self.build(item, empty, moved)
            moved = here if empty == moved else self.build(item, moved, moved)
            empty = here
        return empty

    def _repeat(self, node: ast.Repeat, empty: int, moved: int) -> int:
        """`low` copies, then a loop or `high - low` optional copies."""
        def choice(again: int, after: int) -> int:
            return self.add(SplitState([again, after] if node.greedy else [after, again]))

        if node.high is None:
            moved_loop = self._loop(node, moved, None)
            empty = moved_loop if empty == moved else self._loop(node, empty, moved_loop)
            moved = moved_loop
        else:
            after_empty, after_moved = empty, moved
            for _ in range(node.high - node.low):
                here = choice(self.build(node.item, empty, moved), after_empty)
                moved = here if empty == moved else choice(self.build(node.item, moved, moved), after_moved)
                empty = here
        return self._concat([node.item] * node.low, empty, moved)

    def _loop(self, node: ast.Repeat, after: int, moved_loop: int | None) -> int:
        """A loop that leads to `after`; its turns come back to it, or to `moved_loop`."""
        loop = SplitState([])
        entry = self.add(loop)
        back = entry if moved_loop is None else moved_loop
        again = self.build(node.item, after if ast.is_nullable(node.item) else back, back)
        loop.targets = [again, after] if node.greedy else [after, again]
        return entry

    def _fixed(self, node: ast.Fixed, empty: int, moved: int) -> int:
        """The states of an automaton that runs by itself, left only where it does not match again later."""
        automaton = self.alphabet.automata[node.automaton]
        letters = self.alphabet.projected(automaton.level)
        states = [SplitState([]) for _ in automaton.dfa.edges]
        numbers = [self.add(state) for state in states]
        first = SplitState([])
        for state, target, q in [(first, empty, START), *((s, moved, q) for q, s in enumerate(states))]:
            by_target: dict[int, set[int]] = {}
            leaves: set[int] = set()
            spend(len(letters), len(letters))
            again = automaton.again(q, self.alphabet)
            for letter, projected in enumerate(letters):
                after, tag = automaton.dfa.edges[q][projected]
                if tag != NO_TAG and not again[letter]:
                    leaves.add(letter)
                if after != DEAD:
                    by_target.setdefault(after, set()).add(letter)
            state.targets = [self.add(LookState(frozenset(leaves), target))] if leaves else []
            state.targets += [self.add(CharState(frozenset(taken), numbers[t])) for t, taken in by_target.items()]
        return self.add(first)


@stage("building the NFA")
def build_nfa(node: ast.Node, letters: OracleAlphabet, empty: bool = True) -> NFA:
    """The NFA of `node`; the tag of a match is the index of its top-level alternative.

    Without `empty` it has only the paths that take a character.
    """
    nfa, starts = NFA(letters), list[int]()
    alternatives = node.items if isinstance(node, ast.Alternate) else (node,)
    ends = [nfa.add(MatchState(tag)) for tag in range(len(alternatives))]
    nowhere = -1 if empty else nfa.add(SplitState([]))
    for item, end in zip(alternatives, ends):
        try:
            starts.append(nfa.build(item, end if empty else nowhere, end))
        except UnsupportedError as error:
            raise located(error, ast.position_of(item)) from None
    nfa.start = nfa.add(SplitState(starts))
    return nfa


@stage("making the NFA deterministic")
def determinize(nfa: NFA) -> DFA:
    """The minimal DFA of `nfa`. Raises `UnsupportedError` if it, or the way to it, is too large.

    A state of it is a tuple of states of the NFA in order of preference, none of them a split.
    """
    visits = 0

    def walk(threads: Iterable[int], symbol: int | None) -> Iterator[tuple[int, State]]:
        """The states other than splits that `threads` lead to, most preferred first.

        The next `symbol` passes a look or ends its thread; with None a look is a state like others.
        """
        nonlocal visits
        seen: set[int] = set()
        stack = [*threads][::-1]
        while stack:
            number = stack.pop()
            if number in seen:
                continue
            seen.add(number)
            visits += 1
            state = nfa.states[number]
            if isinstance(state, SplitState):
                stack.extend(reversed(state.targets))
            elif isinstance(state, LookState) and symbol is not None:
                stack.extend([state.target] if symbol in state.symbols else [])
            else:
                yield number, state

    def settle(threads: Iterable[int]) -> tuple[int, ...]:
        """`threads` without splits, and without those after a match that no look precedes: these can no longer win."""
        settled: list[int] = []
        for number, state in walk(threads, None):
            settled.append(number)
            if isinstance(state, MatchState):
                break
        return tuple(settled)

    def step(threads: tuple[int, ...], symbol: int) -> tuple[tuple[int, ...], int]:
        targets: dict[int, None] = {}
        tag, before = NO_TAG, visits
        for _, state in walk(threads, symbol):
            if isinstance(state, MatchState):
                tag = state.tag
                break
            if isinstance(state, CharState) and symbol in state.symbols:
                targets[state.target] = None
        settled = settle(targets)
        spend(VISIT * (visits - before))
        return settled, tag

    letters = nfa.alphabet
    return minimize(explore(settle([nfa.start]), step, letters.count, (), letters.end), letters.end)
