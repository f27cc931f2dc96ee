"""Where ids lie in the text: spans in bytes and code points, pieces, flags; upstream is the judge of code points."""

from __future__ import annotations

import json
from typing import Any

import numpy as np
import pytest
from character_models import added_token as character_token
from character_models import character_json
from hypothesis import example, given
from hypothesis import strategies as st
from kept import kept
from real_models import V3 as TOK
from real_models import real
from reference import examples
from small_models import added_token, both, model_json
from text_strategies import special_parts, special_texts, texts

import dstok
from dstok.methods.offsets import encode_char_spans

ADDED = set(TOK.added_tokens.values())
mixed_texts = st.one_of(texts, st.lists(st.one_of(special_texts, special_parts, texts), max_size=6).map("".join))
specials = st.sampled_from(["all", "none", frozenset({"<｜User｜>"})])


def rows(array: Any) -> list[tuple[int, int]]:
    """An array of spans as upstream gives them."""
    return [(int(start), int(end)) for start, end in array.tolist()]


@examples(600)
@given(mixed_texts)
@example("")
@example("né\u0301 👩‍👩‍👧🦙<｜User｜>🦙")
@example("\U000e0001\U0010ffff\x00")
def test_char_spans_are_upstreams(text: str) -> None:
    """Code point spans and ids are upstream's offsets, from str and from UTF-8."""
    judged = real("deepseek-v3").encode(text, add_special_tokens=False)
    for given_text in (text, text.encode()):
        found = TOK.encode_with_offsets(given_text)
        assert found.ids.tolist() == judged.ids
        assert rows(found.char_spans) == judged.offsets == rows(encode_char_spans(TOK, given_text))


def test_char_spans_of_most_tokens() -> None:
    """The characters of each token come from a table: a text of nearly all tokens, and of every code point."""
    tokens = "\n".join(text for text in map(TOK.decode, ([id] for id in range(128000))) if "\ufffd" not in text)
    text = tokens + "".join(chr(code) for code in range(0x110000) if not 0xD800 <= code < 0xE000)
    found = TOK.encode_with_offsets(text, special="none")
    begins = np.append(np.frombuffer(text.encode(), np.uint8) & 0xC0 != 0x80, True)
    before = np.append(0, np.cumsum(begins))  # characters that begin before a place
    starts, ends = found.byte_spans.T
    assert len(np.unique(found.ids)) > 125000
    assert np.array_equal(found.char_spans, np.stack([before[starts] - (~begins[starts]), before[ends]], 1))


@kept(most=1)
def dropping() -> dstok.Tokenizer:
    """A model that drops white space, and has a normalizer."""
    file = json.loads(model_json([(b"a", b"b")], [added_token("<x>")], r"\s+"))
    file["pre_tokenizer"]["pretokenizers"][0]["behavior"] = "Removed"
    return dstok.Tokenizer.from_str(json.dumps({**file, "normalizer": {"type": "NFC"}}))


@examples(200)
@given(mixed_texts)
@example(" a  b e\u0301 <x> ab ")
def test_char_spans_alone(text: str) -> None:
    found = dropping().encode_with_offsets(text).char_spans
    assert rows(found) == rows(encode_char_spans(dropping(), text))


@examples(400)
@given(mixed_texts, specials)
@example("", "all")
@example("<｜User｜>", "none")
def test_byte_spans_cover_the_text(text: str, special: Any) -> None:
    """Byte spans follow one another from the start to the end, and slice to the bytes of their tokens."""
    data = text.encode()
    found = TOK.encode_with_offsets(text, special=special)
    at = 0
    for id, (start, end) in zip(found.ids.tolist(), rows(found.byte_spans), strict=True):
        assert start == at < end
        assert data[start:end] == TOK.decode_bytes([id])
        at = end
    assert at == len(data)


@examples(400)
@given(mixed_texts, specials)
def test_char_spans_hold_the_byte_spans(text: str, special: Any) -> None:
    """The span in code points is of the characters that have any of the span's bytes, and of no others."""
    found = TOK.encode_with_offsets(text, special=special)
    bounds = [0]  # of the characters, in bytes
    for char in text:
        bounds.append(bounds[-1] + len(char.encode()))
    for (start, end), (first, last) in zip(rows(found.byte_spans), rows(found.char_spans), strict=True):
        assert bounds[first] <= start < bounds[first + 1]
        assert bounds[last - 1] < end <= bounds[last]


