"""Shuffles: each level cuts as the automaton does, from every state, over every class; with changed tables it does not."""

from __future__ import annotations

import random
from collections.abc import Sequence
from itertools import chain

import pytest
import regex
from real_models import level, levels
from shares import chance_of_today, seeds
from small_models import both, model_json, upstream_ids
from upstream import families

import dstok
from dstok.core.encode.pieces import SpanPass
from dstok.core.split.automaton import Scanner, pack_edges
from dstok.core.split.piece_finder import PieceFinder
from dstok.regex import Split
from dstok.regex.bimachine import Bimachine, make_bimachine
from dstok.regex.cascade import Program, compile_splits

WIDE = ["'", "a", "1", " ", "\n", "!", "ſ", "é", "漢", "٣", "\u3000", "\u0301", "🦙"]
MARKS = "!\"#$%&'*+,-./:;<=>@"
SMALL = {
    "pairs": r"[^b]{2}|[^b]|b", "triples": r"\p{N}{1,3}|\P{N}", "after two": r"aé|bb|.|\n", "dots": r"...?|.|\n",
    "ahead": r"a+(?!b)|[ab]|[^ab]", "to the end": r"\s+$|\s|\S+", "quotes": r"'[^']*'|'|[^']",
    "many": "|".join(rf"\{c}\{d}" for c, d in zip(MARKS, MARKS[1:])) + r"|\w+|.|\n",
}
SEQUENCES = families() | {name: (Split(pattern),) for name, pattern in SMALL.items()} | {
    "kimi-k2": dstok.Splitter.preset("kimi-k2").splits, "starcoder": dstok.Splitter.preset("starcoder").splits,
    "dropped": (Split(r"\s+", "Removed"), Split("a+"))}
SHUFFLED = [name for name in levels() if name != "automaton"]


def finder_of(program: Program, section: bytes | None) -> PieceFinder:
    """The finder of a program at the chosen level, with these tables of shuffles."""
    pages, numbers = program.alphabet.pages()
    scanner = Scanner(pages, numbers, pack_edges(program.boundaries.edges, pages[:128]), program.boundaries.symbols)
    return PieceFinder(scanner, None, 0, b"", None, section)


def ways_to(rows: Sequence[Sequence[int]], symbols: Sequence[str]) -> list[str]:
    """For each state a shortest text that leads to it, in the order in which the automaton reads."""
    ways = {0: ""}
    for state in (queue := [0]):
        for symbol, target in enumerate(rows[state]):
            if target not in ways:
                ways[target] = ways[state] + symbols[symbol]
                queue.append(target)
    return [ways[state] for state in range(len(rows))]


