r"""A line of JSON -> the text under a key, or an error in the line.

In: the bytes of a line. Out: the text. The parser is orjson. It accepts exactly the standard, so that `NaN`, lone
surrogates and bytes that are not UTF-8 are refused. The last of two equal keys counts, as in Python.

A part of a file -> its bytes in blocks, and their checksum.

In: a path, a start and a stop. Out: blocks of bytes, unpacked if the file is packed. Invariant: the blocks are
exactly the lines that begin in the range, so adjacent ranges share no line and lose none:

    ab|cd\nef\ng   ranges of 2 bytes -> 0:2 "abcd\n", 2:4 nothing, 4:6 "ef\n", 6:8 nothing, 8: "g"

The checksum is SHA-256 of these bytes; for a packed file, of its bytes as stored.

Blocks of bytes -> lines, some thousand at a time.

In: the blocks of a file, cut anywhere. Out: lists of lines without their line feed; a line beyond the allowed length
is given as its length. Invariant: the longest allowed line bounds memory, and a list of lines holds about a block. A
carriage return before a line feed belongs to the line: JSON takes it for white space.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable, Iterable, Iterator
from typing import Any, BinaryIO

from dstok._util.files import reason
from dstok._util.imports import needed
from dstok.errors import FileError
from dstok.io.text_files import PACKED, Source, json_kind

__all__ = ["BadLineError", "LineRange", "count_lines", "lines_of", "text_reader", "texts_reader"]

class BadLineError(ValueError):
    """A line without text under the key; `parameter` is "field" if another key may help."""

    def __init__(self, why: str, parameter: str = "") -> None:
        super().__init__(why)
        self.parameter = parameter


def text_reader(field: str) -> Callable[[bytes], str]:
    r"""Returns the function that gets the text under `field` of a line. The package may be missing.

    The function raises `BadLineError`.

    >>> text_reader("text")(b'{"id": 1, "text": "caf\\u00e9"}')
    'café'
    >>> text_reader("text")(b'{"text": 5}')
    Traceback (most recent call last):
    dstok.corpus.line_reader.BadLineError: expected a string under 'text', found a number
    """
    loads = needed("orjson").loads

    def text(line: bytes) -> str:
        try:
            found = loads(line)[field]
        except (ValueError, TypeError, KeyError, IndexError):
            raise _fault(line, field, loads) from None
        if type(found) is not str:
            raise BadLineError(f"expected a string under {field!r}, found {json_kind(found)}")
        return found

    return text


def texts_reader(field: str) -> Callable[[list[bytes | int]], list[Any] | None]:
    """Returns the function that gets the texts under `field` of lines; None if one of these has none.

    >>> texts_reader("text")([b'{"text": "a"}', b'{"text": "b"}']), texts_reader("text")([b'{"text": "a"}', b""])
    (['a', 'b'], None)
    """
    loads = needed("orjson").loads

    def texts(lines: list[bytes | int]) -> list[Any] | None:
        try:
            found = [loads(line)[field] for line in lines]
        except (ValueError, TypeError, KeyError, IndexError):
            return None
        return found if {*map(type, found)} <= {str} else None

    return texts


def _fault(line: bytes, field: str, loads: Callable[[bytes], Any]) -> BadLineError:
    try:
        line.decode()
        value = loads(line)
    except UnicodeDecodeError as error:
        return BadLineError(f"expected utf-8, found byte 0x{line[error.start]:02x} at byte offset {error.start}")
    except ValueError as error:
        return BadLineError(f"expected JSON, found {_words(error)}")
    if not isinstance(value, dict):
        return BadLineError(f"expected a JSON object, found {json_kind(value)}")
    return BadLineError(f"expected the field {field!r}, found {_keys(value)}", "field")


def _words(error: Any) -> str:
    """orjson's words for the error and its place. orjson sees one line, so its line number is always 1."""
    what = str(error.msg)
    return f"{what[:1].lower()}{what[1:]} at column {error.colno}"


def _keys(value: dict[str, Any]) -> str:
    shown = ", ".join(map(repr, [*value][:5])) + (", ..." if len(value) > 5 else "")
    return shown or "an empty object"


BLOCK = 1 << 19  # bytes; a thread encodes some blocks while the next ones are read, in shards of 4 MB, too


