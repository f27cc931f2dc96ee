"""Counted pieces -> merges, with a forecast of their memory, and a journal for a training that is killed.

In: pieces with their counts, block by block, and a trainer. Out: `Learned`: tokens and merges.
Invariant: upstream's vocabulary and merges, for words of ByteLevel's characters. Counts have 64 bits: where upstream's
32 bits would wrap (`Learned.highest`), these are the merges that it means. The loop takes no more memory than the
`Forecast`: words have exact sizes, and pairs and their lists stay within `pairs` (core/counts/merge_loop.h): with less
memory it counts pairs more often, and makes the same merges. No merge notes more places than `most_windows`: each
place of a pair holds the last byte of its left token beside the first byte of its right one.

The journal, little-endian: "dstokmrg", the format's number, 1, the key, the CRC-32 of these; then blocks: the number of
merges before, the number of its merges, the CRC-32 of the rest; 12 bytes a merge (left, right, merged), and
8 bytes a count. The key is a hash of all that decides the merges. A block that was not written whole, and all after it,
do not count.
"""

from __future__ import annotations

import os
import struct
from array import array
from collections.abc import Callable, Iterable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from itertools import chain
from typing import Any, NamedTuple
from zlib import crc32

from dstok._util.files import StrPath, file_faults
from dstok.core.bpe.merge import BPE
from dstok.core.counts.merge_loop import MergeLoop, Survey
from dstok.core.text.model_json import pack_tokens
from dstok.errors import ArgumentError, FileError
from dstok.formats.description import AddedToken
from dstok.training.trainer import RANKS, BpeTrainer, FirstTokens, taken

Rows = tuple[object, object, object]  # pieces, offsets, counts: piece i is pieces[offsets[i]:offsets[i + 1]]
Progress = Callable[[int, int], None]  # called with the tokens that there are, and those that are wanted

OVERFLOW = 1 << 31      # a pair's count from which on upstream's wraps
NO_LIMIT = (1 << 64) - 1
_VISITS = 1 << 20       # between two looks at Ctrl-C: some 0.2 s
_MAGIC, _FORMAT = b"dstokmrg", 1
_HEADER, _BLOCK, _SUM = struct.Struct("<8sI32s"), struct.Struct("<QQI"), struct.Struct("<I")
_A_CELL, _A_LONG = 4, 16     # bytes of an id in a word, and of a long word
_A_TOKEN = 400               # of a token: arrays by id, its merge, its bytes in Python
_A_THREAD = 162              # of a token, for each further thread: its notes
_A_PLACE = 48                # of a place that a merge notes, in arrays that may have doubled, and in two lists
_PAIRS_LEAST = 1 << 20       # of the smallest tables of pairs
_A_WINDOW, _A_WINDOW_LEAST = 4, 1  # of two neighbours: a good size of pairs and lists; the least that is not very slow
_A_WINDOW_FAST, _FAST = 24, 24 << 20  # the fastest size, of small trainings only


class Forecast(NamedTuple):
    """Bytes, at most. words: of all words. notes: of what grows with tokens and with a merge. pairs: of the rest."""

    words: int
    notes: int
    pairs: int


def forecast(survey: Survey, first: int, vocab_size: int, num_threads: int, memory: int | None) -> Forecast:
    """first: the tokens before the merges. memory: for all, in bytes; None: any. Raises `ArgumentError`."""
    tokens, places = max(first, min(vocab_size, first + survey.windows)), survey.most_windows
    words = _A_CELL * (survey.cells + survey.tokens) + _A_LONG * survey.longs
    notes = tokens * (_A_TOKEN + _A_THREAD * (num_threads - 1)) + places * _A_PLACE * min(num_threads, 2)
    lists = _PAIRS_LEAST + 16 * places
    good = lists + max(_A_WINDOW * survey.windows, min(_A_WINDOW_FAST * survey.windows, _FAST))
    least = lists + _A_WINDOW_LEAST * survey.windows
    if memory is not None and words + notes + least > memory:
        needed, given = (f"{-(-size // 10**6):,} MB" for size in (words + notes + least, memory))
        raise ArgumentError(f"expected at least {needed} of memory for the merges of "
                            f"{survey.pieces - survey.dropped_pieces:,} distinct pieces, found {given} "
                            "(drop_below leaves out rare pieces)", "memory")
    return Forecast(words, notes, good if memory is None else min(good, memory - words - notes))


