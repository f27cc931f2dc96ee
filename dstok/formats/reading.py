"""A model's files -> `ModelDescription`, by path: a function for each kind of file.

In: the path of a tokenizer.json, a rank file of tiktoken, a .model file of SentencePiece.
Out: its description, with the contents of the files beside it (a tokenizer_config.json, a chat template).
Invariant: a file of another kind is refused, and the error names its kind.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import replace

from dstok._util.files import StrPath
from dstok._util.json_value import read_text
from dstok.errors import UnsupportedError
from dstok.formats.description import ModelDescription
from dstok.formats.kinds import JSON, LOOK, RANKS, SENTENCEPIECE, contents, refuse_other

__all__ = ["ADDED_TOKENS", "MODEL_FILES", "describe_json_file", "describe_ranks", "describe_sentencepiece_file"]

MODEL_FILES = (  # of a folder the first counts
    "tokenizer.json", "tekken.json", "tiktoken.model", "qwen.tiktoken", "tokenizer.model")
ADDED_TOKENS = "added_tokens.json"  # beside a tokenizer.model


def describe_json_file(path: StrPath, config: StrPath | None, upstream: str) -> ModelDescription:
    """The model of a tokenizer.json or tekken.json.

    `config` gives BOS, EOS, padding and the chat template. Without it, a tokenizer_config.json beside a file with one
    of these names gives them. Then a chat_template.jinja replaces the template in that file, and a
    generation_config.json is read. Raises `UnsupportedError`, `TokenizerFileError` and `OSError`.
    """
    from dstok.formats.tokenizer_json import read_tokenizer_json

    data = contents(path)
    refuse_other(data[:LOOK], JSON, "a tokenizer.json")
    beside = _beside(path, "tokenizer_config.json") if config is None else contents(config)
    return _with_side_files(path, read_tokenizer_json(data, beside, upstream))


def describe_sentencepiece_file(path: StrPath) -> ModelDescription:
    """The model of a .model file of SentencePiece; of one named tokenizer.model with the files beside it.

    Raises `UnsupportedError`, `TokenizerFileError` and `OSError`.
    """
    from dstok.formats.sentencepiece import describe_sentencepiece

    data = contents(path)
    refuse_other(data[:LOOK], SENTENCEPIECE, "a .model file of SentencePiece")
    beside = _beside(path, "tokenizer_config.json"), _beside(path, ADDED_TOKENS)
    return _with_side_files(path, describe_sentencepiece(data, *beside))


def _with_side_files(path: StrPath, model: ModelDescription) -> ModelDescription:
    """The model with the chat template and the generation settings beside its file."""
    from dstok.formats.tokenizer_config import read_generation_config

    settings = model.config
    template, generation = _beside(path, "chat_template.jinja"), _beside(path, "generation_config.json")
    if template is not None:
        settings = replace(settings, chat_template=read_text(template, "chat_template.jinja: "))
    if generation is not None:
        settings = replace(settings, generation=read_generation_config(generation))
    return replace(model, config=settings)


def _beside(path: StrPath, name: str) -> bytes | None:
    """The contents of a file beside one of `MODEL_FILES`; None if there is none."""
    other = os.path.join(os.path.dirname(path), name)
    return contents(other) if os.path.basename(path) in MODEL_FILES and os.path.exists(other) else None


def describe_ranks(
    ranks: StrPath | Mapping[bytes, int], pattern: str | None, special_tokens: Mapping[str, int] | None = None,
) -> ModelDescription:
    """The model of ranks, or of a rank file. The pattern is the one of tiktoken.py's `describe_tiktoken`.

    Without a pattern, only the files that tiktoken publishes are known, by their SHA-256, and the folders of
    rank_folders.py. Raises as `describe_tiktoken`, and `OSError`.
    """
    from dstok.formats.tiktoken import describe_folder, describe_tiktoken, encoding_of_file, read_ranks

    if not isinstance(ranks, Mapping):
        data = contents(ranks)
        refuse_other(data[:LOOK], RANKS, "a rank file")
        path, ranks = ranks, read_ranks(data)
        pattern = encoding_of_file(data) if pattern is None else pattern
        model = describe_folder(path, ranks) if pattern is None else None
        if model is not None:
            return _with_side_files(path, model)
    if pattern is None:
        raise UnsupportedError("ranks without a pattern, and no file that tiktoken publishes: Tokenizer.from_tiktoken "
                               "takes both")
    return describe_tiktoken(ranks, pattern, special_tokens)
