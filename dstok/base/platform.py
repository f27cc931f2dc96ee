"""The differences between operating systems, for the modules in Python; `core/simd/_platform.h` has them for the core.

In: open files, folders. Out: one behaviour on Linux, macOS and Windows, as far as they allow it.
Invariant: no other module of dstok asks which system it runs on, with two exceptions: the keys of a terminal's user,
and the conformance kit's treatment of other processes.
"""

from __future__ import annotations

import mmap
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from io import BufferedReader

__all__ = ["available_cpus", "hold_alone", "map_file", "sync_folder", "without_interrupts"]

REPLACES_MAPPED = sys.platform != "win32"  # can another file replace a mapped one?


def available_cpus() -> int:
    """The number of processors that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def map_file(file: BufferedReader) -> memoryview:
    """All bytes of an open file, mapped: processes share them, and the system reads only the pages in use.

    On Windows neither `to_image` nor an installer can replace a mapped file. There this process reads the bytes into
    its own memory instead. Raises `ValueError` if the file is empty, and `OSError`.
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


def hold_alone(file: int) -> bool:
    """Locks an open file, given by its number, until it is closed. False if another process holds the lock.

    Raises `OSError` if the file cannot be locked.
    """
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
    """Brings the names in a folder to the disk, where the system can do it. Raises `OSError`."""
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
    """Delays Ctrl-C to the end of the block; a process that the block starts never gets it. Not on Windows."""
    import signal  # not needed to load a model

    if not hasattr(signal, "pthread_sigmask"):
        yield
        return
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)
