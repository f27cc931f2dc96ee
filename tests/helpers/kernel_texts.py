"""V3's encoder at each level of the mask kernel, and texts that show where a kernel goes wrong.

In: a level, random numbers. Out: an encoder; texts of characters of every class and width, of runs, and of what lies
over the edges of blocks. Invariant: what is right is what the automaton alone gives.
"""

from __future__ import annotations

import random
from collections.abc import Iterator

from kept import kept
from real_models import V3 as TOK
from real_models import level as set_level
from real_models import levels

from dstok.compiled.tables import make_bpe, make_encoder
from dstok.core.encode.encoder import Encoder
from dstok.core.text.added_tokens import Matcher, Policy

NO_ADDED = Policy(None, None, [], [], ((), ()), False)
ADDED = Policy(Matcher([(b"<a>", False, False, False), (b"[", False, False, False)]), None, [70, 71], [], (("<a>", "["), ()), False)
KERNELS = levels()[1:]

# By class, each character of another width or another part in safe cuts (the three in BLANK differ in width, the
# last two in LETTER are cuttable).
BLANK, NEWLINE, SPACE, PUNCT_ASCII, NUMBER, LETTER_ASCII = "\t\x85\u3000", "\n\r", " ", "!", "7", "aZ"
PUNCT, LETTER, COMBINING = "\u00a1\u3002\U0001f600", "\u00e9\u16a0\U0001d400\u3400\ud55c", "\u0301\u20d0\U000e0100"
CJK_LETTER, CJK_PUNCT = "\u4e2d\u304b", "\u30fb\u309b"
ASCII = "aabstlmIREV   \n\t\r!.'/-7<[>\x01\x7f"
RARE = "\0\u0378\ufffe\u00b2\u0661\U0001fbf0\u3097\u3099\U0010ffff"
PLAIN = BLANK + NEWLINE + SPACE + PUNCT_ASCII + NUMBER + LETTER_ASCII + PUNCT + LETTER + COMBINING + CJK_LETTER + CJK_PUNCT
ALL = PLAIN + RARE
# What may lie before a block edge: each carries another state over it.
CARRIERS = " \t\n!7a\u3000\u00a1\u3002\U0001f600\u00e9\u16a0\U0001d400\ud55c\u0301\u4e2d\u30fb"
CLASSES = [[chr(c) for first, last in members.ranges for c in {first, (first + last) // 2, last}
            if not 0xD800 <= c < 0xE000] for members in TOK.inspect().automaton.alphabet.classes]


@kept()
def encoder_at(level: str, cuts: bool = True) -> Encoder:
    """One encoder a level, with or without safe cuts inside pieces."""
    return fresh_encoder(level, cuts)


def fresh_encoder(level: str, cuts: bool = True) -> Encoder:
    """An encoder whose piece table nobody has used."""
    tables = TOK._tables
    if not cuts:
        tables = type(tables)(tables.header, {**tables.sections, "joined": b""}, tables.image)
    with set_level(level):
        return make_encoder(tables, make_bpe(tables), TOK.vocab_size)


def automaton_spans(text: str) -> list[tuple[int, int]]:
    """The pieces by the automaton in Python, in bytes."""
    spans, at = [], 0
    for piece, _ in TOK.inspect().automaton.pieces(text):
        spans.append((at, at + len(piece.encode())))
        at = spans[-1][1]
    return spans


def check_pieces(level: str, text: str, cuts: bool = True) -> None:
    """The pieces of a text at this level are those of the automaton."""
    data = text.encode()
    found, expected = (encoder_at(name, cuts).pieces(data, NO_ADDED) for name in (level, "automaton"))
    assert found == expected, (text, sorted(set(found) ^ set(expected))[:6])


def check_short(encoder: Encoder, chance: random.Random) -> int:
    """Random texts of 0 to 400 characters have the ids of the same bytes, which take the general path.

    With added tokens, and without. Returns the number of texts of up to 128 characters that were left to the general
    path. Half of the texts have characters of one width beyond ASCII among others, more of them or fewer.
    """
    left = 0
    for length in [*range(161), *chance.sample(range(161, 400), 40)]:
        alphabet = [*chance.choice((ASCII, "aabst ", chance.sample(ASCII, chance.randint(1, 6))))]
        if chance.random() < 0.5:
            alphabet += chance.choice(("éüß×", "яЖ é", "中文的，。한", "🦙 中é")) * chance.choice((1, 1, 9))
        text = "".join(chance.choices(alphabet, k=length))
        for policy in (NO_ADDED, ADDED):
            new = encoder.short(text, policy)  # then its pieces are in the piece table
            expected = encoder.encode(text.encode(), policy, False)
            assert new in (None, expected) and encoder.short(text, policy) in (None, expected), text
            assert encoder.encode(text, policy, False) == expected, text
            assert encoder.count(text, policy, False) == len(expected), text
        left += length <= 128 and encoder.short(text, NO_ADDED) is None
    return left


def fills(carrier: str, first: int, last: int) -> Iterator[str]:
    """Runs of a character that take from `first` to `last` bytes, of ASCII letters where they do not fit."""
    width = len(carrier.encode())
    for size in range(first, last + 1):
        yield "b" * (size % width) + carrier * (size // width)


def some_class(chance: random.Random) -> str:
    """A character of any class, or one that the kernels treat by itself."""
    if chance.random() < 0.5:
        return chance.choice(PLAIN)
    return chance.choice(chance.choice(CLASSES))


def runs(chance: random.Random, size: int) -> str:
    """Runs of at least `size` characters together: short ones of a few classes, and now and then a long one."""
    alphabet = [some_class(chance) for _ in range(chance.randint(1, 7))] + list("\n a")
    parts: list[str] = []
    length = 0
    while length < size:
        longest = chance.choice((1, 1, 1, 2, 3, 5, 70, 200))
        parts.append(chance.choice(alphabet) * chance.randint(1, longest))
        length += len(parts[-1])
    return "".join(parts)
