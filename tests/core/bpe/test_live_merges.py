"""Live merges: the others never happen, whatever the ranks are; and a model keeps all of them for everything but merging."""

from __future__ import annotations

import json
import random
from array import array
from itertools import product
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from reference import examples, naive_bpe
from shares import seeds
from small_models import Merge, both, model_json, upstream_ids

import dstok
from dstok.core.bpe.tables import all_merges, live_merges
from dstok.errors import ImageError

CHAIN = [(b"ab", b"c"), (b"a", b"bc"), (b"b", b"c"), (b"a", b"b"), (b"c", b"c"), (b"bc", b"c"), (b"b", b"cc")]


def random_merges(rng: random.Random, letters: str, count: int) -> list[Merge]:
    """Merges in any order: some make one token, some need a token that no merge makes before."""
    tokens = [bytes([byte]) for byte in letters.encode()]
    merges: dict[Merge, None] = {}
    for _ in range(count):
        left, right = rng.choice(tokens), rng.choice(tokens)
        if len(left + right) <= 12:
            merges[left, right] = None
            tokens.append(left + right)
    for made in {left + right for left, right in merges}:
        for cut in range(1, len(made)):
            if made[:cut] in tokens and made[cut:] in tokens and rng.random() < 0.5:
                merges[made[:cut], made[cut:]] = None
    listed = list(merges)
    rng.shuffle(listed)
    return listed


def live_by_definition(merges: list[Merge]) -> list[Merge]:
    """Of each product, the merge that comes last when its own bytes are merged to one token."""
    live = []
    for left, right in merges:
        without = [merge for merge in merges if merge[0] + merge[1] != left + right]
        if naive_bpe(left + right, without) == [left, right]:
            live.append((left, right))
    return live


def live_of(merges: list[Merge]) -> list[Merge]:
    """The live ones by our tables."""
    model = dstok.Tokenizer.from_str(model_json(merges, pattern=None)).inspect()
    listed = [(model.token(left), model.token(right)) for left, right, _ in model.merges.tolist()]
    assert listed == merges
    return [merge for merge, lives in zip(listed, model.live_merges.tolist()) if lives]


@pytest.mark.parametrize("seed", seeds(400, 8))
def test_dead_merges_never_happen(seed: int) -> None:
    """All short texts: plain merging by all merges gives the same as by the live ones, and so do our loops."""
    rng = random.Random(seed)
    letters = rng.choice(["ab", "ab", "abc"])
    merges = random_merges(rng, letters, rng.choice([2, 4, 8, 12]))
    live = live_of(merges)
    assert live == live_by_definition(merges)
    assert len({left + right for left, right in live}) == len(live)
    bpe = dstok.Tokenizer.from_str(model_json(merges, pattern=None))._bpe
    texts = ["".join(word) for length in range(1, 9 if letters == "ab" else 6) for word in product(letters, repeat=length)]
    texts += ["".join(rng.choices(letters, k=rng.randint(9, 60))) for _ in range(100)]
    for text in map(str.encode, texts):
        expected = naive_bpe(text, merges)
        assert naive_bpe(text, live) == expected
        assert [bpe.token(id) for id in bpe.merge(text)] == expected
        assert bpe.merge(text) == bpe.merge_by_heap(text)


@examples(60, deep=6000)
@given(st.integers(0, 2**32), st.sampled_from(["ab", "abc", "aé中"]))
def test_random_models_by_upstream(seed: int, letters: str) -> None:
    rng = random.Random(seed)
    merges = random_merges(rng, letters, rng.randint(1, 40))
    assert live_of(merges) == live_by_definition(merges)
    tok, judge = both(model_json(merges, pattern=None))
    for length in (1, 2, 3, 5, 8, 20, 60, 300, 3000):
        text = "".join(rng.choices(letters, k=length))
        assert tok.encode(text) == upstream_ids(judge, text)


def test_a_token_that_its_own_bytes_do_not_make() -> None:
    """With b + c first, "ab" never comes to be before c, so nothing makes "abc" from it."""
    assert live_of(CHAIN) == [(b"a", b"bc"), (b"b", b"c"), (b"a", b"b"), (b"c", b"c"), (b"bc", b"c")]
    assert live_of([(b"b", b"c"), (b"a", b"b"), (b"ab", b"c")]) == [(b"b", b"c"), (b"a", b"b")]


