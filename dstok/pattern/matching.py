r"""A pattern -> the automata of its matches: where a match that begins at a place ends, and where its groups lie.

In: the AST of a pattern, with its groups. Out: `MatchTables`: an automaton of a match at a place, one of a match up to
the end of the text, the oracle letters before which the pattern prefers the empty text, and the paths of matches.
Invariant: a match is the preferred one (leftmost-first). Groups are those of the preferred path of a match whose start
and end are known. An atomic group or a look-around keeps no path, and a turn that takes no character ends a loop
in another way than in Python's engines: `refused_groups` names the groups inside these.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from dstok.pattern.alphabet import build_alphabet
from dstok.pattern.ast import (
    Around,
    Atomic,
    Concat,
    Group,
    Look,
    Node,
    Repeat,
    character_sets,
    children,
    is_nullable,
)
from dstok.pattern.automaton import DFA, NO_TAG, START
from dstok.pattern.dfa import determinize
from dstok.pattern.look_around import replace_look_around
from dstok.pattern.nfa import NFA, build_nfa
from dstok.pattern.oracles import OracleAlphabet, Predicate, surely_tagging
from dstok.pattern.readings import Reading, make_readings
from dstok.pattern.work import stage
from dstok.unicode.sets import CodePointSet

__all__ = ["MatchTables", "make_match_tables", "refused_groups"]


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
    empty = _prefers_empty(replaced, letters) if is_nullable(tree) else frozenset[int]()
    paths = build_nfa(replaced, letters)
    full = determinize(build_nfa(Concat((replaced, Look(CodePointSet.empty(), True, 0))), letters))
    return MatchTables(letters, make_readings(letters), determinize(paths), full, empty, paths)


def refused_groups(tree: Node) -> dict[int, str]:
    """The groups without exact places, by number, each with the construct around it."""
    return dict(_refused(tree))


def _prefers_empty(tree: Node, letters: OracleAlphabet) -> frozenset[int]:
    """The oracle letters before which `tree` matches the empty text, and no longer text that it would prefer."""
    dfa, level = determinize(build_nfa(tree, letters)), letters.level
    tagged = [tag != NO_TAG for _, tag in dfa.edges[START]]
    predicate = Predicate(dfa, level, ahead=True, later=True, sure=surely_tagging(dfa))
    longer: list[bool | int] = [predicate.run(letter) for letter in range(letters.count)]
    if not all(isinstance(value, bool) for value in longer):
        longer = [*letters.values(letters.add(predicate))]
    own = letters.projected(level)
    return frozenset(letter for letter in range(letters.count) if tagged[own[letter]] and not longer[letter])


def _refused(node: Node, reason: str = "") -> Iterator[tuple[int, str]]:
    """The groups inside constructs that keep no places of groups, each with the construct."""
    if isinstance(node, Group) and reason:
        yield node.number, reason
    if isinstance(node, (Atomic, Around)):
        reason = "an atomic group" if isinstance(node, Atomic) else "a look-around"
    elif isinstance(node, Repeat) and node.high != 1 and is_nullable(node.item):
        reason = "a repetition of what can match the empty text"
    for item in children(node):
        yield from _refused(item, reason)
