"""A terminal as an input: what is typed, up to the first Ctrl-D.

In: an open terminal. Out: a stream of bytes; one line on standard error that says what is waited for. Invariant: the
end is the end: unlike a file, a terminal gives more behind it, to a reader that looks twice.
"""

from __future__ import annotations

import io
import os
import sys
from typing import Any, BinaryIO

from dstok.cli.errors import complain

__all__ = ["open_terminal"]

END = "Ctrl-Z and Enter" if os.name == "nt" else "Ctrl-D on a line of its own"


def open_terminal(raw: BinaryIO) -> BinaryIO:
    """What is typed, as a stream."""
    if sys.stderr is not None and sys.stderr.isatty():
        complain(f"waiting for input from the terminal; {END} ends it")
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
