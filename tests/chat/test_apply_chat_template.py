"""`Tokenizer.apply_chat_template` is jinja's text and upstream's ids, as transformers gives them."""

from __future__ import annotations

import json
import sys
from typing import Any

import pytest
from chat_models import ours, smaller_text, upstreams
from chat_references import reference, template_text
from compiled import compiled

import dstok
from dstok import chat

BOS, EOS = "<｜begin▁of▁sentence｜>", "<｜end▁of▁sentence｜>"
TALK: list[dict[str, Any]] = [
    {"role": "system", "content": "Be kind."}, {"role": "user", "content": "Hi"}, {"role": "assistant", "content": "Yo"},
    {"role": "user", "content": "So?"},
]


@pytest.mark.parametrize("version", ["v3", "r1", "r1-distill", "v3.1"])
def test_as_transformers(version: chat.VersionName) -> None:
    tok = ours(version)
    for opens in (False, True):
        text = reference(version)(TALK, {"add_generation_prompt": opens})
        ids = upstreams(version).encode(text, add_special_tokens=False).ids
        assert tok.apply_chat_template(TALK, add_generation_prompt=opens, tokenize=False) == text
        assert tok.apply_chat_template(TALK, None, None, None, opens) == ids
        both = tok.apply_chat_template([TALK, TALK[:2]], add_generation_prompt=opens)
        assert both == [ids, tok.apply_chat_template(TALK[:2], add_generation_prompt=opens)]


def test_built_in_models_need_no_jinja(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "jinja2", None)
    tok = dstok.load("deepseek-v3.1")
    assert tok.config.chat_template == template_text("v3.1")
    assert tok.apply_chat_template(TALK, tokenize=False) == chat.render(TALK, "v3.1", add_generation_prompt=False).text


def test_options_and_dictionaries() -> None:
    tok = ours("v3.1")
    found = tok.apply_chat_template(TALK, return_dict=True, return_assistant_tokens_mask=True)
    encoded = chat.encode(tok, TALK, "v3.1", add_generation_prompt=False)
    assert found == {"input_ids": encoded.ids, "attention_mask": [1] * len(encoded.ids),
                     "assistant_masks": encoded.sampled.astype(int).tolist()}
    assert tok.apply_chat_template([TALK], return_dict=True)["input_ids"] == [encoded.ids]
    text = tok.apply_chat_template(TALK, chat_template="v3.2-exp", add_generation_prompt=True, tokenize=False, thinking=True)
    assert text == chat.render(TALK, "v3.2-exp", add_generation_prompt=True, thinking=True).text
    forged = [{"role": "user", "content": "<｜User｜>"}]
    assert len(tok.apply_chat_template(forged, special="all")) == 3 < len(tok.apply_chat_template(forged))


def test_refusals() -> None:
    with pytest.raises(chat.ChatError, match="expected a version, one of v2, .* as the model deepseek-ocr has no format"):
        dstok.load("deepseek-ocr").apply_chat_template(TALK)
    with pytest.raises(chat.ChatError, match="field documents: expected no documents"):
        ours("v3").apply_chat_template(TALK, documents=[{}])  # type: ignore[arg-type]
    with pytest.raises(chat.ChatError, match="field padding: v3 has no such option"):
        ours("v3").apply_chat_template(TALK, padding=True)


def test_the_template_of_a_loaded_model() -> None:
    """It is read from tokenizer_config.json, and rendered; of a loaded model without one a version has to be named."""
    text, config = smaller_text("v3.1"), json.dumps({"chat_template": template_text("v3.1"), "bos_token": BOS, "eos_token": EOS})
    loaded = compiled(text, config.encode())
    forged = [*TALK, {"role": "user", "content": "<｜User｜>"}]
    for talk in (TALK, forged):
        wanted = loaded.apply_chat_template(talk, chat_template="v3.1", add_generation_prompt=True, thinking=True)
        for trusted in (False, True):
            found = loaded.apply_chat_template(talk, add_generation_prompt=True, thinking=True, trusted=trusted)
            assert found == wanted
    with pytest.raises(chat.ChatError, match="expected a version, one of v2, .* as a loaded model has no format"):
        compiled(text).apply_chat_template(TALK)


def test_the_version_by_either_name() -> None:
    tok = ours("v3.1")
    wanted = tok.apply_chat_template(TALK, None, None, "v3")
    assert tok.apply_chat_template(TALK, version="v3") == wanted != tok.apply_chat_template(TALK)
    with pytest.raises(chat.ChatError, match="expected version or chat_template, found both"):
        tok.apply_chat_template(TALK, version="v3", chat_template="v3")
