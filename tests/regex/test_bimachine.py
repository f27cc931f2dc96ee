"""Bimachines: the two automata say where pieces begin, as the automaton of the next piece finds them; the section has them whole."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import accumulate, islice, product
from typing import NamedTuple

import pytest
from shares import share
from upstream import families

from dstok.errors import UnsupportedError
from dstok.pretokenizer.sources import preset_splits
from dstok.regex import Split, bimachine
from dstok.regex.bimachine import KINDS, UNSURE, make_bimachine
from dstok.regex.cascade import Program, compile_splits

NO, KEPT, DROPPED = range(3)
AROUND = ["", "'", "a", " ", "\n", "é", "漢", "1"]
MARKS = "!\"#$%&'*+,-./:;<=>@"
SMALL = {  # where a piece's first character may be told from its second, or only from the text's end
    "pairs": r"[^b]{2}|[^b]|b", "triples": r"\p{N}{1,3}|\P{N}", "after two": r"aé|bb|.|\n", "dots": r"...?|.|\n",
    "ahead": r"a+(?!b)|[ab]|[^ab]", "to the end": r"\s+$|\s|\S+", "quotes": r"'[^']*'|'|[^']",
    "many": "|".join(rf"\{c}\{d}" for c, d in zip(MARKS, MARKS[1:])) + r"|\w+|.|\n",
}
SEQUENCES = families() | {name: (Split(pattern),) for name, pattern in SMALL.items()} | {
    "dropped": (Split(r"\s+", "Removed"), Split("a+")), "all": ()}


class Section(NamedTuple):
    """A section, taken apart as core/split/bimachine.h describes it; steps by class, marks without the state after them."""

    kinds: bytes
    left: list[list[int]]
    right: list[list[int]]
    ahead: list[list[int]]
    marks: list[list[int]]
    ahead_marks: list[list[int]]


def section_of(program: Program) -> Section:
    lefts, rights, aheads, classes = memoryview(program.shuffles)[:16].cast("I")
    at = 16 + KINDS
    cells = 4 * lefts * (rights + aheads)
    marks = iter(memoryview(program.shuffles)[at : at + cells].cast("I"))
    steps = iter(memoryview(program.shuffles)[at + cells :].cast("H"))
    taken = [[*islice(marks, size)] for size in (rights, aheads) for _ in range(lefts)]
    assert all(not cell or cell == UNSURE or cell & 0xFFFF == i % lefts for i, row in enumerate(taken) for cell in row)
    verdicts = [[cell if cell == UNSURE else cell >> 16 for cell in row] for row in taken]
    left, right, ahead = ([[*islice(steps, size)] for _ in range(classes)] for size in (lefts, rights, aheads))
    found = Section(program.shuffles[16:at], left, right, ahead, verdicts[:lefts], verdicts[lefts:])
    assert not [*marks, *steps]
    return found


def verdicts_of(program: Program, text: str) -> list[int]:
    """The verdict at each place of a text, also at its start and its end."""
    section = section_of(program)
    classes = [section.kinds[program.alphabet.class_of(char)] for char in text]
    states = list(accumulate(classes, lambda state, c: section.left[c][state], initial=0))
    sides = list(accumulate(reversed(classes), lambda state, c: section.right[c][state], initial=0))
    return [section.marks[state][side] for state, side in zip(states, reversed(sides))]


def expected_verdicts(program: Program, text: str) -> list[int]:
    verdicts, at = [NO] * (len(text) + 1), 0
    for piece, tag in program.pieces(text):
        at += len(piece)
        verdicts[at] = DROPPED if tag.dropped else KEPT
    return verdicts


def texts(program: Program) -> Iterator[str]:
    """Of a character of each class, with what may be around them, in samples."""
    symbols = [next(chr(first) for first, _ in members.ranges) for members in program.alphabet.classes]
    length = 5 if len(symbols) < 8 else 4 if len(symbols) < 16 else 3
    for number, text in enumerate(map("".join, share(product(symbols, repeat=length), 3))):
        yield AROUND[number % 8] + text + AROUND[number // 8 % 8]


@pytest.mark.parametrize("name", SEQUENCES)
def test_verdicts(name: str) -> None:
    program = compile_splits(SEQUENCES[name])
    for text in texts(program):
        assert verdicts_of(program, text) == expected_verdicts(program, text), text


@pytest.mark.parametrize("name", SEQUENCES)
def test_every_state_and_class(name: str) -> None:
    """The section has each step of the automata, and each mark."""
    program = compile_splits(SEQUENCES[name])
    machine, section = make_bimachine(program.visible), section_of(program)
    for symbol in range(program.visible.end):
        kind = section.kinds[symbol]
        for found, rows in ((section.left, machine.left), (section.right, machine.right), (section.ahead, machine.ahead)):
            assert found[kind] == [row[symbol] for row in rows]
    assert section.marks == [[cell >> 16 for cell in row] for row in machine.marks]
    assert (DROPPED in {mark for row in section.marks for mark in row}) == (name == "dropped")


@pytest.mark.parametrize("name", SEQUENCES)
def test_what_is_known_ahead(name: str) -> None:
    """A mark ahead is that of the text with any continuation, and unsure only where two of them differ."""
    program = compile_splits(SEQUENCES[name])
    machine = make_bimachine(program.visible)
    full = frozenset(range(len(machine.right)))
    reached = {(0, full)}
    for number, states in (queue := [(0, full)]):
        for left, row in enumerate(machine.marks):
            possible = {row[state] for state in states}
            assert machine.ahead_marks[left][number] == (possible.pop() if len(possible) == 1 else UNSURE)
        for symbol in range(program.visible.end):
            pair = machine.ahead[number][symbol], frozenset(machine.right[state][symbol] for state in states)
            if pair not in reached:
                reached.add(pair)
                queue.append(pair)


def test_they_are_minimal() -> None:
    """As small as the table of docs/rules.md says."""
    for name, expected in (("deepseek-v3", (16, 13)), ("qwen-2", (12, 7)), ("minimax", (18, 24))):
        machine = make_bimachine(compile_splits(*preset_splits(name)).visible)
        assert (len(machine.left), len(machine.right)) == expected


def test_too_many_states(monkeypatch: pytest.MonkeyPatch) -> None:
    """Shuffles need few states and classes; a pattern from both sides is read without them."""
    v3 = compile_splits(*preset_splits("deepseek-v3"))
    assert compile_splits([Split("a{40}|.|\n")]).shuffles == b""
    with pytest.raises(UnsupportedError, match="more than 8 states from the right"):
        make_bimachine(v3.visible, 8)
    monkeypatch.setattr(bimachine, "MAX_CLASSES", 3)
    assert make_bimachine(v3.visible).section(shuffled=True) == b"" != make_bimachine(v3.visible).section()
