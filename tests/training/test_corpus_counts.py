"""`dstok.training.count`: all kinds of inputs, both engines' way, and kills give the counts of the texts."""

from __future__ import annotations

import bz2
import gzip
import json
import lzma
import os
import random
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import datasets
import pyarrow as pa
import pyarrow.feather
import pyarrow.parquet
import pytest

import dstok.corpus
import dstok.training
from dstok.cli.app import main
from dstok.corpus.inputs import Shard
from dstok.errors import ArgumentError, FileError
from dstok.training import count_from_iterator

TEXTS = [f"low lower {number % 7} newé 中{number % 5}文\n" * (number % 3) for number in range(1000)]
LINES = b"".join(json.dumps({"text": text, "id": number}).encode() + b"\n" for number, text in enumerate(TEXTS))


@pytest.fixture(autouse=True)
def _in_empty_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    Path("in").mkdir()


def expected(texts: Sequence[str] = TEXTS) -> bytes:
    return Path(count_from_iterator(texts, "expected.counts", like="gpt-2").path).read_bytes()


def counted(inputs: Any = "in", **options: Any) -> bytes:
    found = dstok.training.count(inputs, "out.counts", like="gpt-2", **{"workers": 1, "shard_bytes": 4000, **options})
    assert found.path == "out.counts" and not Path("out.counts.work").exists()
    return Path("out.counts").read_bytes()


@pytest.mark.parametrize("kind", ["jsonl", "gz", "bz2", "xz", "zst", "parquet", "stream", "feather"])
def test_kinds_of_files(kind: str) -> None:
    table, at = pa.table({"text": TEXTS}), Path("in")
    if kind == "jsonl":
        (at / "a.jsonl").write_bytes(LINES)
    elif kind in ("gz", "bz2", "xz"):
        pack: dict[str, Callable[[bytes], bytes]] = {"gz": gzip.compress, "bz2": bz2.compress, "xz": lzma.compress}
        (at / f"a.jsonl.{kind}").write_bytes(pack[kind](LINES))
    elif kind == "zst":
        (at / "a.jsonl.zst").write_bytes(pytest.importorskip("zstandard").compress(LINES))
    elif kind == "parquet":
        pyarrow.parquet.write_table(table, at / "a.parquet", row_group_size=100)
    elif kind == "stream":
        with pa.ipc.new_stream(at / "a.arrow", table.schema) as writer:
            writer.write_table(table, 100)
    else:
        pyarrow.feather.write_feather(table, str(at / "a.feather"))
    assert counted() == expected()


def test_texts_and_lines() -> None:
    texts = TEXTS[:200]
    for number, text in enumerate(texts):
        Path(f"in/{number}.txt").write_text(text, encoding="utf-8")
    assert counted() == expected(texts)
    parts = [line for text in texts for line in text.splitlines()]
    assert counted(lines=True) == expected(parts)


def test_a_data_set() -> None:
    Path("in/train.jsonl").write_bytes(LINES)
    assert len(datasets.load_dataset("in", split="train")) == len(TEXTS)
    assert counted([], dataset="in::train") == expected()
    assert main(["train", "count", "--dataset", "in::train:text", "--like", "gpt-2", "--out", "c.counts"]) == 0
    assert Path("c.counts").read_bytes() == expected()


def test_normalized_documents() -> None:
    Path("in/a.jsonl").write_bytes(json.dumps({"text": "e\u0301"}).encode())
    splitter = dstok.Splitter.preset("gpt-2")
    found = dstok.training.count("in", "out.counts", like=splitter, normalizer="NFC")
    assert [(bytes(pieces), [*counts]) for pieces, _, counts in found.rows()] == [("é".encode(), [1])]


