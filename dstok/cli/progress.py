"""How far a long input has been read, on standard error, for someone who watches.

In: how many bytes have been read, and the size if known. Out: one line that rewrites itself, wiped at the
end. Invariant: nothing is written unless the stream is a terminal and the work has lasted a second.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Callable
from typing import TextIO

__all__ = ["Progress"]

PATIENCE = 1.0  # seconds of silence first: short work shows nothing
INTERVAL = 0.2


class Progress:
    """One input's line of progress. `clock` and `stream` are parameters for the tests."""

    def __init__(
        self, name: str, size: int | None, stream: TextIO | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.name, self.size, self.clock = name, size, clock
        self.stream = sys.stderr if stream is None else stream
        self.active = self.stream is not None and self.stream.isatty()
        self.began = clock()
        self.due = self.began + PATIENCE
        self.shown = 0

    def update(self, position: Callable[[], int]) -> None:
        """More has been read; `position` tells how many bytes in all, and is called only to be shown."""
        if not self.active or (now := self.clock()) < self.due:
            return
        self.due, done = now + INTERVAL, position()
        line = f"{self.name[-40:]}: {self._amount(done)}, {done / 1e6 / (now - self.began):.1f} MB/s"
        self._write("\r" + line.ljust(self.shown))
        self.shown = len(line)

    def close(self) -> None:
        """Wipe the line."""
        if self.shown:
            self._write("\r" + " " * self.shown + "\r")
            self.shown = 0

    def _amount(self, done: int) -> str:
        if not self.size:
            return f"{done / 1e6:.1f} MB"
        return f"{done / 1e6:.1f} of {self.size / 1e6:.1f} MB, {min(100, 100 * done // self.size)} %"

    def _write(self, text: str) -> None:
        try:
            self.stream.write(text)
            self.stream.flush()
        except (OSError, ValueError):
            self.active = False
