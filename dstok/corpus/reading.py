"""The files of a corpus -> its documents, as arrays of ids.

In: the folder of a corpus, or one of its files. Out: `Corpus`: a sequence of arrays, mapped, not read. Invariant: the
contents that a reader relies on are checked, and an error names the file; documents come in the order of the inputs.
A `Corpus` pickles as its path and dtype, and is a map-style data set for PyTorch (`len`, `[i]`).
"""

from __future__ import annotations

import bisect
import os
from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any, overload

import numpy as np

from dstok.base.arguments import explained
from dstok.base.ids import checked_dtype
from dstok.corpus.flat_readers import DatatroveFile, MegatronFile, RawFile
from dstok.corpus.folder import read_corpus, read_manifest, read_plan
from dstok.corpus.names import CORPUS, PLAN, SKIPPED
from dstok.corpus.settings import CorpusSettings
from dstok.corpus.table_readers import ArrowFile, JsonLinesFile, ParquetFile
from dstok.corpus.token_files import TokenFile
from dstok.errors import FileError

if TYPE_CHECKING:
    from dstok.base.ids import Dtype
    from dstok.base.paths import StrPath
    from dstok.corpus.writers import Array

__all__ = ["SUFFIXES", "Corpus", "open_corpus", "token_files"]

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
        return self._row(*self._place(index))

    def __iter__(self) -> Iterator[Array]:
        return (self._row(file, row) for file in self.files for row in range(len(file)))

    def _row(self, file: TokenFile, row: int) -> Array:
        ids = file.row(row)
        return ids if self.dtype is None else ids.astype(self.dtype)

    @explained
    def lengths(self, index: int) -> Array:
        """The number of ids of each document in row `index`; if the corpus is not packed, of the one document."""
        file, row = self._place(index)
        return file.lengths(row)

    def _place(self, index: int) -> tuple[TokenFile, int]:
        at = index + len(self) if index < 0 else index
        if not 0 <= at < len(self):
            raise IndexError(f"expected an index below {len(self)}, found {index}")
        file = bisect.bisect_right(self._ends, at)
        return self.files[file], at - (self._ends[file - 1] if file else 0)

    def __reduce__(self) -> tuple[Any, ...]:
        return _opened, (self.path, self.dtype)

    def __repr__(self) -> str:
        return f"<Corpus {self.path}: {len(self)} documents, {self.tokens} tokens>"


@explained
def open_corpus(path: StrPath, *, dtype: Dtype | None = None) -> Corpus:
    """The corpus in a folder, which must be whole, or in one file of ids.

    dtype: of the arrays that it gives, "uint32", "int32" or "int64", which embeddings of PyTorch take; None: as stored.

    Raises `FileError`, and `ArgumentError` for another dtype.
    """
    return _opened(os.path.abspath(path), dtype)


def _opened(path: str, dtype: Dtype | None) -> Corpus:
    if dtype is not None:
        checked_dtype(dtype)
    return Corpus(path, _folder(path) if os.path.isdir(path) else [_file(path)], dtype)


def _folder(out: str) -> list[TokenFile]:
    if not os.path.exists(os.path.join(out, CORPUS)):
        raise FileError(f"{out}: expected a corpus, found " + (
            "one that is not whole: the command that makes it goes on where it stopped"
            if os.path.exists(os.path.join(out, PLAN)) else f"no {CORPUS}"))
    _, settings = read_plan(out)
    return [file for shard in read_corpus(out)["shards"]
            for file in token_files(out, settings, read_manifest(out, shard))]


def token_files(out: str, settings: CorpusSettings, manifest: Mapping[str, Any]) -> list[TokenFile]:
    """The files of ids of a shard, from its manifest. Raises `FileError`."""
    suffix = SUFFIXES[settings.format]
    names = [output["file"] for output in manifest["outputs"] if output["file"].endswith(suffix)]
    return [FILES[settings.format](os.path.join(out, name), settings.dtype, settings.pack)
            for name in names if not name.startswith(SKIPPED)]


def _file(path: str) -> TokenFile:
    """One file, by its name; a `.bin` is megatron's if an `.idx` is beside it."""
    if path.endswith(".bin") and os.path.exists(f"{path[:-4]}.idx"):
        return MegatronFile(path, "", 0)
    format = next((format for format, suffix in SUFFIXES.items() if path.endswith(suffix)), None)
    if format is None:
        raise FileError(f"{path}: expected a file of ids ({', '.join(SUFFIXES.values())}), found another")
    return FILES[format](path, "uint32", 0)
