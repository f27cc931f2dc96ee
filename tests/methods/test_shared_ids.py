"""Added tokens that are spelled as tokens of the vocabulary: one id, two byte strings. Upstream is the judge.

`add_tokens(["Ġhello"])` is a common mistake: the id of " hello" is then that of the text "Ġhello", too.
"""

from __future__ import annotations

import json
import pickle
import random
from pathlib import Path
from typing import Any, Literal

import numpy as np
import pytest
import tokenizers
from kept import kept
from small_models import added_token, model_json, upstream_ids

import dstok
from dstok.formats.llama_cpp import family_base

MERGES = [(b" ", b"a"), (b" a", b"b"), (b"\xc3", b"\xa9"), (b"a", b"b"), (b"ab", b"\xc3\xa9"), (b"A", b"B")]
NORMALIZERS = {
    "none": None, "lowercase": {"type": "Lowercase"}, "nfd": {"type": "NFD"},
    "prepend": {"type": "Prepend", "prepend": "é_"},
    "strip": {"type": "Strip", "strip_left": True, "strip_right": False},
    "replace": {"type": "Replace", "pattern": {"String": "a"}, "content": "xyz"},
}
CONTENTS = ["Ġa", "Ġab", "Ã©", "abÃ©", "õ", "AB", "Ġz", " a", "é!", "Ġ中"]
FLAGS = ["normalized", "special", "single_word", "lstrip"]
PARTS = [*CONTENTS, "a", "b", "ab", " ", "é", "z", "Ġ", "Ã", "©", "x", "中", "\n", "ġa", "A"]
SEEDS = range(4)
WORDS = r"\s?\w+|\s+|[^\s\w]+"


@kept()
def models(name: str, seed: int) -> tuple[dstok.Tokenizer, tokenizers.Tokenizer]:
    """Some of the added tokens, with flags of all kinds; by an even seed, tokens that only whole pieces make."""
    rng = random.Random(seed)
    added = [added_token(content, **{flag: rng.random() < 0.4 for flag in FLAGS})
             for content in rng.sample(CONTENTS, 5)]
    whole = seed % 2 == 0
    file = json.loads(model_json(MERGES[:3] if whole else MERGES, added, WORDS, ignore_merges=whole,
                                 extra=[left + right for left, right in MERGES]))
    text = json.dumps({**file, "normalizer": NORMALIZERS[name]})
    return dstok.Tokenizer.from_str(text), tokenizers.Tokenizer.from_str(text)


def random_texts(seed: int) -> list[str]:
    rng = random.Random(seed)
    return ["".join(rng.choices(PARTS, k=rng.randrange(1, 12))) for _ in range(30)]


every_model = pytest.mark.parametrize("seed", SEEDS)
every_normalizer = pytest.mark.parametrize("name", NORMALIZERS)


@every_normalizer
@every_model
def test_every_id(name: str, seed: int) -> None:
    """Its name, its bytes, and whether it is skipped."""
    tok, judge = models(name, seed)
    for id in range(tok.vocab_size):
        assert tok.id_to_token(id) == judge.id_to_token(id)
        assert tok.decode([id]) == judge.decode([id], skip_special_tokens=False)
        assert tok.decode([id], skip_special_tokens=True) == judge.decode([id], skip_special_tokens=True)
        assert tok.decode_bytes([id]) == tok.decode_bytes([id])
        spelled = judge.id_to_token(id)
        assert spelled is not None
        if judge.token_to_id(spelled) is not None:
            assert tok.token_to_id(spelled) == judge.token_to_id(spelled)
    for content, id in tok.added_tokens.items():
        assert tok.token_to_id(content) == id == judge.token_to_id(content)


@every_normalizer
@every_model
def test_every_call(name: str, seed: int) -> None:
    tok, judge = models(name, seed)
    for text in random_texts(seed):
        expected = judge.encode(text, add_special_tokens=False)
        ids = expected.ids
        assert tok.encode(text) == ids
        found = tok.encode_with_offsets(text)
        assert found.ids.tolist() == ids
        assert [tuple(span) for span in found.char_spans.tolist()] == expected.offsets, text
        for skip in (False, True):
            decoded = judge.decode(ids, skip_special_tokens=skip)
            assert tok.decode(ids, skip_special_tokens=skip) == tok.decode(np.array(ids), skip_special_tokens=skip) == decoded
            assert tok.decode_batch([ids], skip_special_tokens=skip) == [decoded]
            stream = tok.decode_stream(skip_special_tokens=skip)
            assert "".join([*map(stream.feed, ids), stream.finish()]) == decoded
        assert_bytes(tok, found, text)
        assert_budgets(tok, text)


def assert_bytes(tok: dstok.Tokenizer, found: dstok.Encoding, text: str) -> None:
    """Without a normalizer byte spans follow one another, and an id that is no added token's has its own bytes."""
    if tok.inspect().normalizer:
        return
    data, at = text.encode(), 0
    plain = dstok.Tokenizer._of_tables(tok._tables, (), None, None)
    for id, (start, end), flag in zip(found.ids.tolist(), found.byte_spans.tolist(), found.special.tolist()):
        assert start == at < end
        assert flag or data[start:end] == plain.decode_bytes([id])
        at = end
    assert at == len(data)
    pieces = tok.inspect().pretokenize(text)
    assert [piece.token_id for piece in pieces if piece.token_id is not None] == found.ids[found.special].tolist()


