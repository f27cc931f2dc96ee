"""Training of vocabularies: CPU seconds and memory, beside upstream, gigabpe and rustbpe.

    python -m benchmarks.train                                       # a Markdown table on stdout
    python -m benchmarks.train --output benchmarks/results/DATE-train.json
    python -m benchmarks.train --table FILE... [--write | --check]   # the tables of results; those in the tutorial

In: the shared corpora, as files. Out: the median of all rounds for each case and engine. A process measures one
training, on one core (`train_engines.py`); each round measures every engine once, so that other load affects all alike.
Invariant: merges are compared first. An engine that should be exact must give upstream's, or the exit code is 1. An
engine that is not installed is absent. Linux only.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
from collections.abc import Sequence
from datetime import date
from importlib.util import find_spec
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory
from typing import Any, NamedTuple

import dstok
from benchmarks.cases import ROOT, Case, load_text
from benchmarks.engines import LEVELS
from benchmarks.machine import commit, dirty, machine, python
from benchmarks.process import default_cores
from benchmarks.table import number, replaced
from benchmarks.train_engines import ENGINES
from dstok.core.cpu.level import chosen_level

__all__ = ["CASES", "differences", "main", "tables"]

ROUNDS, VOCAB_SIZE = 5, 32_000
PAGE = ROOT / "docs" / "tutorials" / "training.md"
BEGIN, END = "<!-- training:begin -->", "<!-- training:end -->"
UPSTREAM = "tokenizers"
_START = ("import sys; sys.path[:1] = []; sys.path.append(sys.argv.pop(1)); "
          "from benchmarks.train_engines import main; main(sys.argv[1], sys.argv[2], int(sys.argv[3]))")


class Training(NamedTuple):
    """corpora: the texts; like: the model to follow. goal: CPU seconds, goal_mb: memory; None: no goal."""

    corpora: tuple[str, ...]
    like: str
    goal: float
    goal_mb: float | None


CASES = {
    "four corpora": Training(("english", "code", "chinese", "multilingual"), "deepseek-v3", 2.5, 250.0),
    "english": Training(("english",), "gpt-2", 0.5, None),
}


def main(argv: Sequence[str] | None = None) -> int:
    """Runs the command."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.train", description="Trainings, timed.")
    parser.add_argument("--cases", nargs="*", choices=tuple(CASES), default=list(CASES))
    parser.add_argument("--engines", nargs="*", choices=tuple(ENGINES), default=list(ENGINES))
    parser.add_argument("--rounds", type=int, default=ROUNDS, help=f"of all engines (default {ROUNDS})")
    parser.add_argument("--output", type=Path, metavar="FILE", help="a JSON file for the figures")
    parser.add_argument("--table", type=Path, nargs="+", metavar="FILE", help="measure nothing: these files' tables")
    parser.add_argument("--write", action="store_true", help="with --table: into docs/tutorials/training.md")
    parser.add_argument("--check", action="store_true", help="with --table: exit with 1 if that page has others")
    arguments = parser.parse_args(argv)
    if arguments.table is not None:
        return _shown([json.loads(path.read_text(encoding="utf-8")) for path in arguments.table], arguments)
    found = _results(arguments)
    if arguments.output is not None:
        arguments.output.write_text(json.dumps(found, indent=1) + "\n", encoding="utf-8")
    print(tables([found]))
    wrong = differences(found)
    print("\n".join(wrong), file=sys.stderr, end="\n" * bool(wrong))
    return int(bool(wrong))


def differences(found: dict[str, Any]) -> list[str]:
    """A line for each engine that should be exact, and has failed or has other merges than upstream."""
    lines = []
    for case, measured in found["cases"].items():
        expected = measured["engines"].get(UPSTREAM, {}).get("merges_sha256")
        for name, figures in measured["engines"].items():
            if "failed" in figures:
                lines.append(f"{case}: {name} failed: {figures['failed']}")
            elif ENGINES[name].exact and expected not in (None, figures["merges_sha256"]):
                lines.append(f"{case}: {name} has other merges than {UPSTREAM}")
    return lines


def tables(results: Sequence[dict[str, Any]]) -> str:
    """A table for each result, the widest instructions first."""
    return "\n\n".join(_table(each) for each in sorted(results, key=lambda each: [*LEVELS].index(each["level"])))


def _table(found: dict[str, Any]) -> str:
    held = f", {LEVELS[found['level']]}" + (" (by DSTOK_SIMD)" if found["settings"] else "")
    versions = ", ".join(f"{name} {version}" for name, version in found["versions"].items())
    lines = [f"{found['machine']['cpu']}{held}, {found['python']}, {versions}, dstok at commit "
             f"{(found['commit'] or 'unknown')[:10]}, {found['date']}; one core, medians of {found['rounds']} rounds.",
             "",
             "| text, model, tokens | engine | CPU s | least | peak MB | merges |",
             "| --- | --- | ---: | ---: | ---: | --- |"]
    for name, measured in found["cases"].items():
        text = f"{name} {measured['bytes'] / 1e6:.1f} MB, {CASES[name].like}, {VOCAB_SIZE:,}"
        lines += [_row(text, engine, measured["engines"]) for engine in measured["engines"]]
    return "\n".join(lines)


