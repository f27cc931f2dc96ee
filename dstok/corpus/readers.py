"""The files of a corpus -> its documents, as arrays of ids.

In: the folder of a corpus, or one of its files; the dtype of ids; the length of rows, 0 if a row is a document. Out:
`Corpus`, a sequence of arrays, and `TokenFile`s, whose ids `merge` and `stats` take for many rows together.
Invariant: ids are read-only, and mapped where the format allows it (of a Parquet file one group of rows is in memory,
of JSON lines the place of each line). The contents that a reader relies on are checked, and an error names the file.
Documents come in the order of the inputs. A `Corpus` pickles as its path and dtype, and is a map-style data set for
PyTorch (`len`, `[i]`). The layouts: `writers.py`.
"""

from __future__ import annotations

import bisect
import json
import mmap
import os
import struct
from array import array
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import cached_property, lru_cache, partial
from typing import TYPE_CHECKING, Any, NamedTuple, overload

import numpy as np

from dstok._util.arguments import checked_dtype, explained
from dstok._util.files import OF_FILES, absolute, file_faults, reason
from dstok._util.imports import needed
from dstok.corpus.folder import read_corpus, read_manifest, read_plan
from dstok.corpus.settings import SKIPPED, CorpusSettings
from dstok.corpus.tables import about
from dstok.corpus.writers import MAGIC, MEGATRON_DTYPES, WRITERS, Batch
from dstok.errors import FileError

if TYPE_CHECKING:
    from dstok._util.arguments import Dtype
    from dstok._util.files import StrPath
    from dstok.corpus.writers import Array

IDS = 1 << 20  # ids of a batch, about
HEADER = 34  # bytes of a megatron index before its arrays


class Rows(NamedTuple):
    """Rows of a file. Row i is `ids[ends[i] : ends[i + 1]]`.

    lengths: if they are packed, the number of ids of each document's part, those of row i from `cuts[i]` on.
    """

    ids: Array
    ends: Array
    lengths: Array | None = None
    cuts: Array | None = None

    def many(self) -> Iterator[Batch]:
        """All rows, about `IDS` ids at a time."""
        start, count = 0, len(self.ends) - 1
        while start < count:
            stop = max(start + 1, int(np.searchsorted(self.ends, self.ends[start] + IDS, "right")) - 1)
            ends = np.asarray(self.ends[start : stop + 1]).astype(np.int64)
            ids = np.asarray(self.ids[ends[0] : ends[-1]]).astype(np.uint32)
            if self.lengths is None or self.cuts is None:
                yield Batch(ids, np.diff(ends))
            else:
                cuts = np.asarray(self.cuts[start : stop + 1])
                yield Batch(ids, self.lengths[cuts[0] : cuts[-1]].astype(np.int64), np.diff(cuts))
            start = stop


class TokenFile:
    """A file of `len()` rows. `group(i)` reads rows from `starts[i]` to before `starts[i + 1]`."""

    def __init__(self, path: str, starts: Sequence[int], group: Callable[[int], Rows]) -> None:
        self.path, self.starts, self.group = path, starts, lru_cache(2)(group)

    def __len__(self) -> int:
        return self.starts[-1]

    @cached_property
    def tokens(self) -> int:
        """The number of ids, including those that fill rows."""
        groups = map(self.group, range(len(self.starts) - 1))
        return sum(int(rows.ends[-1] - rows.ends[0]) for rows in groups)

    def row(self, index: int) -> Array:
        """The ids of a row, 0 <= index < len."""
        group = bisect.bisect_right(self.starts, index) - 1
        rows, at = self.group(group), index - self.starts[group]
        return rows.ids[rows.ends[at] : rows.ends[at + 1]]

    def lengths(self, index: int) -> Array:
        """The number of ids of each document in a row."""
        group = bisect.bisect_right(self.starts, index) - 1
        rows, at = self.group(group), index - self.starts[group]
        if rows.lengths is None or rows.cuts is None:
            return np.array([rows.ends[at + 1] - rows.ends[at]])
        return rows.lengths[rows.cuts[at] : rows.cuts[at + 1]]

    def many(self) -> Iterator[Batch]:
        """All rows."""
        for group in range(len(self.starts) - 1):
            yield from self.group(group).many()


