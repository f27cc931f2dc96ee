"""Data packed by Zstandard, bzip2 or xz -> a stream of the unpacked bytes.

In: a binary stream. Out: another. The decoders are Python's own; for Zstandard, before Python 3.14, the package
`zstandard`.
Invariant: several frames, one after the other, are read as one stream. (Bzip2 and xz call a frame a stream.) Data that
ends inside a frame is an EOFError. Data after a frame that is no frame is an error; Python's `bz2` and `lzma` would
pass over it. Memory is bounded: packed data is read in small parts, since a part may unpack to thousands of times its
size.
"""

from __future__ import annotations

import io
import sys
from collections.abc import Callable
from typing import Any, BinaryIO

from dstok.errors import FileError

__all__ = ["SUFFIXES", "open_frames"]

SUFFIXES = (".zst", ".bz2", ".xz")
PACKED_PIECE = 1 << 13


def open_frames(name: str, raw: BinaryIO) -> tuple[BinaryIO, tuple[type[Exception], ...]]:
    """The unpacked stream of `raw`, packed as the suffix of `name` says, and what reading it may raise beside EOFError.

    Raises `FileError` if there is no decoder.
    """
    new_frame, error = _decoder(name)
    return io.BufferedReader(_Unpacked(raw, new_frame), 1 << 17), (OSError, error)


def _decoder(name: str) -> tuple[Callable[[], Any], type[Exception]]:
    """A maker of one-frame decompressors with `decompress`, `eof` and `unused_data`, and its error."""
    if name.endswith(".bz2"):
        import bz2

        return bz2.BZ2Decompressor, OSError
    if name.endswith(".xz"):
        import lzma

        return lzma.LZMADecompressor, lzma.LZMAError
    return _zstd(name)


def _zstd(name: str) -> tuple[Callable[[], Any], type[Exception]]:
    if sys.version_info >= (3, 14):
        try:
            from compression import zstd
        except ImportError:  # a Python that was built without it
            pass
        else:
            return zstd.ZstdDecompressor, zstd.ZstdError
    try:
        import zstandard
    except ImportError as error:
        raise FileError(f"{name}: reading .zst needs the package zstandard, or Python's compression.zstd (3.14): "
                        "pip install zstandard") from error
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
                raise EOFError("the data ends inside a frame")
            return False
        frame = self.frame or self.new_frame()
        self.ready = memoryview(frame.decompress(self.packed))
        self.packed, self.frame = (frame.unused_data, None) if frame.eof else (b"", frame)
        return True
