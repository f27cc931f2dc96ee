"""The frequency of each piece in a corpus.

In: a finder and texts, one by one. Out: each distinct piece with its frequency, the most frequent first.
Invariant: the pieces are those that `Splitter.split` gives for each text. The longest text bounds memory, and `memory`
bounds the tables of distinct pieces. The result comes on top.

Each thread has a counter of its own (dstok/counts/counting.py). They are merged at the end.
"""

from __future__ import annotations

from array import array
from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING

from dstok.base.numbers import thread_count
from dstok.base.texts import Errors, Text, checked_texts, in_lists, ready, replaces_faults
from dstok.core.find._tally import dict_of
from dstok.counts.counting import PieceCounter, count_together
from dstok.splitting.texts import numbered

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

    from dstok.core.find._finder import Finder

__all__ = ["PieceCounts", "count_pieces"]


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
    first, *others = [PieceCounter(finder, memory // threads) for _ in range(thread_count(threads))]
    count_together([first, *others], _ready(texts, errors))
    first.limit(memory)
    while others:
        first.take(others.pop())
    return PieceCounts(*first.tally.counted())


def _ready(texts: Iterable[Text], errors: Errors) -> Iterator[list[str | bytes]]:
    """Texts in the form of the core. An error gives the number of its text."""
    number = 0
    for some in in_lists(checked_texts(texts)):
        yield ready(some, lambda text, i: numbered(text, errors, i), number)
        number += len(some)
