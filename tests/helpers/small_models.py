"""Small byte-level BPE models as tokenizer.json, for dstok and upstream alike."""

from __future__ import annotations

import json
import random
from collections.abc import Sequence
from functools import cache
from typing import Any

import tokenizers

import dstok
from dstok.compiled.build import build_tables
from dstok.compiled.tables import Tables
from dstok.formats.byte_alphabet import BYTE_TO_CHAR, spelling
from dstok.formats.tokenizer_json import read_tokenizer_json

BYTE_LEVEL = {"type": "ByteLevel", "add_prefix_space": False, "trim_offsets": False, "use_regex": False}
Merge = tuple[bytes, bytes]


def added_token(content: str, *, special: bool = False, normalized: bool = False, **flags: bool) -> dict[str, Any]:
    """An added token as tokenizer.json holds it; its id is filled in by `model_json`."""
    flags = {name: flags.get(name, False) for name in ("single_word", "lstrip", "rstrip")}
    return {"id": -1, "content": content, **flags, "normalized": normalized, "special": special}


def model_json(
    merges: Sequence[Merge] = (), added: Sequence[dict[str, Any]] = (),
    pattern: str | Sequence[str] | None = r"\s+|\w+|[^\s\w]+",
    *, extra: Sequence[bytes] = (), ignore_merges: bool = False, holes: int = 0,
) -> str:
    """A tokenizer.json: bytes have ids 0 to 255, then come the products of `merges`, then `extra` tokens.

    `pattern`: of the Split, or of several; None: none, a whole text is one piece. `holes` ids stay free after
    the bytes.
    """
    vocab = {char: byte for byte, char in enumerate(BYTE_TO_CHAR)}
    for made in [*(left + right for left, right in merges), *extra]:
        vocab.setdefault(spelling(made), len(vocab) + holes)
    listed = [{**token, "id": vocab.get(token["content"], -1)} for token in added]
    new = [token for token in listed if token["id"] < 0]
    for number, token in enumerate(new):
        token["id"] = len(vocab) + number
    patterns = [pattern] if isinstance(pattern, str) else pattern or []
    steps = [{"type": "Split", "pattern": {"Regex": regex}, "behavior": "Isolated", "invert": False}
             for regex in patterns] + [BYTE_LEVEL]
    model = {"type": "BPE", "dropout": None, "unk_token": None, "continuing_subword_prefix": None,
             "end_of_word_suffix": None, "fuse_unk": False, "byte_fallback": False, "ignore_merges": ignore_merges,
             "vocab": vocab, "merges": [f"{spelling(left)} {spelling(right)}" for left, right in merges]}
    return json.dumps({
        "version": "1.0", "truncation": None, "padding": None, "added_tokens": listed, "normalizer": None,
        "pre_tokenizer": {"type": "Sequence", "pretokenizers": steps}, "post_processor": None,
        "decoder": BYTE_LEVEL, "model": model})


def both(text: str) -> tuple[dstok.Tokenizer, tokenizers.Tokenizer]:
    """The tokenizer of a tokenizer.json, ours and upstream's."""
    return dstok.Tokenizer.from_str(text), tokenizers.Tokenizer.from_str(text)


def both_with(
    merges: Sequence[Merge], added: Sequence[dict[str, Any]], pattern: str | None,
) -> tuple[dstok.Tokenizer, tokenizers.Tokenizer]:
    """As `both` of `model_json`, but our tables are made once for all added tokens."""
    text = model_json(merges, added, pattern)
    tokens = read_tokenizer_json(text).added_tokens
    return dstok.Tokenizer._of_tables(_tables(tuple(merges), pattern), tokens, None, None), tokenizers.Tokenizer.from_str(text)


@cache
def _tables(merges: tuple[Merge, ...], pattern: str | None) -> Tables:
    return build_tables(read_tokenizer_json(model_json(merges, [], pattern)))


def upstream_ids(judge: tokenizers.Tokenizer, text: str) -> list[int]:
    """Upstream's ids of a text, as it is."""
    ids: list[int] = judge.encode(text, add_special_tokens=False).ids
    return ids


def growing_merges(rng: random.Random, letters: bytes, count: int, longest: int, newest: int = 6) -> list[Merge]:
    """Merges of any token so far and one of the newest; with few of these some soon have thousands of bytes."""
    tokens, merges = [bytes([letter]) for letter in letters], []
    for _ in range(count):
        left, right = rng.choice(tokens[-newest:]), rng.choice(tokens)
        if rng.random() < 0.5:
            left, right = right, left
        if len(left + right) <= longest and left + right not in tokens:
            merges.append((left, right))
            tokens.append(left + right)
    return merges


def text_of_tokens(rng: random.Random, merges: Sequence[Merge], letters: bytes, size: int) -> bytes:
    """Tokens in any order, some of them cut short, some again and again."""
    tokens = [*(bytes([letter]) for letter in letters), *(left + right for left, right in merges)]
    text = bytearray()
    while len(text) < size:
        token = rng.choice(tokens) if rng.random() < 0.5 else rng.choice(tokens[-4:])
        text += token[: rng.choice([len(token), len(token), rng.randrange(len(token)) + 1])] * rng.choice([1, 1, 2, 30])
    return bytes(text[:size])
