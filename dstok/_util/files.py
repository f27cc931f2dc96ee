"""Files that are complete or absent, locks, maps, the words of system errors: what differs between systems stands here.

In: paths, open files, bytes. Out: a file under its final name, with its size and checksum; words in lower case and
printable. Invariant: until `commit` the bytes lie under another name, and they are on the disk (fsync) before the file
gets its name, so nobody sees an unfinished file, and no two writers share one. No other module of dstok asks which
system it runs on, except for the keys of a terminal's user and the conformance kit's other processes. Importing this
module costs next to nothing: pathlib, hashlib and json would take 3 ms each, a tenth of the time to the first id.
"""

from __future__ import annotations

import errno
import io
import mmap
import os
import stat
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from io import BufferedRandom, BufferedReader
from typing import Any, BinaryIO, NamedTuple, TypeAlias

from dstok.errors import FileError

StrPath: TypeAlias = "str | os.PathLike[str]"
OF_FILES = (OSError, ValueError)  # ValueError: a NUL in the path, and numpy's and mmap's errors
REPLACES_MAPPED = sys.platform != "win32"  # can another file replace a mapped one?


def reason(error: BaseException) -> str:
    """The system's words for an error, without its number and path, in lower case."""
    text = str(getattr(error, "strerror", None) or error or type(error).__name__)
    return text[:1].lower() + text[1:]


@contextmanager
def file_faults(path: str, kinds: tuple[type[Exception], ...] = (OSError,)) -> Iterator[None]:
    """An error of the system, or of other `kinds`, becomes a `FileError` that names its file, or else `path`."""
    try:
        yield
    except kinds as error:
        raise FileError(f"{getattr(error, 'filename', None) or path}: {reason(error)}") from error


def absolute(path: StrPath) -> str:
    """The whole path. Raises `FileError` for an empty one, which would mean the current folder."""
    if not os.fspath(path):
        raise FileError("expected a path, found an empty one")
    return os.path.abspath(path)


def visible(text: str) -> str:
    """`text` with an escape for each character that cannot be printed."""
    if text.isprintable():
        return text
    return "".join(char if char.isprintable() else ascii(char)[1:-1] for char in text)


def scratch_beside(path: StrPath) -> str:
    """A new name in the folder of `path`. A file from `tempfile` could be read by its owner only."""
    return os.path.join(os.path.dirname(path), f".dstok-{os.urandom(8).hex()}.tmp")


class WholeFile:
    """`file` to write, whose bytes are at `path` when all are on the disk; none after an error.

    A symbolic link is written through; a file that is replaced keeps its mode, and must be writable. A device or a
    pipe is written as it is. folder: for the unfinished file, on the same disk (default: that of the file itself).
    As a context manager it gives `file`. Raises `OSError`, of `path`, also for the unfinished file.
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
        """Put all bytes on the disk."""
        with self.faults():
            self.file.flush()
            if self._scratch:
                os.fsync(self.file.fileno())
            self.file.close()

    def commit(self) -> None:
        """Give the file its name."""
        with self.faults():
            if self._scratch:
                os.replace(self._scratch, self._final)

    def discard(self) -> None:
        """Remove the bytes, unless the file has its name."""
        with suppress(OSError):
            self.file.close()
        with suppress(OSError):
            os.unlink(self._scratch)

    def __enter__(self) -> BinaryIO:
        return self.file

    def __exit__(self, kind: object, error: BaseException | None, trace: object) -> None:
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
        try:
            yield
        except OSError as error:
            if self._scratch and error.filename in (None, self._scratch):
                raise OSError(error.errno, error.strerror, self.path) from error
            raise


def write_at_once(path: StrPath, data: bytes | bytearray, folder: StrPath | None = None) -> None:
    """Write a file or nothing: a `WholeFile`. Raises `OSError`."""
    with WholeFile(path, folder) as file:
        file.write(data)


def available_cpus() -> int:
    """The number of processors that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def map_file(file: BufferedReader | BufferedRandom) -> memoryview:
    """All bytes of an open file, mapped: processes share them, and the system reads only the pages in use.

    Windows cannot replace a mapped file: there this process reads the bytes into its own memory. Raises `ValueError` if
    the file is empty, and `OSError`.
    """
    if REPLACES_MAPPED:
        return memoryview(mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ))
    size = os.fstat(file.fileno()).st_size
    if not size:
        raise ValueError("expected a file with bytes, found an empty one")
    memory = memoryview(mmap.mmap(-1, size))  # begins with a page, as a mapped file does
    found = file.readinto(memory)
    if found != size:
        raise OSError(f"expected {size} bytes, found {found}")
    return memory.toreadonly()


