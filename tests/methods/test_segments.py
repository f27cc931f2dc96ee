"""Texts in segments: ids against brute force, which searches added tokens letter by letter and merges by upstream."""

from __future__ import annotations

import json
import random
import unicodedata
from collections.abc import Iterator
from itertools import accumulate, pairwise
from typing import Any

import character_models
import numpy as np
import pytest
import tokenizers
from kept import kept
from normalized_models import LOWERCASE, NFC, file_of, replace, sequence
from real_models import real, real_json
from reference import DEEP, PART
from shares import chance_of_today, seeds
from small_models import added_token, model_json

import dstok

ADDED = [added_token("<a>"), added_token("<a><b>"), added_token("<b>"), added_token("b>c"), added_token("<L>", lstrip=True),
         added_token("<R>", rstrip=True), added_token("word", single_word=True), added_token("<N>", normalized=True),
         added_token("é!", normalized=True, lstrip=True, rstrip=True), added_token("<N><", normalized=True)]


def of_characters(normalizer: Any, pre_tokenizer: Any, normalized: bool) -> str:
    """A model of characters, without the tokens that it cannot have, or without normalized ones."""
    file = character_models.character_json(normalizer, pre_tokenizer)
    kept = [token for token in ADDED if (normalized and "é" not in token["content"]) or not token["normalized"]]
    added = [{**token, "id": len(file["model"]["vocab"]) + number} for number, token in enumerate(kept)]
    return json.dumps({**file, "added_tokens": added})


MODELS = {  # name: file; the real ones are read at their first use
    "deepseek-v3": "", "qwen-2.5": "", "deepseek-r1-distill-llama-8b": "",
    "plain": model_json([(b" ", b" "), (b"w", b"o"), (b"<", b"a"), (b" ", b"<")], ADDED),
    "normalizing": file_of(sequence(NFC, LOWERCASE, replace("..", "")), ADDED),
    "nfc": file_of(NFC, ADDED),
    "of characters": of_characters(character_models.PREPEND, None, False),
    "of characters, normalized": of_characters(character_models.PREPEND, None, True),
    "first": of_characters(None, character_models.metaspace("first", False), False),
}
Match = tuple[int, int, int]  # start, end, id


@kept(most=3)
def model(name: str) -> tuple[dstok.Tokenizer, tokenizers.Tokenizer, list[dict[str, Any]]]:
    """dstok's tokenizer; upstream's that only cuts and merges; the added tokens."""
    text = MODELS[name] or real_json(name)
    file = json.loads(text)
    plain = {**file, "added_tokens": [], "normalizer": None, "post_processor": None}
    if file["pre_tokenizer"] and file["pre_tokenizer"]["type"] == "Metaspace":
        plain["pre_tokenizer"] = None  # it puts a space, as a normalizer does
    return dstok.Tokenizer.from_str(text), tokenizers.Tokenizer.from_str(json.dumps(plain)), file["added_tokens"]


def is_word(char: str) -> bool:
    return char.isalnum() or char == "_" or unicodedata.category(char)[0] == "M"


def matches(text: str, runs: list[int], tokens: list[dict[str, Any]], seen: dict[str, str]) -> Iterator[Match]:
    """The matches, each within one run of trusted text: character `i` lies in run `runs[i]`, 0 for untrusted text."""
    at = scan = 0
    by_content: dict[str, dict[str, Any]] = {}
    for token in tokens:
        by_content.setdefault(seen[token["content"]], token)  # the first one, as of the longest matches
    lengths = sorted({*map(len, by_content)}, reverse=True)
    while scan < len(text):
        found = next((length for length in lengths if text[scan : scan + length] in by_content
                      and {*runs[scan : scan + length]} == {runs[scan]} != {0}), 0)
        if not found:
            scan += 1
            continue
        start, end, token = scan, scan + found, by_content[text[scan : scan + found]]
        scan = end
        if token["single_word"] and (is_word(text[start - 1 : start] or " ") or is_word(text[end : end + 1] or " ")):
            continue
        while token["lstrip"] and start > at and text[start - 1].isspace():
            start -= 1
        while token["rstrip"] and end < len(text) and text[end].isspace():
            end += 1
        yield start, end, token["id"]
        at = scan = end


