r"""Sequence[Split] -> ONE automaton that scans a text once, left to right.

In: the Split steps of a tokenizer. Out: `Program`: an alphabet and a total DFA. Run from the start of
a piece, the DFA's last tag names where the piece ends; run again from there, and so on to the end.
Invariant: the pieces are those of the cascade, in which step 1 cuts the text, step 2 cuts each piece of
step 1 as a text of its own, and so on. Where that cannot be had with one restartable automaton,
`compile_splits` raises `UnsupportedError`.

The rules, and why they hold
----------------------------
1. *Gaps.* A step's pieces are its matches and the maximal stretches between them. `_totalize` makes a
   DFA of both. A character is a gap character where no match begins, and whether one does must be
   settled by that character and the next symbol ("pending" states); a pattern that needs to see
   further is refused. Then "the longest stretch of gap characters" is regular, and the gap's end is a
   tag like any other.
2. *A piece's edge is the end of the text for the next step.* `_compose` runs an upper DFA and a lower
   DFA side by side from the same start. As long as the upper one stays inside its piece, the lower one
   reads the same symbol. Where the upper piece ends, the lower one reads the END symbol instead, so
   `(?!\S)`, `$` and running out of digits see what they would see in a text of its own. This needs the
   upper edge to be known at once, on the first symbol behind it: rule 3.
3. *Prompt edges.* An upper automaton is prompt if each edge into its dead state carries a tag: its
   piece ends exactly where it stops. `[\p{N}]{1,3}`, runs of a class and their gaps are prompt.
   `\s?\p{L}+` is not: its edge before a blank is known one character later. Not prompt: refused.
4. *Restarts.* The composed DFA forgets everything between pieces. When the lower step ends a piece
   inside an upper one, the upper automaton is in some state u there, but the next scan starts it anew.
   That is the same only if, whatever follows, u and the start go on to the same upper edge. For each
   such u `_restartable` compares the two as automata (partition refinement). A run of a class and a gap
   pass; a state after one digit of three does not, and does no harm as long as no lower step cuts there.
5. *Threes.* `\p{N}{1,3}` is prompt, and no alternative of V3's third step matches inside it, so the third
   step's gap covers the whole match and rule 4 is never asked. Nothing about digits is special.
6. Composition is repeated from the top: what comes out is a total DFA again.

Behaviours: Isolated keeps matches and gaps; Removed marks one of them as dropped; MergedWithPrevious and
MergedWithNext glue a gap before or behind a match; Contiguous glues matches. `invert` swaps the roles.
Source: upstream's `SplitDelimiterBehavior`, measured in tests/test_collapse.py.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import NoReturn

from dstok.errors import UnsupportedError
from dstok.pattern.alphabet import Alphabet, build_alphabet
from dstok.pattern.ast import Node, character_sets
from dstok.pattern.dfa import DEAD, DFA, NO_TAG, START, Edge, determinize, equivalence, explore, minimize
from dstok.pattern.nfa import build_nfa
from dstok.pattern.split import Split
from dstok.pattern.syntax import parse

__all__ = ["GAP", "Program", "Split", "Tag", "compile_pattern", "compile_splits"]

GAP = 10_000_000  # the tag of a gap inside one step; above every alternative's number
BEHAVIORS = ("Isolated", "Removed", "MergedWithPrevious", "MergedWithNext", "Contiguous")
MAX_CLASSES = 127  # with the end of the text, the columns of a row in the scanner's table (core/_scan.pyx)
MAX_STEPS = 16  # three times what real tokenizers have


@dataclass(frozen=True)
class Tag:
    """Why a piece is one: alternative `alternative` of step `step` matched it, or it is a gap (None)."""

    step: int | None
    alternative: int | None
    dropped: bool = False


@dataclass(frozen=True)
class Program:
    """What a tokenizer's splits compile to. Tag `t` of `dfa` means `tags[t]`.

    >>> program = compile_splits([Split(r"\\p{N}{1,3}"), Split(r"\\p{L}+")])
    >>> [text for text, tag in program.pieces("ab1234!")]
    ['ab', '123', '4', '!']
    """

    splits: tuple[Split, ...]
    unicode_version: str
    alphabet: Alphabet
    dfa: DFA
    tags: tuple[Tag, ...]

    @cached_property
    def boundaries(self) -> DFA:
        """The minimal DFA that tells kept pieces (tag 0) from dropped ones (tag 1), and no more."""
        return self.dfa.retag(lambda t: int(self.tags[t].dropped))

    def pieces(self, text: str) -> Iterator[tuple[str, Tag]]:
        """The pieces of `text` with their tags, by the DFA in Python: the scanner, readably."""
        symbols = [self.alphabet.class_of(c) for c in text]
        at = 0
        while at < len(text):
            found = self.dfa.longest(symbols, at)
            assert found is not None and found[0] > at, "a program's DFA is total"
            yield text[at : found[0]], self.tags[found[1]]
            at = found[0]


def compile_pattern(pattern: str, unicode_version: str = "16.0") -> tuple[Alphabet, DFA]:
    """The alphabet and the DFA of one pattern's matches (not total: gaps are not matched)."""
    tree = parse(pattern, unicode_version)
    alphabet = _alphabet([tree])
    return alphabet, determinize(build_nfa(tree, alphabet))


