"""Presets and patterns against upstream, and tiktoken's encodings against tiktoken: corpora, code points, covers, random
texts.

In a usual run a share of the day of each; in the deep profile all: the corpora whole, every code point in eight
contexts, from each state all sequences of three classes.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from functools import cache
from itertools import islice

import pytest
import shared_data
from hypothesis import given
from hypothesis import strategies as st
from reference import DEEP, examples
from shares import chance_of_today, seeds, share
from splitter_cases import (
    BY_TIKTOKEN,
    BY_UPSTREAM,
    CONTEXTS,
    PATTERNS,
    class_cover,
    splitter,
    tiktoken_cuts_so,
    tiktoken_pattern,
    upstream,
)

from dstok import Splitter
from dstok.pretokenizer.sources import presets

LETTERS = "aAb1 \n\r\t'sSdDlLſ中かé\u0301\u00a0²!.,$/~😀()|٣\u2028"
DOCUMENT = 4096  # characters
BATCH = 20_000
CORPORA = ("wiki", *shared_data.CORPORA)
TODAY = [CORPORA[number] for number in seeds(len(CORPORA), 1)]
by_upstream = pytest.mark.parametrize("name", [BY_UPSTREAM[number] for number in seeds(len(BY_UPSTREAM), 15)])
by_tiktoken = pytest.mark.parametrize("name", BY_TIKTOKEN)


def compare(name: str, texts: Iterable[str]) -> int:
    ours, judge, count = splitter(name), upstream(name), 0
    for text in texts:
        assert ours.split(text) == judge(text), text[:200]
        count += 1
    return count


def compare_with_tiktoken(name: str, texts: Iterable[str]) -> int:
    rest, count = iter(texts), 0
    while batch := list(islice(rest, BATCH)):
        cuts = [splitter(name).split(text) for text in batch]
        assert tiktoken_cuts_so(tiktoken_pattern(name), batch, cuts), [
            text[:200] for text, cut in zip(batch, cuts) if not tiktoken_cuts_so(tiktoken_pattern(name), [text], [cut])][:3]
        count += len(batch)
    return count


@cache
def documents(corpus: str, of: int) -> list[str]:
    text = shared_data.wiki() if corpus == "wiki" else shared_data.corpus(corpus)
    return [text[at : at + DOCUMENT] for at in share(range(0, len(text), DOCUMENT), of)]


def in_contexts(name: str, of: int) -> Iterator[str]:
    """Code points of the day, and those at the edges of classes, in eight contexts; many in one text."""
    edges = {code for members in splitter(name).analyze().classes for span in members.ranges for code in span}
    codes = [c for c in sorted({*share(range(0x110000), of), *share(sorted(edges), 1 + of // 40)})
             if not 0xD800 <= c < 0xE000]
    for context in CONTEXTS:
        for at in range(0, len(codes), 1000):
            yield "".join(context.format(chr(code)) for code in codes[at : at + 1000])


def covers(name: str, of: int) -> Iterator[str]:
    yield from class_cover(name, 1)
    yield from class_cover(name, 2, of)
    if DEEP:
        yield from class_cover(name, 3)


def random_texts(name: str, count: int) -> Iterator[str]:
    chance = chance_of_today(name)
    for _ in range(20 * count if DEEP else count):
        yield "".join(chance.choices(LETTERS, k=chance.randrange(1, 30)))


@pytest.mark.parametrize("corpus", TODAY)
@by_upstream
def test_corpora(name: str, corpus: str) -> None:
    compare(name, documents(corpus, 4000))


@pytest.mark.parametrize("corpus", TODAY)
@by_tiktoken
def test_corpora_by_tiktoken(name: str, corpus: str) -> None:
    compare_with_tiktoken(name, documents(corpus, 4000))


@by_upstream
def test_code_points_covers_and_random_texts(name: str) -> None:
    assert compare(name, in_contexts(name, 2400)) and compare(name, covers(name, 120)) and compare(name, random_texts(name, 120))


@by_tiktoken
def test_code_points_covers_and_random_texts_by_tiktoken(name: str) -> None:
    assert compare_with_tiktoken(name, in_contexts(name, 2400))
    assert compare_with_tiktoken(name, covers(name, 120)) and compare_with_tiktoken(name, random_texts(name, 120))


@given(st.sampled_from(BY_UPSTREAM), st.text(LETTERS, max_size=30) | st.text(max_size=12))
@examples(100)
def test_drawn_texts(name: str, text: str) -> None:
    assert splitter(name).split(text) == upstream(name)(text)


def test_tiktoken_judges() -> None:
    """What it is asked is answered no where a cut is missing, is one too many, or elsewhere."""
    text = "a1 ab"
    assert tiktoken_cuts_so(tiktoken_pattern("kimi-k2"), [text], [["a", "1", " ab"]])
    for wrong in (["a1", " ab"], ["a", "1", " a", "b"], ["a", "1 ", "ab"], [text]):
        assert not tiktoken_cuts_so(tiktoken_pattern("kimi-k2"), [text], [wrong])


def test_two_presets_are_encodings_of_tiktoken() -> None:
    for name, encoding in (("cl100k", "cl100k_base"), ("o200k", "o200k_base"), ("gpt-2", "gpt2")):
        assert Splitter.preset(name) == Splitter.from_tiktoken(encoding)
    kimi = Splitter.preset("kimi-k2")
    assert kimi == Splitter(kimi.splits[0].pattern, dialect="fancy-regex")


def test_every_preset_has_its_source() -> None:
    assert all(len(preset["source"]) > 20 for preset in presets().values())
    assert not set(presets()) & set(PATTERNS)