def every_step(program: Program) -> list[bytes]:
    """Texts that lead the automata to each pair of states around a character of each class.

    They stand alone, and in two long texts, at all columns of blocks.
    """
    sides = make_bimachine(program.visible)
    symbols = [chr(members.ranges[-1][0]) for members in program.alphabet.classes]
    left, right = ways_to(sides.left, symbols), [way[::-1] for way in ways_to(sides.right, symbols)]
    alone = [f"{before}{symbol}{after}" for before in left for symbol in symbols for after in right]
    alone = alone[:: max(1, len(alone) // 6000)]
    return [*(text.encode() for text in alone), "".join(alone).encode(), "a b".join(alone[::-1]).encode()]


def differences(program: Program, section: bytes, found_texts: Sequence[bytes]) -> int:
    """How many of the texts are cut otherwise than by the automaton alone, at the chosen level."""
    ours, alone = SpanPass(finder_of(program, section)), SpanPass(finder_of(program, None))
    return sum(ours.spans(text).tolist() != alone.spans(text).tolist() for text in found_texts)


@pytest.mark.parametrize("level_name", SHUFFLED)
@pytest.mark.parametrize("name", SEQUENCES)
def test_every_step(name: str, level_name: str) -> None:
    program = compile_splits(SEQUENCES[name])
    with level(level_name):
        assert finder_of(program, program.shuffles).strategy().startswith("shuffles, ")
        assert differences(program, program.shuffles, every_step(program)) == 0


def changes(machine: Bimachine) -> dict[str, Bimachine]:
    """Machines with one fault: in a step of each side, in a mark, and a look-ahead of one character that is left out."""
    left, right, marks, blind = ([*map(list, rows)] for rows in (machine.left, machine.right, machine.marks, machine.right))
    last = len(left[0]) // 2
    left[0][last], right[0][0] = (left[0][last] + 1) % len(left), (right[0][0] + 1) % len(right)
    marks[1][len(right) // 2] = 0 if marks[1][len(right) // 2] else 1 << 16 | 1
    looks = next(symbol for symbol in range(len(blind[0])) if len({row[symbol] for row in blind}) > 1)
    for row in blind:
        row[looks] = blind[0][looks]
    return {"left": machine._replace(left=left), "right": machine._replace(right=right), "mark": machine._replace(marks=marks),
            "look-ahead": machine._replace(right=blind)}


@pytest.mark.parametrize("fault", ["left", "right", "mark", "look-ahead"])
@pytest.mark.parametrize("level_name", SHUFFLED)
def test_planted_faults(fault: str, level_name: str) -> None:
    program = compile_splits(SEQUENCES["starcoder"])
    changed = changes(make_bimachine(program.visible))[fault].section(shuffled=True)
    with level(level_name):
        assert differences(program, changed, every_step(program)) > 0


@pytest.mark.parametrize("level_name", SHUFFLED)
@pytest.mark.parametrize("name", ["starcoder", "kimi-k2", "ahead", "to the end", "quotes", "dropped"])
def test_only_sure_pieces(name: str, level_name: str) -> None:
    """Of a text that goes on, the pieces found are those of the text with any continuation."""
    program = compile_splits(SEQUENCES[name])
    with level(level_name):
        spans = SpanPass(finder_of(program, program.shuffles))
    chance = chance_of_today(name)
    for _ in range(60):
        chars = chance.choice((WIDE[:6], WIDE, ["a", "b", "'"]))
        text = "".join(char * chance.choice((1, 1, 1, 2, 3, 70)) for char in chance.choices(chars, k=200))
        data, cut = text.encode(), len(text[: chance.randrange(len(text))].encode())
        found, end, _ = spans.settled_spans(data[:cut], False)
        for more in ("", "a", " ", "\n", "b", "1", "漢", "'s"):
            expected = spans.spans(data[:cut] + more.encode()).tolist()
            assert found.tolist() == [span for span in expected if span[1] <= end], (text, cut)


@pytest.mark.parametrize("name", SMALL)
def test_ids(name: str) -> None:
    """Texts of many blocks, in one call and in parts."""
    ours, theirs = both(model_json(pattern=SMALL[name], merges=[(b"a", b"b"), (b" ", b"a"), (b"a", b"a")]))
    assert len(ours._tables.sections["shuffles"])
    chance = chance_of_today(name)
    for _ in range(60):
        chars = chance.choice((WIDE[:6], WIDE, ["a", "b"], MARKS, [*WIDE, *MARKS, "b", "b"]))
        text = "".join(char * chance.choice((1, 1, 1, 2, 3, 70)) for char in chance.choices(chars, k=chance.randint(1, 200)))
        expected = upstream_ids(theirs, text)
        assert ours.encode(text) == expected, text
        stream, cut = ours.encode_stream(), chance.randrange(len(text))
        assert [*stream.feed_list(text[:cut]), *stream.feed_list(text[cut:]), *stream.finish_list()] == expected, text


MATCHES = {  # with text between them, and with characters that change how all after them is read
    "words": r"\w+", "blanks": r"\s+", "identifiers": r"[A-Za-z_]\w*", "camel": r"[A-Z]?[a-z]+|[A-Z]+|\d+", "ahead": r"a+(?=b)|b+c|\d",
    "code": r'[A-Za-z_]\w*|\d+(?:\.\d+)?|"(?:[^"\\\n]|\\.)*"|\s+|[^\w\s]', "comments": r"#[^\n]*|\w+|[^\w\s#]",
    "brackets": r"\[[^\]a]{1,3}|[^\s\[]+", "short": r"<.{0,2}>|\w|<b", "quoted": r"'[^']*'|[a-c]+|1", "dates": r"\d{4}-\d{2}-\d{2}",
    "levels": r"\b(?:ab|ba)\b", "two": r"`[^`]*`|\"[^\"]*\"|[^`\"\s]+",
}
CHARS = [*"aabbcAB  \n11-_.,#[]<>'\"`\\", "é", "漢", "\u3000"]


@pytest.mark.parametrize("pattern", MATCHES.values(), ids=MATCHES)
@pytest.mark.parametrize("name", levels())
def test_matches_are_those_of_regex(name: str, pattern: str) -> None:
    """Texts of many blocks, mostly of few characters, so that the automaton comes between."""
    compiled = regex.compile(pattern, regex.V1)
    with level(name):
        splitter = dstok.Splitter(pattern, behavior="Removed", invert=True)
    for seed in seeds(100_000, 40):
        chance = random.Random(seed)
        chars = chance.sample(CHARS, chance.choice((2, 3, 5, len(CHARS))))
        text = "".join(char * chance.choice((1, 1, 1, 2, 3, 70)) for char in chance.choices(chars, k=chance.choice((40, 200, 2000))))
        expected = [list(match.span()) for match in compiled.finditer(text)]
        assert splitter.spans(text, unit="characters").tolist() == expected, text
        assert splitter.count(text) == len(expected), text


def test_ids_of_pieces_that_lie_apart() -> None:
    """A model that drops text between pieces: long texts, in chunks of more than a thousand pieces."""
    described = model_json(pattern=r"[\s,]+", merges=[(b"a", b"b"), (b"b", b"a"), (b"1", b"1")])
    ours, theirs = both(described.replace('"Isolated"', '"Removed"'))
    assert len(ours._tables.sections["shuffles"])
    chance = chance_of_today("apart")
    for _ in range(20):
        text = "".join(chance.choices(["a", "b", "1", " ", ",", "é", "ab" * 40, "\n"], k=chance.choice((50, 5000))))
        expected = upstream_ids(theirs, text)
        assert ours.encode(text) == expected, text
        assert [*chain.from_iterable(ours.encode_batch([text, text[:30]]))] == expected + upstream_ids(theirs, text[:30])
        encoding = theirs.encode(text, add_special_tokens=False)
        assert [tuple(span) for span in ours.encode_with_offsets(text).char_spans.tolist()] == encoding.offsets, text


def test_a_section_of_the_wrong_size() -> None:
    program = compile_splits(SEQUENCES["starcoder"])
    for section in (program.shuffles[:-1], program.shuffles + b"\0", b"\x01", bytes(200), program.shuffles[:64]):
        with pytest.raises(ValueError, match="shuffles of the wrong size"):
            finder_of(program, section)
