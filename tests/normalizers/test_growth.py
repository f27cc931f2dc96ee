"""Normalizers that make a text grow without end: an error with the step's place, before memory is taken.

Upstream 0.23.3 has no limit: of one "a", three steps of 400 give a panic ("fail to memory allocation") where 3 GB are
allowed, and four of 1000 abort the process.
"""

from __future__ import annotations

import json
import tracemalloc
from collections.abc import Callable
from typing import Any

import pytest
import tokenizers
from small_models import model_json

import dstok
from dstok.errors import UnsupportedError
from dstok.normalizers import GROWTH, ROOM

THOUSAND = {"type": "Replace", "pattern": {"String": "a"}, "content": "a" * 1000}
BY_REGEX = {**THOUSAND, "pattern": {"Regex": "a"}}
TAIL = {"type": "Prepend", "prepend": "b" * ROOM}
CALLS: dict[str, Callable[[dstok.Tokenizer, str], Any]] = {
    "encode": lambda tok, text: tok.encode(text), "bytes": lambda tok, text: tok.encode(text.encode()),
    "array": lambda tok, text: tok.encode_array(text), "count": lambda tok, text: tok.count(text),
    "batch": lambda tok, text: tok.encode_batch(["b", text, "b"] * 40),
    "offsets": lambda tok, text: tok.encode_with_offsets(text), "truncate": lambda tok, text: tok.truncate(text, 5),
    "refusing": lambda tok, text: tok.encode(text, special="raise"),
    "pieces": lambda tok, text: tok.inspect().pretokenize(text),
}


def text_with(*steps: dict[str, Any]) -> str:
    model = json.loads(model_json())
    model["normalizer"] = {"type": "Sequence", "normalizers": list(steps)}
    return json.dumps(model)


@pytest.mark.parametrize("call", CALLS)
@pytest.mark.parametrize(("steps", "at"), [([THOUSAND] * 4, 0), ([BY_REGEX] * 4, 0), ([{"type": "NFKC"}, TAIL, TAIL], 2),
                                           ([THOUSAND, BY_REGEX, THOUSAND], 0)])
def test_growth_without_end(call: str, steps: list[dict[str, Any]], at: int) -> None:
    tok = dstok.Tokenizer.from_str(text_with(*steps))
    tok.encode("")
    tracemalloc.start()
    try:
        with pytest.raises(UnsupportedError, match=r"a text of \d+ characters that the normalizer makes \d+ of") as caught:
            CALLS[call](tok, "a" * 100)
        assert tracemalloc.get_traced_memory()[1] < 32 << 20
    finally:
        tracemalloc.stop()
    assert caught.value.where == f"$.normalizer.normalizers[{at}]"
    assert tok.encode("") == []


def test_which_step() -> None:
    tok = dstok.Tokenizer.from_str(text_with(THOUSAND, {"type": "Lowercase"}, THOUSAND))
    with pytest.raises(UnsupportedError) as caught:
        tok.encode("a")
    assert str(caught.value) == ("a text of 1 characters that the normalizer makes 1000000 of: at most 32 times as many are made, and "
                                 "4096 more - at $.normalizer.normalizers[2]")


@pytest.mark.parametrize("steps", [[THOUSAND], [BY_REGEX], [THOUSAND, {"type": "NFKC"}], [{"type": "NFKC"}, {"type": "Lowercase"}]])
@pytest.mark.parametrize("text", ["a", "ab a", "\ufdfa" * 3000, "\u0130" * 3000 + "x", "b" * 5000])
def test_what_is_made(steps: list[dict[str, Any]], text: str) -> None:
    """Texts below the limit give upstream's ids, also U+FDFA, which NFKC turns into eighteen characters."""
    file = text_with(*steps)
    tok, judge = dstok.Tokenizer.from_str(file), tokenizers.Tokenizer.from_str(file)
    encoded = judge.encode(text, add_special_tokens=False)
    assert tok.encode(text) == tok.encode(text.encode()) == encoded.ids
    assert tok.encode_with_offsets(text).char_spans.tolist() == [list(span) for span in encoded.offsets]


def test_the_bound() -> None:
    """Just so many characters are made, and not one more."""
    for many in (0, 1):
        step = {**THOUSAND, "content": "c" * (GROWTH + ROOM - 1 + many)}
        tok = dstok.Tokenizer.from_str(text_with({"type": "Prepend", "prepend": "c"}, step))
        if many:
            with pytest.raises(UnsupportedError):
                tok.encode("a")
        else:
            assert tok.count("a") == len(tok.encode("a")) == GROWTH + ROOM
