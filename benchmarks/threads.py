"""One tokenizer in one thread and in two: the gain of the second one, with and without the GIL.

    python3.13t -m benchmarks.threads                          # a Markdown table on stdout, in ten seconds
    chrt -f 10 python3.13t -m benchmarks.threads               # on a busy machine: before all other programs (as root)

In: english.txt. Out: seconds by the clock and of CPU time, and their ratios; each figure is the least of the rounds.
Each of two threads encodes one half of the texts. Other programs make two threads look worse. Invariant: two threads
find as many ids as one.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
import threading
from collections.abc import Callable
from functools import partial
from pathlib import Path
from time import monotonic, thread_time
from typing import Any

import dstok
from benchmarks.cases import Case, load_text
from benchmarks.machine import commit, dirty, machine, python
from dstok.core.cpu.level import chosen_level

__all__ = ["CASES", "Part", "main", "measure", "shares"]

THREADS = (1, 2)
LETTERS = 64  # fed to a stream at once
BATCH = 256  # lines
PASSES = 10  # over the texts, in a round: the GIL changes hands every 5 ms
Work = Callable[[dstok.Tokenizer, list[str]], int]


def lines(tok: dstok.Tokenizer, texts: list[str]) -> int:
    """A call a line."""
    return sum(len(tok.encode(text)) for text in texts)


def batches(tok: dstok.Tokenizer, texts: list[str]) -> int:
    """A call for some hundred lines. It starts no threads."""
    found = [tok.encode_batch(texts[at:at + BATCH], num_threads=1) for at in range(0, len(texts), BATCH)]
    return sum(len(ids) for batch in found for ids in batch)


def streams(tok: dstok.Tokenizer, texts: list[str]) -> int:
    """A stream for some hundred lines, fed in small parts."""
    count = 0
    for at in range(0, len(texts), BATCH):
        stream, text = tok.encode_stream(), "\n".join(texts[at:at + BATCH])
        count += sum(len(stream.feed_list(text[begin:begin + LETTERS])) for begin in range(0, len(text), LETTERS))
        count += len(stream.finish_list())
    return count


CASES: dict[str, Work] = {"lines": lines, "batches": batches, "streams": streams}


class Begin:
    """The moment when all threads were ready. `at` counts from then, even for a thread that got the GIL later."""

    def __init__(self, threads: int) -> None:
        self.at = 0.0
        self.all_there = threading.Barrier(threads, self.now)

    def now(self) -> None:
        self.at = monotonic()


class Part(threading.Thread):
    """A thread that does its share once all are ready: its `ids`, its `seconds` and its seconds of `cpu`."""

    def __init__(self, work: Callable[[], int], begin: Begin) -> None:
        super().__init__()
        self.work, self.begin = work, begin
        self.ids, self.seconds, self.cpu = 0, 0.0, 0.0

    def run(self) -> None:
        cpu = thread_time()
        self.begin.all_there.wait()
        self.ids = sum(self.work() for _ in range(PASSES))
        self.cpu = thread_time() - cpu
        self.seconds = monotonic() - self.begin.at


def shares(texts: list[str], threads: int) -> list[list[str]]:
    """The texts in `num_threads` parts of whole batches, so that the streams are the same in any thread."""
    batches = [texts[at:at + BATCH] for at in range(0, len(texts), BATCH)]
    return [[text for batch in batches[number::threads] for text in batch] for number in range(threads)]


def measure(work: Work, tok: dstok.Tokenizer, texts: list[str], threads: int) -> tuple[int, float, float]:
    """The number of ids; seconds of the slowest thread; CPU seconds of all."""
    begin = Begin(threads)
    parts = [Part(partial(work, tok, share), begin) for share in shares(texts, threads)]
    for part in parts:
        part.start()
    for part in parts:
        part.join()
    return sum(part.ids for part in parts), max(part.seconds for part in parts), sum(part.cpu for part in parts)


def record(tok: dstok.Tokenizer, texts: list[str], rounds: int) -> dict[str, Any]:
    """The figures of each case. The rounds are the outer loop."""
    found: dict[str, dict[int, list[tuple[int, float, float]]]] = {name: {n: [] for n in THREADS} for name in CASES}
    for _ in range(rounds):
        for name, work in CASES.items():
            for threads in THREADS:
                found[name][threads].append(measure(work, tok, texts, threads))
    return {name: _summary(name, figures) for name, figures in found.items()}


def _summary(name: str, found: dict[int, list[tuple[int, float, float]]]) -> dict[str, float]:
    if len({ids for figures in found.values() for ids, _, _ in figures}) != 1:
        raise SystemExit(f"benchmarks.threads: {name}: expected the same number of ids in each round, found others")
    seconds = {threads: min(each for _, each, _ in figures) for threads, figures in found.items()}
    cpu = {threads: min(each for _, _, each in figures) for threads, figures in found.items()}
    return {"seconds_1": seconds[1], "seconds_2": seconds[2], "cpu_1": cpu[1], "cpu_2": cpu[2],
            "faster": seconds[1] / seconds[2], "cpu_more": cpu[2] / cpu[1]}


def about() -> dict[str, Any]:
    """The texts and the machine of the measurement."""
    return {"machine": machine(), "python": python(), "gil": getattr(sys, "_is_gil_enabled", lambda: True)(),
            "dstok": dstok.__version__, "level": chosen_level(), "commit": commit(), "dirty": dirty()}


def table(result: dict[str, Any]) -> str:
    """The figures, in Markdown."""
    rows = [f"{result['python']}, the GIL is {'on' if result['gil'] else 'off'}; load {result['load'][0]:.1f}", "",
            "| | one thread, s | two, s | faster | CPU time |", "| --- | ---: | ---: | ---: | ---: |"]
    for name, of in result["cases"].items():
        seconds = f"{of['seconds_1']:.3f} | {of['seconds_2']:.3f}"
        rows.append(f"| {name} | {seconds} | {of['faster']:.2f} × | {of['cpu_more']:.2f} × |")
    return "\n".join(rows)


def main(argv: list[str] | None = None) -> int:
    """Runs the command."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.threads", description="one thread, and two")
    parser.add_argument("--rounds", type=int, default=9, help="of all cases (default 9)")
    parser.add_argument("--megabytes", type=float, default=2, help="of text (default 2)")
    parser.add_argument("--output", type=Path, metavar="FILE", help="write the figures, as JSON")
    options = parser.parse_args(argv)
    tok = dstok.load("deepseek-v3")
    texts = load_text(Case("english", "corpus", "english", "lines"))[:int(options.megabytes * 1e6)].splitlines()
    before = os.getloadavg()[0]
    result = {**about(), "cases": record(tok, texts, options.rounds), "load": [before, os.getloadavg()[0]]}
    print(table(result))
    if options.output:
        options.output.write_text(json.dumps(result, indent=1) + "\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