def compile_splits(splits: Sequence[Split], unicode_version: str = "16.0") -> Program:
    """The one automaton of `splits`. Raises `PatternError`, or `UnsupportedError` naming step and reason."""
    if len(splits) > MAX_STEPS:
        raise UnsupportedError(f"more than {MAX_STEPS} Split steps", splits[MAX_STEPS].where)
    trees = [_tree(split, unicode_version) for split in splits]
    alphabet = _alphabet(trees)
    tags = {Tag(None, None): 0}
    whole: DFA | None = None
    for step, (split, tree) in enumerate(zip(splits, trees)):
        try:
            matches = determinize(build_nfa(tree, alphabet))
            pieces = _totalize(matches, split).retag(_Tagger(tags, step, split))
            whole = pieces if whole is None else _compose(whole, pieces, splits[step - 1], split)
        except UnsupportedError as error:
            raise UnsupportedError(error.message, error.where or split.where) from None
        if split.behavior == "Removed" and step + 1 < len(splits):
            raise UnsupportedError("a Removed step before another step", split.where)
    return Program(tuple(splits), unicode_version, alphabet, whole or _one_piece(alphabet), tuple(tags))


def _alphabet(trees: Sequence[Node]) -> Alphabet:
    """The alphabet of patterns, if the scanner can hold it."""
    alphabet = build_alphabet(s for tree in trees for s in character_sets(tree))
    if len(alphabet.classes) > MAX_CLASSES:
        raise UnsupportedError(f"patterns that need more than {MAX_CLASSES} classes", "$.pre_tokenizer")
    return alphabet


def _tree(split: Split, unicode_version: str) -> Node:
    """The AST of a step; what its pattern is refused for is named by the step's place and the pattern's."""
    try:
        return parse(split.pattern, unicode_version)
    except UnsupportedError as error:
        raise UnsupportedError(error.message, f"{split.where}, {error.where}") from None


def _one_piece(alphabet: Alphabet) -> DFA:
    """No step at all: the whole text is one piece."""
    inside: list[Edge] = [(START + 1, NO_TAG)] * alphabet.end
    return minimize([[(DEAD, NO_TAG)] * (alphabet.end + 1), [*inside, (DEAD, NO_TAG)], [*inside, (DEAD, 0)]])


class _Tagger:
    """Turns a step's own tags (alternative numbers, GAP) into numbers of the program's tags."""

    def __init__(self, tags: dict[Tag, int], step: int, split: Split) -> None:
        self.tags, self.step, self.split = tags, step, split

    def __call__(self, own: int) -> int:
        removed = self.split.behavior == "Removed"
        dropped = removed and (own == GAP) == self.split.invert
        tag = Tag(None, None, dropped) if own == GAP else Tag(self.step, own, dropped)
        return self.tags.setdefault(tag, len(self.tags))


# Rule 1: matches and gaps


def _totalize(matches: DFA, split: Split) -> DFA:
    """The DFA of a step's pieces: matches, tagged by alternative, and gaps, tagged `GAP`."""
    if any(tag != NO_TAG for _, tag in matches.edges[START]):
        raise UnsupportedError("a pattern that can match the empty text", split.where)
    return minimize(explore(("start", 0), _Pieces(matches, split).step, matches.symbols, dead=("dead", 0)))


_State = tuple[str, int]  # (kind, state of the match DFA)


