"""A GGUF file -> its keys and values.

In: a path. Out: the metadata as a dictionary, and its values with their types checked. The reader does not look at
tensors.
Invariant: the file is mapped, and a length is believed only if the bytes are there. A damaged file is a
`TokenizerFileError` with the file offset, in time in proportion to the file. An array becomes a list only if it is one
of `ARRAYS`; of another one only the number of its values is kept.
Source: the GGUF specification, versions 2 and 3, in ggml's docs/gguf.md.

The reader of the package `gguf` is no substitute: it makes two numpy arrays for each string and number, and an array
with a damaged length keeps it busy for ever. That package writes the files (formats/gguf.py), and
tests/formats/test_gguf.py compares this reader with its reader.
"""

from __future__ import annotations

import mmap
import os
import struct
from typing import Any, NoReturn

from dstok.base.paths import StrPath
from dstok.core.merge._pairs import MAX_IDS
from dstok.errors import TokenizerFileError, UnsupportedError
from dstok.formats import GGUF_MAGIC as MAGIC
from dstok.formats.description import TokenizerConfig
from dstok.formats.json_value import shown

__all__ = [
    "ARRAYS", "MERGES", "SCORES", "TOKENS", "TYPES", "need", "read_gguf", "strings", "token_config", "token_types",
    "typed",
]

TOKENS, TYPES = "tokenizer.ggml.tokens", "tokenizer.ggml.token_type"
MERGES, SCORES = "tokenizer.ggml.merges", "tokenizer.ggml.scores"
ARRAYS = frozenset([TOKENS, TYPES, MERGES, SCORES])  # those that are read
MAX_VALUES = 4 * MAX_IDS  # of one of them: more than a vocabulary and its merges have
MAX_KEYS = 1 << 16

VERSIONS = (2, 3)
STRING, ARRAY = 8, 9
SCALARS = {0: "B", 1: "b", 2: "H", 3: "h", 4: "I", 5: "i", 6: "f", 7: "?", 10: "Q", 11: "q", 12: "d"}


def read_gguf(path: StrPath) -> dict[str, Any]:
    """The metadata: numbers, bools, strings, lists of these; for arrays that nobody reads a `range` of their length.

    Raises `UnsupportedError`, `TokenizerFileError` and `OSError`.
    """
    with open(os.fspath(path), "rb") as file:
        try:
            mapped = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
        except ValueError:
            raise TokenizerFileError("expected a GGUF file, found an empty one", "byte 0") from None
    with mapped:
        return _Reader(mapped).metadata()


