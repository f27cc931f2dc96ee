"""`verify` itself: faults of the process under test, the calls beside encode, reports, the command, the pytest helper."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import sysconfig
import time
from collections.abc import Callable
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest
from cli_process import DSTOK, fails, ok, run, tiny_model
from planted import Greedy
from real_models import V3 as TOK

from dstok.conformance import CandidateError, Engine, Limits, verify
from dstok.conformance.automaton_guide import guide_of
from dstok.conformance.causes import Explainer, Pair, shrink
from dstok.conformance.engines import engine_of
from dstok.conformance.report import Report, page
from dstok.conformance.worker import Fault, Runner

EXAMPLE = Path(__file__).resolve().parents[2] / "examples" / "conformance"


class Bad:
    """It does to itself what a text says."""

    def encode(self, text: str) -> list[int]:
        if "crash" in text:
            os.abort()
        if "hang" in text:
            while True:
                time.sleep(0.01)
        if "memory" in text:
            return list(bytes(64 << 30))
        if "error" in text:
            raise KeyError(text)
        return [ord(char) for char in text]


def rows(runner: Runner, texts: list[str]) -> list[Any]:
    return [found.kind if isinstance(found, Fault) else len(found) // 4 for found in runner.encode(texts)]


def test_what_the_candidate_does_to_itself_is_a_finding() -> None:
    """Every text has its answer, the ones after a fault too."""
    with Runner(Bad(), limits=Limits(patience=1)) as runner:
        assert rows(runner, ["a", "crash", "bc", "error", "", "hang", "d", "memory", "efg"]) == \
            [1, "crash", 2, "error", 0, "hang", 1, "memory", 3]
        assert rows(runner, ["crash"] * 3 + ["a"]) == ["crash"] * 3 + [1]


def test_one_fault_is_counted_once() -> None:
    """Causes named by sight belong to the hypothesis that predicts their texts, and so do texts that had no cause."""
    guide = guide_of(TOK)
    with Runner(Greedy()) as candidate, Runner(TOK) as reference:
        pair = Pair(candidate, reference)
        pair.clock.start(300)
        explainer = Explainer(guide, pair)
        named, explainer.catalog = explainer.catalog, ()
        differences = pair.differences([" \u1e9b", "'SA", "\u0300\u102b", " " * 53, " \t\n", " \t ", "\u0661\u0662"])
        assert len(differences) == 7
        for difference in differences[1:-1]:
            explainer.take(difference)
        explainer.take(differences[-1], search=False)
        assert len(explainer.causes) > 1 and len(explainer.waiting) == 1
        explainer.catalog = named
        explainer.take(differences[0])
        explainer.settle()
    assert [(cause.cause, cause.count) for cause in explainer.causes] == [("greedy longest match", len(differences))]
    assert explainer.waiting == []


@pytest.mark.parametrize(("encode", "title"), [
    (lambda text: TOK.encode(text[:200]), "only the first 200 characters are read"),
    (lambda text: TOK.encode(text[-200:]), "only the last 200 characters are read"),
    (lambda text: TOK.encode(text)[-150:], "only the last 150 ids are given"),
    (lambda text: TOK.encode(text.encode()[:250].decode("utf-8", "ignore")), "only the first 250 bytes are read"),
])
def test_lengths_that_are_cut(encode: Callable[[str], list[int]], title: str) -> None:
    report = verify(encode, seconds=60, checks=["some random texts"])
    assert [(finding.cause, finding.title) for finding in report.findings] == [("truncation", title)], f"\n{report}"
    assert report.findings[0].count == min(report.checks[0].differences, 400)  # further ones are not explained


def test_after_many_deaths_the_rest_is_left_out() -> None:
    with Runner(Bad()) as runner:
        found = rows(runner, ["crash"] * 40)
    assert found == ["crash"] * 30 + ["skipped"] * 10


def test_a_fresh_worker_knows_nothing() -> None:
    seen: list[str] = []

    def encode(text: str) -> list[int]:
        seen.append(text)
        return [len(seen)]

    with Runner(encode) as runner:
        assert [len(row) for row in runner.encode(["a", "b"])] == [4, 4]
        assert runner.encode(["c"]) == [(3).to_bytes(4, sys.byteorder)]
        runner.fresh()
        assert runner.encode(["c"]) == [(1).to_bytes(4, sys.byteorder)]


def test_what_a_candidate_prints_harms_nothing() -> None:
    def encode(text: str) -> list[int]:
        print("noise" * 10_000)
        os.write(1, b"noise" * 1000)
        return [1]

    with Runner(encode) as runner:
        assert rows(runner, ["a", "b"]) == [1, 1]


@pytest.mark.parametrize(("spec", "message"), [
    ("nothing", "no engine is called 'nothing'"),
    ("tokenizers", "needs a file"),
    ("tokenizers:/no/such.json", "no such file"),
    ("no_such_module:load", "No module named"),
    ("json:nothing", "has no attribute"),
    ("command:", "needs"),
])
def test_what_cannot_be_loaded(spec: str, message: str) -> None:
    with pytest.raises(CandidateError, match=message):
        Runner(spec)


def test_objects() -> None:
    assert list(engine_of(Bad()).encode("ab")) == [97, 98]
    assert engine_of(TOK).name == "dstok"
    with pytest.raises(CandidateError, match="found int"):
        engine_of(7)


def test_shrink_takes_out_all_it_can() -> None:
    def ask(texts: list[str]) -> list[int | None]:
        return [len(text) if "x" in text and text.count("y") >= 2 else None for text in texts]

    text, found = shrink("abxcd" * 50 + "y" * 300, ask, 550)
    assert sorted(text) == ["x", "y", "y"] and found == 3
    assert shrink("", ask, 7) == ("", 7)


class Careless:
    """Wrong in the calls beside encode."""

    def __init__(self, decode: Any = None, offsets: Any = None) -> None:
        self.engine = Engine("careless", "", TOK.encode, None, decode, offsets)


def test_a_fault_of_encode_is_no_fault_of_offsets() -> None:
    def offsets(text: str) -> Any:
        found = TOK.encode_with_offsets(text)
        return found.ids.tolist()[:20], found.char_spans.tolist()[:20]

    cut = Engine("cut", "", lambda text: TOK.encode(text)[:20], None, None, offsets)
    report = verify(cut, seconds=60, checks=["some random texts", "offsets"])
    assert [finding.title for finding in report.findings] == ["only the first 20 ids are given"], f"\n{report}"


def test_decode_and_offsets() -> None:
    def byte_offsets(text: str) -> Any:
        found = TOK.encode_with_offsets(text)
        return found.ids.tolist(), found.byte_spans.tolist()

    wrong = Engine("careless", "", TOK.encode, None, lambda ids: TOK.decode(ids).strip(), byte_offsets)
    report = verify(wrong, seconds=60, checks=["decoding", "offsets"])
    assert {(finding.cause, finding.title) for finding in report.findings} == {
        ("round trip", "decode does not give the text back"), ("offset unit", "offsets count bytes, not code points")}
    assert all(len(finding.text) <= 2 for finding in report.findings)


@pytest.mark.parametrize(("change", "cause", "title"), [
    (lambda text: text.lower(), "normalization", "lower case"),
    (lambda text: text.replace("\0", ""), "normalization", "U+0000 dropped"),
    (lambda text: text.removeprefix("\ufeff"), "normalization", "a byte order mark dropped"),
])
def test_changed_texts(change: Any, cause: str, title: str) -> None:
    report = verify(lambda text: TOK.encode(change(text)), seconds=60, checks=["odd texts"])
    assert [(finding.cause, finding.title) for finding in report.findings] == [(cause, title)], f"\n{report}"


def test_bos_is_told_from_wrong_ids() -> None:
    report = verify(lambda text: TOK.encode(text, add_bos=True), seconds=60, checks=["odd texts"])
    assert [finding.title for finding in report.findings] == ["BOS is added at the start"], f"\n{report}"


def test_an_unknown_check() -> None:
    with pytest.raises(ValueError, match="found 'all'"):
        verify(TOK, checks=["all"])


def wrong_report() -> Report:
    return verify(lambda text: TOK.encode(text.replace("<", "")), seconds=60, checks=["odd texts", "class cover, k = 1"])


class Texts(HTMLParser):
    """The tags and the text of a page."""

    def __init__(self) -> None:
        super().__init__()
        self.tags: set[str] = set()
        self.found: list[str] = []

    def handle_starttag(self, tag: str, attrs: Any) -> None:
        self.tags.add(tag)
        addresses = [value for name, value in attrs if name in ("src", "href")]
        assert all(address.startswith("#") for address in addresses), "a page fetches nothing"

    def handle_data(self, data: str) -> None:
        self.found.append(data)


def test_report_as_text_json_and_page() -> None:
    report = wrong_report()
    assert not report.equal and "different:" in str(report)
    again = json.loads(json.dumps(report.as_json()))
    assert again["verdict"] == "different" and again["findings"][0]["text"] == report.findings[0].text
    parser = Texts()
    parser.feed(page(report))
    assert parser.tags <= {"html", "head", "meta", "title", "style", "body", "main", "section", "h1", "h2", "h3", "p", "span",
                           "strong", "table", "tr", "th", "td", "code", "div", "small"}, "no markup of a counterexample"
    assert report.findings[0].title in "".join(parser.found)
    assert " 0 texts" not in str(report) and '"n">0<' not in page(report)


def test_the_page_has_views_of_both() -> None:
    """Each counterexample leads to its text as both cut it; where the tokens do not make up the text, it is said."""
    def cut_at_x(text: str) -> list[int]:
        return [id for part in text.lower().split("x") for id in [*TOK.encode(part), *TOK.encode("x")]][:-1]

    report = verify(cut_at_x, seconds=60, checks=["odd texts", "added tokens"])
    html = page(report, TOK)
    numbers = re.findall(r'href="#view-([0-9]+)"', html)
    assert numbers and numbers == re.findall(r'<section id="view-([0-9]+)">', html)
    assert len(numbers) + html.count("do not make up the text") == len(report.findings)
    assert re.search(r"<li class=d", html), "a token that the other one lacks is marked"
    assert 'id="view-' not in page(report) and "<script" not in html


# The command


def test_command_equal_and_different(tmp_path: Path) -> None:
    model = tiny_model(tmp_path / "tokenizer.json")
    out = ok("verify", f"tokenizers:{model}", "--model", model, "--seconds", "0.3", "--allow-incomplete").decode()
    assert "no difference found" in out
    done = run("verify", f"command:{sys.executable} -c print(1)", "--model", model, "--seconds", "0.5", "--json",
               "--html", str(tmp_path / "page.html"))
    assert done.returncode == 1, done.stderr
    assert json.loads(done.stdout)["verdict"] == "different"
    assert (tmp_path / "page.html").read_text(encoding="utf-8").startswith("<!DOCTYPE html>")


def test_command_could_not_run(tmp_path: Path) -> None:
    model = tiny_model(tmp_path / "tokenizer.json")
    assert "no engine is called" in fails("verify", "nothing", "--model", model)
    assert "no/such" in fails("verify", "dstok:deepseek-v3", "no/such.txt", "--seconds", "2")
    assert "seconds" in fails("verify", "dstok:deepseek-v3", "--seconds", "-1")


def test_command_reads_files(tmp_path: Path) -> None:
    """A difference that only a file shows."""
    model = tiny_model(tmp_path / "tokenizer.json")
    (tmp_path / "my_tokens.py").write_text(
        f"import dstok\nTOK = dstok.load({model!r})\n"
        "def load():\n    return lambda text: TOK.encode(text.replace('rare phrase', 'x'))\n")
    (tmp_path / "text.txt").write_text("A rare phrase.\n" * 3)
    words = [*DSTOK, "verify", "my_tokens:load", str(tmp_path / "text.txt"), "--model", model, "--seconds", "1.5"]
    path = os.pathsep.join([str(tmp_path), *sys.path])
    done = subprocess.run(words, capture_output=True, timeout=120, env={**os.environ, "PYTHONPATH": path})
    assert done.returncode == 1, done.stdout + done.stderr
    assert b"rare phrase" in done.stdout


# pytest


def test_the_example_project(tmp_path: Path) -> None:
    """The example's tests pass by the command in its docstring; with a faulty tokenizer they fail and show the cause."""
    for file in (*EXAMPLE.glob("*.py"), *EXAMPLE.glob("*.ini")):
        text = file.read_text(encoding="utf-8").replace("my_tokenizer.MyTokenizer()", "my_tokenizer.CarelessTokenizer()")
        (tmp_path / file.name).write_text(text.replace("seconds=5", "seconds=60"), encoding="utf-8")
    words = documented_command()
    words[0] = str(Path(sysconfig.get_path("scripts")) / words[0])  # not `python -m`, which finds modules where it stands
    right = pytest_of(words, EXAMPLE.parent.parent, "odd or batches")
    assert right.returncode == 0 and "1 skipped" in right.stdout, right.stdout
    wrong = pytest_of([words[0], "."], tmp_path, "odd", PYTHONOPTIMIZE="1")  # which leaves out what is only asserted
    assert wrong.returncode == 1 and "white space at the ends dropped" in wrong.stdout, wrong.stdout


def documented_command() -> list[str]:
    text = (EXAMPLE / "test_my_tokenizer.py").read_text(encoding="utf-8")
    return text.partition("`")[2].partition("`")[0].split()


def pytest_of(words: list[str], folder: Path, checks: str, **settings: str) -> subprocess.CompletedProcess[str]:
    alone = {**os.environ, "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1", **settings}  # the helper needs none of the plugins of our own tests
    words = [*words, "-q", "-p", "no:cacheprovider", "-k", checks]
    return subprocess.run(words, cwd=folder, env=alone, capture_output=True, text=True, timeout=300)
