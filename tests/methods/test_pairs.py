"""Two texts in a row: ids, type ids, masks and what truncation leaves over, as upstream's with random templates."""

from __future__ import annotations

import json
import pickle
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tokenizers
from hypothesis import given
from hypothesis import strategies as st
from real_models import V3, real
from reference import examples
from small_models import BYTE_LEVEL, added_token, model_json
from small_models import both as whole
from text_strategies import texts as any_text

import dstok
from dstok.compiled.build import build_tables
from dstok.compiled.image import image_of
from dstok.compiled.image_file import image_bytes, read_image, sha256_digest
from dstok.errors import DstokError, ImageError, SpecialTokenError, TextError, UnsupportedError
from dstok.formats.tokenizer_json import read_tokenizer_json
from dstok.padding import Padding, Truncation, encode_pair, pad_pairs, pair_overflow

MERGES = [(b"a", b"b"), (b" ", b"ab"), (b"\xc3", b"\xa9"), (b"ab", b"ab")]
NAMES = ("<s>", "</s>", "<sep>")
FILE = json.loads(model_json(MERGES, [added_token(name, special=True) for name in NAMES]))
TABLES = build_tables(read_tokenizer_json(json.dumps(FILE)))
SPECIAL = {"<s>": [260], "</s>": [261], "<sep>": [262, 7, 262], "<none>": [], "<far>": [4294967295]}  # upstream takes what it is given
SIDES = st.sampled_from(["right", "left"])
TRUNCATIONS = st.sampled_from(["longest_first", "only_first", "only_second"])
SMALL = st.text(st.sampled_from("ab é<s>"), max_size=9)
TYPES = st.sampled_from([0, 1, 2, 4294967295])


def both(processor: Any) -> tuple[dstok.Tokenizer, tokenizers.Tokenizer]:
    """The tokenizer with this post-processor, ours and upstream's; our tables are made once."""
    text = json.dumps({**FILE, "post_processor": processor})
    model = read_tokenizer_json(text)
    return dstok.Tokenizer._of_tables(TABLES, model.added_tokens, None, None, config=model.config), tokenizers.Tokenizer.from_str(text)


def fixed(name: str, type_id: int) -> dict[str, Any]:
    return {"SpecialToken": {"id": name, "type_id": type_id}}


def text_of(name: str, type_id: int) -> dict[str, Any]:
    return {"Sequence": {"id": name, "type_id": type_id}}


def template(pair: list[dict[str, Any]], single: list[dict[str, Any]] | None = None) -> dict[str, Any]:
    special = {name: {"id": name, "ids": ids, "tokens": ["x"] * len(ids)} for name, ids in SPECIAL.items()}
    return {"type": "TemplateProcessing", "single": single or [text_of("A", 0)], "pair": pair, "special_tokens": special}


@st.composite
def templates(draw: st.DrawFn) -> dict[str, Any]:
    """Both texts in any order, with special tokens around and between."""
    some = st.lists(st.builds(fixed, st.sampled_from(list(SPECIAL)), TYPES), max_size=2)
    first, second = draw(st.permutations("AB"))
    return template([*draw(some), text_of(first, draw(TYPES)), *draw(some), text_of(second, draw(TYPES)), *draw(some)])


ENDS = {"sep": ["</s>", 261], "cls": ["<s>", 260]}
FRAMINGS = st.none() | templates() | st.sampled_from([
    {"type": "BertProcessing", **ENDS},
    {"type": "RobertaProcessing", **ENDS, "trim_offsets": True, "add_prefix_space": False},
])


@st.composite
def processors(draw: st.DrawFn) -> Any:
    """A post-processor: one that puts ids around texts or none, alone or among ByteLevels."""
    one = draw(FRAMINGS)
    before, after = ([BYTE_LEVEL] * draw(st.integers(0, 1)) for _ in range(2))
    if not before and not after:
        return one
    return {"type": "Sequence", "processors": [*before, *([one] if one else []), *after]}


def around(upstream: tokenizers.Tokenizer, add: bool) -> int:
    return upstream.num_special_tokens_to_add(True) if add else 0


def rows(found: Any) -> list[tuple[Any, ...]]:
    """Upstream's encoding and those left over, or ours."""
    if isinstance(found, list):
        return [(part.ids.tolist(), part.type_ids.tolist(), part.special_tokens_mask.tolist()) for part in found]
    return [(each.ids, each.type_ids, list(map(bool, each.special_tokens_mask))) for each in (found, *found.overflowing)]


