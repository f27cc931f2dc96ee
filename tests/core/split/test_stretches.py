"""Texts read from both sides, stretch by stretch: settling characters are passed over, and pieces are those of regex."""

from __future__ import annotations

import random
from collections import Counter

import pytest
import regex
from real_models import level, levels
from shares import seeds

import dstok

PATTERNS = {"dates": r"\d{4}-\d{2}-\d{2}", "around": r"(?<=\()[^()\n]+(?=\))", "long": r"ab{3}a|b{5}c", "far": r"(?<=x)[ab]+(?=y)"}
CHARS = ["2026-11-28", "1", "-", "a", "b", "bbb", "ab", "c", "(", ")", "\n", " ", "word ", "x", "y", "é", "漢", "٣", "🦙", "~" * 40]


@pytest.mark.parametrize("pattern", PATTERNS.values(), ids=PATTERNS)
@pytest.mark.parametrize("name", levels())
def test_matches_are_those_of_regex(name: str, pattern: str) -> None:
    compiled = regex.compile(pattern, regex.V1)
    with level(name):
        splitter = dstok.Splitter(pattern, behavior="Removed", invert=True)
        whole = dstok.Splitter(pattern)
    assert splitter.strategy() == whole.strategy() and whole.strategy().startswith("both sides")
    for seed in seeds(100_000, 60):
        chance = random.Random(seed)
        chars = chance.sample(CHARS, chance.choice((2, 4, len(CHARS))))
        text = "".join(chance.choices(chars, k=chance.choice((0, 1, 2, 30, 1000))))
        expected = [list(match.span()) for match in compiled.finditer(text)]
        assert splitter.spans(text, unit="characters").tolist() == expected, text
        pieces = whole.split(text)
        assert "".join(pieces) == text
        assert dstok.training.count_pieces(splitter, [text]).to_dict() == dict(Counter(splitter.split(text))), text
        assert [piece.text for piece in whole.pieces(text)] == pieces, text
