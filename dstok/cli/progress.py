"""The progress of a long command, on standard error, for a person who watches.

In: the amount done, and the total, if known. Out: one line with a bar and the time left, drawn by tqdm and wiped at the
end. Invariant: nothing is written unless the stream is a terminal and the work has lasted a second. The line is never
wider than the terminal, and tqdm is imported only when there is something to draw.
"""

from __future__ import annotations

import os
import stat
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any, TextIO

from dstok.base.faults import visible
from dstok.cli.errors import complain

__all__ = ["Bar", "Progress", "watching"]

END = "Ctrl-Z and Enter" if os.name == "nt" else "Ctrl-D on a line of its own"
PATIENCE = 1.0  # seconds of silence first: short work shows nothing
INTERVAL = 0.2
NAME = 24  # characters of a file's name that are shown
UNKNOWN_WIDTH = 80
# The least important part comes last: a narrow terminal cuts it off.
OF_ALL = "{percentage:3.0f}% |{bar}| {remaining} left, {n_fmt}/{total_fmt}B, {rate_fmt}, {desc}"
SO_FAR = "{n_fmt}B, {rate_fmt}, {desc}"


class Bar:
    """One line that rewrites itself, if `wanted`. `stream` and `clock` are parameters for the tests."""

    def __init__(
        self, wanted: bool = True, stream: TextIO | None = None, clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.clock = clock
        self.stream = sys.stderr if stream is None else stream
        self.active = wanted and self.stream is not None and self.stream.isatty()
        self.began = clock()
        self.due_at = self.began + PATIENCE
        self.drawn: Any = None  # tqdm's bar, once there is one
        self.visible = False

    def due(self) -> bool:
        """Whether it is time to draw again."""
        return self.active and self.clock() >= self.due_at

    def draw(self, layout: str, done: float, total: float | None, words: str) -> None:
        """Shows the amount done; `layout` is a `bar_format` of tqdm, in which `desc` stands for `words`."""
        now = self.clock()
        self.due_at = now + INTERVAL
        if self.drawn is None:
            self.drawn = _drawn(layout, self.stream, total)
            self.drawn.start_t -= now - self.began
        self.drawn.n = done
        self.drawn.ncols = _columns(self.stream) - 1  # a line that fills the last column may wrap
        self.drawn.set_description_str(words)  # draws
        self.visible = True

    def wipe(self) -> None:
        """Clears the line for other output; the next `draw` shows it again."""
        if self.visible:
            self.drawn.clear()
            self.visible = False

    def close(self) -> None:
        """Clears the line for good."""
        self.wipe()
        self.active = False
        if self.drawn is not None:
            self.drawn.close()


def _drawn(layout: str, stream: TextIO, total: float | None) -> Any:
    from tqdm import tqdm

    class Drawn(tqdm):  # type: ignore[misc]
        monitor_interval = 0  # no thread: the process may fork

    return Drawn(total=total, file=stream, leave=False, unit="B", unit_scale=True, bar_format=layout, delay=INTERVAL,
                 position=0)


def _columns(stream: TextIO) -> int:
    try:
        return os.get_terminal_size(stream.fileno()).columns or UNKNOWN_WIDTH
    except (OSError, ValueError):
        return UNKNOWN_WIDTH


class Progress:
    """The amount read of a command's inputs, of `total` bytes, if known."""

    def __init__(self, total: int | None, bar: Bar) -> None:
        self.total, self.bar = total, bar
        self.passed = 0  # bytes of the finished inputs

    def waits(self) -> None:
        """An input is a terminal, where somebody has to type."""
        if sys.stderr is not None and sys.stderr.isatty():
            complain(f"waiting for input from the terminal; {END} ends it")

    def update(self, name: str, position: Callable[[], int]) -> None:
        """More of `name` has been read; `position` returns the number of bytes read, and is called only to show it."""
        if self.bar.due():
            done = self.passed + position()
            if self.total:
                self.bar.draw(OF_ALL, min(done, self.total), self.total, _short(name))
            else:
                self.bar.draw(SO_FAR, done, None, _short(name))

    def done_with(self, size: int) -> None:
        """An input of `size` bytes is done."""
        self.passed += size


@contextmanager
def watching(paths: Sequence[str], wanted: bool = True) -> Iterator[Progress]:
    """The progress of reading all of `paths`, shown on a terminal if `wanted`."""
    bar = Bar(wanted)
    try:
        yield Progress(_total_size(paths) if bar.active else None, bar)
    finally:
        bar.close()


def _total_size(paths: Sequence[str]) -> int | None:
    """The bytes of all inputs together; None if one has no known size. Inputs that cannot be opened count as empty."""
    total = 0
    for path in paths:
        try:
            status = os.fstat(0) if path == "-" else os.stat(path)
        except (OSError, ValueError):
            continue
        if not stat.S_ISREG(status.st_mode):
            return None
        total += status.st_size
    return total


def _short(name: str) -> str:
    shown = visible(name)
    return shown if len(shown) <= NAME else f"...{shown[3 - NAME:]}"
