"""What the commands of `dstok` give: data, formats, records, compressed files, faults of the input.

Its manners (exit codes, pipes, usage) are tested in test_cli_rules.py, its parts in test_cli_parts.py.
"""

from __future__ import annotations

import bz2
import gzip
import io
import json
import lzma
import os
import re
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from character_models import character_json
from cli_process import FORMATS, MANY, TEXT, TEXTS, USER, fails, file, json_lines, ok, run, tiny_model
from shares import SEED, seeds
from zstd_frames import zstd_frame

import dstok
from dstok.cli import app
from dstok.viewer import Sheet, read

SOME = [TEXTS[number] for number in seeds(len(TEXTS), 2)]  # each is a process for every format


@pytest.fixture(scope="session")
def tok() -> dstok.Tokenizer:
    return dstok.load("deepseek-v3")


@pytest.fixture(autouse=True)
def _in_empty_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


# Encode and decode


@pytest.mark.parametrize("text", SOME)
def test_formats_hold_the_ids_of_the_library(tok: dstok.Tokenizer, text: bytes) -> None:
    name, ids = file("text", text), tok.encode(text)
    assert ok("encode", name) == " ".join(map(str, ids)).encode() + b"\n"
    assert json.loads(ok("encode", "--format", "json", name)) == ids
    assert ok("encode", "--format", "u32", name) == np.array(ids, "<u4").tobytes()
    npy = np.load(io.BytesIO(ok("encode", "--format", "npy", name)))
    assert npy.tolist() == ids and npy.dtype == np.uint32
    ok("encode", "--format", "npy", "-o", "ids.npy", name)
    assert np.load("ids.npy").tolist() == ids


@pytest.mark.parametrize("format", FORMATS)
def test_decode_of_encode_is_the_file(format: str) -> None:
    for text in SOME:
        ids = ok("encode", "--format", format, stdin=text)
        assert ok("decode", stdin=ids) == text, "the format is seen from the data"
    ok("encode", "--format", format, "-o", "ids", file("many", MANY))
    ok("decode", "--format", format, "-o", "back", "ids")
    assert Path("back").read_bytes() == MANY


@pytest.mark.parametrize("dtype", [np.int64, np.uint16, ">i4"])
def test_decode_reads_npy_of_any_integer(tok: dstok.Tokenizer, dtype: Any) -> None:
    np.save("ids.npy", np.array(tok.encode("Hello world"), dtype))
    assert ok("decode", "ids.npy") == b"Hello world"


@pytest.mark.parametrize("command", ["encode", "count", "show", "dump", "pieces"])
def test_a_text_in_place_of_files(command: str) -> None:
    text = "Grüße <｜User｜>1\n"
    assert ok(command, "--text", text) == ok(command, stdin=text.encode())
    assert "--text is for a command without files" in fails(command, "--text", text, "README.md")
    assert "the text: expected utf-8" in fails(command, "--text", os.fsdecode(b"\xff"))


@pytest.mark.parametrize("words", [["19923", "2058"], ["19923 2058"], ["[19923, 2058]"], ["[19923,", "2058]"]])
def test_ids_in_place_of_files(words: list[str]) -> None:
    assert ok("decode", *words) == b"Hello world"
    assert "the ids: id 999999999" in fails("decode", "19923", "999999999")
    file(words[0], b"23166")
    assert ok("decode", words[0]) == b"Hi", "a file of that name"


def test_json_is_the_same_everywhere() -> None:
    text = "Hi there"
    assert ok("encode", "--json", "--text", text) == ok("encode", "--format", "json", "--text", text)
    assert json_lines(ok("decode", "--json", "23166")) == [{"name": "the ids", "text": "Hi"}]
    assert json_lines(ok("dump", "--json", "--text", text)) == json_lines(ok("dump", "--text", text))
    assert ok("show", "--json", "--text", text) == ok("dump", "--text", text)
    assert "--json is for show without --ids and --width" in fails("show", "--json", "--ids", "--text", text)
    assert json_lines(ok("convert", "--json", "deepseek-v3", "a.json")) == [
        {"out": "a.json", "format": "json", "notes": ["a tokenizer.json does not say which tokens are BOS and EOS"]}]
    assert json_lines(ok("chunk", "--json", "--max-tokens", "1", "--text", text))[0]["text"] == "Hi"
    talk = file("talk", b'[{"role": "user", "content": "Hi"}]')
    assert json_lines(ok("chat", "count", "--version", "v3", "--json", talk)) == [{"name": "talk", "tokens": 3}]
    assert json_lines(ok("chat", "render", "--version", "v3", "--json", talk))[0]["text"].endswith("Hi")
    assert "JSON holds text only" in fails("decode", "--json", "--errors", "bytes", "1")


