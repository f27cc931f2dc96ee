"""The set of rules that stands for an automaton: a walk over the product of the two proves it right.

In: a `Program`. Out: a `Kernel`: the number of the rules (core/split/kernel.h), and for each class the kind of its
characters that are not ASCII.
Invariant: a kernel is given only if `Walk` (core/check/proofs.pyx) finds no difference between rules and automaton,
whatever the pattern, the Unicode version and the numbers of the classes. docs/rules.md has the proof.
Example: one class holds é. The search tries it as letters, and the walk finds no difference. The search tries for each
class every kind that the rules know. If none is right, the automaton gets the characters of the class (`RARE`).
"""

from __future__ import annotations

from array import array
from collections.abc import Callable, Mapping, Sequence
from functools import cache, lru_cache
from itertools import product
from typing import TYPE_CHECKING, NamedTuple

from dstok.compiled.tables import Kernel as Kernel
from dstok.core.bpe.facts import cuttable_ranges
from dstok.core.split.finder import CJK_FIELDS, FLAGS, rule_rows
from dstok.errors import UnsupportedError

if TYPE_CHECKING:
    from dstok.regex.cascade import Program
    from dstok.regex.marked_language import Marked
    from dstok.unicode.code_point_set import CodePointSet

ROWS = rule_rows()
(NONE, V3, ONES, THREES, CASED, GPT2, CL100K, LLM, CODER, TEKKEN, KIMI, TWOS, STARCODER, SEED_CODER, MINICPM, UFAKZEKA,
 SPARK, YOUTU, LAGUNA) = range(len(ROWS))
LETTER, PUNCT, CJK, BLANK, NUMBER, RARE, CAPITAL, CASELESS, COMBINING, HAN = FLAGS
OTHER = 0  # the kind without flags
CJK_FIRST, CJK_RUN = CJK_FIELDS


def kinds_of(row: Mapping[str, int]) -> tuple[int, ...]:
    """The kinds that a character beyond ASCII can be to a set of rules of words, the likeliest first.

    Rules that count digits count bytes: no character of two bytes or more can be a number to them.
    """
    first, cased = row["cjk"] == CJK_FIRST, row["cased"]
    return tuple(kind for kind, known in (
        (HAN, row["cjk"] == CJK_RUN), (LETTER, True), (LETTER | CJK, first), (CAPITAL, cased), (CASELESS, cased),
        (CASELESS | CJK, first and cased), (PUNCT, True), (PUNCT | CJK, first), (NUMBER, row["digits"] < 2),
        (BLANK, True), (COMBINING, cased), (RARE, True)) if known)


KINDS = {
    **{number: kinds_of(row) for number, row in enumerate(ROWS) if number not in (NONE, LLM, CODER)},
    LLM: (LETTER, CJK, OTHER, PUNCT, LETTER | CJK, PUNCT | CJK, NUMBER, BLANK, RARE),
    CODER: (LETTER, LETTER | CJK, CJK, PUNCT, OTHER, PUNCT | CJK, NUMBER, BLANK, RARE),
}
PROBES = "aA!1\t \n'/"  # one of each kind: enough to find the kind of most classes
MOST_BLOCKS = 50_000_000  # of a walk that no budget limits
# of a walk: one takes some 0.2 microseconds, but MiniMax's needs six million (regex/compile_budget.py)
BLOCKS_A_STEP = 2
WIDTHS = {2: (0x80, 0x7FF), 3: (0x800, 0xFFFF), 4: (0x10000, 0x10FFFF)}  # in UTF-8, beyond ASCII

Symbol = tuple[int, int, int, int]  # as `Walk` has them


class Class(NamedTuple):
    """The facts about a class that the search needs."""

    ascii: tuple[int, ...]
    widths: tuple[int, ...]  # in UTF-8, of its other characters
    size: int
    cuttable: bool


def find_kernel(program: Program) -> Kernel:
    r"""The first rules that stand for a program's automaton; `NONE`, without kinds, if there are no such rules.

    >>> from dstok.regex import Split
    >>> from dstok.regex.cascade import compile_splits
    >>> find_kernel(compile_splits([Split(r"\p{L}+")]))
    Kernel(rules=0, kinds=(), edges='')
    """
    marked = program.kept
    return Kernel(NONE, ()) if marked is None else _find(marked, classes_of(program), program.boundaries.edges)


def classes_of(program: Program) -> tuple[Class, ...]:
    """The classes of a program's alphabet."""
    def overlaps(members: CodePointSet, low: int, high: int) -> bool:
        return any(first <= high and last >= low for first, last in members.ranges)

    return tuple(Class(tuple(byte for byte in range(0x80) if byte in members),
                       tuple(width for width, (low, high) in WIDTHS.items() if overlaps(members, low, high)),
                       len(members), any(overlaps(members, low, high) for low, high in cuttable_ranges()))
                 for members in program.alphabet.classes)


@lru_cache(maxsize=64)
def _find(marked: Marked, classes: tuple[Class, ...], edges: tuple[tuple[tuple[int, int], ...], ...]) -> Kernel:
    from dstok.core.check.proofs import TooLargeError
    from dstok.regex.compile_budget import stage  # not needed to load a model

    with stage("looking for a mask kernel", own=True):
        for rules in KINDS:
            try:
                kinds = _kinds(rules, marked, classes)
            except (TooLargeError, UnsupportedError):  # a walk that is too long, or all walks together
                continue
            if kinds and (ROWS[rules]["cased"] or goes_on_from_cuts(kinds, classes, edges)):
                return Kernel(rules, kinds)
    return Kernel(NONE, ())


