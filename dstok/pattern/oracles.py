"""Oracle letters: the symbols of a text, each with the facts about its place.

In: an alphabet, and predicates, one by one. Out: `OracleAlphabet`: a number for each symbol (a class, or the end of the
text) together with each combination of values that the predicates can have before it. Such a pair is an oracle letter.
Invariant: an oracle letter of the first k predicates is one of the first k - 1 (its parent) with a value. So an
automaton over the first k predicates can read later ones: it reads their ancestors. The oracle letters of the end of
the text come last.

Example: `(?<=a)b` asks whether "a" ends at a place. Its oracle letters are a, b and all others, each with yes or no. It
matches "b, yes": in "abb" the first b alone. Such a question of look-around is a predicate: does a text of some
language begin at this place, or end at it? With its value in the oracle letter, look-around is a test of one of these.
When the marked texts of a step are made, `Checks` verifies the values and leaves them out again.
Source: regular look-around by oracles (Schuetzenberger's bimachines; "oracle letters").
"""

from __future__ import annotations

from dataclasses import dataclass

from dstok.errors import UnsupportedError
from dstok.pattern.alphabet import Alphabet
from dstok.pattern.automaton import DEAD, DFA, NO_TAG, START
from dstok.pattern.work import spend
from dstok.unicode.sets import CodePointSet

__all__ = ["Automaton", "Checks", "OracleAlphabet", "Predicate", "surely_tagging"]

MAX_LETTERS = 3000
MAX_PREDICATES = 10


@dataclass(frozen=True)
class Predicate:
    """`dfa` reads oracle letters of the first `level` predicates.

    Behind: it reads the text from its start; a tag on the edge of an oracle letter says yes, at the oracle letter's
    place. `ahead`: it reads from the place on and begins in `origin`; a tag on any edge says yes. With `later`, yes
    takes a tag on the first edge and another one on a later edge.
    """

    dfa: DFA
    level: int
    ahead: bool
    origin: int = START
    later: bool = False
    sure: frozenset[int] = frozenset()  # ahead: states from which every text leads to a tag

    def run(self, letter: int) -> bool | int:
        """Ahead: the value before an oracle letter, or the state that decides it later."""
        target, tag = self.dfa.edges[self.origin][letter]
        if (tag != NO_TAG) != self.later:
            return not self.later
        return True if target in self.sure else False if target == DEAD else target


@dataclass(frozen=True)
class Automaton:
    """The automaton of an atomic group.

    `later[state]`: the predicate that says that it matches again later, or the oracle letters that say so.
    """

    dfa: DFA
    level: int
    later: dict[int, int | frozenset[int]]

    def again(self, state: int, letters: OracleAlphabet) -> list[bool]:
        """For each oracle letter: does a longer match follow one that ends before it in `state`?"""
        known = self.later.get(state, frozenset())
        if isinstance(known, int):
            return letters.values(known)
        return [letter in known for letter in letters.projected(self.level)]


def surely_tagging(dfa: DFA) -> frozenset[int]:
    """The states that lead to a tag with every text, at the latest at its end."""
    sure: set[int] = set()
    while True:
        spend(len(dfa.edges) * dfa.symbols)
        more = {state for state, row in enumerate(dfa.edges)
                 if all(tag != NO_TAG or target in sure for target, tag in row)}
        if more <= sure:
            return frozenset(sure)
        sure |= more