@examples(400)
@given(processors(), SMALL | any_text, SMALL | any_text, st.booleans(), st.integers(0, 12), st.integers(0, 3), SIDES, TRUNCATIONS)
def test_pairs_are_upstreams(
    processor: Any, text: str, pair: str, add: bool, room: int, stride: int, side: Any, truncation: Any,
) -> None:
    ours, upstream = both(processor)
    found = encode_pair(ours, text, pair, add_special_tokens=add)
    assert rows([found]) == rows(upstream.encode(text, pair, add_special_tokens=add))
    assert (found.ids.dtype, found.type_ids.dtype, found.special_tokens_mask.dtype) == (np.uint32, np.uint32, np.bool_)
    longest = room + around(upstream, add)
    try:
        upstream.enable_truncation(longest, stride=stride, strategy=truncation, direction=side)
    except ValueError:  # a stride that leaves no new id of a text alone
        return
    cut = Truncation(longest, side, stride, truncation)
    try:
        expected = upstream.encode(text, pair, add_special_tokens=add)
    except BaseException:  # upstream's panics are no Exception
        with pytest.raises(ValueError, match="^expected a"):
            pair_overflow(ours, text, pair, cut, add_special_tokens=add)
    else:
        assert rows(pair_overflow(ours, text, pair, cut, add_special_tokens=add)) == rows(expected)


@examples(300)
@given(processors(), st.lists(st.tuples(SMALL | any_text, SMALL | any_text), max_size=5), st.booleans(), st.none() | st.integers(0, 12),
       SIDES, SIDES, TRUNCATIONS, st.none() | st.integers(1, 8), st.integers(0, 3))
def test_rows_of_pairs_are_upstreams(
    processor: Any, texts: list[tuple[str, str]], add: bool, room: int | None, side: Any, cut: Any, truncation: Any,
    multiple: int | None, pad_type_id: int,
) -> None:
    ours, upstream = both(processor)
    longest = None if room is None else room + around(upstream, add)
    if longest is not None:
        upstream.enable_truncation(longest, strategy=truncation, direction=cut)
    upstream.enable_padding(direction=side, pad_id=5, pad_token="x", pad_type_id=pad_type_id, pad_to_multiple_of=multiple)
    padding = Padding(side, 5, multiple_of=multiple, type_id=pad_type_id)
    truncating = None if longest is None else Truncation(longest, cut, strategy=truncation)
    first, second = [text for text, _ in texts], [pair for _, pair in texts]
    try:
        expected = upstream.encode_batch(texts, add_special_tokens=add)
    except Exception:  # the text to cut is too short
        with pytest.raises(ValueError, match="^expected a (first|second) text of more than"):
            pad_pairs(ours, first, second, padding, truncating, add_special_tokens=add)
        return
    found = pad_pairs(ours, first, second, padding, truncating, add_special_tokens=add)
    assert found.ids.tolist() == [row.ids for row in expected]
    assert found.mask.tolist() == [row.attention_mask for row in expected]
    assert found.type_ids.tolist() == [row.type_ids for row in expected]
    assert {each.dtype for each in found} == {np.dtype(np.int64)} and {each.shape for each in found} == {found.ids.shape}


@pytest.mark.parametrize("name", ["deepseek-v3", "deepseek-ocr", "deepseek-vl2", "deepseek-r1-distill-qwen"])
def test_built_in_models(name: str) -> None:
    upstream, tok = real(name), dstok.load(name)
    expected = upstream.encode("Hello world", "naïve 中文<｜User｜>")
    assert rows([encode_pair(tok, "Hello world", "naïve 中文<｜User｜>")]) == rows(expected)
    again = pickle.loads(pickle.dumps(tok))
    assert rows([encode_pair(again.replace(eos_id=5), "Hello", "world")]) == rows(upstream.encode("Hello", "world"))


BERT, ROBERTA = {"type": "BertProcessing", **ENDS}, {"type": "RobertaProcessing", **ENDS, "trim_offsets": True, "add_prefix_space": True}
TEMPLATE = template([fixed("<s>", 3), text_of("B", 2), fixed("<sep>", 1), text_of("A", 0)], [fixed("<s>", 0), text_of("A", 0)])


@pytest.mark.parametrize("processor", [None, BERT, ROBERTA, TEMPLATE, {"type": "Sequence", "processors": [BYTE_LEVEL, TEMPLATE]}])
def test_files_and_copies_keep_it(processor: Any, tmp_path: Path) -> None:
    ours, upstream = whole(json.dumps({**FILE, "post_processor": processor}))
    expected = rows(upstream.encode("ab é", "a"))
    ours.to_image(tmp_path / "image")
    ours.to_json(tmp_path / "tokenizer.json")
    written = tokenizers.Tokenizer.from_file(str(tmp_path / "tokenizer.json"))
    assert rows(written.encode("ab é", "a")) == expected
    assert written.encode("ab é").ids == upstream.encode("ab é").ids
    for tok in (dstok.load(tmp_path / "image"), dstok.load(tmp_path / "tokenizer.json"), pickle.loads(pickle.dumps(ours))):
        assert rows([encode_pair(tok, "ab é", "a")]) == expected
        assert tok.config == ours.config


