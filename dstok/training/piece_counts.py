"""Texts -> counted pieces, in bounded memory, and counts files: what a vocabulary is trained from.

In: a finder, a normalizer and texts; or counts files, and a weight for each. Out: each distinct piece with its
frequency, as a counts file, row by row, or as `PieceCounts`.
Invariant: the counts are those of `Splitter.split` over all texts, each normalized and cut by itself, whatever the
memory and the number of threads; the same pieces and counts give the same bytes. A counter's table takes at most
`memory` bytes, beside 4 MB: a full one becomes a *spill*, a counts file in `folder`. A file with its name is complete,
and each block has a checksum. Reading holds one block in memory, merging one of each of `MOST` files; more are merged
in several rounds.

The format, little-endian: a header (`_HEADER`), then the blocks. Header: "dstokcnt"; the format's number, 1; 1 if the
most frequent pieces come first, 0 if pieces are sorted by their bytes; the SHA-256 of all that decides the pieces, or
zeros; the number of distinct pieces, their bytes, the sum of the counts, the bytes of the longest piece; the size of
the file; the CRC-32 of the header so far. A block: its size (64 bits), its CRC-32, its pieces as in
`core/counts/sorted_words.h`.
"""

from __future__ import annotations

import os
import struct
from _thread import allocate_lock
from array import array
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from itertools import count, pairwise
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, NamedTuple
from weakref import WeakMethod
from zlib import crc32

import numpy as np

from dstok._util import arguments
from dstok._util.arguments import Errors, Text, explained
from dstok._util.files import StrPath, WholeFile, file_faults, scratch_beside
from dstok._util.threads import map_by_threads
from dstok.core.counts.word_counts import Merge, Tally, rows_of
from dstok.core.split.finder import Finder
from dstok.core.text.normalize import Normalizer
from dstok.errors import ArgumentError, DstokError, FileError, TextError

if TYPE_CHECKING:
    import numpy.typing as npt

    from dstok.pretokenizer.splitter import Splitter

Texts = Iterable["Text | Sequence[Text]"]
BLOCK = 1 << 18  # bytes of a block; one with a longer piece is larger
MOST = 64  # files that a merge has open
_PART = 1 << 16  # bytes of text that a thread takes at a time, at least
_MAGIC, _FORMAT = b"dstokcnt", 1
_HEADER = struct.Struct("<8sII32sQQQQQ")
_SUM = struct.Struct("<I")
_BLOCK_HEADER = struct.Struct("<QI")
_START = _HEADER.size + _SUM.size

Rows = tuple[bytes, "array[int]", "array[int]"]  # pieces, offsets, counts


class Totals(NamedTuple):
    """The number of distinct pieces, their bytes, the sum of their counts, the bytes of the longest piece."""

    distinct: int
    length: int
    occurrences: int
    longest: int


class CountsFile:
    """A counts file. `made_by`: the SHA-256 of what decides the pieces, in hex; "" if unknown. Raises `FileError`.

    `by_count`: the most frequent pieces come first, not those with the smallest bytes.
    """

    def __init__(self, path: StrPath) -> None:
        self.path = os.fspath(path)
        with file_faults(self.path), open(self.path, "rb") as file:
            header, size = file.read(_START), os.fstat(file.fileno()).st_size
        if header[: len(_MAGIC)] != _MAGIC:
            raise FileError(f"{self.path}: expected a counts file, found other bytes")
        if len(header) < _START or crc32(header[:-4]) != _SUM.unpack(header[-4:])[0]:
            raise FileError(f"{self.path}: the header of this counts file is damaged")
        _, number, by_count, made_by, *totals, expected = _HEADER.unpack(header[:-4])
        if number != _FORMAT:
            raise FileError(f"{self.path}: expected counts in format {_FORMAT}, found format {number}")
        self.size = int(expected)
        self._check_size(size)
        self.totals, self.by_count = Totals(*totals), bool(by_count)
        self.made_by = made_by.hex() if any(made_by) else ""

    def _check_size(self, found: int) -> None:
        if found != self.size:
            raise FileError(f"{self.path}: expected {self.size} bytes, found {found}")

    def blocks(self) -> Iterator[bytes]:
        """The blocks, each checked. Raises `FileError`."""
        with file_faults(self.path), open(self.path, "rb") as file:
            file.seek(_START)
            while head := file.read(_BLOCK_HEADER.size):
                at = file.tell() - len(head)
                size, checksum = _BLOCK_HEADER.unpack(head.ljust(_BLOCK_HEADER.size, b"\0"))
                block = file.read(size) if size <= self.size - file.tell() else b""
                if not block or len(block) != size or crc32(block) != checksum:
                    raise FileError(f"{self.path}: the block at byte {at} of this counts file is damaged")
                yield block
            self._check_size(file.tell())  # it may have been cut since, between two blocks

    def rows(self) -> Iterator[Rows]:
        """(pieces, offsets, counts) of each block: piece i is `pieces[offsets[i]:offsets[i + 1]]`.

        Raises `FileError`.
        """
        for block in self.blocks():
            try:
                yield rows_of(block)
            except ValueError as error:
                raise FileError(f"{self.path}: {error.args[0]}") from error


