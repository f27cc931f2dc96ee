"""GGUF: files read as the package gguf reads them, models written and read again, what is refused and what is told."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import tokenizers
from gguf import GGUFReader
from gguf_bytes import gguf_bytes, small_values
from gguf_models import REAL, SMALL, TEXTS, Written, all_tokens, config_of, smaller_written, whole, written
from real_models import real
from shared_data import shared, wiki
from small_models import added_token, model_json
from smaller_models import smaller_json
from upstream import pre_tokenizer

import dstok
from dstok.errors import DstokError, TextError, TokenizerFileError, UnsupportedError
from dstok.formats.components import GPT2_PATTERN
from dstok.formats.description import AddedToken, TokenizerConfig
from dstok.formats.gguf import ARRAYS, describe_gguf, read_gguf
from dstok.formats.llama_cpp import CHECK_TEXT, FAMILIES, HASHES, NO_WHOLE, family_base, family_of_pre, same_pieces
from dstok.regex import Split


def settings(name: str) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(config_of(name))
    return found


# Real models


@pytest.mark.parametrize(("name", "size"), [*((name, "small") for name in SMALL), *((name, "whole") for name in whole("gguf"))])
def test_real_models(name: str, size: str) -> None:
    """Settings of tokenizer_config.json are in what is written; read again, it has upstream's ids.

    Some with a small vocabulary, one on some days with its own: of several names with the same steps a small one gets
    the first, since only the ids of the whole vocabulary tell which one is meant.
    """
    if size == "whole":
        check_whole(name)
        return
    values = check_settings(smaller_written(name), name)
    assert family_of_pre(values["tokenizer.ggml.pre"]).steps == family_of_pre(REAL[name]).steps
    check_read_again(smaller_written(name), tokenizers.Tokenizer.from_str(smaller_json(name)))


def check_whole(name: str) -> None:
    assert check_settings(written(name), name)["tokenizer.ggml.pre"] == REAL[name]
    again = check_read_again(written(name), real(name))
    running = wiki()
    assert again.encode(running) == written(name).tok.encode(running)
    assert (NO_WHOLE in written(name).told) == (REAL[name] == "glm4")


def check_settings(made: Written, name: str) -> dict[str, Any]:
    """What is written, which agrees with tokenizer_config.json."""
    tok, values, config = made.tok, read_gguf(made.path), settings(name)
    assert values["tokenizer.ggml.add_bos_token"] == bool(config.get("add_bos_token"))
    assert values.get("tokenizer.chat_template") == config.get("chat_template")
    for key, kind in (("bos", "bos"), ("eos", "eos"), ("pad", "padding")):
        token = config.get(f"{key}_token")
        content = token["content"] if isinstance(token, dict) else token
        assert values.get(f"tokenizer.ggml.{kind}_token_id") == (None if content is None else tok.token_to_id(content))
    return values


def check_read_again(made: Written, judge: tokenizers.Tokenizer) -> dstok.Tokenizer:
    """What is read of the file has the ids of upstream, and all else that the tokenizer has."""
    tok, again = made.tok, dstok.load(made.path)
    for text in [*TEXTS, all_tokens(tok), *(f"a{content}b" for content in tok.added_tokens)]:
        assert again.encode(text) == tok.encode(text) == judge.encode(text, add_special_tokens=False).ids
    assert again.added_tokens == dict(sorted(tok.added_tokens.items(), key=lambda item: item[1]))
    assert again.vocab_size == tok.vocab_size and (again.bos_id, again.eos_id) == (tok.bos_id, tok.eos_id)
    assert any("Unicode" in sentence for sentence in made.told)
    return again


def test_our_reader_is_the_packages(tmp_path: Path) -> None:
    path = tmp_path / "x.gguf"
    smaller_written("deepseek-v3").tok.to_gguf(path)
    (tmp_path / "y.gguf").write_bytes(gguf_bytes(small_values()))
    for file in (path, tmp_path / "y.gguf"):
        ours, theirs = read_gguf(file), GGUFReader(file)
        fields = {key: field.contents() for key, field in theirs.fields.items() if not key.startswith("GGUF.")}
        assert ours == {key: value if key in ARRAYS or not isinstance(value, list) else range(len(value))
                        for key, value in fields.items()}


def test_built_in_models_need_no_config(tmp_path: Path) -> None:
    told = dstok.load("deepseek-v4").to_gguf(tmp_path / "x.gguf")
    assert not any("add_bos_token" in sentence for sentence in told) and any("CONTROL" in sentence for sentence in told)
    model = describe_gguf(tmp_path / "x.gguf")
    assert model.config == TokenizerConfig(bos_id=0, eos_id=1, pad_id=1, add_bos=False, add_eos=False)
    assert len(model.tokens) == dstok.load("deepseek-v4").vocab_size


def test_replaced_at_once(tmp_path: Path) -> None:
    """A file that cannot be written leaves the old one, and nothing beside it."""
    path = tmp_path / "x.gguf"
    path.write_bytes(b"old")
    with pytest.raises(UnsupportedError):
        dstok.Tokenizer.from_str(model_json()).to_gguf(path)
    with pytest.raises(FileNotFoundError):
        dstok.load("deepseek-v3").to_gguf(tmp_path / "nowhere" / "x.gguf")
    with pytest.raises(TextError, match=r"U\+DCFF"):  # the command has it for a byte that is no UTF-8
        dstok.load("deepseek-v3").to_gguf(path, architecture="\udcff")
    assert path.read_bytes() == b"old" and list(tmp_path.iterdir()) == [path]


# Families


def test_families_are_those_of_the_published_files() -> None:
    """The steps of each family are, word for word, those of a published tokenizer.json."""
    for name in SMALL:
        file = json.loads(smaller_json(name))  # all but the vocabulary is as it was published
        published = file["pre_tokenizer"]["pretokenizers"]
        assert published.pop()["type"] == "ByteLevel"
        family = family_of_pre(REAL[name])
        assert list(family.steps) == published, name
        assert family.normalizer == file["normalizer"] or (family.normalizer, file["normalizer"]["normalizers"]) == (None, [])
        assert family.ignore_merges == bool(file["model"].get("ignore_merges"))
    assert {name for family in FAMILIES for name in family.names} >= set(HASHES.values())


def test_check_text_and_hashes() -> None:
    known = json.loads(shared("fixtures/chkhsh.json").read_text(encoding="utf-8"))
    assert known["chktxt"] == CHECK_TEXT
    assert {entry["sha256"]: entry["pre"] for entry in known["table"]} == HASHES


def test_same_pieces() -> None:
    """Patterns are compared by what they do, on code points."""
    gpt2 = (Split(GPT2_PATTERN),)
    shorter = (Split(r"'(?:[stmd]|re|ve|ll)| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s"),)
    assert same_pieces(gpt2, shorter, "16.0")
    assert same_pieces(gpt2, (Split(GPT2_PATTERN, "Removed", True),), "16.0")
    for other in (GPT2_PATTERN.replace("|'d", ""), GPT2_PATTERN.replace(r"\p{N}", r"\d"), GPT2_PATTERN.replace("'s", "'x")):
        assert not same_pieces(gpt2, (Split(other),), "16.0")
    assert not same_pieces(gpt2, (Split(GPT2_PATTERN, "Removed"),), "16.0")
    assert not same_pieces(gpt2, (), "16.0")


def test_equivalent_patterns_get_the_name(tmp_path: Path) -> None:
    """GPT-2's pattern in tiktoken's words is gpt-2's."""
    ranks = {bytes([byte]): byte for byte in range(256)} | {b"ab": 256}
    tok = dstok.Tokenizer.from_tiktoken(ranks, "r50k_base", {"<|endoftext|>": 257})
    tok.to_gguf(tmp_path / "x.gguf")
    assert read_gguf(tmp_path / "x.gguf")["tokenizer.ggml.pre"] == "gpt-2"
    assert dstok.load(tmp_path / "x.gguf").encode("ab <|endoftext|>") == tok.encode("ab <|endoftext|>")
    with pytest.raises(UnsupportedError, match="none of llama.cpp's"):  # its end of text is not llama.cpp's
        dstok.Tokenizer.from_tiktoken(ranks, "cl100k_base").to_gguf(tmp_path / "y.gguf")


