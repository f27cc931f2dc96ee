"""Merges learned from counted pieces.

In: pieces with their counts, block by block, and a trainer. Out: `Learned`: tokens and merges.
Invariant: upstream's vocabulary and merges, for words of ByteLevel's characters. Counts have 64 bits: where upstream's
32 bits would wrap (`Learned.highest`), these are the merges that it means.
"""

from __future__ import annotations

from array import array
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from itertools import accumulate

from dstok.core.merge._bpe import BPE
from dstok.core.train._train import MergeLoop, Survey
from dstok.errors import ArgumentError
from dstok.formats.added_token import AddedToken
from dstok.vocabularies.alphabet import FirstTokens
from dstok.vocabularies.forecast import Forecast, forecast
from dstok.vocabularies.journal import Journal
from dstok.vocabularies.trainer import BpeTrainer

__all__ = ["NO_LIMIT", "OVERFLOW", "Learned", "Progress", "Rows", "finished", "learn", "packed"]

Rows = tuple[object, object, object]  # pieces, offsets, counts: piece i is pieces[offsets[i]:offsets[i + 1]]
Progress = Callable[[int, int], None]  # called with the tokens that there are, and those that are wanted

OVERFLOW = 1 << 31      # a pair's count from which on upstream's wraps
_VISITS = 1 << 20       # between two looks at Ctrl-C: some 0.2 s
NO_LIMIT = (1 << 64) - 1


@dataclass(frozen=True)
class Learned:
    """A vocabulary: the bytes of each token by id, and the merges, flat, as in `ModelDescription`.

    counts: of the pair of each merge, "q". survey: of the pieces.
    """

    tokens: tuple[bytes, ...]
    raw_ids: frozenset[int]
    merges: array[int]
    counts: array[int]
    added_tokens: tuple[AddedToken, ...]
    survey: Survey = field(compare=False)

    @property
    def highest(self) -> int:
        """The count of the most frequent pair, the first merge's; from `OVERFLOW` on upstream's wraps."""
        return self.counts[0] if self.counts else 0


def learn(
    rows: Callable[[], Iterable[Rows]], trainer: BpeTrainer, *, strict: bool = True, progress: Progress | None = None,
    journal: Journal | None = None, encoder: Callable[[Learned], BPE] | None = None,
    memory: int | None = None, announce: Callable[[Forecast], None] | None = None,
    threads: int = 1, divisor: int = 16, longest_short: int = 1024, shared: int = 4096, pairs_room: int | None = None,
) -> Learned:
    """The vocabulary of counted pieces. `rows` is called twice.

    strict: refuse a `vocab_size` that the first tokens exceed, as `FirstTokens.check` does; upstream makes these then.
    journal: keeps the merges; those that it has are not made again. `encoder` makes the merging of a vocabulary then.
    memory: for the merges, in bytes; None: any. announce: called with the forecast of memory, before the first merge.
    threads and the rest: as of `MergeLoop`. No merge depends on them. Raises `UnsupportedError`, `ArgumentError` for a
    `drop_below` that drops all pieces and for too little memory, and `DstokError` for counts of more than 63 bits
    together.
    """
    survey = _survey(rows(), trainer.drop_below)
    first = FirstTokens(trainer, survey.bytes())
    if strict:
        first.check()
    longest = NO_LIMIT if trainer.max_token_length is None else trainer.max_token_length
    before = _learned(first, survey, *((journal.merges[:], journal.counts[:]) if journal else (array("I"), array("q"))))
    expected = forecast(survey, len(first.spelled), trainer.vocab_size, threads, memory)
    if announce is not None:
        announce(expected)
    loop = MergeLoop(*packed(before.tokens), first.taken(), trainer.vocab_size, trainer.min_frequency, longest, divisor,
                     longest_short, threads, shared, expected.pairs if pairs_room is None else pairs_room)
    loop.reserve(survey.cells, survey.tokens, survey.longs)
    bpe = encoder(before) if encoder is not None and before.counts else None
    for pieces, offsets, counts in rows():
        loop.add(pieces, offsets, counts, first.ids_of_bytes(), bpe, trainer.drop_below)
    merges, pair_counts = finished(loop, trainer.vocab_size, progress, journal)
    return _learned(first, survey, before.merges + merges, before.counts + pair_counts)


def _learned(first: FirstTokens, survey: Survey, merges: array[int], counts: array[int]) -> Learned:
    return Learned(_tokens(first, merges), first.raw_ids(), merges, counts, tuple(first.added), survey)


def packed(tokens: Iterable[bytes | None]) -> tuple[array[int], bytes]:
    """(starts, blob) of tokens, as `MergeLoop` takes them."""
    known = [token or b"" for token in tokens]
    return array("I", accumulate(map(len, known), initial=0)), b"".join(known)


def finished(
    loop: MergeLoop, vocab_size: int, progress: Progress | None, journal: Journal | None = None,
) -> tuple[array[int], array[int]]:
    """The merges of a loop, and the counts of their pairs, when it has ended. Ctrl-C ends it between merges."""
    more, kept = True, 0
    while more:
        more = loop.run(_VISITS)
        if journal is not None:
            journal.append(*loop.merges(kept))
            kept = len(loop)
        if progress is not None:
            progress(loop.ids(), vocab_size)
    return loop.merges()


def _survey(rows: Iterable[Rows], drop_below: int) -> Survey:
    """Raises `ArgumentError` if no piece is left."""
    survey = Survey(drop_below)
    for pieces, offsets, counts in rows:
        survey.add(pieces, offsets, counts)
    if survey.pieces and survey.dropped_pieces == survey.pieces:
        raise ArgumentError(f"expected pieces that occur at least {drop_below} times, found none: the most frequent "
                            f"one occurs {survey.highest} times", "drop_below")
    return survey


def _tokens(first: FirstTokens, merges: array[int]) -> tuple[bytes, ...]:
    tokens = first.tokens()
    for left, right, merged in zip(merges[::3], merges[1::3], merges[2::3]):
        if merged == len(tokens):
            tokens.append(tokens[left] + tokens[right])
    return tuple(tokens)
