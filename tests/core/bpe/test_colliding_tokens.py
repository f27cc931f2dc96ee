"""Tokens, added tokens and texts that were chosen so that they collide in the core's hash tables: steps in proportion to
their number, and the right ids."""

from __future__ import annotations

import itertools
import random
from array import array

import pytest
from real_models import level, levels
from small_models import model_json

import dstok
from dstok.compiled.programs import tables_of
from dstok.compiled.tables import bare_bpe
from dstok.core.bpe.merge import BPE
from dstok.core.counts.word_counts import Tally
from dstok.core.text.added_tokens import Matcher, Policy
from dstok.errors import UnsupportedError

WORD = (1 << 64) - 1
FACTOR = 0x9E3779B97F4A7C15  # HASH_0 of core/text/hash.h
COUNT = 1 << 14
SINGLE = {bytes([b]): b for b in range(256)}


def fold(one: int, other: int) -> int:
    product = one * other
    return (product ^ product >> 64) & WORD


def hash_of(token: bytes, seed: int = 0) -> int:
    """`hash_bytes` of a token of eight bytes."""
    return fold(fold(seed ^ 8 ^ int.from_bytes(token, "little"), FACTOR ^ seed << 1 & WORD), 0xC2B2AE3D27D4EB4F)


def alike() -> list[bytes]:
    """Tokens that differ in their last fourteen bits alone: the low bits of their products by any factor are equal."""
    return [b"prefix" + i.to_bytes(2, "little") for i in range(0, 1 << 16, 4)]


def bpe_of(tokens: list[bytes]) -> BPE:
    ranks = SINGLE | {token: 256 + i for i, token in enumerate(tokens)}
    return bare_bpe(dstok.Tokenizer.from_tiktoken(ranks, r"[\s\S]")._tables)


def test_tokens_that_differ_above() -> None:
    """Under ever new seeds they take no more steps than others."""
    bpe = bpe_of(alike())
    for _ in range(5):
        assert bpe.index_vocabulary(array("I", range(256, 256 + COUNT))) < 2 * COUNT


def test_tokens_that_crowd_under_a_seed() -> None:
    """Under a seed that is known they are given up after a bounded number of steps; under another one they do not crowd."""
    rng = random.Random(3)
    candidates = {rng.randbytes(8) for _ in range(1 << 19)}
    few = 1 << 11
    tokens = sorted(candidates, key=lambda token: hash_of(token) & 2 * few - 1)[:few]
    assert hash_of(tokens[-1]) & 2 * few - 1 < 32
    bpe = bpe_of(tokens)
    ids = array("I", range(256, 256 + few))
    with pytest.raises(UnsupportedError, match="collide in the index of whole pieces under each of its seeds") as caught:
        bpe.index_vocabulary(ids, [0])
    assert caught.value.where == "vocab"
    assert bpe.index_vocabulary(ids, [0, 1]) < 2 * few
    assert bpe.index_vocabulary(ids) < 2 * few
    assert [bpe.merge(token) for token in tokens] == [[i] for i in ids]


def test_whole_pieces() -> None:
    """Tokens that merging does not make are found, however alike they are."""
    tokens = alike()
    ranks = SINGLE | {token: 256 + i for i, token in enumerate(tokens)}
    tok = dstok.Tokenizer.from_tiktoken(ranks, r"prefix[\s\S]{2}|[\s\S]")
    text = "".join(token.decode() for token in tokens if max(token) < 128)
    assert tok.encode(text) == [ranks[token] for token in tokens if max(token) < 128]


def test_edges_of_added_tokens() -> None:
    """A long token, alone and with its starts: each is found, the longest that a text has."""
    length = 1 << 13
    content = bytes(33 + byte % 94 for byte in range(length))
    for tokens in ([content], [content, *(content[:end] for end in range(1, length, 64))]):
        policy = Policy(Matcher([(token, False, False, False) for token in tokens]), None, [0] * len(tokens), [],
                        (tuple(map(bytes.decode, tokens)), ()), False)
        for index, token in enumerate(tokens):
            assert policy.raw_spans(token + b" ") == [(0, len(token), 0, index)]


def test_pieces_of_a_tally() -> None:
    """Pieces that differ in their last fourteen bits alone pass few others, whatever the seed."""
    tally = Tally(tables_of(dstok.Splitter(r"prefix..")._cascade).finder())
    pieces = [f"prefix{a}{b}" for a, b in itertools.product(map(chr, range(32, 127, 4)), map(chr, range(32, 127)))]
    tally.add(["".join(pieces)])
    found, ends, counts = tally.counted()
    assert sorted(found[start:end].decode() for start, end in zip(ends, ends[1:])) == sorted(pieces) and {*counts} == {1}
    assert tally.passed() < 2 * len(pieces)


def slot_of_repeats(piece: bytes) -> int:
    """Where core/encode/repeats.h begins to look for a piece of up to eight bytes."""
    return (int.from_bytes(piece, "little") * FACTOR & WORD) >> (64 - 11)


@pytest.mark.parametrize("name", levels())
def test_pieces_of_one_slot(name: str) -> None:
    """More pieces begin in one slot than are looked through: they are merged anew, with the same ids."""
    texts = (f" {a}{b}{c}{d}" for a, b, c, d in itertools.product("abcdefghijklmnopqrstuvwxyz", repeat=4))
    pieces = [*itertools.islice((text for text in texts if slot_of_repeats(text.encode()) == 7), 150)] * 3
    assert len(pieces) == 450
    with level(name):
        tok = dstok.Tokenizer.from_str(model_json([(b"a", b"b"), (b" ", b"a"), (b"c", b"d"), (b" ", b"b")], pattern=r" \w+"))
        assert tok.encode("".join(pieces)) == [id for piece in pieces for id in tok.encode(piece)]
