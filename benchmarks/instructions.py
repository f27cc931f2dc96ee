"""Instructions a byte, counted by valgrind's callgrind: repeatable under any load.

    python -m benchmarks.instructions                      # a Markdown table of the five corpora
    python -m benchmarks.instructions --output benchmarks/results/NAME.json
    python -m benchmarks.instructions --check benchmarks/results/NAME.json     # exit code 1: more than in the file
    python -m benchmarks.instructions --aarch64 FOLDER     # ARM's, by qemu: after AARCH64=FOLDER tests/aarch64

In: the first megabyte of each corpus, whole characters, in one call. Out: instructions a byte of the first (cold) and
of a later (warm) pass: the count of a process that makes the pass, less the count of one that does not. Invariant:
counts depend on compiler and instruction set, not on speed or load; so `--check` allows half as much again. valgrind
knows no AVX-512, so these are the counts of the AVX2 level. ARM's counts are those of dstok's own modules (qemu.py).
"""

from __future__ import annotations

import argparse
import json
import os
import re
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Literal, TypedDict

from benchmarks import qemu
from benchmarks.cases import CORPORA, ROOT, load_text, select
from benchmarks.engines import LEVELS
from benchmarks.machine import commit, dirty, machine, python

__all__ = ["count", "main", "table"]

SIZE = 1_000_000  # bytes
MARGIN = 1.5
WARM_PASSES = 10
_PASSES = """
import sys
import numpy
sys.path.append(sys.argv[3])
import dstok
tok = dstok.load("deepseek-v3")
text = open(sys.argv[1], encoding="utf-8", newline="").read()
tok.encode("hi")
for _ in range(int(sys.argv[2])):
    tok.encode_array(text)
from benchmarks.engines import ENGINES
print(ENGINES["dstok"].level())
"""


class Counts(TypedDict):
    """Instructions a byte of UTF-8, and dstok's level."""

    level: str
    cold: float
    warm: float


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs the command; see the module's docstring."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.instructions", description="count instructions a byte")
    parser.add_argument("--corpora", nargs="+", choices=CORPORA, default=list(CORPORA), metavar="NAME")
    parser.add_argument("--output", type=Path, metavar="FILE", help="result file to write, as results/NAME.json")
    parser.add_argument("--check", type=Path, metavar="FILE", help=f"fail above {MARGIN} times the counts in FILE")
    parser.add_argument("--aarch64", type=Path, metavar="FOLDER", help="of tests/aarch64: count an ARM processor's")
    options = parser.parse_args(arguments)
    found = {corpus: count(corpus, options.aarch64) for corpus in options.corpora}
    print(table(found))
    if options.output:
        result: dict[str, Any] = {"machine": machine(), "python": python(), "commit": commit(), "dirty": dirty(),
                                  "instructions": found}
        if options.aarch64:
            result["machine"] |= {"cpu": "aarch64, emulated by qemu", "architecture": "aarch64"}
            result["python"] = f"CPython {(options.aarch64 / 'python').read_text().strip()}"
        options.output.write_text(json.dumps(result, indent=1) + "\n")
    return _compare(found, json.loads(options.check.read_text())["instructions"]) if options.check else 0


def count(corpus: str, aarch64: Path | None = None) -> Counts:
    """The counts of one corpus. Raises `RuntimeError` if valgrind or qemu fails."""
    text = load_text(select([f"{corpus}/whole"], full=True)[0]).encode()[:SIZE].decode("utf-8", "ignore")
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "text"
        file.write_text(text, encoding="utf-8", newline="")
        if aarch64:
            (first, warm), level = qemu.passes(aarch64.resolve(), file, 2)
            return _by_byte(text, level, first, warm)
        subprocess.run(_command(file, 0), env=_environment(), cwd=folder, check=True)  # Python's caches are written now
        (none, level), (first, _), (all, _) = (_instructions(file, passes) for passes in (0, 1, 1 + WARM_PASSES))
    return _by_byte(text, level, first - none, (all - first) / WARM_PASSES)


def _by_byte(text: str, level: str, cold: float, warm: float) -> Counts:
    size = len(text.encode())
    return {"level": level, "cold": round(cold / size, 2), "warm": round(warm / size, 2)}


def table(found: dict[str, Counts]) -> str:
    """The counts as Markdown."""
    rows = [f"| {corpus} | {LEVELS[counts['level']]} | {counts['cold']:.1f} | {counts['warm']:.1f} |"
            for corpus, counts in found.items()]
    return "\n".join(["| text | level | instructions a byte, cold | warm |", "|---|---|---:|---:|", *rows])


def _instructions(text: Path, passes: int) -> tuple[int, str]:
    """The instructions of a process that encodes the text `passes` times, and its level."""
    valgrind = ["valgrind", "--tool=callgrind", f"--callgrind-out-file={text.parent / 'profile'}"]
    done = subprocess.run([*valgrind, *_command(text, passes)], capture_output=True, text=True, env=_environment(),
                          cwd=text.parent)  # not in the source tree: see process.py
    collected = re.search(r"Collected : (\d+)", done.stderr)
    if done.returncode or not collected:
        raise RuntimeError(f"valgrind failed: {done.stderr.strip()[-400:]}")
    return int(collected[1]), done.stdout.strip()


def _command(text: Path, passes: int) -> list[str]:
    return [sys.executable, "-c", _PASSES, str(text), str(passes), str(ROOT)]


def _environment() -> dict[str, str]:
    kept = {name: value for name, value in os.environ.items() if name in ("PATH", "PYTHONPATH", "DSTOK_SIMD")}
    return {**kept, "PYTHONHASHSEED": "0", "OPENBLAS_NUM_THREADS": "1"}  # the waiting of its threads would be counted


def _compare(found: dict[str, Counts], known: dict[str, Counts]) -> int:
    """Returns 1, and says why, if a count exceeds `MARGIN` times the known one or has another level; else 0."""
    kinds: tuple[Literal["cold", "warm"], ...] = ("cold", "warm")
    over = [f"{corpus}, {kind}: expected at most {MARGIN * known[corpus][kind]:.1f} instructions a byte, "
            f"found {counts[kind]}"
            for corpus, counts in found.items() for kind in kinds if counts[kind] > MARGIN * known[corpus][kind]]
    over += [f"{corpus}: expected counts of level {known[corpus]['level']}, found {counts['level']}"
             for corpus, counts in found.items() if counts["level"] != known[corpus]["level"]]
    print(*over, sep="\n", end="\n" * bool(over), file=sys.stderr)
    return int(bool(over))


if __name__ == "__main__":
    sys.exit(main())
