"""One shard: its documents -> its files, and the manifest that records them.

In: a `Job` and a `Shard`. Out: files, and last the manifest. Invariant: an engine runs only this function, which
depends only on job and shard, so the files always have the same bytes. No file has its name until all are on the
disk; there is no manifest until all have their names.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, NamedTuple

from dstok._util.files import reason, write_json
from dstok.corpus.documents import Faults, reader_of
from dstok.corpus.encoding import BatchEncoder, Packer, Rolling, Shuffler, Sink
from dstok.corpus.plan import Shard
from dstok.corpus.settings import SKIPPED, CorpusSettings, manifest_name
from dstok.corpus.writers import (
    ArrowWriter,
    DatatroveWriter,
    Files,
    JsonLinesWriter,
    MegatronWriter,
    ParquetWriter,
    RawWriter,
    Writer,
)
from dstok.errors import FileError

if TYPE_CHECKING:
    from dstok._util.files import OutputFile
    from dstok.tokenizer import Tokenizer

__all__ = ["WRITERS", "Job", "Watch", "tokenize_shard", "writer_maker"]

WRITERS: dict[str, type[Writer]] = {
    "raw": RawWriter, "megatron": MegatronWriter, "datatrove": DatatroveWriter, "parquet": ParquetWriter,
    "arrow": ArrowWriter, "jsonl": JsonLinesWriter,
}
Watch = Callable[[int, int, int], None]  # gets bytes read, documents and ids written since the last call


class Job(NamedTuple):
    """The common data of all shards of a corpus. `ahead`: whether a shard may use a second core. It pickles."""

    out: str
    scratch: str
    settings: CorpusSettings
    tokenizer: Tokenizer
    ahead: bool = False

    def done(self, shard: Shard, watch: Watch) -> dict[str, Any]:
        """Does a shard, and returns its manifest."""
        return tokenize_shard(self, shard, watch)

    def with_ahead(self, ahead: bool) -> Job:
        """The same; whether a shard may use a second core."""
        return self._replace(ahead=ahead)


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
    faults, documents = Faults(listed.add if job.settings.skip else None), 0
    readers = [reader_of(part, job.settings, faults) for part in shard.parts]
    ahead = job.ahead and not job.settings.skip  # the list of bad documents has the same order on any machine
    for batch, ids, lengths in BatchEncoder(job.tokenizer, job.settings).all(readers, ahead):
        if len(lengths):
            chain.sink.add(ids, lengths)
        documents += len(lengths)
        watch(batch.size, len(lengths), len(ids))
    chain.sink.close()
    inputs, outputs = [reader.record() for reader in readers], [written._asdict() for written in files.commit()]
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