@examples(400)
@given(mixed_texts, specials)
@example("it 42<｜User｜>", "all")
def test_pieces_are_those_of_pretokenize(text: str, special: Any) -> None:
    """Each id lies in the piece it is numbered with, every piece has ids, and an added token is a piece alone."""
    data = text.encode()
    found = TOK.encode_with_offsets(text, special=special)
    pieces = TOK.inspect().pretokenize(text, special=special)
    held: list[list[int]] = [[] for _ in pieces]
    for id, number, (start, end), flag in zip(
        found.ids.tolist(), found.pieces.tolist(), rows(found.byte_spans), found.special.tolist(), strict=True
    ):
        piece = pieces[number]
        assert piece.start <= start < end <= piece.end
        assert piece.token_id == (id if flag else None)
        held[number].append(id)
    assert found.pieces.tolist() == sorted(found.pieces.tolist())
    for piece, ids in zip(pieces, held, strict=True):
        assert data[piece.start : piece.end].decode() == piece.text == text[piece.char_start : piece.char_end]
        assert b"".join(TOK.decode_bytes([id]) for id in ids).decode() == piece.text
        assert ids == ([piece.token_id] if piece.token_id is not None else TOK.encode(piece.text, special="none"))
    assert "".join(piece.text for piece in pieces) == text


def test_pieces_of_a_long_text_share_their_texts() -> None:
    """Short pieces with the same text have one `str`; keys and places that collide give no wrong one."""
    words = [chr(first) + "a\x00é中🦙"[:size] for first in range(0x3400, 0x3400 + 2000) for size in range(5)]
    text = " ".join([*words, "a", "a\x00", "a\x00\x00", "x" * 22, "x" * 23, "x" * 24, *words, "<｜User｜>", *words])
    pieces, data = TOK.inspect().pretokenize(text), text.encode()
    assert [piece.text for piece in pieces] == [data[piece.start : piece.end].decode() for piece in pieces]
    assert [piece.text for piece in pieces] == [text[piece.char_start : piece.char_end] for piece in pieces]
    assert pieces == [type(piece)(*piece) for piece in pieces] and len({*pieces}) == len(pieces)
    assert {piece: piece for piece in pieces} == {type(piece)(*piece): piece for piece in pieces}  # by their hashes
    near = TOK.inspect().pretokenize(" the a" * 4000)
    assert len({id(piece.text) for piece in near}) < 10


@examples(300)
@given(mixed_texts, specials)
def test_special_flags(text: str, special: Any) -> None:
    """Exactly the ids of added tokens are flagged, of which only those that are allowed occur."""
    found = TOK.encode_with_offsets(text, special=special)
    assert found.special.tolist() == [id in ADDED for id in found.ids.tolist()]
    flagged = found.ids[found.special].tolist()
    if special == "none":
        assert flagged == []
    elif special != "all":
        assert set(flagged) <= {TOK.added_tokens[content] for content in special}
    assert found.ids.tolist() == TOK.encode(text, special=special)


@pytest.mark.parametrize("text", ["a\n\n\nb\n", "\n\n", "\n\u2581\n\n<t>", " \n<t>\n", "ab", ""])
def test_flags_of_runs_that_merging_makes(text: str) -> None:
    """Added tokens that are left to merging have their flags, and so do the others."""
    file = character_json(merges=[("a", "b"), ("\n", "\n")])
    vocab = file["model"]["vocab"]
    added = {content: vocab.get(content, len(vocab)) for content in ("\n", "\n\n", "<t>")}
    tok = dstok.Tokenizer.from_str(json.dumps({**file, "added_tokens": [
        character_token(id, content) for content, id in added.items()]}))
    policy = tok._added.policy("all")
    assert policy.quick is not policy
    found = tok.encode_with_offsets(text)
    assert found.special.tolist() == [id in added.values() for id in found.ids.tolist()]
    assert not tok.encode_with_offsets(text, special="none").special.any()


@given(mixed_texts)
@example("")
def test_shapes(text: str) -> None:
    """The arrays have the types and shapes that `Encoding` promises; `len` is the number of ids."""
    found = TOK.encode_with_offsets(text)
    n = TOK.count(text)
    assert len(found) == n
    assert found.ids.dtype == np.uint32 and found.ids.shape == (n,)
    assert found.byte_spans.dtype == found.char_spans.dtype == np.int64
    assert found.byte_spans.shape == found.char_spans.shape == (n, 2)
    assert found.pieces.dtype == np.int64 and found.pieces.shape == (n,)
    assert found.special.dtype == np.bool_ and found.special.shape == (n,)
    assert not np.shares_memory(found.byte_spans, found.char_spans)


