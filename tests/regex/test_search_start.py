r"""`\G`, and repetitions of hundreds of turns: published pre-tokenizers, against upstream."""

from __future__ import annotations

import random
from collections.abc import Iterable, Sequence
from itertools import product

import pytest
from kept import kept
from shares import seeds, share
from small_models import both, model_json, upstream_ids
from upstream import pieces_by, upstream_splitter

import dstok
from dstok import Split
from dstok.regex import BEHAVIORS
from dstok.regex.cascade import compile_cascade
from dstok.regex.compile_budget import LIMITS, stage

PATTERNS = [
    r"\A\d{3}|\G\d{3}", r"\Ga|b", r"(?:\G|x)ab?", r"\Ga+?b|\Gc(?=a)|a(?!b)", r"\G[ab]", r"\Gab|(?<=b)c|\G1", r"a|\Gb|\bc",
    r"\G(?>a*)b|ca",
]
V3 = r"""[!"#$%&'()*+,\-./:;<=>?@\[\\\]^_`{|}~][A-Za-z]+|[^\r\n\p{L}\p{P}\p{S}]?[\p{L}\p{M}]+| ?[\p{P}\p{S}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+"""
WORDS = r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+"
LADDER = "|".join(rf"\s{{{1 << power}}}(?!\S)" for power in range(9, 1, -1))
PUBLISHED = {
    "Trinity": [r"\p{Nd}{1,510}(?=(?>\p{Nd}{510})*(?:\P{Nd}|$))|\G\p{Nd}{510}", r"\A\p{Nd}{1,2}(?=\p{Nd}{3}+\z)",
                r"\A\p{Nd}{3}|\G\p{Nd}{3}", r"[\u4E00-\u9FFF\u3040-\u309F\u30A0-\u30FF]+|[\u0E00-\u0E7F]+", V3],
    "marin": [r"\p{N}{1,510}", r"^\p{N}{1,2}(?=(?:\p{N}{3})+$)", r"\p{N}{3}", WORDS + r"|\s+(?!\S)|\s+"],
    "Jais-2": [rf"{WORDS}|{LADDER}|\s{{1,2}}(?!\S)|\s{{1}}"],
}


def compare(steps: Sequence[Split], texts: Iterable[str]) -> None:
    compare_made(dstok.Splitter(list(steps)), steps, texts)


@kept()
def published(name: str) -> dstok.Splitter:
    return dstok.Splitter([Split(pattern) for pattern in PUBLISHED[name]])


def compare_published(name: str, texts: Iterable[str]) -> None:
    compare_made(published(name), [Split(pattern) for pattern in PUBLISHED[name]], texts)


def compare_made(ours: dstok.Splitter, steps: Sequence[Split], texts: Iterable[str]) -> None:
    judge = upstream_splitter(steps)
    for text in texts:
        assert ours.split(text) == pieces_by(judge, text), (steps, text[:200])


@pytest.mark.parametrize(("pattern", "behavior", "invert"), [*share([*product(PATTERNS, BEHAVIORS, (False, True))], 16)])
def test_search_start(pattern: str, behavior: str, invert: bool) -> None:
    chance = random.Random(pattern)
    texts = ["".join(chance.choices("abcx12 ", k=chance.randrange(14))) for _ in range(300)]
    compare([Split(pattern, behavior, invert)], texts)
    compare([Split(r"\d+"), Split(pattern, behavior, invert)], texts[:100])


def long_text(chance: random.Random) -> str:
    digits, blanks = [1, 2, 3, 4, 508, 509, 510, 511, 512, 513, 1019, 1020, 1021, 2000], [1, 2, 4, 17, 255, 256, 257, 512, 513, 514, 1025]
    parts = [chance.choice("0١²Ⅷ") * chance.choice(digits if chance.random() < 0.2 else range(1, 9)) for _ in range(3)]
    parts += [chance.choice(" \t\u3000\n") * chance.choice(blanks if chance.random() < 0.3 else range(1, 5)) for _ in range(3)]
    parts += chance.choices(["a", "B", "漢", "ก", "!", "\n", "'s", "\r\n", "é", "\u0301", "_x"], k=4)
    return "".join(chance.sample(parts, chance.randrange(1, len(parts))))


@pytest.mark.parametrize("name", PUBLISHED)
def test_long_repetitions(name: str) -> None:
    for seed in seeds(40, 4):
        chance = random.Random(seed)
        compare_published(name, (long_text(chance) for _ in range(50)))


@pytest.mark.parametrize("name", PUBLISHED)
def test_ids(name: str) -> None:
    merges = [(b"7", b"7"), (b"77", b"7"), (b" ", b" "), (b"  ", b"  "), (b" ", b"a"), (b"777", b"777")]
    ours, judge = both(model_json(merges, pattern=PUBLISHED[name]))
    for seed in seeds(400, 40):
        text = long_text(random.Random(seed)).replace("0", "7")
        assert ours.encode(text) == upstream_ids(judge, text), text[:200]


def test_every_length_of_a_number_and_of_blanks() -> None:
    compare_published("Trinity", ("7" * length for length in range(1, 1100, 13)))
    compare_published("marin", (f"a{'7' * length} " for length in range(1, 1100, 13)))
    compare_published("Jais-2", (f"{' ' * length}a" for length in range(1, 1100, 13)))


@pytest.mark.parametrize("name", PUBLISHED)
def test_their_compilation_keeps_the_limits(name: str) -> None:
    with stage("a test") as work:
        compile_cascade([Split(pattern) for pattern in PUBLISHED[name]])
    assert work.steps < LIMITS["steps"] * 0.9


def test_other_repetitions_are_too_large() -> None:
    """As many turns of another pattern that Trinity's may not be taken for are refused."""
    with pytest.raises(dstok.UnsupportedError, match="too large"):
        dstok.Splitter([PUBLISHED["Trinity"][0], r"\d"])
