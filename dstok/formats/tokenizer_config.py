"""tokenizer_config.json: what upstream's tokenizer.json does not say.

In: the text of a tokenizer_config.json and the ids of the tokens that it may name. Out: `TokenizerConfig`.
Invariant: what it names is a token of the model; what is of no use here is passed over.
Source: the files that DeepSeek, Qwen and Meta publish; `tokenizer_config.json` has no specification.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from dstok.formats.json_value import Value, load_json

__all__ = ["TokenizerConfig", "read_token_id", "read_tokenizer_config", "write_tokenizer_config"]


@dataclass(frozen=True)
class TokenizerConfig:
    """The tokens at a text's ends, whether they are put there, and the chat template. None: not told."""

    bos_id: int | None = None
    eos_id: int | None = None
    pad_id: int | None = None
    add_bos: bool | None = None
    add_eos: bool | None = None
    chat_template: str | None = None


def read_tokenizer_config(config: str | bytes, ids: Mapping[str, int]) -> TokenizerConfig:
    """The settings in `config`. Raises `TokenizerFileError`.

    >>> read_tokenizer_config('{"bos_token": {"content": "<s>"}, "add_bos_token": true}', {"<s>": 1})
    TokenizerConfig(bos_id=1, eos_id=None, pad_id=None, add_bos=True, add_eos=None, chat_template=None)
    """
    settings = load_json(config, "tokenizer_config.json: ")
    bos, eos, pad = (read_token_id(settings.get(f"{kind}_token"), ids) for kind in ("bos", "eos", "pad"))
    flags = (settings.get("add_bos_token"), settings.get("add_eos_token"))
    add_bos, add_eos = (None if flag is None else flag.boolean() for flag in flags)
    return TokenizerConfig(bos, eos, pad, add_bos, add_eos, _template(settings.get("chat_template")))


def _template(value: Value | None) -> str | None:
    """The chat template: a text, or of a list of named ones the one named default."""
    if value is None or isinstance(value.value, str):
        return None if value is None else value.text()
    named = {item.need("name").text(): item.need("template").text() for item in value.array()}
    return named.get("default")


def read_token_id(token: Value | None, ids: Mapping[str, int]) -> int | None:
    """The id of a token that is written as its text, or as an object with its content."""
    if token is None:
        return None
    content = token.need("content") if isinstance(token.value, dict) else token
    if content.text() not in ids:
        content.wrong("a token of tokenizer.json")
    return ids[content.text()]


def write_tokenizer_config(config: TokenizerConfig, tokens: Mapping[int, str]) -> str:
    """The text of a tokenizer_config.json; `tokens` spells the ids that `config` names."""
    named = {"bos_token": config.bos_id, "eos_token": config.eos_id, "pad_token": config.pad_id}
    settings: dict[str, Any] = {key: tokens[token_id] for key, token_id in named.items() if token_id is not None}
    rest = {"add_bos_token": config.add_bos, "add_eos_token": config.add_eos, "chat_template": config.chat_template}
    settings |= {key: value for key, value in rest.items() if value is not None}
    return json.dumps(settings, ensure_ascii=False, indent=2) + "\n"
