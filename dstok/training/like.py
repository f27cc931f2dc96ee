"""The model that a training follows: how it normalizes and cuts texts.

In: `like`, as the calls take it: a name, a tokenizer.json, a `Tokenizer`, a `Splitter`. Out: `Base`.
Invariant: the vocabulary of a tokenizer.json is not read, so it may be empty.
"""

from __future__ import annotations

import json
import os
from array import array
from collections.abc import Mapping
from typing import Any, TypeAlias

from dstok.base.paths import StrPath
from dstok.errors import ArgumentError, ModelNotFoundError
from dstok.formats.description import ModelDescription, NormalizerStep
from dstok.formats.json_value import Value, load_json
from dstok.formats.kinds import JSON, about_file, contents, kind_of
from dstok.formats.tokenizer_json import read_normalizer, read_tokenizer_json
from dstok.formats.tokens import BYTE_TO_CHAR
from dstok.formats.upstream import NEWEST, upstream_version
from dstok.loading import is_path, load
from dstok.splitting.presets import preset_names
from dstok.splitting.splitter import Splitter
from dstok.tokenizer import Tokenizer, describe
from dstok.vocabularies.base import Base, base_of

__all__ = ["Like", "Normalizing", "find_base", "without_vocabulary"]

Like: TypeAlias = "StrPath | bytes | Mapping[str, Any] | Tokenizer | Splitter"
Normalizing: TypeAlias = "str | Mapping[str, Any] | None"


def find_base(like: Like, normalizer: Normalizing = None) -> Base:
    """The parts that a training keeps. `normalizer` is for a `Splitter` only.

    Raises `ArgumentError`, and what reading the model raises.
    """
    if isinstance(like, Splitter):
        steps = tuple(_steps(normalizer))
        return Base(ModelDescription(like.splits, (), frozenset(), array("I"), (), False, like.unicode_version, steps))
    if normalizer is not None:
        raise ArgumentError("expected a normalizer with a Splitter only: other models have their own", "normalizer")
    return base_of(_model(like))


def _model(like: Any) -> ModelDescription:
    if isinstance(like, Tokenizer):
        return describe(like)
    if isinstance(like, Mapping):
        return without_vocabulary(json.dumps(like))
    if isinstance(like, bytes) or (isinstance(like, str) and like.lstrip().startswith("{")):
        return without_vocabulary(like)
    if not isinstance(like, str | os.PathLike):
        raise ArgumentError("expected the name of a model, a tokenizer.json, a Tokenizer or a Splitter as like, found "
                            f"{type(like).__name__}", "like")
    if is_path(like) and os.path.isfile(like) and kind_of(data := contents(like)) == JSON:
        with about_file(like):
            return without_vocabulary(data)
    try:
        return describe(load(like))
    except ModelNotFoundError:
        if like not in preset_names():
            raise
        return find_base(Splitter.preset(str(like))).model


def without_vocabulary(data: str | bytes, upstream: str = NEWEST) -> ModelDescription:
    """The model of a tokenizer.json, with the 256 bytes as its vocabulary. upstream: as for `dstok.load`."""
    file = load_json(data)
    model = {**file.need("model").object(), "vocab": {char: i for i, char in enumerate(BYTE_TO_CHAR)}, "merges": []}
    return read_tokenizer_json(json.dumps({**file.object(), "model": model, "added_tokens": []}), None, upstream)


def _steps(normalizer: Normalizing) -> list[NormalizerStep]:
    """The steps of a normalizer: an object as in a tokenizer.json, or a name without settings, such as "NFC"."""
    if normalizer is None:
        return []
    value = {"type": normalizer} if isinstance(normalizer, str) else dict(normalizer)
    return list(read_normalizer(Value(value, "normalizer"), upstream_version(NEWEST)))
