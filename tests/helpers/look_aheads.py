"""Patterns that differ from a family's by one alternative in front: blanks, newlines, digits, quotes or others, and what follows
them, as the rules' own look-aheads see it.

In: numbers. Out: patterns, and texts in which what the alternative matches lies anywhere in a block of 64 bytes.
Invariant: the characters that may follow are of each kind and width, so a look-ahead that misses one of them is found.
"""

from __future__ import annotations

import random
from itertools import product

from upstream import model_splits

from dstok.regex import Split

FAMILIES = ["deepseek-v3", "qwen-2.5", "qwen-3.5", "glm-4", "minimax", "gpt2", "cl100k_base", "deepseek-llm-7b-base",
            "deepseek-coder-33b-base", "tekken"]
FIRST = {"": "", r"\n": "\n", r"\r\n": "\r\n", "[a-z]": "a", "A": "A", "!": "!", "'": "'", "[0-9]": "1", r"\x{e9}": "\u00e9",
         r"\x{4e2d}": "\u4e2d", r"\x{1d400}": "\U0001d400", "[+]": "+", r"\x01": "\x01", "/": "/"}
RUN = {" ": " ", r"\s": " ", r"\t": "\t", r"[\r\n]": "\n", "[0-9]": "1", "'": "'", "[a-z]": "s", "[!?]": "!", "[+<]": "+",
       r"\x{3000}": "\u3000"}
COUNT = {"{1}": 1, "{2}": 2, "{3}": 3, "{5}": 5, "{1,}": 2, "{2,}": 2, "{3,}": 4, "{4,}": 5, "{2,4}": 3}
NEXT = {"[a-z]": "a", "[A-Z]": "B", "[st]": "s", "[0-9]": "1", "[!]": "!", "'": "'", r"\n": "\n", "[+]": "+", "/": "/",
        r"[^\x00-\x7F]": "\u4e2d", r"\x{e9}": "\u00e9", r"[\x{80}-\x{7FF}]": "\u00e9", r"[\x{800}-\x{FFFF}]": "\u4e2d",
        r"[\x{4E00}-\x{9FFF}]": "\u4e2d", r"[\x{10000}-\x{10FFFF}]": "\U0001d400", r"\p{L}": "\u00e9", r"\p{N}": "\u0661",
        r"\p{P}": "\u3001", r"\p{M}": "\u0301", r"[\s\S]": "a", r"\x01": "\x01"}
CHARACTERS = "aAsBt 1!'\n\r\t+/\x01\u00e9\u00df\u4e2d\u304b\U0001d400\U0001f600\u0661\u3001\u0301\u3000\u00a0"
LOOKS = ["(?=X)", "(?!X)"]
SHAPES = list(product(FIRST, RUN, COUNT, NEXT, LOOKS))


def family(number: int) -> str:
    return FAMILIES[number % len(FAMILIES)]


def changed(number: int) -> tuple[list[Split], str]:
    """The steps of a family with an alternative in front of one of them, and a text that the alternative may match."""
    chance = random.Random(number)
    splits = list(model_splits(family(number)))
    first, run, count, follows, look = chance.choice(SHAPES)
    step = chance.randrange(len(splits))
    alternative = f"{first}{run}{count}{look.replace('X', follows)}"
    splits[step] = splits[step]._replace(pattern=f"{alternative}|{splits[step].pattern}")
    return splits, FIRST[first] + RUN[run] * COUNT[count] + NEXT[follows]


def texts(number: int, core: str, count: int) -> list[str]:
    """Texts with `core`, and with others like it, at all places of a block and over its end."""
    chance = random.Random(number)
    return ["".join(_parts(chance, core)) for _ in range(count)]


def _parts(chance: random.Random, core: str) -> list[str]:
    few = chance.sample(CHARACTERS, 3)
    parts = ["b" * chance.randrange(70)]
    for _ in range(6):
        end = core[:-1] + chance.choice(CHARACTERS) * chance.randint(0, 3)
        longer = core[:-1] + core[-2:-1] * chance.randint(1, 70) + core[-1]
        parts += [chance.choice((core, core, end, longer)), "".join(chance.choices(few, k=chance.randrange(20))),
                  chance.choice(("", "b" * chance.randrange(64)))]
    return parts
