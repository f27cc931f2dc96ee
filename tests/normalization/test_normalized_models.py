"""Models with a normalizer: the pipeline, and every way in and out, against upstream."""

from __future__ import annotations

import json
import pickle
import random
import unicodedata
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any

import pytest
import tokenizers
from cli_process import fails, ok
from images import Parts
from real_models import real_json
from reference import DEEP
from shared_data import CORPORA, corpus, shared, wiki
from small_models import added_token, model_json, upstream_ids
from upstream import model_names

import dstok
from dstok.errors import (
    DstokError,
    ImageError,
    SpecialTokenError,
    TextError,
    TokenizerFileError,
    UnsupportedError,
)
from dstok.inspection.explain import explain

MERGES = [(b"a", b"b"), (b"\xcc", b"\x81"), (b"\xc3", b"\xa9"), (b" ", b"a"), (b"e", b"\xcc\x81"), (b" ", b" "),
          (b"\xe2", b"\x89")]
NFC, NFD, NFKC = ({"type": form} for form in ("NFC", "NFD", "NFKC"))
LOWERCASE, STRIP_ACCENTS = {"type": "Lowercase"}, {"type": "StripAccents"}
STRIP = {"type": "Strip", "strip_left": True, "strip_right": True}
PREPEND = {"type": "Prepend", "prepend": "é_"}


def replace(pattern: str, content: str, kind: str = "String") -> dict[str, Any]:
    return {"type": "Replace", "pattern": {kind: pattern}, "content": content}


STEPS = [NFC, NFD, NFKC, {"type": "NFKD"}, LOWERCASE, STRIP_ACCENTS, replace("a", "xyz"), replace("<", ""),
         replace(r"a+|\s+", "_", "Regex"), PREPEND, STRIP, {**STRIP, "strip_left": False},
         {**STRIP, "strip_right": False}]
ADDED = [added_token("<x>"), added_token("<y>", normalized=True), added_token("XA", normalized=True, lstrip=True),
         added_token("é!", normalized=True, single_word=True), added_token("ab\u0301", single_word=True),
         added_token("<R>", rstrip=True, special=True), added_token("<L>", lstrip=True, special=True),
         added_token("Qq", normalized=True, rstrip=True)]
ODD = ["a", "b", "e", "x", "y", "<x>", "<y>", "<R>", "<L>", "XA", "xa", "ab", "ab\u0301", "Qq", "qq", " ", "  ", "\n",
       "\u3000", "\u0301", "\u0323", "\u0327", "é", "é!", "e\u0301!", "É", "ế", "İ", "\u212b", "\ufb01", "\uff1c",
       "\uff1e", "\u0338", "가", "\u1100", "\u1161", "\u11a8", "中", "\u0344", "<", ">", "A", "\U0001d15e",
       "\U0001f600", "\u0f73", "\u0f71"]


def file_of(normalizer: Any, added: list[dict[str, Any]] | None = None) -> str:
    file = json.loads(model_json(MERGES, ADDED if added is None else added))
    return json.dumps({**file, "normalizer": normalizer})


def sequence(*steps: dict[str, Any]) -> dict[str, Any]:
    return {"type": "Sequence", "normalizers": list(steps)}


def both(normalizer: Any, added: list[dict[str, Any]] | None = None) -> tuple[dstok.Tokenizer, tokenizers.Tokenizer]:
    text = file_of(normalizer, added)
    return dstok.Tokenizer.from_str(text), tokenizers.Tokenizer.from_str(text)


@cache
def nfc() -> dstok.Tokenizer:
    return dstok.Tokenizer.from_str(file_of(NFC))


def odd_text(rng: random.Random, most: int = 14) -> str:
    return "".join(rng.choices(ODD, k=rng.randrange(most)))


def seeded_models() -> Iterator[Any]:
    """Each step alone, then steps in a row; each with some of the added tokens."""
    rng = random.Random(3)
    for number in range(200 if DEEP else len(STEPS) + 10):
        steps = [STEPS[number]] if number < len(STEPS) else rng.choices(STEPS, k=rng.randrange(2, 4))
        yield pytest.param(number, steps, id=f"{number} {'+'.join(step['type'] for step in steps)}")


