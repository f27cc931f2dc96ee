"""Folders with tiktoken.model (Kimi) or qwen.tiktoken: ids of the encoding that the model's Python file makes; refusals."""

from __future__ import annotations

import json
import unicodedata
from base64 import b64encode
from pathlib import Path
from typing import Any

import pytest
import tiktoken
from hypothesis import given
from judges import rank_file
from kept import kept
from reference import examples
from shared_data import CORPORA, corpus
from text_strategies import texts as odd_texts

import dstok
from dstok.errors import DstokError, TokenizerFileError, UnsupportedError
from dstok.formats.rank_folders import WRAPPERS
from dstok.formats.tiktoken import read_ranks

KIMI, QWEN = WRAPPERS["tiktoken.model"], WRAPPERS["qwen.tiktoken"]
SMALL = {**{bytes([byte]): byte for byte in range(256)}, b"ab": 256, b" ab": 257, "中文".encode()[:4]: 258}
NAMED = {259: ("[BOS]", True), 260: ("[EOS]", True), 262: ("<|tool|>", False)}


def code_of(name: str) -> str:
    """A stand-in for the model's Python file: the texts that count, and a literal."""
    return "\n".join([*WRAPPERS[name].lines, 'ENDOFTEXT = "<|endoftext|>"'])


def folder(path: Path, name: str, ranks: bytes, config: dict[str, Any] | None, code: str | None = None) -> Path:
    (path / name).write_bytes(ranks)
    (path / WRAPPERS[name].code).write_text(code_of(name) if code is None else code, encoding="utf-8")
    if config is not None:
        (path / "tokenizer_config.json").write_text(json.dumps(config), encoding="utf-8")
    return path


def written(ranks: dict[bytes, int]) -> bytes:
    return b"".join(b"%s %d\r\n" % (b64encode(token), rank) for token, rank in ranks.items())


def kimi_config(first: int = 259) -> dict[str, Any]:
    tokens = {str(first + number - 259): {"content": content, "special": special} for number, (content, special) in NAMED.items()}
    return {"added_tokens_decoder": tokens, "bos_token": "[BOS]", "eos_token": "[EOS]", "pad_token": "[PAD]",
            "tokenizer_class": "TikTokenTokenizer"}


@kept(most=1)
def kimi(path: Path) -> tuple[dstok.Tokenizer, tiktoken.Encoding]:
    """Kimi's pattern over cl100k's ranks but the last, ours and tiktoken's."""
    data = b"".join(rank_file("cl100k_base").splitlines(keepends=True)[:-1])
    ranks = read_ranks(data)
    first = len(ranks)
    special = {NAMED[259 + number][0] if 259 + number in NAMED else f"<|reserved_token_{first + number}|>": first + number
               for number in range(258)}
    tok = dstok.load(folder(path, "tiktoken.model", data, kimi_config(first)))
    return tok, tiktoken.Encoding("kimi", pat_str=KIMI.pattern, mergeable_ranks=ranks, special_tokens=special)


@pytest.fixture(scope="module")
def both(tmp_path_factory: pytest.TempPathFactory) -> tuple[dstok.Tokenizer, tiktoken.Encoding]:
    return kimi(tmp_path_factory.mktemp("kimi"))


@pytest.mark.parametrize("name", CORPORA)
def test_kimi_on_corpora(name: str, both: tuple[dstok.Tokenizer, tiktoken.Encoding]) -> None:
    tok, judge = both
    for start in range(0, 600_000, 60_000):
        text = corpus(name)[start : start + 60_000]
        assert tok.encode(text) == judge.encode(text, allowed_special="all")


@examples(200)
@given(odd_texts)
def test_kimi_on_odd_texts(both: tuple[dstok.Tokenizer, tiktoken.Encoding], text: str) -> None:
    tok, judge = both
    text += "[BOS]中文kana カナ's<|reserved_token_100257|>" + text
    assert tok.encode(text) == judge.encode(text, allowed_special="all")
    assert tok.encode(text, special="none") == judge.encode_ordinary(text)
    assert tok.decode(tok.encode(text)) == text


