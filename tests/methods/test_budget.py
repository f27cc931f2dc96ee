"""Texts that must fit a number of ids: what comes out fits when counted anew, and wastes little."""

from __future__ import annotations

from typing import Any, Literal

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from real_models import V3 as TOK
from reference import examples
from text_strategies import special_parts, special_texts, texts

import dstok

WORDS = """the quick brown fox jumps over a lazy dog 42 3.14 don't tokenizer, however; (naïve) "quoted" -> x_1 = f(y)
    中文分词 是一个 问题。 これは テスト です Привет мир, größer über straße\n def return self.value""".split(" ")
ordinary = st.lists(st.sampled_from(WORDS), max_size=120).map(" ".join)
mixed_texts = st.one_of(texts, st.lists(st.one_of(special_texts, special_parts, texts), max_size=6).map("".join))
short_texts = st.one_of(mixed_texts, ordinary).map(lambda text: text[:250])
budgets = st.integers(0, 60)
specials = st.sampled_from(["all", "none", frozenset({"<｜User｜>"})])


@examples(500)
@given(st.one_of(mixed_texts, ordinary), budgets, specials)
@example("", 0, "all")
@example("a" * 1000, 3, "all")
@example(" " * 1000, 1, "all")
@example("<｜User｜>" * 9, 4, "none")
def test_truncate(text: str, budget: int, special: Any) -> None:
    """What is left is a start, or an end, of the text that fits; the whole text if that fits."""
    side: Literal["right", "left"]
    for side, is_part in (("right", text.startswith), ("left", text.endswith)):
        left = TOK.truncate(text, budget, truncation_side=side, special=special)
        assert is_part(left)
        assert TOK.count(left, special=special) <= budget
        if TOK.count(text, special=special) <= budget:
            assert left == text


@examples(500)
@given(ordinary, st.integers(0, 400))
def test_truncate_wastes_little(text: str, budget: int) -> None:
    """On ordinary text, at most eight ids of the budget are left over."""
    wanted = min(budget, TOK.count(text))
    for side in ("right", "left"):
        assert TOK.count(TOK.truncate(text, budget, truncation_side=side)) >= wanted - 8


@given(mixed_texts)
def test_truncate_to_nothing(text: str) -> None:
    """Nothing fits a budget of none."""
    assert TOK.truncate(text, 0) == TOK.truncate(text, 0, truncation_side="left") == ""


def test_truncate_long_text() -> None:
    """A budget far below and far above what the text first looked at gives."""
    text = "Hello wide world. " * 20_000
    total = TOK.count(text)
    for budget in (1, 1000, total - 1, total, total + 1):
        for side in ("right", "left"):
            found = TOK.count(TOK.truncate(text, budget, truncation_side=side))
            assert min(budget, total) - 8 <= found <= budget
    spaces = " " * 100_000  # few ids, many characters
    assert TOK.truncate(spaces, TOK.count(spaces)) == spaces


@examples(400)
@given(st.one_of(mixed_texts, ordinary), st.integers(4, 60), specials)
@example("", 4, "all")
@example("🦙" * 50, 4, "all")
@example("a" * 2000, 4, "all")
def test_chunks_join_to_the_text(text: str, budget: int, special: Any) -> None:
    """Without overlap, the parts join to the text, none is empty, and each fits. A character has at most four ids."""
    parts = list(TOK.chunk(text, budget, special=special))
    assert "".join(parts) == text
    assert all(parts)
    assert all(TOK.count(part, special=special) <= budget for part in parts)


@examples(300)
@given(ordinary, st.integers(12, 60))
def test_chunks_waste_little(text: str, budget: int) -> None:
    """On ordinary text, every chunk but the last uses all but at most eight ids of the budget."""
    assert all(TOK.count(part) >= budget - 8 for part in list(TOK.chunk(text, budget))[:-1])


@examples(400)
@given(short_texts, st.integers(4, 40), st.integers(0, 39), specials)
@example("🦙" * 20, 4, 3, "all")
@example("a" * 200, 5, 4, "all")
def test_chunks_with_overlap(text: str, budget: int, overlap: int, special: Any) -> None:
    """Each part fits, begins after the last one's start and at most `overlap` ids before its end, and goes on."""
    overlap %= budget
    last_start, last_end = -1, 0
    spans = list(dstok.padding.chunk_spans(TOK, text, budget, overlap=overlap, special=special))
    for start, end in spans:
        assert last_start < start <= last_end < end
        assert TOK.count(text[start:end], special=special) <= budget
        assert TOK.count(text[start:last_end], special=special) <= overlap
        last_start, last_end = start, end
    assert last_end == len(text)
    parts = TOK.chunk(text, budget, overlap=overlap, special=special)
    assert list(parts) == [text[start:end] for start, end in spans]


@examples(400)
@given(st.one_of(mixed_texts, ordinary), st.integers(0, 80), specials)
@example("", 0, "all")
def test_count(text: str, limit: int, special: Any) -> None:
    """The count, or one more than the limit if it is above that."""
    total = TOK.count(text, special=special)
    for up_to in (limit, max(total - 1, 0), total, total + 1):
        assert TOK.count(text, limit=up_to, special=special) == min(total, up_to + 1)


def test_bad_arguments() -> None:
    """A side, budget or overlap that makes no sense is a `ValueError`."""
    for budget in (-1, -(10**9)):
        with pytest.raises(ValueError, match="max_tokens"):
            TOK.truncate("a", budget)
    with pytest.raises(ValueError, match="middle"):
        TOK.truncate("a", 1, truncation_side="middle")  # type: ignore[call-overload]
    for budget, overlap in ((0, 0), (-1, 0), (4, 4), (4, 5), (4, -1)):
        with pytest.raises(ValueError, match="expected (max_tokens|overlap) to be"):
            list(TOK.chunk("a", budget, overlap=overlap))


def test_a_negative_limit() -> None:
    """A negative limit is a `ValueError`."""
    with pytest.raises(ValueError, match="expected limit to be at least 0, found -5"):
        TOK.count("a b c", limit=-5)


def test_chunk_checks_its_arguments_at_once() -> None:
    """Bad arguments of `chunk` are told when it is called, not when the first part is asked for."""
    with pytest.raises(ValueError, match="max_tokens"):
        TOK.chunk("a", 0)


def test_chunk_too_small_for_a_character() -> None:
    """A character that has more ids than the budget cannot be in any part: an error that tells where it is."""
    parts = TOK.chunk("ab🦙", 2)
    assert next(parts) == "ab"
    with pytest.raises(ValueError, match="code point 2"):
        next(parts)


def test_texts_that_are_no_text() -> None:
    """Lone surrogates are an error here as everywhere."""
    for call in (lambda: TOK.truncate("\ud800", 1), lambda: TOK.truncate("\ud800", 1, truncation_side="left"),
                 lambda: TOK.count("\ud800", limit=1), lambda: list(TOK.chunk("\ud800", 4))):
        with pytest.raises(dstok.TextError):
            call()


def test_special_raise() -> None:
    """special="raise" holds for the budget calls too."""
    text = "ab <｜User｜>"
    for call in (lambda: TOK.truncate(text, 50, special="raise"), lambda: TOK.count(text, limit=50, special="raise"),
                 lambda: list(TOK.chunk(text, 50, special="raise"))):
        with pytest.raises(dstok.SpecialTokenError):
            call()
