"""Rows of one length, and texts cut by their ids: upstream's, with the same truncation and padding."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import tokenizers
from hypothesis import given
from hypothesis import strategies as st
from real_models import V3
from reference import examples
from small_models import added_token, both, model_json
from text_strategies import texts as any_text
from tokenizers.processors import TemplateProcessing

import dstok
from dstok.errors import DstokError
from dstok.padding import Padding, Truncation, overflow, pad_batch

MERGES = [(b"a", b"b"), (b" ", b"ab"), (b"\xc3", b"\xa9"), (b"ab", b"ab")]
OURS, JUDGE = both(model_json(MERGES, [added_token("<s>", special=True), added_token("</s>", special=True),
                                       added_token("<pad>", special=True)]))
BOS, EOS, PAD = (OURS.token_to_id(token) for token in ("<s>", "</s>", "<pad>"))
TOK = OURS.replace(bos_id=BOS, eos_id=EOS)
SIDES = st.sampled_from(["right", "left"])
SMALL = st.text(st.sampled_from("ab é<s>"), max_size=12)


def judge(bos: bool, eos: bool) -> tokenizers.Tokenizer:
    """Upstream's tokenizer with BOS and EOS around each text, as asked for."""
    found = tokenizers.Tokenizer.from_str(JUDGE.to_str())
    template = " ".join(["<s>"] * bos + ["$A"] + ["</s>"] * eos)
    found.post_processor = TemplateProcessing(single=template, special_tokens=[("<s>", BOS), ("</s>", EOS)])
    return found


JUDGES = {(bos, eos): judge(bos, eos) for bos in (False, True) for eos in (False, True)}


@examples(300)
@given(st.lists(SMALL | any_text, max_size=5), SIDES, SIDES, st.none() | st.integers(2, 12), st.booleans(), st.booleans(),
       st.none() | st.integers(1, 8))
def test_rows_are_upstreams(
    texts: list[str], side: Any, cut: Any, longest: int | None, bos: bool, eos: bool, multiple: int | None,
) -> None:
    upstream = JUDGES[bos, eos]
    if longest is None:
        upstream.no_truncation()
    else:
        upstream.enable_truncation(longest, direction=cut)
    upstream.enable_padding(direction=side, pad_id=PAD, pad_token="<pad>", pad_to_multiple_of=multiple)
    expected = upstream.encode_batch(texts)
    truncation = None if longest is None else Truncation(longest, cut)
    ids, mask = pad_batch(TOK, texts, Padding(side, PAD, multiple_of=multiple), truncation, add_bos=bos, add_eos=eos)
    assert (ids.dtype, mask.dtype, ids.shape) == (np.int64, np.int64, mask.shape)
    assert ids.tolist() == [row.ids for row in expected]
    assert mask.tolist() == [row.attention_mask for row in expected]


@examples(300)
@given(SMALL | any_text, st.integers(2, 10), st.integers(0, 9), SIDES, st.booleans(), st.booleans())
def test_parts_are_upstreams(text: str, longest: int, stride: int, side: Any, bos: bool, eos: bool) -> None:
    room = longest - bos - eos
    if stride >= room:  # upstream refuses that, whatever the text; dstok where the text is cut
        if TOK.count(text) > room > 0:
            with pytest.raises(ValueError, match=f"a stride of at least 0 and below the {room} ids"):
                overflow(TOK, text, Truncation(longest, stride=stride), add_bos=bos, add_eos=eos)
        return
    upstream = JUDGES[bos, eos]
    upstream.no_padding()
    upstream.enable_truncation(longest, stride=stride, direction=side)
    found = upstream.encode(text)
    parts = overflow(TOK, text, Truncation(longest, side, stride), add_bos=bos, add_eos=eos)
    assert [part.tolist() for part in parts] == [part.ids for part in [found, *found.overflowing]]
    assert {part.dtype for part in parts} == {np.dtype(np.uint32)}


