"""Windows: what a few characters tell of a place between pieces is what the automaton finds."""

from __future__ import annotations

import random
from collections.abc import Iterator
from itertools import accumulate, chain, product

import pytest
import regex
from real_models import level, levels
from shares import chance_of_today, seeds, share
from small_models import both, model_json, upstream_ids
from upstream import families

import dstok
from dstok.regex import Split
from dstok.regex.cascade import Program, compile_splits
from dstok.regex.windows import DROPPED, EDGE, NO, UNKNOWN, YES

AROUND = ["", "'", "a", " ", "\n", "é", "漢", "1"]
WIDE = ["'", "a", "1", " ", "\n", "!", "ſ", "é", "漢", "٣", "\u3000", "\u0301", "🦙"]
MARKS = "!\"#$%&'*+,-./:;<=>@"
SMALL = {  # where one character may be told from two, or a piece's first from its second; and more classes than groups
    "pairs": r"[^b]{2}|[^b]|b", "triples": r"\p{N}{1,3}|\P{N}", "after two": r"aé|bb|.|\n", "dots": r"...?|.|\n",
    "ahead": r"a+(?!b)|[ab]|[^ab]", "to the end": r"\s+$|\s|\S+", "quotes": r"'[^']*'|'|[^']",
    "many": "|".join(rf"\{c}\{d}" for c, d in zip(MARKS, MARKS[1:])) + r"|\w+|.|\n",
}
FEW_TOLD = {"pairs", "dots"}  # windows would tell too little
SEQUENCES = families() | {name: (Split(pattern),) for name, pattern in SMALL.items()}


def verdicts_of(tables: bytes, data: bytes, start: int) -> list[int]:
    """The verdicts of the bytes after `start`, where a piece begins, as core/split/windows.h finds them."""
    groups, histories, verdicts = tables[:256], tables[256:0x1100], tables[0x1100:]
    window = EDGE << 4 | groups[data[start]]
    found = []
    for byte in data[start + 1 :]:
        window = window << 4 | groups[byte]
        found.append(verdicts[histories[window >> 8 & 0xFFF] << 8 | window & 0xFF])
    return found[1:]  # the first is of `start` itself


def texts(program: Program) -> Iterator[str]:
    """Of a character of ASCII a class, and of wider ones, with what may be around them, in samples."""
    symbols = {program.alphabet.class_of(chr(c)): chr(c) for c in range(127, -1, -1)}
    narrow = product(symbols.values(), repeat=5 if len(symbols) < 8 else 4 if len(symbols) < 16 else 3)
    for number, text in enumerate(map("".join, share((*narrow, *product(WIDE, repeat=3)), 3))):
        yield AROUND[number % 8] + text + AROUND[number // 8 % 8]


@pytest.mark.parametrize("name", SEQUENCES)
def test_verdicts(name: str) -> None:
    """Read from where each of a text's first three pieces begins, up to the first that the automaton must find."""
    program = compile_splits(SEQUENCES[name])
    assert bool(program.windows) == (name not in FEW_TOLD)
    told = dict.fromkeys([NO, YES, UNKNOWN], 0)
    for text in texts(program):
        starts = [0, *accumulate(len(piece.encode()) for piece, _ in program.pieces(text))]
        for start in starts[:-1][:3] if program.windows else ():
            for place, verdict in enumerate(verdicts_of(program.windows, text.encode(), start), start + 1):
                told[verdict] += 1
                if verdict == UNKNOWN:
                    break
                assert (verdict == YES) == (place in starts), (text, start, place)
    assert bool(told[YES]) == (name not in FEW_TOLD)
    assert bool(told[NO]) == (name not in FEW_TOLD | {"quotes"})
    assert EDGE not in program.windows[:256]


@pytest.mark.parametrize("name", families())
def test_most_places_are_told(name: str) -> None:
    """Else windows cost time and save none."""
    program = compile_splits(SEQUENCES[name])
    text = b"It's a text, as such: with 12 or 345 numbers (and brackets)\n    and    blanks == more.\n" * 2
    verdicts = verdicts_of(program.windows, text, 0)
    assert verdicts.count(UNKNOWN) < len(verdicts) / 8


@pytest.mark.parametrize("name", SMALL)
def test_ids(name: str) -> None:
    """Texts of many blocks, in one call and in parts."""
    ours, theirs = both(model_json(pattern=SMALL[name], merges=[(b"a", b"b"), (b" ", b"a"), (b"a", b"a")]))
    assert bool(len(ours._tables.sections["windows"])) == (name not in FEW_TOLD)
    chance = chance_of_today(name)
    for _ in range(60):
        chars = chance.choice((WIDE[:6], WIDE, ["a", "b"], MARKS, [*WIDE, *MARKS, "b", "b"]))
        text = "".join(char * chance.choice((1, 1, 1, 2, 3, 70)) for char in chance.choices(chars, k=chance.randint(1, 200)))
        expected = upstream_ids(theirs, text)
        assert ours.encode(text) == expected, text
        stream, cut = ours.encode_stream(), chance.randrange(len(text))
        assert [*stream.feed_list(text[:cut]), *stream.feed_list(text[cut:]), *stream.finish_list()] == expected, text


def test_a_block_after_a_piece_begins_anew() -> None:
    """After ...ab, where the block before ended, bb would end; but a piece that ends between them is after it."""
    ours, theirs = both(model_json(pattern=r"<(?:[^b>]|b[^b>])*>|bb|[^b]|b", merges=[(b"b", b"b")]))
    for length in range(50, 80):
        text = "<" + "a" * length + "baa>" + "bb" + "a" * 200
        assert ours.encode(text) == upstream_ids(theirs, text), length


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
    """Texts of many blocks, mostly of few characters, so that windows tell much and the automaton comes between."""
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


def test_excluded_characters() -> None:
    """A quote changes how all letters after it are read. Windows leave what it begins to the automaton."""
    program = dstok.Splitter(MATCHES["code"], behavior="Removed", invert=True)._cascade
    assert isinstance(program, Program)
    text = b"some words, then a \"text of words\" and a few more words"
    verdicts = verdicts_of(program.windows, text, 0)
    quote = text.index(b'"') - 1
    assert UNKNOWN not in verdicts[: quote - 1]
    assert verdicts[quote : quote + 2] == [UNKNOWN] * 2


def test_verdicts_of_dropped_pieces() -> None:
    program = dstok.Splitter(r"\w+", behavior="Removed", invert=True)._cascade
    assert isinstance(program, Program)
    assert verdicts_of(program.windows, b"ab  cd", 0) == [NO, YES, NO, DROPPED]


def test_ids_of_pieces_that_lie_apart() -> None:
    """A model that drops text between pieces: long texts, in chunks of more than a thousand pieces."""
    described = model_json(pattern=r"[\s,]+", merges=[(b"a", b"b"), (b"b", b"a"), (b"1", b"1")])
    ours, theirs = both(described.replace('"Isolated"', '"Removed"'))
    assert len(ours._tables.sections["windows"])
    chance = chance_of_today("apart")
    for _ in range(20):
        text = "".join(chance.choices(["a", "b", "1", " ", ",", "é", "ab" * 40, "\n"], k=chance.choice((50, 5000))))
        expected = upstream_ids(theirs, text)
        assert ours.encode(text) == expected, text
        assert [*chain.from_iterable(ours.encode_batch([text, text[:30]]))] == expected + upstream_ids(theirs, text[:30])
        encoding = theirs.encode(text, add_special_tokens=False)
        assert [tuple(span) for span in ours.encode_with_offsets(text).char_spans.tolist()] == encoding.offsets, text
