r"""tokenizer.json -> `ModelDescription`.

In: the text of upstream's tokenizer.json and, for the ids of BOS and EOS, of tokenizer_config.json.
Out: what it says, for a byte-level BPE model.
Invariant: a file that is read is one that upstream loads too, and each field that upstream lets change an
encoding or a decoding is either in the description or has a value that changes nothing. Anything else is
an `UnsupportedError` (upstream can, dstok cannot) or a `TokenizerFileError` (the file is broken, or
contradicts itself), with the JSON path.
Source: upstream 0.23.3, measured field by field; tests/test_tokenizer_json.py repeats the measurements.

What upstream does and the file format does not tell:
- An unknown key is passed over, except on the top level. A key that occurs twice sometimes counts for its
  last value, sometimes not at all; here it is an error.
- The ids of added tokens are not read. A token that the vocabulary has gets its id there, any other the next
  one above both the vocabulary's size (the number of entries, not the largest id) and the added tokens
  before it. A file that says something else is refused.
- Merges are all strings or all pairs; a string that begins with "#version" is skipped. Of a merge that
  occurs twice the later rank counts; here it is an error.
- unk_token, fuse_unk and byte_fallback have no effect once all 256 bytes are in the vocabulary.
- The post-processor runs even without special tokens: a template can drop or double the text, and
  trim_offsets moves offsets.
"""

from __future__ import annotations

import json
import re
from array import array
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any, NoReturn, Union

from dstok.errors import TokenizerFileError, UnsupportedError
from dstok.formats.description import BYTE_TO_CHAR, AddedToken, ModelDescription, decoded_bytes, is_spelling
from dstok.pattern.collapse import BEHAVIORS, Split

__all__ = ["read_tokenizer_json"]

MAX_ID = 1 << 24  # far above any vocabulary; `tokens` has an entry for every id up to the largest
MAX_DEPTH = 64  # sequences inside sequences; upstream's own parser stops at 128 brackets
MAX_U32 = (1 << 32) - 1
TOP_LEVEL = ("version", "truncation", "padding", "added_tokens", "normalizer", "pre_tokenizer", "post_processor",
             "decoder", "model")
# What ByteLevel splits by if `use_regex` is true: GPT-2's pattern.
GPT2_PATTERN = r"'s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+"


def read_tokenizer_json(data: str | bytes, config: str | bytes | None = None) -> ModelDescription:
    """The model that a tokenizer.json describes. Of `config`, tokenizer_config.json, bos_token and eos_token count.

    Raises `TokenizerFileError` for a broken file and `UnsupportedError` for one that dstok cannot follow
    exactly. Patterns are not looked into: compiling `splits` does that.

    >>> read_tokenizer_json('{"model": {"type": "Unigram", "vocab": []}}')
    Traceback (most recent call last):
    ...
    dstok.errors.UnsupportedError: the model type 'Unigram': dstok reads byte-level BPE only - at $.model.type
    >>> read_tokenizer_json('{"model": {"type": "BPE", "vocab": [1, 2]}}')
    Traceback (most recent call last):
    ...
    dstok.errors.TokenizerFileError: expected an object, found an array of 2 - at $.model.vocab
    """
    file = _load(data)
    vocab, merges = _read_model(file.need("model"))
    _check_top_level(file)
    _check_normalizer(file.get("normalizer"))
    splits = tuple(_read_pre_tokenizer(file.get("pre_tokenizer")))
    _check_post_processor(file.get("post_processor"))
    _check_decoder(file.get("decoder"))
    tokens, raw_ids = _tokens_by_id(vocab)
    added = tuple(_read_added_tokens(file.get("added_tokens"), vocab))
    ids = {**vocab, **{token.content: token.id for token in added}}
    settings = _load(config, "tokenizer_config.json: ") if config is not None else _Value({}, "$")
    return ModelDescription(
        splits, tokens, raw_ids, _without_raw(merges, raw_ids), added,
        file.need("model").flag("ignore_merges", False, nullable=True),
        _token_id(settings.get("bos_token"), ids), _token_id(settings.get("eos_token"), ids))


# JSON, strictly: a value that knows its path


Entry = tuple[Any, Union[str, int], object]  # (entry of the parent or None, key, value)


