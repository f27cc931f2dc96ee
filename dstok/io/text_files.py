"""Files, standard input, .gz, .zst, .bz2 and .xz -> blocks of bytes, lines, JSON records.

In: paths as the user wrote them. Out: `Source`, with the bytes of the file, unpacked and never translated (CRLF stays,
NUL stays). The decoders are Python's own; before Python 3.14, Zstandard needs the package `zstandard`.
Invariant: a block or a line bounds memory, and `MOST_HELD` bounds a line of a packed input. At most `UNPACKED_PIECE`
bytes are unpacked at a time (178 bytes of bzip2 may stand for 200 MB); a window of more than `WINDOW` bytes is an
error. Every error of reading is a `FileError` that names the input.
Several frames in a row are read as one stream. (Gzip calls a frame a member; bzip2 and xz, a stream.) All that stands
before a fault is given before the fault is raised: data that ends inside a frame, and other data after a frame, which
Python's `bz2` and `lzma` would ignore. Zeros after a frame are padding where the format allows them: of gzip any
number, of xz a multiple of four.
"""

from __future__ import annotations

import os
import stat
import sys
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from io import BufferedReader, BytesIO, RawIOBase
from typing import Any, BinaryIO, NamedTuple, Protocol

from dstok._util.files import reason
from dstok.errors import FileError

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
    """Make decompressors. error: theirs. padding: zeros after a frame come in multiples of this; 0: never."""

    new_frame: Callable[[], _Frame]
    error: type[Exception]
    padding: int = 0


def _format(name: str) -> _Format:
    """The format that the suffix says. Raises `FileError` if there is no decoder."""
    if name.endswith(".gz"):
        import zlib

        return _Format(lambda: _Member(zlib.decompressobj(zlib.MAX_WBITS | 16)), zlib.error, 1)
    if name.endswith(".bz2"):
        import bz2

        return _Format(bz2.BZ2Decompressor, OSError)
    if name.endswith(".xz"):
        import lzma

        limit = WINDOW + (1 << 20)  # includes the decoder's own state
        return _Format(lambda: lzma.LZMADecompressor(memlimit=limit), lzma.LZMAError, 4)
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


class _Adapted:
    """What the decompressors of `zlib` and of the package zstandard lack of `_Frame`."""

    def __init__(self, frame: Any) -> None:
        self.frame, self.held, self.full = frame, b"", False

    @property
    def needs_input(self) -> bool:
        return not self.full and not self.held

    @property
    def eof(self) -> bool:
        return bool(self.frame.eof)

    @property
    def unused_data(self) -> bytes:
        return bytes(self.frame.unused_data) + self.held


class _Member(_Adapted):
    """A member of gzip. `zlib` leaves packed data for the next call, and may hold unpacked data beside it."""

    def decompress(self, data: bytes, max_length: int) -> bytes:
        unpacked = bytes(self.frame.decompress(self.held + data, max_length))
        self.held = b"" if self.eof else bytes(self.frame.unconsumed_tail)  # at the end it repeats `unused_data`
        self.full = len(unpacked) == max_length
        return unpacked


class _BySmallParts(_Adapted):
    """A frame of the package zstandard, whose `decompress` has no `max_length`.

    It gets `ZSTANDARD_PIECE` bytes at a time. Four bytes are at most a block of 128 KB, so a part unpacks to at most
    16 MB.
    """

    def decompress(self, data: bytes, max_length: int) -> bytes:
        data = self.held + data
        self.held = data[ZSTANDARD_PIECE:]
        return bytes(self.frame.decompress(data[:ZSTANDARD_PIECE]))


class _Unpacked(RawIOBase):
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
                zeros = len(self.packed)
                while self.packed and not self.packed.strip(b"\0"):
                    self.packed = self.raw.read(PACKED_PIECE)
                    zeros += len(self.packed)
                self.packed = self.packed.lstrip(b"\0")
                zeros -= len(self.packed)
                if zeros % self.format.padding:
                    raise self.format.error(
                        f"expected padding of a multiple of {self.format.padding} bytes, found {zeros}")
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


BLOCK = 1 << 20
MOST_HELD = 1 << 28  # bytes of a packed input held together: a few packed bytes may stand for all of memory
MAGIC = {".gz": b"\x1f\x8b\x08", ".zst": b"\x28\xb5\x2f\xfd", ".xz": b"\xfd7zXZ\0"}  # no UTF-8; that of .bz2 is text
STDIN = "standard input"


