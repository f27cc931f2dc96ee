"""The time limits of a run: the one clock for all of its parts.

In: seconds, for the whole run and for each part. Out: `Clock`; `OutOfTimeError`, if something was not finished.
Invariant: no part lasts beyond the end of the run, except the `GRACE` in which a process is ended.
"""

from __future__ import annotations

import math
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

__all__ = ["GRACE", "Clock", "OutOfTimeError"]

GRACE = 0.5  # seconds for a process to stop by itself when the time is up


class OutOfTimeError(Exception):
    """The time is up. `found`: the results so far."""

    def __init__(self, found: Sequence[Any] = ()) -> None:
        super().__init__("no time was left")
        self.found = found


class Clock:
    """Counts down to the end of a part, and to the end of the run. Without `start` there is no end."""

    def __init__(self) -> None:
        self._end = self._until = math.inf

    def start(self, seconds: float) -> None:
        """From now on the run has so many seconds."""
        self._end = self._until = time.monotonic() + seconds

    def left(self) -> float:
        """The seconds left for the current part; 0 or less if none are left."""
        return self._until - time.monotonic()

    def all_left(self) -> float:
        """The seconds left for the run."""
        return self._end - time.monotonic()

    def check(self) -> None:
        """Raises `OutOfTimeError` if the part has no time left."""
        if self.left() <= 0:
            raise OutOfTimeError

    @contextmanager
    def part(self, seconds: float) -> Iterator[None]:
        """The work inside has so many seconds, but none beyond the end of the run."""
        before, self._until = self._until, min(self._end, time.monotonic() + seconds)
        try:
            yield
        finally:
            self._until = before
