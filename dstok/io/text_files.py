"""Files, standard input, .gz, .zst, .bz2 and .xz -> blocks of bytes, lines, JSON records.

In: paths as the user wrote them. Out: `Source`, with the bytes of the file, unpacked and never translated (CRLF stays,
NUL stays). The decoders are Python's own; before Python 3.14, Zstandard needs the package `zstandard`.
Invariant: a block or a line bounds memory, and `MOST_HELD` bounds a line of a packed input. At most `UNPACKED_PIECE`
bytes are unpacked at a time (178 bytes of bzip2 may stand for 200 MB); a window of more than `WINDOW` bytes is an
error. Every error of reading is a `FileError` that names the input.
Several frames in a row are read as one stream. (Gzip calls a frame a member; bzip2 and xz, a stream.) All that stands
before a fault is given before the fault is raised: data that ends inside a frame, and other data after a frame, which
Python's `bz2.open` and `lzma.open` would ignore. Zeros after a frame are padding where the format allows them: of gzip
any number, of xz a multiple of four.
"""

from __future__ import annotations

import os
import stat
import sys
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from io import BufferedReader, BytesIO, RawIOBase
from typing import Any, BinaryIO, NamedTuple

from dstok._util.files import OF_FILES, file_faults, reason
from dstok.errors import FileError

BLOCK = 1 << 20
MOST_HELD = 1 << 28  # bytes of a packed input held together: a few packed bytes may stand for all of memory
MAGIC = {".gz": b"\x1f\x8b\x08", ".zst": b"\x28\xb5\x2f\xfd", ".xz": b"\xfd7zXZ\0"}  # no UTF-8; that of .bz2 is text
STDIN = "standard input"
PACKED = (".gz", ".zst", ".bz2", ".xz")  # these suffixes are unpacked
PACKED_PIECE = 1 << 16
UNPACKED_PIECE = 1 << 20
ZSTANDARD_PIECE = 1 << 9
WINDOW_LOG = 27
WINDOW = 1 << WINDOW_LOG  # zstd's limit unless it is told to take more; xz -9 makes half of it


class _Format(NamedTuple):
    """Make decompressors of a frame. error: theirs. padding: zeros after it come in multiples of this; 0: never."""

    new_frame: Callable[[], Any]
    error: type[Exception]
    padding: int = 0


def _format(name: str) -> _Format:
    """The format that the suffix says. Raises `FileError` if there is no decoder."""
    if name.endswith(".gz"):
        import zlib

        return _Format(lambda: zlib.decompressobj(zlib.MAX_WBITS | 16), zlib.error, 1)
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


class _BySmallParts:
    """A frame of the package zstandard, whose `decompress` has no `max_length`.

    Four bytes are at most a block of 128 KB, so `ZSTANDARD_PIECE` bytes unpack to at most 16 MB.
    """

    def __init__(self, frame: Any) -> None:
        self.frame, self.eof, self.unconsumed_tail, self.unused_data = frame, False, b"", b""

    def decompress(self, data: bytes, max_length: int) -> bytes:
        unpacked = list[bytes]()
        while data and not self.eof and sum(map(len, unpacked)) < max_length:
            unpacked.append(self.frame.decompress(data[:ZSTANDARD_PIECE]))
            data, self.eof = data[ZSTANDARD_PIECE:], self.frame.eof
        self.unconsumed_tail, self.unused_data = data, self.frame.unused_data + data
        return b"".join(unpacked)


def _unpack(raw: BinaryIO, format: _Format) -> Iterator[bytes]:
    """The unpacked bytes of frame after frame, in pieces."""
    packed = raw.read(PACKED_PIECE)
    while packed:
        frame, full = format.new_frame(), False
        while not frame.eof:
            if not packed and getattr(frame, "needs_input", not full):
                packed = raw.read(PACKED_PIECE)
                if not packed:
                    raise EOFError("the data ends inside a frame")
            piece = [frame.decompress(packed, UNPACKED_PIECE)]
            full = len(piece[0]) == UNPACKED_PIECE  # zlib may hold more, which it does not tell
            packed = getattr(frame, "unconsumed_tail", b"")
            yield piece.pop()  # else it would stay in memory beside the next one
        packed, zeros = frame.unused_data or raw.read(PACKED_PIECE), 0
        while packed and format.padding:
            rest = packed.lstrip(b"\0")
            zeros += len(packed) - len(rest)
            if rest:
                packed = rest
                break
            packed = raw.read(PACKED_PIECE)
        if zeros and zeros % format.padding:
            raise format.error(f"expected padding of a multiple of {format.padding} bytes, found {zeros}")


class _Joined(RawIOBase):
    """A file of the bytes of `pieces`. An error in them is raised when all before it is returned."""

    def __init__(self, pieces: Iterator[bytes]) -> None:
        self.pieces, self.ready = pieces, memoryview(b"")

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        while not self.ready:
            self.ready = memoryview(b"")  # else the last piece would stay in memory beside the next one
            piece = next(self.pieces, None)
            if piece is None:
                return 0
            self.ready = memoryview(piece)
        size = min(len(buffer), len(self.ready))
        buffer[:size], self.ready = self.ready[:size], self.ready[size:]
        return size


class GivenText(str):
    """Stands for a path in a list of inputs: the text itself was given."""

    __slots__ = ()
    name = "the text"