def find_difference(
    rules: int, marked: Marked, classes: Sequence[Class], kinds: Sequence[int], least: int = 2, most: int = 4,
    limit: int = MOST_BLOCKS,
) -> list[Symbol] | None:
    """A text, as symbols, that the rules mark differently from the automaton, or None: a proof that there is none.

    A block has `least` characters, or `most` if it begins with a quote. Raises `TooLargeError` if the walk is longer
    than about `limit` blocks.
    """
    rare = [number for number, (members, kind) in enumerate(zip(classes, kinds)) if members.widths and kind == RARE]
    return _difference(rules, marked, [*_ascii(classes), *_wide(classes, kinds)], rare, least, most, limit)


def _kinds(rules: int, marked: Marked, classes: Sequence[Class]) -> tuple[int, ...] | None:
    """The kind of each class to the rules, or None if the rules do not stand for the automaton."""
    everywhere = _ascii(classes)
    if _difference(rules, marked, everywhere) is not None:
        return None
    probes = [symbol for symbol in everywhere if chr(symbol[0]) in PROBES]
    kinds = [RARE] * len(classes)  # as far as `probes` tell, the large ones first: so the automaton gets few characters
    for number in sorted(range(len(classes)), key=lambda number: -classes[number].size):
        for kind in KINDS[rules] if classes[number].widths else ():
            kinds[number] = kind
            wide = [symbol for symbol in _wide(classes, kinds, 1) if symbol[2] != RARE]
            if kind == RARE or _difference(rules, marked, [*probes, *wide]) is None:
                break
    while (difference := find_difference(rules, marked, classes, kinds)) is not None:
        known = [number for byte, _, _, number in difference if byte < 0 <= number]
        if not known:
            return None
        kinds[min(known, key=lambda number: classes[number].size)] = RARE
    return tuple(kinds)


def _ascii(classes: Sequence[Class]) -> list[Symbol]:
    return [(byte, 1, 0, number) for number, members in enumerate(classes) for byte in members.ascii]


def _wide(classes: Sequence[Class], kinds: Sequence[int], most: int = 3) -> list[Symbol]:
    """For each class one character of each of its widths, at most `most` of them."""
    return [(-1, width, kind, number if kind != RARE else -1)
            for number, (members, kind) in enumerate(zip(classes, kinds)) for width in members.widths[:most]]


def _difference(
    rules: int, marked: Marked, symbols: list[Symbol], rare: Sequence[int] = (), least: int = 2, most: int = 4,
    limit: int = MOST_BLOCKS,
) -> list[Symbol] | None:
    """`find_difference` of these symbols; a symbol without a class belongs to one of the classes `rare`."""
    from dstok.core.check.proofs import Walk
    from dstok.regex.compile_budget import spend, steps_left

    rows = memoryview(array("H", [target for row in marked.rows for target in row]))
    shape = [len(marked.rows), len(marked.rows[0])]
    walk = Walk(rules, symbols, rows.cast("B").cast("H", shape), marked.end, least, most)
    try:
        difference = walk.run(min(limit, steps_left() * BLOCKS_A_STEP))
    finally:
        spend(walk.blocks // BLOCKS_A_STEP)
    if difference is None:
        goes_on = _unmarked(marked)
        difference = next(([*word] for (state, columns), numbers in walk.gave_up.items()
                           for seen, word in zip(product(*columns), product(*numbers))
                           if not goes_on(state, seen, rare)), None)
    return None if difference is None else [symbols[i] for i in difference]


def _unmarked(marked: Marked) -> Callable[[int, Sequence[int], Sequence[int]], bool]:
    """May a text that begins with a word follow a state, wherever its marks are? In the word, -1 is any rare class.

    The function takes a state of `marked`, the word and the rare classes.
    """
    from dstok.regex.compile_budget import spend

    rows, end, proven = marked.rows, marked.end, set[frozenset[int]]()

    @cache
    def step(states: frozenset[int], column: int) -> frozenset[int]:
        """The states after `column`, with a mark before it or without."""
        spend(2 * len(states), len(states))
        before = states | {rows[state][end + 1] for state in states}
        return frozenset(rows[state][column] for state in before) - {0}

    def takes_all(states: frozenset[int]) -> bool:
        """Does each text lead from some of the states to the end?"""
        seen, queue = {states}, [states]
        while queue:
            here = queue.pop()
            if here in proven:
                continue
            if not step(here, end):
                return False
            below = {step(here, column) for column in range(end)} - seen
            seen |= below
            queue += below
        proven.update(seen)
        return True

    def goes_on(state: int, word: Sequence[int], rare: Sequence[int]) -> bool:
        reached = {frozenset([state])}
        for column in word:
            reached = {step(states, each) for states in reached for each in (rare if column < 0 else [column])}
        return all(map(takes_all, reached))

    return goes_on


def knows_borders(rules: int) -> bool:
    """Can these rules honour `borders` (compiled/build.py)? Only without the CJK kind: F_CUT_BEFORE shares its bit."""
    return all(not kind & CJK for kind in KINDS.get(rules, ()))


def goes_on_from_cuts(
    kinds: Sequence[int], classes: Sequence[Class], edges: Sequence[Sequence[tuple[int, int]]],
) -> bool:
    """Does a letter after another letter of its piece lead to the same state as this letter at a piece's start?

    Then the automaton may go on from a safe cut inside a piece: such a cut lies between two letters
    (core/split/rules.h).
    """
    letters = [i for i, (members, kind) in enumerate(zip(classes, kinds)) if members.cuttable and kind & (LETTER | CJK)]
    after = {edges[state][one][0] for state in range(1, len(edges)) for one in letters} - {0}
    return all(edges[state][two][0] in (0, edges[1][two][0]) for state in after for two in letters)
