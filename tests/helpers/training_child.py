"""A training in little memory: each of several limits, in a process of its own.

In: nothing. Out: a line a limit: "done" with a hash of the merges, or "MemoryError".
"""

from __future__ import annotations

import os
import random
import resource
from array import array
from hashlib import sha256
from itertools import accumulate

from dstok.training.learn import Rows, learn
from dstok.training.trainer import BpeTrainer

LIMITS = (1, 3, 6, 8, 10, 12, 14, 17, 20, 24, 32, 256)  # MB more than the process has


def rows() -> Rows:
    chance = random.Random(1)
    pieces = ["".join(chance.choices("abcdefghijklmnopqrstuvwxyz", k=chance.randint(1, 12))).encode() for _ in range(100_000)]
    return b"".join(pieces), array("q", accumulate(map(len, pieces), initial=0)), array("q", range(1, len(pieces) + 1))


def run(limit: int, block: Rows) -> str:
    with open("/proc/self/statm", encoding="ascii") as file:
        size = int(file.read().split()[0]) * resource.getpagesize()
    resource.setrlimit(resource.RLIMIT_AS, (size + (limit << 20), size + (limit << 20)))
    try:
        found = learn(lambda: [block], BpeTrainer(vocab_size=3000, initial_alphabet=()), strict=False)
    except MemoryError:
        return "MemoryError"
    return f"done {sha256(found.merges.tobytes()).hexdigest()}"


def main() -> None:
    block = rows()
    for limit in LIMITS:
        child = os.fork()
        if not child:
            print(run(limit, block), flush=True)
            os._exit(0)
        _, status = os.waitpid(child, 0)
        if status:
            print(f"died of {status}", flush=True)


if __name__ == "__main__":
    main()
