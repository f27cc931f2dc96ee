"""Data packed by gzip, Zstandard, bzip2 or xz -> a stream of the unpacked bytes.

In: a binary stream. Out: another. The decoders are Python's own; before Python 3.14, Zstandard needs the package
`zstandard`.
Invariant: several frames in a row are read as one stream. (Gzip calls a frame a member; bzip2 and xz, a stream.) All
that stands before a fault is given before the fault is raised. Data that ends inside a frame is an EOFError. Other data
after a frame is an error; Python's `bz2` and `lzma` would ignore it. Zeros after a frame are padding where the format
allows them: of gzip any number, of xz a multiple of four. Memory is bounded, whatever the data: at most
`UNPACKED_PIECE` bytes are unpacked at a time (178 bytes of bzip2 may stand for 200 MB), and data that asks its decoder
for a window of more than `WINDOW` bytes is an error.
"""

from __future__ import annotations

import io
import sys
from collections.abc import Callable
from typing import Any, BinaryIO, NamedTuple, Protocol

from dstok.errors import FileError

__all__ = ["PACKED", "open_packed"]

PACKED = (".gz", ".zst", ".bz2", ".xz")  # these suffixes are unpacked
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


class _Format(NamedTuple):
    """Makes decompressors. error: theirs. padding: zeros after a frame come in multiples of this; 0: never."""

    new_frame: Callable[[], _Frame]
    error: type[Exception]
    padding: int = 0


def open_packed(name: str, raw: BinaryIO) -> tuple[BinaryIO, tuple[type[Exception], ...]]:
    """The unpacked stream of `raw`, packed as the suffix of `name` says, and its errors beside EOFError.

    Raises `FileError` if there is no decoder.
    """
    packed = _format(name)
    return io.BufferedReader(_Unpacked(raw, packed), 1 << 17), (OSError, packed.error)


def _format(name: str) -> _Format:
    if name.endswith(".gz"):
        import zlib

        return _Format(lambda: _Member(zlib.decompressobj(zlib.MAX_WBITS | 16)), zlib.error, 1)
    if name.endswith(".bz2"):
        import bz2

        return _Format(bz2.BZ2Decompressor, OSError)
    if name.endswith(".xz"):
        import lzma

        room = WINDOW + (1 << 20)  # this limit includes the decoder's own state
        return _Format(lambda: lzma.LZMADecompressor(memlimit=room), lzma.LZMAError, 4)
    if sys.version_info >= (3, 14):
        try:
            from compression import zstd
        except ImportError:  # a Python built without it
            pass
        else:
            options = {zstd.DecompressionParameter.window_log_max: WINDOW_LOG}
            return _Format(lambda: zstd.ZstdDecompressor(options=options), zstd.ZstdError)
    try:
        import zstandard
    except ImportError as error:
        raise FileError(f"{name}: reading .zst needs the package zstandard, or Python's compression.zstd (3.14): "
                        "pip install zstandard") from error
    decoder = zstandard.ZstdDecompressor(max_window_size=WINDOW)
    return _Format(lambda: _BySmallParts(decoder.decompressobj()), zstandard.ZstdError)


class _Member:
    """A member of gzip. `zlib` leaves packed data for the next call, and may hold unpacked data beside it."""

    def __init__(self, member: Any) -> None:
        self._member, self._full = member, False

    @property
    def needs_input(self) -> bool:
        return not self._full and not self._member.unconsumed_tail

    @property
    def eof(self) -> bool:
        return bool(self._member.eof)

    @property
    def unused_data(self) -> bytes:
        return bytes(self._member.unused_data)

    def decompress(self, data: bytes, max_length: int) -> bytes:
        unpacked = bytes(self._member.decompress(self._member.unconsumed_tail + data, max_length))
        self._full = len(unpacked) == max_length
        return unpacked


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

    def __init__(self, raw: BinaryIO, packed: _Format) -> None:
        self.raw, self.format = raw, packed
        self.frame: _Frame | None = None
        self.packed = b""  # read, but not given to a frame
        self.ready = memoryview(b"")  # unpacked, but not returned yet
        self.begun = False  # a frame has ended: padding may follow
        self.fault: Exception | None = None  # to be raised when all before it is returned

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        """Fills the buffer, unless the data ends or is broken."""
        at = 0
        while at < len(buffer):
            try:
                if not self.ready and (self.fault or not self._unpack()):
                    break
            except (EOFError, OSError, self.format.error) as error:
                self.fault = error
                break
            size = min(len(buffer) - at, len(self.ready))
            buffer[at : at + size], self.ready = self.ready[:size], self.ready[size:]
            at += size
        if self.fault and not at:
            raise self.fault
        return at

    def _unpack(self) -> bool:
        """Unpack one more piece; False at the end of the data."""
        if self.frame is None or self.frame.needs_input:
            self.packed = self.packed or self.raw.read(PACKED_PIECE)
            if self.frame is None and self.begun and self.format.padding:
                self._pass_over_padding()
            if not self.packed:
                if self.frame is not None:
                    raise EOFError("the data ends inside a frame")
                return False
        frame = self.frame or self.format.new_frame()
        self.ready = memoryview(b"")  # else the bytes already returned stay in memory beside the next ones
        self.ready = memoryview(frame.decompress(self.packed, UNPACKED_PIECE))
        self.packed, self.frame = (frame.unused_data, None) if frame.eof else (b"", frame)
        self.begun = self.begun or frame.eof
        return True

    def _pass_over_padding(self) -> None:
        length = len(self.packed)
        while self.packed and not self.packed.strip(b"\0"):
            self.packed = self.raw.read(PACKED_PIECE)
            length += len(self.packed)
        self.packed = self.packed.lstrip(b"\0")
        if (length - len(self.packed)) % self.format.padding:
            raise self.format.error(f"expected padding of a multiple of {self.format.padding} bytes, found "
                                    f"{length - len(self.packed)}")
