"""Small tokenizers of transformers, with what real ones have: templates, normalizers, added tokens of all kinds."""

from __future__ import annotations

import json
from functools import cache
from pathlib import Path
from typing import Any

from small_models import BYTE_LEVEL, added_token, model_json
from transformers import PreTrainedTokenizerFast

PATTERN = r"[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+"
WORDS = "this is a text the and sentence ing Hello world low new".split()
ADDED = [*(added_token(text, special=True) for text in ("<s>", "</s>", "<pad>", "<|end|>")), added_token("<think>")]
STRIPPING = [added_token("<mask>", special=True, lstrip=True), added_token("<word>", single_word=True, rstrip=True)]
TEMPLATE = {
    "type": "TemplateProcessing",
    "single": [{"SpecialToken": {"id": "<s>", "type_id": 0}}, {"Sequence": {"id": "A", "type_id": 0}}],
    "pair": [{"SpecialToken": {"id": "<s>", "type_id": 0}}, {"Sequence": {"id": "A", "type_id": 0}},
             {"SpecialToken": {"id": "</s>", "type_id": 1}}, {"Sequence": {"id": "B", "type_id": 1}}],
    "special_tokens": {},
}
KINDS = ("plain", "llama", "qwen", "roberta")


@cache
def file(kind: str) -> str:
    """The tokenizer.json of a kind: `llama` has a template, `qwen` a normalizer, `roberta` offsets that are trimmed."""
    found = json.loads(model_json(_merges(), [*ADDED, *STRIPPING], PATTERN))
    ids = {token["content"]: token["id"] for token in found["added_tokens"]}
    tokens = {text: {"id": text, "ids": [ids[text]], "tokens": [text]} for text in ("<s>", "</s>")}
    trimming = {**BYTE_LEVEL, "trim_offsets": True}
    found["normalizer"] = {"type": "NFC"} if kind == "qwen" else None
    found["post_processor"] = {
        "plain": BYTE_LEVEL, "qwen": None,
        "llama": {"type": "Sequence", "processors": [trimming, {**TEMPLATE, "special_tokens": tokens}]},
        "roberta": {"type": "RobertaProcessing", "sep": ["</s>", ids["</s>"]], "cls": ["<s>", ids["<s>"]],
                    "trim_offsets": True, "add_prefix_space": False},
    }[kind]
    return json.dumps(found)


def folder(kind: str, at: Path) -> Path:
    """A folder that `from_pretrained` loads."""
    at.mkdir(parents=True, exist_ok=True)
    (at / "tokenizer.json").write_text(file(kind), encoding="utf-8")
    config = {"tokenizer_class": "PreTrainedTokenizerFast", "bos_token": "<s>", "eos_token": "</s>", "pad_token": "<pad>",
              "model_max_length": 1024}
    (at / "tokenizer_config.json").write_text(json.dumps(config), encoding="utf-8")
    return at


def loaded(kind: str, at: Path) -> Any:
    """A tokenizer of a kind, as transformers loads it."""
    return PreTrainedTokenizerFast.from_pretrained(folder(kind, at / kind))


def _merges() -> list[tuple[bytes, bytes]]:
    found: dict[tuple[bytes, bytes], None] = {}
    for word in [lead + word for word in WORDS for lead in ("", " ")]:
        made = [bytes([byte]) for byte in word.encode()]
        while len(made) > 1:
            found[made[0], made[1]] = None
            made[:2] = [made[0] + made[1]]
    return list(found)
