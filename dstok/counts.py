"""Pieces counted in bounded memory, and counts files: what a vocabulary is trained from.

In: a finder and texts; or counts files, and a weight for each. Out: each distinct piece with its frequency, as a counts
file or row by row.
Invariant: the counts are those of `Splitter.split` over all texts, whatever the memory and the number of threads; the
same pieces and counts give the same bytes. A counter's table takes at most `memory` bytes, beside 4 MB: a full one
becomes a *spill*, a counts file in `folder`. A file with its name is complete, and each block has a checksum. Reading
holds one block in memory, merging one of each of `MOST` files; more are merged in several rounds.

The format, little-endian: a header (`_HEADER`), then the blocks. Header: "dstokcnt"; the format's number, 1; 1 if the
most frequent pieces come first, 0 if pieces are sorted by their bytes; the SHA-256 of all that decides the pieces, or
zeros; the number of distinct pieces, their bytes, the sum of the counts, the bytes of the longest piece; the size of
the file; the CRC-32 of the header so far. A block: its size (64 bits), its CRC-32, its pieces as in
`core/counts/sorted_words.h`.
"""

from __future__ import annotations

import os
import struct
from _thread import allocate_lock
from array import array
from collections.abc import Iterable, Iterator, Sequence
from contextlib import suppress
from typing import NamedTuple
from weakref import WeakMethod
from zlib import crc32

from dstok._util.files import StrPath, WholeFile, file_faults, scratch_beside
from dstok._util.threads import map_by_threads
from dstok.core.counts.word_counts import Merge, Tally, rows_of
from dstok.core.encode.finder import Finder
from dstok.errors import ArgumentError, DstokError, FileError

BLOCK = 1 << 18  # bytes of a block; one with a longer piece is larger
MOST = 64  # files that a merge has open
_PART = 1 << 16  # bytes of text that a thread takes at a time, at least
_MAGIC, _FORMAT = b"dstokcnt", 1
_HEADER = struct.Struct("<8sII32sQQQQQ")
_SUM = struct.Struct("<I")
_BLOCK_HEADER = struct.Struct("<QI")
_START = _HEADER.size + _SUM.size

Rows = tuple[bytes, "array[int]", "array[int]"]  # pieces, offsets, counts


class Totals(NamedTuple):
    """The number of distinct pieces, their bytes, the sum of their counts, the bytes of the longest piece."""

    distinct: int
    length: int
    occurrences: int
    longest: int


class CountsFile:
    """A counts file. `made_by`: the SHA-256 of what decides the pieces, in hex; "" if unknown. Raises `FileError`.

    `by_count`: the most frequent pieces come first, not those with the smallest bytes.
    """

    def __init__(self, path: StrPath) -> None:
        self.path = os.fspath(path)
        with file_faults(self.path), open(self.path, "rb") as file:
            header, size = file.read(_START), os.fstat(file.fileno()).st_size
        if header[: len(_MAGIC)] != _MAGIC:
            raise FileError(f"{self.path}: expected a counts file, found other bytes")
        if len(header) < _START or crc32(header[:-4]) != _SUM.unpack(header[-4:])[0]:
            raise FileError(f"{self.path}: the header of this counts file is damaged")
        _, number, by_count, made_by, *totals, expected = _HEADER.unpack(header[:-4])
        if number != _FORMAT:
            raise FileError(f"{self.path}: expected counts in format {_FORMAT}, found format {number}")
        self.size = int(expected)
        self._check_size(size)
        self.totals, self.by_count = Totals(*totals), bool(by_count)
        self.made_by = made_by.hex() if any(made_by) else ""

    def _check_size(self, found: int) -> None:
        if found != self.size:
            raise FileError(f"{self.path}: expected {self.size} bytes, found {found}")

    def blocks(self) -> Iterator[bytes]:
        """The blocks, each checked. Raises `FileError`."""
        with file_faults(self.path), open(self.path, "rb") as file:
            file.seek(_START)
            while head := file.read(_BLOCK_HEADER.size):
                at, block, checksum = file.tell() - len(head), b"", 0
                if len(head) == _BLOCK_HEADER.size:
                    size, checksum = _BLOCK_HEADER.unpack(head)
                    if size <= os.fstat(file.fileno()).st_size - file.tell():
                        block = file.read(size)
                if not block or len(block) != size or crc32(block) != checksum:
                    raise FileError(f"{self.path}: the block at byte {at} of this counts file is damaged")
                yield block
            self._check_size(file.tell())  # it may have been cut since, between two blocks

    def rows(self) -> Iterator[Rows]:
        """(pieces, offsets, counts) of each block: piece i is `pieces[offsets[i]:offsets[i + 1]]`.

        Raises `FileError`.
        """
        for block in self.blocks():
            try:
                yield rows_of(block)
            except ValueError as error:
                raise FileError(f"{self.path}: {error.args[0]}") from error


