"""The notebooks of examples/notebooks run, cell after cell, and hold no outputs of somebody's machine."""

from __future__ import annotations

import ast
import json
from pathlib import Path
from typing import Any

import pytest

FOLDER = Path(__file__).resolve().parents[2] / "examples" / "notebooks"
NAMES = sorted(path.stem for path in FOLDER.glob("*.ipynb"))


def run(name: str) -> list[Any]:
    """The value of the last expression of each cell of code; None for a cell that ends in a statement."""
    values, space = list[Any](), dict[str, Any]()
    for cell in json.loads((FOLDER / f"{name}.ipynb").read_text(encoding="utf-8"))["cells"]:
        if cell["cell_type"] != "code":
            continue
        assert cell["outputs"] == [] and cell["execution_count"] is None
        *before, last = ast.parse("".join(cell["source"])).body
        ends = isinstance(last, ast.Expr)
        exec(compile(ast.Module(before if ends else [*before, last], []), name, "exec"), space)
        values.append(eval(compile(ast.Expression(last.value), name, "eval"), space) if isinstance(last, ast.Expr) else None)
    return values


def test_there_are_three() -> None:
    assert NAMES == ["count_and_cut", "train_and_compare", "view_inline"]


def test_count_and_cut() -> None:
    count, end, counts, limited = run("count_and_cut")
    assert count > 400 and len(end) == 30
    assert sum(counts) >= count and max(counts) <= 128 and limited == 8001


def test_train_and_compare() -> None:
    size, ratios, cuts, _ = run("train_and_compare")
    assert size == 1000 and ratios["own"] > ratios["deepseek-v3"] and len(cuts[0]) < len(cuts[1])


def test_view_inline(capsys: pytest.CaptureFixture[str]) -> None:
    one, two, _ = run("view_inline")
    assert "srcdoc" in one._repr_html_() and "deepseek-r1-distill-qwen" in two._repr_html_()
    assert "│Hello│·world│" in capsys.readouterr().out
