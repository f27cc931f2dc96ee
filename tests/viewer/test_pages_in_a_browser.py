"""The page of `verify --html` in a real browser: nothing bars people from it, in light, dark and on
a narrow screen; it fetches nothing, its policy refuses nothing that it has, and long texts do not push it aside."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from browser import run_scenarios
from real_models import V3

from dstok.conformance.report import Character, Check, Finding, Report, page

LONG = "x" * 400 + "<b>\u202e中文" + "a\u0301" * 50


def finding(text: str, found: list[int], expected: list[int]) -> Finding:
    wrong, right = ([(id, repr(V3.decode_bytes([id]))) for id in ids] for ids in (found, expected))
    return Finding("added tokens", "as text", text, wrong, right, 0, "", 3, [Character("中", "U+4E2D", {"": "Lo"})],
                   "predicts 5 of 5 further texts", [LONG], [LONG, "a"], ["a detail"], "a note")


@pytest.fixture(scope="module")
def results(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    folder = tmp_path_factory.mktemp("pages")
    findings = [finding(text, V3.encode(text, special="none"), V3.encode(text)) for text in (LONG, "<｜User｜>" + LONG)]
    report = Report("mine", "dstok", "deepseek-v3", findings, [Check("odd texts", 12, 0.5, True, 2),
                                                               Check("batches", 0, 0.0, True, 0, "no such call")])
    pages = {"report": page(report, V3)}
    for name, html in pages.items():
        (folder / f"{name}.html").write_text(html, encoding="utf-8")
    return run_scenarios(Path(__file__).with_name("pages.mjs"),
                         {"pages": {name: (folder / f"{name}.html").as_uri() for name in pages}})


@pytest.mark.parametrize("name", ["report"])
@pytest.mark.parametrize("screen", ["light", "dark", "narrow"])
def test_nothing_bars_people(results: dict[str, Any], name: str, screen: str) -> None:
    assert results[name][screen] == {"faults": [], "sideways": False, "axe": []}
