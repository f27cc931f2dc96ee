"""A corpus -> figures about it: tokens a document, bytes a token, the most frequent ids.

In: a `Corpus` and its tokenizer. Out: `Figures`. Invariant: all ids are counted. A packed corpus does not record
where documents were cut: its rows count as documents, and its pad ids count too.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from dstok.corpus.extras import needed
from dstok.errors import UnknownIdError

if TYPE_CHECKING:
    from dstok.corpus.reading import Corpus
    from dstok.corpus.writers import Array
    from dstok.tokenizer import Tokenizer

__all__ = ["PERCENTS", "Figures", "figures", "plot"]

PERCENTS = (0, 1, 5, 25, 50, 75, 95, 99, 100)


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
            _check(many.ids, tokenizer.vocab_size)
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


def _check(ids: Array, size: int) -> None:
    if len(ids) and int(ids.max()) >= size:
        raise UnknownIdError(int(ids.max()), int(ids.argmax()), size)


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