def test_long_products() -> None:
    """A token of 4,096 bytes, made in all ways of doubling, and one at a time."""
    doubled = [(b"a" * 2**k, b"a" * 2**k) for k in range(12)]
    merges = [*doubled, *((b"a" * (2**k - 2**j), b"a" * 2**j) for k in range(2, 13) for j in range(k - 1)
                          if (b"a" * (2**k - 2**j)) in {left + right for left, right in doubled}),
              (b"a", b"aa"), (b"aaa", b"a")]
    assert live_of(merges) == [*doubled]


@pytest.mark.parametrize("order", ["rising", "falling", "shuffled"])
def test_deep_spines(order: str) -> None:
    """Each token is one letter and the token before: so deep that looking along its spine would take too long."""
    rng = random.Random(5)
    chain = [(b"a", b"b" * size) for size in (1,)] + [(b"a", b"a" * size + b"b") for size in range(1, 90)]
    ends = [(left + right, b"c") for left, right in chain] + [(b"b", b"c")]
    merges = {"rising": [*chain, *ends], "falling": [*ends, *chain]}.get(order) or rng.sample([*chain, *ends], 181)
    assert live_of(merges) == live_by_definition(merges)


def test_every_model_of_one_merge_a_token_has_no_dead_ones() -> None:
    model = dstok.load("deepseek-r1-distill-qwen").inspect()
    assert model.live_merges.all() and model.live_merges.shape == (151387,)
    assert "dead" not in model.tables


def test_files_keep_all_merges(tmp_path: Path) -> None:
    """tokenizer.json, image, pickle and description hold the dead merges, too; the fingerprint is one of all merges."""
    tok = dstok.Tokenizer.from_str(model_json(CHAIN))
    assert tok.fingerprint == "c22cf2dfa9e966dd000b8068e175f3ce6896115d18b155f3735cb270c630f7f8"
    tok.to_json(tmp_path / "tokenizer.json")
    written = json.loads((tmp_path / "tokenizer.json").read_text(encoding="utf-8"))["model"]["merges"]
    assert [tuple(part.encode() for part in pair) for pair in written] == CHAIN
    tok.to_image(tmp_path / "image")
    for again in (dstok.load(tmp_path / "tokenizer.json"), dstok.load(tmp_path / "image")):
        assert again == tok and again.fingerprint == tok.fingerprint
        assert (again.inspect().merges == tok.inspect().merges).all()
        assert (again.inspect().live_merges == tok.inspect().live_merges).all()
        assert again._describe().merges == tok._describe().merges
    assert tok != dstok.Tokenizer.from_str(model_json([*CHAIN[:6]], extra=[b"bcc"]))


def test_lists_that_do_not_fit() -> None:
    tokens = b"ab" + b"ab"
    starts, byte_ids = array("I", [0, 1, 2, 4]), [0] * 97 + [0, 1] + [0] * 157
    live, dead = live_merges(array("I", [0, 1, 2]), starts, tokens, byte_ids)
    assert (live, dead) == (array("I", [0, 1, 2]), array("I"))
    with pytest.raises(ValueError, match="found merge 0 again as merge 1"):
        live_merges(array("I", [0, 1, 2, 0, 1, 2]), starts, tokens, byte_ids)
    assert all_merges(live, array("I", [1, 7, 8, 9])) == array("I", [0, 1, 2, 7, 8, 9])
    for ranks in ([2, 7, 8, 9], [0, 7, 8, 9, 0, 7, 8, 9], [1, 7, 8, 9, 0, 7, 8, 9]):
        with pytest.raises(ValueError, match="ranks that rise"):
            all_merges(live, array("I", ranks))


@pytest.mark.parametrize(("at", "value"), [(0, 99), (1, 1 << 20), (4, 0), (7, 261)])
def test_damaged_images(tmp_path: Path, at: int, value: int) -> None:
    """A rank that is too high or comes again, and ids of no token."""
    tok = dstok.Tokenizer.from_str(model_json(CHAIN))
    data = bytearray(tok.inspect().tables["dead"])
    memoryview(data).cast("I")[at] = value
    tables = tok._tables._replace(sections={**tok._tables.sections, "dead": bytes(data)})
    dstok.Tokenizer._of_tables(tables, (), None, None).to_image(tmp_path / "image")
    with pytest.raises(ImageError, match="dead"):
        dstok.load(tmp_path / "image")
