"""Paths, folders and globs -> the input files of a corpus -> shards, its pieces of work.

In: paths as the user wrote them, and settings. Out: `InputFile`s in the order given, those of a folder sorted by name;
`Shard`s, each a name and its parts of files.
Invariant: nothing is left out silently, but names in a folder that begin with "." or "_", as in Spark and Hadoop, and
corpora, which hold ids. Every byte and row is in exactly one shard; shards depend only on inputs and settings. A file
of lines is cut at the first line that begins at or after each multiple of the shard's size (a.jsonl-00000, ...), a
Parquet file between row groups, an Arrow file between record batches; a packed one not at all.
"""

from __future__ import annotations

import glob
import os
import stat
from collections.abc import Iterator, Sequence
from itertools import groupby
from typing import NamedTuple

from dstok._util.files import OF_FILES, absolute, file_faults, reason
from dstok.corpus.settings import OWN, CorpusSettings, is_corpus
from dstok.corpus.tables import extents, load_dataset
from dstok.errors import FileError
from dstok.io.text_files import PACKED, checked_change

LEAST, MOST = 4 << 20, 256 << 20  # bytes of a shard, if the settings leave it open
SHARDS = 64  # shards at least: enough to keep the workers of one machine busy to the end
SUFFIXES = {
    ".jsonl": "jsonl", ".ndjson": "jsonl", ".json": "jsonl", ".parquet": "parquet", ".pq": "parquet",
    ".arrow": "arrow", ".ipc": "arrow", ".feather": "arrow", ".txt": "text", ".text": "text", ".md": "text",
}


class InputFile(NamedTuple):
    """A file to read. `path` is absolute, `name` its path below the common folder, `size` in bytes as stored.

    kind: "jsonl", "lines" (a document a line), "text" (a document a file), "parquet", "arrow"; or "dataset": then
    `path` is a data set's name, and `size` its number of rows.
    """

    path: str
    name: str
    kind: str
    size: int

    @property
    def packed(self) -> bool:
        """Whether the file is compressed and can be read only from its start."""
        return self.path.endswith(PACKED)

    def checked_change(self, change: int | None = None) -> int:
        """When it was changed, in ns; 0 of a data set. Raises `FileError` unless it has its size, and this `change`."""
        return 0 if self.kind == "dataset" else checked_change(self.path, self.size, change)


class FileRange(NamedTuple):
    """A part of a file, from `start` to before `stop`: bytes, row groups, record batches or rows. stop -1: its end."""

    file: InputFile
    start: int = 0
    stop: int = -1


class Shard(NamedTuple):
    """A piece of work: parts of files, in order, for the files called `name`; `size` of the input."""

    name: str
    parts: tuple[FileRange, ...]
    size: int


def find_inputs(inputs: Sequence[str], settings: CorpusSettings) -> list[InputFile]:
    """The files of `inputs`. Raises `FileError`, which names the path."""
    paths = [absolute(path) for given in inputs for path in _expand(os.fspath(given))]
    seen = set[str]()
    for path in paths:
        if path in seen:
            raise FileError(f"{path}: given twice")
        seen.add(path)
    common = os.path.commonpath([os.path.dirname(path) for path in paths]) if paths else ""
    return [_input(path, os.path.relpath(path, common), settings) for path in paths]


def dataset_file(name: str) -> InputFile:
    """The data set NAME[:CONFIG[:SPLIT]] as an input. Raises `FileError`."""
    return InputFile(name, name.replace("/", "-").replace(":", "-"), "dataset", len(load_dataset(name)))


def _expand(given: str) -> Iterator[str]:
    if os.path.isdir(given):
        yield from _in_folder(given)
    elif os.path.exists(given) or not glob.has_magic(given):
        yield given
    else:
        matches = sorted(path for path in {*_matches(given)} if not is_corpus(path))
        if not matches:
            raise FileError(f"{given}: no file matches")
        yield from (path for each in matches for path in (_in_folder(each) if os.path.isdir(each) else [each]))


def _matches(pattern: str) -> Iterator[str]:
    """The matches of a glob. `**` stands for any folders, as `_walk` finds them; at the end, for the folder itself."""
    parts = pattern.replace(os.altsep or os.sep, os.sep).split(os.sep)
    if "**" not in parts:
        yield from glob.glob(pattern)
        return
    at = parts.index("**")
    before, after = os.sep.join([*parts[:at], ""]) or os.curdir, os.sep.join(parts[at + 1 :])
    for folder in filter(os.path.isdir, glob.glob(before)):
        if not after:
            yield folder
            continue
        for below, _ in _walk(folder, (".",)):
            yield from _matches(os.path.join(glob.escape(below), after))


