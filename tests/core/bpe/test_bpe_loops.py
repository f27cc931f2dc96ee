"""Merging by every loop and every way to start, on random vocabularies, against plain BPE; and V3 against upstream."""

from __future__ import annotations

import random
from array import array
from collections.abc import Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st
from kept import kept
from real_models import at_level, level, levels, real
from reference import DEEP, bpe_by_passes, examples, naive_bpe
from shares import seeds
from small_models import Merge, both, model_json, upstream_ids

import dstok
from dstok.core.bpe.merge import BPE
from dstok.core.bpe.tables import build_pairs

STRIPS, STRIP_SYMBOLS, FEW_SYMBOLS, SHORT = 64, 15, 48, 128  # the limits in core/bpe/strips.h and core/bpe/merge_loops.h
SECTIONS = [48, 96, 192, 384, 768, 1536, 2048]  # bytes: the sizes of sections in core/bpe/merge
STRIPPED = levels()[-1].startswith("avx")  # whether it merges short texts together
LETTERS = "abcdeé一丁𝔞"


def bpe_of(merges: Sequence[Merge]) -> tuple[BPE, dict[bytes, int]]:
    """The merge loops over a vocabulary, and the id of each token."""
    tok = dstok.Tokenizer.from_str(model_json(merges, pattern=None))
    return tok._bpe, {tok.decode_bytes([id]): id for id in range(tok.vocab_size)}


def random_text(rng: random.Random, letters: Sequence[str], size: int) -> bytes:
    """Bytes of whole characters at the start; the last one may be torn."""
    return "".join(rng.choices(letters, k=size)).encode()[:size]


def learnt_merges(rng: random.Random, letters: Sequence[str], count: int, shuffled: bool) -> list[Merge]:
    """Merges of neighbours in random texts, as training finds them: of bytes, wherever characters begin and end."""
    merges: dict[Merge, None] = {}
    made: set[bytes] = set()
    while len(merges) < count:
        parts = naive_bpe(random_text(rng, letters, 60), list(merges))
        pairs = [(left, right) for left, right in zip(parts, parts[1:]) if left + right not in made and len(left + right) < 40]
        if not pairs:
            break
        merge = rng.choice(pairs)
        merges[merge] = None
        made.add(merge[0] + merge[1])
    listed = list(merges)
    if shuffled:
        rng.shuffle(listed)
    return listed


@pytest.mark.parametrize("seed", seeds(120, 5))
def test_all_lengths(seed: int) -> None:
    """Every length from 1 to 200, ranks monotone and not, by the loop for the length, by the heap, and in strips."""
    rng = random.Random(seed)
    letters = rng.sample(LETTERS, rng.randint(1, len(LETTERS)))
    merges = learnt_merges(rng, letters, rng.choice([1, 5, 30, 90]), shuffled=bool(seed % 2))
    bpe, ids = bpe_of(merges)
    texts = [random_text(rng, letters, length) for length in range(1, 201)]
    expected = [[ids[part] for part in naive_bpe(text, merges)] for text in texts]
    assert [bpe.merge(text) for text in texts] == expected
    assert [bpe.merge_by_heap(text) for text in texts] == expected
    for name in levels():
        with level(name):
            bpe, _ = bpe_of(merges)
        assert [bpe.merge(text) for text in texts] == expected, name
    assert bpe.merge_in_strips(texts[:STRIP_SYMBOLS]) == (expected[:STRIP_SYMBOLS] if STRIPPED else None)


@pytest.mark.skipif(not STRIPPED, reason="no level here merges short texts together")
@examples(60, deep=6000)
@given(st.integers(0, 2**32), st.lists(st.integers(0, STRIP_SYMBOLS), max_size=STRIPS), st.booleans())
def test_strips_of_unequal_texts(seed: int, lengths: list[int], shuffled: bool) -> None:
    """A strip does what it would alone, whatever the others hold, empty ones among them."""
    rng = random.Random(seed)
    merges = learnt_merges(rng, "abc", rng.randint(0, 40), shuffled)
    with level(levels()[-1]):
        bpe, ids = bpe_of(merges)
    texts = [random_text(rng, "abc", length) for length in lengths]
    assert bpe.merge_in_strips(texts) == [[ids[part] for part in naive_bpe(text, merges)] for text in texts]


