"""Bad input: an error that names file and line or row, or, with `skip`, a line in the list of those."""

from __future__ import annotations

import bz2
import gc
import gzip
import hashlib
import json
import lzma
import struct
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from corpora_made import checksums, ids_of, json_lines
from zstd_frames import zstd_frame

import dstok.corpus
from dstok.corpus.finished import verify
from dstok.corpus.settings import PLAN
from dstok.errors import FileError

GOOD = [f"document {i} — 你好" for i in range(400)]
LINES = [json.dumps({"text": text}, ensure_ascii=False).encode() + b"\n" for text in GOOD]
BEFORE, AFTER = b"".join(LINES[:200]), b"".join(LINES[200:])
BAD_LINES = {
    "broken": (b'{"text": "broken\n', "expected JSON, found"),
    "garbage": (b"not json at all\n", "expected JSON, found"),
    "not utf-8": (b'{"text": "a\xff\xfeb"}\n', "expected utf-8, found byte 0xff at byte offset 11"),
    "nul": (b"\0" * 100 + b"\n", "expected JSON, found"),
    "lone surrogate": (b'{"text": "x\\ud800y"}\n', "expected JSON, found .*surrogate"),
    "missing": (b'{"other": 1}\n', "expected the field 'text', found 'other'"),
    "null": (b'{"text": null}\n', "expected a string under 'text', found null"),
    "number": (b'{"text": 5}\n', "expected a string under 'text', found a number"),
    "array": (b"[1, 2]\n", "expected a JSON object, found an array"),
    "two values": (b'{"text": "a"} {"text": "b"}\n', "expected JSON, found"),
    "not a number": (b'{"text": "a", "n": NaN}\n', "expected JSON, found"),
    "too long": (b'{"text": "' + b"x" * 5000 + b'"}\n', "expected a document of at most 5000 bytes, found 5012"),
    "deep": (b'{"text": ' + b"[" * 2000 + b"]" * 2000 + b"}\n", "expected"),
}


@pytest.fixture(autouse=True)
def _in_empty_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def tokenize(path: str, **options: Any) -> dstok.corpus.Totals:
    return dstok.corpus.tokenize(path, "out", **{"workers": 1, "largest": 5000, **options})


def finals() -> list[str]:
    return sorted(name for name in checksums(Path("out")) if name != PLAN)


@pytest.mark.parametrize("what", BAD_LINES)
@pytest.mark.parametrize("shard_bytes", [0, 3000])
def test_a_bad_line(what: str, shard_bytes: int) -> None:
    line, message = BAD_LINES[what]
    Path("a.jsonl").write_bytes(BEFORE + line + AFTER)
    with pytest.raises(FileError, match=f"a.jsonl: line 201: {message}"):
        tokenize("a.jsonl", shard_bytes=shard_bytes)
    assert shard_bytes or finals() == []
    done = dstok.corpus.tokenize("a.jsonl", "skipped", workers=1, skip=True, largest=5000, shard_bytes=shard_bytes)
    assert (done.documents, done.skipped) == (400, 1)
    [listed] = [json.loads(line) for path in Path("skipped/__dstok__/skipped").iterdir() for line in path.open()]
    assert listed["line"] == 201 and listed["file"].endswith("a.jsonl")
    assert [ids.tolist() for ids in dstok.corpus.open("skipped")] == ids_of(GOOD)


