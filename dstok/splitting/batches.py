"""Many texts, by several threads: their spans in flat arrays, their pieces, the numbers of pieces.

In: texts. Out: spans, and where each text's spans begin among them; lists; counts. Invariant: single calls give the
same results, in the order of the texts. The error of the first faulty text is raised, with the text's number, before
anything is split.
"""

from __future__ import annotations

from array import array
from collections.abc import Callable, Iterable
from itertools import pairwise
from typing import TYPE_CHECKING, TypeVar

from dstok.base.numbers import thread_count
from dstok.base.texts import Errors, Text, checked_texts
from dstok.base.threads import map_by_threads
from dstok.core.run._offsets import in_characters
from dstok.core.run._span_pass import SpanPass
from dstok.core.text._rows import Rows
from dstok.splitting.texts import checked_unit, numbered

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

    Spans = npt.NDArray[np.int64]

__all__ = ["TextBatch", "count_rows", "span_rows"]

Found = TypeVar("Found")

PART = 1 << 20  # bytes of text that a thread takes at a time


def span_rows(span_pass: SpanPass, rows: Rows, lengths: Spans, threads: int) -> tuple[Spans, Spans]:
    """(spans int64[n, 2], offsets int64[len(rows) + 1]) of texts in buffers, of `lengths` bytes: as `spans_batch`."""
    import numpy as np

    found = _of_rows(span_pass, rows, lengths, threads, False)
    spans = [spans for spans, _ in found if spans is not None]
    joined = spans[0] if len(spans) == 1 else np.concatenate([np.empty((0, 2), np.int64), *spans])
    return joined, _offsets(found)


def count_rows(span_pass: SpanPass, rows: Rows, lengths: Spans, threads: int) -> Spans:
    """The offsets of `span_rows` alone."""
    return _offsets(_of_rows(span_pass, rows, lengths, threads, True))


def _offsets(found: list[tuple[Spans | None, array[int]]]) -> Spans:
    import numpy as np

    parts = [np.diff(np.asarray(ends)) for _, ends in found]
    return np.concatenate([np.zeros(1, np.int64), np.cumsum(np.concatenate([np.empty(0, np.int64), *parts]))])


def _of_rows(
    span_pass: SpanPass, rows: Rows, lengths: Spans, threads: int, counting: bool
) -> list[tuple[Spans | None, array[int]]]:
    """Parts of about `PART` bytes, by several threads."""
    import numpy as np

    ends = np.cumsum(lengths)
    parts = np.unique(np.searchsorted(ends, np.arange(0, int(ends[-1]) if len(ends) else 0, PART), side="right"))
    bounds = [0, *parts[parts > 0].tolist(), len(lengths)]
    return map_by_threads(
        lambda part: span_pass.of_rows(rows, *part, counting), pairwise(bounds), thread_count(threads))


class TextBatch:
    """Texts in the form of the core, for `threads` threads, which need no GIL while they look for pieces."""

    def __init__(self, span_pass: SpanPass, texts: Iterable[Text], threads: int, errors: Errors) -> None:
        self.span_pass, self.threads = span_pass, thread_count(threads)
        self.texts = [numbered(text, errors, number) for number, text in enumerate(checked_texts(texts))]

    def spans(self, unit: str) -> tuple[Spans, Spans]:
        """(spans int64[n, 2], offsets int64[texts + 1])."""
        import numpy as np

        checked_unit(unit)
        found = self._of_parts(lambda part: self._part(part, unit))
        offsets = np.zeros(len(self.texts) + 1, np.int64)
        np.cumsum([count for _, counts in found for count in counts], out=offsets[1:])
        spans = [part for part, _ in found]
        joined = spans[0] if len(spans) == 1 else np.concatenate([np.empty((0, 2), np.int64), *spans])
        return joined, offsets

    def split(self) -> list[list[str]]:
        """The pieces of each text."""
        found = self._of_parts(lambda part: list(map(self.span_pass.split, part)))
        return [pieces for part in found for pieces in part]

    def count(self) -> list[int]:
        """The number of pieces of each text."""
        return [count for part in self._of_parts(lambda part: list(map(self.span_pass.count, part))) for count in part]

    def _of_parts(self, work: Callable[[list[str | bytes]], Found]) -> list[Found]:
        return map_by_threads(work, self._parts(), self.threads)

    def _parts(self) -> list[list[str | bytes]]:
        parts: list[list[str | bytes]] = []
        size = PART
        for text in self.texts:
            if size >= PART:
                parts.append([])
                size = 0
            parts[-1].append(text)
            size += len(text)
        return parts

    def _part(self, texts: list[str | bytes], unit: str) -> tuple[Spans, list[int]]:
        spans, counts = self.span_pass.spans_of(texts)
        at = 0
        if unit == "characters":
            for text, count in zip(texts, counts):
                if not isinstance(text, str):
                    in_characters(text, spans[at : at + count].reshape(-1))
                at += count
        return spans, counts
