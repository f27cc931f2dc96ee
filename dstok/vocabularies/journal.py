"""The merges of a training as they are made, in a file: a training that was killed goes on from there.

In: merges with the counts of their pairs. Out: a file, and the merges again.
Invariant: the file belongs to one training: its key is a hash of all that decides the merges. A block that was not
written whole, and all after it, do not count.

The format, little-endian: "dstokmrg", the format's number, 1, the key, the CRC-32 of these; then blocks: the number of
merges before, the number of its merges, the CRC-32 of the rest; 12 bytes a merge (left, right, merged), and
8 bytes a count.
"""

from __future__ import annotations

import os
import struct
import sys
from array import array
from contextlib import suppress
from zlib import crc32

from dstok.base.faults import reason
from dstok.base.paths import StrPath
from dstok.errors import FileError

__all__ = ["Journal"]

_MAGIC, _FORMAT = b"dstokmrg", 1
_HEADER, _BLOCK, _SUM = struct.Struct("<8sI32s"), struct.Struct("<QQI"), struct.Struct("<I")


class Journal:
    """The file at `path` of the training with the key `key`, 64 hex digits; a new one is begun if there is none.

    merges, counts: those that the file has. Raises `FileError`, also for the file of another training.
    """

    def __init__(self, path: StrPath, key: str) -> None:
        self.path = os.fspath(path)
        self.merges, self.counts = array("I"), array("q")
        start = _HEADER.pack(_MAGIC, _FORMAT, bytes.fromhex(key))
        start += _SUM.pack(crc32(start))
        try:
            self._file = open(self.path, "r+b" if os.path.exists(self.path) else "x+b")
            found = self._file.read(len(start))
            if len(found) == len(start) and found != start:
                raise FileError(f"{self.path}: expected the merges of this training, found those of another: other "
                                "counts, settings or steps (remove the file to begin anew)")
            if len(found) < len(start):
                self._file.seek(0)
                self._file.write(start)
            self._read()
        except OSError as error:
            raise FileError(f"{self.path}: {reason(error)}") from error

    def _read(self) -> None:
        """Reads all whole blocks, and cuts off the rest."""
        end = self._file.tell()
        while len(head := self._file.read(_BLOCK.size)) == _BLOCK.size:
            before, size, checksum = _BLOCK.unpack(head)
            left = os.fstat(self._file.fileno()).st_size - self._file.tell()
            data = self._file.read(20 * size) if 20 * size <= left else b""
            if before != len(self.counts) or not data or crc32(data) != checksum:
                break
            self.merges += _numbers("I", data[: 12 * size])
            self.counts += _numbers("q", data[12 * size :])
            end = self._file.tell()
        self._file.seek(end)
        self._file.truncate()

    def append(self, merges: array[int], counts: array[int]) -> None:
        """Adds merges. Raises `FileError`."""
        if not counts:
            return
        data = _bytes(merges) + _bytes(counts)
        try:
            self._file.write(_BLOCK.pack(len(self.counts), len(counts), crc32(data)) + data)
            self._file.flush()
        except OSError as error:
            raise FileError(f"{self.path}: {reason(error)}") from error
        self.merges += merges
        self.counts += counts

    def close(self) -> None:
        with suppress(OSError):
            self._file.close()

    def remove(self) -> None:
        """Removes the file: the training is done."""
        self.close()
        with suppress(FileNotFoundError):
            os.unlink(self.path)


def _numbers(typecode: str, data: bytes) -> array[int]:
    numbers = array(typecode, data)
    if sys.byteorder == "big":
        numbers.byteswap()
    return numbers


def _bytes(numbers: array[int]) -> bytes:
    return _numbers(numbers.typecode, numbers.tobytes()).tobytes()