def test_view_json_is_what_the_page_saves(tok: dstok.Tokenizer) -> None:
    text = "Grüße <｜User｜>1\n"
    words = ("--compare", "deepseek-v4", "--special", "none", file("text", text.encode()))
    both = Sheet([read(model, text, special="none") for model in (tok, dstok.load("deepseek-v4"))])
    assert json_lines(ok("view", "--json", *words)) == [json.loads(json.dumps(both.export))]
    assert ok("view", "--json", "-o", "out.json", *words) == b"" and json.loads(Path("out.json").read_bytes())["text"] == text
    assert "--json is for a FILE" in fails("view", "--json")


@pytest.mark.parametrize("pack", [gzip.compress, lzma.compress, zstd_frame])
def test_packed_bytes_of_a_pipe_are_known(pack: Any, tok: dstok.Tokenizer) -> None:
    """Their first bytes begin no text. Those of bzip2 could, so there the text is not UTF-8."""
    assert ok("count", stdin=pack(TEXT)) == ok("count", stdin=TEXT)
    assert ok("decode", stdin=pack(np.array(tok.encode(TEXT), "<u4").tobytes())) == TEXT
    assert "standard input" in fails("count", stdin=pack(TEXT)[:-9])
    assert "standard input: expected utf-8" in fails("count", stdin=bz2.compress(TEXT))


def test_info_takes_the_name() -> None:
    assert ok("info", "deepseek-v4") == ok("info", "--model", "deepseek-v4")
    assert "--model is for a command without NAME" in fails("info", "deepseek-v3", "-m", "deepseek-v3")


def test_several_files(tok: dstok.Tokenizer) -> None:
    names = [file("a", TEXT), file("b", b""), file("c", b"end")]
    ids = [tok.encode(Path(name).read_bytes()) for name in names]
    assert [list(map(int, line.split())) for line in ok("encode", *names).splitlines()] == ids
    assert json_lines(ok("encode", "--format", "json", *names)) == ids
    framed = [i for row in ids for i in (0, *row, 1)]
    assert (tok.bos_id, tok.eos_id) == (0, 1)
    for format in ("u32", "npy"):
        ok("encode", "--add-bos", "--add-eos", "--format", format, "-o", "ids", *names)
        assert ok("decode", "--errors", "bytes", "ids") == tok.decode_bytes(framed)
    assert ok("encode", "a", "-", stdin=b"end") == ok("encode", "a", "c")


def test_decode_of_unfinished_characters(tok: dstok.Tokenizer) -> None:
    first = str(tok.encode("\U0001f999")[0]).encode()
    data = tok.decode_bytes([int(first)])
    assert ok("decode", stdin=first) == data.decode("utf-8", "replace").encode() != data
    assert ok("decode", "--errors", "bytes", stdin=first) == data
    assert "in the last of 2 ids" in fails("decode", "--errors", "strict", stdin=b"19923 " + first)


def test_decode_of_a_run_over_two_blocks() -> None:
    """A run of byte tokens that breaks after the first block is U+FFFD wholly: the text is that of one call."""
    Path("characters.json").write_text(json.dumps(character_json()))
    ids = [2 + byte for byte in b"A" * ((1 << 18) - 1) + "é!".encode()]
    for tail in ([], [2 + 0xFF]):
        np.array([*ids, *tail], np.uint32).tofile("run.u32")
        found = ok("decode", "-m", "characters.json", "--format", "u32", "run.u32").decode()
        assert found == dstok.load("characters.json").decode([*ids, *tail])


