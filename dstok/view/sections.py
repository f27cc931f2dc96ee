"""One reading, or two of one text, in sections that a page asks for as its reader scrolls.

In: readings. Out: the number of the first token of each section, for each reading.
Invariant: the sections follow one another and hold all tokens. Those of two readings begin at the same bytes. No
character lies in two sections. A message of a conversation begins a section if it begins a token. A section ends after
a line feed, if one is near.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from dstok.view.reading import Reading

if TYPE_CHECKING:
    import numpy.typing as npt

    Numbers = npt.NDArray[np.int64]

__all__ = ["LEAST", "MOST", "section_starts"]

LEAST, MOST = 150, 300  # tokens of the first reading: a line feed between these bounds ends a section


def section_starts(readings: Sequence[Reading]) -> Numbers:
    r"""int64[k + 1, readings]: the first token of each section, in each reading; the last row is the end.

    >>> import dstok
    >>> from dstok.view import read
    >>> section_starts([read(dstok.load("deepseek-v3"), "word\n" * 160)]).tolist()
    [[0], [150], [320]]
    """
    first, data = readings[0], np.frombuffer(readings[0].data, np.uint8)
    borders = _borders(readings)  # tokens of the first reading where a section may begin
    starts = first.encoding.byte_spans[borders, 0]
    lines = borders[(starts > 0) & (data[np.maximum(starts, 1) - 1] == 10)] if len(data) else borders[:0]
    chosen = [0]
    for stop in [*_message_starts(first, borders), len(first)]:
        while chosen[-1] + MOST < stop:
            chosen.append(min(_next(chosen[-1], lines, borders, stop), stop))
        if chosen[-1] < stop:
            chosen.append(stop)
    rows = np.array(chosen[:-1] or chosen, np.int64)
    columns = [rows, *(_same_place(first, other, rows) for other in readings[1:])]
    return np.vstack([np.column_stack(columns), [len(reading) for reading in readings]])


def _message_starts(reading: Reading, borders: Numbers) -> list[int]:
    """The tokens at `borders` that belong to another message than the token before."""
    starts: list[int] = np.intersect1d(np.flatnonzero(np.diff(reading.messages)) + 1, borders).tolist()
    return starts


def _next(start: int, lines: Numbers, borders: Numbers, size: int) -> int:
    """The end of the section that begins at `start`."""
    at = int(np.searchsorted(lines, start + LEAST))
    if at < len(lines) and lines[at] <= start + MOST:
        return int(lines[at])
    at = int(np.searchsorted(borders, start + MOST))
    return int(borders[at]) if at < len(borders) else size


def _borders(readings: Sequence[Reading]) -> Numbers:
    """The tokens of the first reading that begin a character where a token of each other reading does too."""
    first = readings[0]
    fine = ~first.shared[:-1] & (first.encoding.byte_spans[:, 0] < len(first.data))
    fine &= first.encoding.byte_spans[:, 0] < first.encoding.byte_spans[:, 1]
    for other in readings[1:]:
        free = other.encoding.byte_spans[~other.shared[:-1], 0]
        fine &= np.isin(first.encoding.byte_spans[:, 0], free)
    return np.flatnonzero(fine)


def _same_place(first: Reading, other: Reading, rows: Numbers) -> Numbers:
    """The first tokens of the other reading that begin where the tokens `rows` of the first do."""
    starts = first.encoding.byte_spans[rows, 0] if len(first) else np.zeros(len(rows), np.int64)
    places = np.searchsorted(other.encoding.byte_spans[:, 0], starts, "left").astype(np.int64)
    places[0] = 0
    return places
