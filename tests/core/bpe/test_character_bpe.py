"""Models of characters with byte fallback give upstream's ids and offsets in every call."""

from __future__ import annotations

import json
import random
from typing import Any

import pytest
from character_models import ALPHABET, PREPEND, added_token, character_json, random_models
from fetched_models import TODAY, both
from hypothesis import given
from hypothesis import strategies as st
from shared_data import CORPORA, corpus
from shares import share
from tokenizers import Tokenizer as Upstream

from dstok import Tokenizer
from dstok.errors import TextError, UnsupportedError
from dstok.methods.budget import Fitting

TEXTS = st.text(st.sampled_from([*ALPHABET, *"   Ω\x00"]), max_size=40)
CONTEXTS = ("{}", "a{}b", " {} ", "{0}{0}", "\n{}1", "中{}の")
BLOCK = 64  # code points in a text
DOCUMENT = 4096  # code points of a corpus in a text


def built(file: dict[str, Any]) -> Tokenizer | None:
    """The tokenizer; None if dstok refuses its added tokens."""
    try:
        return Tokenizer.from_str(json.dumps(file))
    except UnsupportedError as error:
        assert "added token" in str(error), error
        return None


@given(random_models(), st.lists(TEXTS, min_size=1, max_size=20), st.integers(1, 9))
def test_random_models(file: dict[str, Any], texts: list[str], step: int) -> None:
    tok = built(file)
    if tok is None:
        return
    upstream = Upstream.from_str(json.dumps(file))
    for text in texts:
        check(tok, upstream, text)
        check_in_parts(tok, text, step)


def check(tok: Tokenizer, upstream: Upstream, text: str) -> None:
    expected = upstream.encode(text, add_special_tokens=False)
    assert tok.encode(text) == tok.encode(text.encode()) == expected.ids
    assert tok.count(text) == len(expected.ids)
    found = tok.encode_with_offsets(text)
    assert found.ids.tolist() == expected.ids
    assert [tuple(span) for span in found.char_spans.tolist()] == expected.offsets
    bytes_of = [len(text[:end].encode()) for end in range(len(text) + 1)]
    for (start, end), (first, last), token in zip(found.byte_spans.tolist(), expected.offsets, expected.tokens):
        assert start >= bytes_of[first] and end <= bytes_of[last]
        assert token.startswith("<0x") or (start, end) == (bytes_of[first], bytes_of[last])
    pieces = tok.inspect().piece_spans(text).tolist()
    for (start, end), piece in zip(found.byte_spans.tolist(), found.pieces.tolist()):
        assert pieces[piece][0] <= start <= end <= pieces[piece][1]
    assert tok.encode(text, special="none") == tok.encode_with_offsets(text, special="none").ids.tolist()


def check_in_parts(tok: Tokenizer, text: str, step: int) -> None:
    """Streams, growing texts and texts cut to a number of ids agree with the whole text."""
    ids = tok.encode(text)
    for side in ("left", "right"):
        assert len(tok.encode(tok.truncate(text, step, truncation_side=side))) <= step
    assert "".join(tok.chunk(text, 4 * step + 12)) == text
    assert tok.count(text, limit=step) == min(len(ids), step + 1)
    try:
        stream, growing = tok.encode_stream(), tok.encode_incremental()
    except UnsupportedError:
        return
    found = []
    for at in range(0, len(text), step):
        found += stream.feed(text[at : at + step]).tolist()
        growing.append(text[at : at + step])
        assert growing.ids == tok.encode(text[: at + step])
    assert found + stream.finish().tolist() == ids == growing.ids


@pytest.mark.parametrize("corpus_name", CORPORA)
@pytest.mark.parametrize("name", TODAY)
def test_corpora(name: str, corpus_name: str) -> None:
    """Ids and offsets of documents; upstream takes a second for two megabytes."""
    tok, upstream = both(name)
    text = corpus(corpus_name)
    for start in share(range(0, len(text), DOCUMENT), 40):
        check(tok, upstream, text[start : start + DOCUMENT])


