"""Input files -> shards: the pieces of work of a corpus.

In: `InputFile`s and settings. Out: `Shard`s, each a name and its parts of files. Invariant: every byte and row of the
inputs is in exactly one shard. The shards depend only on inputs and settings, never on the workers.

A file of lines is cut at the first line that begins at or after each multiple of the shard's size, a Parquet file
between row groups, an Arrow file between record batches. A compressed file is one shard. Small text files are
combined.

    a.jsonl of 10 MB, shards of 4 MB -> a.jsonl-00000, a.jsonl-00001, a.jsonl-00002
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import groupby
from typing import NamedTuple

from dstok.corpus.inputs import InputFile
from dstok.corpus.settings import CorpusSettings
from dstok.corpus.tables import Extent, extents

__all__ = ["FileRange", "Shard", "least_shards", "plan_shards"]

LEAST, MOST = 4 << 20, 256 << 20  # bytes of a shard, if the settings leave it open
SHARDS = 64  # shards at least: enough to keep the workers of one machine busy to the end
ROWS = 10_000  # rows of a data set a shard


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


def plan_shards(files: Sequence[InputFile], settings: CorpusSettings) -> list[Shard]:
    """All shards of `files`, in the order of the corpus."""
    size = settings.shard_bytes or _size(sum(file.size for file in files))
    shards = list[Shard]()
    for small, group in groupby(files, lambda file: file.kind == "text"):
        if small:
            shards += [_shard(parts, 0, sum(part.file.size for part in parts)) for parts in _together([*group], size)]
        else:
            shards += [_shard([part], number, bytes) for file in group for number, (part, bytes) in
                       enumerate(_cuts(file, size))]
    return shards


def least_shards(files: Sequence[InputFile], settings: CorpusSettings) -> int:
    """The number of shards that `plan_shards` makes of files of lines alone. A plan can need more than the memory."""
    size = settings.shard_bytes or _size(sum(file.size for file in files))
    return sum(-(-file.size // size) for file in files if file.kind in ("jsonl", "lines") and not file.packed)


def _shard(parts: Sequence[FileRange], number: int, size: int) -> Shard:
    return Shard(f"{parts[0].file.name}-{number:05}", tuple(parts), size)


def _size(total: int) -> int:
    """A power of two that gives about `SHARDS` shards, within the bounds on a shard's size."""
    size = LEAST
    while size < MOST and size * SHARDS < total:
        size *= 2
    return size


def _together(files: Sequence[InputFile], size: int) -> Iterator[list[FileRange]]:
    """Whole files, combined up to the size of a shard."""
    waiting, total = list[FileRange](), 0
    for file in files:
        waiting.append(FileRange(file))
        total += file.size
        if total >= size:
            yield waiting
            waiting, total = [], 0
    if waiting:
        yield waiting


def _cuts(file: InputFile, size: int) -> Iterator[tuple[FileRange, int]]:
    """The parts of a file, and each part's share of the input."""
    if file.kind in ("jsonl", "lines"):
        step = max(1, file.size) if file.packed else size
        for start in range(0, max(1, file.size), step):
            stop = min(start + step, file.size)
            yield FileRange(file, start, -1 if file.packed else stop), stop - start
        return
    for start, stop, bytes in _grown(extents(file), size):
        yield FileRange(file, start, stop), bytes


def _grown(extents: Sequence[Extent], size: int) -> Iterator[Extent]:
    """Neighbours, combined up to that size."""
    start, total = -1, 0
    for extent in extents:
        start, total = (extent.start if start < 0 else start), total + extent.size
        if total >= size or extent is extents[-1]:
            yield Extent(start, extent.stop, total)
            start, total = -1, 0
