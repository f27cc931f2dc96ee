"""The grid kernel, whose blocks begin anywhere with a few bits of state carried over, against the automaton.

The grid runs while some 67 bytes follow, so each text here has a tail; what lies before puts the edge of a block at
every offset in the text of interest. The other levels take the same texts: their blocks have edges, too.
"""

from __future__ import annotations

import itertools
import json

import pytest
from kernel_texts import (
    ALL,
    CARRIERS,
    KERNELS,
    NO_ADDED,
    PLAIN,
    RARE,
    automaton_spans,
    check_pieces,
    encoder_at,
    fills,
    runs,
)
from real_models import level as set_level
from reference import DEEP
from shares import chance_of_today, share
from small_models import model_json
from upstream import pre_tokenizer

import dstok
from dstok.compiled.kernel_selection import NONE, find_kernel

EDGE = 63  # bytes that a block of ASCII decides
TAILS = ("b" * 140, " b c" * 35, "\u00e9" * 70, "\u4e2d" * 47, " \n" * 70, "8" * 140)
# Where carried state decides: what ends in a run, meets an edge, and goes on.
CORES = [
    " \n \n  x", "!\r\n\n a", "1234567", " \t!abc\u00e9", "\u4e2d\u30fb\u6587 \u304b", "  ...\n\n", "\u00a0\u0301x",
    "a\u3000b \u0661", "\u3000\u3000\n\u3000x", "\x85\u3000!", "\u3000\u4e2d", "\u2028a", "!a\u0301b", "!!ab", " !ab",
    "!\u00e9", "\u00a1ab", "\u00a1\n\n", "\u30fb\n\n", "\u30fb!\n", "\u4e2d\u0301a", "\ud55c\uae00\uc774", "\u4e2d\u6587\u7684",
    "\u3400\u4e2d", "\ud55c\u304b", "\U0001d400\ud55c\uae00", "\ud55c\U0001d400\uae00", "\U0001f600\n", "\U0001f600a", "\0a", "a\0",
    "\n\0", " \0", "\r\n \r\n", "\n \t\u3000 \n", "\n \t\u3000 x", "\n  7", "\n  !", "\n  \u4e2d", "7 8", "77a77", "!7",
    "\u3097\u3099\u304b", "\u304b\u3099\u304b", "\U000f0000\U000f0000",
]


@pytest.mark.parametrize("level", KERNELS)
def test_pairs_at_the_edge(level: str) -> None:
    """All pairs of characters (deep: threes), one a class and width, just before, over and after a block's edge."""
    tails = itertools.cycle(TAILS)
    cores = map("".join, itertools.product(PLAIN, repeat=3 if DEEP else 2))
    for core, before in share(itertools.product(cores, CARRIERS), 16):
        for fill in fills(before, EDGE - len(core.encode()), EDGE + 1):
            check_pieces(level, fill + core + next(tails))


@pytest.mark.parametrize("level", KERNELS)
def test_rare_characters_at_the_edge(level: str) -> None:
    for rare, other, before in share(itertools.product(RARE, "a \n!\u4e2d\u3000", "a \n7"), 4):
        for fill in fills(before, EDGE - 8, EDGE + 2):
            check_pieces(level, fill + other + rare + "c" * 80)
            check_pieces(level, fill + rare + other + "c" * 80)


@pytest.mark.parametrize("cuts", [True, False])
@pytest.mark.parametrize("level", KERNELS)
def test_cores_at_every_offset(level: str, cuts: bool) -> None:
    """Every carrier of state, 0 to 130 bytes of it, before what meets it."""
    tails = itertools.cycle(TAILS)
    for core, before in share(itertools.product(CORES, CARRIERS), 40):
        for fill in fills(before, 0, 130):
            check_pieces(level, fill + core + next(tails), cuts)


@pytest.mark.parametrize("level", KERNELS)
def test_digits(level: str) -> None:
    """Runs of 1 to 200 digits, begun anywhere in a block."""
    for count, before, offset in share(itertools.product(range(1, 201), "a\n\u4e2d", range(66)), 40):
        check_pieces(level, "b" * (offset + count % 5) + before + "7" * count + "c" * 70)


@pytest.mark.parametrize("level", KERNELS)
def test_blanks_after_a_newline(level: str) -> None:
    """Whether blanks after a newline start a piece is only known where they end, blocks later."""
    ends = ("\nb", "b", "!", "\u4e2d", "7", "\u00e9", "\0", "\u0661", " \u3000\n", "\u3000b", "")
    lengths = [1, 2, 3, *range(55, 70), 126, 127, 128, 200]
    for blanks, end, offset, tail in share(itertools.product(lengths, ends, range(66), ("", "c" * 70)), 16):
        check_pieces(level, "b" * (offset + blanks % 3) + "\n" + " " * blanks + end + tail)


