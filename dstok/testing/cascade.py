"""The splits of a tokenizer, step by step and alternative by alternative, and possible mistakes in them.

In: Split steps. Out: their pieces, by the rules or by one of the mistakes that `Mistake` names. Invariant: without a
mistake the pieces equal those of the tokenizer's own automaton.

The module is plain on purpose: at each place it tries each alternative by itself. So their order, their look-ahead and
the edges between the steps can be changed one by one. Failed reads are remembered, so that time is linear in the text
(Reps 1998, as core/split/_scan.pyx).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

from dstok.errors import UnsupportedError
from dstok.pattern.alphabet import Alphabet, build_alphabet
from dstok.pattern.ast import Alternate, Concat, Look, Node, Repeat, character_sets
from dstok.pattern.automaton import DEAD, DFA, NO_TAG, START
from dstok.pattern.dfa import determinize
from dstok.pattern.look_around import replace_look_around
from dstok.pattern.nfa import build_nfa
from dstok.pattern.oracles import OracleAlphabet
from dstok.pattern.split import Split
from dstok.pattern.syntax import parse

__all__ = ["Cascade", "Mistake", "alternatives_of", "blind_at_end", "lazy", "with_bounds", "without_looks"]

Steps = tuple[tuple[Node, ...], ...]  # for each step its alternatives
FAR = 16  # failed reads of so many characters are remembered

_Futile = set[tuple[int, int]]  # states and places from which no match ends


@dataclass(frozen=True)
class Mistake:
    """One kind of mistake.

    longest: the longest match of the alternatives counts, not the first. past_edge: a look-ahead at the edge of a piece
    sees the text after it. gaps_dropped: text that no step has matched is lost.
    """

    longest: bool = False
    past_edge: bool = False
    gaps_dropped: bool = False


def alternatives_of(splits: Sequence[Split], unicode_version: str) -> Steps:
    """The alternatives of each step's pattern."""
    trees = [parse(split.pattern, unicode_version) for split in splits]
    return tuple(tree.items if isinstance(tree, Alternate) else (tree,) for tree in trees)


class Cascade:
    """Steps that cut one after the other, each the pieces of the step before. All are Isolated."""

    def __init__(self, steps: Steps, mistake: Mistake | None = None) -> None:
        self.mistake = mistake or Mistake()
        self.alphabet: Alphabet = build_alphabet(s for step in steps for tree in step for s in character_sets(tree))
        self.steps: list[list[DFA]] = [[self._dfa(tree) for tree in step] for step in steps]

    def _dfa(self, tree: Node) -> DFA:
        letters = OracleAlphabet(self.alphabet)
        matches = determinize(build_nfa(replace_look_around(Concat((tree,)), letters), letters))
        if letters.predicates:
            raise UnsupportedError("an alternative with look-around of more than one character")
        return matches

    def pieces(self, text: str) -> list[str]:
        """The pieces of a text."""
        symbols = [self.alphabet.class_of(char) for char in text]
        spans = [(0, len(text))] if text else []
        matched: set[int] = set()  # the places that some step has matched
        for step in self.steps:
            spans = [part for start, end in spans for part in self._cut(step, symbols, start, end, matched)]
        if self.mistake.gaps_dropped:
            spans = [span for span in spans if span[0] in matched]
        return [text[start:end] for start, end in spans]

    def _cut(
        self, step: list[DFA], symbols: list[int], start: int, end: int, matched: set[int],
    ) -> list[tuple[int, int]]:
        """Matches and gaps of one step in one piece; the places of the matches go into `matched`."""
        spans, gap, at = [], start, start
        futile: list[_Futile] = [set() for _ in step]
        after = symbols[end] if self.mistake.past_edge and end < len(symbols) else self.alphabet.end
        while at < end:
            stop = self._match(step, symbols, at, end, after, futile)
            if stop > at:
                if gap < at:
                    spans.append((gap, at))
                spans.append((at, stop))
                matched.update(range(at, stop))
                at = gap = stop
            else:
                at += 1
        return [*spans, (gap, end)] if gap < end else spans

    def _match(
        self, step: list[DFA], symbols: list[int], start: int, end: int, after: int, futile: list[_Futile],
    ) -> int:
        """The end of the step's match at `start`, or `start`."""
        best = start
        for dfa, known in zip(step, futile):
            end_of = _longest(dfa, symbols, start, end, after, known)
            if end_of > start and not self.mistake.longest:
                return end_of
            best = max(best, end_of)
        return best


def _longest(dfa: DFA, symbols: list[int], start: int, end: int, after: int, futile: _Futile) -> int:
    state, best, path = START, start, list[tuple[int, int]]()
    for at in range(start, end + 1):
        if (state, at) in futile:
            break
        path.append((state, at))
        state, tag = dfa.edges[state][symbols[at] if at < end else after]
        if tag != NO_TAG:
            best, path = at, []
        if state == DEAD:
            break
    if len(path) > FAR:
        futile.update(path)
    return best


def _rewritten(node: Node, change: Callable[[Node], Node]) -> Node:
    """The pattern with each node as `change` makes it, the inner ones first."""
    if isinstance(node, Repeat):
        node = replace(node, item=_rewritten(node.item, change))
    elif isinstance(node, (Alternate, Concat)):
        node = replace(node, items=tuple(_rewritten(item, change) for item in node.items))
    return change(node)


def without_looks(node: Node) -> Node:
    """The pattern without its look-aheads."""
    return _rewritten(node, lambda each: Concat(()) if isinstance(each, Look) else each)


def blind_at_end(node: Node) -> Node:
    """The pattern with look-aheads that the end of the text never satisfies."""
    return _rewritten(node, lambda each: replace(each, at_end=False) if isinstance(each, Look) else each)


def with_bounds(node: Node, high: int | None) -> Node:
    """The pattern with another upper bound for its bounded repeats of more than one."""
    def change(each: Node) -> Node:
        if isinstance(each, Repeat) and each.high is not None and each.high > 1:
            return replace(each, high=high)
        return each

    return _rewritten(node, change)


def lazy(node: Node) -> Node:
    """The pattern with a first unbounded repeat that takes as little as possible."""
    if isinstance(node, Repeat) and node.high is None:
        return replace(node, greedy=False)
    if isinstance(node, Concat):
        for at, item in enumerate(node.items):
            if (changed := lazy(item)) != item:
                return replace(node, items=(*node.items[:at], changed, *node.items[at + 1 :]))
    return node
