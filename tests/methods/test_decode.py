"""Ids to text and back, and the vocabulary; upstream's decode is the judge."""

from __future__ import annotations

import itertools
import random
from array import array
from typing import Any

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from real_models import TODAY, at_level, levels, real
from real_models import V3 as TOK
from reference import examples
from shares import share
from small_models import added_token, model_json
from text_strategies import PARTIAL, special_parts, special_texts, texts

import dstok

ADDED = list(TOK.added_tokens.values())
ids_of_all_kinds = st.one_of(
    st.integers(0, TOK.vocab_size - 1), st.sampled_from(PARTIAL), st.sampled_from(ADDED), st.integers(3, 260))
id_lists = st.lists(ids_of_all_kinds, max_size=30)
mixed_texts = st.one_of(texts, st.lists(st.one_of(special_texts, special_parts, texts), max_size=6).map("".join))
UNKNOWN = [-1, -(10**30), -(2**63), -(2**32), TOK.vocab_size, 2**31, 2**32, 2**32 + 5, 2**63, 2**64, 2**64 + 5, 10**30]
HOLED = dstok.Tokenizer.from_str(model_json([(b"a", b"b")], [added_token("<x>")], holes=3))


@examples(600)
@given(mixed_texts)
@example("")
@example("\x00\ufffd\U0010ffff")
def test_decode_reverses_encode(text: str) -> None:
    """The text comes back, whatever added tokens were matched; so do its bytes, and strictly."""
    for ids in (TOK.encode(text), TOK.encode(text, special="none"), TOK.encode(text, special={"<｜User｜>"})):
        assert TOK.decode(ids) == TOK.decode(ids, errors="strict") == text
        assert TOK.decode_bytes(ids) == b"".join(TOK.decode_bytes([id]) for id in ids) == text.encode()
    assert TOK.decode(TOK.encode(text, special="none"), skip_special_tokens=True) == text


@pytest.mark.parametrize("wide", ["é", "ф", "中", "🦙", "é中🦙"])
def test_every_width_of_storage(wide: str) -> None:
    """Wide characters stand at every place among ASCII; the core takes eight ASCII characters at once."""
    for before, after in itertools.product(range(34), (0, 1, 7, 31, 32, 40)):
        text = "x" * before + wide + "y" * after
        assert TOK.decode(TOK.encode(text * 2)) == text * 2


@pytest.mark.parametrize("model", TODAY)
@examples(20, deep=3000)
@given(st.lists(st.one_of(special_texts, special_parts, texts), max_size=6).map("".join))
def test_decode_reverses_encode_in_all_models(model: str, text: str) -> None:
    """The same for each of the built-in models; one that normalizes gives what upstream gives."""
    tok, judge = dstok.load(model), real(model)
    if judge.normalizer is not None:
        ids = judge.encode(text, add_special_tokens=False).ids
        assert tok.decode(tok.encode(text)) == judge.decode(ids, skip_special_tokens=False)
        return
    assert tok.decode(tok.encode(text)) == tok.decode(tok.encode(text, special="none")) == text


@examples(800)
@given(id_lists)
@example([])
@example(ADDED)
@example(PARTIAL[:300])
def test_decode_is_upstreams(ids: list[int]) -> None:
    """Any ids, parts of characters among them, decode as upstream decodes them, with special tokens or without."""
    for skip in (False, True):
        expected = real("deepseek-v3").decode(ids, skip_special_tokens=skip)
        assert TOK.decode(ids, skip_special_tokens=skip) == expected
        assert TOK.decode(np.array(ids, np.uint32), skip_special_tokens=skip) == expected
        assert TOK.decode(iter(ids), skip_special_tokens=skip) == expected
        assert TOK.decode_batch([ids, [], ids], skip_special_tokens=skip) == [expected, "", expected]


@pytest.mark.parametrize("model", TODAY)
@examples(30, deep=2000)
@given(st.randoms(use_true_random=False))
def test_decode_is_upstreams_in_all_models(model: str, rng: random.Random) -> None:
    """The same for each of the built-in models, whose added tokens and special flags differ."""
    tok = dstok.load(model)
    added = list(tok.added_tokens.values())
    ids = [rng.choice(added) if rng.random() < 0.4 else rng.randrange(tok.vocab_size) for _ in range(40)]
    for skip in (False, True):
        assert tok.decode(ids, skip_special_tokens=skip) == real(model).decode(ids, skip_special_tokens=skip)


