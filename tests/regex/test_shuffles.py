"""Shuffles: the two automata say where pieces begin, as the automaton of the next piece finds them; the section has them whole."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import accumulate, islice, product
from typing import NamedTuple

import pytest
from shares import share
from upstream import families

from dstok.pretokenizer.sources import preset_splits
from dstok.regex import Split, shuffles
from dstok.regex.cascade import Program, compile_splits
from dstok.regex.shuffles import DROPPED, KEPT, KINDS, MAX_STATES, NO, UNKNOWN, find_sides

HEAD = 4
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
    """A section, taken apart as core/split/shuffles.h describes it; steps by class."""

    kinds: bytes
    left: list[bytes]
    right: list[bytes]
    ahead: list[bytes]
    verdicts: list[bytes]
    ahead_verdicts: list[bytes]


def section_of(program: Program) -> Section:
    lefts, rights, aheads, classes = program.shuffles[:HEAD]
    data = iter(program.shuffles[HEAD:])

    def rows(count: int, size: int) -> list[bytes]:
        return [bytes(islice(data, size)) for _ in range(count)]

    found = Section(rows(1, KINDS)[0], rows(classes, lefts), rows(classes, rights), rows(classes, aheads), rows(lefts, rights),
                    rows(lefts, aheads))
    assert not [*data]
    return found


def verdicts_of(program: Program, text: str) -> list[int]:
    """The verdict at each place of a text, also at its start and its end."""
    section = section_of(program)
    classes = [section.kinds[program.alphabet.class_of(char)] for char in text]
    states = list(accumulate(classes, lambda state, c: section.left[c][state], initial=0))
    sides = list(accumulate(reversed(classes), lambda state, c: section.right[c][state], initial=0))
    return [section.verdicts[state][side] for state, side in zip(states, reversed(sides))]


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
    """The section has each step of both automata, and each verdict."""
    program = compile_splits(SEQUENCES[name])
    sides, section = find_sides(program.visible), section_of(program)
    assert sides is not None
    for symbol in range(program.visible.end):
        kind = section.kinds[symbol]
        assert [*section.left[kind]] == [row[symbol] for row in sides.left]
        assert [*section.right[kind]] == [row[symbol] for row in sides.right]
        if len(sides.ahead) <= MAX_STATES:
            assert [*section.ahead[kind]] == [row[symbol] for row in sides.ahead]
    assert [[*row] for row in section.verdicts] == sides.verdicts
    assert [[*row] for row in section.ahead_verdicts] == (
        sides.ahead_verdicts if len(sides.ahead) <= MAX_STATES else [[]] * len(sides.left))
    assert (DROPPED in {verdict for row in sides.verdicts for verdict in row}) == (name == "dropped")


@pytest.mark.parametrize("name", SEQUENCES)
def test_what_is_known_ahead(name: str) -> None:
    """A verdict ahead is that of the text with any continuation, and unknown only where two of them differ."""
    program = compile_splits(SEQUENCES[name])
    sides = find_sides(program.visible)
    assert sides is not None
    full = frozenset(range(len(sides.right)))
    reached = {(0, full)}
    for number, states in (queue := [(0, full)]):
        for left, row in enumerate(sides.verdicts):
            possible = {row[state] for state in states}
            assert sides.ahead_verdicts[left][number] == (possible.pop() if len(possible) == 1 else UNKNOWN)
        for symbol in range(program.visible.end):
            pair = sides.ahead[number][symbol], frozenset(sides.right[state][symbol] for state in states)
            if pair not in reached:
                reached.add(pair)
                queue.append(pair)


def test_they_are_minimal() -> None:
    """As small as the table of docs/rules.md says."""
    for name, expected in (("deepseek-v3", (16, 13)), ("qwen-2", (12, 7)), ("minimax", (18, 24))):
        sides = find_sides(compile_splits(*preset_splits(name)).visible)
        assert sides is not None
        assert (len(sides.left), len(sides.right)) == expected


def test_too_many_states(monkeypatch: pytest.MonkeyPatch) -> None:
    assert compile_splits([Split("a{40}|.|\n")]).shuffles == b""
    monkeypatch.setattr(shuffles, "MAX_SETS", 8)
    assert find_sides(compile_splits(*preset_splits("deepseek-v3")).visible) is None
    monkeypatch.undo()
    monkeypatch.setattr(shuffles, "MAX_CLASSES", 3)
    assert compile_splits(*preset_splits("deepseek-v3")).shuffles == b""
