"""Checks whether work grows with the length of the text or with its square, and whether a long text causes a fault.

In: a candidate. Out: `Growth`: for each kind of long text the processor time at several sizes.
Invariant: a time is processor time of the candidate's own process, the least of several. A kind is super-linear if four
times the text costs at least `FACTOR` times as much, at two pairs of sizes, and the largest takes long enough to
measure. Times decide nothing else.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterator
from dataclasses import dataclass

from dstok.testing import texts as texts_of
from dstok.testing.guide import Guide
from dstok.testing.runner import Fault, Runner

__all__ = ["CRASH_SIZE", "SIZES", "Growth", "measure", "timed"]

SIZES = (2048, 8192, 32768)  # code points
CRASH_SIZE = 100_000
FACTOR = 8.0  # for four times the text: 4 if linear, 16 if quadratic
MEASURABLE = 0.05  # seconds


@dataclass(frozen=True)
class Growth:
    """One kind of text: seconds by size, or the fault that ended it."""

    kind: str
    text: str  # the longest one tried
    seconds: tuple[tuple[int, float], ...]
    fault: Fault | None = None

    @property
    def exponent(self) -> float:
        """The exponent of the growth of time with length, at the largest sizes."""
        (small, fast), (large, slow) = self.seconds[-2:]
        return math.log(max(slow, 1e-9) / max(fast, 1e-9), large / small)

    @property
    def super_linear(self) -> bool:
        if self.fault or len(self.seconds) < 3:
            return False
        times = [seconds for _, seconds in self.seconds]
        pairs = list(itertools.pairwise(times))[-2:]
        return times[-1] >= MEASURABLE and all(slow >= FACTOR * fast for fast, slow in pairs)


def measure(candidate: Runner, guide: Guide) -> Iterator[Growth]:
    """The growth of each kind of text of `texts.runs`."""
    longest = dict(texts_of.runs(guide, CRASH_SIZE))
    for kind in longest:
        yield _grow(candidate, guide, kind, longest[kind])


def timed(candidate: Runner, text: str, repeats: int) -> float | Fault:
    """Seconds of processor time for one `encode`, the least of some, or the fault."""
    found: float | Fault | tuple[str, str] = candidate.call("timed", text, repeats)
    return Fault(*found) if isinstance(found, tuple) else found


def _grow(candidate: Runner, guide: Guide, kind: str, longest: str) -> Growth:
    rows: list[tuple[int, float]] = []
    for size in SIZES:
        text = _of_size(longest, size)
        seconds = timed(candidate, text, 2 if size < SIZES[-1] else 1)
        if isinstance(seconds, Fault):
            return _ended(candidate, kind, text, rows, seconds)
        rows.append((size, seconds))
    if rows[-1][1] < 1.0:  # else a crash at greater length would take too long to reach
        seconds = timed(candidate, longest, 1)
        if isinstance(seconds, Fault) and seconds.kind != "hang":
            return Growth(kind, longest, tuple(rows), seconds)
    return Growth(kind, _of_size(longest, SIZES[-1]), tuple(rows))


def _ended(candidate: Runner, kind: str, text: str, rows: list[tuple[int, float]], fault: Fault) -> Growth:
    """A fault. A missing answer is not a fault but slow, if the times of shorter texts grew towards it."""
    if fault.kind == "hang":
        sizes = (len(text) // 16, len(text) // 4)
        shorter = [(size, timed(candidate, _of_size(text, size), 1)) for size in sizes]
        times = [(size, seconds) for size, seconds in shorter if not isinstance(seconds, Fault)]
        slow = Growth(kind, text, (*times, (len(text), candidate.limits.patience)))  # it took longer than that
        if slow.super_linear:
            return slow
    return Growth(kind, text, tuple(rows), fault)


def _of_size(text: str, size: int) -> str:
    """The end of a text, where the odd character of a kind stands."""
    return text[-size:]
