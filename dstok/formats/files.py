"""Files that are given to the wrong reader, and errors that name their file.

In: a path; the first bytes of a file. Out: errors of readers, with the path before their message; what the file is.
Invariant: the rest of an error, its JSON path or file offset, stays as it is.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager

from dstok.errors import PatternError, TokenizerFileError, UnsupportedError
from dstok.formats import gguf_file, image
from dstok.formats.image import StrPath
from dstok.formats.tiktoken import is_tiktoken

__all__ = ["JSON", "LOOK", "RANKS", "about_file", "found", "refuse_other"]

LOOK = 4096  # bytes of a file that are looked at
JSON = "JSON: if it is a tokenizer.json, Tokenizer.from_file loads it"
RANKS = "a rank file of tiktoken: Tokenizer.from_tiktoken loads it, with the pattern"
_WEB = "a web page: fetch the file itself"
_BEGINNINGS = {
    image.MAGIC: "an image of dstok: Tokenizer.open loads it",
    gguf_file.MAGIC: "a GGUF file: Tokenizer.from_gguf loads it",
    b"version https://git-lfs": "a pointer of Git LFS, which stands for a file: fetch that with git lfs pull",
    b"PK\3\4": "a zip archive: unpack it first",
    b"\x1f\x8b": "a gzip file: unpack it first",
    b"\x28\xb5\x2f\xfd": "a zstd file: unpack it first",
    b"<!doctype html": _WEB, b"<!DOCTYPE html": _WEB, b"<html": _WEB,
}


@contextmanager
def about_file(path: StrPath) -> Iterator[None]:
    """Errors about what stands in a file name the file."""
    try:
        yield
    except (PatternError, TokenizerFileError, UnsupportedError) as error:
        kind, (message, *rest) = error.__reduce__()
        raise kind(f"{os.fspath(path)}: {message}", *rest) from None


def found(start: bytes) -> str:
    """What a file is that begins with `start`, and what to do with it, for an error.

    >>> found(b"GGUF\\x03\\x00"), found(b"?")
    ('a GGUF file: Tokenizer.from_gguf loads it', 'other data')
    """
    return _known(start) or "other data"


def refuse_other(start: bytes, own: str, expected: str) -> None:
    """Raises `TokenizerFileError` for a file that is known to be something else than `own`: `JSON` or `RANKS`."""
    what = _known(start)
    if what not in (own, None):
        raise TokenizerFileError(f"expected {expected}, found {what}", "byte 0")


def _known(start: bytes) -> str | None:
    what = next((what for begin, what in _BEGINNINGS.items() if start.startswith(begin)), None)
    if what is None and start.lstrip().startswith(b"{"):
        return JSON
    return RANKS if what is None and is_tiktoken(start) else what
