"""What the commands show to people: the same numbers everywhere, columns that stand below one another."""

from __future__ import annotations

import json
import os
import re
import sys
from pathlib import Path

import pytest
from cli_process import file, json_lines, ok
from compiled import compiled
from real_models import real_json
from wcwidth import wcswidth

from dstok._util.files import visible


@pytest.fixture(autouse=True)
def _in_empty_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


@pytest.mark.parametrize("model", ["deepseek-v3", "deepseek-llm-7b-base"])
def test_steps_and_alternatives_have_one_number(model: str) -> None:
    """Those of the library: an index of the program's splits."""
    tok, path = compiled(real_json(model)), "image"
    tok.to_image(path)
    splits, text = tok.inspect().automaton.splits, "don't  12345, 東京!\n\n"
    numbers = [(row["step"], row["alternative"]) for row in json_lines(ok("pieces", "-m", path, stdin=text.encode()))]
    table = ok("pieces", "-m", path, "--format", "table", stdin=text.encode()).decode()
    assert pairs(r"step (\d+), alt (\d+)", table) == [pair for pair in numbers if None not in pair]
    shown = ok("explain", "-m", path, "--text", text).decode()
    assert pairs(r"step (\d+), alternative (\d+)", shown) == [pair for pair in numbers if None not in pair]
    assert shown.index("path of the text") < shown.index("\nclasses: ") < shown.index("\nautomaton: ")
    listed = re.findall(r"^  (\d+)\. \w+.*?: (.*)$", shown, re.M)
    assert listed == [(str(number), visible(split.pattern)) for number, split in enumerate(splits)]


def pairs(pattern: str, text: str) -> list[tuple[int, ...]]:
    return [tuple(map(int, found.groups())) for found in re.finditer(pattern, text)]


def test_info_and_explain_count_the_same_states_and_classes() -> None:
    info = json.loads(ok("info", "--json"))
    shown = ok("explain").decode()
    assert pairs(r"automaton: (\d+) states", shown) == [(info["states"],)]
    assert pairs(r"classes: (\d+) ", shown) == [(info["classes"],)]


# Columns

WIDE = "a 東京 e\u0301e\u0301 ｶﾅ 👩 한국어 1"


def test_columns_stand_below_one_another_for_wide_characters() -> None:
    """As a terminal shows them: the same number of its places before each second and third column."""
    lines = ok("explain", "--text", WIDE).decode().partition("path of the text")[2].split("\n\n")[0].splitlines()[1:]
    places = {tuple(wcswidth(line[: line.index(mark)]) for mark in ("step ", "1 -c")) for line in lines}
    assert len(lines) > 6 and len(places) == 1, "\n".join(lines)


def test_a_long_piece_is_out_of_line_alone() -> None:
    lines = ok("explain", "--text", "ab " + "x" * 100).decode().partition("path of the text")[2].split("\n\n")[0].splitlines()[1:]
    assert [line.index("step ") for line in lines] == [44, 107]


@pytest.mark.parametrize("command", ["dump", "pieces"])
def test_tables_of_tokens_and_pieces(command: str) -> None:
    """What has a width of its own stands last."""
    head, *lines = ok(command, "--format", "table", stdin=WIDE.encode()).decode().splitlines()
    last = head.split()[-1]
    assert {min(line.find(mark) for mark in ("'", "b'") if mark in line) for line in lines} == {head.index(last)}


LINUX = pytest.mark.skipif(not sys.platform.startswith("linux"), reason="other systems have no such names")


@LINUX
@pytest.mark.parametrize("command", [("dump", "--format", "table"), ("pieces", "--format", "table"), ("show",)], ids=lambda words: words[0])
def test_a_name_that_is_not_utf_8_stands_above_its_text(
    command: tuple[str, ...], tmp_path: Path, monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.chdir(tmp_path)
    name = file(os.fsdecode(b"\xff"), b"a")
    assert ok(*command, name, name).count(b"==> \\udcff <==\n") == 2


@LINUX
@pytest.mark.parametrize("command", [("dump",), ("pieces",), ("count", "--json"), ("truncate", "--json", "--max-tokens", "9"),
                                     ("chunk", "--max-tokens", "9")], ids=lambda words: words[0])
def test_a_name_that_is_not_utf_8_stands_in_json(command: tuple[str, ...], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    name = file(os.fsdecode(b"\xff"), b"a")
    assert {line.get("file") or line["name"] for line in json_lines(ok(*command, name, name))} - {"total"} == {name}


def test_explain_as_json_is_the_automaton() -> None:
    inspection = compiled(real_json("deepseek-v3")).inspect()
    found = json.loads(ok("explain", "--json", "--text", "don't 12"))
    assert [step["pattern"] for step in found["steps"]] == [split.pattern for split in inspection.splits]
    assert found["classes"] == [[list(pair) for pair in members.ranges] for members in inspection.automaton.alphabet.classes]
    assert [(piece["text"], piece["step"], piece["alternative"]) for piece in found["path"]] == [
        (piece.text, piece.step, piece.alternative) for piece in inspection.pretokenize("don't 12")]
    assert all(piece["moves"][0]["state"] == 1 for piece in found["path"])
    assert json.loads(ok("explain", "--json"))["path"] is None
