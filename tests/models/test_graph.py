"""The automaton as a graph: all of it is there; the paths of texts through it."""

from __future__ import annotations

import re
import runpy
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

import dstok
from dstok.cli.app import main
from dstok.inspection.explain import automaton_dot, paths
from dstok.regex.cascade import compile_splits
from dstok.regex.dfa import DEAD, NO_TAG, START

TOK = dstok.load("deepseek-v3")
PROGRAM = TOK.inspect().automaton
MODELS = [name for name in dstok.models() if name in ("deepseek-v3", "deepseek-r1-distill-qwen")]


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
    pictures = runpy.run_path(str(Path(__file__).resolve().parents[2] / "docs" / "pictures.py"))
    dot, rows = pictures["marked_dot"](program), program.visible.rows
    arrows = {(int(a), int(b), "used" in rest) for a, b, rest in re.findall(r"(?m)^  (\d+) -> (\d+) (.*)$", dot)}
    expected = {(state, target, symbol > program.visible.end) for state, row in enumerate(rows)
                for symbol, target in enumerate(row) if target != DEAD}
    assert arrows == expected and set(map(int, re.findall(r"(?m)^  (\d+) \[", dot))) == set(range(START, len(rows)))


@given(st.text(st.sampled_from("aZ09 !\t\n\ré中あア~_'\u0301🦙"), max_size=30))
def test_the_paths_are_those_of_the_pieces(text: str) -> None:
    found = list(paths(PROGRAM, text))
    assert [(path.text, path.tag) for path in found] == list(PROGRAM.pieces(text))
    assert [path.text for path in found] == [piece.text for piece in TOK.inspect().pretokenize(text)]
    for path in found:
        assert path.moves[0].state == START and path.moves[-1].target == DEAD
        assert [move.target for move in path.moves[:-1]] == [move.state for move in path.moves[1:]]


def test_the_command(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["explain", "--text", "Hi 12", "--dot", str(tmp_path / "a.dot")]) == 0
    assert "'Hi'" in capsys.readouterr().out
    assert (tmp_path / "a.dot").read_text(encoding="utf-8").rstrip("\n") == automaton_dot(PROGRAM)
