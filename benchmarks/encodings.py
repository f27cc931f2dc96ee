"""tiktoken's `Encoding` of DeepSeek V3: tiktoken's own, and dstok's.

    python -m benchmarks.encodings                             # a Markdown table on stdout, in a minute
    python -m benchmarks.encodings --rounds 1

In: the prompts of `benchmarks.integrations`. Out: microseconds of CPU time a call, least of the rounds, each in its own
process with one thread; CPU milliseconds of loading, and the resident memory that it added.
Invariant: the ids of each call are compared with tiktoken's before any figure is shown.
"""

from __future__ import annotations

import argparse
import gc
import json
import subprocess
import sys
from collections.abc import Callable
from functools import partial
from hashlib import sha256
from time import process_time
from typing import Any

import tiktoken

from benchmarks.cases import ROOT, Case, load_text
from benchmarks.integrations import Prompts, prompts
from benchmarks.measure import memory

__all__ = ["CALLS", "ENGINES", "main", "record"]

ENGINES = ("tiktoken", "dstok")
SECONDS = 0.5  # least time of repeating a call
CALLS: dict[str, tuple[int, Callable[[Any, Prompts], list[Any]]]] = {  # the number of calls in a pass; the pass
    "encode(text), 48 characters": (1000, lambda tok, of: [tok.encode(text) for text in of["short"]]),
    "encode_ordinary(text), the same": (1000, lambda tok, of: [tok.encode_ordinary(text) for text in of["short"]]),
    "encode_batch(texts), 64 of 800 characters": (1, lambda tok, of: tok.encode_batch(of["middle"], num_threads=1)),
    "encode(text), 32,000 characters": (4, lambda tok, of: [tok.encode(text) for text in of["long"]]),
    "encode_to_numpy(text), the same": (4, lambda tok, of: [tok.encode_to_numpy(text) for text in of["long"]]),
}


def record(engine: str, of: Prompts) -> dict[str, Any]:
    """The measurements of an engine in one process."""
    gc.collect()
    before, start = memory("VmRSS") or 0, process_time()
    if engine == "dstok":
        from dstok.integrations.tiktoken import get_encoding

        encoding: tiktoken.Encoding = get_encoding("deepseek_v3")
    else:
        encoding = tiktoken.get_encoding("deepseek_v3")
    encoding.encode("Hello")
    load = {"load_ms": 1000 * (process_time() - start), "mb": (memory("VmRSS") or 0) - before}
    return {**load, "calls": {name: _timed(partial(use, encoding, of), count) for name, (count, use) in CALLS.items()}}


def _timed(use: Callable[[], list[Any]], count: int) -> dict[str, Any]:
    """Microseconds a call, and a hash of the results."""
    ids = [each if isinstance(each, list) else each.tolist() for each in use()]
    begun, passes = process_time(), list[float]()
    while not passes or process_time() - begun < SECONDS:
        start = process_time()
        use()
        passes.append(process_time() - start)
    return {"us": 1e6 * min(passes) / count, "sha256": sha256(json.dumps(ids).encode()).hexdigest()}


def measure(engine: str) -> dict[str, Any]:
    """The record of an engine, measured in its own process."""
    done = subprocess.run([sys.executable, "-m", "benchmarks.encodings", "--child", engine], cwd=ROOT, check=True,
                          stdout=subprocess.PIPE, text=True)
    found: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return found


def main(argv: list[str] | None = None) -> int:
    """Runs the command. The exit code is 1 if any ids differ."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.encodings", description="tiktoken's Encoding, timed.")
    parser.add_argument("--rounds", type=int, default=3, help="processes of each engine (default 3)")
    parser.add_argument("--child", metavar="ENGINE", help=argparse.SUPPRESS)
    arguments = parser.parse_args(argv)
    if arguments.child:
        print(json.dumps(record(arguments.child, prompts(load_text(Case("english", "corpus", "english", "docs"))))))
        return 0
    rounds = [[measure(engine) for engine in ENGINES] for _ in range(arguments.rounds)]
    print(f"| CPU µs a call | {' | '.join(ENGINES)} | |\n| --- | ---: | ---: | ---: |")
    for name in CALLS:
        if len({each["calls"][name]["sha256"] for records in rounds for each in records}) != 1:
            print(f"{name}: other ids", file=sys.stderr)
            return 1
        print(_row(name, [min(records[number]["calls"][name]["us"] for records in rounds) for number in range(2)]))
    for key, what in (("load_ms", "load and first call, CPU ms"), ("mb", "MB that loading adds")):
        print(_row(what, [min(records[number][key] for records in rounds) for number in range(2)]))
    return 0


def _row(name: str, found: list[float]) -> str:
    original, ours = found
    return f"| {name} | {original:.4g} | {ours:.4g} | {original / ours:.1f} × |"


if __name__ == "__main__":
    sys.exit(main())
