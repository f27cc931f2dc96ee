"""What each construct of a pattern means, case by case, by the judgement of upstream.

Three ways must agree on each case of patterns.toml: the pieces it states, upstream, and dstok (the
DFA of the matches, and the automaton of the pieces). Then come patterns of random tokens: where dstok
accepts one, upstream accepts it and means the same; where dstok calls it malformed, upstream refuses it.
"""

from __future__ import annotations

import re
import tomllib
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from one_pattern import compile_pattern
from pattern_strategies import cut, kept_pieces, matches_empty, spans
from reference import examples
from upstream import pieces_by, upstream_accepts, upstream_pieces, upstream_splitter

from dstok import errors
from dstok.errors import PatternError, UnsupportedError
from dstok.regex import Split
from dstok.regex.cascade import compile_splits
from dstok.regex.parser import MAX_DEPTH, MAX_LENGTH, parse

CASES = tomllib.loads(Path(__file__).with_name("patterns.toml").read_text("utf-8"))["case"]
MEANINGS = [case for case in CASES if "pieces" in case]
ERRORS = [case for case in CASES if "error" in case]

by_name = pytest.mark.parametrize("case", MEANINGS, ids=lambda case: case["name"])


def position_of(error: PatternError | UnsupportedError) -> int | None:
    """The position in the pattern that an error names."""
    if isinstance(error, PatternError):
        assert f"at position {error.position} of pattern " in str(error)
        return error.position
    named = re.search(r"(?:^|, )position (\d+) of ", error.where)
    return int(named[1]) if named else None


def test_the_cases_are_many_and_differ() -> None:
    assert len({case["name"] for case in CASES}) == len(CASES) > 200
    assert len({case["pattern"] for case in ERRORS}) == len(ERRORS) > 55


@by_name
def test_upstream_means_what_the_case_says(case: dict[str, Any]) -> None:
    assert upstream_pieces([Split(case["pattern"])], case["text"]) == case["pieces"]


@by_name
def test_the_matches_are_as_the_case_says(case: dict[str, Any]) -> None:
    alphabet, dfa = compile_pattern(case["pattern"])
    assert cut(case["text"], spans(alphabet, dfa, case["text"])) == case["pieces"]


@by_name
def test_the_pieces_are_as_the_case_says(case: dict[str, Any]) -> None:
    assert kept_pieces([Split(case["pattern"])], case["text"]) == case["pieces"]


@pytest.mark.parametrize("case", ERRORS, ids=lambda case: case["name"])
def test_the_error_and_its_position(case: dict[str, Any]) -> None:
    with pytest.raises(getattr(errors, case["error"])) as caught:
        compile_splits([Split(case["pattern"], where="$.here")])
    assert case["message"] in caught.value.message
    assert position_of(caught.value) == case.get("position")
    if "position" not in case:
        assert caught.value.where == "$.here"


@pytest.mark.parametrize("case", ERRORS, ids=lambda case: case["name"])
def test_upstream_refuses_what_is_malformed(case: dict[str, Any]) -> None:
    if case["error"] == "PatternError":
        assert not upstream_accepts(case["pattern"])


@pytest.mark.parametrize(("pattern", "position"), [
    ("(" * (MAX_DEPTH - 1) + "a" + ")" * (MAX_DEPTH - 1), None),
    ("(" * MAX_DEPTH + "a" + ")" * MAX_DEPTH, MAX_DEPTH),
    ("(?=" * MAX_DEPTH + "a" + ")" * MAX_DEPTH, 3 * MAX_DEPTH),
    ("a" * MAX_LENGTH, None),
    ("a" * (MAX_LENGTH + 1), MAX_LENGTH),
    ("a{1000}", None),
    ("a{0001000}", None),
    ("a{1001}", 1),
    ("a{,1001}", 1),
    ("a{1,00001001}", 1),
])
def test_limits_of_a_pattern(pattern: str, position: int | None) -> None:
    if position is None:
        parse(pattern)
    else:
        with pytest.raises(UnsupportedError) as caught:
            parse(pattern)
        assert position_of(caught.value) == position
        assert len(str(caught.value)) < 500


