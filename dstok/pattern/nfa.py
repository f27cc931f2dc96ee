"""AST -> NFA with ordered alternatives.

In: the AST of a pattern and an alphabet. Out: a Thompson NFA over class numbers.
Invariant: the order of a state's epsilon edges is the order in which a backtracking matcher would try
them, so the first path that matches is the one upstream takes (leftmost-first).
Source: Thompson's construction; the ordered form is Pike's, as in RE2 and regex-automata.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from dstok.errors import UnsupportedError
from dstok.pattern.alphabet import Alphabet
from dstok.pattern.ast import Alternate, Chars, Look, Node, Repeat
from dstok.unicode.sets import CodePointSet

__all__ = ["NFA", "CharState", "LookState", "MatchState", "SplitState", "State", "build_nfa"]

MAX_STATES = 20_000  # far above any tokenizer's pattern; a bound on hostile files


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


@dataclass(frozen=True)
class MatchState:
    """The pattern has matched by its alternative number `tag`."""

    tag: int


State = CharState | LookState | SplitState | MatchState


@dataclass
class NFA:
    """`states`, of which `start` is the first."""

    alphabet: Alphabet
    states: list[State] = field(default_factory=list)
    start: int = 0
    _symbols: dict[CodePointSet, frozenset[int]] = field(default_factory=dict)

    def add(self, state: State) -> int:
        """The number of the new `state`."""
        if len(self.states) == MAX_STATES:
            raise UnsupportedError(f"a pattern that needs more than {MAX_STATES} NFA states")
        self.states.append(state)
        return len(self.states) - 1

    def symbols(self, members: CodePointSet) -> frozenset[int]:
        """The classes that make up `members`, looked up once a set."""
        if members not in self._symbols:
            self._symbols[members] = self.alphabet.symbols(members)
        return self._symbols[members]


def build_nfa(node: Node, alphabet: Alphabet) -> NFA:
    """The NFA of `node`; the tag of a match is the index of its top-level alternative."""
    nfa = NFA(alphabet)
    alternatives = node.items if isinstance(node, Alternate) else (node,)
    starts = [_build(nfa, item, nfa.add(MatchState(tag))) for tag, item in enumerate(alternatives)]
    nfa.start = nfa.add(SplitState(starts))
    return nfa


def _build(nfa: NFA, node: Node, target: int) -> int:
    """The state from which `node` leads to `target`."""
    if isinstance(node, Chars):
        return nfa.add(CharState(nfa.symbols(node.set), target))
    if isinstance(node, Look):
        end = frozenset([nfa.alphabet.end] if node.at_end else [])
        return nfa.add(LookState(nfa.symbols(node.set) | end, target))
    if isinstance(node, Alternate):
        return nfa.add(SplitState([_build(nfa, item, target) for item in node.items]))
    if isinstance(node, Repeat):
        return _build_repeat(nfa, node, target)
    for item in reversed(node.items):
        target = _build(nfa, item, target)
    return target


def _build_repeat(nfa: NFA, node: Repeat, target: int) -> int:
    """`low` copies, then a loop or `high - low` optional copies, built from the back."""

    def choice(again: int) -> int:
        return nfa.add(SplitState([again, target] if node.greedy else [target, again]))

    entry = target
    if node.high is None:
        loop = SplitState([])
        entry = nfa.add(loop)
        again = _build(nfa, node.item, entry)
        loop.targets = [again, target] if node.greedy else [target, again]
    else:
        for _ in range(node.high - node.low):
            entry = choice(_build(nfa, node.item, entry))
    for _ in range(node.low):
        entry = _build(nfa, node.item, entry)
    return entry