@pytest.mark.parametrize("name", TODAY)
def test_code_points_in_contexts(name: str) -> None:
    tok, upstream = both(name)
    for first in share(range(0, 0x110000, BLOCK), 40):
        characters = [chr(c) for c in range(first, first + BLOCK) if not 0xD800 <= c < 0xE000]
        for context in CONTEXTS:
            text = "".join(context.format(c) for c in characters)
            assert tok.encode(text) == upstream.encode(text, add_special_tokens=False).ids


@given(st.permutations([(left, right) for left in range(1, 5) for right in range(1, 5) if left + right <= 5]),
       st.integers(1, 9), st.data())
def test_runs_of_a_character(rules: list[tuple[int, int]], rank: int, data: st.DataObject) -> None:
    """Added tokens of newlines are left out of the search only where merging gives the same ids."""
    rules = sorted(rules, key=lambda rule: rule != (1, 1)) if rank > 3 else rules
    merges = [("\n" * left, "\n" * right) for left, right in rules] + [("a", "b")]
    file = character_json(merges=merges, characters="ab▁\n")
    vocab = file["model"]["vocab"]
    lengths = data.draw(st.sampled_from([(1, 2, 3, 4, 5), (1, 2, 3, 4), (2,), ()]))
    file["added_tokens"] = [added_token(vocab["\n" * length], "\n" * length) for length in lengths]
    tok, upstream = Tokenizer.from_str(json.dumps(file)), Upstream.from_str(json.dumps(file))
    for length in range(14):
        text = data.draw(st.sampled_from(["{}", "ab{}a", " {} b{}"])).format("\n" * length, "\n" * 12)
        check(tok, upstream, text)


def test_runs_that_need_no_search() -> None:
    """In the order of Gemma's rules merging gives the longest tokens first; with the short ones first it does not."""
    merges = [("\n" * (length - right), "\n" * right) for length in range(5, 1, -1) for right in range(1, length)]
    for rules, quick in ((merges, True), (merges[::-1], False)):
        file = character_json(merges=rules, characters="a▁\n")
        vocab = file["model"]["vocab"]
        file["added_tokens"] = [added_token(vocab["\n" * length], "\n" * length) for length in range(1, 6)]
        tok = Tokenizer.from_str(json.dumps(file))
        policy = tok._added.policy("all")
        assert (policy.quick is not policy) == quick
        for length in range(1, 60):
            check(tok, Upstream.from_str(json.dumps(file)), f"a{length * chr(10)} a")


@given(random_models(), st.lists(TEXTS, min_size=3, max_size=6), st.integers(0, 2**30))
def test_the_last_ids_of_a_long_text(file: dict[str, Any], parts: list[str], seed: int) -> None:
    """They are found from a sure start on, without a space that only the text's start gets."""
    tok = built(file)
    if tok is None:
        return
    chance = random.Random(seed)
    text = "".join(chance.choice(parts) for _ in range(600))
    ends = Fitting(tok, tok._added.policy("all"))
    (count, start), (whole, start_of) = ends.last_starts(text, 20), ends._starts(text)
    least = min(count, 20)
    assert [start(count - back) for back in range(1, least + 1)] == [start_of(whole - back) for back in range(1, least + 1)]


@pytest.mark.parametrize("normalized", [False, True])
def test_bytes_that_are_no_text(normalized: bool) -> None:
    """The place of the fault is that in the bytes, also where a space goes before the text."""
    file = character_json(PREPEND, added=[added_token(1, "<s>", normalized=normalized)])
    tok = Tokenizer.from_str(json.dumps(file))
    for call in (tok.encode, tok.count, tok.encode_with_offsets):
        with pytest.raises(TextError) as caught:
            call(b"ab \xe4\xb8 c")
        assert caught.value.offset == 3
    assert tok.encode(b"ab \xff", errors="replace") == tok.encode("ab \ufffd")
