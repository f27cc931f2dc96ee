"""`dstok.training.train`: upstream's tokenizer from the same files; a folder in which a killed training goes on; its manifest."""

from __future__ import annotations

import io
import json
import os
import random
import shutil
import signal
import subprocess
import sys
from dataclasses import replace
from hashlib import sha256
from pathlib import Path
from typing import Any

import pytest
from small_models import model_json
from tokenizers import Tokenizer as Upstream
from tokenizers import trainers

import dstok
from dstok import Tokenizer
from dstok._util.files import write_at_once
from dstok.errors import ArgumentError, FileError
from dstok.training import BpeTrainer, train_from_counts
from dstok.training import learn as learning
from dstok.training import piece_counts as counting
from dstok.training.learn import Journal
from dstok.training.piece_counts import CountsFile

BYTES = BpeTrainer.byte_alphabet()
TRAINER = BpeTrainer(vocab_size=600, initial_alphabet=BYTES, special_tokens=["<s>"])


def text_of(seed: int, lines: int = 400) -> str:
    chance = random.Random(seed)
    words = ["".join(chance.choices("abcdeé中", k=chance.randint(1, 9))) for _ in range(200)]
    ends = ["\n", "\r\n", "\n\n", " \n", "\r"]
    return "".join(" ".join(chance.choices(words, k=chance.randint(0, 9))) + chance.choice(ends) for _ in range(lines))


@pytest.fixture
def files(tmp_path: Path) -> list[Path]:
    """Two; the first has no newline at its end."""
    paths = [tmp_path / "one.txt", tmp_path / "two.txt"]
    for number, path in enumerate(paths):
        path.write_bytes((text_of(number) + "end" * (not number)).encode())
    return paths


def written(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in sorted(folder.iterdir())}


def test_by_upstream(files: list[Path], tmp_path: Path) -> None:
    tok = dstok.training.train(files, TRAINER, like="gpt-2", folder=tmp_path / "tok")
    ours = json.loads((tmp_path / "tok" / "tokenizer.json").read_bytes())
    bare = {**ours, "added_tokens": [], "model": {**ours["model"], "vocab": {}, "merges": []}}
    model = Upstream.from_str(json.dumps(bare))
    model.train([str(path) for path in files], trainers.BpeTrainer(
        vocab_size=600, initial_alphabet=BYTES, special_tokens=["<s>"], show_progress=False))
    assert ours == json.loads(model.to_str())
    assert tok == Tokenizer.from_json(tmp_path / "tok" / "tokenizer.json")
    assert dstok.training.train(iter(files), TRAINER, like="gpt-2", num_threads=2) == tok  # type: ignore[arg-type]


def test_a_normalizer_and_nothing_kept(files: list[Path], tmp_path: Path) -> None:
    """Lines of several blocks, as texts of an iterator; no folder: no files."""
    (tmp_path / "long.txt").write_text("e\u0301 low " * 30_000 + "\n" + "low e\u0301\n" * 100_000, encoding="utf-8")
    splitter, given = dstok.Splitter.preset("gpt-2"), [*files, tmp_path / "long.txt"]
    lines = [line for path in given for line in io.BytesIO(path.read_bytes())]
    seen: list[tuple[int, int]] = []
    tok = dstok.training.train(given, TRAINER, like=splitter, normalizer="NFC", progress=lambda *counts: seen.append(counts))
    assert tok == dstok.training.train_from_iterator(lines, TRAINER, like=splitter, normalizer="NFC") and seen[-1] == (600, 600)
    assert tok == dstok.training.train(given, TRAINER, like=splitter, normalizer="NFC", folder=tmp_path / "tok", num_threads=2)


