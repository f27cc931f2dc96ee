"""The matrix kernel (core/split/matrix.h) cuts a text between two characters where no pair of their classes is joined,
at every level, wherever the characters lie in its blocks."""

from __future__ import annotations

import random
from array import array
from collections.abc import Callable, Iterable, Iterator
from itertools import pairwise, product
from typing import NamedTuple

import pytest
from kept import kept
from kernel_texts import NO_ADDED, fills
from real_models import level
from reference import DEEP
from shares import chance_of_today, share
from small_models import model_json

import dstok
from dstok.compiled.build import CLASSES, character_matrix
from dstok.compiled.tables import MATRIX_HEAD, Tables, make_bpe
from dstok.core.bpe.facts import cuttable_ranges, joined_bits
from dstok.core.cpu.level import levels
from dstok.core.encode.encoder import Encoder
from dstok.core.encode.pieces import SpanPass
from dstok.core.split.character_finder import ASCII_CLASSES, WIDE_LETTERS, CharacterFinder
from dstok.unicode import category_of

# All classes; characters of one to four bytes, cuttable and not.
CHARACTERS = "aZ\x00\x1f\x7f @[`{!/0:9\n\t\r\xa0\xe9\xd7\u0301\u0661\u07ff\u0800\u3000\u3001\u304b\u4e2d\u6587\ud55c\uffff\U0001d400\U0001f600\U000f0000"
TAILS = ("", "b" * 70, "\u4e2d\u6587" * 24, " a!\n" * 20, "\U0001f600" * 18)
each_level = pytest.mark.parametrize("name", levels())


class Model(NamedTuple):
    """The parts of a finder."""

    matrix: bytes
    joined: bytes
    split: bool = False


def model(pairs: Iterable[Iterable[str]], split: bool = False) -> Model:
    numbers = array("Q", sorted({ord(left) << 32 | ord(right) for left, right in pairs}))
    return Model(character_matrix(numbers, split), joined_bits(numbers), split)


def classes(model: Model) -> Callable[[str], int]:
    numbers = memoryview(model.matrix)[MATRIX_HEAD : MATRIX_HEAD + 2 * 0x1100].cast("H")
    pages = model.matrix[MATRIX_HEAD + 2 * 0x1100 :]
    return lambda char: pages[numbers[ord(char) >> 8] << 8 | ord(char) & 0xFF]


def is_cuttable(char: str) -> bool:
    return any(first <= ord(char) <= last for first, last in cuttable_ranges())


def ends(model: Model, text: str) -> list[int]:
    """The ends of the parts in bytes, character by character. The bitmap of joined pairs is asked as the core hashes."""
    number, at, found = classes(model), 0, []
    for left, right in pairwise(text):
        at += len(left.encode())
        joined = model.matrix[number(left)] >> number(right) & 1 or [model.matrix[CLASSES], right] == [ord(left), " "]
        if joined and is_cuttable(left) and is_cuttable(right):
            bit = (ord(left) * 0x9E3779B1 + ord(right) * 0x85EBCA6B & 0xFFFFFFFF) >> 12
            joined = model.joined[bit >> 3] >> (bit & 7) & 1
        if not joined:
            found.append(at)
    return [*found, len(text.encode())] if text else []


def random_model(chance: random.Random) -> Model:
    """Of pairs of the characters above; of few rows, or of nearly all."""
    count = chance.choice((0, 3, 20, 80, 400))
    pairs = {(chance.choice(CHARACTERS), chance.choice(CHARACTERS)) for _ in range(count)}
    if chance.random() < 0.4:
        pairs = {pair for pair in pairs if pair[1] != " "} | {(chance.choice(CHARACTERS[:16]), " ")}  # perhaps a joiner
    return model(pairs, chance.random() < 0.2)


