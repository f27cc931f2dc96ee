"""The pre-tokenizers that are not a Split: the Split that stands for each cuts every text as upstream does.

Compared on all code points, on random texts, and by the ids of a whole file.
"""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from reference import examples
from shares import share
from small_models import BYTE_LEVEL
from tokenizer_json_cases import changed, steps
from tokenizers import Tokenizer, pre_tokenizers

import dstok
from dstok.errors import DstokError, TokenizerFileError, UnsupportedError
from dstok.formats.tokenizer_json import read_tokenizer_json
from dstok.regex import BEHAVIORS
from dstok.regex.cascade import Program, compile_splits

STEPS: list[dict[str, Any]] = [
    {"type": "Digits", "individual_digits": True},
    {"type": "Digits", "individual_digits": False},
    {"type": "Punctuation"},
    *({"type": "Punctuation", "behavior": behavior} for behavior in BEHAVIORS),
    {"type": "Whitespace"},
    {"type": "WhitespaceSplit"},
    *({"type": "CharDelimiterSplit", "delimiter": char} for char in "-.]é漢"),
]
GPT2 = {"type": "ByteLevel", "add_prefix_space": False, "trim_offsets": True, "use_regex": True}
DIGITS = "\u0663\u00bd\u4e00\u3007\u2167\U00011de0\U00016ff4\U0001d7d8"

each_step = pytest.mark.parametrize("step", STEPS, ids=json.dumps)


def file_with(*pre: dict[str, Any]) -> str:
    return json.dumps(changed(("pre_tokenizer", steps(*pre))))


def program(*pre: dict[str, Any]) -> Program:
    model = read_tokenizer_json(file_with(*pre))
    return compile_splits(model.splits, model.unicode_version)


def kept(found: Program, text: str) -> list[str]:
    return [piece for piece, tag in found.pieces(text) if not tag.dropped]


def upstream(step: dict[str, Any]) -> Any:
    """Upstream's pre-tokenizer, by its way of reading a file."""
    return Tokenizer.from_str(json.dumps(changed(("pre_tokenizer", step)))).pre_tokenizer


@each_step
def test_every_code_point(step: dict[str, Any]) -> None:
    ours, theirs = program(step, BYTE_LEVEL), upstream(step)
    for start in [*range(0, 0x3400, 0x400), *share(range(0x3400, 0x110000, 0x400), 16)]:
        if not 0xD800 <= start < 0xE000:
            text = "".join(f"x{chr(c)}" for c in range(start, start + 0x400))
            assert kept(ours, text) == [piece for piece, _ in theirs.pre_tokenize_str(text)], hex(start)


@each_step
def test_random_texts(step: dict[str, Any]) -> None:
    ours, theirs = program(step, BYTE_LEVEL), upstream(step)

    @given(st.text(st.sampled_from("ab1.-_]é漢 \n\t\u200d\u00a0\u0301!$" + DIGITS), max_size=20))
    @examples(300)
    def check(text: str) -> None:
        assert kept(ours, text) == [piece for piece, _ in theirs.pre_tokenize_str(text)]

    check()


@pytest.mark.parametrize("second", [BYTE_LEVEL, GPT2], ids=["bytes", "gpt2"])
@each_step
def test_ids_of_a_whole_file(step: dict[str, Any], second: dict[str, Any]) -> None:
    """Alone, and before GPT-2's regex."""
    data = file_with(step, second)
    try:
        ours = dstok.Tokenizer.from_str(data)
    except UnsupportedError as error:
        pytest.fail(f"refused: {error}")
    theirs = Tokenizer.from_str(data)

    @given(st.text(st.sampled_from("abc1.- \n!'s]" + DIGITS), max_size=20))
    @examples(100)
    def check(text: str) -> None:
        assert ours.encode(text) == theirs.encode(text, add_special_tokens=False).ids

    check()


def test_gpt2_alone() -> None:
    data = file_with(GPT2)
    ours, theirs = dstok.Tokenizer.from_str(data), Tokenizer.from_str(data)
    assert isinstance(theirs.pre_tokenizer, pre_tokenizers.Sequence)
    for text in ("it's  a  b1c\n\n d ", "ABab'S 12 ²", "  \u00a0x"):
        assert ours.encode(text) == theirs.encode(text, add_special_tokens=False).ids


@pytest.mark.parametrize(("step", "error", "where"), [
    ({"type": "Digits"}, TokenizerFileError, "$.pre_tokenizer.pretokenizers[0]"),
    ({"type": "Digits", "individual_digits": None}, TokenizerFileError,
     "$.pre_tokenizer.pretokenizers[0].individual_digits"),
    ({"type": "Punctuation", "behavior": "isolated"}, TokenizerFileError, "$.pre_tokenizer.pretokenizers[0].behavior"),
    ({"type": "CharDelimiterSplit", "delimiter": "ab"}, TokenizerFileError,
     "$.pre_tokenizer.pretokenizers[0].delimiter"),
    ({"type": "CharDelimiterSplit"}, TokenizerFileError, "$.pre_tokenizer.pretokenizers[0]"),
    ({"type": "Metaspace", "replacement": "_", "prepend_scheme": "always", "split": True}, UnsupportedError,
     "$.pre_tokenizer.pretokenizers[0].type"),
])
def test_what_is_refused(step: dict[str, Any], error: type[DstokError], where: str) -> None:
    with pytest.raises(error) as caught:
        read_tokenizer_json(file_with(step, BYTE_LEVEL))
    assert str(caught.value).endswith(f"at {where}")


@pytest.mark.parametrize(("padding", "length"), [
    ({"strategy": "BatchLongest"}, 2), ({"strategy": "BatchLongest", "pad_to_multiple_of": 1}, 2),
    ({"strategy": "BatchLongest", "pad_to_multiple_of": 8}, 8), ({"strategy": {"Fixed": 5}}, 5),
])
def test_padding(padding: dict[str, Any], length: int) -> None:
    """`encode` is that of upstream with padding switched off."""
    rest = {"direction": "Left", "pad_to_multiple_of": None, "pad_id": 0, "pad_type_id": 0, "pad_token": "a"}
    data = json.dumps(changed(("padding", rest | padding)))
    upstream = Tokenizer.from_str(data)
    assert len(upstream.encode("bc").ids) == length
    upstream.no_padding()
    assert dstok.Tokenizer.from_str(data).encode("bc") == upstream.encode("bc").ids


def test_the_table_of_punctuation_is_current() -> None:
    script = Path(__file__).resolve().parents[2] / "unicode_tables" / "punctuation.py"
    result = subprocess.run([sys.executable, script, "--check"], capture_output=True, text=True, check=False)
    assert (result.returncode, result.stderr) == (0, "")
