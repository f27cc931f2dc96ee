"""`dstok.training.retrain`: the tokenizer that transformers' call of this name makes."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from family_texts import NAMES
from shares import share
from small_models import added_token, model_json
from smaller_models import smaller_json
from tokenizers import AddedToken
from tokenizers import Tokenizer as Upstream
from transformers import PreTrainedTokenizerFast

import dstok
from dstok import Tokenizer, UnsupportedError

TEXTS = [["low lower lowest", "new newer é 中文 123 "], ["a\n\n b\tc  \u00a0x", "low new it's"]] * 3


def check(text: str, folder: Path, **settings: Any) -> Tokenizer:
    """Compares all values of the saved file, but for ids of which transformers leaves the old ones.

    These are the id of padding, and those of a post-processor of several steps.
    """
    tok = Tokenizer.from_str(text)
    tok.to_json(folder / "old.json")
    theirs = PreTrainedTokenizerFast(tokenizer_object=Upstream.from_file(str(folder / "old.json"))).train_new_from_iterator(
        iter(TEXTS), show_progress=False, **settings)
    ours = dstok.training.retrain(tok, iter(TEXTS), **settings)
    ours.to_json(folder / "new.json")
    one, other = json.loads((folder / "new.json").read_bytes()), json.loads(theirs.backend_tokenizer.to_str())
    if one["padding"]:
        one["padding"]["pad_id"] = other["padding"]["pad_id"]
    for step in (other["post_processor"] or {}).get("processors", []):
        for tokens in step.get("special_tokens", {}).values():
            tokens["ids"] = [other["model"]["vocab"][token] for token in tokens["tokens"]]
    assert one == other
    return ours


@pytest.mark.parametrize("name", [*share(NAMES, 5)])
def test_models_by_transformers(name: str, tmp_path: Path) -> None:
    text = smaller_json(name)
    specials = sum(token["special"] for token in json.loads(text)["added_tokens"])
    try:
        check(text, tmp_path, vocab_size=specials + 300)
    except UnsupportedError as error:
        assert "a tokenizer.json that" in str(error) or "without a special token of this text" in str(error)


def test_settings_by_transformers(tmp_path: Path) -> None:
    text = model_json([(b"l", b"o")], [added_token("<s>", special=True, lstrip=True), added_token("plain"), added_token("</s>", special=True)])
    tok = check(text, tmp_path, vocab_size=290, new_special_tokens=["<x>", AddedToken("<y>", rstrip=True)], special_tokens_map={"<s>": "<b>"},
                min_frequency=2, max_token_length=5)
    assert tok.added_tokens == {"<b>": 0, "</s>": 1, "<x>": 2, "<y>": 3}


def test_ids_around_texts(tmp_path: Path) -> None:
    file = json.loads(model_json([(b"l", b"o")], [added_token("<s>", special=True)]))
    sequence, special = {"Sequence": {"id": "A", "type_id": 0}}, {"SpecialToken": {"id": "<s>", "type_id": 0}}
    file["post_processor"] = {"type": "TemplateProcessing", "single": [special, sequence], "pair": [special, sequence, {"Sequence": {"id": "B", "type_id": 1}}],
                              "special_tokens": {"<s>": {"id": "<s>", "ids": [257], "tokens": ["<s>"]}}}
    tok = dstok.training.retrain(Tokenizer.from_str(json.dumps(file)), TEXTS, 270, special_tokens_map={"<s>": "<b>"})
    tok.to_json(tmp_path / "new.json")
    assert Upstream.from_file(str(tmp_path / "new.json")).encode("low").tokens[0] == "<b>"


def test_ends_and_chats() -> None:
    v3 = dstok.load("deepseek-v3")
    tok = dstok.training.retrain(v3, TEXTS, 2000, special_tokens_map={v3.id_to_token(0): "<b>"})
    assert tok.id_to_token(tok.bos_id or 0) == "<b>" and tok.id_to_token(tok.eos_id or 0) == v3.id_to_token(v3.eos_id or 0)
    assert tok.config.chat_template == v3.config.chat_template


def test_whole_pieces_are_counted() -> None:
    """An encoder's finder cuts long pieces where no token of the old vocabulary crosses: here it must not."""
    v3 = dstok.load("deepseek-v3")
    texts = ["中文" * 200, "中文字" * 100]
    expected = dstok.training.train_from_iterator(texts, dstok.training.BpeTrainer(
        vocab_size=2000, special_tokens=[token for token in v3._describe().added_tokens if token.special],
        initial_alphabet=dstok.training.BpeTrainer.byte_alphabet()), like=v3)
    assert dstok.training.retrain(v3, texts, 2000).inspect().token_bytes() == expected.inspect().token_bytes()


def test_unknown_settings() -> None:
    tok = Tokenizer.from_str(model_json())
    with pytest.raises(TypeError, match="minimum"):
        dstok.training.retrain(tok, TEXTS, 300, minimum=3)
