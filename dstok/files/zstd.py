"""Zstandard data -> a stream of its unpacked bytes.

In: a binary stream. Out: another. The decoder is Python's own (3.14 on) or that of the package `zstandard`.
Invariant: data that ends inside a frame is an EOFError, several frames are read as one stream, and memory
is bounded: the packed data is read in small pieces, since one of them may unpack to thousands of times its
size.
"""

from __future__ import annotations

import io
import sys
from collections.abc import Callable
from typing import Any, BinaryIO

from dstok.errors import FileError

__all__ = ["open_zstd"]

PACKED_PIECE = 1 << 13


def open_zstd(name: str, raw: BinaryIO) -> tuple[BinaryIO, tuple[type[Exception], ...]]:
    """The unpacked stream of `raw`, and what reading it may raise beside EOFError."""
    new_frame, error = _decoder(name)
    return io.BufferedReader(_Unpacked(raw, new_frame), 1 << 17), (OSError, error)


def _decoder(name: str) -> tuple[Callable[[], Any], type[Exception]]:
    """A maker of one-frame decompressors with `decompress`, `eof` and `unused_data`, and its error."""
    if sys.version_info >= (3, 14):
        from compression import zstd

        return zstd.ZstdDecompressor, zstd.ZstdError
    try:
        import zstandard
    except ImportError as error:
        raise FileError(f'{name}: reading .zst needs Python 3.14 or the package zstandard: '
                           'pip install "dstok[zstd]"') from error
    return zstandard.ZstdDecompressor().decompressobj, zstandard.ZstdError


class _Unpacked(io.RawIOBase):
    """The unpacked bytes of frame after frame."""

    def __init__(self, raw: BinaryIO, new_frame: Callable[[], Any]) -> None:
        self.raw, self.new_frame = raw, new_frame
        self.frame: Any = None
        self.packed = b""  # read, but not given to a frame
        self.ready = memoryview(b"")  # unpacked, but not handed out

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        while not self.ready:
            if not self._unpack():
                return 0
        size = min(len(buffer), len(self.ready))
        buffer[:size], self.ready = self.ready[:size], self.ready[size:]
        return size

    def _unpack(self) -> bool:
        """Unpack one more piece; False at the end of the data."""
        self.packed = self.packed or self.raw.read(PACKED_PIECE)
        if not self.packed:
            if self.frame is not None:
                raise EOFError("zstd data ends inside a frame")
            return False
        frame = self.frame or self.new_frame()
        self.ready = memoryview(frame.decompress(self.packed))
        self.packed, self.frame = (frame.unused_data, None) if frame.eof else (b"", frame)
        return True
