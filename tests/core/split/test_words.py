"""The rules of words and of runs (core/split/rules_words.h, rules_runs.h) cut where the automaton cuts, at every level: a
family of each set of rules."""

from __future__ import annotations

import json
import random
from collections.abc import Iterator
from itertools import accumulate, chain, cycle, product

import pytest
from kept import kept
from kernel_texts import KERNELS as LEVELS
from kernel_texts import NO_ADDED, check_short, fills
from real_models import level
from reference import BRIEF, DEEP
from shares import SEED, chance_of_today, share
from small_models import model_json
from upstream import model_splits, pieces_by, pre_tokenizer, upstream_splitter

import dstok
from dstok.compiled import kernel_selection as kernels
from dstok.compiled.kernel_selection import (
    CASED,
    CL100K,
    CODER,
    GPT2,
    KIMI,
    LAGUNA,
    LLM,
    MINICPM,
    ONES,
    SEED_CODER,
    SPARK,
    STARCODER,
    TEKKEN,
    THREES,
    TWOS,
    UFAKZEKA,
    V3,
    YOUTU,
    find_kernel,
)
from dstok.compiled.tables import make_bpe, make_encoder
from dstok.core.encode.encoder import Encoder

# Patterns of the same automaton, whose sets hold more: (what to replace, by what), where a family has it.
SHORT = "(?i:'s|'t|'re|'ve|'m|'ll|'d)"
VARIANTS = {
    "newlines": (r"\r\n", "\\r\\n\u2028"), "spaces": (" ?[", "[ \u3000]?["), "slashes": (r"\r\n/", "\\r\\n/\uff0f"),
    "quotes": (SHORT, "(?:['\u2019](?i:s|t|re|ve|m|ll|d))"),
    "letters": (SHORT, "(?:'(?:[sS\u017f]|[tT]|[rR\u0159][eE\u00e9]|[vV\u1e7d][eE\u00e9]|[mM]|[lL\u0142][lL\u0142]|[dD\u0111]))"),
}
FAMILIES = {"qwen-2.5": ONES, "qwen-3.5": ONES, "glm-4": THREES, "deepseek-r1-distill-llama-8b": THREES, "minimax": CASED,
            "gpt2": GPT2, "cl100k_base": CL100K, "deepseek-llm-7b-base": LLM, "deepseek-coder-33b-base": CODER, "tekken": TEKKEN,
            "kimi-k2": KIMI, "nanochat": TWOS, "starcoder": STARCODER, "seed-coder": SEED_CODER, "minicpm5": MINICPM,
            "ufakzeka": UFAKZEKA, "spark2_5": SPARK, "youtu": YOUTU, "laguna": LAGUNA}
TODAY = [*FAMILIES][SEED % 6 :: 6] if BRIEF else [*FAMILIES][SEED % 2 :: 2]  # fewer where the processor is emulated
VARIED = [*share(product(FAMILIES, VARIANTS), 6)]  # of all families and variants, others each day
CJK = "\u4e2d\u6587\u7684\u4e00\u3042\u30ab\u30fb\u309b\ud55c\uae00\u3400"
JOINED = ["\u4e2d\u6587", "\ud55c\u30ab", "ab"]  # tokens of the small vocabulary: no cuts inside
EDGE = 63  # bytes that a block of ASCII decides
TAILS = ("b" * 140, " b c" * 35, "\u00e9" * 70, "\u4e2d" * 47, " \n" * 70, "8" * 140, "Bb" * 70, "it's" * 35)
# What carries another state over a block's edge.
CARRIERS = " \t\n!'7aA/\u3000\u00a1\U0001f600\u00e9\u00c9\u4e2d\u0301\u0661\u017f"
# One character a kind and a width; then what the rules leave to the automaton.
KINDS = " \t\n!'/7aAst\u3000\u00a0\u00a1\u3002\U0001f600\u00e9\u00c9\u01c5\u4e2d\U0001d400\u0301\u20d0\u0661\u00b2\u017f"
CORES = [
    "'s", "'S", "'re", "'vE", "'ll", "'lx", "'r", "'rx", "'m'd", "'sing", "'llama", "'s's", "'s'sx", "I'd've", "I'd'vex", "'\u017f",
    "a'\u017fb", "'\u017f's", " 's", "!'s", "''s", "'!s", "1's", "\n's", "\t's", "\u3000's", "\u00a1's", "s'", "'s\n", "'s 's", "'s!\n",
    "'s1", "'\u00e9", "!\n/", "!\n/\n/!", "/\n/a", "a/\n\n//b", "!\r \r \n\r\n\n", "\n/", " /\n/\n", "aB", "aBc", "ABc", "AB", "a\u4e2dB", "\u4e2dB",
    "\u4e2dBa", "A\u4e2dB", "\u0301B", "!\u0301", "!!\u0301a", " !\u0301", "\u0301!", "\u0301a", "1\u0301", "a\u0301b", "\u01c5a", "a\u01c5",
    "1\u06612", "12345678\u0661", "\u0661\u0662\u0663\u0664", "1\u00b22", " \n \n  x", "!\r\n\n a", " \t!abc\u00e9", "\u3000\u3000\n\u3000x",
    "\u3000!", "!\u3000a", "\U0001f600a", "\U0001f600\n", "!\u00e9", "\u00a1a", "\u00a1\n", "\n  7", "  7", "  !", "  \u0661", "\n  ", "\u1e9e's",
    "\x01  \x02", "\x01  \n", "\x01  a", "\x01 5", "\x01 \u4e2d", "\x01\u00a0\u00a0", "\u00a0\u05d0 \u00a0!", "+ +", " +", "  (", "\u00e9a \u00e9",
    "\uff21\u00e9", "\u4e2da", " \u4e2d\u6587", "\u3001,\u3002 a", " \u3001", "\u2192\u4e2d\u10d0", "\u09675\u0661", "\u05d0\u05d1 \u05d2",
]

