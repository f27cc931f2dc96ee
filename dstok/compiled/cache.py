"""A folder with the images of models that this user has loaded: a later load maps one, and reads no model's file.

In: a model's file, and what else decides its tokenizer. Out: the image that an earlier load has written, or None; later
that image. Invariant: an image stands for the very contents of all files that a load reads, by SHA-256, and for this
dstok: its version, formats, and the sizes and times of its modules, since a checkout changes without its version. Only
a file and a folder of this user that nobody else may write are read, and only with the right checksum: files are not
synced, and the checks of an image keep the process whole, not its ids. Whatever goes wrong with the cache, the model is
loaded as without it. Of several writers the last wins.
"""

from __future__ import annotations

import os
import stat
import sys
import time
from collections.abc import Iterable
from contextlib import suppress
from functools import cache
from itertools import accumulate
from typing import NamedTuple

from dstok._util.files import StrPath, file_state, is_own, map_file, open_own, scratch_beside, user_cache_folder
from dstok._util.objects import lazy
from dstok.compiled.image_file import CHECKSUM, IMAGE_FORMAT, read_image
from dstok.compiled.tables import TABLES_FORMAT, Buffer, Image
from dstok.core.check.proofs import checksum
from dstok.errors import ArgumentError, ImageError
from dstok.formats import IMAGE_MAGIC, MODEL_FILES, NEWEST_UPSTREAM, SIDE_FILES

SWITCH, LIMIT = "DSTOK_CACHE", "DSTOK_CACHE_MB"  # variables of the environment
MEGABYTES = 500  # of all images
MAX_FILE = 1 << 28  # bytes of a model's file: hashing a GGUF file of many GB takes longer than to read its vocabulary
SETTLED = 10**10  # nanoseconds after which a file is written again at another time, by the clock of any disk
STALE = 3600  # seconds after which a writer's unfinished file counts as left behind
ROOMS = ("_util", "compiled", "core", "formats", "regex", "unicode")  # their modules make the tables
START = 16  # digits of a key that need no file's contents
NAME = "the cache"  # of an image that is no file of the user's, so that pickles hold its bytes


class Entry(NamedTuple):
    """The paths of a model's file and of its image in the cache; the image's bytes, the second of its last use."""

    model: str
    image: str
    size: int
    last_used: int


class Key:
    """The key of a model's image: `start` for what is known without reading, and then the contents of the files.

    states: by path those of the files, () of one that is missing. settled: whether the files were written long enough
    ago, so that writing them again changes their states.
    """

    def __init__(self, about: bytes, states: dict[str, tuple[int, ...]], settled: bool) -> None:
        self._about, self.states, self.settled = about, states, settled
        self.start = checksum(about).hex()[:START]

    @lazy
    def name(self) -> str:
        """Read the files. Return the whole key; "" if a file cannot be read."""
        from hashlib import sha256  # takes 3 ms

        digest, buffer = sha256(self._about), bytearray(1 << 18)
        try:
            for path, state in self.states.items():
                if state:
                    digest.update(f"\n{os.path.basename(path)} {state[1]}\n".encode())
                    with open(path, "rb", buffering=0) as file:
                        while size := file.readinto(buffer):
                            digest.update(memoryview(buffer)[:size])
        except OSError:
            return ""
        return self.start + digest.hexdigest()

    def holds(self, path: StrPath, *facts: object) -> bool:
        """Whether the key of these files is still this one. Files that were not settled are hashed again."""
        if not self.settled:
            again = key_of(path, *facts)
            return again is not None and (again.states, again.name) == (self.states, self.name)
        with suppress(OSError):
            return all(file_state(each) == state for each, state in self.states.items())
        return False


def find_cache(wanted: bool | None) -> Cache | None:
    """The cache, if it is wanted: by this argument, or else by the environment. Raises `ArgumentError`."""
    if not (wanted is None or isinstance(wanted, bool)):
        raise ArgumentError(f"expected True, False or None, found {wanted!r}", "cache")
    named = os.environ.get(SWITCH, "")
    if wanted is False or (wanted is None and named in ("", "0")):
        return None
    return Cache()


