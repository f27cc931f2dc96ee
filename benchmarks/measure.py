"""Measures ONE engine on ONE case in ONE fresh process.

    python -m benchmarks.measure ENGINE CASE [--text FILE] [--tokenizer FILE] [--cores 1] [--turns]

In: names of an engine and a case. Out: a record as one line of JSON on stdout, or {"absent": why} if the engine cannot
be imported, or {"failed": why} if it raised. With --turns a line "ready" comes before it. From then on each line of
standard input asks for a turn, which a line "turn" answers; the record comes at the end of the input.
Invariant: numpy, the text and the list of items exist before the first clock starts; ids are read after the last clock
stops. First comes the start, then "cold" (the first pass after one trivial call), then a pass without a clock, then
turns: passes for `TURN` seconds, whose bytes by their time are the turn's speed. "warm" is the median of the turns.
In the mode "slices" no text is seen twice: the first pass has one slice, and each of five turns another slice.
In an `unseen` case each warm pass has a text that is one character shorter: some engines keep the ids of a whole text
that is one piece, so that only one look-up would be timed. The measure is CPU time, except wall time in the batch
modes, whose threads' times would add up. Memory is the growth of the process: after load, and at the peak of load and
all passes (including one call's results).
"""

from __future__ import annotations

import argparse
import importlib
import importlib.metadata
import json
import os
import sys
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress
from hashlib import sha256
from pathlib import Path
from statistics import median
from typing import Any, TypedDict

import numpy as np

from benchmarks.cases import ROOT, Case, all_cases, items, load_text, slices
from benchmarks.engines import ENGINES, Call, Engine

__all__ = ["Record", "main", "measure", "memory"]

TURNS, TURN = 15, 0.06  # seconds: shared machines change their speed within tenths of seconds
MB = 1e6


class Record(TypedDict, total=False):
    """The measurements of one process. `FIGURES` in summary.py names the figures."""

    engine: str
    case: str
    absent: str
    failed: str
    version: str
    level: str
    in_tree: bool
    bytes: int
    tokens: int
    ids_sha256: str
    turns: list[float]  # warm, MB/s
    import_ms: float
    load_ms: float
    start_ms: float
    cold_mb_s: float
    warm_mb_s: float
    loaded_mb: float | None
    grown_mb: float | None


def main(arguments: list[str] | None = None) -> int:
    """Runs the command."""
    options = _parser().parse_args(arguments)
    case = next(case for case in all_cases() if case.name == options.case)
    if options.cores and hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, {int(core) for core in options.cores.split(",")})
    text = options.text.read_bytes().decode() if options.text else load_text(case)
    found = Record(engine=options.engine, case=case.name)
    try:
        asked = _asked() if options.turns else range(TURNS)
        found |= measure(ENGINES[options.engine], case, text, options.tokenizer, asked)
    except ImportError as error:
        found["absent"] = str(error)
    except BaseException as error:  # a panic in a Rust extension is not an Exception
        if isinstance(error, KeyboardInterrupt):
            raise
        found["failed"] = f"{type(error).__name__}: {str(error)[:200]}"
    print(json.dumps(found))
    return 0


def _asked() -> Iterator[None]:
    """One item for each line of standard input; says when it waits for the first, and when a turn is over."""
    print("ready", flush=True)
    for _ in sys.stdin:
        yield
        print("turn", flush=True)


def measure(
    engine: Engine, case: Case, text: str, tokenizer: Path, turns: Iterable[Any] = range(TURNS),
) -> Record:
    """The figures of one engine on one text, with a turn for each item of `turns`. Call it once in a process."""
    texts = items(text, case.mode)
    batch = case.mode.startswith("batch")
    arguments: list[Any] = [texts] if batch else texts
    first, *later = slices(texts) if case.mode == "slices" else [arguments]
    size = _size(first) if later else len(text.encode())
    _forget_peak()
    before = memory("VmRSS")
    call, record = _start(engine, case, tokenizer, ["hi"] if batch else "hi")
    record["loaded_mb"] = _grown(before, memory("VmRSS"))
    clock = time.perf_counter if batch else time.process_time
    cold = _one_pass(call, first, clock) / size
    passes = ((part, _size(part)) for part in later) if later else _later_passes(case, text, arguments)
    if not later:
        _one_pass(call, next(passes)[0], clock)
    record["turns"] = []
    for _ in turns:
        spent, done = 0.0, 0
        for part, part_size in passes:
            spent, done = spent + _one_pass(call, part, clock), done + part_size
            if later or spent >= TURN:
                break
        if done:
            record["turns"].append(done / spent / MB)
    record["grown_mb"] = _grown(before, memory("VmHWM"))
    record |= {"bytes": size, "cold_mb_s": 1 / cold / MB, "warm_mb_s": median(record["turns"])}
    record["tokens"], record["ids_sha256"] = _digest(call, arguments)
    return record


