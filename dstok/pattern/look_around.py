r"""Look-around and atomic groups -> tests of oracle letters.

In: the AST of a pattern and its `OracleAlphabet`. Out: an AST of characters, tests and automata. pattern/nfa.py builds
states for it. The alphabet gets the predicates of the tests.
Invariant: the new AST means what the old one means. Innermost constructs come first. `(?=X)` becomes "the automaton of
X, begun here, comes to a tag"; `(?<=X)` becomes "a text that X matches ends here". An atomic group becomes its own
automaton; a match leaves it only where no better one follows. Look-around of one character, or decided by the next
oracle letter, needs no predicate.
"""

from __future__ import annotations

from dataclasses import replace

from dstok.errors import UnsupportedError
from dstok.pattern.ast import (
    Alternate,
    Around,
    Atomic,
    Before,
    Concat,
    Fixed,
    Group,
    Look,
    Node,
    OracleLetters,
    Repeat,
    Test,
    is_nullable,
    nodes,
)
from dstok.pattern.automaton import DEAD, DFA, NO_TAG, START, Edge
from dstok.pattern.dfa import determinize, explore, minimize
from dstok.pattern.nfa import NFA, CharState, LookState, MatchState, SplitState, build_nfa
from dstok.pattern.oracles import Automaton, OracleAlphabet, Predicate, surely_tagging
from dstok.pattern.work import located, spend, stage
from dstok.unicode.sets import CodePointSet

__all__ = ["replace_look_around"]


@stage("replacing look-around by oracles")
def replace_look_around(node: Node, letters: OracleAlphabet) -> Node:
    """The tree with tests for look-around. Raises `UnsupportedError`, with the position, if there are too many."""
    return _rewrite(node, letters)


def _rewrite(node: Node, letters: OracleAlphabet) -> Node:
    spend(1)
    if isinstance(node, (Concat, Alternate)):
        return replace(node, items=tuple(_rewrite(item, letters) for item in node.items))
    if isinstance(node, (Repeat, Group)):
        return replace(node, item=_rewrite(node.item, letters))
    if not isinstance(node, (Before, Around, Atomic)):
        return node
    try:
        return _as_test(node, letters)
    except UnsupportedError as error:
        raise located(error, f"position {node.position}") from None


def _as_test(node: Before | Around | Atomic, letters: OracleAlphabet) -> Node:
    if isinstance(node, Before):
        return Test(letters.add(Predicate(_last_character(node, letters), 0, ahead=False)), True)
    item = _rewrite(node.item, letters)
    if isinstance(node, Atomic):
        return _atomic(item, letters)
    return _look_ahead(item, node.negative, letters) if node.ahead else _look_behind(item, node.negative, letters)


def _last_character(node: Before, letters: OracleAlphabet) -> DFA:
    """Was the last character in a set? State 2 follows one that was, state 3 any other; state 1 is the start."""
    inside = letters.alphabet.symbols(node.set)
    targets = [2 if c in inside else 3 for c in range(letters.alphabet.end)]
    tags = (NO_TAG, 0 if node.at_start else NO_TAG, 0, NO_TAG)
    rows = [[*((target if state else DEAD, tag) for target in targets), (DEAD, tag)] for state, tag in enumerate(tags)]
    return DFA(tuple(map(tuple, rows)))


def _look_ahead(item: Node, negative: bool, letters: OracleAlphabet) -> Node:
    dfa = determinize(build_nfa(item, letters))
    predicate = Predicate(dfa, letters.level, ahead=True, sure=surely_tagging(dfa))
    known = [predicate.run(letter) for letter in range(letters.count)]
    if all(isinstance(value, bool) for value in known):
        return OracleLetters(letters.level, frozenset(i for i, value in enumerate(known) if value != negative))
    return Test(letters.add(predicate), not negative)


def _look_behind(item: Node, negative: bool, letters: OracleAlphabet) -> Node:
    atomic = [each.automaton for each in nodes(item) if isinstance(each, Fixed)]
    dfa = _ending_at_end(item, atomic, letters) if atomic else _ending_here(build_nfa(item, letters))
    if dfa is None:
        return OracleLetters(letters.level, frozenset(range(letters.count) if negative else ()))
    return Test(letters.add(Predicate(dfa, letters.level, ahead=False)), not negative)


def _atomic(item: Node, letters: OracleAlphabet) -> Node:
    dfa, level = determinize(build_nfa(item, letters)), letters.level
    open_ends = [state for state, row in enumerate(dfa.edges) if any(t != DEAD and tag != NO_TAG for t, tag in row)]
    sure, count = surely_tagging(dfa), letters.count
    later: dict[int, int | frozenset[int]] = {}
    for q in open_ends:
        predicate = Predicate(dfa, level, ahead=True, origin=q, later=True, sure=sure)
        known = [predicate.run(letter) for letter in range(count)]
        settled = all(isinstance(value, bool) for value in known)
        later[q] = frozenset(i for i, value in enumerate(known) if value) if settled else letters.add(predicate)
    letters.automata.append(Automaton(dfa, level, later))
    return Fixed(len(letters.automata) - 1, is_nullable(item))


def _ending_at_end(item: Node, atomic: list[int], letters: OracleAlphabet) -> DFA | None:
    """As `_ending_here`, of an item with atomic groups. These see the text up to the place alone, as upstream has it.

    So an automaton of the item before the end of a text runs from each place, and ends on the end's oracle letter.
    """
    looks = any(isinstance(each, Look) for each in nodes(item))
    if looks or any(isinstance(known, int) for number in atomic for known in letters.automata[number].later.values()):
        raise UnsupportedError("an atomic group that more than one character ends, or beside an anchor, inside a "
                               "look-behind cannot be compiled exactly")
    dfa = determinize(build_nfa(Concat((item, Look(CodePointSet.empty(), True, 0))), letters))
    behind = [letters.values(number) for number, each in enumerate(letters.predicates) if not each.ahead]
    values = [tuple(bits[letter] for bits in behind) for letter in range(letters.count)]
    ends = {values[letter]: letter for letter in letters.ends}

    def step(states: frozenset[int], letter: int) -> tuple[frozenset[int], int]:
        spend(len(states))
        tagged = any(dfa.edges[state][ends[values[letter]]][1] != NO_TAG for state in states)
        after = frozenset(dfa.edges[state][letter][0] for state in states)
        return (after - {DEAD}) | {START}, 0 if tagged else NO_TAG

    edges = explore(frozenset([START]), step, letters.count, frozenset(), letters.end)
    return None if all(tag == NO_TAG for row in edges for _, tag in row) else minimize(edges, letters.end)


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
            elif isinstance(state, LookState):
                stack.extend([state.target] if letter in state.symbols else [])
            elif isinstance(state, MatchState):
                tag = 0
            elif isinstance(state, CharState) and letter in state.symbols:
                targets.add(state.target)
        spend(len(seen))
        return frozenset(targets), tag

    edges: list[list[Edge]] = explore(frozenset([nfa.start]), step, letters.count, frozenset(), letters.end)
    if all(tag == NO_TAG for row in edges for _, tag in row):
        return None
    return minimize(edges, letters.end)


