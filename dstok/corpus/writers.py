"""Ids of documents -> the files of a format.

In: batches of ids with the lengths of their documents. Out: the files of a shard, committed together by `Files`.
Invariant: memory does not grow with the shard: lengths that are kept for each document until the end lie in a temporary
file, and rows of tables are written in groups of about a million ids, however they were batched, so the bytes depend
only on the documents. All numbers are little-endian.
Sources of the layouts: megatron-core's IndexedDataset, datatrove's TokenizedFile.

raw: `.bin` holds the ids, `.offsets` uint64[documents + 1], the first 0; document i is `ids[offsets[i] : offsets[i +
1]]`

datatrove: `.ds` holds the ids, `.ds.index` uint64[documents], the end of each, `.ds.metadata` three lines of text.

megatron: `_text_document.bin` holds the ids, `.idx` a header of 34 bytes, int32[sequences] lengths, int64[sequences]
places in bytes, int64[documents + 1] the first sequence of each document. A document without ids has no sequence.
With `pack` each row is a document, and its sequences are the parts of documents in it.

Parquet, Arrow, JSON lines: a row a document, or with `pack` a row for each row of ids. The column `input_ids` is a list
of ids. Packed rows also have `lengths`: how many ids of each document are in the row, in order. JSON lines also have an
`id`: the shard's name and the row's number. The schema of Parquet and Arrow has `dstok.fingerprint` as metadata.
"""

from __future__ import annotations

import json
import os
import struct
import tempfile
from collections.abc import Iterator
from contextlib import AbstractContextManager
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from dstok._util.files import OutputFile, Written, reason, sync_folder
from dstok._util.imports import needed
from dstok.errors import FileError

if TYPE_CHECKING:
    import numpy.typing as npt

    Array = npt.NDArray[Any]

MAGIC = b"MMIDIDX\x00\x00"
MEGATRON_DTYPES = {"int32": 4, "uint16": 8}  # megatron knows more
GROUP = 1 << 20  # ids of a group of rows


class Batch(NamedTuple):
    """Ids uint32[n], their documents' lengths int64[d] (of sum n), and, if packed, the number of documents a row."""

    ids: Array
    lengths: Array
    rows: Array | None = None


class Files(AbstractContextManager["Files"]):
    """Holds the files of one shard. All are written under temporary names; `commit` gives them their names.

    Its end removes the others, and makes each `OSError` inside the `with` a `FileError`.
    """

    def __init__(self, out: str, scratch: str) -> None:
        self.out, self.scratch = out, scratch
        self.files = list[OutputFile]()

    def new(self, name: str) -> OutputFile:
        self.files.append(OutputFile(self.out, name, self.scratch))
        return self.files[-1]

    def commit(self) -> list[Written]:
        """Give all files their names, once all are on the disk."""
        for file in self.files:
            file.finish()
        written = [file.commit() for file in self.files]
        for folder in {os.path.dirname(file.final) for file in self.files}:
            sync_folder(folder)
        return written

    def __exit__(self, kind: object, error: BaseException | None, trace: object) -> None:
        for file in self.files:
            file.discard()
        if isinstance(error, OSError):
            raise FileError(f"{self.out}: {reason(error)}") from error


class Numbers:
    """Numbers kept for later in a temporary file, which has no name."""

    def __init__(self, scratch: str, dtype: str = "<i8") -> None:
        self.dtype, self.count = np.dtype(dtype), 0
        self.file = tempfile.TemporaryFile(dir=scratch)

    def add(self, numbers: Array) -> None:
        self.file.write(np.ascontiguousarray(numbers, self.dtype).data.cast("B"))
        self.count += len(numbers)

    def blocks(self) -> Iterator[Array]:
        """All numbers in order, some thousand at a time."""
        self.file.seek(0)
        while data := self.file.read(self.dtype.itemsize << 16):
            yield np.frombuffer(data, self.dtype)

    def close(self) -> None:
        self.file.close()


class Writer:
    """Writes documents to the files `name` with the suffixes of a format. `dtype` is that of the ids.

    With `packed` ids come in rows, and a document may be in several: `add` gets the number of documents' parts in
    each row. Without, a row is a document. `tokenizer`: its name ("" for none) and its fingerprint.
    """

    suffix = ""  # of the file of ids

    def __init__(self, files: Files, name: str, dtype: str, tokenizer: tuple[str, str], packed: bool) -> None:
        self.files, self.name, self.dtype = files, name, np.dtype(dtype).newbyteorder("<")
        (self.model, self.fingerprint), self.packed = tokenizer, packed
        self.file = files.new(name + self.suffix)
        self.open()

    def open(self) -> None:
        """Begin what belongs at the start."""

    def add(self, batch: Batch) -> None:
        raise NotImplementedError

    def close(self) -> None:
        """Write the parts that belong at the end."""

    def as_stored(self, ids: Array) -> Array:
        """The ids in the dtype of the files, without a copy where the bits are the same."""
        return ids.view(self.dtype) if self.dtype.itemsize == 4 else ids.astype(self.dtype)


class RawWriter(Writer):
    """Ids, and where each document ends."""

    suffix, ends_suffix, first = ".bin", ".offsets", bytes(8)

    def open(self) -> None:
        self.ends, self.end = self.files.new(self.name + self.ends_suffix), 0
        self.ends.write(self.first)

    def add(self, batch: Batch) -> None:
        self.file.write(self.as_stored(batch.ids))
        self.ends.write((np.cumsum(batch.lengths) + self.end).astype("<u8"))
        self.end += len(batch.ids)


