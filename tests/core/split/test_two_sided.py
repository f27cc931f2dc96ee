"""Texts from both sides, in parts: a piece is given out when no continuation can move it, and not later."""

from __future__ import annotations

import random
from collections.abc import Iterator
from itertools import product

import pytest
from kept import kept
from real_models import level, levels
from shares import seeds
from two_sided_models import FAMILIES, hostile, splitter

import dstok
from dstok.compiled.programs import ProgramTables, tables_of
from dstok.core.encode.pieces import SpanPass
from dstok.core.split.two_sided import TwoSided
from dstok.regex import bimachine
from dstok.regex.bimachine import UNSURE, Bimachine, make_bimachine, piece_ends

PATTERNS = {"dates": r"\d{4}-\d{2}-\d{2}", "around": r"(?<=\()[^()\n]+(?=\))", "long": r"ab{3}a|b{5}c",
            "far": r"(?<=x)[ab]+(?=y)", "quotes": r'"[^"]*"(?=;)|(?<=;)\w+'}
NAMES = [*FAMILIES, *PATTERNS]
PARTS = ["2026-11-28", "1", "12", "a", "b", "bbb", "ab", "c", "(", ")", '"', ";", "\n", " ", "x", "y", "é", "漢", "٣", "½", "'s"]
CONTINUATIONS = ["", "1", "12", "123", "a", "aa", "bbba", "c", "½", "٣a", " ", "  x", "\n", "'s", "'S a", ")", '";', "y", "x)", "!", "漢", "-11-28",
                 "Z", ":1>", ">", "6-11-28", "-28", "8", "bc", "bbc", "bbbc", "bbbbc", "a-", "1 ", "12 ", "123 ", "1a", "ll", "ſ", "\u0301", "/"]
each_splitter = pytest.mark.parametrize("name", NAMES)


@kept()
def made(name: str) -> dstok.Splitter:
    return dstok.Splitter(PATTERNS[name]) if name in PATTERNS else splitter(name)


@kept()
def compiled(name: str) -> ProgramTables:
    return tables_of(made(name)._cascade)


def finder(tables: ProgramTables, section: bytes | None = None) -> SpanPass:
    return SpanPass(TwoSided(tables.pages, tables.page_numbers, section or tables.shuffles))


def by_shuffles_and_by_windows(name: str, level_name: str) -> list[SpanPass]:
    tables, found = compiled(name), list[SpanPass]()
    for each in (level_name, "automaton"):
        with level(each):
            found.append(finder(tables))
    return found


def in_parts(run: SpanPass, texts: list[str], keeps: bool = True) -> list[str]:
    """The pieces of a text in parts; without `keeps` the state from the left is forgotten between them."""
    held, left, pieces = b"", 0, list[str]()
    for number, text in enumerate(texts):
        held += text.encode()
        spans, end, state = run.settled_spans(held, number == len(texts) - 1, left)
        pieces += [held[start:stop].decode() for start, stop in spans.tolist()]
        held, left = held[end:], state if keeps else 0
    return pieces


def random_texts(name: str, count: int, always: bool = False) -> Iterator[tuple[random.Random, str]]:
    """A share of texts; with `always` the first ones, in each profile."""
    for seed in range(count) if always else seeds(100_000, count):
        chance = random.Random(f"{name} {seed}")
        yield chance, hostile(chance) if name in FAMILIES else hostile(chance, PARTS)


@each_splitter
def test_pieces_are_those_of_the_marked_texts(name: str) -> None:
    """The tables, read in Python as sets of states."""
    own, run = made(name), finder(compiled(name))
    assert own.strategy().startswith("both sides")
    for _, text in random_texts(name, 80):
        ends = piece_ends(own._cascade.visible, [own._cascade.alphabet.class_of(char) for char in text])
        assert run.split(text.encode()) == [text[start:end] for start, end in zip([0, *ends], ends)], text


