"""add_prefix_space of a ByteLevel that stands alone: upstream's ids, spans and texts; elsewhere it is refused."""

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
from small_models import BYTE_LEVEL, added_token, model_json
from text_strategies import texts as any_text

import dstok
from dstok.errors import UnsupportedError

MERGES = [(b" ", b"a"), (b" ", b" "), (b" a", b"b"), (b"a", b"b"), (b" ", b"\xc3"), (b"\xc3", b"\xa9"), (b"'", b"s")]
PARTS = [" ", "a", "b", "\n", "é", "<raw>", "<n>", "<l>", "'s", "1", "e\u0301", "\u3000"]
TEXTS = st.lists(st.sampled_from(PARTS), max_size=12).map("".join) | any_text
RAW = [added_token("<raw>", special=True), added_token("<l>", lstrip=True), added_token("<n>")]
NORMALIZED = [added_token("<n>", normalized=True, special=True), added_token("<l>", normalized=True, rstrip=True)]


def file(added: list[dict[str, Any]], normalizer: Any = None, **options: Any) -> str:
    found = json.loads(model_json(MERGES, added, None))
    found["pre_tokenizer"] = {**BYTE_LEVEL, "add_prefix_space": True, "use_regex": True, **options}
    return json.dumps({**found, "normalizer": normalizer})


FILES = {
    "raw": file(RAW), "normalized": file(NORMALIZED), "none": file([]), "one piece": file(RAW, use_regex=False),
    "NFC": file(RAW, {"type": "NFC"}), "strip": file(RAW, {"type": "Strip", "strip_left": True, "strip_right": False}),
    "in a sequence": json.dumps({**json.loads(file(RAW)), "pre_tokenizer": {"type": "Sequence", "pretokenizers": [
        {**BYTE_LEVEL, "add_prefix_space": True, "use_regex": True}]}}),
}


@pytest.mark.parametrize("kind", FILES)
def test_ids_and_spans_are_upstreams(kind: str) -> None:
    tok, judge = dstok.Tokenizer.from_str(FILES[kind]), tokenizers.Tokenizer.from_str(FILES[kind])

    @examples(150)
    @given(TEXTS)
    def same(text: str) -> None:
        expected = judge.encode(text, add_special_tokens=False)
        found = tok.encode_with_offsets(text)
        assert tok.encode(text) == found.ids.tolist() == expected.ids
        assert list(map(tuple, found.char_spans.tolist())) == expected.offsets
        assert found.pieces.tolist() == expected.word_ids
        assert tok.decode(expected.ids) == judge.decode(expected.ids, skip_special_tokens=False)
        assert tok.encode_batch([text, "a"]) == [expected.ids, judge.encode("a").ids]

    same()


@pytest.mark.parametrize("kind", FILES)
def test_files_images_pickles(kind: str, tmp_path: Path) -> None:
    tok = dstok.Tokenizer.from_str(FILES[kind])
    tok.to_image(tmp_path / "image")
    tok.to_json(tmp_path / "tokenizer.json")
    judge = tokenizers.Tokenizer.from_file(str(tmp_path / "tokenizer.json"))
    for made in (dstok.load(tmp_path / "image"), dstok.Tokenizer.from_json(tmp_path / "tokenizer.json"),
                 pickle.loads(pickle.dumps(tok))):
        for text in ("a", " ab<n>ab's", "<raw>a<l> b", ""):
            assert made.encode(text) == tok.encode(text) == judge.encode(text, add_special_tokens=False).ids


@pytest.mark.parametrize("text", [
    file([*RAW[:1], *NORMALIZED]), file(NORMALIZED, {"type": "NFC"}),
    json.dumps({**json.loads(file(RAW)), "pre_tokenizer": {"type": "Sequence", "pretokenizers": [
        {"type": "Digits", "individual_digits": True}, {**BYTE_LEVEL, "add_prefix_space": True}]}}),
])
def test_what_is_refused(text: str) -> None:
    with pytest.raises(UnsupportedError, match=r"a space put before .* - at \$\.pre_tokenizer.*add_prefix_space"):
        dstok.Tokenizer.from_str(text)
