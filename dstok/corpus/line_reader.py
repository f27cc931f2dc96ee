r"""A part of a file -> its bytes in blocks -> lines, some thousand at a time.

In: a path, a start and a stop. Out: lines without their line feed.
Invariant: the blocks are exactly the lines that begin in the range, so adjacent ranges share no line and lose none:

    ab|cd\nef\ng   ranges of 2 bytes -> 0:2 "abcd\n", 2:4 nothing, 4:6 "ef\n", 6:8 nothing, 8: "g"

The checksum is SHA-256 of these bytes; for a packed file, of its bytes as stored. The longest allowed line bounds
memory: a longer one is given as its length. A carriage return before a line feed belongs to the line.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterable, Iterator
from typing import Any, BinaryIO

from dstok._util.files import file_faults
from dstok.errors import FileError
from dstok.io.text_files import PACKED, Source

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
        with file_faults(self.path), open(self.path, "rb") as file:
            yield from self._unpacked(file) if self.path.endswith(PACKED) else self._lines(file)

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
        at = file.seek(max(0, self.start - 1))
        while self.start > 0 and at < stop and (piece := file.readline(BLOCK)):  # to the first line of the range
            at += len(piece)
            if piece.endswith(b"\n"):
                break
        self.start, block = at, b"\n"
        while True:
            block = (file.read(min(BLOCK, stop - at)) if at < stop else
                     b"" if block.endswith(b"\n") else file.readline(BLOCK))
            if not block:
                break
            at += len(block)
            self.hash.update(block)
            yield block
        self.stop = at


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
    with file_faults(path), open(path, "rb") as file:
        while stop > 0 and (block := file.read(min(stop, BLOCK))):
            lines, stop = lines + block.count(b"\n"), stop - len(block)
    return lines


def lines_of(blocks: Iterable[bytes], largest: int) -> Iterator[list[bytes | int]]:
    r"""The lines of `blocks`.

    >>> list(lines_of([b"a\nb", b"c\n\nxxxx", b"xxxx\nd"], largest=5))
    [[b'a'], [b'bc', b''], [8], [b'd']]
    """
    pieces, size = list[bytes](), 0  # of the line that has not ended; of one that is too long only the size is kept
    for block in blocks:
        first, *lines = block.split(b"\n")
        size += len(first)
        pieces.append(first)
        if size > largest:
            pieces.clear()
        if lines:
            last = lines.pop()
            fit = max(map(len, lines), default=0) <= largest
            yield [b"".join(pieces) if size <= largest else size,
                   *(lines if fit else (one if len(one) <= largest else len(one) for one in lines))]
            pieces, size = [last], len(last)
    if size:
        yield [b"".join(pieces) if size <= largest else size]
