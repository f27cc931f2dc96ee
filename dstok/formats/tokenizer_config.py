"""tokenizer_config.json and generation_config.json: the settings that upstream's tokenizer.json does not hold.

In: the texts of these files, and the ids of the tokens that they may name. Out: `TokenizerConfig`.
Invariant: BOS and EOS are tokens of the model, or the file is refused; settings of no use here are ignored.
Source: the files that DeepSeek, Qwen and Meta publish; they have no specification.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from contextlib import suppress
from typing import Any

from dstok._util.json_value import Value, load_json
from dstok.core.bpe.tables import MAX_IDS
from dstok.errors import DstokError
from dstok.formats.description import TokenizerConfig


def parse_settings(config: str | bytes) -> Value | str | bytes:
    """The JSON of a tokenizer_config.json. A broken one stays as it is: faults of a tokenizer.json are told first."""
    with suppress(DstokError):
        return load_json(config, "tokenizer_config.json: ")
    return config


def read_tokenizer_config(data: str | bytes | Value, id_of: Callable[[str], int | None]) -> TokenizerConfig:
    """The settings in `data`, or in the result of `parse_settings`. Raises `TokenizerFileError`.

    A padding or unknown token that is not in the model is None: transformers adds it to the model, and no text has it.
    """
    settings = data if isinstance(data, Value) else load_json(data, "tokenizer_config.json: ")
    found: dict[str, Any] = {}
    for kind in ("bos", "eos", "pad", "unk"):
        token = settings.get(f"{kind}_token")
        if token is not None:  # a string, or an object with its content
            content = token.need("content") if isinstance(token.value, dict) else token
            found[f"{kind}_id"] = id_of(content.text())
            if found[f"{kind}_id"] is None and kind in ("bos", "eos"):
                content.wrong("a token of tokenizer.json")
    for kind in ("add_bos", "add_eos"):
        flag = settings.get(f"{kind}_token")
        found[kind] = None if flag is None else flag.boolean()
    template = settings.get("chat_template")  # a text, or a list of those with names
    if template is not None and not isinstance(template.value, str):
        named = {item.need("name").text(): item.need("template").text() for item in template.array()}
        return TokenizerConfig(**found, chat_template=named.get("default"), chat_templates=named)
    return TokenizerConfig(**found, chat_template=None if template is None else template.text())


def read_generation_config(text: str | bytes) -> dict[str, Any]:
    """The settings of a generation_config.json. Raises `TokenizerFileError`."""
    return load_json(text, "generation_config.json: ").object()


def entries_by_id(decoder: Value | None) -> dict[int, Value]:
    """The members of an `added_tokens_decoder`: transformers takes Python's `int` of a key, so "0260" is 260.

    Raises `TokenizerFileError` for a key that is no number, and for a second one of a number.
    """
    entries: dict[int, Value] = {}
    for key in decoder.object() if decoder is not None else ():
        entry = decoder.member(key)  # type: ignore[union-attr]
        try:
            number = int(key)
        except ValueError:
            number = -1
        if not 0 <= number < MAX_IDS:
            Value(key, entry.path).wrong(f"an id below {MAX_IDS} as the key")
        if entries.setdefault(number, entry) is not entry:
            Value(key, entry.path).wrong(f"each id once as a key, and {number} is one")
    return entries


def write_tokenizer_config(config: TokenizerConfig, tokens: Mapping[int, str]) -> str:
    """The text of a tokenizer_config.json; `tokens` spells the ids that `config` names."""
    settings: dict[str, Any] = {f"{name}_token": None if token_id is None else tokens[token_id]
                                for name in ("bos", "eos", "pad", "unk")
                                for token_id in [getattr(config, f"{name}_id")]}
    named = [{"name": name, "template": template} for name, template in config.chat_templates.items()]
    settings |= {"add_bos_token": config.add_bos, "add_eos_token": config.add_eos,
                 "chat_template": named or config.chat_template}
    settings = {key: value for key, value in settings.items() if value is not None}
    return json.dumps(settings, ensure_ascii=False, indent=2) + "\n"
