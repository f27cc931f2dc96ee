"""Every call that takes text takes it as str and as bytes of every kind, with the same result."""

from __future__ import annotations

from array import array
from collections.abc import Callable
from mmap import mmap
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from normalized_models import nfc
from real_models import V3 as TOK
from reference import examples
from text_strategies import special_parts, special_texts, texts

import dstok

NFC = nfc()
MODELS = pytest.mark.parametrize("tok", [TOK, NFC], ids=["v3", "nfc"])
mixed_texts = st.lists(st.one_of(special_texts, special_parts, texts, st.just("e\u0301")), max_size=5).map("".join)
KINDS: list[Callable[[bytes], Any]] = [
    bytes, bytearray, memoryview, lambda data: memoryview(bytearray(data)), lambda data: memoryview(data).cast("c"),
    lambda data: memoryview(bytes(byte for pair in zip(data, data) for byte in pair))[::2]]


def fed(tok: dstok.Tokenizer, text: Any, **keywords: Any) -> list[int]:
    stream = tok.encode_stream(**keywords)
    return stream.feed_list(text) + stream.feed(text).tolist() + [stream.feed_count(text)] + stream.finish_list()


def grown(tok: dstok.Tokenizer, text: Any, **keywords: Any) -> list[int]:
    growing = tok.encode_incremental(**keywords)
    growing.append(text)
    growing.append(text)
    return growing.ids


def plain(encoding: dstok.Encoding) -> list[Any]:
    return [encoding.ids.tolist(), encoding.byte_spans.tolist(), encoding.char_spans.tolist()]


CALLS: dict[str, Callable[..., Any]] = {
    "encode": dstok.Tokenizer.encode,
    "encode_array": lambda tok, text, **keywords: tok.encode_array(text, **keywords).tolist(),
    "count": dstok.Tokenizer.count,
    "encode_batch": lambda tok, text, **keywords: tok.encode_batch(["é", text, text], num_threads=2, **keywords),
    "encode_batch_arrays": lambda tok, text, **keywords: tok.encode_batch_arrays([text, "é"], **keywords)[0].tolist(),
    "count_batch": lambda tok, text, **keywords: tok.count_batch([text, "é"], **keywords),
    "encode_with_offsets": lambda tok, text, **keywords: plain(tok.encode_with_offsets(text, **keywords)),
    "pretokenize": lambda tok, text, **keywords: tok.inspect().pretokenize(text, **keywords),
    "encode_stream": fed,
    "growing": grown,
    "count_up_to": lambda tok, text, **keywords: [tok.count(text, limit=limit, **keywords) for limit in range(5)],
    "chunk_spans": lambda tok, text, **keywords: list(dstok.padding.chunk_spans(tok, text, 12, overlap=3, **keywords)),
}
CUTS: dict[str, Callable[..., list[Any]]] = {
    "truncate": lambda tok, text, **keywords: [
        tok.truncate(text, budget, truncation_side=side, **keywords) for budget in range(5) for side in ("right", "left")],
    "chunk": lambda tok, text, **keywords: [
        *tok.chunk(text, 12, **keywords), *tok.chunk(text, 12, overlap=3, **keywords)],
}


@pytest.mark.parametrize("call", CALLS.values(), ids=CALLS)
@MODELS
@examples(40)
@given(mixed_texts)
@example("")
@example("é<｜User｜>中 🦙" * 300)
def test_every_kind_of_text(call: Any, tok: dstok.Tokenizer, text: str) -> None:
    expected = call(tok, text)
    for kind in KINDS:
        assert call(tok, kind(text.encode())) == expected


@pytest.mark.parametrize("call", CUTS.values(), ids=CUTS)
@MODELS
@examples(30)
@given(mixed_texts)
@example("")
@example("é<｜User｜>中 🦙" * 30)
def test_parts_of_bytes_are_bytes(call: Any, tok: dstok.Tokenizer, text: str) -> None:
    expected = call(tok, text)
    for kind in KINDS:
        found = call(tok, kind(text.encode()))
        assert [part.decode() for part in found] == expected
        assert {type(part) for part in found} <= {bytes}


@pytest.mark.parametrize("call", [*CALLS.values(), *CUTS.values()], ids=[*CALLS, *CUTS])
def test_what_is_no_text(call: Any) -> None:
    for wrong, found in ((7, "int"), (None, "NoneType"), (float("nan"), "float"), (["a"], "list(: encode_batch takes several texts)?"), (array("B"), "array"),
                         (memoryview(array("I", [97])), "a memoryview of format 'I'"),
                         (mmap(-1, 1), "mmap: give what its read\\(\\) returns")):
        with pytest.raises(TypeError, match=f"expected str or bytes as text( [01])?, found {found}$"):
            call(TOK, wrong)


@MODELS
@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("call", [*CALLS.values(), *CUTS.values()], ids=[*CALLS, *CUTS])
def test_what_is_no_utf8(call: Any, kind: Any, tok: dstok.Tokenizer) -> None:
    data, mended = b"ab\xff c" * 3, "ab\ufffd c" * 3
    with pytest.raises(dstok.TextError, match="found byte 0xff at byte offset 2") as caught:
        call(tok, kind(data))
    assert caught.value.offset == 2
    found = call(tok, kind(data), errors="replace")
    expected = call(tok, mended)
    assert found == (expected if call in CALLS.values() else [part.encode() for part in expected])


@MODELS
@pytest.mark.parametrize("call", CUTS.values(), ids=CUTS)
def test_lone_surrogates_are_replaced_in_parts(call: Any, tok: dstok.Tokenizer) -> None:
    assert call(tok, "ab\ud800 \udfffc", errors="replace") == call(tok, "ab\ufffd \ufffdc")


@pytest.mark.parametrize("budget", [4, 40])
def test_errors_of_later_chunks_count_from_the_start_of_the_text(budget: int) -> None:
    text = "né wörd " * 50
    with pytest.raises(dstok.TextError, match="at code point 400$") as caught:
        list(TOK.chunk(text + "\ud800", budget))
    assert caught.value.offset == len(text)
    with pytest.raises(dstok.SpecialTokenError, match="at byte offset 500;") as refused:
        list(TOK.chunk(text + "<｜User｜>", budget, special="raise"))
    assert refused.value.offset == len(text.encode())


def test_a_lone_surrogate_after_the_limit_of_a_text_that_is_not_normalized() -> None:
    """Such a text is normalized as a whole: it is an error, and no ids of the text as it is count in its place."""
    text = "e\u0301 " * 20_000  # more than a portion
    assert NFC.count(text) == 40_000
    with pytest.raises(dstok.TextError) as caught:
        NFC.count(text + "\ud800", limit=500)
    assert caught.value.offset == len(text)


def test_bytes_that_change_later() -> None:
    """A call works on the bytes as they were."""
    text = bytearray(b"one two three four " * 10)
    expected = list(TOK.chunk(bytes(text), 5))
    parts = TOK.chunk(text, 5)
    found = [next(parts)]
    text[:] = b"\xff" * len(text)
    assert [*found, *parts] == expected
