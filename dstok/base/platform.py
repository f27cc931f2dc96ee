"""What differs between operating systems, for the modules in Python; `core/_platform.h` has it for the core.

In: open files, folders. Out: what Linux, macOS and Windows all do, as far as they can.
Invariant: no other module of dstok asks which system it runs on, with two exceptions: what the user of a terminal
types, and what the conformance kit does to other processes.
"""

from __future__ import annotations

import mmap
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from io import BufferedReader

__all__ = ["available_cpus", "hold_alone", "map_file", "sync_folder", "without_interrupts"]

REPLACES_MAPPED = sys.platform != "win32"  # can a file be replaced by another one while processes have it mapped?


def available_cpus() -> int:
    """How many processors this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def map_file(file: BufferedReader) -> memoryview:
    """All bytes of an open file, mapped: processes share them, and what is not looked at is not read.

    Where a mapped file could not be replaced any more (Windows), neither by `save` nor by an installer, its bytes are
    read into memory of this process instead. Raises `ValueError` if the file is empty, and `OSError`.
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
    """Holds an open file (its number) for this process, until it is closed; false: another process holds it.

    Raises `OSError` where the file cannot be held.
    """
    try:
        if sys.platform == "win32":
            import msvcrt

            msvcrt.locking(file, msvcrt.LK_NBLCK, 1)
        else:
            import fcntl

            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except (BlockingIOError, PermissionError):  # the second is Windows' word for it
        return False
    return True


def sync_folder(path: str) -> None:
    """Brings the names in a folder to the disk. Raises `OSError`, but not where the system cannot do it."""
    try:
        place = os.open(path or ".", os.O_RDONLY | getattr(os, "O_DIRECTORY", 0))
    except PermissionError:  # Windows has no such thing
        return
    try:
        os.fsync(place)
    finally:
        os.close(place)


@contextmanager
def without_interrupts() -> Iterator[None]:
    """Ctrl-C waits meanwhile, and a process that is started never has it. Windows cannot hold it back."""
    import signal  # not needed to load a model

    if not hasattr(signal, "pthread_sigmask"):
        yield
        return
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)
