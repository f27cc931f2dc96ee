"""Folders with tiktoken.model (Kimi) or qwen.tiktoken: ids of the encoding that the model's Python file makes; refusals."""

from __future__ import annotations

import json
import pickle
import unicodedata
from base64 import b64encode
from collections.abc import Callable
from functools import partial
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
from dstok.errors import DstokError, TextError, TokenizerFileError, UnsupportedError
from dstok.formats.tiktoken import WRAPPERS, read_ranks

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


def test_kimis_ids_in_other_spellings(tmp_path: Path) -> None:
    """transformers reads the keys by Python's `int`."""
    named = kimi_config()["added_tokens_decoder"]
    config = {**kimi_config(), "added_tokens_decoder": {"0259": named["259"], " 260": named["260"], "2_62": named["262"]}}
    tok = dstok.load(folder(tmp_path, "tiktoken.model", written(SMALL), config))
    assert tok.encode("[BOS]ab[EOS]<|tool|>") == [259, 256, 260, 262]


def cut(text: str) -> list[str]:
    """The parts of a text that Kimi's own code gives to tiktoken, one character after the other."""
    parts = list[str]()
    for window in (text[at : at + 400_000] for at in range(0, len(text), 400_000)):
        begin, run = 0, 0
        for at, char in enumerate(window):
            run = run + 1 if at and char.isspace() == window[at - 1].isspace() else 1
            if run > 25_000:
                parts.append(window[begin:at])
                begin, run = at, 1
        parts.append(window[begin:])
    return parts


LONG = {
    "run of letters": "ab" * 25_001, "exactly": "ab" * 12_500 + " " * 25_000, "one more": "x " + "b" * 25_001 + " ab",
    "runs of both": ("ab" * 13_000 + "\n\u3000" * 12_501) * 3, "long": "ab ab中文 x\U0001f999\n" * 70_000, "ASCII": "ab " * 300_001,
    "two cuts at once": "a " * 187_500 + "b" * 25_001, "latin": "\xe9b\xa0" * 150_000, "separators": "a" * 20_000 + "\x1c" + "b" * 20_000,
    "a token on a cut": "[BOS]" + "ab" * 12_497 + "[BOS][EOS]" + "b" * 30_000, "tokens": "[EOS]" * 90_000,
    "length after a run": "b" * 30_001 + " a" * 200_000,
    "runs of many lengths": "".join("b \xe9\u3000"[number % 4] * length for number, length in enumerate(
        (9, 24_999, 25_001, 1, 24_998, 2, 50_002, 12_500, 12_499, 25_000, 25_000, 3, 75_000, 1, 1, 24_999, 40_000, 50_001))),
}


@pytest.mark.parametrize("name", LONG)
def test_kimi_cuts_long_texts(name: str, tmp_path: Path) -> None:
    """The ids tell the cuts: tokens lie over the places around them."""
    more = ["bb", "aa", "ba", "\u3000\n", " x", " a", "\xa0\xe9", "\xe9b", "\x1cb", "[B", "[E"]
    ranks = {**SMALL, **{token.encode(): id for id, token in enumerate(more, 259)}}
    tok, text = dstok.load(folder(tmp_path, "tiktoken.model", written(ranks), kimi_config(259 + len(more)))), LONG[name]
    for special in ("all", "none"):
        ids = [id for part in cut(text) for id in tok.encode(part, special=special)]
        for given_text in (text, text.encode()):
            assert tok.encode(given_text, special=special) == ids
            assert tok.encode_array(given_text, special=special).tolist() == ids
            assert tok.count(given_text, special=special) == len(ids)
        assert tok.encode_batch(["x", text, text], special=special) == [tok.encode("x"), ids, ids]
        assert tok.count_batch([text] * 2, special=special) == [len(ids)] * 2


def test_kimi_refuses_places_in_texts_that_are_cut(tmp_path: Path) -> None:
    tok, text = dstok.load(folder(tmp_path, "tiktoken.model", written(SMALL), kimi_config())), "ab" * 12_500
    for longer, refused in ((text, False), (text + "a", True), ("ab " * 133_333 + "x", False), ("ab " * 133_333 + "ab", True)):
        calls: list[Callable[[str], object]] = [
            tok.encode_with_offsets, partial(tok.count, limit=300_000), partial(tok.truncate, max_tokens=300_000),
            tok.encode_incremental().append, tok.encode_incremental().preview, partial(stream, tok), partial(tok.encode, special="raise")]
        for call in calls:
            if refused:
                with pytest.raises(UnsupportedError, match="the model's own code cuts"):
                    call(longer)
            else:
                call(longer)
    with pytest.raises(UnsupportedError, match="own code cuts long texts"):
        tok.to_json(tmp_path / "never written")
    assert any("does not cut" in sentence for sentence in tok.to_tiktoken(tmp_path / "ranks"))


