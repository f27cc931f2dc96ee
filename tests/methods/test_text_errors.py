"""Input that is no text: errors with their places, in every call; and what `errors="replace"` makes of it."""

from __future__ import annotations

import pickle
import re
from collections.abc import Callable, Iterable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from real_models import at_level, levels
from reference import cut_at, examples
from shares import chance_of_today
from text_strategies import texts

import dstok

TOK = at_level("deepseek-v3", levels()[-1])
cuts = st.lists(st.integers(0, 1000), max_size=8)
# Bytes near UTF-8: whole characters, their parts, and bytes that never stand in it.
near_utf8 = st.lists(st.one_of(
    texts.map(str.encode), st.binary(max_size=3),
    st.sampled_from([b"\xc3", b"\xe4\xb8", b"\xf0\x9f\xa6", b"\x80", b"\xff", b"\xc0\xaf", b"\xed\xa0\x80", b"\xe0\x80\x80",
                     b"\xf4\x90\x80\x80", b"\xf8\x88", b"\xf0\x80\x80\x80", b"a" * 70]),
), max_size=6).map(b"".join)
near_text = st.lists(st.one_of(texts, st.text("\ud800\udbff\udc00\udfff", max_size=3)), max_size=6).map("".join)
SURROGATE = re.compile("[\ud800-\udfff]")


def in_stream(parts: Iterable[Any], **keywords: Any) -> list[int]:
    stream = TOK.encode_stream(**keywords)
    return [*(id for part in parts for id in stream.feed_list(part)), *stream.finish_list()]


CALLS: list[Callable[..., Any]] = [
    TOK.encode, TOK.encode_array, TOK.count, TOK.encode_with_offsets, TOK.inspect().pretokenize,
    lambda text, **keywords: in_stream([text], **keywords),
]


@examples(400)
@given(near_utf8, cuts)
def test_invalid_utf8(data: bytes, places: list[int]) -> None:
    """The offset is that of Python's own error; a batch also names the text; with "replace" it is Python's text."""
    try:
        data.decode()
    except UnicodeDecodeError as error:
        where = error.start
        for call in CALLS:
            with pytest.raises(dstok.TextError) as caught:
                call(data)
            assert caught.value.offset == where
            assert str(caught.value) == f"expected utf-8, found byte 0x{data[where]:02x} at byte offset {where}"
        for threads in (1, 3):
            with pytest.raises(dstok.TextError, match="of text 2$") as caught:
                TOK.encode_batch(["é", b"fine", data, b"\xff"], num_threads=threads)
            assert caught.value.offset == where
        with pytest.raises(dstok.TextError, match=f"at byte offset {where + 3}$"):
            in_stream([b"abc", *(data[at : at + 1] for at in range(len(data)))])
    expected = TOK.encode(data.decode("utf-8", "replace"))
    assert TOK.encode(data, errors="replace") == expected
    assert TOK.encode_array(data, errors="replace").tolist() == expected
    assert TOK.encode_batch([data, "x", data], errors="replace", num_threads=2)[::2] == [expected, expected]
    assert TOK.count(data, errors="replace") == TOK.count_batch([data], errors="replace")[0] == len(expected)
    assert TOK.encode_with_offsets(data, errors="replace").ids.tolist() == expected
    assert "".join(piece.text for piece in TOK.inspect().pretokenize(data, errors="replace")) == data.decode("utf-8", "replace")
    assert in_stream(cut_at(data, places), errors="replace") == expected


@examples(150)
@given(near_text, cuts)
def test_lone_surrogates(text: str, places: list[int]) -> None:
    """The offset counts code points; with "replace" each becomes U+FFFD."""
    found = SURROGATE.search(text)
    if found:
        where = found.start()
        for call in CALLS:
            with pytest.raises(dstok.TextError, match=f"surrogate U\\+{ord(found[0]):04X} at code point {where}$") as caught:
                call(text)
            assert caught.value.offset == pickle.loads(pickle.dumps(caught.value)).offset == where
        with pytest.raises(dstok.TextError, match=f"at code point {where} of text 1$"):
            TOK.encode_batch(["é", text])
        with pytest.raises(dstok.TextError, match=f"at code point {where + 2}$"):
            in_stream(["é".encode(), "é", *text])
    expected = TOK.encode(SURROGATE.sub("\ufffd", text))
    assert TOK.encode(text, errors="replace") == TOK.encode_batch([text], errors="replace")[0] == expected
    assert TOK.encode_with_offsets(text, errors="replace").ids.tolist() == expected
    assert in_stream(cut_at(text, places), errors="replace") == expected