@pytest.mark.parametrize("format", ["parquet", "arrow"])
def test_a_file_that_an_error_leaves_unfinished(format: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """pyarrow's writer is freed without a word about it."""
    heard = list[Any]()
    monkeypatch.setattr(sys, "unraisablehook", heard.append)
    Path("a.jsonl").write_bytes((BEFORE + AFTER) * 60 + b"broken")
    with pytest.raises(FileError, match="line 24001"):
        tokenize("a.jsonl", format=format)
    gc.collect()
    assert not heard and not finals()


@pytest.mark.parametrize("data", [
    BEFORE + b'{"text": "a", "text": "document 0"}\n' + AFTER, b"\xef\xbb\xbf" + BEFORE + AFTER, (BEFORE + AFTER)[:-1],
    (BEFORE + AFTER).replace(b"\n", b"\r\n"), BEFORE + b"\n  \n\t\r\n" + AFTER, b"", b"\n\n  \n\n",
    BEFORE + b'{"text": "x\\u0000y"}\n',
], ids=["equal keys", "byte order mark", "no line feed at the end", "crlf", "blank lines", "empty", "only blank", "nul"])
def test_odd_files_that_are_fine(data: bytes) -> None:
    Path("a.jsonl").write_bytes(data)
    tokenize("a.jsonl")
    texts = [json.loads(line)["text"] for line in data.decode("utf-8-sig").split("\n") if line.strip()]
    assert [ids.tolist() for ids in dstok.corpus.open("out")] == ids_of(texts)


def test_a_line_cut_at_the_end() -> None:
    Path("a.jsonl").write_bytes((BEFORE + AFTER)[:-3])
    with pytest.raises(FileError, match="a.jsonl: line 400: expected JSON, found"):
        tokenize("a.jsonl")


def test_lines_of_text_that_are_not_utf8() -> None:
    Path("a.txt").write_bytes(b"fine\n" * 7 + b"caf\xe9\n" + b"fine\n" + b"\xff\n")
    with pytest.raises(FileError, match="a.txt: line 8: expected utf-8, found byte 0xe9 at byte offset 3"):
        tokenize("a.txt", lines=True)
    done = dstok.corpus.tokenize("a.txt", "skipped", workers=1, lines=True, skip=True)
    assert (done.documents, done.skipped) == (8, 2)


def test_added_tokens_that_are_refused() -> None:
    Path("a.txt").write_text("fine\n<｜User｜>\n")
    with pytest.raises(FileError, match="a.txt: line 2: the text holds the added token '<｜User｜>' at byte offset 0"):
        tokenize("a.txt", lines=True, special="raise")


BROKEN = {
    "truncated.gz": gzip.compress(BEFORE + AFTER)[:-200], "cut_header.gz": gzip.compress(BEFORE)[:6],
    "garbage.gz": b"this is not gzip" * 9, "bad_crc.gz": gzip.compress(BEFORE)[:-8] + bytes(8), "empty.gz": b"",
    "tail.gz": gzip.compress(BEFORE) + b"garbage", "truncated.zst": zstd_frame(BEFORE)[:-9],
    "garbage.zst": b"this is not zstd" * 9, "tail.bz2": bz2.compress(BEFORE) + b"garbage",
    "truncated.bz2": bz2.compress(BEFORE)[:-9], "garbage.bz2": b"this is not bzip2" * 9,
    "truncated.xz": lzma.compress(BEFORE)[:-9], "garbage.xz": b"this is not xz" * 9,
    "tail.xz": lzma.compress(BEFORE) + b"garbage!",
}


@pytest.mark.parametrize("name", BROKEN)
def test_broken_packed_files(name: str) -> None:
    what, suffix = name.split(".")
    path = Path(f"{what}.jsonl.{suffix}")
    path.write_bytes(BROKEN[name])
    with pytest.raises(FileError, match=path.name):
        tokenize(path.name)
    assert finals() == []
    done = dstok.corpus.tokenize(path, "skipped", workers=1, skip=True)
    assert done.skipped >= 1
    [listed] = [line for line in Path("skipped/__dstok__/skipped").iterdir()]
    assert "the rest of the file" in listed.read_text()


PACK = {"gz": gzip.compress, "zst": zstd_frame, "bz2": bz2.compress, "xz": lzma.compress}


@pytest.mark.parametrize("fault", ["cut", "garbage"])
@pytest.mark.parametrize("suffix", PACK)
def test_what_stands_before_a_fault_is_kept(suffix: str, fault: str) -> None:
    """The first frame, and the lines of the second up to the fault; the rest is listed with its line."""
    one, other = PACK[suffix](BEFORE), PACK[suffix](AFTER)
    path = Path(f"a.jsonl.{suffix}")
    path.write_bytes(one + (other[: len(other) // 2] if fault == "cut" else b"garbage, not packed"))
    done = dstok.corpus.tokenize(path, "skipped", workers=1, skip=True)
    assert done.documents >= 200 and done.skipped == 1
    assert [ids.tolist() for ids in dstok.corpus.open("skipped")] == ids_of(GOOD[: done.documents])
    listed = json.loads(Path("skipped", "__dstok__", "skipped", f"{path}-00000.jsonl").read_bytes())  # one line
    assert listed["line"] == done.documents + 1 and "the rest of the file" in listed["reason"]
    assert list(verify("skipped")) == []
    path.write_bytes(path.read_bytes()[:-1] + b"?")  # in the part that is not read
    assert len(list(verify("skipped"))) == 1


@pytest.mark.parametrize("kind", ["parquet", "arrow"])
def test_two_columns_of_one_name(kind: str) -> None:
    table = pa.table([pa.array(["a"]), pa.array(["b"])], names=["text", "text"])
    if kind == "parquet":
        pq.write_table(table, "a.parquet")
    else:
        with pa.OSFile("a.arrow", "wb") as file, pa.ipc.new_file(file, table.schema) as writer:
            writer.write_table(table)
    with pytest.raises(FileError, match=f"a.{kind}: expected one column 'text', found 'text', 'text'"):
        tokenize(f"a.{kind}")


def test_broken_tables() -> None:
    table = pa.table({"text": pa.array(["a", None, "c"]), "number": [1, 2, 3], "bytes": [b"a", b"\xff", b"c"]})
    pq.write_table(table, "a.parquet")
    Path("empty.parquet").write_bytes(b"")
    Path("garbage.parquet").write_bytes(b"PAR1" + b"x" * 100 + b"PAR1")
    Path("garbage.arrow").write_bytes(b"ARROW1\0\0" + b"x" * 100)
    Path("v1.feather").write_bytes(b"FEA1" + b"x" * 100 + b"FEA1")
    Path("cut.parquet").write_bytes(Path("a.parquet").read_bytes()[:-5])
    options: Any
    for path, options, message in [
        ("a.parquet", {}, "a.parquet: row 1: expected text in the column 'text', found null"),
        ("a.parquet", {"field": "body"}, "a.parquet: expected one column 'body', found 'text', 'number', 'bytes'"),
        ("a.parquet", {"field": "number"}, "a.parquet: expected text in the column 'number', found int64"),
        ("a.parquet", {"field": "bytes"}, "a.parquet: row 1: expected utf-8, found byte 0xff"),
        ("empty.parquet", {}, "empty.parquet: "), ("garbage.parquet", {}, "garbage.parquet: "),
        ("garbage.arrow", {}, "garbage.arrow: expected an Arrow file or stream, "),
        ("v1.feather", {}, "v1.feather: expected an Arrow file or stream, such as Feather V2: "), ("cut.parquet", {}, "cut.parquet: "),
    ]:
        with pytest.raises(FileError, match=message):
            dstok.corpus.tokenize(path, f"out-{path}{len(options)}{options.get('field')}", workers=1, **options)


@pytest.mark.parametrize("type", [
    pa.string(), pa.large_string(), pa.string_view(), pa.binary(), pa.dictionary(pa.int32(), pa.binary())], ids=str)
def test_bad_rows_of_tables_are_skipped(type: Any) -> None:
    """Null, too long, or, of bytes, no UTF-8; the checksum is that of all values, however they come in batches."""
    binary = type in (pa.binary(), pa.dictionary(pa.int32(), pa.binary()))
    rows = [text.encode() for text in GOOD]
    rows[7:7], rows[300:300] = [None, b"x" * 5001, b"a\xff" if binary else b"fine"], [None]  # type: ignore[list-item]
    array = pa.array(rows, pa.binary()).cast(type if binary else pa.string()).cast(type)
    with pa.ipc.new_file("a.arrow", pa.schema([("text", type)])) as file:
        file.write_table(pa.table({"text": array}), max_chunksize=70)
    done = tokenize("a.arrow", skip=True)
    texts = [row.decode() for row in rows if row and len(row) < 5000 and b"\xff" not in row]
    assert [ids.tolist() for ids in dstok.corpus.open("out")] == ids_of(texts)
    listed = [json.loads(line) for path in Path("out/__dstok__/skipped").iterdir() for line in path.open()]
    assert sorted(line["row"] for line in listed) == [7, 8, *[9] * binary, 300] and done.skipped == len(listed)
    lengths = np.array([-1 if row is None else len(row) for row in rows], "<i8")
    both = hashlib.sha256(lengths.tobytes()).digest() + hashlib.sha256(b"".join(row or b"" for row in rows)).digest()
    assert json.loads(Path("out/__dstok__/manifests/a.arrow-00000.json").read_text())["inputs"][0]["sha256"] == hashlib.sha256(
        both).hexdigest()


def test_the_first_bad_document_is_named() -> None:
    """Reading is some batches ahead of encoding; it is the first batch's error all the same, and the lists are equal."""
    line = json.dumps({"text": "a text of some words " * 40}).encode() + b"\n"
    forged = json.dumps({"text": "<｜User｜>"}).encode() + b"\n"
    Path("a.jsonl").write_bytes((line * 900 + forged + line * 900 + b"{\n") * 3 + line)
    with pytest.raises(FileError, match="a.jsonl: line 901: the text holds the added token"):
        tokenize("a.jsonl", special="raise")
    for out in ("one", "two"):
        assert dstok.corpus.tokenize("a.jsonl", out, workers=1, special="raise", skip=True).skipped == 6
    assert checksums(Path("one")) == checksums(Path("two"))


def test_arrow_files_with_wrong_numbers() -> None:
    """pyarrow reads such a file, and would end the process when it copies the texts."""
    data = pa.py_buffer(b"hello world, this is long")
    view = pa.py_buffer(struct.pack("<i4sii", 20, b"hell", 7, 0))
    offsets = pa.py_buffer(struct.pack("<3i", 0, 2_000_000_000, 7))
    for name, array in (("view", pa.Array.from_buffers(pa.string_view(), 1, [None, view, data])),
                        ("offset", pa.Array.from_buffers(pa.string(), 2, [None, offsets, data]))):
        with pa.ipc.new_file(f"{name}.arrow", pa.schema([("text", array.type)])) as file:
            file.write_batch(pa.record_batch([array], ["text"]))
        with pytest.raises(FileError, match=f"{name}.arrow: expected a valid Arrow array: .*slot"):
            dstok.corpus.tokenize(f"{name}.arrow", f"out-{name}", workers=1)


def test_a_document_that_is_too_large_takes_no_memory() -> None:
    """Of a line or a file above the limit only the length is kept."""
    Path("a.jsonl").write_bytes(BEFORE + b'{"text": "' + b"x" * (8 << 20) + b'"}\n' + AFTER)
    with pytest.raises(FileError, match="line 201: expected a document of at most 5000 bytes, found 8388620"):
        tokenize("a.jsonl")
    Path("b.txt").write_bytes(b"x" * (3 << 20))
    with pytest.raises(FileError, match="b.txt: expected a document of at most 5000 bytes, found 3145728"):
        dstok.corpus.tokenize("b.txt", "other", workers=1, largest=5000)


def test_the_error_of_a_worker_is_raised() -> None:
    json_lines(Path("in/a.jsonl"), GOOD)
    Path("in/b.jsonl").write_bytes(BEFORE + b"{\n" + AFTER)
    with pytest.raises(FileError, match="b.jsonl: line 201"):
        dstok.corpus.tokenize("in", "out", workers=2, shard_bytes=3000)


def test_a_folder_that_cannot_be_written(monkeypatch: pytest.MonkeyPatch) -> None:
    json_lines(Path("a.jsonl"), GOOD)
    Path("file").write_text("")
    with pytest.raises(FileError, match="file"):
        dstok.corpus.tokenize("a.jsonl", "file/out", workers=1)
    with pytest.raises(FileError, match="/proc/none"):
        dstok.corpus.tokenize("a.jsonl", "/proc/none/out", workers=1)