@dataclass(frozen=True)
class _Value:
    """A JSON value and its path. Each way to look at it checks the type."""

    value: object
    path: str

    def wrong(self, expected: str) -> NoReturn:
        raise TokenizerFileError(f"expected {expected}, found {_describe(self.value)}", self.path)

    def unsupported(self, message: str) -> NoReturn:
        raise UnsupportedError(message, self.path)

    def object(self) -> dict[str, object]:
        return self.value if isinstance(self.value, dict) else self.wrong("an object")

    def array(self) -> list[_Value]:
        if not isinstance(self.value, list):
            self.wrong("an array")
        return [_Value(item, f"{self.path}[{index}]") for index, item in enumerate(self.value)]

    def text(self) -> str:
        return self.value if isinstance(self.value, str) else self.wrong("a string")

    def integer(self, limit: int) -> int:
        if type(self.value) is not int or not 0 <= self.value <= limit:  # a bool is no integer here
            self.wrong(f"an integer from 0 to {limit}")
        return self.value

    def get(self, key: str) -> _Value | None:
        """The member `key`; None if it is missing or null."""
        value = self.object().get(key)
        return None if value is None else _Value(value, _join(self.path, key))

    def need(self, key: str) -> _Value:
        if key not in self.object():
            raise TokenizerFileError(f"missing key {key!r}", self.path)
        return _Value(self.object()[key], _join(self.path, key))

    def flag(self, key: str, default: bool | None = None, nullable: bool = False) -> bool:
        """The boolean member `key`; without a default it must be there."""
        if default is not None and (key not in self.object() or nullable and self.get(key) is None):
            return default
        member = self.need(key)
        return member.value if isinstance(member.value, bool) else member.wrong("true or false")


def _join(path: str, key: str | int) -> str:
    if isinstance(key, int):
        return f"{path}[{key}]"
    return f"{path}.{key}" if key.isidentifier() and key.isascii() else f"{path}[{_shorten(json.dumps(key))}]"


def _shorten(text: str) -> str:
    return text if len(text) <= 80 else text[:76] + "..." + text[-1]


def _describe(value: object) -> str:
    if isinstance(value, (list, dict)):
        return f"{'an array' if isinstance(value, list) else 'an object'} of {len(value)}"
    if isinstance(value, str):
        return f"the string {_shorten(repr(value))}"
    return json.dumps(value) if value is None or isinstance(value, bool) else f"the number {value!r}"


def _load(data: str | bytes, name: str = "") -> _Value:
    """The JSON text's root. `name` goes before every path and position."""
    text = _decode(data, name)
    duplicates: list[tuple[dict[str, object], str]] = []
    try:
        root = json.loads(text, object_pairs_hook=_object_builder(duplicates), parse_int=_integer,
                          parse_constant=_refuse_constant)
    except json.JSONDecodeError as error:
        raise _broken(f"not JSON: {error.msg[:1].lower()}{error.msg[1:]}", name, text, error.pos) from None
    except RecursionError:
        raise TokenizerFileError("not JSON that can be read: nested too deeply", f"{name}$") from None
    except _NoConstant:
        raise _broken("not JSON: a number that JSON does not have", name, text, _find_constant(text)) from None
    _check_duplicates(root, duplicates, name)
    if _SURROGATE_ESCAPE.search(text):
        _check_surrogates(root, name)
    file = _Value(root, f"{name}$")
    file.object()
    return file


def _decode(data: str | bytes, name: str) -> str:
    if not isinstance(data, (str, bytes)):
        raise TypeError(f"expected str or bytes, found {type(data).__name__}")
    try:
        text = data if isinstance(data, str) else data.decode()
        text.encode()
    except UnicodeDecodeError as error:
        raise TokenizerFileError(f"not UTF-8: {error.reason}", f"{name}byte {error.start}") from None
    except UnicodeEncodeError as error:
        raise TokenizerFileError("a lone surrogate in the text", f"{name}character {error.start}") from None
    if text.startswith("\ufeff"):
        raise TokenizerFileError("expected JSON, found a byte order mark", f"{name}line 1 column 1")
    return text


def _broken(message: str, name: str, text: str, at: int) -> TokenizerFileError:
    line, column = text.count("\n", 0, at) + 1, at - text.rfind("\n", 0, at)
    return TokenizerFileError(message, f"{name}line {line} column {column} (character {at})")


def _object_builder(duplicates: list[tuple[dict[str, object], str]]) -> Callable[[list[tuple[str, object]]], object]:
    def build(pairs: list[tuple[str, object]]) -> dict[str, object]:
        members = dict(pairs)
        if len(members) < len(pairs):
            seen: set[str] = set()
            duplicates.append((members, next(k for k, _ in pairs if k in seen or seen.add(k))))
        return members

    return build


def _integer(text: str) -> int | float:
    # As upstream: -0 and what is too long for 64 bits are floats. It also keeps a long number linear.
    return int(text) if len(text) < 20 and text != "-0" else float(text)


class _NoConstant(Exception):
    """NaN, Infinity or -Infinity, which Python's json would take."""


def _refuse_constant(name: str) -> NoReturn:
    raise _NoConstant(name)


_CONSTANT = re.compile(r'"(?:[^"\\]|\\.)*+"|(-?Infinity|NaN)')
