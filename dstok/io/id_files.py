"""Ids to and from four formats, and bytes to standard output or the file of --output.

In: a `Source`, or ids in groups (a group is the ids of one file or one JSON record). Out: groups of ids, in order, or
the same ids on standard output or in a file. Formats: "ids", decimal, a line a group; "json", arrays; "npy"; "u32".
Invariant: a number counts only if it is written as one. Anything else is refused with its place, never skipped. A block
bounds memory; JSON and .npy files are read whole. Only data is written. A file is there when it is complete, and after
an error it is as it was. Errors of standard output stay an `OSError`; those of a named file become a `FileError`.

If the format is not named, the first bytes tell it. A .npy file begins with its magic bytes, JSON with `[`, decimal
ids with a digit. Raw uint32 have a zero byte among the first four, since no vocabulary has 2**24 ids; text never has
one.
"""

from __future__ import annotations

import sys
from array import array
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from itertools import chain
from typing import TYPE_CHECKING, BinaryIO

from dstok._util.files import WholeFile, reason
from dstok.errors import ArgumentError, FileError
from dstok.io.text_files import Source

if TYPE_CHECKING:
    from numpy import uint32
    from numpy.typing import NDArray

    Ids = Sequence[int] | NDArray[uint32]

ID_FORMATS = ("ids", "json", "npy", "u32")
BINARY_FORMATS = ID_FORMATS[2:]
NPY_MAGIC = b"\x93NUMPY"
LONGEST_ID = 20  # digits


def id_groups(source: Source, format: str | None) -> Iterator[list[int]]:
    """The ids of `source`, a group at a time; the ends of groups mean nothing.

    `format` is one of `ID_FORMATS`, or None: the first bytes tell. Raises `FileError`.
    """
    blocks = source.blocks()
    first = next(blocks, b"")
    if not first:
        return iter(())
    start = first.lstrip()[:1]
    if format is None:
        format = ("npy" if first.startswith(NPY_MAGIC) else "u32" if 0 in first[:4] else
                  "ids" if not start or start.isdigit() else "json" if start == b"[" else None)
    if format is None:
        raise FileError(f"{source.name}: not ids in any format that dstok knows", "format")
    blocks = chain([first], blocks)
    if format == "json":
        return _arrays(source.together(blocks), source.name)
    return {"ids": _decimal, "npy": _npy, "u32": _u32}[format](source, blocks)


def id_lines(source: Source, format: str | None) -> Iterator[list[int]]:
    """The ids of each line of `source`: decimal, or one JSON array. An empty line is an empty text.

    `format` is "ids", "json", or None: each line tells. Raises `FileError`, and `ArgumentError` for another format.
    """
    if format not in (None, "ids", "json"):
        raise ArgumentError(f"expected a format with lines, ids or json, found {format}", "format")
    for number, line in enumerate(source.lines(), 1):
        name = f"{source.name}: line {number}"
        if format == "json" or (format is None and line.lstrip().startswith(b"[")):
            yield from _arrays(line, name)
        else:
            yield _numbers(line.split(), name, 0)


def _decimal(source: Source, blocks: Iterator[bytes]) -> Iterator[list[int]]:
    rest, index = b"", 0
    for block in chain(blocks, [b"\n"]):
        block = rest + block
        words = block.split()
        rest = words.pop() if words and not block[-1:].isspace() else b""
        yield _numbers(words, source.name, index)
        index += len(words)
        if len(rest) > LONGEST_ID:  # its end may be far away, and each block would copy it again
            _numbers([rest], source.name, index)


def _numbers(words: list[bytes], name: str, index: int) -> list[int]:
    """`words` as ids; int() alone would also take signs, underscores and the digits of other scripts."""
    for i, word in enumerate(words):
        if not word.isdigit() or len(word) > LONGEST_ID:
            shown = word[:40].decode("utf-8", "backslashreplace")
            raise FileError(f"{name}: not an id: {shown!r} at index {index + i}")
    return list(map(int, words))


def _arrays(data: bytes, name: str) -> Iterator[list[int]]:
    """The JSON arrays in `data`, one after the other."""
    import json

    decoder, at = json.JSONDecoder(), 0
    try:
        text = data.decode("utf-8").strip()
        while at < len(text):
            value, at = decoder.raw_decode(text, at)
            if not isinstance(value, list):
                raise FileError(f"{name}: expected a JSON array of ids")
            for index, item in enumerate(value):
                if type(item) is not int:  # bool is a subclass of int
                    shown = repr(item)
                    raise FileError(f"{name}: not an id: {shown[:40]}{'...' * (len(shown) > 40)} at index {index}")
            yield value
            while text[at : at + 1].isspace():
                at += 1
    except RecursionError as error:
        raise FileError(f"{name}: JSON nested too deeply") from error
    except ValueError as error:
        raise FileError(f"{name}: not JSON: {reason(error)}") from error