def test_a_fixed_length() -> None:
    ids, mask = pad_batch(V3, ["Hello", "Hello world"], Padding("left", 2, length=4, multiple_of=3))
    assert ids.tolist() == [[2, 2, 2, 2, 2, 19923], [2, 2, 2, 2, 19923, 2058]]
    assert mask.tolist() == [[0, 0, 0, 0, 0, 1], [0, 0, 0, 0, 1, 1]]
    with pytest.raises(ValueError, match="expected at most 1 ids, found 2 in text 1"):
        pad_batch(V3, ["Hello", "Hello world"], Padding(length=1, pad_id=2))


def test_threads_and_policies_change_nothing_else() -> None:
    texts = ["<｜User｜>hi", "中文 " * 50, "", "a" * 1000] * 40
    ids, mask = pad_batch(V3, texts, Padding(pad_id=0), num_threads=3, special="none", add_bos=True)
    rows = V3.encode_batch(texts, special="none", add_bos=True)
    assert [row[own == 1].tolist() for row, own in zip(ids, mask)] == rows


def test_the_pad_token_is_the_models() -> None:
    config = '{"pad_token": "<pad>"}'
    tok = dstok.Tokenizer.from_str(model_json(MERGES, [added_token("<pad>", special=True)]), config)
    ids, _ = pad_batch(tok, ["ab", ""])
    assert ids.tolist() == [[256], [tok.token_to_id("<pad>")]]
    with pytest.raises(DstokError, match="expected a pad_id, found none"):
        pad_batch(OURS, ["ab"])


@pytest.mark.parametrize("texts", [["ab"], []])
@pytest.mark.parametrize("wrong", [{"num_threads": 0}, {"errors": "ignore"}, {"special": "some"}])
def test_wrong_values_are_refused(wrong: dict[str, Any], texts: list[str]) -> None:
    with pytest.raises(ValueError, match="^expected"):
        pad_batch(OURS, texts, Padding(pad_id=0), **wrong)


@pytest.mark.parametrize(("kind", "wrong"), [
    (Padding, {"side": "middle"}), (Padding, {"multiple_of": 0}), (Padding, {"length": -1}), (Padding, {"pad_id": 1 << 32}),
    (Padding, {"type_id": -1}), (Truncation, {"max_tokens": -1}), (Truncation, {"side": "middle"}),
    (Truncation, {"stride": -1}), (Truncation, {"strategy": "both"}),
])
def test_wrong_settings_are_refused(kind: Any, wrong: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match=f"^expected {next(iter(wrong))} to be"):
        kind(**{**({"max_tokens": 5} if kind is Truncation else {}), **wrong})


@pytest.mark.parametrize("name", ["length", "multiple_of", "pad_id", "type_id", "max_tokens", "stride"])
def test_numbers_are_whole(name: str) -> None:
    wrong: Any
    for wrong in (2.0, "2", [2]):
        with pytest.raises(TypeError, match=f"^expected {name} to be a whole number, found {type(wrong).__name__}"):
            Truncation(**{"max_tokens": 5, name: wrong}) if name in ("max_tokens", "stride") else Padding(**{name: wrong})


def test_what_is_no_setting_is_refused() -> None:
    wrong: Any = 512
    with pytest.raises(TypeError, match=r"^expected a dstok.padding.Padding as padding, found int: 512$"):
        pad_batch(OURS, ["ab"], wrong)
    with pytest.raises(TypeError, match=r"^expected a dstok.padding.Truncation or None as truncation, found int: 512$"):
        pad_batch(OURS, ["ab"], Padding(pad_id=0), wrong)


def test_a_stride_that_leaves_no_new_id() -> None:
    with pytest.raises(ValueError, match="^expected a stride of at least 0 and below the 1 ids"):
        overflow(OURS, "ab ab", Truncation(1, stride=1))


def test_no_room_for_the_ends() -> None:
    with pytest.raises(ValueError, match="expected max_tokens to be at least 2, for BOS and EOS, found 1"):
        overflow(TOK, "ab", Truncation(1), add_bos=True, add_eos=True)
    with pytest.raises(ValueError, match="expected max_tokens to be at least 1, for BOS and EOS, found 0"):
        pad_batch(TOK, ["ab"], Padding(pad_id=0), Truncation(0), add_eos=True)
