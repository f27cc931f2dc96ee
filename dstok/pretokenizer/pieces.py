"""The core's objects that find pieces, and texts in the form that they read: one, many, or one that comes in parts.

In: a `Cascade`; texts. Out: a `Finder`; spans in flat arrays, and where each text's begin among them; lists; counts;
pieces as soon as they are sure.
Invariant: tables and kernels are those of a tokenizer. A text that is an ASCII `str` or valid UTF-8 is not copied. Many
texts, by several threads, have the results of single calls, in their order; the error of the first faulty text is
raised, with its number, before anything is split. A stream holds the longest piece and the text to be read after it, in
linear time.
"""

from __future__ import annotations

from array import array
from collections.abc import Callable, Iterable, Sequence
from itertools import chain, pairwise
from typing import Any, Literal, TypeAlias, TypeVar

import numpy as np
import numpy.typing as npt

from dstok._util import arguments
from dstok._util.arguments import Errors, Text, checked_text, checked_texts, replaces_faults, thread_count, utf8
from dstok._util.threads import map_by_threads
from dstok.compiled.programs import find_stored, tables_of
from dstok.core.encode.pieces import SpanPass, in_characters
from dstok.core.split.finder import Finder
from dstok.core.text.utf8 import Rows, first_invalid
from dstok.errors import TextError
from dstok.methods.incremental import Incoming
from dstok.regex import Split
from dstok.regex.cascade import Cascade

Spans: TypeAlias = "npt.NDArray[np.int64]"
Unit = Literal["bytes", "characters"]
Found = TypeVar("Found")
PART = 1 << 20  # bytes of text that a thread takes at a time


def finder_of(splits: Sequence[Split], unicode_version: str, compiled: Callable[[], Cascade]) -> Finder:
    """The finder of the pieces of steps, which `compiled` compiles if they are not stored. Raises as `tables_of`."""
    return (find_stored(splits, unicode_version) or tables_of(compiled())).finder()


def checked_unit(unit: str) -> None:
    """Raises `ArgumentError` for what is no unit of spans."""
    arguments.check_choice("unit", unit, Unit)


def readable(text: Text, errors: Errors, which: str = "text") -> str | bytes:
    """One text. Raises `TextError` (with the offset) and `ArgumentError`."""
    replace = replaces_faults(errors)
    text = checked_text(text, which, "split_batch")
    is_sound = text.isascii() if isinstance(text, str) else first_invalid(text) < 0
    return text if is_sound else utf8(text, replace)


def numbered(text: Text, errors: Errors, number: int) -> str | bytes:
    """One of several texts. An error gives its number."""
    try:
        return readable(text, errors, f"text {number}")
    except TextError as error:
        raise TextError(error.message, error.offset, number) from None


def span_rows(span_pass: SpanPass, rows: Rows, lengths: Spans, num_threads: int) -> tuple[Spans, Spans]:
    """(spans int64[n, 2], offsets int64[len(rows) + 1]) of texts in buffers, of `lengths` bytes: as `spans_batch`."""
    found = _of_rows(span_pass, rows, lengths, num_threads, False)
    return _joined([spans for spans, _ in found if spans is not None]), _offsets(np.diff(ends) for _, ends in found)


def count_rows(span_pass: SpanPass, rows: Rows, lengths: Spans, num_threads: int) -> Spans:
    """The offsets of `span_rows` alone."""
    return _offsets(np.diff(ends) for _, ends in _of_rows(span_pass, rows, lengths, num_threads, True))


def _of_rows(
    span_pass: SpanPass, rows: Rows, lengths: Spans, num_threads: int, counting: bool
) -> list[tuple[Spans | None, array[int]]]:
    """Parts of about `PART` bytes, by several threads."""
    ends = np.cumsum(lengths)
    parts = np.unique(np.searchsorted(ends, np.arange(0, int(ends[-1]) if len(ends) else 0, PART), side="right"))
    bounds = [0, *parts[parts > 0].tolist(), len(lengths)]
    return map_by_threads(
        lambda part: span_pass.of_rows(rows, *part, counting), pairwise(bounds), thread_count(num_threads))


def _joined(spans: list[Spans]) -> Spans:
    return spans[0] if len(spans) == 1 else np.concatenate([np.empty((0, 2), np.int64), *spans])


def _offsets(counts: Iterable[Any]) -> Spans:
    """Where the spans of each text begin, and the end of the last ones, from the numbers of spans, part by part."""
    return np.cumsum(np.concatenate([np.zeros(1, np.int64), *(np.asarray(some, np.int64) for some in counts)]))


def map_texts(
    work: Callable[[list[str | bytes]], Found], texts: Iterable[Text], num_threads: int, errors: Errors,
) -> list[Found]:
    """What `work` makes of parts of the texts, by `num_threads`, which need no GIL while they look for pieces."""
    count, size, parts = thread_count(num_threads), PART, list[list[str | bytes]]()
    for number, text in enumerate(checked_texts(texts)):
        data = numbered(text, errors, number)
        if size >= PART:
            parts.append([])
            size = 0
        parts[-1].append(data)
        size += len(data)
    return map_by_threads(work, parts, count)


def map_each(
    call: Callable[[str | bytes], Found], texts: Iterable[Text], num_threads: int, errors: Errors,
) -> list[Found]:
    """What `call` gives for each text."""
    return list(chain.from_iterable(map_texts(lambda part: list(map(call, part)), texts, num_threads, errors)))


def span_texts(
    span_pass: SpanPass, texts: Iterable[Text], unit: str, num_threads: int, errors: Errors,
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

    found = map_texts(work, texts, num_threads, errors)
    return _joined([spans for spans, _ in found]), _offsets(counts for _, counts in found)


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
        self._wait = self._left = 0

    def feed(self, text: Text) -> list[str]:
        """The pieces that are sure after `text`. Raises `TextError` with the offset in the stream, `ArgumentError`."""
        return self._advance(text, False)

    def finish(self) -> list[str]:
        """The remaining pieces; the stream is then at its end."""
        return self._advance(b"", True)

    def _advance(self, text: Text, final: bool) -> list[str]:
        self._held += self._utf8(text, final)
        if not final and len(self._held) < self._wait:
            return []
        spans, end, self._left = self._span_pass.settled_spans(self._held, final, self._left)
        pieces = [self._held[start:stop].decode() for start, stop in spans.tolist()]
        del self._held[:end]
        self._wait = 0 if end else 2 * len(self._held)  # an endless piece is not read again for each part
        return pieces
