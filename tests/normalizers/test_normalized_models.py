"""Models with a normalizer: the pipeline, and every way in and out, against upstream."""

from __future__ import annotations

import json
import random
from typing import Any

import pytest
import tokenizers
from normalized_models import (
    ADDED,
    LOWERCASE,
    NFC,
    NFD,
    NFKC,
    ODD,
    PREPEND,
    STRIP,
    STRIP_ACCENTS,
    both,
    file_of,
    nfc,
    odd_text,
    replace,
    seeded_models,
    sequence,
)
from reference import DEEP
from shared_data import shared
from small_models import added_token, upstream_ids

import dstok
from dstok.errors import (
    SpecialTokenError,
    TextError,
    UnsupportedError,
)

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
    named = [ours.token_to_id(part) if part in ours.added_tokens else dstok_bytes(ours, part)
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
        assert [ours.count(text, limit=limit) for limit in range(5)] == [min(len(ids), n + 1) for n in range(5)]
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
    pieces = ours.inspect().pretokenize(text)
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
            right, left = (ours.truncate(text, budget, truncation_side=side) for side in ("right", "left"))
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
    texts = [odd_text(rng, 200) for _ in range(150)]
    expected = [upstream_ids(judge, text) for text in texts]
    for threads in (1, 3):
        assert ours.encode_batch(texts, num_threads=threads) == expected
        assert ours.encode_batch([text.encode() for text in texts], num_threads=threads) == expected
        assert ours.count_batch(texts, num_threads=threads) == list(map(len, expected))
        ids, offsets = ours.encode_batch_arrays(texts, num_threads=threads)
        assert [ids[a:b].tolist() for a, b in zip(offsets.tolist(), offsets[1:].tolist())] == expected


def test_upstreams_own_cases() -> None:
    cases = json.loads(shared("fixtures/upstream_cases.json").read_text(encoding="utf-8"))["cases"]
    found = [case for case in cases if case["op"] == "normalize_str" and case["config"]["type"] != "BertNormalizer"]
    assert len(found) == 6
    for case in found:
        normalizer = dstok.Tokenizer.from_str(file_of(case["config"]))._normalizer
        assert normalizer and normalizer.normalize(case["args"][0].encode()).decode() == case["expected"]


# Texts that come in parts


@pytest.mark.parametrize(("number", "steps"), list(seeded_models()))
def test_streams_and_growing_texts(model: Any) -> None:
    ours, judge, rng = model
    if not ours._normalizer.local:
        for make in (ours.encode_stream, ours.encode_incremental):
            with pytest.raises(UnsupportedError, match=r"Prepend, Replace or Strip - at normalizer"):
                make()
        return
    for _ in range(300 if DEEP else 60):
        text = odd_text(rng)
        stream, growing, ids, kept_ids = ours.encode_stream(), ours.encode_incremental(), list[int](), list[int]()
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
        growing, text = ours.encode_incremental(), ""
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
        with pytest.raises(SpecialTokenError) as parts:  # noqa: PT012 - at which of them is not the matter
            for i in range(0, len(data), size):
                stream.feed(data[i : i + size])
            stream.finish()
        assert (parts.value.token, parts.value.offset) == (whole.value.token, offset)
    growing = ours.encode_incremental(special="raise")
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