@pytest.fixture
def model(number: int, steps: list[dict[str, Any]]) -> tuple[dstok.Tokenizer, tokenizers.Tokenizer, random.Random]:
    rng = random.Random(number)
    try:
        return *both(sequence(*steps), [token for token in ADDED if rng.random() < 0.6]), rng
    except UnsupportedError as error:
        assert "when normalized" in str(error) or "leaves nothing" in str(error)
        pytest.skip(str(error))


# The pipeline


@pytest.mark.parametrize(("normalizer", "added", "text", "ids", "offsets"), [
    # each stretch between raw tokens by itself, and none that is empty
    (PREPEND, [ADDED[0]], "<x>", "<x>", [(0, 3)]),
    (PREPEND, [ADDED[0]], "", "", []),
    (PREPEND, [ADDED[0]], "a<x><x>b", "é_a|<x>|<x>|é_b", [(0, 1)] * 3 + [(1, 4), (4, 7)] + [(7, 8)] * 3),
    (STRIP, [ADDED[0]], " <x> a ", "<x>|a", [(1, 4), (5, 6)]),
    # a raw token wins over composition, and is not looked for in the normalized text
    (NFKC, ADDED[:2], "<x>\u0338", "<x>|\u0338", [(0, 3), (3, 4), (3, 4)]),
    (NFKC, ADDED[:2], "\uff1cx\uff1e", "<|x|>", [(0, 1), (1, 2), (2, 3)]),
    (NFC, ADDED[:2], "<\u0338x>", "\u226e|x|>", [(0, 1), (0, 1), (2, 3), (3, 4)]),
    # a normalized token is, by its normalized content
    (NFKC, ADDED[:2], "\uff1cy\uff1e", "<y>", [(0, 3)]),
    (NFC, ADDED[:2], "<y>\u0338", "<|y|\u226f", [(0, 1), (1, 2), (2, 3), (2, 3)]),
    (LOWERCASE, [ADDED[2]], "xA Xa", "XA|XA", [(0, 2), (2, 5)]),
    (NFD, [added_token("\xe8", normalized=True)], "e\u0300\u0301", "\xe8|\u0301", [(0, 2), (2, 3)]),
    # what a character that comes out stands for: one character
    (NFC, [], "ab\u0301e\u0301x", "ab|\u0301|é|x", [(0, 2), (2, 3), (3, 4), (5, 6)]),
    (NFC, [], "e\u0301\u0323", "ẹ|\u0301", [(0, 1)] * 3 + [(2, 3)]),
    (NFD, [], "ế", "e|\u0302|\u0301", [(0, 1)] * 4),
    (STRIP_ACCENTS, [], "\u0301a\u0301\u0302", "a", [(1, 2)]),
    (replace("ab", "xyz"), [], "aab", "a|x|y|z", [(0, 1)] + [(2, 3)] * 3),
])
def test_cases(normalizer: Any, added: list[dict[str, Any]], text: str, ids: str, offsets: list[Any]) -> None:
    ours, judge = both(normalizer, added)
    encoding = judge.encode(text, add_special_tokens=False)
    found = ours.encode_with_offsets(text)
    assert found.ids.tolist() == encoding.ids
    assert [tuple(span) for span in found.char_spans.tolist()] == encoding.offsets == offsets
    named = [ours.token_to_id(part) if part in ours.special_tokens else dstok_bytes(ours, part)
             for part in ids.split("|") if part]
    assert encoding.ids == [id for part in named for id in (part if isinstance(part, list) else [part])]


def dstok_bytes(tok: dstok.Tokenizer, text: str) -> list[int]:
    """The ids of a text that is taken as it is."""
    plain = dstok.Tokenizer.from_str(file_of(None, []))
    assert plain.vocab_size <= tok.vocab_size
    return plain.encode(text)


@pytest.mark.parametrize(("number", "steps"), list(seeded_models()))
def test_ids_offsets_and_counts_are_upstreams(model: Any) -> None:
    ours, judge, rng = model
    ascii_only = all(ours._added.seen(token).isascii() for token in ours._added.tokens)
    for _ in range(1000 if DEEP else 100):
        text = odd_text(rng)
        encoding = judge.encode(text, add_special_tokens=False)
        ids = encoding.ids
        found = ours.encode_with_offsets(text)
        assert found.ids.tolist() == ids, ascii(text)
        assert [tuple(span) for span in found.char_spans.tolist()] == encoding.offsets, ascii(text)
        assert ours.encode(text) == ours.encode(text.encode()) == ours.encode_array(text).tolist() == ids
        assert ours.count(text) == ours.count(text.encode()) == len(ids)
        assert [ours.count_up_to(text, limit) for limit in range(5)] == [min(len(ids), n + 1) for n in range(5)]
        if ascii_only:
            assert ours.decode(ids) == judge.decode(ids, skip_special_tokens=False)
        assert_spans_fit(found, text)
        assert_pieces_fit(ours, found, text)


