"""`dstok.training.train_from_iterator`: upstream's tokenizer from the same texts, whatever `like` is."""

from __future__ import annotations

import json
import random
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from shared_data import CORPORA, corpus
from shares import chance_of_today, seeds, share
from tokenizers import AddedToken, trainers
from tokenizers import Tokenizer as Upstream
from training_cases import random_settings, random_words

import dstok
from dstok import Splitter, TextError, Tokenizer, UnsupportedError
from dstok.errors import ArgumentError, ModelNotFoundError
from dstok.pretokenizer.sources import preset_names, presets
from dstok.training import BpeTrainer
from dstok.training.run import train_from_iterator
from dstok.training.template import find_base

BYTES = BpeTrainer.byte_alphabet()
BYTE_LEVEL = {"type": "ByteLevel", "add_prefix_space": False, "trim_offsets": False, "use_regex": False}
TEXTS = ["low lower lowest", "new newer é 中文 123 ", "", "a\n\n b\tc  \u00a0x", "low new"]


def empty(**parts: Any) -> dict[str, Any]:
    """A tokenizer.json without a vocabulary."""
    model: dict[str, Any] = {"type": "BPE", "dropout": None, "unk_token": None, "continuing_subword_prefix": None, "end_of_word_suffix": None,
             "fuse_unk": False, "byte_fallback": False, "ignore_merges": False, "vocab": {}, "merges": []}
    return {"version": "1.0", "truncation": None, "padding": None, "added_tokens": [], "normalizer": None,
            "pre_tokenizer": {**BYTE_LEVEL, "use_regex": True}, "post_processor": None, "decoder": BYTE_LEVEL, "model": model, **parts}


def preset_file(name: str) -> dict[str, Any]:
    """One that cuts as a preset does."""
    pre_tokenizer = presets()[name]["pre_tokenizer"]
    steps = pre_tokenizer.get("pretokenizers", [pre_tokenizer])
    return empty(pre_tokenizer={"type": "Sequence", "pretokenizers": steps + [BYTE_LEVEL] * (steps[-1]["type"] != "ByteLevel")})


def saved(tok: Tokenizer, folder: Path) -> dict[str, Any]:
    tok.to_json(folder / "ours.json")
    found: dict[str, Any] = json.loads((folder / "ours.json").read_bytes())
    return found


def by_upstream(file: dict[str, Any], texts: list[str], settings: dict[str, Any]) -> dict[str, Any]:
    """The file that upstream saves after a training from one without a vocabulary."""
    bare = {**file, "added_tokens": [], "model": {**file["model"], "vocab": {}, "merges": []}}
    model = Upstream.from_str(json.dumps(bare))
    model.train_from_iterator(texts, trainers.BpeTrainer(show_progress=False, **settings))
    found: dict[str, Any] = json.loads(model.to_str())
    return found


def check(file: Any, texts: list[str], settings: dict[str, Any], folder: Path) -> Tokenizer:
    """Compares all values of the saved file; the vocabulary is in the order of ids."""
    tok = train_from_iterator(texts, BpeTrainer(**settings), like=file)
    ours = saved(tok, folder)
    theirs = by_upstream(ours, texts, settings)
    assert ours == theirs and list(ours["model"]["vocab"]) == list(theirs["model"]["vocab"])
    return tok


def pieces_of(text: str, chance: random.Random) -> list[str]:
    """A part of a text, whole or as lines with or without their endings."""
    size = chance.randint(20_000, 150_000)
    start = chance.randrange(len(text) - size)
    part = text[start : start + size]
    return chance.choice([[part], part.splitlines(), part.splitlines(keepends=True)])


@pytest.mark.parametrize(("name", "language"), [*share(((name, each) for name in preset_names() for each in CORPORA), 6)])
def test_presets_by_upstream(name: str, language: str, tmp_path: Path) -> None:
    chance = chance_of_today(f"{name} {language}")
    texts = pieces_of(corpus(language), chance)
    settings = random_settings(chance) | {"vocab_size": chance.choice([300, 1000, 5000]), "initial_alphabet": BYTES}
    settings.pop("limit_alphabet", None)
    settings["special_tokens"] = ["<s>", "th", "e", "Ġ", *settings.get("special_tokens", [])]
    tok = check(preset_file(name), texts, settings, tmp_path)
    reference = Upstream.from_str(json.dumps(saved(tok, tmp_path)))
    for text in texts[:50]:
        assert tok.encode(text[:500]) == reference.encode(text[:500], add_special_tokens=False).ids