@given(id_lists, st.sampled_from(UNKNOWN), id_lists)
def test_unknown_ids(before: list[int], unknown: int, after: list[int]) -> None:
    """The first id that no token has is an error that tells it and its index, however large it is."""
    ids = [*before, unknown, *after, -7]
    for decode in (TOK.decode, TOK.decode_bytes):
        with pytest.raises(dstok.errors.UnknownIdError) as caught:
            decode(ids)
        assert (caught.value.id, caught.value.index) == (unknown, len(before))
        assert caught.value.vocab_size == TOK.vocab_size
    for lookup in (lambda id: TOK.decode_bytes([id]), TOK.id_to_token):
        with pytest.raises(dstok.errors.UnknownIdError) as caught:
            lookup(unknown)
        assert caught.value.id == unknown


@pytest.mark.parametrize("hole", [256, 258])
def test_holes(hole: int) -> None:
    """An id inside the range that no token has is unknown too."""
    assert HOLED.encode("ab") == [259]
    with pytest.raises(dstok.errors.UnknownIdError) as caught:
        HOLED.decode([97, 259, hole, hole])
    assert (caught.value.id, caught.value.index) == (hole, 2)
    for ids in ([97] * 30 + [hole] * 30, np.array([97] * 30 + [hole] * 30)):
        with pytest.raises(dstok.errors.UnknownIdError, match="index 30 "):
            HOLED.decode(ids)
    for lookup in (lambda id: HOLED.decode_bytes([id]), HOLED.id_to_token):
        with pytest.raises(dstok.errors.UnknownIdError):
            lookup(hole)


@examples(400)
@given(id_lists)
@example([PARTIAL[0]])
@example([TOK.encode("a")[0], PARTIAL[0]])
def test_strict(ids: list[int]) -> None:
    """With errors="strict", bytes that are no text are a `DecodeError`; all else is as without."""
    data = TOK.decode_bytes(ids)
    try:
        expected = data.decode()
    except UnicodeDecodeError as error:
        with pytest.raises(dstok.errors.DecodeError, match=f"0x{data[error.start]:02x} at byte offset {error.start}"):
            TOK.decode(ids, errors="strict")
    else:
        assert TOK.decode(ids, errors="strict") == expected


@pytest.mark.parametrize("model", TODAY)
def test_vocabulary(model: str) -> None:
    """Every id (a sixth of V3's a day, less of the others, most of which have these, too): its token is upstream's, the way back leads to the id, and its size is upstream's."""
    tok, judge = dstok.load(model), real(model)
    assert tok.vocab_size == judge.get_vocab_size(with_added_tokens=True)
    for id in share(range(tok.vocab_size), 6 if model == "deepseek-v3" else 24):
        token = tok.id_to_token(id)
        assert token == judge.id_to_token(id)
        assert tok.token_to_id(token) == id == judge.token_to_id(token)
        assert tok.token_to_id(tok.decode_bytes([id])) == id
    assert judge.id_to_token(tok.vocab_size) is None


@pytest.mark.parametrize("model", TODAY)
def test_special_tokens(model: str) -> None:
    """The added tokens are upstream's, each encodes to its id, and those that upstream skips are skipped."""
    tok, judge = dstok.load(model), real(model)
    added = judge.get_added_tokens_decoder()
    assert tok.added_tokens == {token.content: id for id, token in added.items()}
    for content, id in tok.added_tokens.items():
        assert tok.encode(content) == [id]
        assert tok.decode_bytes([id]) == content.encode()
        assert tok.decode([id], skip_special_tokens=True) == ("" if added[id].special else content)


@pytest.mark.parametrize("token", ["", "no such token at all", b"", b"\xff\xfe\xfd", " a", "中"])
def test_unknown_tokens(token: str | bytes) -> None:
    """What is no token is an error; str is read in the byte-level alphabet, so a plain space is none."""
    with pytest.raises(dstok.errors.UnknownTokenError):
        HOLED.token_to_id(token)


def test_spellings() -> None:
    """A str is the spelling of the file, bytes are the bytes of the token."""
    assert TOK.id_to_token(TOK.encode(" world")[0]) == "Ġworld"
    assert TOK.token_to_id("Ġworld") == TOK.token_to_id(b" world") == TOK.encode(" world")[0]
    assert HOLED.added_tokens == {"<x>": 257}


