"""The data of a built-in model. A module of its own: loading a model needs no dataclass, and saves their import."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class ModelInfo:
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
