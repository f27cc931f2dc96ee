"""tokenizer.json written, and `dstok convert`: a model through all formats keeps its ids, upstream's."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import tokenizers
from cli_process import fails, run
from compiled import compiled
from gguf_models import SMALL, TEXTS, all_tokens, config_of, load, whole
from judges import rank_file
from real_models import real
from smaller_models import smaller_json
from tokenizer_json_cases import READ, changed

import dstok
from dstok.errors import UnsupportedError
from dstok.formats.description import AddedToken, TokenizerConfig
from dstok.formats.llama_cpp import family_base
from dstok.formats.tokenizer_config import read_tokenizer_config, write_tokenizer_config
from dstok.formats.tokenizer_json import write_tokenizer_json


def written(tok: dstok.Tokenizer) -> str:
    return write_tokenizer_json(tok._describe())


# The writer of tokenizer.json


@pytest.mark.parametrize("case", range(len(READ)))
def test_small_files(case: int) -> None:
    """All files that the reader's tests read: written, they give upstream the ids of the original."""
    text = json.dumps(changed(*READ[case]))
    tok = dstok.Tokenizer.from_str(text)
    again, before = written(tok), tokenizers.Tokenizer.from_str(text)
    judge, ours = tokenizers.Tokenizer.from_str(again), dstok.Tokenizer.from_str(again)
    for sample in ("", "abab aab  bcd ab<bos>x<u> <｜eos｜>õ a中 zz", *TEXTS):
        expected = before.encode(sample, add_special_tokens=False).ids
        assert judge.encode(sample, add_special_tokens=False).ids == expected
        assert ours.encode(sample) == expected
        assert judge.decode(expected, skip_special_tokens=False) == before.decode(expected, skip_special_tokens=False)
    assert write_tokenizer_json(ours._describe()) == again


@pytest.mark.night
@pytest.mark.parametrize(("name", "size"), [*((name, "small") for name in SMALL),
                                            *((name, "whole") for name in whole("tokenizer.json"))])
def test_real_files(name: str, size: str) -> None:
    """Some with a small vocabulary, one on some days with its own."""
    if size == "whole":
        tok, before = load(name), real(name)
    else:
        tok, before = compiled(smaller_json(name)), tokenizers.Tokenizer.from_str(smaller_json(name))
    judge, contents = tokenizers.Tokenizer.from_str(written(tok)), list(tok.added_tokens)
    for sample in [*TEXTS, all_tokens(tok), "a".join(contents), *contents]:
        assert judge.encode(sample, add_special_tokens=False).ids == before.encode(sample, add_special_tokens=False).ids
    assert judge.get_vocab(with_added_tokens=True) == before.get_vocab(with_added_tokens=True)


def test_what_a_tokenizer_json_cannot_say() -> None:
    base = family_base("gpt-2")
    with pytest.raises(UnsupportedError, match="two tokens of one spelling, 'Ġ': ids 32 and 256"):
        write_tokenizer_json(base._replace(added_tokens=(AddedToken(256, "Ġ"),)))
    with pytest.raises(UnsupportedError, match="cannot say"):
        write_tokenizer_json(base._replace(unicode_version="9.0"))


def test_added_tokens_far_away() -> None:
    """Upstream counts on from the vocabulary's end; others are written into the vocabulary."""
    ranks = {bytes([byte]): byte for byte in range(256)}
    tok = dstok.Tokenizer.from_tiktoken(ranks, r"\S+|\s+", {"<a>": 300, "<b>": 299})
    text = written(tok)
    assert tokenizers.Tokenizer.from_str(text).encode("x<a> <b>").ids == tok.encode("x<a> <b>") == [120, 300, 32, 299]
    assert dstok.Tokenizer.from_str(text).added_tokens == tok.added_tokens


def test_configs() -> None:
    config = TokenizerConfig(bos_id=1, eos_id=None, pad_id=2, add_bos=False, chat_template="{{ a }}")
    text = write_tokenizer_config(config, {1: "<s>", 2: "é"})
    assert read_tokenizer_config(text, {"<s>": 1, "é": 2}.get) == config
    named = '{"chat_template": [{"name": "tool_use", "template": "t"}, {"name": "default", "template": "d"}]}'
    assert read_tokenizer_config(named, lambda text: None).chat_template == "d"


# The command


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "in").mkdir()
    (tmp_path / "in/tokenizer.json").write_text(smaller_json("deepseek-r1"), encoding="utf-8")
    (tmp_path / "in/tokenizer_config.json").write_bytes(config_of("deepseek-r1"))
    return tmp_path


def convert(*words: str) -> str:
    """What the command tells; it must succeed, and say nothing on standard output."""
    done = run("convert", *words)
    assert (done.returncode, done.stdout) == (0, b""), done.stderr.decode()
    told = done.stderr.decode()
    assert all(line.startswith("dstok: ") and ": note: " in line for line in told.splitlines())
    return told


