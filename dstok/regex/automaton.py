"""The automaton of every stage after the NFA: rows of edges, each with a next state and a tag.

In: rows. Out: `DFA`, with a readable search for the longest match, and a fingerprint.
Invariant: state 0 is dead, state 1 is the start. A tag gives the meaning of a match that ends here: see `OPERATION`.
"""

from __future__ import annotations

from dataclasses import dataclass

DEAD, START = 0, 1
NO_TAG = -1
# A tag is `operation * OPERATION + t`. SET_0 is 0: as far as is known, the match ends here, and `t` says why. The
# others are for regex/marked_language.py, which keeps two places.
SET_0, SET_1, MOVE, MOVE_SET_1, KEEP = range(5)
OPERATION = 1 << 20  # above every alternative's number

Edge = tuple[int, int]  # (next state, tag of the match that ends before this symbol, or NO_TAG)
DFA_FORMAT = 1  # the version of the tags' meaning, a part of the fingerprint


@dataclass(frozen=True)
class DFA:
    """`edges[state][symbol]` is (next state, tag); row 0 is the dead state, row 1 the start.

    The last symbol of a row is the end of the text; its edge always leads to `DEAD`.
    """

    edges: tuple[tuple[Edge, ...], ...]

    @property
    def symbols(self) -> int:
        return len(self.edges[0])

    @property
    def states(self) -> int:
        """The number of states that a scan can be in: all but the dead one."""
        return len(self.edges) - 1

    def longest(self, symbols: list[int], start: int = 0) -> tuple[int, int] | None:
        """(end, tag) of the match at `symbols[start:]`, or None: the scanner in readable form.

        `symbols` are classes only; the end of the text follows the last of them.
        """
        state, place, second, kept = START, -1, -1, NO_TAG
        for at in range(start, len(symbols) + 1):
            symbol = symbols[at] if at < len(symbols) else self.symbols - 1
            state, tag = self.edges[state][symbol]
            if tag != NO_TAG:
                operation, kept = divmod(tag, OPERATION)
                place = second if operation in (MOVE, MOVE_SET_1) else at if operation == SET_0 else place
                second = at if operation in (SET_1, MOVE_SET_1) else second
            if state == DEAD:
                break
        return None if place < 0 else (place, kept)

    def fingerprint(self) -> str:
        """A hash that two minimal DFAs share exactly when they are the same automaton."""
        from hashlib import sha256

        return sha256(repr((DFA_FORMAT, self.edges)).encode()).hexdigest()
