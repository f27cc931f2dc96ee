"""The built-in models: an image of tables for each vocabulary, and a small table of added tokens for each model.

In: a name. Out: a `Tokenizer`, by mapping the image: no network, no cache, nothing parsed but the added
tokens. Invariant: what is loaded is what `build.py` made of the tokenizer.json whose SHA-256 it recorded.
"""

from __future__ import annotations

import json
import os
from dataclasses import dataclass
from functools import cache
from typing import Any

from dstok.errors import ModelNotFoundError
from dstok.formats.columns import unpack_added
from dstok.formats.image import open_image
from dstok.tables import Tables, tables_from_image
from dstok.tokenizer import Tokenizer

__all__ = ["ModelInfo", "load", "models"]

_HERE = os.path.dirname(__file__)
# Known models whose vocabularies are not in here, and why: what every copy would have to carry along.
_MODEL_LICENSE = "the DeepSeek Model License, whose restrictions of use every copy has to pass on"
_BY_PATH = {
    "deepseek-llm": _MODEL_LICENSE,
    "deepseek-coder": _MODEL_LICENSE,
    "deepseek-v2": _MODEL_LICENSE,
    "deepseek-r1-distill-llama": "the Llama 3.1 Community License, which every copy has to show and to follow",
}


@dataclass(frozen=True)
class ModelInfo:
    """What is known of a built-in model. `sha256` is of the tokenizer.json that it was made from."""

    name: str
    sha256: str
    vocab_size: int
    source: str
    licence: str


@cache
def _index() -> dict[str, Any]:
    return _read("index.json")


def _read(name: str) -> dict[str, Any]:
    with open(os.path.join(_HERE, name), "rb") as file:
        found: dict[str, Any] = json.load(file)
    return found


def models() -> tuple[ModelInfo, ...]:
    """The built-in models.

    >>> [info.name for info in models()]
    ['deepseek-v3', 'deepseek-r1', 'deepseek-v3.1', 'deepseek-v3.2', 'deepseek-v4', 'deepseek-ocr', 'deepseek-vl2', \
'deepseek-r1-distill-qwen']
    """
    return tuple(
        ModelInfo(name, entry["sha256"], entry["vocab_size"], entry["source"], entry["licence"])
        for name, entry in _index().items())


def load(name: str) -> Tokenizer:
    """A built-in model by name; see `models()`. Raises `ModelNotFoundError`.

    >>> load("deepseek-r1").token_to_id("<think>")
    128798
    """
    entry = _index().get(name)
    if entry is None:
        raise _not_found(name)
    added = _read(f"{name}.json")
    return Tokenizer(_tables(entry["image"]), unpack_added(added), entry["bos_id"], entry["eos_id"], name)


def _not_found(name: str) -> ModelNotFoundError:
    if name in _BY_PATH:
        return ModelNotFoundError(f"{name!r} is not built in: its vocabulary is under {_BY_PATH[name]}; "
                                  "load its tokenizer.json by path")
    from difflib import get_close_matches  # not needed otherwise, and takes a millisecond

    close = get_close_matches(name, _index(), 1)
    hint = f"; did you mean {close[0]!r}?" if close else ""
    return ModelNotFoundError(f"no built-in model {name!r}: there are {', '.join(_index())}{hint}")


def is_built_in(name: str, tables: Tables) -> bool:
    """Are these the tables that `load(name)` has, mapped here already?"""
    entry = _index().get(name)
    return entry is not None and tables is _tables(entry["image"])


@cache
def _tables(image: str) -> Tables:
    return tables_from_image(open_image(os.path.join(_HERE, image)))
