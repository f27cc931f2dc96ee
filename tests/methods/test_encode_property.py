"""Every encoding call gives upstream's ids, on texts made to find differences."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from real_models import TODAY, at_level, levels, real, real_with
from reference import cut_at, examples
from shares import seeds
from small_models import upstream_ids
from text_strategies import CONTENTS, NAMED, special_parts, special_texts, texts

cuts = st.lists(st.integers(0, 1000), max_size=8)


@examples(1500, deep=200_000)
@given(texts)
@example(" \u20c1")
@example("a   1")
@example("!café (größer")
@example("!abcé x\u200d 한국어 中\u3099の")
@example("éabc naïve\u2028\u2029 \x85x")
def test_encode(text: str) -> None:
    """One call, at every level, from str and from UTF-8."""
    expected = upstream_ids(real("deepseek-v3"), text)
    for level in levels():
        tok = at_level("deepseek-v3", level)
        assert tok.encode(text) == expected
        assert tok.encode(text.encode()) == expected
    assert tok.count(text) == tok.count(text.encode()) == len(expected)
    array = tok.encode_array(text)
    assert array.dtype == np.uint32 and array.tolist() == expected


@examples(300)
@given(texts, cuts)
def test_streams(text: str, places: list[int]) -> None:
    """Fed in any parts, of characters or of bytes, and the counts of the parts."""
    expected = upstream_ids(real("deepseek-v3"), text)
    data = text.encode()
    for level in levels():
        tok = at_level("deepseek-v3", level)
        for parts in (cut_at(text, places), cut_at(data, places), list(text)):
            stream = tok.encode_stream()
            assert [*(id for part in parts for id in stream.feed_list(part)), *stream.finish_list()] == expected
    stream, counting = tok.encode_stream(), tok.encode_stream()
    for at in range(len(data)):
        found = stream.feed(data[at : at + 1])
        assert counting.feed_count(data[at : at + 1]) == len(found)
        assert found.tolist() == expected[: len(found)]
        del expected[: len(found)]
    assert stream.finish().tolist() == expected
    assert counting.finish_count() == len(expected)


@examples(300)
@given(st.lists(texts, max_size=12), st.integers(1, 4), st.booleans(), st.booleans())
def test_batches(batch: list[str], threads: int, add_bos: bool, add_eos: bool) -> None:
    """Lists, flat arrays and counts of a batch, on one thread or several, with or without BOS and EOS."""
    tok = at_level("deepseek-v3", levels()[-1])
    answers = real("deepseek-v3").encode_batch(batch, add_special_tokens=False)
    expected = [[0] * add_bos + answer.ids + [1] * add_eos for answer in answers]
    framing: dict[str, Any] = {"add_bos": add_bos, "add_eos": add_eos}
    mixed: list[str | bytes] = [text.encode() if at % 2 else text for at, text in enumerate(batch)]
    for given_texts in (batch, mixed, iter(batch)):
        assert tok.encode_batch(given_texts, num_threads=threads, **framing) == expected
    ids, offsets = tok.encode_batch_arrays(mixed, num_threads=threads, **framing)
    assert ids.dtype == np.uint32 and offsets.dtype == np.int64 and len(offsets) == len(batch) + 1
    assert [ids[start:end].tolist() for start, end in zip(offsets, offsets[1:])] == expected
    assert tok.count_batch(mixed, num_threads=threads) == [len(answer.ids) for answer in answers]
    for text, want in zip(batch, expected):
        assert tok.encode(text, **framing) == tok.encode_array(text, **framing).tolist() == want
        assert tok.count(text, **framing) == len(want)


@pytest.mark.parametrize("model", TODAY)
@examples(30, deep=2000)
@given(st.lists(st.one_of(special_texts, special_parts, texts), max_size=8).map("".join))
def test_all_built_in_models(model: str, text: str) -> None:
    assert at_level(model, levels()[-1]).encode(text) == upstream_ids(real(model), text)


SETS = [frozenset(), frozenset(NAMED[:1]), frozenset({"<｜User｜>", "<｜Assistant｜>"}), frozenset(CONTENTS[: len(CONTENTS) // 2]),
        frozenset(NAMED[1:])]


@pytest.mark.parametrize("allowed", [SETS[number] for number in seeds(len(SETS), 2)], ids=len)
@examples(24, deep=1200)
@given(text=st.lists(st.one_of(special_texts, special_parts, texts), max_size=8).map("".join), places=cuts)
def test_special_policies(allowed: frozenset[str], text: str, places: list[int]) -> None:
    """A set is as if the model had only those added tokens; "none" is the empty set."""
    tok, judge = at_level("deepseek-v3", levels()[-1]), real_with("deepseek-v3", allowed)
    ours = {judge.token_to_id(content): tok.token_to_id(content) for content in allowed}  # upstream counts them anew
    expected = [ours.get(id, id) for id in upstream_ids(judge, text)]
    policies: list[Any] = [allowed, list(allowed), *(["none"] if not allowed else [])]
    for special in policies:
        assert tok.encode(text, special=special) == expected
        assert tok.encode_batch([text.encode()], special=special) == [expected]
        assert tok.count(text, special=special) == len(expected)
        assert tok.encode_with_offsets(text, special=special).ids.tolist() == expected
        stream = tok.encode_stream(special=special)
        found = [id for part in cut_at(text.encode(), places) for id in stream.feed_list(part)]
        assert found + stream.finish_list() == expected
        assert tok.decode(expected) == text
