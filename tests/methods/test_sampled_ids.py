"""Growing texts that take sampled ids: these stay, later text is encoded after them, and marks say which are canonical."""

from __future__ import annotations

import json
from copy import copy
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
from dstok.errors import ArgumentError, SpecialTokenError, UnknownIdError, UnsupportedError
from dstok.methods.incremental import IncrementalEncoder, IncrementalEncoding, Stretch

ADDED = list(TOK.added_tokens.values())
HE, LLO = TOK.token_to_id("He"), TOK.token_to_id("llo")
WORDS = TOK.inspect().token_bytes()

any_text = st.one_of(special_texts, special_parts, texts)
any_ids = st.one_of(
    st.lists(st.one_of(st.integers(0, TOK.vocab_size - 1), st.sampled_from(PARTIAL), st.sampled_from(ADDED)),
             max_size=6).map(lambda ids: [id for id in ids if WORDS[id]]),
    any_text.map(TOK.encode))
parts = st.lists(st.one_of(any_text, any_ids), max_size=6)


def marks_by_places(ids: list[int], special: Any = "all") -> list[bool]:
    """The marks by the definition: each id, with the place of its bytes, beside the canonical ones."""
    def placed(ids: list[int]) -> list[tuple[int, int]]:
        ends = np.cumsum([len(WORDS[id]) for id in ids]).tolist()
        return list(zip(ids, ends))

    canonical = set(placed(dstok.sampling.canonical_ids(TOK, ids, special=special)))
    return [pair in canonical for pair in placed(ids)]


def grown(parts: list[Any], special: Any = "all") -> tuple[IncrementalEncoding, list[int], list[bool]]:
    """The object after the parts, its ids by the definition, and which are sampled."""
    text, ids, sampled, run = TOK.encode_incremental(special=special), list[int](), list[bool](), ""
    done = 0
    cache = list[int]()
    for part in parts:
        kept, new = text.append(part) if isinstance(part, str) else text.append(ids=part)
        cache[kept:] = new
        if isinstance(part, str):
            run += part
            ids[done:] = TOK.encode(run, special=special)
        elif part:
            ids, run = [*ids, *part], ""
            sampled += [False] * (len(ids) - len(part) - len(sampled)) + [True] * len(part)
            done = len(ids)
        assert cache == text.ids == ids
        assert len(text) == len(ids)
    return text, ids, sampled + [False] * (len(ids) - len(sampled))


@examples(500)
@given(parts, st.sampled_from(["all", "none"]))
@example(["So: ", [HE, LLO, 3], "!"], "all")
@example([[PARTIAL[0]], "x"], "all")
def test_sampled_ids_stay(parts: list[Any], special: Any) -> None:
    text, ids, sampled = grown(parts, special)
    assert text.sampled().tolist() == sampled
    place = dstok.sampling.first_noncanonical(TOK, ids, special=special)
    marks = text.canonical().tolist()
    assert (marks.index(False) if False in marks else None) == place


@examples(500)
@given(parts)
@example([[HE, LLO, 3]])
@example(["a\N{LLAMA}", TOK.encode("\N{LLAMA}b"), "\N{LLAMA}"])
def test_marks_by_the_definition(parts: list[Any]) -> None:
    text, ids, sampled = grown(parts)
    try:
        TOK.decode(ids, errors="strict")
    except dstok.errors.DecodeError:
        return  # the places of bytes that are not UTF-8: `test_broken_characters`
    expected = marks_by_places(ids)
    assert text.canonical().tolist() == expected
    for start, stop, is_sampled, first in text.stretches():
        own = expected[start:stop]
        assert first == (start + own.index(False) if False in own else None)
        assert sampled[start:stop] == [is_sampled] * (stop - start)
    assert [id for stretch in text.stretches() for id in ids[stretch.start : stretch.stop]] == ids


@examples(300)
@given(parts)
def test_marks_asked_after_each_part(parts: list[Any]) -> None:
    """Marks that are asked for often are those of one call at the end."""
    often = TOK.encode_incremental()
    for part in parts:
        often.append(part) if isinstance(part, str) else often.append(ids=part)
        once = grown(parts[: parts.index(part) + 1])[0] if parts.count(part) == 1 else None
        found = often.canonical().tolist()
        assert once is None or found == once.canonical().tolist()


def test_broken_characters() -> None:
    """Ids of no UTF-8 are not canonical; those around them may be."""
    text = TOK.encode_incremental()
    text.append("Hello")
    text.append(ids=[PARTIAL[0]])
    text.append(" world")
    assert text.canonical().tolist() == [True, False, True]
    assert text.stretches() == [Stretch(0, 1, False, None), Stretch(1, 2, True, 1), Stretch(2, 3, False, None)]


