"""BOS and EOS around a text: every encoding call takes `add_bos` and `add_eos`, and each gives what `encode` gives."""

from __future__ import annotations

import json
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from real_models import V3 as TOK
from real_models import real
from reference import cut_at, examples
from small_models import added_token, model_json
from text_strategies import special_texts, texts

import dstok

_NFC = dstok.Tokenizer.from_str(json.dumps({
    **json.loads(model_json([(b"a", b"b"), (b"\xc3", b"\xa9")], [added_token("<x>")])), "normalizer": {"type": "NFC"}}))
NFC = dstok.Tokenizer._of_tables(_NFC._tables, _NFC._added.tokens, 256, 257)
TOKENIZERS = pytest.mark.parametrize("tok", [TOK, NFC], ids=["v3", "nfc"])
mixed_texts = st.lists(st.one_of(special_texts, texts, st.just("e\u0301 ")), max_size=4).map("".join)
frames = st.fixed_dictionaries({"add_bos": st.booleans(), "add_eos": st.booleans()})
kinds = st.sampled_from([str, str.encode])


def test_the_frame_is_the_models() -> None:
    ids = real("deepseek-v3").encode("a b", add_special_tokens=False).ids
    assert TOK.encode("a b", add_bos=True, add_eos=True) == [TOK.bos_id, *ids, TOK.eos_id]


@TOKENIZERS
@examples(150)
@given(st.lists(mixed_texts, max_size=5), frames, kinds, st.integers(1, 3))
def test_lists_arrays_counts_and_batches(tok: Any, batch: list[str], frame: Any, kind: Any, threads: int) -> None:
    plain = [tok.encode(text) for text in batch]
    expected = [[tok.bos_id] * frame["add_bos"] + ids + [tok.eos_id] * frame["add_eos"] for ids in plain]
    given_texts = [kind(text) for text in batch]
    assert [tok.encode(text, **frame) for text in given_texts] == expected
    assert [tok.encode_array(text, **frame).tolist() for text in given_texts] == expected
    assert [tok.count(text, **frame) for text in given_texts] == list(map(len, expected))
    assert tok.encode_batch(given_texts, num_threads=threads, **frame) == expected
    assert tok.count_batch(given_texts, num_threads=threads, **frame) == list(map(len, expected))
    flat, offsets = tok.encode_batch_arrays(given_texts, num_threads=threads, **frame)
    assert [flat[start:end].tolist() for start, end in zip(offsets, offsets[1:])] == expected


@TOKENIZERS
@examples(150)
@given(mixed_texts, frames, kinds)
def test_offsets(tok: Any, text: str, frame: Any, kind: Any) -> None:
    """The ids at the ends have empty spans there, and are of no piece."""
    found, plain = tok.encode_with_offsets(kind(text), **frame), tok.encode_with_offsets(text)
    before, after = frame["add_bos"], frame["add_eos"]
    assert found.ids.tolist() == tok.encode(text, **frame)
    size, length = len(text.encode()), len(text)
    assert found.byte_spans.tolist() == [[0, 0]] * before + plain.byte_spans.tolist() + [[size, size]] * after
    assert found.char_spans.tolist() == [[0, 0]] * before + plain.char_spans.tolist() + [[length, length]] * after
    assert found.pieces.tolist() == [-1] * before + plain.pieces.tolist() + [-1] * after
    assert found.special.tolist() == [True] * before + plain.special.tolist() + [True] * after
    for name in ("ids", "byte_spans", "char_spans", "pieces", "special"):
        assert getattr(found, name).dtype == getattr(plain, name).dtype


@TOKENIZERS
@examples(150)
@given(mixed_texts, frames, kinds, st.lists(st.integers(0, 100), max_size=4))
def test_streams(tok: Any, text: str, frame: Any, kind: Any, places: list[int]) -> None:
    """BOS comes first, EOS last, each once, also where a stream is copied between."""
    parts = cut_at(kind(text), places)
    expected = tok.encode(text, **frame)
    stream = tok.encode_stream(**frame)
    ids = [id for part in parts for id in stream.feed_list(part)]
    other = stream.copy()
    assert ids + stream.finish_list() == ids + other.finish().tolist() == expected
    stream = tok.encode_stream(**frame)
    assert sum(map(stream.feed_count, parts)) + stream.finish_count() == len(expected)
    stream = tok.encode_stream(**frame)
    arrays = [*map(stream.feed, parts), stream.finish()]
    assert np.concatenate(arrays).tolist() == expected and {array.dtype for array in arrays} == {np.dtype(np.uint32)}


def test_an_error_does_not_swallow_bos() -> None:
    stream = TOK.encode_stream(add_bos=True)
    with pytest.raises(dstok.TextError):
        stream.feed("\ud800")
    assert stream.feed_list("a b ") + stream.finish_list() == TOK.encode("a b ", add_bos=True)


@TOKENIZERS
@examples(60)
@given(mixed_texts, frames, kinds, st.integers(0, 40))
def test_budgets(tok: Any, text: str, frame: Any, kind: Any, budget: int) -> None:
    """What comes out fits with its frame, and is what fits the rest of the budget without."""
    extra = sum(frame.values())
    total = len(tok.encode(text, **frame))
    assert tok.count(kind(text), limit=budget, **frame) == min(total, budget + 1)
    for side in ("right", "left"):
        if budget < extra:
            with pytest.raises(ValueError, match=rf"at least {extra} \({extra} for BOS and EOS\), found {budget}"):
                tok.truncate(kind(text), budget, truncation_side=side, **frame)
            continue
        found = tok.truncate(kind(text), budget, truncation_side=side, **frame)
        assert found == kind(tok.truncate(text, budget - extra, truncation_side=side))
        assert tok.count(found, **frame) <= budget
    budget += 8 + extra  # a character has at most 6 ids
    parts = list(tok.chunk(kind(text), budget, overlap=3, **frame))
    assert parts == [kind(part) for part in tok.chunk(text, budget - extra, overlap=3)]
    assert all(tok.count(part, **frame) <= budget for part in parts)


def test_budgets_that_leave_nothing() -> None:
    with pytest.raises(ValueError, match=r"expected max_tokens to be at least 3 \(2 for BOS and EOS\), found 2"):
        TOK.chunk("a", 2, add_bos=True, add_eos=True)
    with pytest.raises(ValueError, match="below max_tokens, 5, less 1 for BOS and EOS, found 4"):
        TOK.chunk("a", 5, overlap=4, add_eos=True)


@pytest.mark.parametrize("call", ["encode", "encode_array", "count", "encode_with_offsets", "encode_batch", "count_batch",
                                  "encode_batch_arrays", "truncate", "chunk",
                                  "encode_stream", "encode_incremental"])
def test_models_that_name_no_bos_or_eos(call: str) -> None:
    """Every call says so at once."""
    first = [] if call in ("encode_stream", "encode_incremental") else [["a"] if "batch" in call else "a"]
    rest = [9] if call in ("truncate", "chunk") else []
    for frame in ("add_bos", "add_eos")[: 1 if call == "encode_incremental" else 2]:
        with pytest.raises(dstok.DstokError, match=f"{frame} was asked for, but the model names no"):
            getattr(_NFC, call)(*first, *rest, **{frame: True})
