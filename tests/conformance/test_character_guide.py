"""The guide of a model of characters: its classes tell kinds of characters apart, and what the vocabulary has."""

from __future__ import annotations

import json
from typing import Any

import pytest
from character_models import BLANK, PREPEND, added_token, character_json, metaspace

from dstok import Tokenizer
from dstok.conformance import verify
from dstok.conformance.automaton_guide import Guide
from dstok.conformance.texts import class_cover

MODEL = character_json()
OTHERS: list[tuple[dict[str, Any], int]] = [  # what differs, and the k of a class cover that shows it
    (character_json(PREPEND), 1),
    (character_json(None, metaspace("always", False)), 1),
    (character_json(None, metaspace("never", True), merges=[*MODEL["model"]["merges"][:4], ["中", "文"]]), 3),
    (character_json(characters="abcxy.,é中文\U0001f999▁"), 1),
]


def tokenizer(file: dict[str, Any]) -> Tokenizer:
    return Tokenizer.from_str(json.dumps(file))


def test_classes() -> None:
    guide = Guide(tokenizer(MODEL))
    classes = {char: guide.alphabet.class_of(char) for char in f"ab.1 {BLANK}\n\t\réü中国"}
    assert classes["a"] == classes["b"] == classes["é"] == classes["中"]
    assert classes["ü"] == classes["国"] != classes["a"]
    assert len({classes[char] for char in f"a.1 {BLANK}\n\t\rü"}) == 9
    assert sorted(map(len, guide.access.values())) == [0, 1]


def test_added_tokens_after_the_vocabulary() -> None:
    added = [added_token(len(MODEL["model"]["vocab"]), "ü")]
    assert Guide(tokenizer(character_json(added=added))).alphabet == Guide(tokenizer(MODEL)).alphabet


@pytest.mark.parametrize(("file", "k"), OTHERS)
def test_the_cover_shows_another_model(file: dict[str, Any], k: int) -> None:
    model, other = tokenizer(MODEL), tokenizer(file)
    tokens = model._vocabulary.text_of, other._vocabulary.text_of
    assert any([tokens[0](i) for i in model.encode(text)] != [tokens[1](i) for i in other.encode(text)]
               for text in class_cover(model, k))


def test_pieces() -> None:
    """The parts of a text are merged alone; a wrong candidate is told by them."""
    model = tokenizer(MODEL)
    guide = Guide(model)
    for text in ("", "abc xy ab", "中文. ab\n", "ü" * 3):
        assert guide.with_splitter(guide.pieces, text) == guide.reference(text)
    report = verify(lambda text: model.encode(text)[::-1], model, model=model, seconds=20, checks=["odd texts"])
    assert report.findings[0].cause == "text lost or changed", f"\n{report}"