def assert_spans_fit(found: dstok.Encoding, text: str) -> None:
    """Byte spans lie in the characters of the code point spans, and begin in the first and end in the last."""
    starts = [len(text[:i].encode()) for i in range(len(text) + 1)]
    for (start, end), (first, last) in zip(found.byte_spans.tolist(), found.char_spans.tolist()):
        assert first < last <= len(text)
        assert starts[first] <= start < starts[first + 1]
        assert starts[last - 1] < end <= starts[last] and start < end


def assert_pieces_fit(ours: dstok.Tokenizer, found: dstok.Encoding, text: str) -> None:
    pieces = ours.pretokenize(text)
    data = text.encode()
    assert [piece.token_id for piece in pieces if piece.token_id is not None] == found.ids[found.special].tolist()
    for piece in pieces:
        assert data[: piece.start].decode() == text[: piece.char_start]
        assert data[: piece.end].decode() == text[: piece.char_end]
    for number, span in zip(found.pieces.tolist(), found.char_spans.tolist()):
        assert pieces[number].char_start <= span[0] <= span[1] <= pieces[number].char_end


@pytest.mark.parametrize(("number", "steps"), list(seeded_models()))
def test_budgets(model: Any) -> None:
    ours, _, rng = model
    for _ in range(60):
        text = odd_text(rng)
        for budget in range(4):
            right, left = (ours.truncate(text, budget, side=side) for side in ("right", "left"))
            assert text.startswith(right) and text.endswith(left)
            assert max(ours.count(right), ours.count(left)) <= budget
            if ours.count(text) <= budget:
                assert right == left == text
        budget = 24  # no character needs more
        parts = list(ours.chunk(text, budget))
        assert "".join(parts) == text and all(ours.count(part) <= budget for part in parts)


def test_a_mark_stays_with_its_letter() -> None:
    assert nfc().truncate("xe\u0301y", 2) == "xe\u0301"  # `é` is one id here
    assert list(nfc().chunk("e\u0301" * 3, 2)) == ["e\u0301e\u0301", "e\u0301"]


@pytest.mark.parametrize(("number", "steps"), list(seeded_models()))
def test_batches(model: Any) -> None:
    ours, judge, rng = model
    texts = [odd_text(rng, 200) for _ in range(400)]
    expected = [upstream_ids(judge, text) for text in texts]
    for threads in (1, 3):
        assert ours.encode_batch(texts, threads=threads) == expected
        assert ours.encode_batch([text.encode() for text in texts], threads=threads) == expected
        assert ours.count_batch(texts, threads=threads) == list(map(len, expected))
        ids, offsets = ours.encode_batch_arrays(texts, threads=threads)
        assert [ids[a:b].tolist() for a, b in zip(offsets.tolist(), offsets[1:].tolist())] == expected


def test_upstreams_own_cases() -> None:
    cases = json.loads(shared("fixtures/upstream_cases.json").read_text(encoding="utf-8"))["cases"]
    found = [case for case in cases if case["op"] == "normalize_str" and case["config"]["type"] != "BertNormalizer"]
    assert len(found) == 6
    for case in found:
        normalizer = dstok.Tokenizer.from_str(file_of(case["config"]))._normalizer
        assert normalizer.normalize(case["args"][0].encode()).decode() == case["expected"]


# Texts that come in parts


@pytest.mark.parametrize(("number", "steps"), list(seeded_models()))
def test_streams_and_growing_texts(model: Any) -> None:
    ours, judge, rng = model
    if not ours._normalizer.local:
        for make in (ours.encode_stream, ours.growing):
            with pytest.raises(UnsupportedError, match=r"Prepend, Replace or Strip - at \$\.normalizer"):
                make()
        return
    for _ in range(300 if DEEP else 60):
        text = odd_text(rng)
        stream, growing, ids, kept_ids = ours.encode_stream(), ours.growing(), [], []
        for part in parts_of(text, rng):
            ids += stream.feed_list(part)
            kept, new = growing.append(part)
            kept_ids[kept:] = new
            assert kept_ids == growing.ids
        assert ids + stream.finish_list() == kept_ids == upstream_ids(judge, text), ascii(text)
        stream = ours.encode_stream()
        data = text.encode()
        count = sum(stream.feed_count(data[i : i + 1]) for i in range(len(data))) + stream.finish_count()
        assert count == len(kept_ids)