class _Pieces:
    """The states of a step's piece automaton and what each does with a symbol.

    start: nothing read. match q: inside a match that is sure. gap: all read so far is a gap.
    pending q: the last character may begin a match; before it the piece began.
    after q: as pending, but a gap lies before that character, and its end is tagged already.
    """

    def __init__(self, matches: DFA, split: Split) -> None:
        self.edges, self.end, self.split = matches.edges, matches.symbols - 1, split
        self.sure = _inevitable(matches)
        if split.behavior not in BEHAVIORS:
            self.refuse(f"the behavior {split.behavior!r}")
        swap = {"MergedWithPrevious": "MergedWithNext", "MergedWithNext": "MergedWithPrevious"}
        self.behavior = swap.get(split.behavior, split.behavior) if split.invert else split.behavior

    def step(self, state: _State, symbol: int) -> tuple[_State, int]:
        kind, q = state
        if kind == "start":
            return ("dead", 0) if symbol == self.end else self.begin(symbol, "gap", "pending"), NO_TAG
        if kind == "gap":
            return self.go_on_gap(symbol)
        target, tag = self.edges[q][symbol]
        if kind == "match":
            return self.go_on_match(target, tag, symbol)
        if tag != NO_TAG or target in self.sure:
            if kind == "after" and self.behavior != "MergedWithPrevious":
                return ("dead", 0), NO_TAG
            return self.go_on_match(target, tag, symbol)
        if target == DEAD:
            return self.go_on_gap(symbol)
        self.refuse("a pattern of which two characters do not tell whether it matches")

    def refuse(self, construct: str) -> NoReturn:
        raise UnsupportedError(construct, self.split.where)

    def begin(self, symbol: int, no: str, maybe: str) -> _State:
        """The state after the first character of a possible match."""
        q = self.edges[START][symbol][0]
        return (no, 0) if q == DEAD else ("match", q) if q in self.sure else (maybe, q)

    def go_on_gap(self, symbol: int) -> tuple[_State, int]:
        if symbol == self.end:
            return ("dead", 0), GAP
        begun = self.begin(symbol, "gap", "after")
        if begun[0] == "match" and self.behavior != "MergedWithPrevious":
            return ("dead", 0), GAP
        return begun, GAP if begun[0] == "after" else NO_TAG

    def go_on_match(self, target: int, tag: int, symbol: int) -> tuple[_State, int]:
        if target != DEAD:
            return ("match", target), tag
        if self.behavior not in ("MergedWithNext", "Contiguous"):
            return ("dead", 0), tag
        if tag == NO_TAG:
            self.refuse(f"{self.behavior} with a pattern that reads past its match")
        return self.glue(tag, symbol)

    def glue(self, tag: int, symbol: int) -> tuple[_State, int]:
        """A match ends before `symbol`; MergedWithNext adds a gap to it, Contiguous another match."""
        if symbol == self.end:
            return ("dead", 0), tag
        begun = self.begin(symbol, "gap", "after")
        if self.behavior == "Contiguous" and begun[0] == "after":
            self.refuse("Contiguous with a pattern whose first character may not match")
        goes_on = (begun[0] == "match") == (self.behavior == "Contiguous")
        return (begun, tag if begun[0] == "after" else NO_TAG) if goes_on else (("dead", 0), tag)


def _inevitable(matches: DFA) -> frozenset[int]:
    """The states from which every text, the empty one included, leads to a tag."""
    unsure, queue = {DEAD}, [DEAD]
    into = _untagged_sources(matches)
    while queue:
        found = into[queue.pop()] - unsure
        unsure |= found
        queue.extend(found)
    return frozenset(range(len(matches.edges))) - unsure


def _untagged_sources(dfa: DFA) -> list[set[int]]:
    """For each state those with an edge into it that carries no tag."""
    into: list[set[int]] = [set() for _ in dfa.edges]
    for state, row in enumerate(dfa.edges):
        for target, tag in row:
            if tag == NO_TAG:
                into[target].add(state)
    return into


# Rules 2 to 4: an upper and a lower automaton as one


def _compose(upper: DFA, lower: DFA, upper_split: Split, split: Split) -> DFA:
    """The DFA of the pieces that `lower` cuts out of the pieces of `upper`."""
    for row in upper.edges[START + 1 :]:
        if any(target == DEAD and tag == NO_TAG for target, tag in row):
            where = upper_split.where
            raise UnsupportedError("a step whose edges are known late, before another step", where)
    end, restartable, reasons = upper.symbols - 1, _restartable(upper), _sole_tags(upper)

    def step(state: tuple[int, int, bool], symbol: int) -> tuple[tuple[int, int, bool], int]:
        above, below, whole = state
        upper_target, reason = upper.edges[above][symbol]
        at_edge = upper_target == DEAD
        target, tag = lower.edges[below][end if at_edge else symbol]
        if tag != NO_TAG:
            whole = at_edge or above in restartable
            tag = tag or (reason if at_edge else reasons[above])  # tag 0: a gap of the lower step
        if not at_edge and target != DEAD:
            return (upper_target, target, whole), tag
        if not whole:
            raise UnsupportedError("a step that cuts where the step above cannot be restarted", split.where)
        return (DEAD, DEAD, True), tag

    return minimize(explore((START, START, True), step, upper.symbols, dead=(DEAD, DEAD, True)))


def _restartable(dfa: DFA) -> frozenset[int]:
    """The states that cannot be told from a fresh start by where the piece ends, if it goes on at all."""
    ends: list[list[Edge]] = [[(n, 0 if n == DEAD else NO_TAG) for n, _ in row] for row in dfa.edges]
    block = equivalence(ends)
    fresh = dfa.edges[START]
    return frozenset(
        state for state, row in enumerate(dfa.edges)
        if all(n == DEAD or block[n] == block[m] for (n, _), (m, _) in zip(row, fresh)))


def _sole_tags(dfa: DFA) -> list[int]:
    """For each state the only tag that can follow, or 0 (a gap) if several can."""
    into: list[set[int]] = [set() for _ in dfa.edges]
    queue: list[tuple[int, int]] = []
    for state, row in enumerate(dfa.edges):
        queue.extend((state, tag) for tag in {tag for _, tag in row} - {NO_TAG})
        for target in {target for target, _ in row}:
            into[target].add(state)
    sole = [NO_TAG] * len(dfa.edges)
    while queue:
        state, tag = queue.pop()
        joined = tag if sole[state] in (NO_TAG, tag) else 0
        if joined != sole[state]:
            sole[state] = joined
            queue.extend((source, joined) for source in into[state])
    return [max(tag, 0) for tag in sole]
