"""`==` and `hash` of tokenizers: what they give decides, not where they come from."""

from __future__ import annotations

import copy
import gc
import json
import pickle
from pathlib import Path
from typing import Any

import pytest
from real_models import V3
from small_models import added_token, model_json

import dstok
from dstok._util.objects import Beside
from dstok.errors import ArgumentError

TEXT = model_json([(b"a", b"b")], [added_token("<s>"), added_token("</s>", special=True), added_token("<pad>")])
CONFIG = json.dumps({"bos_token": "<s>", "eos_token": "</s>"})


def test_what_gives_the_same_is_equal(tmp_path: Path) -> None:
    tok = dstok.Tokenizer.from_str(TEXT, CONFIG)
    tok.to_image(tmp_path / "image")
    for other in (dstok.Tokenizer.from_str(TEXT, CONFIG), dstok.load(tmp_path / "image"), copy.copy(tok), tok.replace(name="x"),
                  pickle.loads(pickle.dumps(tok)), dstok.Tokenizer.from_str(TEXT).replace(bos_id=tok.bos_id, eos_id=tok.eos_id)):
        assert other is not tok and other == tok and hash(other) == hash(tok)
    assert dstok.load("deepseek-v3") == V3 and {V3: 1}[dstok.load("deepseek-v3")] == 1


@pytest.mark.parametrize("text", [model_json([(b"b", b"a")], [added_token("<s>"), added_token("</s>", special=True), added_token("<pad>")]),
                                  model_json([(b"a", b"b")], [added_token("<s>"), added_token("</s>"), added_token("<pad>")])])
def test_what_gives_others_ids_or_texts_is_not(text: str) -> None:
    assert dstok.Tokenizer.from_str(TEXT, CONFIG) != dstok.Tokenizer.from_str(text, CONFIG)


def test_settings_outside_the_fingerprint_count() -> None:
    tok = dstok.Tokenizer.from_str(TEXT, CONFIG)
    padded = dstok.Tokenizer.from_str(TEXT, json.dumps({**json.loads(CONFIG), "pad_token": "<pad>"}))
    assert padded.fingerprint == tok.fingerprint and padded != tok and hash(padded) != hash(tok)
    assert tok != tok.replace(eos_id=5) and tok != "x" and tok.__eq__("x") is NotImplemented


def test_the_same_object_is_equal_without_a_look_at_its_tables() -> None:
    tok = dstok.Tokenizer.from_str(TEXT)
    assert tok == tok and tok in [tok]
    assert "fingerprint" not in vars(tok)


def test_what_is_kept_beside_an_object_is_its_own() -> None:
    made: list[str] = []

    def name_of(tok: dstok.Tokenizer) -> str:
        made.append(tok.name)
        return tok.name

    names = Beside(name_of)
    one, other = (dstok.Tokenizer.from_str(TEXT).replace(name=name) for name in ("one", "other"))
    assert one == other and [names(one), names(other), names(one)] == ["one", "other", "one"] and made == ["one", "other"]
    del one
    gc.collect()
    assert list(names._kept) == [id(other)] and names(other) == "other" and len(made) == 2


def test_a_tokenizer_is_not_made_of_tables() -> None:
    with pytest.raises(TypeError, match="made by dstok.load"):
        dstok.Tokenizer("tokenizer.json")


def test_few_members() -> None:
    assert len([name for name in dir(dstok.Tokenizer) if not name.startswith("_")]) <= 54


def test_named_ids(tmp_path: Path) -> None:
    """`replace` names them, files say them, and only ids of the tokenizer are taken."""
    ids = {"bos_id": 97, "eos_id": 98, "pad_id": 99, "unk_id": 100}
    tok = dstok.Tokenizer.from_str(model_json()).replace(**ids)  # type: ignore[arg-type]
    assert (tok.bos_id, tok.eos_id, tok.config.pad_id, tok.config.unk_id) == (97, 98, 99, 100)
    assert tok.to_json(tmp_path) == ()
    tok.to_image(tmp_path / "image")
    for other in (dstok.load(tmp_path), dstok.load(tmp_path / "image"), pickle.loads(pickle.dumps(tok)), tok.replace(name="x")):
        assert other == tok and {name: getattr(other.config, name) for name in ids} == ids
    assert tok.replace(pad_id=None) != tok and tok.replace(pad_id=None).config.pad_id is None
    assert tok.to_json(tmp_path / "alone.json") == ("a tokenizer.json does not say which tokens are BOS and EOS",)
    for name, wrong in (("pad_id", 256), ("eos_id", -1), ("unk_id", "a"), ("bos_id", 1.0)):
        with pytest.raises(ArgumentError, match=f"expected {name} to be"):
            tok.replace(**dict[str, Any]({name: wrong}))


@pytest.mark.parametrize("config", [None, '{"unk_token": "b"}', '{"unk_token": {"content": "no token"}}'])
def test_unknown_tokens_of_files(config: str | None) -> None:
    file = model_json().replace('"unk_token": null', '"unk_token": "a"')
    assert dstok.Tokenizer.from_str(file, config).config.unk_id == (98 if config and '"b"' in config else 97)
    assert dstok.Tokenizer.from_str(model_json(), '{"unk_token": "no token"}').config.unk_id is None