@pytest.mark.parametrize("letter", [chr(code) for code in range(33, 127)])
def test_every_escape_of_ascii(letter: str) -> None:
    """An escape that is accepted means what upstream means by it, alone and in a class."""
    text = "".join(map(chr, range(0x250))) + "\u0300\u0660\u2028\u3042\uff21\U0001f600"
    for pattern in (f"\\{letter}", f"[\\{letter}]", f"[^\\{letter}]"):
        try:
            alphabet, dfa = compile_pattern(pattern)
        except UnsupportedError:
            continue
        except PatternError:
            assert not upstream_accepts(pattern)
            continue
        assert cut(text, spans(alphabet, dfa, text)) == upstream_pieces([Split(pattern)], text)


# Random tokens

_SOUPS = {
    "structure": (["a", "b", "|", "(", "(?:", ")", "?", "*", "+", "{1,2}", "$", "(?!a)", "(?=b)", "\\n", ".", "??"],
                  "ab\n"),
    "braces": (["a", "b", "{", "}", "{2", "{2}", "{,3}", "{,}", "{}", "{1,2}", "{2}?", "{2}+", "{1,3}+", "{0}",
                "{002}", "{2,1}", "{ 2}", "*", "?", "+"], "ab{}2,"),
    "classes": (["[", "]", "^", "-", "a", "b", "c", "a-c", "\\-", "\\]", "\\^", "\\s", "\\w", "\\W", "&&", "&", "é",
                 "[^", "[:alpha:]", " ", "+", "\\p{L}", "\\P{L}", "\\p{^L}"], "abc-^]&: é²½\n"),
    "escapes": (["\\-", "\\/", "\\'", "\\\"", "\\#", "\\@", "\\e", "\\a", "\\0", "\\1", "\\c", "\\x61", "\\x{61}",
                 "\\u0061", "\\u3042", "\\xe9", "\\ud800", "\\h", "\\d", "\\S", "[", "]", "\\", "a", "+"],
                "-/'\"#@\x1b\x07a1 cあé\n"),
    "groups": (["(?", "(?#", "(?i", "(?i:", "(?-i:", "(?m:", "(?<", "(?>", "(?=", "(?!", ":", "a", "b", ")", "|", "#",
                "+", "!"], "abAB#:!"),
    "folds": (["(?i:", "(?-i:", ")", "s", "S", "t", "f", "i", "l", "k", "ß", "[k-s]", "[st]", "|", "?", "(?!s)",
               "(?=k)", "\\x{73}", "h", "\\u0331"], "sSſßẞtTfFﬀﬁﬂﬃﬅﬆiIlkK\u212ahẖ\u0331"),
    "properties": (["\\p{L}", "\\p{l u}", "\\p{Letter}", "\\p{^Lu}", "\\P{^L}", "\\p{L&}", "\\pL", "\\p{", "}", "L",
                    "\\p{Punct}", "\\p{P}", "\\p{Space}", "\\p{Cn}", "\\p{}", "[", "]", "^", "+"], "aA1 !$^+é\u0378\n"),
}


@given(st.data())
@examples(400, deep=20_000)
def check_soup(soup: str, data: st.DataObject) -> None:
    tokens, alphabet = _SOUPS[soup]
    pattern = "".join(data.draw(st.lists(st.sampled_from(tokens), min_size=1, max_size=8), "tokens"))
    texts = data.draw(st.lists(st.text(alphabet, min_size=1, max_size=8), min_size=4, max_size=8), "texts")
    try:
        classes, dfa = compile_pattern(pattern)
    except UnsupportedError:
        return
    except PatternError as error:
        assert not upstream_accepts(pattern), error
        return
    assert upstream_accepts(pattern)
    if matches_empty(dfa):
        return
    splitter = upstream_splitter([Split(pattern)])
    for text in texts:
        assert cut(text, spans(classes, dfa, text)) == pieces_by(splitter, text)


@pytest.mark.parametrize("soup", _SOUPS)
def test_what_is_accepted_means_what_upstream_means(soup: str) -> None:
    check_soup(soup)
