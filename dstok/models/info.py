"""What is known of a model that has a name. A module of its own, since loading one does not need it."""

from __future__ import annotations

from dataclasses import dataclass

__all__ = ["ModelInfo"]


@dataclass(frozen=True)
class ModelInfo:
    """What is known of a model that has a name.

    `sha256` is of the tokenizer.json that it was made from; `aliases` are the other names that `load` takes, those of
    models whose tokenizer.json has the same vocabulary, merges and added tokens; `package` is the installed package
    that it comes with.
    """

    name: str
    sha256: str
    vocab_size: int
    source: str
    licence: str
    aliases: tuple[str, ...] = ()
    package: str = "dstok"
