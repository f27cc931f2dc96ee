"""Every file of text or JSON that dstok reads beside a model, turned into something else: an error of dstok's own that names
the file, or what such a file may say. Never an error of Python's."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from mutations import other_bytes, other_json
from tokenizer_json_cases import small

import dstok
import dstok.corpus
from dstok.corpus.finished import merge, verify
from dstok.errors import DstokError, FileError, TokenizerFileError, UnsupportedError
from dstok.pretokenizer.splitter import Splitter

CONFIG = json.dumps({
    "bos_token": "<s>", "eos_token": {"content": "<s>", "lstrip": False}, "pad_token": "a", "add_bos_token": True,
    "add_eos_token": False, "chat_template": [{"name": "default", "template": "{{ messages }}"}], "model_max_length": 10**30,
}).encode()
SIDES = {"tokenizer_config.json": CONFIG, "generation_config.json": b'{"temperature": 0.5, "top_k": [1]}',
         "chat_template.jinja": "{{ 'é' }}".encode()}


@pytest.mark.parametrize("name", SIDES)
def test_beside_a_tokenizer(name: str, tmp_path: Path) -> None:
    """A TokenizerFileError has the path of the tokenizer, the name of the side file, and the place in it."""
    (tmp_path / "tokenizer.json").write_text(json.dumps(small()))
    cases = [*other_bytes(SIDES[name]), *(other_json(SIDES[name]) if name.endswith(".json") else [])]
    refused = 0
    for what, data in cases:
        (tmp_path / name).write_bytes(data)
        try:
            dstok.Tokenizer.from_json(tmp_path / "tokenizer.json")
        except (TokenizerFileError, UnsupportedError) as error:
            assert str(error).startswith(str(tmp_path / "tokenizer.json")), what
            assert error.where.startswith(f"{name}: "), (what, error.where)
            assert len(str(error)) < 500, what
            refused += 1
    assert refused >= 4


def test_a_template_that_is_no_utf_8(tmp_path: Path) -> None:
    (tmp_path / "tokenizer.json").write_text(json.dumps(small()))
    (tmp_path / "chat_template.jinja").write_bytes(b"caf\xe9 {{ x }}")
    with pytest.raises(TokenizerFileError, match="not UTF-8: invalid continuation byte") as caught:
        dstok.load(tmp_path)
    assert caught.value.where == "chat_template.jinja: byte 3"


def test_saved_splitters(tmp_path: Path) -> None:
    path = tmp_path / "x.json"
    dstok.Splitter(r"\s+|\w+").to_json(path)
    saved = path.read_bytes()
    for what, data in [*other_bytes(saved), *other_json(saved)]:
        path.write_bytes(data)
        try:
            Splitter.from_json(path)
        except DstokError as error:
            assert str(error).startswith(f"{path}: "), what
            assert len(str(error)) < 1000, what


# Corpora


def made(folder: Path, **settings: Any) -> Path:
    source = folder / "in.jsonl"
    source.write_text('{"text": "Hello world"}\n{"text": "a b c d e f"}\n' * 3)
    dstok.corpus.tokenize([str(source)], folder / "out", model="deepseek-v3", workers=1, **settings)
    return folder / "out"


def calls(out: Path) -> list[Callable[[], Any]]:
    def opened() -> None:
        corpus = dstok.corpus.open(out)
        for i in range(len(corpus)):
            corpus[i]
            corpus.lengths(i)
        corpus.tokens  # noqa: B018

    return [opened, lambda: list(verify(out)), lambda: merge([out, out], out.parent / "merged")]


@pytest.mark.parametrize("name", ["plan.json", "corpus.json", "manifests/in.jsonl-00000.json"])
def test_files_of_a_corpus(name: str, tmp_path: Path) -> None:
    """Whatever stands in a file of JSON, only an error of dstok's own comes of it."""
    import shutil

    out = made(tmp_path)
    path = out / "__dstok__" / name
    right = path.read_bytes()
    cases = [*other_bytes(right), *other_json(right)]
    for number, (what, data) in enumerate(cases):
        path.write_bytes(data)
        for call in calls(out)[: 1 + (number % 2 == 0) + (number % 6 == 0)]:  # to merge takes longest
            shutil.rmtree(tmp_path / "merged", ignore_errors=True)
            try:
                call()
            except DstokError as error:
                assert len(str(error)) < 1000, what
    path.write_bytes(right)
    for call in calls(out):
        shutil.rmtree(tmp_path / "merged", ignore_errors=True)
        call()


@pytest.mark.parametrize("file", ["../in.jsonl", "/etc/hostname", "a/../../b", "a\0b"])
def test_a_path_out_of_the_folder(file: str, tmp_path: Path) -> None:
    out = made(tmp_path)
    path = out / "__dstok__" / "manifests" / "in.jsonl-00000.json"
    manifest = json.loads(path.read_text())
    manifest["outputs"][0]["file"] = file
    path.write_text(json.dumps(manifest))
    with pytest.raises(FileError, match=r"expected a path below this folder, found .* - at \$\.outputs\[0\]\.file"):
        dstok.corpus.open(out)


@pytest.mark.parametrize("line", [
    b'{"input_ids": [1, 99999999999999999999999]}', b'{"input_ids": ' + b"[" * 100_000 + b"]" * 100_000 + b"}", b"[1]", b"7", b'{"input_ids": "x"}',
    b'{"input_ids": [' + b"9" * 5000 + b"]}", b'{"input_ids": [1, [2]]}', b"\xff", b'{"input_ids": {"a": 1}}', b'{"input_ids": null}',
])
def test_lines_of_ids(line: bytes, tmp_path: Path) -> None:
    path = tmp_path / "x.jsonl"
    path.write_bytes(line + b"\n")
    corpus = dstok.corpus.open(path)
    with pytest.raises(FileError, match=f"^{path}: expected numbers under 'input_ids' in line 1"):
        corpus[0]


@pytest.mark.parametrize("said", [b"x|3\n2\n", b"x|99\n2\n", b"x|" + b"9" * 5000 + b"\n2\n", b"", b"\xff\n\n", b"x|-2\n2\n"])
def test_what_is_said_of_datatrove(said: bytes, tmp_path: Path) -> None:
    path = tmp_path / "x.ds"
    path.write_bytes(bytes(8))
    (tmp_path / "x.ds.index").write_bytes((2).to_bytes(8, "little"))
    (tmp_path / "x.ds.metadata").write_bytes(said)
    with pytest.raises(FileError, match=f"^{path}.metadata: "):
        dstok.corpus.open(path)
