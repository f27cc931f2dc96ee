"""Trainings of dstok, of the reference and of upstream, in one form; random words and settings.

In: words with their counts, or texts, and settings. Out: (vocabulary, merges), as a tokenizer.json spells them.
"""

from __future__ import annotations

import json
import random
from array import array
from collections.abc import Iterable, Mapping
from itertools import accumulate
from typing import Any

import trainer_reference
from tokenizers import Tokenizer as Upstream
from tokenizers import decoders, models, pre_tokenizers, trainers

from dstok.formats.byte_alphabet import decoded_bytes, spelling
from dstok.training import BpeTrainer
from dstok.training.learn import Learned, learn

Trained = tuple[dict[str, int], list[tuple[str, str]]]
LETTERS = "abcdefghij"


def rows_of(words: Mapping[str, int]) -> tuple[bytes, array[int], array[int]]:
    """Words as counted pieces."""
    pieces = [decoded_bytes(word) for word in words]
    return b"".join(pieces), array("q", accumulate(map(len, pieces), initial=0)), array("q", words.values())


def spelled(learned: Learned) -> Trained:
    """Tokens and merges as a file has them."""
    texts = [token.decode() if i in learned.raw_ids else spelling(token) for i, token in enumerate(learned.tokens)]
    pairs = zip(learned.merges[::3], learned.merges[1::3])
    return {text: i for i, text in enumerate(texts)}, [(texts[left], texts[right]) for left, right in pairs]


def by_dstok(words: Mapping[str, int], tuning: Mapping[str, Any] | None = None, **settings: Any) -> Trained:
    """Raises `UnsupportedError`. tuning: of `MergeLoop`."""
    trainer = BpeTrainer(**{"initial_alphabet": (), **settings})
    return spelled(learn(lambda: [rows_of(words)], trainer, strict=False, **tuning or {}))


def by_reference(words: Mapping[str, int], **settings: Any) -> Trained:
    found = trainer_reference.train(words, **settings)
    assert not found.doubts and not found.repeated
    return found.vocab, found.merges


def upstream_model(pre_tokenizer: Any, normalizer: Any = None) -> Upstream:
    """A tokenizer of upstream's without a vocabulary."""
    made = Upstream(models.BPE())
    made.pre_tokenizer, made.decoder = pre_tokenizer, decoders.ByteLevel()
    if normalizer is not None:
        made.normalizer = normalizer
    return made


def by_upstream(model: Upstream, texts: Iterable[str], **settings: Any) -> Trained:
    model.train_from_iterator(texts, trainers.BpeTrainer(show_progress=False, **settings))
    saved = json.loads(model.to_str())["model"]
    return saved["vocab"], [(left, right) for left, right in saved["merges"]]


def words_upstream(words: Mapping[str, int], **settings: Any) -> Trained:
    """The words as texts, each as often as it counts. None has a space."""
    texts = [word for word, count in words.items() for _ in range(count)]
    return by_upstream(upstream_model(pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)), texts, **settings)


def random_words(chance: random.Random, most: int = 1000) -> dict[str, int]:
    """Words of a few letters, with many runs and repetitions."""
    letters, longest, largest = LETTERS[: chance.randint(1, 10)], chance.choice([3, 8, 40]), chance.choice([2, 20, most])
    words: dict[str, int] = {}
    for _ in range(chance.randint(0, 30)):
        part = "".join(chance.choices(letters, k=chance.randint(1, longest)))
        words[part * chance.choice([1, 1, 1, 2, 3])] = chance.randint(1, largest)
    return words


def random_settings(chance: random.Random) -> dict[str, Any]:
    """Settings of a trainer, with special tokens that merges and characters spell, too."""
    settings: dict[str, Any] = {"vocab_size": chance.randint(0, 80), "min_frequency": chance.randint(0, 5)}
    if chance.random() < 0.4:
        settings["special_tokens"] = ["".join(chance.choices(LETTERS[:3] + "Ġ ", k=chance.randint(0, 4)))
                                      for _ in range(chance.randint(1, 6))]
    if chance.random() < 0.3:
        settings["max_token_length"] = chance.randint(0, 8)
    if chance.random() < 0.2:
        settings["initial_alphabet"] = chance.choices(["x", "yz", "a", "Ġ", " ", ""], k=3)
    if chance.random() < 0.2:
        settings["limit_alphabet"] = chance.randint(0, 8)
    return settings


def random_tuning(chance: random.Random) -> dict[str, int]:
    """Of `MergeLoop`: thresholds, what is a long word, threads that share lists of some places, memory."""
    return {"divisor": chance.choice([1, 2, 3, 16, 1 << 62]), "longest_short": chance.choice([1, 2, 5, 1024]),
            "num_threads": chance.choice([1, 1, 2, 5]), "shared": chance.choice([1, 3, 10]),
            "pairs_room": chance.choice([0, 1000, 10_000, 1 << 62])}
