"""Paths, folders and globs -> the input files of a corpus, each with a name and a kind.

In: paths as the user wrote them. Out: `InputFile`s in the order given, those of a folder sorted by name.
Invariant: nothing is left out silently. A path that does not exist is an error, and a file whose suffix does not tell
its kind is one too. Two things in a folder are passed over: names that begin with "." or "_", as in Spark and Hadoop,
and corpora, which hold ids. A file's name is its path below the folder that holds all inputs.
"""

from __future__ import annotations

import glob
import os
import stat
from collections.abc import Iterator, Sequence
from typing import NamedTuple

from dstok._util.files import reason
from dstok.corpus.settings import OWN, CorpusSettings, is_corpus
from dstok.errors import FileError
from dstok.io.text_files import PACKED, checked_change

__all__ = ["InputFile", "find_inputs"]

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


def find_inputs(inputs: Sequence[str], settings: CorpusSettings) -> list[InputFile]:
    """The files of `inputs`. Raises `FileError`, which names the path."""
    paths = [os.path.abspath(path) for given in inputs for path in _expanded(os.fspath(given))]
    seen = set[str]()
    for path in paths:
        if path in seen:
            raise FileError(f"{path}: given twice")
        seen.add(path)
    common = os.path.commonpath([os.path.dirname(path) for path in paths]) if paths else ""
    return [_input(path, os.path.relpath(path, common), settings) for path in paths]


def _expanded(given: str) -> Iterator[str]:
    if os.path.isdir(given):
        yield from _in_folder(given)
    elif os.path.exists(given) or not glob.has_magic(given):
        yield given
    else:
        matches = sorted(path for path in {*_matching(given)} if not is_corpus(path))
        if not matches:
            raise FileError(f"{given}: no file matches")
        yield from (path for each in matches for path in (_in_folder(each) if os.path.isdir(each) else [each]))


def _matching(pattern: str) -> Iterator[str]:
    """The matches of a glob. `**` stands for any folders, as from `_places`; at the end, for the folder itself."""
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
        for place, _ in _places(folder, (".",)):
            yield from _matching(os.path.join(glob.escape(place), after))


def _in_folder(folder: str) -> list[str]:
    """The files below `folder`, sorted."""
    paths = [os.path.join(place, name) for place, files in _places(folder, (".", "_"))
             for name in files if not name.startswith((".", "_"))]
    if not paths:
        raise FileError(f"{folder}: expected files in this folder, found {'a corpus' if is_corpus(folder) else 'none'}")
    return sorted(paths)


def _places(folder: str, passed: tuple[str, ...]) -> Iterator[tuple[str, list[str]]]:
    """`folder` and each folder below it, with the names in each that are not folders.

    Corpora, and folders whose names begin with one of `passed`, are left out. Links to folders are followed, unless
    they lead in a circle.
    """
    seen = set[str]()
    for place, folders, files in os.walk(folder, onerror=_raise, followlinks=True):
        real = os.path.realpath(place)
        left_out = real in seen or OWN in folders
        folders[:] = [] if left_out else sorted(name for name in folders if not name.startswith(passed))
        if not left_out:
            yield place, files
        seen.add(real)


def _raise(error: OSError) -> None:
    raise FileError(f"{error.filename}: {reason(error)}") from error


def _input(path: str, name: str, settings: CorpusSettings) -> InputFile:
    try:
        status = os.stat(path)
        if not stat.S_ISREG(status.st_mode):  # opening a pipe would wait for its writer
            raise FileError(f"{path}: expected a regular file, which can be read again, found a pipe or a device")
        open(path, "rb").close()
    except (OSError, ValueError) as error:
        raise FileError(f"{path}: {reason(error)}") from error
    return InputFile(path, name.replace(os.sep, "/"), _kind(path, settings), status.st_size)


def _kind(path: str, settings: CorpusSettings) -> str:
    unpacked, suffix = os.path.splitext(path)
    if suffix in PACKED:
        suffix = os.path.splitext(unpacked)[1]
    kind = settings.kind or ("lines" if settings.lines and suffix not in SUFFIXES else SUFFIXES.get(suffix, ""))
    if not kind:
        raise FileError(f"{path}: expected a suffix that tells what it holds ({' '.join(SUFFIXES)}), found "
                        f"{suffix or 'none'}", "kind")
    if kind in ("parquet", "arrow") and path.endswith(PACKED):
        raise FileError(f"{path}: expected {kind} as it is, found it compressed")
    return "lines" if kind == "text" and settings.lines else kind
