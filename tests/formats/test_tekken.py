"""tekken.json: the ids of mistral-common, from its own files and from small ones; what it refuses; folders of the hub."""

from __future__ import annotations

import json
import sys
from base64 import b64encode
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from judges import judge
from kept import kept
from reference import examples
from shared_data import CORPORA, corpus
from shares import seeds
from text_strategies import texts as odd_texts

import dstok
from dstok.errors import ArgumentError, DstokError, TokenizerFileError, UnsupportedError

PATTERN = r"[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n/]*|\s*[\r\n]+|\s+(?!\S)|\s+"
TOKENS = [*(bytes([byte]) for byte in range(256)), b"ab", b" ab", "é".encode(), b"abab", b"left out"]
FILES = ("tekken_240718.json", "tekken_240911.json")


def small() -> dict[str, Any]:
    """A file of 21 special tokens and 260 of 261 others."""
    vocab = [{"rank": rank, "token_bytes": b64encode(token).decode(), "token_str": None} for rank, token in enumerate(TOKENS)]
    config = {"pattern": PATTERN, "num_vocab_tokens": len(vocab), "default_vocab_size": 281, "default_num_special_tokens": 21,
              "version": "v3"}
    return {"config": config, "vocab": vocab}


def listing(*names: str) -> list[dict[str, Any]]:
    return [{"rank": rank, "token_str": name, "is_control": True} for rank, name in enumerate(names)]


@kept(most=1)
def tekkenizer() -> Any:
    """mistral-common's class."""
    sys.path.append(str(judge("mistral")))  # after the packages that are installed
    from mistral_common.tokens.tokenizers.tekken import Tekkenizer  # type: ignore[import-not-found]

    return Tekkenizer


@kept(most=1)
def real(name: str) -> tuple[dstok.Tokenizer, Any]:
    path = judge(f"mistral/mistral_common/data/{name}")
    return dstok.load(path), tekkenizer().from_file(path)


def compare(tok: dstok.Tokenizer, theirs: Any, text: str) -> None:
    ids = theirs.encode(text, bos=False, eos=False)
    assert tok.encode(text, special="none") == ids, text
    assert tok.encode(text, special="none", add_bos=True, add_eos=True) == theirs.encode(text, bos=True, eos=True)
    assert tok.decode(ids) == theirs.decode(ids)


TODAY = FILES[next(iter(seeds(2, 1)))]


@pytest.mark.parametrize("name", CORPORA)
def test_corpora(name: str) -> None:
    for start in range(0, 400_000, 40_000):
        compare(*real(TODAY), corpus(name)[start : start + 40_000])


@examples(150)
@given(odd_texts)
def test_odd_texts(text: str) -> None:
    compare(*real(TODAY), text)


def test_real_special_tokens() -> None:
    tok, theirs = real(TODAY)
    assert (tok.vocab_size, tok.bos_id, tok.eos_id, tok.config.pad_id) == (theirs.n_words, 1, 2, 11)
    assert {**tok.added_tokens} == theirs._special_tokens_reverse_vocab
    assert tok.encode("[INST]Hi[/INST]")[::2] == [3, 4]
    assert [tok.decode_bytes([id]) for id in range(1000, 2000)] == [theirs.id_to_byte_piece(id) for id in range(1000, 2000)]


def changed(change: Callable[[dict[str, Any]], Any]) -> dict[str, Any]:
    file = small()
    change(file)
    return file


def listed(*names: str) -> Callable[[dict[str, Any]], Any]:
    return lambda file: file.update(special_tokens=listing(*names))


def setting(key: str, value: Any) -> Callable[[dict[str, Any]], Any]:
    return lambda file: file["config"].update({key: value})


def both_changed(*changes: Callable[[dict[str, Any]], Any]) -> Callable[[dict[str, Any]], Any]:
    return lambda file: [change(file) for change in changes]


READ = [small(), changed(listed("<s>", "</s>")), changed(listed(*(f"<{number}>" for number in range(21)))),
        changed(both_changed(listed("</s>"), setting("version", "v13"))), changed(setting("default_vocab_size", 282)),
        changed(lambda file: file.update(image={"image_patch_size": 16, "max_image_size": 1024})),
        changed(lambda file: file.update(multimodal={"image_patch_size": 16, "max_image_size": 1024}, model_settings_builder=None)),
        changed(lambda file: file["vocab"].append({}))]


@pytest.mark.parametrize("file", READ)
def test_small_files(file: dict[str, Any], tmp_path: Path) -> None:
    path = tmp_path / "tekken.json"
    path.write_text(json.dumps(file), encoding="utf-8")
    tok, theirs = dstok.load(tmp_path), tekkenizer().from_file(path)
    assert {**tok.added_tokens} == theirs._special_tokens_reverse_vocab
    assert tok.vocab_size == theirs.n_words
    for text in ("ab abab é1 left out<s></s> <SPECIAL_20>\n\n x", "", "\r\n/中"):
        assert tok.encode(text, special="none") == theirs.encode(text, bos=False, eos=False)
        ids = [*tok.encode(text), 0]
        assert tok.decode(ids, skip_special_tokens=True) == theirs.decode(ids)
    assert dstok.Tokenizer.from_str(json.dumps(file)) == dstok.Tokenizer.from_json(path) == tok