def _start(engine: Engine, case: Case, tokenizer: Path, trivial: Any) -> tuple[Call, Record]:
    """Imports, loads and calls once."""
    marks = [time.process_time()]
    module = importlib.import_module(engine.module)
    marks.append(time.process_time())
    call = engine.open(module, tokenizer, case.mode, case.threads)
    marks.append(time.process_time())
    call.encode(trivial)
    marks.append(time.process_time())
    ms = [(mark - marks[0]) * 1e3 for mark in marks]
    file = Path(module.__file__ or "").resolve()
    record = Record(version=_version(engine.module, module), in_tree=file.parent.parent == ROOT,
                    import_ms=ms[1], load_ms=ms[2] - ms[1], start_ms=ms[3])
    if engine.level:
        record["level"] = engine.level()
    return call, record


def _size(texts: Iterable[str]) -> int:
    return sum(len(text.encode()) for text in texts)


def _one_pass(call: Call, arguments: Iterable[Any], clock: Callable[[], float]) -> float:
    encode = call.encode
    start = clock()
    for argument in arguments:
        encode(argument)
    return max(clock() - start, 1e-9)


def _later_passes(case: Case, text: str, arguments: list[Any]) -> Iterator[tuple[list[Any], int]]:
    """(arguments of the calls, size in bytes) of each pass after the first."""
    size = len(text.encode())
    while True:
        if case.unseen:
            text = text[:-1]
            arguments, size = [text], len(text.encode())
        yield arguments, size


def _digest(call: Call, arguments: Iterable[Any]) -> tuple[int, str]:
    """The number of ids, and a hash over all of them and over the places where one call's ids end."""
    total, whole = 0, sha256()
    for argument in arguments:
        ids = call.ids(call.encode(argument))
        total += len(ids)
        whole.update(len(ids).to_bytes(8, "little"))
        whole.update(np.ascontiguousarray(ids, "<u4").tobytes())
    return total, whole.hexdigest()


def _version(name: str, module: Any) -> str:
    try:
        return importlib.metadata.version(name)
    except importlib.metadata.PackageNotFoundError:
        return str(getattr(module, "__version__", "unknown"))


# Memory, if the kernel tells it (Linux)


def memory(field: str) -> float | None:
    """VmRSS (now) or VmHWM (its peak) in MB of 10^6 bytes. Not `ru_maxrss`, which begins with the parent's."""
    try:
        status = Path("/proc/self/status").read_text()
    except OSError:
        return None
    found = next((line for line in status.splitlines() if line.startswith(field + ":")), None)
    return int(found.split()[1]) * 1024 / MB if found else None


def _forget_peak() -> None:
    """Lowers VmHWM to VmRSS, so that reading the text does not count."""
    with suppress(OSError):
        Path("/proc/self/clear_refs").write_text("5")


def _grown(before: float | None, after: float | None) -> float | None:
    return None if before is None or after is None else after - before


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="benchmarks.measure", description="measure one engine on one case")
    parser.add_argument("engine", choices=ENGINES)
    parser.add_argument("case", choices=[case.name for case in all_cases()], metavar="case")
    parser.add_argument("--text", type=Path, help="the case's text, made before")
    parser.add_argument("--tokenizer", type=Path, default=Path("deepseek-v3.json"),
                        help="a tokenizer.json; dstok takes its built-in model of the file's name, if there is one")
    parser.add_argument("--cores", default="", help="cores to run on, as 1 or 0,1")
    parser.add_argument("--turns", action="store_true", help="warm turns only when standard input asks for them")
    return parser


if __name__ == "__main__":
    sys.exit(main())
