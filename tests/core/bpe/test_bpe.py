"""Merging: the three loops, safe cuts and the piece table give what plain BPE gives, and upstream."""

from __future__ import annotations

import random
from collections.abc import Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st
from real_models import real
from reference import DEEP, bpe_by_passes, examples, naive_bpe
from shares import seeds
from small_models import Merge, both, model_json, upstream_ids
from upstream import model_splits

import dstok
from dstok.core.bpe.merge import BPE

SHORT, SECTION = 48, 2048  # bytes: the limits between the loops, in core/bpe/merge
V3_PATTERNS = [split.pattern for split in model_splits("deepseek-v3")]
LETTERS = [b"a", b"b", b"c"]


def bpe_of(merges: Sequence[Merge]) -> tuple[BPE, dict[bytes, int]]:
    """The merge loops over a vocabulary, and the id of each token."""
    tok = dstok.Tokenizer.from_str(model_json(merges, pattern=None))
    return tok._bpe, {tok.decode_bytes([id]): id for id in range(tok.vocab_size)}


def products(merges: Sequence[Merge]) -> list[bytes]:
    return [left + right for left, right in merges]


@st.composite
def merge_lists(draw: st.DrawFn, letters: Sequence[bytes] = LETTERS, monotone: bool = True) -> list[Merge]:
    """Merges of merges; if not `monotone`, in any order, and a token may be made in several ways."""
    tokens, merges = list(letters), dict[Merge, None]()
    for left, right in draw(st.lists(st.tuples(st.integers(0, 60), st.integers(0, 60)), max_size=30)):
        merge = tokens[left % len(tokens)], tokens[right % len(tokens)]
        made = merge[0] + merge[1]
        if len(made) <= 64 and merge not in merges and not (monotone and made in tokens):
            merges[merge] = None
            tokens += [made] if made not in tokens else []
    return list(merges) if monotone else draw(st.permutations(list(merges)))


def random_merges(rng: random.Random, letters: Sequence[bytes], count: int, longest: int) -> list[Merge]:
    """As `merge_lists`, larger, and monotone."""
    tokens, merges = list(letters), list[Merge]()
    for _ in range(count):
        left, right = rng.choice(tokens), rng.choice(tokens)
        if left + right not in tokens and len(left + right) <= longest:
            merges.append((left, right))
            tokens.append(left + right)
    return merges


@examples(150, deep=12_000)
@given(merge_lists(), st.text("abc", max_size=120).map(str.encode))
def test_short_and_heap_loops_on_random_merges(merges: list[Merge], text: bytes) -> None:
    bpe, ids = bpe_of(merges)
    expected = [ids[part] for part in naive_bpe(text, merges)]
    assert bpe.monotone
    assert bpe.merge(text) == bpe.merge_by_heap(text) == expected


@examples(150, deep=12_000)
@given(merge_lists(monotone=False), st.text("abc", max_size=120).map(str.encode))
def test_merges_in_any_order(merges: list[Merge], text: bytes) -> None:
    """Also where a merge of a low rank becomes possible late, and where a token can be made in two ways."""
    bpe, ids = bpe_of(merges)
    expected = [ids[part] for part in naive_bpe(text, merges)]
    assert bpe.merge(text) == bpe.merge_by_heap(text) == expected


def test_merges_that_are_not_monotone_are_told_from_those_that_are() -> None:
    assert bpe_of([(b"a", b"b"), (b"ab", b"c")])[0].monotone
    assert not bpe_of([(b"ab", b"c"), (b"a", b"b")])[0].monotone
    assert bpe_of([(b"a", b"b"), (b"ab", b"c"), (b"abc", b"a"), (b"a", b"bc"), (b"b", b"c")])[0].monotone  # a + bc is dead
    assert not bpe_of([(b"b", b"ab"), (b"a", b"b"), (b"b", b"a")])[0].monotone


def fibonacci(length: int) -> bytes:
    last, word = b"a", b"ab"
    while len(word) < length:
        last, word = word, word + last
    return word[:length]


def long_texts(rng: random.Random, letters: Sequence[bytes]) -> list[bytes]:
    """Runs, periodic texts, Fibonacci words, random letters: above and below the limits of the loops."""
    texts = []
    for length in [SHORT - 1, SHORT, SHORT + 1, 2 * SECTION - 1, 2 * SECTION, 2 * SECTION + 1, rng.randint(5000, 60_000)]:
        period = b"".join(rng.choices(letters, k=rng.randint(2, 70)))
        texts += [rng.choice(letters) * length, (period * length)[:length], fibonacci(length),
                  b"".join(rng.choices(letters, k=length))[:length],
                  b"".join(letter * rng.randint(1, 3000) for letter in rng.choices(letters, k=length))[:length]]
    return texts


