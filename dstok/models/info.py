"""The data of a built-in model. A module of its own, since loading a model does not need it."""

from __future__ import annotations

from dataclasses import dataclass

__all__ = ["ModelInfo"]


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
