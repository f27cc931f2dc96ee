"""The kinds of files: by the first bytes; files for the wrong reader; errors that name their file.

In: a path; the first bytes of a file. Out: the file's kind; errors of readers, with the path before their message.
Invariant: the rest of an error, its JSON path or file offset, stays as it is.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from dstok.errors import PatternError, TokenizerFileError, UnsupportedError
from dstok.formats import GGUF_MAGIC, IMAGE_MAGIC

if TYPE_CHECKING:
    from dstok._util.files import StrPath

__all__ = [
    "GGUF", "IMAGE", "JSON", "LOOK", "RANKS", "SENTENCEPIECE", "about_file", "contents", "is_tiktoken", "kind_of",
    "refuse_other", "what_is",
]

LOOK = 4096  # bytes of a file that decide its kind
JSON = "JSON: if it is a tokenizer.json, Tokenizer.from_json loads it"
RANKS = "a rank file of tiktoken: Tokenizer.from_tiktoken loads it, with the pattern"
IMAGE = "an image of dstok: Tokenizer.from_image loads it"
SENTENCEPIECE = "a .model file of SentencePiece: Tokenizer.from_sentencepiece loads it"
GGUF = "a GGUF file: Tokenizer.from_gguf loads it"
_WEB = "a web page: fetch the file itself"
_BEGINNINGS = {
    IMAGE_MAGIC: IMAGE,
    GGUF_MAGIC: GGUF,
    b"version https://git-lfs": "a pointer of Git LFS, which stands for a file: fetch that with git lfs pull",
    b"PK\3\4": "a zip archive: unpack it first",
    b"\x1f\x8b": "a gzip file: unpack it first",
    b"\x28\xb5\x2f\xfd": "a zstd file: unpack it first",
    b"<!doctype html": _WEB, b"<!DOCTYPE html": _WEB, b"<html": _WEB,
}


@contextmanager
def about_file(path: StrPath) -> Iterator[None]:
    """Puts the file's name into errors about its contents."""
    try:
        yield
    except (PatternError, TokenizerFileError, UnsupportedError) as error:
        kind, (message, *rest), _ = error.__reduce__()
        raise kind(f"{os.fspath(path)}: {message}", *rest) from None


def what_is(start: bytes) -> str:
    r"""The kind of a file that begins with `start`, and what to do with it, for an error.

    >>> what_is(b"GGUF\x03\x00"), what_is(b"?")
    ('a GGUF file: Tokenizer.from_gguf loads it', 'other data')
    """
    return kind_of(start) or "other data"


def refuse_other(start: bytes, own: str, expected: str) -> None:
    """Raises `TokenizerFileError` if the file is known to be something other than `own`, such as `JSON`."""
    what = kind_of(start)
    if what not in (own, None):
        raise TokenizerFileError(f"expected {expected}, found {what}", "byte 0")


def kind_of(start: bytes) -> str | None:
    """`IMAGE`, `GGUF`, `JSON`, `RANKS`, `SENTENCEPIECE`, another known kind in words, or None."""
    what = next((what for begin, what in _BEGINNINGS.items() if start.startswith(begin)), None)
    if what is None and start.lstrip().startswith(b"{"):
        return JSON
    if what is None and _is_sentencepiece(start):
        return SENTENCEPIECE
    return RANKS if what is None and is_tiktoken(start) else what


def _is_sentencepiece(start: bytes) -> bool:
    """Does a file that begins with these bytes look like a .model file: a piece's text, then its score or type?"""
    if len(start) < 6 or not start.startswith(b"\n") or start[2:3] != b"\n" or start[3] + 2 > start[1]:
        return False
    return start[4 + start[3] : 5 + start[3]] in (b"\x15", b"\x18")


def is_tiktoken(start: bytes) -> bool:
    """Does a file that begins with these bytes look like a rank file: base64, a space, a number?"""
    line, _, _ = start.partition(b"\n")
    token, space, rank = line.strip().partition(b" ")
    return bool(token and space) and rank.isdigit() and not token.strip(_BASE64)


_BASE64 = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/="


def contents(path: StrPath) -> bytes:
    """The contents of a file or a pipe. Raises `OSError`, and `TokenizerFileError` for a device.

    A folder from elsewhere may hold a link to a device that has no end.
    """
    with open(os.fspath(path), "rb") as file:
        mode = os.fstat(file.fileno()).st_mode
        if stat.S_ISCHR(mode) or stat.S_ISBLK(mode):
            raise TokenizerFileError(f"expected a file, found a device: {os.fspath(path)!r}")
        return file.read()