def test_what_are_no_ids() -> None:
    """Ids are integers: all else is a `TypeError`, which says what was found."""
    arrays = [np.array([1.5]), np.array(["a"]), np.array([None]), np.zeros(1, "M8[s]"), np.ma.array([1], mask=[True])]
    for wrong in ([1.5], ["a"], [None], [True], np.array([True]), "12", array("d", [1]), *arrays):
        with pytest.raises(TypeError, match="expected .*, found"):
            TOK.decode(wrong)  # type: ignore[arg-type]
        with pytest.raises(dstok.errors.ArgumentError, match="list 1: expected"):
            TOK.decode_batch([[0], wrong])
    for wrong, found in ((7, "int"), (np.uint32(7), "uint32"), (np.array(7), "ndarray")):
        with pytest.raises(dstok.errors.ArgumentError, match=rf"found {found}: give one id as \[7\]"):
            TOK.decode(wrong)  # type: ignore[arg-type]
    with pytest.raises(dstok.errors.ArgumentError, match="decode_batch takes lists of ids"):
        TOK.decode(np.zeros((1, 2), np.uint32))


KINDS = [np.dtype(kind) for kind in ("b", "h", "i", "q", "B", "H", "I", "Q", ">u4", "O")]


def forms(ids: list[int]) -> list[Any]:
    """The ids as arrays of every dtype that holds them, views of such, and other buffers."""
    fits = [kind for kind in KINDS if np.array_equal(np.array(ids, "q").astype(kind).astype("q"), ids)]
    arrays = [np.array(ids, kind) for kind in fits]
    views = [view for each in arrays for view in (np.repeat(each, 3)[::3], each[::-1].copy()[::-1])]
    frozen = np.array(ids, np.uint32)
    frozen.flags.writeable = False
    others = [array("q", ids), memoryview(array("L", ids)), memoryview(array("i", [*ids, *ids]))[: len(ids)]]
    return [frozen, *arrays, *views, *others, memoryview(np.repeat(frozen, 2).data)[::2]]


@examples(60)
@given(st.one_of(id_lists, st.lists(st.integers(0, 120)), st.lists(st.integers(0, 1))), st.booleans())
@example(list(range(1, 6000)), True)
@example(PARTIAL[:5000], False)
def test_ids_in_every_form(ids: list[int], skip: bool) -> None:
    """Integers of any width, wherever they lie, decode as the list of them: alone, in batches, in streams."""
    keywords: dict[str, Any] = {"skip_special_tokens": skip}
    text, data = TOK.decode(ids, **keywords), TOK.decode_bytes(ids, **keywords)
    flat = np.array([*ids, 7, *ids], np.int32)
    for whole in (flat, flat.tolist()):
        offsets = [0, len(ids), len(ids) + 1, len(flat)]
        assert TOK.decode_batch(whole, offsets=offsets, **keywords) == [text, TOK.decode([7]), text]
    for form in forms(ids):
        assert TOK.decode(form, **keywords) == text and TOK.decode_bytes(form, **keywords) == data
        stream = TOK.decode_stream(**keywords)
        assert stream.feed(form) + stream.feed(iter(ids)) + stream.finish() == TOK.decode([*ids, *ids], **keywords)
        if isinstance(form, np.ndarray):
            assert TOK.decode_batch(np.stack([form, form]), **keywords) == [text, text]
    assert TOK.decode_batch(iter([*forms(ids), ids]), **keywords) == [text] * (len(forms(ids)) + 1)


@pytest.mark.parametrize(("kind", "unknown"), [
    ("b", -1), ("h", -300), ("i", TOK.vocab_size), ("q", -(2**63)), ("I", 2**32 - 1), ("Q", 2**64 - 1), ("q", 2**32)])
def test_unknown_ids_in_arrays(kind: str, unknown: int) -> None:
    """The error names the number, its index, and in a batch its list, whatever its width."""
    ids = np.array([0, 1, 2, unknown, 5, 6], kind)
    calls: list[tuple[Any, int, int | None]] = [
        (lambda: TOK.decode(ids), 3, None), (lambda: TOK.decode(np.repeat(ids, 2)[::2]), 3, None),
        (lambda: TOK.decode_batch([[1], ids]), 3, 1), (lambda: TOK.decode_batch(ids.reshape(3, 2)), 1, 1),
        (lambda: TOK.decode_batch(ids.reshape(2, 3).T), 1, 0), (lambda: TOK.decode_batch(ids, offsets=[0, 1, 6]), 2, 1)]
    for call, index, number in calls:
        with pytest.raises(dstok.errors.UnknownIdError) as caught:
            call()
        assert (caught.value.id, caught.value.index, caught.value.batch_index) == (unknown, index, number)
    stream = TOK.decode_stream()
    stream.feed(ids[:3])
    with pytest.raises(dstok.errors.UnknownIdError) as caught:
        stream.feed(ids[1:])
    assert (caught.value.id, caught.value.index) == (unknown, 5)


