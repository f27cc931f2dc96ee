"""A model's files -> `ModelDescription`, by path; the kinds of files, by their first bytes.

In: the path of a tokenizer.json, a rank file of tiktoken, a .model file of SentencePiece; the first bytes of a file.
Out: its description, with the contents of the files beside it (a tokenizer_config.json, a chat template); its kind.
Invariant: a file of another kind is refused, and the error names its kind. `about_file` puts a path before an error's
message; its JSON path or file offset stays as it is.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from functools import partial

from dstok._util.files import StrPath
from dstok._util.json_value import read_text
from dstok.core.text.model_json import large_bytes
from dstok.errors import PatternError, TokenizerFileError, UnsupportedError
from dstok.formats import GGUF_MAGIC, IMAGE_MAGIC, MODEL_FILES
from dstok.formats.description import ModelDescription

ADDED_TOKENS = "added_tokens.json"  # beside a tokenizer.model
LOOK = 4096  # bytes of a file that decide its kind
JSON = "JSON: if it is a tokenizer.json, Tokenizer.from_json loads it"
RANKS = "a rank file of tiktoken: Tokenizer.from_tiktoken loads it, with the pattern"
IMAGE = "an image of dstok: dstok.load loads it"
SENTENCEPIECE = "a .model file of SentencePiece: dstok.load loads it"
GGUF = "a GGUF file: dstok.load loads it"
OTHER = "other data"
_BASE64 = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/="
_BEGINNINGS = {
    IMAGE_MAGIC: IMAGE,
    GGUF_MAGIC: GGUF,
    b"version https://git-lfs": "a pointer of Git LFS, which stands for a file: fetch that with git lfs pull",
    b"PK\3\4": "a zip archive: unpack it first",
    b"\x1f\x8b": "a gzip file: unpack it first",
    b"\x28\xb5\x2f\xfd": "a zstd file: unpack it first",
    **dict.fromkeys((b"<!doctype html", b"<!DOCTYPE html", b"<html"), "a web page: fetch the file itself"),
}


@contextmanager
def about_file(path: StrPath) -> Iterator[None]:
    """Puts the file's name into errors about its contents."""
    try:
        yield
    except (PatternError, TokenizerFileError, UnsupportedError) as error:
        kind, (message, *rest), _ = error.__reduce__()
        raise kind(f"{os.fspath(path)}: {message}", *rest) from None


def refuse_other(start: bytes, own: str, expected: str) -> None:
    """Raises `TokenizerFileError` if the file is known to be something other than `own`, such as `JSON`."""
    if (what := kind_of(start)) not in (own, OTHER):
        raise TokenizerFileError(f"expected {expected}, found {what}", "byte 0")


def kind_of(start: bytes) -> str:
    """The kind of a file that begins with `start`, in words for an error: `IMAGE`, `GGUF`, `JSON` and so on."""
    for begin, what in _BEGINNINGS.items():
        if start.startswith(begin):
            return what
    if not start:
        return "an empty file"
    if start.lstrip().startswith(b"{"):
        return JSON
    # A .model file: a piece with its text, then its score or type.
    if (len(start) >= 6 and start.startswith(b"\n") and start[2:3] == b"\n" and start[3] + 2 <= start[1]
            and start[4 + start[3] : 5 + start[3]] in (b"\x15", b"\x18")):
        return SENTENCEPIECE
    return RANKS if is_tiktoken(start) else OTHER


def is_tiktoken(start: bytes) -> bool:
    """Does a file that begins with these bytes look like a rank file: base64, a space, a number?"""
    line, _, _ = start.partition(b"\n")
    token, space, rank = line.strip().partition(b" ")
    return bool(token and space) and rank.isdigit() and not token.strip(_BASE64)