class Cache:
    """The cache's folder, which may not be there yet; `folder` is None where the system names none.

    `limit`: bytes of all images. Raises `ArgumentError` for a wrong setting in the environment.
    """

    def __init__(self) -> None:
        named, megabytes = os.environ.get(SWITCH, ""), os.environ.get(LIMIT) or str(MEGABYTES)
        if not (megabytes.isascii() and megabytes.isdigit()):
            raise ArgumentError(f"expected {LIMIT} to be a number of megabytes, found {megabytes!r}", LIMIT)
        self.limit = int(megabytes[:12]) * 10**6
        if named not in ("", "0", "1"):
            if not os.path.dirname(named):
                raise ArgumentError(f"expected {SWITCH} to be 0, 1 or the path of a folder, such as ./{named}, "
                                    f"found {named!r}", SWITCH)
            self.folder: str | None = os.path.abspath(os.path.expanduser(named))
        else:
            above = user_cache_folder()
            self.folder = above and os.path.join(above, "dstok")

    def open(self, key: Key) -> Image | None:
        """The image of that key, its checksum compared; None if there is none. Raises `ImageError`, `ValueError`.

        The files are read only if an image's name has the key's start.
        """
        with suppress(OSError):
            if not any(name.startswith(key.start) for name in os.listdir(self.folder)):
                return None
            path = self._path(key)
            with open_own(path) as file:
                view = map_file(file)
            with suppress(OSError):
                os.utime(path)
            return read_image(NAME, view, checksum)
        return None

    def remove(self, key: Key) -> None:
        """Remove an image that is damaged."""
        _unlink([self._path(key)])

    def write(self, key: Key, parts: list[Buffer]) -> None:
        """Keep an image; nothing, if the folder is not this user's alone, or something fails. Removes the oldest."""
        if not key.name or sum(map(len, parts)) > self.limit or not self._make_folder():
            return
        path, scratch = self._path(key), ""
        try:
            scratch = scratch_beside(path)
            with open(os.open(scratch, os.O_RDWR | os.O_CREAT | os.O_EXCL | getattr(os, "O_BINARY", 0), 0o600),
                      "w+b") as file:
                file.writelines(parts)
                file.seek(0)
                digest = checksum(map_file(file)[CHECKSUM.stop :])
                file.seek(CHECKSUM.start)
                file.write(digest)
            os.replace(scratch, path)
        except BaseException as error:
            _unlink([scratch])
            if not isinstance(error, OSError):
                raise
        # Room is made: what killed writers have left goes, and what was not used for the longest time.
        _unlink(scratch for scratch, status in self._files(".tmp") if status.st_mtime < time.time() - STALE)
        images = sorted(self._files(".image"), key=lambda each: (each[0] != path, -each[1].st_mtime))
        totals = accumulate(status.st_size for _, status in images)
        _unlink(old for (old, _), total in zip(images, totals) if total > self.limit)

    def entries(self) -> list[Entry]:
        """All images, the last used first."""
        found = []
        for path, status in self._files(".image"):
            with suppress(OSError, ImageError, ValueError), open_own(path) as file:
                source = (read_image(path, map_file(file), None).tokenizer or {}).get("source", "")
                found.append(Entry(str(source), path, status.st_size, int(status.st_mtime)))
        return sorted(found, key=lambda entry: -entry.last_used)

    def clear(self) -> int:
        """Remove everything of the cache's in its folder. Returns the number of images."""
        _unlink(path for path, _ in self._files(".tmp"))
        return _unlink(path for path, _ in self._files(".image"))

    def _path(self, key: Key) -> str:
        return os.path.join(self.folder or "", f"{key.name}.image")

    def _files(self, end: str) -> list[tuple[str, os.stat_result]]:
        """The images (`.image`) or unfinished files (`.tmp`) of the folder; none of another user's."""
        found = []
        with suppress(OSError):
            for each in os.scandir(self.folder) if self.folder and is_own(os.stat(self.folder)) else ():
                name = each.name.removesuffix(end)
                ours = name.startswith(".dstok-") if end == ".tmp" else len(name) == START + 64 and name.isalnum()
                if name != each.name and ours and each.is_file(follow_symlinks=False):
                    with suppress(OSError):
                        found.append((each.path, each.stat(follow_symlinks=False)))
        return found

    def _make_folder(self) -> bool:
        """Make the folder if it is not there; return whether it is this user's alone.

        Below another user's folder none is made: of root's command in that user's home, the user could not write it.
        """
        if self.folder is None:
            return False
        try:
            above = self.folder
            while not os.path.exists(above) and above != (parent := os.path.dirname(above)):
                above = parent
            owner = os.stat(above).st_uid
            if above != self.folder and hasattr(os, "geteuid") and owner not in (0, os.geteuid()):
                return False
            os.makedirs(self.folder, 0o700, exist_ok=True)
            return is_own(os.stat(self.folder))
        except OSError:
            return False


def _unlink(paths: Iterable[str]) -> int:
    """Remove files. Returns the number of those that were there and could be removed."""
    removed = 0
    for path in paths:
        with suppress(OSError):
            os.unlink(path)
            removed += 1
    return removed


def key_of(path: StrPath, *facts: object) -> Key | None:
    """The key of a model's file and the files beside it; `facts` decide its tokenizer, too.

    None for an image, a pipe, a device, a very large file, and where a file cannot be read.
    """
    version = sys.modules["dstok"].__version__  # imported already, by all that is imported here
    folder, name = os.path.split(os.fsdecode(path))
    beside, now = SIDE_FILES if name in MODEL_FILES else (), time.time_ns()
    try:
        states = {(place := os.path.join(folder, each)): file_state(place) for each in (name, *beside)}
        there = [state for state in states.values() if state]
        if not all(stat.S_ISREG(state[0]) and state[1] <= MAX_FILE for state in there):
            return None
        with open(path, "rb", buffering=0) as file:
            if file.read(len(IMAGE_MAGIC)) == IMAGE_MAGIC:
                return None
        about = (version, NEWEST_UPSTREAM, TABLES_FORMAT, IMAGE_FORMAT, sys.byteorder, _code(),
                 name if beside else "", facts)
        return Key(repr(about).encode("utf-8", "surrogatepass"), states,
                   max(max(state[-2:]) for state in there) < now - SETTLED)
    except (OSError, ValueError):
        return None


@cache
def _code() -> tuple[tuple[str, int, int], ...]:
    """The modules that make the tables, with their sizes and times of change."""
    found = []
    top = os.path.dirname(os.path.dirname(__file__))
    folders = [os.path.join(top, room) for room in ROOMS]
    for folder in folders:
        for each in os.scandir(folder):
            if each.name.endswith((".py", ".so", ".pyd", ".json", ".jsonl")):
                found.append((each.path[len(top) + 1 :], each.stat().st_size, each.stat().st_mtime_ns))
            elif each.is_dir(follow_symlinks=False) and each.name != "__pycache__":
                folders.append(each.path)
    return tuple(sorted(found))
