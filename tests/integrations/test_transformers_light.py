"""Light tokenizers: what transformers' own give, for all kinds and real models; errors where they lack something."""

from __future__ import annotations

import json
import pickle
from pathlib import Path
from typing import Any

import pytest
import tokenizers
from hypothesis import given
from hypothesis import strategies as st
from reference import examples
from shares import seeds
from text_strategies import texts as any_text
from transformers import AutoTokenizer
from transformers_calls import shown
from transformers_models import ALL_KINDS, REAL, folder, loaded

import dstok.integrations.transformers as fast
from dstok.errors import DstokError, TextError, UnknownIdError, UnsupportedError

PARTS = ["Hello", " the", " sentence", "é", "中文", "<s>", "<think>", " <mask>", "  ", "\n", "1234", "<|end|>", "🦙"]
TEXTS = st.lists(st.sampled_from(PARTS), max_size=12).map("".join) | any_text
OPTIONS = st.fixed_dictionaries({}, optional={
    "add_special_tokens": st.booleans(), "padding": st.sampled_from([True, "longest"]), "pad_to_multiple_of": st.just(4),
    "return_tensors": st.just("np"), "return_token_type_ids": st.booleans(), "return_attention_mask": st.booleans(),
    "return_special_tokens_mask": st.booleans(), "return_offsets_mapping": st.booleans(),
    "split_special_tokens": st.booleans()})
CUTS = st.none() | st.fixed_dictionaries({"truncation": st.sampled_from([True, "only_first"]), "max_length": st.integers(8, 20)})


@pytest.mark.parametrize("kind", [[*ALL_KINDS, *REAL][number] for number in seeds(len(ALL_KINDS) + len(REAL), 4)])
def test_calls_are_transformers(kind: str, tmp_path: Path) -> None:
    original, light = loaded(kind, tmp_path), fast.load(tmp_path / kind)

    @examples(150)
    @given(st.lists(TEXTS, min_size=1, max_size=3), TEXTS | st.none(), OPTIONS, CUTS, st.sampled_from(["left", "right"]))
    def same(texts: list[str], pair: str | None, options: dict[str, Any], cut: Any, side: str) -> None:
        original.truncation_side = light.truncation_side = original.padding_side = light.padding_side = side
        if pair is not None and cut:
            return  # a short pair may leave no room: the error is another one
        if ("return_tensors" in options and "padding" not in options) or (cut and "pad_to_multiple_of" in options):
            return  # rows of several lengths; a length that is no multiple
        every = {"return_token_type_ids": False, **options, **(cut or {})}
        for text, other in ((texts[0], pair or None), (texts, None if pair is None else [pair] * len(texts))):
            assert shown(light(text, other, **every)) == shown(original(text, other, **every))

    same()
    ids = original("Hello the <think> 中文é")["input_ids"]
    assert light.encode("Hello the <think> 中文é") == ids and len(light) == len(original)
    assert light.get_vocab() == original.get_vocab()
    assert light.convert_tokens_to_ids(light.convert_ids_to_tokens(ids)) == ids == original.convert_tokens_to_ids(
        original.convert_ids_to_tokens(ids))
    for end in range(len(ids)):
        assert light.decode(ids[:end], True) == original.decode(ids[:end], skip_special_tokens=True)
    assert light.batch_decode([ids, ids[1:]]) == original.batch_decode([ids, ids[1:]])
    assert (light.bos_token_id, light.eos_token_id) == (original.bos_token_id, original.eos_token_id)


def test_encodings_and_pickles(tmp_path: Path) -> None:
    light = fast.load(folder("llama", tmp_path) / "tokenizer.json")
    found = light(["Hello", "the"], padding="max_length", max_length=4)
    assert [len(row) for row in found["input_ids"]] == [4, 4] and type(found[0]) is tokenizers.Encoding
    assert shown(pickle.loads(pickle.dumps(light))(["Hello"])) == shown(light(["Hello"]))


def test_bos_of_the_configuration_alone_is_refused(tmp_path: Path) -> None:
    at = folder("qwen", tmp_path)
    config = json.loads((at / "tokenizer_config.json").read_text())
    (at / "tokenizer_config.json").write_text(json.dumps({**config, "add_bos_token": True}))
    with pytest.raises(UnsupportedError, match=r"asks for BOS or EOS - at \$.post_processor"):
        fast.load(at)


def test_what_it_lacks_is_an_error(tmp_path: Path) -> None:
    light = fast.load(folder("qwen", tmp_path))
    text: Any
    for text, pair in ((5, None), (["a", 5], None), (("a",), None), (None, None)):
        with pytest.raises(TypeError, match="expected a text or a list of texts"):
            light(text, pair)
    for first, second in ((["a"], "b"), ("a", ["b"]), (["a"], ["b", "c"])):
        with pytest.raises(ValueError, match="expected as many second texts as first ones"):
            light(first, second)
    for options in ({"truncation": True}, {"padding": "max_length"}, {"padding": "longer"}):
        with pytest.raises(ValueError, match="^expected"):
            light("a", **options)
    with pytest.raises(UnsupportedError, match="truncation that leaves no room"):
        light("a b c", truncation=True, max_length=0)
    with pytest.raises(TextError, match="lone surrogate"):
        light("\ud800")
    with pytest.raises(UnknownIdError):
        light.decode([10**6])
    light.pad_token_id = None
    with pytest.raises(DstokError, match="expected a pad_token_id to fill with"):
        light(["a", "b c"], padding=True)


def test_what_the_configuration_says_of_calls(tmp_path: Path) -> None:
    """Sides and names of inputs are as transformers reads them; nothing is set here."""
    at = folder("qwen", tmp_path)
    config = json.loads((at / "tokenizer_config.json").read_text())
    for change in ({"padding_side": "left"}, {"truncation_side": "left"}, {"model_input_names": ["input_ids"]},
                   {"model_input_names": ["input_ids", "token_type_ids", "attention_mask"]}, {"split_special_tokens": False}):
        (at / "tokenizer_config.json").write_text(json.dumps({**config, **change}))
        original, light = AutoTokenizer.from_pretrained(at), fast.load(at)
        for options in ({}, {"padding": True}, {"truncation": True, "max_length": 2}):
            texts = ["Hello the sentence", "the <think>"]
            assert shown(light(texts, **options)) == shown(original(texts, **options)), (change, options)


@pytest.mark.parametrize(("change", "message"), [
    ({"padding_side": "both"}, "padding_side"), ({"split_special_tokens": True}, "split_special_tokens"),
    ({"additional_special_tokens": ["<new>"]}, "'<new>' - at .*additional_special_tokens"),
    ({"extra_special_tokens": {"image_token": "<image>"}}, "'<image>'"), ({"cls_token": {"content": "Hello"}}, "'Hello'"),
])
def test_a_configuration_that_changes_ids_is_refused(change: dict[str, Any], message: str, tmp_path: Path) -> None:
    at = folder("qwen", tmp_path)
    config = json.loads((at / "tokenizer_config.json").read_text())
    (at / "tokenizer_config.json").write_text(json.dumps({**config, **change}))
    with pytest.raises(UnsupportedError, match=message):
        fast.load(at)
