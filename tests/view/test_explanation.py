"""Pictures of automata: all of it is there, as it is; what a text holds does nothing; without Graphviz it is said."""

from __future__ import annotations

import re
import shutil
from pathlib import Path
from xml.etree import ElementTree

import pytest
from hypothesis import given
from hypothesis import strategies as st

import dstok
from dstok.cli.app import main
from dstok.errors import DstokError
from dstok.inspection.graph import PROGRAMS, automaton_dot, drawn, layout_program, marked_dot
from dstok.inspection.paths import paths
from dstok.inspection.picture import marked_picture, picture
from dstok.pattern.automaton import DEAD, NO_TAG, START
from dstok.pattern.cascade import Split, compile_splits
from dstok.view.explanation import explanation_page

TOK = dstok.load("deepseek-v3")
PROGRAM = TOK.inspect().automaton
MODELS = [name for name in dstok.models() if name in ("deepseek-v3", "deepseek-r1-distill-qwen")]
HOSTILE = "</svg><script>alert(1)</script> &amp; \"q\" \x00\x1b[31m \u202e\u0301 \\n"
SVG = "{http://www.w3.org/2000/svg}"


@pytest.mark.parametrize("name", MODELS)
def test_the_graph_has_every_state_and_every_move(name: str) -> None:
    program = dstok.load(name).inspect().automaton
    dot = automaton_dot(program)
    states = set(map(int, re.findall(r"(?m)^  (\d+) \[", dot)))
    arrows = [(int(a), int(b), "dashed" in rest) for a, b, rest in re.findall(r"(?m)^  (\d+) -> (\d+) (.*)$", dot)]
    edges = {(state, target, tag != NO_TAG) for state, row in enumerate(program.dfa.edges) for target, tag in row
             if state >= START and target != DEAD}
    assert states == set(range(START, len(program.dfa.edges)))
    assert len(arrows) == len(edges) and set(arrows) == edges


def test_the_graph_of_marked_texts() -> None:
    """It has every state and every arrow."""
    program = compile_splits(PROGRAM.splits[:1])
    dot, rows = marked_dot(program), program.visible.rows
    arrows = {(int(a), int(b), "used" in rest) for a, b, rest in re.findall(r"(?m)^  (\d+) -> (\d+) (.*)$", dot)}
    expected = {(state, target, symbol > program.visible.end) for state, row in enumerate(rows)
                for symbol, target in enumerate(row) if target != DEAD}
    assert arrows == expected and set(map(int, re.findall(r"(?m)^  (\d+) \[", dot))) == set(range(START, len(rows)))
    assert ElementTree.fromstring(marked_picture(program)).findtext(f"{SVG}title", "").endswith(f"of {len(rows) - 1} states")


@given(st.text(st.sampled_from("aZ09 !\t\n\ré中あア~_'\u0301🦙"), max_size=30))
def test_the_paths_are_those_of_the_pieces(text: str) -> None:
    found = list(paths(PROGRAM, text))
    assert [(path.text, path.tag) for path in found] == list(PROGRAM.pieces(text))
    assert [path.text for path in found] == [piece.text for piece in TOK.inspect().pretokenize(text)]
    for path in found:
        assert path.moves[0].state == START and path.moves[-1].target == DEAD
        assert [move.target for move in path.moves[:-1]] == [move.state for move in path.moves[1:]]


def test_graphviz_is_there() -> None:
    """The extra `test` brings graphviz-pure; the program of Graphviz itself is tried, too, where it is installed."""
    assert shutil.which("graphviz-pure")


@pytest.mark.parametrize("layout", [name for name in PROGRAMS if shutil.which(name)])
def test_the_picture(layout: str) -> None:
    path = shutil.which(layout)
    tree = ElementTree.fromstring(picture(PROGRAM, "I'll pay 12345!", path))
    title = tree.find(f"{SVG}title")
    assert title is not None and title.text is not None and "20 states and 14 classes" in title.text
    used = [group for group in tree.iter(f"{SVG}g") if "used" in group.get("class", "").split()]
    drawn_states = {group.findtext(f"{SVG}title") for group in tree.iter(f"{SVG}g") if "node" in group.get("class", "")}
    moves = {(move.state, move.target) for path in paths(PROGRAM, "I'll pay 12345!") for move in path.moves if move.target}
    assert {group.findtext(f"{SVG}title") for group in used} == {f"{a}->{b}" for a, b in moves}
    assert drawn_states == {"begin", *map(str, range(1, 21))}
    texts = [element.text for element in tree.iter(f"{SVG}text")]
    assert {"'I'", "step 2, alternative 0", "c13", "stop"} <= set(texts)


def test_a_text_does_nothing() -> None:
    tree = ElementTree.fromstring(picture(PROGRAM, HOSTILE))
    assert not list(tree.iter(f"{SVG}script")) and "alert(1)" in "".join(tree.itertext()).replace("' '", "")
    html = explanation_page(TOK, HOSTILE)
    assert "<script" not in html and "\x1b" not in html and "\u202e" not in html.replace(HOSTILE, "")
    assert "default-src 'none'" in html and " style=" not in html


def test_without_graphviz(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """No picture by itself, and the error says what to install; a page has the rest, and says what it lacks."""
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(DstokError, match="expected a program dot or graphviz-pure, found neither"):
        layout_program()
    assert main(["explain", "--svg", str(tmp_path / "a.svg")]) == 2
    assert "dstok[pictures]" in capsys.readouterr().err and not (tmp_path / "a.svg").exists()
    assert main(["explain", "--html", str(tmp_path / "a.html"), "--text", "a"]) == 0
    page = (tmp_path / "a.html").read_text(encoding="utf-8")
    assert "No picture: a picture of an automaton needs Graphviz" in page and "step 2, alternative 1" in page


@pytest.mark.parametrize(("script", "said"), [("echo 'no room' >&2; exit 3", "no room"), (None, "No such file|found exit code 127")])
def test_a_layout_that_fails(script: str | None, said: str, tmp_path: Path) -> None:
    program = tmp_path / "dot"  # qemu starts a missing program, which then ends with 127
    if script is not None:
        program.write_text(f"#!/bin/sh\n{script}\n")
        program.chmod(0o755)
    with pytest.raises(DstokError, match=said):
        drawn("digraph {}", str(program))


def test_the_command(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    svg, html = tmp_path / "a.svg", tmp_path / "a.html"
    assert main(["explain", "--text", "Hi 12", "--svg", str(svg), "--html", str(html)]) == 0
    assert "'Hi'" in capsys.readouterr().out
    assert svg.read_text(encoding="utf-8") == picture(PROGRAM, "Hi 12")
    assert html.read_text(encoding="utf-8") == explanation_page(TOK, "Hi 12", "deepseek-v3")


def test_states_that_only_tell_reasons() -> None:
    """An automaton that tells alternatives apart may have more states than the one that runs; those that are drawn count."""
    program = compile_splits([Split(r"ab|ac|a")])
    assert program.dfa.states > program.boundaries.states
    title = ElementTree.fromstring(picture(program)).findtext(f"{SVG}title")
    assert title is not None and title.startswith(f"An automaton of {program.dfa.states} states")


def test_a_long_piece() -> None:
    """Of a long piece the first moves are drawn, and it is said how many more there are."""
    texts = "".join(ElementTree.fromstring(picture(PROGRAM, "a" * 1000)).itertext())
    assert "and 985 more" in texts
