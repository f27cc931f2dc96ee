"""Trainings that may take no more memory than their forecast: each in a process with this limit.

In: nothing. Out: a line a training: its name, the forecast in bytes, and a hash of the merges, or "MemoryError". Each is
made twice: "good" without a limit on memory, so with the forecast of that, and "least" with the least that is allowed.
"""

from __future__ import annotations

import os
import random
import resource
from collections.abc import Mapping
from hashlib import sha256
from typing import Any

from training_cases import rows_of

from dstok.errors import ArgumentError
from dstok.formats.byte_alphabet import BYTE_TO_CHAR
from dstok.training.learn import Forecast, learn
from dstok.training.trainer import BpeTrainer

PYTHON = 1 << 20  # bytes of Python's own objects that come and go


def corpora() -> dict[str, tuple[Mapping[str, int], int]]:
    """Words, and a size of the vocabulary."""
    chance = random.Random(3)
    letters = "etaoinshrdlu"
    zipf = {"".join(chance.choices(letters, range(12, 0, -1), k=chance.randint(1, 14))): 10**6 // (rank + 1) + 1
            for rank in range(60_000)}
    flat = {"".join(chance.choices(BYTE_TO_CHAR, k=6)): 1 for _ in range(60_000)}
    return {"zipf": (zipf, 20_000), "flat": (flat, 40_000), "few": (dict(list(zipf.items())[:100]), 30_000),
            "runs": ({"a" * size: size for size in range(1, 900)}, 500),
            "long": ({"".join(chance.choices(letters, k=400_000)): 1, "ab" * 300_000: 2}, 3000)}


def run(words: Mapping[str, int], vocab_size: int, memory: int | None) -> str:
    rows = rows_of(words)
    size = 0

    def limited(expected: Forecast) -> None:
        nonlocal size
        size = sum(expected)
        with open("/proc/self/statm", encoding="ascii") as file:
            now = int(file.read().split()[0]) * resource.getpagesize()
        resource.setrlimit(resource.RLIMIT_AS, (now + size + PYTHON, now + size + PYTHON))

    try:
        found = learn(lambda: [rows], BpeTrainer(vocab_size=vocab_size, initial_alphabet=()), strict=False, memory=memory, announce=limited)
    except MemoryError:
        return f"{size} MemoryError"
    return f"{size} {sha256(found.merges.tobytes()).hexdigest()}"


def least(words: Mapping[str, int], vocab_size: int) -> int:
    """The smallest memory that is not refused, to a hundredth."""
    low, high = 0, 1 << 32
    rows = rows_of(words)

    def stop(expected: Forecast) -> None:
        raise InterruptedError

    while high - low > high // 100:
        middle = (low + high) // 2
        try:
            learn(lambda: [rows], BpeTrainer(vocab_size=vocab_size, initial_alphabet=()), strict=False, memory=middle, announce=stop)
        except ArgumentError:
            low = middle
        except InterruptedError:
            high = middle
    return high


def in_a_child(name: str, *given: Any) -> None:
    child = os.fork()
    if not child:
        print(name, run(*given), flush=True)
        os._exit(0)
    if os.waitpid(child, 0)[1]:
        print(name, "died", flush=True)


def main() -> None:
    for name, (words, vocab_size) in corpora().items():
        in_a_child(f"{name} good", words, vocab_size, None)
        in_a_child(f"{name} least", words, vocab_size, least(words, vocab_size))


if __name__ == "__main__":
    main()