def test_kimi_special_tokens(tmp_path: Path) -> None:
    tok = dstok.load(folder(tmp_path, "tiktoken.model", written(SMALL), kimi_config()))
    assert (tok.vocab_size, tok.bos_id, tok.eos_id, tok.config.pad_id) == (259 + 258, 259, 260, None)
    assert tok.encode("[BOS]ab<|tool|><|reserved_token_261|>") == [259, 256, 262, 261]
    assert tok.decode([259, 256, 262, 261], skip_special_tokens=True) == "ab<|tool|>"
    assert dstok.Tokenizer.from_tiktoken(tmp_path / "tiktoken.model") == tok


def test_qwen(tmp_path: Path) -> None:
    """Special tokens are found in the text after NFC: with U+0338 behind it, the ">" of one is part of another character."""
    tok = dstok.load(folder(tmp_path, "qwen.tiktoken", written(SMALL), {"tokenizer_class": "QWenTokenizer"}))
    judge = tiktoken.Encoding("qwen", pat_str=QWEN.pattern, mergeable_ranks=SMALL, special_tokens=tok.special_tokens)
    assert (len(tok.special_tokens), tok.vocab_size, tok.eos_id) == (208, 151643 + 208, 151643)
    for text in ("ab<|im_end|>x", "ab<|im_end|>\u0338", "e\u0301<|extra_204|>", "<|im_start|>\u0338<|im_start|>", "\u212b 12 中文"):
        assert tok.encode(text) == judge.encode(unicodedata.normalize("NFC", text), allowed_special="all")


BROKEN: list[tuple[str, dict[str, Any] | None, str | None, type[DstokError], str]] = [
    ("tiktoken.model", None, None, TokenizerFileError, "tokenizer_config.json"),
    ("tiktoken.model", {}, None, TokenizerFileError, "added_tokens_decoder"),
    ("tiktoken.model", {"added_tokens_decoder": {"259": {"content": 1}}}, None, TokenizerFileError, 'added_tokens_decoder["259"].content'),
    ("tiktoken.model", {"added_tokens_decoder": {"260": {"content": "<|reserved_token_259|>", "special": True}}}, None,
     TokenizerFileError, "each token once"),
    ("tiktoken.model", {**kimi_config(), "bos_token": "[X]"}, None, TokenizerFileError, "bos_token"),
    ("tiktoken.model", kimi_config(), "", UnsupportedError, "another model"),
    ("tiktoken.model", kimi_config(), code_of("tiktoken.model").replace("&&", "--"), UnsupportedError, "another model"),
    ("qwen.tiktoken", {}, code_of("qwen.tiktoken") + '\nIMAGE = "<img>"', UnsupportedError, "'<img>'"),
    ("qwen.tiktoken", {}, code_of("qwen.tiktoken").replace("NFC", "NFKC"), UnsupportedError, "another model"),
]


@pytest.mark.parametrize(("name", "config", "code", "error", "part"), BROKEN)
def test_refused(
    name: str, config: dict[str, Any] | None, code: str | None, error: type[DstokError], part: str, tmp_path: Path,
) -> None:
    with pytest.raises(error) as caught:
        dstok.load(folder(tmp_path, name, written(SMALL), config, code))
    assert part in str(caught.value)


def test_a_rank_file_alone(tmp_path: Path) -> None:
    for name in WRAPPERS:
        (tmp_path / name).write_bytes(written(SMALL))
        with pytest.raises(UnsupportedError, match="without the tokenization_"):
            dstok.load(tmp_path / name)
    assert dstok.Tokenizer.from_tiktoken(tmp_path / "qwen.tiktoken", r"\s+|\S+", {}).encode("ab") == [256]
