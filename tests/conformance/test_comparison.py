"""Tokenizers of all kinds, compared by what texts cost, against plain sums."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from character_models import character_json

import dstok
from dstok.cli.app import main
from dstok.conformance import CandidateError
from dstok.conformance.comparison import Comparison, Row, compare
from dstok.errors import ArgumentError, FileError

TEXTS = [("The quick brown fox", "en"), ("", "en"), ("Съешь ещё этих булок", "ru"), ("  two\n\nlines ", "en"), ("東京都", "ja")]


@pytest.fixture(autouse=True)
def _inputs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The same documents as JSON lines and as a table, and a text."""
    monkeypatch.chdir(tmp_path)
    Path("in").mkdir()
    Path("in/a.jsonl").write_text("".join(json.dumps({"text": text, "lang": lang}) + "\n\n" for text, lang in TEXTS))
    texts, languages = zip(*TEXTS * 1000)
    pq.write_table(pa.table({"lang": languages, "text": texts}), "in/b.parquet", row_group_size=700)
    Path("characters.json").write_text(json.dumps(character_json()))


def characters(text: str) -> list[int]:
    return [*map(ord, text)]


def report(*words: str) -> None:
    assert main(["train", "report", *words]) == 0


def wanted(name: str, encode: Any, by: str, of: str, texts: Sequence[str]) -> Row:
    return Row(name, by, of, len(texts), sum(len(text.encode()) for text in texts),
               sum(len(text.split()) for text in texts), sum(len(encode(text)) for text in texts))


def test_files_and_languages() -> None:
    tok = dstok.load("deepseek-v3")
    found = compare("in", {"v3": tok, "plain": characters}, language="lang")
    encoders = {"v3": tok.encode, "plain": characters}
    parts = [("file", "a.jsonl", TEXTS), ("file", "b.parquet", TEXTS * 1000),
             *(("language", lang, [text for text in TEXTS * 1001 if text[1] == lang]) for lang in ("en", "ja", "ru")),
             ("all", "", TEXTS * 1001)]
    assert found.rows == tuple(wanted(name, encode, by, of, [text for text, _ in texts])
                               for by, of, texts in parts for name, encode in encoders.items())
    assert compare("in", {"v3": tok, "plain": characters}).rows == tuple(
        row for row in found.rows if row.by != "language")


def test_a_data_set(capsys: pytest.CaptureFixture[str]) -> None:
    """All its rows, with their languages."""
    Path("set").mkdir()
    Path("in/b.parquet").rename("set/train.parquet")
    report("--dataset", "set", "-m", "characters.json", "--language", "lang", "--json")
    rows = json.loads(capsys.readouterr().out)
    assert [(row["by"], row["of"], row["documents"]) for row in rows] == [
        ("file", "set--", 5000), ("language", "en", 3000), ("language", "ja", 1000), ("language", "ru", 1000), ("all", "", 5000)]


def test_the_command_and_others_tokenizers(capsys: pytest.CaptureFixture[str]) -> None:
    """A model of characters, a built-in one, upstream's library on a file, and a function."""
    specs = ["characters.json", "deepseek-v3", "tokenizers:characters.json", "builtins:ascii"]
    report("in", *(word for spec in specs for word in ("-m", spec)), "--language", "lang", "--json")
    rows = json.loads(capsys.readouterr().out)
    assert [row["tokenizer"] for row in rows] == specs * 6
    for row in rows[::4]:
        twin = rows[rows.index(row) + 2]
        assert {**row, "tokenizer": ""} == {**twin, "tokenizer": ""}
        assert row["bytes_per_token"] == pytest.approx(row["bytes"] / row["tokens"], abs=1e-6)
        assert row["tokens_per_word"] == pytest.approx(row["tokens"] / row["words"], abs=1e-6)
    report("in", "-m", "deepseek-v3", "-o", "out.txt")
    lines = Path("out.txt").read_text().splitlines()
    assert lines[0].split() == ["tokens", "bytes/token", "tokens/word", "tokenizer,", "texts"] and len(lines) == 4
    assert lines[3].endswith("deepseek-v3, all")


@pytest.mark.parametrize(("suffix", "start"), [("svg", b"<?xml"), ("png", b"\x89PNG"), ("pdf", b"%PDF")])
def test_a_picture(suffix: str, start: bytes, capsys: pytest.CaptureFixture[str]) -> None:
    report("in", "-m", "deepseek-v3", "-m", "characters.json", "--language", "lang", "--plot", f"costs.{suffix}")
    picture = Path(f"costs.{suffix}").read_bytes()
    assert picture.startswith(start) and "deepseek-v3" in capsys.readouterr().out
    if suffix == "svg":
        assert all(f"<!-- {words} -->".encode() in picture for words in ("ja", "ru", "bytes a token", "characters.json"))


def test_texts_without_documents() -> None:
    Path("empty.jsonl").write_bytes(b"\n")
    [row] = compare("empty.jsonl", {"plain": characters}).rows
    assert row == Row("plain", "file", "empty.jsonl", 0, 0, 0, 0) and row.bytes_per_token == row.tokens_per_word == 0
    Path("none.txt").write_bytes(b"")
    assert [row.documents for row in compare("none.txt", {"plain": characters}).rows] == [1, 1]


def test_errors() -> None:
    def silent(text: str) -> list[int]:
        raise OSError

    def failing(text: str) -> list[int]:
        raise RuntimeError("no ids today")

    Path("a.txt").write_bytes(b"caf\xe9")
    for inputs, options, error, words in (
        ("in", {"language": "tongue"}, FileError, "a.jsonl: line 1: expected the field 'tongue'"),
        ("a.txt", {"language": "lang"}, FileError, "a.txt: expected JSON lines or a table"),
        ("a.txt", {}, FileError, "a.txt: expected utf-8, found byte 0xe9 at byte offset 3"),
        ("in", {"tokenizers": {}}, ArgumentError, "expected at least one tokenizer"),
        ("in", {"tokenizers": {"x": failing}}, CandidateError, "x: .*a.jsonl: RuntimeError: no ids today"),
        ("in", {"tokenizers": {"x": silent}}, CandidateError, "x: .*a.jsonl: OSError: $"),
        ("in", {"tokenizers": {"x": "tokenizers:in/a.jsonl"}}, CandidateError, "tokenizers:in/a.jsonl: "),
        ("in", {"tokenizers": {"x": "tiktoken:none"}}, CandidateError, "tiktoken:none"),
        ("in", {"tokenizers": {"x": "no_module:none"}}, CandidateError, "no_module"),
        ("in", {"tokenizers": {"x": "none.json"}}, CandidateError, "none.json: no such file"),
    ):
        with pytest.raises(error, match=words):
            compare(inputs, **{"tokenizers": {"plain": characters}, **options})  # type: ignore[arg-type]
    rows = tuple(Row("x", "file", str(number), 1, 1, 1, 1) for number in range(101))
    with pytest.raises(FileError, match="at most 100 of each file in a picture, found 101"):
        Comparison(rows).plot("a.svg")
    with pytest.raises(FileError, match="expected a suffix such as .svg, .png or .pdf, found txt"):
        Comparison(rows[:2]).plot("a.txt")


def test_too_many_languages() -> None:
    Path("many.jsonl").write_text("".join(json.dumps({"text": "a", "lang": str(i)}) + "\n" for i in range(1002)))
    with pytest.raises(FileError, match="many.jsonl: expected at most 1000 languages in the field 'lang'"):
        compare("many.jsonl", {"plain": characters}, language="lang")
