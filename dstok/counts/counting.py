"""Pieces counted in bounded memory: a table that is written to disk when it is full.

In: a finder, texts. Out: each distinct piece with its frequency, as a counts file or row by row.
Invariant: the counts are those of `Splitter.split` over all texts, whatever the memory and the number of threads. A
counter's table takes at most `memory` bytes, beside 4 MB. A full table becomes a *spill*: a counts file in `folder`.

Example: with room for two pieces "a b a c" gives the spills {" ": 1, "a": 1} and so on; merging adds them up.
"""

from __future__ import annotations

import os
from _thread import allocate_lock
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import suppress
from weakref import WeakMethod

from dstok.base.faults import file_faults
from dstok.base.paths import StrPath
from dstok.base.threads import map_by_threads
from dstok.core.find._counts import rows_of
from dstok.core.find._finder import Finder
from dstok.core.find._tally import Tally
from dstok.counts.file import BLOCK, CountsFile, Rows, write_counts
from dstok.counts.merging import merge_counts
from dstok.errors import DstokError

__all__ = ["PieceCounter", "count_together"]

_PART = 1 << 16  # bytes of text that a thread takes at a time, at least


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

    def limit(self, memory: int) -> None:
        """Sets how many bytes the table may take."""
        self.memory = memory
        self.tally.limit(memory, None if self.folder is None else self._spilling(False))

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

    def _spilling(self, by_count: bool) -> Callable[[Tally], None]:
        """`_spill`, for the table. A cycle of counter and table would keep the table until Python looks for cycles."""
        weak = WeakMethod(self._spill)

        def spill(tally: Tally) -> None:
            method = weak()
            assert method is not None
            method(tally, by_count)

        return spill

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
        written = merge_counts(self.spills, path)
        self._forget(keep)
        return written

    def _forget(self, keep: bool) -> None:
        for path in [] if keep else self.spills:
            with suppress(FileNotFoundError):
                os.unlink(path)
        self.spills = []

    def most_frequent_first(self, keep: bool = False) -> Iterator[Rows]:
        """All pieces, block by block, the most frequent first, equal ones by their bytes; then as `write`."""
        if not self.spills:
            yield from self._sorted()
            return
        merged = self.write(self._scratch(), keep)
        self.tally.limit(self.memory, self._spilling(True))
        for block in merged.blocks():
            self._check(self.tally.add_block(block))
        os.unlink(merged.path)
        if self.spills:
            self._spill(self.tally, True)
            self.tally.clear()
            merged = merge_counts(self.spills, self._scratch())
            self._forget(False)
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
    shared = _Shared(texts)
    map_by_threads(shared.count, counters, len(counters))
    if shared.fault is not None:
        raise shared.fault


class _Shared:
    """Texts that several threads take. `fault`: the first error, after which no thread goes on."""

    def __init__(self, texts: Iterable[list[str | bytes]]) -> None:
        self._texts, self._lock = iter(texts), allocate_lock()
        self.fault: BaseException | None = None

    def count(self, counter: PieceCounter) -> None:
        """Counts texts until none is left."""
        try:
            while part := self._part():
                counter.add(part)
        except BaseException as error:
            self.fault = self.fault or error

    def _part(self) -> list[str | bytes]:
        """The next texts; none after a fault."""
        part: list[str | bytes] = []
        size = 0
        with self._lock:
            while self.fault is None and size < _PART:
                try:
                    texts = next(self._texts)
                except StopIteration:
                    break
                part += texts
                size += sum(map(len, texts))
        return part
