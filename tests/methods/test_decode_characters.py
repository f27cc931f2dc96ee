"""Decoding and streams of models of characters: runs of byte tokens, the space at the start; upstream is the judge."""

from __future__ import annotations

import json
import random
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
from character_models import DECODERS, PREPEND, REPLACE, STRIP, added_token, character_json, random_models
from fetched_models import TODAY, both
from hypothesis import given
from hypothesis import strategies as st
from kept import kept
from reference import examples
from shares import chance_of_today
from tokenizers import Tokenizer
from tokenizers.decoders import DecodeStream

import dstok
from dstok.errors import DecodeError, StreamError, UnknownIdError, UnsupportedError
from dstok.methods.decoding import decode_lists

COUNT = 30_000  # lists of ids a model


def id_lists(tok: dstok.Tokenizer, count: int, rng: random.Random) -> Iterator[list[int]]:
    """Random ids, most of them byte tokens, with the bytes of whole characters among them."""
    vocab = tok.get_vocab()
    own = [vocab.get(f"<0x{byte:02X}>", vocab.get(chr(byte), 0)) for byte in range(256)]
    low = [*(id for id in range(12) if tok.inspect().token_bytes()[id]), *[vocab["▁"]] * 4, vocab.get("\ufffd", 0)]
    known = list(vocab.values())
    for _ in range(count):
        kinds = (known, own, own[0x80:0xC0], own[0xC2:0xF4], low, low)
        ids = [rng.choice(rng.choice(kinds)) for _ in range(rng.randrange(10))]
        for _ in range(rng.randrange(3)):
            ids[2:2] = [own[byte] for byte in rng.choice(["é", "中", "🦙", "\ufffd", " ", "a", "▁"]).encode()]
        yield ids


@pytest.mark.parametrize("name", TODAY)
def test_decode_is_upstreams(name: str) -> None:
    tok, judge = both(name)
    lists = list(id_lists(tok, COUNT, chance_of_today(f"decode {name}")))
    flat, counts = np.array([id for ids in lists for id in ids], np.uint32), np.array([len(ids) for ids in lists])
    for skip in (False, True):
        expected = [judge.decode(ids, skip_special_tokens=skip) for ids in lists]
        assert [tok.decode(ids, skip_special_tokens=skip) for ids in lists] == expected
        assert tok.decode_batch(lists, skip_special_tokens=skip) == expected
        assert tok.decode_batch(flat, offsets=np.cumsum([0, *counts]), skip_special_tokens=skip) == expected
        data, sizes, repaired = decode_lists(tok, flat, counts, skip_special_tokens=skip, errors="replace")
        assert data.decode() == "".join(expected) and not repaired
        assert sizes.tolist() == [len(text.encode()) for text in expected]


def run_by_run(tok: dstok.Tokenizer, ids: list[int], drops: bool) -> str:
    """What a stream gives of ids that come one by one, by its rule.

    A run of byte tokens is read as UTF-8 up to its first fault; from there on each byte is U+FFFD. A space that
    decoding drops goes with the character after it.
    """
    text, run = "", b""
    for id in [*ids, -1]:
        byte = id >= 0 and tok.id_to_token(id)
        if byte and byte.startswith("<0x"):
            run += bytes([int(byte[3:5], 16)])
            continue
        sure = next(size for size in range(len(run), -1, -1) if is_utf8(run[:size]))
        sure = 0 if drops and not text and sure == 1 < len(run) and run[:1] == b" " else sure
        text += run[:sure].decode() + "\ufffd" * (len(run) - sure)
        text, run = text + ("" if id < 0 else tok.decode_bytes([id]).decode()), b""
    return text.removeprefix(" " if drops else "")


def is_utf8(data: bytes) -> bool:
    return data.decode("utf-8", "ignore").encode() == data


@pytest.mark.parametrize("name", TODAY)
def test_streams_are_upstreams(name: str) -> None:
    """Id by id, with any ids. With whole runs the text is `decode`'s; where upstream raises, ours gives its rule's text."""
    tok, judge = both(name)
    drops = tok.decode(tok.encode(" a")) != tok.decode_bytes(tok.encode(" a")).decode()
    for ids in id_lists(tok, COUNT, chance_of_today(f"stream {name}")):
        whole, expected = judge.decode(ids, skip_special_tokens=False), ""
        stream, held, theirs = tok.decode_stream(), tok.decode_stream(whole_runs=True), DecodeStream(skip_special_tokens=False)
        given = "".join(map(stream.feed, ids)) + stream.finish()
        assert "".join(map(held.feed, ids)) + held.finish() == whole, ids
        assert given == whole or given == run_by_run(tok, ids, drops), ids
        try:
            for id in ids:
                expected += theirs.step(judge, id) or ""
        except Exception as error:
            assert "Invalid prefix" in str(error)
            continue
        assert given != whole or given.startswith(expected) or not whole.startswith(expected), ids