def test_strips_refuse_what_they_have_no_room_for() -> None:
    bpe, _ = bpe_of([])
    for texts in ([b"a"] * (STRIPS + 1), [b"a" * (STRIP_SYMBOLS + 1)]):
        with pytest.raises(ValueError, match="too many texts"):
            bpe.merge_in_strips(texts)


@pytest.mark.parametrize("seed", seeds(60, 3))
def test_borders_of_windows(seed: int) -> None:
    """Pieces that are a little shorter and longer than sections of every size, and than what is merged without them."""
    rng = random.Random(seed)
    letters = rng.sample(LETTERS, rng.randint(1, 4))
    merges = learnt_merges(rng, letters, rng.choice([4, 20, 80]), shuffled=False)
    with level(levels()[-1 - seed % 2]):
        bpe, ids = bpe_of(merges)
    assert bpe.monotone
    for size in [*SECTIONS, SHORT, 3 * FEW_SYMBOLS, *(2 * section for section in SECTIONS)]:
        for length in range(size - 2, size + 3):
            period = random_text(rng, letters, rng.randint(1, 60))
            for text in (random_text(rng, letters, length), (period * length)[:length]):
                expected = [ids[part] for part in bpe_by_passes(text, merges)]
                assert bpe.merge(text) == bpe.merge_by_heap(text) == expected


def test_periodic_texts_with_faults() -> None:
    """Sections that are like the last one but for one byte."""
    rng = random.Random(5)
    merges = [(b"a" * 2**k, b"a" * 2**k) for k in range(7)] + [(b"b", b"a"), (b"a", b"c")]
    bpe, ids = bpe_of(merges)
    for _ in range(2000 if DEEP else 100):
        text = bytearray((b"a" * rng.randint(1, 90) + b"b" * rng.randint(0, 1)) * 9000)[: rng.randint(1, 9000)]
        for _ in range(rng.randint(0, 3)):
            text[rng.randrange(len(text))] = rng.choice(b"abc")
        assert bpe.merge(bytes(text)) == [ids[part] for part in bpe_by_passes(bytes(text), merges)]


@examples(80, deep=3000)
@given(st.integers(0, 2**32), st.booleans(), st.booleans())
def test_words_merged_together(seed: int, shuffled: bool, ignore_merges: bool) -> None:
    """Chunks with few and many words that no table holds yet, some of them several times."""
    rng = random.Random(seed)
    letters = rng.sample("abcdé一", rng.randint(1, 6))
    merges = learnt_merges(rng, letters, rng.randint(0, 60), shuffled)
    extra = sorted({random_text(rng, letters, 9).decode("utf-8", "ignore").encode() for _ in range(rng.randint(0, 4))} - {b""})
    tok, judge = both(model_json(merges, pattern=" |[^ ]+", extra=extra, ignore_merges=ignore_merges))
    words = ["".join(rng.choices(letters, k=rng.choice([1, 3, 8, 24, 25, 40]))) for _ in range(rng.choice([1, 4, 30, 400]))]
    text = " ".join(rng.choices(words, k=rng.choice([3, 20, 2000])))
    expected = upstream_ids(judge, text)
    assert tok.encode(text) == tok.encode(text) == expected
    assert tok.count(text) == len(expected)


@kept()
def words_by_upstream() -> list[tuple[str, list[int]]]:
    """Words of V3's alphabets, of every length from 1 to 200, and their ids; the last text is all of them."""
    rng = random.Random(11)
    alphabets = ["etaoinshrdlu", "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ", "éèüößñça", "абвгдежзиклмн", "ابتثجح", "กขคงจ",
                 "的一是不了人我在", "あいうえおカキク", "가각힣한글", "!#$%&()*+,-./:;<=>?@", " \t", "\n\r ", "0123456789", "𝔞𝔟🦙", "a1 é中.\n"]
    texts = ["".join(rng.choices(alphabet, k=length)) for alphabet in alphabets for length in range(1, 201)]
    texts.append(" ".join(texts))
    return [(text, found.ids) for text, found in zip(texts, real("deepseek-v3").encode_batch(texts, add_special_tokens=False))]