def test_all_the_way_round(folder: Path) -> None:
    told = convert("in/tokenizer.json", "x.gguf")
    assert "Unicode 15.1" in told and "add_bos_token" not in told
    (folder / "out").mkdir()
    told, named = convert("x.gguf", "out/tokenizer.json"), "bos_token, eos_token, pad_token, add_bos_token, add_eos_token"
    assert f": note: wrote out/tokenizer_config.json with {named}, chat_template\n" in told
    told = convert("out/tokenizer.json", "y.gguf")
    assert told.count("\n") == 2 and "note: tokenizer.ggml.pre: deepseek-v3, " in told  # CONTROL tokens have become special
    before, after = (json.loads(Path(name).read_text()) for name in ("in/tokenizer_config.json", "out/tokenizer_config.json"))
    assert after["chat_template"] == before["chat_template"] and after["add_bos_token"] == before["add_bos_token"]
    assert after["bos_token"] == before["bos_token"]["content"] and after["pad_token"] == before["pad_token"]["content"]
    judge = tokenizers.Tokenizer.from_file("out/tokenizer.json")
    tok, between = dstok.Tokenizer.from_json("in/tokenizer.json"), dstok.load("x.gguf")
    for text in [*TEXTS, *tok.added_tokens]:
        expected = tok.encode(text)
        assert judge.encode(text, add_special_tokens=False).ids == expected
        assert between.encode(text) == expected
    assert dstok.Tokenizer.from_json("out/tokenizer.json").bos_id == tok.bos_id == 0
    assert Path("x.gguf").stat().st_size == Path("y.gguf").stat().st_size


def test_other_ways(folder: Path) -> None:
    assert convert("deepseek-v3", "v3.image") == convert("in/tokenizer.json", "x.image") == ""
    (folder / "ocr").mkdir()
    told = convert("deepseek-ocr", "ocr/tokenizer.json")
    assert told.endswith("tokenizer_config.json with bos_token, eos_token, pad_token, add_bos_token, add_eos_token\n")
    assert "holds no pattern" in convert("x.image", "x.tiktoken")
    told = convert("x.image", "x.json")
    assert "BOS" in told and not (folder / "tokenizer_config.json").exists()
    tok, again = dstok.Tokenizer.from_json("in/tokenizer.json"), dstok.Tokenizer.from_json("x.json")
    for text in TEXTS:
        assert again.encode(text) == tok.encode(text)
    assert run("count", "--model", "v3.image", stdin=b"Hello world").stdout == b"2\n"
    convert("x.image", "anything", "--to", "gguf", "--config", "in/tokenizer_config.json", "--architecture", "deepseek3")
    for name in ("x.image", "anything", "./anything"):  # the first bytes tell what it is, not its name
        assert run("count", "--model", name, stdin=b"Hello world").stdout == b"%d\n" % tok.count("Hello world")


def test_rank_files(folder: Path) -> None:
    ranks = b"".join(rank_file("p50k_base").splitlines(keepends=True)[:5000])
    (folder / "ranks.tiktoken").write_bytes(ranks)
    convert("ranks.tiktoken", "p50k.json", "--pattern", "p50k_base")
    convert("ranks.tiktoken", "p50k.gguf", "--pattern", "p50k_base")
    judge = tokenizers.Tokenizer.from_file("p50k.json")
    tok, between = dstok.Tokenizer.from_tiktoken("ranks.tiktoken", "p50k_base"), dstok.load("p50k.gguf")
    for text in [*TEXTS, "a<|endoftext|> b  "]:
        assert judge.encode(text).ids == tok.encode(text) == between.encode(text)
    convert("p50k.gguf", "again.tiktoken")
    assert (folder / "again.tiktoken").read_bytes() == ranks
    convert("ranks.tiktoken", "x.json", "--pattern", r"\S+|\s+", "--special-token", "<a=b>=50256")
    assert dstok.Tokenizer.from_json("x.json").added_tokens == {"<a=b>": 50256}


def test_usage_errors(folder: Path) -> None:
    assert "does not tell a format" in fails("convert", "deepseek-v3", "x")
    assert "no such file" in fails("convert", "./nothing", "x.json")
    assert "no such file" in fails("convert", "deepseek-v3", "nowhere/x.json")
    (folder / "ranks").write_bytes(b"YQ== 0\n")
    assert "--pattern" in fails("convert", "ranks", "x.json")
    assert "without the byte" in fails("convert", "ranks", "x.json", "--pattern", "cl100k_base")
    assert "expected TEXT=ID" in fails("convert", "ranks", "x.json", "--pattern", "a", "--special-token", "x")
    assert "is for rank files" in fails("convert", "deepseek-v3", "x.json", "--pattern", "a")
    assert "--config is for other models than rank files" in fails("convert", "ranks", "x.gguf", "--config", "c.json")
    assert "--architecture is for GGUF files" in fails("convert", "deepseek-v3", "x.json", "--architecture", "a")
    for out in ("x.image", "x.json", "x.tiktoken"):
        assert "--config is for GGUF files" in fails("convert", "deepseek-v3", out, "--config", "c.json")
    (folder / "broken.gguf").write_bytes(b"GGUF\x03\0\0\0")
    assert "broken.gguf: expected 8 bytes, found 0" in fails("convert", "broken.gguf", "x.json")
    assert "broken.gguf: expected 8 bytes, found 0" in fails("count", "--model", "./broken.gguf")
    (folder / "config.json").write_text('{"bos_token": "<nothing>"}')
    assert "expected a token" in fails("convert", "deepseek-v3", "x.gguf", "--config", "config.json")
    assert not (folder / "x.json").exists() and not (folder / "x.gguf").exists()