each_family = pytest.mark.parametrize("name", TODAY)


def merges() -> list[tuple[bytes, bytes]]:
    """Byte by byte, each of JOINED."""
    return [(data[:end], data[end : end + 1]) for data in (text.encode() for text in JOINED) for end in range(1, len(data))]


@kept()
def tokenizer(name: str) -> dstok.Tokenizer:
    """A family's pre-tokenizer, or a variant's ("family, variant"), with a small vocabulary."""
    family, _, variant = name.partition(", ")
    steps = json.loads(json.dumps(pre_tokenizer(family)))
    for step in steps["pretokenizers"]:
        if variant and "pattern" in step:
            step["pattern"]["Regex"] = step["pattern"]["Regex"].replace(*VARIANTS[variant])
    return dstok.Tokenizer.from_str(json.dumps({**json.loads(model_json(merges())), "pre_tokenizer": steps}))


@kept(most=12)
def encoder(name: str, name_of_level: str, cuts: bool = False) -> Encoder:
    """Its encoder at a level, with or without safe cuts inside pieces. It takes 20 MB; a name has up to ten."""
    tables = tokenizer(name)._tables
    if not cuts:
        tables = type(tables)(tables.header, {**tables.sections, "joined": b""})
    with level(name_of_level):
        return make_encoder(tables, make_bpe(tables), tokenizer(name).vocab_size)


@kept(most=2)
def automaton(name: str) -> Encoder:
    """The automaton in C, alone: neither rules nor shuffles nor cuts."""
    tables = tokenizer(name)._tables
    tables = type(tables)(tables.header, {**tables.sections, "joined": b"", "shuffles": b""})
    with level("automaton"):
        found = make_encoder(tables, make_bpe(tables), tokenizer(name).vocab_size)
    assert found.finder.strategy() == "automaton"
    return found


def check(name: str, text: str) -> None:
    """The pieces of a text, in bytes, are those of the automaton, at each level."""
    data = text.encode()
    expected = automaton(name).pieces(data, NO_ADDED)
    for each in LEVELS:
        found = encoder(name, each).pieces(data, NO_ADDED)
        assert found == expected, (each, text, sorted(set(found) ^ set(expected))[:6])


def spans(name: str, text: str) -> list[tuple[int, int]]:
    """The pieces by the automaton in Python, in bytes."""
    ends = list(accumulate(len(piece.encode()) for piece, _ in tokenizer(name).inspect().automaton.pieces(text)))
    return list(zip([0, *ends], ends))


def kinds(name: str) -> list[str]:
    """A character of each class."""
    return [chr(members.ranges[0][0]) for members in tokenizer(name).inspect().automaton.alphabet.classes]


@each_family
def test_has_rules(name: str) -> None:
    assert find_kernel(tokenizer(name).inspect().automaton).rules == FAMILIES[name]


def test_all_rules_are_some_familys() -> None:
    assert set(kernels.KINDS) == {V3, *FAMILIES.values()}


@each_family
def test_the_kernel_is_used(name: str) -> None:
    assert encoder(name, "automaton").finder.strategy() == "automaton"
    for each in LEVELS:
        assert encoder(name, each).finder.strategy().startswith(f"mask kernel, {each}")


@each_family
def test_short_texts(name: str) -> None:
    """Short texts have a path of their own."""
    for each in LEVELS:
        check_short(encoder(name, each), chance_of_today(f"short {name} {each}"))
    assert encoder(name, "automaton").short("ab", NO_ADDED) is None


@pytest.mark.parametrize("name", [*TODAY, *map(", ".join, VARIED)])
def test_automaton_in_c_is_the_automaton(name: str) -> None:
    """What the rules are held against is held against the automaton in Python."""
    singles = kinds(name)
    texts = chain(product(singles, repeat=2), product(CORES, CARRIERS, "b\n!"),
                  product(singles, repeat=3) if DEEP or ", " not in name else ())
    for text in (*map("".join, share(texts, 16)), *random_texts(chance_of_today(name), name, 50)):
        assert automaton(name).pieces(text.encode(), NO_ADDED) == spans(name, text), text


