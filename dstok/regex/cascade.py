r"""Sequence[Split] -> ONE automaton that scans a text once, left to right.

In: the Split steps of a tokenizer. Out: `Program`: an alphabet and a total DFA. Run from the start of a piece, the DFA
finds the piece's end. Run again from there, it finds the next end, and so on to the end of the text.
Invariant: the pieces are the cascade's: the first step cuts the text, the second cuts each piece as a text of its own,
and so on. If there is no such automaton, `compile_splits` raises `UnsupportedError`. Why it holds: docs/proofs.md,
section Collapse. Behaviours: Isolated keeps matches and gaps; Removed marks one of them as dropped, and later steps do
not see it; MergedWithPrevious and MergedWithNext glue a gap before or after a match; Contiguous glues matches. `invert`
swaps the roles. Source: upstream's `SplitDelimiterBehavior`, measured in tests/regex/test_cascade.py.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache

from dstok._util.objects import lazy
from dstok.errors import PatternError, UnsupportedError
from dstok.regex import BEHAVIORS, Split
from dstok.regex.alphabet import Alphabet, build_alphabet
from dstok.regex.ast import Around, Node, at_search_start, character_sets, nodes
from dstok.regex.bimachine import MAX_SETS, make_bimachine
from dstok.regex.compile_budget import LimitError, explained, stage
from dstok.regex.dfa import DEAD, DFA, NO_TAG, START
from dstok.regex.lookaround import OracleAlphabet, replace_look_around
from dstok.regex.marked_language import Marked, find_pieces, mark_cascade, mark_dropped, mark_step, rename_marks
from dstok.regex.nfa import build_nfa, determinize
from dstok.regex.parser import parse

MAX_CLASSES = 127  # with the end of the text, the columns of a row in the scanner's table (core/split/automaton.pyx)
MAX_STEPS = 16  # three times as many as real tokenizers have


@dataclass(frozen=True)
class Tag:
    """The reason for a piece: alternative `alternative` of step `step` matched it, or it is a gap (None)."""

    step: int | None
    alternative: int | None
    dropped: bool = False


_GAP = Tag(None, None)


@dataclass(frozen=True)
class Cascade:
    """The compiled splits of a tokenizer: the marked texts of all steps. Mark `t` means `tags[t]`."""

    splits: tuple[Split, ...]
    unicode_version: str
    alphabet: Alphabet
    marked: Marked
    tags: tuple[Tag, ...]

    @lazy
    def visible(self) -> Marked:
        """The marked texts, with marks that say only whether the piece is kept (0) or dropped (1)."""
        return _kept_or_dropped(self.marked, self.tags)

    @lazy
    def canonical(self) -> Marked:
        """As `visible`, with a mark after each dropped character: equal for all cascades that keep the same spans."""
        return mark_dropped(self.visible)

    @lazy
    def kept(self) -> Marked | None:
        """As `visible`; None if pieces are dropped."""
        kept = self.visible
        return None if any(tag for state in range(len(kept.rows)) for tag, _ in kept.marks(state)) else kept


@dataclass(frozen=True)
class Program(Cascade):
    r"""A cascade with the automaton that reads a text from the left alone.

    The tags of `boundaries`: 1 for a dropped piece, 0 for a kept one.

    >>> program = compile_splits([Split(r"\p{N}{1,3}"), Split(r"\p{L}+")])
    >>> [text for text, tag in program.pieces("ab1234!")]
    ['ab', '123', '4', '!']
    """

    boundaries: DFA

    @lazy
    def dfa(self) -> DFA:
        """The DFA that also says why a piece is one: its tag `t` means `tags[t]`."""
        return find_pieces(self.marked, check_restarts=False)  # the check of `boundaries` holds here: same pieces

    @lazy
    def shuffles(self) -> bytes:
        """The section of the bimachine; empty if it would be too large for shuffles."""
        try:
            return make_bimachine(self.visible, MAX_SETS).section(shuffled=True)
        except LimitError:
            return b""

    def pieces(self, text: str) -> Iterator[tuple[str, Tag]]:
        """The pieces of `text` with their tags, by the DFA in Python: a readable form of the scanner."""
        symbols = [self.alphabet.class_of(c) for c in text]
        at = 0
        while at < len(text):
            match = self.dfa.longest(symbols, at)
            assert match is not None and match[0] > at, "a program's DFA is total"
            yield text[at : match[0]], self.tags[match[1]]
            at = match[0]


@stage("compiling patterns")
def compile_splits(splits: Sequence[Split], unicode_version: str = "16.0") -> Program:
    """The one automaton of `splits`. Raises `PatternError`, or `UnsupportedError` naming step and reason.

    A pattern's error also names its place in its file.
    """
    try:
        alphabet, stages, tags = _stages(tuple(splits), unicode_version, True)
    except PatternError as error:
        raise placed(error, splits) from None
    try:
        boundaries = find_pieces(_kept_or_dropped(stages[-1], tags))
    except UnsupportedError as error:
        for marked, split in zip(stages, splits):  # the first step that spoils it
            try:
                find_pieces(_kept_or_dropped(marked, tags))
            except UnsupportedError as cause:
                raise UnsupportedError(cause.message, split.where) from None
        raise AssertionError("the last stage is one of the stages") from error
    return Program(tuple(splits), unicode_version, alphabet, stages[-1], tags, boundaries)


def placed(error: PatternError, splits: Sequence[Split]) -> PatternError:
    """The error with the place of its pattern in a file, if it has one."""
    where = next((f"{split.where}: " for split in splits if split.where and split.pattern == error.pattern), "")
    return PatternError(f"{where}{error.message}", error.pattern, error.position)


@stage("compiling patterns")
def compile_cascade(splits: Sequence[Split], unicode_version: str = "16.0", empty: bool = True) -> Cascade:
    """As `compile_splits`; a `Program` only if texts can be read from the left alone.

    Without `empty` a match takes at least one character, where its pattern prefers none, too.
    """
    alphabet, stages, tags = _stages(tuple(splits), unicode_version, empty)
    try:
        boundaries = find_pieces(_kept_or_dropped(stages[-1], tags))
    except UnsupportedError:
        return Cascade(tuple(splits), unicode_version, alphabet, stages[-1], tags)
    return Program(tuple(splits), unicode_version, alphabet, stages[-1], tags, boundaries)


@stage("compiling matches")
def compile_matches(split: Split, unicode_version: str = "16.0") -> Cascade:
    """The cascade whose kept pieces are the step's matches of at least one character, for Python's rules of matches.

    A match takes at least one character where its pattern prefers none: `a*?` matches each "a". Raises as
    `compile_cascade`.
    """
    return compile_cascade([split._replace(behavior="Removed", invert=True)], unicode_version, empty=False)


@lru_cache(maxsize=4)  # a splitter and a tokenizer of it, or a training, compile the same steps
def _stages(
    splits: tuple[Split, ...], unicode_version: str, empty: bool,
) -> tuple[Alphabet, Sequence[Marked], tuple[Tag, ...]]:
    """The marked texts of the first step, of the first two, and so on; of no step: texts of one piece.

    Without `empty` a match takes at least one character.
    """
    if len(splits) > MAX_STEPS:
        raise UnsupportedError(f"more than {MAX_STEPS} Split steps", splits[MAX_STEPS].where)
    splits = _with_short_chunks(splits)
    trees = [_tree(split, unicode_version) for split in splits]
    alphabet = _alphabet(splits, trees)
    if not splits:
        nothing = DFA((((DEAD, NO_TAG),) * (alphabet.end + 1),) * 2)
        return alphabet, [mark_step(nothing, START, (_GAP,), {NO_TAG: 0}, "Isolated", False)], (_GAP,)
    letters = [OracleAlphabet(alphabet) for _ in splits]
    matches = [_matches(split, tree, own, empty) for split, tree, own in zip(splits, trees, letters)]
    found = [sorted({tag for row in dfa.edges for _, tag in row} - {NO_TAG}) for dfa, _ in matches]
    reasons = [(None, None), *((step, own) for step, each in enumerate(found) for own in each)]
    drops = (False, True) if any(split.behavior == "Removed" for split in splits) else (False,)
    tags = tuple(Tag(*reason, dropped) for dropped in drops for reason in reasons)
    stages: list[Marked] = []
    for step, split in enumerate(splits):
        removed = split.behavior == "Removed"
        numbers = {own: tags.index(Tag(step, own, removed and not split.invert)) for own in found[step]}
        numbers[NO_TAG] = tags.index(Tag(None, None, removed and split.invert))
        try:
            marked = mark_step(*matches[step], tags, numbers, split.behavior, split.invert, letters[step])
            stages.append(_below(stages[-1], marked, tags) if stages else marked)
        except UnsupportedError as error:
            looks = [f"{'look-ahead' if each.ahead else 'look-behind'} at position {each.position}"
                     for each in nodes(trees[step]) if isinstance(each, Around)]  # they cause marks of many states
            raise UnsupportedError(explained(error, *trees[: step + 1]), _place(split, *looks)) from None
    return alphabet, tuple(stages), tags


_CHUNKS = re.compile(r"\\p{Nd}{1,([1-9]\d{0,2})}\(\?=\(\?>\\p{Nd}{\1}\)\*\(\?:\\P{Nd}\|\$\)\)\|\\G\\p{Nd}{\1}")
_THREES = (r"\A\p{Nd}{1,2}(?=\p{Nd}{3}+\z)", r"\A\p{Nd}{3}|\G\p{Nd}{3}")


def _with_short_chunks(splits: tuple[Split, ...]) -> tuple[Split, ...]:
    r"""Replace chunks of 510 digits by chunks of 3, if the next two steps cut them into threes from the right.

    Trinity's files cut numbers so. Chunks of any multiple of 3, from the right, end where threes end: the same pieces.

    >>> chunks = r"\p{Nd}{1,510}(?=(?>\p{Nd}{510})*(?:\P{Nd}|$))|\G\p{Nd}{510}"
    >>> _with_short_chunks((Split(chunks), *map(Split, _THREES)))[0].pattern
    '\\p{Nd}{1,3}(?=(?>\\p{Nd}{3})*(?:\\P{Nd}|$))|\\G\\p{Nd}{3}'
    """
    for at, (one, *others) in enumerate(zip(splits, splits[1:], splits[2:])):
        found = _CHUNKS.fullmatch(one.pattern)
        isolating = all((each.behavior, each.invert) == ("Isolated", False) for each in (one, *others))
        if found and int(found[1]) % 3 == 0 and tuple(each.pattern for each in others) == _THREES and isolating:
            short = one._replace(pattern=one.pattern.replace(found[1], "3"))
            return (*splits[:at], short, *splits[at + 1 :])
    return splits


def _kept_or_dropped(marked: Marked, tags: Sequence[Tag]) -> Marked:
    """The marked texts, with marks that say only whether the piece is dropped."""
    return rename_marks(marked, (False, True), lambda tag: int(tags[tag].dropped))


def _alphabet(splits: Sequence[Split], trees: Sequence[Node]) -> Alphabet:
    """The alphabet of patterns, if the scanner can hold it. The error names the first step that makes it too large."""
    alphabet = build_alphabet(s for tree in trees for s in character_sets(tree))
    if len(alphabet.classes) > MAX_CLASSES:
        if len(splits) > 1:
            _alphabet(splits[:-1], trees[:-1])
        raise UnsupportedError(f"patterns that need more than {MAX_CLASSES} classes", splits[-1].where)
    return alphabet


def _place(split: Split, *places: str) -> str:
    """The place of a step, if it has one, and places in its pattern."""
    return ", ".join(filter(None, [split.where, *places]))


def _tree(split: Split, unicode_version: str) -> Node:
    """The AST of a step; errors name the step's place and the place in its pattern."""
    try:
        return parse(split.pattern, split.unicode_version or unicode_version)
    except UnsupportedError as error:
        raise UnsupportedError(error.message, _place(split, error.where)) from None


