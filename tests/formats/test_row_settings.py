"""truncation and padding in a tokenizer.json: settings that change no id; as arguments they give upstream's rows."""

from __future__ import annotations

import json
import pickle
from itertools import product
from pathlib import Path
from typing import Any

import pytest
import tokenizers
from small_models import model_json

import dstok
from dstok.errors import ImageError, TokenizerFileError

BASE = json.loads(model_json([(b"a", b"b"), (b" ", b"ab")]))
TRUNCATION = {"max_length": 3, "strategy": "LongestFirst", "stride": 1, "direction": "Left"}
PADDING = {"strategy": {"Fixed": 6}, "direction": "Left", "pad_to_multiple_of": None, "pad_id": 7, "pad_type_id": 0, "pad_token": "x"}
TEXTS = ["", "ab", "ab abab", "é ab é ab"]


def text_of(truncation: Any, padding: Any) -> str:
    return json.dumps({**BASE, "truncation": truncation, "padding": padding})


def without(settings: dict[str, Any], key: str) -> dict[str, Any]:
    return {name: value for name, value in settings.items() if name != key}


CUTS: list[Any] = [None, TRUNCATION, {**without(TRUNCATION, "direction"), "stride": 0}, {**TRUNCATION, "max_length": 0, "stride": 0}]
FILLS: list[Any] = [None, {**PADDING, "strategy": "BatchLongest", "pad_to_multiple_of": 0}, {**PADDING, "strategy": "BatchLongest"},
                    {**PADDING, "strategy": "BatchLongest", "pad_to_multiple_of": 4, "direction": "Right", "pad_id": 2**32 - 1},
                    {**without(PADDING, "pad_to_multiple_of"), "strategy": {"Fixed": 16}}, {**PADDING, "strategy": {"Fixed": 14}, "pad_to_multiple_of": 5}]


@pytest.mark.parametrize(("cut", "fill"), product(CUTS, FILLS))
def test_ids_without_and_with_the_settings(cut: Any, fill: Any) -> None:
    tok, judge = dstok.Tokenizer.from_str(text_of(cut, fill)), tokenizers.Tokenizer.from_str(text_of(cut, fill))
    with_settings = judge.encode_batch(TEXTS)
    judge.no_truncation()
    judge.no_padding()
    assert tok.encode_batch(TEXTS) == [found.ids for found in judge.encode_batch(TEXTS)]
    padding, truncation = dstok.padding.from_config(tok)
    ids, mask = dstok.padding.pad_batch(tok, TEXTS, padding or dstok.padding.Padding(pad_id=0), truncation)
    for row, kept, expected in zip(ids.tolist(), mask.tolist(), with_settings):
        if fill is None:  # upstream's rows have different lengths then
            row, kept = row[: sum(kept)], kept[: sum(kept)]
        assert (row, kept) == (expected.ids, expected.attention_mask)


def test_other_forms_of_a_model_keep_them(tmp_path: Path) -> None:
    tok = dstok.Tokenizer.from_str(text_of(TRUNCATION, PADDING))
    assert (tok.config.truncation, tok.config.padding) == (TRUNCATION, PADDING)
    tok.to_json(tmp_path / "tokenizer.json")
    tok.to_image(tmp_path / "image")
    for again in (dstok.load(tmp_path / "tokenizer.json"), dstok.load(tmp_path / "image"), pickle.loads(pickle.dumps(tok))):
        assert again == tok and (again.config.truncation, again.config.padding) == (TRUNCATION, PADDING)
    bare = dstok.Tokenizer.from_str(text_of(None, None))
    assert bare != tok and bare.fingerprint == tok.fingerprint and dstok.padding.from_config(bare) == (None, None)


BROKEN: list[tuple[Any, Any, str]] = [
    *((without(TRUNCATION, key), None, "$.truncation") for key in ("max_length", "strategy", "stride")),
    *(({**TRUNCATION, key: value}, None, f"$.truncation.{key}") for key, value in (
        ("max_length", -1), ("max_length", 1.0), ("max_length", "3"), ("stride", None), ("strategy", "only_first"),
        ("direction", "left"), ("direction", None))),
    *((None, without(PADDING, key), "$.padding") for key in ("strategy", "direction", "pad_id", "pad_type_id", "pad_token")),
    *((None, {**PADDING, key: value}, f"$.padding.{key}") for key, value in (
        ("strategy", "Fixed"), ("strategy", {"Fixed": 3, "x": 1}), ("pad_to_multiple_of", -1), ("pad_id", 2**32),
        ("pad_type_id", -1), ("pad_token", None), ("direction", "left"))),
    (None, {**PADDING, "strategy": {"Fixed": -1}}, "$.padding.strategy.Fixed"),
]


@pytest.mark.parametrize(("cut", "fill", "where"), BROKEN)
def test_broken_settings(cut: Any, fill: Any, where: str) -> None:
    """Upstream loads none of them."""
    with pytest.raises(TokenizerFileError) as caught:
        dstok.Tokenizer.from_str(text_of(cut, fill))
    assert str(caught.value).endswith(f" - at {where}")
    with pytest.raises(Exception, match=" at line 1 column "):
        tokenizers.Tokenizer.from_str(text_of(cut, fill))


@pytest.mark.parametrize(("name", "value"), [("truncation", {"max_length": 3}), ("padding", {**PADDING, "x": 1}),
                                             ("padding", {**PADDING, "pad_id": -1}), ("truncation", 5)])
def test_damaged_images(name: str, value: Any, tmp_path: Path) -> None:
    from images import Parts

    dstok.Tokenizer.from_str(text_of(TRUNCATION, PADDING)).to_image(tmp_path / "image")
    parts = Parts(tmp_path / "image")
    parts.tokenizer["config"][name] = value
    parts.write(tmp_path / "damaged")
    with pytest.raises(ImageError, match=name):
        dstok.load(tmp_path / "damaged")