@pytest.mark.parametrize(("data", "words"), [
    (b"1 2 x3", "'x3' at index 2"),
    (b"1 -2", "'-2' at index 1"),
    (b"1_0", "'1_0' at index 0"),
    (b"1 999999", "id 999999 at index 1"),
    (b"5 " * 600_000 + b"999999", "id 999999 at index 600000"),
    (b"99999999999999999999999", "not an id"),
    (b"[1, true]", "True at index 1"),
    (b"[1, 2", "not JSON"),
    (b"[" * 100_000, "nested too deeply"),
    (b"[1] {}", "expected a JSON array"),
    (b"hello", "--format names one"),
    (b"\x01\0\0\0\x02", "5 bytes"),
    (b"\x93NUMPY\x01\0\x76\0{", ".npy"),
])
def test_decode_refuses_what_is_no_id(data: bytes, words: str) -> None:
    assert words in fails("decode", stdin=data)


def test_json_lines_there_and_back(tok: dstok.Tokenizer) -> None:
    texts = ["one", "", f"two {USER}\n", "東京\x00"]
    lines = "\n".join(json.dumps({"n": 1, "body": text}) for text in texts).encode()
    name = file("x.jsonl", b"\xef\xbb\xbf" + lines)  # with a byte order mark, without a last line feed
    options = ("--jsonl", "--field", "body")
    assert ok("count", *options, name).split() == [b"%d" % tok.count(text) for text in texts]
    for format in ("ids", "json"):
        ids = ok("encode", *options, "--format", format, name)
        assert json_lines(ok("decode", *options, stdin=ids)) == [{"body": text} for text in texts]
    flat = ok("encode", *options, "--add-eos", "--format", "u32", name)
    expected = [i for text in texts for i in tok.encode(text, add_eos=True)]
    assert np.frombuffer(flat, "<u4").tolist() == expected
    rows = json_lines(ok("dump", *options, name))
    assert [(row["line"], row["id"]) for row in rows] == [
        (number, i) for number, text in enumerate(texts, 1) for i in tok.encode(text)]


@pytest.mark.parametrize(("line", "words"), [
    (b'{"text": "x"', "not JSON"),
    (b'["text"]', "found an array"),
    (b'{"test": "x"}', "no field 'text'"),
    (b'{"text": null}', "null, not a string"),
    (b'{"text": {"text": 1}}', "an object, not a string"),
    (b'{"text": "\\ud800"}', "U+D800"),
    (b'{"text": "\xff"}', "byte offset 29"),
    (b'{"text": ' * 100_000, "nested too deeply"),
    (b'{"text": ' + b"1" * 5000 + b"}", "not JSON"),
])
def test_bad_json_lines_are_named(line: bytes, words: str) -> None:
    name = file("x.jsonl", b'{"text": "good"}\n\r\n' + line + b"\n")
    error = fails("encode", "--jsonl", name)
    assert f"{name}: line 3: " in error and words in error


# Compressed files


@pytest.mark.parametrize("suffix", [".gz", ".zst"])
def test_compressed_files(suffix: str) -> None:
    packed = _pack(suffix, MANY) + _pack(suffix, b"") + _pack(suffix, TEXT)
    assert ok("count", file("x" + suffix, packed)) == ok("count", file("x", MANY + TEXT))
    assert ok("encode", file("y" + suffix, _pack(suffix, b""))) == b"\n"
    cut = fails("count", file("cut" + suffix, packed[:-9]))
    assert f"cut{suffix}: " in cut and "cut short" in cut
    assert "wrong" + suffix in fails("encode", file("wrong" + suffix, TEXT))
    assert fails("count", file("broken" + suffix, packed[:99] + b"\xff" * 99 + packed[198:]))


def _pack(suffix: str, data: bytes) -> bytes:
    return gzip.compress(data) if suffix == ".gz" else zstd_frame(data)


