r"""Random patterns of the supported grammar: the DFA's matches are those of two backtracking matchers.

The judges are the `regex` module and upstream. Texts hold only characters whose category no version of
Unicode has changed, so that the module's newer tables do not matter; `\w` and `\h`, which mean
something else there, are tried in test_pattern.py against upstream alone.
"""

from __future__ import annotations

import regex
from hypothesis import assume, given, note
from hypothesis import strategies as st
from one_pattern import compile_pattern
from pattern_strategies import Fragment, cut, fragments, matches_empty, spans
from reference import examples
from upstream import pieces_by, upstream_splitter

from dstok.errors import UnsupportedError
from dstok.regex import Split
from dstok.regex.alphabet import Alphabet
from dstok.regex.dfa import DFA

_FLAGS = regex.MULTILINE | regex.VERSION0  # upstream's $ is met before every newline

DENSE = fragments(
    ["a", "b", "c", "\\n"], ["[ab]", "[^a]", "[^b\\n]", "."],
    ["$", "(?!a)", "(?=b)", "(?![ab])", "(?=[^a])"])
DENSE_TEXT = st.text("abc\n", max_size=9)

WIDE = fragments(
    ["a", "é", "中", " ", "\\r", "\\n", "'", "-", "\\.", "\\u3042", "1"],
    ["\\s", "\\S", "\\d", "\\D", "\\p{L}", "\\P{L}", "\\p{Lu}", "\\p{N}", "\\p{^P}", "[a-z]", "[^\\r\\n\\p{L}\\p{N}]",
     "[\\p{P}\\p{S}]", "[一-龥]", "[-a]", "[a-]", "[^\\s\\p{L}]", "[\\s\\d]", "[\\S ]", "."],
    ["(?!\\S)", "(?=\\s)", "$", "(?=\\p{L})", "(?!\\p{N})", "(?![\\r\\n])"])
WIDE_TEXT = st.text("aAbzéÉ中あ 1²½\u00a0\u0085\u3000\r\n\t'-.+$€«ª", max_size=9)

FOLDED = fragments(
    ["a", "k", "s", "1", "'"], ["[a-e]", "[j-l]", "[r-t1]"],
    ["(?!k)", "(?=s)", "(?![a-s])"])
FOLDED_TEXT = st.text("aAbBkKsSſ\u212atT1'é", max_size=9)


def compiled(pattern: str) -> tuple[Alphabet, DFA]:
    """The DFA of a pattern, which must compile unless no text matches it."""
    note(f"pattern {pattern!r}")
    try:
        alphabet, dfa = compile_pattern(pattern)
    except UnsupportedError as error:
        if error.message != "a pattern that matches no text":
            raise
        assume(False)
    assume(not matches_empty(dfa))
    return alphabet, dfa


def by_regex(pattern: str, text: str) -> list[tuple[int, int]]:
    """The spans of the `regex` module's matches."""
    return [match.span() for match in regex.finditer(pattern, text, _FLAGS)]


def check_by_regex(pattern: str, texts: list[str]) -> None:
    alphabet, dfa = compiled(pattern)
    for text in texts:
        assert spans(alphabet, dfa, text) == by_regex(pattern, text), text


def check_by_upstream(pattern: str, texts: list[str]) -> None:
    alphabet, dfa = compiled(pattern)
    splitter = upstream_splitter([Split(pattern)])
    for text in texts:
        assert cut(text, spans(alphabet, dfa, text)) == pieces_by(splitter, text), text


def some(text: st.SearchStrategy[str]) -> st.SearchStrategy[list[str]]:
    return st.lists(text, min_size=3, max_size=8)


@given(DENSE, some(DENSE_TEXT))
@examples(600, deep=60_000)
def test_few_characters_by_regex(pattern: Fragment, texts: list[str]) -> None:
    check_by_regex(pattern.text, texts)


@given(DENSE, some(DENSE_TEXT))
@examples(600, deep=60_000)
def test_few_characters_by_upstream(pattern: Fragment, texts: list[str]) -> None:
    check_by_upstream(pattern.text, texts)


@given(WIDE, some(WIDE_TEXT))
@examples(450, deep=40_000)
def test_properties_by_regex(pattern: Fragment, texts: list[str]) -> None:
    check_by_regex(pattern.text, texts)


@given(WIDE, some(WIDE_TEXT))
@examples(450, deep=40_000)
def test_properties_by_upstream(pattern: Fragment, texts: list[str]) -> None:
    check_by_upstream(pattern.text, texts)


@given(FOLDED, st.sampled_from(["(?i:%s)", "(?i:%s)a", "k(?i:%s)", "(?:(?i:%s)|s)+"]), some(FOLDED_TEXT))
@examples(450, deep=40_000)
def test_folded_patterns_by_both(pattern: Fragment, frame: str, texts: list[str]) -> None:
    """Patterns with letters that may fold to one character are refused; all others compile."""
    assume(not (pattern.nullable and frame.endswith("+")))
    folded = frame % pattern.text
    try:
        check_by_regex(folded, texts)
        check_by_upstream(folded, texts)
    except UnsupportedError as error:
        assert error.message.startswith(("the pair", "the text"))