@pytest.mark.parametrize("wide", ["a", "é", "中", "𝔞"])
@pytest.mark.parametrize("at", [0, 1, 65_535, 65_536, 200_001])
def test_far_from_the_start(wide: str, at: int) -> None:
    """Portions after the start, in str whose characters take one, two and four bytes, and in bytes."""
    text = wide * at + "\udc80" + wide * 10
    for call in (TOK.encode, TOK.count, lambda text: TOK.encode_batch([text])):
        with pytest.raises(dstok.TextError) as caught:
            call(text)
        assert caught.value.offset == at
    data = (wide * at).encode() + b"\x80"
    with pytest.raises(dstok.TextError) as caught:
        TOK.encode(data)
    assert caught.value.offset == len(data) - 1
    assert TOK.encode(text, errors="replace") == TOK.encode(text.replace("\udc80", "\ufffd"))
    assert TOK.encode("fine") == TOK.encode(b"fine")  # and the workspace is fit for use


WIDTHS = ["a", "\x7f", "\x80", "\xff", "\u07ff", "\u0800", "\ud7ff", "\ue000", "\uffff", "\U00010000", "\U0010ffff"]


@pytest.mark.parametrize("level", levels())
def test_transcoding_by_level(level: str) -> None:
    """Characters of all widths at every place of a vector, after each other and alone in ASCII, cut off anywhere."""
    tok = at_level("deepseek-v3", level)
    for wide in WIDTHS:
        for at in range(70):
            for text in ("a" * at + wide + "b" * 40, wide * at + "ab", (wide + "é") * (at // 2) + "".join(WIDTHS) + "z" * at):
                assert tok.encode(text) == tok.encode(text.encode()), (wide, at)
                with pytest.raises(dstok.TextError, match=f"U\\+DFFF at code point {len(text)}$"):
                    tok.count(text + "\udfff" + "c" * 40)


@pytest.mark.parametrize("level", levels())
def test_transcoding_of_stretches(level: str) -> None:
    """Stretches of one width and of several, around the 256 units that are taken in one way, with a surrogate or none."""
    tok, chance = at_level("deepseek-v3", level), chance_of_today(f"stretches {level}")
    for most in ["\xff", "\u07ff", "\uffff", "\U0010ffff"] * 10:
        widths = [c for c in WIDTHS if c <= most]
        text = ""
        while len(text) < 1200:
            alphabet = chance.sample(widths, chance.randint(1, len(widths)))
            text += "".join(chance.choices(alphabet, k=chance.choice([1, 15, 16, 31, 32, 33, 64, 255, 256, 257])))
        assert tok.encode(text) == tok.encode(text.encode()), text
        at = chance.randrange(len(text))
        with pytest.raises(dstok.TextError, match=f"U\\+D800 at code point {at}$"):
            tok.count(text[:at] + "\ud800" + text[at:])


@pytest.mark.parametrize("level", levels())
def test_validation_by_level(level: str) -> None:
    """Faults at every place of a block, in ASCII and among others, are where Python finds them."""
    tok = at_level("deepseek-v3", level)
    faults = b"\x80 \xc0\xaf \xc1\xbf \xe0\x9f\xbf \xed\xa0\x80 \xf0\x8f\xbf\xbf \xf4\x90\x80\x80 \xf5\x80\x80\x80 \xc3a \xe4\xb8a \xf0\x9f\xa6a".split()
    for fault in faults:
        for at in range(132):
            for before in (b"a" * at, ("é" * (at // 2)).encode(), ("中" * (at // 3)).encode(), ("🦙" * (at // 4)).encode()):
                data = before + fault + b"a" * 70
                with pytest.raises(UnicodeDecodeError) as expected:
                    data.decode()
                with pytest.raises(dstok.TextError) as caught:
                    tok.count(data)
                assert caught.value.offset == expected.value.start, (data, level)


def test_other_arguments() -> None:
    batch: Any
    for batch in ("text", b"text", bytearray(b"text"), memoryview(b"text")):
        with pytest.raises(TypeError, match="expected a list of texts"):
            TOK.encode_batch(batch)
    for threads in (0, -1):
        with pytest.raises(ValueError, match="threads to be at least 1"):
            TOK.encode_batch(["a"], num_threads=threads)
    for call in CALLS:
        with pytest.raises(ValueError, match="expected errors to be"):
            call("a", errors="ignore")
    tok = dstok.Tokenizer._of_description(_without_frame())
    framing: Any
    for framing in ({"add_bos": True}, {"add_eos": True}):
        with pytest.raises(dstok.DstokError, match="was asked for, but the model names no"):
            tok.encode("a", **framing)


def _without_frame() -> Any:
    from small_models import model_json

    from dstok.formats.tokenizer_json import read_tokenizer_json

    return read_tokenizer_json(model_json())
