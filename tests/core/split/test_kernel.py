"""The mask kernel, at every level, cuts where the automaton cuts."""

from __future__ import annotations

import itertools
from collections.abc import Iterator

import pytest
from kernel_texts import KERNELS, NO_ADDED, automaton_spans, check_short, encoder_at, fresh_encoder
from real_models import V3 as TOK
from reference import DEEP
from shares import chance_of_today, share

from dstok.compiled.kernel_selection import NONE, V3, find_kernel
from dstok.core.split.automaton import Scanner, pack_edges
from dstok.regex.cascade import compile_splits

BLOCK = 64
# One character a class, and a second where its width in bytes may matter.
LETTERS = [c for members in TOK.inspect().automaton.alphabet.classes
           for c in dict.fromkeys((chr(members.ranges[0][0]), chr(members.ranges[-1][1])))]


def short_texts() -> Iterator[str]:
    """All strings over one character a class up to length 3, and a share of those of length 4."""
    singles = [chr(members.ranges[0][0]) for members in TOK.inspect().automaton.alphabet.classes]
    for length in range(1, 5):
        yield from map("".join, share(itertools.product(singles, repeat=length), 4 if length == 4 else 1))


def random_texts(count: int, name: str) -> Iterator[str]:
    """Random texts, most over few classes, so that runs, and their meeting with block edges, are common."""
    chance = chance_of_today(name)
    for _ in range(count):
        alphabet = chance.sample(LETTERS + list("\n\n  \tab1.!"), chance.randint(1, 6))
        yield "".join(chance.choices(alphabet, k=chance.choice([8, 40, 63, 64, 65, 70, 130, 200])))


def test_v3_uses_the_kernel() -> None:
    assert find_kernel(TOK.inspect().automaton).rules == V3
    assert KERNELS


@pytest.mark.parametrize("level", KERNELS)
def test_all_short_strings(level: str) -> None:
    kernel = encoder_at(level, cuts=False)
    for text in short_texts():
        assert kernel.pieces(text.encode(), NO_ADDED) == automaton_spans(text), text


@pytest.mark.parametrize("level", KERNELS)
def test_block_edges_at_every_offset(level: str) -> None:
    kernel = encoder_at(level, cuts=False)
    cores = [" \n \n  x", "!\r\n\n a", "1234567", " \t!abc\u00e9", "\u4e2d\u30fb\u6587 \u304b", "  ...\n\n",
             "\u00a0\u0300x", "a\u3000b \u0661"]
    for core, before, offset in share(itertools.product(cores, "a 1\u4e2d\n!", range(2 * BLOCK + 2)), 4):
        text = before * offset + core + "b c"
        assert kernel.pieces(text.encode(), NO_ADDED) == automaton_spans(text), text


@pytest.mark.parametrize("level", KERNELS)
def test_random_texts(level: str) -> None:
    kernel = encoder_at(level, cuts=False)
    for text in random_texts(40_000 if DEEP else 2000, level):
        assert kernel.pieces(text.encode(), NO_ADDED) == automaton_spans(text), text


@pytest.mark.parametrize("level", KERNELS)
def test_safe_cuts_are_the_automatons(level: str) -> None:
    kernel, plain = encoder_at(level), encoder_at("automaton")
    chance = chance_of_today(f"cuts {level}")
    cjk = "\u4e2d\u6587\u7684\u4e00\u662f\u3042\u30ab\u30fb\ud55c\uae00\uc774 a,\u3002"
    for _ in range(40_000 if DEEP else 1000):
        text = "".join(chance.choices(cjk, k=chance.randint(1, 90))).encode()
        assert kernel.pieces(text, NO_ADDED) == plain.pieces(text, NO_ADDED), text


@pytest.mark.parametrize("level", KERNELS)
def test_short_texts(level: str) -> None:
    """Short texts have a path of their own. V3's vocabulary has pieces at both places of the piece table."""
    encoder = encoder_at(level)
    assert check_short(encoder, chance_of_today(f"short {level}")) < 100
    for text in ("", "a b " * 30, "é a " * 30, "中 a " * 30, "🦙 " * 20, "zqxj vkwq zqxj gqzv", "qzxv" * 95, "-" * 384):
        assert encoder.short(text, NO_ADDED) == encoder.encode(text.encode(), NO_ADDED, False), text
    assert encoder.short("a\ud800", NO_ADDED) is None
    assert encoder_at("automaton").short("ab", NO_ADDED) is None


def test_unknown_level_is_an_error() -> None:
    with pytest.raises(ValueError, match="DSTOK_SIMD"):
        fresh_encoder("mmx")


def test_another_automaton_does_not_get_the_kernel() -> None:
    program = compile_splits([*TOK._tables.splits[:2]])
    assert find_kernel(program).rules == NONE
    pages, numbers = program.alphabet.pages()
    scanner = Scanner(pages, numbers, pack_edges(program.boundaries.edges, pages[:128]), program.boundaries.symbols)
    assert [end for _, end, _ in scanner.spans(b"12345 ab")] == [3, 5, 8]