def small_json(behavior: str, invert: bool, pattern: str) -> str:
    """A small model of one Split with a behavior, with merges and added tokens that strip white space."""
    merges = [(b"a", b"b"), (b" ", b"a"), (b"\xc3", b"\xa9"), (b"ab", b"\xc3\xa9")]
    added = [added_token("<l>", lstrip=True), added_token("<r>", rstrip=True, special=True),
             added_token("<n>", normalized=True)]
    file = json.loads(model_json(merges, added, pattern))
    file["pre_tokenizer"]["pretokenizers"][0] |= {"behavior": behavior, "invert": invert}
    return json.dumps(file)


BEHAVIORS = ["Isolated", "Removed", "MergedWithPrevious", "MergedWithNext", "Contiguous"]
SMALL = [(behavior, invert, pattern) for behavior in BEHAVIORS for invert in (False, True) for pattern in (r"\s+", r"[é ]")]
small_texts = st.lists(st.sampled_from([*"ab \né🦙", "<l>", "<r>", "<n>", "abé", "  "]), max_size=16).map("".join)


@kept()
def small(behavior: str, invert: bool, pattern: str) -> tuple[dstok.Tokenizer, Any]:
    return both(small_json(behavior, invert, pattern))


@examples(400)
@given(st.sampled_from(SMALL), small_texts)
@example(SMALL[4], "a é  <l> b")
@example(SMALL[4], "   ")
def test_offsets_with_dropped_text(steps: tuple[str, bool, str], text: str) -> None:
    """Where steps drop text, and where added tokens strip it, spans are still upstream's, and slice to the tokens."""
    tok, judge = small(*steps)
    judged = judge.encode(text, add_special_tokens=False)
    found = tok.encode_with_offsets(text)
    assert found.ids.tolist() == judged.ids
    assert rows(found.char_spans) == judged.offsets
    data, at = text.encode(), 0
    for id, (start, end), flag in zip(judged.ids, rows(found.byte_spans), found.special.tolist(), strict=True):
        assert at <= start < end
        shown = data[start:end]
        assert (shown.strip() if flag else shown) == tok.decode_bytes([id])
        at = end
    assert at <= len(data)


def test_parts_of_a_character() -> None:
    """Tokens that are parts of one character have spans of their own in bytes, and share it in code points."""
    found = TOK.encode_with_offsets("🦙!")
    assert rows(found.byte_spans) == [(0, 2), (2, 3), (3, 4), (4, 5)]
    assert rows(found.char_spans) == [(0, 1), (0, 1), (0, 1), (1, 2)]
    assert found.pieces.tolist() == [0, 0, 0, 0]


def test_invalid_text() -> None:
    """Invalid UTF-8 is an error with its offset, or spans are those of the text with U+FFFD put in."""
    with pytest.raises(dstok.TextError) as caught:
        TOK.encode_with_offsets(b"ab\xff")
    assert caught.value.offset == 2
    for broken in (b"ab\xffc", "ab\ud800c"):
        found = TOK.encode_with_offsets(broken, errors="replace")
        assert rows(found.byte_spans) == rows(TOK.encode_with_offsets("ab\ufffdc").byte_spans)
        assert [piece.text for piece in TOK.inspect().pretokenize(broken, errors="replace")] == ["ab", "\ufffd", "c"]


def test_reprs_are_short() -> None:
    """Of results, and of a model's settings, whose template has thousands of characters."""
    tok = dstok.load("deepseek-v3")
    assert repr(tok.encode_with_offsets("Hello world")) == "Encoding(2 ids: 19923, 2058)"
    assert repr(tok.encode_with_offsets("a " * 999)).startswith("Encoding(1000 ids: ")
    talk = dstok.chat.encode(tok, [{"role": "user", "content": "a " * 999}], "v3")
    found = [repr(tok.encode_with_offsets("a " * 999)), repr(talk), repr(tok.config)]
    assert all(len(shown) < 150 for shown in found), found
    assert repr(tok.config).startswith("TokenizerConfig(bos_id=0, eos_id=1, pad_id=1, add_bos=True, add_eos=False, chat")
