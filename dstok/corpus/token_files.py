"""One file of ids: the common part of all formats' readers.

In: a path, the dtype of ids, and the length of rows, 0 if a row is a document. Out: rows, and for `merge` and `stats`
the ids of many rows together. Invariant: ids are read-only, and mapped where the format allows it.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from dstok.errors import FileError

if TYPE_CHECKING:
    from dstok.corpus.writers import Array

__all__ = ["IDS", "Many", "TokenFile", "map_array"]

IDS = 1 << 20  # ids of `Many`, about


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
        size = _whole(path, np.dtype(dtype).itemsize, offset) if count < 0 else count
        return np.memmap(path, dtype, "r", offset, (size,)) if size else np.zeros(0, dtype)
    except (OSError, ValueError) as error:
        from dstok.base.faults import reason

        raise FileError(f"{path}: {reason(error)}") from error


def _whole(path: str, itemsize: int, offset: int) -> int:
    import os

    size = os.stat(path).st_size - offset
    if size % itemsize:
        raise ValueError(f"expected whole numbers of {itemsize} bytes, found {size} bytes")
    return size // itemsize