def test_files_that_cannot_hold_it_say_so(tmp_path: Path) -> None:
    ours, _ = whole(json.dumps({**FILE, "post_processor": BERT}))
    assert ours.to_tiktoken(tmp_path / "ranks")[-1].endswith("does not say what stands around texts and between those of a pair")
    lost = dstok.load("deepseek-ocr").to_gguf(tmp_path / "model.gguf")
    assert lost[-1].startswith("what stands around texts and between those of a pair is not written")


def framed(*steps: Any) -> str:
    return json.dumps(steps)


@pytest.mark.parametrize("name", ["deepseek-v3", "deepseek-vl2"])
def test_a_pair_makes_nothing_anew_that_is_the_same_each_time(name: str) -> None:
    """What stands around pairs is read once: a call makes few calls, in Python or of it."""
    tok, calls = dstok.load(name), 0

    def count(frame: Any, event: str, argument: Any) -> None:
        nonlocal calls
        calls += event in ("call", "c_call")

    first = encode_pair(tok, "Hello", "world")
    before = sys.getprofile()
    sys.setprofile(count)
    try:
        again = encode_pair(tok, "Hello", "world")
    finally:
        sys.setprofile(before)
    assert rows([again]) == rows([first]) and 0 < calls <= 30
    assert tok.config is tok.config and tok.replace(eos_id=5).config.eos_id == 5
    with pytest.raises(AttributeError):
        tok.config = tok.config  # type: ignore[misc]


DAMAGED = {
    "[": "not JSON", "{}": r"expected an array, found an object of 0 - at \$.framing",
    "[]": r"trim nothing, as dstok writes them, found '\[\]' - at \$.framing",
    '[], "more": []': r"as dstok writes them, found .* - at \$.framing",
    framed(7): r"expected an object, found the number 7 - at \$.framing\[0\]",
    framed({"type": "Other"}): r"the post-processor 'Other' - at \$.framing\[0\].type",
    framed({"type": "BertProcessing"}): r"expected the key 'sep', found none - at \$.framing\[0\]",
    framed({"type": "BertProcessing", **ENDS, "sep": ["x", 1 << 32]}): r"expected an integer .* - at \$.framing\[0\].sep\[1\]",
    framed({"type": "BertProcessing", **ENDS}).replace(" ", ""): r"as dstok writes them, found .* - at \$.framing",
    framed(BYTE_LEVEL): r"as dstok writes them, found .* - at \$.framing",
    framed({"type": "BertProcessing", **ENDS}, BYTE_LEVEL): r"as dstok writes them, found .* - at \$.framing",
    framed({"type": "RobertaProcessing", **ENDS, "trim_offsets": True, "add_prefix_space": False}): r"trim nothing, as dstok writes them",
    framed(template([], [text_of("B", 0)])): r"does not give the text exactly once - at \$.framing\[0\].single",
    framed(template([text_of("C", 0)])): r"expected A or B, found the string 'C' - at \$.framing\[0\].pair\[0\].Sequence.id",
    framed(template([text_of("A", -1)])): r"expected an integer .* - at \$.framing\[0\].pair\[0\].Sequence.type_id",
}


@pytest.mark.parametrize("framing", DAMAGED)
def test_a_damaged_image_is_refused(framing: str) -> None:
    config = type(V3.config)(framing=framing)
    image = image_bytes(image_of(TABLES, (), config, ""))
    with pytest.raises(ImageError, match=f"^it: .*{DAMAGED[framing]}.*: the image is damaged$"):
        dstok.Tokenizer._of_image(read_image("it", memoryview(image), sha256_digest))


@pytest.mark.parametrize("pair", [[], [text_of("A", 0)], [text_of("A", 0), text_of("A", 1)],
                                  [text_of("A", 0), text_of("B", 1), text_of("A", 0)]])
def test_other_templates_are_refused_when_they_are_needed(pair: list[Any]) -> None:
    ours, _ = both(template(pair))
    assert ours.encode("ab") == [256]
    with pytest.raises(UnsupportedError, match=r"does not give each text of a pair exactly once - at \$.post_processor\.\.pair$"):
        encode_pair(ours, "a", "b")


def test_what_else_is_refused() -> None:
    ours, _ = both({"type": "Sequence", "processors": [BERT, template([text_of("A", 0), text_of("B", 1)])]})
    with pytest.raises(UnsupportedError, match=r"several steps of the post-processor put ids around - at \$.post_processor"):
        pad_pairs(ours, ["a"], ["b"], Padding(pad_id=0))
    ours, _ = both({**TEMPLATE, "special_tokens": {}})
    with pytest.raises(UnsupportedError, match=r"a template with '<s>', which its special_tokens do not have - at \$.post_processor\.\.pair$"):
        pair_overflow(ours, "a", "b", Truncation(9))
    with pytest.raises(DstokError, match="expected a pad_id, found none"):
        pad_pairs(both(None)[0], ["a"], ["b"])