@pytest.mark.parametrize("seed", seeds(200, 3))
def test_windows_on_random_merges(seed: int) -> None:
    """Texts of many sections: as one heap over the whole text, as one pass a merge, and as upstream."""
    rng = random.Random(seed)
    letters = LETTERS[: rng.randint(1, 3)]
    merges = random_merges(rng, letters, rng.choice([3, 10, 40, 120]), rng.choice([8, 100, 3000]))
    bpe, ids = bpe_of(merges)
    tok, judge = both(model_json(merges, pattern=None))
    assert bpe.monotone
    for text in long_texts(rng, letters):
        expected = [ids[part] for part in bpe_by_passes(text, merges)]
        assert bpe.merge(text) == expected
        assert bpe.merge_by_heap(text) == expected
        assert tok.encode(text) == upstream_ids(judge, text.decode()) == expected


@pytest.mark.parametrize("seed", seeds(100, 2))
def test_long_texts_on_merges_in_any_order(seed: int) -> None:
    """Ranks are not monotone, and tokens are made in several ways."""
    rng = random.Random(seed)
    merges = random_merges(rng, LETTERS, rng.choice([5, 20, 60]), rng.choice([8, 100]))
    tokens = {*LETTERS, *products(merges)}
    merges += sorted({(made[:cut], made[cut:]) for made in tokens for cut in range(1, len(made))
                      if made[:cut] in tokens and made[cut:] in tokens} - set(merges))
    rng.shuffle(merges)
    tok, judge = both(model_json(merges, pattern=None))
    for text in long_texts(rng, LETTERS):
        assert tok.encode(text) == upstream_ids(judge, text.decode())


