"""Exhaustive sets in shares: each seed has another one, so that some nights together cover the whole set.

In: a set that is too large for every run, and into how many shares it is cut. Out: the share of the seed in the
profile `nightly`, an eighth of it in that of a commit, a tenth of it in the brief one, the whole set in the deep one. Random
texts, too, are others with each seed.
Invariant: the days 0 to `of - 1` have each item once, whatever comes before and after it in the set.
`SEED` is 0, so that a run fails because of a commit and not because of a date, or DSTOK_SEED: the nightly workflow sets
it to the number of the day since 1970. Every run prints it, and with it a run can be repeated.

>>> [sorted(share(range(7), 3, day)) for day in range(3)]
[[0, 2, 5], [1, 4], [3, 6]]
"""

from __future__ import annotations

import os
import random
from collections.abc import Iterable, Iterator, Sequence
from typing import TypeVar

from reference import BRIEF, DEEP, PART

SEED = int(os.environ.setdefault("DSTOK_SEED", "0"))  # workers and children inherit it
GOLDEN = 0x9E3779B1  # 2**32 over the golden ratio: multiples of it are spread evenly, in whatever period the set has
Item = TypeVar("Item")


def share(items: Iterable[Item], of: int, day: int = SEED) -> Iterator[Item]:
    """The items of the seed, in their order."""
    if DEEP:
        yield from items
        return
    of *= PART
    for number, item in enumerate(items):
        if (number * GOLDEN & 0xFFFFFFFF) * of >> 32 == day % of:
            yield item


def seeds(count: int, daily: int, day: int = SEED) -> Iterable[int]:
    """At night `daily` of the numbers below `count`, other ones with each seed; else an eighth; in the brief profile one.

    >>> [len(seeds(10, daily)) for daily in (1, 2, 8)] == ([1, 2, 8] if PART == 1 else [1, 1, 1])
    True
    """
    if DEEP:
        return range(count)
    daily = 1 if BRIEF else max(daily // PART, 1)
    return [number % count for number in range(day * daily, (day + 1) * daily)]


def diagonal(cases: Iterable[Sequence[str]]) -> set[tuple[str, ...]]:
    """Of all combinations of the values of some lists, as few as have each value.

    >>> sorted(diagonal(["ax", "ay", "bx", "by", "cx", "cy"]))
    [('a', 'x'), ('b', 'y'), ('c', 'x')]
    """
    lists = [[*dict.fromkeys(values)] for values in zip(*cases)]
    return {tuple(values[number % len(values)] for values in lists) for number in range(max(map(len, lists)))}


def chance_of_today(name: str) -> random.Random:
    """Random numbers, other ones with each seed; in the deep profile those that are known by the name alone."""
    return random.Random(name if DEEP else f"{name} {SEED}")