class Source:
    """An open input: `name` for messages, `raw` as stored, `stream` of its unpacked bytes.

    progress: if any, `waits()` is called before a terminal is read, `update(name, position)` when more has been read.
    """

    def __init__(self, name: str, raw: BinaryIO, progress: Any = None) -> None:
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
        return self._parts(lambda: read(size or BLOCK))

    def lines(self) -> Iterator[bytes]:
        """The bytes in lines, each with its line feed, except that the last may have none."""
        most = MOST_HELD + 1 if self.packed else -1
        return self._parts(lambda: self._check_held(self.stream.readline(most), "a line"))

    def _parts(self, read: Callable[[], bytes]) -> Iterator[bytes]:
        try:
            while part := read():
                self.bytes_read += len(part)
                if self.progress is not None:
                    self.progress.update(self.name, self.position)
                yield part
        except EOFError as error:
            raise FileError(f"{self.name}: the compressed data is cut short") from error
        except self.faults as error:
            raise FileError(f"{self.name}: {reason(error)}") from error
        if self.size is not None and self.raw.tell() < self.size:  # a file that grows is read to its end
            raise _changed(self.name, self.size, self.raw.tell())

    def read_all(self) -> bytes:
        """All bytes. A packed input of more than `MOST_HELD` bytes is a `FileError`."""
        return self.together(self.blocks())

    def together(self, blocks: Iterable[bytes]) -> bytes:
        """`blocks` of this input as one, with the limit of `read_all`."""
        held = bytearray()
        for block in blocks:
            held += self._check_held(block, "the text", len(held))
        return bytes(held)

    def gave(self, found: int) -> None:
        """Report that `found` more ids or pieces of the text are sure; with 0, all of the text is still held."""
        if found:
            self._given = self.bytes_read
        self._check_held(b"", "a piece", self.bytes_read - self._given)

    def _check_held(self, data: bytes, what: str, held: int = 0) -> bytes:
        if self.packed and held + len(data) > MOST_HELD:
            raise FileError(f"{self.name}: {what} has more than {MOST_HELD >> 20} MB, too much for a packed input: "
                            "unpack the file first")
        return data

    def position(self) -> int:
        """How much of `size` has been read; for a .gz, in the packed file."""
        return self.bytes_read if self.size is None else self.raw.tell()


@contextmanager
def open_source(path: str, progress: Any = None) -> Iterator[Source]:
    """Open `path` ("-": standard input) for reading; `progress.done_with(size)` is called in the end."""
    raw: BinaryIO
    if isinstance(path, GivenText):
        name, raw = path.name, BytesIO(os.fsencode(path))
    elif path == "-":
        if sys.stdin is None:
            raise FileError("standard input: it is closed")
        name, raw = STDIN, sys.stdin.buffer
    elif os.path.isdir(path):
        raise FileError(f"{path}: is a directory: name its files, {os.path.join(path, '*')}, or all below it by find "
                        "-type f")
    else:
        with file_faults(path, OF_FILES):
            name, raw = path, open(path, "rb")
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
    with file_faults(path):
        status = os.stat(path)
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
    if raw.isatty():  # up to the first Ctrl-D: a terminal would give more to a second read
        return BufferedReader(_Joined(iter(lambda: raw.read1(BLOCK), b""))), (OSError,)  # type: ignore[attr-defined]
    if isinstance(raw, BufferedReader) and (name == STDIN or _size(raw) is None):
        start = raw.peek(6)
        name = next((f"{name} as {suffix}" for suffix, magic in MAGIC.items() if start.startswith(magic)), name)
    if not name.endswith(PACKED):
        return raw, (OSError,)
    format = _format(name)
    return BufferedReader(_Joined(_unpack(raw, format)), 1 << 17), (OSError, format.error)


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
        if start >= after:
            name = f"{source.name}: line {number}"
            text = text_of(name, line, errors, start)
            if start == 0:
                text = text.removeprefix("\ufeff")  # some editors put this mark before JSON
            if text and not text.isspace():
                record = json_of(name, text)
                if not isinstance(record, dict):
                    raise FileError(f"{name}: expected a JSON object, found {json_kind(record)}")
                if field not in record:
                    raise FileError(f"{name}: no field {field!r}", "field")
                if not isinstance(record[field], str):
                    raise FileError(f"{name}: field {field!r} is {json_kind(record[field])}, not a string")
                yield Record(name, number, record[field])
        start += len(line)


def text_of(name: str, data: bytes, errors: str = "strict", start: int = 0) -> str:
    """The text of UTF-8 that begins at byte `start` of the input `name`. Raises `FileError`."""
    try:
        return data.decode("utf-8", errors)
    except UnicodeDecodeError as error:
        raise FileError(f"{name}: expected utf-8, found byte 0x{data[error.start]:02x} at byte offset "
                        f"{start + error.start}") from error


def json_of(name: str, text: str, place: str = "column {0.colno}") -> Any:
    """The JSON value of the input `name`; `place`: how to tell where it is faulty. Raises `FileError`."""
    import json

    try:
        return json.loads(text)
    except RecursionError as error:
        raise FileError(f"{name}: JSON nested too deeply") from error
    except json.JSONDecodeError as error:
        raise FileError(f"{name}: not JSON: {error.msg.lower()} at {place.format(error)}") from error
    except ValueError as error:  # a number with too many digits
        raise FileError(f"{name}: not JSON: {reason(error)}") from error


def json_kind(value: object) -> str:
    """The kind of a JSON value, in words: "a number"."""
    if value is None or isinstance(value, bool):
        return "null" if value is None else str(value).lower()
    if isinstance(value, (int, float)):
        return "a number"
    return "an array" if isinstance(value, list) else "an object" if isinstance(value, dict) else "a string"