@pytest.mark.parametrize("level", KERNELS)
def test_cut_after_a_wide_run(level: str) -> None:
    """Characters that may be cut apart, their neighbours at the lanes' ends (16) and the blocks' (63)."""
    chance = chance_of_today("wide runs")
    kinds = ["\u4e2d\u6587\u7684\u4e00\u662f\u3400\u9fff", "\u3042\u30ab\u304b", "\ud55c\uae00\uc774\ub2e4", "\u00e9\u00df", "\U0001d400\U0001f600\U00050000\U00100000", "a,\n "]
    for _ in range(40_000 if DEEP else 500):
        chosen = "".join(chance.sample(kinds, chance.randint(1, 3)))
        check_pieces(level, "b" * chance.randint(0, 3) + "".join(chance.choices(chosen, k=chance.randint(20, 150))))


@pytest.mark.parametrize("level", KERNELS)
def test_strings_at_random_offsets(level: str) -> None:
    """Longer strings than all can be tried of, after any carrier."""
    chance = chance_of_today(level)
    for _ in range(1_000_000 if DEEP else 2000):
        core = "".join(chance.choices(ALL if chance.random() < 0.1 else PLAIN, k=chance.randint(3, 8)))
        before = chance.choice(CARRIERS)
        fill = "b" * chance.randint(0, 3) + before * (chance.randint(0, 130) // len(before.encode()))
        check_pieces(level, fill + core + chance.choice(TAILS))


@pytest.mark.parametrize("level", KERNELS)
def test_long_runs(level: str) -> None:
    """Thousands of characters: many blocks, chunks of pieces, and portions of a text in place."""
    chance = chance_of_today("long runs")
    for number in range(2000 if DEEP else 30):
        text = runs(chance, 20_000 if number % 10 == 0 else 2000)
        check_pieces(level, text)
        data, fast, plain = text.encode(), encoder_at(level), encoder_at("automaton")
        ids = plain.encode(text, NO_ADDED, False)
        assert fast.encode(text, NO_ADDED, False) == fast.encode(data, NO_ADDED, False) == ids
        assert fast.count(text, NO_ADDED, False) == fast.count(data, NO_ADDED, False) == len(ids)


def test_automaton_in_c_is_the_automaton() -> None:
    """What the levels are held against is held against the automaton in Python."""
    chance = chance_of_today("the automaton in C")
    plain = encoder_at("automaton", cuts=False)
    for core in [*CORES, *map("".join, itertools.product(ALL, repeat=2)), *(runs(chance, 300) for _ in range(50))]:
        assert plain.pieces(core.encode(), NO_ADDED) == automaton_spans(core), core


BLANKS = r"\t\n\f\r \x{85}\x{a0}\x{1680}\x{2000}-\x{200a}\x{2028}\x{2029}\x{202f}\x{205f}\x{3000}"


@pytest.mark.parametrize(("changes", "texts"), [
    ([("|}~]", "|}]")], ["~", "~ab", "a~b", " ~\n\n", "~~a"]),
    ([(r"\S", f"[^{BLANKS}]"), (r"\s", f"[{BLANKS}]")], ["\n" + " " * 130 + "\v\nb", "\va", " \v \n"]),
], ids=["a mark that takes no letters", "a blank that is none"])
@pytest.mark.parametrize("level", KERNELS)
def test_other_ascii(changes: list[tuple[str, str]], texts: list[str], level: str) -> None:
    """V3's automaton where ASCII characters are of other classes than V3's, so that its rules do not stand for it."""
    steps = json.loads(json.dumps(pre_tokenizer("deepseek-v3")))
    for step in steps["pretokenizers"]:
        for old, new in changes:
            if "Regex" in step.get("pattern", {}):
                step["pattern"]["Regex"] = step["pattern"]["Regex"].replace(old, new)
    with set_level(level):
        tok = dstok.Tokenizer.from_str(json.dumps({**json.loads(model_json()), "pre_tokenizer": steps}))
    assert find_kernel(tok.inspect().automaton).rules == NONE
    for text, offset in itertools.product(texts, range(70)):
        ends = list(itertools.accumulate(len(piece) for piece, _ in tok.inspect().automaton.pieces("b" * offset + text + " c" * 70)))
        data = ("b" * offset + text + " c" * 70).encode()
        assert tok._encoder.pieces(data, NO_ADDED) == list(zip([0, *ends], ends))