@pytest.mark.parametrize("name", levels())
def test_all_lengths_with_real_merges(name: str) -> None:
    """At each level: all words new, then all known; and their merges by both loops."""
    tok = at_level("deepseek-v3", name)
    for _ in range(2):
        for text, ids in words_by_upstream():
            assert tok.encode(text) == ids, text
    for text, _ in words_by_upstream()[:-1]:
        assert tok._bpe.merge(text.encode()) == tok._bpe.merge_by_heap(text.encode()), text


@pytest.mark.parametrize("kind", ["letters", "ideographs", "punctuation", "blanks", "four", "torn"])
def test_one_long_piece_with_real_merges(kind: str) -> None:
    """The sections of V3 on random texts, where borders seldom hold at once, against one heap over the whole text."""
    bpe, narrow, rng = dstok.load("deepseek-v3")._bpe, at_level("deepseek-v3", "portable")._bpe, random.Random(kind)
    letters = {"letters": "abcdefghijklmnopqrstuvwxyz", "punctuation": "!#$%&()*+,-./:;<=>?@[]^_{|}~", "blanks": " \t\n",
               "ideographs": [chr(c) for c in range(0x4E00, 0x9FA6)], "four": "acgt", "torn": [chr(c) for c in range(0x20, 0xD7FF)]}
    for size in (400, 5_000, 100_000 if DEEP else 20_000):
        text = random_text(rng, list(letters[kind]), size)
        assert bpe.merge(text) == narrow.merge(text) == bpe.merge_by_heap(text)


def pair_list(count: int, seed: int) -> array[int]:
    """`count` merges of distinct pairs of ids, as `build_pairs` takes them."""
    rng = random.Random(seed)
    pairs = list({(rng.randrange(4 * count + 4), rng.randrange(4 * count + 4)): None for _ in range(2 * count)})[:count]
    return array("I", [x for rank, (left, right) in enumerate(pairs) for x in (left, right, rank)])


@pytest.mark.parametrize("count", [0, 1, 2, 15, 16, 17, 63, 64, 65, 1000, 1003, 1004, 1024, 4096, 40_000])
def test_the_pair_table_holds_every_pair_once(count: int) -> None:
    merges = pair_list(count, count)
    found = build_pairs(merges)
    assert found is not None
    slots = memoryview(found[0]).cast("Q")
    held = sorted(slot & 0xFFFFFF for slot in slots if slot != 2**64 - 1)
    assert held == list(range(count))
    for slot in slots:
        if slot != 2**64 - 1:
            rank = slot & 0xFFFFFF
            assert (slot >> 44, slot >> 24 & 0xFFFFF) == (merges[3 * rank], merges[3 * rank + 1])


def test_a_pair_that_is_listed_twice() -> None:
    """No reader of files makes a description with one. It collides with itself under every salt."""
    assert build_pairs(array("I", [1, 2, 3, 5, 6, 7, 1, 2, 9])) is None
    model = dstok.Tokenizer.from_str(model_json([(b"a", b"b"), (b"b", b"a")]))._describe()
    with pytest.raises(ValueError, match="expected each pair once"):
        dstok.Tokenizer._of_description(model._replace(merges=model.merges + model.merges[3:]))


@examples(100)
@given(st.integers(0, 2**32))
def test_pairs_of_bytes_that_are_taken_at_once(seed: int) -> None:
    """All bytes, valid UTF-8 or not, with merges that cross characters."""
    rng = random.Random(seed)
    alphabet = rng.sample(range(256), rng.choice([2, 4, 8]))
    merges: list[Merge] = []
    for _ in range(rng.randint(0, 60)):
        parts = naive_bpe(bytes(rng.choices(alphabet, k=20)), merges)
        if len(parts) > 1:
            at = rng.randrange(len(parts) - 1)
            if parts[at] + parts[at + 1] not in [left + right for left, right in merges]:
                merges.append((parts[at], parts[at + 1]))
    bpe, ids = bpe_of(merges)
    assert bpe.monotone
    for size in (1, 2, 3, 5, 20, 100):
        text = bytes(rng.choices(alphabet, k=size))
        assert bpe.merge(text) == [ids[part] for part in naive_bpe(text, merges)]