def write_counts(path: StrPath, source: Tally | Merge, made_by: str = "", by_count: bool = False) -> CountsFile:
    """Writes all blocks of `source`, whose pieces are sorted, to a file, at once or not at all.

    Raises `FileError`, and errors of the source.
    """
    path = os.fspath(path)
    with file_faults(path), WholeFile(path) as file:
        file.seek(_START)
        while block := source.block(BLOCK):
            file.write(_BLOCK_HEADER.pack(len(block), crc32(block)))
            file.write(block)
        header = _HEADER.pack(_MAGIC, _FORMAT, by_count, bytes.fromhex(made_by), *source.totals(), file.tell())
        file.seek(0)
        file.write(header + _SUM.pack(crc32(header)))
    return CountsFile(path)


def merge_counts(paths: Sequence[StrPath], out: StrPath, weights: Sequence[int] | None = None) -> CountsFile:
    """Merges counts files into the file `out`, which may be one of them.

    weights: a whole number for each file; 0 leaves it out. By default each counts once.
    Raises `FileError` for broken files and for those of different splitters, `DstokError` for a sum of 2**63 or more,
    and `ArgumentError`.
    """
    out = os.fspath(out)
    files = [CountsFile(path) for path in paths]
    for file in files:
        if (file.made_by, file.by_count) != (files[0].made_by, files[0].by_count):
            raise FileError(f"{file.path}: expected counts of the same splitter, in the same order, as {files[0].path}")
    made_by = files[0].made_by if files else ""
    if weights is not None and len(weights) != len(files):
        raise ArgumentError(f"expected a weight for each of {len(files)} files, found {len(weights)}", "weights")
    for weight in weights or ():
        if type(weight) is not int or not 0 <= weight < 1 << 63:
            raise ArgumentError(f"expected whole numbers from 0 to 2**63 - 1 as weights, found {weight!r}", "weights")

    def merge(some: Sequence[tuple[CountsFile, int]], path: str) -> CountsFile:
        by_count = any(file.by_count for file, _ in some)
        try:
            merged = Merge([file.blocks() for file, _ in some], [weight for _, weight in some], by_count)
            return write_counts(path, merged, made_by, by_count)
        except ValueError as error:
            raise FileError(f"{some[error.args[1]][0].path}: {error.args[0]}") from error
        except OverflowError as error:
            raise DstokError(f"{path}: {error}") from error

    left = [(file, weight) for file, weight in zip(files, [1] * len(files) if weights is None else weights) if weight]
    scratch: list[str] = []
    try:
        while len(left) > MOST:
            scratch.append(scratch_beside(out))
            left = [*left[MOST:], (merge(left[:MOST], scratch[-1]), 1)]
        return merge(left, out)
    finally:
        _remove(scratch)


def _remove(paths: Iterable[str]) -> None:
    for path in paths:
        with suppress(FileNotFoundError):
            os.unlink(path)


