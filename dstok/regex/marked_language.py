r"""Marked texts: the cuts that Splits make in a text, as one regular language; and the automaton of the next piece.

In: the match DFA of each step. Out: `Marked`, a DFA over marked texts, where a mark stands after each piece, and its
tag says why it is a piece (`\d+` marks "ab12" as `ab·12·`: the first mark has the tag of a gap, the second one of a
match); and a DFA that reads a text without marks from the start of a piece, and remembers at most two places.
Invariant: a `Marked` takes exactly one marking of each text: the cascade's pieces. It may reject a wrong mark as late
as the end of the text. docs/proofs.md has the ways, under "Marks".
Source: Schuetzenberger's bimachines (a rational function looks both ways); alternating automata for the claims; the
subset construction; tagged automata (Laurikari 2000), over guesses instead of threads of a regex.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Hashable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

from dstok.errors import UnsupportedError
from dstok.regex.compile_budget import Size, spend, stage
from dstok.regex.dfa import DEAD, DFA, HERE, NO_TAG, START, explore, minimize, operation
from dstok.regex.lookaround import Checks, OracleAlphabet

FINAL = 2  # the state after the end of a text; DEAD is 0, START is 1

STATES: Size = "states of marked texts"
STEP = 4  # steps of the budget for one step of the automata below
STATE = 5  # cells of the budget for one of their states

S = TypeVar("S", bound=Hashable)


@dataclass(frozen=True)
class Marked:
    """`rows[state][symbol]` is the next state. Symbols: `end` classes, the end of the text, a mark for each of `tags`.

    Only the end leads to `FINAL`, and nothing leads on from there. Every state but `DEAD` has a way to `FINAL`.
    """

    rows: tuple[tuple[int, ...], ...]
    end: int
    tags: tuple[Hashable, ...]

    def marks(self, state: int) -> list[tuple[int, int]]:
        """(number of the tag, next state) of the marks that may stand here."""
        return [(i, n) for i, n in enumerate(self.rows[state][self.end + 1 :]) if n != DEAD]


def _determinize(
    start: S, step: Callable[[S, int], Iterable[S]], final: S, end: int, tags: Sequence[Hashable],
) -> Marked:
    """The minimal `Marked` of a nondeterministic automaton given by its `step`."""
    single: dict[S, S] = {}  # equal states are one object
    empty, last, width, kept = frozenset[S](), frozenset([final]), end + 1 + len(tags), 0

    def steps(subset: frozenset[S], symbol: int) -> tuple[frozenset[S], int]:
        """The next states; the end of the text has a tag, since nothing follows it."""
        nonlocal kept
        if symbol == 0:
            spend(STEP * (1 + len(subset)) * width, STATE * (len(single) - kept))
            kept = len(single)
        target = frozenset(single.setdefault(t, t) for s in subset for t in step(s, symbol))
        return (empty, FINAL) if target == last else (target, NO_TAG)

    dfa = minimize(explore(frozenset([start]), steps, width, empty, width, STATES), width, STATES)
    rows = [tuple(FINAL if tag == FINAL else target + (target > START) for target, tag in row) for row in dfa.edges]
    return Marked((*rows[:FINAL], rows[DEAD], *rows[FINAL:]), end, tuple(tags))


# The run: ("gap", 0); ("match", state of the match DFA); ("text", 0) before the first character; after a mark
# ("after gap", 0) or ("after match", 0).
_Run = tuple[str, int]
_Claims = tuple[_Run, tuple[int, int] | None, frozenset[int]]  # the run; a tag due now; runs that reach no tag
_DONE: _Claims = (("done", 0), None, frozenset())


@stage("marking the texts of a step")
def mark_step(
    matches: DFA, search_start: int, tags: Sequence[Hashable], numbers: Mapping[int, int], behavior: str, invert: bool,
    letters: OracleAlphabet | None = None,
) -> Marked:
    r"""The marked texts of one step.

    A match that begins where the search for it began, after a match or at the start of the text, begins in the state
    `search_start` of the match DFA, others in `START`; only `\G` makes these differ.
    `numbers` gives the index in `tags` for each tag of the match DFA, and under `NO_TAG` the index of a gap's tag.
    With `letters` the match DFA reads oracle letters; the marked texts still have symbols.
    """
    glued = frozenset([("match", "match")] if behavior == "Contiguous" else [])  # neighbours without a mark between
    if behavior in ("MergedWithPrevious", "MergedWithNext"):
        glued = frozenset([("match", "gap") if (behavior == "MergedWithPrevious") == invert else ("gap", "match")])
    begun: _Claims = (("text", 0), None, frozenset())
    if letters is None or not letters.predicates:
        end = matches.symbols - 1
        return _determinize(begun, _Step(matches, search_start, numbers, glued, end).step, _DONE, end, tags)
    end, of_symbol, checks = letters.alphabet.end, letters.of_symbol(), Checks(letters)
    inner = _Step(matches, search_start, numbers, glued, letters.end)

    def step(state: tuple[_Claims, Any], symbol: int) -> Iterable[tuple[_Claims, Any]]:
        """Guesses the oracle letter of each symbol; `checks` rejects wrong guesses."""
        claims, check = state
        if symbol > end:
            return [(target, check) for target in inner.mark(claims, symbol - end - 1)]
        spend(STEP * len(of_symbol[symbol]))
        checked = ((letter, checks.step(check, letter)) for letter in of_symbol[symbol])
        return [(after, () if symbol == end else right) for letter, right in checked if right is not None
                for after in inner.letter(claims, letter)]

    return _determinize((begun, checks.start), step, (_DONE, ()), end, tags)


class _Step:
    """The nondeterministic automaton behind `mark_step`: at a piece's start it guesses whether the piece is a match."""

    def __init__(
        self, matches: DFA, search_start: int, numbers: Mapping[int, int], glued: frozenset[tuple[str, str]], end: int,
    ) -> None:
        self.edges, self.end, self.numbers, self.glued = matches.edges, end, numbers, glued
        self.search_start = search_start

    def step(self, state: _Claims, symbol: int) -> Iterable[_Claims]:
        """The states after a symbol, for texts without oracle letters: the last symbol is the end."""
        return self.letter(state, symbol) if symbol <= self.end else self.mark(state, symbol - self.end - 1)

    def letter(self, state: _Claims, letter: int) -> Iterable[_Claims]:
        """The states after an oracle letter; the oracle letters from `end` on are the end of the text."""
        (kind, q), due, unmatched = state
        targets = {self.edges[each][letter] for each in unmatched}
        if any(tag != NO_TAG for _, tag in targets):
            return ()
        left = {target for target, _ in targets}
        if due is not None:
            target, tag = self.edges[due[0]][letter]
            if tag != due[1]:
                return ()
            left.add(target)
        still = frozenset(left - {DEAD})
        if letter >= self.end:
            return [_DONE] if kind.startswith(("text", "after")) else []
        empty = self.edges[START][letter][1] != NO_TAG  # the empty text matches here, unless a longer one does
        if kind == "gap":
            return [*self.begin("gap", True, still, letter), *([] if empty else [self.gap(still, letter, START)])]
        if kind == "after gap":
            return [*self.begin("gap", False, still, letter), *([self.gap(still, letter, START)] if empty else [])]
        if kind != "match":
            return self.begin(kind.removeprefix("after "), False, still, letter)
        target, tag = self.edges[q][letter]
        further: list[_Claims] = [(("match", target), None, still)] if target != DEAD else []
        ended = self.begin("match", True, (still | {target}) - {DEAD}, letter) if tag != NO_TAG else []
        return further + ended

    def gap(self, still: frozenset[int], letter: int, start: int) -> _Claims:
        """In a gap each character claims that no match begins with it, in the state `start`."""
        return ("gap", 0), None, (still | {self.edges[start][letter][0]}) - {DEAD}

    def begin(self, before: str, glued: bool, still: frozenset[int], letter: int) -> list[_Claims]:
        """A gap or a match begins with `letter`; `glued`: no mark stands before it."""
        start = START if before == "gap" else self.search_start
        target = self.edges[start][letter][0]
        is_match = target != DEAD and ((before, "match") in self.glued) == glued
        claims: list[_Claims] = [(("match", target), None, still)] if is_match else []
        is_gap = before != "gap" and ((before, "gap") in self.glued) == glued
        return [*claims, self.gap(still, letter, start)] if is_gap else claims

    def mark(self, state: _Claims, mark: int) -> list[_Claims]:
        (kind, q), _, unmatched = state
        if kind == "gap":
            return [(("after gap", 0), None, unmatched)] if mark == self.numbers[NO_TAG] else []
        tags = {tag for _, tag in self.edges[q] if kind == "match"} - {NO_TAG}
        return [(("after match", 0), (q, tag), unmatched) for tag in tags if self.numbers[tag] == mark]


