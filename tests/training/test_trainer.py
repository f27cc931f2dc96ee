"""`dstok.training.BpeTrainer`: upstream's names, defaults and meanings; anything else is refused by name."""

from __future__ import annotations

import inspect
from typing import Any

import pytest
from tokenizers import AddedToken, pre_tokenizers, trainers

from dstok import UnsupportedError
from dstok.errors import ArgumentError, TextError
from dstok.training import BpeTrainer
from dstok.training.trainer import FirstTokens


def test_names_and_defaults_are_upstream_s() -> None:
    theirs = trainers.BpeTrainer(show_progress=True)
    for name in ("vocab_size", "min_frequency", "show_progress", "limit_alphabet", "continuing_subword_prefix",
                 "end_of_word_suffix", "max_token_length"):
        assert getattr(BpeTrainer(), name) == getattr(theirs, name), name
    assert list(BpeTrainer().special_tokens) == theirs.special_tokens
    assert list(BpeTrainer(limit_alphabet=9).initial_alphabet) == theirs.initial_alphabet == []
    assert all(each.kind is each.KEYWORD_ONLY for each in inspect.signature(BpeTrainer).parameters.values())


def test_byte_alphabet() -> None:
    assert sorted(BpeTrainer.byte_alphabet()) == sorted(pre_tokenizers.ByteLevel.alphabet())
    assert list(BpeTrainer().initial_alphabet) == BpeTrainer.byte_alphabet()  # upstream has none: its models lose bytes


@pytest.mark.parametrize("affix", ["continuing_subword_prefix", "end_of_word_suffix"])
def test_affixes(affix: str) -> None:
    unset, affixed = dict[str, Any]({affix: ""}), dict[str, Any]({affix: "##"})
    assert getattr(BpeTrainer(**unset), affix) == ""
    with pytest.raises(UnsupportedError, match=f"a {affix}, with which upstream's answer changes from run to run"):
        BpeTrainer(**affixed)


@pytest.mark.parametrize(("settings", "fault"), [
    ({"vocab_size": -1}, "expected vocab_size to be at least 0, found -1"),
    ({"vocab_size": None}, "expected vocab_size to be a whole number"),
    ({"min_frequency": 2.5}, "expected min_frequency to be a whole number"),
    ({"limit_alphabet": -1}, "expected limit_alphabet to be at least 0"),
    ({"drop_below": -2}, "expected drop_below to be at least 0, found -2"),
    ({"max_token_length": True}, "expected max_token_length to be a whole number"),
    ({"special_tokens": "<s>"}, "expected a list as special_tokens, found str"),
    ({"special_tokens": [3]}, "expected special_tokens of str or AddedToken, found int"),
    ({"initial_alphabet": 3}, "expected a list as initial_alphabet, found int"),
    ({"initial_alphabet": [b"a"]}, "expected an initial_alphabet of str, found bytes"),
])
def test_wrong_settings(settings: dict[str, Any], fault: str) -> None:
    with pytest.raises(ArgumentError, match=fault):
        BpeTrainer(**settings)


@pytest.mark.parametrize("name", ["special_tokens", "initial_alphabet"])
def test_lone_surrogates(name: str) -> None:
    """The command has them for bytes that are no UTF-8."""
    with pytest.raises(TextError, match="found the lone surrogate U\\+DCFF at code point 1"):
        BpeTrainer(**dict[str, Any]({name: ["a", "b\udcff"]}))


def test_unknown_settings() -> None:
    with pytest.raises(TypeError, match="vocabsize"):
        BpeTrainer(**dict[str, Any](vocabsize=10))


def test_special_tokens() -> None:
    """Flags as given; special in any case; the last of two with one text counts."""
    trainer = BpeTrainer(special_tokens=["<s>", AddedToken("<s>", lstrip=True), AddedToken("x", lstrip=True, normalized=True), ""], initial_alphabet=())
    first = FirstTokens(trainer, [0] * 256)
    assert list(first.ids) == ["<s>", "x", ""] and [(token.id, *token[1:]) for token in first.added] == [
        (0, "<s>", False, True, False, False, True, False), (1, "x", False, True, False, True, True, False)]


def test_tied_alphabet() -> None:
    counts = [0] * 256
    for char, count in (("a", 5), ("b", 3), ("c", 3), ("d", 3), ("e", 1)):
        counts[ord(char)] = count
    assert list(FirstTokens(BpeTrainer(limit_alphabet=4), counts).ids) == ["a", "b", "c", "d"]
    assert list(FirstTokens(BpeTrainer(limit_alphabet=1), counts).ids) == ["a"]
    assert list(FirstTokens(BpeTrainer(limit_alphabet=0), counts).ids) == []
    with pytest.raises(UnsupportedError, match=r"limit_alphabet of 2 .* equally frequent characters 'bcd'"):
        FirstTokens(BpeTrainer(limit_alphabet=2), counts)
    with pytest.raises(UnsupportedError, match="equally frequent characters 'xyz'"):
        FirstTokens(BpeTrainer(limit_alphabet=2, initial_alphabet=["x", "y", "z"]), counts)
