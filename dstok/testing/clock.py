"""How long a run may take: the one clock that all of its parts look at.

In: seconds, for the whole run and for each part. Out: `Clock`; `OutOfTimeError`, if something was not done to its end.
Invariant: no part lasts beyond the end of the run; only the `GRACE` in which a process is ended may.
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
    """The time is up. `found`: what was found before."""

    def __init__(self, found: Sequence[Any] = ()) -> None:
        super().__init__("no time was left")
        self.found = found


class Clock:
    """Counts down to the end of a part, and to the end of all. Without `start` there is no end."""

    def __init__(self) -> None:
        self._end = self._until = math.inf

    def start(self, seconds: float) -> None:
        """From now on all has so many seconds."""
        self._end = self._until = time.monotonic() + seconds

    def left(self) -> float:
        """The seconds that are left for the part that is being done; none: 0 or less."""
        return self._until - time.monotonic()

    def all_left(self) -> float:
        """The seconds that are left for all."""
        return self._end - time.monotonic()

    def check(self) -> None:
        """Raises `OutOfTimeError` if the part has no time left."""
        if self.left() <= 0:
            raise OutOfTimeError

    @contextmanager
    def part(self, seconds: float) -> Iterator[None]:
        """What is done inside has so many seconds, but none beyond the end of all."""
        before, self._until = self._until, min(self._end, time.monotonic() + seconds)
        try:
            yield
        finally:
            self._until = before
