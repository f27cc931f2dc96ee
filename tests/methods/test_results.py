"""Results stand on their own: what a caller does with them, or calls later, changes no other result."""

from __future__ import annotations

import multiprocessing
from concurrent.futures import ProcessPoolExecutor
from typing import Any, get_args

import numpy as np
import pytest
from hypothesis import given
from real_models import BUILT_IN, at_level, levels, real_json
from reference import DEEP, examples
from shares import seeds
from small_models import model_json
from text_strategies import texts

import dstok
from dstok._util.arguments import Dtype
from dstok.core.encode.encoder import START
from dstok.errors import ArgumentError

TOK = at_level("deepseek-v3", levels()[-1])
LONG = ["Some words, 中文 and é. " * 9000, "other text\n" * 30_000]  # more ids than are copied


@examples(200)
@given(texts)
def test_pieces_tell_what_matched_them(text: str) -> None:
    """The steps and alternatives of the automaton, run in Python."""
    expected = [(piece, tag.step, tag.alternative) for piece, tag in TOK.inspect().automaton.pieces(text)]
    assert [(piece.text, piece.step, piece.alternative) for piece in TOK.inspect().pretokenize(text, special="none")] == expected


@pytest.mark.parametrize("text", ["", "short é", LONG[0]], ids=["empty", "short", "long"])
def test_arrays_are_the_callers_own(text: str) -> None:
    """They may be written to, and later calls do not change them."""
    stream = TOK.encode_stream()
    makers: list[Any] = [
        lambda: TOK.encode_array(text), lambda: TOK.encode_array(text, add_bos=True),
        lambda: TOK.encode_batch_arrays([text, text])[0], lambda: TOK.encode_batch_arrays([text], num_threads=2)[0],
        lambda: TOK.encode_with_offsets(text).ids, lambda: stream.feed(text)]
    for make in makers:
        array = make()
        before = array.copy()
        TOK.encode_array(LONG[1]), TOK.encode(LONG[1]), TOK.encode_batch_arrays(LONG), TOK.count(LONG[1])
        assert np.array_equal(array, before)
        array[:] = 7
        assert (array == 7).all()
        if make is not makers[-1]:
            assert np.array_equal(make(), before)


@pytest.mark.parametrize("frame", [{}, {"add_bos": True, "add_eos": True}], ids=str)
def test_dtypes(frame: dict[str, Any]) -> None:
    for text in ("", "short é", *LONG):
        expected = TOK.encode_array(text, **frame)
        for dtype in get_args(Dtype):
            one = TOK.encode_array(text, dtype=dtype, **frame)
            many, offsets = TOK.encode_batch_arrays([text, text], dtype=dtype, **frame)
            assert one.dtype == many.dtype == dtype and np.array_equal(one, expected) and np.array_equal(many[offsets[1]:], expected)
            one[:] = 7
    calls: list[Any] = [TOK.encode_array, lambda text, dtype: TOK.encode_batch_arrays([text], dtype=dtype)]
    for call in calls:
        with pytest.raises(ArgumentError, match="expected dtype to be one of uint32, int32, int64, found 'int16'"):
            call("a", dtype="int16")


def test_arrays_outlive_their_tokenizer() -> None:
    tok = dstok.load("deepseek-v3")
    arrays = [tok.encode_array(text) for text in LONG] + [tok.encode_batch_arrays(LONG)[0]]
    before = [array.copy() for array in arrays]
    del tok
    fresh = [dstok.load("deepseek-v3").encode_array(text) for text in LONG]
    assert all(map(np.array_equal, arrays, before)) and np.array_equal(fresh[0], before[0])


def test_lists_are_the_callers_own() -> None:
    expected = TOK.encode("a b c d")
    found, batch = TOK.encode("a b c d"), TOK.encode_batch(["a b c d"] * 2)
    found[:] = batch[0][:] = [0]
    assert TOK.encode("a b c d") == batch[1] == expected
    pieces = TOK.inspect().pretokenize("a b")
    with pytest.raises(AttributeError):
        pieces[0].text = "x"  # type: ignore[misc]
    with pytest.raises(AttributeError):
        TOK.encode_with_offsets("a").ids = None  # type: ignore[misc,assignment]
    tokens = TOK.added_tokens
    tokens.clear()
    assert TOK.encode("<｜User｜>") == [TOK.added_tokens["<｜User｜>"]]


def test_more_runs_at_once_than_workspaces() -> None:
    """A run begun inside a run, twenty deep: those above the eighth share tables that are only read."""
    tok, judge = dstok.load("deepseek-v3"), TOK
    found: list[tuple[int, list[int]]] = []

    def nested(depth: int) -> list[int]:
        text = f"text number {depth} é {'word' * depth} 中文 " * 40
        policy = tok._added.policy("all")

        def room(count: int) -> Any:
            if depth < 20:
                found.append((depth + 1, nested(depth + 1)))
            return np.empty(count, np.uint32)

        ids, *_ = tok._encoder.encode_part(bytearray(text.encode()), 0, policy, START, True, room)
        return [int(id) for id in ids]

    found.append((0, nested(0)))
    assert len(found) == 21
    for depth, ids in found:
        assert ids == judge.encode(f"text number {depth} é {'word' * depth} 中文 " * 40)


def test_a_large_run_leaves_its_workspace_fit_for_use() -> None:
    """What it has grown is given back: ids, marks of added tokens, transcoded text, room to merge in."""
    odd = dstok.Tokenizer.from_str(model_json([(b"ab", b"c"), (b"a", b"b")], pattern=None))  # merged in one heap
    cases = [(TOK, "a b " * 700_000), (TOK, "<｜User｜>" * 200_000), (TOK, "é" * 3_000_000), (odd, "abcb" * 100_000)]
    for tok, text in (cases[number] for number in seeds(len(cases), 1)):
        small = text[:50]
        expected = tok.encode(small)
        large = tok.encode(text)
        for call in (tok.encode, tok.encode_array, tok.count, lambda text, tok=tok: tok.encode_with_offsets(text).ids,
                     lambda text, tok=tok: tok.encode_batch([text, text])[1]):
            found = call(text)
            assert len(large) == found if call == tok.count else np.array_equal(large, found)
            assert tok.encode(small) == expected
        assert tok.decode(large) == text


@pytest.mark.parametrize("name", BUILT_IN if DEEP else BUILT_IN[-1:])
def test_a_built_in_model_is_what_its_file_says(name: str) -> None:
    """The same fingerprint as the published file's, but for the ids of BOS and EOS, which another file tells."""
    built_in, read = dstok.load(name), dstok.Tokenizer.from_str(real_json(name))
    read = read.replace(bos_id=built_in.bos_id, eos_id=built_in.eos_id)
    assert read.fingerprint == built_in.fingerprint
    text = LONG[0] + "".join(built_in.added_tokens)
    assert read.encode(text) == built_in.encode(text)


def test_processes_that_are_spawned() -> None:
    """A tokenizer is sent to fresh processes, built in or from a file."""
    small = dstok.Tokenizer.from_str(model_json([(b"a", b"b")]))
    jobs = [(tok, text) for tok in (TOK, small) for text in ("abab é", "中文 <｜User｜>")]
    with ProcessPoolExecutor(2, multiprocessing.get_context("spawn")) as pool:
        assert list(pool.map(dstok.Tokenizer.encode, *zip(*jobs))) == [tok.encode(text) for tok, text in jobs]