def assert_budgets(tok: dstok.Tokenizer, text: str) -> None:
    side: Literal["right", "left"]
    for budget in (0, 1, 2, 5, 100):
        for side, is_part in (("right", text.startswith), ("left", text.endswith)):
            kept = tok.truncate(text, budget, truncation_side=side)
            assert is_part(kept) and tok.count(kept) <= budget
            assert kept == text or tok.count(text) > budget
    parts = list(tok.chunk(text, 12))
    assert "".join(parts) == text and all(tok.count(part) <= 12 for part in parts)
    for part in tok.chunk(text, 12, overlap=3):
        assert part in text and tok.count(part) <= 12


def test_the_common_mistake() -> None:
    """The text and the spelling have one id, which stands for the text."""
    text = model_json(MERGES, [added_token("Ġab")], WORDS)
    tok, judge = dstok.Tokenizer.from_str(text), tokenizers.Tokenizer.from_str(text)
    ids = tok.encode(" ab")
    assert ids == tok.encode("Ġab") == upstream_ids(judge, "Ġab") and len(ids) == 1
    assert tok.decode(ids) == judge.decode(ids) == " ab"
    assert tok.truncate(" ab ab", 1) == " ab"
    assert list(tok.chunk(" ab abĠab", 1)) == [" ab", " ab", "Ġab"]
    assert tok.encode_with_offsets(" abĠab").byte_spans.tolist() == [[0, 3], [3, 7]]


def test_a_special_token_that_normalizing_changes_is_not_skipped() -> None:
    """Upstream looks the normalized text up among the contents: it is kept, unless it is another one's content."""
    for added in ([added_token("ABC", normalized=True, special=True)],
                  [added_token("ABC", normalized=True), added_token("abc", special=True)],
                  [added_token("ABC", normalized=True, special=True), added_token("abc")]):
        text = json.dumps({**json.loads(model_json([], added)), "normalizer": NORMALIZERS["lowercase"]})
        tok, judge = dstok.Tokenizer.from_str(text), tokenizers.Tokenizer.from_str(text)
        ids = list(tok.added_tokens.values())
        for skip in (True, False):
            assert [tok.decode([id], skip_special_tokens=skip) for id in ids] == [
                judge.decode([id], skip_special_tokens=skip) for id in ids]


def test_tiktoken_takes_no_special_token_for_a_spelling(tmp_path: Path) -> None:
    tiktoken = pytest.importorskip("tiktoken")
    pattern = r"\s?\p{L}+|\s+|[^\s\p{L}]+"
    ranks = {bytes([byte]): byte for byte in range(256)} | {b" a": 256}
    special = {"<größe>": 257, "Ġa": 258, "õ": 259, "<|end|>": 260}
    judge = tiktoken.Encoding("small", pat_str=pattern, mergeable_ranks=ranks, special_tokens=special)
    tok = dstok.Tokenizer.from_tiktoken(ranks, pattern, special)
    tok.to_image(tmp_path / "image")
    for made in (tok, dstok.load(tmp_path / "image"), pickle.loads(pickle.dumps(tok))):
        assert made.fingerprint == tok.fingerprint
        for id in range(261):
            assert made.decode_bytes([id]) == judge.decode_bytes([id])
    odd = dstok.Tokenizer.from_tiktoken(ranks, pattern, {"<|end|>": 257, "<größe>": 258})
    with pytest.raises(dstok.UnsupportedError, match=r"'<größe>', which upstream .* at \$\.added_tokens\[1\]\.content"):
        odd.to_json(tmp_path / "tokenizer.json")
    plain = dstok.Tokenizer.from_tiktoken(ranks, pattern, {"<|end|>": 257})
    plain.to_json(tmp_path / "tokenizer.json")
    assert plain.decode([257]) == dstok.Tokenizer.from_json(tmp_path / "tokenizer.json").decode([257]) == "<|end|>"


@pytest.mark.parametrize("write", [dstok.Tokenizer.to_gguf, dstok.Tokenizer.to_tiktoken])
def test_formats_that_have_each_token_once_refuse_an_id_of_two_texts(write: Any, tmp_path: Path) -> None:
    """It is a whole piece alone that has the id, too: no merge tells."""
    pattern = family_base("llama-bpe").splits[0].pattern
    tok = dstok.Tokenizer.from_str(
        model_json([(b"a", b"b")], [added_token("Ġab")], pattern, extra=[b" ab"], ignore_merges=True))
    assert tok.encode(" ab") == tok.encode("Ġab") == [257]
    with pytest.raises(dstok.UnsupportedError, match=r"'Ġab', whose id is also .* ' ab', .* at added_tokens\[0\]"):
        write(tok, tmp_path / "file")
    assert not list(tmp_path.iterdir())


def test_the_fingerprint_tells_how_added_tokens_are_decoded() -> None:
    tok = dstok.Tokenizer.from_str(model_json([], [added_token("Ġz")]))
    tokens: Any = tok._added.tokens
    literal = dstok.Tokenizer._of_tables(tok._tables, (tokens[0]._replace(literal=True),), None, None)
    assert literal.decode([256]) == "Ġz" and tok.decode([256]) == " z"
    assert literal.fingerprint != tok.fingerprint