def random_texts(chance: random.Random, count: int) -> Iterator[str]:
    for _ in range(count):
        few = chance.sample(CHARACTERS, chance.randint(1, 8)) + chance.choice((["a"], [" ", "a"], ["\u4e2d", "\u6587"], []))
        yield "".join(chance.choices(few, k=chance.choice((1, 8, 21, 40, 62, 63, 64, 65, 127, 400))))


def check(passes: Iterable[SpanPass], model: Model, text: str) -> None:
    expected = ends(model, text)
    for each in passes:
        found = each.spans(text.encode())
        assert found[:, 1].tolist() == expected, (each.finder.strategy(), text)
        assert found[:, 0].tolist() == [0, *expected][: len(expected)]


def passes(model: Model) -> list[SpanPass]:
    """At each level."""
    made = []
    for name in levels():
        with level(name):
            made.append(SpanPass(CharacterFinder(*model)))
    return made


@each_level
def test_way(name: str) -> None:
    with level(name):
        way = CharacterFinder(*model([])).strategy()
    assert way == "pairs of characters" if name == "automaton" else way.startswith(f"mask kernel, {name}")


def test_classes() -> None:
    letters, others = WIDE_LETTERS, 0
    number = classes(model([]))
    assert [number(chr(c)) for c in range(128)] == list(ASCII_CLASSES)
    assert [c for c in map(chr, range(128)) if number(c) == number("a")] == [c for c in map(chr, range(128)) if c.isalpha()]
    assert len({number(char) for char in " a!0\n\t\0\xe9"}) == 8 and number("\t") == number("\r") and number("\0") == others
    for char in map(chr, share(range(0x80, 0xD800), 16)):
        assert number(char) == (letters if category_of(ord(char))[0] in "LM" else others)


def test_a_joiner() -> None:
    """One character is joined with spaces, and others of its class are not."""
    for pairs, text, parts in [(["> ", " t", "  "], "> t, t>  t", ["> t", ",", " t", ">  t"]),
                               (["> ", ", ", " t"], "> t, t! t", ["> t", ", t", "! t"]),
                               (["\xe9 ", " t"], "\xe9 t\xe8 t", ["\xe9 t", "\xe8 t"]),
                               (["a ", " t"], "a tb t", ["a t", "b", " t"])]:
        own = model(pairs)
        for each in passes(own):
            assert each.split(text.encode()) == parts, each.finder.strategy()
        check(passes(own), own, (text * 7 + "\xe9") * 9)


def test_random_matrices() -> None:
    chance = chance_of_today("random matrices")
    for _ in range(20_000 if DEEP else 60):
        own = random_model(chance)
        made = passes(own)
        for text in random_texts(chance, 25):
            check(made, own, text)


def test_all_pairs_at_the_border_of_a_block() -> None:
    """Each pair with the border between them at each place in a block; the matrix joins about half of the pairs."""
    chance = chance_of_today("pairs")
    own = model(pair for pair in product(CHARACTERS, repeat=2) if chance.random() < 0.02)
    made = passes(own)
    for (left, right), before in share(product(product(CHARACTERS, repeat=2), "a \u4e2d\xe9\U0001f600"), 40):
        for fill in fills(before, 54, 66):
            check(made, own, fill + left + right + chance.choice(TAILS))


def test_all_code_points() -> None:
    """Each code point between others, many to a text."""
    chance = chance_of_today("code points")
    for _ in range(8 if DEEP else 1):
        own = random_model(chance)
        made = passes(own)
        points = [chr(c) for c in range(0x110000) if not 0xD800 <= c < 0xE000]
        for at in share(range(0, len(points), 4096), 1 if DEEP else 16):
            check(made, own, "".join(f"{char}{chance.choice(CHARACTERS)}" for char in points[at : at + 4096]))


def test_all_of_ascii() -> None:
    """All pairs of ASCII characters, by a matrix that joins each class with about half of the others."""
    chance = chance_of_today("ASCII")
    text = "".join(left + right for left, right in product(map(chr, range(128)), repeat=2))
    for _ in range(4):
        own = model((chr(chance.randrange(128)), chr(chance.randrange(128))) for _ in range(90))
        check(passes(own), own, text)


