"""Documents of any length -> rows of one length; documents -> the same ones in another order.

In: batches of ids with their documents' lengths. Out: batches for a `Writer`. Invariant: no id is lost and none moves
inside its document. Rows are cut anywhere; the pad id fills the last row of a shard and counts there as a document of
its own. The order is a function of the seed, the shard's name and a document's number in it.

    rows of 4: [a a a] [b b b b b] [c] -> [a a a b] [b b b b] [c pad pad pad], documents' parts 3 1 | 4 | 1 3
"""

from __future__ import annotations

import hashlib
import tempfile
from typing import TYPE_CHECKING, Protocol

import numpy as np

from dstok.corpus.writers import Numbers

if TYPE_CHECKING:
    from dstok.corpus.writers import Array

__all__ = ["Packer", "Shuffler", "Sink", "order"]

BATCH = 1 << 20  # ids that are passed on together


class Sink(Protocol):
    """Takes batches of ids."""

    def add(self, ids: Array, lengths: Array, rows: Array | None = None) -> None:
        """As `Writer.add`."""

    def close(self) -> None:
        """Ends the batches."""


class Packer:
    """Makes rows of `length` ids. `padding` counts the ids that fill the last one."""

    def __init__(self, sink: Sink, length: int, pad_id: int) -> None:
        self.sink, self.length, self.pad_id, self.padding = sink, length, pad_id, 0
        self.ids = np.zeros(0, np.uint32)  # the ids of the unfinished row
        self.lengths = np.zeros(0, np.int64)

    def add(self, ids: Array, lengths: Array, rows: Array | None = None) -> None:
        ids, lengths = np.concatenate([self.ids, ids]), np.concatenate([self.lengths, lengths])
        full = len(ids) // self.length * self.length
        parts, counts = _cut(lengths, self.length)
        inside = int(counts[: full // self.length].sum())
        if full:
            self.sink.add(ids[:full], parts[:inside], counts[: full // self.length])
        self.ids, self.lengths = ids[full:].copy(), parts[inside:]

    def close(self) -> None:
        if len(self.ids):
            self.padding = self.length - len(self.ids)
            ids = np.concatenate([self.ids, np.full(self.padding, self.pad_id, np.uint32)])
            lengths = np.append(self.lengths, self.padding) if self.padding else self.lengths
            self.sink.add(ids, lengths, np.array([len(lengths)]))
        self.sink.close()


def _cut(lengths: Array, length: int) -> tuple[Array, Array]:
    """Cuts documents where rows end. Returns the lengths of their parts, and the number of parts in each row.

    A document without ids has a part in the row that begins at its place; at the end it is left out.

    >>> [part.tolist() for part in _cut(np.array([3, 5, 1]), 4)]
    [[3, 1, 4, 1], [2, 1, 1]]
    """
    lengths = lengths[lengths > 0]
    ends = np.cumsum(lengths)
    total = int(ends[-1]) if len(ends) else 0
    cuts = np.union1d(ends, np.arange(length, total + 1, length))
    return np.diff(cuts, prepend=0), np.bincount((cuts - 1) // length, minlength=0)


class Shuffler:
    """Keeps a shard's documents in a temporary file, and passes them on in another order."""

    def __init__(self, sink: Sink, seed: int, name: str, scratch: str) -> None:
        self.sink, self.seed, self.name = sink, seed, name
        self.file = tempfile.TemporaryFile(dir=scratch)
        self.lengths = Numbers(scratch)

    def add(self, ids: Array, lengths: Array, rows: Array | None = None) -> None:
        self.file.write(ids.data.cast("B"))
        self.lengths.add(lengths)

    def close(self) -> None:
        self.file.flush()
        lengths = np.concatenate([np.zeros(0, np.int64), *self.lengths.blocks()])
        if len(lengths):
            self._hand_on(lengths)
        self.file.close()
        self.lengths.close()
        self.sink.close()

    def _hand_on(self, lengths: Array) -> None:
        ends = np.cumsum(lengths)
        ids = np.memmap(self.file, np.uint32, "r") if ends[-1] else np.zeros(0, np.uint32)
        waiting, size = list[int](), 0
        for number in order(len(lengths), self.seed, self.name).tolist():
            waiting.append(number)
            size += int(lengths[number])
            if size >= BATCH or len(waiting) == 1 << 16:
                self._add(ids, lengths, ends, waiting)
                waiting, size = [], 0
        self._add(ids, lengths, ends, waiting)

    def _add(self, ids: Array, lengths: Array, ends: Array, numbers: list[int]) -> None:
        if numbers:
            parts = [ids[ends[number] - lengths[number] : ends[number]] for number in numbers]
            self.sink.add(np.concatenate(parts), lengths[numbers])


def order(count: int, seed: int, name: str) -> Array:
    """The numbers from 0 to before `count`, int64[count], in an order that looks random.

    They are sorted by a hash (splitmix64) computed here, so no version of numpy gives another order.

    >>> order(5, 1, "a.jsonl-00000").tolist()
    [0, 4, 2, 1, 3]
    """
    start = int.from_bytes(hashlib.sha256(f"{seed} {name}".encode("utf-8", "surrogateescape")).digest()[:8], "little")
    x = np.arange(1, count + 1, dtype=np.uint64) * np.uint64(0x9E3779B97F4A7C15) + np.uint64(start)
    x = (x ^ (x >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    x = (x ^ (x >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return np.argsort(x ^ (x >> np.uint64(31)), kind="stable")
