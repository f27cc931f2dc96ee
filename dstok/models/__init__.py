"""The built-in models: an image of tables for each vocabulary, and a small file with the own parts of each model.

In: a name (names.py). Out: the parts of a `Tokenizer`, from the mapped image: no network, no cache, nothing parsed
but the own parts. Invariant: release/build_models.py made these parts of the tokenizer.json whose SHA-256 it recorded.
"""

from __future__ import annotations

import json
import os
from functools import cache
from typing import TYPE_CHECKING, Any, NamedTuple

from dstok._util.arguments import explained
from dstok.compiled.image_file import joined, open_image, own_part, unpack_added
from dstok.compiled.tables import Tables, tables_from_image
from dstok.models.names import ALIASES, find, not_found

if TYPE_CHECKING:
    from dstok.formats.description import AddedToken, TokenizerConfig

_HERE = os.path.dirname(__file__)
__all__ = ["ModelInfo", "built_in", "is_built_in", "model_info", "models"]


class ModelInfo(NamedTuple):
    """The data of a built-in model.

    `sha256` is of its tokenizer.json. `aliases` are the other names that `load` takes for it: the tokenizer.json
    published under them has the same vocabulary, merges and added tokens.
    """

    name: str
    sha256: str
    vocab_size: int
    source: str
    licence: str
    aliases: tuple[str, ...] = ()


def _read(name: str) -> dict[str, Any]:
    with open(os.path.join(_HERE, name), "rb") as file:
        values: dict[str, Any] = json.load(file)
    return values


@cache
def _index() -> dict[str, Any]:
    return _read("index.json")


@cache
def _tables(image: str) -> Tables:
    return tables_from_image(open_image(os.path.join(_HERE, image)))


def _own(name: str) -> dict[str, Any]:
    """The own parts of a model, as `own_part` gives them. Its file leaves out the added tokens of the model `like`."""
    own = _read(f"{name}.json")
    if "like" in own:
        own["added"] = joined(_read(f"{own.pop('like')}.json")["added"], own["added"])
    return own


def models() -> tuple[str, ...]:
    """The names of the built-in models.

    >>> models()[:3]
    ('deepseek-v3', 'deepseek-r1', 'deepseek-v3.1')
    """
    return tuple(_index())


@explained
def model_info(name: str) -> ModelInfo:
    """The data of the built-in model with this name or alias: its vocabulary's size, source, licence, other names.

    Raises `ModelNotFoundError`.

    >>> model_info("deepseek-ai/DeepSeek-R1-0528").name, model_info("deepseek-r1").vocab_size
    ('deepseek-r1', 128815)
    """
    known = find(name)
    if known is None:
        raise not_found(name)
    entry = _index()[known]
    return ModelInfo(known, entry["sha256"], entry["vocab_size"], entry["source"], entry["licence"], ALIASES[known])


def built_in(name: str) -> tuple[Tables, tuple[AddedToken, ...], int | None, int | None, str, dict[str, Any]]:
    """The arguments with which `Tokenizer` makes the model `name`, one of `models()`."""
    own = _own(name)
    return (_tables(_index()[name]["image"]), unpack_added(own["added"]), own["bos_id"], own["eos_id"], name,
            own.get("config", {}))


def is_built_in(name: str, tables: Tables, added: tuple[AddedToken, ...], config: TokenizerConfig) -> bool:
    """Does `built_in(name)` give these parts? `config` has BOS and EOS, too."""
    entry = _index().get(name)
    return (entry is not None and tables.image is not None and tables.image.path == os.path.join(_HERE, entry["image"])
            and own_part(added, config, name) == _own(name))
