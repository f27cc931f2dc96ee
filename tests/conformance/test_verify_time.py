"""What `verify` says when the time does not suffice, and that each check keeps to its time."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
import time
from html import escape
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

import pytest
from cli_process import DSTOK, fails, ok, run, tiny_model
from real_models import V3 as TOK

from dstok.conformance import CandidateError, Engine, Limits, verify
from dstok.conformance.report import page
from dstok.conformance.worker import Fault, Runner


def short(folder: Path) -> tuple[str, ...]:
    """The words of a run that has no time for its checks."""
    model = tiny_model(folder / "tokenizer.json")
    return "verify", f"dstok:{model}", "--model", model, "--seconds", "0.01"


def test_what_had_no_time_is_not_called_equal(tmp_path: Path) -> None:
    done = run(*short(tmp_path), "--json")
    report = json.loads(done.stdout)
    count, of = len(report["not_run"]), len(report["checks"])
    assert done.returncode == 2 and report["verdict"] == "incomplete" and 0 < count <= of == 21
    assert f"no difference found; {count} of {of} checks not run: " in done.stderr.decode()
    assert {check["name"] for check in report["checks"] if check["note"] == "no time was left"} == {*report["not_run"]}


def test_what_had_no_time_is_fine_if_it_is_allowed(tmp_path: Path) -> None:
    out = ok(*short(tmp_path), "--allow-incomplete").decode()
    assert "checks not run" in out and "equal" not in out
    assert "--allow-incomplete" in fails(*short(tmp_path))


def test_the_page_says_what_was_not_run() -> None:
    report = verify(TOK, seconds=0.01)
    assert report.verdict == "incomplete" and not report.equal
    assert report.summary in page(report) and ">equal" not in page(report)
    idle = [line.split("  not run: ") for line in str(report).splitlines() if "  not run: " in line]
    assert {name.strip() for name, _ in idle} >= set(report.not_run)
    for name, why in idle:
        assert re.search(f"<p>Not run, since {re.escape(escape(why))}: [^<]*{re.escape(escape(name.strip()))}", page(report))


def test_a_check_of_texts_without_texts_is_not_run() -> None:
    report = verify(TOK, checks=["corpora"])
    assert (report.verdict, report.not_run) == ("incomplete", ["corpora"])
    assert verify(TOK, checks=[]).verdict == "incomplete"


def test_a_call_that_the_candidate_has_not_is_not_missed() -> None:
    report = verify(lambda text: TOK.encode(text), checks=["batches"])
    assert report.equal and not report.not_run


def slowly(seconds: float, change: Any = str) -> Any:
    def encode(text: str) -> list[int]:
        time.sleep(seconds)
        return TOK.encode(change(text))

    return encode


def test_a_check_ends_inside_a_request_when_its_time_is_up() -> None:
    """Without that it would do the 64 texts of a request first."""
    for seconds in (1, 20):  # the longer one where the machine is so busy that no text has its answer in a second
        [check] = verify(slowly(seconds / 10), seconds=seconds, checks=["odd texts"]).checks
        if check.texts:
            break
    assert 0 < check.texts < 64 and not check.complete


@pytest.mark.parametrize(("end", "expected"), [
    (lambda: os.kill(os.getpid(), signal.SIGKILL), ("crash", "SIGKILL")),
    (lambda: time.sleep(1e6), ("hang", "stopped inside its answer for 1 s")),
    (lambda: os.kill(os.getpid(), signal.SIGSTOP), ("hang", "stopped inside its answer for 1 s")),
])
def test_a_worker_that_ends_inside_its_answer_is_replaced(
    end: Any, expected: tuple[str, str], monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The half of an answer that it leaves does not spoil the answers of the next worker, and nothing is loaded again."""
    send = Connection.send

    def half(connection: Any, value: Any) -> None:
        if value == [b"\1\0\0\0"]:
            os.write(connection.fileno(), b"\0\0\0\x64half")
            end()
        send(connection, value)

    monkeypatch.setattr(Connection, "send", half)
    monkeypatch.setattr("dstok.conformance.worker.STALL", 1.0)
    with Runner(lambda text: [len(text)], limits=Limits(load=1e6)) as runner:
        loader = runner._loader
        assert runner.encode(["a"]) == [expected]
        assert runner.encode(["abc"]) == [b"\3\0\0\0"] and runner._loader == loader


