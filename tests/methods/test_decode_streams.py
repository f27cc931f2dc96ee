"""Streams of a batch: each is a `DecodeStream` of its own, until its first stop string, wherever tokens are cut."""

from __future__ import annotations

import codecs
import pickle
import tracemalloc
from copy import copy
from typing import Any

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from real_models import TODAY
from real_models import V3 as TOK
from reference import examples
from text_strategies import PARTIAL, special_texts, texts

import dstok
from dstok.core.encode.decode import Decoder
from dstok.errors import ArgumentError, DecodeError, PickleError, UnknownIdError

ADDED = list(TOK.added_tokens.values())
KNOWN = [id for id in range(TOK.vocab_size) if TOK._decoder.has(id)]
id_lists = st.one_of(
    st.lists(st.one_of(st.sampled_from(KNOWN), st.sampled_from(PARTIAL), st.sampled_from(ADDED)), max_size=20),
    st.one_of(texts, special_texts).map(TOK.encode))
stops = st.lists(st.text("ab \né🦙", min_size=1, max_size=4), max_size=3)


def before_stop(text: str, stop: list[str]) -> str | None:
    """The text before the first stop string, by reading character by character; None: it holds none."""
    for end in range(len(text) + 1):
        found = [one for one in stop if text[:end].endswith(one)]
        if found:
            return text[: end - max(map(len, found))]
    return None


@examples(300)
@given(st.lists(id_lists, min_size=1, max_size=5), st.booleans())
@example([[PARTIAL[0]], TOK.encode("\N{LLAMA}")], False)
def test_each_is_a_stream_of_its_own(lists: list[list[int]], skip: bool) -> None:
    """And both give what Python's incremental decoder makes of the bytes."""
    streams = dstok.sampling.BatchDecodeStream(TOK, len(lists), skip_special_tokens=skip)
    single = [TOK.decode_stream(skip_special_tokens=skip) for _ in lists]
    python = [codecs.getincrementaldecoder("utf-8")("replace") for _ in lists]
    for step in range(max(map(len, lists))):
        ids = [row[step] if step < len(row) else -1 for row in lists]
        expected = ["" if id == -1 else one.decode(TOK.decode_bytes([id], skip_special_tokens=skip)) for one, id in zip(python, ids)]
        assert streams.step(ids) == ["" if id == -1 else one.feed(id) for one, id in zip(single, ids)] == expected
    assert [streams.finish(slot) for slot in range(len(lists))] == [one.finish() for one in single] == [
        one.decode(b"", True) for one in python]


@examples(300)
@given(st.lists(st.tuples(st.integers(0, 2), id_lists), max_size=8))
def test_slots_are_used_again(sequences: list[tuple[int, list[int]]]) -> None:
    """Sequences in slots, several ids of a slot in one step; finished slots are empty."""
    streams = dstok.sampling.BatchDecodeStream(TOK, 3)
    for slot, ids in sequences:
        found = streams.step(np.array(ids, np.uint32), slots=[slot] * len(ids))
        assert len(found) == len(ids)
        assert "".join(found) + streams.finish(slot) == TOK.decode(ids)
        assert streams.finish(slot) == ""


@examples(1000)
@given(st.one_of(st.text("ab \né🦙", max_size=12).map(TOK.encode), st.text("ab", max_size=20).map(
    lambda text: [TOK.token_to_id(char.encode()) for char in text]), id_lists), stops)
@example([TOK.token_to_id(char.encode()) for char in "aab"], ["ab"])
@example([TOK.token_to_id(char.encode()) for char in "abab a"], ["ab a", "b"])
@example(TOK.encode("\N{LLAMA}\N{LLAMA}"), ["\N{LLAMA}\N{LLAMA}"])
def test_stop_strings(ids: list[int], stop: list[str]) -> None:
    """The text up to the first stop string, wherever it is cut; nothing goes out that it may begin."""
    streams, text = dstok.sampling.BatchDecodeStream(TOK, 2), TOK.decode(ids)
    streams.begin(1, stop=stop)
    expected, given = before_stop(text, stop), ""
    for id in ids:
        given += streams.step([-1, id])[1]
        assert text.startswith(given)
        assert expected is None or expected.startswith(given)
    stopped_early = streams.is_stopped(1)
    given += streams.finish(1)
    assert given == (text if expected is None else expected)
    assert expected is not None or not stopped_early
    assert not streams.is_stopped(1)


def test_text_that_may_begin_a_stop_string_waits() -> None:
    streams = dstok.sampling.BatchDecodeStream(TOK, 1)
    streams.begin(0, stop="abc")
    assert [streams.step([TOK.token_to_id(char.encode())])[0] for char in "xabaabc"] == ["x", "", "", "ab", "a", "", ""]
    assert streams.is_stopped(0)
    assert streams.step([TOK.token_to_id("x")]) == [""]
    streams.begin(0)
    assert streams.step([TOK.token_to_id("x")]) == ["x"]


@pytest.mark.parametrize("name", TODAY)
def test_other_models(name: str) -> None:
    tok = dstok.load(name)
    ids, streams = tok.encode("naïve 🦙 text"), dstok.sampling.BatchDecodeStream(tok, 1)
    assert "".join(streams.step([id])[0] for id in ids) + streams.finish(0) == "naïve 🦙 text"


