"""The matches of a splitter's pattern: their spans, in a whole text or block by block, and the places of their groups.

In: one Split step, and texts in the core's form. Out: spans in bytes.
Invariant: matches are leftmost, and at each place the preferred one of ordered alternatives. Empty matches follow
Python: after a match, even an empty one, the search goes on at its end, and an empty match does not come twice at one
place. So the matches of at least one character are those of `compile_matches`. An empty match stands at each place
that is not inside one of these, and where the pattern prefers the empty text.

The behavior and the inversion of the step do not change matches.
"""

from __future__ import annotations

from array import array
from collections.abc import Iterator
from typing import TYPE_CHECKING

from dstok.base.lazy import lazy
from dstok.core.run._paths import PathReader
from dstok.core.run._span_pass import SpanPass
from dstok.errors import GroupError, UnsupportedError
from dstok.pattern.ast import Group, Node, is_nullable, nodes
from dstok.pattern.cascade import Cascade, compile_matches
from dstok.pattern.matching import MatchTables, make_match_tables, refused_groups
from dstok.pattern.nfa import NFA, CharState, GroupState, LookState, MatchState, SplitState
from dstok.pattern.syntax import parse_groups
from dstok.splitting.finders import make_finder

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

    from dstok.pattern.automaton import DFA

    Spans = npt.NDArray[np.int64]

__all__ = ["Matcher"]

BLOCK = 1 << 16  # bytes of a text that are read at a time, where a finder reads from the left alone
CHAR, LOOK, BRANCH, GROUP, MATCH = range(5)  # kinds of states: core/run/_paths.pyx


