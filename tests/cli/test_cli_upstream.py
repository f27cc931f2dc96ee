"""--upstream: each command that cuts a text reads it by the tables of the version that the option names."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from cli_process import fails, file, json_lines, ok, run, tiny_model
from smaller_models import smaller_json

import dstok
from dstok import chat, corpus
from dstok.cli.arguments import load_splitter
from dstok.cli.output import CommandError
from dstok.corpus.finished import verify

NEW, TEXT = "tokenizers-1.0.0rc3", " \ua7ce"  # U+A7CE is a letter since Unicode 17.0
OLD_IDS, NEW_IDS = [223, 169, 256, 239], [2297, 256, 239]
UPSTREAM = ("--upstream", NEW)


@pytest.fixture
def text(tmp_path: Path) -> str:
    return file(str(tmp_path / "text.txt"), TEXT.encode())


@pytest.fixture
def model(tmp_path: Path) -> str:
    """V3's file with a small vocabulary, in which the ids of `TEXT` are the same. The whole one takes a second each time."""
    return file(str(tmp_path / "smaller.json"), smaller_json("deepseek-v3").encode())


def test_corpus(tmp_path: Path, text: str, model: str) -> None:
    """The plan names the version, so that the corpus is verified by the same tables."""
    for name, words, ids in (("old", (), OLD_IDS), ("new", UPSTREAM, NEW_IDS)):
        ok("corpus", text, "-m", model, "--out", str(tmp_path / name), "--workers", "1", *words, "--json")
        assert [row.tolist() for row in corpus.open(tmp_path / name)] == [ids]
        assert list(verify(tmp_path / name)) == [] == list(verify(tmp_path / name, model=model))
    assert "upstream" in fails("corpus", text, "-m", model, "--out", str(tmp_path / "new"), "--workers", "1")
    corpus.tokenize(text, tmp_path / "call", model=model, upstream=NEW, workers=1)
    corpus.tokenize(text, tmp_path / "object", model=dstok.load(model), upstream=NEW, workers=1)
    for made in ("call", "object"):
        assert np.concatenate([*corpus.open(tmp_path / made)]).tolist() == NEW_IDS
        assert list(verify(tmp_path / made, model=model)) == []


def test_chat(tmp_path: Path, model: str) -> None:
    talk = [{"role": "user", "content": TEXT}]
    path = file(str(tmp_path / "talk.json"), json.dumps(talk).encode())
    wanted = chat.encode(dstok.load(model, upstream=NEW), talk, "v3")
    assert wanted.ids != chat.encode(dstok.load(model), talk, "v3").ids
    words = ("-m", model, "--version", "v3", *UPSTREAM, path)
    [found] = json_lines(ok("chat", "encode", *words))
    assert found["input_ids"] == wanted.ids
    assert ok("chat", "count", *words) == b"%d\n" % len(wanted.ids)
    assert ok("chat", "show", *words).startswith(b"%d tokens" % len(wanted.ids))


def test_view(tmp_path: Path, text: str) -> None:
    """The model of the page, and the one that stands beside it."""
    def page(*words: str) -> str:
        ok("view", "--output", str(tmp_path / "page"), *words, text)
        return (tmp_path / "page").read_text(encoding="utf-8")

    def ids(numbers: list[int]) -> str:
        return f'"ids":{numbers},'.replace(" ", "")

    old, new, beside = page(), page(*UPSTREAM), page("--compare", "deepseek-r1", *UPSTREAM)
    assert [text.count(ids(OLD_IDS)) for text in (old, new, beside)] == [1, 0, 0]
    assert [text.count(ids(NEW_IDS)) for text in (old, new, beside)] == [0, 1, 2]


def test_convert(tmp_path: Path) -> None:
    ok("convert", "deepseek-v3", str(tmp_path / "v3.image"), *UPSTREAM)
    assert dstok.load(tmp_path / "v3.image").encode(TEXT) == NEW_IDS
    assert "cannot say" in fails("convert", "deepseek-v3", str(tmp_path / "v3.json"), *UPSTREAM)
    ranks = file(str(tmp_path / "ranks"), b"AA== 0\n")
    assert "--upstream is for other models than rank files" in fails("convert", ranks, str(tmp_path / "image"), "--to",
                                                                     "image", *UPSTREAM)


def test_splitters(tmp_path: Path) -> None:
    """By pattern, preset, file and model. A file of `to_json` and tiktoken's encodings have versions of their own."""
    names = [r"regex:\p{L}", r"fancy-regex:\p{L}", "gpt-2", tiny_model(tmp_path / "tiny.json"), "deepseek-v3"]
    for name in names:
        assert load_splitter(name, NEW) == load_splitter(name).with_unicode("17.0") != load_splitter(name)
    assert dstok.Splitter.preset("gpt-2", upstream=NEW) == load_splitter("gpt-2", NEW)
    with pytest.raises(CommandError, match="--upstream is for other splitters than tiktoken's, and cl100k_base is one"):
        load_splitter("cl100k_base", NEW)
    load_splitter("gpt-2").to_json(tmp_path / "saved")
    with pytest.raises(dstok.errors.ArgumentError, match="a Unicode version of its own"):
        load_splitter(str(tmp_path / "saved"), NEW)


def test_commands_of_splitters(tmp_path: Path, text: str) -> None:
    assert json_lines(ok("splitter", "show", "gpt-2", "--json", *UPSTREAM))[0]["unicode_version"] == "17.0"
    load_splitter("gpt-2", NEW).to_json(tmp_path / "saved")
    assert run("splitter", "diff", "gpt-2", str(tmp_path / "saved")).returncode == 1
    assert fails("splitter", "diff", "gpt-2", "gpt-2", "--upstream", "tokenizers-9").count("tokenizers-9") == 1
    assert ok("splitter", "diff", "gpt-2", "regex:" + load_splitter("gpt-2").splits[0].pattern, *UPSTREAM)[:6] == b"equal:"
    counted = [row["text"] for row in json_lines(ok("pieces", "--count", "--splitter", r"regex:\p{L}", *UPSTREAM, text))]
    assert sorted(counted) == [" ", "\ua7ce"]