class _Reader:
    """Reads the values in turn; `at` is the offset of the next byte."""

    def __init__(self, data: mmap.mmap) -> None:
        self.data, self.at = data, 0

    def metadata(self) -> dict[str, Any]:
        if self.take(4) != MAGIC:
            from dstok.formats.kinds import LOOK, what_is  # not needed otherwise

            self.broken(f"expected a GGUF file, found {what_is(self.data[: LOOK])}", 0)
        version = self.number("I")
        if version not in VERSIONS:
            self.broken(f"expected GGUF version 2 or 3, little-endian, found {version}", 4)
        self.number("Q")  # tensors
        values: dict[str, Any] = {}
        keys = self.count(13)  # a key's length, its type, and a value of one byte
        if keys > MAX_KEYS:
            raise UnsupportedError(f"more than {MAX_KEYS} keys", "byte 16")
        for _ in range(keys):
            start = self.at
            key = self.string()
            if key in values:
                self.broken(f"expected a new key, found {key[:80]!r} again", start)
            values[key] = self.value(key)
        return values

    def broken(self, message: str, at: int) -> NoReturn:
        raise TokenizerFileError(message, f"byte {at}")

    def take(self, size: int) -> bytes:
        start = self.at
        if size > len(self.data) - start:
            left = len(self.data) - start
            self.broken(f"expected {size} bytes, found {left}: the file is cut short or damaged", start)
        self.at += size
        return self.data[start : start + size]

    def number(self, code: str) -> Any:
        return struct.unpack("<" + code, self.take(struct.calcsize(code)))[0]

    def count(self, size: int) -> int:
        """A count of items of at least `size` bytes each."""
        start = self.at
        count: int = self.number("Q")
        if count > (len(self.data) - self.at) // size:
            self.broken(f"expected at most {(len(self.data) - self.at) // size} values, found {count}: the file is cut "
                        "short or damaged", start)
        return count

    def string(self) -> str:
        data = self.take(self.count(1))
        try:
            return data.decode()
        except UnicodeDecodeError as error:
            self.broken(f"not UTF-8: {error.reason}", self.at - len(data) + error.start)

    def value(self, key: str) -> Any:
        kind = self.kind()
        if kind == ARRAY:
            return self.array(key)
        return self.string() if kind == STRING else self.number(SCALARS[kind])

    def kind(self) -> int:
        start = self.at
        kind: int = self.number("I")
        if kind not in (STRING, ARRAY) and kind not in SCALARS:
            self.broken(f"expected a type from 0 to 12, found {kind}", start)
        return kind

    def array(self, key: str) -> list[Any] | range:
        start, kind = self.at, self.kind()
        if kind == ARRAY:
            self.broken("expected an array of numbers or strings, found one of arrays", start)
        size = 8 if kind == STRING else struct.calcsize(SCALARS[kind])
        count = self.count(size)
        if key not in ARRAYS:
            self.skip(count, size, kind == STRING)
            return range(count)
        if count > MAX_VALUES:
            raise UnsupportedError(f"more than {MAX_VALUES} values", key)
        if kind == STRING:
            return [self.string() for _ in range(count)]
        return list(struct.unpack(f"<{count}{SCALARS[kind]}", self.take(count * size)))

    def skip(self, count: int, size: int, strings: bool) -> None:
        """Passes over the values of an array; numbers are known to be there."""
        if not strings:
            self.at += count * size
            return
        for _ in range(count):
            length = self.count(1)
            self.at += length


# Values of a type


def need(values: dict[str, Any], key: str, kind: type) -> Any:
    """The value of a key that the file must have. Raises `TokenizerFileError`."""
    if key not in values:
        raise TokenizerFileError("expected a value, found none", key)
    return typed(values, key, kind)


def typed(values: dict[str, Any], key: str, kind: type) -> Any:
    """The value of a key, or None. Raises `TokenizerFileError` for another type."""
    value = values.get(key)
    if value is not None and type(value) is not kind:
        found = f"an array of {len(value)}" if isinstance(value, list | range) else shown(value)
        raise TokenizerFileError(f"expected a value of type {kind.__name__}, found {found}", key)
    return value


def strings(values: dict[str, Any], key: str) -> list[str]:
    """The strings of an array that the file must have. Raises `TokenizerFileError`."""
    found: list[str] = need(values, key, list)
    if found and not isinstance(found[0], str):
        raise TokenizerFileError("expected an array of strings, found one of numbers", key)
    return found


def token_types(values: dict[str, Any], count: int, most: int) -> list[int]:
    """The types of the tokens, 1 to `most`. If the file does not tell, all are 1, normal, as in llama.cpp."""
    types: list[int] = typed(values, TYPES, list)
    if types is None:
        return [1] * count
    if len(types) != count:
        raise TokenizerFileError(f"expected {count} types, one a token, found {len(types)}", TYPES)
    for i, kind in enumerate(types):
        if type(kind) is not int or not 1 <= kind <= most:
            raise TokenizerFileError(f"expected a type from 1 to {most}, found {shown(kind)}", f"{TYPES}[{i}]")
    return types


def token_config(values: dict[str, Any], count: int) -> TokenizerConfig:
    """The settings of BOS, EOS, padding and chats, in a file of `count` tokens. Raises `TokenizerFileError`."""
    ids: dict[str, int | None] = {}
    for name in ("bos", "eos", "padding"):
        key = f"tokenizer.ggml.{name}_token_id"
        value = typed(values, key, int)
        if value is not None and not 0 <= value < count:
            raise TokenizerFileError(f"expected an id below {count}, found {value}", key)
        ids[name] = value
    add_bos, add_eos = (typed(values, f"tokenizer.ggml.add_{name}_token", bool) for name in ("bos", "eos"))
    return TokenizerConfig(ids["bos"], ids["eos"], ids["padding"], add_bos=add_bos, add_eos=add_eos,
                           chat_template=typed(values, "tokenizer.chat_template", str))