def test_an_engine_of_the_callers(tmp_path: Path) -> None:
    """Any order, and a shard that is done twice, as Ray may do."""
    Path("in/a.jsonl").write_bytes(LINES)

    def engine(job: Any, shards: Sequence[Shard], workers: int | None, progress: Any) -> Iterator[dict[str, Any]]:
        assert workers == 7 and len(shards) > 5
        for shard in random.Random(1).sample(shards, len(shards)):
            job.done(shard, lambda *counts: None)
            yield job.done(shard, lambda *counts: None)

    assert counted(engine=engine, workers=7) == expected()


def test_reports() -> None:
    Path("in/a.jsonl").write_bytes(LINES)
    reports: list[dstok.corpus.ShardReport] = []
    counted(progress=reports.append)
    assert len({report.shard for report in reports}) > 10 and 0 < sum(
        {report.shard: report.documents for report in reports}.values()) <= len(TEXTS)


RUN = ("import dstok.corpus, sys\n"
       "if __name__ == '__main__': dstok.training.count('in', 'out.counts', like='gpt-2', workers=2, shard_bytes=30_000)")


@pytest.mark.parametrize("number", range(3))
def test_the_same_bytes_after_kills(number: int) -> None:
    Path("in/a.jsonl").write_bytes(LINES * 5)
    environment = {**os.environ, "PYTHONPATH": str(Path(dstok.__file__).parents[1])}
    Path("run.py").write_text(RUN)
    for shards in (1 + number, 3 + number):
        process = subprocess.Popen([sys.executable, "run.py"], env=environment, stderr=subprocess.DEVNULL)
        while process.poll() is None and len([*Path("out.counts.work").glob("work/*.json")]) < 1 + shards:
            time.sleep(0.001)
        process.send_signal(signal.SIGKILL)
        process.wait()
    assert counted(workers=1, shard_bytes=30_000) == expected(TEXTS * 5)


def test_what_a_killed_run_left_over_is_removed(monkeypatch: pytest.MonkeyPatch) -> None:
    Path("in/a.jsonl").write_bytes(LINES)

    def dying(job: Any, shards: Sequence[Shard], *args: Any) -> Iterator[dict[str, Any]]:
        Path(job.work, "x-1.tmp").mkdir()
        Path(job.work, ".dstok-1.tmp").touch()
        yield job.done(shards[0], lambda *counts: None)
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        counted(engine=dying)
    seen: list[list[str]] = []

    def engine(job: Any, shards: Sequence[Shard], *args: Any) -> Iterator[dict[str, Any]]:
        seen.append(os.listdir(job.work))
        yield from (job.done(shard, lambda *counts: None) for shard in shards)

    assert counted(engine=engine) == expected()
    assert len(seen[0]) == 4 and not [name for name in seen[0] if name.endswith(".tmp")]


@pytest.mark.parametrize(("options", "kind", "fault"), [
    ({"kind": "csv"}, ArgumentError, "the format of the inputs to be one of jsonl, lines"),
    ({"shard_bytes": -1}, ArgumentError, "expected shard_bytes to be 0 or more"),
    ({"workers": 0}, ArgumentError, "expected at least 1 worker"),
    ({"engine": "spark"}, ArgumentError, 'expected the engine "local" or "ray"'),
    ({"field": "body"}, FileError, "a.jsonl: line 1: expected the field 'body'"),
    ({"memory": 10}, dstok.DstokError, "that fit in 10 bytes"),
    ({"skip": True}, TypeError, "skip"),
])
def test_errors(options: dict[str, Any], kind: type[Exception], fault: str) -> None:
    Path("in/a.jsonl").write_bytes(LINES)
    with pytest.raises(kind, match=fault):
        counted(**options)
    assert not Path("out.counts").exists()


def test_other_inputs_than_those_of_the_folder() -> None:
    Path("in/a.jsonl").write_bytes(LINES)
    with pytest.raises(FileError, match="expected the field 'body'"):
        counted(field="body")
    Path("in/a.jsonl").write_bytes(LINES[:-10] + b"more\"}\n\n")
    with pytest.raises(FileError, match="expected the training of this call, found one with other"):
        counted()