def write_counts(path: StrPath, source: Tally | Merge, made_by: str = "", by_count: bool = False) -> CountsFile:
    """Writes all blocks of `source` to a file, at once or not at all. Raises `FileError`, and errors of the source."""
    path = os.fspath(path)
    with file_faults(path), WholeFile(path) as file:
        file.seek(_START)
        while block := source.block(BLOCK):
            file.write(_BLOCK_HEADER.pack(len(block), crc32(block)))
            file.write(block)
        header = _HEADER.pack(_MAGIC, _FORMAT, by_count, bytes.fromhex(made_by), *source.totals(), file.tell())
        file.seek(0)
        file.write(header + _SUM.pack(crc32(header)))
    return CountsFile(path)


def merge_counts(paths: Sequence[StrPath], out: StrPath, weights: Sequence[int] | None = None) -> CountsFile:
    """Merges counts files into the file `out`, which may be one of them.

    weights: a whole number for each file; 0 leaves it out. By default each counts once.
    Raises `FileError` for broken files and for those of different splitters, `DstokError` for a sum of 2**63 or more,
    and `ArgumentError`.
    """
    out = os.fspath(out)
    files = [CountsFile(path) for path in paths]
    for file in files:
        if (file.made_by, file.by_count) != (files[0].made_by, files[0].by_count):
            raise FileError(f"{file.path}: expected counts of the same splitter, in the same order, as {files[0].path}")
    made_by = files[0].made_by if files else ""
    if weights is not None and len(weights) != len(files):
        raise ArgumentError(f"expected a weight for each of {len(files)} files, found {len(weights)}", "weights")
    for weight in weights or ():
        if type(weight) is not int or not 0 <= weight < 1 << 63:
            raise ArgumentError(f"expected whole numbers from 0 to 2**63 - 1 as weights, found {weight!r}", "weights")

    def merge(some: Sequence[tuple[CountsFile, int]], path: str) -> CountsFile:
        by_count = any(file.by_count for file, _ in some)
        try:
            merged = Merge([file.blocks() for file, _ in some], [weight for _, weight in some], by_count)
            return write_counts(path, merged, made_by, by_count)
        except ValueError as error:
            raise FileError(f"{some[error.args[1]][0].path}: {error.args[0]}") from error
        except OverflowError as error:
            raise DstokError(f"{path}: {error}") from error

    left = [(file, weight) for file, weight in zip(files, [1] * len(files) if weights is None else weights) if weight]
    scratch: list[str] = []
    try:
        while len(left) > MOST:
            scratch.append(scratch_beside(out))
            left = [*left[MOST:], (merge(left[:MOST], scratch[-1]), 1)]
        return merge(left, out)
    finally:
        _remove(scratch)


def _remove(paths: list[str]) -> None:
    for path in paths:
        with suppress(FileNotFoundError):
            os.unlink(path)
    paths.clear()