@pytest.mark.parametrize("name", TODAY)
def test_vocabulary_is_upstreams(name: str) -> None:
    tok, judge = both(name)
    assert tok.get_vocab() == judge.get_vocab(with_added_tokens=True)
    ids = range(0, tok.vocab_size, 7)
    assert [tok.id_to_token(id) for id in ids] == [judge.id_to_token(id) for id in ids]
    assert all(tok.token_to_id(tok.id_to_token(id)) == id for id in ids)


SIZE = len(character_json()["model"]["vocab"])
ADDED = [added_token(0, "<unk>", special=True), added_token(1, "<s>", special=True), added_token(SIZE, "▁x▁")]


@kept()
def small(strip: bool = True) -> dstok.Tokenizer:
    decoders = [*DECODERS, STRIP] if strip else DECODERS
    return dstok.Tokenizer.from_str(json.dumps(character_json(PREPEND if strip else REPLACE, decoders=decoders, added=ADDED)))


def of(tok: dstok.Tokenizer, *tokens: str) -> list[int]:
    return [tok.token_to_id(token) for token in tokens]


E4, B8, AD = "<0xE4>", "<0xB8>", "<0xAD>"
RUNS = [
    ([E4, B8, AD], "中"), ([E4, B8], "\ufffd\ufffd"), ([E4, B8, "a"], "\ufffd\ufffda"), ([E4, B8, AD, "<0x41>"], "中A"),
    ([E4, B8, AD, "<0xFF>"], "\ufffd" * 4), ([E4, B8, "<s>", AD], "中"), (["<0x20>", "a"], "a"), (["▁", "▁", "a"], " a"),
    (["<0x20>", "<0xFF>"], "\ufffd\ufffd"), (["<0xE2>", "<0x96>", "<0x81>"], "▁"), (["a", "▁x▁"], "a x "), (["<0x41>", E4], "\ufffd" * 2),
    (["<0xED>", "<0xA0>", "<0x80>"], "\ufffd" * 3), (["<0xF4>", "<0x90>", "<0x80>", "<0x80>"], "\ufffd" * 4), ([], ""),
]


@pytest.mark.parametrize(("tokens", "text"), RUNS)
def test_runs(tokens: list[str], text: str) -> None:
    tok = small()
    assert tok.decode(of(tok, *tokens), skip_special_tokens=True) == text
    assert tok.decode(iter(of(tok, *tokens)), skip_special_tokens=True) == text


def test_bytes_keep_the_space() -> None:
    tok = small()
    ids = of(tok, "▁a", "<0x0A>", E4)
    assert tok.decode_bytes(ids) == b" a\n\xe4" == b"".join(tok.inspect().token_bytes()[id] for id in ids)
    assert (tok.decode(ids), small(strip=False).decode(ids)) == ("a\ufffd\ufffd", " a\ufffd\ufffd")
    assert (tok.token_to_id(b" a"), tok.token_to_id(b"\n"), tok.token_to_id(b"\x01")) == (ids[0], *of(tok, "\n", "<0x01>"))


def test_strict() -> None:
    tok = small()
    with pytest.raises(DecodeError, match="byte 0xe4 at byte offset 1$"):
        tok.decode(of(tok, "▁a", E4), errors="strict")
    with pytest.raises(DecodeError, match="byte 0xe4 at byte offset 1 of list 1"):
        tok.decode_batch([of(tok, "a"), of(tok, "a", E4)], errors="strict")
    assert tok.decode(of(tok, "▁a", E4, B8, AD), errors="strict") == "a中"
    stream = tok.decode_stream(errors="strict")
    assert stream.feed(of(tok, "<0xC3>", "<0xA9>")) == "é"
    for call in (lambda: stream.feed(of(tok, "a", E4, "<0xFF>")), lambda: stream.feed(5), stream.finish):
        with pytest.raises(DecodeError, match="byte 0xe4 in the last of 5 ids"):
            call()
    with pytest.raises(UnknownIdError, match="index 1 of list 1"):
        tok.decode_batch([[5], [5, 99999]])


# Streams

STEPS = [
    (["▁", "▁a", E4, B8, AD, "b"], ["", " a", "", "", "中", "b", ""]),
    (["a", E4, "b"], ["a", "", "\ufffdb", ""]), (["a", E4, B8], ["a", "", "", "\ufffd\ufffd"]),
    (["a", "<0xFF>", E4, "b"], ["a", "\ufffd", "\ufffd", "b", ""]), (["<0x20>", "<0xFF>"], ["", "\ufffd\ufffd", ""]),
    (["<0x20>", "<0x41>"], ["", "A", ""]), (["<0x20>", "▁a"], ["", " a", ""]), (["<0x20>"], ["", ""]),
]


