"""Look-around and atomic groups -> tests of oracle letters: the symbols of a text, each with the facts about its place.

In: the AST of a pattern, and an alphabet. Out: an AST of characters, tests and automata, for regex/nfa.py; and the
`OracleAlphabet`, a number for each symbol (a class, or the end of the text) together with each combination of values
that the predicates can have before it. A predicate is a question of look-around: does a text of some language begin at
this place, or end at it? Example: `(?<=a)b` asks whether "a" ends at a place. Its oracle letters are a, b and all
others, each with yes or no. It matches "b, yes": in "abb" the first b alone.
Invariant: the new AST means what the old one means. An oracle letter of the first k predicates is one of the first
k - 1 (its parent) with a value, so an automaton over the first k predicates can read later ones: it reads their
ancestors. The oracle letters of the end of the text come last. When the marked texts of a step are made, `Checks`
verifies the values and leaves them out again.
Innermost constructs come first. `(?=X)` becomes "the automaton of X, begun here, comes to a tag"; `(?<=X)` becomes "a
text that X matches ends here". An atomic group becomes its own automaton; a match leaves it only where no better one
follows. Look-around of one character, or decided by the next oracle letter, needs no predicate.
Source: regular look-around by oracles (Schuetzenberger's bimachines; "oracle letters").
"""

from __future__ import annotations

from dataclasses import dataclass, replace

from dstok.errors import UnsupportedError
from dstok.regex import ast
from dstok.regex.alphabet import Alphabet
from dstok.regex.compile_budget import located, spend, stage
from dstok.regex.dfa import DEAD, DFA, NO_TAG, START, Edge, explore, minimize
from dstok.regex.nfa import NFA, LookState, MatchState, SplitState, build_nfa, determinize
from dstok.unicode.code_point_set import CodePointSet

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

    def settled(self, predicate: Predicate, count: int | None = None) -> frozenset[int] | None:
        """The first `count` oracle letters (None: all) before which a predicate is true; None: some leave it open."""
        known = [predicate.run(letter) for letter in range(self.count if count is None else count)]
        if not all(isinstance(value, bool) for value in known):
            return None
        return frozenset(letter for letter, value in enumerate(known) if value)

    def add(self, predicate: Predicate) -> int:
        """Add a predicate, unless it is there already; return its number."""
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
            checks = [_step(predicate, check, values[letter], own[letter]) for predicate, check, values, own
                      in zip(self.predicates, state, self.values, self.letters)]
            after = self.memo[key] = None if None in checks else tuple(each for each in checks if each is not None)
            spend(_size(state), _size(after) if after else 1)
        return self.memo[key]


def _size(state: _State) -> int:
    """The number of runs of a state, plus four for each predicate."""
    return sum(4 if isinstance(check, int) else 4 + len(check[0]) + len(check[1]) for check in state)


def _step(predicate: Predicate, check: _Check, value: bool, letter: int) -> _Check | None:
    """The state or the runs of a predicate after an oracle letter; None if one of them is wrong."""
    edges = predicate.dfa.edges
    if isinstance(check, int):
        target, tag = edges[check][letter]
        return target if (tag != NO_TAG) == value else None
    wanted = {target for target, tag in (edges[state][letter] for state in check[0]) if tag == NO_TAG}
    after = [edges[state][letter] for state in check[1]]
    if DEAD in wanted or any(tag != NO_TAG for _, tag in after):
        return None
    unwanted = {target for target, _ in after}
    begun = predicate.run(letter)
    if not isinstance(begun, bool):
        (wanted if value else unwanted).add(begun)
    unwanted.discard(DEAD)
    return None if wanted & unwanted else (frozenset(wanted), frozenset(unwanted))


@stage("replacing look-around by oracles")
def replace_look_around(node: ast.Node, letters: OracleAlphabet) -> ast.Node:
    """The tree with tests for look-around. Raises `UnsupportedError`, with the position, if there are too many."""
    return _rewrite(node, letters)


def _rewrite(node: ast.Node, letters: OracleAlphabet) -> ast.Node:
    spend(1)
    if isinstance(node, (ast.Concat, ast.Alternate)):
        return replace(node, items=tuple(_rewrite(item, letters) for item in node.items))
    if isinstance(node, (ast.Repeat, ast.Group)):
        return replace(node, item=_rewrite(node.item, letters))
    if not isinstance(node, (ast.Before, ast.Around, ast.Atomic)):
        return node
    try:
        if isinstance(node, ast.Before):
            return ast.Test(letters.add(Predicate(_last_character(node, letters), 0, ahead=False)), True)
        item = _rewrite(node.item, letters)
        if isinstance(node, ast.Atomic):
            return _atomic(item, letters)
        return (_look_ahead if node.ahead else _look_behind)(item, node.negative, letters)
    except UnsupportedError as error:
        raise located(error, f"position {node.position}") from None