def map_array(path: str, dtype: str, offset: int = 0, count: int = -1) -> Array:
    """The numbers in a file, mapped. Raises `FileError`."""
    with file_faults(path, OF_FILES):
        if count < 0:
            size, itemsize = os.stat(path).st_size - offset, np.dtype(dtype).itemsize
            if size % itemsize:
                raise ValueError(f"expected whole numbers of {itemsize} bytes, found {size} bytes")
            count = size // itemsize
        return np.memmap(path, dtype, "r", offset, (count,)) if count else np.zeros(0, dtype)


def _flat(path: str, where: str, rows: Rows, pack: int) -> TokenFile:
    """A file of ids in a row, whose ends the file `where` says: those of documents' parts, if rows have `pack` ids."""
    ids, ends = rows.ids, rows.ends
    last = int(ends[-1])
    if last != len(ids) or ends[0] != 0 or bool((ends[1:] < ends[:-1]).any()):
        raise FileError(f"{path}: expected {last} ids, in ascending places, as {where} says, found {len(ids)} ids")
    if pack:
        if len(ids) % pack:
            raise FileError(f"{path}: expected rows of {pack} ids, found {len(ids)} ids")
        starts = np.arange(0, len(ids) + 1, pack)
        rows = Rows(ids, starts, np.diff(ends), np.searchsorted(ends, starts, "right") - 1)
    return TokenFile(path, [0, len(rows.ends) - 1], lambda group: rows)


def _open_raw(path: str, dtype: str, pack: int) -> TokenFile:
    """A file of ids, and a file of the offsets of its documents."""
    offsets = path.removesuffix(".bin") + ".offsets"
    rows = Rows(map_array(path, f"<{np.dtype(dtype).str[1:]}"), map_array(offsets, "<i8"))
    if not len(rows.ends):
        raise FileError(f"{offsets}: expected at least one offset, found none")
    return _flat(path, offsets, rows, pack)


def _open_datatrove(path: str, dtype: str, pack: int) -> TokenFile:
    """A file of ids as datatrove writes it, with its index and its metadata."""
    with file_faults(f"{path}.metadata", OF_FILES):
        with open(f"{path}.metadata", encoding="utf-8") as file:
            first, second = file.readline(), file.readline()
        size, count = int(first.rpartition("|")[2]), int(second)
        if size not in (2, 4):
            raise ValueError(f"expected ids of 2 or 4 bytes, found {size}")
    rows = Rows(map_array(path, f"<u{size}"), np.concatenate([[0], map_array(f"{path}.index", "<i8")]))
    made = _flat(path, f"{path}.index", rows, pack)
    if count != len(rows.ids):
        raise FileError(f"{path}: expected {count} ids, as {path}.metadata says, found {len(rows.ids)}")
    return made


def _open_megatron(path: str, dtype: str, pack: int) -> TokenFile:
    """A file of ids as Megatron-LM writes it, with its index."""
    index = path.removesuffix(".bin") + ".idx"
    with file_faults(index), open(index, "rb") as file:
        start, size = file.read(HEADER), os.fstat(file.fileno()).st_size
    if len(start) < HEADER or not start.startswith(MAGIC):
        raise FileError(f"{index}: expected an index of megatron's, found another file")
    version, code, sequences, documents = struct.unpack("<QBQQ", start[len(MAGIC) :])
    kind = next((kind for kind, known in MEGATRON_DTYPES.items() if known == code), None)
    if version != 1 or kind is None:
        raise FileError(f"{index}: expected version 1 and ids of {' or '.join(MEGATRON_DTYPES)}, found version "
                        f"{version} and code {code}")
    if size != HEADER + 12 * sequences + 8 * documents:
        raise FileError(f"{index}: expected {HEADER + 12 * sequences + 8 * documents} bytes, found {size}")
    ids, lengths = map_array(path, f"<{np.dtype(kind).str[1:]}"), map_array(index, "<i4", HEADER, sequences)
    parts = np.concatenate([[0], np.cumsum(lengths, dtype=np.int64)])
    offsets = map_array(index, "<i8", HEADER + 4 * sequences, sequences)
    firsts = map_array(index, "<i8", HEADER + 12 * sequences, documents)  # sequences of documents
    ascend = bool((np.diff(firsts) >= 0).all()) and len(firsts) > 0
    if not ascend or firsts[0] != 0 or firsts[-1] != sequences:
        raise FileError(f"{index}: expected documents' sequences from 0 to {sequences}, ascending")
    if bool((offsets != parts[:-1] * ids.dtype.itemsize).any()):
        raise FileError(f"{index}: expected sequences one after the other, found other places")
    rows = Rows(ids, parts[firsts], lengths, firsts) if pack else Rows(ids, parts[firsts])
    return _flat(path, index, rows, 0)


