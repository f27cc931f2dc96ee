"""`Tokenizer.truncated` and `Tokenizer.trimmed`: fewer tokens, and nothing that cannot be built."""

from __future__ import annotations

import random
from typing import Any

import numpy as np
import pytest
from family_texts import NAMES
from shares import chance_of_today, seeds, share
from small_models import added_token, model_json
from smaller_models import smaller_json
from training_cases import random_settings, random_words

import dstok
from dstok import Splitter, Tokenizer, UnsupportedError
from dstok.errors import ArgumentError
from dstok.training import BpeTrainer

BYTES = BpeTrainer.byte_alphabet()
WHOLE = Splitter(r"[^|]+|\|")
MERGES = [(b"l", b"o"), (b"lo", b"w"), (b"low", b"e"), (b"e", b"r"), (b"low", b"er")]


@pytest.mark.parametrize("seed", seeds(400, 10))
def test_truncated_is_a_smaller_training(seed: int) -> None:
    chance = random.Random(seed)
    words = random_words(chance, 30)
    texts = [word for word, count in words.items() for _ in range(count)]
    settings = random_settings(chance) | {"initial_alphabet": BYTES}
    settings.pop("limit_alphabet", None)
    large = dstok.training.train_from_iterator(texts, BpeTrainer(**settings | {"vocab_size": 340}), like=WHOLE)
    for size in chance.sample(range(256 + 10, 341), 5):
        assert dstok.training.truncate_vocab(large, min(size, large.vocab_size)) == dstok.training.train_from_iterator(texts, BpeTrainer(**settings | {"vocab_size": size}), like=WHOLE)


def small_model() -> Tokenizer:
    return Tokenizer.from_str(model_json(MERGES, [added_token("<s>", special=True)]))


def test_truncated_by_hand() -> None:
    trained = Tokenizer.from_str(model_json(MERGES))
    assert dstok.training.truncate_vocab(trained, 258).encode("lower") == [257, 101, 114]
    assert dstok.training.truncate_vocab(trained, trained.vocab_size) == trained
    with pytest.raises(ArgumentError, match=f"vocab_size to be at most {trained.vocab_size}, found 10000"):
        dstok.training.truncate_vocab(trained, 10_000)
    with pytest.raises(UnsupportedError, match="a vocab_size of 258 without '<s>', which no merge makes"):
        dstok.training.truncate_vocab(small_model(), 258)
    with pytest.raises(UnsupportedError, match="a vocab_size of 200 without .* and 51 more, which no merge makes"):
        dstok.training.truncate_vocab(trained, 200)
    with pytest.raises(UnsupportedError, match="merges that are in another order than the ids"):
        dstok.training.truncate_vocab(shuffled(), 256)
    with pytest.raises(ArgumentError, match="expected vocab_size to be at least 0"):
        dstok.training.truncate_vocab(trained, -1)


def shuffled() -> Tokenizer:
    """A model with the ids 257 and 256 for its first two merges."""
    text = model_json(MERGES)
    return Tokenizer.from_str(text.replace('"lo": 256', '"lo": 999').replace('"low": 257', '"low": 256').replace("999", "257"))


def test_trimmed_by_hand() -> None:
    small, new_ids = dstok.training.trim_vocab(small_model(), [*range(256), 260, 261, 259, 257, 256])
    assert new_ids.dtype == np.int64 and new_ids[256:].tolist() == [256, 257, -1, 258, 259, 260]
    assert small.added_tokens == {"<s>": 260}
    assert small.encode("lower lowe<s>") == [259, 32, 257, 101, 260]
    assert [small.decode([i]) for i in range(256, 261)] == ["lo", "low", "er", "lower", "<s>"]


@pytest.mark.parametrize("name", [*share(NAMES, 4)])
def test_trimmed_models(name: str) -> None:
    """Random sets that are closed under the parts of tokens: each token is still what its bytes give."""
    chance = chance_of_today(f"trimmed {name}")
    whole = Tokenizer.from_str(smaller_json(name))
    same, new_ids = dstok.training.trim_vocab(whole, range(whole.vocab_size))
    assert same.fingerprint == whole.fingerprint and new_ids.tolist() == [*range(whole.vocab_size)]
    live = whole.inspect().merges[whole.inspect().live_merges].tolist()
    parts = {merged: (left, right) for left, right, merged in live}
    tokens = whole.inspect().token_bytes()
    keep = {i for i, token in enumerate(tokens) if len(token) == 1} | set(whole.added_tokens.values())
    waiting = chance.sample(sorted(parts), 300)
    while waiting:
        i = waiting.pop()
        if i not in keep:
            keep.add(i)
            waiting += parts.get(i, ())
    small, new_ids = dstok.training.trim_vocab(whole, keep)
    assert small.vocab_size == len(keep) == np.count_nonzero(new_ids >= 0)
    assert small.inspect().token_bytes() == [tokens[i] for i in sorted(keep)]
    for i in set(parts) & keep:
        if whole.inspect().merge(tokens[i]) == [i]:
            assert small.inspect().merge(tokens[i]) == [new_ids[i]]
    text = "Gr\u00fc\u00dfe, \u4f60\u597d the words"
    assert small.decode(small.encode(text)) == whole.decode(whole.encode(text))


@pytest.mark.parametrize(("dropped", "fault"), [
    ({256}, "a vocabulary with 'low', but without 'lo', from which merges make them"),
    ({259}, "a vocabulary with 'lower', but without 'er', from which merges make them"),
    ({97, 98}, "a vocabulary without 'a', 'b': no token could spell these bytes"),
])
def test_refused(dropped: set[int], fault: str) -> None:
    with pytest.raises(UnsupportedError, match=fault):
        dstok.training.trim_vocab(small_model(), {*range(262)} - dropped)


def test_settings_that_name_a_token() -> None:
    model = small_model().replace(bos_id=261)
    assert dstok.training.trim_vocab(model, [*range(256), 261])[0].bos_id == 256
    with pytest.raises(UnsupportedError, match="a vocabulary without '<s>', which settings name"):
        dstok.training.trim_vocab(model, range(256))


@pytest.mark.parametrize(("keep", "fault"), [
    (3, "expected ids to keep, found int"),
    ([262], "expected keep to be at most 261, found 262"),
    (["a"], "expected keep to be a whole number"),
])
def test_wrong_ids(keep: Any, fault: str) -> None:
    with pytest.raises(ArgumentError, match=fault):
        dstok.training.trim_vocab(small_model(), keep)