def _in_folder(folder: str) -> list[str]:
    """The files below `folder`, sorted."""
    paths = [os.path.join(below, name) for below, files in _walk(folder, (".", "_"))
             for name in files if not name.startswith((".", "_"))]
    if not paths:
        raise FileError(f"{folder}: expected files in this folder, found {'a corpus' if is_corpus(folder) else 'none'}")
    return sorted(paths)


def _walk(folder: str, passed: tuple[str, ...]) -> Iterator[tuple[str, list[str]]]:
    """`folder` and each folder below it, with the names in each that are not folders.

    Corpora, and folders whose names begin with one of `passed`, are left out. Links to folders are followed, unless
    they lead in a circle.
    """
    def fail(error: OSError) -> None:
        raise FileError(f"{error.filename}: {reason(error)}") from error

    seen = set[str]()
    for below, folders, files in os.walk(folder, onerror=fail, followlinks=True):
        real = os.path.realpath(below)
        left_out = real in seen or OWN in folders
        folders[:] = [] if left_out else sorted(name for name in folders if not name.startswith(passed))
        if not left_out:
            yield below, files
        seen.add(real)


def _input(path: str, name: str, settings: CorpusSettings) -> InputFile:
    with file_faults(path, OF_FILES):
        status = os.stat(path)
        if not stat.S_ISREG(status.st_mode):  # opening a pipe would wait for its writer
            raise FileError(f"{path}: expected a regular file, which can be read again, found a pipe or a device")
        open(path, "rb").close()
    unpacked, suffix = os.path.splitext(path)
    if suffix in PACKED:
        suffix = os.path.splitext(unpacked)[1]
    kind = settings.kind or ("lines" if settings.lines and suffix not in SUFFIXES else SUFFIXES.get(suffix, ""))
    if not kind:
        raise FileError(f"{path}: expected a suffix that tells what it holds ({' '.join(SUFFIXES)}), found "
                        f"{suffix or 'none'}", "kind")
    if kind in ("parquet", "arrow") and path.endswith(PACKED):
        raise FileError(f"{path}: expected {kind} as it is, found it compressed")
    kind = "lines" if kind == "text" and settings.lines else kind
    return InputFile(path, name.replace(os.sep, "/"), kind, status.st_size)


def plan_shards(files: Sequence[InputFile], settings: CorpusSettings) -> list[Shard]:
    """All shards of `files`, in the order of the corpus."""
    size, shards = _shard_size(files, settings), list[Shard]()
    for small, group in groupby(files, lambda file: file.kind == "text"):
        if not small:
            shards += [Shard(f"{file.name}-{number:05}", (part,), bytes) for file in group
                       for number, (part, bytes) in enumerate(_cut(file, size))]
            continue
        waiting, total = list[FileRange](), 0
        for file in group:
            waiting.append(FileRange(file))
            total += file.size
            if total >= size:
                shards.append(Shard(f"{waiting[0].file.name}-00000", tuple(waiting), total))
                waiting, total = [], 0
        shards += [Shard(f"{waiting[0].file.name}-00000", tuple(waiting), total)] if waiting else []
    return shards


def least_shards(files: Sequence[InputFile], settings: CorpusSettings) -> int:
    """The number of shards that `plan_shards` makes of files of lines alone. A plan can need more than the memory."""
    size = _shard_size(files, settings)
    return sum(-(-file.size // size) for file in files if file.kind in ("jsonl", "lines") and not file.packed)


def _shard_size(files: Sequence[InputFile], settings: CorpusSettings) -> int:
    """The settings' size, or a power of two that gives about `SHARDS` shards, within the bounds."""
    total, size = sum(file.size for file in files), LEAST
    while size < MOST and size * SHARDS < total:
        size *= 2
    return settings.shard_bytes or size


def _cut(file: InputFile, size: int) -> Iterator[tuple[FileRange, int]]:
    """The parts of a file of about `size` bytes, and each part's share of the input."""
    if file.kind in ("jsonl", "lines"):
        step = max(1, file.size) if file.packed else size
        for start in range(0, max(1, file.size), step):
            stop = min(start + step, file.size)
            yield FileRange(file, start, -1 if file.packed else stop), stop - start
        return
    first, total, found = -1, 0, extents(file)
    for start, stop, bytes in found:
        first, total = (start if first < 0 else first), total + bytes
        if total >= size or start == found[-1][0]:
            yield FileRange(file, first, stop), total
            first, total = -1, 0