def user_cache_folder() -> str | None:
    """The folder in which programs of this user keep what they can make again; None if the system names none."""
    if sys.platform == "win32":
        folder = os.environ.get("LOCALAPPDATA", "")
    elif sys.platform == "darwin":
        folder = os.path.expanduser("~/Library/Caches")
    else:
        folder = os.environ.get("XDG_CACHE_HOME", "")
        folder = folder if os.path.isabs(folder) else os.path.expanduser("~/.cache")
    return folder if os.path.isabs(folder) else None


def file_state(path: str) -> tuple[int, ...]:
    """Mode, size, inode, and the times of a file's last change and of the last writing that the system tells.

    () if it is not there. Raises `OSError`. Windows tells no time that a program could not set: there it is in future.
    """
    try:
        status = os.stat(path)
    except FileNotFoundError:
        return ()
    told = 1 << 63 if sys.platform == "win32" else status.st_ctime_ns
    return status.st_mode, status.st_size, status.st_ino, status.st_mtime_ns, told


def is_own(status: os.stat_result) -> bool:
    """Whether a file or folder is this user's, and nobody else may write it. Windows does not say: there it is True."""
    return not hasattr(os, "geteuid") or (status.st_uid == os.geteuid() and not status.st_mode & 0o022)


def open_own(path: str) -> BufferedReader:
    """Open a regular file that, as its folder, `is_own`. Raises `OSError`: a link or a pipe is refused, too."""
    flags = os.O_RDONLY | sum(getattr(os, f"O_{name}", 0) for name in ("NOFOLLOW", "NONBLOCK", "CLOEXEC", "BINARY"))
    if sys.platform == "win32":
        file = os.open(path, flags)
        own = not os.path.islink(path)
    else:
        folder = os.open(os.path.dirname(path), os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            own = is_own(os.fstat(folder))
            file = os.open(os.path.basename(path), flags, dir_fd=folder)  # of this very folder
        finally:
            os.close(folder)
    opened, status = open(file, "rb"), os.fstat(file)
    if not (own and is_own(status) and stat.S_ISREG(status.st_mode)):
        opened.close()
        raise PermissionError(errno.EPERM, "expected a file of this user alone, in such a folder", path)
    return opened


def hold_alone(file: int) -> bool:
    """Lock an open file until it is closed; return False if another process holds the lock. Raises `OSError`."""
    try:
        if sys.platform == "win32":
            import msvcrt

            msvcrt.locking(file, msvcrt.LK_NBLCK, 1)
        else:
            import fcntl

            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except (BlockingIOError, PermissionError):  # Windows raises the second
        return False
    return True


def sync_folder(path: str) -> None:
    """Bring the names in a folder to the disk, where the system can do it. Raises `OSError`."""
    try:
        place = os.open(path or ".", os.O_RDONLY | getattr(os, "O_DIRECTORY", 0))
    except PermissionError:  # Windows cannot sync a folder
        return
    try:
        os.fsync(place)
    finally:
        os.close(place)


@contextmanager
def without_interrupts() -> Iterator[None]:
    """Delay Ctrl-C to the end of the block; a process that the block starts never gets it. Not on Windows."""
    import signal  # not needed to load a model

    if not hasattr(signal, "pthread_sigmask"):
        yield
        return
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


class Written(NamedTuple):
    """A file of a corpus: its path below the corpus' folder, its size in bytes, its SHA-256."""

    file: str
    size: int
    sha256: str


class OutputFile(io.RawIOBase):
    """A file to write, `name` below the folder `out`; until `commit` its bytes lie in the folder `scratch`."""

    def __init__(self, out: str, name: str, scratch: str) -> None:
        from hashlib import sha256  # a start-up does not need it

        super().__init__()
        self.name, self.final, self.size, self.hash = name, os.path.join(out, name), 0, sha256()
        with file_faults(self.final):
            self.whole = WholeFile(self.final, scratch)
        self.discard = self.whole.discard

    def writable(self) -> bool:
        return True

    def tell(self) -> int:
        return self.size

    def write(self, data: Any) -> int:
        view = memoryview(data).cast("B")
        if self.whole.file.closed:  # pyarrow writes the end of a Parquet file that an error has discarded
            return len(view)
        with file_faults(self.final), self.whole.faults():
            self.whole.file.write(view)
        self.hash.update(view)
        self.size += len(view)
        return len(view)

    def finish(self) -> None:
        with file_faults(self.final):
            self.whole.finish()

    def commit(self) -> Written:
        """Give the file its name. The caller syncs the folder."""
        with file_faults(self.final):
            make_folder(os.path.dirname(self.final))
            self.whole.commit()
        return Written(self.name, self.size, self.hash.hexdigest())


def write_json(out: str, name: str, value: Any, scratch: str) -> None:
    """Write a file of JSON, whole or not at all, and return once it is on the disk. Raises `FileError`."""
    import json

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
