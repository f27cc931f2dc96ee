"""The type of a caller's path, and files that are written at once or not at all.

In: paths. Out: `StrPath`; files. Invariant: nobody sees an unfinished file, and no two writers share one. Importing
this module costs nothing: pathlib would take 3 ms, a tenth of the time to the first id.
"""

from __future__ import annotations

import errno
import os
import stat
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from types import TracebackType
from typing import BinaryIO, TypeAlias

__all__ = ["StrPath", "WholeFile", "scratch_beside", "write_at_once"]

StrPath: TypeAlias = "str | os.PathLike[str]"


def scratch_beside(path: StrPath) -> str:
    """A new name in the folder of `path`. A file from `tempfile` could be read by its owner only."""
    return os.path.join(os.path.dirname(path), f".dstok-{os.urandom(8).hex()}.tmp")


class WholeFile:
    """`file` to write, whose bytes are at `path` when all are on the disk; none after an error.

    A symbolic link is written through; a file that is replaced keeps its mode, and must be writable. A device or a
    pipe is written as it is. folder: for the unfinished file, on the same disk (default: that of the file itself).
    As a context manager it gives `file`. Raises `OSError`, of `path`.
    """

    def __init__(self, path: StrPath, folder: StrPath | None = None) -> None:
        self.path, self._final, self._scratch = os.fspath(path), os.path.realpath(path), ""
        try:
            mode: int | None = os.stat(path).st_mode
        except OSError:
            mode = None
        if mode is None or stat.S_ISREG(mode):
            self._scratch = scratch_beside(self._final if folder is None else os.path.join(folder, ""))
        with self.faults():
            if mode is not None and not os.access(path, os.W_OK):
                raise PermissionError(errno.EACCES, os.strerror(errno.EACCES), self.path)
            self.file: BinaryIO = open(self._scratch or path, "xb" if self._scratch else "wb", buffering=1 << 18)
            try:
                if self._scratch and mode not in (None, os.fstat(self.file.fileno()).st_mode):
                    os.chmod(self._scratch, stat.S_IMODE(mode or 0))
            except BaseException:
                self.discard()
                raise

    def finish(self) -> None:
        """Puts all bytes on the disk."""
        with self.faults():
            self.file.flush()
            if self._scratch:
                os.fsync(self.file.fileno())
            self.file.close()

    def commit(self) -> None:
        """Gives the file its name."""
        with self.faults():
            if self._scratch:
                os.replace(self._scratch, self._final)

    def discard(self) -> None:
        """Removes the bytes, unless the file has its name."""
        with suppress(OSError):
            self.file.close()
        with suppress(OSError):
            os.unlink(self._scratch)

    def __enter__(self) -> BinaryIO:
        return self.file

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        try:
            with self.faults():
                if isinstance(error, OSError):
                    raise error
            if error is None:
                self.finish()
                self.commit()
        finally:
            self.discard()

    @contextmanager
    def faults(self) -> Iterator[None]:
        """Errors of the unfinished file name `path`."""
        try:
            yield
        except OSError as error:
            if self._scratch and error.filename in (None, self._scratch):
                raise OSError(error.errno, error.strerror, self.path) from error
            raise


def write_at_once(path: StrPath, data: bytes, folder: StrPath | None = None) -> None:
    """Writes a file or nothing: a `WholeFile`. Raises `OSError`."""
    with WholeFile(path, folder) as file:
        file.write(data)