def _row(text: str, engine: str, engines: dict[str, Any]) -> str:
    figures = engines[engine]
    if "failed" in figures:
        return f"| {text} | {engine} | failed | | | |"
    same = "others" if not ENGINES[engine].exact else "upstream's" if (
        figures["merges_sha256"] == engines.get(UPSTREAM, figures)["merges_sha256"]) else "DIFFERENT"
    return (f"| {text} | {engine} | {number(median(figures['cpu_s']))} | {number(min(figures['cpu_s']))} | "
            f"{number(median(figures['peak_mb']))} | {same} |")


def _shown(found: list[dict[str, Any]], arguments: argparse.Namespace) -> int:
    """Prints the tables, or writes them into the page, or compares them with it."""
    old = PAGE.read_text(encoding="utf-8")
    if not (arguments.write or arguments.check):
        print(tables(found))
        return 0
    new = replaced(old, tables(found), BEGIN, END)
    if arguments.write:
        PAGE.write_text(new, encoding="utf-8")
        return 0
    return int(new != old)


def _results(arguments: argparse.Namespace) -> dict[str, Any]:
    """Measures. Raises `OSError` if a corpus is missing."""
    engines = [name for name in arguments.engines if find_spec(name) is not None]
    versions: dict[str, str] = {}
    with TemporaryDirectory(prefix="dstok-train-") as folder:
        cases = {name: _measured(CASES[name], engines, arguments.rounds, Path(folder), versions)
                 for name in arguments.cases}
    return {"format": 1, "date": date.today().isoformat(), "machine": machine(), "level": chosen_level(),
            "python": python(), "versions": versions,
            "absent": [name for name in arguments.engines if name not in engines],
            "commit": commit(), "dirty": dirty(), "in_tree": Path(dstok.__file__).resolve().parent.parent == ROOT,
            "load_average": os.getloadavg()[0], "rounds": arguments.rounds,
            "settings": {name: os.environ[name] for name in ("DSTOK_SIMD",) if name in os.environ}, "cases": cases}


def _measured(
    case: Training, engines: Sequence[str], rounds: int, folder: Path, versions: dict[str, str],
) -> dict[str, Any]:
    """The figures of all engines that can follow the model."""
    files = [_text_file(corpus, folder) for corpus in case.corpora]
    data = b"".join(file.read_bytes() for file in files)
    model = folder / f"{case.like}.json"
    trainer = dstok.training.BpeTrainer(initial_alphabet=dstok.training.BpeTrainer.byte_alphabet())
    dstok.training.train_from_iterator([], trainer, like=case.like).to_json(model)
    task = json.dumps({"files": list(map(str, files)), "like": case.like, "model": str(model),
                       "vocab_size": VOCAB_SIZE, "letters": len({*data})})
    found: dict[str, Any] = {name: {"cpu_s": [], "peak_mb": []} for name in engines
                             if case.like in (ENGINES[name].likes or (case.like,))}
    for _ in range(rounds):
        for name, figures in found.items():
            if "failed" not in figures:
                _add(figures, name, _one(name, task), versions)
    return {"bytes": len(data), "engines": found}


def _text_file(corpus: str, folder: Path) -> Path:
    path = folder / f"{corpus}.txt"
    if not path.exists():
        path.write_bytes(load_text(Case(corpus, "corpus", corpus, "whole")).encode())
    return path


def _one(name: str, task: str) -> dict[str, Any]:
    """The figures of one process."""
    core = default_cores()[:1]
    environment = {**os.environ, **dict.fromkeys(("RAYON_NUM_THREADS", "OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS"), "1")}
    done = subprocess.run([sys.executable, "-c", _START, str(ROOT), name, task, str(core[0] if core else -1)],
                          capture_output=True, text=True, env=environment)
    if done.returncode:
        return {"failed": f"exit code {done.returncode}: {done.stderr.strip()[-200:]}"}
    found: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return found


def _add(figures: dict[str, Any], name: str, one: dict[str, Any], versions: dict[str, str]) -> None:
    """Adds a round. Merges that change from round to round are a failure."""
    if figures.get("merges_sha256", one.get("merges_sha256")) != one.get("merges_sha256"):
        one = {"failed": "other merges in another round"}
    if "failed" in one:
        figures["failed"] = one["failed"]
        return
    versions[name] = one["version"]
    figures["cpu_s"].append(one["cpu_s"])
    figures["peak_mb"].append(one["peak_mb"])
    figures |= {"merges": one["merges"], "merges_sha256": one["merges_sha256"]}


if __name__ == "__main__":
    sys.exit(main())