def test_bytes_that_u_fffd_has_too() -> None:
    """U+FFFD stands for a byte that is not UTF-8. An id of its first byte is not canonical."""
    tok = dstok.Tokenizer.from_str(model_json())
    for ids, expected in [([0xEF], [False]), ([0xEF, 0xBF, 97], [False, False, True]), ([0xEF, 0xBF, 0xBD], [True] * 3), ([0xBD], [False]),
                          ([97, 0xE0, 0x80, 98], [True, False, False, True])]:
        once, often = tok.encode_incremental(), tok.encode_incremental()
        once.append(ids=ids)
        for id in ids:
            often.append(ids=[id])
            often.canonical()
        assert once.canonical().tolist() == often.canonical().tolist() == expected


def test_numbers_of_numpy_become_ints() -> None:
    text, given = TOK.encode_incremental(), list[Any]((np.int64(3), np.uint8(4)))
    assert text.append(ids=given) == (0, [3, 4])
    assert {type(id) for id in text.ids} == {int}


def test_a_character_cut_between_stretches() -> None:
    ids = TOK.encode("\N{LLAMA}!")
    text = TOK.encode_incremental()
    for id in ids:
        text.append(ids=[id])
    assert text.canonical().tolist() == [True] * len(ids)


@pytest.mark.parametrize("name", TODAY)
@examples(50)
@given(st.lists(st.one_of(special_texts, texts), max_size=5))
def test_canonical_ids_of_other_models(name: str, texts: list[str]) -> None:
    """Ids of the whole text, appended in two parts, are canonical, if no normalizer changes them."""
    tok = dstok.load(name)
    ids = tok.encode("".join(texts))
    if tok.decode(ids) != "".join(texts):
        return
    text = tok.encode_incremental(add_bos=tok.bos_id is not None)
    begin = len(text)
    text.append(ids=ids[: len(ids) // 2])
    text.append(ids=ids[len(ids) // 2 :])
    assert text.ids[begin:] == ids
    assert text.canonical().all()


def test_special_raise_allows_added_tokens_among_ids() -> None:
    text = TOK.encode_incremental(special="raise")
    text.append("Hello")
    text.append(ids=[ADDED[0]])
    with pytest.raises(SpecialTokenError):
        text.append("<｜User｜>")
    assert text.ids == [19923, ADDED[0]]
    assert text.canonical().tolist() == [True, True]


def test_work_is_for_new_ids_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    """A conversation of many turns, whose marks are asked for after each, encodes each turn a few times."""
    read = list[int]()
    grow = IncrementalEncoder.grow

    def counted(self: IncrementalEncoder, text: bytes, keep: bool = True) -> tuple[list[int], int]:
        read.append(len(text))
        return grow(self, text, keep)

    monkeypatch.setattr(IncrementalEncoder, "grow", counted)
    text, turn = TOK.encode_incremental(), "<｜User｜>Is it so?<｜Assistant｜>"
    answer = TOK.encode("It is so, and it stays so.<｜end▁of▁sentence｜>")
    for _ in range(128):
        text.append(turn)
        text.append(ids=answer)
        assert text.canonical().all()
    assert sum(read) < 4 * 128 * len((turn + TOK.decode(answer)).encode())


def test_copies_go_on_alone() -> None:
    text = TOK.encode_incremental()
    text.append(ids=[HE])
    other = copy(text)
    text.append(ids=[LLO])
    other.append(ids=TOK.encode("!"))
    assert text.canonical().tolist() == [False, False]
    assert other.canonical().tolist() == [True, True]
    assert other.sampled().tolist() == [True, True]


def test_text_that_encoding_changes_is_refused() -> None:
    """NFC joins letters and accents: the canonical ids have other bytes."""
    model = json.loads(model_json([(b"a", b"b")]))
    tok = dstok.Tokenizer.from_str(json.dumps(model | {"normalizer": {"type": "NFC"}}))
    text = tok.encode_incremental()
    text.append(ids=[tok.token_to_id(b"e"), *tok.encode("x")])
    assert text.canonical().tolist() == [True, True]
    text.append(ids=[tok.token_to_id(bytes([byte])) for byte in "e\u0301".encode()])
    with pytest.raises(UnsupportedError, match="normalizer"):
        text.canonical()


def test_added_token_that_takes_blanks_is_refused() -> None:
    tok = dstok.Tokenizer.from_str(model_json([(b"a", b"b")], [added_token("<r>", rstrip=True)], None))
    text = tok.encode_incremental()
    text.append(ids=[tok.added_tokens["<r>"], tok.token_to_id(b" ")])
    with pytest.raises(UnsupportedError, match="rstrip"):
        text.canonical()


def test_errors() -> None:
    text = TOK.encode_incremental()
    text.append("Hello")
    with pytest.raises(ArgumentError, match="expected a text or ids, found both"):
        text.append("a", ids=[1])
    with pytest.raises(UnknownIdError):
        text.append(ids=[1, 1 << 30])
    with pytest.raises(ArgumentError):
        text.append(ids="Hello")  # type: ignore[arg-type]
    assert text.ids == [19923]
    assert text.append(ids=[]) == (1, [])
    assert text.append(" world") == (1, [2058])
