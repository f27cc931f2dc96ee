"""docs/migration.md: each line of its tables, run on both sides with DeepSeek V3's tokenizer."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tiktoken
from kept import kept
from real_models import V3, real
from transformers import PreTrainedTokenizerFast

import dstok

PAGE = (Path(__file__).resolve().parents[2] / "docs" / "migration.md").read_text(encoding="utf-8")
ROW = re.compile(r"(?m)^\| `([^`]+)` \| `([^`]+)` \|$")
ROWS = [(heading, *row) for heading, section in re.findall(r"(?ms)^## From (\w+)\n(.*?)(?=^## |\Z)", PAGE) for row in ROW.findall(section)]
TEXT = "Hello world, naïve 中文 123"
MARKED = f"{TEXT}<｜User｜>hi"
IDS = V3.encode(MARKED, add_bos=True, add_eos=True)
VARIABLES = {"dstok": dstok, "text": TEXT, "marked": MARKED, "texts": [TEXT, "Hi", ""], "ids": IDS, "batch": [IDS, IDS[:2]]}


@kept()
def theirs(library: str) -> Any:
    """V3's tokenizer, of the other library."""
    if library == "tokenizers":
        return real("deepseek-v3")
    if library == "tiktoken":
        return tiktoken.get_encoding("deepseek_v3")
    ends = {"bos_token": "<｜begin▁of▁sentence｜>", "eos_token": "<｜end▁of▁sentence｜>", "pad_token": "<｜end▁of▁sentence｜>"}
    return PreTrainedTokenizerFast(tokenizer_object=real("deepseek-v3"), clean_up_tokenization_spaces=False, **ends)


def value(expression: str, tok: Any) -> Any:
    found = eval(expression, {**VARIABLES, "tok": tok})
    return found.tolist() if isinstance(found, np.ndarray) else found


@pytest.mark.parametrize(("library", "their_call", "our_call"), ROWS)
def test_rows(library: str, their_call: str, our_call: str) -> None:
    expected, found = value(their_call, theirs(library)), value(our_call, V3)
    assert found == expected and found != []


def test_all_rows_are_found() -> None:
    """A line that the pattern above does not match would never run."""
    lines = re.findall(r"(?m)^\| `.*$", PAGE)
    assert len(lines) == len(ROWS) > 45
    assert {library for library, *_ in ROWS} == {"tokenizers", "transformers", "tiktoken"}
    for library in ("tokenizers", "tiktoken"):
        assert f"{library} {__import__(library).__version__}" in PAGE
