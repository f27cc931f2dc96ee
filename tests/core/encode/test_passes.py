"""The pass over a text that is not normalized: portion by portion, with added tokens, limits and refusals in it."""

from __future__ import annotations

import json
from typing import Any

import pytest
import tokenizers
from small_models import added_token, model_json

import dstok
from dstok.errors import SpecialTokenError, TextError

MERGES = [(b"a", b"b"), (b" ", b"a"), (b"\xc3", b"\xa9")]
ADDED = [added_token("<w>", single_word=True), added_token("<l>", lstrip=True), added_token("<é>", normalized=True)]
STEPS: dict[str, Any] = {
    "NFC": {"type": "NFC"}, "NFKD": {"type": "NFKD"}, "Strip": {"type": "Strip", "strip_left": True, "strip_right": True},
    "Prepend": {"type": "Prepend", "prepend": "e"},
    "chain": {"type": "Sequence", "normalizers": [{"type": "Lowercase"}, {"type": "NFC"}]},
}
STRETCH = "Abc e\u0301 \u1100\u1161 12 "
LONG = STRETCH * 9_000 + "<w> " + STRETCH * 3 + "  <l>" + STRETCH * 2_000  # two portions before the first token, and more


def file_of(name: str) -> str:
    return json.dumps({**json.loads(model_json(MERGES, ADDED)), "normalizer": STEPS[name]})


@pytest.mark.parametrize("name", STEPS)
def test_ids_and_added_tokens_are_upstreams(name: str) -> None:
    tok, upstream = dstok.Tokenizer.from_str(file_of(name)), tokenizers.Tokenizer.from_str(file_of(name))
    for text in (LONG, LONG + " <e\u0301>" + STRETCH, "<w>" + LONG, STRETCH, "<e\u0301>", "<l> e\u0301"):
        expected = upstream.encode(text, add_special_tokens=False)
        assert tok.encode(text) == expected.ids
        found = tok.encode_with_offsets(text)
        assert list(found.ids) == expected.ids
        assert [tuple(span) for span in found.char_spans.tolist()] == expected.offsets
        assert tok.encode_batch([text, text]) == [expected.ids] * 2
        assert [tok.count(text, limit=limit) for limit in (0, 5, 10**9)] == [
            min(len(expected.ids), limit + 1) for limit in (0, 5, 10**9)]


@pytest.mark.parametrize("name", ["NFC", "chain", "Strip"])
@pytest.mark.parametrize("before", ["", STRETCH, STRETCH * 9_000])
def test_a_refused_token_has_its_offset_in_the_text(name: str, before: str) -> None:
    """Also a token that only normalizing makes."""
    tok = dstok.Tokenizer.from_str(file_of(name))
    for token, spelled in (("<w>", "<w>"), ("<é>", "<é>" if name == "Strip" else "<e\u0301>")):
        text = f"{before}e\u0301 {spelled} {STRETCH}<w>"
        with pytest.raises(SpecialTokenError) as caught:
            tok.encode(text, special="raise")
        assert (caught.value.token, caught.value.offset) == (token, len(f"{before}e\u0301 ".encode()))
        with pytest.raises(SpecialTokenError) as caught:
            tok.encode(f"\ud800{text}", special="raise", errors="replace")
        assert caught.value.offset == len(f"\ufffd{before}e\u0301 ".encode())


@pytest.mark.parametrize("name", [name for name in STEPS if name != "NFKD"])  # the text is in this form
def test_a_surrogate_after_the_limit_is_a_fault(name: str) -> None:
    tok = dstok.Tokenizer.from_str(file_of(name))
    with pytest.raises(TextError) as caught:
        tok.count(f" {LONG}\ud800", limit=3)
    assert caught.value.offset == 1 + len(LONG)
    assert tok.count(f" {LONG}\ud800", limit=3, errors="replace") == 4