class Matcher:
    """The matches of one pattern. It never changes."""

    def __init__(self, cascade: Cascade, span_pass: SpanPass) -> None:
        if len(cascade.splits) != 1:
            raise UnsupportedError(f"matches of a splitter with {len(cascade.splits)} steps: only a single pattern has "
                                   "matches")
        self._cascade, self._own_pass = cascade, span_pass
        self._split, self._version = cascade.splits[0], cascade.unicode_version

    @lazy
    def tree(self) -> Node:
        """The AST of the pattern, with its groups."""
        return parse_groups(self._split.pattern, self._split.unicode_version or self._version)

    @lazy
    def names(self) -> tuple[str | None, ...]:
        """The names of the groups, in order."""
        return tuple(node.name for node in nodes(self.tree) if isinstance(node, Group))

    @lazy
    def refused(self) -> dict[int, str]:
        """The groups without exact places, by number, each with the construct around it."""
        return refused_groups(self.tree)

    @lazy
    def span_pass(self) -> SpanPass:
        """The pass that finds the matches of at least one character; the splitter's, if these are its pieces."""
        matches = compile_matches(self._split, self._version)
        return self._own_pass if matches.visible == self._cascade.visible else SpanPass(make_finder(matches))

    @lazy
    def tables(self) -> MatchTables:
        """The automata of a match at a known place."""
        return make_match_tables(self.tree)

    @lazy
    def reader(self) -> PathReader:
        """The core's object that runs these automata."""
        tables = self.tables
        readings = [(r.ahead, r.letters, r.start, r.following, r.written) for r in tables.readings]
        alphabet, count = tables.letters.alphabet, tables.letters.count
        states, targets, members = _packed(tables.paths, count)
        return PathReader(*alphabet.pages(), alphabet.end, count, readings, _edges(tables.match),
                          _edges(tables.full_match), states, targets, members, tables.paths.start, len(self.names))

    @lazy
    def empty(self) -> frozenset[int]:
        """The oracle letters before which the preferred match is empty; none for most patterns."""
        return self.tables.empty if is_nullable(self.tree) else frozenset()

    def number_of(self, group: int | str) -> int:
        """The number of a group, given by number or name; 0 is the match.

        Raises `GroupError` for a group that the pattern does not have, `UnsupportedError` for one without exact places.
        """
        number = group
        if isinstance(group, str):
            if self.names.count(group) > 1:
                raise UnsupportedError(f"the group {group!r}, a name of several groups, has no exact place")
            number = self.names.index(group) + 1 if group in self.names else -1
        if not isinstance(number, int) or not 0 <= number <= len(self.names):
            raise GroupError(f"expected a group out of {self._groups()}, found {group!r}")
        if number in self.refused:
            raise UnsupportedError(f"the group {group!r}, inside {self.refused[number]}, has no exact place")
        return number

    def _groups(self) -> str:
        return ", ".join(["0", *(repr(name) if name else str(i + 1) for i, name in enumerate(self.names))])

    def letters(self, data: bytes) -> array[int] | None:
        """The oracle letters of a text, for `places`; None if no look-around asks for them."""
        return self.reader.letters(data) if self.tables.readings else None

    def places(self, data: bytes, letters: array[int] | None, span: tuple[int, int]) -> array[int]:
        """The starts and ends of all groups of a match, in bytes; -1 for a group that matched nothing."""
        return self.reader.places(data, letters, *span)

    def first_end(self, data: bytes, full: bool) -> int:
        """The end of the match at the start of a text, -1 for none; with `full` of one that is the whole text."""
        return self.reader.end_of(data, self.letters(data), full)

    def count(self, data: str | bytes) -> int:
        """The number of matches."""
        return len(self.spans(data)) if self.empty else self.span_pass.count(data)

    def spans(self, data: str | bytes) -> Spans:
        """All matches of a text, int64[n, 2] in bytes."""
        found = self.span_pass.spans(data)
        return self._with_empty(data.encode() if isinstance(data, str) else data, found) if self.empty else found

    def blocks(self, data: str | bytes) -> Iterator[Spans]:
        """The same matches, some at a time: the first ones are there before the rest of the text is read."""
        if len(data) <= BLOCK or self.empty or self.span_pass.way() == "both sides":
            yield self.spans(data)
            return
        view, at, size = memoryview(data.encode() if isinstance(data, str) else data), 0, BLOCK
        while at < len(view):
            stop = _border(view, at + size)
            found, read = self.span_pass.sure_spans(view[at:stop], stop == len(view))
            if len(found):
                yield found + at
            at, size = at + read, BLOCK if read else 2 * size

    def _with_empty(self, data: bytes, found: Spans) -> Spans:
        """The matches with the empty ones between them."""
        import numpy as np

        prefers = np.zeros(self.tables.letters.count + 1, np.bool_)
        prefers[list(self.empty)] = True
        depth = np.zeros(len(data) + 2, np.int8)
        depth[found[:, 0] + 1] += 1
        depth[found[:, 1]] -= 1
        outside = np.cumsum(depth, dtype=np.int8)[:-1] == 0
        places = np.flatnonzero(prefers[np.asarray(self.reader.letters(data))] & outside)
        joined = np.concatenate([found, np.stack([places, places], axis=1)])
        return joined[np.lexsort((joined[:, 1], joined[:, 0]))]


def _border(view: memoryview, at: int) -> int:
    """`at`, or the start of the character that it lies in; the end of the text at most."""
    if at >= len(view):
        return len(view)
    while view[at] & 0xC0 == 0x80:
        at -= 1
    return at


def _edges(dfa: DFA) -> array[int]:
    """uint32 by state and letter: twice the next state, plus one if a match ends before the letter."""
    return array("I", [2 * target + (tag >= 0) for row in dfa.edges for target, tag in row])


def _packed(paths: NFA, letters: int) -> tuple[array[int], array[int], bytes]:
    """The states of core/run/_paths.pyx, three int32 each; the targets of branches; the members of sets."""
    states, targets, sets = array("i"), array("i"), dict[frozenset[int], int]()
    for state in paths.states:
        if isinstance(state, CharState | LookState):
            kind = CHAR if isinstance(state, CharState) else LOOK
            states.extend([kind, sets.setdefault(state.symbols, len(sets)), state.target])
        elif isinstance(state, GroupState):
            states.extend([GROUP, state.slot, state.targets[0]])
        elif isinstance(state, MatchState):
            states.extend([MATCH, 0, 0])
        else:
            assert isinstance(state, SplitState)
            states.extend([BRANCH, len(targets), len(state.targets)])
            targets.extend(state.targets)
    return states, targets or array("i", [0]), b"".join(bytes(n in each for n in range(letters)) for each in sets)