def test_little_memory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Tables that are full go to disk; the result has the same bytes."""
    path, spills = tmp_path / "a.txt", list[Any]()
    path.write_text("".join(f"w{number * 7919 % 40009}x {number % 999}\n" for number in range(40_000)), encoding="utf-8")
    trainer = replace(TRAINER, drop_below=2)  # or the merges would need more memory than the tables
    dstok.training.train([path], trainer, like="gpt-2", folder=tmp_path / "a")
    write = counting.write_counts

    def noted(*given: Any) -> Any:
        spills.append(given)
        return write(*given)

    monkeypatch.setattr(counting, "write_counts", noted)
    tok = dstok.training.train([path], trainer, like="gpt-2", folder=tmp_path / "b", memory=3 << 19, num_threads=2)
    assert len(spills) > 2 and written(tmp_path / "a") == written(tmp_path / "b")
    with open(path, "rb") as lines:
        assert dstok.training.train_from_iterator(lines, trainer, like="gpt-2", memory=3 << 19) == tok


def test_manifest(files: list[Path], tmp_path: Path) -> None:
    tok = dstok.training.train(files, TRAINER, like="gpt-2", folder=tmp_path / "tok")
    manifest = json.loads((tmp_path / "tok" / "train.json").read_bytes())
    assert manifest["tokenizer_sha256"] == sha256((tmp_path / "tok" / "tokenizer.json").read_bytes()).hexdigest()
    assert manifest["trainer"]["vocab_size"] == 600 == manifest["vocab_size"] == tok.vocab_size
    assert [each["size"] for each in manifest["inputs"]] == [path.stat().st_size for path in files]
    counts = dstok.training.count_pieces(dstok.Splitter.preset("gpt-2"), (line for path in files for line in path.open("rb")))
    assert manifest["counts"]["distinct"] == len(counts) and manifest["counts"]["occurrences"] == counts.counts.sum()
    assert manifest["merges"] == 600 - 257 and manifest["highest_count"] >= manifest["last_count"] > 0
    assert manifest["upstream_overflows"] is False and manifest["normalizer"] == []


def test_a_training_that_is_done(files: list[Path], tmp_path: Path) -> None:
    tok = dstok.training.train(files, TRAINER, like="gpt-2", folder=tmp_path / "tok")
    before = {path: path.stat().st_mtime_ns for path in (tmp_path / "tok").iterdir()}
    assert dstok.training.train(files, TRAINER, like="gpt-2", folder=tmp_path / "tok") == tok
    assert {path: path.stat().st_mtime_ns for path in (tmp_path / "tok").iterdir()} == before
    with pytest.raises(FileError, match="expected the training of this call, found one with other trainer "):
        dstok.training.train(files, BpeTrainer(initial_alphabet=BYTES), like="gpt-2", folder=tmp_path / "tok")
    with pytest.raises(FileError, match="found one with other splits"):
        dstok.training.train(files, TRAINER, like="deepseek-v3", folder=tmp_path / "tok")
    with pytest.raises(FileError, match="found one with other inputs"):
        dstok.training.train(files[:1], TRAINER, like="gpt-2", folder=tmp_path / "tok")


class StoppedError(Exception):
    pass


SMALL = BpeTrainer(vocab_size=600, special_tokens=["<s>", "<unk>"], limit_alphabet=9)  # words without the other bytes
UNKNOWN = model_json().replace('"unk_token": null', '"unk_token": "<unk>"')


@pytest.mark.parametrize(("trainer", "like"), [(TRAINER, "gpt-2"), (SMALL, UNKNOWN)], ids=["all bytes", "some bytes"])
@pytest.mark.parametrize("after", [1, 2, 30, 200])
def test_a_training_that_stopped(
    files: list[Path], tmp_path: Path, after: int, trainer: BpeTrainer, like: Any, monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(learning, "_VISITS", 1)
    calls = []

    def progress(tokens: int, wanted: int) -> None:
        calls.append(tokens)
        if len(calls) == after:
            raise StoppedError

    with pytest.raises(StoppedError):
        dstok.training.train(files, trainer, like=like, folder=tmp_path / "tok", progress=progress)
    assert sorted(os.listdir(tmp_path / "tok")) == ["work"]
    part = tmp_path / "tok" / "work" / "merges.part"
    part.write_bytes(part.read_bytes()[: -random.Random(after).randint(0, 30)] if after > 2 else part.read_bytes())
    stopped, calls[:] = calls[-1], []
    tok = dstok.training.train(files, trainer, like=like, folder=tmp_path / "tok", progress=lambda tokens, wanted: calls.append(tokens))
    assert calls[0] > tok.vocab_size - len(tok.inspect().merges) and calls[0] >= stopped - 2
    dstok.training.train(files, trainer, like=like, folder=tmp_path / "whole")
    assert written(tmp_path / "tok") == written(tmp_path / "whole")
    lost = json.loads((tmp_path / "tok" / "train.json").read_bytes())["lost_bytes"]
    assert bytes(lost) == tok.inspect().lost_bytes and bool(lost) == (trainer is SMALL)


def test_a_changed_input(files: list[Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(learning, "_VISITS", 1)

    def stop(tokens: int, wanted: int) -> None:
        raise StoppedError

    with pytest.raises(StoppedError):
        dstok.training.train(files, TRAINER, like="gpt-2", folder=tmp_path / "tok", progress=stop)
    os.utime(files[0], ns=(1, 1))
    with pytest.raises(FileError, match="found one with other state"):
        dstok.training.train(files, TRAINER, like="gpt-2", folder=tmp_path / "tok")


KILLED = """
import sys, dstok
from dstok.training import learn as learning
learning._VISITS = 50
trainer = dstok.training.BpeTrainer(vocab_size=600, initial_alphabet=dstok.training.BpeTrainer.byte_alphabet(), special_tokens=["<s>"])
print("begun", flush=True)
dstok.training.train(sys.argv[2:], trainer, like="gpt-2", folder=sys.argv[1], progress=lambda *_: __import__("time").sleep(0.0002))
"""


@pytest.mark.skipif(os.name == "nt", reason="no SIGKILL")
def test_kills_at_any_moment(files: list[Path], tmp_path: Path) -> None:
    kills, wait = 0, random.Random(os.environ["DSTOK_SEED"])
    while True:
        child = subprocess.Popen([sys.executable, "-c", KILLED, str(tmp_path / "tok"), *map(str, files)], stdout=subprocess.PIPE)
        assert child.stdout is not None and child.stdout.readline() == b"begun\n"
        try:
            child.wait(wait.uniform(0, 0.1) + kills * 0.2)
            break
        except subprocess.TimeoutExpired:
            child.send_signal(signal.SIGKILL)
            child.wait()
            kills += 1
    assert child.returncode == 0 and kills
    dstok.training.train(files, TRAINER, like="gpt-2", folder=tmp_path / "whole")
    assert written(tmp_path / "tok") == written(tmp_path / "whole")


def test_two_at_once(files: list[Path], tmp_path: Path) -> None:
    def meanwhile(tokens: int, wanted: int) -> None:
        with pytest.raises(FileError, match="another training is running in this folder"):
            dstok.training.train(files, TRAINER, like="gpt-2", folder=tmp_path / "tok")

    dstok.training.train(files, TRAINER, like="gpt-2", folder=tmp_path / "tok", progress=meanwhile)


@pytest.mark.parametrize(("data", "fault"), [
    (b"a\nb\xff\n", r"bad.txt: line 2: expected utf-8, found byte 0xff at byte offset 1"),
    (b"abc\n" * 200_000 + b"\xe4\xb8", r"bad.txt: line 200001: expected utf-8, found byte 0xe4 at byte offset 0"),
    (b"a\n\xc3", r"bad.txt: line 2: expected utf-8"),
])
def test_broken_text(data: bytes, fault: str, files: list[Path], tmp_path: Path) -> None:
    (tmp_path / "bad.txt").write_bytes(data)
    with pytest.raises(FileError, match=fault):
        dstok.training.train([files[0], tmp_path / "bad.txt"], TRAINER, like="gpt-2")


def test_refused(files: list[Path], tmp_path: Path) -> None:
    with pytest.raises(ArgumentError, match="expected a list of paths, found one path"):
        dstok.training.train("a.txt", TRAINER, like="gpt-2")
    with pytest.raises(FileError, match="missing.txt: no such file or directory"):
        dstok.training.train([tmp_path / "missing.txt"], TRAINER, like="gpt-2")


@pytest.mark.parametrize("data", [b"", b"\n", b"a", b"aaaa"])
def test_small_files(data: bytes, tmp_path: Path) -> None:
    (tmp_path / "small.txt").write_bytes(data)
    tok = dstok.training.train([tmp_path / "small.txt"], TRAINER, like="gpt-2")
    assert tok.decode(tok.encode("abc é")) == "abc é"


def test_a_journal(tmp_path: Path) -> None:
    """Of another training, and with blocks that are not whole."""
    from array import array

    path, key = tmp_path / "merges.part", "ab" * 32
    journal = Journal(path, key)
    journal.append(array("I", [1, 2, 3]), array("q", [9]))
    journal.append(array("I"), array("q"))
    journal.append(array("I", [3, 2, 4, 4, 4, 5]), array("q", [8, 7]))
    journal.close()
    whole = path.read_bytes()
    for size in range(len(whole) + 1):
        path.write_bytes(whole[:size] + b"\0" * (size % 3 if size > 60 else 0))
        again = Journal(path, key)
        assert list(again.counts) in ([], [9], [9, 8, 7]) and len(again.merges) == 3 * len(again.counts)
        again.close()
        assert list(Journal(path, key).counts) == list(again.counts)
    assert list(again.counts) == [9, 8, 7]
    with pytest.raises(FileError, match="expected the merges of this training, found those of another"):
        Journal(path, "cd" * 32)


def test_counts_files(files: list[Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("dstok.training.run.shutil.rmtree", lambda *_, **__: None)
    tok = dstok.training.train(files, TRAINER, like="gpt-2", folder=tmp_path / "tok")
    path = tmp_path / "tok" / "work" / "pieces.counts"
    seen: list[Any] = []
    assert train_from_counts(path, TRAINER, like="gpt-2", progress=lambda *sizes: seen.append(sizes)) == tok
    assert seen[-1] == (600, 600) and train_from_counts(CountsFile(path), TRAINER, like="gpt-2") == tok
    with pytest.raises(FileError, match="expected counts of the pieces that `like` cuts, found those of other steps"):
        train_from_counts(path, TRAINER, like="deepseek-v3")


@pytest.mark.parametrize("call", range(1, 12))
def test_a_stop_at_the_very_end(call: int, files: list[Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """At each step of writing the result: nothing is left over in the end."""
    dstok.training.train(files, TRAINER, like="gpt-2", folder=tmp_path / "whole")
    calls = 0

    def counted(step: Any) -> Any:
        def run(*given: Any, **named: Any) -> Any:
            nonlocal calls
            calls += 1
            if calls == call:
                (tmp_path / "tok" / "work" / ".dstok-half.tmp").write_bytes(b"half")
                raise StoppedError
            return step(*given, **named)
        return run

    for name in ("write_at_once", "os.replace", "shutil.rmtree"):
        target = f"dstok.training.run.{name}"
        monkeypatch.setattr(target, counted({"write_at_once": write_at_once,
                                             "os.replace": os.replace,
                                             "shutil.rmtree": shutil.rmtree}[name]))
    stopped = False
    try:
        dstok.training.train(files, TRAINER, like="gpt-2", folder=tmp_path / "tok")
    except StoppedError:
        stopped = True
    monkeypatch.undo()
    assert stopped == (call <= calls)
    dstok.training.train(files, TRAINER, like="gpt-2", folder=tmp_path / "tok")
    assert written(tmp_path / "tok") == written(tmp_path / "whole")