class Watcher(Protocol):
    """Is told how far an input has been read."""

    def waits(self) -> None:
        """Called before reading from a terminal, where somebody has to type."""

    def update(self, name: str, position: Callable[[], int]) -> None:
        """More of `name` has been read; `position` returns the number of bytes read."""

    def done_with(self, size: int) -> None:
        """An input of `size` bytes is done."""


class GivenText(str):
    """Stands for a path in a list of inputs: the text itself was given."""

    __slots__ = ()
    name = "the text"


class Source:
    """An open input: `name` for messages, `raw` as stored, `stream` of its unpacked bytes."""

    def __init__(self, name: str, raw: BinaryIO, progress: Watcher | None = None) -> None:
        self.name, self.raw, self.bytes_read, self._given = name, raw, 0, 0
        self.stream, self.faults = _unpacked(name, raw)
        self.packed = self.stream is not raw and not raw.isatty()
        self.size = _size(raw)
        self.progress = None if raw.isatty() else progress
        if raw.isatty() and progress is not None:
            progress.waits()

    def blocks(self, size: int = 0) -> Iterator[bytes]:
        """The bytes in blocks of `size` (1 MB by default), none empty. All before a fault comes before its error."""
        read = self.stream.read1 if self.packed else self.stream.read  # type: ignore[attr-defined]
        with self._reading():
            while block := read(size or BLOCK):
                self._count(block)
                yield block
            self._check_end()

    def lines(self) -> Iterator[bytes]:
        """The bytes in lines, each with its line feed, except that the last may have none."""
        most = MOST_HELD + 1 if self.packed else -1
        with self._reading():
            while line := self.stream.readline(most):
                self._check_held(len(line), "a line")
                self._count(line)
                yield line
            self._check_end()

    def read_all(self) -> bytes:
        """All bytes. A packed input of more than `MOST_HELD` bytes is a `FileError`."""
        return self.together(self.blocks())

    def together(self, blocks: Iterable[bytes]) -> bytes:
        """`blocks` of this input as one, with the limit of `read_all`."""
        held = bytearray()
        for block in blocks:
            held += block
            self._check_held(len(held), "the text")
        return bytes(held)

    def gave(self, found: int) -> None:
        """Report that `found` more ids or pieces of the text are sure; with 0, all of the text is still held."""
        if found:
            self._given = self.bytes_read
        self._check_held(self.bytes_read - self._given, "a piece")

    def _check_held(self, size: int, what: str) -> None:
        if self.packed and size > MOST_HELD:
            raise FileError(f"{self.name}: {what} has more than {MOST_HELD >> 20} MB, too much for a packed input: "
                            "unpack the file first")

    def _check_end(self) -> None:
        """Refuse a file that somebody cut while it was read. One that grows is read to its end."""
        if self.size is not None and self.raw.tell() < self.size:
            raise _changed(self.name, self.size, self.raw.tell())

    def _count(self, data: bytes) -> None:
        self.bytes_read += len(data)
        if self.progress is not None:
            self.progress.update(self.name, self.position)

    def position(self) -> int:
        """How much of `size` has been read; for a .gz, in the packed file."""
        return self.bytes_read if self.size is None else self.raw.tell()

    @contextmanager
    def _reading(self) -> Iterator[None]:
        try:
            yield
        except EOFError as error:
            raise FileError(f"{self.name}: the compressed data is cut short") from error
        except self.faults as error:
            raise FileError(f"{self.name}: {reason(error)}") from error


@contextmanager
def open_source(path: str, progress: Watcher | None = None) -> Iterator[Source]:
    """Open `path` ("-": standard input) for reading; `progress` is told how much has been read."""
    raw: BinaryIO
    if isinstance(path, GivenText):
        name, raw = path.name, BytesIO(os.fsencode(path))
    elif path == "-":
        if sys.stdin is None:
            raise FileError("standard input: it is closed")
        name, raw = STDIN, sys.stdin.buffer
    else:
        try:
            name, raw = path, open(path, "rb")
        except (OSError, ValueError) as error:  # ValueError: a NUL in the path
            raise FileError(f"{path}: {reason(error)}") from error
    source: Source | None = None
    try:
        source = Source(name, raw, progress)
        yield source
    finally:
        if source is not None and progress is not None:
            progress.done_with(source.size or 0)
        if path != "-":
            raw.close()