@pytest.mark.parametrize("merges", [
    [(b"a" * 2**k, b"a" * 2**k) for k in range(18)],
    [(b"a" * k, b"a") for k in range(1, 300)],
    [(b"a", b"a" * k) for k in range(1, 300)],
    [(b"a", b"b"), (b"b", b"a"), (b"ab", b"a"), *((b"ab" * k + b"a", b"ba") for k in range(1, 80))],
    [(b"a", b"b"), *((b"a", b"a" * k + b"b") for k in range(1, 300)), (b"a", b"a"), (b"aa", b"aa")],
    [(b"a", b"b"), *((fibonacci(n), fibonacci(m)) for m, n in ((1, 2), (2, 3), (3, 5), (5, 8), (8, 13), (13, 21)))],
], ids=["doubled", "right", "left", "chain", "from-the-right", "fibonacci"])
def test_windows_on_long_chains(merges: list[Merge]) -> None:
    """Tokens longer than a section, and borders that hold nowhere near the end of one."""
    bpe, ids = bpe_of(merges)
    assert bpe.monotone
    for length in (1, SHORT, 2047, 2048, 4097, 6000, 20_011, 131_071 if len(merges) < 20 else 9001, 2**18 + 2**17 + 1):
        texts = [b"a" * length, (b"ab" * length)[:length], (b"b" + b"a" * 4095) * (length // 4096),
                 (b"a" * 3001 + b"b") * (length // 3002), fibonacci(length)]
        for text in texts if length < 20_000 else [texts[number] for number in seeds(len(texts), 1)]:
            expected = bpe.merge_by_heap(text)
            assert bpe.merge(text) == expected
            if length < 10_000 or len(merges) < 20:
                assert [ids[part] for part in bpe_by_passes(text, merges)] == expected


V3_RUNS = ["a", "A", "é", "ß", "я", " ", "\t", "\n", "\r\n", "\u3000", "\xa0", "中", "の", "東京", "한", "ก", "!", "。", "=", "-", "—",
           "\u0301", "\u093e", "\u200d", "\x00", "𝔞", "🦙", "ﷺ", "ab", "Ab", "aé", "的是", "()", "/\\", " \n", "\n ", "\t\n"]


@pytest.mark.parametrize("run", [V3_RUNS[number] for number in seeds(len(V3_RUNS), 13)])
def test_long_runs_of_every_kind_with_real_merges(run: str) -> None:
    tok, judge = dstok.load("deepseek-v3"), real("deepseek-v3")
    texts = [(run * length)[:length] for length in [*range(1, 70), 127, 1000, 1366, 2049, 4095, 4096, 4097, 12_289, 60_000]]
    for text, expected in zip(texts, judge.encode_batch(texts, add_special_tokens=False)):
        assert tok.encode(text) == expected.ids, len(text)
        assert tok._bpe.merge(text.encode()) == tok._bpe.merge_by_heap(text.encode()), len(text)


def test_long_random_words_with_real_merges() -> None:
    """Long pieces of the vocabulary's own words, in which tokens end and begin in many ways."""
    tok, judge = dstok.load("deepseek-v3"), real("deepseek-v3")
    rng = random.Random(3)
    words = [word for id in range(3, tok._bpe.size) if (word := tok._bpe.token(id)).isascii() and word.isalpha()]
    for _ in range(200 if DEEP else 15):
        text = b"".join(rng.choices(words, k=rng.choice([10, 800, 5000] if DEEP else [10, 800]))).decode()
        expected = upstream_ids(judge, text)
        assert tok.encode(text) == expected
        assert tok._bpe.merge_by_heap(text.encode()) == expected


# Characters of three bytes that share parts with one another, and others beside them.
CUTTABLE = "一丁中東京亜。のカーヽ가각힣한ꯀ\u9fff\u3040\u30ff\uac00豈ａ𝔞éa1 "


@st.composite
def partial_merges(draw: st.DrawFn) -> list[Merge]:
    """Merges of bytes that stand side by side in texts of `CUTTABLE`, wherever characters begin and end."""
    merges: list[Merge] = []
    texts = draw(st.lists(st.text(CUTTABLE, min_size=2, max_size=6), min_size=1, max_size=8))
    for text, places in zip(texts, draw(st.lists(st.lists(st.integers(0, 30), max_size=8), min_size=8, max_size=8))):
        for place in places:
            parts = naive_bpe(text.encode(), merges)
            if len(parts) > 1:
                at = place % (len(parts) - 1)
                if parts[at] + parts[at + 1] not in products(merges):
                    merges.append((parts[at], parts[at + 1]))
    return draw(st.permutations(merges)) if draw(st.booleans()) else merges


@examples(60, deep=5000)
@given(st.data(), partial_merges(), st.booleans(), st.sampled_from([r"[^a]+|a", r"\p{L}+|[^\p{L}]+", V3_PATTERNS]))
def test_cuts_inside_pieces_change_nothing(
    data: st.DataObject, merges: list[Merge], ignore_merges: bool, pattern: str | list[str],
) -> None:
    """Tokens that hold parts of ideographs, kana and Hangul: by the automaton and by the mask kernel."""
    words = data.draw(st.lists(st.text(CUTTABLE, min_size=2, max_size=4), max_size=3))
    texts = data.draw(st.lists(st.lists(st.sampled_from([*CUTTABLE, *words * 4]), max_size=30).map("".join), min_size=1))
    extra = [word.encode() for word in words]
    tok, judge = both(model_json(merges, pattern=pattern, extra=extra, ignore_merges=ignore_merges))
    for text, expected in zip(texts, judge.encode_batch(texts, add_special_tokens=False)):
        assert tok.encode(text) == tok.encode(text.encode()) == expected.ids, text
        parts = [part for piece in tok.inspect().pretokenize(text) for part in
                 ([piece.text.encode()] if ignore_merges and piece.text.encode() in extra
                  else naive_bpe(piece.text.encode(), merges))]
        assert [tok.decode_bytes([id]) for id in expected.ids] == parts


def test_every_real_token_of_many_characters_between_others() -> None:
    """Real merges across the borders of ideographs, kana and Hangul, in many neighbourhoods."""
    tok, judge = dstok.load("deepseek-v3"), real("deepseek-v3")
    rng = random.Random(2)
    tokens = [tok._bpe.token(id).decode("utf-8", "ignore") for id in range(3, tok._bpe.size)]
    wide = [token for token in tokens if any("\u3040" <= c <= "\ud7a3" for c in token)]
    texts = ["".join(rng.choices(wide, k=30)) for _ in range(20_000 if DEEP else 1_000)]
    texts += ["".join(rng.choices("".join(wide), k=60)) for _ in range(len(texts))]
    for text, expected in zip(texts, judge.encode_batch_fast(texts, add_special_tokens=False)):
        assert tok.encode(text) == expected.ids, text


@examples(100)
@given(merge_lists(monotone=False), st.lists(st.text("abc", min_size=2, max_size=70), max_size=6),
       st.lists(st.text("abc", max_size=70), max_size=6))
def test_ignored_merges(merges: list[Merge], extra: list[str], texts: list[str]) -> None:
    """A piece that is a token is that token, also if merging never makes it, and however long it is."""
    tok, judge = both(model_json(merges, pattern="[abc]+|[^abc]", extra=[text.encode() for text in extra], ignore_merges=True))
    vocabulary = {*extra, *(made.decode() for made in products(merges))}
    text = " ".join([*texts, *extra, *extra])
    assert tok.encode(text) == upstream_ids(judge, text)
    for piece in {*texts, *extra} - {""}:
        parts = [piece.encode()] if piece in vocabulary else naive_bpe(piece.encode(), merges)
        assert [tok.decode_bytes([id]) for id in tok.encode(piece)] == parts


def distinct_pieces(rng: random.Random, count: int) -> list[str]:
    """Pieces of all lengths that the tables hold, and longer, no two alike."""
    found = dict[str, None]()
    while len(found) < count:
        letters = rng.choice(["ab", "etaoin", "abcdefghijklmnopqrstuvwxyz", "éèüößñ", "абвгдежз", "ابتثجح", "𝔞𝔟𝔠"])
        length = rng.choice([2, 3, 4, 5, 6, 8, 9, 12, 16, 24, 25, 40, 62, 63, 70])
        text = "".join(rng.choices(letters, k=100 * length))
        found.update(dict.fromkeys(text[at : at + length] for at in range(0, len(text), length)))
    return rng.sample(list(found), count)


def test_pieces_that_push_one_another_out_of_the_table() -> None:
    """More distinct pieces than all tables hold; a piece has its ids before, in between and after."""
    tok, judge = dstok.load("deepseek-v3"), real("deepseek-v3")
    rng = random.Random(6)
    pieces = distinct_pieces(rng, 250_000)
    shown = " ".join(rng.choices(pieces, k=20_000))
    expected = upstream_ids(judge, shown)
    assert tok.encode(shown) == expected
    one_by_one = [id for ids in tok.encode_batch(pieces) for id in ids]
    assert tok.encode(shown) == expected
    fresh = dstok.load("deepseek-v3")
    backwards = fresh.encode_batch(pieces[::-1])[::-1]
    assert [id for ids in backwards for id in ids] == one_by_one
    assert fresh.encode(shown) == expected
    by_heap = [tok._bpe.merge_by_heap(piece.encode()) for piece in pieces[:8_000]]
    assert [id for ids in by_heap for id in ids] == one_by_one[: sum(map(len, by_heap))]


def test_pieces_with_zero_bytes_are_not_mistaken() -> None:
    """A key in the table is padded with zeros: only its length tells it from one that ends in them."""
    tok, judge = dstok.load("deepseek-v3"), real("deepseek-v3")
    texts = ["x" * n + "\0" * zeros for n in range(26) for zeros in range(26)] + ["\0" * n for n in range(70)]
    for _ in range(2):
        for text, expected in zip(texts, judge.encode_batch(texts, add_special_tokens=False)):
            assert tok.encode(text) == expected.ids, text
        texts.reverse()


def test_ids_that_the_packed_entries_cannot_hold() -> None:
    """Ids from 2**18 on, alone and beside small ones; and the largest id there may be."""
    merges = random_merges(random.Random(1), [bytes([byte]) for byte in "abcéя".encode()], 300, 40)
    for holes in (2**18 - 256 - 20, 2**20 - 256 - len(merges)):
        tok, judge = both(model_json(merges, pattern=r"\p{L}+|[^\p{L}]+", holes=holes))
        assert tok.vocab_size == 256 + holes + len(set(products(merges)))
        rng = random.Random(holes)
        words = ["".join(rng.choices("aabcéя", k=rng.randint(1, 30))) for _ in range(3000)]
        words += [made.decode("utf-8", "ignore") for made in products(merges)]
        text = " ".join(words + words)
        expected = upstream_ids(judge, text)
        assert max(expected) >= 2**18 > min(expected)
        for _ in range(2):
            assert tok.encode(text) == tok.encode_array(text).tolist() == expected
        assert tok.decode(expected) == text
