"""Real texts: wiki.test.raw and the four corpora have upstream's ids, whole and in parts, for all built-in models."""

from __future__ import annotations

import random
from collections.abc import Iterator
from hashlib import sha256
from itertools import product

import numpy as np
import pytest
from real_models import BUILT_IN, at_level, levels, real
from reference import DEEP
from shared_data import CORPORA, corpus, wiki
from shares import seeds, share

WIKI_IDS = 287_730
WIKI_SHA256 = "3be3d7100b755f5feeae84d119e722a2ec45a1d86a5e91bbf33bf2f04989b626"
DOCUMENT = 4096  # code points
STRETCH = 200_000  # bytes of a corpus, about, that are compared outside the deep profile; twice: documents and lines


@pytest.mark.parametrize("level", levels())
def test_wiki_whole(level: str) -> None:
    """The number and the hash of the ids that are known for the whole file, from str and from bytes."""
    tok = at_level("deepseek-v3", level)
    data = wiki().encode()
    ids = tok.encode(data)
    assert len(ids) == tok.count(data) == WIKI_IDS
    assert sha256(np.array(ids, "<u4").tobytes()).hexdigest() == WIKI_SHA256
    assert tok.encode(data.decode()) == ids
    assert tok.encode_array(data).tolist() == ids
    assert tok.decode_bytes(ids) == data


def test_wiki_against_upstream() -> None:
    """The whole file as one text, each line, and some without the newline."""
    text = wiki()
    assert real("deepseek-v3").encode(text, add_special_tokens=False).ids == at_level("deepseek-v3", levels()[-1]).encode(text)
    compare("deepseek-v3", text.splitlines(keepends=True))
    compare("deepseek-v3", [*share(text.split("\n"), 4)])


def compare(model: str, texts: list[str]) -> int:
    """Holds each text's ids against upstream's; how many ids there were."""
    total = 0
    toks = [at_level(model, level) for level in levels()]
    for batch in batches(texts):
        expected = [found.ids for found in real(model).encode_batch(batch, add_special_tokens=False)]
        total += sum(map(len, expected))
        for tok in toks:
            for text, ids, want in zip(batch, tok.encode_batch(batch, num_threads=2), expected):
                assert ids == want, (tok, text)
    return total


def batches(texts: list[str]) -> Iterator[list[str]]:
    """Some megabytes at a time: upstream's answers are large."""
    batch: list[str] = []
    size = 0
    for text in texts:
        batch.append(text)
        size += len(text)
        if size > 2_000_000:
            yield batch
            batch, size = [], 0
    yield batch


def documents(text: str) -> list[str]:
    return [text[at : at + DOCUMENT] for at in range(0, len(text), DOCUMENT)]


def stretch(text: str, seed: str) -> str:
    """A stretch of a corpus, another one for each seed; in the deep profile all of it."""
    if DEEP:
        return text
    length = STRETCH * len(text) // len(text.encode())
    start = random.Random(seed).randrange(len(text) - length)
    return text[start : start + length]


EACH = [*product(BUILT_IN if DEEP else ("deepseek-v3", "deepseek-v4"), CORPORA)]


@pytest.mark.parametrize(("model", "name"), [EACH[number] for number in seeds(len(EACH), 4)])
def test_corpora(model: str, name: str) -> None:
    """Document by document and line by line."""
    parts = documents(stretch(corpus(name), f"documents {model}"))
    lines = stretch(corpus(name), f"lines {model}").splitlines(keepends=True)
    counts = [compare(model, texts) for texts in (parts, lines)]
    assert min(counts) > 40_000
    if DEEP:
        print(f"{model} {name}: {len(parts)} documents, {counts[0]} ids; {len(lines)} lines, {counts[1]} ids")


@pytest.mark.parametrize("name", CORPORA)
def test_whole_corpora_in_one_call_and_in_parts(name: str) -> None:
    """A whole corpus is the same at every level, as str and bytes, on several threads, and as a stream."""
    text = corpus(name) if DEEP else stretch(corpus(name), "whole") * 4
    tok = at_level("deepseek-v3", "automaton")
    expected = tok.encode_array(text)
    data = text.encode()
    for level in levels():
        tok = at_level("deepseek-v3", level)
        assert np.array_equal(tok.encode_array(text), expected)
        assert np.array_equal(tok.encode_array(data), expected)
        stream = tok.encode_stream()
        parts = [stream.feed(data[at : at + 100_001]) for at in range(0, len(data), 100_001)]
        assert np.array_equal(np.concatenate([*parts, stream.finish()]), expected)
    assert tok.decode_bytes(expected) == data
