"""Many texts, by several threads: their spans in flat arrays, their pieces, the numbers of pieces.

In: texts. Out: spans, and where each text's spans begin among them; lists; counts. Invariant: single calls give the
same results, in the order of the texts. The error of the first faulty text is raised, with the text's number, before
anything is split.

The frequency of each piece in a corpus.

In: a finder and texts, one by one. Out: each distinct piece with its frequency, the most frequent first.
Invariant: the pieces are those that `Splitter.split` gives for each text. The longest text bounds memory, and `memory`
bounds the tables of distinct pieces. The result comes on top.

Each thread has a counter of its own (dstok/counts.py). They are merged at the end.

A text that comes in parts: its pieces, as soon as they are sure.

In: parts of a text. Out: pieces. Invariant: all pieces together are those of the whole text. Memory is bounded by the
longest piece and the text to be read after it; time is linear. A splitter that reads from both sides is sure of no
piece before the end of the text, and holds all of it.
"""

from __future__ import annotations

from array import array
from collections.abc import Callable, Iterable, Iterator
from itertools import pairwise
from typing import TYPE_CHECKING, TypeVar

from dstok._util.arguments import Errors, Text, checked_texts, in_lists, ready, replaces_faults, thread_count
from dstok._util.threads import map_by_threads
from dstok.core.find._word_counts import dict_of
from dstok.core.run._pieces import SpanPass, in_characters
from dstok.core.text._utf8 import Rows
from dstok.counts import PieceCounter, count_together
from dstok.errors import StreamError
from dstok.methods.streams import Incoming
from dstok.pretokenizer.finders import checked_unit, numbered

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

    from dstok.core.find._finder import Finder

__all__ = ["PieceCounts", "SplitStream", "TextBatch", "count_pieces", "count_rows", "span_rows"]

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

    Spans = npt.NDArray[np.int64]

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


class SplitStream(Incoming):
    """Splits a text that comes in parts; made by `Splitter.stream`.

    `feed` takes `str` or bytes of any kind (a character may be cut between two parts of bytes) and returns the pieces
    that no later text can change; `finish` returns the rest. Threads must not share a stream. `copy` (`copy.copy`,
    `copy.deepcopy`) gives a second stream that goes on by itself.
    """

    def __init__(self, span_pass: SpanPass, errors: Errors) -> None:
        super().__init__(errors)
        self._span_pass = span_pass
        self._held = bytearray()
        self._wait = 0
        self._finished = False
        self._whole = span_pass.way() == "both sides"

    def feed(self, text: Text) -> list[str]:
        """The pieces that are sure after `text`. Raises `TextError` with the offset in the stream, `ArgumentError`."""
        return self._advance(text, False)

    def finish(self) -> list[str]:
        """The remaining pieces; the stream is then at its end."""
        return self._advance(b"", True)

    def _advance(self, text: Text, final: bool) -> list[str]:
        if self._finished:
            raise StreamError("the stream is finished")
        self._held += self._utf8(text, final)
        self._finished = final
        if self._whole:
            return self._all() if final else []
        if not final and len(self._held) < self._wait:
            return []
        spans, end = self._span_pass.sure_spans(self._held, final)
        pieces = [self._held[start:stop].decode() for start, stop in spans.tolist()]
        del self._held[:end]
        self._wait = 0 if end else 2 * len(self._held)  # an endless piece is not read again for each part
        return pieces

    def _all(self) -> list[str]:
        """The pieces of all held text, which it then drops."""
        held, self._held = self._held, bytearray()
        return self._span_pass.split(bytes(held))
