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
from collections.abc import Iterator, Mapping, Sequence
from functools import cached_property, lru_cache
from typing import TYPE_CHECKING, Any, NamedTuple, overload

import numpy as np

from dstok._util.arguments import checked_dtype, explained
from dstok._util.files import reason
from dstok._util.imports import needed
from dstok.corpus.folder import read_corpus, read_manifest, read_plan
from dstok.corpus.settings import CORPUS, PLAN, SKIPPED, CorpusSettings
from dstok.corpus.tables import about
from dstok.corpus.writers import MAGIC, MEGATRON_DTYPES
from dstok.errors import FileError

if TYPE_CHECKING:
    from dstok._util.arguments import Dtype
    from dstok._util.files import StrPath
    from dstok.corpus.writers import Array

IDS = 1 << 20  # ids of `Many`, about
HEADER = 34  # bytes of a megatron index before its arrays
PARTS = 1 << 16  # documents that are passed on together


class Many(NamedTuple):
    """Ids of many rows: as `Writer.add` takes them."""

    ids: Array
    lengths: Array
    rows: Array | None


class TokenFile:
    """A file of `len()` rows. Raises `FileError` for a file that its format does not allow."""

    tokens: int

    def __init__(self, path: str, dtype: str, pack: int) -> None:
        self.path, self.dtype, self.pack = path, dtype, pack

    def __len__(self) -> int:
        raise NotImplementedError

    def row(self, index: int) -> Array:
        """The ids of a row, 0 <= index < len."""
        raise NotImplementedError

    def lengths(self, index: int) -> Array:
        """The number of ids of each document in a row."""
        return np.array([len(self.row(index))])

    def many(self) -> Iterator[Many]:
        """All rows."""
        raise NotImplementedError

    def wrong(self, expected: str, found: str) -> FileError:
        return FileError(f"{self.path}: expected {expected}, found {found}")


def map_array(path: str, dtype: str, offset: int = 0, count: int = -1) -> Array:
    """The numbers in a file, mapped. Raises `FileError`."""
    try:
        if count < 0:
            size, itemsize = os.stat(path).st_size - offset, np.dtype(dtype).itemsize
            if size % itemsize:
                raise ValueError(f"expected whole numbers of {itemsize} bytes, found {size} bytes")
            count = size // itemsize
        return np.memmap(path, dtype, "r", offset, (count,)) if count else np.zeros(0, dtype)
    except (OSError, ValueError) as error:
        raise FileError(f"{path}: {reason(error)}") from error


