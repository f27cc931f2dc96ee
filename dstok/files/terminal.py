"""A terminal as an input: typed text, up to the first Ctrl-D.

In: an open terminal. Out: a stream of bytes. Invariant: after Ctrl-D the stream stays at its end. (A terminal would
give more to a second read; a file would not.)
"""

from __future__ import annotations

import io
from typing import Any, BinaryIO

__all__ = ["open_terminal"]


def open_terminal(raw: BinaryIO) -> BinaryIO:
    """The typed text, as a stream."""
    return io.BufferedReader(_UpToTheEnd(raw))


class _UpToTheEnd(io.RawIOBase):
    """Reads `raw`, but never again after its end."""

    def __init__(self, raw: BinaryIO) -> None:
        self.raw, self.ended = raw, False

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        if self.ended:
            return 0
        size = self.raw.readinto1(buffer)  # type: ignore[attr-defined]  # it is a BufferedReader
        self.ended = not size
        return int(size)
