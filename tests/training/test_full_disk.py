"""`dstok train` on a disk that is full at any moment: a clear error, nothing lost; with more space it goes on."""

from __future__ import annotations

import json
import os
import random
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from shares import share

from dstok.cli.app import main

pytestmark = pytest.mark.skipif(os.name == "nt", reason="no limits of files")

CHILD = Path(__file__).parents[1] / "helpers" / "full_disk_child.py"
MERGES = ["--vocab-size", "9000", "--workers", "1"]
SPILLS = ["--vocab-size", "400", "--workers", "1", "--drop-below", "2", "--memory", "1.6MB"]  # tables go to the disk


def texts(folder: Path, size: int) -> str:
    """Two files of `size` pieces, which mostly occur once."""
    chance = random.Random(4)
    folder.mkdir()
    for name in ("a.txt", "b.txt"):
        words = ["".join(chance.choices("abcdefgh", k=chance.randint(2, 9))) for _ in range(size)]
        (folder / name).write_text(" ".join(words), encoding="utf-8")
    return str(folder)


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[str]:
    """The folder of a tmpfs."""
    made = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=16k", "tmpfs", str(tmp_path)], capture_output=True, text=True)
    if made.returncode:
        pytest.skip(f"no rights to make a small disk: {made.stderr.strip()}")
    try:
        yield str(tmp_path)
    finally:
        subprocess.run(["umount", str(tmp_path)], check=True)


def written(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in sorted(folder.iterdir())}


def faults(where: str, words: list[str], reason: str) -> list[str]:
    """The files, without their folder, that runs of the command had no space for."""
    child = [sys.executable, str(CHILD), where, *words]
    runs = [json.loads(line) for line in subprocess.run(child, check=True, capture_output=True, text=True).stdout.splitlines()]
    assert [code for _, code, _ in runs] == [2] * (len(runs) - 1) + [0], runs
    lines = [errors.splitlines()[-1] for _, _, errors in runs[:-1]]
    assert all(line.startswith("dstok: /") and line.endswith(f": {reason}") for line in lines), lines
    return [line.split(":")[1].rsplit("/", 1)[1] for line in lines]


@pytest.mark.parametrize(("disk", "size", "settings"), [*share([
    ("files", 4000, MERGES), ("tmpfs", 30_000, SPILLS), ("tmpfs", 4000, MERGES), ("files", 30_000, SPILLS)], 1)])
def test_full_disk(disk: str, size: int, settings: list[str], tmp_path_factory: pytest.TempPathFactory,
                   request: pytest.FixtureRequest) -> None:
    place = tmp_path_factory.mktemp("disk")
    where = "files" if disk == "files" else request.getfixturevalue("small_disk")
    folder = Path(place if disk == "files" else where) / "tok"
    words = ["train", texts(place / "texts", size), "--like", "gpt-2", *settings]
    found = faults(where, [*words, "--out", str(folder)], "file too large" if disk == "files" else "no space left on device")
    if settings is MERGES:
        assert {"merges.part", "tokenizer.json"} <= {*found}
    else:
        assert sum(name.endswith(".counts") for name in found) > 2
    assert main([*words, "--out", str(place / "whole")]) == 0
    assert written(folder) == written(place / "whole")


def test_full_disk_of_counts(tmp_path: Path) -> None:
    """`dstok train count` and `merge`."""
    words = ["train", "count", texts(tmp_path / "texts", 4000), "--like", "gpt-2", "--workers", "1", "--out"]
    assert faults("files", [*words, str(tmp_path / "a.counts")], "file too large")
    assert main([*words, str(tmp_path / "b.counts")]) == 0
    assert (tmp_path / "a.counts").read_bytes() == (tmp_path / "b.counts").read_bytes()
    merge = ["train", "merge", str(tmp_path / "a.counts"), str(tmp_path / "b.counts"), "--out", str(tmp_path / "c.counts")]
    assert {*faults("files", merge, "file too large")} == {"c.counts"}
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a.counts", "b.counts", "c.counts", "texts"]
