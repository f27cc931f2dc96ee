"""Many texts: their spans in flat arrays, by several threads.

In: texts. Out: spans, and where each text's begin among them. Invariant: what single calls give, in the order of the
texts; the error of the first text that has one is raised, with its number, before anything is split.
"""

from __future__ import annotations

from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

from dstok.base.texts import Errors, Text, laid
from dstok.core._cut import Cutter, in_characters
from dstok.core._cut import Spans as Memory
from dstok.errors import TextError

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

    Spans = npt.NDArray[np.int64]

__all__ = ["SpanBatch"]

PART = 1 << 20  # bytes of text that a thread takes at a time


class SpanBatch:
    """Texts as the core takes them."""

    def __init__(self, cutter: Cutter, texts: Iterable[Text], errors: Errors) -> None:
        self.cutter = cutter
        self.texts = [_numbered(text, errors, number) for number, text in enumerate(texts)]

    def run(self, threads: int, unit: str) -> tuple[Spans, Spans]:
        """(spans int64[n, 2], offsets int64[texts + 1])."""
        import numpy as np

        if unit not in ("bytes", "characters"):
            raise ValueError(f'expected the unit "bytes" or "characters", found {unit!r}')
        parts = self._parts()
        if threads > 1 and len(parts) > 1:
            with ThreadPoolExecutor(threads) as pool:
                found = list(pool.map(lambda part: self._part(part, unit), parts))
        else:
            found = [self._part(part, unit) for part in parts]
        offsets = np.zeros(len(self.texts) + 1, np.int64)
        np.cumsum([count for _, counts in found for count in counts], out=offsets[1:])
        spans = [part for part, _ in found]
        joined = spans[0] if len(spans) == 1 else np.concatenate([np.empty((0, 2), np.int64), *spans])
        return joined, offsets

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
        memory, counts = self.cutter.spans_of(texts)
        spans, at = as_spans(memory), 0
        if unit == "characters":
            for text, count in zip(texts, counts):
                if not isinstance(text, str):
                    in_characters(text, spans[at : at + count].reshape(-1))
                at += count
        return spans, counts


def _numbered(text: Text, errors: Errors, number: int) -> str | bytes:
    try:
        return laid(text, errors)
    except TextError as error:
        raise TextError(error.message, error.offset, number) from None
    except TypeError as error:
        raise TypeError(f"{error} of text {number}") from None


def as_spans(memory: Memory) -> npt.NDArray[np.int64]:
    """Spans of the core as int64[n, 2]."""
    import numpy as np

    size = memoryview(memory).nbytes
    return np.frombuffer(memoryview(memory), np.int64).reshape(-1, 2) if size else np.empty((0, 2), np.int64)