class Journal:
    """The file at `path` of the training with the key `key`, 64 hex digits; a new one is begun if there is none.

    merges, counts: those that the file has. Raises `FileError`, also for the file of another training.
    """

    def __init__(self, path: StrPath, key: str) -> None:
        self.path = os.fspath(path)
        self.merges, self.counts = array("I"), array("q")
        start = _HEADER.pack(_MAGIC, _FORMAT, bytes.fromhex(key))
        start += _SUM.pack(crc32(start))
        with file_faults(self.path):
            self._file = open(self.path, "r+b" if os.path.exists(self.path) else "x+b")
            found = self._file.read(len(start))
            if len(found) == len(start) and found != start:
                raise FileError(f"{self.path}: expected the merges of this training, found those of another: other "
                                "counts, settings or steps (remove the file to begin anew)")
            if len(found) < len(start):
                self._file.seek(0)
                self._file.write(start)
            end = self._file.tell()
            while len(head := self._file.read(_BLOCK.size)) == _BLOCK.size:
                before, size, checksum = _BLOCK.unpack(head)
                left = os.fstat(self._file.fileno()).st_size - self._file.tell()
                data = self._file.read(20 * size) if 20 * size <= left else b""
                if before != len(self.counts) or not data or crc32(data) != checksum:
                    break
                self.merges += array("I", data[: 12 * size])  # little-endian, like the core
                self.counts += array("q", data[12 * size :])
                end = self._file.tell()
            self._file.seek(end)
            self._file.truncate()  # what was not written whole

    def append(self, merges: array[int], counts: array[int]) -> None:
        """Adds merges. Raises `FileError`."""
        if not counts:
            return
        data = merges.tobytes() + counts.tobytes()
        with file_faults(self.path):
            self._file.write(_BLOCK.pack(len(self.counts), len(counts), crc32(data)) + data)
            self._file.flush()
        self.merges += merges
        self.counts += counts

    def close(self) -> None:
        with suppress(OSError):
            self._file.close()


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
    rows: Callable[[], Iterable[Rows]] | Sequence[Callable[[], Iterable[Rows]]], trainer: BpeTrainer, *,
    strict: bool = True, progress: Progress | None = None,
    journal: Journal | None = None, encoder: Callable[[Learned], BPE] | None = None,
    memory: int | None = None, announce: Callable[[Forecast], None] | None = None, num_threads: int = 1,
    languages: int = 0, together: int = 0, num_merges: int | None = None, **tuning: Any,
) -> Learned:
    """The vocabulary of counted pieces. `rows` is called twice; with `languages` a list: of these, then of dev texts.

    num_merges: of languages; None: as many as the vocabulary takes.
    strict: refuse a `vocab_size` that the first tokens exceed, as `FirstTokens.check` does; upstream makes these then.
    journal: keeps the merges; those that it has are not made again. `encoder` makes the merging of a vocabulary then.
    memory: for the merges, in bytes; None: any. announce: called with the forecast of memory, before the first merge.
    num_threads, tuning: as of `MergeLoop`. No merge depends on them. Raises `UnsupportedError`, `ArgumentError` for a
    `drop_below` that drops all pieces and for too little memory, and `DstokError` for counts of more than 63 bits
    together.
    """
    survey, lanes = Survey(trainer.drop_below), [rows] if callable(rows) else rows
    for pieces, offsets, counts in chain.from_iterable(rows() for rows in lanes):
        survey.add(pieces, offsets, counts)
    if survey.pieces and survey.dropped_pieces == survey.pieces:
        raise ArgumentError(f"expected pieces that occur at least {trainer.drop_below} times, found none: the most "
                            f"frequent one occurs {survey.highest} times", "drop_below")
    first, vocab_size = FirstTokens(trainer, survey.bytes()), trainer.vocab_size
    if strict:
        first.check()
    if num_merges is not None:
        vocab_size = len(first.tokens) + num_merges
    if languages:
        tuning |= {"languages": languages, "together": together, "most": vocab_size - len(first.tokens)}
    longest = NO_LIMIT if trainer.max_token_length is None else trainer.max_token_length
    before = _learned(first, survey, *((journal.merges[:], journal.counts[:]) if journal else (array("I"), array("q"))))
    expected = forecast(survey, len(first.tokens), vocab_size, num_threads, memory)
    if announce is not None:
        announce(expected)
    known = pack_tokens([token.translate(RANKS) for token in before.tokens])
    loop = MergeLoop(known.starts, known.blob, taken(first.tokens, first.raw_ids), vocab_size, trainer.min_frequency,
                     longest, threads=num_threads, **{"pairs_room": expected.pairs, **tuning})
    if not languages:
        loop.reserve(survey.cells, survey.tokens, survey.longs)
    bpe = encoder(before) if encoder is not None and before.counts else None
    for number, rows in enumerate(lanes):
        for pieces, offsets, counts in rows():
            for lane in (number, -1) if together and number < languages else (number,):
                loop.add(pieces, offsets, counts, first.ids_of_bytes(), bpe, trainer.drop_below, lane)
    merges, pair_counts = finished(loop, vocab_size, progress, journal)
    return _learned(first, survey, before.merges + merges, before.counts + pair_counts)


def _learned(first: FirstTokens, survey: Survey, merges: array[int], counts: array[int]) -> Learned:
    tokens = first.tokens.copy()
    for left, right, merged in zip(merges[::3], merges[1::3], merges[2::3]):
        if merged == len(tokens):
            tokens.append(tokens[left] + tokens[right])
    return Learned(tuple(tokens), first.raw_ids, merges, counts, tuple(first.added), survey)


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
