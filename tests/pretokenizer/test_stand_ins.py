r"""`Analysis.difference` finds what other tokenizers do otherwise, as texts of one or two characters.

llama.cpp looks for a pattern with `\p{...}` in a text of one byte a character: beyond ASCII a stand-in for its category,
by Unicode 15.1, so its regexes are written here with the sets of characters that they mean. Its first table had no `~`
among the symbols. It knows no category below L, so for tekken it has a regex of its own.
Source: src/llama-vocab.cpp and src/unicode.cpp of ggml-org/llama.cpp, read in 2026.
"""

from __future__ import annotations

import re
from functools import cache

import pytest

from dstok import Splitter, UnsupportedError
from dstok.conformance.automaton_guide import moved
from dstok.unicode import CodePointSet, general_category

ASCII = CodePointSet.from_ranges([(0, 0x7F)])
WIDE_BLANK = r"[\s&&[^\x00-\x7F]]"  # becomes U+000B before a regex without categories sees it
REST = r" ?[^\s\p{L}\p{N}]+[\r\n/]*|\s*[\r\n]+|\s+(?!\S)|\s+"
REGEXES = {  # llama.cpp's, where they are not the preset's
    "tekken": [r"[^\r\n\p{L}\p{N}]?((?=[\p{L}])([^a-z]))*((?=[\p{L}])([^A-Z]))+"
               r"|[^\r\n\p{L}\p{N}]?((?=[\p{L}])([^a-z]))+((?=[\p{L}])([^A-Z]))*|\p{N}|" + REST],
    "bloom": [" ?[^(\\s|.,!?…。，、।۔،)]+"],
    "starcoder": [r"\p{N}", r"'s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)"],
    "deepseek-coder": ["[\r\n]", r"\s?\p{L}+", r"\s?\p{P}+", "[一-龥ࠀ-一가-\ud7ff]+", r"\p{N}"],
}


@cache
def members(category: str) -> CodePointSet:
    """A general category, or a group, in Unicode 15.1."""
    other = moved("15.1", "16.0")
    found = general_category(category) - CodePointSet.from_chars("".join(other))
    return found | CodePointSet.from_chars("".join(c for c, name in other.items() if name.startswith(category)))


def spelled(found: CodePointSet) -> str:
    return "".join(f"\\x{{{first:x}}}-\\x{{{last:x}}}" if last < 0x80 else f"{chr(first)}-{chr(last)}"
                   for first, last in found.ranges)


def llama_cpp(name: str, forgotten: str = "") -> Splitter:
    """A preset as llama.cpp does it; `forgotten` are characters that are in no category."""
    none = CodePointSet.from_chars(forgotten)

    def stand_in(found: re.Match[str]) -> str:
        return f"[{spelled(members(found[1][0]) - none)}]"

    patterns = REGEXES.get(name) or [split.pattern for split in Splitter.preset(name).splits]
    return Splitter([re.sub(r"\\p\{(\w+)\}", stand_in, pattern) for pattern in patterns])


def check(one: Splitter, other: Splitter, *, longest: int = 2) -> str:
    """The text that tells the two apart, which it does."""
    found = one.analyze().difference(other)
    assert found is not None
    assert one.split(found.text) == found.pieces != found.others == other.split(found.text)
    assert len(found.text) <= longest
    return found.text


def test_the_symbol_that_llama_cpp_forgot() -> None:
    """Of V3, in the first version: a blank belongs to the symbols after it, and not to `~`."""
    assert "~" in check(llama_cpp("deepseek-v3"), llama_cpp("deepseek-v3", "~"))
    assert "~" not in check(Splitter.preset("deepseek-v3"), llama_cpp("deepseek-v3"))


@pytest.mark.parametrize("name", ["deepseek-v3", "deepseek-coder", "llama-3", "qwen-2", "qwen-3.5", "gpt-2", "starcoder"])
def test_llama_cpp_has_tables_of_another_version(name: str) -> None:
    """What differs is a character that Unicode 16.0 has moved."""
    text = check(Splitter.preset(name), llama_cpp(name))
    assert set(text) & moved("15.1", "16.0").keys()


def test_categories_that_llama_cpp_does_not_know() -> None:
    """Marks, and letters beyond ASCII that are capital or small, whatever the tables' version."""
    text = check(Splitter.preset("tekken"), Splitter(REGEXES["tekken"]))
    assert not set(text) & moved("15.1", "16.0").keys()


def test_blanks_that_llama_cpp_replaces() -> None:
    """U+1680 and others stand in ranges of DeepSeek LLM, and are no longer themselves there."""
    llm = Splitter.preset("deepseek-llm")
    wide = re.compile(r"(\[.*[^\x00-\x7f].*\])")
    steps = [split._replace(pattern=wide.sub(lambda m: f"[{m[1]}&&[^{WIDE_BLANK}]]", split.pattern)) for split in llm.splits]
    assert sum(one != split for one, split in zip(steps, llm.splits)) == 3
    assert any(char.isspace() and char > "\x7f" for char in check(llm, Splitter(steps)))


def test_a_regex_without_a_bracket_in_a_bracket_is_bloom_too() -> None:
    assert Splitter.preset("bloom").analyze().difference(Splitter(REGEXES["bloom"])) is None


@pytest.mark.parametrize("name", ["deepseek-v3", "llama-3", "gpt-2", "kimi-k2", "tekken", "deepseek-coder"])
def test_tables_of_unicode_17(name: str) -> None:
    """As gigatoken 0.10.0 has them: the text has a character that is new in 17.0."""
    ours = Splitter.preset(name)
    text = check(ours, ours.with_unicode("17.0"))
    assert set(text) & moved("17.0", "16.0").keys()


def test_a_version_without_tables() -> None:
    with pytest.raises(UnsupportedError, match="expected a Unicode version out of"):
        Splitter("a").with_unicode("1.0")
