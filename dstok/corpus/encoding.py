"""A shard: its documents -> their ids -> rows of one length, another order -> files, and their manifest.

In: a `Job` and a `Shard`. Out: files, and last the manifest; documents that cannot be encoded go to `Faults`.
Invariant: an engine runs only `Job.done`, which depends only on job and shard, so the files always have the same bytes.
No file has its name until all are on the disk; there is no manifest until all have their names. No id is lost and none
moves inside its document. A thread that encodes ahead changes nothing but the time: only the caller reads, and reports
faults; the first fault in the documents' order is raised. Rows are cut anywhere; the pad id fills the last one, and
counts there as a document. A file ends where a document, or a packed row, ends:

    rows of 4: [a a a] [b b b b b] [c] -> [a a a b] [b b b b] [c pad pad pad], documents' parts 3 1 | 4 | 1 3
    at most 6 ids a file, documents of 4, 2, 3 and 9 -> NAME (4 2), NAME.00001 (3), NAME.00002 (9)
"""

from __future__ import annotations

import hashlib
import tempfile
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from contextlib import closing
from functools import partial
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from dstok._util.files import write_json
from dstok.corpus.documents import DocumentBatch, DocumentReader, Faults, reader_of
from dstok.corpus.inputs import Shard
from dstok.corpus.settings import SKIPPED, CorpusSettings, manifest_name
from dstok.corpus.writers import WRITERS, Batch, Files, Numbers, Writer
from dstok.errors import FileError, SpecialTokenError, TextError
from dstok.methods.batch import encode_rows

if TYPE_CHECKING:
    from dstok._util.files import OutputFile
    from dstok.corpus.writers import Array
    from dstok.tokenizer import Tokenizer

    Ids = tuple[Array, Array]

Watch = Callable[[int, int, int], None]  # gets bytes read, documents and ids written since the last call
AHEAD, MOST = 2, 4 << 20  # batches that wait, and their bytes
BATCH = 1 << 20  # ids that are passed on together


class BatchEncoder:
    """Encodes batches with a tokenizer, under the settings of a corpus."""

    def __init__(self, tokenizer: Tokenizer, settings: CorpusSettings) -> None:
        self.tokenizer = tokenizer
        special = settings.special if isinstance(settings.special, str) else list(settings.special)
        self.options: dict[str, Any] = {"special": special, "add_bos": settings.add_bos, "add_eos": settings.add_eos}

    def all(self, readers: Iterable[DocumentReader], ahead: bool) -> Iterator[tuple[DocumentBatch, Array, Array]]:
        """Each batch with its ids, uint32[n], and the number of ids of each document, int64[d]. Raises `FileError`."""
        from concurrent.futures import ThreadPoolExecutor  # whose thread is started by its first task

        batches = ((reader, batch) for reader in readers for batch in reader.batches())
        waiting: deque[tuple[DocumentReader, DocumentBatch, Callable[[], Ids]]] = deque()
        error: Exception | None = None
        pool = ThreadPoolExecutor(1)
        try:
            while error is None:
                try:
                    reader, batch = next(batches)
                    waiting.append((reader, batch, pool.submit(self._ids, batch.texts).result if ahead else
                                    partial(self._ids, batch.texts)))
                except (FileError, StopIteration) as end:  # an error comes after those of the documents before it
                    error = end
                while waiting and (error or len(waiting) > AHEAD * ahead
                                   or sum(batch.size for _, batch, _ in waiting) > MOST):
                    reader, batch, ids = waiting.popleft()
                    yield batch, *self._result(reader, batch, ids)
            if isinstance(error, FileError):
                raise error
        finally:
            pool.shutdown(cancel_futures=True)

    def one(self, reader: DocumentReader, batch: DocumentBatch) -> Ids:
        """The ids of one batch, and the number of ids of each document."""
        return self._result(reader, batch, partial(self._ids, batch.texts))

    def _ids(self, texts: Any) -> Ids:
        if isinstance(texts, list):
            ids, offsets = self.tokenizer.encode_batch_arrays(texts, **self.options)
            return ids, np.diff(offsets)
        from dstok.arrow.columns import column_of

        column = column_of(texts)
        return encode_rows(self.tokenizer, column.texts.rows(), column.texts.present, **self.options)

    def _result(self, reader: DocumentReader, batch: DocumentBatch, ids: Callable[[], Ids]) -> Ids:
        """The result of `_ids`. If a document is bad, the others are encoded one by one."""
        try:
            return ids()
        except (TextError, SpecialTokenError) as error:
            if not reader.faults.skips:
                reader.bad(batch.numbers[error.batch_index or 0], _words_of(error))
        parts = list["Array"]()
        for number, text in batch.each():
            try:
                parts.append(self._ids([text])[0])
            except (TextError, SpecialTokenError) as error:
                reader.bad(number, _words_of(error))
        return np.concatenate([np.zeros(0, np.uint32), *parts]), np.array([len(part) for part in parts], np.int64)