@pytest.mark.parametrize(("tokens", "texts"), STEPS)
def test_steps(tokens: list[str], texts: list[str]) -> None:
    tok = small()
    stream, ids = tok.decode_stream(), of(tok, *tokens)
    assert [*map(stream.feed, ids), stream.finish()] == texts
    assert "".join(texts) == tok.decode(ids)
    for at in range(len(ids) + 1):
        stream = tok.decode_stream()
        assert stream.feed(ids[:at]) + stream.feed(np.array(ids[at:], np.uint32)) + stream.finish() == tok.decode(ids)


BROKEN = [  # what a stream gives of each id, and at its end; with whole runs
    (["<0xC3>", "<0xA9>", "<0xFF>"], ["", "é", "\ufffd", ""], ["", "", "", "\ufffd" * 3]),
    (["<0x41>", E4, B8, "<0x42>", "<0x43>"], ["A", "", "", "\ufffd" * 3, "\ufffd", ""], [*[""] * 5, "\ufffd" * 5]),
    (["<0x41>", E4, "a", "<0x42>"], ["A", "", "\ufffda", "B", ""], ["", "", "\ufffd\ufffda", "", "B"]),
    (["<0x20>", "<0x41>", "<0xFF>", "<0x20>"], ["", "A", "\ufffd", "\ufffd", ""], [*[""] * 4, "\ufffd" * 4]),
    (["<0x41>", "<0xC3>"], ["A", "", "\ufffd"], ["", "", "\ufffd\ufffd"]),
    (["<0x20>", "a", "<0xC3>", "<0xA9>"], ["", "a", "", "é", ""], ["", "a", "", "", "é"]),
]


@pytest.mark.parametrize(("tokens", "texts", "held"), BROKEN)
def test_a_run_that_breaks_after_its_text_was_given(tokens: list[str], texts: list[str], held: list[str]) -> None:
    """What was given stays; later bytes of the run are U+FFFD each."""
    tok = small()
    ids = of(tok, *tokens)
    stream, whole = tok.decode_stream(), tok.decode_stream(whole_runs=True)
    assert [*map(stream.feed, ids), stream.finish()] == texts
    assert [*map(whole.feed, ids), whole.finish()] == held
    assert "".join(held) == tok.decode(ids)
    once, other = tok.decode_stream(), tok.decode_stream()
    assert once.feed(ids[:1]) == texts[0]
    copy = once.copy()
    assert "".join(map(copy.feed, ids[1:])) + copy.finish() == "".join(map(once.feed, ids[1:])) + once.finish()
    assert other.feed([*ids, *of(tok, "b")]) == tok.decode([*ids, *of(tok, "b")])  # the whole run is known at once
    with pytest.raises(StreamError):
        once.feed(5)


def test_an_open_run_keeps_at_most_three_bytes() -> None:
    tok = small()
    stream, ids = tok.decode_stream(), of(tok, "<0xF0>", "<0x9F>", "<0xA6>", "<0x99>")
    for _ in range(500):
        assert "".join(map(stream.feed, ids)) == "🦙"
    broken = tok.decode_stream()
    assert broken.feed(of(tok, "<0xFF>")) == "\ufffd" and all(broken.feed(id) == "\ufffd" for id in ids * 500)
    assert max(len(each._stream.open) for each in (stream, broken)) <= 3


@examples(150)
@given(random_models(), st.lists(st.lists(st.integers(0, 320), max_size=12), min_size=1))
def test_random_models(file: dict[str, Any], lists: list[list[int]]) -> None:
    """Added tokens of all kinds: normalized, with spaces, special; decoders with and without Strip."""
    try:
        tok = dstok.Tokenizer.from_str(json.dumps(file))
    except UnsupportedError:
        return
    judge = Tokenizer.from_str(json.dumps(file))
    known = [id for id in range(tok.vocab_size) if tok.inspect().token_bytes()[id]]
    assert [tok.id_to_token(id) for id in known] == [judge.id_to_token(id) for id in known]
    assert tok.get_vocab() == judge.get_vocab(with_added_tokens=True)
    for skip in (False, True):
        for numbers in lists:
            ids = [known[number % len(known)] for number in numbers]
            expected = judge.decode(ids, skip_special_tokens=skip)
            assert tok.decode(ids, skip_special_tokens=skip) == expected
            stream = tok.decode_stream(skip_special_tokens=skip, whole_runs=True)
            assert "".join(map(stream.feed, ids)) + stream.finish() == expected
