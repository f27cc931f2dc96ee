"""The calls for sampled ids, with models of characters: canonical checks, healing, streams of a batch, growing texts."""

from __future__ import annotations

import json
from functools import cache
from typing import Any

import pytest
from character_models import DECODERS, PREPEND, REPLACE, STRIP, character_json
from hypothesis import given
from hypothesis import strategies as st
from reference import examples

import dstok
from dstok.errors import DecodeError, UnsupportedError

texts = st.text("ab c中文é\U0001f999\n", max_size=8)


@cache
def model(strips: bool) -> dstok.Tokenizer:
    """A small model; with `strips` it puts a space before texts, and decoding drops it."""
    file: dict[str, Any] = character_json(PREPEND if strips else REPLACE, decoders=[*DECODERS, *[STRIP] * strips])
    return dstok.Tokenizer.from_str(json.dumps(file))


ids_of = st.lists(st.integers(0, 280), max_size=8).map(lambda ids: [id for id in ids if model(False)._decoder.has(id)])


@pytest.mark.parametrize("strips", [False, True])
@examples(200)
@given(st.one_of(ids_of, texts.map(lambda text: model(False).encode(text))))
def test_canonical_ids(strips: bool, ids: list[int]) -> None:
    tok = model(strips)
    again = tok.encode(tok.decode(ids))
    place = next((at for at, pair in enumerate(zip(ids, again)) if pair[0] != pair[1]), min(len(ids), len(again)))
    assert tok.first_noncanonical(ids) == (None if ids == again else place)
    assert tok.first_noncanonical_batch([ids, ids]).tolist() == [-1 if ids == again else place] * 2


@pytest.mark.parametrize("strips", [False, True])
@examples(200)
@given(texts, texts)
def test_healing(strips: bool, text: str, more: str) -> None:
    tok = model(strips)
    ids, tail = tok.unsettled(text)
    assert tok.encode(text + more)[: len(ids)] == ids
    assert tok.decode_bytes(ids) + tail == tok.decode_bytes(tok.encode(text))


@pytest.mark.parametrize("strips", [False, True])
@examples(200)
@given(st.lists(ids_of, min_size=1, max_size=3))
def test_streams_of_a_batch(strips: bool, lists: list[list[int]]) -> None:
    tok = model(strips)
    streams, single = tok.decode_streams(len(lists)), [tok.decode_stream() for _ in lists]
    for step in range(max(map(len, lists))):
        ids = [row[step] if step < len(row) else -1 for row in lists]
        try:
            expected = ["" if id == -1 else one.feed(id) for one, id in zip(single, ids)]
        except DecodeError:
            with pytest.raises(DecodeError):
                streams.step(ids)
            return
        assert streams.step(ids) == expected
    assert [streams.finish(slot) for slot in range(len(lists))] == [one.finish() for one in single]


def test_stop_strings() -> None:
    tok = model(True)
    streams = tok.decode_streams(1)
    streams.begin(0, stop="b\U0001f999")
    ids = tok.encode("cab\U0001f999x")
    assert "".join(streams.step(ids, [0] * len(ids))) == "ca"
    assert streams.is_stopped(0)


def test_growing_texts() -> None:
    """Without a space before texts, sampled ids are taken; their marks are not known."""
    text = model(False).growing()
    text.append("ab")
    assert text.append(ids=[5, 6]) == (len(text) - 2, [5, 6])
    assert text.sampled().tolist()[-2:] == [True, True]
    with pytest.raises(UnsupportedError, match="model of characters"):
        text.canonical()
    with pytest.raises(UnsupportedError, match="puts a space before texts"):
        model(True).growing().append(ids=[5])
