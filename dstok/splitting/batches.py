"""Many texts, by several threads: their spans in flat arrays, their pieces, the numbers of pieces.

In: texts. Out: spans, and where each text's spans begin among them; lists; counts. Invariant: single calls give the
same results, in the order of the texts. The error of the first faulty text is raised, with the text's number, before
anything is split.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, TypeVar

from dstok.base.numbers import thread_count
from dstok.base.texts import Errors, Text, checked_texts
from dstok.base.threads import map_by_threads
from dstok.core.run._offsets import in_characters
from dstok.core.run._span_pass import SpanPass
from dstok.errors import ArgumentError
from dstok.splitting.texts import numbered

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

    Spans = npt.NDArray[np.int64]

__all__ = ["TextBatch"]

Found = TypeVar("Found")

PART = 1 << 20  # bytes of text that a thread takes at a time


class TextBatch:
    """Texts in the form of the core, for `threads` threads, which need no GIL while they look for pieces."""

    def __init__(self, span_pass: SpanPass, texts: Iterable[Text], threads: int, errors: Errors) -> None:
        self.span_pass, self.threads = span_pass, thread_count(threads)
        self.texts = [numbered(text, errors, number) for number, text in enumerate(checked_texts(texts))]

    def spans(self, unit: str) -> tuple[Spans, Spans]:
        """(spans int64[n, 2], offsets int64[texts + 1])."""
        import numpy as np

        if unit not in ("bytes", "characters"):
            raise ArgumentError(f'expected the unit "bytes" or "characters", found {unit!r}', "unit")
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
