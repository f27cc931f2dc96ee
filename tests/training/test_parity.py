"""A vocabulary for several languages: the merges of upstream's `ParityBpeTrainer`, whatever the settings."""

from __future__ import annotations

import json
import math
import random
from array import array
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import Any

import parity_reference
import pytest
from hypothesis import given
from hypothesis import strategies as st
from shared_data import CORPORA, corpus
from shares import seeds
from small_models import BYTE_LEVEL, model_json
from tokenizers import Tokenizer as Upstream
from tokenizers import pre_tokenizers, trainers
from training_cases import Trained, random_words, rows_of, spelled, upstream_model

import dstok
from dstok.cli.app import main
from dstok.errors import ArgumentError, FileError, UnsupportedError
from dstok.formats.tokenizer_json import write_tokenizer_json
from dstok.tokenizer import describe
from dstok.training import BpeTrainer, count_from_iterator, train_parity
from dstok.training.learn import learn
from dstok.training.piece_counts import CountsFile

OF_TRAINER = ("min_frequency", "special_tokens", "max_token_length", "initial_alphabet")
LIKE = json.dumps({**json.loads(model_json([], [])), "decoder": BYTE_LEVEL})
Texts = Sequence[Sequence[str]]


class EndlessError(Exception):
    """Upstream does not end."""


def hangs() -> None:
    raise EndlessError


def by_upstream(model: Upstream, languages: Texts, dev: Texts = (), ratio: Sequence[float] = (), **settings: Any) -> Trained:
    trainer = trainers.ParityBpeTrainer(show_progress=False, **settings)
    more = {"dev_iterators": [iter(texts) for texts in dev]} if dev else {"ratio": ratio} if ratio else {}
    trainer.train_from_iterator(model, [iter(texts) for texts in languages], **more)
    saved = json.loads(model.to_str())["model"]
    return saved["vocab"], [(left, right) for left, right in saved["merges"]]


def by_dstok(languages: Texts, dev: Texts = (), ratio: Sequence[float] = (), **settings: Any) -> dstok.Tokenizer:
    trainer = BpeTrainer(**{"initial_alphabet": (), **{name: settings.pop(name) for name in OF_TRAINER if name in settings}})
    return train_parity(languages, trainer, like=LIKE, dev=dev or None, ratio=ratio or None, **settings)


def random_case(chance: random.Random) -> tuple[dict[str, Any], dict[str, Any]]:
    """(languages, dev and ratio; settings). Languages share some letters; few merges end them all."""
    number = chance.randint(1, 5)

    def words() -> list[dict[str, int]]:
        return [{word.translate({97: 97 + i, 98: 98 + 2 * i}): count for word, count in random_words(chance, 20).items()}
                for i in range(number)]

    sources: dict[str, Any] = {"languages": words(), "dev": words() if chance.random() < 0.5 else []}
    sources["ratio"] = [chance.choice([0.7, 1, 1.5, 2]) for _ in range(number)] if chance.random() < 0.4 and not sources["dev"] else []
    return sources, {
        "num_merges": chance.randint(0, 60), "variant": chance.choice(["base", "window", "window"]),
        "global_merges": chance.choice([0, 0, 1, 7]), "window_size": chance.choice([1, 2, 5, 100]),
        "alpha": chance.choice([0.5, 1.0, 1.3, 2.0]), "min_frequency": chance.choice([0, 0, 2, 30]),
        "special_tokens": chance.choice([[], ["ab"], ["<s>", "a"]]), "max_token_length": chance.choice([None, None, 0, 3, 4, 6])}


def learned(sources: dict[str, Any], settings: dict[str, Any], **tuning: Any) -> Trained:
    """By `learn`, without a model."""
    languages, dev, ratio = sources["languages"], sources["dev"], sources["ratio"]
    balance = {"languages": len(languages), "dev": bool(dev), "ratios": array("d", ratio), "together": settings["global_merges"]}
    if settings["variant"] == "window":
        balance |= {"window": settings["window_size"], "share": settings["alpha"] / len(languages)}
    trainer = BpeTrainer(**{"initial_alphabet": (), **{name: settings[name] for name in OF_TRAINER if name in settings}})
    lanes = [[rows_of(words)] for words in [*languages, *dev]]
    return spelled(learn([partial(list, rows) for rows in lanes], trainer, strict=False, num_merges=settings["num_merges"], **balance, **tuning))