def test_policies_bytes_and_threads_change_nothing_else() -> None:
    first: list[Any]
    first, second = ["<｜User｜>hi", b"\xe4\xb8\xad", "", "a" * 1000] * 40, ["x", "中文 " * 50, "<｜User｜>", ""] * 40
    found = pad_pairs(V3, first, second, Padding(pad_id=0), num_threads=3, special="none")
    for row, mask, text, pair in zip(found.ids, found.mask, first, second):
        assert row[mask == 1].tolist() == V3.encode(text, special="none") + V3.encode(pair, special="none")
    assert encode_pair(V3, "\ud800", "a", errors="replace").ids.tolist() == V3.encode("\ufffd") + V3.encode("a")


@pytest.mark.parametrize("which", ["first", "second"])
def test_errors_say_which_text_they_are_of(which: str) -> None:
    calls: list[tuple[Any, str, int | None]] = [
        (lambda a, b, **options: encode_pair(V3, a, b, **options), "", None),
        (lambda a, b, **options: pair_overflow(V3, a, b, Truncation(5), **options), "", None),
        (lambda a, b, **options: pad_pairs(V3, ["x", "y", a], ["z", b"w", b], Padding(pad_id=0), num_threads=2, **options), " of pair 2", 2),
    ]
    for call, whose, row in calls:
        for text, options, error, message in (
            ("é\ud800", {}, TextError, "expected text, found the lone surrogate U\\+D800 at code point 1 of the {}$"),
            (b"a\xff", {}, TextError, "expected utf-8, found byte 0xff at byte offset 1 of the {}$"),
            ("a<｜User｜>", {"special": "raise"}, SpecialTokenError, "^the {} holds the added token '<｜User｜>' at byte offset 1;"),
        ):
            with pytest.raises(error, match=message.format(f"{which} text{whose}")) as caught:
                call(*((text, "a") if which == "first" else ("a", text)), **options)
            found: Any
            for found in (caught.value, pickle.loads(pickle.dumps(caught.value))):
                assert (found.pair_index, found.batch_index, str(found)) == (int(which == "second"), row, str(caught.value))
        with pytest.raises(TypeError, match=f"^expected str or bytes as {which} text{whose}, found int$"):
            call(*((7, "a") if which == "first" else ("a", 7)))
    for one_call in (lambda a, b: encode_pair(V3, a, b), lambda a, b: pair_overflow(V3, a, b, Truncation(5))):
        with pytest.raises(TypeError, match=f"^expected str or bytes as {which} text, found list: pad_pairs takes several texts$"):
            one_call(*((["a"], "a") if which == "first" else ("a", ["a"])))
    with pytest.raises(TextError) as alone:
        V3.encode("\ud800")
    assert alone.value.pair_index is None


WRONG: list[tuple[dict[str, Any], str]] = [
    ({"padding": Padding(pad_id=0, length=1)}, "at most 1 ids, found 2 in pair 0: a Truncation cuts pairs"),
    ({"num_threads": 0}, "num_threads to be at least 1"),
    ({"truncation": Truncation(1, strategy="only_first")}, "a first text of more than 1 ids, which have to go, found one of 1"),
]


@pytest.mark.parametrize(("wrong", "message"), WRONG)
def test_wrong_values_are_refused(wrong: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=f"^expected (at least |at most )?{message.removeprefix('at most ')}"):
        pad_pairs(V3, ["a"], ["b"], **{"padding": Padding(pad_id=0), **wrong})


def test_wrong_columns_are_refused() -> None:
    with pytest.raises(ValueError, match="expected as many second texts as first ones, found 1 of 2"):
        pad_pairs(V3, ["a", "b"], ["c"], Padding(pad_id=0))
    with pytest.raises(TypeError, match="expected a list of texts, found one text"):
        pad_pairs(V3, ["a"], "b", Padding(pad_id=0))
    with pytest.raises(ValueError, match="expected a second text of more than 1 ids, which have to go in pair 1, found one of 1"):
        pad_pairs(V3, ["a", "a"], ["", "b"], Padding(pad_id=0), Truncation(1, strategy="only_second"))


def test_wrong_values_of_parts_are_refused() -> None:
    ours, _ = both(BERT)
    with pytest.raises(ValueError, match="^expected a stride of at least 0 and below the 2 ids"):
        pair_overflow(ours, "a b c d", "e f g h", Truncation(7, stride=2))
    with pytest.raises(ValueError, match="expected max_tokens to be at least 3, for what stands around the texts, found 2"):
        pair_overflow(ours, "a", "b", Truncation(2))
