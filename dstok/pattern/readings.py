r"""Oracle letters -> the passes over a text that find them.

In: an `OracleAlphabet`. Out: a `Reading` for each predicate. The first one reads the symbols of a text and writes the
oracle letters of the first predicate; the next one reads these, and so on.
Invariant: after all readings each place has its oracle letter. A predicate behind is read from the left by its own
automaton. One ahead is read from the right: a state is the set of its automaton's states from which the rest of the
text leads to a tag.
Source: the powerset construction of the reversed automaton.
"""

from __future__ import annotations

from array import array
from dataclasses import dataclass

from dstok.pattern.automaton import NO_TAG, START
from dstok.pattern.oracles import OracleAlphabet, Predicate
from dstok.pattern.work import spend, stage, within

__all__ = ["Reading", "make_readings"]


@dataclass(frozen=True)
class Reading:
    """A pass over a text, from the left or (`ahead`) from the right. It begins in state `start`.

    uint16 tables of native order, by state and letter: `following` is the next state, `written` the new letter.
    """

    ahead: bool
    letters: int
    start: int
    following: bytes
    written: bytes


@stage("reading oracle letters")
def make_readings(letters: OracleAlphabet) -> list[Reading]:
    """The passes, in order. Raises `UnsupportedError` if one of them has too many states."""
    return [_reading(predicate, *letters.children(number)) for number, predicate in enumerate(letters.predicates)]


def _reading(predicate: Predicate, own: list[int], children: list[list[int]]) -> Reading:
    following, written = array("H"), array("H")
    rows = _from_right(predicate, own) if predicate.ahead else _from_left(predicate, own)
    within("edges", len(rows) * len(own))
    for row in rows:
        following.extend(state for state, _ in row)
        written.extend(children[letter][value] for letter, (_, value) in enumerate(row))
    return Reading(predicate.ahead, len(own), 0 if predicate.ahead else START, following.tobytes(), written.tobytes())


def _from_left(predicate: Predicate, own: list[int]) -> list[list[tuple[int, bool]]]:
    spend(len(predicate.dfa.edges) * len(own))
    return [[(row[letter][0], row[letter][1] != NO_TAG) for letter in own] for row in predicate.dfa.edges]


def _from_right(predicate: Predicate, own: list[int]) -> list[list[tuple[int, bool]]]:
    """The rows of the reversed automaton. State 0 stands after the end of the text."""
    edges, begun = predicate.dfa.edges, predicate.dfa.edges[predicate.origin]
    sides: list[frozenset[int]] = [frozenset()]
    numbers, rows = {sides[0]: 0}, []
    for side in sides:  # grows
        row = []
        spend(len(own) * len(edges), len(own))
        for letter in own:
            tagging = frozenset(
                q for q, edge in enumerate(edges) if edge[letter][1] != NO_TAG or edge[letter][0] in side)
            target, tag = begun[letter]
            value = tag != NO_TAG and target in side if predicate.later else predicate.origin in tagging
            if numbers.setdefault(tagging, len(sides)) == len(sides):
                sides.append(tagging)
            row.append((numbers[tagging], value))
        rows.append(row)
        within("edges", len(rows) * len(own))
    return rows