class PieceCounter:
    """Counts the pieces of texts. One thread at a time.

    folder: where spills go; it is made when it is needed. Without it a full table is a `DstokError`.
    made_by: the SHA-256, in hex, of what decides the pieces: counts files say it.
    """

    def __init__(self, finder: Finder, memory: int, folder: StrPath | None = None, made_by: str = "") -> None:
        self.tally, self.made_by = Tally(finder), made_by
        self.folder = None if folder is None else os.fspath(folder)
        self.spills: list[str] = []
        self.limit(memory)

    def limit(self, memory: int, by_count: bool = False) -> None:
        """Sets how many bytes the table may take. `by_count`: are spills to be sorted so?"""
        self.memory = memory
        weak = WeakMethod(self._spill)  # a cycle of counter and table would keep the table until Python looks for them

        def spill(tally: Tally) -> None:
            method = weak()
            assert method is not None
            method(tally, by_count)

        self.tally.limit(memory, None if self.folder is None else spill)

    def add(self, texts: list[str | bytes]) -> None:
        """Counts the pieces of `texts`: ASCII `str` or valid UTF-8 bytes. Raises `FileError`, and `DstokError`."""
        self._check(self.tally.add(texts))

    def take(self, other: PieceCounter) -> None:
        """Adds the counts of another counter, and empties it. Raises as `add`."""
        self._check(self.tally.merge(other.tally))
        self.spills += other.spills
        other.tally.clear(release=True)
        other.spills = []

    def _check(self, fits: bool) -> None:
        if not fits:
            raise DstokError(f"expected distinct pieces that fit in {self.memory} bytes for each thread, found "
                             f"{self.tally.distinct()} of them, and more")

    def spill(self) -> None:
        """Writes the table to `folder`, if it counted anything, and empties it. Raises `FileError`."""
        if self.tally.distinct():
            self._spill(self.tally, False)
            self.tally.clear()

    def _spill(self, tally: Tally, by_count: bool) -> None:
        assert self.folder is not None
        tally.sort(by_count)
        self.spills.append(write_counts(self._scratch(), tally, self.made_by, by_count).path)

    def _scratch(self) -> str:
        assert self.folder is not None
        with file_faults(self.folder):
            os.makedirs(self.folder, exist_ok=True)
        return os.path.join(self.folder, f"{os.urandom(8).hex()}.counts")

    def write(self, path: StrPath, keep: bool = False) -> CountsFile:
        """Writes all counts to a file, sorted by bytes, and starts anew.

        It removes the spills, unless it is to `keep` them. Raises `FileError`, and `DstokError`.
        """
        if not self.spills:
            self.tally.sort(False)
            written = write_counts(path, self.tally, self.made_by)
            self.tally.clear()
            return written
        self.spill()
        spills, self.spills = self.spills, []
        written = merge_counts(spills, path)
        if not keep:
            _remove(spills)
        return written

    def most_frequent_first(self, keep: bool = False) -> Iterator[Rows]:
        """All pieces, block by block, the most frequent first, equal ones by their bytes; then as `write`."""
        if not self.spills:
            yield from self._sorted()
            return
        merged = self.write(self._scratch(), keep)
        self.limit(self.memory, by_count=True)
        for block in merged.blocks():
            self._check(self.tally.add_block(block))
        os.unlink(merged.path)
        if self.spills:
            self._spill(self.tally, True)
            self.tally.clear()
            merged = merge_counts(self.spills, self._scratch())
            _remove(self.spills)
            yield from merged.rows()
            os.unlink(merged.path)
        else:
            yield from self._sorted()
        self.limit(self.memory)

    def _sorted(self) -> Iterator[Rows]:
        """The pieces of the table, the most frequent first."""
        self.tally.sort(True)
        while block := self.tally.block(BLOCK):
            yield rows_of(block)
        self.tally.clear()


def count_together(counters: Sequence[PieceCounter], texts: Iterable[list[str | bytes]]) -> None:
    """Counts lists of texts, each list by one of the counters, which have a thread each.

    Raises what `texts` raises, and as `PieceCounter.add`. The counts are of no use then.
    """
    left, lock = iter(texts), allocate_lock()
    faults: list[BaseException] = []  # after the first one no thread goes on

    def take() -> list[str | bytes]:
        part: list[str | bytes] = []
        size = 0
        with lock:
            while not faults and size < _PART and (following := next(left, None)) is not None:
                part += following
                size += sum(map(len, following))
        return part

    def count(counter: PieceCounter) -> None:
        try:
            while part := take():
                counter.add(part)
        except BaseException as error:
            faults.append(error)

    map_by_threads(count, counters, len(counters))
    if faults:
        raise faults[0]
