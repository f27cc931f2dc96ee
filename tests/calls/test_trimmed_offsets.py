"""Spans of models whose post-processor trims them: upstream's, in code points; and the same characters in bytes."""

from __future__ import annotations

import copy
import json
import pickle
from pathlib import Path
from typing import Any

import pytest
import tokenizers
from hypothesis import given
from hypothesis import strategies as st
from reference import examples
from small_models import BYTE_LEVEL, added_token, model_json
from text_strategies import texts as any_text

import dstok
from dstok.errors import UnsupportedError

MERGES = [(b" ", b"a"), (b" ", b" "), (b"  ", b"  "), (b" a", b"b"), (b"\xe3", b"\x80"), (b"\xe3\x80", b"\x80"), (b"\n", b" "), (b"a", b" "), (b"b", b"  ")]
ADDED = [added_token("<s>", special=True), added_token("</s>", special=True), added_token("<l>", lstrip=True),
         added_token("\u3000x ", special=True), added_token("<r>", rstrip=True), added_token("<n>Ġ", normalized=True)]
FILE = json.loads(model_json(MERGES, ADDED[:4] + ADDED[5:], None))
IDS = {token["content"]: token["id"] for token in FILE["added_tokens"]}
TEMPLATE = {"type": "TemplateProcessing", "single": [{"SpecialToken": {"id": "<s>", "type_id": 0}}, {"Sequence": {"id": "A", "type_id": 0}}],
            "pair": [], "special_tokens": {"<s>": {"id": "<s>", "ids": [IDS["<s>"]], "tokens": ["<s>"]}}}


def byte_level(trims: bool, prefix: bool) -> dict[str, Any]:
    return {**BYTE_LEVEL, "trim_offsets": trims, "add_prefix_space": prefix}


def roberta(trims: bool, prefix: bool) -> dict[str, Any]:
    return {"type": "RobertaProcessing", "sep": ["</s>", IDS["</s>"]], "cls": ["<s>", IDS["<s>"]], "trim_offsets": trims,
            "add_prefix_space": prefix}


def sequence(*steps: dict[str, Any]) -> dict[str, Any]:
    return {"type": "Sequence", "processors": list(steps)}


PROCESSORS = {
    "all": byte_level(True, False), "but the first": byte_level(True, True), "roberta": roberta(True, True),
    "roberta, all": roberta(True, False), "roberta, none": roberta(False, True),
    "bert": {"type": "BertProcessing", "sep": ["</s>", IDS["</s>"]], "cls": ["<s>", IDS["<s>"]]},
    "before a template": sequence(byte_level(True, True), TEMPLATE),
}
PARTS = [" ", "a", "b", "\n", "\u3000", "é", "<s>", "<l>", "x ", "Ġ", "<n>Ġ", "e\u0301"]
NORMALIZERS = {"none": None, "NFC": {"type": "NFC"}, "strip": {"type": "Strip", "strip_left": True, "strip_right": True},
               "prepend": {"type": "Prepend", "prepend": " "}}


def file(processor: Any, normalizer: Any = None) -> str:
    return json.dumps({**FILE, "post_processor": processor, "normalizer": normalizer})


@pytest.mark.parametrize("name", NORMALIZERS)
@pytest.mark.parametrize("kind", PROCESSORS)
def test_spans_are_upstreams(kind: str, name: str) -> None:
    text = file(PROCESSORS[kind], NORMALIZERS[name])
    tok, judge = dstok.Tokenizer.from_str(text), tokenizers.Tokenizer.from_str(text)

    @examples(60)
    @given(st.lists(st.sampled_from(PARTS), max_size=14).map("".join) | any_text)
    def same(text: str) -> None:
        found, expected = tok.encode_with_offsets(text), judge.encode(text, add_special_tokens=False)
        assert found.ids.tolist() == expected.ids
        assert list(map(tuple, found.char_spans.tolist())) == expected.offsets
        if name == "none":
            data = text.encode()
            for (start, end), (first, last) in zip(found.byte_spans.tolist(), found.char_spans.tolist()):
                own = data[start:end]
                assert start <= end and (own in text[first:last].encode() or first == last)

    same()


def test_the_rest_is_as_it_was() -> None:
    tok, plain = (dstok.Tokenizer.from_str(file(byte_level(trims, False))) for trims in (True, False))
    text = "  a b  ab <l> \u3000x \n"
    assert tok.encode(text) == plain.encode(text) and tok.fingerprint == plain.fingerprint
    assert list(tok.chunk(text, 3)) == list(plain.chunk(text, 3))
    assert tok.truncate(text, 3, truncation_side="left") == plain.truncate(text, 3, truncation_side="left")


@pytest.mark.parametrize("kind", PROCESSORS)
def test_files_images_pickles(kind: str, tmp_path: Path) -> None:
    tok, judge = dstok.Tokenizer.from_str(file(PROCESSORS[kind])), tokenizers.Tokenizer.from_str(file(PROCESSORS[kind]))
    text = "  a b  ab"
    tok.to_image(tmp_path / "image")
    tok.to_json(tmp_path / "tokenizer.json")
    for made in (dstok.Tokenizer.from_image(tmp_path / "image"), dstok.Tokenizer.from_json(tmp_path / "tokenizer.json"),
                 pickle.loads(pickle.dumps(tok)), copy.copy(tok)):
        assert made.encode_with_offsets(text) == tok.encode_with_offsets(text)
    written = tokenizers.Tokenizer.from_file(str(tmp_path / "tokenizer.json"))
    pairs = () if kind == "before a template" else (("  a b  ab ", " <s> a "),)
    for given_texts in ((text,), (" ",), *pairs):
        found, expected = written.encode(*given_texts), judge.encode(*given_texts)
        assert (found.ids, found.type_ids, found.offsets) == (expected.ids, expected.type_ids, expected.offsets)


def test_how_spans_are_trimmed_is_said_once() -> None:
    """By the description alone: the steps around texts are the same, whatever they do to spans."""
    descriptions = [dstok.Tokenizer.from_str(file(PROCESSORS[kind]))._describe() for kind in ("roberta", "roberta, all", "roberta, none")]
    assert [model.trim_offsets for model in descriptions] == ["but-first", "all", ""]
    assert len({model.config.framing for model in descriptions}) == 1


@pytest.mark.parametrize("steps", [(byte_level(True, False), roberta(True, False)), (TEMPLATE, byte_level(True, False))])
def test_trimming_twice_or_after_a_template_is_refused(steps: tuple[dict[str, Any], ...]) -> None:
    with pytest.raises(UnsupportedError, match=r"trimmed again, or after a template - at \$.post_processor.processors"):
        dstok.Tokenizer.from_str(file(sequence(*steps)))
