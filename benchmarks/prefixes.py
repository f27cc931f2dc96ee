"""Requests of conversations that come again with more at the end: encoded whole, and with caches of what came before.

    python -m benchmarks.prefixes                        # a Markdown table on stdout, in a minute
    python -m benchmarks.prefixes --threads 1 2 4 8      # by the clock, too: the machine must be idle
    python -m benchmarks.prefixes --cache prototype.py   # a `PrefixCache(tok)` with a call `encode`, beside these

In: 1,000 conversations of 2 to 64 turns in V3's format, of english.txt and code.txt, from a fixed seed; one of 20
system prompts begins each. A request is a conversation up to a user's turn; the requests of all conversations come in
random order, those of one in their order. Out: CPU microseconds a request, the median of rounds in which the engines
alternate, each in a fresh state. Invariant: all engines give the same number of ids in each round.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from random import Random
from runpy import run_path
from statistics import median
from time import perf_counter, process_time
from typing import Any

import dstok
from benchmarks.cases import Case, load_text
from benchmarks.chat import published

__all__ = ["main", "requests"]

Encode = Callable[[str], Any]
Figures = tuple[int, int, int, float, float]
MEGABYTES = 256  # of each cache
PART = 500  # requests whose texts are there at once


def requests(count: int) -> Iterator[list[str]]:
    """The texts of all requests in their order, in parts: all together would take a gigabyte."""
    rng, sources = Random(48), [load_text(Case(name, "corpus", name, "whole")) for name in ("english", "code")]

    def some(length: int) -> str:
        source = rng.choice(sources)
        at = rng.randrange(len(source) - length)
        return source[at : at + length]

    systems = [some(rng.randint(500, 6000)) for _ in range(20)]
    talks, order = list[tuple[str, list[int]]](), list[int]()
    for number in range(count):
        text, ends = "<｜begin▁of▁sentence｜>" + rng.choice(systems), list[int]()
        for _ in range(rng.randint(2, 64)):
            text += f"<｜User｜>{some(rng.randint(20, 600))}<｜Assistant｜>"
            ends.append(len(text))
            text += f"{some(rng.randint(100, 3000))}<｜end▁of▁sentence｜>"
        talks.append((text, ends[::-1]))
        order += [number] * len(ends)
    rng.shuffle(order)
    for start in range(0, len(order), PART):
        yield [talks[number][0][: talks[number][1].pop()] for number in order[start : start + PART]]


def engines(cache: Path | None) -> dict[str, Callable[[], Encode]]:
    """By name: a function that makes an engine in a fresh state. Its call gives a list or an array of ids."""
    tok = dstok.load("deepseek-v3")
    found: dict[str, Callable[[], Encode]] = {"dstok, whole, list": lambda: tok.encode,
                                              "dstok, whole, array": lambda: tok.encode_array}
    if cache is not None:
        space = run_path(str(cache))
        found["dstok, prefix cache"] = lambda: space["PrefixCache"](tok).encode
    if find_spec("fastokens") is not None:
        fastokens: Any = import_module("fastokens")
        theirs = fastokens.Tokenizer.from_json_str(published("deepseek-v3")[0])

        def made(size: int) -> Encode:
            theirs.enable_segment_cache(size)
            return lambda text: theirs.encode(text).ids

        found["fastokens, whole"] = lambda: made(0)
        found["fastokens, segment cache"] = lambda: made(MEGABYTES << 20)
    return found


def measure(encode: Encode, count: int, threads: int) -> Figures:
    """The numbers of requests, of their characters and ids; CPU seconds, and seconds by the clock."""
    number = characters = ids = 0
    cpu, clock = 0.0, 0.0
    with ThreadPoolExecutor(threads) as pool:
        for texts in requests(count):
            number, characters = number + len(texts), characters + sum(map(len, texts))
            cpu_before, before = process_time(), perf_counter()
            if threads == 1:
                ids += sum(len(encode(text)) for text in texts)
            else:
                shares = [texts[share::threads] for share in range(threads)]
                ids += sum(pool.map(lambda share: sum(len(encode(text)) for text in share), shares))
            cpu, clock = cpu + process_time() - cpu_before, clock + perf_counter() - before
    return number, characters, ids, cpu, clock


def main(argv: list[str] | None = None) -> int:
    """Runs the command; see the module's docstring."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.prefixes", description="Requests with a shared start.")
    parser.add_argument("--count", type=int, default=1000, help="conversations (default 1000)")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--threads", type=int, nargs="+", default=[1])
    parser.add_argument("--cache", type=Path, metavar="FILE", help="a file with a class PrefixCache")
    options = parser.parse_args(argv)
    kinds = engines(options.cache)
    rows = {(name, threads): list[Figures]() for threads in options.threads for name in kinds}
    for _ in range(options.rounds):
        for (name, threads), found in rows.items():
            found.append(measure(kinds[name](), options.count, threads))
    if len({row[:3] for found in rows.values() for row in found}) != 1:
        raise SystemExit("benchmarks.prefixes: expected the same number of ids from each engine, found others")
    number, characters, _, _, _ = next(iter(rows.values()))[0]
    print(f"{number:,} requests of {characters / number:,.0f} characters on average\n\n"
          "| engine | threads | CPU µs a request | requests a second by the clock |\n| --- | ---: | ---: | ---: |")
    for (name, threads), found in rows.items():
        cpu, clock = (median(row[i] for row in found) / number for i in (3, 4))
        print(f"| {name} | {threads} | {cpu * 1e6:.1f} | {1 / clock:,.0f} |")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
