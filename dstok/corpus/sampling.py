"""An estimate of a run's output, without writing it.

In: a `Run`. Out: its shards, and the estimated number of documents and ids, from a sample. Invariant: nothing is
written, and only the start of some shards is read, so it takes seconds whatever the size of the inputs.
"""

from __future__ import annotations

from typing import NamedTuple

from dstok.corpus.documents import reader_of
from dstok.corpus.encoding import BatchEncoder
from dstok.corpus.places import Faults
from dstok.corpus.run import Run

__all__ = ["Estimate", "estimate"]

SHARDS = 16  # shards read at their start
BATCHES = 2  # of each


class Estimate(NamedTuple):
    """bytes: of the inputs as stored. documents, tokens: estimated from `sampled` bytes of text, unpacked.

    The text of packed files and tables is assumed to have as many bytes as the files themselves. So the numbers are
    too small by their compression factor. `packed`: the bytes of such inputs.
    """

    shards: int
    bytes: int
    packed: int
    documents: int
    tokens: int
    sampled: int


def estimate(run: Run) -> Estimate:
    """The figures of a run. Raises `FileError` for bad documents in the sample, unless they are skipped."""
    step = max(1, len(run.shards) // SHARDS)
    encoder = BatchEncoder(run.tokenizer, run.settings)
    faults = Faults((lambda line: None) if run.settings.skip else None)
    read = documents = tokens = 0
    for shard in run.shards[::step]:
        reader = reader_of(shard.parts[0], run.settings, faults)
        for _, batch in zip(range(BATCHES), reader.batches()):
            ids, lengths = encoder.one(reader, batch)
            read, documents, tokens = read + batch.size, documents + len(lengths), tokens + len(ids)
    total = sum(shard.size for shard in run.shards)
    packed = sum(file.size for file in run.files if file.packed or file.kind in ("parquet", "arrow"))
    share = total / max(1, read)
    return Estimate(len(run.shards), total, packed, round(documents * share), round(tokens * share), read)
