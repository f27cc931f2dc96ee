"""How much memory a run of the tests takes, and which tests hold it: looks at all its processes each second.

    python tests/helpers/memory.py pytest tests/chat

In: a command. Out: its exit status; on stderr the most that its processes had together, what each of them had then, and
the tests in which a process grew most. A page that several processes share is counted in parts (Linux's PSS). The name
of a worker's test is its process title, which pytest-xdist sets where setproctitle is installed.
"""

from __future__ import annotations

import subprocess
import sys
import time
from typing import NamedTuple

import psutil

EVERY = 1  # second: a look at a large process takes 10 ms
SHOWN = 25  # tests that grew most
RUNNING = "[pytest-xdist running] "


class Use(NamedTuple):
    """What a process has: its PSS in bytes, and its title."""

    bytes: int
    title: str


def uses(root: psutil.Process) -> dict[int, Use]:
    """Of a process and all that it started, by number; those that end meanwhile are left out."""
    found = {}
    for process in [root, *root.children(recursive=True)]:
        try:
            found[process.pid] = Use(process.memory_full_info().pss, " ".join(process.cmdline()))
        except psutil.Error:
            continue
    return found


def watch(command: list[str]) -> int:
    """Runs a command to its end; its exit status."""
    most: dict[int, Use] = {}
    growth: dict[str, int] = {}
    before: dict[int, Use] = {}
    with subprocess.Popen(command) as run:
        root = psutil.Process(run.pid)
        while run.poll() is None:
            now = uses(root)
            for pid, use in now.items():
                if use.title.startswith(RUNNING) and pid in before:
                    growth[use.title] = growth.get(use.title, 0) + use.bytes - before[pid].bytes
            most, before = max(most, now, key=total), now
            time.sleep(EVERY)
    report(most, growth)
    return run.returncode


def total(found: dict[int, Use]) -> int:
    return sum(use.bytes for use in found.values())


def report(most: dict[int, Use], growth: dict[str, int]) -> None:
    print(f"the most at once: {total(most) / 1e6:.0f} MB, in {len(most)} processes", file=sys.stderr)
    for use in sorted(most.values(), reverse=True):
        print(f"{use.bytes / 1e6:8.0f} MB  {use.title[:150]}", file=sys.stderr)
    print("grew in these tests, by MB:", file=sys.stderr)
    for title in sorted(growth, key=lambda title: -growth[title])[:SHOWN]:
        print(f"{growth[title] / 1e6:8.0f} MB  {title.removeprefix(RUNNING)}", file=sys.stderr)


if __name__ == "__main__":
    sys.exit(watch(sys.argv[1:]))
