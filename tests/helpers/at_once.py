"""Calls on several threads, begun together.

In: how many, and a function of a thread's number. Out: the results, in the order of the numbers.
Invariant: no call begins before all threads are there.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any


def at_once(count: int, call: Callable[[int], Any]) -> list[Any]:
    """The results of `count` calls, begun together, each on a thread of its own."""
    barrier = threading.Barrier(count)

    def run(number: int) -> Any:
        barrier.wait()
        return call(number)

    with ThreadPoolExecutor(count) as pool:
        return list(pool.map(run, range(count)))
