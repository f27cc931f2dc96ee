"""One tokenizer for many users: threads, forks, pickles and copies, and what tells models apart."""

from __future__ import annotations

import copy
import json
import os
import pickle
import random
import threading
import traceback
from collections.abc import Callable
from typing import Any

import pytest
from at_once import at_once
from hypothesis import given
from hypothesis import strategies as st
from reference import examples
from small_models import added_token, model_json
from text_strategies import texts

import dstok

TOK = dstok.load("deepseek-v3")
FINGERPRINTS = {
    "deepseek-v3": "cb9282a8715c7c21cafb1a9416acbc4e481ed4d2f325bcb1d8272f2edfb61a20",
    "deepseek-r1": "72644b7f84f1771c1686a7e6740aaa16e59ec8c1b0838cfff717c52f561c33a3",
    "deepseek-v3.1": "ac18f234d3de041df517258046f140a5f01965deec073d710a7d2fc648f4b436",
    "deepseek-v3.2": "1ace00d63083b6a9d32ca6832e1f37af9f53b5d9635f67016a0c892b9cae674f",
    "deepseek-v4": "a71525283eb13b406c6e55aecb6ced0f4b6889aaaac5ff3d66000018db29d57c",
}
SMALL_JSON = model_json([(b"a", b"b"), (b"ab", b"a")], [added_token("<x>", lstrip=True, special=True)])


def some_texts(count: int) -> list[str]:
    """Texts that differ, of some ten thousand characters each."""
    words = ["Hello", " world", " 中文", "\n\n", " 42", "<｜User｜>", "don't", " é\u0301", "🦙", "    ", "aaaaaaaaaaaa"]
    return ["".join(random.Random(seed).choices(words, k=3000)) for seed in range(count)]


def work(tok: dstok.Tokenizer, text: str) -> list[Any]:
    """What each of the calls gives."""
    ids = tok.encode(text)
    found = tok.encode_with_offsets(text)
    stream = tok.encode_stream()
    streamed = [*stream.feed_list(text[:500]), *stream.feed_list(text[500:]), *stream.finish_list()]
    return [ids, tok.encode_array(text).tolist(), tok.count(text), found.char_spans.tolist(), streamed, tok.decode(ids),
            tok.truncate(text, 100), tok.encode_batch([text, text], num_threads=2), tok.encode(text, special="none")]


def in_child(call: Callable[[], bool]) -> bool:
    """Whether the call is true in a forked child."""
    child = os.fork()
    if child == 0:
        code = 1
        try:
            code = 0 if call() else 2
        except BaseException:
            traceback.print_exc()
        finally:
            os._exit(code)
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0


def test_threads_share_one_object() -> None:
    """Eight threads on one object each get what one thread alone gets, for the same text and for different ones."""
    inputs = some_texts(8)
    expected = [work(TOK, text) for text in inputs]
    assert at_once(8, lambda number: [work(TOK, inputs[(number + at) % 8]) for at in range(3)]) == [
        [expected[(number + at) % 8] for at in range(3)] for number in range(8)]
    assert at_once(8, lambda number: work(TOK, inputs[0])) == [expected[0]] * 8


def test_first_use_from_many_threads() -> None:
    """A tokenizer that has just been made is used by all threads at once: what is made late is made right."""
    tok = dstok.Tokenizer.from_str(SMALL_JSON)
    text = "ab aba <x> é " * 50

    def call(number: int) -> Any:
        return [piece.start for piece in tok.inspect().pretokenize(text)], tok.fingerprint, tok.token_to_id("ab"), work(tok, text)

    results = at_once(8, call)
    assert results == [call(0)] * 8


def test_more_calls_than_workspaces() -> None:
    """Twenty calls at once, more than there are workspaces kept, and as many again after them."""
    inputs = [text * 10 for text in some_texts(20)]
    expected = [TOK.encode(text) for text in inputs]
    for _ in range(3):
        assert at_once(20, lambda number: TOK.encode(inputs[number])) == expected
    assert TOK.encode_batch(inputs, num_threads=20) == expected
    assert TOK.count_batch(inputs, num_threads=20) == [len(ids) for ids in expected]


@examples(40)
@given(st.lists(texts, min_size=1, max_size=8))
def test_threads_on_any_texts(inputs: list[str]) -> None:
    """The same on texts of all kinds."""
    expected = [TOK.encode(text) for text in inputs]
    assert at_once(8, lambda _: [TOK.encode(text) for text in inputs]) == [expected] * 8


def test_fork() -> None:
    """A child that was forked after threads were used encodes as its parent, on threads too; so do both after it."""
    inputs = some_texts(8)
    expected = at_once(8, lambda number: TOK.encode(inputs[number]))
    assert TOK.encode_batch(inputs, num_threads=4) == expected
    assert in_child(lambda: [TOK.encode(text) for text in inputs] == expected)
    assert in_child(lambda: TOK.encode_batch(inputs, num_threads=4) == expected)
    assert in_child(lambda: in_child(lambda: TOK.encode_batch(inputs, num_threads=2) == expected))
    assert TOK.encode_batch(inputs, num_threads=4) == expected