@pytest.mark.parametrize("parts", [
    {},
    {"normalizer": {"type": "NFC"}},
    {"normalizer": {"type": "Sequence", "normalizers": [{"type": "NFKC"}, {"type": "Lowercase"}]}},
    {"normalizer": {"type": "Replace", "pattern": {"String": "low"}, "content": "high e"}},
    {"normalizer": {"type": "Prepend", "prepend": "x"}},
    {"pre_tokenizer": {**BYTE_LEVEL, "add_prefix_space": True, "use_regex": True}},
    {"pre_tokenizer": {"type": "Sequence", "pretokenizers": [{"type": "Digits", "individual_digits": True}, BYTE_LEVEL]}},
    {"post_processor": {**BYTE_LEVEL, "trim_offsets": True}},
    {"truncation": {"direction": "Right", "max_length": 5, "strategy": "LongestFirst", "stride": 0}},
], ids=lambda parts: "".join(parts) or "plain")
def test_parts_by_upstream(parts: dict[str, Any], tmp_path: Path) -> None:
    texts = [*TEXTS, "ǆ ÀE\u0301 \ufb01 Low LOW"] * 3
    check(empty(**parts), texts, {"vocab_size": 300, "initial_alphabet": BYTES, "special_tokens": ["<s>"]}, tmp_path)


def test_special_tokens_by_upstream(tmp_path: Path) -> None:
    """Their flags, colliding spellings, one text twice, the empty one."""
    specials = ["", "<s>", AddedToken("lo", lstrip=True), "<s>", AddedToken("<x y>", single_word=True, normalized=True), "Ġ",
                AddedToken("lo", rstrip=True), "low"]
    tok = check(empty(), TEXTS, {"vocab_size": 320, "initial_alphabet": BYTES, "special_tokens": specials}, tmp_path)
    assert tok.added_tokens["<s>"] == 1


def test_a_special_token_is_learned_as_plain_text() -> None:
    tok = train_from_iterator(["<|x|> <|x|>"], BpeTrainer(initial_alphabet=BYTES, special_tokens=["<|x|>"]), like="gpt-2")
    assert b"<|" in tok.inspect().token_bytes() and tok.encode("a<|x|>") == [tok.token_to_id("a"), 0]


@pytest.mark.parametrize(("specials", "fault"), [
    ([AddedToken("a", rstrip=True), " "], "begins with white space beside one with rstrip"),
])
def test_refused_before_a_text_is_read(specials: list[Any], fault: str) -> None:
    def texts() -> Iterator[str]:
        raise AssertionError("a text is read")
        yield ""

    with pytest.raises(UnsupportedError, match=fault):
        train_from_iterator(texts(), BpeTrainer(initial_alphabet=BYTES, special_tokens=specials), like="gpt-2")


def nested() -> Iterator[Any]:
    yield TEXTS[:2]
    yield tuple(TEXTS[2:4])
    yield TEXTS[4].encode()


def test_ways_to_give_texts() -> None:
    trainer = BpeTrainer(vocab_size=290, initial_alphabet=BYTES)
    expected = train_from_iterator(TEXTS, trainer, like="gpt-2")
    assert train_from_iterator(nested(), trainer, like="gpt-2") == expected
    assert train_from_iterator(iter(TEXTS), trainer, like="gpt-2", num_threads=3) == expected
    with pytest.raises(ArgumentError, match="expected a list of texts, found one text"):
        train_from_iterator("abc", trainer, like="gpt-2")