@each_family
def test_all_short_strings(name: str) -> None:
    singles = kinds(name)
    for length in range(1, 5 if DEEP or len(singles) < 20 else 4):
        for text in map("".join, share(product(singles, repeat=length), 1 if length < 3 else 16)):
            check(name, text)


@each_family
def test_pairs_at_the_edge(name: str) -> None:
    """All pairs of characters (deep: threes), one a kind and width, just before, over and after a block's edge."""
    tails = cycle(TAILS)
    for core, before in share(product(map("".join, product(KINDS, repeat=3 if DEEP else 2)), CARRIERS), 32):
        for fill in fills(before, EDGE - len(core.encode()) - 1, EDGE + 1):
            check(name, fill + core + next(tails))


@each_family
def test_cores_at_every_offset(name: str) -> None:
    tails = cycle((*TAILS, ""))
    for core, before in share(product(CORES, CARRIERS), 80):
        for fill in fills(before, 0, 130):
            check(name, fill + core + next(tails))


@each_family
def test_cores_in_pairs(name: str) -> None:
    """Ends of suffixes, slashes and letters of no case where another one begins, around a block's edge."""
    chance = chance_of_today(name)
    for one, two, offset in share(product(CORES, CORES, range(50, 66)), 80):
        check(name, "b" * offset + one + two + chance.choice(TAILS))


@each_family
def test_blanks_after_a_newline(name: str) -> None:
    ends = ("\nb", "b", "!", "7", "\u00e9", "\u3000b", "'s", "")
    for blanks, end, offset, newline in share(product([1, 2, *range(55, 70), 127, 200], ends, range(66), "\n\r"), 20):
        check(name, "b" * (offset + blanks % 3) + newline + " " * blanks + end + "c" * (70 * (offset % 2)))


def random_texts(chance: random.Random, name: str, count: int) -> Iterator[str]:
    """Over few characters, so that runs are common; many with quotes and letters that make suffixes."""
    every = kinds(name) + list(KINDS)
    for _ in range(count):
        few = chance.sample(every, chance.randint(1, 6)) + chance.choice((["'", *"sSrRevLl"], ["\n", "/"], ["a"], []))
        yield "".join(chance.choices(few, k=chance.choice((8, 40, 63, 64, 65, 70, 130, 400))))


@each_family
def test_random_texts(name: str) -> None:
    for text in random_texts(chance_of_today(name), name, 1_000_000 if DEEP else 750):
        check(name, text)


@each_family
def test_long_texts(name: str) -> None:
    """Many blocks and chunks; also ids, and of text whose ideographs may be cut apart."""
    chance = chance_of_today(f"{name} long")
    for _ in range(400 if DEEP else 2):
        text = "".join(random_texts(chance, name, 60)) + "".join(chance.choices(CJK + "ab ,", k=3000))
        check(name, text)
        whole = encoder(name, "automaton").encode(text, NO_ADDED, False)
        for each in LEVELS:
            assert encoder(name, each, cuts=True).encode(text, NO_ADDED, False) == whole, each


@each_family
def test_pieces_are_upstreams(name: str) -> None:
    """The pieces, cuts left out, at each level."""
    splitter = upstream_splitter(model_splits(name))
    texts = share(map("".join, product(CORES, "b\n! ", ["", "\n", " \n  "])), 4)
    for text in chain(texts, random_texts(chance_of_today(name), name, 20_000 if DEEP else 300)):
        ends = list(accumulate(len(piece.encode()) for piece in pieces_by(splitter, text)))
        for each in LEVELS:
            assert encoder(name, each).pieces(text.encode(), NO_ADDED) == list(zip([0, *ends], ends)), (each, text)


@pytest.mark.parametrize(("name", "variant"), VARIED)
def test_more_characters_in_the_sets(name: str, variant: str) -> None:
    """The rules are the family's, but newlines, spaces, quotes and named letters may be beyond ASCII."""
    varied = f"{name}, {variant}"
    assert find_kernel(tokenizer(varied).inspect().automaton).rules == FAMILIES[name]
    wide = "\u2028\u2019\u3000\u0159\u1e7d\u00e9\u0142\u0111\uff0f"
    chance = chance_of_today(varied)
    for core in map("".join, share(product(wide, "\n '!sretlva/1\u3000\u2028", wide + " a'!\n/"), 8)):
        check(varied, "b" * chance.randint(0, 66) + chance.choice(["", " ", "it", "!", "\n", "it'", "it'r"]) + core + "c" * 70)
    for _ in range(100_000 if DEEP else 300):
        few = chance.sample(wide + "\n  '!sSreELlvda/1B\u4e2d", chance.randint(2, 7))
        check(varied, "".join(chance.choices(few, k=chance.choice((8, 63, 64, 130)))))
