r"""Marked texts -> windows: three characters before a place and two after it, which may decide about it in ASCII text.

In: `Marked`, with mark 0 for a kept piece and 1 for a dropped one, and its alphabet. Out: a group for each byte; a
number for each history (three groups); a verdict for each history's number and the groups c, d that follow: a piece
begins at c after a kept piece (`YES`) or after a dropped one (`DROPPED`), none begins (`NO`), or five characters do not
tell (`UNKNOWN`).
Invariant: a verdict holds in every text, whatever lies outside the window. docs/proofs.md, "Windows", has the groups.
Source: local languages (a factor of fixed length decides membership). Here trying all states proves a verdict.
"""

from __future__ import annotations

from collections.abc import Iterable
from itertools import product

from dstok.regex.alphabet import Alphabet
from dstok.regex.compile_budget import spend, stage
from dstok.regex.dfa import DEAD, START
from dstok.regex.marked_language import Marked

NO, UNKNOWN, YES, DROPPED = 0, 0x40, 0x80, 0xA0
EDGE, WILD = 14, 15
MAX_GROUPS = 14
NOTHING = -1  # in place of states: the verdict is unknown
MAX_HISTORIES = 256  # the histories beyond share the number of "nothing is known"
ALIKE = 6  # classes share a group if at most one state in six tells them apart
ASCII = 128
FEW = 4  # there are no windows if more than one verdict in four is unknown in SAMPLE
SAMPLE = """It's a text, as such: with 12 or 345 numbers (and brackets), "quotes" and an e-mail to me@example.com.
2026-11-28 19:00:01.125 INFO 10.0.7.1 "GET /item/79?q=a,b HTTP/1.1" 200 930
    def find(self, key, Other=1.5):  # no_name
        return [len(x) for x in self.items if x["key"] != key + f'{Other}']
"""


@stage("making windows", own=True)
def window_tables(marked: Marked, alphabet: Alphabet) -> bytes:
    """The group of each byte, the history's number at `z << 8 | a << 4 | b`, the verdict at `number << 8 | c << 4 | d`.

    Empty if few verdicts are known.
    """
    classes = [alphabet.class_of(chr(c)) for c in range(ASCII)]
    groups = _groups(marked, sorted(set(classes)))
    number = {c: i for i, group in enumerate(groups) for c in group}
    wild = [i for i, members in enumerate(alphabet.classes) if members.ranges[-1][1] >= ASCII]
    slots: dict[int, list[int]] = dict(enumerate(groups)) | {WILD: wild}
    places = bytes([number[c] for c in classes] + [WILD] * ASCII)
    sample = [EDGE, *(places[c] for c in SAMPLE.encode())]
    best = _Verdicts(marked, slots, frozenset())
    unknown = best.unknown(sample)
    while unknown * FEW > len(sample):
        others = [_Verdicts(marked, slots, best.excluded | {slot}) for slot in slots.keys() - best.excluded - {WILD}]
        counts = [other.unknown(sample) for other in others]
        if not counts or min(counts) >= unknown:
            return b""
        unknown = min(counts)
        best = others[counts.index(unknown)]
    return b"".join((places, *best.tables()))


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

    def __init__(self, marked: Marked, slots: dict[int, list[int]], excluded: frozenset[int]) -> None:
        self.marked, self.slots, self.excluded = marked, slots, excluded
        self.read_memo: dict[tuple[int, int], int] = {}
        self.mark_memo: dict[tuple[int, int | None], int] = {}
        self.live = sum(1 << s for s in range(len(marked.rows)) if s != DEAD and any(marked.rows[s][: marked.end]))
        self.all = self.live  # the states of texts without excluded characters
        if excluded:
            states, grown = 0, 1 << START
            while grown != states:
                states = grown
                grown |= self.mark(states)
                for slot in slots.keys() - excluded:
                    grown |= self.read(states, slot)
            self.all &= states

    def unknown(self, sample: list[int]) -> int:
        """The number of unknown verdicts in a text, given by its groups."""
        return sum(self.verdict(self.before(*sample[i : i + 3]), *sample[i + 3 : i + 5]) == UNKNOWN
                   for i in range(len(sample) - 4))

    def tables(self) -> tuple[bytes, bytes]:
        numbers: dict[int, int] = {self.live: 0, NOTHING: 1}
        histories = bytearray(0x1000)
        for z, a, b in product((*self.slots, EDGE), (*self.slots, EDGE), self.slots):
            number = numbers.setdefault(self.before(z, a, b), len(numbers))
            histories[z << 8 | a << 4 | b] = number if number < MAX_HISTORIES else 0
        verdicts = bytearray([UNKNOWN]) * (min(len(numbers), MAX_HISTORIES) << 8)
        for before, number in list(numbers.items())[:MAX_HISTORIES]:
            for c, d in product(self.slots, self.slots):
                verdicts[number << 8 | c << 4 | d] = self.verdict(before, c, d)
        return bytes(histories), bytes(verdicts)

    def before(self, *history: int) -> int:
        """The states after a history, before a mark; `NOTHING` right after an excluded character."""
        if history[-1] in self.excluded:
            return NOTHING
        states = self.all
        for slot in history:
            if slot == EDGE:
                states = 1 << START
            elif slot in self.excluded:
                states = self.read(self.live, slot)
            elif slot == WILD:
                states = self.read(self.all, WILD)  # the byte before may belong to the same character
            else:
                states = self.read(states | self.mark(states) if states != 1 << START else states, slot)
        return states

    def verdict(self, before: int, c: int, d: int) -> int:
        if before == NOTHING or c == WILD or c in self.excluded:  # WILD: perhaps inside a character
            return UNKNOWN
        ways = {NO: before, YES: self.mark(before, 0), DROPPED: self.mark(before, 1)}
        inside = {verdict: self.read(states, c) for verdict, states in ways.items()}
        possible = [verdict for verdict, states in inside.items() if self.read(states | self.mark(states), d)]
        return possible[0] if len(possible) == 1 else UNKNOWN

    def read(self, states: int, slot: int) -> int:
        """The states after one character of the slot."""
        key = states, slot
        if key not in self.read_memo:
            spend(len(self.marked.rows) * (1 + len(self.slots[slot])), len(self.marked.rows) // 800 + 2)
            rows = [row for s, row in enumerate(self.marked.rows) if states >> s & 1]
            targets = {row[c] for row in rows for c in self.slots[slot]} - {DEAD}
            self.read_memo[key] = sum(1 << s for s in targets)
        return self.read_memo[key]

    def mark(self, states: int, own: int | None = None) -> int:
        """The states after a mark, of number `own` or any."""
        key = states, own
        if key not in self.mark_memo:
            spend(len(self.marked.rows), len(self.marked.rows) // 800 + 2)
            marks = {n for s in range(len(self.marked.rows)) if states >> s & 1 for mark, n in self.marked.marks(s)
                     if own in (None, mark)}
            self.mark_memo[key] = sum(1 << s for s in marks)
        return self.mark_memo[key]
