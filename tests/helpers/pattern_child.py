"""Compiles patterns in a process with little memory: `python pattern_child.py MEGABYTES`.

In: a JSON list of patterns on standard input. Out: on standard output, the list of what each was refused for, or "".
Running out of memory or of time ends the process. The memory counts from what the process has after its imports.
"""

from __future__ import annotations

import json
import resource
import sys
from pathlib import Path

from dstok import DstokError, Splitter

SECONDS = 60  # for each pattern


def refusal(pattern: str) -> str:
    try:
        Splitter(pattern)
    except DstokError as error:
        return str(error)
    return ""


if __name__ == "__main__":
    Splitter("a|b")  # imports all there is
    pages = int(Path("/proc/self/statm").read_text().split()[0])
    limit = pages * resource.getpagesize() + (int(sys.argv[1]) << 20)
    patterns = json.load(sys.stdin)
    resource.setrlimit(resource.RLIMIT_AS, (limit, limit))
    resource.setrlimit(resource.RLIMIT_CPU, (SECONDS * len(patterns), SECONDS * len(patterns)))
    print(json.dumps([refusal(pattern) for pattern in patterns]))