@each_splitter
def test_each_cut_of_a_text(name: str) -> None:
    """Whatever the parts, the pieces are those of the text; what is given out early is right, and all that is sure."""
    run, late = finder(compiled(name)), 0
    for chance, text in random_texts(name, 40):
        expected = run.split(text.encode())
        for cut in range(len(text) + 1) if len(text) < 30 else (chance.randrange(len(text)) for _ in range(8)):
            assert in_parts(run, [text[:cut], text[cut:]]) == expected, (text, cut)
            spans, end, _ = run.settled_spans(text[:cut].encode(), False)
            whole = [run.split((text[:cut] + more).encode()) for more in CONTINUATIONS]
            assert all(found[: len(spans)] == expected[: len(spans)] for found in whole), (text, cut)
            first = {tuple(found[len(spans) : len(spans) + 1]) for found in whole}
            there = len(text[:cut].encode()) - end
            late += there > 0 and len(first) == 1 and len(next(iter(first))[0].encode()) <= there
        assert in_parts(run, list(text)) == expected, text
    assert late < 4, "pieces that could be given out"


@kept()
def long_texts(name: str) -> list[tuple[list[str], list[list[int]]]]:
    """Texts in parts, and the spans of their pieces as one window reads them."""
    cascade, found = made(name)._cascade, list[tuple[list[str], list[list[int]]]]()
    windows = TwoSided(*cascade.alphabet.pages(), make_bimachine(cascade.visible).section())
    for seed in range(4):
        chance = random.Random(seed)
        parts = [chance.choice(PARTS) * chance.choice((1, 1, 1, 2, 60, 900, 5000)) for _ in range(60)]
        found.append((parts, [[start, end] for start, end, tag in windows.spans("".join(parts).encode()) if not tag]))
    return found


@each_splitter
@pytest.mark.parametrize("level_name", levels())
def test_long_texts(name: str, level_name: str) -> None:
    """Blocks, windows, and runs that are longer than both: the pieces of all texts as one window reads them."""
    with level(level_name):
        run = finder(compiled(name))
    for parts, spans in long_texts(name):
        data = "".join(parts).encode()
        assert run.spans(data).tolist() == spans
        assert in_parts(run, parts) == [data[start:end].decode() for start, end in spans]


@pytest.mark.parametrize("level_name", levels())
@each_splitter
def test_each_level(name: str, level_name: str) -> None:
    """Texts of a few blocks, or chunks: shuffles, and windows where they cannot tell, cut as windows alone."""
    run, alone = by_shuffles_and_by_windows(name, level_name)
    assert alone.finder.strategy() == "both sides"
    for chance, text in random_texts(name, 60):
        data = (text * chance.choice((1, 3, 9, 200)) + "".join(char * chance.choice((1, 1, 2, 70)) for char in text)).encode()
        assert run.spans(data).tolist() == alone.spans(data).tolist(), data
        cut = len(data[: chance.randrange(len(data))].decode(errors="ignore").encode())
        (found, *state), (expected, *others) = (each.settled_spans(data[:cut], False) for each in (run, alone))
        assert (found.tolist(), state) == (expected.tolist(), others), (data, cut)


@pytest.mark.parametrize("level_name", levels())
@pytest.mark.parametrize("name", ["tiny-aya", "afmoe", "dates", "around"])
def test_full_chunks_and_one_long_piece(name: str, level_name: str) -> None:
    """The state from the left is that of the last start, in the chunk after those that are handed over."""
    run, alone = by_shuffles_and_by_windows(name, level_name)
    for many, part, end in product((500, 512, 1000, 1024, 1100, 2000), [*PARTS[:6], "a ", "1 ", "x1", "(a)"], "a1b 漢"):
        data = (part * many + end * 200).encode()
        (found, *state), (expected, *others) = (each.settled_spans(data, False) for each in (run, alone))
        assert (found.tolist(), state) == (expected.tolist(), others), (many, part, end)


def test_a_state_from_the_left_is_needed() -> None:
    """Planted: a stream that forgets it. Here a piece's text does not begin as a text."""
    run = finder(compiled("afmoe, all numbers"))
    text = ["0", "๐๐0৴0 "]
    assert in_parts(run, text) == run.split("".join(text).encode()) == ["0", "๐๐", "0৴0", " "]
    texts = ["".join(random.Random(seed).choices("0๐৴ ", k=9)) for seed in range(300)]
    assert any(in_parts(run, [*each], keeps=False) != run.split(each.encode()) for each in texts)
    assert all(in_parts(run, [*each]) == run.split(each.encode()) for each in texts)