def test_a_step_makes_no_token_twice(monkeypatch: pytest.MonkeyPatch) -> None:
    """The decoder is asked once for each id."""
    asked = list[int]()

    class Counted:
        size, strip, runs, has = TOK._decoder.size, False, False, TOK._decoder.has

        def marked(self, ids: list[int], skip_special: bool) -> bytes:
            asked.extend(ids)
            return TOK._decoder.marked(ids, skip_special)

    from dstok.core.encode.streams import StreamBatch
    batch = StreamBatch(Counted(), False, 2)  # type: ignore[arg-type]
    ids = np.array([19923, 2058], np.int64)
    for _ in range(3):
        assert batch.step(ids, None) == ["Hello", " world"]
    assert asked == [19923, 2058]
    assert isinstance(TOK._decoder, Decoder)


def test_slots_take_memory_when_they_are_used() -> None:
    """Of a million slots each takes nine bytes, until its text waits for something."""
    tracemalloc.start()
    try:
        streams = dstok.sampling.BatchDecodeStream(TOK, 1 << 20)
        assert not streams.is_stopped(5) and streams.finish(7) == ""
        assert tracemalloc.get_traced_memory()[1] < 20 << 20
    finally:
        tracemalloc.stop()
    streams.begin(3, stop="b")
    assert streams.step([TOK.encode("\N{LLAMA}")[0], *TOK.encode("a"), *TOK.encode("b")], [(1 << 20) - 1, 0, 3]) == ["", "a", ""]
    assert streams.is_stopped(3) and not streams.is_stopped(0)
    assert streams.finish((1 << 20) - 1) == "\ufffd"


def test_errors_take_no_id() -> None:
    streams = dstok.sampling.BatchDecodeStream(TOK, 2)
    cases: list[tuple[Any, Any, type[Exception]]] = [
        ([19923, 1 << 30], None, UnknownIdError), ([19923, -2], None, UnknownIdError), ([19923], None, ArgumentError),
        ([19923], [2], ArgumentError), ([19923, 19923], [0, -1], ArgumentError), ([[1, 2]], None, ArgumentError),
        ([0.5, 1.5], None, ArgumentError), (np.array([1 << 63, 1], np.uint64), None, ArgumentError), (["a", "b"], None, ArgumentError), ([19923], [0, 1], ArgumentError)]
    for ids, slots, error in cases:
        with pytest.raises(error):
            streams.step(ids, slots)
    partial = [id for id in TOK.encode("\N{LLAMA}")]
    assert streams.step(partial[:1], [0]) == [""]
    with pytest.raises(UnknownIdError, match="index 1"):
        streams.step([partial[1], 1 << 40])
    assert "".join(streams.step(partial[1:], [0] * len(partial[1:]))) == "\N{LLAMA}"


def test_strict_streams_fail_alone() -> None:
    """The others have their text, and the stream at fault takes no more until it is begun anew."""
    other = TOK.encode("\N{LLAMA}")
    half = other[0]
    streams = dstok.sampling.BatchDecodeStream(TOK, 3, errors="strict")
    streams.begin(1, stop="Hey")
    assert streams.step([half, TOK.token_to_id("He"), other[0]]) == ["", "", ""]
    with pytest.raises(DecodeError, match="^slot 0: expected ids of whole characters, found byte 0x[0-9a-f]+ in the last") as error:
        streams.step([19923, 19923, other[1]])
    assert (error.value.texts, error.value.slots) == (["", "HeHello", ""], [0])
    assert [pickle.loads(pickle.dumps(error.value)).slots, streams.is_stopped(0)] == [[0], False]
    assert streams.step([19923, -1, other[2]])[0] == ""
    assert streams.finish(0) == "" and streams.step([19923], [0]) == ["Hello"]
    streams.begin(1, stop="He")
    assert streams.step([TOK.token_to_id("H"), half], [1, 1]) == ["", ""]
    with pytest.raises(DecodeError, match="slot 1: ") as error:
        streams.finish(1)
    assert (error.value.texts, error.value.slots, streams.finish(1)) == (["H"], [1], "")


def test_bad_arguments() -> None:
    streams = dstok.sampling.BatchDecodeStream(TOK, 2)
    for slot in (-1, 2, "a"):
        with pytest.raises(ArgumentError):
            streams.finish(slot)  # type: ignore[arg-type]
    for stop in ([""], [b"a"], [1]):
        with pytest.raises(ArgumentError, match="stop"):
            streams.begin(0, stop=stop)  # type: ignore[arg-type]
    for other, shown in [(None, "None"), (5, "5"), (b"x", "b'x'"), (["a", 7], "7")]:
        with pytest.raises(ArgumentError, match=f"in stop, found {shown}$"):
            streams.begin(0, stop=other)  # type: ignore[arg-type]
    with pytest.raises(ArgumentError, match="count"):
        dstok.sampling.BatchDecodeStream(TOK, -1)
    for do in (pickle.dumps, copy):
        with pytest.raises(PickleError, match="make another one from its tokenizer"):
            do(streams)
    with pytest.raises(ArgumentError, match='"strict" or "replace", found 5'):
        dstok.sampling.BatchDecodeStream(TOK, 1, errors=5)  # type: ignore[arg-type]
    assert dstok.sampling.BatchDecodeStream(TOK, 0).step([]) == []
    assert len(streams) == 2
