"""Every code point, surrogates excepted, in many contexts: ids and pieces are upstream's. By the conformance kit.

Outside the deep profile: a share of those below U+3400, and of both sides of every edge of a class and of what changed
between Unicode versions; all of these in a share of the contexts where pieces and the other levels are compared. In it
all 1,112,064.
"""

from __future__ import annotations

import json
from functools import cache
from typing import Any

import pytest
from kept import kept
from real_models import OF_EACH_RULES, at_level, levels, real
from real_models import level as set_level
from reference import DEEP, PART
from shares import seeds, share
from text_strategies import GUIDE
from upstream import model_splits, pre_tokenizer, upstream_splitter

import dstok
from dstok.conformance import texts, verify

CHECKS = ["class cover, k = 1", "class cover, k = 2", *(["code points in contexts", "all code points, joined"] if DEEP else [])]
CONTEXTS = texts.contexts(GUIDE)
BATCH = 30_000
# Texts around a character: each leaves the rules in another state.
AROUND = [("", ""), (" ", "a"), ("a", " "), ("!", "\n"), ("1", "2"), ("\n", "  "), ("it'", "s"), ("\u4e2d", "\u3001"), ("\u00e9", "B"), ("\x01 ", " \x01")]


@cache
def code_points() -> list[int]:
    return [c for c in range(0x110000) if not 0xD800 <= c < 0xE000] if DEEP else list(GUIDE.interesting)


def test_enough_code_points() -> None:
    assert len(CONTEXTS) > 40
    assert len(code_points()) == 1_112_064 if DEEP else len(code_points()) > 15_000


@pytest.mark.parametrize("level", levels() if DEEP else levels()[-1:])
def test_ids(level: str) -> None:
    """Each text alone."""
    report = verify(at_level("deepseek-v3", level), real("deepseek-v3"), seconds=50_000, checks=CHECKS)
    assert report.equal and all(check.complete for check in report.checks), f"\n{report}"
    assert report.texts > (len(CONTEXTS) * len(GUIDE.interesting) if DEEP else 10_000)


@pytest.mark.skipif(DEEP, reason="test_ids has all of them")
def test_ids_of_some() -> None:
    """Each text alone: a share of the code points in all contexts."""
    tok, judge = at_level("deepseek-v3", levels()[-1]), real("deepseek-v3")
    shown = [*texts.code_points(GUIDE, share(GUIDE.interesting, 4))]
    assert len(shown) > len(CONTEXTS) * 3000 // PART
    for batch in (shown[at : at + BATCH] for at in range(0, len(shown), BATCH)):
        expected = [found.ids for found in judge.encode_batch(batch, add_special_tokens=False)]
        assert tok.encode_batch(batch) == expected


@pytest.mark.parametrize("level", levels()[:-1])
def test_ids_at_the_other_levels(level: str) -> None:
    """Each text alone, too: the same as at the best one."""
    tok, best = at_level("deepseek-v3", level), at_level("deepseek-v3", levels()[-1])
    for before, after in share(CONTEXTS, 8):
        shown = [f"{before}{chr(c)}{after}" for c in code_points()]
        assert tok.encode_batch(shown) == best.encode_batch(shown), (before, after)


@pytest.mark.parametrize("context", [*share(CONTEXTS, 6)], ids=ascii)
def test_pieces(context: tuple[str, str]) -> None:
    """Many in one text, so that a code point stands anywhere in the kernel's blocks; in the deep profile each alone."""
    tok, judge = dstok.load("deepseek-v3"), upstream_splitter(model_splits("deepseek-v3"))
    shown = code_points()
    for at in range(0, len(shown), BATCH):
        batch = [f"{context[0]}{chr(c)}{context[1]}" for c in shown[at : at + BATCH]]
        for text in batch if DEEP else batch[::40]:
            found = [(piece.text, (piece.char_start, piece.char_end)) for piece in tok.inspect().pretokenize(text)]
            assert found == judge.pre_tokenize_str(text), (context, text)
        check_levels("".join(batch), judge)


def check_levels(text: str, judge: Any) -> None:
    """At each level ids are the same, and pieces end where upstream's end, and else only between ideographs, kana and
    Hangul, where the encoder may cut on its own."""
    expected, at = {}, 0  # ends in bytes, of upstream's pieces
    for piece, (_, end) in judge.pre_tokenize_str(text):
        at += len(piece.encode())
        expected[at] = end
    data, ids = text.encode(), at_level("deepseek-v3", "automaton").encode(text)
    for level in levels():
        tok = at_level("deepseek-v3", level)
        assert tok.encode(text) == ids, level
        ends = {end for _, end in tok._encoder.pieces(data, tok._added.policy("none"))}
        assert expected.keys() <= ends, level
        for end in ends - expected.keys():
            left, right = data[end - 3 : end].decode(), data[end : end + 3].decode()
            assert all("\u3040" <= c <= "\ud7a3" for c in left + right), (level, left, right)


@kept()
def all_around(before: str, after: str) -> str:
    return "".join(f"{before}{chr(c)}{after}" for c in range(0x110000) if not 0xD800 <= c < 0xE000)


@pytest.mark.parametrize("name", [OF_EACH_RULES[number] for number in seeds(len(OF_EACH_RULES), 4)])
def test_each_set_of_rules(name: str) -> None:
    """All code points, at each level, against the automaton, in one text for each context."""
    splitters = {}
    for each in levels():
        with set_level(each):
            splitters[each] = dstok.Splitter.from_str(json.dumps(pre_tokenizer(name)))
        assert splitters[each].strategy() == "automaton" if each == "automaton" else splitters[each].strategy().startswith("mask kernel")
    for before, after in share(AROUND, len(AROUND)):
        text = all_around(before, after)
        expected = splitters["automaton"].spans(text)
        for each in levels()[1:]:
            assert (splitters[each].spans(text) == expected).all(), (each, before, after)
