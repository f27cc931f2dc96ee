"""Streams: what comes out, joined, is what one call on the whole gives, and comes out no earlier than it is sure."""

from __future__ import annotations

import itertools
import threading
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from real_models import V3 as TOK
from reference import cut_at, examples
from text_strategies import PARTIAL, special_parts, special_texts, texts

import dstok

ADDED = list(TOK.added_tokens.values())
id_lists = st.lists(
    st.one_of(st.integers(0, TOK.vocab_size - 1), st.sampled_from(PARTIAL), st.sampled_from(ADDED)), max_size=30)
mixed_texts = st.one_of(texts, st.lists(st.one_of(special_texts, special_parts, texts), max_size=6).map("".join))
cuts = st.lists(st.integers(0, 1000), max_size=8)
broken_bytes = st.lists(st.one_of(
    texts.map(str.encode), st.binary(max_size=4),
    st.sampled_from([b"\xff", b"\xe4\xb8", b"\xf0\x9f\xa6", b"\xf0\x9f", b"\xed\xa0\x80", b"\xc0\x80", "🦙".encode()])),
    max_size=6).map(b"".join)
broken_strs = st.lists(st.one_of(texts, st.sampled_from(["\ud800", "\udfff", "\ud83e\udd99"])), max_size=6).map("".join)


def streamed(parts: list[Any], **options: Any) -> list[int]:
    """The ids of a text in parts."""
    stream = TOK.encode_stream(**options)
    return [*(id for part in parts for id in stream.feed_list(part)), *stream.finish_list()]


def outcome(call: Any) -> tuple[str, Any]:
    """What a call gives: ids, or the offset of a `TextError`."""
    try:
        return "ids", call()
    except dstok.TextError as error:
        return "offset", error.offset


@examples(500)
@given(mixed_texts, cuts, st.sampled_from(["all", "none", frozenset({"<｜User｜>"})]))
@example("", [], "all")
@example("👩‍👩‍👧<｜User｜>", [1, 2, 3, 5, 9, 20, 24], "all")
def test_encode_in_parts(text: str, places: list[int], special: Any) -> None:
    """A text cut anywhere, as str, as bytes, or as both in turn, has the ids of the whole."""
    expected = TOK.encode(text, special=special)
    strs, data = cut_at(text, places), cut_at(text.encode(), places)
    mixed = [part.encode() if at % 2 and isinstance(part, str) else part for at, part in enumerate(strs)]
    for parts in (strs, data, mixed):
        assert streamed(parts, special=special) == expected


@examples(300)
@given(mixed_texts, cuts)
def test_feed_gives_what_is_sure(text: str, places: list[int]) -> None:
    """After each part, the ids are a start of those of the whole; the three kinds of feed agree."""
    expected = TOK.encode(text)
    stream, lists, counts = TOK.encode_stream(), TOK.encode_stream(), TOK.encode_stream()
    at = 0
    for part in cut_at(text.encode(), places):
        found = stream.feed(part)
        assert str(found.dtype) == "uint32"
        assert found.tolist() == lists.feed_list(part) == expected[at : at + len(found)]
        assert counts.feed_count(part) == len(found)
        at += len(found)
    rest = stream.finish()
    assert str(rest.dtype) == "uint32"
    assert rest.tolist() == lists.finish_list() == expected[at:]
    assert counts.finish_count() == len(rest)


@examples(500)
@given(broken_bytes, cuts)
@example("🦙".encode()[:3], [])
@example(b"ab\xe4\xb8c", [3, 4])
@example(b"\xf0\x9f\xff", [1, 2])
def test_invalid_bytes_in_parts(data: bytes, places: list[int]) -> None:
    """The offset of the error is that in the whole stream; replaced, the ids are those of the whole."""
    parts = cut_at(data, places)
    assert outcome(lambda: streamed(parts)) == outcome(lambda: TOK.encode(data))
    assert streamed(parts, errors="replace") == TOK.encode(data, errors="replace")


@examples(300)
@given(broken_strs, cuts)
@example("é\ud800", [1])
def test_lone_surrogates_in_parts(text: str, places: list[int]) -> None:
    """The same for str: the offset counts code points."""
    parts = cut_at(text, places)
    assert outcome(lambda: streamed(parts)) == outcome(lambda: TOK.encode(text))
    assert streamed(parts, errors="replace") == TOK.encode(text, errors="replace")


def test_a_cut_character_before_str() -> None:
    """Bytes that end inside a character go on with bytes; str there is an error, or follows U+FFFD."""
    stream = TOK.encode_stream()
    stream.feed(b"ab" + "🦙".encode()[:2])
    with pytest.raises(dstok.TextError) as caught:
        stream.feed("c")
    assert caught.value.offset == 2
    assert streamed(["🦙".encode()[:2], "c"], errors="replace") == TOK.encode("\ufffdc")
    assert streamed(["🦙".encode()[:2], "", "🦙".encode()[2:]]) == TOK.encode("🦙")


@pytest.mark.parametrize("name", ["finish", "finish_list", "finish_count"])
def test_encode_stream_is_over_after_finish(name: str) -> None:
    """Nothing can be fed to a finished stream, and it cannot be finished again."""
    stream = TOK.encode_stream()
    stream.feed("a")
    getattr(stream, name)()
    for call in (lambda: stream.feed("b"), lambda: stream.feed_list(b""), lambda: stream.feed_count("b"),
                 stream.finish, stream.finish_list, stream.finish_count):
        with pytest.raises(ValueError, match="finished"):
            call()


