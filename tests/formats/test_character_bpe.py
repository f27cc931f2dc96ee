"""Models of characters with byte fallback: the known shapes are read as a whole, all others refused with their path."""

from __future__ import annotations

import json
from typing import Any

import pytest
from character_models import (
    BLANK,
    DECODERS,
    PREPEND,
    REPLACE,
    SPLIT,
    STRIP,
    added_token,
    character_json,
    metaspace,
)
from fetched_models import TODAY
from judges import judge
from tokenizers import Tokenizer

from dstok.errors import TokenizerFileError, UnsupportedError
from dstok.formats.tokenizer_json import read_tokenizer_json, write_tokenizer_json

SHAPES: list[tuple[dict[str, Any], tuple[str, bool, int]]] = [
    (character_json(), ("none", False, 0)),
    (character_json(pre_tokenizer=SPLIT), ("none", False, 0)),
    (character_json({"type": "Sequence", "normalizers": [REPLACE]}), ("none", False, 0)),
    (character_json(PREPEND, decoders=[*DECODERS, STRIP]), ("stretch", False, 1)),
    (character_json(None, metaspace("first", False), decoders=[*DECODERS, STRIP]), ("text", False, 1)),
    (character_json(None, metaspace("always")), ("unless-blank", True, 0)),
    (character_json(None, {"type": "Metaspace", "replacement": BLANK}), ("unless-blank", True, 0)),
    (character_json(None, {**metaspace("never", True), "add_prefix_space": False}), ("none", True, 0)),
    (character_json(unk_token=None, fuse_unk=False), ("none", False, 0)),
]
UNSUPPORTED: list[tuple[dict[str, Any], str]] = [
    (character_json(None), "$.normalizer"),
    (character_json({"type": "NFKC"}), "$.normalizer"),
    (character_json({**REPLACE, "content": "_"}), "$.normalizer.content"),
    (character_json({**REPLACE, "pattern": {"Regex": " "}}), "$.normalizer.pattern"),
    (character_json(REPLACE, metaspace("first")), "$.normalizer"),
    (character_json(None, {**metaspace("first"), "replacement": "_"}), "$.pre_tokenizer.replacement"),
    (character_json(pre_tokenizer={**SPLIT, "behavior": "Isolated"}), "$.pre_tokenizer.behavior"),
    (character_json(pre_tokenizer={**SPLIT, "invert": True}), "$.pre_tokenizer.invert"),
    (character_json(decoders=DECODERS[:2]), "$.decoder"),
    (character_json(decoders=[*DECODERS, {**STRIP, "start": 2}]), "$.decoder.decoders[3].start"),
    (character_json(decoders=[*DECODERS, {**STRIP, "stop": 1}]), "$.decoder.decoders[3].stop"),
    (character_json(byte_fallback=False), "$.model.byte_fallback"),
    (character_json(ignore_merges=True), "$.model.ignore_merges"),
    (character_json(end_of_word_suffix="</w>"), "$.model.end_of_word_suffix"),
    (character_json(dropout=0.5), "$.model.dropout"),
    (character_json(merges=[("<0x41>", "a")]), "$.model.merges"),
    (character_json(merges=[("a", "▁"), ("▁", " ")], characters="ab▁ "), '$.model.vocab["\\u2581 "]'),
    (character_json(merges=[], characters="ab"), "$.model.vocab"),
    (character_json(added=[added_token(2, "<0x00>")]), "$.added_tokens[0]"),
    (character_json(added=[added_token(1, "<s>", normalized=True, rstrip=True)]), "$.added_tokens[0]"),
    (character_json(None, metaspace("first"), added=[added_token(0, "<unk>"), added_token(1, "<s>", normalized=True)]),
     "$.added_tokens[1]"),
]
BROKEN: list[tuple[dict[str, Any], str]] = [
    (character_json(None, {**metaspace("always"), "add_prefix_space": False}), "$.pre_tokenizer.add_prefix_space"),
    (character_json(None, metaspace("last")), "$.pre_tokenizer.prepend_scheme"),
    (character_json(decoders=[*DECODERS, {"type": "Strip", "content": " ", "start": 1}]), "$.decoder.decoders[3]"),
]


@pytest.mark.parametrize(("file", "expected"), SHAPES)
def test_a_known_shape_is_read_and_written(file: dict[str, Any], expected: tuple[str, bool, int]) -> None:
    Tokenizer.from_str(json.dumps(file))
    model = read_tokenizer_json(json.dumps(file))
    shape = model.characters
    assert shape is not None
    assert (shape.prefix, shape.split, shape.strip) == expected
    assert model.tokens[shape.byte_ids[0xE4]] == b"\xe4"
    assert model.tokens[file["model"]["vocab"]["▁ab"]] == b" ab"
    check_written(file, write_tokenizer_json(model))


def check_written(file: dict[str, Any], text: str) -> None:
    """The written file has the same values, but for the form of the merges."""
    written = json.loads(text)
    for some in (file, written):
        some["model"]["merges"] = [m if isinstance(m, list) else m.split(" ") for m in some["model"]["merges"]]
    written["model"] = {key: value for key, value in written["model"].items() if key in file["model"]}
    assert written["model"].setdefault("ignore_merges", False) is False
    assert written == {**file, "model": {"ignore_merges": False, **file["model"]}}


@pytest.mark.parametrize(("file", "where"), UNSUPPORTED)
def test_another_shape_is_refused(file: dict[str, Any], where: str) -> None:
    Tokenizer.from_str(json.dumps(file))
    with pytest.raises(UnsupportedError) as caught:
        read_tokenizer_json(json.dumps(file))
    assert caught.value.where == where


@pytest.mark.parametrize(("file", "where"), BROKEN)
def test_a_file_that_upstream_does_not_load(file: dict[str, Any], where: str) -> None:
    with pytest.raises(Exception, match="."):  # upstream has no class of its own
        Tokenizer.from_str(json.dumps(file))
    with pytest.raises(TokenizerFileError) as caught:
        read_tokenizer_json(json.dumps(file))
    assert caught.value.where == where


@pytest.mark.parametrize("name", TODAY)
def test_real_files(name: str) -> None:
    text = judge(f"npm/{name}/tokenizer.json").read_text(encoding="utf-8")
    check_written(json.loads(text), write_tokenizer_json(read_tokenizer_json(text)))
