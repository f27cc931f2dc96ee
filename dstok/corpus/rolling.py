"""Documents -> files of a limited number of ids.

In: batches of ids. Out: the same batches to one writer after another. Invariant: a file ends where a document (or a
packed row) ends. Only a longer document makes a file longer. A writer is made when there is something to write: a
shard without documents has no files, since readers cannot map an empty one.

    at most 6 ids a file, documents of 4, 2, 3 and 9 -> NAME (4 2), NAME.00001 (3), NAME.00002 (9)
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

import numpy as np

from dstok.corpus.writers import Writer

if TYPE_CHECKING:
    from dstok.corpus.writers import Array

__all__ = ["Rolling"]


class Rolling:
    """Writes to `make("")`, then to `make(".00001")` and so on. With `most` 0 it writes one file."""

    def __init__(self, make: Callable[[str], Writer], most: int) -> None:
        self.make, self.most = make, most
        self.writer: Writer | None = None
        self.number = self.size = 0
        self.documents = self.tokens = 0  # in all files; for packed rows, the rows

    def add(self, ids: Array, lengths: Array, rows: Array | None = None) -> None:
        """As `Writer.add`."""
        counts = np.ones(len(lengths), np.int64) if rows is None else rows
        documents = np.concatenate([[0], np.cumsum(counts)])
        ends = np.concatenate([[0], np.cumsum(lengths)])[documents]
        at = 0
        while at < len(counts):
            until = self._fitting(ends, at) if self.most else len(counts)
            part = lengths[documents[at] : documents[until]]
            self._write(ids[ends[at] : ends[until]], part, None if rows is None else rows[at:until])
            at = until
        self.documents, self.tokens = self.documents + len(counts), self.tokens + len(ids)

    def _fitting(self, ends: Array, at: int) -> int:
        """The row up to which all fits into the file, or into a new one if none fits."""
        room = self.most - self.size + int(ends[at])
        until = int(np.searchsorted(ends, room, "right")) - 1
        if until <= at and self.size:
            self._end()
            return self._fitting(ends, at)
        return max(until, at + 1)

    def _write(self, ids: Array, lengths: Array, rows: Array | None) -> None:
        if self.writer is None:
            self.writer = self.make(f".{self.number:05}" if self.number else "")
        self.writer.add(ids, lengths, rows)
        self.size += len(ids)

    def _end(self) -> None:
        if self.writer is not None:
            self.writer.close()
            self.number += 1
        self.writer, self.size = None, 0

    def close(self) -> None:
        self._end()
