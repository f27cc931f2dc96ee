"""The calls for sampled ids, with models of characters: canonical checks, healing, streams of a batch, growing texts."""

from __future__ import annotations

import json
from functools import cache
from itertools import accumulate
from typing import Any

import pytest
from character_models import DECODERS, PREPEND, REPLACE, STRIP, added_token, character_json, metaspace
from hypothesis import example, given
from hypothesis import strategies as st
from judges import judge
from reference import examples

import dstok
from dstok.errors import DecodeError, UnsupportedError
from dstok.methods.incremental import IncrementalEncoding

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
    assert dstok.sampling.first_noncanonical(tok, ids) == (None if ids == again else place)
    assert dstok.sampling.first_noncanonical_batch(tok, [ids, ids]).tolist() == [-1 if ids == again else place] * 2


@pytest.mark.parametrize("strips", [False, True])
@examples(200)
@given(texts, texts)
def test_healing(strips: bool, text: str, more: str) -> None:
    tok = model(strips)
    ids, tail = dstok.sampling.split_open_end(tok, text)
    assert tok.encode(text + more)[: len(ids)] == ids
    assert tok.decode_bytes(ids) + tail == tok.decode_bytes(tok.encode(text))


@pytest.mark.parametrize("errors", ["replace", "strict"])
@pytest.mark.parametrize("strips", [False, True])
@examples(200)
@given(st.lists(ids_of, min_size=1, max_size=3))
@example([[2, 196]])
@example([[2 + 0xC3, 2 + 0xA9, 2 + 0xFF, 2 + 0x41], [2 + 0xFF, 2], [6, 7, 8, 9, 10]])
def test_streams_of_a_batch(strips: bool, errors: Any, lists: list[list[int]]) -> None:
    """Each is a stream of its own; with "strict" one that fails takes nothing from the others, and no more ids."""
    tok = model(strips)
    streams, single = dstok.sampling.BatchDecodeStream(tok, len(lists), errors=errors), [tok.decode_stream(errors=errors) for _ in lists]
    failed = set[int]()
    for step in range(max(map(len, lists))):
        ids = [row[step] if step < len(row) else -1 for row in lists]
        expected, now = [], list[int]()
        for slot, id in enumerate(ids):
            text = ""
            try:
                text = "" if id == -1 or slot in failed else single[slot].feed(id)
            except DecodeError:
                now.append(slot)
            expected.append(text)
        assert (expected, now) == outcome(streams.step, ids)
        failed.update(now)
    for slot, one in enumerate(single):
        rest, faults = ("", []) if slot in failed else outcome(one.finish)
        assert outcome(streams.finish, slot) == (([""], [slot]) if faults else (rest, []))
        assert streams.step([2 + 0x41], [slot]) == ["A"]  # the slot is free


def outcome(call: Any, *given: Any) -> tuple[Any, list[int]]:
    """What a call gives, also beside an error, and the slots that fail."""
    try:
        return call(*given), []
    except DecodeError as error:
        return [*error.texts], [*error.slots] or [-1]


def test_stop_strings() -> None:
    tok = model(True)
    streams = dstok.sampling.BatchDecodeStream(tok, 1)
    streams.begin(0, stop="b\U0001f999")
    ids = tok.encode("cab\U0001f999x")
    assert "".join(streams.step(ids, [0] * len(ids))) == "ca"
    assert streams.is_stopped(0)


SHAPES: dict[str, tuple[Any, Any, Any]] = {  # normalizer and pre-tokenizer; those of the same model without a space
    "blanks": (REPLACE, None, REPLACE), "prepend": (PREPEND, None, REPLACE),
    **{f"{scheme} {split}": (None, metaspace(scheme, split), metaspace("never", split))
       for scheme in ("always", "first", "never") for split in (False, True)}}