def _open_parquet(path: str, dtype: str, pack: int) -> TokenFile:
    """A Parquet file. Each row group is read whole."""
    with about(path):
        source = needed("pyarrow").memory_map(os.fsencode(path))  # as bytes: pyarrow takes no str that is not UTF-8
        file = needed("pyarrow.parquet").ParquetFile(source, pre_buffer=False)
        sizes = [file.metadata.row_group(i).num_rows for i in range(file.metadata.num_row_groups)]
    return _table(path, sizes, lambda group: file.read_row_group(group, use_threads=False), pack)


def _open_arrow(path: str, dtype: str, pack: int) -> TokenFile:
    """A file of Arrow's IPC format, a record batch at a time."""
    with about(path):
        pa = needed("pyarrow")
        file = pa.ipc.open_file(pa.memory_map(os.fsencode(path)))
        sizes = [file.get_batch(i).num_rows for i in range(file.num_record_batches)]
    return _table(path, sizes, file.get_batch, pack)


def _table(path: str, sizes: list[int], read: Callable[[int], Any], pack: int) -> TokenFile:
    def group(number: int) -> Rows:
        with about(path):
            table = read(number)
            return Rows(*_lists(table.column("input_ids")), *(_lists(table.column("lengths")) if pack else ()))

    return TokenFile(path, np.cumsum([0, *sizes]).tolist(), group)


def _lists(column: Any) -> tuple[Array, Array]:
    """A column of lists: all values, and the end of each list; the first end is 0 or the start of the first list."""
    pa = needed("pyarrow")
    column.validate(full=True)
    lists = column.combine_chunks() if isinstance(column, pa.ChunkedArray) else column
    if not pa.types.is_list(lists.type) or not pa.types.is_integer(lists.type.value_type) or lists.null_count:
        raise ValueError(f"expected lists of ids, found {lists.type}")
    return lists.values.to_numpy(zero_copy_only=False), lists.offsets.to_numpy().astype(np.int64)


def _open_json_lines(path: str, dtype: str, pack: int) -> TokenFile:
    """A file of JSON lines, mapped."""
    with file_faults(path, OF_FILES), open(path, "rb") as file:
        data = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
    ends = array("q", [0])
    while ends[-1] < len(data):
        ends.append(data.find(b"\n", ends[-1]) + 1 or len(data))

    def line(index: int) -> Rows:
        key = "input_ids"
        try:
            value = json.loads(data[ends[index] : ends[index + 1]])
            ids = np.array(value[key], np.int64).astype(np.uint32)
            if not pack:
                return Rows(ids, np.array([0, len(ids)]))
            lengths = np.array(value[key := "lengths"], np.int64)
            return Rows(ids, np.array([0, len(ids)]), lengths, np.array([0, len(lengths)]))
        except (ValueError, TypeError, LookupError, OverflowError, RecursionError) as error:
            raise FileError(f"{path}: expected numbers under {key!r} in line {index + 1}, found {reason(error)}"
                            ) from error

    return TokenFile(path, range(len(ends)), line)


