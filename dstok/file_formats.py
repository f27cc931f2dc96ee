"""Other tools' files -> `Tokenizer`, and back: tiktoken's rank files, GGUF, tokenizer.json.

In: a file or what stands in it. Out: a tokenizer; or a file with the tokenizer's ids.
Invariant: what comes out of a file that was written here gives the ids of the tokenizer that wrote it; what a format
cannot hold is refused, or, where it is the format's convention to leave it out, told.
"""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import nullcontext
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from dstok.formats.image import StrPath, write_at_once

if TYPE_CHECKING:
    from dstok.formats.description import ModelDescription
    from dstok.formats.tokenizer_config import TokenizerConfig
    from dstok.tables.build import Tables
    from dstok.text.added_tokens import AddedTokens
    from dstok.tokenizer import Tokenizer

__all__ = ["FileFormats"]


class FileFormats:
    """The part of `Tokenizer` that knows other file formats than upstream's and dstok's own."""

    bos_id: int | None
    eos_id: int | None
    _tables: Tables
    _added: AddedTokens

    if TYPE_CHECKING:
        @classmethod
        def from_description(cls, model: ModelDescription) -> Any: ...

    @classmethod
    def from_tiktoken(
        cls, ranks: StrPath | Mapping[bytes, int], pattern: str, special_tokens: Mapping[str, int] | None = None,
    ) -> Tokenizer:
        r"""The tokenizer of `tiktoken.Encoding(..., pat_str=pattern, mergeable_ranks=ranks, special_tokens=...)`.

        `ranks` is a mapping from bytes to ids, or the path of a rank file; `pattern` is in tiktoken's dialect, or
        the name of one of its encodings (gpt2, r50k_base, p50k_base, p50k_edit, cl100k_base, o200k_base), whose
        special tokens are taken, too, if none are given. `encode` is tiktoken's with `allowed_special="all"`, and
        `special="none"` its `encode_ordinary`. Raises `UnsupportedError`, `PatternError`, `TokenizerFileError`
        (with line and file offset), and `OSError`.

        >>> import dstok
        >>> ranks = {bytes([b]): b for b in range(256)} | {b"ab": 256}
        >>> tok = dstok.Tokenizer.from_tiktoken(ranks, r"\S++|\s++", {"<end>": 257})
        >>> tok.encode("abba ab<end>")
        [256, 98, 97, 32, 256, 257]
        """
        from dstok.formats.files import about_file
        from dstok.formats.tiktoken import describe_tiktoken

        with nullcontext() if isinstance(ranks, Mapping) else about_file(ranks):
            known = ranks if isinstance(ranks, Mapping) else _read_ranks(ranks)
            tokenizer: Tokenizer = cls.from_description(describe_tiktoken(known, pattern, special_tokens))
            return tokenizer

    def to_tiktoken(self, path: StrPath) -> tuple[str, ...]:
        """Writes tiktoken's rank file, and returns what such a file does not say, in sentences.

        Raises `UnsupportedError` if the merges are not those that the ids give as ranks, or if there is a normalizer,
        which tiktoken has none of, and `OSError`.
        """
        from dstok.formats.tiktoken import unsaid, write_ranks

        model = self.describe()
        write_at_once(path, write_ranks(model))
        return unsaid(model)

    @classmethod
    def from_gguf(cls, path: StrPath) -> Tokenizer:
        """The tokenizer of a GGUF file, whose vocabulary is read and whose tensors are not looked at.

        Its ids are upstream's for the models that the file's `tokenizer.ggml.pre` stands for. Raises
        `UnsupportedError` (also for a `pre` that dstok does not know, with the list of those it does),
        `TokenizerFileError` with the key or the file offset, and `OSError`.
        """
        from dstok.formats.files import about_file
        from dstok.formats.gguf import describe_gguf

        with about_file(path):
            tokenizer: Tokenizer = cls.from_description(describe_gguf(path)[0])
            return tokenizer

    def to_gguf(
        self, path: StrPath, *, config: StrPath | TokenizerConfig | None = None, architecture: str | None = None,
    ) -> tuple[str, ...]:
        """Writes a GGUF file that holds the vocabulary; needs the extra dstok[gguf].

        `config`: a tokenizer_config.json, or what one says, for BOS, EOS, padding, `add_bos_token` and the chat
        template. `architecture`: `general.architecture`, else that of the family's first models. Returns what
        llama.cpp does otherwise, or the file does not say, in sentences. Raises `UnsupportedError` for what GGUF
        cannot say, `TokenizerFileError` for a broken config, `ImportError`, and `OSError`.
        """
        from dstok.formats.gguf import write_gguf

        settings = self.read_config(config)
        hashes = self._check_hashes(settings)
        return write_gguf(path, self.describe(), settings, hashes, self._takes_whole(), architecture)

    def to_json(self, path: StrPath, *, config: StrPath | None = None) -> tuple[str, ...]:
        """Writes a tokenizer.json that gives upstream this tokenizer's ids; returns what it does not say, in sentences.

        BOS and EOS are no part of it: `config` is the path of a tokenizer_config.json to write them to. Raises
        `UnsupportedError` for what a tokenizer.json cannot say, and `OSError`.
        """
        from dstok.formats.tokenizer_config import write_tokenizer_config
        from dstok.formats.tokenizer_json_writer import write_tokenizer_json

        write_at_once(path, write_tokenizer_json(self.describe()).encode())
        settings = self.read_config(None)
        if config is not None:
            write_at_once(config, write_tokenizer_config(settings, self._spelled(settings)).encode())
        elif settings != type(settings)():
            return ("a tokenizer.json does not say which tokens are BOS and EOS",)
        return ()

    def _spelled(self: Any, settings: TokenizerConfig) -> dict[int, str]:
        ids = {settings.bos_id, settings.eos_id, settings.pad_id}
        return {token_id: self.id_to_token(token_id) for token_id in ids if token_id is not None}

    def read_config(self: Any, config: StrPath | TokenizerConfig | None) -> TokenizerConfig:
        """What a tokenizer_config.json says of this tokenizer, whose own BOS and EOS, if it has them, count.

        Raises `TokenizerFileError` and `OSError`.
        """
        from dstok.formats.tokenizer_config import TokenizerConfig, read_tokenizer_config

        found = config if isinstance(config, TokenizerConfig) else TokenizerConfig()
        if not (config is None or isinstance(config, TokenizerConfig)):
            with open(config, "rb") as file:
                found = read_tokenizer_config(file.read(), self._ids_by_token)
        return replace(found, bos_id=found.bos_id if self.bos_id is None else self.bos_id,
                       eos_id=found.eos_id if self.eos_id is None else self.eos_id)

    def _check_hashes(self: Any, settings: TokenizerConfig) -> list[str]:
        """The hashes of the ids of llama.cpp's check text, with BOS and without: first as the settings have it."""
        from dstok.formats.llama_cpp import CHECK_TEXT, check_hash

        ids = self.encode(CHECK_TEXT)
        both = [ids] if settings.bos_id is None else [[settings.bos_id, *ids], ids]
        return [check_hash(found) for found in (both[::-1] if settings.add_bos is False else both)]

    def _takes_whole(self: Any) -> bool:
        """Is there a token that only a whole piece makes?"""
        model = self.describe()
        return any(token and i not in model.raw_ids and not self._bpe.encodes_to_itself(i)
                   for i, token in enumerate(model.tokens))

    def describe(self) -> ModelDescription:
        """What the tokenizer does, in the form that file formats are read into and written from."""
        from dstok.tables.build import describe_tables

        return describe_tables(self._tables, self._added.tokens, self.bos_id, self.eos_id)


def _read_ranks(path: StrPath) -> dict[bytes, int]:
    from dstok.formats.files import LOOK, RANKS, refuse_other
    from dstok.formats.tiktoken import read_ranks

    with open(path, "rb") as file:
        data = file.read()
    refuse_other(data[:LOOK], RANKS, "a rank file")
    return read_ranks(data)