def _words_of(error: TextError | SpecialTokenError) -> str:
    if isinstance(error, TextError):
        return error.message
    return (f"the text holds the added token {error.token!r} at byte offset {error.offset} (special all makes it that "
            "token, none plain text)")


def packed(batches: Iterable[Batch], length: int, pad_id: int) -> Iterator[Batch]:
    """Rows of `length` ids of all batches. `pad_id` fills the last one."""
    ids, lengths = np.zeros(0, np.uint32), np.zeros(0, np.int64)  # of the unfinished row
    for more, their_lengths, _ in batches:
        ids, lengths = np.concatenate([ids, more]), np.concatenate([lengths, their_lengths])
        count = len(ids) // length
        full = count * length
        parts, counts = _cut(lengths, length)
        inside = int(counts[:count].sum())
        if full:
            yield Batch(ids[:full], parts[:inside], counts[:count])
        ids, lengths = ids[full:].copy(), parts[inside:]
    if len(ids):
        padding = length - len(ids)
        ids = np.concatenate([ids, np.full(padding, pad_id, np.uint32)])
        lengths = np.append(lengths, padding) if padding else lengths
        yield Batch(ids, lengths, np.array([len(lengths)]))


def _cut(lengths: Array, length: int) -> tuple[Array, Array]:
    """Cuts documents where rows end. Returns the lengths of their parts, and the number of parts in each row.

    A document without ids has a part in the row that begins at its place; at the end it is left out.
    """
    lengths = lengths[lengths > 0]
    ends = np.cumsum(lengths)
    total = int(ends[-1]) if len(ends) else 0
    cuts = np.union1d(ends, np.arange(length, total + 1, length))
    return np.diff(cuts, prepend=0), np.bincount((cuts - 1) // length, minlength=0)


def shuffled(batches: Iterable[Batch], seed: int, name: str, scratch: str) -> Iterator[Batch]:
    """The documents of a shard in another order, by way of a temporary file."""
    kept = Numbers(scratch)
    with tempfile.TemporaryFile(dir=scratch) as file, closing(kept):
        for more, their_lengths, _ in batches:
            file.write(more.data.cast("B"))
            kept.add(their_lengths)
        file.flush()
        lengths = np.concatenate([np.zeros(0, np.int64), *kept.blocks()])
        ends = np.cumsum(lengths)
        ids = np.memmap(file, np.uint32, "r") if len(ends) and ends[-1] else np.zeros(0, np.uint32)
        waiting, size, left = list[int](), 0, len(lengths)
        for number in order(len(lengths), seed, name).tolist():
            waiting.append(number)
            size, left = size + int(lengths[number]), left - 1
            if size >= BATCH or len(waiting) == 1 << 16 or not left:
                parts = [ids[ends[number] - lengths[number] : ends[number]] for number in waiting]
                yield Batch(np.concatenate(parts), lengths[waiting])
                waiting, size = [], 0


def order(count: int, seed: int, name: str) -> Array:
    """The numbers from 0 to before `count`, int64[count], in an order that looks random.

    They are sorted by a hash (splitmix64) computed here, so no version of numpy gives another order.
    """
    start = int.from_bytes(hashlib.sha256(f"{seed} {name}".encode("utf-8", "surrogateescape")).digest()[:8], "little")
    x = np.arange(1, count + 1, dtype=np.uint64) * np.uint64(0x9E3779B97F4A7C15) + np.uint64(start)
    x = (x ^ (x >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    x = (x ^ (x >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return np.argsort(x ^ (x >> np.uint64(31)), kind="stable")


class Rolling:
    """Writes the files `name`, then `name.00001` and so on, as the settings say. `tokenizer`: as of `Writer`.

    A writer is made when there is something to write: a shard without documents has no files, since readers cannot map
    an empty one.
    """

    def __init__(self, files: Files, name: str, settings: CorpusSettings, tokenizer: tuple[str, str]) -> None:
        self.files, self.name, self.settings, self.tokenizer = files, name, settings, tokenizer
        self.writer: Writer | None = None
        self.number = self.size = 0
        self.documents = self.tokens = 0  # in all files; for packed rows, the rows

    def add(self, batch: Batch) -> None:
        """As `Writer.add`."""
        (ids, lengths, rows), settings = batch, self.settings
        counts = np.ones(len(lengths), np.int64) if rows is None else rows
        documents = np.concatenate([[0], np.cumsum(counts)])
        ends = np.concatenate([[0], np.cumsum(lengths)])[documents]
        at = 0
        while at < len(counts):
            until = len(counts)
            if settings.tokens_per_file:  # up to where all fits into the file, or into a new one if none fits
                room = settings.tokens_per_file - self.size
                until = int(np.searchsorted(ends, room + int(ends[at]), "right")) - 1
                if until <= at and self.size:
                    self.close()
                    continue
                until = max(until, at + 1)
            if self.writer is None:
                name = f"{self.name}.{self.number:05}" if self.number else self.name
                self.writer = WRITERS[settings.format](self.files, name, settings.dtype, self.tokenizer,
                                                       settings.pack > 0)
            part = lengths[documents[at] : documents[until]]
            self.writer.add(Batch(ids[ends[at] : ends[until]], part, None if rows is None else rows[at:until]))
            self.size += int(ends[until] - ends[at])
            at = until
        self.documents, self.tokens = self.documents + len(counts), self.tokens + len(ids)

    def close(self) -> None:
        """Ends the file."""
        if self.writer is not None:
            self.writer.close()
            self.number += 1
        self.writer, self.size = None, 0


class Job(NamedTuple):
    """The common data of all shards of a corpus. It pickles."""

    out: str
    scratch: str
    settings: CorpusSettings
    tokenizer: Tokenizer

    def done(self, shard: Shard, watch: Watch, ahead: bool = False) -> dict[str, Any]:
        """Writes a shard's files and its manifest, and returns the manifest. Raises `FileError`.

        ahead: whether a shard may use a second core.
        """
        settings, tokenizer, files = self.settings, self.tokenizer, Files(self.out, self.scratch)
        listed: OutputFile | None = None

        def skip(line: bytes) -> None:
            nonlocal listed
            listed = listed or files.new(f"{SKIPPED}{shard.name}.jsonl")  # no file without a skipped document
            listed.write(line)

        faults = Faults(skip if settings.skip else None)
        readers = [reader_of(part, settings, faults) for part in shard.parts]
        ahead = ahead and not settings.skip  # the list of bad documents has the same order on any machine
        documents = tokens = 0

        def encoded() -> Iterator[Batch]:
            nonlocal documents, tokens
            for batch, ids, lengths in BatchEncoder(tokenizer, settings).all(readers, ahead):
                if len(lengths):
                    yield Batch(ids, lengths)
                documents, tokens = documents + len(lengths), tokens + len(ids)
                watch(batch.size, len(lengths), len(ids))

        batches = encoded()
        if settings.shuffle is not None:
            batches = shuffled(batches, settings.shuffle, shard.name, self.scratch)
        if settings.pack:
            batches = packed(batches, settings.pack, settings.pad_id or 0)
        rolling = Rolling(files, shard.name, settings, (tokenizer.name or "", tokenizer.fingerprint))
        with files:
            for each in batches:
                rolling.add(each)
            rolling.close()
            manifest = {
                "shard": shard.name, "documents": documents, "tokens": tokens, "rows": rolling.documents,
                "padding": rolling.tokens - tokens, "skipped": faults.count,
                "inputs": [reader.record() for reader in readers],
                "outputs": [written._asdict() for written in files.commit()]}
            write_json(self.out, manifest_name(shard.name), manifest, self.scratch)
        return manifest