def file_of(tok: dstok.Tokenizer) -> Trained:
    saved = json.loads(write_tokenizer_json(describe(tok)))["model"]
    return saved["vocab"], [(left, right) for left, right in saved["merges"]]


@pytest.mark.parametrize("seed", seeds(200, 8))
def test_random_words(seed: int) -> None:
    """By the reference; every fifth by upstream, too."""
    hung = 0
    for number in range(50):
        chance = random.Random(f"parity {seed} {number}")
        sources, settings = random_case(chance)
        tuning = {"longest_short": chance.choice([1, 2, 1024]), "num_threads": chance.choice([1, 3]), "shared": chance.choice([1, 3])}
        found = learned(sources, settings, **tuning)
        assert found == parity_reference.train(**sources, **settings), (sources, settings, tuning)
        try:
            parity_reference.train(**sources, **settings, hangs=hangs)
        except EndlessError:
            hung += 1
            continue
        if number % 5 == 0:
            texts = {name: [[word for word, count in words.items() for _ in range(count)] for words in sources[name]]
                     for name in ("languages", "dev")}
            model = upstream_model(pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False))
            assert found == by_upstream(model, **texts, ratio=sources["ratio"], **settings), (sources, settings)
    assert hung < 25


@given(st.lists(st.tuples(st.lists(st.text("abcé अ-", max_size=9), max_size=4), st.lists(st.text("abcé अ-"), max_size=2)), min_size=1, max_size=4),
       st.sampled_from([{}, {"global_merges": 3}, {"variant": "window", "alpha": 4.0}]))
def test_texts(texts: list[tuple[list[str], list[str]]], settings: dict[str, Any]) -> None:
    languages, dev = [text for text, _ in texts], [text for _, text in texts]
    settings = {"num_merges": 40, "initial_alphabet": ["a"], **settings}
    assert file_of(by_dstok(languages, dev, **settings)) == by_upstream(Upstream.from_str(LIKE), languages, dev, **settings)


@pytest.mark.parametrize("settings", [
    {}, {"global_merges": 50, "max_token_length": 9}, {"variant": "window", "window_size": 30, "alpha": 1.1, "special_tokens": ["<s>", "the"]},
    {"ratio": [1.0, 1.1, 2.0, 1.6], "min_frequency": 3}])
def test_languages(settings: dict[str, Any]) -> None:
    """Of the corpora, one of which has many languages. Several threads of upstream's and of ours, the same merges."""
    texts = [corpus(name)[:60_000].splitlines() for name in CORPORA]
    dev = [] if "ratio" in settings else [lines[-90:] for lines in texts]
    model = Upstream.from_str(LIKE)
    upstream = by_upstream(model, texts, dev, num_merges=900, **settings)
    ours = by_dstok(texts, dev, num_merges=900, num_threads=2, **settings)
    assert file_of(ours) == upstream and len(upstream[1]) == 900
    unseen = [lines[-1] for lines in texts] + ["an unseen text: परीक्षा É"]
    ids = [model.encode(text, add_special_tokens=False).ids for text in unseen]
    assert [ours.encode(text) for text in unseen] == ids == [dstok.Tokenizer.from_str(model.to_str()).encode(text) for text in unseen]


def test_vocab_size_and_counts(tmp_path: Path) -> None:
    """Without num_merges the vocabulary has vocab_size tokens: upstream's total_symbols. Counts files serve as texts."""
    texts, dev = [["low lower lowest"] * 5, ["नया नये"] * 3], [["low"], ["नया"]]
    files = [count_from_iterator(some, tmp_path / f"{i}.counts", like=LIKE) for i, some in enumerate([*texts, *dev])]
    trainer = BpeTrainer(vocab_size=24, special_tokens=["<s>"], initial_alphabet=())
    found = [file_of(train_parity(some, trainer, like=LIKE, dev=others)) for some, others in ((texts, dev), (files[:2], files[2:]))]
    expected = by_upstream(Upstream.from_str(LIKE), texts, dev, num_merges=24, total_symbols=True, special_tokens=["<s>"])
    assert found == [expected, expected] and len(expected[0]) == 24
    with pytest.raises(FileError, match="expected counts of the pieces that `like` cuts"):
        train_parity([CountsFile(file.path) for file in files], like="deepseek-v3")