def _matches(split: Split, tree: Node, letters: OracleAlphabet, empty: bool) -> tuple[DFA, int]:
    """The match DFA of a step, and its start for matches that begin where the search began."""
    if split.behavior not in BEHAVIORS:
        raise UnsupportedError(f"the behavior {split.behavior!r}", split.where)
    try:
        node = replace_look_around(tree, letters)
        later, here = (at_search_start(node, begun) for begun in (False, True))
        matches = determinize(build_nfa(later, letters, empty))
        if later == here:
            return matches, START
        more, shift = determinize(build_nfa(here, letters, empty)).edges[START:], len(matches.edges) - START
        rows = (tuple((target and target + shift, tag) for target, tag in row) for row in more)
        return DFA((*matches.edges, *rows)), START + shift
    except UnsupportedError as error:
        raise UnsupportedError(explained(error, tree), _place(split, error.where)) from None


def _below(upper: Marked, lower: Marked, tags: Sequence[Tag]) -> Marked:
    """The lower step inside the upper ones. A piece keeps its reason if no alternative of the lower one matched it."""
    dropped = frozenset(number for number, tag in enumerate(tags) if tag.dropped)
    seen = {mark for state in range(len(upper.rows)) for mark, _ in upper.marks(state)}

    def join(above: int, below: int) -> int:
        reason = tags[below]
        if reason.step is not None or above < 0:
            return below
        return tags.index(Tag(tags[above].step, tags[above].alternative, reason.dropped))

    return mark_cascade(upper, lower, join, dropped & seen)