def test_a_worker_that_stops_between_two_calls_is_replaced(monkeypatch: pytest.MonkeyPatch) -> None:
    """It does not read the next request, which is larger than what a connection holds."""
    monkeypatch.setattr("dstok.conformance.worker.STALL", 1.0)
    with Runner(lambda text: [len(text)]) as runner:
        runner.encode(["abc"])
        os.kill(runner._worker, signal.SIGSTOP)
        assert runner.encode(["a" * (1 << 22)]) == [b"\0\0\x40\0"]


def test_a_process_that_always_ends_is_no_candidate(monkeypatch: pytest.MonkeyPatch) -> None:
    with Runner(lambda text: [len(text)]) as runner:
        monkeypatch.setattr("dstok.conformance.worker.send_handle", lambda *_: os.kill(runner._loader, signal.SIGKILL))
        with pytest.raises(CandidateError, match="<lambda>: its process ended twice before it took a text"):
            runner.encode(["abc"])


def test_a_loader_that_is_gone_is_started_anew() -> None:
    with Runner(lambda text: [len(text)]) as runner:
        for _ in range(2):
            assert runner.encode(["abc"]) == [b"\3\0\0\0"]
            loader, worker = runner._loader, runner._worker
            assert worker > 1 and worker != loader > 1
            os.kill(loader, signal.SIGKILL)
            os.kill(worker, signal.SIGKILL)
            [row] = runner.encode(["abc"])
            assert row == b"\3\0\0\0" or (isinstance(row, Fault) and row.kind == "crash")  # died before or after it asked
            assert runner.encode(["abc"]) == [b"\3\0\0\0"] and runner._loader != loader


def test_no_check_takes_the_time_of_all() -> None:
    for seconds in (1.5, 15.0):  # the longer one where the machine is slow, or emulated: texts take time to make, too
        report = verify(slowly(seconds / 75), seconds=seconds, checks=["odd texts", "class cover, k = 1", "long texts"])
        if not report.not_run:
            break
    assert not report.not_run and not report.checks[0].complete and not report.checks[1].complete, f"\n{report}"
    assert report.summary.startswith("equal: no difference found; ") and report.summary.endswith(" of 3 checks in part")


def test_a_difference_without_time_for_its_cause_is_a_finding() -> None:
    for seconds in (1, 20):
        report = verify(slowly(seconds / 5, lambda text: f"{text}x"), seconds=seconds, checks=["class cover, k = 1"])
        if report.findings:
            break
    assert report.verdict == "different", f"\n{report}"
    [finding] = report.findings
    assert (finding.cause, finding.title) == ("not explained", "no time was left to look for the cause")
    assert [id for id, _ in finding.expected] == TOK.encode(finding.text) != [id for id, _ in finding.found]


@pytest.mark.parametrize("change", [str, str.upper])
def test_other_calls_keep_to_their_time(change: Any) -> None:
    """What they have found until then is told."""
    def decode(ids: list[int]) -> str:
        time.sleep(0.005)
        return str(change(TOK.decode(ids)))

    for seconds in (1, 20):
        report = verify(Engine("slow", "", TOK.encode, None, decode), seconds=seconds, checks=["decoding"])
        if report.checks[0].texts:
            break
    assert 0 < report.checks[0].texts < 2000 * seconds and not report.checks[0].complete, f"\n{report}"
    assert [finding.cause for finding in report.findings] == ["round trip"] * (change is not str)


def test_a_text_without_end_does_not_outlast_the_run(tmp_path: Path) -> None:
    (tmp_path / "endless.py").write_text(
        "import time\ndef load():\n    return lambda text: time.sleep(1e6) if 'a' in text else [1]\n")
    path = os.pathsep.join([str(tmp_path), *sys.path])
    done = subprocess.run([*DSTOK, "verify", "endless:load", "--reference", "endless:load", "--seconds", "1",
                           "--patience", "1000"], capture_output=True, timeout=100, env={**os.environ, "PYTHONPATH": path})
    assert done.returncode == 2, done.stderr
    assert b"checks not run" in done.stdout and b"the candidate was at '" in done.stdout