class DatatroveWriter(RawWriter):
    """The same, and a file with the number of ids."""

    suffix, ends_suffix, first = ".ds", ".ds.index", b""

    def close(self) -> None:
        lines = f"{self.model or self.fingerprint}|{self.dtype.itemsize}\n{self.end}\n{_metric(self.end)}"
        self.files.new(f"{self.name}.ds.metadata").write(lines.encode())


def _metric(count: int) -> str:
    """A count of tokens as datatrove's reader shows it, with three digits."""
    digits, exponent = f"{count:.2e}".split("e")
    thousands, rest = divmod(int(exponent), 3)
    return f"{float(digits) * 10**rest:.{2 - rest}f} {('', 'k', 'M', 'G', 'T', 'P', 'E')[thousands]}T"


class MegatronWriter(Writer):
    """Ids, and an index, which is written last."""

    suffix = "_text_document.bin"

    def open(self) -> None:
        self.lengths, self.rows = Numbers(self.files.scratch, "<i4"), Numbers(self.files.scratch)

    def add(self, batch: Batch) -> None:
        self.file.write(self.as_stored(batch.ids))
        self.lengths.add(batch.lengths[batch.lengths > 0])
        self.rows.add((batch.lengths > 0) if batch.rows is None else batch.rows)

    def close(self) -> None:
        index = self.files.new(f"{self.name}_text_document.idx")
        code = MEGATRON_DTYPES[self.dtype.name]
        index.write(MAGIC + struct.pack("<QBQQ", 1, code, self.lengths.count, self.rows.count + 1))
        for block in self.lengths.blocks():
            index.write(block)
        at = first = 0
        for block in self.lengths.blocks():
            ends = np.cumsum(block, dtype=np.int64) * self.dtype.itemsize + at
            index.write(np.concatenate([[at], ends[:-1]]).astype("<i8"))
            at = int(ends[-1])
        index.write(bytes(8))
        for block in self.rows.blocks():
            index.write((np.cumsum(block) + first).astype("<i8"))
            first += int(block.sum())
        self.lengths.close()
        self.rows.close()


class _TableWriter(Writer):
    """Collects batches until they make a group of rows."""

    def open(self) -> None:
        self.waiting, self.size = list[tuple["Array", "Array", "Array"]](), 0

    def add(self, batch: Batch) -> None:
        ids, lengths, rows = batch
        self.waiting.append((ids, lengths, np.ones(len(lengths), np.int64) if rows is None else rows))
        self.size += len(ids)
        if self.size >= GROUP:
            self.flush()

    def close(self) -> None:
        if self.waiting:
            self.flush()

    def flush(self) -> None:
        ids, lengths, rows = (np.concatenate(part) for part in zip(*self.waiting))
        self.waiting, self.size = [], 0
        ends, documents = (np.concatenate([[0], np.cumsum(each)]) for each in (lengths, rows))
        self.write(self.as_stored(ids), ends[documents], lengths, documents)

    def write(self, ids: Array, ends: Array, lengths: Array, documents: Array) -> None:
        """Write a group: the ids of row r begin at ends[r], the lengths of its documents at documents[r]."""
        raise NotImplementedError


class ParquetWriter(_TableWriter):
    """A row group for each group."""

    suffix = ".parquet"

    def open(self) -> None:
        super().open()
        self.pa = needed("pyarrow")
        fields = [("input_ids", self.pa.list_(self.pa.from_numpy_dtype(self.dtype)))]
        fields += [("lengths", self.pa.list_(self.pa.int32()))] if self.packed else []
        self.schema = self.pa.schema(fields, {"dstok.fingerprint": self.fingerprint})
        self.sink: Any = self.sink_of()

    def sink_of(self) -> Any:
        """The writer of record batches."""
        return needed("pyarrow.parquet").ParquetWriter(self.file, self.schema, compression="zstd", use_dictionary=False)

    def write(self, ids: Array, ends: Array, lengths: Array, documents: Array) -> None:
        lists = [(ids, ends), *([(lengths.astype(np.int32), documents)] if self.packed else [])]
        columns = [self.pa.ListArray.from_arrays(self.pa.array(stops, self.pa.int32()), self.pa.array(values))
                   for values, stops in lists]
        self.sink.write_batch(self.pa.record_batch(columns, schema=self.schema))

    def close(self) -> None:
        super().close()
        self.sink.close()


class ArrowWriter(ParquetWriter):
    """A record batch for each group."""

    suffix = ".arrow"

    def sink_of(self) -> Any:
        return self.pa.ipc.new_file(self.file, self.schema)


class JsonLinesWriter(_TableWriter):
    """A line for each row."""

    suffix = ".jsonl"

    def open(self) -> None:
        super().open()
        self.row = 0

    def write(self, ids: Array, ends: Array, lengths: Array, documents: Array) -> None:
        lines, starts = list[str](), ends.tolist()
        for start, stop, parts in zip(starts, starts[1:], np.split(lengths, documents[1:-1])):
            packed = f', "lengths": {parts.tolist()}' if self.packed else ""
            lines.append(f'{{"id": {json.dumps(f"{self.name}/{self.row}")}, "input_ids": {ids[start:stop].tolist()}'
                         f'{packed}}}\n')
            self.row += 1
        self.file.write("".join(lines).encode())


WRITERS: dict[str, type[Writer]] = {
    "raw": RawWriter, "megatron": MegatronWriter, "datatrove": DatatroveWriter, "parquet": ParquetWriter,
    "arrow": ArrowWriter, "jsonl": JsonLinesWriter,
}
