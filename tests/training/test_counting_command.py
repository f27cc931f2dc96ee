"""`dstok pieces --count` beyond its memory, and after it was killed: the counts of `dstok.training.count_pieces`, always."""

from __future__ import annotations

import fcntl
import gzip
import json
import os
import random
import shlex
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest
from cli_process import fails, json_lines, ok
from shares import seeds

import dstok
from dstok.cli import train as piece_counts
from dstok.cli import train as piece_work
from dstok.cli.app import main

SPLITTER = r"regex:\w+|\s+"
SEGMENT = 1 << 16
# The command with small segments: many places to be killed at.
CHILD = f"""
import sys
from dstok.cli import train as piece_counts
from dstok.cli.app import main
piece_counts.SEGMENT = {SEGMENT}
raise SystemExit(main(sys.argv[1:]))
"""


def words(seed: int, number: int) -> str:
    rng = random.Random(seed)
    return "".join(f"{'wörd' if rng.random() < .3 else 'w'}{rng.randrange(1 << rng.randrange(1, 17))}{rng.choice(' ' * 9 + chr(10))}"
                   for _ in range(number))


def wanted(*texts: str) -> list[tuple[str, int]]:
    return list(dstok.training.count_pieces(dstok.Splitter(SPLITTER[6:]), texts).to_dict().items())


def rows(data: bytes) -> list[tuple[str, int]]:
    return [(row["text"], row["count"]) for row in json_lines(data)]


@pytest.fixture(scope="module")
def inputs(tmp_path_factory: pytest.TempPathFactory) -> tuple[list[str], list[tuple[str, int]]]:
    """Three files, one of them packed, of more distinct words than fit in a megabyte."""
    folder = tmp_path_factory.mktemp("inputs")
    texts = [words(seed, 60_000) for seed in range(3)]
    paths = [folder / "a.txt", folder / "b.txt.gz", folder / "c.txt"]
    for path, text in zip(paths, texts):
        path.write_bytes(gzip.compress(text.encode()) if path.suffix == ".gz" else text.encode())
    return [str(path) for path in paths], wanted(*texts)


@pytest.mark.parametrize("threads", ["1", "2", "3"])
def test_more_pieces_than_memory(inputs: Any, threads: str, tmp_path: Path) -> None:
    paths, expected = inputs
    command = ["pieces", "--count", "--splitter", SPLITTER, "--memory", "1", "--threads", threads]
    assert rows(ok(*command, *paths)) == expected
    work = tmp_path / "work"
    assert rows(ok(*command, "--work", str(work), *paths)) == expected and not work.exists()
    (tmp_path / "lines").write_text("".join(json.dumps({"text": words(seed, 3000)}) + "\n\n" for seed in range(20)))
    lines = wanted(*(words(seed, 3000) for seed in range(20)))
    assert rows(ok(*command, "--jsonl", str(tmp_path / "lines"))) == lines


class Stopped(BaseException):
    """Stands for a kill: no code of dstok catches it."""


def stopping(monkeypatch: pytest.MonkeyPatch, after: int, call: str = "replace") -> None:
    """Lets `after` files be moved to their names, or removed; the next one stops the command."""
    done = iter(range(after))
    real = getattr(os, call)

    def stops(*paths: Any, **options: Any) -> None:
        if next(done, None) is None:
            raise Stopped
        real(*paths, **options)

    monkeypatch.setattr(os, call, stops)


