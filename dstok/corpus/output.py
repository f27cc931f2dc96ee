"""A file that is complete or absent.

In: bytes. Out: a file under its final name, with its size and checksum. Invariant: until `commit` the bytes lie in a
folder for temporary files. They are on the disk (fsync) before the file gets its name, so a file with its name is
complete, whenever the machine stopped. Every write error is a `FileError` that names the final file.
"""

from __future__ import annotations

import hashlib
import io
import json
import os
from contextlib import suppress
from typing import Any, NamedTuple

from dstok.base.faults import file_faults
from dstok.base.paths import WholeFile, write_at_once
from dstok.base.platform import sync_folder

__all__ = ["OutputFile", "Written", "make_folder", "write_json"]


class Written(NamedTuple):
    """A file of a corpus: its path below the corpus' folder, its size in bytes, its SHA-256."""

    file: str
    size: int
    sha256: str


class OutputFile(io.RawIOBase):
    """A file to write, `name` below the folder `out`; until `commit` its bytes lie in the folder `scratch`."""

    def __init__(self, out: str, name: str, scratch: str) -> None:
        super().__init__()
        self.name, self.final = name, os.path.join(out, name)
        self.size, self.hash = 0, hashlib.sha256()
        with file_faults(self.final):
            self.whole = WholeFile(self.final, scratch)

    def writable(self) -> bool:
        return True

    def tell(self) -> int:
        return self.size

    def write(self, data: Any) -> int:
        view = memoryview(data).cast("B")
        with file_faults(self.final), self.whole.faults():
            self.whole.file.write(view)
        self.hash.update(view)
        self.size += len(view)
        return len(view)

    def finish(self) -> None:
        """Sync all written bytes to the disk."""
        with file_faults(self.final):
            self.whole.finish()

    def commit(self) -> Written:
        """Give the file its name. The caller syncs the folder."""
        with file_faults(self.final):
            make_folder(os.path.dirname(self.final))
            self.whole.commit()
        return Written(self.name, self.size, self.hash.hexdigest())

    def discard(self) -> None:
        """Remove the written bytes, unless the file has its name."""
        self.whole.discard()


def write_json(out: str, name: str, value: Any, scratch: str) -> None:
    """Write a file of JSON, whole or not at all, and return once it is on the disk. Raises `FileError`."""
    path = os.path.join(out, name)
    with file_faults(path):
        make_folder(os.path.dirname(path))
        write_at_once(path, json.dumps(value, indent=1).encode() + b"\n", scratch)
        sync_folder(os.path.dirname(path))


def make_folder(path: str) -> None:
    """Make a folder and its parents, and sync them to the disk. Raises `OSError`."""
    if not os.path.isdir(path):
        make_folder(os.path.dirname(path))
        with suppress(FileExistsError):
            os.mkdir(path)
        sync_folder(os.path.dirname(path))