class PieceCounter:
    """Counts the pieces of texts. One thread at a time.

    folder: where spills go; it is made when it is needed. Without it a full table is a `DstokError`.
    made_by: the SHA-256, in hex, of what decides the pieces: counts files say it.
    """

    def __init__(self, finder: Finder, memory: int, folder: StrPath | None = None, made_by: str = "") -> None:
        self.tally, self.made_by = Tally(finder), made_by
        self.folder = None if folder is None else os.fspath(folder)
        self.spills: list[str] = []
        self.by_count = False  # how spills are sorted
        self.limit(memory)

    def limit(self, memory: int) -> None:
        """Sets how many bytes the table may take."""
        self.memory = memory
        weak = WeakMethod(self._spill)  # a cycle of counter and table would keep the table until Python looks for them
        self.tally.limit(memory, None if self.folder is None else lambda _: weak()())  # type: ignore[misc]

    def add(self, texts: list[str | bytes]) -> None:
        """Counts the pieces of `texts`: ASCII `str` or valid UTF-8 bytes. Raises `FileError`, and `DstokError`."""
        self._check(self.tally.add(texts))

    def take(self, other: PieceCounter) -> None:
        """Adds the counts of another counter, and empties it. Raises as `add`."""
        self._check(self.tally.merge(other.tally))
        self.spills += other.spills
        other.tally.clear(release=True)
        other.spills = []

    def _check(self, fits: bool) -> None:
        if not fits:
            raise DstokError(f"expected distinct pieces that fit in {self.memory} bytes for each thread, found "
                             f"{self.tally.distinct()} of them, and more")

    def spill(self) -> None:
        """Writes the table to `folder`, if it counted anything, and empties it. Raises `FileError`."""
        if self.tally.distinct():
            self._spill()
            self.tally.clear()

    def _spill(self) -> None:
        self.tally.sort(self.by_count)
        self.spills.append(write_counts(self._scratch(), self.tally, self.made_by, self.by_count).path)

    def _scratch(self) -> str:
        assert self.folder is not None
        with file_faults(self.folder):
            os.makedirs(self.folder, exist_ok=True)
        return os.path.join(self.folder, f"{os.urandom(8).hex()}.counts")

    def write(self, path: StrPath, keep: bool = False) -> CountsFile:
        """Writes all counts to a file, sorted as spills are, and starts anew.

        It removes the spills, unless it is to `keep` them. Raises `FileError`, and `DstokError`.
        """
        if self.spills:
            self.spill()
            written = merge_counts(self.spills, path)
        else:
            self.tally.sort(self.by_count)
            written = write_counts(path, self.tally, self.made_by, self.by_count)
            self.tally.clear()
        _remove([] if keep else self.spills)
        self.spills = []
        return written

    def most_frequent_first(self, keep: bool = False) -> Iterator[Rows]:
        """All pieces, block by block, the most frequent first, equal ones by their bytes; then as `write`."""
        if self.spills:
            merged = self.write(self._scratch(), keep)
            self.by_count = True
            for rows in merged.rows():
                self._check(self.tally.add_rows(*rows))
            os.unlink(merged.path)
        if self.spills:
            merged = self.write(self._scratch())
            yield from merged.rows()
            os.unlink(merged.path)
        else:
            self.tally.sort(True)
            while block := self.tally.block(BLOCK):
                yield rows_of(block)
            self.tally.clear()
        self.by_count = False


def count_together(counters: Sequence[PieceCounter], texts: Iterable[list[str | bytes]]) -> None:
    """Counts lists of texts, each list by one of the counters, which have a thread each.

    Raises what `texts` raises, and as `PieceCounter.add`. The counts are of no use then.
    """
    def parts() -> Iterator[list[str | bytes]]:
        part, size = list[str | bytes](), 0
        for some in texts:
            part += some
            size += sum(map(len, some))
            if size >= _PART:
                yield part
                part, size = [], 0
        yield part

    left, lock = parts(), allocate_lock()
    faults: list[BaseException] = []  # after the first one no thread goes on

    def count(counter: PieceCounter) -> None:
        try:
            while not faults:
                with lock:
                    part = next(left, None)
                if part is None:
                    break
                counter.add(part)
        except BaseException as error:
            faults.append(error)

    map_by_threads(count, counters, len(counters))
    if faults:
        raise faults[0]


@explained
def count_pieces(
    splitter: Splitter, texts: Iterable[Text], *, num_threads: int = 1, memory: int = 1 << 30,
    errors: Errors = "strict",
) -> PieceCounts:
    r"""The frequency of each piece in all of `texts`, the most frequent first: a BPE trainer begins with this.

    Texts are taken one by one: they may come from a generator. Each of `num_threads` counts some of them, without the
    GIL. Their tables of distinct pieces may take `memory` bytes together; larger ones raise `DstokError`. Raises
    `TextError` with the number of the first faulty text, and `ArgumentError`.

    >>> import dstok
    >>> found = count_pieces(dstok.Splitter(r"\w+"), ["a b", "b a b"])
    >>> len(found), found.to_dict()
    (3, {' ': 3, 'b': 3, 'a': 2})
    """
    from dstok.pretokenizer.pieces import numbered  # not needed for trainings of a model
    from dstok.pretokenizer.splitter import span_pass_of

    arguments.replaces_faults(errors)

    def lists() -> Iterator[list[str | bytes]]:
        number = 0
        for some in arguments.in_lists(arguments.checked_texts(texts)):
            yield arguments.ready(some, lambda text, i: numbered(text, errors, i), number)
            number += len(some)

    counter = _counter(span_pass_of(splitter).finder, lists(), num_threads, memory)
    pieces, offsets, counts = counter.tally.counted()
    return PieceCounts(np.frombuffer(pieces, np.uint8), np.asarray(offsets), np.asarray(counts))