def test_fork_while_threads_encode() -> None:
    """A child that was forked while other threads are in calls has workspaces to work in."""
    inputs = some_texts(4)
    expected = [TOK.encode(text) for text in inputs]
    stop = threading.Event()

    def busy(text: str) -> None:
        while not stop.is_set():
            TOK.count(text)

    threads = [threading.Thread(target=busy, args=(text * 20,)) for text in inputs]
    for thread in threads:
        thread.start()
    try:
        for _ in range(4):
            assert in_child(lambda: [TOK.encode(text) for text in inputs] == expected)
    finally:
        stop.set()
        for thread in threads:
            thread.join()


@pytest.mark.parametrize("model", FINGERPRINTS)
@pytest.mark.parametrize("protocol", range(2, pickle.HIGHEST_PROTOCOL + 1))
def test_pickle_of_a_built_in_model(model: str, protocol: int) -> None:
    """It is the model's name and fingerprint, no more."""
    tok = dstok.load(model)
    pickled = pickle.dumps(tok, protocol)
    assert len(pickled) < 1000
    again = pickle.loads(pickled)
    assert (again.name, again.fingerprint) == (tok.name, tok.fingerprint)
    assert again.encode("Hello <｜User｜> 中文") == tok.encode("Hello <｜User｜> 中文")


def test_pickle_of_another_version() -> None:
    """A pickle of a built-in model that is no longer the same is refused."""
    pickled = pickle.dumps(TOK, 0).replace(TOK.fingerprint.encode(), b"0" * 64)
    with pytest.raises(dstok.DstokError, match="another version"):
        pickle.loads(pickled)


@examples(15)
@given(st.text("ab <x>é\n", max_size=30))
def test_pickle_of_a_model_from_a_file(text: str) -> None:
    """It goes by its content: the copy does all that the original does."""
    tok = dstok.Tokenizer.from_str(SMALL_JSON)
    again = pickle.loads(pickle.dumps(tok))
    assert again.fingerprint == tok.fingerprint
    assert (again.vocab_size, again.added_tokens) == (tok.vocab_size, tok.added_tokens)
    assert (again.bos_id, again.eos_id, again.inspect().unicode_version) == (tok.bos_id, tok.eos_id, tok.inspect().unicode_version)
    assert work(again, text) == work(tok, text)
    assert again.inspect().pretokenize(text) == tok.inspect().pretokenize(text)
    ids = range(tok.vocab_size)
    assert [*map(again.id_to_token, ids)] == [*map(tok.id_to_token, ids)]
    assert pickle.dumps(again) == pickle.dumps(tok)


@pytest.mark.parametrize("tok", [TOK, dstok.Tokenizer.from_str(SMALL_JSON)], ids=["built-in", "file"])
def test_copies(tok: dstok.Tokenizer) -> None:
    """Shallow and deep copies work as the original, also inside other objects."""
    text = "ab aba <x> 中文 🦙 <｜User｜>"
    for again in (copy.copy(tok), copy.deepcopy(tok), copy.deepcopy({"tok": [tok]})["tok"][0]):
        assert again.fingerprint == tok.fingerprint
        assert work(again, text) == work(tok, text)


@pytest.mark.parametrize("model", FINGERPRINTS)
def test_fingerprints(model: str) -> None:
    """Those of the built-in models are the recorded ones: what they give has not changed."""
    assert dstok.load(model).fingerprint == FINGERPRINTS[model]


def test_fingerprints_differ() -> None:
    """Each change of a model that may change ids or text changes the fingerprint; the same file has the same."""
    assert len(set(FINGERPRINTS.values())) == len(FINGERPRINTS)
    changed = [SMALL_JSON]
    for key, value in (("content", "<y>"), ("lstrip", False), ("rstrip", True), ("single_word", True),
                       ("normalized", True), ("special", False)):
        file = json.loads(SMALL_JSON)
        file["added_tokens"][0][key] = value
        changed.append(json.dumps(file))
    added = [added_token("<x>", lstrip=True, special=True)]
    changed += [model_json([(b"a", b"b"), (b"ab", b"a")], added, r"\s+|\S+"), model_json([(b"a", b"b")], added),
                model_json([(b"a", b"b"), (b"ab", b"a")], []),
                model_json([(b"a", b"b"), (b"ab", b"a")], added, ignore_merges=True)]
    found = [dstok.Tokenizer.from_str(text).fingerprint for text in changed]
    assert len(set(found)) == len(found)
    assert dstok.Tokenizer.from_str(SMALL_JSON).fingerprint == found[0]