_Pair = tuple[int, int]  # upper and lower state; the lower one may be NEW: an upper piece begins; OUT: it is dropped
NEW, OUT = -1, -2


@stage("joining a step to those above it")
def mark_cascade(upper: Marked, lower: Marked, join: Callable[[int, int], int], dropped: frozenset[int]) -> Marked:
    """The marked texts of `lower` run inside each piece of `upper`, except the pieces whose tag is in `dropped`.

    Both have the same tags. `join(u, l)` is the tag of a piece with the lower step's tag `l` inside an upper piece with
    the tag `u`; -1 stands for an upper tag that is not known yet.
    """
    reasons, end = _sole_marks(upper), upper.end

    def step(state: _Pair, symbol: int) -> Iterable[_Pair]:
        above, below = state
        if symbol <= end:
            target = upper.rows[above][symbol]
            if target == DEAD or symbol == end:
                return ((FINAL, FINAL),) if target != DEAD and below == NEW else ()
            if below == OUT:
                return ((target, OUT),)
            under = lower.rows[START if below == NEW else below][symbol]
            inside = [(target, under)] if under != DEAD else []
            return [*inside, (target, OUT)] if below == NEW and dropped else inside
        mark = symbol - end - 1
        if below == OUT:
            return [(n, NEW) for u, n in upper.marks(above) if u == mark and u in dropped]
        pairs = []
        for own, under in lower.marks(below) if below != NEW else ():
            if join(reasons[above], own) == mark:
                pairs.append((above, under))
            if lower.rows[under][end] == FINAL:
                pairs += [(n, NEW) for u, n in upper.marks(above) if u not in dropped and join(u, own) == mark]
        return pairs

    return _determinize((START, NEW), step, (FINAL, FINAL), end, upper.tags)


