"""benchmarks/integrations.py: engines with other ids or errors are shown as such; the least of the rounds counts."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

sys.path.append(str(Path(__file__).resolve().parents[2]))  # last: the installed dstok is the one under test

from benchmarks.integrations import CALLS, best, prompts, table


def record(engine: str, us: float, ids: str = "right", **more: Any) -> dict[str, Any]:
    calls = {name: {"us": us, "sha256": ids} for name in CALLS}
    return {"engine": engine, "load_ms": us, "mb": us, "own_us": None, "calls": calls, **more}


def test_the_table_says_what_differs() -> None:
    refused = {name: {"error": "ValueError: no pairs"} for name in CALLS}
    shown = table([record("original", 20), record("dstok", 4), record("a", 2, "wrong"), {"engine": "b", "absent": True},
                   record("c", 1, calls=refused)])
    for name in CALLS:
        assert f"| {name} | 20 | 4 (5.0 ×) | other ids | – | refused: ValueError |" in shown


def test_the_best_round() -> None:
    found = best([record("dstok", 9), record("dstok", 7), record("dstok", 8)])
    assert (found["load_ms"], [one["us"] for one in found["calls"].values()]) == (7, [7] * len(CALLS))
    assert best([{"engine": "dstok", "error": "no"}]) == {"engine": "dstok", "error": "no"}


def test_prompts() -> None:
    found = prompts("some words " * 20_000)
    assert [(len(texts), {len(text) for text in texts}) for texts in found.values()] == [
        (1000, {48}), (64, {800}), (4, {32_000})]
