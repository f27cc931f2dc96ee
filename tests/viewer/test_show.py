"""Tokens on the terminal and in a notebook: borders, colours or none, columns in line; the same tokens as everywhere."""

from __future__ import annotations

import json
import os
import re
import subprocess
from html import unescape
from pathlib import Path
from typing import Any

import pytest
from cli_process import DSTOK, TEXT, fails, ok
from hypothesis import given
from hypothesis import strategies as st
from real_models import V3
from text_strategies import texts
from wcwidth import wcswidth

import dstok
from dstok.cli.output import colours_wanted
from dstok.conformance.report import Report, page
from dstok.inspection.explain import explain
from dstok.viewer import Sheet, TokenView, read
from dstok.viewer.notebook import MOST_SHOWN, Lines

pty = pytest.importorskip("pty")
WIDE = "a 東京 e\u0301e\u0301 ｶﾅ 👩\u200d👧 한국어 🦙⃁\t<｜User｜>\nשלום\u202e \x1b[31m\n"
SGR = re.compile("\x1b\\[[0-9;]*m")


def lines_of(text: str, columns: int = 0, colours: bool = False, ids: bool = False) -> list[str]:
    reading = read(V3, text)
    return "".join(Lines(columns, colours, ids).tokens(reading, 0, len(reading))).splitlines()


def cells(line: str) -> list[str]:
    return re.split("[│┆]", line)[1:-1]


@given(texts, st.sampled_from([0, 40]))
def test_every_token_has_its_border_and_its_id(text: str, columns: int) -> None:
    """The ids stand below their tokens, in line by the width of what stands before."""
    text = re.sub("[│┆]", "", text)
    shown, ids = lines_of(text, columns, ids=True), list[int]()
    for line, below in zip(shown[::2], shown[1::2]):
        found = [int(id) for id in below.split()]
        ids += found
        assert all(char.isprintable() for char in line + below)
        starts = [wcswidth(line[: border.end()]) for border in re.finditer("[│┆]", line)][:-1]
        if not re.search(r"\[.*┆.*\]", line):  # a character of several tokens has borders of its own
            assert [below[start - 1] + below[start : start + len(str(id))] for start, id in zip(starts, found)] == [f" {id}" for id in found]
    assert ids == V3.encode(text)


def test_what_stands_there() -> None:
    assert lines_of("Hello naïve  🦙!\n\n\t<｜User｜>x\u202e\u0301") == [
        "│Hello│·naïve│·│[·🦙 · f0 9f┆a6┆99]┆!↵↵│", "│⇥│«<｜User｜>»│x│[U+202E e2 80┆ae]┆◌\u0301│"]
    assert lines_of("") == []


def test_colours_take_turns_and_tell_nothing_more() -> None:
    """Without them the lines are the same."""
    coloured = lines_of(WIDE, 30, colours=True, ids=True)
    assert [SGR.sub("", line) for line in coloured] == lines_of(WIDE, 30, ids=True)
    assert {code for line in coloured for code in SGR.findall(line)} == {"\x1b[30;46m", "\x1b[30;43m", "\x1b[97;45m", "\x1b[0m"}


@pytest.mark.parametrize("columns", [20, 40, 80])
def test_lines_are_no_wider_than_asked_for(columns: int) -> None:
    text = (WIDE + "some words, and more of them ") * 10
    wide = [line for line in lines_of(text, columns, ids=True) if wcswidth(line) > columns]
    assert all(len(cells(line)) <= 1 or "[" in line for line in wide)
    assert len(lines_of(text, columns)) > len(lines_of(text))


# The command


@pytest.mark.parametrize("words", [[], ["--ids"], ["--width", "30", "--ids"], ["--add-bos", "--add-eos"], ["--special", "none"]])
def test_the_command_shows_the_same(words: list[str]) -> None:
    special: Any = "none" if "none" in words else "all"
    reading = read(V3, TEXT.decode(), special=special, add_bos="--add-bos" in words, add_eos="--add-eos" in words)
    expected = Lines(30 if "--width" in words else 0, False, "--ids" in words).tokens(reading, 0, len(reading))
    assert ok("show", *words, stdin=TEXT).decode() == "".join(expected)


def test_a_file_longer_than_a_block(tmp_path: Path) -> None:
    text = TEXT.decode() * 15_000
    (tmp_path / "text").write_text(text, encoding="utf-8", newline="")
    shown = ok("show", "--ids", "--width", "100", str(tmp_path / "text")).decode().splitlines()
    assert len(text) > 600_000 and [int(id) for line in shown[1::2] for id in line.split()] == V3.encode(text)


