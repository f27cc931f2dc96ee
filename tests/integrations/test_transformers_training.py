"""`train_new_from_iterator` of an accelerated tokenizer: the tokenizer that the original call makes, value by value."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from shares import SEED, share
from tokenizers import AddedToken, models, normalizers, pre_tokenizers
from transformers_calls import outcome
from transformers_models import ALL_KINDS, KINDS, REAL, loaded

import dstok.integrations.transformers as fast
from dstok.integrations.transformers_training import learning_by_dstok

TEXTS = [["low lower lowest", "new newer é 中文 123 "], "a\n\n b\tc  \u00a0x", ("low new it's", "<s>the</s> <think>"), []] * 3
PARTS = ["low", " newer", "est", "中文", "é", "e\u0301", " ", "\n", "12345", "'s", "<s>", "<mask>", "🦙", "<think>", "Ġ"]


def saved(tok: Any, at: Path) -> dict[str, str]:
    """All files that a tokenizer saves."""
    tok.save_pretrained(at)
    return {path.name: path.read_text("utf-8") for path in at.iterdir()}


def same(kind: str, at: Path, texts: Callable[[], Any], change: Callable[[Any], Any] = lambda tok: None, **settings: Any) -> Any:
    """Compares the two trained tokenizers; the accelerated one that was trained from."""
    original, tok = loaded(kind, at / "1"), fast.accelerate(loaded(kind, at / "2"), strict=True)
    for each in (original, tok):
        change(each)
    expected = original.train_new_from_iterator(texts(), show_progress=False, **settings)
    found = tok.train_new_from_iterator(texts(), show_progress=False, **settings)
    assert saved(expected, at / "expected") == saved(found, at / "found")
    assert type(found) is type(tok) and "train_from_iterator" not in vars(found._tokenizer)
    if type(found._tokenizer.model) is models.BPE and not found._tokenizer.model.dropout:
        assert expected("low newer 中文")["input_ids"] == found("low newer 中文")["input_ids"]
    return tok


@pytest.mark.parametrize("kind", ALL_KINDS)
def test_a_vocabulary_by_dstok(kind: str, tmp_path: Path) -> None:
    tok = same(kind, tmp_path, lambda: iter(TEXTS), vocab_size=300)
    assert tok.dstok.explain() == "dstok: train, 1 calls"


@pytest.mark.parametrize("kind", [*share(REAL, 3)])
def test_real_models(kind: str, tmp_path: Path) -> None:
    tok = same(kind, tmp_path, lambda: TEXTS, vocab_size=400)
    assert tok.dstok.explain() == "dstok: train, 1 calls"


def test_settings(tmp_path: Path) -> None:
    tok = same("llama", tmp_path, lambda: TEXTS, vocab_size=290, length=12, min_frequency=2, max_token_length=5,
               new_special_tokens=["<x>", AddedToken("low", rstrip=True)], special_tokens_map={"<s>": "<b>", "<pad>": "é"})
    assert "dstok: train, 1 calls" in tok.dstok.explain()


def _texts(chance: random.Random) -> list[Any]:
    def text() -> str:
        return "".join(chance.choices(PARTS, k=chance.randint(0, 30)))

    return [text() if chance.random() < 0.5 else [text() for _ in range(chance.randint(0, 3))] for _ in range(chance.randint(0, 30))]


@pytest.mark.parametrize("number", range(10))
def test_random_trainings(number: int, tmp_path: Path) -> None:
    chance = random.Random(f"{SEED} {number}")
    texts, settings = _texts(chance), dict[str, Any](vocab_size=chance.randint(0, 330), min_frequency=chance.randint(0, 4))
    if chance.random() < 0.5:
        settings["max_token_length"] = chance.randint(0, 6)
    if chance.random() < 0.5:
        settings["new_special_tokens"] = chance.sample(PARTS, 3)
    if chance.random() < 0.3:
        settings["special_tokens_map"] = {chance.choice(["<s>", "</s>", "<mask>"]): chance.choice(["<b>", "low", "<pad>"])}
    if chance.random() < 0.3:
        settings["limit_alphabet"] = chance.randint(512, 600)
    tok = same(chance.choice(ALL_KINDS), tmp_path, lambda: texts, **settings)
    assert tok.dstok.explain() == "dstok: train, 1 calls"


BY_BACKEND: dict[str, tuple[Callable[[Any], Any], dict[str, Any]]] = {
    "a limit_alphabet": (lambda tok: None, {"limit_alphabet": 100 + 156}),
    "a end_of_word_suffix": (lambda tok: None, {"end_of_word_suffix": "</w>"}),
    "dropout": (lambda tok: setattr(tok._tokenizer.model, "dropout", 0.5), {}),
    "UnicodeScripts": (lambda tok: setattr(tok._tokenizer, "pre_tokenizer", pre_tokenizers.Sequence(
        [pre_tokenizers.UnicodeScripts(), pre_tokenizers.ByteLevel(add_prefix_space=False)])), {}),
    "Metaspace": (lambda tok: setattr(tok._tokenizer, "pre_tokenizer", pre_tokenizers.Sequence(
        [pre_tokenizers.Metaspace(), pre_tokenizers.ByteLevel(add_prefix_space=False)])), {}),
    "model type": (lambda tok: setattr(tok._tokenizer, "model", models.WordLevel({"<unk>": 0}, "<unk>")), {}),
}


@pytest.mark.parametrize("why", BY_BACKEND)
def test_the_backend_trains_where_dstok_cannot(why: str, tmp_path: Path) -> None:
    change, settings = BY_BACKEND[why]
    tok = same("plain", tmp_path, lambda: iter([["low low"]]), change, vocab_size=280, **settings)
    [line] = [line for line in tok.dstok.explain().split("\n") if "train" in line]
    assert why in line and line.startswith("backend: train: ") and line.endswith(", 1 calls")


@pytest.mark.parametrize("change", [
    lambda tok: setattr(tok._tokenizer, "normalizer", normalizers.NFKC()),
    lambda tok: tok._tokenizer.enable_truncation(5),
    lambda tok: tok._tokenizer.enable_padding(pad_id=3, pad_token="<pad>"),
    lambda tok: tok.add_special_tokens({"cls_token": AddedToken("<cls>", lstrip=True)}),
    lambda tok: tok.add_tokens(["ello"]),
])
def test_a_changed_tokenizer(change: Callable[[Any], Any], tmp_path: Path) -> None:
    tok = same("llama", tmp_path, lambda: TEXTS, change, vocab_size=300)
    assert "dstok: train, 1 calls" in tok.dstok.explain()


def check_errors(kind: str, at: Path, call: Callable[[Any], Any]) -> None:
    """Both tokenizers raise the same."""
    first, second = (outcome(lambda tok=tok: call(tok)) for tok in (  # type: ignore[misc]
        loaded(kind, at / "1"), fast.accelerate(loaded(kind, at / "2"), strict=True)))
    assert first == second and first[0] == "raised"


def failing() -> Iterator[str]:
    yield "low"
    raise RuntimeError("of the user")


@pytest.mark.parametrize("texts", [
    lambda: 5, lambda: None, lambda: [5], lambda: ["low", ["a", 5]], lambda: [["a", ["b"]]], lambda: [b"ab"], lambda: ["a\ud800"],
    lambda: ["low", ["b", "é\udfff"]], failing, lambda: iter([["a", None]]),
])
@pytest.mark.parametrize("kind", ["plain", "qwen"])
def test_errors(kind: str, texts: Callable[[], Any], tmp_path: Path) -> None:
    check_errors(kind, tmp_path, lambda tok: tok.train_new_from_iterator(texts(), 300, show_progress=False))


@pytest.mark.parametrize("settings", [{"vocab_size": -1}, {"vocab_size": "a"}, {"min_frequency": -1}, {"special_tokens": ["<a>"]}, {"new_special_tokens": [5]}])
def test_errors_of_settings(settings: dict[str, Any], tmp_path: Path) -> None:
    given = {"vocab_size": 300, "show_progress": False, **settings}
    check_errors("plain", tmp_path, lambda tok: tok.train_new_from_iterator(["low"], **given))


def test_texts_are_read_once_and_the_letters_of_one(tmp_path: Path) -> None:
    same("plain", tmp_path, lambda: "low lower", vocab_size=300)
    same("plain", tmp_path / "dict", lambda: [{"low low": 1, "low": 2}, iter(["lower low"])], vocab_size=300)


def test_a_method_of_the_class_is_called(tmp_path: Path) -> None:
    tok = loaded("plain", tmp_path)
    base: Any = type(tok)
    tok.__class__ = type(base)("Own", (base,), {"train_new_from_iterator": lambda self, *args: "own"})
    assert fast.accelerate(tok, strict=True).train_new_from_iterator(TEXTS, 300) == "own"


def test_a_version_that_trains_in_another_way_is_left_alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(fast.Fast, "train_new_from_iterator", lambda self, *args: "theirs")
    tok = fast.accelerate(loaded("plain", tmp_path), strict=True)
    told: list[tuple[str, ...]] = []
    assert learning_by_dstok(fast.Fast.train_new_from_iterator, lambda *words: told.append(words))(tok, 1) == "theirs"
    assert told == [("train", "a version of transformers that trains in another way")]


@pytest.mark.parametrize("kind", KINDS[:1])
def test_a_trained_tokenizer_trains_again(kind: str, tmp_path: Path) -> None:
    tok = fast.accelerate(loaded(kind, tmp_path), strict=True)
    again = tok.train_new_from_iterator(TEXTS, 300, show_progress=False).train_new_from_iterator(TEXTS, 290, show_progress=False)
    assert again("low lower")["input_ids"] == loaded(kind, tmp_path / "plain").train_new_from_iterator(
        TEXTS, 290, show_progress=False)("low lower")["input_ids"]
    assert again.dstok.explain() == "dstok: encode, 1 calls"


def test_empty_affixes(tmp_path: Path) -> None:
    tok = same("plain", tmp_path, lambda: TEXTS, vocab_size=300, end_of_word_suffix="", continuing_subword_prefix="")
    assert tok.dstok.explain() == "dstok: train, 1 calls"
