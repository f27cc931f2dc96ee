"""Facts about a splitter that hold for every text, decided on its automaton of marked texts.

In: a `Cascade`. Its `canonical` has a mark after each kept piece (0) and after each dropped character (1).
Out: `Analysis`: facts, or the shortest text that disproves one.
Invariant: each answer holds for all texts. The automaton takes exactly one marking of each text, so a walk over its
states, or over pairs of states of two automata, sees all texts. The marking tells only which spans are kept: splitters
that cut alike have the same answers.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Hashable, Iterable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeVar

from dstok._util.arguments import explained
from dstok._util.objects import lazy
from dstok.compiled.programs import tables_of
from dstok.core.encode.pieces import SpanPass, in_characters
from dstok.regex.alphabet import Alphabet, build_alphabet
from dstok.regex.cascade import Cascade
from dstok.regex.compile_budget import spend, stage
from dstok.regex.dfa import DEAD, START
from dstok.regex.marked_language import FINAL, Marked, contains
from dstok.unicode.code_point_set import CodePointSet

if TYPE_CHECKING:
    from dstok.pretokenizer.splitter import Splitter

S = TypeVar("S", bound=Hashable)
KEPT, DROPPED = 0, 1
DECIDING = "deciding what is true for every text"  # a stage of regex/compile_budget.py
_PREFERRED = "a1 A!\n\t'0bé中"  # characters for an example text, where their classes allow


@dataclass(frozen=True)
class Difference:
    """A text, its pieces by one splitter and by the other, and their places, in code points.

    The pieces may be equal, with other places: of "aa" one splitter drops the first "a", one the second.
    """

    text: str
    pieces: list[str]
    others: list[str]
    spans: list[tuple[int, int]]
    other_spans: list[tuple[int, int]]


@dataclass(frozen=True)
class CutPlace:
    """A text may be cut between any character of `left` and any of `right` after it."""

    left: CodePointSet
    right: CodePointSet


class Analysis:
    r"""What is true of a splitter for every text; made by `Splitter.analyze`. An answer is found when first asked for.

    Raises `UnsupportedError` where an answer takes too much work.

    >>> import dstok
    >>> facts = dstok.Splitter(r"\s+", behavior="Removed").analyze()
    >>> facts.loses_text, facts.longest_piece
    (' ', None)
    """

    def __init__(self, cascade: Cascade) -> None:
        self._cascade = cascade

    @lazy
    @stage(DECIDING)
    def fingerprint(self) -> str:
        """A hash (SHA-256, hex) of the kept spans: two splitters share it exactly if they are equal.

        It is that of the smallest automaton over the coarsest classes. Raises `UnsupportedError` if dropped text makes
        the automaton too large to compare.
        """
        from hashlib import sha256

        marked, alphabet = self._cascade.canonical.rows, self._cascade.alphabet
        columns: dict[tuple[int, ...], list[tuple[int, int]]] = {}
        for number, members in enumerate(alphabet.classes):
            columns.setdefault(tuple(row[number] for row in marked), []).extend(members.ranges)
        classes = sorted(CodePointSet.from_ranges(ranges).ranges for ranges in columns.values())
        firsts = [alphabet.class_of(chr(ranges[0][0])) for ranges in classes]
        symbols = [*firsts, alphabet.end, alphabet.end + 1, alphabet.end + 2]  # the end of the text and the two marks
        numbers, queue, table = {START: 0}, deque([START]), []  # states, numbered breadth-first
        while queue:
            here = queue.popleft()
            row = [marked[here][symbol] for symbol in symbols]
            for target in row:
                if target not in numbers:
                    numbers[target] = len(numbers)
                    queue.append(target)
            table.append([numbers[target] for target in row])
        return sha256(repr((1, classes, table)).encode()).hexdigest()

    @explained
    @stage(DECIDING)
    def difference(self, other: Splitter) -> Difference | None:
        r"""The shortest text with different kept spans, and these spans; None if there is no such text.

        >>> import dstok
        >>> dstok.Splitter("\\d+").analyze().difference(dstok.Splitter("[0-9]+")).pieces
        ['a', '٠']
        """
        theirs = other.analyze()
        if self.fingerprint == theirs.fingerprint:
            return None
        joint = build_alphabet([*self.classes, *theirs.classes])
        first, second = _over(self._cascade, joint), _over(theirs._cascade, joint)

        def steps(pair: tuple[int, int, bool]) -> Iterator[tuple[int, tuple[int, int, bool]]]:
            """From two states, with a mark or without on each side; the third says whether marks have differed."""
            for mark, a in [(-1, pair[0]), *first.marks(pair[0])]:
                for other_mark, b in [(-1, pair[1]), *second.marks(pair[1])]:
                    for symbol in range(joint.end + 1):
                        left, right = first.rows[a][symbol], second.rows[b][symbol]
                        if left != DEAD and right != DEAD:
                            yield symbol, (left, right, pair[2] or mark != other_mark)

        word = _shortest((START, START, False), steps, lambda pair: pair == (FINAL, FINAL, True))
        if word is None:
            return None
        text = _text(joint, word)
        data, found = text.encode(), list[Any]()
        for cascade in (self._cascade, theirs._cascade):
            spans = SpanPass(tables_of(cascade, kernel=False).finder()).spans(data)
            in_characters(data, spans.reshape(-1))
            found.append([tuple(span) for span in spans.tolist()])
        ours, others = ([text[start:end] for start, end in spans] for spans in found)
        return Difference(text, ours, others, *found)

    @lazy
    @stage(DECIDING)
    def loses_text(self) -> str | None:
        """The shortest text with a part in no piece; None if no text loses any."""
        marked = self._cascade.canonical

        def steps(state: tuple[int, bool]) -> Iterator[tuple[int, tuple[int, bool]]]:
            here, lost = state
            for symbol, target in enumerate(marked.rows[here][: marked.end + 1]):
                if target != DEAD:
                    yield symbol, (target, lost)
            for mark, target in marked.marks(here):
                yield -1, (target, lost or mark == DROPPED)

        word = _shortest((START, False), steps, lambda state: state == (FINAL, True))
        return None if word is None else _text(self._cascade.alphabet, word)

    @lazy
    @stage(DECIDING)
    def look_ahead(self) -> int | None:
        r"""The most characters after a place that decide whether it lies inside a piece; None: no limit.

        A place where a piece ends, or after dropped text, lies in none. The end of the text counts as one character.
        It is one more than the longest text after a place that leaves open whether the place has a mark. Only markings
        that are equal up to this place are compared.

        >>> import dstok
        >>> [dstok.Splitter(each).analyze().look_ahead for each in (r"\w+", r"\s+(?!\S)|\s")]
        [1, 2]
        """
        marked = self._cascade.canonical
        starts = {(frozenset([state]), frozenset(n for _, n in marked.marks(state)))
                  for state in range(len(marked.rows)) if marked.marks(state)}

        def read(states: frozenset[int], symbol: int) -> frozenset[int]:
            spend(4 + len(states))
            return frozenset(marked.rows[state][symbol] for state in states) - {DEAD}

        def mark(states: frozenset[int]) -> frozenset[int]:
            """The states, and the states after a mark from them."""
            return states.union(*({n for _, n in marked.marks(state)} for state in states))

        def step(pair: tuple[frozenset[int], frozenset[int]]) -> set[tuple[frozenset[int], frozenset[int]]]:
            """The pairs after each character. No mark precedes the first one where the place has no mark."""
            pairs = {(read(pair[0], c), read(pair[1], c)) for c in range(marked.end)}
            return {(mark(one), mark(other)) for one, other in pairs if one and other}

        undecided = {pair for pair in starts if any(read(pair[0], c) for c in range(marked.end + 1))}
        if not undecided:
            return 0
        length = _longest(undecided, step)
        return None if length is None else length + 1

    @lazy
    @stage(DECIDING)
    def longest_piece(self) -> int | None:
        """The most characters that a piece can have; None: no limit.

        It is the longest way to the mark of a kept piece that passes no other mark.
        """
        marked = self._cascade.canonical
        starts = {START} | {n for state in range(len(marked.rows)) for _, n in marked.marks(state)}
        # The states after a character that may belong to a kept piece: after a dropped one only its mark can follow.
        kept = {state for state, row in enumerate(marked.rows)
                if any(row[: marked.end]) or any(mark == KEPT for mark, _ in marked.marks(state))}
        return _longest(starts, lambda state: kept.intersection(marked.rows[state][: marked.end]))

    @lazy
    @stage(DECIDING)
    def cut_places(self) -> tuple[CutPlace, ...]:
        """The places to cut any text so that its parts, split alone, give the same pieces.

        Left sides with the same right side are one place. The marking of a text that ends here has a mark at its end.
        If its states there take every text that a new text's start takes, the two markings joined are that of the
        whole.
        """
        marked, classes = self._cascade.canonical, self.classes
        fresh = marked.rows[START]

        def goes_on(state: int, symbol: int) -> bool:
            """Does `state` take all texts with `symbol` first that the start takes?"""
            ours = marked.rows[state][symbol]
            return fresh[symbol] == DEAD or (ours != DEAD and contains(marked, ours, fresh[symbol]))

        lefts: dict[frozenset[int], list[tuple[int, int]]] = {}
        for number, members in enumerate(classes):
            ends = {n for row in marked.rows if row[number] != DEAD for _, n in marked.marks(row[number])
                    if marked.rows[n][marked.end] == FINAL}
            rights = frozenset(c for c in range(marked.end) if all(goes_on(n, c) for n in ends))
            if rights:
                lefts.setdefault(rights, []).extend(members.ranges)
        return tuple(CutPlace(CodePointSet.from_ranges(left),
                              CodePointSet.from_ranges(r for number in rights for r in classes[number].ranges))
                     for rights, left in lefts.items())

    @explained
    def may_cut(self, left: str, right: str) -> bool:
        r"""Whether every text may be cut between `left` and `right`, one character each: see `cut_places`.

        >>> import dstok
        >>> facts = dstok.Splitter(r"\w+|\s+").analyze()
        >>> facts.may_cut("a", " "), facts.may_cut("a", "b")
        (True, False)
        """
        return any(left in place.left and right in place.right for place in self.cut_places)

    @property
    def classes(self) -> tuple[CodePointSet, ...]:
        """The sets of characters that the patterns do not tell apart."""
        return self._cascade.alphabet.classes


def _shortest(
    start: S, steps: Callable[[S], Iterable[tuple[int, S]]], done: Callable[[S], bool],
) -> list[int] | None:
    """The symbols of a shortest way from `start` to a state that is `done`; symbols below 0 have no length."""
    came: dict[S, tuple[S, int] | None] = {start: None}
    queue = deque([start])
    while queue:
        here = queue.popleft()
        if done(here):
            word: list[int] = []
            while (before := came[here]) is not None:
                here, symbol = before
                word.append(symbol)
            return word[::-1]
        for symbol, target in steps(here):
            spend(3)
            if target not in came:
                spend(0, 3)
                came[target] = here, symbol
                (queue.appendleft if symbol < 0 else queue.append)(target)
    return None


def _text(alphabet: Alphabet, word: Iterable[int]) -> str:
    text = ""
    for members in (alphabet.classes[symbol] for symbol in word if 0 <= symbol < alphabet.end):
        known = next((c for c in _PREFERRED if ord(c) in members), None)
        shown = members - CodePointSet.from_ranges([(0, 0x20), (0xD800, 0xDFFF)])
        text += known or chr(next(iter(shown or members)))
    return text


def _over(cascade: Cascade, joint: Alphabet) -> Marked:
    """The marked texts over a finer alphabet."""
    marked, own = cascade.canonical, cascade.alphabet
    columns = [own.class_of(chr(members.ranges[0][0])) for members in joint.classes]
    rows = tuple((*(row[c] for c in columns), *row[marked.end :]) for row in marked.rows)
    return Marked(rows, joint.end, marked.tags)


def _longest(starts: Iterable[S], step: Callable[[S], set[S]]) -> int | None:
    """The length of the longest way from one of `starts`; None if there is a cycle."""
    length: dict[S, int] = {}
    open_now: set[S] = set()
    for start in starts:
        stack: list[tuple[S, Iterator[S]]] = []
        if start not in length:
            stack.append((start, iter(step(start))))
            open_now.add(start)
            length[start] = 0
        while stack:
            here, rest = stack[-1]
            target = next(rest, None)
            if target is None:
                stack.pop()
                open_now.discard(here)
                if stack:
                    length[stack[-1][0]] = max(length[stack[-1][0]], length[here] + 1)
            elif target in open_now:
                return None
            elif target in length:
                length[here] = max(length[here], length[target] + 1)
            else:
                spend(4, 4)
                length[target] = 0
                open_now.add(target)
                stack.append((target, iter(step(target))))
    return max((length[start] for start in starts), default=0)
