"""A tokenizer -> the files of other tools: tiktoken's rank files, GGUF, tokenizer.json.

In: a tokenizer, which describes itself. Out: a file, and sentences about the settings that the file does not hold.
Invariant: a file that these functions write gives, when it is read, the ids of the tokenizer that wrote it. A setting
that a format cannot hold is refused. If the format leaves it out by convention, a sentence tells of it instead.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from dstok._util.arguments import explained, utf8
from dstok._util.files import StrPath, write_at_once
from dstok.formats.description import ENDS, TokenizerConfig
from dstok.formats.tokenizer_config import read_tokenizer_config, write_tokenizer_config

if TYPE_CHECKING:
    from dstok.tokenizer import Tokenizer


@explained
def to_tiktoken(self: Tokenizer, path: StrPath) -> tuple[str, ...]:
    """Writes tiktoken's rank file, and returns sentences about the settings that such a file does not hold.

    Raises `UnsupportedError` if the merges are not those that follow from the ids as ranks, or if there is a
    normalizer: tiktoken has none. Raises `OSError`.
    """
    from dstok.formats.tiktoken import unsaid, write_ranks

    model = self._describe()
    write_at_once(path, write_ranks(model))
    return unsaid(model)


@explained
def to_gguf(
    self: Tokenizer, path: StrPath, *, config: StrPath | TokenizerConfig | None = None, architecture: str | None = None,
) -> tuple[str, ...]:
    """Writes a GGUF file that holds the vocabulary; needs the extra dstok[gguf].

    `config`: the path of a tokenizer_config.json, or its settings, for BOS, EOS, padding, `add_bos_token` and the chat
    template. `architecture`: the value of `general.architecture`; without it, the architecture of the family's first
    models. Returns sentences about the settings that the file does not hold or that llama.cpp reads otherwise. Raises
    `UnsupportedError` for a setting that GGUF cannot hold, `TokenizerFileError` for a broken config, `TextError` for a
    lone surrogate in `architecture`, `ImportError`, and `OSError`.
    """
    from dstok.formats.gguf import write_gguf
    from dstok.formats.llama_cpp import CHECK_TEXT, check_hash

    settings, model, ids = read_config(self, config), self._describe(), self.encode(CHECK_TEXT)
    both = [ids] if settings.bos_id is None else [[settings.bos_id, *ids], ids]
    hashes = [check_hash(each) for each in (both[::-1] if settings.add_bos is False else both)]  # the own choice first
    whole = any(token and i not in model.raw_ids and not self._bpe.encodes_to_itself(i)
                for i, token in enumerate(model.tokens))
    utf8(architecture or "", replace=False)
    return write_gguf(path, model, settings, hashes, whole, architecture)


@explained
def to_json(self: Tokenizer, path: StrPath, *, config: StrPath | None = None) -> tuple[str, ...]:
    """Writes a tokenizer.json that gives upstream this tokenizer's ids; returns sentences about what the file lacks.

    BOS, EOS and the like are no part of it; `config` is the path of a tokenizer_config.json to write them to. If `path`
    is a folder, both files are written there. Raises `UnsupportedError` for a setting that a tokenizer.json cannot
    hold, and `OSError`.
    """
    from dstok.formats.tokenizer_json import write_tokenizer_json

    if os.path.isdir(path):
        config = os.path.join(path, "tokenizer_config.json") if config is None else config
        path = os.path.join(path, "tokenizer.json")
    write_at_once(path, write_tokenizer_json(self._describe()).encode())
    settings = self.config
    if config is not None:
        ids = {id for name in ENDS if (id := getattr(settings, name)) is not None}
        spelled = {id: self._vocabulary.text_of(id) for id in ids}
        write_at_once(config, write_tokenizer_config(settings, spelled).encode())
    elif settings != type(settings)(unk_id=settings.unk_id, framing=settings.framing):
        return ("a tokenizer.json does not say which tokens are BOS and EOS",)
    return ()


def read_config(self: Tokenizer, config: StrPath | TokenizerConfig | None) -> TokenizerConfig:
    """The settings of a tokenizer_config.json, but BOS and EOS of the tokenizer if it has them; None: its own settings.

    Raises `TokenizerFileError` and `OSError`.
    """
    from dstok.formats.reading import contents

    own = self.config
    if config is None:
        return own
    settings = config if isinstance(config, TokenizerConfig) else read_tokenizer_config(
        contents(config), self._vocabulary.ids.get)
    return settings._replace(bos_id=settings.bos_id if own.bos_id is None else own.bos_id,
                             eos_id=settings.eos_id if own.eos_id is None else own.eos_id)
