"""The frequency of each piece in a corpus.

In: a finder and texts, one by one. Out: each distinct piece with its frequency, the most frequent first.
Invariant: the pieces are those that `Splitter.split` gives for each text. The longest text bounds memory, and `memory`
bounds the tables of distinct pieces. The result comes on top.

Each thread takes some texts at a time, and counts them in a table of its own. The tables are merged at the end.
"""

from __future__ import annotations

from _thread import allocate_lock
from array import array
from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING, cast

from dstok.base.numbers import thread_count
from dstok.base.texts import Errors, Text, checked_texts, replaces_faults
from dstok.base.threads import map_by_threads
from dstok.core.find._tally import Tally, dict_of
from dstok.errors import DstokError
from dstok.splitting.texts import numbered

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

    from dstok.core.find._finder import Finder

__all__ = ["PieceCounts", "count_pieces"]

_PART = 1 << 16  # bytes of text that a thread takes at a time, at least


class PieceCounts:
    r"""Distinct pieces and their frequencies, the most frequent first; made by `Splitter.count_pieces`.

    Pieces of the same frequency are in the order of their UTF-8. Piece i is `pieces[offsets[i]:offsets[i + 1]]`.

    >>> import dstok
    >>> found = dstok.Splitter(r"\w+").count_pieces(["a b", "b a b"])
    >>> bytes(found.pieces), found.offsets.tolist(), found.counts.tolist()
    (b' ba', [0, 1, 2, 3], [3, 3, 2])
    """

    def __init__(self, pieces: bytes, offsets: array[int], counts: array[int]) -> None:
        self._parts = pieces, offsets, counts

    def __len__(self) -> int:
        """The number of distinct pieces."""
        return len(self._parts[2])

    @property
    def pieces(self) -> npt.NDArray[np.uint8]:
        """The UTF-8 of all pieces, one after the other, as uint8[n]."""
        import numpy as np

        return np.frombuffer(self._parts[0], np.uint8)

    @property
    def offsets(self) -> npt.NDArray[np.int64]:
        """Where each piece begins in `pieces`, and the end of the last one, as int64[len + 1]."""
        import numpy as np

        return np.asarray(self._parts[1])

    @property
    def counts(self) -> npt.NDArray[np.int64]:
        """How often each piece occurs, as int64[len]."""
        import numpy as np

        return np.asarray(self._parts[2])

    def to_dict(self) -> dict[str, int]:
        r"""From piece to frequency, in the same order. The arrays take less memory and time than a dict.

        >>> import dstok
        >>> dstok.Splitter(r"\w+").count_pieces(["a b", "b a b"]).to_dict()
        {' ': 3, 'b': 3, 'a': 2}
        """
        return dict_of(*self._parts)


def count_pieces(finder: Finder, texts: Iterable[Text], threads: int, memory: int, errors: Errors) -> PieceCounts:
    """As `Splitter.count_pieces`."""
    replaces_faults(errors)
    tallies = [Tally(finder) for _ in range(thread_count(threads))]
    for tally in tallies:
        tally.limit(memory // len(tallies))
    counting = _Counting(texts, memory, errors)
    map_by_threads(counting.count, tallies, len(tallies))
    if counting.faults:
        raise min(counting.faults, key=lambda fault: fault[0])[1]
    first, *others = tallies
    first.limit(memory)
    while others:
        if not first.merge(others.pop()):
            raise _too_many(memory, first.distinct(), counting.taken)
    return PieceCounts(*first.counted())


class _Counting:
    """Texts that several threads take and count. `faults` has the errors, with the numbers of their texts."""

    def __init__(self, texts: Iterable[Text], memory: int, errors: Errors) -> None:
        self._texts: Iterator[Text] = iter(checked_texts(texts))
        self._lock, self._memory, self._errors = allocate_lock(), memory, errors
        self.taken = 0
        self.faults: list[tuple[int, BaseException]] = []

    def count(self, tally: Tally) -> None:
        """Counts texts until none is left, or one of them has a fault."""
        while not self.faults:
            with self._lock:
                first, part = self.taken, self._part()
            counted = tally.add(part)
            if tally.is_full():
                texts = first + counted
                self.faults.append((texts, _too_many(self._memory, tally.distinct(), texts)))
            if not part:
                break

    def _part(self) -> list[str | bytes]:
        """The next texts, in the form of the core; those before a faulty one."""
        part: list[str | bytes] = []
        size = 0
        try:
            for text in self._texts:
                plain = isinstance(text, str) and text.isascii()  # most lines are ASCII, and need no further check
                part.append(cast(str, text) if plain else numbered(text, self._errors, self.taken))
                size += len(part[-1])
                self.taken += 1
                if size >= _PART:
                    break
        except BaseException as error:
            self.faults.append((self.taken, error))
        return part


def _too_many(memory: int, distinct: int, texts: int) -> DstokError:
    return DstokError(f"expected distinct pieces that fit in {memory} bytes, found {distinct} of them in {texts} "
                      "texts, and more")
