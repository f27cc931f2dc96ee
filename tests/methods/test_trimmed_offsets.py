"""Spans of models whose post-processor trims them: upstream's, in code points; and the same characters in bytes."""

from __future__ import annotations

import copy
import json
import pickle
from pathlib import Path
from typing import Any

import character_models
import pytest
import tokenizers
from character_models import character_json, metaspace
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
    for made in (dstok.load(tmp_path / "image"), dstok.Tokenizer.from_json(tmp_path / "tokenizer.json"),
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


# Models of characters: a space is "▁" there, which upstream takes for no white space


CHARACTER_MERGES = [("▁", "a"), ("▁", "▁"), ("\n", "\n"), ("\n", "▁"), ("▁", "\n"), ("a", "▁"), ("\u3000", "x"), ("b", "\n"),
                    ("Ġ", "a"), ("a", "Ġ"), ("▁a", "b")]
SHAPES = {
    "replaced": (character_models.REPLACE, None), "prepended": (character_models.PREPEND, None),
    **{f"{scheme}, split {split}": (None, metaspace(scheme, split))
       for scheme in ("always", "first", "never") for split in (False, True)}}
CHARACTER_PARTS = [*PARTS, "▁", "\t", "\u0085", "\u200b", "<0x0A>", "Ġa", "<t>", "▁n "]


def character_file(processor: dict[str, Any], shape: str, characters: str = "abxn<>▁Ġ\n\u3000é") -> str:
    found = character_json(*SHAPES[shape], characters=characters, merges=CHARACTER_MERGES)
    normalized = shape in ("replaced", "prepended")  # found after spaces have become "▁"; before Metaspace there are none
    added = [added_token("<l>", lstrip=True), added_token("\u3000x ", special=True), *[
        added_token(content, normalized=True) for content in ("<n>Ġ", " <t> ", "▁n ", "\t") if normalized]]
    following = len(found["model"]["vocab"])
    found["added_tokens"] = [{**token, "id": following + number} for number, token in enumerate(added)]
    return json.dumps({**found, "post_processor": processor})


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("kind", ["all", "but the first", "roberta", "roberta, all", "roberta, none"])
def test_spans_of_models_of_characters_are_upstreams(kind: str, shape: str) -> None:
    text = character_file(PROCESSORS[kind], shape)
    tok, judge = dstok.Tokenizer.from_str(text), tokenizers.Tokenizer.from_str(text)

    @examples(150)
    @given(st.lists(st.sampled_from(CHARACTER_PARTS), max_size=14).map("".join) | any_text)
    def same(text: str) -> None:
        found, expected = tok.encode_with_offsets(text), judge.encode(text, add_special_tokens=False)
        assert found.ids.tolist() == expected.ids
        assert list(map(tuple, found.char_spans.tolist())) == expected.offsets
        starts = [len(text[:end].encode()) for end in range(len(text) + 1)]
        for (start, end), (first, last), token in zip(found.byte_spans.tolist(), expected.offsets, expected.tokens):
            assert token.startswith("<0x") or (start, end) == (starts[first], starts[last])

    same()


@pytest.mark.parametrize("kind", ["all", "but the first"])
def test_which_characters_are_trimmed(kind: str) -> None:
    """Those with White_Space, and the letter that stands for a space in byte-level spellings."""
    every = "".join(chr(c) for c in range(0x10000) if not 0xD800 <= c < 0xE000 and chr(c) != " ")
    file = character_file(PROCESSORS[kind], "never, split False", every)
    tok, judge = dstok.Tokenizer.from_str(file), tokenizers.Tokenizer.from_str(file)
    text = "".join(sorted(every, key=lambda char: (char == "\n", char)))  # none beside one that it merges with
    found, expected = tok.encode_with_offsets(text), judge.encode(text, add_special_tokens=False)
    assert found.ids.tolist() == expected.ids and list(map(tuple, found.char_spans.tolist())) == expected.offsets
    trimmed = "".join(text[max(start - 1, 0)] for start, end in expected.offsets if start == end)
    assert trimmed == "\t\x0b\x0c\r\x85\xa0Ġ\u1680" + "".join(map(chr, range(0x2000, 0x200B))) + (
        "\u2028\u2029\u202f\u205f\u3000\n")
