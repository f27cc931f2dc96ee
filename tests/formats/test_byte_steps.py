"""Steps after ByteLevel: Falcon-7B's Digits cut the spelling of bytes, also inside characters. Ids are upstream's."""

from __future__ import annotations

import json
import random
from functools import cache
from pathlib import Path
from typing import Any

import pytest
from shared_data import corpus
from shares import seeds
from small_models import both, upstream_ids
from tokenizers import Regex, Tokenizer, decoders, models, pre_tokenizers, trainers

import dstok
from dstok import UnsupportedError

ALPHABET = [" ", "1", "2", "9", "a", "ò", "½", "²", "³", "é", "漢", "ü", "ó", "!", "-", "\n", "٣", "'s", "ý", "þ", "¹¼"]


def first_steps() -> list[Any]:
    return [pre_tokenizers.Punctuation("contiguous"), pre_tokenizers.ByteLevel(add_prefix_space=False)]


@cache
def learned() -> str:
    model = Tokenizer(models.BPE())
    model.pre_tokenizer, model.decoder = pre_tokenizers.Sequence(first_steps()), decoders.ByteLevel()
    trainer = trainers.BpeTrainer(vocab_size=2000, initial_alphabet=pre_tokenizers.ByteLevel.alphabet(), show_progress=False)
    model.train_from_iterator([corpus("multilingual")[:60_000], corpus("code")[:60_000], "".join(ALPHABET) * 9], trainer)
    return model.to_str()


def falcon(individual: bool, *after: Any) -> str:
    """Falcon-7B's steps, with merges over their cuts: they were learned without Digits."""
    model = Tokenizer.from_str(learned())
    more = after or (pre_tokenizers.Split(Regex("[0-9][0-9][0-9]"), "isolated"),)
    model.pre_tokenizer = pre_tokenizers.Sequence([*first_steps(), pre_tokenizers.Digits(individual), *more])
    return model.to_str()


def random_text(chance: random.Random) -> str:
    return "".join(chance.choice(ALPHABET) * chance.choice([1, 1, 1, 2, 5]) for _ in range(chance.randrange(12)))


@pytest.mark.parametrize("individual", [False, True])
def test_ids_are_upstreams(individual: bool, tmp_path: Path) -> None:
    ours, judge = both(falcon(individual))
    texts = [random_text(random.Random(seed)) for seed in seeds(20_000, 2000)]
    texts += [corpus(name)[-20_000:] for name in ("english", "code", "chinese", "multilingual")]
    ours.to_json(tmp_path / "written.json")
    written = Tokenizer.from_file(str(tmp_path / "written.json"))
    for text in texts:
        assert ours.encode(text) == upstream_ids(judge, text) == upstream_ids(written, text), text[:200]
    ours.to_image(tmp_path / "image")
    assert dstok.load(tmp_path / "image").encode(texts[-1]) == ours.encode(texts[-1])


def test_what_is_refused_for_such_a_model() -> None:
    ours = dstok.Tokenizer.from_str(falcon(False))
    with pytest.raises(UnsupportedError, match="inside characters"):
        dstok.Splitter.from_tokenizer(ours)
    with pytest.raises(UnsupportedError, match="inside characters"):
        dstok.training.train_from_iterator(["a"], like=ours)
    with pytest.raises(UnsupportedError, match="a ByteLevel that is not the last step"):
        dstok.Splitter.from_str(falcon(False))


@pytest.mark.parametrize("step", [
    pre_tokenizers.Split(Regex("[0-9a]"), "isolated"), pre_tokenizers.Split(Regex(r"\d"), "isolated"),
    pre_tokenizers.Split(Regex("[0-9]"), "removed"), pre_tokenizers.Split(Regex("[0-9](?=a)"), "isolated"),
    pre_tokenizers.Punctuation(), pre_tokenizers.ByteLevel(),
])
def test_other_steps_after_bytelevel(step: Any) -> None:
    with pytest.raises(UnsupportedError, match=r"after ByteLevel, except Digits.* - at \$\.pre_tokenizer\.pretokenizers\[3\]"):
        dstok.Tokenizer.from_str(falcon(False, step))


@pytest.mark.parametrize("change", ["ignore_merges", "a lost byte"])
def test_models_that_cannot_be_exact(change: str) -> None:
    file = json.loads(falcon(False))
    if change == "ignore_merges":
        file["model"]["ignore_merges"] = True
    else:
        del file["model"]["vocab"]["z"]
        file["model"]["merges"] = []
        file["model"]["vocab"] = {token: at for at, token in enumerate(file["model"]["vocab"])}
    with pytest.raises(UnsupportedError, match=r"Digits after ByteLevel in a model with ignore_merges.*\$\.pre_tokenizer"):
        dstok.Tokenizer.from_str(json.dumps(file))
