"""The ids of the real tokenizer.json files are upstream's: each day files of three families, in the deep profile all 43.

A family is a pre-tokenizer. Texts: the corpora, the shared folder's fixtures, every short text of one character a
class of the automaton, texts from the edges of the classes, texts of parts chosen by hand, all pairs of parts, and in
the deep profile every code point in contexts.
"""

from __future__ import annotations

import json
import random
from collections.abc import Iterable
from functools import cache
from itertools import product

import pytest
import tokenizers
from compiled import compiled
from family_texts import NAMES, fixture_texts
from hypothesis import given
from hypothesis import strategies as st
from kept import kept
from real_models import real, real_json
from reference import DEEP, examples
from shared_data import CORPORA, corpus, wiki
from shares import chance_of_today, seeds
from upstream import pre_tokenizer

import dstok
from dstok.core.split.automaton import Scanner

FAMILIES = {json.dumps(pre_tokenizer(name)): name for name in reversed(NAMES)}
V3 = FAMILIES[json.dumps(pre_tokenizer("deepseek-v3"))]
OTHERS = {*FAMILIES.values(), "glm-4"} - {V3}  # V3 has tests of its own; GLM's vocabulary has more spoilers than Llama's
TESTED = NAMES if DEEP else [sorted(OTHERS)[number] for number in seeds(len(OTHERS), 3)]  # brief: one a day
LENGTH = 1_000_000 if DEEP else 20_000

each_file = pytest.mark.parametrize("name", TESTED)
each_family = pytest.mark.parametrize("name", sorted(set(FAMILIES.values())) if DEEP else TESTED)


PARTS = ["a", "Z", "é", "ß", "ſ", "'s", "'LL", " ", "  ", "\t", "\n", "\r\n", "\u00a0", "\u3000", "0", "12", "345", "²", "٣",
         "〇", "漢", "字", "か", "ガ", "゛", "한", "!", "~", "=", ":", "。", "€", "🦙", "\u0301", "\u200d", "\u0000", "\u0378",
         "\ufeff", "А", "я", "ÀB", "Ǆ", "ǆ", "ǅ", "e\u0301", "ﬁ", "\u2028", "<", ">", "_", "/", "\\", "\U0001e030"]


@kept(most=2)
def both(name: str) -> tuple[dstok.Tokenizer, tokenizers.Tokenizer]:
    """dstok's tokenizer of a file, and upstream's."""
    theirs = real(name)
    theirs.no_padding()
    return compiled(real_json(name)), theirs


def assert_equal(name: str, texts: Iterable[str]) -> None:
    ours, theirs = both(name)
    for text in texts:
        assert ours.encode(text) == theirs.encode(text, add_special_tokens=False).ids, text[:200]


def test_the_families_are_all_there() -> None:
    assert len(NAMES) == 43
    assert len(FAMILIES) == 7


@cache
def stretches(source: str) -> dict[str, str]:
    """Of a long text, for each file another one each day; in the deep profile the first million characters."""
    text = wiki() if source == "wiki" else corpus(source)
    if DEEP:
        return dict.fromkeys(TESTED, text[:LENGTH])
    starts = {name: chance_of_today(name).randrange(len(text) - LENGTH) for name in TESTED}
    return {name: text[start : start + LENGTH] for name, start in starts.items()}


@each_file
@pytest.mark.parametrize("source", ["wiki", *CORPORA])
def test_corpora(name: str, source: str) -> None:
    assert_equal(name, [stretches(source)[name]])


@each_file
def test_fixtures(name: str) -> None:
    texts = fixture_texts()
    assert len(texts) > 500
    assert_equal(name, texts)


@each_family
def test_every_short_text(name: str) -> None:
    """One character a class, and a second one where the class goes beyond ASCII."""
    classes = both(name)[0].inspect().automaton.alphabet.classes
    assert_equal(name, map("".join, product([chr(c.ranges[0][0]) for c in classes], repeat=3 if len(classes) < 20 else 2)))
    if DEEP and len(classes) < 20:
        assert_equal(name, map("".join, product([chr(c.ranges[-1][1]) for c in classes], repeat=4)))


@each_family
def test_texts_from_the_edges_of_classes(name: str) -> None:
    edges = [[chr(edge) for r in c.ranges for edge in r] for c in both(name)[0].inspect().automaton.alphabet.classes]
    char = st.sampled_from(edges).flatmap(st.sampled_from)
    words = st.sampled_from(["ABC漢DEF", "ABC漢DEFx", "é abc naïve", " \u2003\u2003x", "ع \u2003\u2003", "  \n\n ", "'ll",
                             "don't", "I'VE", "12345", "\r\n", "   ", "Hello", " world"])
    run = st.builds(str.__mul__, char, st.integers(1, 80))

    @given(st.lists(char | words | run, max_size=40).map("".join))
    @examples(300, deep=20_000)
    def check(text: str) -> None:
        assert_equal(name, [text])

    check()


@each_file
def test_texts_of_parts(name: str) -> None:
    rng = random.Random(name)
    assert_equal(name, ("".join(rng.choices(PARTS, k=rng.randrange(1, 12))) for _ in range(2000)))


@each_file
def test_all_pairs_of_parts(name: str) -> None:
    for left in PARTS:
        assert_equal(name, ["x".join(left + right for right in PARTS), *(left + right for right in PARTS)])


@pytest.mark.skipif(not DEEP, reason="minutes a family")
@each_family
def test_every_code_point(name: str) -> None:
    for start in range(0, 0x110000, 0x400):
        if not 0xD800 <= start < 0xE000:
            chars = map(chr, range(start, start + 0x400))
            assert_equal(name, ["".join(f"a{c}b {c}1{c}{c}\n {c} !{c}" for c in chars)])


# Blanks, which are quadratic upstream, and last-accept memory


@pytest.mark.parametrize("text", [
    " " * 3000 + "ع", "ع" + " " * 3000, "ع" + "\u2003" * 2000 + "ع", " \u2003" * 1000 + "x", "ع" + " \u2003" * 1000,
    "\n" + " " * 3000 + "\n", "漢A" * 1000 + "B" * 500, "A" * 3000 + "漢" + "B" * 3000, "a" * 70_000 + " b",
], ids=range(9))
@each_family
def test_long_runs(name: str, text: str) -> None:
    assert_equal(name, [text, f"x{text}y z"])


@each_file
def test_the_scanner_alone(name: str) -> None:
    """The automaton over UTF-8 is the one in Python."""
    ours, _ = both(name)
    s = ours._tables.sections
    scanner = Scanner(s["pages"], s["page_numbers"], s["edges"], ours.inspect().automaton.boundaries.symbols)
    for text in fixture_texts()[:200]:
        found = [text.encode()[start:end].decode() for start, end, _ in scanner.spans(text.encode())]
        assert found == [piece for piece, _ in ours.inspect().automaton.pieces(text)]
