"""A file that is broken, or given to the wrong reader: the error names the file, what it is, and what to do."""

from __future__ import annotations

import base64
import gzip
import json
import pickle
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from sentencepiece_bytes import model_bytes
from small_models import BYTE_LEVEL, model_json

import dstok
from dstok.errors import ImageError, PatternError, TokenizerFileError, UnsupportedError

RANK_FILE = b"".join(b"%b %d\n" % (base64.b64encode(bytes([byte])), byte) for byte in range(256))
SMALL = model_json([(b"a", b"b")])


def written(folder: Path, kind: str) -> Path:
    path = folder / kind
    if kind == "image":
        dstok.Tokenizer.from_str(SMALL).to_image(path)
        return path
    path.write_bytes({
        "tokenizer.json": b"\n " + SMALL.encode(), "gguf": b"GGUF\3\0\0\0" + bytes(16), "ranks": RANK_FILE,
        "pointer": b"version https://git-lfs.github.com/spec/v1\noid sha256:12\nsize 7\n",
        "model": model_bytes(), "gzip": gzip.compress(SMALL.encode()), "zip": b"PK\3\4\x14\0", "page": b"<!DOCTYPE html>\n<html>",
        "other": b"?" * 50, "empty": b"",
    }[kind])
    return path


def from_tiktoken(path: Path) -> Any:
    return dstok.Tokenizer.from_tiktoken(path, r"\S+|\s+")


READERS: dict[Callable[[Path], Any], str] = {
    dstok.Tokenizer.from_json: "tokenizer.json", from_tiktoken: "ranks",
}
SAID = {
    "tokenizer.json": "found JSON: if it is a tokenizer.json, Tokenizer.from_json loads it",
    "image": "found an image of dstok: dstok.load loads it", "gguf": "found a GGUF file: dstok.load loads it",
    "ranks": "found a rank file of tiktoken: Tokenizer.from_tiktoken loads it, with the pattern",
    "model": "found a .model file of SentencePiece: dstok.load loads it",
    "pointer": "found a pointer of Git LFS, which stands for a file: fetch that with git lfs pull",
    "gzip": "found a gzip file: unpack it first", "zip": "found a zip archive: unpack it first",
    "page": "found a web page: fetch the file itself", "empty": "found an empty file",
}


@pytest.mark.parametrize("kind", SAID)
@pytest.mark.parametrize("read", READERS, ids=READERS.values())
def test_the_wrong_reader(read: Callable[[Path], Any], kind: str, tmp_path: Path) -> None:
    path = written(tmp_path, kind)
    if READERS[read] == kind:
        assert read(path).encode("a") == [97]
        return
    with pytest.raises((TokenizerFileError, ImageError)) as caught:
        read(path)
    assert str(caught.value).startswith(f"{path}: expected ")
    assert SAID[kind] in str(caught.value)


@pytest.mark.parametrize("kind", ["tokenizer.json", "image", "model"])
def test_load_reads_all_kinds(kind: str, tmp_path: Path) -> None:
    assert dstok.load(written(tmp_path, kind)).encode("a") == [260 if kind == "model" else 97]


@pytest.mark.parametrize("name", ["x", "x.gguf", "x.model", "tokenizer.json", "x.tiktoken", "x.image"])
def test_an_empty_file_of_any_kind(name: str, tmp_path: Path) -> None:
    (tmp_path / name).write_bytes(b"")
    with pytest.raises(TokenizerFileError, match="found an empty file"):
        dstok.load(tmp_path / name)


@pytest.mark.parametrize("read", [*READERS, dstok.load], ids=[*READERS.values(), "any"])
def test_what_is_of_no_known_kind(read: Callable[[Path], Any], tmp_path: Path) -> None:
    path = written(tmp_path, "other")
    with pytest.raises((TokenizerFileError, ImageError), match="expected|not JSON") as caught:
        read(path)
    assert str(caught.value).startswith(f"{path}: ")


@pytest.mark.parametrize(("change", "error", "rest"), [
    ({"version": "2.0"}, UnsupportedError, "expected version '1.0', found '2.0' - at $.version"),
    ({"decoder": 7}, TokenizerFileError, " - at $.decoder"),
    ({"pre_tokenizer": {"type": "Sequence", "pretokenizers": [
        {"type": "Split", "pattern": {"Regex": "a("}, "behavior": "Isolated", "invert": False}, BYTE_LEVEL]}},
     PatternError, "of pattern 'a('"),
], ids=["unsupported", "broken", "pattern"])
def test_errors_name_their_file(change: Any, error: type[Exception], rest: str, tmp_path: Path) -> None:
    """Beside the place in it, which stays as it was; and they pickle."""
    text = json.dumps({**json.loads(SMALL), **change})
    path = tmp_path / "mine.json"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(error) as caught:
        dstok.Tokenizer.from_json(path)
    with pytest.raises(error) as plain:
        dstok.Tokenizer.from_str(text)
    assert str(caught.value) == f"{path}: {plain.value}" and rest in str(plain.value)
    if error is not PatternError:
        assert caught.value.where == plain.value.where  # type: ignore[attr-defined]
    assert str(pickle.loads(pickle.dumps(caught.value))) == str(caught.value)


@pytest.mark.parametrize("path", ["\ud800", "a\0", Path("a\0")])
def test_what_no_path_can_be(path: Any) -> None:
    for read in (*list(READERS)[:2], dstok.Splitter.from_json):
        with pytest.raises(dstok.errors.ArgumentError, match="expected a path .*no NUL, no lone surrogate"):
            read(path)


def test_errors_of_rank_files_name_them(tmp_path: Path) -> None:
    path = tmp_path / "some.tiktoken"
    path.write_bytes(RANK_FILE + b"IQ== 0\n")
    with pytest.raises(TokenizerFileError, match=r"some.tiktoken: expected a new token, .* at line 257 \(byte "):
        from_tiktoken(path)