def parts_of(text: str, rng: random.Random) -> list[str]:
    cuts = sorted(rng.choices(range(len(text) + 1), k=3))
    return [text[a:b] for a, b in zip([0, *cuts], [*cuts, len(text)])]


@pytest.mark.parametrize("local", [[NFC], [NFKC], [LOWERCASE, NFD], [STRIP_ACCENTS]])
def test_growing_is_right_after_each_part(local: list[dict[str, Any]]) -> None:
    ours, judge = both(sequence(*local), ADDED[:2])
    rng = random.Random(6)
    for _ in range(40):
        growing, text = ours.growing(), ""
        for part in rng.choices(ODD, k=8):
            growing.append(part)
            text += part
            assert growing.ids == upstream_ids(judge, text), ascii(text)


def test_endless_marks_in_parts_cost_linear_time() -> None:
    stream = nfc().encode_stream()
    text = "e" + "\u0301\u0323" * 20_000
    count = sum(stream.feed_count(text[i : i + 4]) for i in range(0, len(text), 4)) + stream.finish_count()
    assert count == nfc().count(text)


@pytest.mark.parametrize("text", ["e\u0301 \uff1cy\uff1e", "\u212b\u212b <x> <y>", "e\u0301<x>", "<y>e\u0301e\u0301<y>"])
def test_where_a_special_token_is(text: str) -> None:
    """The offset, in bytes of the text that was given, not of the normalized one."""
    ours, _ = both(NFKC, ADDED[:2])
    with pytest.raises(SpecialTokenError) as whole:
        ours.encode(text, special="raise")
    offset = whole.value.offset
    rest = text.encode()[offset:].decode()
    assert rest.startswith(("<x>", "<y>", "\uff1cy\uff1e"))
    data = text.encode()
    for size in (1, 3, 100):
        stream = ours.encode_stream(special="raise")
        with pytest.raises(SpecialTokenError) as parts:
            for i in range(0, len(data), size):
                stream.feed(data[i : i + size])
            stream.finish()
        assert (parts.value.token, parts.value.offset) == (whole.value.token, offset)
    growing = ours.growing(special="raise")
    with pytest.raises(SpecialTokenError) as grown:
        growing.append(text)
    assert grown.value.offset == offset and growing.ids == []


def test_special_of_each_kind() -> None:
    text = "e\u0301<x>e\u0301<y>"
    for special in (["<x>"], ["<y>"], []):
        judge = tokenizers.Tokenizer.from_str(file_of(NFC, [t for t in ADDED[:2] if t["content"] == "<x>"]))
        if special == ["<x>"]:
            assert both(NFC, ADDED[:2])[0].encode(text, special=special) == upstream_ids(judge, text)
    plain = tokenizers.Tokenizer.from_str(file_of(NFC, []))
    assert nfc().encode(text, special="none") == upstream_ids(plain, text)


@pytest.mark.parametrize("text", ["e\u0301\ud800", "\ud800 e\u0301 \udfff" * 600])
def test_what_is_no_text(text: str) -> None:
    with pytest.raises(TextError) as error:
        nfc().encode(text)
    assert error.value.offset == text.index("\ud800")
    mended = text.replace("\ud800", "\ufffd").replace("\udfff", "\ufffd")
    assert nfc().encode(text, errors="replace") == nfc().encode(mended)
    data = mended.encode() + b"\xff e\xcc\x81"
    with pytest.raises(TextError) as error:
        nfc().encode(data)
    assert error.value.offset == len(mended.encode())
    assert nfc().encode(data, errors="replace") == nfc().encode(data.decode("utf-8", "replace"))


# The file, the image, the pickle