def test_ways_to_give_the_model(tmp_path: Path) -> None:
    trainer = BpeTrainer(vocab_size=290, initial_alphabet=BYTES)
    file = preset_file("deepseek-v3")
    path = tmp_path / "other.json"
    path.write_text(json.dumps(file), encoding="utf-8")
    v3 = dstok.load("deepseek-v3")
    expected = train_from_iterator(TEXTS, trainer, like=file)
    assert expected.fingerprint != train_from_iterator(TEXTS, trainer, like="gpt-2").fingerprint
    likes: list[Any] = ["deepseek-v3", v3, path, str(path), json.dumps(file), json.dumps(file).encode(), Splitter.from_tokenizer(v3)]
    for like in likes:
        assert train_from_iterator(TEXTS, trainer, like=like).fingerprint == expected.fingerprint, like


@pytest.mark.parametrize("normalizer", ["NFC", {"type": "NFC"}])
def test_splitter_with_normalizer(normalizer: Any) -> None:
    trainer = BpeTrainer(vocab_size=290, initial_alphabet=BYTES)
    texts = ["e\u0301 e\u0301", "\u00e9"]
    expected = train_from_iterator(texts, trainer, like=empty(normalizer={"type": "NFC"}))
    assert train_from_iterator(texts, trainer, like=Splitter.preset("gpt-2"), normalizer=normalizer).fingerprint == expected.fingerprint


def test_defaults_spell_every_text() -> None:
    assert train_from_iterator(TEXTS, BpeTrainer(vocab_size=300), like="gpt-2").inspect().lost_bytes == b""


@pytest.mark.parametrize("seed", seeds(400, 20))
def test_alphabets_that_lack_bytes_by_upstream(seed: int, tmp_path: Path) -> None:
    """Those of upstream's defaults, and smaller ones; the trained models encode as upstream's do."""
    chance = random.Random(seed)
    texts = list(random_words(chance, 30))
    settings = {"initial_alphabet": [], "special_tokens": [], **random_settings(chance)}
    file = empty()
    if chance.random() < 0.5:
        settings["special_tokens"] = ["<unk>", *settings["special_tokens"]]
        file["model"] |= {"unk_token": "<unk>", "fuse_unk": chance.random() < 0.5}
    settings["vocab_size"] += 300 if chance.random() < 0.9 else 0
    try:
        tok = check(file, texts, settings, tmp_path)
    except (ArgumentError, UnsupportedError) as error:
        assert error.where in ("limit_alphabet", "initial_alphabet", "vocab_size")  # type: ignore[union-attr]
        return
    judge = Upstream.from_str(json.dumps(saved(tok, tmp_path)))
    for text in [*texts, "zebra é \x00", "".join(texts)]:
        assert tok.encode(text) == judge.encode(text, add_special_tokens=False).ids


def test_an_extension_leaves_lost_bytes_out_of_words() -> None:
    """A token stands for them in a text, but not in the words of a training."""
    file, texts = empty(), ["axaxbaaab" * 3 + "bbaac"] * 2
    file["model"]["unk_token"] = "<unk>"
    small, large = (train_from_iterator(texts, BpeTrainer(vocab_size=size, special_tokens=["<unk>"], limit_alphabet=2), like=file)
                    for size in (4, 6))
    assert small.inspect().lost_bytes and small.inspect().unknown_token == 0 and large.vocab_size == 6
    assert dstok.training.extend(small, dstok.training.count_pieces(Splitter.from_tokenizer(small), texts), 6) == large


@pytest.mark.parametrize(("settings", "fault"), [
    ({"vocab_size": 100}, "expected a vocab_size of at least 257, since 1 special tokens and 256 bytes .* found 100"),
    ({"vocab_size": 3, "initial_alphabet": []}, "expected a vocab_size of at least 4, since 1 special tokens and 3 bytes"),
    ({"initial_alphabet": [], "special_tokens": [], "limit_alphabet": 0}, "found none: no token is left"),
])
def test_refused_sizes(settings: dict[str, Any], fault: str) -> None:
    with pytest.raises(ArgumentError, match=fault):
        train_from_iterator(["low"], BpeTrainer(**{"special_tokens": ["<s>"], **settings}), like="gpt-2")