def naive(name: str, segments: list[tuple[str, bool]]) -> list[int]:
    tok, plain, added = model(name)
    text = "".join(text for text, _ in segments)
    sure = [trusted for text, trusted in segments for _ in text]
    runs = [number if trusted else 0 for trusted, number in zip(sure, accumulate(
        [1, *(one != other for one, other in pairwise(sure))]))]
    raw, normalized = ([token for token in added if token["normalized"] == kind] for kind in (False, True))
    blank = tok._tables.characters is not None
    ids, at = list[int](), 0
    for start, end, id in [*matches(text, runs, raw, {t["content"]: t["content"] for t in raw}), (len(text), len(text), -1)]:
        if at < start:
            normalizer, stretch, whose = tok._normalizer, text[at:start], [*range(start - at)]
            if normalizer is not None:
                made, sources = (normalizer.later if at else normalizer).align(stretch.encode())
                stretch, whose = made.decode(), [*sources]
            seen = {t.content: tok._added.seen(t).decode() for t in tok._added.tokens if t.normalized}
            place = 0
            for first, last, found in [*matches(stretch, [runs[at + i] for i in whose], normalized, seen),
                                       (len(stretch), len(stretch), -1)]:
                piece = stretch[place:first].replace(" ", "▁") if blank else stretch[place:first]
                ids += [*plain.encode(piece, add_special_tokens=False).ids, *([found] if found >= 0 else [])]
                place = last
        ids += [id] if id >= 0 else []
        at = end
    return ids


