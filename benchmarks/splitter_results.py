"""The results of `python -m benchmarks.splitter`: JSON that several runs add to, and a Markdown table.

In: cases, each a corpus and a pattern with the figures of the engines. Out: a file, a table. Invariant: a file holds
one commit's cases, measured on one machine; others are refused.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from datetime import date
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import TypedDict

from benchmarks import machine
from dstok.core.cpu.level import chosen_level

__all__ = ["SplitCase", "SplitResults", "added", "opened", "table"]

PACKAGES = ("dstok", "tokenizers", "regex", "google-re2", "pcre2")


class SplitCase(TypedDict):
    """For each engine the MB/s, or a word in place of the figure."""

    corpus: str
    pattern: str
    bytes: int
    spans: dict[str, float | str]
    count_pieces: dict[str, float | str]


class SplitResults(TypedDict):
    """The contents of a file."""

    format: int
    date: str
    machine: dict[str, object]
    level: str
    python: str
    versions: dict[str, str]
    commit: str | None
    dirty: bool | None
    cases: list[SplitCase]


def opened(path: Path) -> SplitResults:
    """The results in a file, or none yet. Raises `ValueError` if they are of another commit or machine."""
    fresh = SplitResults(
        format=1, date=date.today().isoformat(), machine=machine.machine(), level=chosen_level(),
        python=machine.python(), versions=dict(_versions()), commit=machine.commit(), dirty=machine.dirty(), cases=[])
    if not path.exists():
        return fresh
    found: SplitResults = json.loads(path.read_text(encoding="utf-8"))
    for one, other in ((found["commit"], fresh["commit"]), (found["machine"], fresh["machine"]),
                       (found["level"], fresh["level"])):
        if one != other:
            raise ValueError(f"{path}: expected results of {other}, found {one}")
    return found


def _versions() -> Iterator[tuple[str, str]]:
    for name in PACKAGES:
        try:
            yield name, version(name)
        except PackageNotFoundError:
            continue


def added(path: Path, cases: Iterable[SplitCase]) -> None:
    """Writes the cases into the file; they replace cases of the same corpus and pattern."""
    results = opened(path)
    known = {(case["corpus"], case["pattern"]): case for case in results["cases"]}
    results["cases"] = list((known | {(case["corpus"], case["pattern"]): case for case in cases}).values())
    path.write_text(json.dumps(results, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")


def table(cases: Iterable[SplitCase]) -> Iterator[str]:
    """The lines of a Markdown table."""
    for number, case in enumerate(cases):
        names = [*case["spans"], *(f"count: {name}" for name in case["count_pieces"])]
        if number == 0:
            yield f"| corpus | pattern | {' | '.join(names)} |"
            yield f"| --- | --- | {' | '.join('---:' for _ in names)} |"
        figures = [*case["spans"].values(), *case["count_pieces"].values()]
        yield f"| {case['corpus']} | {case['pattern']} | {' | '.join(map(str, figures))} |"
