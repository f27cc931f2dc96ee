"""Windows: what a few characters tell of a place between pieces is what the automaton finds."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import accumulate, product

import pytest
from shares import chance_of_today, share
from small_models import both, model_json, upstream_ids
from upstream import families

from dstok.pattern.cascade import Program, Split, compile_splits
from dstok.pattern.windows import EDGE, NO, UNKNOWN, YES

AROUND = ["", "'", "a", " ", "\n", "é", "漢", "1"]
WIDE = ["'", "a", "1", " ", "\n", "!", "ſ", "é", "漢", "٣", "\u3000", "\u0301", "🦙"]
MARKS = "!\"#$%&'*+,-./:;<=>@"
SMALL = {  # where one character may be told from two, or a piece's first from its second; and more classes than groups
    "pairs": r"[^b]{2}|[^b]|b", "triples": r"\p{N}{1,3}|\P{N}", "after two": r"aé|bb|.|\n", "dots": r"...?|.|\n",
    "ahead": r"a+(?!b)|[ab]|[^ab]", "to the end": r"\s+$|\s|\S+", "quotes": r"'[^']*'|'|[^']",
    "many": "|".join(rf"\{c}\{d}" for c, d in zip(MARKS, MARKS[1:])) + r"|.|\n",
}
SEQUENCES = families() | {name: (Split(pattern),) for name, pattern in SMALL.items()}


def verdicts_of(tables: bytes, data: bytes, start: int) -> list[int]:
    """The verdicts of the bytes after `start`, where a piece begins, as core/split/_windows.h finds them."""
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
    """Read from where each of a text's first two pieces begins."""
    program = compile_splits(SEQUENCES[name])
    told = dict.fromkeys([NO, YES, UNKNOWN], 0)
    for text in texts(program):
        starts = [0, *accumulate(len(piece.encode()) for piece, _ in program.pieces(text))]
        for start in starts[:-1][:2]:
            for place, verdict in enumerate(verdicts_of(program.windows, text.encode(), start), start + 1):
                told[verdict] += 1
                assert verdict == UNKNOWN or (verdict == YES) == (place in starts), (text, start, place)
    assert told[NO]
    assert told[YES]
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
    assert len(ours._tables.sections["windows"])
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


def test_no_windows_where_pieces_are_dropped() -> None:
    assert compile_splits([Split(r"\s+", behavior="Removed")]).windows == b""
