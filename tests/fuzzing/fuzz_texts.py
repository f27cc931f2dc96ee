"""Texts aimed at the places where one way of finding pieces hands over to another.

In: `Letters`, which a tokenizer's own classes and tokens make, and a random.Random. Out: a text.
Invariant: every class of the automaton, and in it every width of UTF-8, is as likely as any other, whatever its size:
that is where the rules' rare characters are. Runs of characters that may be cut apart lie before, between and
after them, and what is odd lies at the edges of blocks (63, 64 bytes), portions (64 KB) and texts that are copied.
"""

from __future__ import annotations

import lzma
import random
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from functools import cache
from itertools import pairwise
from typing import Any

from shared_data import CORPORA, shared

from dstok.core.bpe.facts import cuttable_ranges
from dstok.unicode.properties import CodePointSet

KEPT = 4_000_000  # characters of each corpus
BORDERS = (16, 63, 64, 126, 128, 256)  # bytes of lanes, blocks, of texts that are copied
FAR = (4096, 65536, 65536, 131072)  # of portions
WIDTHS = (0x80, 0x800, 0x10000, 0x110000)  # code points below which a character takes 1, 2, 3, 4 bytes
SAMPLES = 40  # of a class and a width
SNIPPETS = ("'s", "'S", "'ll", "'lx", "'re", "'r", "I'd've", "'s's", "!\n/", "/\n", "\r\n", "  \n ", "\n  x", " \n \n", "12345678", "  !", "!a\u0301", "aB", "ABc")
FALLBACK = "The quick brown fox, 1234567 times.\n\n  \u4e2d\u6587 \uff0c caf\u00e9 \ud55c\uad6d\uc5b4 \u30ab\u30bf\u30ab\u30ca\r\n\tdef f(x): return x\n" * 100


@dataclass(frozen=True)
class Letters:
    """What texts for a tokenizer are made of."""

    groups: list[list[str]]    # characters of one class and one width
    cuttable: list[list[str]]  # those that may be cut apart, by class
    contents: list[str]        # of added tokens
    joined: list[list[str]]    # tokens of several characters, by their classes
    hinges: list[list[str]]    # those that may be cut from what is before them, and are of two classes

    def any(self, chance: random.Random) -> str:
        """A character, now and then a token: two characters that are not in one piece show only if they would merge."""
        return chance.choice(chance.choice(self.joined if self.joined and chance.random() < 0.25 else self.groups))

    def few(self, chance: random.Random, least: int, most: int) -> list[str]:
        return [self.any(chance) for _ in range(chance.randint(least, most))]


def letters_of(classes: Sequence[CodePointSet], contents: Sequence[str] = (), tokens: Iterable[str] = ()) -> Letters:
    """The edges of an alphabet's classes, and members from anywhere in them."""
    groups, cuttable = [], []
    for number, members in enumerate(classes):
        chance = random.Random(number)
        for low, high in zip((0, *WIDTHS), WIDTHS):
            groups += _sample(chance, _inside(members.ranges, low, high - 1))
        cuttable += _sample(chance, [part for low, high in cuttable_ranges() for part in _inside(members.ranges, low, high)])
    joined, hinges = _by_kind(classes, tokens)
    return Letters(groups, cuttable or [["\u4e2d"]], list(contents), joined, hinges)


def _by_kind(classes: Sequence[CodePointSet], tokens: Iterable[str]) -> tuple[list[list[str]], list[list[str]]]:
    """Tokens of two characters or more, not all ASCII, by what stands where the class first changes; and the hinges."""
    kinds, known = dict[Any, list[str]](), dict[str, Any]()

    def kind_of(char: str) -> Any:
        if char not in known:
            number = next((number for number, members in enumerate(classes) if char in members), -1)
            known[char] = (number, len(char.encode()), any(low <= ord(char) <= high for low, high in cuttable_ranges()))
        return known[char]

    for token in tokens:
        if len(token) > 1 and not token.isascii() and "\ufffd" not in token:
            chars = list(map(kind_of, token))
            change = next((pair for pair in pairwise(chars) if pair[0][0] != pair[1][0]), tuple(chars[:2]))
            kinds.setdefault((chars[0][2], *change), []).append(token)
    few = {kind: random.Random(number).sample(all_, min(len(all_), SAMPLES)) for number, (kind, all_) in enumerate(kinds.items())}
    return list(few.values()), [tokens for (cuttable, one, two), tokens in few.items() if cuttable and one[0] != two[0]]