@pytest.mark.parametrize(("normalizer", "error", "where"), [
    ({"type": "BertNormalizer"}, UnsupportedError, "$.normalizer.type"),
    (sequence({"type": "Nmt"}), UnsupportedError, "$.normalizer.normalizers[0].type"),
    (sequence(NFC, {"type": "Precompiled"}), UnsupportedError, "$.normalizer.normalizers[1].type"),
    ({"type": "ByteLevel"}, UnsupportedError, "$.normalizer.type"),
    ({"type": "Prepend"}, TokenizerFileError, "$.normalizer"),
    ({"type": "Prepend", "prepend": ""}, UnsupportedError, "$.normalizer.prepend"),
    ({"type": "Strip", "strip_left": True}, TokenizerFileError, "$.normalizer"),
    ({"type": "Strip", "strip_left": 1, "strip_right": True}, TokenizerFileError, "$.normalizer.strip_left"),
    (replace("", "-"), UnsupportedError, "$.normalizer.pattern.String"),
    (replace("", "-", "Regex"), UnsupportedError, "$.normalizer.pattern.Regex"),
    (replace("x", "-", "Other"), TokenizerFileError, "$.normalizer.pattern"),
    ({**replace("x", "-"), "content": None}, TokenizerFileError, "$.normalizer.content"),
    ({"type": "Replace", "content": "-"}, TokenizerFileError, "$.normalizer"),
    (sequence(replace("b*", "-", "Regex")), DstokError, "$.normalizer.normalizers[0]"),
    (replace("(", "-", "Regex"), DstokError, "$.normalizer"),
])
def test_files_that_are_refused(normalizer: Any, error: type[DstokError], where: str) -> None:
    with pytest.raises(error) as found:
        dstok.Tokenizer.from_str(file_of(normalizer))
    assert where in str(found.value)


def test_added_tokens_that_normalizing_makes_alike_are_refused() -> None:
    """Upstream gives the id of the first for both."""
    added = [added_token("ABC", normalized=True), added_token("abc", normalized=True)]
    with pytest.raises(UnsupportedError, match=r"'ABC' and 'abc', which are 'abc' .* \$\.added_tokens\[1\]"):
        dstok.Tokenizer.from_str(file_of(LOWERCASE, added))
    with pytest.raises(UnsupportedError, match=r"leaves nothing - at \$\.added_tokens\[0\]"):
        dstok.Tokenizer.from_str(file_of(STRIP_ACCENTS, [added_token("\u0301", normalized=True)]))
    assert dstok.Tokenizer.from_str(file_of(LOWERCASE, [added_token("ABC"), added_token("abc", normalized=True)]))


def test_names_of_normalized_added_tokens_are_upstreams() -> None:
    ours, judge = both(LOWERCASE, [added_token("ABC", normalized=True), added_token("DEF")])
    for token in ("ABC", "DEF", "a"):
        id = judge.token_to_id(token)
        assert ours.token_to_id(token) == id and ours.id_to_token(id) == judge.id_to_token(id)
        assert ours.decode([id]) == judge.decode([id])
    assert ours.special_tokens == {"ABC": ours.token_to_id("ABC"), "DEF": ours.token_to_id("DEF")}


@pytest.mark.parametrize("normalizer", [NFC, sequence(*STEPS[4:])])
def test_images_and_pickles(normalizer: Any, tmp_path: Path) -> None:
    ours, judge = both(normalizer)
    path = tmp_path / "image"
    ours.save(path)
    opened = dstok.Tokenizer.open(path)
    opened.save(tmp_path / "again")
    assert path.read_bytes() == (tmp_path / "again").read_bytes()
    rng = random.Random(4)
    for tok in (opened, pickle.loads(pickle.dumps(ours)), pickle.loads(pickle.dumps(opened))):
        assert tok.fingerprint == ours.fingerprint
        for _ in range(100):
            text = odd_text(rng)
            assert tok.encode(text) == upstream_ids(judge, text)


def test_the_fingerprint_tells_normalizers_apart() -> None:
    files = [file_of(normalizer) for normalizer in (None, sequence(), *STEPS, sequence(NFC, NFD), sequence(NFC))]
    prints = [dstok.Tokenizer.from_str(file).fingerprint for file in files]
    assert prints[0] == prints[1] and prints[2] == prints[-1]
    assert len(set(prints)) == len(prints) - 2


@pytest.mark.parametrize("change", [
    {"type": "Sequence"}, {"type": "nfc"}, {"type": 3}, {"content": "\ud800"}, {"pattern": None}, {"left": 1},
    {"is_regex": "no"}, {"where": []}, {"extra": 1}, {"type": "Replace"}, {"type": "Prepend"},
    {"type": "Replace", "is_regex": True, "pattern": "("}, {"type": "Replace", "is_regex": True, "pattern": "a*"},
    {"type": "Replace", "is_regex": True, "pattern": "a{1,1000}{1,1000}"},
], ids=str)
def test_hostile_images(change: dict[str, Any], tmp_path: Path) -> None:
    nfc().save(tmp_path / "good")
    parts = Parts(tmp_path / "good")
    parts.description["normalizer"][0].update(change)
    parts.write(tmp_path / "bad")
    with pytest.raises(ImageError):
        dstok.Tokenizer.open(tmp_path / "bad")


