"""Long texts that are not normalized: taken in portions (core/encode/passes.pyx), they have the ids of the whole."""

from __future__ import annotations

import random

import pytest
from real_models import real
from shares import seeds
from small_models import upstream_ids

import dstok

MODEL = "deepseek-r1-distill-qwen"  # NFC, and added tokens with normalized=false
PORTION = 1 << 16  # bytes, as in the module
TOK = dstok.load(MODEL)
PARTS = [
    "e\u0301", "\u0301", "\u0300" * 40, "\u0323\u0307", "\u212b", "\u1100\u1161\u11a8", "\u1161", "\ud55c", "\u4e2d\u6587", "<\u0338", "\u0338", "<",
    "<\uff5cUser", "<\uff5cUser\uff5c>", "</think>", " ", "  \n", "word", "it's", "1", ".", "a" * 300, "\U0001f600",
]


def check(text: str) -> None:
    ids = upstream_ids(real(MODEL), text)
    for data in (text, text.encode()):
        assert TOK.encode(data) == ids, text[:200]
        assert TOK.count(data) == len(ids)


@pytest.mark.parametrize("seed", seeds(200, 5))
def test_random_texts(seed: int) -> None:
    chance = random.Random(seed)
    few = chance.sample(PARTS, chance.randint(1, 8))
    size, parts = chance.choice((100, 3000, PORTION, 3 * PORTION)), list[str]()
    while sum(map(len, parts)) < size:
        parts += [chance.choice(few) * chance.choice((1, 1, 1, 2, 50)) for _ in range(100)]
    check("".join(parts)[:size])


@pytest.mark.parametrize("core", ["e\u0301", "\u1100\u1161\u11a8", "<\uff5cUser\uff5c>", "<\u0338", "\u0301\u0323\u0301", "  \n\u0301"])
def test_at_a_windows_edge(core: str) -> None:
    for offset in range(-len(core.encode()) - 1, 3):
        check("e\u0301" + "b" * (PORTION - 3 + offset) + core + "c" * 80)


def test_long_runs() -> None:
    """No boundary, or no end of a piece, for many portions; each rises with the text, and not with its square."""
    for run in ("\u0301", "\u0301\u0323", "b", " ", "\u1161"):
        text = "e\u0301" + run * (3 * PORTION) + "."
        assert TOK.decode(TOK.encode(text)) == real(MODEL).normalizer.normalize_str(text)
        assert TOK.count(text) == len(TOK.encode(text.encode()))


def test_what_is_no_text() -> None:
    text = "e\u0301" * PORTION + "\ud800" + "x" * 10
    with pytest.raises(dstok.TextError, match=f"code point {2 * PORTION}"):
        TOK.encode(text)
    data = text.encode("utf-8", "surrogatepass")
    with pytest.raises(dstok.TextError, match=f"byte offset {3 * PORTION}"):
        TOK.encode(data)
    assert TOK.encode(text[:-11]) == TOK.encode(data[:-13])


def test_policies() -> None:
    text = "e\u0301" * PORTION + "<\uff5cUser\uff5c>" + "x\u0301" * 10
    with pytest.raises(dstok.SpecialTokenError, match="User") as caught:
        TOK.encode(text, special="raise")
    assert caught.value.offset == 3 * PORTION
    plain = TOK.encode(text, special="none")
    assert len(plain) > len(TOK.encode(text))
    assert TOK.decode(plain) == TOK.decode(TOK.encode(text))


def test_a_batch() -> None:
    texts = ["e\u0301" * size + "<\uff5cUser\uff5c>" for size in (10, 3000, 2 * PORTION)] * 3
    ids, offsets = TOK.encode_batch_arrays(texts, num_threads=2)
    assert [ids[a:b].tolist() for a, b in zip(offsets, offsets[1:])] == [TOK.encode(text) for text in texts]
