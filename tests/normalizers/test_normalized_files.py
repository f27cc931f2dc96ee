"""Models with a normalizer: their files, images and pickles, what tells of them, and the real ones."""

from __future__ import annotations

import json
import pickle
import random
import unicodedata
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import tokenizers
from cli_process import fails, ok
from images import Parts
from normalized_models import (
    LOWERCASE,
    NFC,
    NFD,
    PREPEND,
    STEPS,
    STRIP,
    STRIP_ACCENTS,
    both,
    file_of,
    nfc,
    odd_text,
    replace,
    sequence,
)
from real_models import real_json
from reference import DEEP
from shared_data import CORPORA, corpus, shared, wiki
from small_models import added_token, upstream_ids
from upstream import model_names

import dstok
from dstok.errors import (
    DstokError,
    ImageError,
    TokenizerFileError,
    UnsupportedError,
)
from dstok.inspection.explain import explain


@pytest.mark.parametrize(("normalizer", "error", "where"), [
    ({"type": "BertNormalizer"}, UnsupportedError, "$.normalizer.type"),
    (sequence({"type": "Nmt"}), UnsupportedError, "$.normalizer.normalizers[0].type"),
    (sequence(NFC, {"type": "Precompiled"}), UnsupportedError, "$.normalizer.normalizers[1].type"),
    ({"type": "ByteLevel"}, UnsupportedError, "$.normalizer.type"),
    ({"type": "Prepend"}, TokenizerFileError, "$.normalizer"),
    ({"type": "Prepend", "prepend": ""}, UnsupportedError, "$.normalizer.prepend"),
    ({"type": "Strip", "strip_left": True}, TokenizerFileError, "$.normalizer"),
    ({"type": "Strip", "strip_left": 1, "strip_right": True}, TokenizerFileError, "$.normalizer.strip_left"),
    (replace("", "-"), UnsupportedError, "$.normalizer.pattern.String"),
    (replace("", "-", "Regex"), UnsupportedError, "$.normalizer.pattern.Regex"),
    (replace("x", "-", "Other"), TokenizerFileError, "$.normalizer.pattern"),
    ({**replace("x", "-"), "content": None}, TokenizerFileError, "$.normalizer.content"),
    ({"type": "Replace", "content": "-"}, TokenizerFileError, "$.normalizer"),
    (sequence(replace("b*", "-", "Regex")), DstokError, "$.normalizer.normalizers[0]"),
    (replace("(", "-", "Regex"), DstokError, "$.normalizer"),
])
def test_files_that_are_refused(normalizer: Any, error: type[DstokError], where: str) -> None:
    with pytest.raises(error) as found:
        dstok.Tokenizer.from_str(file_of(normalizer))
    assert where in str(found.value)


def test_added_tokens_that_normalizing_makes_alike_are_refused() -> None:
    """Upstream gives the id of the first for both."""
    added = [added_token("ABC", normalized=True), added_token("abc", normalized=True)]
    with pytest.raises(UnsupportedError, match=r"'ABC' and 'abc', which are 'abc' .* \$\.added_tokens\[1\]"):
        dstok.Tokenizer.from_str(file_of(LOWERCASE, added))
    with pytest.raises(UnsupportedError, match=r"leaves nothing - at \$\.added_tokens\[0\]"):
        dstok.Tokenizer.from_str(file_of(STRIP_ACCENTS, [added_token("\u0301", normalized=True)]))
    assert dstok.Tokenizer.from_str(file_of(LOWERCASE, [added_token("ABC"), added_token("abc", normalized=True)]))


def test_names_of_normalized_added_tokens_are_upstreams() -> None:
    ours, judge = both(LOWERCASE, [added_token("ABC", normalized=True), added_token("DEF")])
    for token in ("ABC", "DEF", "a"):
        id = judge.token_to_id(token)
        assert ours.token_to_id(token) == id and ours.id_to_token(id) == judge.id_to_token(id)
        assert ours.decode([id]) == judge.decode([id])
    assert ours.added_tokens == {"ABC": ours.token_to_id("ABC"), "DEF": ours.token_to_id("DEF")}


@pytest.mark.parametrize("normalizer", [NFC, sequence(*STEPS[4:])])
def test_images_and_pickles(normalizer: Any, tmp_path: Path) -> None:
    ours, judge = both(normalizer)
    path = tmp_path / "image"
    ours.to_image(path)
    opened = dstok.load(path)
    opened.to_image(tmp_path / "again")
    assert path.read_bytes() == (tmp_path / "again").read_bytes()
    rng = random.Random(4)
    for tok in (opened, pickle.loads(pickle.dumps(ours)), pickle.loads(pickle.dumps(opened))):
        assert tok.fingerprint == ours.fingerprint
        for _ in range(100):
            text = odd_text(rng)
            assert tok.encode(text) == upstream_ids(judge, text)


def test_the_fingerprint_tells_normalizers_apart() -> None:
    files = [file_of(normalizer) for normalizer in (None, sequence(), *STEPS, sequence(NFC, NFD), sequence(NFC))]
    prints = [dstok.Tokenizer.from_str(file).fingerprint for file in files]
    assert prints[0] == prints[1] and prints[2] == prints[-1]
    assert len(set(prints)) == len(prints) - 2


