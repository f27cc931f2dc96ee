"""Bytes -> standard output or a file, and ids -> their four formats.

In: bytes, or ids in groups (a group is the ids of one file or one JSON record). Out: the same, on standard output or
in the file of --output. Invariant: only data is written. A file is there when it is complete, and after an error it is
as it was. Errors of standard output stay an `OSError`; those of a named file become a `FileError`.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from types import TracebackType
from typing import TYPE_CHECKING, BinaryIO

from dstok.base.faults import reason, visible
from dstok.base.paths import WholeFile
from dstok.errors import FileError

if TYPE_CHECKING:
    from numpy import uint32
    from numpy.typing import NDArray

    Ids = Sequence[int] | NDArray[uint32]

__all__ = ["BINARY_FORMATS", "ID_FORMATS", "IdWriter", "Output", "id_writer", "write_lines", "write_text"]

ID_FORMATS = ("ids", "json", "npy", "u32")
BINARY_FORMATS = ID_FORMATS[2:]


class Output:
    """A context manager: standard output (None, or "-"), or the file at `path`, which is none of `inputs`.

    Raises `FileError`.
    """

    def __init__(self, path: str | None, inputs: Sequence[str] = ()) -> None:
        self.path = None if path == "-" else path
        with self._named():
            self.whole = None if self.path is None else _create(self.path, inputs)
        self.stream = _stdout() if self.whole is None else self.whole.file

    def write(self, data: bytes) -> None:
        """Write all of `data`; under PYTHONUNBUFFERED one write to standard output may take only a part."""
        rest = memoryview(data)
        with self._named():
            while rest:
                rest = rest[self.stream.write(rest) :]

    def is_terminal(self) -> bool:
        return self.stream.isatty()

    def can_rewrite(self) -> bool:
        """Whether the start can be written again: in a file opened here, not in one that a shell opened."""
        return self.path is not None and self.stream.seekable()

    def rewrite_start(self, data: bytes) -> None:
        with self._named():
            self.stream.seek(0)
            self.stream.write(data)

    def __enter__(self) -> Output:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        with self._named():
            if self.whole is None:
                self.stream.flush()
            else:
                self.whole.__exit__(kind, error, trace)

    @contextmanager
    def _named(self) -> Iterator[None]:
        try:
            yield
        except OSError as error:
            if self.path is None or isinstance(error, BrokenPipeError):
                raise
            raise FileError(f"{self.path}: {reason(error)}") from error


def _stdout() -> BinaryIO:
    if sys.stdout is None:
        raise FileError("standard output: it is closed")
    return sys.stdout.buffer


def _create(path: str, inputs: Sequence[str]) -> WholeFile:
    for name in inputs:
        if name != "-" and os.path.exists(name) and os.path.exists(path) and os.path.samefile(name, path):
            raise FileError(f"{path}: is both input and output")
    return WholeFile(path)


class IdWriter:
    """Writes groups of ids: for each group `begin`, `add` as often as ids come, `end`; at last `close`.

    `wants_arrays`: whether numpy arrays are faster than lists.
    """

    wants_arrays = False

    def __init__(self, output: Output) -> None:
        self.output = output

    def begin(self) -> None: ...

    def add(self, ids: Ids) -> None:
        raise NotImplementedError

    def end(self) -> None: ...

    def close(self) -> None: ...


class _Text(IdWriter):
    """Numbers in decimal, a line a group."""

    before, between, after = "", " ", "\n"

    def begin(self) -> None:
        self.first = True
        self.output.write(self.before.encode())

    def add(self, ids: Ids) -> None:
        if len(ids):
            numbers = str(ids)[1:-1].replace(", ", self.between)  # twice as fast as joining one by one
            self.output.write(f"{'' if self.first else self.between}{numbers}".encode())
            self.first = False

    def end(self) -> None:
        self.output.write(self.after.encode())


class _Json(_Text):
    """A JSON array a group, each on a line of its own."""

    before, between, after = "[", ", ", "]\n"


class _Binary(IdWriter):
    """Little-endian uint32, all groups in a row."""

    wants_arrays = True

    def add(self, ids: Ids) -> None:
        self.output.write(_raw(ids))


def _raw(ids: Ids) -> bytes:
    import numpy

    return numpy.asarray(ids, dtype="<u4").tobytes()


class _Npy(_Binary):
    """A .npy file of one array. Its header holds the length, so it is written last.

    In a file opened here it replaces a first header; elsewhere the ids are kept until the length is known.
    """

    def __init__(self, output: Output) -> None:
        super().__init__(output)
        import tempfile

        self.length = 0
        self.kept = None if output.can_rewrite() else tempfile.SpooledTemporaryFile(max_size=1 << 26)
        if self.kept is None:
            output.write(_npy_header(0))

    def add(self, ids: Ids) -> None:
        self.length += len(ids)
        (self.kept or self.output).write(_raw(ids))

    def close(self) -> None:
        if self.kept is None:
            self.output.rewrite_start(_npy_header(self.length))
            return
        self.output.write(_npy_header(self.length))
        self.kept.seek(0)
        while block := self.kept.read(1 << 20):
            self.output.write(block)
        self.kept.close()


def _npy_header(length: int) -> bytes:
    """The header of format 1.0: always 128 bytes, for every length."""
    fields = f"{{'descr': '<u4', 'fortran_order': False, 'shape': ({length},), }}"
    return b"\x93NUMPY\x01\x00" + (118).to_bytes(2, "little") + fields.ljust(117).encode() + b"\n"


def id_writer(format: str, output: Output) -> IdWriter:
    """The writer of one of `ID_FORMATS`."""
    return {"ids": _Text, "json": _Json, "npy": _Npy, "u32": _Binary}[format](output)


def write_lines(path: str | None, lines: Iterable[str]) -> None:
    """Writes lines for people: with escapes for what cannot be printed, such as a line feed in the name of a file."""
    write_text(path, "\n".join(map(visible, lines)))


def write_text(path: str | None, text: str) -> None:
    """Writes a text that ends with one line feed. Raises `FileError`; `OSError` of standard output."""
    with Output(path) as output:
        output.write(text.rstrip("\n").encode("utf-8", "surrogateescape") + b"\n")