@dataclass(frozen=True, eq=False, repr=False)
class PieceCounts:
    r"""Distinct pieces and their frequencies, the most frequent first; made by `count_pieces`.

    Pieces of the same frequency are in the order of their UTF-8. pieces: the UTF-8 of all pieces, one after the other,
    uint8[n]. offsets: where each begins there, and the end of the last one, int64[len + 1]: piece i is
    `pieces[offsets[i]:offsets[i + 1]]`. counts: how often each occurs, int64[len].

    >>> import dstok
    >>> found = count_pieces(dstok.Splitter(r"\w+"), ["a b", "b a b"])
    >>> bytes(found.pieces), found.offsets.tolist(), found.counts.tolist()
    (b' ba', [0, 1, 2, 3], [3, 3, 2])
    """

    pieces: npt.NDArray[np.uint8]
    offsets: npt.NDArray[np.int64]
    counts: npt.NDArray[np.int64]

    def __len__(self) -> int:
        """The number of distinct pieces."""
        return len(self.counts)

    def to_dict(self) -> dict[str, int]:
        r"""From piece to frequency, in the same order. The arrays take less memory and time than a dict.

        >>> import dstok
        >>> count_pieces(dstok.Splitter(r"\w+"), ["a b", "b a b"]).to_dict()
        {' ': 3, 'b': 3, 'a': 2}
        """
        text, ends = self.pieces.tobytes(), self.offsets.tolist()
        pieces = (text[start:end].decode() for start, end in pairwise(ends))
        return dict(zip(pieces, self.counts.tolist()))


@contextmanager
def counted(
    finder: Finder, normalizer: Normalizer | None, texts: Texts, num_threads: int, memory: int,
) -> Iterator[Callable[[], Iterable[Rows]]]:
    """Counts the pieces of `texts`; gives a function that returns blocks of them. Raises `TextError`, `FileError`."""
    with TemporaryDirectory(prefix="dstok-") as folder:
        counter = _counter(finder, ready_texts(texts, normalizer), num_threads, memory, folder)
        if counter.spills:
            yield counter.write(os.path.join(folder, "all.counts")).rows
        else:
            block = counter.tally.counted()
            del counter  # with its table
            yield lambda: [block]


def counted_file(
    finder: Finder, normalizer: Normalizer | None, texts: Texts, num_threads: int, memory: int, folder: str,
    made_by: str, path: StrPath,
) -> CountsFile:
    """Counts the pieces of `texts` into a counts file. `folder`: for tables that do not fit. Raises as `counted`."""
    return _counter(finder, ready_texts(texts, normalizer), num_threads, memory, folder, made_by).write(path)


def _counter(
    finder: Finder, texts: Iterable[list[str | bytes]], num_threads: int, memory: int, folder: str | None = None,
    made_by: str = "",
) -> PieceCounter:
    share = arguments.whole_number("memory", memory) // arguments.thread_count(num_threads)
    first, *others = [PieceCounter(finder, share, folder, made_by) for _ in range(num_threads)]
    count_together([first, *others], texts)
    first.limit(memory)
    while others:
        first.take(others.pop())
    return first


def ready_texts(texts: Texts, normalizer: Normalizer | None) -> Iterator[list[str | bytes]]:
    """Texts as `ready_text` gives them, in lists. An error has the number of its text."""
    def other(text: Text, number: int) -> str | bytes:
        try:
            return ready_text(text, normalizer)
        except TextError as error:
            raise TextError(error.message, error.offset, number) from None

    checked, number = arguments.checked_texts(texts), 0
    kinds = {*map(type, checked)} if isinstance(checked, list | tuple) else {list}
    nested = any(issubclass(kind, list | tuple) for kind in kinds)
    for each in checked if nested else [checked]:  # a text, or a list of them
        for some in arguments.in_lists(each) if isinstance(each, list | tuple) else [(each,)]:
            yield arguments.ready(some, other, number) if normalizer is None else list(map(other, some, count(number)))
            number += len(some)


def ready_text(text: Text, normalizer: Normalizer | None) -> str | bytes:
    """A text in the form of the core, normalized. Raises `TextError`."""
    if normalizer is None and isinstance(text, str) and text.isascii():
        return text
    data = arguments.utf8(text, False)
    return data if normalizer is None else normalizer.normalize(data)