def contents(path: StrPath) -> bytes:
    """The contents of a file or a pipe. Raises `OSError`, and `TokenizerFileError` for a device.

    A folder from elsewhere may hold a link to a device that has no end.
    """
    with open(os.fspath(path), "rb", buffering=0) as file:
        status = os.fstat(file.fileno())
        if stat.S_ISCHR(status.st_mode) or stat.S_ISBLK(status.st_mode):
            raise TokenizerFileError(f"expected a file, found a device: {os.fspath(path)!r}")
        data, memory = large_bytes(status.st_size)
        size = file.readinto(memory)
        more = file.readall()  # of a pipe, of a file that grows
        return data[:size] + more if more or size < len(data) else data


def describe_json_file(path: StrPath, config: StrPath | None, upstream: str) -> ModelDescription:
    """The model of a tokenizer.json or tekken.json.

    `config` gives BOS, EOS, padding and the chat template. Without it, a tokenizer_config.json beside a file with one
    of these names gives them. Then a chat_template.jinja replaces the template in that file, and a
    generation_config.json is read. Raises `UnsupportedError`, `TokenizerFileError` and `OSError`.
    """
    data = contents(path)
    refuse_other(data[:LOOK], JSON, "a tokenizer.json")
    from dstok.formats.tokenizer_json import read_tokenizer_json

    settings = _beside(path, "tokenizer_config.json") if config is None else contents(config)
    return _with_side_files(path, read_tokenizer_json(data, settings, upstream))


def describe_sentencepiece_file(path: StrPath) -> ModelDescription:
    """The model of a .model file of SentencePiece; of one named tokenizer.model with the files beside it.

    Raises `UnsupportedError`, `TokenizerFileError` and `OSError`.
    """
    from dstok.formats.sentencepiece import describe_sentencepiece

    data = contents(path)
    refuse_other(data[:LOOK], SENTENCEPIECE, "a .model file of SentencePiece")
    model = describe_sentencepiece(data, _beside(path, "tokenizer_config.json"), _beside(path, ADDED_TOKENS))
    return _with_side_files(path, model)


def _with_side_files(path: StrPath, model: ModelDescription) -> ModelDescription:
    """The model with the chat template and the generation settings beside its file."""
    from dstok.formats.tokenizer_config import read_generation_config

    settings = model.config
    template, generation = _beside(path, "chat_template.jinja"), _beside(path, "generation_config.json")
    if template is not None:
        settings = settings._replace(chat_template=read_text(template, "chat_template.jinja: "))
    if generation is not None:
        settings = settings._replace(generation=read_generation_config(generation))
    return model._replace(config=settings)


def _beside(path: StrPath, name: str) -> bytes | None:
    """The contents of a file beside one of `MODEL_FILES`; None if there is none."""
    other = os.path.join(os.path.dirname(path), name)
    return contents(other) if os.path.basename(path) in MODEL_FILES and os.path.exists(other) else None


def describe_ranks(
    ranks: StrPath | Mapping[bytes, int], pattern: str | None, special_tokens: Mapping[str, int] | None = None,
) -> ModelDescription:
    """The model of ranks, or of a rank file. The pattern is the one of tiktoken.py's `describe_tiktoken`.

    Without a pattern, only the files that tiktoken publishes are known, by their SHA-256, and the folders of
    `WRAPPERS`. Raises as `describe_tiktoken`, and `OSError`.
    """
    from dstok.formats.tiktoken import describe_folder, describe_tiktoken, encoding_of_file, read_ranks

    if not isinstance(ranks, Mapping):
        data = contents(ranks)
        refuse_other(data[:LOOK], RANKS, "a rank file")
        path, ranks = ranks, read_ranks(data)
        pattern = encoding_of_file(data) if pattern is None else pattern
        if pattern is None:
            model = describe_folder(os.path.basename(path), ranks, partial(_beside, path))
            if model is not None:
                return _with_side_files(path, model)
    if pattern is None:
        raise UnsupportedError("ranks without a pattern, and no file that tiktoken publishes: Tokenizer.from_tiktoken "
                               "takes both")
    return describe_tiktoken(ranks, pattern, special_tokens)
