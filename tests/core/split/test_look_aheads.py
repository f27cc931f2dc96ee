"""Patterns with an alternative of the rules' own look-aheads in front: where the walk gives them rules, every level cuts as the
automaton does, over the edges of blocks of 64 bytes.

The walk goes through small blocks. These texts are where a block of 64 bytes may know more than a small one.
"""

from __future__ import annotations

import look_aheads
import pytest
import tokenizers
from real_models import level, levels
from shares import seeds
from small_models import model_json, upstream_ids
from upstream import model_splits

import dstok
from dstok.compiled.kernel_selection import NONE, find_kernel
from dstok.compiled.programs import tables_of
from dstok.core.encode.pieces import SpanPass
from dstok.errors import UnsupportedError
from dstok.regex.cascade import Program, compile_splits

PATTERNS, DAILY, TEXTS = 3006, 9, 40  # a third of a second each, most of it for the walk


def assert_alike(own: Program, texts: list[str]) -> None:
    """Every level cuts the texts as the automaton alone does."""
    passes = {}
    for name in levels():
        with level(name):
            passes[name] = SpanPass(tables_of(own).finder())
    for text in texts:
        expected = passes["automaton"].split(text.encode())
        for name, span_pass in passes.items():
            assert span_pass.split(text.encode()) == expected, (name, text)


@pytest.mark.parametrize("number", seeds(PATTERNS, DAILY))
def test_what_the_walk_accepts(number: int) -> None:
    splits, core = look_aheads.changed(number)
    try:
        own = compile_splits(splits)
    except UnsupportedError:
        return
    if find_kernel(own).rules != NONE:
        assert_alike(own, look_aheads.texts(number, core, TEXTS))


def test_some_are_accepted() -> None:
    """Of patterns without rules nothing is learned."""
    numbers = [number for number in range(36) if look_aheads.family(number) in (LLM, CODER)]
    assert any(find_kernel(compile_splits(look_aheads.changed(number)[0])).rules for number in numbers)


# Cases that a block of 64 bytes sees, but a block of two does not: (family, step, alternative, text).
LLM, CODER = "deepseek-llm-7b-base", "deepseek-coder-33b-base"
WIDE = [(name, 0, rf"\n {count}(?=[{follows}])|", f"ab\n{' ' * spaces}\u00e9\u4e2d")
        for name, count, follows, spaces in [
            ("qwen-2.5", "{2,}", r"^\x00-\x7F", 3), ("qwen-2.5", "{4,}", r"\u00e9", 5), ("glm-4", "{2,}", r"^\x00-\x7F", 3),
            ("minimax", "{2,}", r"^\x00-\x7F", 3), ("cl100k_base", "{3,}", r"\u0100-\uFFFF", 4)]]
TABS = [("deepseek-v3", 2, r"\n\t{3,}(?=[\x{800}-\x{FFFF}])|", "ab\n\t\t\t\u4e2dab"),
        ("glm-4", 0, r"\x{e9}\x{3000}{3}(?=\x{e9})|", "ab\u00e9\u3000\u3000\u3000\u00e9ab")]
OTHERS = [(name, step, f"{first} {{2,}}(?={follows})|", f"zz{sign}   {follows}zz")
          for name, step, first, sign in [(CODER, 1, r"\x01", "\x01"), (CODER, 1, "[+]", "+"), (LLM, 0, "", "\x01")]
          for follows in ("\u00e9", "\u4e2d")]


@pytest.mark.parametrize(("name", "step", "alternative", "text"), WIDE + TABS + OTHERS)
def test_rules_that_are_right_for_small_blocks_alone(name: str, step: int, alternative: str, text: str) -> None:
    splits = list(model_splits(name))
    splits[step] = splits[step]._replace(pattern=alternative + splits[step].pattern)
    own = compile_splits(splits)
    assert_alike(own, [text + "word " * 30, "x" * 40 + (text + " ") * 9])


@pytest.mark.parametrize("name", levels())
def test_ids_are_upstreams(name: str) -> None:
    pattern = r"\n {2,}(?=[^\x00-\x7F])|" + model_splits("glm-4")[0].pattern
    text = model_json([(b" ", b" "), (b"\n", b"  ")], pattern=pattern)
    judge = tokenizers.Tokenizer.from_str(text)
    with level(name):
        tok = dstok.Tokenizer.from_str(text)
    for line in ("ab\n   \u00e9cd " + "word " * 30, "x" * 20 + "\n  \u00e9", "a\n    \u4e2d" + "b" * 100):
        assert tok.encode(line) == upstream_ids(judge, line), line
