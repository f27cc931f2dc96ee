"""Start-up: CPU time of whole processes, from an empty Python to the first ids, and `dstok count` of a small file.

    python -m benchmarks.start                           # a Markdown table on stdout, in about two minutes
    python -m benchmarks.start --rounds 10 --output benchmarks/results/DATE-start.json
    python -m benchmarks.start --table FILE              # the file's table

In: nothing. Out: user and system time of each kind of process, and of dstok's part of a process that has already
imported numpy: the median and the least of all rounds.
Invariant: each round runs each kind of process once, one after the other, so that other load on the machine affects all
of them alike; the file's caches are warm. The time of an empty Python stands beside the others: it measures the machine
and its load. Linux and macOS only.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from datetime import date
from importlib.metadata import version
from pathlib import Path
from statistics import median
from typing import TypedDict

import dstok
from benchmarks.cases import ROOT
from benchmarks.machine import commit, dirty, machine, python
from dstok.core.cpu.level import chosen_level

__all__ = ["PROCESSES", "Figures", "main", "measured", "table"]

ROUNDS = 40
EMPTY, NUMPY, BEYOND_NUMPY = "empty Python", "numpy", "import, load, first ids, after numpy in one process"
TEXT = "Hello world, it is a small file.\n" * 20
_LOADED = 'import dstok; tok = dstok.load("deepseek-v3")'
_FIRST_IDS = f'{_LOADED}; tok.encode("hi")'
PROCESSES = {  # the words after `python`, where FILE is a small text
    EMPTY: ("-c", ""),
    "import": ("-c", "import dstok"),
    "import, load": ("-c", _LOADED),
    "import, load, first ids": ("-c", _FIRST_IDS),
    NUMPY: ("-c", "import numpy"),
    # numpy's part of such a process varies by more than dstok's time. So the process itself measures dstok's part, in
    # its only thread of Python. The other threads are numpy's, and use time while they wait for their first work.
    BEYOND_NUMPY: ("-c", "import numpy; from time import thread_time; before = thread_time(); "
                         f"{_FIRST_IDS}; print(thread_time() - before)"),
    "dstok count FILE": ("-m", "dstok", "count", "FILE"),
}


class Figures(TypedDict):
    """CPU milliseconds of one kind of process."""

    median_ms: float
    least_ms: float


def measured(rounds: int) -> dict[str, Figures]:
    """Measures each of `PROCESSES`."""
    found: dict[str, list[float]] = {name: [] for name in PROCESSES}
    with tempfile.TemporaryDirectory() as folder:
        (Path(folder) / "FILE").write_text(TEXT, encoding="utf-8")
        for turn in range(rounds + 1):
            for name, words in PROCESSES.items():
                taken = _own_cpu_ms(words, folder) if name == BEYOND_NUMPY else _cpu_ms(words, folder)
                found[name] += [taken] if turn else []  # the first round fills the caches
    return {name: Figures(median_ms=round(median(each), 2), least_ms=round(min(each), 2))
            for name, each in found.items()}


def _cpu_ms(words: Sequence[str], folder: str) -> float:
    """User and system time of a process in `folder`, so that it finds the installed dstok."""
    from resource import RUSAGE_CHILDREN, getrusage  # not on Windows; os.times() counts in steps of 10 ms

    before = getrusage(RUSAGE_CHILDREN)
    subprocess.run([sys.executable, *words], cwd=folder, stdout=subprocess.DEVNULL, check=True)
    after = getrusage(RUSAGE_CHILDREN)
    return (after.ru_utime - before.ru_utime + after.ru_stime - before.ru_stime) * 1e3


def _own_cpu_ms(words: Sequence[str], folder: str) -> float:
    """The seconds of user and system time that a process printed for a part of itself."""
    return float(subprocess.run([sys.executable, *words], cwd=folder, capture_output=True, check=True).stdout) * 1e3


def table(rows: dict[str, Figures]) -> str:
    """The figures as a Markdown table.

    >>> rows = {name: Figures(median_ms=10.0 * i, least_ms=8.0 * i) for i, name in enumerate(PROCESSES, 1)}
    >>> print(table(rows).splitlines()[2])
    | empty Python | 10.0 | 8.0 | 1.0 |
    """
    empty = rows[EMPTY]["median_ms"]
    return "\n".join([
        "| process | CPU ms, median | least | times an empty Python |", "| --- | ---: | ---: | ---: |",
        *(f"| {name} | {each['median_ms']:.1f} | {each['least_ms']:.1f} | {each['median_ms'] / empty:.1f} |"
          for name, each in rows.items())])


def main(argv: Sequence[str] | None = None) -> int:
    """Runs the command."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.start", description="Start-up, CPU time of processes.")
    parser.add_argument("--rounds", type=int, default=ROUNDS, help=f"of each kind of process (default {ROUNDS})")
    parser.add_argument("--output", type=Path, help="a JSON file for the figures")
    parser.add_argument("--table", type=Path, help="show this file's figures, and measure nothing")
    arguments = parser.parse_args(argv)
    if arguments.table is not None:
        rows = json.loads(arguments.table.read_text(encoding="utf-8"))["rows"]
    else:
        rows = measured(arguments.rounds)
    if arguments.output is not None:
        _save(rows, arguments.rounds, arguments.output)
    print(table(rows))
    return 0


def _save(rows: dict[str, Figures], rounds: int, path: Path) -> None:
    """Writes a file with the figures and the machine that they were measured on."""
    found = {"format": 1, "date": date.today().isoformat(), "machine": machine(), "level": chosen_level(),
             "python": python(), "versions": {"dstok": dstok.__version__, "numpy": version("numpy")},
             "in_tree": Path(dstok.__file__).resolve().parent.parent == ROOT, "commit": commit(), "dirty": dirty(),
             "load_average": os.getloadavg()[0], "rounds": rounds, "rows": rows}
    path.write_text(json.dumps(found, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    sys.exit(main())
