"""dstok's ids by `upstream="tokenizers-1.0.0rc3"` are those of 1.0.0rc3: real models, but for the faults of test_faults.py.

Every code point in ten contexts, the class cover to k = 4, random texts, the vocabulary, merges in conflict and the
corpora: a share a day, all in the deep profile.
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import islice

import pytest
from newer_upstream import NAME, newer_of
from real_models import real_json
from reference import DEEP, PART
from shared_data import CORPORA, corpus, wiki
from shares import SEED, seeds, share

import dstok
from dstok.conformance import texts as texts_of
from dstok.conformance.automaton_guide import Guide

MODELS = ("deepseek-v3", "deepseek-r1-distill-qwen", "deepseek-r1-distill-llama-8b", "deepseek-v4", "minimax-m3")
CONTEXTS = ("{}", "a{}", " {}", "{}a", "1{}1", "'{}", "\n{}", "!{}!", "a{}\u0301", "中{} ")
JOINED = 256  # code points in a text
LONG_S = "'\u017f"  # a fault of 1.0.0rc3


def in_contexts() -> Iterator[str]:
    for context in CONTEXTS:
        for first in range(0, 0x110000, JOINED):
            if not 0xD800 <= first < 0xE000:
                yield "".join(context.replace("{}", chr(code)) for code in range(first, first + JOINED))


def held_out() -> Iterator[str]:
    """Documents of 4,096 characters, and lines."""
    for text in [wiki(), *map(corpus, CORPORA)] if DEEP else [wiki(), corpus(CORPORA[SEED % len(CORPORA)])]:
        yield from share((text[at : at + 4096] for at in range(0, len(text), 4096)), 20)
        yield from share(text.splitlines(keepends=True), 100)


def texts_for(guide: Guide) -> Iterator[str]:
    yield from share(in_contexts(), 100)
    for k, parts in ((1, 1), (2, 4), (3, 100), (4, 500)):
        yield from share(texts_of.cover(guide, k), parts)
    yield from texts_of.odd_texts(guide)
    yield from share(texts_of.added_tokens(guide), 10)
    yield from islice(texts_of.random_texts(guide, SEED), 200_000 if DEEP else 2_000)
    yield from share(texts_of.vocabulary(guide), 200)
    yield from share(texts_of.merge_conflicts(guide), 200)
    yield from held_out()


@pytest.mark.parametrize("model", [MODELS[number] for number in seeds(len(MODELS), 1)])
def test_ids(model: str) -> None:
    ours = dstok.Tokenizer.from_str(real_json(model), upstream=NAME)
    source, count = (text for text in texts_for(Guide(ours)) if LONG_S not in text), 0
    with newer_of(real_json(model)) as newer:
        while block := list(islice(source, 1000)):
            for text, expected, ids in zip(block, newer.encode(block), ours.encode_batch(block)):
                assert ids == expected, ascii(text)
            count += len(block)
    assert count > 16_000 / PART
