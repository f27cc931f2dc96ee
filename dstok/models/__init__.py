"""The built-in models: an image of tables for each vocabulary, and a small table of added tokens for each model.

In: a name (names.py). Out: a `Tokenizer`, by mapping the image: no network, no cache, nothing parsed but the added
tokens. Invariant: what is loaded is what `build.py` made of the tokenizer.json whose SHA-256 it recorded.
"""

from __future__ import annotations

import json
import os
from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING, Any

from dstok.formats.columns import unpack_added
from dstok.formats.image import open_image
from dstok.models.names import ALIASES, find, not_found
from dstok.tables.build import Tables, tables_from_image
from dstok.tokenizer import Tokenizer

if TYPE_CHECKING:
    from dstok.formats.description import AddedToken

__all__ = ["ModelInfo", "load", "models"]

_HERE = os.path.dirname(__file__)


@dataclass(frozen=True)
class ModelInfo:
    """What is known of a built-in model.

    `sha256` is of the tokenizer.json that it was made from; `aliases` are the other names that `load` takes, those of
    models whose tokenizer.json has the same vocabulary, merges and added tokens.
    """

    name: str
    sha256: str
    vocab_size: int
    source: str
    licence: str
    aliases: tuple[str, ...] = ()


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
        ModelInfo(name, entry["sha256"], entry["vocab_size"], entry["source"], entry["licence"], ALIASES[name])
        for name, entry in _index().items())


def load(name: str) -> Tokenizer:
    """A built-in model by its name or an alias, in any case, with or without `deepseek-ai/`; see `models()`.

    Raises `ModelNotFoundError`, also for a path (`Tokenizer.from_file` loads a tokenizer.json) and for names of
    DeepSeek's API that have moved from model to model, and `TypeError`.

    >>> load("deepseek-r1").token_to_id("<think>")
    128798
    >>> load("deepseek-ai/DeepSeek-V3-0324").name
    'deepseek-v3'
    """
    if not isinstance(name, str | os.PathLike):
        raise TypeError(f"expected the name of a built-in model, found {type(name).__name__}")
    found = find(name) if isinstance(name, str) else None
    if found is None:
        raise not_found(os.fspath(name))
    entry = _index()[found]
    added = _read(f"{found}.json")
    return Tokenizer(_tables(entry["image"]), unpack_added(added), entry["bos_id"], entry["eos_id"], found)


def is_built_in(
    name: str, tables: Tables, added: tuple[AddedToken, ...], bos_id: int | None, eos_id: int | None,
) -> bool:
    """Is this what `load(name)` makes a tokenizer of?"""
    entry = _index().get(name)
    return (entry is not None and tables.image is not None and tables.image.path == os.path.join(_HERE, entry["image"])
            and added == unpack_added(_read(f"{name}.json")) and (bos_id, eos_id) == (entry["bos_id"], entry["eos_id"]))


@cache
def _tables(image: str) -> Tables:
    return tables_from_image(open_image(os.path.join(_HERE, image)))
