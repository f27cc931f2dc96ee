"""Reads packed files to their end, in a process with little memory: python packed_child.py MEGABYTES FILE...

In: packed files of zeros. Out: the unpacked size of each, a line. Running out of memory ends the process: the limit is
so much more than it takes before.
"""

from __future__ import annotations

import os
import resource
import sys
from pathlib import Path

from dstok.io.text_files import open_source


def unpacked(path: str) -> int:
    with open_source(path) as source:
        size = 0
        for block in source.blocks():
            assert not any((block[0], block[-1]))
            size += len(block)
    return size


def limit(megabytes: int) -> None:
    if "libasan" not in os.environ.get("LD_PRELOAD", ""):  # a sanitizer reserves terabytes
        size = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize() + (megabytes << 20)
        resource.setrlimit(resource.RLIMIT_AS, (size, size))


if __name__ == "__main__":
    for warm in sys.argv[2:]:
        with open_source(warm) as found:
            next(iter(found.blocks(1)))  # imports the decoder
    limit(int(sys.argv[1]))
    for name in sys.argv[2:]:
        print(unpacked(name))