@pytest.mark.parametrize("offsets", [[], [0.0, 1.0], [[0, 1]], [0, 2, 1], [-1, 2], [0, 4], [2**63], "ab", 3])
def test_offsets_that_are_none(offsets: Any) -> None:
    with pytest.raises(dstok.errors.ArgumentError, match="expected offsets") as caught:
        TOK.decode_batch(np.array([1, 2, 3]), offsets=offsets)
    assert caught.value.argument == "offsets"
    assert TOK.decode_batch([1, 2, 3], offsets=[1]) == [] and TOK.decode_batch(iter([5, 6]), offsets=[1, 1]) == [""]


def test_a_list_that_changes_while_it_is_read() -> None:
    """An id's __index__ may do anything to the list; the ids are those that were there before."""
    class Clearing:
        def __index__(self) -> int:
            ids.clear()
            return 6

    ids: list[Any] = [5, np.int8(1), Clearing(), np.int64(7)] * 50
    assert TOK.decode(ids) == TOK.decode([5, 1, 6, 7] * 50) and ids == []


@pytest.mark.parametrize("form", [list, lambda ids: [*map(np.int64, ids)], np.array])
def test_tokens_longer_than_their_room(form: Any) -> None:
    """The room for bytes is a guess from the number of ids; it grows where that was too little."""
    long = "<" + "long " * 99 + "é>"
    tok = dstok.Tokenizer.from_str(model_json([(b"a", b"b")], [added_token(long)]))
    ids = [97, tok.added_tokens[long], 98] * 60
    assert tok.decode(form(ids)) == f"a{long}b" * 60
    with pytest.raises(dstok.errors.UnknownIdError, match="index 9000 "):
        tok.decode(form([*ids * 50, -1]))


def test_errors_of_a_batch_come_in_its_order() -> None:
    """Bytes that are no text are found before an unknown id of a later list."""
    for batch in ([[5], PARTIAL[:1], [-1]], np.array([[5], PARTIAL[:1], [-1]])):
        with pytest.raises(dstok.errors.DecodeError, match="at byte offset 0 of list 1"):
            TOK.decode_batch(batch, errors="strict")
        with pytest.raises(dstok.errors.UnknownIdError, match="index 0 of list 2"):
            TOK.decode_batch(batch)


@pytest.mark.parametrize("name", levels())
@given(st.integers(0, 2**32))
@examples(60)
def test_characters_of_mixed_widths(name: str, seed: int) -> None:
    """Stretches of characters of one to three bytes, of any length, at any place in a step of the vectors."""
    rng, tok = random.Random(seed), at_level("deepseek-v3", name)
    kinds = [(0, 0x7F), (0x80, 0x7FF), (0x800, 0xD7FF), (0xE000, 0xFFFF)]
    text = ""
    for length in rng.choices(range(1, 130), k=rng.randrange(1, 20)):
        first, last = rng.choice(kinds)
        text += "".join(chr(rng.randint(first, last)) for _ in range(length))
    for shown in (text, text + "\U00010000", text[: rng.randrange(len(text) + 1)]):
        assert tok.decode(tok.encode_array(shown)) == shown


LENGTHS = [f"<{'x' * length}>" for length in range(38)]
OF_LENGTHS = dstok.Tokenizer.from_str(model_json(
    [(b"a", b"b")], [added_token(text, special=len(text) % 5 == 0) for text in LENGTHS]))


@pytest.mark.parametrize("form", [list, np.array])
@pytest.mark.parametrize("longest", [5, 40])
def test_tokens_of_every_length(form: Any, longest: int) -> None:
    """Tokens on both sides of the size of a cell, and lists on both sides of a block and of the guessed room."""
    rng, tok = random.Random(longest), OF_LENGTHS
    tokens = {tok.added_tokens[text]: text for text in LENGTHS if len(text) <= longest} | {97: "a"}
    for count in (*range(40), 255, 256, 257, 287, 288, 289, 511, 513, 3000):
        ids = rng.choices([*tokens], k=count)
        for skip in (False, True):
            expected = "".join(tokens[id] for id in ids if not (skip and id != 97 and len(tokens[id]) % 5 == 0))
            assert tok.decode(form(ids), skip_special_tokens=skip) == expected
        for at in {0, count // 2, max(count - 1, 0)} if count else ():
            with pytest.raises(dstok.errors.UnknownIdError, match=f"at index {at} "):
                tok.decode(form([*ids[:at], tok.vocab_size, *ids[at + 1 :]]))