def entry(number: int, **values: Any) -> Callable[[dict[str, Any]], Any]:
    return lambda file: file["vocab"][number].update(values)


newer = both_changed(listed("<s>"), setting("version", "v13"))
REFUSED: list[tuple[Callable[[dict[str, Any]], Any], type[DstokError], str]] = [
    (setting("version", "v4"), UnsupportedError, "$.config.version"),
    (setting("version", "v13"), TokenizerFileError, "$.config.version"),
    (setting("default_vocab_size", 283), TokenizerFileError, "$.config.default_vocab_size"),
    (setting("default_vocab_size", 1 << 40), TokenizerFileError, "$.config.default_vocab_size"),
    (setting("default_num_special_tokens", 19), TokenizerFileError, "$.config.default_num_special_tokens"),
    (setting("pattern", 1), TokenizerFileError, "$.config.pattern"),
    (lambda file: file["config"].pop("pattern"), TokenizerFileError, "$.config"),
    (listed("a", "a"), TokenizerFileError, "$.special_tokens[1].token_str"),
    (listed("a", "<SPECIAL_20>"), TokenizerFileError, "$.special_tokens"),
    (entry(7, rank=8), TokenizerFileError, "$.vocab[7].rank"),
    (entry(7, rank=7.0), TokenizerFileError, "$.vocab[7].rank"),
    (entry(7, extra=1), TokenizerFileError, "$.vocab[7]"),
    (lambda file: file["vocab"][7].pop("token_str"), TokenizerFileError, "$.vocab[7]"),
    (both_changed(newer, lambda file: file.update(multimodal={"image_patch_size": 16, "max_image_size": 9})),
     TokenizerFileError, "$.multimodal"),
    (both_changed(newer, lambda file: file.update(model_settings_builder={})), TokenizerFileError, "$.model_settings_builder"),
    (entry(7, token_bytes="CA=="), TokenizerFileError, "$.vocab[7].token_bytes"),
    (entry(7, token_bytes="é"), TokenizerFileError, "$.vocab[7].token_bytes"),
    (entry(257, token_bytes=b64encode(b"ab").decode()), TokenizerFileError, "$.vocab[257].token_bytes"),
]


ALONE: list[tuple[Callable[[dict[str, Any]], Any], type[DstokError], str]] = [  # mistral-common loads them
    (setting("default_vocab_size", 276), TokenizerFileError, "$.config.default_vocab_size"),
    (lambda file: file.update(special_tokens=listing("a", "b")[1:]), TokenizerFileError, "$.special_tokens[0].rank"),
    (lambda file: file.update(special_tokens=[{"rank": 0.0, "token_str": "a"}]), TokenizerFileError, "$.special_tokens[0].rank"),
    (setting("pattern", r"(a)\1"), UnsupportedError, "position 3 of '(a)\\\\1'"),
    (listed("a", "ab"), UnsupportedError, "special token 'a'"),
]


@pytest.mark.parametrize(("change", "error", "where"), ALONE)
def test_refused_alone(change: Callable[[dict[str, Any]], Any], error: type[DstokError], where: str) -> None:
    """Bytes without a token, ids that contradict each other, and what dstok refuses of tiktoken, too."""
    with pytest.raises(error) as caught:
        dstok.Tokenizer.from_str(json.dumps(changed(change)))
    assert str(caught.value).endswith(where)


@pytest.mark.parametrize(("change", "error", "where"), REFUSED)
def test_refused(change: Callable[[dict[str, Any]], Any], error: type[DstokError], where: str, tmp_path: Path) -> None:
    """mistral-common refuses them, too; but it takes base64 with other characters in between."""
    text = json.dumps(changed(change))
    with pytest.raises(error) as caught:
        dstok.Tokenizer.from_str(text)
    assert str(caught.value).endswith(f" - at {where}")
    (tmp_path / "tekken.json").write_text(text, encoding="utf-8")
    with pytest.raises((AssertionError, ValueError, KeyError, TypeError)):
        tekkenizer().from_file(tmp_path / "tekken.json")


def test_versions_of_upstream() -> None:
    with pytest.raises(ArgumentError, match="no version of upstream"):
        dstok.Tokenizer.from_str(json.dumps(small()), upstream="tokenizers-0.21.1")


def test_settings_beside_the_file(tmp_path: Path) -> None:
    (tmp_path / "tekken.json").write_text(json.dumps(small()), encoding="utf-8")
    (tmp_path / "tokenizer_config.json").write_text('{"bos_token": "[INST]", "add_bos_token": true}', encoding="utf-8")
    (tmp_path / "chat_template.jinja").write_text("{{ bos_token }}", encoding="utf-8")
    tok = dstok.load(tmp_path)
    assert (tok.bos_id, tok.eos_id, tok.config.add_bos, tok.config.chat_template) == (3, None, True, "{{ bos_token }}")