READERS: dict[str, Callable[[str, str, int], TokenFile]] = {
    "raw": _open_raw, "megatron": _open_megatron, "datatrove": _open_datatrove, "parquet": _open_parquet,
    "arrow": _open_arrow, "jsonl": _open_json_lines,
}


class Corpus(Sequence["Array"]):
    """The documents of a corpus, or with `pack` its rows: item i is a numpy array of ids.

    `dtype`: of these arrays, which are copies, or None: as stored, read-only. `files`: its files of ids; `tokens`: the
    number of ids in them, including those that fill rows.
    """

    def __init__(self, path: str, files: Sequence[TokenFile], dtype: Dtype | None = None) -> None:
        self.path, self.files, self.dtype = path, files, dtype
        self._ends = np.cumsum([len(file) for file in files]).tolist()

    @property
    def tokens(self) -> int:
        return sum(file.tokens for file in self.files)

    def __len__(self) -> int:
        return self._ends[-1] if self._ends else 0

    @overload
    def __getitem__(self, index: int) -> Array: ...

    @overload
    def __getitem__(self, index: slice) -> list[Array]: ...

    @explained
    def __getitem__(self, index: int | slice) -> Array | list[Array]:
        if isinstance(index, slice):
            return [self[i] for i in range(*index.indices(len(self)))]
        file, row = self._find(index)
        return file.row(row) if self.dtype is None else file.row(row).astype(self.dtype)

    def __iter__(self) -> Iterator[Array]:
        rows = (file.row(row) for file in self.files for row in range(len(file)))
        return rows if self.dtype is None else (row.astype(self.dtype) for row in rows)

    @explained
    def lengths(self, index: int) -> Array:
        """The number of ids of each document in row `index`; if the corpus is not packed, of the one document."""
        file, row = self._find(index)
        return file.lengths(row)

    def _find(self, index: int) -> tuple[TokenFile, int]:
        at = index + len(self) if index < 0 else index
        if not 0 <= at < len(self):
            raise IndexError(f"expected an index below {len(self)}, found {index}")
        file = bisect.bisect_right(self._ends, at)
        return self.files[file], at - (self._ends[file - 1] if file else 0)

    def __reduce__(self) -> tuple[Any, ...]:
        return partial(open_corpus, dtype=self.dtype), (self.path,)

    def __repr__(self) -> str:
        return f"<Corpus {self.path}: {len(self)} documents, {self.tokens} tokens>"


@explained
def open_corpus(path: StrPath, *, dtype: Dtype | None = None) -> Corpus:
    """The corpus in a folder, which must be whole, or in one file of ids.

    dtype: of the arrays that it gives, "uint32", "int32" or "int64", which embeddings of PyTorch take; None: as stored.

    Raises `FileError`, and `ArgumentError` for another dtype.
    """
    path = absolute(path)
    if dtype is not None:
        checked_dtype(dtype)
    if not os.path.isdir(path):
        if path.endswith(".bin") and os.path.exists(f"{path[:-4]}.idx"):
            return Corpus(path, [_open_megatron(path, "", 0)], dtype)
        kind = next((kind for kind, writer in WRITERS.items() if path.endswith(writer.suffix)), None)
        if kind is None:
            suffixes = ", ".join(writer.suffix for writer in WRITERS.values())
            raise FileError(f"{path}: expected a folder or a file of ids ({suffixes}), found "
                            f"{'another' if os.path.exists(path) else 'none'}")
        return Corpus(path, [READERS[kind](path, "uint32", 0)], dtype)
    settings = read_plan(path)[1]
    return Corpus(path, [file for shard in read_corpus(path)["shards"]
                         for file in token_files(path, settings, read_manifest(path, shard))], dtype)


def token_files(out: str, settings: CorpusSettings, manifest: Mapping[str, Any]) -> list[TokenFile]:
    """The files of ids of a shard, from its manifest. Raises `FileError`."""
    names = [output["file"] for output in manifest["outputs"] if not output["file"].startswith(SKIPPED)]
    return [READERS[settings.format](os.path.join(out, name), settings.dtype, settings.pack) for name in names
            if name.endswith(WRITERS[settings.format].suffix)]
