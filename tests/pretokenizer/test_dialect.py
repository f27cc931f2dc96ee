"""The dialect beyond what one automaton reads from the left: each construct means what upstream means by it."""

from __future__ import annotations

import tomllib
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from random_patterns import Comparison
from reference import examples
from upstream import upstream_pieces

from dstok import DstokError, PatternError, Split, Splitter, UnsupportedError
from dstok.conformance.strategies import pattern_texts, split_steps
from dstok.training import count_pieces

CASES = tomllib.loads(Path(__file__).with_name("dialect.toml").read_text(encoding="utf-8"))["case"]


@pytest.mark.parametrize("case", CASES, ids=lambda case: case["name"])
def test_a_construct_means_what_upstream_means(case: dict[str, Any]) -> None:
    assert upstream_pieces([Split(case["pattern"])], case["text"]) == case["pieces"]
    assert Splitter(case["pattern"]).split(case["text"]) == case["pieces"]


def test_the_cases_are_many_and_differ() -> None:
    assert len({case["pattern"] for case in CASES}) == len(CASES) > 70


@given(st.lists(split_steps(), min_size=1, max_size=2), st.lists(pattern_texts(), min_size=8, max_size=8))
@examples(150)
def test_random_patterns_by_upstream(splits: list[Split], some: list[str]) -> None:
    comparison = Comparison()
    comparison.compare(splits, some)
    assert not comparison.differences


@pytest.mark.parametrize(("pattern", "message"), [
    (r"(a)\1", "a back-reference, which is not regular"), (r"(?<n>a|b\g<n>)", "a call of a group, which is not regular"),
    (r"(?~a)", "an absence operator"), (r"(?(1)a)", "a condition"), (r"a\K", "moves the start"), (r"a\Ga", "the anchor"), (r"a?|\G", "the anchor"),
    (r"(?<=\R)a", "inside a look-behind"), (r"(?<=(?>a*b|a))c", "an atomic group that more than one character ends"), (r"(?<=a++\b)b", "beside an anchor"), (r"\p{Foo}", "the property 'Foo'"), (r"(?W:\w)", "options other than i, m and x"),
    ("".join(f"(?={c}{c})" for c in "abcdefghijkl"), "more than 10 predicates"), ("a" + "*" * 60, "more than 50 quant"),
])
def test_what_is_refused_names_itself_and_its_place(pattern: str, message: str) -> None:
    with pytest.raises(UnsupportedError, match="position") as caught:
        Splitter(pattern)
    assert message in str(caught.value)


@pytest.mark.parametrize("pattern", [
    "(?<=a(?=b))c", "(?<!(a))b", "(?<!(?<n>a))b", "(?<n>b)|(?<!(?<m>a)|(c))b", r"(?<=\z)a", r"\b*a", "(?:^|a)+", "[[:vowel:]]", "[b-a]", "(?<>a)", "(?#a", "[]"])
def test_what_upstream_refuses_is_a_pattern_error(pattern: str) -> None:
    with pytest.raises(Exception, match="Oniguruma error"):
        upstream_pieces([Split(pattern)], "a")
    with pytest.raises(PatternError, match="position"):
        Splitter(pattern)


def test_both_sides_and_one_side_agree_on_what_both_can_read() -> None:
    both = Splitter(r"(?<=a)b+c?|(?<=\d)(?=(?:\d{3})+(?!\d))")
    assert both.strategy().startswith("both sides")
    text = "it's abbc bc 1234567é中\n" * 500
    assert both.split(text) == upstream_pieces(both.splits, text)
    stream = both.stream()
    assert [*stream.feed(text[:777]), *stream.feed(text[777:]), *stream.finish()] == both.split(text)
    assert [p.text for p in both.pieces(text)] == both.split(text)
    assert count_pieces(both, [text]).counts.sum() == both.count(text) == len(both.spans(text))


def test_a_tokenizer_refuses_what_needs_both_sides() -> None:
    from dstok.regex.cascade import compile_splits

    with pytest.raises(DstokError, match=r"cannot be restarted|more than two ends"):
        compile_splits([Split(r"(?<=a)b+c?")])
