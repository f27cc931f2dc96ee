"""Cuts of pieces of ideographs, kana and Hangul: never where a token may span them, nor so that a part is a token
that ignore_merges finds and merging does not make. Small models at random, against upstream."""

from __future__ import annotations

import random

import pytest
from shares import seeds
from small_models import Merge, both, model_json, upstream_ids

import dstok
from dstok.core.bpe.facts import BORDER_BYTES

CHARS = "一丁七与가각글한힀かカ"  # three bytes each; among them some that begin alike, and some that end alike
BESIDE = ("a", "é", "🦙", " ", "!")
TORN = b"\x80\xed"  # the end of 一, the beginning of 한: of too many characters each for marks of pairs


def some_text(chance: random.Random, length: int) -> str:
    chars = CHARS if chance.random() < 0.6 else [*CHARS, *BESIDE]
    return "".join(chance.choices(chars, k=chance.randint(1, length)))


def some_merges(chance: random.Random) -> list[Merge]:
    """Merges as training would find them, but in random order: of characters, of words, of torn characters."""
    symbols = [[bytes([byte]) for byte in some_text(chance, 4).encode()] for _ in range(6)]
    merges: dict[Merge, None] = {}
    while len(merges) < 25 and any(len(word) > 1 for word in symbols):
        word = chance.choice([word for word in symbols if len(word) > 1])
        at = chance.randrange(len(word) - 1)
        merges[word[at], word[at + 1]] = None
        word[at : at + 2] = [word[at] + word[at + 1]]
    return list(merges)


def borders(tok: dstok.Tokenizer) -> tuple[str, str]:
    """Which of `CHARS` there is no first cut after, and which no cut before."""
    bits = bytes(tok._tables.sections["borders"]) or bytes(BORDER_BYTES)
    after, before = ("".join(c for c in CHARS if bits[base + (ord(c) >> 3)] >> (ord(c) & 7) & 1)
                      for base in (0, BORDER_BYTES // 2))
    return after, before


@pytest.mark.parametrize("ignore_merges", [False, True])
@pytest.mark.parametrize("seed", seeds(60, 20))
def test_random_models(seed: int, ignore_merges: bool) -> None:
    chance = random.Random(seed)
    spoilers = [some_text(chance, 2).encode() for _ in range(chance.randint(0, 4))]
    ours, theirs = both(model_json(some_merges(chance), extra=spoilers, ignore_merges=ignore_merges))
    for text in [*spoilers, *(some_text(chance, 30).encode() for _ in range(60))]:
        assert ours.encode(text.decode()) == upstream_ids(theirs, text.decode()), text.decode()


def test_spoilers() -> None:
    """A token that merging does not make: it is a whole piece's id, and no part of a longer one."""
    ours, theirs = both(model_json(extra=["一丁".encode(), "한".encode()], ignore_merges=True))
    assert borders(ours) == ("丁한", "一한")
    for text in ("一丁", "한", "七一丁", "一丁七", "七一丁七", "七한", "한七", "七한七", "七七한七七", "一丁七与" * 20):
        assert ours.encode(text) == upstream_ids(theirs, text), text
    assert len(ours.encode("一丁七")) == 9


def test_parts_after_the_first_may_end_as_spoilers() -> None:
    """Only a piece's first part begins where no cut is."""
    ours, theirs = both(model_json(extra=["丁".encode()], ignore_merges=True))
    text = "七与七丁七与" * 20
    assert ours.encode(text) == upstream_ids(theirs, text)


@pytest.mark.parametrize("ignore_merges", [False, True])
def test_torn_characters(ignore_merges: bool) -> None:
    ours, theirs = both(model_json([(TORN[:1], TORN[1:])], ignore_merges=ignore_merges))
    assert borders(ours) == ("", "한힀")
    for text in ("一한", "丁한", "七一한七", "가힀" * 30, "一丁" * 30, "한一" * 30):
        assert ours.encode(text) == upstream_ids(theirs, text), text
    assert len(ours.encode("一한")) == 5


def test_v3_knows_no_borders() -> None:
    """The mask kernel cuts by itself, and asks for pairs alone."""
    sections = dstok.load("deepseek-v3")._tables.sections
    assert len(sections["joined"])
    assert not len(sections["borders"])
    assert not len(sections["shuffles"])
