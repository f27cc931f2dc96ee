"""Texts from both sides, in parts: a piece is given out when no continuation can move it, and not later."""

from __future__ import annotations

import json
import random
from array import array
from collections.abc import Iterator

import pytest
from shares import seeds
from two_sided_models import FAMILIES, hostile, splitter

import dstok
from dstok.compiled.programs import ProgramTables, tables_of
from dstok.core.encode.pieces import SpanPass
from dstok.core.split.two_sided import TwoSided
from dstok.regex import two_sided
from dstok.regex.two_sided import UNSURE, piece_ends

PATTERNS = {"dates": r"\d{4}-\d{2}-\d{2}", "around": r"(?<=\()[^()\n]+(?=\))", "long": r"ab{3}a|b{5}c",
            "far": r"(?<=x)[ab]+(?=y)", "quotes": r'"[^"]*"(?=;)|(?<=;)\w+'}
SPLITTERS = {name: splitter(name) for name in FAMILIES} | {name: dstok.Splitter(each) for name, each in PATTERNS.items()}
PARTS = ["2026-11-28", "1", "12", "a", "b", "bbb", "ab", "c", "(", ")", '"', ";", "\n", " ", "x", "y", "é", "漢", "٣", "½", "'s"]
CONTINUATIONS = ["", "1", "12", "123", "a", "aa", "bbba", "c", "½", "٣a", " ", "  x", "\n", "'s", "'S a", ")", '";', "y", "x)", "!", "漢", "-11-28",
                 "Z", ":1>", ">", "6-11-28", "-28", "8", "bc", "bbc", "bbbc", "bbbbc", "a-", "1 ", "12 ", "123 ", "1a", "ll", "ſ", "\u0301", "/"]
each_splitter = pytest.mark.parametrize("name", SPLITTERS)


def compiled(name: str) -> ProgramTables:
    return tables_of(SPLITTERS[name]._cascade)


def finder(tables: ProgramTables, sides: bytes | None = None) -> SpanPass:
    return SpanPass(TwoSided(tables.pages, tables.page_numbers, sides or tables.sides, b"\0\1", tables.symbols - 1, tables.columns))


def in_parts(run: SpanPass, texts: list[str], keeps: bool = True) -> list[str]:
    """The pieces of a text in parts; without `keeps` the state from the left is forgotten between them."""
    held, left, pieces = b"", 1, list[str]()
    for number, text in enumerate(texts):
        held += text.encode()
        spans, end, state = run.settled_spans(held, number == len(texts) - 1, left)
        pieces += [held[start:stop].decode() for start, stop in spans.tolist()]
        held, left = held[end:], state if keeps else 1
    return pieces


def random_texts(name: str, count: int) -> Iterator[tuple[random.Random, str]]:
    for seed in seeds(100_000, count):
        chance = random.Random(f"{name} {seed}")
        yield chance, hostile(chance) if name in FAMILIES else hostile(chance, PARTS)


@each_splitter
def test_pieces_are_those_of_the_marked_texts(name: str) -> None:
    """The tables, read in Python as sets of states."""
    own, run = SPLITTERS[name], finder(compiled(name))
    assert own.strategy() == "both sides"
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


@each_splitter
def test_long_texts(name: str) -> None:
    """Windows, their parts, and runs that are longer than a window: the same pieces as in one window."""
    run = finder(compiled(name))
    for seed in range(4):
        chance = random.Random(seed)
        parts = [chance.choice(PARTS) * chance.choice((1, 1, 1, 2, 900, 5000)) for _ in range(60)]
        text = "".join(parts)
        cascade = SPLITTERS[name]._cascade
        both = two_sided.make_bimachine(cascade.visible)
        pages, numbers = cascade.alphabet.pages()
        spans = TwoSided(pages, numbers, both.tables, b"\0\1", cascade.alphabet.end, both.columns).spans(text.encode())
        assert run.spans(text.encode()).tolist() == [[start, end] for start, end, tag in spans if not tag]
        assert in_parts(run, parts) == run.split(text.encode())


def test_a_state_from_the_left_is_needed() -> None:
    """Planted: a stream that forgets it. Here a piece's text does not begin as a text."""
    run = finder(compiled("afmoe, all numbers"))
    text = ["0", "๐๐0৴0 "]
    assert in_parts(run, text) == run.split("".join(text).encode()) == ["0", "๐๐", "0৴0", " "]
    texts = ["".join(random.Random(seed).choices("0๐৴ ", k=9)) for seed in range(300)]
    assert any(in_parts(run, [*each], keeps=False) != run.split(each.encode()) for each in texts)
    assert all(in_parts(run, [*each]) == run.split(each.encode()) for each in texts)


@pytest.mark.parametrize("name", ["tiny-aya", "superbpe", "chameleon", "far"])
def test_planted_marks(name: str) -> None:
    """Planted: an end where the text goes on is taken for its end."""
    tables = compiled(name)
    classes, (known, columns) = tables.symbols - 1, tables.columns
    cells = (len(tables.sides) - 2 * classes * columns) // (4 * columns + 2 * classes) * columns
    marks = array("I", tables.sides[: 4 * cells])
    assert UNSURE in marks and UNSURE not in (marks[at] for at in range(cells) if at % columns < known)
    ends = array("I", [marks[at - at % columns] if mark == UNSURE else mark for at, mark in enumerate(marks)])
    run, right = finder(tables, ends.tobytes() + tables.sides[4 * cells :]), finder(tables)
    assert any(in_parts(run, [text[:cut], text[cut:]]) != right.split(text.encode())
               for _, text in random_texts(name, 300) for cut in range(len(text)))


@pytest.mark.parametrize("name", ["tiny-aya", "far"])
def test_too_many_open_sides(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Then a text's end is waited for, and the pieces are the same."""
    usual = compiled(name)
    monkeypatch.setattr(two_sided, "steps_left", lambda: 0)
    few = compiled(name)
    assert few.columns == (usual.columns[0], usual.columns[0] + 1) and few.columns[1] < usual.columns[1]
    run = finder(few)
    for chance, text in random_texts(name, 60):
        cut = chance.randint(0, len(text))
        assert in_parts(run, [text[:cut], text[cut:]]) == finder(usual).split(text.encode())


def test_digits_are_held_as_long_as_they_last() -> None:
    """The look-ahead of Tiny Aya: a run of digits, and one or two characters else."""
    run, digits = finder(compiled("tiny-aya")), "1234567" * 3000
    spans, end, _ = run.settled_spans(f"It is {digits}".encode(), False)
    assert [end, len(spans)] == [6, 3]
    assert in_parts(run, ["It is ", digits, " m"])[-3:] == ["234", "567", " m"]


def test_wrong_sizes() -> None:
    tables = compiled("far")
    for columns in ((0, 1), (3, 2), (tables.columns[0], tables.columns[1] + 1)):
        with pytest.raises(ValueError, match="tables of two sides of the wrong size"):
            TwoSided(tables.pages, tables.page_numbers, tables.sides, b"\0\1", tables.symbols - 1, columns)
    assert json.loads(json.dumps(tables.columns)) == [*tables.columns]