@pytest.mark.parametrize("change", [
    {"type": "Sequence"}, {"type": "nfc"}, {"type": 3}, {"content": "\ud800"}, {"pattern": None}, {"left": 1},
    {"is_regex": "no"}, {"where": []}, {"extra": 1}, {"type": "Replace"}, {"type": "Prepend"},
    {"type": "Replace", "is_regex": True, "pattern": "("}, {"type": "Replace", "is_regex": True, "pattern": "a*"},
    {"type": "Replace", "is_regex": True, "pattern": "a{1,1000}{1,1000}"},
], ids=str)
def test_hostile_images(change: dict[str, Any], tmp_path: Path) -> None:
    nfc().to_image(tmp_path / "good")
    parts = Parts(tmp_path / "good")
    parts.description["normalizer"][0].update(change)
    parts.write(tmp_path / "bad")
    with pytest.raises(ImageError):
        dstok.load(tmp_path / "bad")


@pytest.mark.parametrize("steps", [None, {}, "NFC", [None], ["NFC"], [{}], [[]], [{"type": "NFC"}], 1], ids=str)
def test_hostile_lists_of_steps(steps: Any, tmp_path: Path) -> None:
    nfc().to_image(tmp_path / "good")
    parts = Parts(tmp_path / "good")
    parts.description["normalizer"] = steps
    parts.write(tmp_path / "bad")
    with pytest.raises(ImageError):
        dstok.load(tmp_path / "bad")


def test_images_of_models_without_a_normalizer_are_as_they_were(tmp_path: Path) -> None:
    dstok.Tokenizer.from_str(file_of(None)).to_image(tmp_path / "image")
    assert "normalizer" not in Parts(tmp_path / "image").description


# What tells of it


def test_explain_names_the_steps() -> None:
    steps = sequence(NFC, replace("a", "b"), replace(r"\s+", "b", "Regex"), PREPEND, STRIP, {**STRIP, "strip_left": False})
    text = explain(dstok.Tokenizer.from_str(file_of(steps)).inspect(), "ca")
    assert text.startswith("normalizer, of each stretch between added tokens with normalized=false:\n  0. NFC\n")
    for line in ("1. Replace: text 'a' by 'b'", r"2. Replace: regex '\s+' by 'b'", "3. Prepend: 'é_'",
                 "4. Strip: left, right", "5. Strip: right"):
        assert f"\n  {line}\n" in text
    assert "'é_cb'" in text.split("path of the text")[1]
    assert "normalizer" not in explain(dstok.load("deepseek-v3").inspect())


def test_the_command(tmp_path: Path) -> None:
    model, text = tmp_path / "model.json", "e\u0301 <x> é!\n" * 10_000
    model.write_text(file_of(NFC), encoding="utf-8")
    (tmp_path / "text").write_text(text, encoding="utf-8")
    files = ["--model", str(model), str(tmp_path / "text")]
    expected = dstok.Tokenizer.from_str(file_of(NFC)).encode_with_offsets(text)
    assert ok("count", *files).split()[0] == str(len(expected)).encode()
    assert list(map(int, ok("encode", *files).split())) == expected.ids.tolist()
    rows = [json.loads(line) for line in ok("dump", *files).splitlines()]
    assert [[row["char_start"], row["char_end"]] for row in rows] == expected.char_spans.tolist()
    model.write_text(file_of(STRIP), encoding="utf-8")
    assert "Prepend, Replace or Strip" in fails("count", *files)


# Real models


def nfc_models() -> list[str]:
    return [name for name in model_names() if json.loads(real_json(name))["normalizer"] == NFC]


@pytest.mark.skipif(not DEEP, reason="compiles real models, 20 s each: DSTOK_PROFILE=deep")
@pytest.mark.parametrize("name", nfc_models() if DEEP else [])
def test_real_models(name: str) -> None:
    file = json.dumps({**json.loads(real_json(name)), "padding": None})
    ours, judge = dstok.Tokenizer.from_str(file), tokenizers.Tokenizer.from_str(file)
    for text in real_texts():
        encoding = judge.encode(text, add_special_tokens=False)
        assert ours.encode(text) == encoding.ids
        assert ours.count(text.encode()) == len(encoding.ids)
        found = ours.encode_with_offsets(text)
        assert found.ids.tolist() == encoding.ids
        assert [tuple(span) for span in found.char_spans.tolist()] == encoding.offsets


def real_texts() -> Iterator[str]:
    yield wiki()
    for name in CORPORA:
        yield corpus(name)[:1_000_000]
    yield unicodedata.normalize("NFD", corpus("multilingual")[:600_000])
    strings = json.loads(shared("fixtures/tokenizer-random-strings.json").read_text(encoding="utf-8"))
    yield from (text for texts in strings.values() for text in texts)
    for path in sorted(shared("fixtures/inp_out").glob("*.inp")):
        yield from path.read_bytes().decode().split("\n__ggml_vocab_test__\n")
