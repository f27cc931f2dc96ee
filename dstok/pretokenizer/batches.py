"""Many texts, by several threads; the frequencies of their pieces; a text that comes in parts.

In: texts, or parts of one. Out: spans in flat arrays, and where each text's begin among them; lists; counts; each
distinct piece with its frequency, the most frequent first; pieces as soon as they are sure.
Invariant: single calls of `Splitter` give the same results, in the order of the texts. The error of the first faulty
text is raised, with its number, before anything is split. The longest text bounds the memory of counting, and `memory`
that of the counters' tables (dstok/counts.py), one for each thread; the result comes on top. A stream holds the longest
piece and the text to be read after it, in linear time. A splitter that reads from both sides is sure of no piece before
the end of the text, and holds all of it.
"""

from __future__ import annotations

from array import array
from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import chain, pairwise
from typing import TYPE_CHECKING, Any, TypeAlias, TypeVar

import numpy as np
import numpy.typing as npt

from dstok._util.arguments import Errors, Text, checked_texts, in_lists, ready, replaces_faults, thread_count
from dstok._util.threads import map_by_threads
from dstok.core.counts.word_counts import dict_of
from dstok.core.encode.pieces import SpanPass, in_characters
from dstok.core.text.utf8 import Rows
from dstok.counts import PieceCounter, count_together
from dstok.errors import StreamError
from dstok.methods.incremental import Incoming
from dstok.pretokenizer.finders import checked_unit, numbered

if TYPE_CHECKING:
    from dstok.core.split.finder import Finder

Spans: TypeAlias = "npt.NDArray[np.int64]"
Found = TypeVar("Found")
PART = 1 << 20  # bytes of text that a thread takes at a time


def span_rows(span_pass: SpanPass, rows: Rows, lengths: Spans, threads: int) -> tuple[Spans, Spans]:
    """(spans int64[n, 2], offsets int64[len(rows) + 1]) of texts in buffers, of `lengths` bytes: as `spans_batch`."""
    found = _of_rows(span_pass, rows, lengths, threads, False)
    return _joined([spans for spans, _ in found if spans is not None]), _offsets(np.diff(ends) for _, ends in found)


def count_rows(span_pass: SpanPass, rows: Rows, lengths: Spans, threads: int) -> Spans:
    """The offsets of `span_rows` alone."""
    return _offsets(np.diff(ends) for _, ends in _of_rows(span_pass, rows, lengths, threads, True))


def _of_rows(
    span_pass: SpanPass, rows: Rows, lengths: Spans, threads: int, counting: bool
) -> list[tuple[Spans | None, array[int]]]:
    """Parts of about `PART` bytes, by several threads."""
    ends = np.cumsum(lengths)
    parts = np.unique(np.searchsorted(ends, np.arange(0, int(ends[-1]) if len(ends) else 0, PART), side="right"))
    bounds = [0, *parts[parts > 0].tolist(), len(lengths)]
    return map_by_threads(
        lambda part: span_pass.of_rows(rows, *part, counting), pairwise(bounds), thread_count(threads))


def _joined(spans: list[Spans]) -> Spans:
    return spans[0] if len(spans) == 1 else np.concatenate([np.empty((0, 2), np.int64), *spans])


def _offsets(counts: Iterable[Any]) -> Spans:
    """Where the spans of each text begin, and the end of the last ones, from the numbers of spans, part by part."""
    return np.cumsum(np.concatenate([np.zeros(1, np.int64), *(np.asarray(some, np.int64) for some in counts)]))


def map_texts(
    work: Callable[[list[str | bytes]], Found], texts: Iterable[Text], threads: int, errors: Errors,
) -> list[Found]:
    """What `work` makes of parts of the texts, by `threads`, which need no GIL while they look for pieces."""
    count, size, parts = thread_count(threads), PART, list[list[str | bytes]]()
    for number, text in enumerate(checked_texts(texts)):
        data = numbered(text, errors, number)
        if size >= PART:
            parts.append([])
            size = 0
        parts[-1].append(data)
        size += len(data)
    return map_by_threads(work, parts, count)


def map_each(
    call: Callable[[str | bytes], Found], texts: Iterable[Text], threads: int, errors: Errors,
) -> list[Found]:
    """What `call` gives for each text."""
    return list(chain.from_iterable(map_texts(lambda part: list(map(call, part)), texts, threads, errors)))


def span_texts(
    span_pass: SpanPass, texts: Iterable[Text], unit: str, threads: int, errors: Errors,
) -> tuple[Spans, Spans]:
    """(spans int64[n, 2], offsets int64[texts + 1]) of `Splitter.spans_batch`."""
    checked_unit(unit)

    def work(part: list[str | bytes]) -> tuple[Spans, Sequence[int]]:
        spans, counts = span_pass.spans_of(part)
        at = 0
        if unit == "characters":
            for text, count in zip(part, counts):
                if not isinstance(text, str):
                    in_characters(text, spans[at : at + count].reshape(-1))
                at += count
        return spans, counts

    found = map_texts(work, texts, threads, errors)
    return _joined([spans for spans, _ in found]), _offsets(counts for _, counts in found)


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
        return np.frombuffer(self._parts[0], np.uint8)

    @property
    def offsets(self) -> npt.NDArray[np.int64]:
        """Where each piece begins in `pieces`, and the end of the last one, as int64[len + 1]."""
        return np.asarray(self._parts[1])

    @property
    def counts(self) -> npt.NDArray[np.int64]:
        """How often each piece occurs, as int64[len]."""
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

    def in_core_s_form() -> Iterator[list[str | bytes]]:
        number = 0
        for some in in_lists(checked_texts(texts)):
            yield ready(some, lambda text, i: numbered(text, errors, i), number)
            number += len(some)

    first, *others = [PieceCounter(finder, memory // threads) for _ in range(thread_count(threads))]
    count_together([first, *others], in_core_s_form())
    first.limit(memory)
    while others:
        first.take(others.pop())
    return PieceCounts(*first.tally.counted())


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
            held, self._held = (bytes(self._held), bytearray()) if final else (b"", self._held)
            return self._span_pass.split(held)
        if not final and len(self._held) < self._wait:
            return []
        spans, end = self._span_pass.sure_spans(self._held, final)
        pieces = [self._held[start:stop].decode() for start, stop in spans.tolist()]
        del self._held[:end]
        self._wait = 0 if end else 2 * len(self._held)  # an endless piece is not read again for each part
        return pieces
