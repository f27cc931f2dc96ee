r"""Folders of models whose vocabulary is a rank file: `tiktoken.model` of Kimi, `qwen.tiktoken` of the first Qwen.

In: a rank file, and the files beside it. Out: a description, by way of tiktoken.py.
Invariant: the ids are those of the `tiktoken.Encoding` that the model's own Python file makes of the folder, for the
text that it hands to tiktoken. dstok reads that file but never runs it. It has to hold the texts that `WRAPPERS` names,
or the folder is refused: other models have rank files of the same name, with other patterns and special tokens.
Source: the Python files of Kimi K2 and Qwen-7B, and tiktoken 0.14.0; tests/formats/test_rank_folders.py.

- Kimi: the special tokens are those of tokenizer_config.json; the others of 258 ids are reserved tokens. Before
  tiktoken, its Python code cuts a text every 400,000 characters, and runs of 25,000 characters with or without white
  space (core/text/_utf8.pxd). dstok cuts as it does. For such a text it refuses spans, budgets and streams.
- Qwen: a text is normalized to NFC before special tokens are looked for. Python's `unicodedata` does it there, in the
  Unicode version of that Python; here it is NFC as `tokenizers` has it.
"""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from dataclasses import replace
from typing import NamedTuple

from dstok.base.paths import StrPath
from dstok.errors import TokenizerFileError, UnsupportedError
from dstok.formats.description import ModelDescription, NormalizerStep
from dstok.formats.json_value import load_json, read_text
from dstok.formats.kinds import contents
from dstok.formats.tiktoken import describe_tiktoken
from dstok.formats.tokenizer_config import entries_by_id, read_tokenizer_config

__all__ = ["WRAPPERS", "describe_folder"]

_KIMI = (
    r"[\p{Han}]+",
    r"[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}&&[^\p{Han}]]*[\p{Ll}\p{Lm}\p{Lo}\p{M}&&[^\p{Han}]]+"
    "(?i:'s|'t|'re|'ve|'m|'ll|'d)?",
    r"[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}&&[^\p{Han}]]+[\p{Ll}\p{Lm}\p{Lo}\p{M}&&[^\p{Han}]]*"
    "(?i:'s|'t|'re|'ve|'m|'ll|'d)?",
    r"\p{N}{1,3}", r" ?[^\s\p{L}\p{N}]+[\r\n]*", r"\s*[\r\n]+", r"\s+(?!\S)", r"\s+")
_QWEN = (r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)"
         r"|\s+")
_KIMI_RESERVED = 258
_QWEN_START = 151643
_QWEN_TOKENS = ("<|endoftext|>", "<|im_start|>", "<|im_end|>", *(f"<|extra_{number}|>" for number in range(205)))


class Wrapper(NamedTuple):
    """A model's Python file, the texts that it has to hold, and all literals of the form <...> in it, if they count."""

    code: str
    pattern: str
    lines: tuple[str, ...]
    literals: frozenset[str] | None = None


WRAPPERS = {
    "tiktoken.model": Wrapper("tokenization_kimi.py", "|".join(_KIMI), (
        "num_reserved_special_tokens = 256", "self.num_reserved_special_tokens + 2", "<|reserved_token_{i}|>",
        "TIKTOKEN_MAX_ENCODE_CHARS = 400_000", "MAX_NO_WHITESPACES_CHARS = 25_000",
        *(f'"""{part}"""' for part in _KIMI))),
    "qwen.tiktoken": Wrapper("tokenization_qwen.py", _QWEN, (
        f'r"""{_QWEN}"""', "range(205)", f"SPECIAL_START_ID = {_QWEN_START}", 'unicodedata.normalize("NFC", text)'),
        frozenset({*_QWEN_TOKENS[:3], "<|extra_{i}|>"})),
}


def describe_folder(path: StrPath, ranks: Mapping[bytes, int]) -> ModelDescription | None:
    """The model of a rank file with one of the names in `WRAPPERS`, or None.

    Raises `UnsupportedError` if the Python file beside it is none that is known, `TokenizerFileError`, and `OSError`.
    """
    wrapper = WRAPPERS.get(os.path.basename(path))
    if wrapper is None:
        return None
    _check_code(path, wrapper)
    return _kimi(path, wrapper, ranks) if wrapper.literals is None else _qwen(path, wrapper, ranks)


def _beside(path: StrPath, name: str) -> bytes | None:
    other = os.path.join(os.path.dirname(path), name)
    return contents(other) if os.path.exists(other) else None


def _check_code(path: StrPath, wrapper: Wrapper) -> None:
    data = _beside(path, wrapper.code)
    if data is None:
        raise UnsupportedError(f"a rank file without the {wrapper.code} of its model beside it, which has its pattern: "
                               "Tokenizer.from_tiktoken takes pattern and special tokens", wrapper.code)
    code = read_text(data, f"{wrapper.code}: ")
    for line in wrapper.lines:
        if line not in code:
            raise UnsupportedError(f"expected the text {line!r}, found a {wrapper.code} of another model", wrapper.code)
    found = set(re.findall(r"""["'](<[^"'\s]*>)["']""", code))
    if wrapper.literals is not None and found - wrapper.literals:
        token = min(found - wrapper.literals)
        raise UnsupportedError(f"the special token {token[:40]!r}, where dstok knows "
                               f"{', '.join(sorted(wrapper.literals))}", wrapper.code)


def _kimi(path: StrPath, wrapper: Wrapper, ranks: Mapping[bytes, int]) -> ModelDescription:
    data = _beside(path, "tokenizer_config.json")
    if data is None:
        raise TokenizerFileError("expected a tokenizer_config.json beside the rank file, found none")
    decoder = load_json(data, "tokenizer_config.json: ").need("added_tokens_decoder")
    named = entries_by_id(decoder)
    first = len(ranks)
    special: dict[str, int] = {}
    plain = set[int]()
    for number in range(first, first + _KIMI_RESERVED):
        entry = named.get(number)
        content = f"<|reserved_token_{number}|>" if entry is None else entry.need("content").text()
        if special.setdefault(content, number) != number:
            (decoder if entry is None else entry.need("content")).wrong("each token once")
        if entry is not None and not entry.need("special").boolean():
            plain.add(number)
    model = describe_tiktoken(ranks, wrapper.pattern, special)
    added = tuple(token._replace(special=token.id not in plain) for token in model.added_tokens)
    return replace(model, added_tokens=added, config=read_tokenizer_config(data, special), cuts_texts=True)


def _qwen(path: StrPath, wrapper: Wrapper, ranks: Mapping[bytes, int]) -> ModelDescription:
    special = {token: _QWEN_START + number for number, token in enumerate(_QWEN_TOKENS)}
    model = describe_tiktoken(ranks, wrapper.pattern, special)
    added = tuple(token._replace(normalized=True) for token in model.added_tokens)  # found in the normalized text
    data = _beside(path, "tokenizer_config.json")
    config = model.config if data is None else read_tokenizer_config(data, special)
    if config.eos_id is None:
        config = replace(config, eos_id=special["<|endoftext|>"])
    return replace(model, added_tokens=added, config=config, normalizer=(NormalizerStep("NFC", where=wrapper.code),))