def test_pairs_of_cuttable_characters() -> None:
    """Letters join letters; of kana, ideographs and Hangul only the pairs themselves."""
    own = model(["\u4e2d\u6587", "\ud55c\u304b"])
    made = passes(own)
    assert made[0].split("\u4e2d\u6587\u4e2d\u304b\xe9".encode()) == ["\u4e2d\u6587", "\u4e2d", "\u304b\xe9"]
    chance = chance_of_today("cuttable")
    for _ in range(200):
        check(made, own, "".join(chance.choices("\u4e2d\u6587\ud55c\u304b" + chance.choice("a \xe9\U0001f600"), k=chance.randint(1, 90))))


@each_level
def test_settled_spans(name: str) -> None:
    """Parts of a text whose rest is not known: their spans are those of each longer text."""
    chance = chance_of_today("sure spans")
    for _ in range(20):
        own = random_model(chance)
        with level(name):
            run = SpanPass(CharacterFinder(*own))
        for text in random_texts(chance, 20):
            expected = ends(own, text)
            for cut in {0, len(text), chance.randint(0, len(text))}:
                spans, end, _ = run.settled_spans(text[:cut].encode(), False)
                found = spans[:, 1].tolist()
                assert found == [each for each in expected if each < len(text[:cut].encode())] and end == ([0, *found])[-1]


def test_resync_points() -> None:
    """The first cut after a place, whatever stands before the place."""
    chance = chance_of_today("sure starts")
    for _ in range(20):
        own = random_model(chance)
        finder = CharacterFinder(*own)
        for text in random_texts(chance, 20):
            place = chance.randrange(len(text))
            expected = [each for each in ends(own, text[place:]) if each < len(text[place:].encode())]
            assert finder.resync_point(text[place:].encode(), 0) == (expected[0] if expected else -1)


def test_without_cuts() -> None:
    """Upstream's pieces: all of the text, or words with the space before them."""
    for split, expected in [(False, ["a  b!1"]), (True, ["a", " ", " b!1"])]:
        own = model(["  ", " b"], split)
        for name in levels():
            with level(name):
                finder = CharacterFinder(*own)
            assert SpanPass(finder).split("a  b!1") == (["a", " ", " b", "!", "1"] if split else ["a", "  b", "!", "1"])
            assert SpanPass(finder.without_cuts()).split("a  b!1") == expected


@kept()
def tables() -> tuple[Tables, int]:
    tok = dstok.Tokenizer.from_str(model_json([(b"a", b"b"), (b" ", b"a")]))
    return tok._tables, tok.vocab_size


@each_level
def test_in_an_encoder(name: str) -> None:
    """Short texts of ASCII have a path of their own; long ones are handed over in chunks."""
    made, size = tables()
    chance = chance_of_today(name)
    for _ in range(8):
        own = random_model(chance)
        with level(name):
            encoder = Encoder(CharacterFinder(*own), make_bpe(made), made.sections["direct"], size)
        for text in [*random_texts(chance, 30), "".join(random_texts(chance, 200)), *(chance.choice(CHARACTERS) * n for n in range(70))]:
            expected = ends(own, text)
            assert encoder.pieces(text.encode(), NO_ADDED) == list(zip([0, *expected], expected))
            assert encoder.encode(text, NO_ADDED, False) == encoder.encode(text.encode(), NO_ADDED, False)
            if text.isascii() and len(text) <= 128:
                assert encoder.short(text, NO_ADDED) in (None, encoder.encode(text.encode(), NO_ADDED, False))


@pytest.mark.parametrize("size", [0, MATRIX_HEAD + 2 * 0x1100, MATRIX_HEAD + 2 * 0x1100 + 300])
def test_a_matrix_of_the_wrong_size(size: int) -> None:
    with pytest.raises(ValueError, match="wrong size"):
        CharacterFinder(bytes(size))