class _Flat(TokenFile):
    """Ids in a row. `ends`: where documents end, or, if rows are packed, their parts; a row then has `pack` ids."""

    ids: Array
    ends: Array  # int64[parts + 1], the first 0

    def check(self, where: str) -> None:
        self.tokens = len(self.ids)
        last = int(self.ends[-1])
        if last != self.tokens or self.ends[0] != 0 or bool((self.ends[1:] < self.ends[:-1]).any()):
            raise self.wrong(f"{last} ids, in ascending places, as {where} says", f"{self.tokens} ids")
        if self.pack and self.tokens % self.pack:
            raise self.wrong(f"rows of {self.pack} ids", f"{self.tokens} ids")

    def __len__(self) -> int:
        return self.tokens // self.pack if self.pack else len(self.ends) - 1

    def row(self, index: int) -> Array:
        if self.pack:
            return self.ids[index * self.pack : (index + 1) * self.pack]
        return self.ids[self.ends[index] : self.ends[index + 1]]

    def lengths(self, index: int) -> Array:
        if not self.pack:
            return super().lengths(index)
        first, last = np.searchsorted(self.ends, [index * self.pack, (index + 1) * self.pack], "right")
        return np.diff(self.ends[first - 1 : last])

    def many(self) -> Iterator[Many]:
        step = max(1, IDS // self.pack) if self.pack else PARTS
        for start in range(0, len(self), step):
            stop = min(start + step, len(self))
            if self.pack:
                lengths = [self.lengths(row) for row in range(start, stop)]
                ids = np.asarray(self.ids[start * self.pack : stop * self.pack]).astype(np.uint32)
                yield Many(ids, np.concatenate(lengths), np.array([len(one) for one in lengths]))
            else:
                ends = np.asarray(self.ends[start : stop + 1]).astype(np.int64)
                yield Many(np.asarray(self.ids[ends[0] : ends[-1]]).astype(np.uint32), np.diff(ends), None)


class RawFile(_Flat):
    """A file of ids, and a file of the offsets of its documents."""

    def __init__(self, path: str, dtype: str, pack: int) -> None:
        super().__init__(path, dtype, pack)
        offsets = path.removesuffix(".bin") + ".offsets"
        self.ids, self.ends = map_array(path, f"<{np.dtype(dtype).str[1:]}"), map_array(offsets, "<i8")
        if not len(self.ends):
            raise FileError(f"{offsets}: expected at least one offset, found none")
        self.check(offsets)


class DatatroveFile(_Flat):
    """A file of ids as datatrove writes it, with its index and its metadata."""

    def __init__(self, path: str, dtype: str, pack: int) -> None:
        super().__init__(path, dtype, pack)
        try:
            with open(f"{path}.metadata", encoding="utf-8") as file:
                first, second = file.readline(), file.readline()
            size, count = int(first.rpartition("|")[2]), int(second)
            if size not in (2, 4):
                raise ValueError(f"expected ids of 2 or 4 bytes, found {size}")
        except (OSError, ValueError) as error:
            raise FileError(f"{path}.metadata: {reason(error)}") from error
        self.ids = map_array(path, f"<u{size}")
        self.ends = np.concatenate([[0], map_array(f"{path}.index", "<i8")])
        self.check(f"{path}.index")
        if count != self.tokens:
            raise self.wrong(f"{count} ids, as {path}.metadata says", f"{self.tokens}")


class MegatronFile(_Flat):
    """A file of ids as Megatron-LM writes it, with its index."""

    def __init__(self, path: str, dtype: str, pack: int) -> None:
        super().__init__(path, dtype, 0)
        index = path.removesuffix(".bin") + ".idx"
        try:
            with open(index, "rb") as file:
                start, size = file.read(HEADER), os.fstat(file.fileno()).st_size
        except OSError as error:
            raise FileError(f"{index}: {reason(error)}") from error
        if len(start) < HEADER or not start.startswith(MAGIC):
            raise FileError(f"{index}: expected an index of megatron's, found another file")
        version, code, sequences, documents = struct.unpack("<QBQQ", start[len(MAGIC) :])
        kind = next((kind for kind, known in MEGATRON_DTYPES.items() if known == code), None)
        if version != 1 or kind is None:
            raise FileError(f"{index}: expected version 1 and ids of {' or '.join(MEGATRON_DTYPES)}, found version "
                            f"{version} and code {code}")
        if size != HEADER + 12 * sequences + 8 * documents:
            raise FileError(f"{index}: expected {HEADER + 12 * sequences + 8 * documents} bytes, found {size}")
        self.ids = map_array(path, f"<{np.dtype(kind).str[1:]}")
        lengths = map_array(index, "<i4", HEADER, sequences)
        self.parts = np.concatenate([[0], np.cumsum(lengths, dtype=np.int64)])
        offsets = map_array(index, "<i8", HEADER + 4 * sequences, sequences)
        self.rows = map_array(index, "<i8", HEADER + 12 * sequences, documents)
        ascend = bool((np.diff(self.rows) >= 0).all()) and len(self.rows) > 0
        if not ascend or self.rows[0] != 0 or self.rows[-1] != len(self.parts) - 1:
            raise FileError(f"{index}: expected documents' sequences from 0 to {len(self.parts) - 1}, ascending")
        if bool((offsets != self.parts[:-1] * self.ids.dtype.itemsize).any()):
            raise FileError(f"{index}: expected sequences one after the other, found other places")
        self.ends = self.parts[self.rows]
        self.check(index)
        self.packed = pack > 0

    def lengths(self, index: int) -> Array:
        if not self.packed:
            return super().lengths(index)
        return np.diff(self.parts[self.rows[index] : self.rows[index + 1] + 1])

    def many(self) -> Iterator[Many]:
        if not self.packed:
            yield from super().many()
            return
        for at in range(0, len(self), PARTS):
            rows = np.asarray(self.rows[at : at + PARTS + 1])
            parts = self.parts[rows[0] : rows[-1] + 1]
            yield Many(np.asarray(self.ids[parts[0] : parts[-1]]).astype(np.uint32), np.diff(parts), np.diff(rows))


class ParquetFile(TokenFile):
    """A Parquet file. Each row group is read whole."""

    def __init__(self, path: str, dtype: str, pack: int) -> None:
        super().__init__(path, dtype, pack)
        with about(path):
            self.sizes = self.open()
        self.ends = np.concatenate([[0], np.cumsum(self.sizes)]).astype(np.int64)
        self.group = lru_cache(2)(self._group)

    def open(self) -> list[int]:
        """Open the file, and return the number of rows of each group."""
        self.file = needed("pyarrow.parquet").ParquetFile(self.path, memory_map=True, pre_buffer=False)
        metadata = self.file.metadata
        return [metadata.row_group(i).num_rows for i in range(metadata.num_row_groups)]

    def read(self, group: int) -> Any:
        """A group, as an Arrow table or record batch."""
        return self.file.read_row_group(group, use_threads=False)

    @cached_property
    def tokens(self) -> int:  # type: ignore[override]
        return sum(len(many.ids) for many in self.many())

    def __len__(self) -> int:
        return int(self.ends[-1])

    def _group(self, group: int) -> tuple[Array, Array, Array | None, Array | None]:
        """Ids, and the ends of rows in them; for packed rows also documents' lengths, and the ends of rows there."""
        with about(self.path):
            table = self.read(group)
            ids, ends = _flat(table.column("input_ids"))
            return ids, ends, *(_flat(table.column("lengths")) if self.pack else (None, None))

    def _find(self, index: int) -> tuple[int, Array, Array, Array | None, Array | None]:
        """The number of the row in its group, and the group."""
        group = int(np.searchsorted(self.ends, index, "right")) - 1
        return index - int(self.ends[group]), *self.group(group)

    def row(self, index: int) -> Array:
        row, ids, ends, _, _ = self._find(index)
        return ids[ends[row] : ends[row + 1]]

    def lengths(self, index: int) -> Array:
        row, _, _, lengths, ends = self._find(index)
        return super().lengths(index) if lengths is None or ends is None else lengths[ends[row] : ends[row + 1]]

    def many(self) -> Iterator[Many]:
        for group in range(len(self.sizes)):
            ids, ends, lengths, rows = self._group(group)
            ids = ids[ends[0] : ends[-1]].astype(np.uint32)
            yield Many(ids, np.diff(ends), None) if lengths is None or rows is None else Many(
                ids, lengths[rows[0] : rows[-1]].astype(np.int64), np.diff(rows))


def _flat(column: Any) -> tuple[Array, Array]:
    """A column of lists: all values, and the end of each list; the first end is 0 or the start of the first list."""
    pa = needed("pyarrow")
    column.validate(full=True)
    lists = column.combine_chunks() if isinstance(column, pa.ChunkedArray) else column
    if not pa.types.is_list(lists.type) or not pa.types.is_integer(lists.type.value_type) or lists.null_count:
        raise ValueError(f"expected lists of ids, found {lists.type}")
    return lists.values.to_numpy(zero_copy_only=False), lists.offsets.to_numpy().astype(np.int64)


class ArrowFile(ParquetFile):
    """A file of Arrow's IPC format, a record batch at a time."""

    def open(self) -> list[int]:
        pa = needed("pyarrow")
        self.file = pa.ipc.open_file(pa.memory_map(self.path))
        return [self.file.get_batch(i).num_rows for i in range(self.file.num_record_batches)]

    def read(self, group: int) -> Any:
        return self.file.get_batch(group)


class JsonLinesFile(TokenFile):
    """A file of JSON lines, mapped."""

    def __init__(self, path: str, dtype: str, pack: int) -> None:
        super().__init__(path, dtype, pack)
        try:
            with open(path, "rb") as file:
                self.data = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
        except (OSError, ValueError) as error:
            raise FileError(f"{path}: {reason(error)}") from error
        ends = array("q", [0])
        while ends[-1] < len(self.data):
            ends.append(self.data.find(b"\n", ends[-1]) + 1 or len(self.data))
        self.ends = np.array(ends, np.int64)

    @cached_property
    def tokens(self) -> int:  # type: ignore[override]
        return sum(len(self.row(i)) for i in range(len(self)))

    def __len__(self) -> int:
        return len(self.ends) - 1

    def _value(self, index: int, key: str) -> Array:
        try:
            return np.array(json.loads(self.data[self.ends[index] : self.ends[index + 1]])[key], np.int64)
        except (ValueError, TypeError, LookupError, OverflowError, RecursionError) as error:
            raise self.wrong(f"numbers under {key!r} in line {index + 1}", reason(error)) from error

    def row(self, index: int) -> Array:
        return self._value(index, "input_ids").astype(np.uint32)

    def lengths(self, index: int) -> Array:
        return self._value(index, "lengths") if self.pack else super().lengths(index)

    def many(self) -> Iterator[Many]:
        for at in range(0, len(self), 1024):
            rows = range(at, min(at + 1024, len(self)))
            lengths = [self.lengths(row) for row in rows]
            counts = np.array([len(one) for one in lengths]) if self.pack else None
            yield Many(np.concatenate([self.row(row) for row in rows]), np.concatenate(lengths), counts)


FILES: dict[str, type[TokenFile]] = {
    "raw": RawFile, "megatron": MegatronFile, "datatrove": DatatroveFile, "parquet": ParquetFile, "arrow": ArrowFile,
    "jsonl": JsonLinesFile,
}
SUFFIXES = {  # of the file of ids
    "raw": ".bin", "megatron": "_text_document.bin", "datatrove": ".ds", "parquet": ".parquet", "arrow": ".arrow",
    "jsonl": ".jsonl",
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
        return self._as_asked(file.row(row))

    def __iter__(self) -> Iterator[Array]:
        return (self._as_asked(file.row(row)) for file in self.files for row in range(len(file)))

    def _as_asked(self, ids: Array) -> Array:
        return ids if self.dtype is None else ids.astype(self.dtype)

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
        return _open, (self.path, self.dtype)

    def __repr__(self) -> str:
        return f"<Corpus {self.path}: {len(self)} documents, {self.tokens} tokens>"


@explained
def open_corpus(path: StrPath, *, dtype: Dtype | None = None) -> Corpus:
    """The corpus in a folder, which must be whole, or in one file of ids.

    dtype: of the arrays that it gives, "uint32", "int32" or "int64", which embeddings of PyTorch take; None: as stored.

    Raises `FileError`, and `ArgumentError` for another dtype.
    """
    return _open(os.path.abspath(path), dtype)


def _open(path: str, dtype: Dtype | None) -> Corpus:
    if dtype is not None:
        checked_dtype(dtype)
    if not os.path.isdir(path):
        if path.endswith(".bin") and os.path.exists(f"{path[:-4]}.idx"):
            return Corpus(path, [MegatronFile(path, "", 0)], dtype)
        kind = next((kind for kind, suffix in SUFFIXES.items() if path.endswith(suffix)), None)
        if kind is None:
            raise FileError(f"{path}: expected a file of ids ({', '.join(SUFFIXES.values())}), found another")
        return Corpus(path, [FILES[kind](path, "uint32", 0)], dtype)
    if not os.path.exists(os.path.join(path, CORPUS)):
        raise FileError(f"{path}: expected a corpus, found " + (
            "one that is not whole: the command that makes it goes on where it stopped"
            if os.path.exists(os.path.join(path, PLAN)) else f"no {CORPUS}"))
    settings = read_plan(path)[1]
    return Corpus(path, [file for shard in read_corpus(path)["shards"]
                         for file in token_files(path, settings, read_manifest(path, shard))], dtype)


def token_files(out: str, settings: CorpusSettings, manifest: Mapping[str, Any]) -> list[TokenFile]:
    """The files of ids of a shard, from its manifest. Raises `FileError`."""
    suffix = SUFFIXES[settings.format]
    names = [output["file"] for output in manifest["outputs"] if output["file"].endswith(suffix)]
    return [FILES[settings.format](os.path.join(out, name), settings.dtype, settings.pack)
            for name in names if not name.startswith(SKIPPED)]
