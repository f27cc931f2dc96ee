"""Counts files -> one: counts of several tables, shards or machines add up.

In: counts files, and a weight for each. Out: one file. Invariant: each piece has the sum of its counts, each times the
weight of its file. `MOST` files are open at a time, with a block of each in memory; more are merged in several rounds.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from contextlib import suppress

from dstok.base.paths import StrPath, scratch_beside
from dstok.core.find._counts import Merge
from dstok.counts.file import CountsFile, write_counts
from dstok.errors import ArgumentError, DstokError, FileError

__all__ = ["merge_counts"]

MOST = 64


def merge_counts(paths: Sequence[StrPath], out: StrPath, weights: Sequence[int] | None = None) -> CountsFile:
    """Merges counts files into the file `out`, which may be one of them.

    weights: a whole number for each file; 0 leaves it out. By default each counts once.
    Raises `FileError` for broken files and for those of different splitters, `DstokError` for a sum of 2**63 or more,
    and `ArgumentError`.
    """
    out = os.fspath(out)
    files = [CountsFile(path) for path in paths]
    made_by = _same(files)
    left = [(file, weight) for file, weight in zip(files, _checked(weights, len(files))) if weight]
    scratch: list[str] = []
    try:
        while len(left) > MOST:
            scratch.append(scratch_beside(out))
            left = [*left[MOST:], (_merged(left[:MOST], scratch[-1], made_by), 1)]
        return _merged(left, out, made_by)
    finally:
        for path in scratch:
            with suppress(FileNotFoundError):
                os.unlink(path)


def _merged(left: Sequence[tuple[CountsFile, int]], out: str, made_by: str) -> CountsFile:
    by_count = any(file.by_count for file, _ in left)
    try:
        merge = Merge([file.blocks() for file, _ in left], [weight for _, weight in left], by_count)
        return write_counts(out, merge, made_by, by_count)
    except ValueError as error:
        raise FileError(f"{left[error.args[1]][0].path}: {error.args[0]}") from error
    except OverflowError as error:
        raise DstokError(f"{out}: {error}") from error


def _checked(weights: Sequence[int] | None, size: int) -> Sequence[int]:
    if weights is None:
        return [1] * size
    if len(weights) != size:
        raise ArgumentError(f"expected a weight for each of {size} files, found {len(weights)}", "weights")
    for weight in weights:
        if type(weight) is not int or not 0 <= weight < 1 << 63:
            raise ArgumentError(f"expected whole numbers from 0 to 2**63 - 1 as weights, found {weight!r}", "weights")
    return weights


def _same(files: Sequence[CountsFile]) -> str:
    """The maker of all files. Raises `FileError` if they differ, in this or in their order."""
    for file in files:
        if (file.made_by, file.by_count) != (files[0].made_by, files[0].by_count):
            raise FileError(f"{file.path}: expected counts of the same splitter, in the same order, as {files[0].path}")
    return files[0].made_by if files else ""
