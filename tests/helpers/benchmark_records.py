"""Results of the benchmarks as a run could have written them, without a measurement.

In: an engine's name, a case, a speed. Out: what one measurement writes (`record`), and the result file of several
(`results`). Invariant: two records have the same ids unless `ids` says otherwise.
Whoever imports this module can import `benchmarks`, which is not installed.
"""

# ruff: noqa: E402 (the folder of the benchmarks must be on the path first)

from __future__ import annotations

import sys
from hashlib import sha256
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
sys.path.append(str(ROOT))  # last: the installed dstok is the one under test

from benchmarks.cases import WORST_SIZE, Case, all_cases
from benchmarks.measure import Record
from benchmarks.summary import Results, summarise

WHOLE = Case("wiki/whole", "corpus", "wiki", "whole")
WORST = Case("worst/a", "worst", "a", "whole", WORST_SIZE)


def record(engine: str, case: Case = WHOLE, ids: str = "right", speed: float = 100.0) -> Record:
    """What a measurement could have said."""
    level = Record(level="avx2") if engine == "dstok" else Record()
    return level | Record(engine=engine, case=case.name, version="1.0", in_tree=False, bytes=1_000_000, tokens=250_000,
                  ids_sha256=sha256(ids.encode()).hexdigest(), turns=[speed, speed], import_ms=1.0, load_ms=2.0, start_ms=4.0,
                  cold_mb_s=speed / 2, warm_mb_s=speed, loaded_mb=10.0, grown_mb=20.0)


def results(*found: Record) -> Results:
    """A result of one case or more."""
    names = dict.fromkeys(r["case"] for r in found)
    cases = [next(case for case in all_cases() if case.name == name) for name in names]
    done = [summarise(case, [r for r in found if r["case"] == case.name]) for case in cases]
    return Results(
        format=2, date="2025-11-25", machine={"cpu": "A Processor", "cores": 2, "system": "Linux", "kernel": "6.1"},
        level="avx2",
        python="CPython 3.13.0", versions={r["engine"]: "1.0" for r in found}, commit="0123456789abcdef", dirty=False,
        in_tree=False, settings={"rounds": 1}, absent={}, skipped={}, mismatches=[m for _, ms in done for m in ms],
        cases=[summary for summary, _ in done])
