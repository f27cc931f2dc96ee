"""Token healing: settled ids stay whatever follows, and the masks are those of a search through the whole vocabulary."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from real_models import TODAY
from real_models import V3 as TOK
from reference import examples
from text_strategies import special_parts, special_texts, texts

import dstok
from dstok.errors import ArgumentError, TextError, UnknownTokenError

WORDS = TOK.inspect().token_bytes()
mixed = st.one_of(texts, special_parts, special_texts)
tails = st.one_of(
    mixed.map(str.encode), st.binary(max_size=3), st.sampled_from(WORDS).flatmap(
        lambda token: st.integers(0, len(token)).map(lambda end: token[:end])),
    st.sampled_from(WORDS).map(lambda token: token + b"x"))


def ids_of(mask: np.ndarray[Any, Any]) -> list[int]:
    """The ids of a mask, bit by bit."""
    words = mask.view(np.uint32).tolist()
    return [32 * at + bit for at, word in enumerate(words) for bit in range(32) if word >> bit & 1]


@examples(500)
@given(mixed, mixed, st.sampled_from(["all", "none"]))
@example("See http:", "//x", "all")
@example("a<｜Us", "er｜>", "all")
@example("", "a", "all")
def test_settled_ids_stay(text: str, more: str, special: Any) -> None:
    ids, tail = dstok.sampling.split_open_end(TOK, text, special=special)
    assert TOK.encode(text + more, special=special)[: len(ids)] == ids
    assert TOK.decode_bytes(ids) + tail == text.encode()


@pytest.mark.parametrize("name", TODAY)
def test_other_models(name: str) -> None:
    tok = dstok.load(name)
    ids, tail = dstok.sampling.split_open_end(tok, "Hello wor")
    assert tok.encode("Hello world")[: len(ids)] == ids
    assert tok.decode_bytes(ids) + tail == b"Hello wor"
    words, mask = tok.inspect().token_bytes(), dstok.sampling.tokens_with_prefix(tok, tail)
    assert ids_of(mask) == [id for id, token in enumerate(words)
                            if token and (token.startswith(tail) or tail.startswith(token))]


@examples(60)
@given(tails)
@example(b"")
@example(b"\xff\xff")
@example("<｜".encode())
def test_masks_against_the_whole_vocabulary(tail: bytes) -> None:
    expected = [id for id, token in enumerate(WORDS) if token and (token.startswith(tail) or tail.startswith(token))]
    assert ids_of(dstok.sampling.tokens_with_prefix(TOK, tail)) == expected


def test_bos_stands_before_the_settled_ids() -> None:
    assert dstok.sampling.split_open_end(TOK, "Hello wor", add_bos=True) == ([0, 19923], b" wor")


def test_added_tokens_are_allowed_by_policy() -> None:
    """A tail that begins an added token allows it, unless the text may not have it."""
    token, others = TOK.added_tokens["<｜User｜>"], {"<｜Assistant｜>"}
    found = {special: token in ids_of(dstok.sampling.tokens_with_prefix(TOK, "<｜Us", special=special))
             for special in ("all", "none", "raise", frozenset(others), frozenset({*others, "<｜User｜>"}))}
    assert list(found.values()) == [True, False, False, False, True]
    plain = ids_of(dstok.sampling.tokens_with_prefix(TOK, "<｜Us", special="none"))
    assert plain == [id for id in ids_of(dstok.sampling.tokens_with_prefix(TOK, "<｜Us")) if id not in TOK.added_tokens.values()]
    assert plain


def test_the_size_of_the_logits() -> None:
    whole, cut, padded = (ids_of(dstok.sampling.tokens_with_prefix(TOK, "a", vocab_size=size)) for size in (None, 1000, TOK.vocab_size + 99))
    assert cut == [id for id in whole if id < 1000]
    assert padded == whole
    assert dstok.sampling.tokens_with_prefix(TOK, "a", vocab_size=1000).shape == (32,)
    assert dstok.sampling.tokens_with_prefix(TOK, "a", vocab_size=1025).shape == (33,)
    assert dstok.sampling.tokens_with_prefix(TOK, "a", vocab_size=0).shape == (0,)


def test_healing_gives_a_text_that_begins_with_the_prompt() -> None:
    """A sampler that takes any allowed token, the longest or the first one, writes the tail again."""
    prompt = "See http:"
    ids, tail = dstok.sampling.split_open_end(TOK, prompt)
    for choose in (min, max):
        made, rest = list(ids), tail
        while rest:
            made.append(choose(ids_of(dstok.sampling.tokens_with_prefix(TOK, rest)), key=lambda id: (len(WORDS[id]), id)))
            rest = rest[len(WORDS[made[-1]]) :]
        assert TOK.decode(made).startswith(prompt)


def test_errors() -> None:
    with pytest.raises(ArgumentError, match="vocab_size"):
        dstok.sampling.tokens_with_prefix(TOK, "a", vocab_size=-1)
    with pytest.raises(ArgumentError, match="at most"):
        dstok.sampling.tokens_with_prefix(TOK, "a", vocab_size=1 << 40)
    with pytest.raises(UnknownTokenError):
        dstok.sampling.tokens_with_prefix(TOK, "a", special={"<no such token>"})
    with pytest.raises(ArgumentError):
        dstok.sampling.tokens_with_prefix(TOK, 5)  # type: ignore[arg-type]
    with pytest.raises(TextError):
        dstok.sampling.split_open_end(TOK, "\ud800")