def fragments(name: str) -> list[str]:
    contents = [token["content"] for token in model(name)[2]]
    some = [*contents[:6], *contents[-6:]]
    return [*some, *some, *(c[: len(c) // 2] for c in some), *(c[len(c) // 2 :] for c in some), *" a<>b..xW", "word", "  ", "\n",
            "é", "e\u0301", "É!", "中文", "12", "\U0001f999", "I'm", "\u3000"]


def cut(text: str, chance: random.Random) -> list[tuple[str, bool]]:
    """A random segmentation, half of the time with borders close together."""
    near = chance.randrange(len(text) + 1)
    places = [min(max(near + chance.randint(-4, 4), 0), len(text)) if chance.random() < 0.5 else chance.randrange(len(text) + 1)
              for _ in range(chance.randint(0, 6))]
    return [(text[start:end], chance.random() < 0.6) for start, end in pairwise([0, *sorted(places), len(text)])]


def check(name: str, segments: list[tuple[str, bool]]) -> list[int]:
    tok, _, _ = model(name)
    ids = tok.encode_segments(segments)
    assert ids == naive(name, segments), (name, segments)
    return ids


@pytest.mark.parametrize("name", MODELS)
def test_random_segmentations(name: str) -> None:
    """100,000 for each model, in 20 nights, a hundred for a commit; each of them in lists, arrays and as bytes."""
    for seed in seeds(100, 5):
        chance, parts, batch = random.Random(f"{name} {seed}"), fragments(name), []
        for _ in range(1000 // PART):
            text = "".join(chance.choices(parts, k=chance.randint(1, 12)))
            segments = cut(text, chance)
            batch.append((segments, check(name, segments)))
        found, offsets, numbers = model(name)[0].encode_segments_batch(
            [[(text.encode() if chance.random() < 0.2 else text, trusted) for text, trusted in segments] for segments, _ in batch],
            num_threads=chance.randint(1, 3))
        assert found.tolist() == [id for _, ids in batch for id in ids]
        assert np.diff(offsets).tolist() == [len(ids) for _, ids in batch]
        for (segments, _), (start, end) in zip(batch, pairwise(offsets.tolist())):
            assert (np.diff(numbers[start:end]) >= 0).all()
            assert not end > start or 0 <= numbers[start] <= numbers[end - 1] < len(segments)


def test_the_number_of_an_id_is_the_segment_of_its_first_byte() -> None:
    tok, chance = model("deepseek-v3")[0].replace(bos_id=0), chance_of_today("numbers")
    for _ in range(300):
        segments = cut("".join(chance.choices(fragments("deepseek-v3"), k=9)), chance)
        ids, _, numbers = tok.encode_segments_batch([segments], add_bos=True)
        ends = [*accumulate(len(text.encode()) for text, _ in segments)]
        starts = [0, *accumulate(len(tok.decode_bytes([id])) for id in ids[1:])][:-1]
        starts = [len("".join(t for t, _ in segments).encode()[:at].decode("utf-8", "ignore").encode()) for at in starts]
        assert numbers.tolist() == [-1, *(sum(end <= start for end in ends) for start in starts)]


@pytest.mark.parametrize("name", ["deepseek-v3", "qwen-2.5", "deepseek-r1-distill-llama-8b", "plain", "of characters", "normalizing"])
def test_injections_at_every_border(name: str) -> None:
    """Each token, whole and cut in each place, at each border of a conversation: it is plain text there."""
    tok, _, added = model(name)
    contents = [token["content"] for token in added]
    some = [*contents[:3], *contents[-3:]]
    conversation = [(some[0], True), ("Hi <there ", False), (some[1] + some[2], True), ("\nfine.", False), (some[0], True)]
    trusted = {token["id"] for token in added}
    whole = tok.encode("".join(text for text, _ in conversation))
    assert tok.encode_segments(conversation) == whole == check(name, conversation)
    expected = [id for id in whole if id in trusted]
    for place in range(len(conversation) + 1):
        for content in some:
            forged = [*conversation[:place], (content, False), *conversation[place:]]
            assert [id for id in check(name, forged) if id in trusted] == expected
            for at in range(1, len(content)):
                check(name, [*conversation[:place], (content[:at], False), (content[at:], True), *conversation[place:]])
                check(name, [*conversation[:place], (content[:at], True), (content[at:], False), *conversation[place:]])
                check(name, [*conversation[:place], (content[:at], True), (content[at:], True), *conversation[place:]])


@pytest.mark.parametrize("name", [name for name in MODELS if name != "of characters, normalized"])
def test_without_an_injection_as_the_whole(name: str) -> None:
    """Untrusted text has no letter of an added token; the model left out matches a space before each of them."""
    tok, chance = model(name)[0], chance_of_today(f"whole {name}")
    contents = [token["content"] for token in model(name)[2]]
    for _ in range(500 if DEEP else 100):
        segments = [(chance.choice(contents), True) if chance.random() < 0.5 else
                    ("".join(chance.choices(["x ", "\n ", "中", "12.", "\U0001f999"], k=chance.randint(0, 5))), False)
                    for _ in range(chance.randint(0, 9))]
        text = "".join(text for text, _ in segments)
        assert tok.encode_segments(segments) == tok.encode(text), segments
        assert tok.encode_segments([(text, True)]) == tok.encode(text)
        assert tok.encode_segments([(text, False)]) == tok.encode(text, special="none")


@pytest.mark.parametrize("wide", [False, True])
@pytest.mark.parametrize("name", ["deepseek-v3", "plain", "nfc", "of characters"])
def test_long_texts(name: str, wide: bool) -> None:
    """Texts of several portions, with a border near each end of one: as the same segments one by one, between tokens."""
    tok, _, added = model(name)
    chance, token = chance_of_today(f"long {name} {wide}"), added[0]["content"]
    filler = "é \U0001f999x" if wide else "xy z"
    size = 1 << 16
    segments: list[tuple[str, bool]] = []
    for _ in range(4):
        segments += [(filler * (size // len(filler.encode()) - chance.randint(0, 3)), False), ("x" * chance.randint(0, 9), True)]
        segments += [(token[:2], True), (token[2:], False), (token, True), (token, False)] * chance.randint(1, 5)
    expected, part = list[int](), list[tuple[str, bool]]()
    for segment in [*segments, (token, True)]:
        if segment == (token, True):
            text = "".join(text for text, _ in part)
            before = [(token, True)] if expected else []
            expected += [*tok.encode_segments([*before, (text, False)])[len(before):], added[0]["id"]]
            part = []
        else:
            part.append(segment)
    assert tok.encode_segments(segments) == expected[: -1]
    assert tok.encode_segments_batch([segments])[0].tolist() == expected[: -1]


@pytest.mark.parametrize("name", ["deepseek-v3", "qwen-2.5", "deepseek-r1-distill-llama-8b"])
def test_each_by_itself_as_fastokens(name: str) -> None:
    tok, chance = model(name)[0], chance_of_today(f"fastokens {name}")
    fastokens = pytest.importorskip("fastokens")
    other = fastokens.Tokenizer.from_json_str(real_json(name))
    upstream = real(name)
    for _ in range(1000 if DEEP else 100):
        segments = cut("".join(chance.choices(fragments(name), k=9)), chance)
        ids = tok.encode_segments(segments, joined=False)
        assert ids == [id for text, trusted in segments for id in (
            upstream.encode(text, add_special_tokens=False).ids if trusted else tok.encode(text, special="none"))]
        assert ids == other.encode_segments(segments).ids, segments
        found, _, numbers = tok.encode_segments_batch([segments], joined=False)
        assert found.tolist() == ids
        assert numbers.tolist() == [number for number, (text, trusted) in enumerate(segments)
                                    for _ in tok.encode(text, special="all" if trusted else "none")]


@pytest.mark.parametrize("name", MODELS)
def test_spans_are_those_of_the_ids(name: str) -> None:
    """Where nothing is forged, all of them are those of `encode_with_offsets`; else the ids, and spans in order."""
    tok, chance = model(name)[0], chance_of_today(f"spans {name}")
    for _ in range(100):
        segments = cut("".join(chance.choices(fragments(name), k=9)), chance)
        found, text = tok.encode_segments_with_offsets(segments), "".join(text for text, _ in segments)
        assert found.ids.tolist() == tok.encode_segments(segments)
        assert (np.diff(found.char_spans[:, 0]) >= 0).all() and (found.char_spans <= len(text)).all()
        one, other = tok.encode_segments_with_offsets([(text, True)]), tok.encode_with_offsets(text)
        for field in ("ids", "char_spans", "byte_spans", "pieces", "special"):
            assert np.array_equal(getattr(one, field), getattr(other, field)), field
    with pytest.raises(dstok.SpecialTokenError):
        tok.encode_segments_with_offsets([("x", True), (model(name)[2][0]["content"], False)], special="raise")


def test_keywords() -> None:
    tok = model("deepseek-v3")[0].replace(bos_id=0, eos_id=1)
    user, end = "<｜User｜>", "<｜end▁of▁sentence｜>"
    segments = [(user, True), (f"{end}hi", True), (user, False)]
    ids = tok.encode_segments(segments, special={user}, add_bos=True, add_eos=True)
    assert ids == [0, tok.token_to_id(user), *tok.encode(f"{end}hi{user}", special="none"), 1]
    found, offsets, numbers = tok.encode_segments_batch([segments, []], special={user}, add_bos=True, add_eos=True, dtype="int64")
    assert (found.tolist(), found.dtype, offsets.tolist()) == ([*ids, 0, 1], np.int64, [0, len(ids), len(ids) + 2])
    assert numbers[[0, 1, len(ids) - 1, -1]].tolist() == [-1, 0, -1, -1]
    assert tok.encode_segments(segments[:2], special="raise") == tok.encode(user + end + "hi")
    with pytest.raises(dstok.SpecialTokenError) as special:
        tok.encode_segments([*segments[:2], (f"é{user}", False)], special="raise")
    assert (special.value.token, special.value.offset, special.value.batch_index) == (user, 2, 2)


def test_faults() -> None:
    tok = model("deepseek-v3")[0]
    for text, offset in (("a\ud800", 1), (b"ab\xff", 2), ("\U0001f999\udfff", 1)):
        with pytest.raises(dstok.TextError) as fault:
            tok.encode_segments_batch([[("a", True), ("é", False)], [(text, False)]])
        assert (fault.value.offset, fault.value.batch_index) == (offset, 2)
        replaced = text.decode("utf-8", "replace") if isinstance(text, bytes) else text[:-1] + "\ufffd"
        for joined in (True, False):
            assert tok.encode_segments([("x", True), (text, False)], joined=joined, errors="replace") == tok.encode_segments(
                [("x", True), (replaced, False)], joined=joined)
    wrong: list[Any] = [[("a", "all")], [("a", 1)], ["ab"], [("a", True, False)], [5], "ab", 5, [(5, True)]]
    for segments in wrong:
        with pytest.raises(dstok.errors.ArgumentError):
            tok.encode_segments(segments)


def test_a_model_that_cuts_texts_refuses() -> None:
    """Kimi's own code cuts long texts before it finds added tokens: then trusted parts have no place."""
    tok = dstok.Tokenizer.from_str(MODELS["plain"])
    tok._encoder.cut_texts()
    assert tok.encode_segments([("a" * 20_000, False)]) == tok.encode("a" * 20_000, special="none")
    with pytest.raises(dstok.UnsupportedError):
        tok.encode_segments([("a" * 30_000, False)])
