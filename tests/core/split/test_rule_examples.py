"""The examples in the comments of the mask kernel's headers are what the patterns give."""

from __future__ import annotations

import pytest
from core_sources import source

from dstok import Splitter

# (a header, how the text is written there, presets, its pieces)
EXAMPLES = [
    ("rules.h", "Hi  all", ("deepseek-v3", "llama-3", "qwen-2", "minimax", "gpt-2", "cl100k"), ["Hi", " ", " all"]),
    ("rules.h", "12345678", ("deepseek-v3", "llama-3", "minimax"), ["123", "456", "78"]),
    ("rules.h", r"a \n  b", ("deepseek-v3", "llama-3", "qwen-2", "minimax"), ["a", " \n", " ", " b"]),
    ("rules.h", r"a \n  \nb", ("deepseek-v3", "llama-3", "qwen-2", "minimax"), ["a", " \n  \n", "b"]),
    ("rules.h", r"a  \x01b", ("deepseek-v3",), ["a", " ", " ", "\x01b"]),
    ("rules.h", r"a  \x01b", ("llama-3",), ["a", " ", " \x01", "b"]),
    ("rules_words.h", r"a !?\n\nb", ("deepseek-v3", "llama-3", "minimax"), ["a", " !?\n\n", "b"]),
    ("rules_words.h", "!ab", ("deepseek-v3",), ["!ab"]),
    ("rules_words.h", r"!a\u00e9", ("deepseek-v3",), ["!a", "é"]),
    ("rules_words.h", "?!ab", ("deepseek-v3",), ["?!", "ab"]),
    ("rules_words.h", "ab cd!ef", ("deepseek-v3",), ["ab", " cd", "!ef"]),
    ("rules_words.h", r"ab\u4e2d\u6587cd", ("deepseek-v3",), ["ab", "\u4e2d\u6587", "cd"]),
    ("rules_words.h", "it'sx", ("llama-3", "qwen-2", "gpt-2"), ["it", "'s", "x"]),
    ("rules_words.h", "it'sx", ("minimax", "o200k"), ["it's", "x"]),
    ("rules_words.h", "a (b", ("llama-3", "qwen-2"), ["a", " (", "b"]),
    ("rules_words.h", "a(b", ("llama-3", "qwen-2"), ["a", "(b"]),
    ("rules_words.h", "aBc", ("minimax", "o200k"), ["a", "Bc"]),
    ("rules_words.h", r"!\n/a", ("minimax", "o200k"), ["!\n/", "a"]),
    ("rules_runs.h", "ab  c+ (", ("deepseek-coder",), ["ab", " ", " c", "+", " ("]),
    ("rules_runs.h", r" \u4e2d\u6587a", ("deepseek-coder",), [" ", "\u4e2d\u6587", "a"]),
    ("rules_runs.h", r"caf\u00e9", ("deepseek-llm",), ["caf", "é"]),
    ("rules_runs.h", r"\x01  \n\x01 7", ("deepseek-llm",), ["\x01", "  ", "\n", "\x01 ", "7"]),
    ("rules_runs.h", r"\x01  ", ("deepseek-llm",), ["\x01", "  "]),
    ("rules_runs.h", r"\x01  7", ("deepseek-llm",), ["\x01  ", "7"]),
    ("rules_runs.h", r"ab\n7", ("deepseek-llm", "deepseek-coder"), ["ab", "\n", "7"]),
    ("rules_words.h", "a12 345", ("qwen-2",), ["a", "1", "2", " ", "3", "4", "5"]),
    ("rules_words.h", "a12 345", ("llama-3", "cl100k"), ["a", "12", " ", "345"]),
    ("rules_words.h", "a12 345", ("gpt-2",), ["a", "12", " 345"]),
    ("rules_words.h", r"a  \n  ", ("llama-3",), ["a", "  \n", "  "]),
    ("rules_words.h", r"a  \n  ", ("cl100k",), ["a", "  \n  "]),
    ("rules_words.h", "I'd've", ("minimax", "o200k"), ["I'd", "'ve"]),
    ("rules_words.h", "a12 345", ("starcoder",), ["a", "1", "2", " ", "3", "4", "5"]),
    ("rules.h", r"a\u00a0b", ("deepseek-v3", "llama-3", "qwen-2"), ["a", "\u00a0b"]),
]


@pytest.mark.parametrize(("header", "written", "presets", "pieces"), EXAMPLES, ids=lambda value: ascii(value)[:20])
def test_an_example(header: str, written: str, presets: tuple[str, ...], pieces: list[str]) -> None:
    assert f'"{written}"' in source(header).read_text(encoding="utf-8")
    text = written.encode().decode("unicode_escape")
    for preset in presets:
        assert Splitter.preset(preset).split(text) == pieces