def _u32(source: Source, blocks: Iterator[bytes]) -> Iterator[list[int]]:
    rest = b""
    for block in blocks:
        block = rest + block
        rest = block[len(block) // 4 * 4 :]
        yield array("I", block[: len(block) // 4 * 4]).tolist()
    if rest:
        raise FileError(f"{source.name}: {source.bytes_read} bytes are no whole number of uint32")


def _npy(source: Source, blocks: Iterator[bytes]) -> Iterator[list[int]]:
    """The ids of an array of any kind of integer, which is held whole."""
    from io import BytesIO

    import numpy
    from numpy.lib import format

    data = source.together(blocks)
    stream = BytesIO(data)
    try:
        version = format.read_magic(stream)
        read = format.read_array_header_1_0 if version == (1, 0) else format.read_array_header_2_0
        shape, _, dtype = read(stream)
    except Exception as error:  # numpy evaluates the header as Python, which may raise anything
        raise FileError(f"{source.name}: not a whole .npy file: {reason(error)}") from error
    if len(shape) != 1 or dtype.kind not in "iu":
        raise FileError(f"{source.name}: expected one row of integers, found {dtype}, {shape}")
    count, start = shape[0], stream.tell()
    if count * dtype.itemsize != len(data) - start:  # before memory is taken for the size in the header
        raise FileError(f"{source.name}: not a whole .npy file: expected {count} integers of {dtype.itemsize} bytes, "
                        f"found {len(data) - start} bytes")
    ids = numpy.frombuffer(data, dtype, count, start)
    for at in range(0, count, 1 << 18):
        yield ids[at : at + (1 << 18)].tolist()


class Output:
    """A context manager: standard output (None, or "-"), or the file at `path`. Raises `FileError`."""

    def __init__(self, path: str | None) -> None:
        self.path = None if path == "-" else path
        self.whole: WholeFile | None = None
        if self.path is None:
            if sys.stdout is None:
                raise FileError("standard output: it is closed")
            self.stream: BinaryIO = sys.stdout.buffer
            return
        with self._named():
            self.whole = WholeFile(self.path)
        self.stream = self.whole.file

    def write(self, data: bytes) -> None:
        """Write all of `data`; under PYTHONUNBUFFERED one write to standard output may take only a part."""
        rest = memoryview(data)
        with self._named():
            while rest:
                rest = rest[self.stream.write(rest) :]

    def is_terminal(self) -> bool:
        return self.stream.isatty()

    def __enter__(self) -> Output:
        return self

    def __exit__(self, kind: object, error: BaseException | None, trace: object) -> None:
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
                error.filename = self.path or "standard output"
                raise
            raise FileError(f"{self.path}: {reason(error)}") from error


class IdWriter:
    """Write groups of ids as text: for each group `begin`, `add` as often as ids come, `end`; at last `close`.

    `wants_arrays`: whether numpy arrays are faster than lists.
    """

    wants_arrays = False
    before, between, after = "", " ", "\n"

    def __init__(self, output: Output) -> None:
        self.output, self.first = output, True

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

    def close(self) -> None: ...


class _Json(IdWriter):
    before, between, after = "[", ", ", "]\n"


class _Binary(IdWriter):
    """Little-endian uint32, all groups in a row."""

    wants_arrays = True
    before = after = ""

    def add(self, ids: Ids) -> None:
        import numpy

        self.write(numpy.asarray(ids, dtype="<u4").tobytes())

    def write(self, data: bytes) -> None:
        self.output.write(data)


class _Npy(_Binary):
    """A .npy file of one array. Its header holds the length, so it is written last.

    In a file opened here it replaces a first header; elsewhere the ids are kept until the length is known.
    """

    def __init__(self, output: Output) -> None:
        super().__init__(output)
        from tempfile import SpooledTemporaryFile

        rewrites = output.path is not None and output.stream.seekable()  # a file of a shell may have a start of its own
        self.size, self.kept = 0, None if rewrites else SpooledTemporaryFile(max_size=1 << 26)
        if self.kept is None:
            output.write(self.header())

    def header(self) -> bytes:
        """The header of format 1.0: always 128 bytes, for every length."""
        fields = f"{{'descr': '<u4', 'fortran_order': False, 'shape': ({self.size // 4},), }}"
        return NPY_MAGIC + b"\x01\x00" + (118).to_bytes(2, "little") + fields.ljust(117).encode() + b"\n"

    def write(self, data: bytes) -> None:
        self.size += len(data)
        (self.kept or self.output).write(data)

    def close(self) -> None:
        if self.kept is None:
            self.output.stream.seek(0)
        self.output.write(self.header())
        if self.kept is not None:
            self.kept.seek(0)
            while block := self.kept.read(1 << 20):
                self.output.write(block)
            self.kept.close()


ID_WRITERS: dict[str, type[IdWriter]] = {"ids": IdWriter, "json": _Json, "npy": _Npy, "u32": _Binary}


def write_text(path: str | None, text: str) -> None:
    """Write a text that ends with one line feed. Raises `FileError`; `OSError` of standard output."""
    with Output(path) as output:
        output.write(text.rstrip("\n").encode("utf-8", "surrogateescape") + b"\n")