def _sole_marks(marked: Marked) -> list[int]:
    """For each state the only mark that can come next, or -1 if several can."""
    marks: list[set[int]] = [{tag for tag, _ in marked.marks(state)} for state in range(len(marked.rows))]
    into: list[set[int]] = [set() for _ in marked.rows]
    for state, row in enumerate(marked.rows):
        for target in row[: marked.end]:
            into[target].add(state)
    spend(len(marked.rows) * marked.end)
    queue = deque(state for state, own in enumerate(marks) if own)
    while queue:
        state = queue.popleft()
        for before in into[state]:
            spend(1)
            if len(marks[before]) < 2 and not marks[state] <= marks[before]:
                marks[before] |= marks[state]
                queue.append(before)
    return [next(iter(tags)) if len(tags) == 1 else -1 for tags in marks]


@stage("renaming marks")
def rename_marks(marked: Marked, tags: Sequence[Hashable], rename: Callable[[int], int]) -> Marked:
    """The same texts with the mark `m` called `rename(m)`, an index in `tags`."""
    end = marked.end

    def step(state: int, symbol: int) -> Iterable[int]:
        if symbol <= end:
            return [marked.rows[state][symbol]] if marked.rows[state][symbol] != DEAD else []
        return [n for m, n in marked.marks(state) if rename(m) == symbol - end - 1]

    return _determinize(START, step, FINAL, end, tags)


