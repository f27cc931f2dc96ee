"""What a stream keeps: only what later text can change; and texts of many portions, in every width of storage."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from real_models import at_level, levels, real
from reference import cut_at, examples
from small_models import upstream_ids
from text_strategies import texts

cuts = st.lists(st.integers(0, 1000), max_size=8)


@pytest.mark.parametrize("level", levels())
def test_ids_come_as_soon_as_they_are_sure(level: str) -> None:
    """Of ordinary text only the last piece is held back; an added token comes when it is whole."""
    tok = at_level("deepseek-v3", level)
    text = "The quick brown fox, 1234 jumps over the lazy dog.\n\nAnd 东京は日本の首都 again. " * 200
    stream, ids = tok.encode_stream(), []
    for at in range(0, len(text), 100):
        ids += stream.feed_list(text[at : at + 100])
        shown = tok.decode_bytes(ids).decode("utf-8", "ignore")
        assert text.startswith(shown) and at + 100 - len(shown) < 40
    assert ids + stream.finish_list() == tok.encode(text)
    stream = tok.encode_stream()
    assert stream.feed_list("a<｜User｜>b")[:2] == tok.encode("a<｜User｜>")
    assert stream.finish_list() == tok.encode("b")


@pytest.mark.parametrize("level", levels())
def test_a_stream_holds_only_what_is_not_sure(level: str) -> None:
    text = ("words and words, 中文と日本語, 123456 " * 50 + "\n") * 100
    stream = at_level("deepseek-v3", level).encode_stream()
    for at in range(0, len(text), 1000):
        stream.feed(text[at : at + 1000])
        assert len(stream._encoder._seen.text) < 10_000


@pytest.mark.parametrize("run", ["a", " ", "1", "中", "\n", "!", "\u0301", "é", " \n", "a\u0301"])
def test_one_endless_piece_in_small_parts(run: str) -> None:
    tok, text = at_level("deepseek-v3", levels()[-1]), run * 40_000
    stream = tok.encode_stream()
    found = [id for at in range(0, len(text), 13) for id in stream.feed_list(text[at : at + 13])]
    assert found + stream.finish_list() == tok.encode(text)


@examples(120)
@given(texts.filter(bool), st.sampled_from(["", "é", "中", "𝔞"]), cuts)
def test_long_texts_in_every_width_of_storage(text: str, wide: str, places: list[int]) -> None:
    """As str they are transcoded portion by portion, as bytes they are read in place, at every level."""
    text = (text + wide) * (150_000 // len((text + wide).encode()) + 1)
    data = text.encode()
    expected = at_level("deepseek-v3", "automaton").encode_array(data)
    for level in levels():
        tok = at_level("deepseek-v3", level)
        assert np.array_equal(tok.encode_array(data), expected)
        assert np.array_equal(tok.encode_array(text), expected)
    assert tok.count(text) == len(expected)
    stream = tok.encode_stream()
    parts = [stream.feed(part) for part in cut_at(data, [place * 151 for place in places])]
    assert np.array_equal(np.concatenate([*parts, stream.finish()]), expected)


@examples(25)
@given(texts.filter(bool), st.sampled_from(["", "é", " 中", "\n"]))
def test_long_texts_against_upstream(text: str, end: str) -> None:
    text = (text + end) * (150_000 // len((text + end).encode()) + 1)
    assert at_level("deepseek-v3", levels()[-1]).encode(text) == upstream_ids(real("deepseek-v3"), text)
