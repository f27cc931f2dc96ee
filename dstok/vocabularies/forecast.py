"""The memory that merges will take, before the first one.

In: a survey of the pieces, the settings of a training, the memory that it may take. Out: a `Forecast`, or an error.
Invariant: the loop takes no more than the forecast. Words have exact sizes. The loop keeps pairs and their lists within
`pairs` (core/train/_loop.h): with less memory it counts pairs more often, and makes the same merges.

Why no merge notes more places than `most_windows`: each place of a pair holds the last byte of its left token beside
the first byte of its right one.
"""

from __future__ import annotations

from typing import NamedTuple

from dstok.core.train._train import Survey
from dstok.errors import ArgumentError

__all__ = ["Forecast", "forecast"]

_A_CELL, _A_LONG = 4, 16     # bytes of an id in a word, and of a long word
_A_TOKEN = 400               # of a token: arrays by id, its merge, its bytes in Python
_A_THREAD = 162              # of a token, for each further thread: its notes
_A_PLACE = 48                # of a place that a merge notes, in arrays that may have doubled, and in two lists
_PAIRS_LEAST = 1 << 20       # of the smallest tables of pairs
_A_WINDOW, _A_WINDOW_LEAST = 4, 1  # of two neighbours: a good size of pairs and lists; the least that is not very slow
_A_WINDOW_FAST, _FAST = 24, 24 << 20  # the fastest size, of small trainings only


class Forecast(NamedTuple):
    """Bytes, at most. words: of all words. notes: of what grows with tokens and with a merge. pairs: of the rest."""

    words: int
    notes: int
    pairs: int

    @property
    def total(self) -> int:
        """Of all together."""
        return self.words + self.notes + self.pairs


def forecast(survey: Survey, first: int, vocab_size: int, threads: int, memory: int | None) -> Forecast:
    """first: the tokens before the merges. memory: for all, in bytes; None: any. Raises `ArgumentError`."""
    tokens, places = max(first, min(vocab_size, first + survey.windows)), survey.most_windows
    words = _A_CELL * (survey.cells + survey.tokens) + _A_LONG * survey.longs
    notes = tokens * (_A_TOKEN + _A_THREAD * (threads - 1)) + places * _A_PLACE * min(threads, 2)
    lists = _PAIRS_LEAST + 16 * places
    good = lists + max(_A_WINDOW * survey.windows, min(_A_WINDOW_FAST * survey.windows, _FAST))
    least = lists + _A_WINDOW_LEAST * survey.windows
    if memory is not None and words + notes + least > memory:
        raise ArgumentError(f"expected at least {_shown(words + notes + least)} of memory for the merges of "
                            f"{survey.pieces - survey.dropped_pieces:,} distinct pieces, found {_shown(memory)} "
                            "(drop_below leaves out rare pieces)", "memory")
    return Forecast(words, notes, good if memory is None else min(good, memory - words - notes))


def _shown(size: int) -> str:
    return f"{-(-size // 10**6):,} MB"
