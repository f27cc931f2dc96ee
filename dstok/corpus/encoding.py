"""Batches of documents -> their ids, if there is a core for it by a thread that is some batches ahead.

In: readers of documents, the settings and the tokenizer. Out: each batch with its ids, in the order of the documents;
documents that cannot be encoded go to the reader's `Faults`. Invariant: the thread changes nothing but the time. Only
the calling thread reads, and reports faults; the first fault in the documents' order is raised. The encoder needs no
GIL, so the caller reads, hashes and writes meanwhile. Batches of some megabytes wait, so the largest allowed document
bounds memory.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Iterator
from typing import TYPE_CHECKING, Any

import numpy as np

from dstok.calls.batches import encode_rows
from dstok.corpus.documents import DocumentBatch, DocumentReader
from dstok.errors import FileError, SpecialTokenError, TextError

if TYPE_CHECKING:
    from dstok.corpus.settings import CorpusSettings
    from dstok.corpus.writers import Array
    from dstok.tokenizer import Tokenizer

    Ids = tuple[Array, Array]

__all__ = ["BatchEncoder"]

AHEAD, MOST = 2, 4 << 20  # batches that wait, and their bytes


class BatchEncoder:
    """Encodes batches with a tokenizer, under the settings of a corpus."""

    def __init__(self, tokenizer: Tokenizer, settings: CorpusSettings) -> None:
        self.tokenizer = tokenizer
        special = settings.special if isinstance(settings.special, str) else list(settings.special)
        self.options: dict[str, Any] = {"special": special, "add_bos": settings.add_bos, "add_eos": settings.add_eos}

    def all(self, readers: Iterable[DocumentReader], ahead: bool) -> Iterator[tuple[DocumentBatch, Array, Array]]:
        """Each batch with its ids, uint32[n], and the number of ids of each document, int64[d]. Raises `FileError`."""
        batches = ((reader, batch) for reader in readers for batch in reader.batches())
        if ahead:
            yield from self._ahead(batches)
        else:
            for reader, batch in batches:
                yield batch, *self.one(reader, batch)

    def _ahead(
        self, batches: Iterator[tuple[DocumentReader, DocumentBatch]],
    ) -> Iterator[tuple[DocumentBatch, Array, Array]]:
        from concurrent.futures import ThreadPoolExecutor

        waiting: deque[tuple[DocumentReader, DocumentBatch, Callable[[], Ids]]] = deque()
        error: Exception | None = None
        pool = ThreadPoolExecutor(1)
        try:
            while error is None:
                try:
                    reader, batch = next(batches)
                    waiting.append((reader, batch, pool.submit(self._ids, batch.texts).result))
                except (FileError, StopIteration) as end:  # an error comes after those of the documents before it
                    error = end
                while waiting and (error or len(waiting) > AHEAD or sum(batch.size for _, batch, _ in waiting) > MOST):
                    reader, batch, ids = waiting.popleft()
                    yield batch, *self._result(reader, batch, ids)
            if isinstance(error, FileError):
                raise error
        finally:
            pool.shutdown(cancel_futures=True)

    def one(self, reader: DocumentReader, batch: DocumentBatch) -> Ids:
        """The ids of one batch, and the number of ids of each document."""
        return self._result(reader, batch, lambda: self._ids(batch.texts))

    def _ids(self, texts: Any) -> Ids:
        if isinstance(texts, list):
            ids, offsets = self.tokenizer.encode_batch_arrays(texts, **self.options)
            return ids, np.diff(offsets)
        from dstok.arrow.columns import column_of

        column = column_of(texts)
        return encode_rows(self.tokenizer, column.rows(), column.present(), **self.options)

    def _result(self, reader: DocumentReader, batch: DocumentBatch, ids: Callable[[], Ids]) -> Ids:
        """The result of `_ids`. If a document is bad, the others are encoded one by one."""
        try:
            return ids()
        except (TextError, SpecialTokenError) as error:
            if not reader.faults.skips:
                reader.bad(batch.numbers[error.batch_index or 0], _what(error))
        parts = [part for part in self._one_by_one(reader, batch) if part is not None]
        return np.concatenate([np.zeros(0, np.uint32), *parts]), np.array([len(part) for part in parts], np.int64)

    def _one_by_one(self, reader: DocumentReader, batch: DocumentBatch) -> Iterator[Array | None]:
        texts = batch.texts if isinstance(batch.texts, list) else batch.texts.to_pylist()
        for number, text in zip(batch.numbers, texts):
            try:
                yield self._ids([text])[0]
            except (TextError, SpecialTokenError) as error:
                reader.bad(number, _what(error))
                yield None


def _what(error: TextError | SpecialTokenError) -> str:
    if isinstance(error, TextError):
        return error.message
    return (f"the text holds the added token {error.token!r} at byte offset {error.offset} (special all makes it that "
            "token, none plain text)")
