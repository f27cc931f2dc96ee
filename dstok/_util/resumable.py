"""A folder with a plan, a lock and finished parts, in which a long run goes on where it stopped.

In: a folder, and what decides its work. Out: the lock while somebody works; files of JSON, read and compared.
Invariant: two processes never work in one folder, and a folder of other work is refused. Files of JSON are complete or
absent, and hold no time and no machine: the same work writes the same bytes anywhere.
"""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from hashlib import sha256
from typing import Any

from dstok._util.files import StrPath, file_faults, hold_alone, make_folder, reason
from dstok.errors import FileError


class ResumableFolder:
    """The folder `out`, with its lock in the file `lock` below it. busy: how to say that somebody is at work there."""

    def __init__(self, out: StrPath, lock: str, busy: str) -> None:
        self.out, self.busy = os.fspath(out), busy
        self.lock = os.path.join(os.path.abspath(out), lock)

    @contextmanager
    def locked(self) -> Iterator[None]:
        """Makes the folder, and locks it. Raises `FileError`, also if somebody is at work in it."""
        with file_faults(self.out):
            make_folder(os.path.dirname(self.lock))
            file = open(self.lock, "ab")
        with file:
            with file_faults(self.out):
                if not hold_alone(file.fileno()):
                    raise FileError(f"{self.out}: {self.busy}")
            yield


def read_json(path: str, what: str = "JSON", check: Callable[[Any], None] | None = None) -> dict[str, Any]:
    """The object in a file. check: raises `ValueError` for a value of another shape. Raises `FileError`."""
    with file_faults(path), open(path, "rb") as file:
        try:
            value: dict[str, Any] = json.loads(file.read())
            if check is not None:
                check(value)
        except (ValueError, RecursionError) as error:
            raise FileError(f"{path}: not {what}: {reason(error)}") from error
    if not isinstance(value, dict):
        raise FileError(f"{path}: expected an object, found {type(value).__name__}")
    return value


def as_json(value: object) -> bytes:
    """A manifest's bytes, with an escape for each byte of a file's name that is no UTF-8."""
    return json.dumps(value, indent=1, ensure_ascii=False).encode("utf-8", "backslashreplace") + b"\n"


def digest(value: object) -> str:
    """The SHA-256 of a value as JSON."""
    return sha256(json.dumps(value, sort_keys=True).encode()).hexdigest()


def file_hash(path: StrPath) -> str:
    """The SHA-256 of a file. Raises `FileError`."""
    found = sha256()
    with file_faults(os.fspath(path)), open(path, "rb") as file:
        while block := file.read(1 << 20):
            found.update(block)
    return found.hexdigest()