def test_special_token_error_in_parts() -> None:
    """special="raise": the offset is that of the token in the whole stream, in bytes."""
    text = "é word " * 50 + "<｜User｜>"
    stream = TOK.encode_stream(special="raise")
    with pytest.raises(dstok.SpecialTokenError) as caught:  # noqa: PT012 - at which of them is not the matter
        for char in text:
            stream.feed(char)
        stream.finish()
    assert caught.value.token == "<｜User｜>"
    assert caught.value.offset == len(text.encode()) - len("<｜User｜>".encode())


def test_bad_arguments_of_encode_stream() -> None:
    """Wrong errors and wrong types are told at once."""
    with pytest.raises(ValueError, match="bogus"):
        TOK.encode_stream(errors="bogus")  # type: ignore[arg-type]
    for wrong in (None, 5, ["a"]):
        with pytest.raises(TypeError):
            TOK.encode_stream().feed(wrong)  # type: ignore[arg-type]


@examples(500)
@given(id_lists, cuts, st.booleans())
@example(PARTIAL[:200], [7, 50, 51], False)
def test_decode_in_parts(ids: list[int], places: list[int], skip: bool) -> None:
    """Ids in any parts, or one by one, have the text of the whole."""
    expected = TOK.decode(ids, skip_special_tokens=skip)
    bounds = [0, *sorted(place % (len(ids) + 1) for place in places), len(ids)]
    stream = TOK.decode_stream(skip_special_tokens=skip)
    found = [stream.feed(ids[start:end]) for start, end in itertools.pairwise(bounds)]
    assert "".join(found) + stream.finish() == expected
    stream = TOK.decode_stream(skip_special_tokens=skip)
    assert "".join(stream.feed(id) for id in ids) + stream.finish() == expected


@examples(500)
@given(mixed_texts)
@example("🦙👩‍👩‍👧\U0010ffff")
def test_decode_waits_for_whole_characters(text: str) -> None:
    """What has come out is always a start of the text, as long as the bytes allow, never a U+FFFD too early."""
    stream, shown, data = TOK.decode_stream(), "", b""
    for id in TOK.encode(text):
        shown += stream.feed(id)
        data += TOK.decode_bytes([id])
        assert shown == data.decode("utf-8", "ignore")
        assert text.startswith(shown)
    assert shown == text
    assert stream.finish() == ""


def test_decode_finish() -> None:
    """A character that was never completed becomes U+FFFD at the end."""
    stream = TOK.decode_stream()
    assert stream.feed(TOK.encode("🦙")[:2]) == ""
    assert stream.finish() == "\ufffd"
    assert TOK.decode_stream().finish() == ""


@given(id_lists, st.sampled_from([-1, 10**30, 2**32, TOK.vocab_size]), cuts)
def test_unknown_id_in_parts(ids: list[int], unknown: int, places: list[int]) -> None:
    """The index of an unknown id is that in the whole stream; what was fed before is not lost."""
    stream = TOK.decode_stream()
    shown = "".join(stream.feed(id) for id in ids)
    with pytest.raises(dstok.errors.UnknownIdError) as caught:
        stream.feed([0, unknown])
    assert (caught.value.id, caught.value.index) == (unknown, len(ids) + 1)
    assert shown + stream.finish() == TOK.decode(ids)


def test_decode_stream_strict() -> None:
    """With errors="strict", a broken character is a `DecodeError`, in the middle and at the end."""
    part, whole = TOK.encode("🦙")[:1], TOK.encode("a")
    stream = TOK.decode_stream(errors="strict")
    with pytest.raises(dstok.errors.DecodeError):
        stream.feed([*part, *whole])
    stream = TOK.decode_stream(errors="strict")
    stream.feed(part)
    with pytest.raises(dstok.errors.DecodeError):
        stream.finish()


def test_decode_stream_is_over_after_finish() -> None:
    """Nothing can be fed to a finished stream."""
    stream = TOK.decode_stream()
    stream.finish()
    with pytest.raises(ValueError, match="finished"):
        stream.feed(5)


@pytest.mark.parametrize("call", ["feed", "feed_list", "feed_count", "append"])
def test_a_second_thread_is_refused(call: str) -> None:
    """While one thread is at work on a text, another one gets an error and changes nothing; a copy is free."""
    work = TOK.encode_incremental() if call == "append" else TOK.encode_stream()
    started, done, caught = threading.Event(), threading.Event(), list[Exception]()

    def hold() -> None:
        with work._alone:
            started.set()
            done.wait()

    thread = threading.Thread(target=hold)
    thread.start()
    started.wait()
    try:
        getattr(work, call)("a")
    except dstok.errors.StreamError as error:
        caught.append(error)
    getattr(work.copy(), call)("b")
    done.set()
    thread.join()
    assert "one thread at a time" in str(caught[0])
    getattr(work, call)("Hello")
    ids = work.finish_list() if isinstance(work, dstok.EncodeStream) else work.ids
    assert ids == TOK.encode("Hello")
