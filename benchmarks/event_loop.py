"""How long an asyncio event loop waits while 100 MB are encoded: in the loop itself, and by `asyncio.to_thread`.

    python -m benchmarks.event_loop                      # a Markdown table on stdout, in some seconds
    python -m benchmarks.event_loop --megabytes 10

In: english.txt, repeated. Out: for each case the median, the 99th percentile and the largest delay of a task that
sleeps a millisecond at a time, beyond that millisecond, and the seconds that the case took by the clock. Other
programs make delays: read them on an idle machine. Invariant: each case encodes the same text.
"""

from __future__ import annotations

import argparse
import asyncio
from collections.abc import Awaitable, Callable
from functools import partial
from time import perf_counter
from typing import Any

import numpy as np

import dstok
from benchmarks.cases import Case, load_text

__all__ = ["main"]

TICK = 0.001
AT_ONCE = 8  # calls in flight


async def delays_during(work: Awaitable[None]) -> tuple[list[float], float]:
    """The delay of each tick while `work` runs, in seconds, and how long it ran."""
    task, delays, begin = asyncio.ensure_future(work), list[float](), perf_counter()
    while not task.done():
        before = perf_counter()
        await asyncio.sleep(TICK)
        delays.append(perf_counter() - before - TICK)
    await task
    return delays, perf_counter() - begin


async def in_the_loop(encode: Callable[[str], Any], texts: list[str]) -> None:
    for text in texts:
        encode(text)
        await asyncio.sleep(0)


async def by_threads(encode: Callable[[str], Any], texts: list[str], at_once: int) -> None:
    waiting = iter(texts)

    async def some() -> None:
        for text in waiting:
            await asyncio.to_thread(encode, text)

    await asyncio.gather(*(some() for _ in range(at_once)))


def main(argv: list[str] | None = None) -> int:
    """Runs the command; see the module's docstring."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.event_loop", description="Delays of an event loop.")
    parser.add_argument("--megabytes", type=int, default=100)
    size = parser.parse_args(argv).megabytes
    tok, english = dstok.load("deepseek-v3"), load_text(Case("english", "corpus", "english", "whole"))
    texts = [english[at : at + 1_000_000] for at in range(0, 10_000_000, 1_000_000)] * (size // 10 or 1)
    whole = ["".join(texts)]
    cases: dict[str, Callable[[], Awaitable[None]]] = {
        "nothing, for as long": partial(asyncio.sleep, 0.2),
        "1 MB a call, in the loop": partial(in_the_loop, tok.encode_array, texts),
        "1 MB a call, `to_thread`, arrays": partial(by_threads, tok.encode_array, texts, 1),
        f"the same, {AT_ONCE} at once": partial(by_threads, tok.encode_array, texts, AT_ONCE),
        "1 MB a call, `to_thread`, lists": partial(by_threads, tok.encode, texts, 1),
        "all in one call, `to_thread`, an array": partial(by_threads, tok.encode_array, whole, 1),
        "all in one call, `to_thread`, a list": partial(by_threads, tok.encode, whole, 1),
        "all in one call, in the loop": partial(in_the_loop, tok.encode_array, whole)}
    tok.encode_array(texts[0])
    print("| what runs meanwhile | p50, ms | p99, ms | most, ms | seconds |\n| --- | ---: | ---: | ---: | ---: |")
    for name, work in cases.items():
        delays, seconds = asyncio.run(delays_during(work()))
        middle, late, most = (1000 * value for value in np.quantile(delays, [0.5, 0.99, 1]))
        print(f"| {name} | {middle:.2f} | {late:.2f} | {most:.2f} | {seconds:.2f} |")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
