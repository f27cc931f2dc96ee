"""Inputs to shards: no byte and no row is lost or read twice, and names come from the inputs."""

from __future__ import annotations

import bz2
import gzip
import hashlib
import lzma
import os
import subprocess
import sys
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from corpora_made import ids_of, json_lines, many
from hypothesis import given, settings
from hypothesis import strategies as st
from zstd_frames import zstd_frame

import dstok.corpus
from dstok.corpus.documents import LineRange, count_lines, lines_of
from dstok.corpus.encoding import order
from dstok.corpus.folder import TEXT, check_shape
from dstok.corpus.inputs import find_inputs, plan_shards
from dstok.corpus.settings import CorpusSettings
from dstok.errors import FileError


@given(st.lists(st.sampled_from([b"\n", b"a", b"bc", b"\r\n", b"xyzxyz"]), max_size=30), st.integers(1, 9))
@settings(deadline=None)
def test_ranges_share_no_line_and_lose_none(parts: list[bytes], size: int) -> None:
    data = b"".join(parts)
    path = Path("ranges.bin")
    path.write_bytes(data)
    stretches = [LineRange(str(path), at, min(at + size, len(data))) for at in range(0, len(data), size)]
    read = [b"".join(line_range.blocks()) for line_range in stretches]
    assert b"".join(read) == data
    for line_range, lines in zip(stretches, read):
        assert lines == data[line_range.start : line_range.stop] if lines else True
        assert line_range.sha256 == hashlib.sha256(lines).hexdigest()
        assert not lines or line_range.start == 0 or data[line_range.start - 1 : line_range.start] == b"\n"
        assert count_lines(str(path), line_range.start) == data[: line_range.start].count(b"\n")


@pytest.fixture(autouse=True)
def _in_empty_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


@given(st.binary(max_size=40).map(lambda data: data.replace(b"\0", b"\n")), st.integers(1, 7), st.integers(0, 9))
def test_lines_are_those_of_the_whole(data: bytes, size: int, largest: int) -> None:
    blocks = [data[at : at + size] for at in range(0, len(data), size)]
    expected = data.split(b"\n") if not data.endswith(b"\n") and data else data.split(b"\n")[:-1]
    found = [line for lines in lines_of(blocks, largest) for line in lines]
    assert found == [line if len(line) <= largest else len(line) for line in expected]


def test_names_are_paths_below_the_common_folder() -> None:
    for name in ("in/a.jsonl", "in/b/a.jsonl", "in/b/c.txt.gz", "in/_SUCCESS", "in/.hidden/x.jsonl"):
        json_lines(Path(name), ["text"])
    files = find_inputs(["in"], CorpusSettings())
    assert [(file.name, file.kind) for file in files] == [("a.jsonl", "jsonl"), ("b/a.jsonl", "jsonl"),
                                                          ("b/c.txt.gz", "text")]
    assert [file.name for file in find_inputs(["in/b/*.jsonl"], CorpusSettings())] == ["a.jsonl"]
    assert [file.name for file in find_inputs(["in/**/*.jsonl"], CorpusSettings())] == ["a.jsonl", "b/a.jsonl"]


def test_a_corpus_below_the_inputs_is_no_input() -> None:
    for name in ("data/a.jsonl", "data/b/c.jsonl"):
        json_lines(Path(name), ["text"])
    for _ in range(2):
        dstok.corpus.tokenize("data", "data/ids", format="jsonl", workers=1)
    for path in ("data", "data/*", "data/**"):
        assert [file.name for file in find_inputs([path], CorpusSettings())] == ["a.jsonl", "b/c.jsonl"]
    with pytest.raises(FileError, match="ids: expected files in this folder, found a corpus"):
        find_inputs(["data/ids"], CorpusSettings())


@pytest.mark.parametrize(("paths", "message"), [
    (["none.jsonl"], "none.jsonl: no such file"),
    ([""], "expected a path, found an empty one"),
    (["*.none"], "no file matches"),
    (["empty"], "expected files in this folder"),
    (["data.xyz"], "data.xyz: expected a suffix"),
    (["a.jsonl", "./a.jsonl"], "given twice"),
    (["a.parquet.gz"], "found it compressed"),
])
def test_inputs_that_cannot_be(paths: list[str], message: str) -> None:
    Path("empty").mkdir()
    for name in ("data.xyz", "a.jsonl", "a.parquet.gz"):
        Path(name).write_bytes(b"{}\n")
    with pytest.raises(FileError, match=message):
        find_inputs(paths, CorpusSettings())


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="no pipes here")
def test_a_pipe_in_a_folder_is_refused(tmp_path: Path) -> None:
    """At once: to open it would wait for somebody who writes to it."""
    os.mkfifo(tmp_path / "a.txt")
    code = ("import sys; from dstok.corpus.inputs import find_inputs; from dstok.corpus.settings import CorpusSettings; "
            "find_inputs([sys.argv[1]], CorpusSettings())")
    done = subprocess.run([sys.executable, "-c", code, str(tmp_path)], capture_output=True, text=True, timeout=60)
    assert "a.txt: expected a regular file, which can be read again, found a pipe or a device" in done.stderr