def _inside(ranges: Sequence[tuple[int, int]], low: int, high: int) -> list[tuple[int, int]]:
    return [(max(first, low), min(last, high)) for first, last in ranges if first <= high and last >= low]


def _sample(chance: random.Random, ranges: list[tuple[int, int]]) -> list[list[str]]:
    """One list of characters, or none."""
    codes = {code for pair in (ranges[0], ranges[-1]) for code in pair} if ranges else set()
    for _ in range(SAMPLES if ranges else 0):
        codes.add(chance.randint(*chance.choice(ranges)))
    found = [chr(code) for code in sorted(codes) if not 0xD800 <= code < 0xE000]
    return [found] if found else []


# Makers


def around_cuts(letters: Letters, chance: random.Random) -> str:
    """Runs that may be cut apart, and what comes between them."""
    run = chance.choices(chance.choice(letters.cuttable), k=chance.randint(1, 4))
    other = [chance.choice(chance.choice(letters.cuttable)) for _ in range(chance.randint(1, 3))]
    whole = [chance.choice(chance.choice(letters.hinges or [other])) for _ in range(chance.randint(1, 2))]
    odd = chance.choice((whole, [*whole, *other], other, letters.few(chance, 1, 3), [chance.choice(SNIPPETS)]))
    parts = [chance.choice(("", filler(letters, chance, chance.randint(0, 70)))), chance.choice(("", "", "a", letters.any(chance)))]
    for _ in range(chance.choice((1, 1, 2, 5))):
        parts += chance.choices(run, k=chance.choice((1, 1, 2, 3, 5, 18, 19, 20, 21, 22, 40)))
        parts += [*chance.choices(odd, k=chance.randint(1, 3)), chance.choice(("", "", "a", "A", "1", " "))]
    return "".join([*parts, *chance.choices(run, k=chance.randint(0, 5)), chance.choice(("", tail(letters, chance)))])


def few_classes(letters: Letters, chance: random.Random) -> str:
    """Over few characters, so that all their orders come; some after a filler."""
    few = letters.few(chance, 1, 6) + chance.choice(([], [], list("\n a"), list("'s"), ["1"], list("Ab")))
    size = chance.choice((2, 3, 5, 8, 8, 20, 40, 63, 64, 65, 130, 400))
    return filler(letters, chance, chance.choice((0, 0, chance.randint(0, 70)))) + "".join(chance.choices(few, k=size))


def at_border(letters: Letters, chance: random.Random) -> str:
    """Something odd over a border of blocks, of texts that are copied, or of lanes."""
    core = "".join(chance.choice((letters.any(chance), letters.any(chance), chance.choice(SNIPPETS))) for _ in range(chance.randint(1, 8)))
    before = chance.choice(BORDERS) * chance.choice((1, 1, 2)) + chance.randint(-30, 8)
    return filler(letters, chance, max(before, 0)) + core + tail(letters, chance)


def far(letters: Letters, chance: random.Random) -> str:
    """The same at a border of portions."""
    core = chance.choice((few_classes, around_cuts))(letters, chance)
    return filler(letters, chance, chance.choice(FAR) - chance.randint(0, len(core.encode()) + 80)) + core + tail(letters, chance)


def runs(letters: Letters, chance: random.Random) -> str:
    """Runs of a few characters, short ones, and now and then a long one."""
    few = letters.few(chance, 1, 7) + list("\n a")
    longest = [chance.choice((1, 1, 1, 2, 3, 5, 70, 200)) for _ in range(chance.choice((3, 3, 10, 30)))]
    return "".join(chance.choice(few) * chance.randint(1, most) for most in longest)