@cache
def shaped(name: str, bare: bool = False) -> dstok.Tokenizer:
    """A model of a shape with an added token; decoding drops a space if it puts one, which it does not if it is `bare`."""
    normalizer, pre_tokenizer, other = SHAPES[name]
    if bare:
        normalizer, pre_tokenizer = (other, None) if pre_tokenizer is None else (None, other)
    strips = name.startswith(("prepend", "always", "first")) and not bare
    file = character_json(normalizer, pre_tokenizer, decoders=[*DECODERS, *[STRIP] * strips],
                          added=[added_token(1, "<s>", special=True)])
    return dstok.Tokenizer.from_str(json.dumps(file))


any_text = st.one_of(texts, st.text("ab <s>", max_size=4), st.just("<s>"), st.just("<s> a"))
any_ids = st.one_of(ids_of, any_text.map(lambda text: shaped("blanks").encode(text)))
grown_of = st.lists(st.one_of(any_text, any_ids), max_size=5)


@pytest.mark.parametrize("name", SHAPES)
@examples(300)
@given(grown_of)
@example(["a b", [1], "a b"])
@example([[300], " a"])
@example([[5], [6], "\U0001f999"])
@example(["<<<<"])
def test_growing_texts(name: str, parts: list[Any]) -> None:
    """Sampled ids stay. A text after them is encoded as one after an added token, or as one before which no space is put."""
    tok, bare = shaped(name), shaped(name, True)
    parts = [[id for id in part if tok._decoder.has(id)] if isinstance(part, list) else part for part in parts]
    text, done, run, last = tok.encode_incremental(), list[int](), "", -1
    for part in parts:
        if isinstance(part, str):
            text.append(part)
            run += part
        elif part:
            done, run, last = [*text.ids, *part], "", part[-1]
            text.append(ids=part)
        inside, found, later = run.partition("<s>")
        after = tok.encode(run) if last < 0 else tok.encode("<s>" + run)[1:] if last == 1 else [
            *bare.encode(inside), *tok.encode(found + later)]
        assert text.ids == done + after
    check_marks(tok, text)


def check_marks(tok: dstok.Tokenizer, text: IncrementalEncoding) -> None:
    """Marks by their definition. Where they are refused, encoding changes the text."""
    ids, again = text.ids, dstok.sampling.canonical_ids(tok, text.ids, errors="replace")
    is_text = not again or "\ufffd" not in tok.decode(ids)
    try:
        marks = text.canonical().tolist()
    except UnsupportedError:
        assert not dstok.sampling.is_canonical(tok, ids)
        assert not is_text or tok.decode_bytes(again) != tok.decode_bytes(ids)
        return
    assert all(marks) == dstok.sampling.is_canonical(tok, ids)
    if is_text:
        canonical = set(placed(tok, again))
        assert marks == [pair in canonical for pair in placed(tok, ids)]


def placed(tok: dstok.Tokenizer, ids: list[int]) -> list[tuple[int, int]]:
    return list(zip(ids, accumulate(len(tok.decode_bytes([id])) for id in ids)))


@examples(300)
@given(st.lists(ids_of, max_size=4))
@example([[5 + 0xE4], [5 + 0xB8], [5 + 0xAD, 5 + 0xAD]])
def test_marks_asked_after_each_part(parts: list[list[int]]) -> None:
    """A run of byte tokens is open until its end: later bytes make it UTF-8, or not."""
    tok, often, ids = model(False), model(False).encode_incremental(), list[int]()
    for part in parts:
        often.append(ids=part)
        ids += part
        assert bool(often.canonical().all()) == dstok.sampling.is_canonical(tok, ids)


@pytest.mark.parametrize("name", ["gemma", "yi"])
def test_real_models(name: str) -> None:
    """Ids of a text that are appended in two parts are canonical; a word in letters is not."""
    tok = dstok.load(judge(f"npm/{name}/tokenizer.json"))
    ids = tok.encode("Hello world, so it is. 日本語 \x07 \U0001f999")
    text = tok.encode_incremental()
    text.append(ids=ids[:5])
    text.append(ids=ids[5:])
    assert text.canonical().all()
    text.append(ids=[tok.token_to_id(letter) for letter in "word"])
    assert text.canonical().tolist() == [True] * len(ids) + [False] * 4