class LineRange:
    """The lines of a file that begin from byte `start` on and before `stop` (-1: to the end).

    After `blocks` has ended: `start` and `stop` are those of the lines themselves, `sha256` their checksum.
    """

    def __init__(self, path: str, start: int, stop: int) -> None:
        self.path, self.start, self.stop = path, start, stop
        self.hash: Any = hashlib.sha256()

    @property
    def sha256(self) -> str:
        return str(self.hash.hexdigest())

    def blocks(self) -> Iterator[bytes]:
        """The bytes. Raises `FileError`."""
        try:
            with open(self.path, "rb") as file:
                yield from self._unpacked(file) if self.path.endswith(PACKED) else self._lines(file)
        except OSError as error:
            raise FileError(f"{self.path}: {reason(error)}") from error

    def _unpacked(self, file: BinaryIO) -> Iterator[bytes]:
        hashed = _Hashed(file, self.hash)
        if not file.peek(1):  # type: ignore[attr-defined]
            raise FileError(f"{self.path}: expected packed data, found an empty file")
        fault = None
        try:
            yield from Source(self.path, hashed).blocks()  # type: ignore[arg-type]
        except FileError as error:
            fault = error
        while hashed.read(BLOCK):
            pass
        self.stop = file.tell()
        if fault is not None:
            raise fault

    def _lines(self, file: BinaryIO) -> Iterator[bytes]:
        stop = os.fstat(file.fileno()).st_size if self.stop < 0 else self.stop
        at = self.start = self._first_line(file, stop)
        block = b"\n"
        while at < stop and (block := file.read(min(BLOCK, stop - at))):
            at += len(block)
            self.hash.update(block)
            yield block
        while block and not block.endswith(b"\n") and (block := file.readline(BLOCK)):
            at += len(block)
            self.hash.update(block)
            yield block
        self.stop = at

    def _first_line(self, file: BinaryIO, stop: int) -> int:
        """The start of the first line that begins in the range (else a place at or after its end); seeks there."""
        at = file.seek(max(0, self.start - 1))
        while self.start > 0 and at < stop and (piece := file.readline(BLOCK)):
            at += len(piece)
            if piece.endswith(b"\n"):
                break
        return at


class _Hashed:
    """A binary stream, whose bytes go into a hash as they are read."""

    def __init__(self, raw: BinaryIO, hash: Any) -> None:
        self.raw, self.hash = raw, hash
        self.fileno, self.isatty, self.tell = raw.fileno, raw.isatty, raw.tell

    def read(self, size: int = -1) -> bytes:
        data = self.raw.read(size)
        self.hash.update(data)
        return data


def count_lines(path: str, stop: int) -> int:
    """The number of lines that end before byte `stop` of a file. Raises `FileError`."""
    lines = 0
    try:
        with open(path, "rb") as file:
            while stop > 0 and (block := file.read(min(stop, BLOCK))):
                lines, stop = lines + block.count(b"\n"), stop - len(block)
    except OSError as error:
        raise FileError(f"{path}: {reason(error)}") from error
    return lines


def lines_of(blocks: Iterable[bytes], largest: int) -> Iterator[list[bytes | int]]:
    r"""The lines of `blocks`.

    >>> list(lines_of([b"a\nb", b"c\n\nxxxx", b"xxxx\nd"], largest=5))
    [[b'a'], [b'bc', b''], [8], [b'd']]
    """
    line = _Line(largest)
    for block in blocks:
        first, *lines = block.split(b"\n")
        line.add(first)
        if lines:
            ended, last = line.end(), lines.pop()
            fit = max(map(len, lines), default=0) <= largest
            yield [ended, *(lines if fit else (one if len(one) <= largest else len(one) for one in lines))]
            line.add(last)
    if line.size:
        yield [line.end()]


class _Line:
    """A line that is read in pieces; of a line that is too long only the length is kept."""

    def __init__(self, largest: int) -> None:
        self.largest, self.size = largest, 0
        self.pieces = list[bytes]()

    def add(self, piece: bytes) -> None:
        self.size += len(piece)
        if self.size <= self.largest:
            self.pieces.append(piece)
        else:
            self.pieces.clear()

    def end(self) -> bytes | int:
        """Returns the line, or its length if it is too long, and begins the next one."""
        whole: bytes | int = b"".join(self.pieces) if self.size <= self.largest else self.size
        self.size, self.pieces = 0, []
        return whole
