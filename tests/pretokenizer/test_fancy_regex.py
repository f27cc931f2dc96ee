r"""Random patterns of tiktoken's dialect: what is taken is cut as tiktoken cuts it.

Classes above all: nested, negated, with `&&`, with properties, with brackets and hyphens in odd places. Each pattern
ends in `|[\s\S]`, so that nothing is dropped.
"""

from __future__ import annotations

from random import Random

import pytest
from shares import chance_of_today
from splitter_cases import tiktoken_cuts_so

from dstok import DstokError, Splitter

LETTERS = "abkK1 _-]^&[~sſ\u200d²é中αΩ\n!"
ITEMS = ["a", "b", "k", "-", "]", "^", "&", "~", "_", "1", "é", "中", "a-c", r"\]", r"\-", r"\[", r"\w", r"\W", r"\d", r"\s", r"\S",
         r"\p{Han}", r"\p{Greek}", r"\p{Lowercase}", r"\P{Lu}", r"\pL", r"\h", r"\p{Emoji}"]
ATOMS = [r"\w", r"\W", r"\p{Han}", r"\h", "a", "k", r"\d", ".", r"\s"]
QUANTIFIERS = ["", "", "+", "*", "?", "++", "{1,2}", "+?"]


def char_class(chance: Random, depth: int = 0) -> str:
    parts = [chance.choice(["[", "[^"])]
    for _ in range(chance.randrange(1, 5)):
        nested = depth < 2 and chance.random() < 0.25
        parts.append(char_class(chance, depth + 1) if nested else chance.choice(ITEMS))
        if chance.random() < 0.1:
            parts.append("&&" + chance.choice(["a", r"\w", "[b-k]", r"\p{L}"]))
    return "".join([*parts, "]"])


def atom(chance: Random) -> str:
    kind = chance.random()
    if kind < 0.6:
        return char_class(chance)
    return chance.choice(ATOMS) if kind < 0.85 else f"(?i:{chance.choice([char_class(chance), 'ab', 'k'])})"


def pattern(chance: Random) -> str:
    branches = ["".join(atom(chance) + chance.choice(QUANTIFIERS) for _ in range(chance.randrange(1, 4)))
                for _ in range(chance.randrange(1, 3))]
    return "|".join([*branches, r"[\s\S]"])


@pytest.mark.parametrize("number", range(10))
def test_random_patterns_by_tiktoken(number: int) -> None:
    chance, taken = chance_of_today(f"fancy-regex {number}"), 0
    while taken < 8:
        drawn = pattern(chance)
        try:
            ours = Splitter(drawn, dialect="fancy-regex")
        except DstokError:
            continue
        texts = ["".join(chance.choices(LETTERS, k=chance.randrange(1, 9))) for _ in range(20)]
        assert tiktoken_cuts_so(drawn, texts, [ours.split(text) for text in texts]), drawn
        taken += 1