def test_a_limited_alphabet() -> None:
    """A dev word with a letter that is left out does not count; of other words the letter alone does not."""
    languages, dev = [["abab xyz abz"] * 3, ["cdcd cdq"] * 2], [["ababz"] * 9 + ["ab"], ["cdcd"]]
    settings: dict[str, Any] = {"limit_alphabet": 6, "num_merges": 9}
    trainer = BpeTrainer(limit_alphabet=6)
    ours = train_parity(languages, trainer, like=LIKE, dev=dev, num_merges=9)
    assert file_of(ours) == by_upstream(Upstream.from_str(LIKE), languages, dev, **settings)
    with pytest.raises(UnsupportedError, match="equally frequent characters"):
        train_parity([["ab"]], BpeTrainer(limit_alphabet=1), like=LIKE)


def test_where_upstream_does_not_end() -> None:
    """The second language has no pairs left, the first one has had its turns: dstok goes on with the first one."""
    settings: dict[str, Any] = {"variant": "window", "window_size": 3, "alpha": 1.0, "num_merges": 30}
    words = [{"abcdefghijklmnop": 1}, {"xy": 1}, {"zw": 1}]
    with pytest.raises(EndlessError):
        parity_reference.train(words, **settings, hangs=hangs)
    found = file_of(by_dstok([[*some] for some in words], **settings))
    assert found == parity_reference.train(words, **settings) and len(found[1]) == 17


@pytest.mark.parametrize(("wrong", "message"), [
    ({"languages": []}, "at least one language"), ({"dev": [["a"]]}, "expected 2 languages as dev, found 1"),
    ({"ratio": [1.0]}, "expected 2 languages as ratio, found 1"), ({"ratio": [1.0, 0]}, "numbers above 0 as ratio, found 0"),
    ({"ratio": [1.0, math.nan]}, "as ratio, found nan"), ({"alpha": -1}, "as alpha, found -1"),
    ({"dev": [["a"], ["b"]], "ratio": [1.0, 1.0]}, "dev or ratio, found both"), ({"variant": "wide"}, "as variant, found 'wide'"),
    ({"window_size": 0}, "window_size"), ({"num_merges": -1}, "num_merges"), ({"global_merges": 1.5}, "global_merges")])
def test_wrong_arguments(wrong: dict[str, Any], message: str) -> None:
    with pytest.raises(ArgumentError, match=message):
        train_parity(**{"languages": [["ab"], ["cd"]], "like": "gpt-2", **wrong})


def test_the_command(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.chdir(tmp_path)
    texts = {"en": ["low lower lowest"] * 9, "hi": ["नया नये"] * 3, "en-dev": ["low lower"], "hi-dev": ["नया"]}
    for name, some in texts.items():
        count_from_iterator(some, name, like="gpt-2")
    words = ["train", "parity", "en", "hi", "--like", "gpt-2", "--vocab-size", "264", "--special", "<s>", "--out", "new.json", "--json"]
    trainer = BpeTrainer(vocab_size=264, special_tokens=["<s>"])
    for options, settings in ((["--dev", "en-dev", "--dev", "hi-dev", "--global-merges", "1"], {"dev": [texts["en-dev"], texts["hi-dev"]], "global_merges": 1}),
                              (["--ratio", "1", "--ratio", "2.5"], {"ratio": [1, 2.5]}),
                              (["--window", "2", "--alpha", "1.5"], {"variant": "window", "window_size": 2, "alpha": 1.5})):
        assert main([*words, *options]) == 0
        assert json.loads(capsys.readouterr().out) == {"languages": 2, "vocab_size": 264, "out": "new.json"}
        expected = train_parity([texts["en"], texts["hi"]], trainer, like="gpt-2", **settings)
        assert file_of(dstok.load("new.json")) == file_of(expected)
    assert main([*words, "--ratio", "1"]) == 2 and "as ratio, found 1" in capsys.readouterr().err
    count_from_iterator([], "none", like="gpt-2")
    assert main([*words[:3], "none", *words[4:]]) == 2 and "expected text to learn from, found none in none" in capsys.readouterr().err