def test_several_texts_have_heads(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    Path("rows").write_text(json.dumps({"text": "a b"}) + "\n" + json.dumps({"text": "c"}) + "\n", encoding="utf-8")
    assert ok("show", "--jsonl", "rows").decode() == "==> line 1 <==\n│a│·b│\n==> line 2 <==\n│c│\n"
    Path("other").write_text("d", encoding="utf-8")
    assert ok("show", "other", "other").decode() == "==> other <==\n│d│\n" * 2
    assert ok("show", "--output", "out", "other") == b"" and Path("out").read_text(encoding="utf-8") == "│d│\n"
    assert "added token" in fails("show", "--special", "raise", stdin="<｜User｜>".encode())


def at_a_terminal(*words: str, **environment: str) -> str:
    ours, theirs = pty.openpty()
    try:
        given = {name: value for name, value in os.environ.items() if name not in ("NO_COLOR", "TERM")}
        done = subprocess.run([*DSTOK, "show", *words], stdin=subprocess.DEVNULL, stdout=theirs, stderr=subprocess.PIPE, timeout=60,
                              env={**given, "TERM": "xterm", **environment})
        assert (done.returncode, done.stderr) == (0, b"")
        return os.read(ours, 10_000).decode().replace("\r\n", "\n")
    finally:
        os.close(ours)
        os.close(theirs)


@pytest.mark.parametrize(("environment", "words", "coloured"), [
    ({}, [], True), ({"NO_COLOR": "1"}, [], False), ({"NO_COLOR": ""}, [], True), ({"TERM": "dumb"}, [], False),
    ({"NO_COLOR": "1"}, ["--color", "always"], True), ({}, ["--color", "never"], False)])
def test_colours_are_for_terminals(tmp_path: Path, environment: dict[str, str], words: list[str], coloured: bool) -> None:
    (tmp_path / "text").write_text("Hello world", encoding="utf-8")
    shown = at_a_terminal(*words, str(tmp_path / "text"), **environment)
    assert ("\x1b" in shown) == coloured and SGR.sub("", shown) == "│Hello│·world│\n"


def test_a_pipe_has_no_colours(monkeypatch: pytest.MonkeyPatch) -> None:
    assert ok("show", stdin=b"a b") == "│a│·b│\n".encode() and b"\x1b" in ok("show", "--color", "always", stdin=b"a b")
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.delenv("NO_COLOR", raising=False)
    assert [colours_wanted(True), colours_wanted(False)] == [True, False]


# Notebooks


def test_a_view_in_a_notebook(tmp_path: Path) -> None:
    view = V3.view("naïve <b>🦙", beside=dstok.load("deepseek-r1-distill-qwen"))
    assert isinstance(view, TokenView) and repr(view) == "<TokenView: deepseek-v3 8 tokens, deepseek-r1-distill-qwen 7 tokens>"
    html = view._repr_html_()
    assert html.startswith('<iframe sandbox="allow-scripts allow-downloads" ') and html.count("<") == 2
    assert unescape(html.partition('srcdoc="')[2].removesuffix('"></iframe>')) == view.page()
    view.save(tmp_path / "page.html")
    assert (tmp_path / "page.html").read_text(encoding="utf-8") == view.page()
    assert str(view).splitlines()[0] == "deepseek-v3: 8 tokens, 10 characters, 14 bytes"


def test_a_page_of_a_name_that_is_no_utf_8_is_saved(tmp_path: Path) -> None:
    TokenView(Sheet([read(V3, "a", name="n\udcff")])).save(tmp_path / "page.html")
    assert '"name":"n?"' in (tmp_path / "page.html").read_text(encoding="utf-8")


def test_a_notebook_is_not_filled() -> None:
    view = V3.view("word " * (MOST_SHOWN + 1))
    assert view._repr_html_() == f"<p>&lt;TokenView: deepseek-v3 {MOST_SHOWN + 2:,} tokens&gt;: too many for a notebook, which shows 20,000; save(path) writes the page</p>"


def test_reports_and_explanations_in_a_notebook() -> None:
    found = explain(V3.inspect(), "<b>")
    assert found._repr_html_().startswith("<pre ") and "&lt;b" in found._repr_html_() and "<b" not in found._repr_html_()
    report = Report("mine", "<i>", "deepseek-v3")
    assert unescape(report._repr_html_().partition('srcdoc="')[2].removesuffix('"></iframe>')) == page(report)
