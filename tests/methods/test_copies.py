"""Copies of what is in work go on by themselves: growing texts, encode streams, decode streams."""

from __future__ import annotations

import copy
import json
import pickle
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from kept import kept
from reference import examples
from small_models import added_token, model_json

import dstok

MERGES = [(b"a", b"b"), (b" ", b"a"), (b"1", b"2"), (b"<", b"w"), (b"\xcc", b"\x81"), (b"\xc3", b"\xa9")]
ADDED = [added_token("<w>", single_word=True), added_token("<l>", lstrip=True, normalized=True), added_token("<r>", rstrip=True)]
NORMALIZERS = {"none": None, "NFC": {"type": "NFC"},
               "chain": {"type": "Sequence", "normalizers": [{"type": "Lowercase"}, {"type": "NFC"}]}}
V3 = dstok.load("deepseek-v3")
WAYS: dict[str, Callable[[Any], Any]] = {
    "copy()": lambda work: work.copy(), "copy.copy": copy.copy, "copy.deepcopy": copy.deepcopy}
parts = st.lists(st.text("ab 12<w>lré\u0301É\n中", max_size=6), max_size=6)


@kept()
def model(normalizer: str) -> dstok.Tokenizer:
    file = {**json.loads(model_json(MERGES, ADDED)), "normalizer": NORMALIZERS[normalizer]}
    return dstok.Tokenizer.from_str(json.dumps(file))


def state(work: Any) -> dict[str, Any]:
    """All that an object holds, and what that holds, as it is shown."""
    return {name: state(value) if hasattr(value, "__dict__") else repr(value) for name, value in vars(work).items()}


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("normalizer", NORMALIZERS)
@examples(60)
@given(parts, parts, parts)
def test_growing_texts(normalizer: str, way: str, before: list[str], one: list[str], other: list[str]) -> None:
    """After a copy each of the two has the ids of its own text, whatever is appended to the other in between."""
    tok = model(normalizer)
    text = tok.encode_incremental()
    for part in before:
        text.append(part)
    branch = WAYS[way](text)
    done = "".join(before)
    for number in range(max(len(one), len(other))):
        for work, more in ((text, one), (branch, other)):
            if number < len(more):
                expected = state(branch if work is text else text)
                work.append(more[number])
                assert work.ids == tok.encode(done + "".join(more[: number + 1]))
                assert state(branch if work is text else text) == expected


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("normalizer", NORMALIZERS)
@examples(60)
@given(parts, parts, parts)
def test_encode_streams(normalizer: str, way: str, before: list[str], one: list[str], other: list[str]) -> None:
    """After a copy each of the two gives the ids of its own text; bytes, too, whose last character is not whole."""
    tok = model(normalizer)
    for size in (1, 2, 100):
        stream = tok.encode_stream()
        data = "".join(before).encode()
        ids = [id for at in range(0, len(data), size) for id in stream.feed_list(data[at : at + size])]
        cut = "中".encode()
        ids += stream.feed_list(cut[:2])
        branch = WAYS[way](stream)
        found: list[list[int]] = [[*ids], [*ids]]
        for number in range(max(len(one), len(other)) + 1):
            for work, more, made in ((stream, one, found[0]), (branch, other, found[1])):
                if number <= len(more):
                    made += work.feed_list(cut[2:] if number == 0 else more[number - 1].encode())
        for work, more, made in ((stream, one, found[0]), (branch, other, found[1])):
            assert made + work.finish_list() == tok.encode("".join(before) + "中" + "".join(more))
            with pytest.raises(ValueError, match="finished"):
                work.feed("a")


@pytest.mark.parametrize("way", WAYS)
@examples(100)
@given(st.text(max_size=20), st.text(max_size=20), st.integers(0, 80))
def test_decode_streams(way: str, one: str, other: str, at: int) -> None:
    """After a copy each of the two gives the text of its own ids, also if they were copied inside of a character."""
    tok = V3
    ids = [byte for byte in "é🦙中".encode() + one.encode()]
    stream = tok.decode_stream()
    spelled = [tok.token_to_id(bytes([byte])) for byte in ids]
    text = "".join(stream.feed(id) for id in spelled[:at])
    branch = WAYS[way](stream)
    wrong = branch.feed(tok.encode(other + "中"))
    with pytest.raises(dstok.errors.UnknownIdError) as caught:
        branch.feed(tok.vocab_size)
    assert caught.value.index == len(spelled[:at]) + len(tok.encode(other + "中"))
    wrong += branch.finish()
    assert text + "".join(stream.feed(id) for id in spelled[at:]) + stream.finish() == bytes(ids).decode()
    assert text + wrong == tok.decode(spelled[:at] + tok.encode(other + "中"))


def works() -> list[Any]:
    return [work for tok in map(model, NORMALIZERS) for work in (tok.encode_incremental(), tok.encode_stream(), tok.decode_stream())]


def test_copies_in_other_objects() -> None:
    """A deep copy of a conversation's object has one copy of its text, however often it is in there."""
    for work in works():
        again = copy.deepcopy({"one": work, "many": [work, work]})
        assert again["one"] is again["many"][0] is again["many"][1] is not work


def test_nothing_that_changes_is_shared() -> None:
    """Of a copy's attributes only those are its original's that never change."""
    never = (int, bytes, str, tuple, bool, type(None))
    core = ("Encoder", "Decoder", "Policy", "Normalizer")
    for work in works():
        again = work.copy()
        for name, value in vars(work).items():
            other = vars(again)[name]
            assert type(other) is type(value)
            assert other is not value or isinstance(value, never) or type(value).__name__ in core, name


def test_what_cannot_be_copied_is_no_copy() -> None:
    """Nothing is shared because it has no copy."""
    for work in works():
        work.lock = __import__("threading").Lock()
        for way in WAYS.values():
            with pytest.raises(TypeError, match="cannot pickle"):
                way(work)


@pytest.mark.parametrize("protocol", range(pickle.HIGHEST_PROTOCOL + 1))
def test_pickles_are_refused(protocol: int) -> None:
    for work in works():
        with pytest.raises(dstok.errors.PickleError, match=f"found a {type(work).__name__}, which is in work") as caught:
            pickle.dumps(work, protocol)
        assert isinstance(caught.value, dstok.DstokError)


def test_errors_name_places_of_their_own_text() -> None:
    """Offsets count from the start of each copy's text."""
    tok = dstok.load("deepseek-v3")
    text = tok.encode_incremental(special="raise")
    text.append("abc")
    branch = text.copy()
    text.append("def")
    with pytest.raises(dstok.SpecialTokenError) as caught:
        branch.append("<｜User｜>")
    assert caught.value.offset == 3 and branch.ids == tok.encode("abc") and text.ids == tok.encode("abcdef")
    stream = tok.encode_stream()
    stream.feed("abc")
    other = copy.copy(stream)
    stream.feed("def")
    with pytest.raises(dstok.TextError) as wrong:
        other.feed(b"x\xff")
    assert wrong.value.offset == 4
