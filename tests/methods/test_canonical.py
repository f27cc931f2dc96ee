"""Canonical ids: the checks say the same as encoding the decoded text, for every model, level of `special` and batch."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from real_models import TODAY
from real_models import V3 as TOK
from reference import examples
from small_models import added_token, model_json
from text_strategies import PARTIAL, special_parts, special_texts, texts

import dstok
from dstok.errors import ArgumentError, DecodeError, SpecialTokenError, UnknownIdError

SPECIAL = ["all", "none", frozenset({"<｜User｜>"})]
ADDED = list(TOK.added_tokens.values())
HE, LLO = TOK.token_to_id("He"), TOK.token_to_id("llo")

random_ids = st.lists(st.one_of(st.integers(0, TOK.vocab_size - 1), st.sampled_from(PARTIAL), st.sampled_from(ADDED)),
                      max_size=12)
parts_of_texts = st.lists(st.one_of(special_texts, special_parts, texts).map(TOK.encode), max_size=4).map(
    lambda parts: [id for part in parts for id in part])
id_lists = st.one_of(random_ids, parts_of_texts)


def known(tok: dstok.Tokenizer, ids: list[int]) -> list[int]:
    """The ids of V3 that a model has, too."""
    return [id for id in ids if tok._decoder.has(id)]


def expected_place(tok: dstok.Tokenizer, ids: list[int], special: Any) -> int | None:
    """The first difference, found one by one."""
    again = tok.encode(tok.decode(ids), special=special)
    if again == ids:
        return None
    return next((at for at, pair in enumerate(zip(ids, again)) if pair[0] != pair[1]), min(len(ids), len(again)))


@examples(1000)
@given(id_lists, st.sampled_from(SPECIAL))
@example([HE, LLO], "all")
@example([], "all")
@example([*TOK.encode("x"), PARTIAL[0]], "all")
def test_checks_against_encoding_the_text(ids: list[int], special: Any) -> None:
    place = expected_place(TOK, ids, special)
    assert dstok.sampling.first_noncanonical(TOK, ids, special=special) == place
    assert dstok.sampling.first_noncanonical(TOK, np.array(ids, np.int32), special=special) == place
    assert dstok.sampling.is_canonical(TOK, iter(ids), special=special) is (place is None)
    assert dstok.sampling.canonical_ids(TOK, ids, special=special, errors="replace") == TOK.encode(TOK.decode(ids), special=special)


@pytest.mark.parametrize("name", TODAY)
@examples(100)
@given(id_lists)
def test_other_models(name: str, ids: list[int]) -> None:
    tok = dstok.load(name)
    ids = known(tok, ids)
    assert dstok.sampling.first_noncanonical(tok, ids) == expected_place(tok, ids, "all")


@examples(200)
@given(st.lists(id_lists, max_size=6), st.integers(1, 3))
def test_batches(lists: list[list[int]], threads: int) -> None:
    """Lists, arrays, and one array with offsets give what a call for each list gives."""
    expected = [-1 if place is None else place for place in (dstok.sampling.first_noncanonical(TOK, ids) for ids in lists)]
    flat = np.array([id for ids in lists for id in ids], np.uint32)
    offsets = np.cumsum([0, *map(len, lists)])
    for found in (dstok.sampling.first_noncanonical_batch(TOK, lists, num_threads=threads),
                  dstok.sampling.first_noncanonical_batch(TOK, [np.array(ids, np.uint32) for ids in lists]),
                  dstok.sampling.first_noncanonical_batch(TOK, iter(map(tuple, lists))),
                  dstok.sampling.first_noncanonical_batch(TOK, flat, offsets=offsets),
                  dstok.sampling.first_noncanonical_batch(TOK, flat.tolist(), offsets=offsets)):
        assert found.tolist() == expected
        assert found.dtype == np.int64


def test_rows_of_an_array() -> None:
    assert dstok.sampling.first_noncanonical_batch(TOK, np.array([[HE, LLO], TOK.encode("Hello world")])).tolist() == [0, -1]


def test_iterators_in_a_batch() -> None:
    """A row that can be read only once."""
    assert dstok.sampling.first_noncanonical_batch(TOK, [iter([HE, LLO]), iter(TOK.encode("Hello")), iter(())]).tolist() == [0, -1, -1]
    for wrong in (None, 5):
        with pytest.raises(ArgumentError, match="expected a list of lists of ids"):
            dstok.sampling.first_noncanonical_batch(TOK, wrong)  # type: ignore[arg-type]


def test_text_that_is_not_utf8() -> None:
    """`canonical` refuses ids that no text has; with "replace" it gives the ids of U+FFFD."""
    ids = [*TOK.encode("x"), PARTIAL[0]]
    with pytest.raises(DecodeError, match="expected ids of whole characters"):
        dstok.sampling.canonical_ids(TOK, ids)
    assert dstok.sampling.canonical_ids(TOK, ids, errors="replace") == TOK.encode("x\ufffd")
    assert dstok.sampling.first_noncanonical(TOK, ids) == 1


def test_errors_name_the_id_and_the_list() -> None:
    with pytest.raises(UnknownIdError, match="list 1"):
        dstok.sampling.first_noncanonical_batch(TOK, [[1], [2, 1 << 30]])
    with pytest.raises(UnknownIdError):
        dstok.sampling.is_canonical(TOK, [1 << 30])
    with pytest.raises(SpecialTokenError):
        dstok.sampling.canonical_ids(TOK, [ADDED[0]], special="raise")
    with pytest.raises(ArgumentError, match="expected ids"):
        dstok.sampling.is_canonical(TOK, "Hello")  # type: ignore[arg-type]


def test_canonical_ids_that_are_the_start_of_the_ids() -> None:
    """An added token takes the blank after it: encoding gives one id less, and no other one."""
    tok = dstok.Tokenizer.from_str(model_json([(b"a", b"b")], [added_token("<r>", rstrip=True)], None))
    ids = [tok.added_tokens["<r>"], tok.token_to_id(b" ")]
    assert dstok.sampling.canonical_ids(tok, ids) == ids[:1]
    assert dstok.sampling.first_noncanonical(tok, ids) == 1
    assert dstok.sampling.first_noncanonical_batch(tok, [ids, ids[:1]]).tolist() == [1, -1]
