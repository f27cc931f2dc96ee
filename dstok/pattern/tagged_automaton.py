r"""Marked texts -> the automaton that finds the end of the next piece.

In: `Marked`, which takes exactly one marking of each text. Out: a DFA over classes. It reads a text without marks from
the start of a piece, and remembers at most two places.
Invariant: each state of the DFA is a set of guesses. A guess is a state of the `Marked`, with the place and the tag of
the piece's first mark, or without one. When all remaining guesses agree on their first mark, the piece ends there. Two
guesses never meet in one state of the `Marked`: they would mark one text in two ways. So a state has at most as many
guesses as the `Marked` has states.

Example: `\s+(?!\S)|\s+|\S+` leaves the last blank of a run to the word after it. After three blanks one guess has its
mark before the third blank, and another has none so far. Before "x" the first guess is right: the piece has two blanks.
At the end of the text the other one is right: the piece has three.

The older place is called 0, the other one 1. An edge's tag moves them before its symbol is read: `SET_0` puts the
symbol's place into 0; `SET_1` into 1; `MOVE` copies 1 into 0; `MOVE_SET_1` does both; `KEEP` does nothing.
In the dead state the piece ends at place 0, and the edge that led there says which mark it has (none: mark 0).

The next piece is searched from `START` again. That is right if the `Marked` takes from its start every text that it
takes after a first mark. Otherwise the steps are refused.

Source: tagged automata, Laurikari 2000 (registers), over guesses instead of threads of a regex.
"""

from __future__ import annotations

from dstok.errors import UnsupportedError
from dstok.pattern.automaton import DEAD, DFA, KEEP, MOVE, MOVE_SET_1, NO_TAG, OPERATION, SET_0, SET_1, START
from dstok.pattern.dfa import explore, minimize
from dstok.pattern.marked import Marked, contains
from dstok.pattern.work import spend, stage

__all__ = ["find_pieces"]

_UNMARKED, _HERE = -1, 2  # places of a guess's first mark: none yet; here (else 0 or 1)

_Guess = tuple[int, int]  # (place of the first mark, that mark)
_Guesses = tuple[tuple[int, _Guess], ...]  # with the state of the `Marked`, ascending


@stage("finding the ends of pieces from the left")
def find_pieces(marked: Marked, check_restarts: bool = True) -> DFA:
    """The minimal DFA of the next piece's end. Its tags are operations and numbers of marks."""
    finder = _Finder(marked, check_restarts)
    return minimize(explore(((START, (_UNMARKED, 0)),), finder.step, marked.end + 1, dead=()))


class _Finder:
    def __init__(self, marked: Marked, check_restarts: bool) -> None:
        self.marked, self.check_restarts = marked, check_restarts
        self.restartable: dict[int, bool] = {}

    def step(self, guesses: _Guesses, symbol: int) -> tuple[_Guesses, int]:
        guessed: dict[int, _Guess] = {}
        spend(len(guesses) * (4 + len(self.marked.tags) // 4))
        for state, guess in guesses:
            self.read(guessed, state, guess, symbol)
            for mark, after in self.marked.marks(state):
                if guess[0] == _UNMARKED and self.check_restarts:
                    self.check_restart(after)
                self.read(guessed, after, (_HERE, mark) if guess[0] == _UNMARKED else guess, symbol)
        left = set(guessed.values())
        places = sorted({place for place, _ in left if place != _UNMARKED})
        if len(left) == 1 and places:
            return (), _operation(places, left.pop()[1], dead=True)
        numbers = {_UNMARKED: _UNMARKED} | {place: number for number, place in enumerate(places)}
        settled = tuple(sorted((state, (numbers[place], mark)) for state, (place, mark) in guessed.items()))
        return settled, _operation(places, 0, dead=False)

    def read(self, found: dict[int, _Guess], state: int, guess: _Guess, symbol: int) -> None:
        target = self.marked.rows[state][symbol]
        if target != DEAD and found.setdefault(target, guess) != guess:
            raise AssertionError("a text is marked in one way")

    def check_restart(self, after: int) -> None:
        if after not in self.restartable:
            self.restartable[after] = contains(self.marked, START, after)
        if not self.restartable[after]:
            raise UnsupportedError("a step that cuts where the step above cannot be restarted")


def _operation(places: list[int], mark: int, dead: bool) -> int:
    """The operation that makes these places, in order, the places 0 and 1."""
    if len(places) > 2:
        raise UnsupportedError("steps that leave more than two ends of a piece open at once")
    moved, here = places[:1] == [1], _HERE in places
    if here:
        operation = MOVE_SET_1 if moved else SET_1 if len(places) == 2 else SET_0
    elif moved:
        operation = MOVE
    else:
        return KEEP * OPERATION + mark if dead and mark else NO_TAG
    return operation * OPERATION + mark