def _last_character(node: ast.Before, letters: OracleAlphabet) -> DFA:
    """Was the last character in a set? State 2 follows one that was, state 3 any other; state 1 is the start."""
    inside = letters.alphabet.symbols(node.set)
    targets = [2 if c in inside else 3 for c in range(letters.alphabet.end)]
    tags = (NO_TAG, 0 if node.at_start else NO_TAG, 0, NO_TAG)
    rows = [[*((target if state else DEAD, tag) for target in targets), (DEAD, tag)] for state, tag in enumerate(tags)]
    return DFA(tuple(map(tuple, rows)))


def _look_ahead(item: ast.Node, negative: bool, letters: OracleAlphabet) -> ast.Node:
    dfa = determinize(build_nfa(item, letters))
    predicate = Predicate(dfa, letters.level, ahead=True, sure=surely_tagging(dfa))
    known = letters.settled(predicate)
    if known is None:
        return ast.Test(letters.add(predicate), not negative)
    return ast.OracleLetters(letters.level, frozenset(range(letters.count)) - known if negative else known)


def _look_behind(item: ast.Node, negative: bool, letters: OracleAlphabet) -> ast.Node:
    atomic = [each.automaton for each in ast.nodes(item) if isinstance(each, ast.Fixed)]
    dfa = _ending_at_end(item, atomic, letters) if atomic else _ending_here(build_nfa(item, letters))
    if dfa is None:
        return ast.OracleLetters(letters.level, frozenset(range(letters.count) if negative else ()))
    return ast.Test(letters.add(Predicate(dfa, letters.level, ahead=False)), not negative)


def _atomic(item: ast.Node, letters: OracleAlphabet) -> ast.Node:
    dfa, level = determinize(build_nfa(item, letters)), letters.level
    open_ends = [state for state, row in enumerate(dfa.edges) if any(t != DEAD and tag != NO_TAG for t, tag in row)]
    sure, count = surely_tagging(dfa), letters.count
    later: dict[int, int | frozenset[int]] = {}
    for q in open_ends:
        predicate = Predicate(dfa, level, ahead=True, origin=q, later=True, sure=sure)
        known = letters.settled(predicate, count)
        later[q] = letters.add(predicate) if known is None else known
    letters.automata.append(Automaton(dfa, level, later))
    return ast.Fixed(len(letters.automata) - 1, ast.is_nullable(item))


def _ending_at_end(item: ast.Node, atomic: list[int], letters: OracleAlphabet) -> DFA | None:
    """As `_ending_here`, of an item with atomic groups. These see the text up to the place alone, as upstream has it.

    So an automaton of the item before the end of a text runs from each place, and ends on the end's oracle letter.
    """
    looks = any(isinstance(each, ast.Look) for each in ast.nodes(item))
    if looks or any(isinstance(known, int) for number in atomic for known in letters.automata[number].later.values()):
        raise UnsupportedError("an atomic group that more than one character ends, or beside an anchor, inside a "
                               "look-behind cannot be compiled exactly")
    dfa = determinize(build_nfa(ast.Concat((item, ast.Look(CodePointSet.empty(), True, 0))), letters))
    behind = [letters.values(number) for number, each in enumerate(letters.predicates) if not each.ahead]
    values = [tuple(bits[letter] for bits in behind) for letter in range(letters.count)]
    ends = {values[letter]: letter for letter in letters.ends}

    def step(states: frozenset[int], letter: int) -> tuple[frozenset[int], int]:
        spend(len(states))
        tagged = any(dfa.edges[state][ends[values[letter]]][1] != NO_TAG for state in states)
        after = frozenset(dfa.edges[state][letter][0] for state in states)
        return (after - {DEAD}) | {START}, 0 if tagged else NO_TAG

    return _tagged(explore(frozenset([START]), step, letters.count, frozenset(), letters.end), letters)


def _ending_here(nfa: NFA) -> DFA | None:
    """An automaton that reads a text from its start, with a tag where a match ends; None if no match ever ends."""
    letters = nfa.alphabet

    def step(threads: frozenset[int], letter: int) -> tuple[frozenset[int], int]:
        targets, tag, seen, stack = {nfa.start}, NO_TAG, set[int](), list(threads)
        while stack:
            number = stack.pop()
            if number in seen:
                continue
            seen.add(number)
            state = nfa.states[number]
            if isinstance(state, SplitState):
                stack.extend(state.targets)
            elif isinstance(state, MatchState):
                tag = 0
            elif letter in state.symbols:
                (stack.append if isinstance(state, LookState) else targets.add)(state.target)
        spend(len(seen))
        return frozenset(targets), tag

    return _tagged(explore(frozenset([nfa.start]), step, letters.count, frozenset(), letters.end), letters)


def _tagged(edges: list[list[Edge]], letters: OracleAlphabet) -> DFA | None:
    """The minimal DFA, unless it has no tag."""
    return None if all(tag == NO_TAG for row in edges for _, tag in row) else minimize(edges, letters.end)
