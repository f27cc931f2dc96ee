"""Borders between tokens against merging both, and long pieces that are cut softly against upstream and sections.

Cost is counted, not timed: the bytes that borders and sections have read, for each byte of text.
"""

from __future__ import annotations

import json
import random
from collections.abc import Iterator, Sequence
from itertools import accumulate
from pathlib import Path
from threading import Thread

import pytest
import tokenizers
from kept import kept
from real_models import level, levels, real_json
from reference import DEEP
from shares import seeds
from small_models import Merge, both, growing_merges, model_json, text_of_tokens, upstream_ids

import dstok
from dstok.core.bpe.merge import BPE
from dstok.core.encode.sinks import borders_of

PIECES = r"[^\n]+|\n+"
DEAREST = 16  # bytes that are read for each byte of text: eight by borders, then eight by sections; and 256 a piece
PLAIN = levels()[0]  # without a mask kernel, so without soft cuts
WORDS = [b" ", b"a", b"b", b"ab", b"B", b"1", b"12", b".", b"(", b"  ", b"\t", "é".encode(), "一".encode(), b"\x01"]
LETTERS = b"".join(WORDS)


def single_words() -> Iterator[bytes]:
    """Many different words, a space before each."""
    return (b" " + bytes([0x61 + n // 26, 0x61 + n % 26]) for n in range(26 * 26))


def soft(merges: Sequence[Merge], pattern: str | None = None) -> tuple[dstok.Tokenizer, tokenizers.Tokenizer]:
    """A tokenizer that cuts long pieces softly from the first one on, and upstream's."""
    tok, judge = both(model_json(merges, pattern=pattern))
    borders_of(tok._bpe, [])
    return tok, judge


@kept(most=1)
def superwords(pattern: str = PIECES) -> tuple[dstok.Tokenizer, tokenizers.Tokenizer]:
    """V3's vocabulary with lines as pieces, or those of a pattern."""
    file = json.loads(real_json("deepseek-v3"))
    file["pre_tokenizer"] = json.loads(model_json(pattern=pattern))["pre_tokenizer"]
    tok, judge = both(json.dumps(file))
    borders_of(tok._bpe, [])
    return tok, judge


def merged(bpe: BPE, left: int, right: int) -> list[int]:
    return bpe.merge_by_heap(bpe.token(left) + bpe.token(right))


def word_text(rng: random.Random, merges: Sequence[Merge], size: int) -> bytes:
    """Words, and tokens cut short; it is UTF-8."""
    made = [left + right for left, right in merges]
    text = bytearray()
    while len(text) < size:
        text += rng.choice(WORDS) * rng.choice([1, 1, 1, 2, 9]) if rng.random() < 0.5 else rng.choice(made)
        if rng.random() < 0.02:
            text += b"\n" * rng.randint(1, 3)
    return bytes(text).decode("utf-8", "ignore").encode()


def check(tok: dstok.Tokenizer, judge: tokenizers.Tokenizer, text: bytes) -> None:
    """Cold and warm, as ids, as their number, with spans; within the cost that is allowed."""
    expected, work = upstream_ids(judge, text.decode()), tok._encoder.pool.work()
    assert tok.encode(text) == expected
    assert tok._encoder.pool.work() - work <= DEAREST * (len(text) + 2048) + 2 * 256 * text.count(b"\n")
    assert tok.encode(text) == expected and tok.count(text) == len(expected)
    encoding = tok.encode_with_offsets(text)
    ends = [*accumulate(len(tok.decode_bytes([id])) for id in expected)]
    assert encoding.ids.tolist() == expected
    assert encoding.byte_spans.tolist() == [[*span] for span in zip([0, *ends], ends)]


@pytest.mark.parametrize("seed", seeds(200, 12))
def test_borders_of_random_merges(seed: int) -> None:
    """Every two tokens that merging makes of their own bytes."""
    rng = random.Random(seed)
    merges = growing_merges(rng, LETTERS, rng.choice([8, 40, 90]), rng.choice([4, 12, 40]), 30)
    if seed % 3 == 0:
        merges = growing_merges(rng, b"abc"[: rng.randint(1, 3)], rng.choice([5, 20, 40]), rng.choice([20, 60]))
    bpe = both(model_json(merges, pattern=None))[0]._bpe
    made = [id for id in {id for left, right in merges for part in (left, right, left + right) for id in bpe.merge(part)}
            if bpe.encodes_to_itself(id)]
    pairs = [(left, right) for left in made for right in made]
    for pair, found in zip(pairs, borders_of(bpe, pairs), strict=True):
        assert found == merged(bpe, *pair), pair


def test_borders_of_v3() -> None:
    """Any two tokens, and those near a merge: its sides, or tokens that end and begin in its sides."""
    tok, rng = superwords()[0], random.Random(1)
    bpe, merges = tok._bpe, tok._tables.merges
    ending: dict[int, list[int]] = {}
    beginning: dict[int, list[int]] = {}
    for left, right, made in zip(merges[::3], merges[1::3], merges[2::3]):
        ending.setdefault(right, []).append(made)
        beginning.setdefault(left, []).append(made)
    pairs = []
    for _ in range(400_000 if DEEP else 20_000):
        one, other = (3 * rng.randrange(len(merges) // 3) for _ in range(2))
        left, right = merges[one], merges[rng.choice([one, one, other]) + 1]
        if rng.random() < 0.7:
            left, right = rng.choice(ending.get(left, [left])), rng.choice(beginning.get(right, [right]))
        pairs.append((left, right))
    fail = 0
    for pair, found in zip(pairs, borders_of(bpe, pairs), strict=True):
        assert found == merged(bpe, *pair), pair
        fail += found != [*pair]
    assert len(pairs) // 10 < fail < len(pairs) * 9 // 10


@pytest.mark.parametrize("name", levels()[1:])
@pytest.mark.parametrize("seed", seeds(300, 8))
def test_texts_of_random_merges(seed: int, name: str) -> None:
    """Words with merges inside them and across; the pieces are whole texts, or lines."""
    rng = random.Random(seed)
    merges = growing_merges(rng, LETTERS, rng.choice([10, 60, 200]), rng.choice([3, 8, 30]), 30)
    with level(name):
        tok, judge = soft(merges, rng.choice([None, PIECES]))
        for size in (30, 100, 100, 1000, 1000, 9000):
            check(tok, judge, word_text(rng, merges, size))


@pytest.mark.parametrize("seed", seeds(100, 4))
def test_tokens_of_any_length(seed: int) -> None:
    """Tokens of up to thousands of bytes, which no border merges; runs and periods, too."""
    rng = random.Random(seed)
    merges = growing_merges(rng, b" ab(", rng.choice([5, 20, 60]), rng.choice([60, 500, 5000]))
    tok, judge = soft(merges)
    for _ in range(4):
        check(tok, judge, text_of_tokens(rng, merges, b" ab(", rng.choice([200, 3000, 20_000])))


def test_models_that_are_not_cut_softly() -> None:
    """Ranks out of order, whole pieces that are tokens, a level without kernels."""
    odd = [(b"ab", b"c"), (b"a", b"b"), (b"b", b"c")]
    for text in (model_json(odd, pattern=None), model_json([(b"a", b"b")], ignore_merges=True, pattern=None)):
        tok, judge = both(text)
        with pytest.raises(ValueError, match="expected a model of bytes with monotone ranks"):
            borders_of(tok._bpe, [])
        assert tok.encode("abc ab " * 9000) == upstream_ids(judge, "abc ab " * 9000)
    with level(PLAIN):
        tok, judge = both(model_json([(b"a", b"b")], pattern=None))
        with pytest.raises(ValueError, match="a level with a mask kernel"):
            borders_of(tok._bpe, [])
        assert tok.encode("ab " * 20_000) == upstream_ids(judge, "ab " * 20_000)


def test_texts_of_v3() -> None:
    """Prose and code of this repository, characters of all kinds, runs of white space, numbers."""
    tok, judge = superwords()
    root = Path(__file__).parents[3]
    texts = [path.read_text(encoding="utf-8") for path in (
        root / "docs" / "proofs.md", root / "README.md", Path(__file__), root / "tests" / "helpers" / "kernel_texts.py")]
    rng = random.Random(2)
    chars = "aeT  \t.,(_=\"'9é漢字。—\u0301\x01\u00a0\U0001f600"
    texts += ["".join(rng.choices(chars, k=20_000)), " ".join(str(rng.randrange(10**rng.randint(1, 30))) for _ in range(900)),
              "\n".join(" " * rng.randint(0, 200) + "x = f(" + "\t" * rng.randint(0, 9) + ")" for _ in range(300))]
    for text in texts:
        check(tok, judge, text.encode())


def rewritten(words: int) -> tuple[list[Merge], bytes]:
    """Words of which each pair merges, the last pair first: each word rewrites all before it."""
    spelt = [word for word, _ in zip(single_words(), range(words))]
    inside = [merge for word in spelt for merge in [(word[:1], word[1:2]), (word[:2], word[2:])]]
    return [*dict.fromkeys(inside), *[*zip(spelt, spelt[1:])][::-1]], b"".join(spelt)


@pytest.mark.parametrize("words", [7, 60, 400])
def test_texts_that_are_rewritten_again_and_again(words: int) -> None:
    merges, text = rewritten(words)
    tok, judge = soft(merges)
    for end in (len(text), len(text) - 3):
        for times in (1, 2, 30):
            check(tok, judge, text[:end] * times)


@pytest.mark.parametrize("period", [
    "a", " ", " a", "ab ", "==", "(a", "\x01", "a\x01 ", "\n ", "漢", "é ", "0", "a  ", "= =", "-_", "\t ", "1a"])
def test_periodic_texts_of_v3(period: str) -> None:
    tok, judge = superwords()
    for size in (60, 3000, 70_000):
        check(tok, judge, (period * size)[:size].encode())


def test_tokens_of_several_words_where_a_block_ends() -> None:
    """Words meet inside of a token after a newline, or after a character of several bytes: at each of 64 places."""
    tokens = ["\n\t\n", "  \n  \n", " \n \n", "\n    \n", "\xa0 ", "”,", "》,", "。("]
    for name in levels()[1:]:
        with level(name):
            tok, judge = superwords.__wrapped__(r"[\s\S]+")  # type: ignore[attr-defined]
            for token in tokens:
                assert len(tok.encode(token)) == 1
                check(tok, judge, "".join("a" * size + token + "a" for size in range(40, 170)).encode())


def test_threads_that_meet_the_first_long_pieces() -> None:
    """Each makes the tables; one keeps them."""
    merges = growing_merges(random.Random(5), LETTERS, 60, 8, 30)
    tok, judge = both(model_json(merges, pattern=PIECES))
    text = word_text(random.Random(6), merges, 120_000)
    expected, found = upstream_ids(judge, text.decode()), list[list[int]]()
    threads = [Thread(target=lambda: found.append(tok.encode(text))) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert found == [expected] * 4


def test_soft_cuts_begin_by_themselves() -> None:
    """From some text on, long pieces are cut: what sections read hardly grows any more."""
    tok, judge = both(model_json([(b"a", b"b"), (b" ", b"ab")], pattern=PIECES))
    text = b" ab ba" * 20_000
    for _ in range(2):
        before = tok._encoder.pool.work()
        assert tok.encode(text) == upstream_ids(judge, text.decode())
    assert tok._encoder.pool.work() - before < len(text) // 100