def _size(raw: BinaryIO) -> int | None:
    """The size of a regular file; None for pipes and terminals."""
    try:
        status = os.fstat(raw.fileno())
    except (OSError, ValueError):
        return None
    return status.st_size if stat.S_ISREG(status.st_mode) else None


def checked_change(path: str, size: int, change: int | None = None) -> int:
    """When the file at `path` was changed, in ns. Raises `FileError` unless it has `size` bytes, and this `change`.

    A corpus or a training reads a file after it has planned the work, and some files in several parts: what was read
    counts if the file is the same before and after.
    """
    try:
        status = os.stat(path)
    except OSError as error:
        raise FileError(f"{path}: {reason(error)}") from error
    if status.st_size != size or change not in (None, status.st_mtime_ns):
        raise _changed(path, size, status.st_size)
    return status.st_mtime_ns


def _changed(name: str, size: int, found: int) -> FileError:
    how = " while it was read" if size == found else f": expected {size} bytes, found {found}"
    return FileError(f"{name}: has changed{how}")


def _unpacked(name: str, raw: BinaryIO) -> tuple[BinaryIO, tuple[type[Exception], ...]]:
    """The stream of unpacked bytes, chosen by the name's suffix, and its errors beside EOFError.

    The bytes of a pipe have no name of their own: there the first bytes tell, which no text begins with.
    """
    if raw.isatty():
        return BufferedReader(_UpToTheEnd(raw)), (OSError,)
    if isinstance(raw, BufferedReader) and (name == STDIN or _size(raw) is None):
        start = raw.peek(6)
        name = next((f"{name} as {suffix}" for suffix, magic in MAGIC.items() if start.startswith(magic)), name)
    if not name.endswith(PACKED):
        return raw, (OSError,)
    packed = _format(name)
    return BufferedReader(_Unpacked(raw, packed), 1 << 17), (OSError, packed.error)


class _UpToTheEnd(RawIOBase):
    """The input that is typed in a terminal, up to the first Ctrl-D. A terminal would give more to a second read."""

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


class Record(NamedTuple):
    """One text of a file of JSON lines. `name` is the file's and the line's, `line` counts from 1."""

    name: str
    line: int
    text: str


def records(source: Source, field: str, errors: str = "strict", after: int = 0) -> Iterator[Record]:
    """The texts under `field` of the JSON objects in `source`, one a line; blank lines are skipped.

    Lines that begin before byte `after` are skipped, too.
    """
    start = 0
    for number, line in enumerate(source.lines(), 1):
        name = f"{source.name}: line {number}"
        if start >= after:
            try:
                text = line.decode("utf-8", errors)
            except UnicodeDecodeError as error:
                raise FileError(f"{name}: expected utf-8, found byte 0x{line[error.start]:02x} "
                                f"at byte offset {start + error.start}") from error
            if start == 0:
                text = text.removeprefix("\ufeff")  # some editors put this mark before JSON
            if text and not text.isspace():
                yield Record(name, number, _field(text, name, field))
        start += len(line)


def _field(line: str, name: str, field: str) -> str:
    import json

    try:
        record = json.loads(line)
    except RecursionError as error:
        raise FileError(f"{name}: JSON nested too deeply") from error
    except json.JSONDecodeError as error:
        raise FileError(f"{name}: not JSON: {error.msg.lower()} at column {error.colno}") from error
    except ValueError as error:  # a number with too many digits
        raise FileError(f"{name}: not JSON: {reason(error)}") from error
    if not isinstance(record, dict):
        raise FileError(f"{name}: expected a JSON object, found {json_kind(record)}")
    if field not in record:
        raise FileError(f"{name}: no field {field!r}", "field")
    if not isinstance(record[field], str):
        raise FileError(f"{name}: field {field!r} is {json_kind(record[field])}, not a string")
    return str(record[field])


def json_kind(value: object) -> str:
    """The kind of a JSON value, in words: "a number"."""
    if value is None or isinstance(value, bool):
        return "null" if value is None else str(value).lower()
    if isinstance(value, (int, float)):
        return "a number"
    return "an array" if isinstance(value, list) else "an object" if isinstance(value, dict) else "a string"