def faults(name: str) -> dict[str, Bimachine]:
    """Machines with a fault: an end where the text goes on is taken for its end; "1" is read as "a"; marks are missing."""
    machine = make_bimachine(made(name)._cascade.visible)
    assert UNSURE in {cell for row in machine.ahead_marks for cell in row} and not {UNSURE} & {c for row in machine.marks for c in row}
    ends = [[row[0] if cell == UNSURE else cell for cell in cells] for cells, row in zip(machine.ahead_marks, machine.marks)]
    left, right = ([*map(list, rows)] for rows in (machine.left, machine.right))
    one, other = map(made(name)._cascade.alphabet.class_of, "1a")
    for row in (*left, *right):
        row[one] = row[other]
    marks, at = [*map(list, machine.marks)], next(state for state, row in enumerate(machine.marks) if any(row[1:]))
    marks[at] = [marks[at][0], *[0] * (len(marks[at]) - 1)]
    return {"end": machine._replace(ahead_marks=ends), "left": machine._replace(left=left), "right": machine._replace(right=right),
            "mark": machine._replace(marks=marks)}


@pytest.mark.parametrize("level_name", [levels()[0], levels()[-1]])
@pytest.mark.parametrize("fault", ["end", "left", "right", "mark"])
@pytest.mark.parametrize("name", ["tiny-aya", "superbpe", "chameleon", "far"])
def test_planted_faults(name: str, fault: str, level_name: str) -> None:
    tables, section = compiled(name), faults(name)[fault].section()
    with level(level_name):
        run, right = finder(tables, section), finder(tables)
    assert any(in_parts(run, [text[:cut], text[cut:]]) != right.split(text.encode())
               for _, text in random_texts(name, 300, always=True) for cut in range(len(text)))


@pytest.mark.parametrize("name", ["tiny-aya", "far", "afmoe, all numbers"])
def test_too_many_states_ahead(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Then a text's end is waited for, and the pieces are the same."""
    usual, right = make_bimachine(made(name)._cascade.visible), finder(compiled(name))
    monkeypatch.setattr(bimachine, "steps_left", lambda: 0)
    few = make_bimachine(made(name)._cascade.visible)
    assert len(few.ahead) == 1 < len(usual.ahead)
    run = finder(compiled(name), few.section())
    for chance, text in random_texts(name, 60):
        cut = chance.randint(0, len(text))
        assert in_parts(run, [text[:cut], text[cut:]]) == right.split(text.encode())


@each_splitter
def test_too_many_sets_from_the_left(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Then a state is one of the marked texts, marks change it, and there are no shuffles; the pieces are the same."""
    right, marked = finder(compiled(name)), made(name)._cascade.visible
    monkeypatch.setattr(bimachine, "MAX_SETS", 2)
    few = make_bimachine(marked)
    assert len(few.left) == len(marked.rows) and not few.section(shuffled=True)
    run = finder(compiled(name), few.section())
    assert run.finder.strategy() == "both sides"
    for chance, text in random_texts(name, 60):
        cut = chance.randint(0, len(text))
        assert in_parts(run, [text[:cut], text[cut:]]) == right.split(text.encode()), text


def test_digits_are_held_as_long_as_they_last() -> None:
    """The look-ahead of Tiny Aya: a run of digits, and one or two characters else."""
    run, digits = finder(compiled("tiny-aya")), "1234567" * 3000
    spans, end, _ = run.settled_spans(f"It is {digits}".encode(), False)
    assert [end, len(spans)] == [6, 3]
    assert in_parts(run, ["It is ", digits, " m"])[-3:] == ["234", "567", " m"]


def test_wrong_sizes() -> None:
    tables = compiled("far")
    for section in (tables.shuffles[:-1], tables.shuffles + b"\0", b"", tables.shuffles[:100]):
        with pytest.raises(ValueError, match="a bimachine of the wrong size"):
            TwoSided(tables.pages, tables.page_numbers, section)
