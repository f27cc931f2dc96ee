"""Every code point, surrogates excepted, in many contexts: ids and pieces are upstream's.

Outside the deep profile: all below U+3400, both sides of every edge of a class, and every 16th of the rest.
"""

from __future__ import annotations

from functools import cache
from typing import Any

import pytest
from real_models import at_level, levels, real
from reference import DEEP
from upstream import model_splits, upstream_splitter

import dstok

# (before, after) the code point.
CONTEXTS = {
    "alone": ("", ""),
    "after a letter": ("a", ""),
    "after a space": (" ", ""),
    "after two spaces": ("  ", ""),
    "after a digit": ("1", ""),
    "after a newline": ("\n", ""),
    "after punctuation": ("!", ""),
    "after an ideograph": ("中", ""),
    "after kana and a space": ("の ", ""),
    "after a mark": ("é\u0301", ""),
    "after a control": ("\0", ""),
    "before a letter": ("", "a"),
    "before a newline": ("", "\n"),
    "before a digit": ("", "7"),
    "before punctuation and letters": ("", "!ab"),
    "between letters": ("x", "y"),
    "between spaces": (" ", " "),
    "between ideographs": ("東", "京"),
    "between a tab and a wide letter": ("\t", "é"),
    "before a mark": ("", "\u0301"),
}
BATCH = 30_000


@cache
def code_points() -> list[int]:
    everywhere = [c for c in range(0x110000) if not 0xD800 <= c < 0xE000]
    if DEEP:
        return everywhere
    classes = dstok.load("deepseek-v3").program.alphabet.classes
    edges = {c for members in classes for first, last in members.ranges for c in (first - 1, first, last, last + 1)}
    return [c for c in everywhere if c < 0x3400 or c in edges or c % 16 == 5]


def texts_of(context: str) -> list[list[str]]:
    """The texts, a batch at a time."""
    before, after = CONTEXTS[context]
    shown = code_points()
    return [[f"{before}{chr(c)}{after}" for c in shown[at : at + BATCH]] for at in range(0, len(shown), BATCH)]


def test_enough_code_points() -> None:
    assert len(CONTEXTS) >= 8
    assert len(code_points()) == 1_112_064 if DEEP else len(code_points()) > 80_000


@pytest.mark.parametrize("context", CONTEXTS)
def test_ids(context: str) -> None:
    """Each text alone, and many in one text, so that a code point stands anywhere in the kernel's blocks."""
    judge = real("deepseek-v3")
    for texts in texts_of(context):
        found = [at_level("deepseek-v3", level).encode_batch(texts) for level in levels()]
        for at, expected in enumerate(judge.encode_batch_fast(texts, add_special_tokens=False)):
            for ids in found:
                assert ids[at] == expected.ids, (context, texts[at], hex(ord(texts[at][len(CONTEXTS[context][0])])))
        joined = "".join(texts)
        whole = judge.encode(joined, add_special_tokens=False).ids
        for level in levels():
            assert at_level("deepseek-v3", level).encode(joined) == whole, (context, level)


@pytest.mark.parametrize("context", CONTEXTS)
def test_pieces(context: str) -> None:
    tok, judge = dstok.load("deepseek-v3"), upstream_splitter(model_splits("deepseek-v3"))
    for texts in texts_of(context):
        for text in texts:
            found = [(piece.text, (piece.char_start, piece.char_end)) for piece in tok.pretokenize(text)]
            assert found == judge.pre_tokenize_str(text), (context, text)
        check_levels("".join(texts), judge)


def check_levels(text: str, judge: Any) -> None:
    """At each level pieces end where upstream's end, and else only between ideographs, kana and Hangul, where the
    encoder may cut on its own."""
    expected, at = {}, 0  # ends in bytes, of upstream's pieces
    for piece, (_, end) in judge.pre_tokenize_str(text):
        at += len(piece.encode())
        expected[at] = end
    data = text.encode()
    for level in levels():
        tok = at_level("deepseek-v3", level)
        ends = {end for _, end in tok._encoder.pieces(data, tok._added.policy("none"))}
        assert expected.keys() <= ends, level
        for end in ends - expected.keys():
            left, right = data[end - 3 : end].decode(), data[end : end + 3].decode()
            assert all("\u3040" <= c <= "\ud7a3" for c in left + right), (level, left, right)