@pytest.mark.skipif(os.name == "nt", reason="links need rights here")
def test_globs_follow_no_circle(tmp_path: Path) -> None:
    (tmp_path / "in" / "sub").mkdir(parents=True)
    for name in ("a.txt", "sub/b.txt", "sub/c.md"):
        (tmp_path / "in" / name).write_text("a", encoding="utf-8")
    for link, target in (("self", "."), ("sub/up", ".."), ("sub/again", ".")):
        (tmp_path / "in" / link).symlink_to(target)
    for pattern, names in (("in/**/*.txt", ["in/a.txt", "in/sub/b.txt"]), ("**/sub/*.*", ["in/sub/b.txt", "in/sub/c.md"]),
                           ("**/s[u]b/**/*.md", ["in/sub/c.md"]), ("i?/**", ["in/a.txt", "in/sub/b.txt", "in/sub/c.md"])):
        found = find_inputs([str(tmp_path / pattern)], CorpusSettings())
        assert [os.path.relpath(file.path, tmp_path) for file in found] == names, pattern


def test_shards_of_a_file_have_its_name_and_a_number() -> None:
    json_lines(Path("in/a.jsonl"), many(200))
    Path("in/b.jsonl.gz").write_bytes(gzip.compress(b'{"text": ""}\n'))
    shards = plan_shards(find_inputs(["in"], CorpusSettings()), CorpusSettings(shard_bytes=4096))
    size = Path("in/a.jsonl").stat().st_size
    assert [shard.name for shard in shards] == [*(f"a.jsonl-{i:05}" for i in range(-(-size // 4096))),
                                                "b.jsonl.gz-00000"]
    assert sum(shard.size for shard in shards[:-1]) == size


def test_small_text_files_are_put_together() -> None:
    Path("in").mkdir()
    for i in range(10):
        Path(f"in/{i}.txt").write_text("ab" * 50)
    shards = plan_shards(find_inputs(["in"], CorpusSettings()), CorpusSettings(shard_bytes=300))
    assert [(shard.name, len(shard.parts)) for shard in shards] == [
        ("0.txt-00000", 3), ("3.txt-00000", 3), ("6.txt-00000", 3), ("9.txt-00000", 1)]


PACK = {"gz": gzip.compress, "zst": zstd_frame, "bz2": bz2.compress, "xz": lzma.compress}


@pytest.mark.parametrize("suffix", PACK)
@pytest.mark.parametrize("members", [1, 2])
def test_packed_inputs(suffix: str, members: int) -> None:
    texts = many(300)
    data = json_lines(Path("a.jsonl"), texts).read_bytes()
    cut = data.index(b"\n", len(data) // 2) + 1 if members == 2 else len(data)
    packed = PACK[suffix](data[:cut]) + (PACK[suffix](data[cut:]) if members == 2 else b"")
    Path(f"b.jsonl.{suffix}").write_bytes(packed)
    dstok.corpus.tokenize(f"b.jsonl.{suffix}", "out", workers=1)
    assert [ids.tolist() for ids in dstok.corpus.open("out")] == ids_of(texts)


def test_rows_of_parquet_and_arrow_in_parts() -> None:
    texts = many(1000)
    for kind, type in (("string", pa.string()), ("large", pa.large_string()), ("view", pa.string_view()),
                       ("binary", pa.binary()), ("dictionary", pa.dictionary(pa.int32(), pa.string()))):
        table = pa.table({"id": range(1000), "text": pa.array(texts, pa.string()).cast(type)})
        if kind != "view":
            pq.write_table(table, f"{kind}.parquet", row_group_size=90)
        with pa.ipc.new_file(f"{kind}.arrow", table.schema) as file:
            file.write_table(table, max_chunksize=70)
    with pa.ipc.new_stream("stream.arrow", table.schema) as stream:
        stream.write_table(table)
    for path in sorted([*Path().glob("*.parquet"), *Path().glob("*.arrow")]):
        done = dstok.corpus.tokenize(path, f"out-{path}", workers=1, shard_bytes=5000)
        assert [ids.tolist() for ids in dstok.corpus.open(f"out-{path}")] == ids_of(texts), path
        assert done.shards > 2 or path.name == "stream.arrow"


def test_an_arrow_file_without_batches() -> None:
    with pa.ipc.new_file("a.arrow", pa.schema([("text", pa.string())])):
        pass
    dstok.corpus.tokenize("a.arrow", "out", workers=1)
    assert [ids.tolist() for ids in dstok.corpus.open("out")] == []


def test_lines_and_whole_texts() -> None:
    Path("a.txt").write_bytes("first\r\n\nnaïve\nlast".encode())
    dstok.corpus.tokenize("a.txt", "lines", lines=True, workers=1)
    dstok.corpus.tokenize("a.txt", "whole", workers=1)
    assert [ids.tolist() for ids in dstok.corpus.open("lines")] == ids_of(["first", "", "naïve", "last"])
    assert [ids.tolist() for ids in dstok.corpus.open("whole")] == ids_of(["first\r\n\nnaïve\nlast"])


def test_a_data_set() -> None:
    datasets = pytest.importorskip("datasets")
    texts = many(50)
    json_lines(Path("rows/train.jsonl"), texts, "body")
    assert len(datasets.load_dataset("rows", split="train")) == 50
    dstok.corpus.tokenize([], "out", dataset="rows::train", field="body", workers=1)
    assert [ids.tolist() for ids in dstok.corpus.open("out")] == ids_of(texts)


def test_small_examples() -> None:
    lines = lines_of([b"a\nb", b"c\n\nxxxx", b"xxxx\nd"], largest=5)
    assert list(lines) == [[b"a"], [b"bc", b""], [8], [b"d"]]
    assert CorpusSettings("megatron").resolved(dstok.load("deepseek-v3")).dtype == "int32"
    assert order(5, 1, "a.jsonl-00000").tolist() == [0, 4, 2, 1, 3]
    with pytest.raises(ValueError, match=r"expected a string, found a number - at \$.shards\[1\]"):
        check_shape({"shards": ["a", 5]}, {"shards": [TEXT]})