def test_unknown_pre(tmp_path: Path) -> None:
    (tmp_path / "x.gguf").write_bytes(gguf_bytes(small_values(pre="kimi-k2")))
    with pytest.raises(UnsupportedError, match="'kimi-k2', which is none of chatglm-bpe, deepseek-coder, .*qwen35 - at tokenizer.ggml.pre"):
        dstok.load(tmp_path / "x.gguf")


# Small models


def test_a_small_file(tmp_path: Path) -> None:
    (tmp_path / "x.gguf").write_bytes(gguf_bytes(small_values()))
    tok = dstok.load(tmp_path / "x.gguf")
    assert tok.encode("abcd<s>ab[PAD261]<u>", add_bos=True)[:4] == [259, 258, 259, 256]
    assert tok.added_tokens == {"<s>": 259, "<u>": 260}
    assert tok.decode([259, 97, 260], skip_special_tokens=True) == "a<u>"
    with pytest.raises(DstokError):
        tok.decode([261])


def test_without_types_no_token_is_added(tmp_path: Path) -> None:
    (tmp_path / "x.gguf").write_bytes(gguf_bytes(small_values(token_type=None)))
    tok = dstok.load(tmp_path / "x.gguf")
    assert tok.added_tokens == {} and tok.encode("<s>") == [60, 115, 62]


