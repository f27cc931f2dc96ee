r"""Marked texts -> windows: three characters before a place and two after it, which may decide about it in ASCII text.

In: `Marked`, without dropped pieces, and its alphabet. Out: a group for each byte; a number for each history (three
groups); a verdict for each history's number and the two groups c, d that follow. The verdict: a piece begins at c
(`YES`), none does (`NO`), or five characters do not tell (`UNKNOWN`). Example: Qwen's pattern in "the cat": at the
place after "the", before " c", the verdict is `YES`.
Invariant: a verdict holds in every text, whatever lies outside the window. Every state of the `Marked` before the
window from which it can go on after it gives this answer. So the finder (core/find/_finder.pyx) may take verdicts in
any order, and asks the automaton only for pieces with an unknown one.
Groups: classes of the alphabet share a group if nearly all states treat them alike; there are at most 14 groups. WILD
stands for every character beyond ASCII, and for any of its bytes. EDGE in a history says that a piece begins after it.
Source: local languages (a factor of fixed length decides membership). Here trying all states proves a verdict.
"""

from __future__ import annotations

from collections.abc import Iterable
from itertools import product

from dstok.pattern.alphabet import Alphabet
from dstok.pattern.automaton import DEAD, START
from dstok.pattern.marked import Marked
from dstok.pattern.work import spend, stage

__all__ = ["EDGE", "NO", "UNKNOWN", "WILD", "YES", "window_tables"]

NO, UNKNOWN, YES = 0, 0x40, 0x80
EDGE, WILD = 14, 15
MAX_GROUPS = 14
MAX_HISTORIES = 256  # the histories beyond share the number of "nothing is known"
ALIKE = 6  # classes share a group if at most one state in six tells them apart
ASCII = 128


@stage("making windows")
def window_tables(marked: Marked, alphabet: Alphabet) -> tuple[bytes, bytes, bytes]:
    """(the group of each byte, the number of the history at `z << 8 | a << 4 | b`, the verdicts).

    The verdict is at `number << 8 | c << 4 | d`.
    """
    classes = [alphabet.class_of(chr(c)) for c in range(ASCII)]
    groups = _groups(marked, sorted(set(classes)))
    number = {c: i for i, group in enumerate(groups) for c in group}
    wild = [i for i, members in enumerate(alphabet.classes) if members.ranges[-1][1] >= ASCII]
    slots: dict[int, list[int]] = dict(enumerate(groups)) | {WILD: wild}
    histories, verdicts = _Verdicts(marked, slots).tables()
    return bytes([number[c] for c in classes] + [WILD] * ASCII), histories, verdicts


def _groups(marked: Marked, classes: Iterable[int]) -> list[list[int]]:
    """The classes of ASCII in groups: the classes that the fewest states tell apart are joined first."""
    columns = {c: [row[c] for row in marked.rows] for c in classes}
    groups = [[c] for c in columns]

    def apart(one: list[int], other: list[int]) -> int:
        spend(len(marked.rows) * len(one) * len(other))
        return max(sum(a != b for a, b in zip(columns[c], columns[d])) for c in one for d in other)

    while len(groups) > 1:
        distance, i, j = min((apart(g, h), i, j) for j, h in enumerate(groups) for i, g in enumerate(groups[:j]))
        if distance * ALIKE > len(marked.rows) and len(groups) <= MAX_GROUPS:
            break
        groups[i] += groups.pop(j)
    return groups


class _Verdicts:
    """The verdicts. A set of states is an int, with a bit for each state."""

    def __init__(self, marked: Marked, slots: dict[int, list[int]]) -> None:
        self.marked, self.slots = marked, slots
        self.read_memo: dict[tuple[int, int], int] = {}
        self.mark_memo: dict[int, int] = {}
        self.all = sum(1 << s for s in range(len(marked.rows)) if s != DEAD and any(marked.rows[s][: marked.end]))

    def tables(self) -> tuple[bytes, bytes]:
        numbers: dict[int, int] = {self.all: 0}
        histories = bytearray(0x1000)
        for z, a, b in product((*self.slots, EDGE), (*self.slots, EDGE), self.slots):
            number = numbers.setdefault(self.before(z, a, b), len(numbers))
            histories[z << 8 | a << 4 | b] = number if number < MAX_HISTORIES else 0
        verdicts = bytearray([UNKNOWN]) * (min(len(numbers), MAX_HISTORIES) << 8)
        for before, number in list(numbers.items())[:MAX_HISTORIES]:
            for c in self.slots.keys() - {WILD}:  # WILD: perhaps inside a character
                inside, marked = self.read(before, c), self.read(self.mark(before), c)
                for d in self.slots:
                    verdicts[number << 8 | c << 4 | d] = self.verdict(inside, marked, d)
        return bytes(histories), bytes(verdicts)

    def before(self, *history: int) -> int:
        """The states after a history, before a mark."""
        states = self.all
        for slot in history:
            if slot == EDGE:
                states = 1 << START
            elif slot == WILD:
                states = self.read(self.all, WILD)  # the byte before may belong to the same character
            else:
                states = self.read(states | self.mark(states) if states != 1 << START else states, slot)
        return states

    def verdict(self, inside: int, marked: int, d: int) -> int:
        no, yes = (self.read(states | self.mark(states), d) for states in (inside, marked))
        return YES if yes and not no else NO if no and not yes else UNKNOWN

    def read(self, states: int, slot: int) -> int:
        """The states after one character of the slot."""
        key = states, slot
        if key not in self.read_memo:
            spend(len(self.marked.rows) * (1 + len(self.slots[slot])), len(self.marked.rows) // 800 + 2)
            rows = [row for s, row in enumerate(self.marked.rows) if states >> s & 1]
            targets = {row[c] for row in rows for c in self.slots[slot]} - {DEAD}
            self.read_memo[key] = sum(1 << s for s in targets)
        return self.read_memo[key]

    def mark(self, states: int) -> int:
        """The states after a mark."""
        if states not in self.mark_memo:
            spend(len(self.marked.rows), len(self.marked.rows) // 800 + 2)
            marks = {n for s in range(len(self.marked.rows)) if states >> s & 1 for _, n in self.marked.marks(s)}
            self.mark_memo[states] = sum(1 << s for s in marks)
        return self.mark_memo[states]
