"""Data packed by Zstandard, bzip2 or xz -> a stream of the unpacked bytes.

In: a binary stream. Out: another. The decoders are Python's own; before Python 3.14, Zstandard needs the package
`zstandard`.
Invariant: several frames in a row are read as one stream. (Bzip2 and xz call a frame a stream.) Data that ends inside
a frame is an EOFError. Other data after a frame is an error; Python's `bz2` and `lzma` would ignore it. Memory is
bounded, whatever the data: at most `UNPACKED_PIECE` bytes are unpacked at a time (178 bytes of bzip2 may stand for
200 MB), and data that asks its decoder for a window of more than `WINDOW` bytes is an error.
"""

from __future__ import annotations

import io
import sys
from collections.abc import Callable
from typing import Any, BinaryIO, Protocol

from dstok.errors import FileError

__all__ = ["SUFFIXES", "open_packed"]

SUFFIXES = (".zst", ".bz2", ".xz")
PACKED_PIECE = 1 << 13
UNPACKED_PIECE = 1 << 20
ZSTANDARD_PIECE = 1 << 9
WINDOW_LOG = 27
WINDOW = 1 << WINDOW_LOG  # zstd's limit unless it is told to take more; xz -9 makes half of it


class _Frame(Protocol):
    """A decompressor of one frame, like Python's own. `needs_input`: it holds no packed data any more."""

    @property
    def needs_input(self) -> bool: ...

    @property
    def eof(self) -> bool: ...

    @property
    def unused_data(self) -> bytes: ...

    def decompress(self, data: bytes, max_length: int) -> bytes: ...


def open_packed(name: str, raw: BinaryIO) -> tuple[BinaryIO, tuple[type[Exception], ...]]:
    """The unpacked stream of `raw`, packed as the suffix of `name` says, and its errors beside EOFError.

    Raises `FileError` if there is no decoder.
    """
    new_frame, error = _decoder(name)
    return io.BufferedReader(_Unpacked(raw, new_frame), 1 << 17), (OSError, error)


def _decoder(name: str) -> tuple[Callable[[], _Frame], type[Exception]]:
    """A maker of decompressors, and their error."""
    if name.endswith(".bz2"):
        import bz2

        return bz2.BZ2Decompressor, OSError
    if name.endswith(".xz"):
        import lzma

        room = WINDOW + (1 << 20)  # this limit includes the decoder's own state
        return lambda: lzma.LZMADecompressor(memlimit=room), lzma.LZMAError
    return _zstd(name)


def _zstd(name: str) -> tuple[Callable[[], _Frame], type[Exception]]:
    if sys.version_info >= (3, 14):
        try:
            from compression import zstd
        except ImportError:  # a Python built without it
            pass
        else:
            options = {zstd.DecompressionParameter.window_log_max: WINDOW_LOG}
            return lambda: zstd.ZstdDecompressor(options=options), zstd.ZstdError
    try:
        import zstandard
    except ImportError as error:
        raise FileError(f"{name}: reading .zst needs the package zstandard, or Python's compression.zstd (3.14): "
                        "pip install zstandard") from error
    decoder = zstandard.ZstdDecompressor(max_window_size=WINDOW)
    return lambda: _BySmallParts(decoder.decompressobj()), zstandard.ZstdError


class _BySmallParts:
    """A frame of the package zstandard, whose `decompress` has no `max_length`.

    It gets `ZSTANDARD_PIECE` bytes at a time. Four bytes are at most a block of 128 KB, so a part unpacks to at most
    16 MB.
    """

    def __init__(self, frame: Any) -> None:
        self._frame, self._held = frame, b""

    @property
    def needs_input(self) -> bool:
        return not self._held

    @property
    def eof(self) -> bool:
        return bool(self._frame.eof)

    @property
    def unused_data(self) -> bytes:
        return bytes(self._frame.unused_data) + self._held

    def decompress(self, data: bytes, max_length: int) -> bytes:
        held = self._held + data
        self._held = held[ZSTANDARD_PIECE:]
        return bytes(self._frame.decompress(held[:ZSTANDARD_PIECE]))


class _Unpacked(io.RawIOBase):
    """The unpacked bytes of frame after frame."""

    def __init__(self, raw: BinaryIO, new_frame: Callable[[], _Frame]) -> None:
        self.raw, self.new_frame = raw, new_frame
        self.frame: _Frame | None = None
        self.packed = b""  # read, but not given to a frame
        self.ready = memoryview(b"")  # unpacked, but not returned yet

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
        if self.frame is None or self.frame.needs_input:
            self.packed = self.packed or self.raw.read(PACKED_PIECE)
            if not self.packed:
                if self.frame is not None:
                    raise EOFError("the data ends inside a frame")
                return False
        frame = self.frame or self.new_frame()
        self.ready = memoryview(b"")  # else the bytes already returned stay in memory beside the next ones
        self.ready = memoryview(frame.decompress(self.packed, UNPACKED_PIECE))
        self.packed, self.frame = (frame.unused_data, None) if frame.eof else (b"", frame)
        return True