@pytest.mark.parametrize(("change", "error", "message"), [
    ({"pre": None}, TokenizerFileError, "expected a value, found none - at tokenizer.ggml.pre"),
    ({"model": "gemma4"}, UnsupportedError, "found 'gemma4' - at tokenizer.ggml.model"),
    ({"merges": ["a zz"]}, TokenizerFileError, r"no token is 'zz' - at tokenizer.ggml.merges\[0\]"),
    ({"merges": ["a b", "a b"]}, TokenizerFileError, r"found merge 0 again - at tokenizer.ggml.merges\[1\]"),
    ({"token_type": [1] * 9}, TokenizerFileError, "expected 262 types, one a token, found an array of 9"),
    ({"token_type": [1] * 261 + [7]}, TokenizerFileError, r"found the number 7 - at tokenizer.ggml.token_type\[261\]"),
    ({"bos_token_id": 262}, TokenizerFileError, "expected an integer from 0 to 261, found the number 262"),
    ({"add_bos_token": "yes"}, TokenizerFileError, "expected true or false, found the string 'yes'"),
])
def test_errors_name_the_place(change: dict[str, Any], error: type[DstokError], message: str, tmp_path: Path) -> None:
    (tmp_path / "x.gguf").write_bytes(gguf_bytes(small_values(**change)))
    with pytest.raises(error, match=message):
        dstok.load(tmp_path / "x.gguf")


def with_v3_steps(text: str) -> dstok.Tokenizer:
    return dstok.Tokenizer.from_str(json.dumps(json.loads(text) | {"pre_tokenizer": pre_tokenizer("deepseek-v3")}))


@pytest.mark.parametrize("flag", ["lstrip", "rstrip", "single_word"])
def test_flags_are_refused(flag: str, tmp_path: Path) -> None:
    tok = with_v3_steps(model_json(added=[added_token("<a>"), added_token("<b>", **{flag: True})]))
    with pytest.raises(UnsupportedError, match=r"lstrip, rstrip or single_word, .* - at added_tokens\[1\]"):
        tok.to_gguf(tmp_path / "x.gguf")


def test_what_is_told(tmp_path: Path) -> None:
    tok = with_v3_steps(model_json([(b"a", b"b")], [added_token("<|a|>"), added_token("[x]"), added_token("]y[")]))
    told = "\n".join(tok.to_gguf(tmp_path / "x.gguf"))
    assert "1 added tokens that are not special, '<|a|>' the first" in told
    assert "can overlap" in told and "add_bos_token" in told
    assert read_gguf(tmp_path / "x.gguf")["tokenizer.ggml.token_type"][-3:] == [3, 4, 4]


def test_whole_pieces_that_the_name_does_not_have(tmp_path: Path) -> None:
    """V3's pre-tokenizer with ignore_merges: fine as long as merging makes every token, else no name says it."""
    for extra, works in (([], True), ([b"xyz"], False)):
        tok = with_v3_steps(model_json([(b"a", b"b")], extra=extra, ignore_merges=True))
        if works:
            tok.to_gguf(tmp_path / "x.gguf")
            assert dstok.load(tmp_path / "x.gguf").encode("abxyz") == tok.encode("abxyz")
        else:
            with pytest.raises(UnsupportedError, match="ignore_merges true"):
                tok.to_gguf(tmp_path / "x.gguf")


def test_one_spelling_twice(tmp_path: Path) -> None:
    """An added token that is spelled as a token of the vocabulary: llama.cpp would take the one for the other."""
    model = family_base("gpt-2")._replace(added_tokens=(AddedToken(256, "Ġ"),))
    with pytest.raises(UnsupportedError, match="two tokens of one spelling, 'Ġ': ids 32 and 256"):
        dstok.Tokenizer._of_description(model).to_gguf(tmp_path / "x.gguf")