@pytest.mark.parametrize("steps", [None, {}, "NFC", [None], ["NFC"], [{}], [[]], [{"type": "NFC"}], 1], ids=str)
def test_hostile_lists_of_steps(steps: Any, tmp_path: Path) -> None:
    nfc().save(tmp_path / "good")
    parts = Parts(tmp_path / "good")
    parts.description["normalizer"] = steps
    parts.write(tmp_path / "bad")
    with pytest.raises(ImageError):
        dstok.Tokenizer.open(tmp_path / "bad")


def test_images_of_models_without_a_normalizer_are_as_they_were(tmp_path: Path) -> None:
    dstok.Tokenizer.from_str(file_of(None)).save(tmp_path / "image")
    assert "normalizer" not in Parts(tmp_path / "image").description


# What tells of it


def test_explain_names_the_steps() -> None:
    steps = sequence(NFC, replace("a", "b"), replace("a+", "b", "Regex"), PREPEND, STRIP, {**STRIP, "strip_left": False})
    text = explain(dstok.Tokenizer.from_str(file_of(steps)), "ca")
    assert text.startswith("normalizer, of each stretch between added tokens with normalized=false:\n  0. NFC\n")
    for line in ("1. Replace: text 'a' by 'b'", "2. Replace: regex 'a+' by 'b'", "3. Prepend: 'é_'",
                 "4. Strip: left, right", "5. Strip: right"):
        assert f"\n  {line}\n" in text
    assert "'é_cb'" in text.split("path of the text")[1]
    assert "normalizer" not in explain(dstok.load("deepseek-v3"))


def test_the_command(tmp_path: Path) -> None:
    model, text = tmp_path / "model.json", "e\u0301 <x> é!\n" * 30_000
    model.write_text(file_of(NFC), encoding="utf-8")
    (tmp_path / "text").write_text(text, encoding="utf-8")
    files = ["--model", str(model), str(tmp_path / "text")]
    expected = dstok.Tokenizer.from_str(file_of(NFC)).encode_with_offsets(text)
    assert ok("count", *files).split()[0] == str(len(expected)).encode()
    assert list(map(int, ok("encode", *files).split())) == expected.ids.tolist()
    rows = [json.loads(line) for line in ok("dump", *files).splitlines()]
    assert [[row["char_start"], row["char_end"]] for row in rows] == expected.char_spans.tolist()
    model.write_text(file_of(STRIP), encoding="utf-8")
    assert "Prepend, Replace or Strip" in fails("count", *files)


# Real models


def nfc_models() -> list[str]:
    return [name for name in model_names() if json.loads(real_json(name))["normalizer"] == NFC]


@pytest.mark.skipif(not DEEP, reason="compiles real models, 20 s each: DSTOK_PROFILE=deep")
@pytest.mark.parametrize("name", nfc_models() if DEEP else [])
def test_real_models(name: str) -> None:
    file = json.dumps({**json.loads(real_json(name)), "padding": None})
    ours, judge = dstok.Tokenizer.from_str(file), tokenizers.Tokenizer.from_str(file)
    for text in real_texts():
        encoding = judge.encode(text, add_special_tokens=False)
        assert ours.encode(text) == encoding.ids
        assert ours.count(text.encode()) == len(encoding.ids)
        found = ours.encode_with_offsets(text)
        assert found.ids.tolist() == encoding.ids
        assert [tuple(span) for span in found.char_spans.tolist()] == encoding.offsets


def real_texts() -> Iterator[str]:
    yield wiki()
    for name in CORPORA:
        yield corpus(name)[:1_000_000]
    yield unicodedata.normalize("NFD", corpus("multilingual")[:600_000])
    strings = json.loads(shared("fixtures/tokenizer-random-strings.json").read_text(encoding="utf-8"))
    yield from (text for texts in strings.values() for text in texts)
    for path in sorted(shared("fixtures/inp_out").glob("*.inp")):
        yield from path.read_bytes().decode().split("\n__ggml_vocab_test__\n")