def any_code_points(letters: Letters, chance: random.Random) -> str:
    points = (chance.randrange(chance.choice((0x800, 0x10000, 0x110000))) for _ in range(chance.choice((5, 20, 100))))
    return "".join(chr(c) for c in points if not 0xD800 <= c < 0xE000)


def mutated(letters: Letters, chance: random.Random) -> str:
    """A slice of a corpus, with characters put in, left out, repeated and moved."""
    text = corpus_slice(letters, chance)
    for _ in range(chance.randint(1, 12)):
        at, length = chance.randrange(len(text) + 1), chance.randint(0, 70)
        part = chance.choice((
            "", letters.any(chance), letters.any(chance) * length, text[at : at + 3] * (length // 3), "\n" + " " * length, "7" * length,
            chance.choice(SNIPPETS), chance.choice(letters.contents or [""])[:length], around_cuts(letters, chance)))
        text = text[:at] + part + text[at + chance.choice((0, 0, 1, length)) :]
    return text


def corpus_slice(letters: Letters, chance: random.Random) -> str:
    text = chance.choice(slices())
    start = chance.randrange(len(text))
    return text[start : start + chance.choice((10, 80, 80, 200, 200, 1000))]


def specials(letters: Letters, chance: random.Random) -> str:
    """Added tokens, whole and cut, with anything between them."""
    contents = letters.contents or ["<s>"]
    return "".join(chance.choice((
        chance.choice(contents), chance.choice(contents), chance.choice(contents)[: chance.randint(1, 5)], letters.any(chance),
        corpus_slice(letters, chance)[:50])) for _ in range(chance.randint(1, 40)))


def long_words(letters: Letters, chance: random.Random) -> str:
    """Pieces around the lengths that the piece table's parts hold, many of them again and again."""
    kinds = ("ab", "qxzj", "the", "\u00e9a", "\u4e2d\u6587", "!-", "".join(letters.few(chance, 1, 3)))
    lengths = (1, 7, 8, 9, 16, 17, 24, 25, 30, 62, 63, 90)
    words = ["".join(chance.choices(chance.choice(kinds), k=chance.choice(lengths))) for _ in range(20)]
    return "".join(chance.choice(words) + chance.choice(" 7\n") for _ in range(chance.choice((3, 10, 60))))


def filler(letters: Letters, chance: random.Random, size: int) -> str:
    """`size` bytes of one character, or of two; ASCII letters where they do not fit."""
    unit = chance.choice(("a", " a", "\n ", "\u00e9", "\u4e2d", "\ud55c", "\u30bd", " ", "7", "word ", letters.any(chance)))
    width = len(unit.encode())
    return "b" * (size % width) + unit * (size // width)


def tail(letters: Letters, chance: random.Random) -> str:
    """What follows: nothing, or enough for another block."""
    return chance.choice(("", "", filler(letters, chance, chance.choice((70, 140)))))


MAKERS: list[Callable[[Letters, random.Random], str]] = [
    around_cuts, around_cuts, around_cuts, around_cuts, around_cuts, few_classes, few_classes, few_classes, at_border, at_border, runs, any_code_points, mutated,
    mutated, corpus_slice, specials, long_words,
]


@cache
def slices() -> list[str]:
    """The starts of the corpora; of none, a text of this file's own."""
    try:
        paths = [shared(f"data/{name}.txt.xz") for name in CORPORA]
    except BaseException as error:  # pytest's skip and fail derive from it
        if isinstance(error, KeyboardInterrupt):
            raise
        return [FALLBACK]
    texts = []
    for path in paths:
        with lzma.open(path, "rt", encoding="utf-8") as file:
            texts.append(file.read(KEPT))
    return texts


def text_of(letters: Letters, chance: random.Random) -> str:
    """A text of any kind; one in a hundred reaches over a border of portions."""
    if chance.random() < 0.01:
        return far(letters, chance)
    text = chance.choice(MAKERS)(letters, chance)
    return text + chance.choice(MAKERS)(letters, chance) if chance.random() < 0.1 else text
