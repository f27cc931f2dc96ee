"""The type of a caller's path, and files that are written at once or not at all.

In: paths. Out: `StrPath`; files. Invariant: nobody sees an unfinished file. Importing this module costs nothing:
pathlib would take 3 ms, a tenth of the time to the first id.
"""

from __future__ import annotations

import os
from contextlib import suppress
from typing import TypeAlias

__all__ = ["StrPath", "write_at_once"]

StrPath: TypeAlias = "str | os.PathLike[str]"


def write_at_once(path: StrPath, data: bytes) -> None:
    """Writes a file or nothing: first beside `path`, then moved there. Raises `OSError`."""
    scratch = os.path.join(os.path.dirname(path), f".dstok-{os.urandom(8).hex()}.tmp")
    file = open(scratch, "xb")  # not by `tempfile`: only the owner may read its files
    try:
        with file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        os.replace(scratch, path)
    except BaseException:
        with suppress(FileNotFoundError):
            os.unlink(scratch)
        raise
