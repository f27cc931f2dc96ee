"""One shard: its documents -> its files, and the manifest that records them.

In: a `Job` and a `Shard`. Out: files, and last the manifest. Invariant: an engine runs only this function, which
depends only on job and shard, so the files always have the same bytes. No file has its name until all are on the
disk; there is no manifest until all have their names.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from dstok.base.faults import reason
from dstok.corpus.documents import DocumentBatch, DocumentReader, reader_of
from dstok.corpus.flat_writers import DatatroveWriter, MegatronWriter, RawWriter
from dstok.corpus.names import SKIPPED, manifest_name
from dstok.corpus.output import write_json
from dstok.corpus.packing import Packer, Shuffler, Sink
from dstok.corpus.places import Faults
from dstok.corpus.plan import Shard
from dstok.corpus.rolling import Rolling
from dstok.corpus.settings import CorpusSettings
from dstok.corpus.table_writers import ArrowWriter, JsonLinesWriter, ParquetWriter
from dstok.corpus.writers import Files, Writer
from dstok.errors import FileError, SpecialTokenError, TextError

if TYPE_CHECKING:
    from dstok.corpus.output import OutputFile
    from dstok.corpus.writers import Array
    from dstok.tokenizer import Tokenizer

__all__ = ["WRITERS", "Job", "Watch", "encoded", "tokenize_shard", "writer_maker"]

WRITERS: dict[str, type[Writer]] = {
    "raw": RawWriter, "megatron": MegatronWriter, "datatrove": DatatroveWriter, "parquet": ParquetWriter,
    "arrow": ArrowWriter, "jsonl": JsonLinesWriter,
}
Watch = Callable[[int, int, int], None]  # gets bytes read, documents and ids written since the last call


class Job(NamedTuple):
    """The common data of all shards of a corpus. It pickles."""

    out: str
    scratch: str
    settings: CorpusSettings
    tokenizer: Tokenizer


def tokenize_shard(job: Job, shard: Shard, watch: Watch) -> dict[str, Any]:
    """Write a shard's files and its manifest, and return the manifest. Raises `FileError`."""
    files = Files(job.out, job.scratch)
    try:
        manifest = _written(job, shard, files, watch)
        write_json(job.out, manifest_name(shard.name), manifest, job.scratch)
    except OSError as error:
        raise FileError(f"{job.out}: {reason(error)}") from error
    finally:
        files.discard()
    return manifest


def _written(job: Job, shard: Shard, files: Files, watch: Watch) -> dict[str, Any]:
    tokenizer = job.tokenizer.name or job.tokenizer.fingerprint
    rolling = Rolling(writer_maker(files, shard.name, job.settings, tokenizer), job.settings.tokens_per_file)
    chain = _Chain(job, shard.name, rolling)
    listed = _Listed(files, f"{SKIPPED}{shard.name}.jsonl")
    faults = Faults(listed.add if job.settings.skip else None)
    inputs, documents = list[dict[str, Any]](), 0
    for part in shard.parts:
        reader = reader_of(part, job.settings, faults)
        for batch in reader.batches():
            ids, lengths = encoded(job, reader, batch)
            if len(lengths):
                chain.sink.add(ids, lengths)
            documents += len(lengths)
            watch(batch.size, len(lengths), len(ids))
        inputs.append(reader.record())
    chain.sink.close()
    outputs = [written._asdict() for written in files.commit()]
    padding = chain.packer.padding if chain.packer else 0
    return {"shard": shard.name, "documents": documents, "tokens": rolling.tokens - padding, "rows": rolling.documents,
            "padding": padding, "skipped": faults.count, "inputs": inputs, "outputs": outputs}


def writer_maker(files: Files, name: str, settings: CorpusSettings, tokenizer: str) -> Callable[[str], Writer]:
    """A function that makes the writer of the file called `name` and a suffix. `tokenizer`: its name."""
    return lambda suffix: WRITERS[settings.format](files, name + suffix, settings.dtype, tokenizer, settings.pack > 0)


class _Chain:
    """The stages between the encoder and the files, as the settings ask."""

    def __init__(self, job: Job, name: str, rolling: Rolling) -> None:
        settings = job.settings
        self.packer = Packer(rolling, settings.pack, settings.pad_id or 0) if settings.pack else None
        self.sink: Sink = self.packer or rolling
        if settings.shuffle is not None:
            self.sink = Shuffler(self.sink, settings.shuffle, name, job.scratch)


class _Listed:
    """The list of skipped documents: a file that is made when there is one."""

    def __init__(self, files: Files, name: str) -> None:
        self.files, self.name = files, name
        self.file: OutputFile | None = None

    def add(self, line: bytes) -> None:
        if self.file is None:
            self.file = self.files.new(self.name)
        self.file.write(line)


def encoded(job: Job, reader: DocumentReader, batch: DocumentBatch) -> tuple[Array, Array]:
    """The ids of a batch's documents, uint32[n], and each one's number, int64[d]. `reader` reports bad documents."""
    settings, tokenizer = job.settings, job.tokenizer
    special = settings.special if isinstance(settings.special, str) else list(settings.special)
    encode = partial(tokenizer.encode_batch_arrays, special=special, add_bos=settings.add_bos,  # type: ignore[arg-type]
                     add_eos=settings.add_eos)
    try:
        ids, offsets = encode(batch.texts)
    except (TextError, SpecialTokenError) as error:
        if not reader.faults.skips:
            reader.bad(batch.numbers[error.batch_index or 0], _what(error))
        parts = [part for part in _one_by_one(encode, reader, batch) if part is not None]
        lengths = np.array([len(part) for part in parts], np.int64)
        return np.concatenate([np.zeros(0, np.uint32), *parts]), lengths
    return ids, np.diff(offsets)


def _one_by_one(encode: Callable[..., Any], reader: DocumentReader, batch: DocumentBatch) -> Iterator[Array | None]:
    for number, text in zip(batch.numbers, batch.texts):
        try:
            yield encode([text])[0]
        except (TextError, SpecialTokenError) as error:
            reader.bad(number, _what(error))
            yield None


def _what(error: TextError | SpecialTokenError) -> str:
    if isinstance(error, TextError):
        return error.message
    return (f"the text holds the added token {error.token!r} at byte offset {error.offset} (special all makes it that "
            "token, none plain text)")
