"""The class methods of `Tokenizer` that make one from a model's files.

In: a path, or the text of a file. Out: a tokenizer.
Invariant: each method reads one kind of file. The error for another kind names it. A kind's reader is imported when
its method is called.
"""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import nullcontext
from typing import TYPE_CHECKING

from dstok.base.arguments import explained
from dstok.base.paths import StrPath
from dstok.formats import NEWEST_UPSTREAM as NEWEST

if TYPE_CHECKING:
    from typing_extensions import Self

    from dstok.formats.description import ModelDescription
    from dstok.tables.flat import Image

__all__ = ["FromFiles"]


class FromFiles:
    """The base of `Tokenizer` with these methods."""

    __slots__ = ()

    @classmethod
    @explained
    def from_json(cls, path: StrPath, config: StrPath | None = None, *, upstream: str = NEWEST) -> Self:
        """The tokenizer of a tokenizer.json file.

        BOS and EOS, padding and the chat template are read from `config`, or else from a tokenizer_config.json beside
        the file. A chat_template.jinja and a generation_config.json are read there, too.
        `upstream`, such as "tokenizers-0.21.1", is the version of upstream whose Unicode tables decide.
        Raises `UnsupportedError` for a model that dstok cannot do exactly, `TokenizerFileError` for a broken file or
        another kind of file (both with the file's name and the JSON path), and `OSError`.
        """
        from dstok.formats.kinds import about_file
        from dstok.formats.reading import describe_json_file

        with about_file(path):
            return cls._of_description(describe_json_file(path, config, upstream))

    @classmethod
    @explained
    def from_str(cls, json: str | bytes, config: str | bytes | None = None, *, upstream: str = NEWEST) -> Self:
        """The tokenizer of the text of a tokenizer.json (and of a tokenizer_config.json). Raises as `from_json`."""
        from dstok.formats.tokenizer_json import read_tokenizer_json

        return cls._of_description(read_tokenizer_json(json, config, upstream))

    @classmethod
    @explained
    def from_tiktoken(
        cls, ranks: StrPath | Mapping[bytes, int], pattern: str | None = None,
        special_tokens: Mapping[str, int] | None = None,
    ) -> Self:
        r"""The tokenizer of `tiktoken.Encoding(..., pat_str=pattern, mergeable_ranks=ranks, special_tokens=...)`.

        `ranks` is a mapping from bytes to ids, or the path of a rank file. `pattern` is in tiktoken's dialect, or the
        name of one of its encodings: gpt2, r50k_base, p50k_base, p50k_edit, cl100k_base, o200k_base, o200k_harmony.
        With a name, `special_tokens` defaults to the encoding's own. A rank file that tiktoken publishes needs no
        `pattern`; nor does one in a folder of Kimi or the first Qwen, whose other files lie beside it.
        `encode` is tiktoken's with `allowed_special="all"`, and `special="none"` its `encode_ordinary`. Raises
        `UnsupportedError`, `PatternError`, `TokenizerFileError` (with line and file offset), and `OSError`.

        >>> import dstok
        >>> ranks = {bytes([b]): b for b in range(256)} | {b"ab": 256}
        >>> tok = dstok.Tokenizer.from_tiktoken(ranks, r"\S++|\s++", {"<end>": 257})
        >>> tok.encode("abba ab<end>")
        [256, 98, 97, 32, 256, 257]
        """
        from dstok.formats.kinds import about_file
        from dstok.formats.reading import describe_ranks

        with nullcontext() if isinstance(ranks, Mapping) else about_file(ranks):
            return cls._of_description(describe_ranks(ranks, pattern, special_tokens))

    @classmethod
    @explained
    def from_gguf(cls, path: StrPath, *, upstream: str = NEWEST) -> Self:
        """The tokenizer of a GGUF file: only the vocabulary is read, not the tensors.

        Its ids are those of `upstream` for the models that the file's `tokenizer.ggml.pre` stands for. Raises
        `UnsupportedError`, also for an unknown `pre`, with the list of those that dstok knows;
        `TokenizerFileError` with the key or the file offset, and `OSError`.
        """
        from dstok.formats.gguf import describe_gguf
        from dstok.formats.kinds import about_file

        with about_file(path):
            return cls._of_description(describe_gguf(path, upstream))

    @classmethod
    @explained
    def from_sentencepiece(cls, path: StrPath) -> Self:
        """The tokenizer of a .model file of SentencePiece: BPE with byte fallback, as Llama 2 and Mistral have it.

        `encode` finds control tokens such as `<s>` in the text, and puts the model's space before each stretch between
        them. SentencePiece finds none: with `special` as the set of the user-defined symbols, the ids of a text are
        SentencePiece's. Of a tokenizer.model also the tokenizer_config.json beside it is read, as for `from_json`.
        Raises `UnsupportedError` for a model of another type, such as Unigram, or with a normalization,
        `TokenizerFileError` with the file offset, and `OSError`.
        """
        from dstok.formats.kinds import about_file
        from dstok.formats.reading import describe_sentencepiece_file

        with about_file(path):
            return cls._of_description(describe_sentencepiece_file(path))

    @classmethod
    @explained
    def from_image(cls, path: StrPath, *, verify: bool = True, upstream: str | None = None) -> Self:
        """The tokenizer that `to_image` wrote to `path`: the file is mapped, not read, and shared between processes.

        `verify` compares the file's checksum. The contents of the tables are checked in any case, so that no file can
        make a call crash. Do not write into a file that is in use: replace it by another file, as `to_image` does.
        `upstream` is as in `replace`; without it the image's own decides. Tables of another upstream are not shared.
        Raises `ImageError` for a file that is no image, is damaged, or has another version, `OSError`, and the errors
        of `replace`.
        """
        from dstok.tables.image.file import open_image

        return cls._of_image(open_image(path, verify), upstream)

    if TYPE_CHECKING:  # `Tokenizer` has these

        @classmethod
        def _of_description(cls, model: ModelDescription) -> Self: ...

        @classmethod
        def _of_image(cls, image: Image, upstream: str | None) -> Self: ...