class OracleAlphabet:
    """The alphabet of one step. Without predicates an oracle letter is a symbol."""

    def __init__(self, alphabet: Alphabet) -> None:
        self.alphabet = alphabet
        self.predicates: list[Predicate] = []
        self.automata: list[Automaton] = []
        self.end, self.count = alphabet.end, alphabet.end + 1
        self._parents: list[list[int]] = []
        self._bits: list[list[bool]] = []

    @property
    def level(self) -> int:
        """The number of predicates."""
        return len(self.predicates)

    @property
    def ends(self) -> frozenset[int]:
        """The oracle letters of the end of the text."""
        return frozenset(range(self.end, self.count))

    def symbols(self, members: CodePointSet) -> frozenset[int]:
        """The oracle letters of the characters `members`."""
        classes = self.alphabet.symbols(members)
        return classes if not self.predicates else frozenset(
            letter for letter, symbol in enumerate(self.projected(0)) if symbol in classes)

    def projected(self, level: int) -> list[int]:
        """For each oracle letter its ancestor among the oracle letters of the first `level` predicates."""
        spend(self.count * (1 + self.level - level))
        letters = list(range(self.count))
        for parents in reversed(self._parents[level:]):
            letters = [parents[letter] for letter in letters]
        return letters

    def values(self, predicate: int) -> list[bool]:
        """For each oracle letter the value of a predicate."""
        bits = self._bits[predicate]
        return [bits[letter] for letter in self.projected(predicate + 1)]

    def add(self, predicate: Predicate) -> int:
        """Adds a predicate, unless it is there already; returns its number."""
        if predicate in self.predicates:
            return self.predicates.index(predicate)
        parents, bits = [], []
        for letter, own in enumerate(self.projected(predicate.level)):
            known = predicate.run(own) if predicate.ahead else 0
            for value in [known] if isinstance(known, bool) else [False, True]:
                parents.append(letter)
                bits.append(value)
        if len(parents) > MAX_LETTERS or self.level == MAX_PREDICATES:
            raise UnsupportedError(f"look-around or atomic groups that need more than {MAX_PREDICATES} predicates or "
                                   f"{MAX_LETTERS} letters")
        self._parents.append(parents)
        self._bits.append(bits)
        self.predicates.append(predicate)
        self.count = len(parents)
        self.end = sum(symbol != self.alphabet.end for symbol in self.projected(0))
        return self.level - 1

    def children(self, predicate: int) -> tuple[list[int], list[list[int]]]:
        """For each oracle letter of the predicates before this one: the one that it reads, and those with its values.

        The second list has the oracle letters with the values false and true. Where only one value is possible, it
        stands twice.
        """
        below = self._parents[:predicate]
        own = list(range(len(below[-1]) if below else self.alphabet.end + 1))
        with_value = [[-1, -1] for _ in own]
        for child, (parent, bit) in enumerate(zip(self._parents[predicate], self._bits[predicate])):
            with_value[parent][bit] = child
        for parents in reversed(below[self.predicates[predicate].level :]):
            own = [parents[letter] for letter in own]
        return own, [[max(pair) if child < 0 else child for child in pair] for pair in with_value]

    def of_symbol(self) -> list[list[int]]:
        """The oracle letters of each symbol."""
        letters: list[list[int]] = [[] for _ in range(self.alphabet.end + 1)]
        for letter, symbol in enumerate(self.projected(0)):
            letters[symbol].append(letter)
        return letters


# For a predicate behind: its state. For one ahead: the runs that must reach a tag, and the runs that must not.
_Check = int | tuple[frozenset[int], frozenset[int]]
_State = tuple[_Check, ...]


class Checks:
    """Checks the values on the oracle letters of a text: a state, and the next one for each oracle letter."""

    def __init__(self, letters: OracleAlphabet) -> None:
        self.predicates = letters.predicates
        self.letters = [letters.projected(predicate.level) for predicate in letters.predicates]
        self.values = [letters.values(number) for number in range(letters.level)]
        self.start: _State = tuple(START if not p.ahead else (frozenset(), frozenset()) for p in self.predicates)
        self.memo: dict[tuple[_State, int], _State | None] = {}

    def step(self, state: _State, letter: int) -> _State | None:
        """The state after an oracle letter; None if a value is wrong."""
        key = state, letter
        if key not in self.memo:
            after = self.memo[key] = self._step(state, letter)
            spend(_size(state), _size(after) if after else 1)
        return self.memo[key]

    def _step(self, state: _State, letter: int) -> _State | None:
        checks: list[_Check] = []
        for number, predicate in enumerate(self.predicates):
            value, own, check = self.values[number][letter], self.letters[number][letter], state[number]
            step = _ahead(predicate, check, value, own) if isinstance(check, tuple) else _behind(
                predicate, check, value, own)
            if step is None:
                return None
            checks.append(step)
        return tuple(checks)


def _size(state: _State) -> int:
    """The number of runs of a state, plus four for each predicate."""
    return sum(4 if isinstance(check, int) else 4 + len(check[0]) + len(check[1]) for check in state)


def _behind(predicate: Predicate, state: int, value: bool, letter: int) -> int | None:
    target, tag = predicate.dfa.edges[state][letter]
    return target if (tag != NO_TAG) == value else None


def _ahead(
    predicate: Predicate, runs: tuple[frozenset[int], frozenset[int]], value: bool, letter: int,
) -> tuple[frozenset[int], frozenset[int]] | None:
    edges = predicate.dfa.edges
    wanted, unwanted = set(), set()
    for state in runs[0]:
        target, tag = edges[state][letter]
        if tag == NO_TAG:
            if target == DEAD:
                return None
            wanted.add(target)
    for state in runs[1]:
        target, tag = edges[state][letter]
        if tag != NO_TAG:
            return None
        unwanted.add(target)
    begun = predicate.run(letter)
    if not isinstance(begun, bool):
        (wanted if value else unwanted).add(begun)
    unwanted.discard(DEAD)
    return None if wanted & unwanted else (frozenset(wanted), frozenset(unwanted))