@pytest.mark.parametrize(("like", "error", "fault"), [
    ("no-such-model", ModelNotFoundError, "no-such-model"),
    (3, ArgumentError, "expected the name of a model, a tokenizer.json, a Tokenizer or a Splitter as like, found int"),
    (empty(pre_tokenizer={"type": "WhitespaceSplit"}), UnsupportedError, "a pre-tokenizer without ByteLevel"),
    (empty(pre_tokenizer=None), UnsupportedError, "a pre-tokenizer without ByteLevel"),
    (empty(decoder=None), UnsupportedError, "no decoder"),
    ({"version": "1.0"}, dstok.TokenizerFileError, "expected the key 'model'"),
])
def test_refused_models(like: Any, error: type[Exception], fault: str) -> None:
    with pytest.raises(error, match=fault):
        train_from_iterator(iter(()), BpeTrainer(), like=like)


def test_refused_arguments() -> None:
    with pytest.raises(ArgumentError, match="expected a normalizer with a Splitter only"):
        train_from_iterator(TEXTS, like="gpt-2", normalizer="NFC", trainer=BpeTrainer())
    with pytest.raises(ArgumentError, match="expected a dstok.training.BpeTrainer, found tokenizers"):
        train_from_iterator(TEXTS, trainers.BpeTrainer(), like="gpt-2")  # type: ignore[arg-type]


@pytest.mark.parametrize("normalizer", [None, "NFC"])
def test_broken_texts(normalizer: str | None) -> None:
    with pytest.raises(TextError, match="text 1: expected utf-8|expected utf-8.* of text 1"):
        train_from_iterator(["a", b"b\xff"], BpeTrainer(), like=Splitter.preset("gpt-2"), normalizer=normalizer)


def template(token: str) -> dict[str, Any]:
    sequence = {"Sequence": {"id": "A", "type_id": 0}}
    special = {"SpecialToken": {"id": "begin", "type_id": 0}}
    return {"type": "TemplateProcessing", "single": [special, sequence], "pair": [special, sequence, {"Sequence": {"id": "B", "type_id": 1}}],
            "special_tokens": {"begin": {"id": "begin", "ids": [77], "tokens": [token]}}}


@pytest.mark.parametrize("processor", [
    template("<s>"), {"type": "BertProcessing", "sep": ["</s>", 7], "cls": ["<s>", 8]},
    {"type": "RobertaProcessing", "sep": ["</s>", 7], "cls": ["<s>", 8], "trim_offsets": False, "add_prefix_space": False},
])
def test_ids_around_texts_are_renewed(processor: dict[str, Any], tmp_path: Path) -> None:
    padding = {"strategy": "BatchLongest", "direction": "Right", "pad_to_multiple_of": None, "pad_id": 9, "pad_type_id": 0, "pad_token": "<p>"}
    file = empty(post_processor=processor, padding=padding)
    trainer = BpeTrainer(initial_alphabet=BYTES, vocab_size=270, special_tokens=["<p>", "</s>", "<s>"])
    written = saved(train_from_iterator(TEXTS, trainer, like=file), tmp_path)
    reference = Upstream.from_str(json.dumps(written))
    ids = reference.encode("low").ids
    assert ids[0] == 2 and (len(ids) < 3 or ids[-1] == 1 or processor["type"] == "TemplateProcessing")
    assert written["padding"]["pad_id"] == 0
    with pytest.raises(UnsupportedError, match="settings that put '</?s>' around texts, without a special token of this text"):
        train_from_iterator(iter(()), BpeTrainer(special_tokens=["<p>"]), like=file)


def test_ends_are_renewed() -> None:
    v3 = dstok.load("deepseek-v3")
    bos, eos = (v3.id_to_token(i) for i in (v3.bos_id, v3.eos_id) if i is not None)
    trainer = BpeTrainer(initial_alphabet=BYTES, vocab_size=270, special_tokens=["x", eos])
    tok = train_from_iterator(TEXTS, trainer, like=v3)
    assert (tok.bos_id, tok.eos_id) == (None, 1) and tok.config.chat_template is None
    assert find_base(v3).renamed({bos: "<b>"}).ends == {"bos_id": "<b>", "eos_id": eos, "pad_id": eos}
