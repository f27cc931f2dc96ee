"""Figures about a corpus; an estimate of a run's output, without writing it.

In: a `Corpus` and its tokenizer; a `Run`. Out: `Figures`; `Estimate`. Invariant: all ids of a corpus are counted. A
packed corpus does not record where documents were cut: its rows count as documents, and its pad ids count too. An
estimate writes nothing and reads only the start of some shards, so it takes seconds whatever the size of the inputs.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from dstok._util.imports import needed
from dstok.corpus.documents import Faults, reader_of
from dstok.corpus.encoding import BatchEncoder
from dstok.corpus.run import Run
from dstok.errors import UnknownIdError

if TYPE_CHECKING:
    from dstok.corpus.readers import Corpus
    from dstok.corpus.writers import Array
    from dstok.tokenizer import Tokenizer

PERCENTS = (0, 1, 5, 25, 50, 75, 95, 99, 100)
SHARDS, BATCHES = 16, 2  # shards whose start is read for an estimate, and batches of each


class Figures(NamedTuple):
    """documents, tokens; bytes: of the tokens' texts; percentiles: tokens a document at each of `PERCENTS`.

    counts: how often each id occurs, int64[vocab_size]; lengths: the number of documents with 2**i to below 2**(i +
    1) tokens, in the first place that of documents with none or one.
    """

    documents: int
    tokens: int
    bytes: int
    percentiles: list[int]
    counts: Array
    lengths: list[int]

    def frequent(self, most: int) -> list[tuple[int, int]]:
        """The most frequent ids, each with its count. Of equally frequent ids the smallest comes first."""
        ids = np.argsort(-self.counts, kind="stable")[:most].tolist()
        return [(id, int(self.counts[id])) for id in ids if self.counts[id]]


def figures(corpus: Corpus, tokenizer: Tokenizer) -> Figures:
    """The figures of a corpus. Raises `FileError`, and `UnknownIdError` for ids that the tokenizer lacks."""
    counts, lengths = np.zeros(tokenizer.vocab_size, np.int64), list["Array"]()
    for file in corpus.files:
        for many in file.many():
            if len(many.ids) and int(many.ids.max()) >= tokenizer.vocab_size:
                raise UnknownIdError(int(many.ids.max()), int(many.ids.argmax()), tokenizer.vocab_size)
            counts += np.bincount(many.ids, minlength=len(counts))
            starts = None if many.rows is None else np.cumsum(many.rows) - many.rows
            rows = many.lengths if starts is None else np.add.reduceat(many.lengths, starts)
            lengths.append(rows.astype(np.uint32))
    each = np.concatenate([np.zeros(0, np.uint32), *lengths])
    used = np.flatnonzero(counts).tolist()
    size = sum(int(counts[id]) * len(tokenizer.decode_bytes([id])) for id in used)
    percentiles = np.percentile(each, PERCENTS, method="lower").tolist() if len(each) else []
    powers = np.bincount(np.frexp(np.maximum(each, 1))[1] - 1).tolist() if len(each) else []
    return Figures(len(each), int(counts.sum()), size, percentiles, counts, powers)


def plot(found: Figures, path: str) -> None:
    """Plot tokens a document, and the count of ids by their rank. Raises `FileError` without matplotlib."""
    matplotlib = needed("matplotlib", "plot")
    matplotlib.use("Agg")
    pyplot = needed("matplotlib.pyplot", "plot")
    figure, (left, right) = pyplot.subplots(1, 2, figsize=(10, 4), layout="constrained")
    left.bar([str(2**power) for power in range(len(found.lengths))], found.lengths)
    left.set(xlabel="tokens, from", ylabel="documents", title=f"{found.documents:,} documents")
    left.tick_params(axis="x", rotation=60)
    counts = np.sort(found.counts[found.counts > 0])[::-1]
    right.loglog(np.arange(1, len(counts) + 1), counts)
    right.set(xlabel="rank of the id", ylabel="how often", title=f"{found.tokens:,} tokens, {len(counts):,} ids")
    figure.savefig(path)
    pyplot.close(figure)


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
