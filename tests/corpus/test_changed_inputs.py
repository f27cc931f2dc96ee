"""Inputs that somebody cuts, empties or writes again after the work was planned: an error, never a smaller corpus."""

from __future__ import annotations

import gzip
import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from corpora_made import ids_of, json_lines, many

import dstok.corpus
import dstok.training
from dstok._util.files import write_json
from dstok.cli import train as piece_counts
from dstok.cli.app import main
from dstok.corpus import engines as local
from dstok.corpus.finished import verify
from dstok.corpus.folder import read_manifest
from dstok.corpus.inputs import InputFile
from dstok.corpus.settings import CORPUS, manifest_name
from dstok.corpus.tables import rows_of
from dstok.errors import FileError
from dstok.io.text_files import open_source
from dstok.training import run as from_files
from dstok.training.piece_counts import PieceCounter

TEXTS = many(400)
TABLE = pa.table({"id": range(len(TEXTS)), "text": TEXTS})


@pytest.fixture(autouse=True)
def _in_empty_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def lines(path: str) -> None:
    Path(path).write_text("".join(text.replace("\n", " ") + "\n" for text in TEXTS))


def packed(path: str) -> None:
    Path(path).write_bytes(gzip.compress(json_lines(Path("a.jsonl"), TEXTS).read_bytes()))


def arrow(path: str) -> None:
    with pa.OSFile(path, "wb") as file, pa.ipc.new_file(file, TABLE.schema) as writer:
        writer.write_table(TABLE, 50)


INPUTS: dict[str, tuple[Callable[[str], object], dict[str, Any]]] = {
    "a.jsonl": (lambda path: json_lines(Path(path), TEXTS), {"shard_bytes": 5000}),
    "a.txt": (lines, {"lines": True}), "b.txt": (lines, {}), "a.jsonl.gz": (packed, {}), "a.arrow": (arrow, {}),
    "a.parquet": (lambda path: pq.write_table(TABLE, path, row_group_size=50), {"shard_bytes": 1000}),
}


def cut(path: Path) -> None:
    data = path.read_bytes()
    os.truncate(path, data.index(b"\n", len(data) // 40) + 1)


def empty(path: Path) -> None:
    os.truncate(path, 0)


def grow(path: Path) -> None:
    path.write_bytes(path.read_bytes() * 2)


def write_again(path: Path) -> None:
    """The same bytes at another time: nobody can know that no others were read in between."""
    data, time = path.read_bytes(), path.stat().st_mtime_ns
    path.write_bytes(data)
    os.utime(path, ns=(time + 10**9, time + 10**9))


def after(change: Callable[[Path], None], path: str, shards: int) -> Any:
    """The local engine, and the change when so many shards are done."""
    def engine(job: Any, shards_: Any, workers: Any, progress: Any) -> Iterator[dict[str, Any]]:
        if not shards:
            change(Path(path))
        for number, manifest in enumerate(local.run(job, shards_, 1, progress), 1):
            yield manifest
            if number == shards:
                change(Path(path))
    return engine


@pytest.mark.parametrize(("shards", "skip"), [(0, False), (1, True)])
@pytest.mark.parametrize("change", [cut, empty, grow, write_again])
@pytest.mark.parametrize("name", INPUTS)
def test_a_corpus(name: str, change: Callable[[Path], None], shards: int, skip: bool) -> None:
    make, settings = INPUTS[name]
    make(name)
    time = Path(name).stat().st_mtime_ns
    with pytest.raises(FileError, match=rf"{name}: has changed"):
        dstok.corpus.tokenize(name, "out", engine=after(change, name, shards), skip=skip, **settings)
    assert not Path("out", CORPUS).exists()
    make(name)
    os.utime(name, ns=(time, time))
    assert dstok.corpus.tokenize(name, "out", workers=1, skip=skip, **settings).complete
    assert list(verify("out")) == []
    expected = TEXTS if name not in ("a.txt", "b.txt") else (
        [Path(name).read_text()] if name == "b.txt" else Path(name).read_text().splitlines())
    assert [ids.tolist() for ids in dstok.corpus.open("out")] == ids_of(expected)
    change(Path(name))
    assert all(f"{name}: has changed" in problem for problem in verify("out"))
    assert (list(verify("out")) == []) == (change is write_again)


def test_a_corpus_that_has_left_something_out() -> None:
    """Its files and its manifests agree; its plan has more bytes."""
    json_lines(Path("a.jsonl"), TEXTS)
    dstok.corpus.tokenize("a.jsonl", "out", workers=1, shard_bytes=5000)
    manifest = read_manifest("out", "a.jsonl-00002")
    manifest["inputs"][0]["stop"] -= 100
    write_json("out", manifest_name("a.jsonl-00002"), manifest, "out")
    [problem] = verify("out", inputs=False)
    assert f"expected all {Path('a.jsonl').stat().st_size} bytes of {Path.cwd()}/a.jsonl, found the first" in problem


@pytest.mark.parametrize("change", [cut, empty, grow, write_again])
@pytest.mark.parametrize("name", INPUTS)
def test_counted_pieces(name: str, change: Callable[[Path], None]) -> None:
    make, settings = INPUTS[name]
    make(name)
    with pytest.raises(FileError, match=rf"{name}: has changed"):
        dstok.training.count(name, "a.counts", like="gpt-2", engine=after(change, name, 1), **settings)
    assert not Path("a.counts").exists()


@pytest.mark.parametrize("folder", [None, "tok"])
@pytest.mark.parametrize("change", [cut, empty, grow, write_again])
def test_a_training(change: Callable[[Path], None], folder: str | None, monkeypatch: pytest.MonkeyPatch) -> None:
    lines("a.txt")
    readers = from_files.readers_of

    def changing(*given: Any) -> Any:
        change(Path("a.txt"))
        return readers(*given)

    monkeypatch.setattr(from_files, "readers_of", changing)
    with pytest.raises(FileError, match=r"a.txt: has changed"):
        dstok.training.train(["a.txt"], dstok.training.BpeTrainer(vocab_size=300), like="deepseek-v3", folder=folder)


@pytest.mark.parametrize("options", [[], ["--work", "work"]])
@pytest.mark.parametrize("change", [cut, empty, grow, write_again])
def test_counted_pieces_of_the_command(
    change: Callable[[Path], None], options: list[str], monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    lines("a.txt")
    counter = PieceCounter

    def changing(*given: Any) -> Any:
        change(Path("a.txt"))
        return counter(*given)

    monkeypatch.setattr(piece_counts, "PieceCounter", changing)
    assert main(["pieces", "--count", "a.txt", *options]) == 2
    assert "a.txt: has changed" in capsys.readouterr().err


def test_a_file_that_is_cut_under_a_reader() -> None:
    lines("a.txt")
    with open_source("a.txt") as source:
        blocks = source.blocks(100)
        assert len(next(blocks)) == 100
        os.truncate("a.txt", 50)
        with pytest.raises(FileError, match=r"a.txt: has changed: expected .* found"):
            list(blocks)


def test_an_arrow_file_that_is_cut_under_its_reader() -> None:
    """If the file were mapped, reading beyond its end would end the process."""
    arrow("a.arrow")
    rows = rows_of(InputFile(os.path.abspath("a.arrow"), "a.arrow", "arrow", Path("a.arrow").stat().st_size), 0, -1, "text")
    assert next(rows)[1].to_pylist() == [text.encode() for text in TEXTS[:50]]
    empty(Path("a.arrow"))
    with pytest.raises(FileError, match=r"a.arrow: "):
        list(rows)
