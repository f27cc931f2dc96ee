"""A terminal as an input: what is typed, up to the first Ctrl-D.

In: an open terminal. Out: a stream of bytes. Invariant: after Ctrl-D the stream is at its end for good. (A terminal
itself would give more to a reader that looks again; a file would not.)
"""

from __future__ import annotations

import io
from typing import Any, BinaryIO

__all__ = ["open_terminal"]


def open_terminal(raw: BinaryIO) -> BinaryIO:
    """What is typed, as a stream."""
    return io.BufferedReader(_UpToTheEnd(raw))


class _UpToTheEnd(io.RawIOBase):
    """Reads `raw`, but not again once it has ended."""

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
