"""Files, standard input, .gz, .zst, .bz2 and .xz -> blocks of bytes, lines, JSON records.

In: paths as the user wrote them. Out: `Source`, with the bytes of the file, unpacked and never translated (CRLF
stays, NUL stays). Invariant: a block or a line bounds memory, and `MOST_HELD` bounds a line of a packed input. Every
error of reading is a `FileError` that names the input.
"""

from __future__ import annotations

import os
import stat
import sys
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from io import BufferedReader, BytesIO, RawIOBase
from typing import Any, BinaryIO, NamedTuple, Protocol

from dstok.base.faults import reason
from dstok.errors import FileError
from dstok.files.packed import PACKED, open_packed

__all__ = ["BLOCK", "PACKED", "GivenText", "Record", "Source", "Watcher", "checked_change", "json_kind", "open_source",
           "records"]

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
    """Stands for a path in a list of inputs: the text itself was given.

    >>> with open_source(GivenText("Hi")) as source:
    ...     source.name, source.read_all()
    ('the text', b'Hi')
    """

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
        """Reports that `found` more ids or pieces of the text are sure; with 0, all of the text is still held."""
        if found:
            self._given = self.bytes_read
        self._check_held(self.bytes_read - self._given, "a piece")

    def _check_held(self, size: int, what: str) -> None:
        if self.packed and size > MOST_HELD:
            raise FileError(f"{self.name}: {what} has more than {MOST_HELD >> 20} MB, too much for a packed input: "
                            "unpack the file first")

    def _check_end(self) -> None:
        """Refuses a file that somebody cut while it was read. One that grows is read to its end."""
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
    name, raw = _opened(path)
    source: Source | None = None
    try:
        source = Source(name, raw, progress)
        yield source
    finally:
        if source is not None and progress is not None:
            progress.done_with(source.size or 0)
        if path != "-":
            raw.close()


def _opened(path: str) -> tuple[str, BinaryIO]:
    """The name for messages, and the bytes as stored."""
    if isinstance(path, GivenText):
        return path.name, BytesIO(os.fsencode(path))
    return (STDIN, _stdin()) if path == "-" else (path, _open(path))


def _stdin() -> BinaryIO:
    if sys.stdin is None:
        raise FileError("standard input: it is closed")
    return sys.stdin.buffer


def _open(path: str) -> BinaryIO:
    try:
        return open(path, "rb")  # the caller closes it
    except (OSError, ValueError) as error:  # ValueError: a NUL in the path
        raise FileError(f"{path}: {reason(error)}") from error


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
    if name.endswith(PACKED):
        return open_packed(name, raw)
    return raw, (OSError,)


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
        text = "" if start < after else _decode_line(line, name, start, errors)
        if text and not text.isspace():
            yield Record(name, number, _field(text, name, field))
        start += len(line)


def _decode_line(line: bytes, name: str, start: int, errors: str) -> str:
    try:
        text = line.decode("utf-8", errors)
    except UnicodeDecodeError as error:
        raise FileError(f"{name}: expected utf-8, found byte 0x{line[error.start]:02x} "
                           f"at byte offset {start + error.start}") from error
    return text.removeprefix("\ufeff") if start == 0 else text  # some editors put this mark before JSON


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