# So far: nothing of a piece; a part of a kept piece; of a dropped one, with its last character's mark due, or read.
_BEGIN, _KEPT, _DUE, _DROPPED = range(4)
_AFTER = {_BEGIN: (_KEPT, _DUE), _KEPT: (_KEPT,), _DUE: (), _DROPPED: (_DUE,)}


@stage("marking dropped text")
def mark_dropped(marked: Marked) -> Marked:
    r"""The same texts with a mark after each dropped character, whatever dropped piece holds it.

    The marks of `marked` are 0, the piece is kept, and 1, it is dropped. With `\s+` Removed, three blanks are one
    dropped piece; with `\s` Removed they are three. Here both have three marks. So two automata are equal exactly if
    they keep the same spans of every text.
    """
    if not any(mark for state in range(len(marked.rows)) for mark, _ in marked.marks(state)):
        return marked

    def step(state: _Pair, symbol: int) -> Iterable[_Pair]:
        """Guesses at a piece's start whether the piece is kept; the piece's mark confirms it."""
        here, where = state
        if symbol > marked.end:
            mark = symbol - marked.end - 1
            if where != (_DUE if mark else _KEPT):
                return ()
            inside = [(here, _DROPPED)] if mark else []
            return inside + [(n, _BEGIN) for own, n in marked.marks(here) if own == mark]
        target = marked.rows[here][symbol]
        if target == DEAD:
            return ()
        if symbol == marked.end:
            return ((FINAL, _BEGIN),) if where == _BEGIN else ()
        return [(target, after) for after in _AFTER[where]]

    return _determinize((START, _BEGIN), step, (FINAL, _BEGIN), marked.end, marked.tags)


@stage("comparing states")
def contains(marked: Marked, larger: int, smaller: int) -> bool:
    """Does the state `larger` take every text that the state `smaller` takes?"""
    seen, queue = {(larger, smaller)}, [(larger, smaller)]
    while queue:
        one, other = queue.pop()
        spend(1 + len(marked.rows[one]) // 3, 1)
        for pair in zip(marked.rows[one], marked.rows[other]):
            if pair[1] != DEAD and pair[0] == DEAD:
                return False
            if pair[1] not in (DEAD, FINAL) and pair not in seen:
                seen.add(pair)
                queue.append(pair)
    return True


_UNMARKED = -1  # the place of a guess's first mark: none yet (else HERE, 0 or 1)

_Guess = tuple[int, int]  # (place of the first mark, that mark)
_Guesses = tuple[tuple[int, _Guess], ...]  # with the state of the `Marked`, ascending


@stage("finding the ends of pieces from the left")
def find_pieces(marked: Marked, check_restarts: bool = True) -> DFA:
    """The minimal DFA of the next piece's end. Its tags are operations and numbers of marks."""
    restartable: dict[int, bool] = {}

    def step(guesses: _Guesses, symbol: int) -> tuple[_Guesses, int]:
        guessed: dict[int, _Guess] = {}
        spend(len(guesses) * (4 + len(marked.tags) // 4))
        for state, guess in guesses:
            followed = [(state, guess)]
            for mark, after in marked.marks(state):
                if guess[0] == _UNMARKED and check_restarts:
                    if after not in restartable:
                        restartable[after] = contains(marked, START, after)
                    if not restartable[after]:
                        raise UnsupportedError("a step that cuts where the step above cannot be restarted")
                followed.append((after, (HERE, mark) if guess[0] == _UNMARKED else guess))
            for after, taken in followed:
                target = marked.rows[after][symbol]
                if target != DEAD and guessed.setdefault(target, taken) != taken:
                    raise AssertionError("a text is marked in one way")
        left = set(guessed.values())
        places = sorted({place for place, _ in left if place != _UNMARKED})
        if len(left) == 1 and places:
            return (), operation(places, left.pop()[1], dead=True)
        numbers = {_UNMARKED: _UNMARKED} | {place: number for number, place in enumerate(places)}
        settled = tuple(sorted((state, (numbers[place], mark)) for state, (place, mark) in guessed.items()))
        return settled, operation(places, 0, dead=False)

    return minimize(explore(((START, (_UNMARKED, 0)),), step, marked.end + 1, dead=()))