@pytest.mark.parametrize("lines", [False, True], ids=["text", "lines"])
@pytest.mark.parametrize("threads", ["1", "2"])
def test_stopped_at_each_file(threads: str, lines: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Stopped at every file that the command writes, one after the other: each run goes on where the last one was."""
    monkeypatch.setattr(piece_counts, "SEGMENT", 6000)
    texts = [words(seed, 300) for seed in range(8)]
    path, out = tmp_path / "in", tmp_path / "out"
    path.write_text("".join(json.dumps({"text": text}) + "\n" for text in texts) if lines else "".join(texts))
    command = ["pieces", "--count", "--splitter", SPLITTER, "--threads", threads, "--work", str(tmp_path / "work"),
               "-o", str(out), str(path), *["--jsonl"] * lines]
    runs = 0
    for _ in range(200):
        with monkeypatch.context() as patch:
            stopping(patch, 4)  # as many as the last run needs: journal, merged counts, output, journal
            runs += 1
            try:
                main(command)
                break
            except Stopped:
                pass
    assert runs > 2 and rows(out.read_bytes()) == (wanted(*texts) if lines else wanted("".join(texts)))
    assert not (tmp_path / "work").exists()


def test_stopped_while_the_folder_is_removed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Stopped at each file that is removed: the next run is never refused, and gives the same."""
    monkeypatch.setattr(piece_counts, "SEGMENT", 6000)
    path, work, out = tmp_path / "in", tmp_path / "work", tmp_path / "out"
    path.write_text("".join(words(seed, 300) for seed in range(8)))
    command = ["pieces", "--count", "--splitter", SPLITTER, "--work", str(work), "-o", str(out), str(path)]
    for after in range(100):
        with monkeypatch.context() as patch:
            stopping(patch, after, "unlink")
            try:
                main(command)
                break
            except Stopped:
                pass
    assert after > 3 and rows(out.read_bytes()) == wanted(path.read_text()) and not work.exists()


@pytest.mark.night
@pytest.mark.parametrize("seed", seeds(1000, 1))
def test_killed_at_any_moment(inputs: Any, seed: int, tmp_path: Path) -> None:
    paths, expected = inputs
    rng = random.Random(seed)
    command = [sys.executable, "-c", CHILD, "pieces", "--count", "--splitter", SPLITTER, "--memory", "1", "--threads",
               rng.choice("12"), "--work", str(tmp_path / "work"), "-o", str(tmp_path / "out"), *paths]
    for kills in range(100):
        with subprocess.Popen(command) as process:
            until = time.monotonic() + rng.uniform(0.1, 1.5) + kills / 20  # later ones get through
            while process.poll() is None and time.monotonic() < until:
                time.sleep(0.005)
            if process.poll() is None:
                process.send_signal(signal.SIGKILL)
                continue
        assert process.returncode == 0
        break
    assert rows((tmp_path / "out").read_bytes()) == expected and not (tmp_path / "work").exists()


def test_folders_that_are_refused(inputs: Any, tmp_path: Path) -> None:
    [path, *_], work, other = inputs[0], tmp_path / "work", tmp_path / "other"
    other.write_text("a b")
    command = ["pieces", "--count", "--splitter", SPLITTER, "--work", str(work)]
    assert "-: expected a file, which can be read again (--work)" in fails(*command, stdin=b"a")
    work.mkdir()
    (work / "mine").write_text("x")
    assert f"{work}: expected an empty folder or the work of this command, found mine" in fails(*command, path)
    (work / "mine").unlink()
    kept = piece_work.Work(str(work), {"splitter": "", "files": [], "field": None, "errors": "strict"})
    with pytest.raises(Stopped), kept.entered():
        raise Stopped
    assert f"{work}: expected the work of this command, found that with other splitter" in fails(*command, path)
    (work / "journal.json").write_text("[")
    assert "journal.json: not the journal of a count" in fails(*command, path)
    with open(work / ".lock") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        assert f"{work}: another dstok command is at work here" in fails(*command, path)


def test_changed_inputs_are_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "in"
    path.write_text("a b")
    command = ["pieces", "--count", "--work", str(tmp_path / "work"), "-o", str(tmp_path / "out"), str(path)]
    with monkeypatch.context() as patch:
        stopping(patch, 1)
        with pytest.raises(Stopped):
            main(command)
    path.write_text("a c d")
    assert "found that with other files" in fails(*command)


def test_no_scratch_files_stay(inputs: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Also after an error in the middle of a file."""
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    (tmp_path / "broken").write_bytes(words(1, 60_000).encode() + b"\xff" + b"a " * (1 << 20))
    for path in (inputs[0][0], str(tmp_path / "broken")):
        done = subprocess.run([sys.executable, "-m", "dstok", "pieces", "--count", "--memory", "1", path], capture_output=True)
        assert done.returncode == (2 if "broken" in path else 0), done.stderr
    assert [each.name for each in tmp_path.iterdir()] == ["broken"]


def test_a_file_gets_its_name_when_it_is_complete(inputs: Any, tmp_path: Path) -> None:
    """An error, and a full disk, leave the file that was there."""
    out, broken = tmp_path / "out", tmp_path / "broken"
    out.write_text("before")
    broken.write_bytes(b"a " * 1000 + b"\xff")
    command = ["pieces", "--count", "-o", str(out)]
    fails(*command, str(broken))
    words = shlex.join([sys.executable, "-m", "dstok", *command, "--splitter", SPLITTER, inputs[0][0]])
    limit = f"ulimit -f 100; exec {words}"
    done = subprocess.run(["sh", "-c", limit], capture_output=True, text=True)
    assert done.returncode == 2 and "file too large" in done.stderr
    assert out.read_text() == "before" and sorted(path.name for path in tmp_path.iterdir()) == ["broken", "out"]
    ok(*command, inputs[0][0])
    assert rows(out.read_bytes()) and sorted(path.name for path in tmp_path.iterdir()) == ["broken", "out"]
    assert f"{out}: is both input and output" in fails(*command, str(out))
    assert ok("pieces", "--count", "-o", "/dev/stdout", inputs[0][0])
