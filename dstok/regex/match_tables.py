"""A pattern -> the automata of its matches: where a match that begins at a place ends, and where its groups lie.

In: the AST of a pattern, with its groups. Out: `MatchTables`: an automaton of a match at a place, one of a match up to
the end of the text, the oracle letters before which the pattern prefers the empty text, the paths of matches, and a
`Reading` for each predicate. The first one reads the symbols of a text and writes the oracle letters of the first
predicate; the next one reads these, and so on; after all readings each place has its oracle letter.
Invariant: a match is the preferred one (leftmost-first). Groups are those of the preferred path of a match whose start
and end are known. An atomic group or a look-around keeps no path, and a turn that takes no character ends a loop in
another way than in Python's engines: `refused_groups` names the groups inside these. A predicate behind is read from
the left by its own automaton. One ahead is read from the right: a state is the set of its automaton's states from which
the rest of the text leads to a tag.
Source: the powerset construction of the reversed automaton.
"""

from __future__ import annotations

from array import array
from dataclasses import dataclass
from typing import NamedTuple

from dstok.regex.alphabet import build_alphabet
from dstok.regex.ast import Around, Atomic, Concat, Group, Look, Node, Repeat, character_sets, children, is_nullable
from dstok.regex.compile_budget import spend, stage, within
from dstok.regex.dfa import DFA, NO_TAG, START, Edge, explore
from dstok.regex.lookaround import OracleAlphabet, Predicate, replace_look_around, surely_tagging
from dstok.regex.nfa import NFA, build_nfa, determinize
from dstok.unicode.code_point_set import CodePointSet


class Reading(NamedTuple):
    """A pass over a text, from the left or (`ahead`) from the right. It begins in the state `START`.

    uint16 tables of native order, by state and letter: `following` is the next state, `written` the new letter.
    """

    ahead: bool
    letters: int
    following: bytes
    written: bytes


@stage("reading oracle letters")
def make_readings(letters: OracleAlphabet) -> list[Reading]:
    """The passes, in order. Raises `UnsupportedError` if one of them has too many states."""
    readings = []
    for number, predicate in enumerate(letters.predicates):
        own, children = letters.children(number)
        if predicate.ahead:
            rows = _from_right(predicate, own)
        else:
            spend(len(predicate.dfa.edges) * len(own))
            rows = [[(row[letter][0], row[letter][1] != NO_TAG) for letter in own] for row in predicate.dfa.edges]
        within("edges", len(rows) * len(own))
        following, written = array("H"), array("H")
        for row in rows:
            following.extend(state for state, _ in row)
            written.extend(children[letter][value] for letter, (_, value) in enumerate(row))
        readings.append(Reading(predicate.ahead, len(own), following.tobytes(), written.tobytes()))
    return readings


def _from_right(predicate: Predicate, own: list[int]) -> list[list[Edge]]:
    """The rows of the reversed automaton, whose start stands after the end of the text."""
    edges, begun = predicate.dfa.edges, predicate.dfa.edges[predicate.origin]

    def step(side: frozenset[int], at: int) -> tuple[frozenset[int], int]:
        letter = own[at]
        spend(len(edges))
        tagging = frozenset(q for q, edge in enumerate(edges) if edge[letter][1] != NO_TAG or edge[letter][0] in side)
        target, tag = begun[letter]
        return tagging, tag != NO_TAG and target in side if predicate.later else predicate.origin in tagging

    return explore(frozenset(), step, len(own), frozenset([NO_TAG]), len(own))


@dataclass(frozen=True)
class MatchTables:
    """The automata of one pattern's matches. They read the oracle letters of `letters`, which `readings` find."""

    letters: OracleAlphabet
    readings: list[Reading]
    match: DFA
    full_match: DFA  # of a match up to the end of the text
    empty: frozenset[int]  # the oracle letters before which the preferred match is the empty text
    paths: NFA


@stage("compiling matches")
def make_match_tables(tree: Node) -> MatchTables:
    """The tables of a pattern, given by `parse_groups`. Raises as `compile_cascade`."""
    letters = OracleAlphabet(build_alphabet(character_sets(tree)))
    replaced = replace_look_around(tree, letters)
    empty = frozenset[int]()
    if is_nullable(tree):  # where the empty text matches, and no longer text that the pattern would prefer
        dfa, level = determinize(build_nfa(replaced, letters)), letters.level
        predicate = Predicate(dfa, level, ahead=True, later=True, sure=surely_tagging(dfa))
        longer = letters.settled(predicate)
        if longer is None:
            values = letters.values(letters.add(predicate))
            longer = frozenset(letter for letter, value in enumerate(values) if value)
        tagged = [tag != NO_TAG for _, tag in dfa.edges[START]]
        empty = frozenset(letter for letter, own in enumerate(letters.projected(level)) if tagged[own]) - longer
    paths = build_nfa(replaced, letters)
    full = determinize(build_nfa(Concat((replaced, Look(CodePointSet.empty(), True, 0))), letters))
    return MatchTables(letters, make_readings(letters), determinize(paths), full, empty, paths)


def refused_groups(node: Node, reason: str = "") -> dict[int, str]:
    """The groups without exact places, by number, each with the construct around it; `reason` is one around `node`."""
    found = {node.number: reason} if isinstance(node, Group) and reason else {}
    if isinstance(node, (Atomic, Around)):
        reason = "an atomic group" if isinstance(node, Atomic) else "a look-around"
    elif isinstance(node, Repeat) and node.high != 1 and is_nullable(node.item):
        reason = "a repetition of what can match the empty text"
    for item in children(node):
        found |= refused_groups(item, reason)
    return found