def stream(tok: dstok.Tokenizer, text: str) -> list[int]:
    """The ids of a stream that gets the text in two parts."""
    encoder = tok.encode_stream()
    ids = [*encoder.feed(text[:9_999]), *encoder.feed(text[9_999:]), *encoder.finish()]
    assert ids == tok.encode(text)
    return ids


def test_kimis_cuts_are_kept(tmp_path: Path) -> None:
    tok, text = dstok.load(folder(tmp_path, "tiktoken.model", written(SMALL), kimi_config())), "x" + "ab" * 12_500
    plain = dstok.Tokenizer.from_tiktoken(SMALL, KIMI.pattern, tok.added_tokens).replace(bos_id=259, eos_id=260)
    tok.to_image(tmp_path / "image")
    for other in (dstok.load(tmp_path / "image"), pickle.loads(pickle.dumps(tok)), tok.replace(upstream="tokenizers-1.0.0rc3")):
        assert other.encode(text) == tok.encode(text) != plain.encode(text)
    assert dstok.load(tmp_path / "image") == tok != plain and tok.fingerprint != plain.fingerprint


def test_faults_in_texts_that_are_cut(tmp_path: Path) -> None:
    """Their offsets are those of the whole text; U+FFFD takes their place alike."""
    tok = dstok.load(folder(tmp_path, "tiktoken.model", written(SMALL), kimi_config()))
    for text, at in (("a" * 60_000 + "\ud800", 60_000), ("é" * 30_000 + "\udfffab", 30_000)):
        with pytest.raises(TextError) as caught:
            tok.encode(text)
        assert caught.value.offset == at
        assert tok.encode(text, errors="replace") == tok.encode(text.replace(text[at], "\ufffd"))
    for data, at in ((b"a" * 60_000 + b"\xe4\xb8", 60_000), (b"\xff" + b"a" * 60_000, 0), (b"a" * 50_000 + b"\xf8" * 9, 50_000)):
        with pytest.raises(TextError) as caught:
            tok.encode(data)
        assert caught.value.offset == at
        whole = data.decode(errors="replace")
        assert tok.encode(data, errors="replace") == tok.encode_batch([data], errors="replace")[0] == tok.encode(whole)


def test_qwen(tmp_path: Path) -> None:
    """Special tokens are found in the text after NFC: with U+0338 behind it, the ">" of one is part of another character."""
    tok = dstok.load(folder(tmp_path, "qwen.tiktoken", written(SMALL), {"tokenizer_class": "QWenTokenizer"}))
    judge = tiktoken.Encoding("qwen", pat_str=QWEN.pattern, mergeable_ranks=SMALL, special_tokens=tok.added_tokens)
    assert (len(tok.added_tokens), tok.vocab_size, tok.eos_id) == (208, 151643 + 208, 151643)
    for text in ("ab<|im_end|>x", "ab<|im_end|>\u0338", "e\u0301<|extra_204|>", "<|im_start|>\u0338<|im_start|>", "\u212b 12 中文"):
        assert tok.encode(text) == judge.encode(unicodedata.normalize("NFC", text), allowed_special="all")


BROKEN: list[tuple[str, dict[str, Any] | None, str | None, type[DstokError], str]] = [
    ("tiktoken.model", None, None, TokenizerFileError, "tokenizer_config.json"),
    ("tiktoken.model", {}, None, TokenizerFileError, "added_tokens_decoder"),
    ("tiktoken.model", {"added_tokens_decoder": {"259": {"content": 1}}}, None, TokenizerFileError, 'added_tokens_decoder["259"].content'),
    ("tiktoken.model", {"added_tokens_decoder": {"260": {"content": "<|reserved_token_259|>", "special": True}}}, None,
     TokenizerFileError, "each token once"),
    ("tiktoken.model", {"added_tokens_decoder": {"x": {"content": "[X]", "special": True}}}, None,
     TokenizerFileError, 'as the key, found the string \'x\' - at tokenizer_config.json: $.added_tokens_decoder.x'),
    ("tiktoken.model", {"added_tokens_decoder": {key: {"content": key, "special": True} for key in ("260", "0260")}}, None,
     TokenizerFileError, "each id once as a key, and 260 is one, found the string '0260'"),
    ("tiktoken.model", {"added_tokens_decoder": {"260": None}}, None, TokenizerFileError, "expected an object, found null"),
    ("tiktoken.model", {**kimi_config(), "bos_token": "[X]"}, None, TokenizerFileError, "bos_token"),
    ("tiktoken.model", kimi_config(), "", UnsupportedError, "another model"),
    ("tiktoken.model", kimi_config(), code_of("tiktoken.model").replace("&&", "--"), UnsupportedError, "another model"),
    ("tiktoken.model", kimi_config(), code_of("tiktoken.model").replace("25_000", "30_000"), UnsupportedError, "another model"),
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
