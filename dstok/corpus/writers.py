"""Ids of documents -> the files of a format: the common part of all formats.

In: batches of ids with the lengths of their documents. Out: the files of a shard, committed together by `Files`.
Invariant: memory does not grow with the shard. The lengths, kept for each document until the end, lie in a temporary
file. Sources of the layouts: megatron-core's IndexedDataset, datatrove's TokenizedFile.
"""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import numpy as np

from dstok.base.platform import sync_folder
from dstok.corpus.output import OutputFile, Written

if TYPE_CHECKING:
    import numpy.typing as npt

    Array = npt.NDArray[Any]

__all__ = ["Files", "Numbers", "Writer"]


class Files:
    """The files of one shard. All are written under temporary names, then all get their names."""

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

    def discard(self) -> None:
        for file in self.files:
            file.discard()


class Writer:
    """Writes documents to the files `name` with the suffixes of a format. `dtype` is that of the ids.

    With `packed` ids come in rows, and a document may be in several: `add` gets the number of documents' parts in
    each row. Without, a row is a document.
    """

    def __init__(self, files: Files, name: str, dtype: str, tokenizer: str, packed: bool) -> None:
        self.files, self.name, self.dtype = files, name, np.dtype(dtype).newbyteorder("<")
        self.tokenizer, self.packed = tokenizer, packed

    def add(self, ids: Array, lengths: Array, rows: Array | None = None) -> None:
        """Adds ids uint32[n], their documents' lengths int64[d] (of sum n), and, if packed, documents a row."""
        raise NotImplementedError

    def close(self) -> None:
        """Write the parts that belong at the end."""

    def as_stored(self, ids: Array) -> Array:
        """The ids in the dtype of the files, without a copy where the bits are the same."""
        return ids.view(self.dtype) if self.dtype.itemsize == 4 else ids.astype(self.dtype)


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