def test_a_missing_decoder_is_named(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    for module in ("zstandard", "compression.zstd", "compression"):
        monkeypatch.setitem(sys.modules, module, None)
    assert app.main(["count", file("x.zst", b"")]) == 2
    assert 'x.zst: reading .zst needs' in capsys.readouterr().err


# Count


def test_count(tok: dstok.Tokenizer) -> None:
    a, b = file("a", TEXT), file("b", MANY)
    assert ok("count", a) == b"%d\n" % tok.count(TEXT)
    assert ok("count", stdin=b"") == b"0\n"
    assert ok("count", "--add-bos", "--add-eos", a) == b"%d\n" % (tok.count(TEXT) + 2)
    both = (tok.count(TEXT), tok.count(MANY))
    assert ok("count", a, b) == b"%d\ta\n%d\tb\n%d\ttotal\n" % (*both, sum(both))
    done = run("count", a, "none", ".", b)
    assert done.returncode == 2 and done.stdout == ok("count", a, b)
    assert done.stderr.decode().splitlines()[0] == "dstok: none: no such file or directory"


def test_budget(tok: dstok.Tokenizer) -> None:
    n = tok.count(TEXT)
    a, b = file("a", TEXT), file("b", b"short")
    assert ok("count", "--max-tokens", str(n), a) == b"%d\n" % n
    assert f"dstok: a: {n} tokens, 1 over" in fails("count", "--max-tokens", str(n - 1), a, b, code=1)
    assert fails("count", "--max-tokens", str(n), "--add-bos", a, code=1)
    done = run("count", "--json", "--max-tokens", str(n - 1), a, b)
    assert done.returncode == 1 and [row["tokens"] for row in map(json.loads, done.stdout.splitlines())][:1] == [n]
    assert [row["name"] for row in map(json.loads, done.stdout.splitlines())] == [a, b, "total"]
    assert ok("count", "--max-tokens", "0", stdin=b"") == b"0\n"
    lines = file("x.jsonl", b'{"text": "a"}\n{"text": "a b c"}\n')
    assert "x.jsonl: line 2: 3 tokens" in fails("count", "--jsonl", "--max-tokens", "2", lines, code=1)
    assert run("count", "--max-tokens", "0", a, "none").returncode == 2


# Added tokens and invalid text


def test_special(tok: dstok.Tokenizer) -> None:
    text, eos = f"{USER}<｜end▁of▁sentence｜>", "<｜end▁of▁sentence｜>"
    special: Any
    for words, special in (("all", "all"), ("none", "none"), (USER, {USER}), (f"{eos},{USER}", {eos, USER})):
        expected = " ".join(map(str, tok.encode(text, special=special)))
        assert ok("encode", "--special", words, stdin=text.encode()).decode() == expected + "\n"
    assert "no added token '<User>'" in fails("encode", "--special", f"{USER},<User>")


@pytest.mark.parametrize(("number", "command"), list(enumerate(["encode", "count", "dump", "pieces"])))
def test_faults_of_a_text_are_named_with_their_place_in_the_file(number: int, command: str) -> None:
    """At the start, soon after it, in another block: each command has one of these places a day, all commands have all."""
    plain = MANY.replace(USER.encode(), b"")
    for before in [(b"", b"abc ", plain)[place] for place in seeds(3, 1, SEED + number)]:
        error = fails(command, file("bad", before + b"\xff\xfe" + plain))
        assert f"dstok: bad: expected utf-8, found byte 0xff at byte offset {len(before)}" in error
        assert f"byte offset {len(before)}\n" in fails(command, file("bad", before + b"\xe6\x98"))
        error = fails(command, "--special", "raise", file("bad", before + USER.encode() + plain))
        assert f"dstok: bad: the text holds the added token '{USER}' at byte offset {len(before)} " in error


def test_replaced_text(tok: dstok.Tokenizer) -> None:
    data = b"a\xff\xe6\x98b\xe6"
    text = data.decode("utf-8", "replace")
    assert ok("encode", "--errors", "replace", stdin=data) == ok("encode", stdin=text.encode())
    assert ok("dump", "--errors", "replace", stdin=data) == ok("dump", stdin=text.encode())
    line = b'{"text": "' + data + b'"}'
    assert ok("encode", "--errors", "replace", "--jsonl", stdin=line) == ok("encode", stdin=text.encode())


# Dump and pieces


def test_dump(tok: dstok.Tokenizer) -> None:
    rows = json_lines(ok("dump", file("a", TEXT)))
    assert [row["id"] for row in rows] == tok.encode(TEXT)
    assert b"".join(bytes.fromhex(row["bytes"]) for row in rows) == TEXT
    for row in rows:
        assert bytes.fromhex(row["bytes"]) == TEXT[row["byte_start"] : row["byte_end"]]
        assert tok.token_to_id(row["token"]) == row["id"]
        assert row["special"] == (row["token"] == USER)
    assert {row["piece"] for row in rows} == set(range(len(tok.inspect().pretokenize(TEXT))))
    text = TEXT.decode()
    assert rows[-1]["char_end"] == len(text)
    assert text[rows[0]["char_start"] : rows[0]["char_end"]] == rows[0]["token"]


def test_dump_has_the_text_of_each_token_that_is_whole_characters() -> None:
    rows = json_lines(ok("dump", stdin=TEXT))
    whole = [row for row in rows if row["text"] is not None]
    assert [row["text"].encode().hex() for row in whole] == [row["bytes"] for row in whole]
    assert {"Hello", " w", USER} <= {row["text"] for row in whole}
    parts = [bytes.fromhex(row["bytes"]) for row in rows if row["text"] is None]
    assert parts and all("\ufffd" in part.decode("utf-8", "replace") for part in parts)


def test_dump_of_several_files_and_edges(tok: dstok.Tokenizer) -> None:
    rows = json_lines(ok("dump", "--add-bos", "--add-eos", file("a", b"one"), file("b", b"")))
    assert [(row["file"], row["id"]) for row in rows] == [
        ("a", 0), ("a", tok.encode("one")[0]), ("a", 1), ("b", 0), ("b", 1)]
    assert [(row["byte_start"], row["byte_end"], row["piece"]) for row in rows[:3]] == [
        (0, 0, None), (0, 3, 0), (3, 3, None)]


@pytest.mark.parametrize("command", ["dump", "pieces"])
def test_tables_have_a_line_for_each_row(command: str) -> None:
    name = file("a", TEXT)
    table = ok(command, "--format", "table", name).decode().splitlines()
    assert len(table) == 1 + len(json_lines(ok(command, name)))
    assert any(USER in line for line in table)
    assert ok(command, "--format", "table", name, name).startswith(b"==> a <==\n")


def test_pieces(tok: dstok.Tokenizer) -> None:
    rows = json_lines(ok("pieces", file("a", TEXT)))
    assert [tuple(row.values()) for row in rows] == [
        (p.text, p.start, p.end, p.char_start, p.char_end, p.step, p.alternative, p.token_id)
        for p in tok.inspect().pretokenize(TEXT)]
    assert ok("pieces", "--special", "none", "a") != ok("pieces", "a")


# Models, and what tells of them


def test_models(tok: dstok.Tokenizer) -> None:
    assert ok("count", "--model", tiny_model(Path("tiny.json")), stdin=b"abc") == b"3\n"
    os.rename("tiny.json", "tiny")
    assert ok("count", "-m", "tiny", stdin=b"abc") == b"3\n"
    Path("deepseek-v3").mkdir()
    assert ok("count", stdin=b"abc") == b"1\n", "a folder of that name changes nothing"
    assert "./deepseek-v3: no tokenizer.json is in this folder" in fails("count", "-m", "./deepseek-v3")
    assert "deepseek-v3.1" in fails("count", "-m", "deepseek-v3.11")
    assert "none.json: no such file" in fails("info", "--model", "none.json")
    assert fails("count", "--model", file("broken.json", b'{"x": 1')).startswith("dstok: broken.json: ")
    assert "names no BOS" in fails("encode", "--add-bos", "-m", "tiny", stdin=b"abc")


def test_info_models_explain(tok: dstok.Tokenizer) -> None:
    info = json.loads(ok("info", "--json"))
    assert info["fingerprint"] == tok.fingerprint and info["bos_id"] == tok.bos_id
    assert tok.fingerprint in ok("info").decode()
    assert info["scan"].startswith("mask kernel, ")
    models = json.loads(ok("models", "--json"))
    assert tuple(model["name"] for model in models) == dstok.models()
    table = ok("models").decode().splitlines()
    assert max(map(len, table)) < 80
    names = re.findall(r"deepseek[\w.-]+", "\n".join(table))
    assert names == [name for model in dstok.models() for name in (model, *dstok.model_info(model).aliases)]
    plain, shown = ok("explain"), ok("explain", "--text", "quixotic 123")
    assert r"\p{N}{1,3}" in plain.decode() and b"quixotic" in shown and b"quixotic" not in plain
