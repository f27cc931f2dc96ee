"""The same command gives the same bytes: for any number of workers, after it was stopped, in parts."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from multiprocessing.context import SpawnProcess
from pathlib import Path
from typing import Any

import pytest
from corpora_made import checksums, json_lines, two_files
from corpora_made import tokenize_two_files as tokenize
from reference import DEEP
from shares import seeds

import dstok.corpus
from dstok.corpus.folder import Folder
from dstok.corpus.settings import PLAN
from dstok.errors import FileError

FORMATS = dstok.corpus.FORMATS


@pytest.fixture(autouse=True)
def _inputs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    two_files()


def test_workers_make_no_difference() -> None:
    tokenize("one")
    assert tokenize("two", workers=2).complete
    assert checksums(Path("two")) == checksums(Path("one"))


def test_parts_of_a_job_make_no_difference() -> None:
    tokenize("one")
    done = [tokenize("parts", shard=(number, 3)) for number in (3, 1, 2)]
    assert [totals.complete for totals in done] == [False, False, True]
    assert checksums(Path("parts")) == checksums(Path("one"))
    tokenize("some", shard=(1, 2))
    with pytest.raises(FileError, match="not whole"):
        dstok.corpus.open("some")


@pytest.mark.parametrize("format", FORMATS)
def test_what_is_missing_is_made_again(format: str) -> None:
    tokenize("out", format=format)
    expected = checksums(Path("out"))
    for victim in sorted(expected)[::3]:
        if victim != PLAN:
            (Path("out") / victim).unlink()
    assert tokenize("out", format=format).complete
    assert checksums(Path("out")) == expected


def test_nothing_is_done_again() -> None:
    first = tokenize("out")
    before = {path: path.stat().st_mtime_ns for path in Path("out").rglob("*")}
    second = tokenize("out", workers=2)
    assert (first.done, second.done) == (0, first.shards) and second.tokens == first.tokens
    assert {path: path.stat().st_mtime_ns for path in Path("out").rglob("*") if path.is_file()}.items() <= before.items()


@pytest.mark.parametrize(("options", "told"), [
    ({"format": "megatron"}, 'settings format "raw" there, "megatron" here'),
    ({"add_eos": True}, "settings add_eos false there, true here"),
    ({"model": "deepseek-r1"}, "tokenizer model"),
])
def test_another_command_is_told_what_differs(options: dict[str, Any], told: str) -> None:
    tokenize("out")
    with pytest.raises(FileError, match=told):
        tokenize("out", **options)


def test_other_inputs_are_told() -> None:
    tokenize("out")
    json_lines(Path("in/d.jsonl"), ["one more"])
    with pytest.raises(FileError, match="inputs 2 of them there, 3 of them here"):
        tokenize("out")


def test_two_at_once() -> None:
    tokenize("out")
    with Folder("out", 1, 1).entered(json.loads(Path("out", PLAN).read_bytes())), pytest.raises(FileError, match="another dstok corpus command"):
        tokenize("out")
    assert tokenize("out").complete


def test_a_full_disk_leaves_nothing_half_done(monkeypatch: pytest.MonkeyPatch) -> None:
    def full(place: int) -> None:
        raise OSError(28, "No space left on device")

    tokenize("one")
    with monkeypatch.context() as changed:
        changed.setattr(os, "fsync", full)
        with pytest.raises(FileError, match="out.*no space left on device"):
            tokenize("out")
    assert set(checksums(Path("out"))) <= {PLAN}
    tokenize("out")
    assert checksums(Path("out")) == checksums(Path("one"))


def test_another_option_for_bad_documents_continues() -> None:
    """The shards that are done have no bad document: they stay, and all is as if the option had been given at once."""
    lines = Path("in/b/c.jsonl").read_bytes().splitlines(keepends=True)
    lines[150:150] = [b"{\n", b'{"text": "' + b"x" * 9000 + b'"}\n']
    Path("in/b/c.jsonl").write_bytes(b"".join(lines))
    with pytest.raises(FileError, match="line 151: expected JSON") as caught:
        tokenize("out", largest=5000)
    assert caught.value.parameter == "skip"
    half = {path: path.stat().st_mtime_ns for path in Path("out").rglob("*.bin")}
    done = tokenize("out", skip=True)
    assert half and done.done == len(half) and (done.documents, done.skipped) == (501, 1)
    assert half.items() <= {path: path.stat().st_mtime_ns for path in Path("out").rglob("*.bin")}.items()
    tokenize("one", skip=True)
    assert checksums(Path("out")) == checksums(Path("one"))
    for changed in ({"skip": False}, {"skip": True, "largest": 5000}):  # shards that are done would have other bytes
        with pytest.raises(FileError, match="settings (skip|largest) .* there, .* here"):
            tokenize("out", **changed)


def test_a_folder_of_other_files_is_left_alone() -> None:
    Path("mine/deep").mkdir(parents=True)
    for name in ("mine/deep/a.txt", "mine/.hidden"):
        Path(name).write_text("mine")
    for dry in (False, True):
        with pytest.raises(FileError, match="mine: expected an empty folder or a corpus, found other files, such as deep"):
            Folder("mine", 1, 1).check({"settings": {}}) if dry else tokenize("mine")
    assert sorted(map(str, Path("mine").rglob("*"))) == ["mine/.hidden", "mine/deep", "mine/deep/a.txt"]
    shutil.rmtree("mine/deep")
    assert tokenize("mine").complete


KILLS = 4 if DEEP else 2


# One format a day, in the deep profile both.
@pytest.mark.parametrize("format", [("raw", "parquet")[number] for number in seeds(2, 1)])
def test_killed_again_and_again(format: str) -> None:
    """With all of its processes, as soon as so many shards are done; what is left goes on."""
    words = [sys.executable, "-m", "dstok", "corpus", "in", "--format", format, "--shard-bytes", "3000", "--workers", "2"]
    subprocess.run([*words, "--out", "one"], check=True, capture_output=True, timeout=120)
    expected = checksums(Path("one"))
    shards = sum(name.startswith("__dstok__/manifests/") for name in expected)
    for kill in range(1, KILLS + 1):
        process = subprocess.Popen([*words, "--out", "out"], start_new_session=True, stderr=subprocess.DEVNULL,
                                   stdout=subprocess.DEVNULL)
        limit = time.monotonic() + 60
        while process.poll() is None and time.monotonic() < limit and len(
                [*Path("out").glob("__dstok__/manifests/**/*.json")]) < kill * shards // (KILLS + 2):
            time.sleep(0.001)
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()
        assert checksums(Path("out")).items() <= expected.items()
    subprocess.run([*words, "--out", "out"], check=True, capture_output=True, timeout=120)
    assert checksums(Path("out")) == expected
    assert not [path for path in Path("out").rglob("*.tmp")]


def test_a_worker_that_dies_is_told() -> None:
    process = subprocess.Popen(
        [sys.executable, "-m", "dstok", "corpus", "in", "--out", "out", "--workers", "2", "--shard-bytes", "1000"],
        stderr=subprocess.PIPE, stdout=subprocess.DEVNULL, start_new_session=True)
    children = Path(f"/proc/{process.pid}/task/{process.pid}/children")
    if not children.exists():
        pytest.skip("the system does not tell of child processes")
    workers, limit = list[str](), time.monotonic() + 60
    while process.poll() is None and not workers and time.monotonic() < limit:
        workers = [pid for pid in children.read_text().split()
                   if b"spawn_main" in Path(f"/proc/{pid}/cmdline").read_bytes()]
    for pid in workers[:1]:
        os.kill(int(pid), signal.SIGKILL)
    _, error = process.communicate(timeout=60)
    assert process.returncode == 2 and b"a worker process has died " in error, error
    assert b" with exit code -9;" in error or b" before it began;" in error, error
    tokenize("one", shard_bytes=1000)
    tokenize("out", shard_bytes=1000)
    assert checksums(Path("out")) == checksums(Path("one"))


@pytest.mark.parametrize(("error", "message"), [
    (BrokenPipeError(32, "Broken pipe"), "a worker process has died before it began; the same command goes on"),
    (OSError(24, "Too many open files"), "a worker process cannot start: too many open files")])
def test_a_worker_that_does_not_begin_is_told(error: OSError, message: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Since Python 3.14 one that dies breaks the pipe of whoever starts it, as a reader that leaves breaks an output."""
    start, started = SpawnProcess.start, list[SpawnProcess]()

    def second_dies(process: SpawnProcess) -> None:
        if started:
            raise error
        started.append(process)
        start(process)

    with monkeypatch.context() as patched:
        patched.setattr(SpawnProcess, "start", second_dies)
        with pytest.raises(FileError, match=message):
            tokenize("out", shard_bytes=1000, workers=2)
    assert [process.is_alive() for process in started] == [False]
    assert tokenize("out", shard_bytes=1000).complete


