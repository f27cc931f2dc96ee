"""A tokenizer -> the files of other tools: tiktoken's rank files, GGUF, tokenizer.json.

In: a tokenizer, which describes itself. Out: a file; and, in sentences, what the file does not say.
Invariant: a file that was written here, read again, gives the ids of the tokenizer that wrote it. What a format cannot
hold is refused. Where it is the format's convention to leave something out, a sentence tells of it instead.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from dstok.base.paths import StrPath, write_at_once

if TYPE_CHECKING:
    from dstok.calls.interface import Parts
    from dstok.formats.description import TokenizerConfig

__all__ = ["read_config", "to_gguf", "to_json", "to_tiktoken"]


def to_tiktoken(self: Parts, path: StrPath) -> tuple[str, ...]:
    """Writes tiktoken's rank file, and returns what such a file does not say, in sentences.

    Raises `UnsupportedError` if the merges are not those that the ids give as ranks, or if there is a normalizer,
    which tiktoken has none of, and `OSError`.
    """
    from dstok.formats.tiktoken import unsaid, write_ranks

    model = self._describe()
    write_at_once(path, write_ranks(model))
    return unsaid(model)


def to_gguf(
    self: Parts, path: StrPath, *, config: StrPath | TokenizerConfig | None = None, architecture: str | None = None,
) -> tuple[str, ...]:
    """Writes a GGUF file that holds the vocabulary; needs the extra dstok[gguf].

    `config`: a tokenizer_config.json, or what one says, for BOS, EOS, padding, `add_bos_token` and the chat
    template. `architecture`: `general.architecture`, else that of the family's first models. Returns what
    llama.cpp does otherwise, or the file does not say, in sentences. Raises `UnsupportedError` for what GGUF
    cannot say, `TokenizerFileError` for a broken config, `ImportError`, and `OSError`.
    """
    from dstok.formats.gguf import write_gguf

    settings, model = read_config(self, config), self._describe()
    whole = any(token and i not in model.raw_ids and not self._bpe.encodes_to_itself(i)
                for i, token in enumerate(model.tokens))
    return write_gguf(path, model, settings, _check_hashes(self, settings), whole, architecture)


def to_json(self: Parts, path: StrPath, *, config: StrPath | None = None) -> tuple[str, ...]:
    """Writes a tokenizer.json that gives upstream this tokenizer's ids; returns what it does not say, in sentences.

    BOS and EOS are no part of it: `config` is the path of a tokenizer_config.json to write them to. Raises
    `UnsupportedError` for what a tokenizer.json cannot say, and `OSError`.
    """
    from dstok.formats.tokenizer_config import write_tokenizer_config
    from dstok.formats.tokenizer_json_writer import write_tokenizer_json

    write_at_once(path, write_tokenizer_json(self._describe()).encode())
    settings = self.config
    if config is not None:
        ids = {settings.bos_id, settings.eos_id, settings.pad_id} - {None}
        spelled = {token_id: self._vocabulary.text_of(token_id) for token_id in ids if token_id is not None}
        write_at_once(config, write_tokenizer_config(settings, spelled).encode())
    elif settings != type(settings)(framing=settings.framing):
        return ("a tokenizer.json does not say which tokens are BOS and EOS",)
    return ()


def read_config(self: Parts, config: StrPath | TokenizerConfig | None) -> TokenizerConfig:
    """What a tokenizer_config.json says of this tokenizer, whose own BOS and EOS, if it has them, count; None: its own.

    Raises `TokenizerFileError` and `OSError`.
    """
    from dstok.formats.description import TokenizerConfig
    from dstok.formats.kinds import contents
    from dstok.formats.tokenizer_config import read_tokenizer_config

    own = self.config
    if config is None:
        return own
    settings = config
    if not isinstance(settings, TokenizerConfig):
        settings = read_tokenizer_config(contents(settings), self._vocabulary.ids)
    return replace(settings, bos_id=settings.bos_id if own.bos_id is None else own.bos_id,
                   eos_id=settings.eos_id if own.eos_id is None else own.eos_id)


def _check_hashes(self: Parts, settings: TokenizerConfig) -> list[str]:
    """The hashes of the ids of llama.cpp's check text, with BOS and without: first as the settings have it."""
    from dstok.formats.llama_cpp import CHECK_TEXT, check_hash

    ids = self.encode(CHECK_TEXT)
    both = [ids] if settings.bos_id is None else [[settings.bos_id, *ids], ids]
    return [check_hash(known_hash) for known_hash in (both[::-1] if settings.add_bos is False else both)]