def test_the_manifest_says_what_was_read_and_written() -> None:
    tokenize("out")
    corpus = json.loads(Path("out/__dstok__/corpus.json").read_text())
    manifests = [json.loads(Path(f"out/__dstok__/manifests/{name}.json").read_text()) for name in corpus["shards"]]
    assert corpus["documents"] == 500 == sum(manifest["documents"] for manifest in manifests)
    found = checksums(Path("out"))
    for manifest in manifests:
        for output in manifest["outputs"]:
            assert found[output["file"]] == output["sha256"]
    ranges = [(part["start"], part["stop"]) for manifest in manifests for part in manifest["inputs"]
              if part["file"] == "a.jsonl" and part["start"] < part["stop"]]
    assert ranges[0][0] == 0 and ranges[-1][1] == Path("in/a.jsonl").stat().st_size
    assert all(one[1] == other[0] for one, other in zip(ranges, ranges[1:]))


def test_progress_is_reported() -> None:
    reports = list[dstok.corpus.ShardReport]()
    tokenize("out", progress=reports.append, workers=2)
    assert reports and not any(report.earlier for report in reports)
    shutil.rmtree("out/__dstok__/manifests/b")
    reports.clear()
    tokenize("out", progress=reports.append)
    assert {report.shard[0] for report in reports if report.earlier} == {"a"}
