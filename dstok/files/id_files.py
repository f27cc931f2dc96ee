"""The four formats of ids -> ids: reads the files that `outputs` writes, and files of these formats by others.

In: a `Source`. Out: groups of ids, in order. Invariant: a number counts only if it is written as one. Anything else
is refused with its place, never skipped. A block bounds memory; JSON and .npy files are read whole.

If the format is not named, the first bytes tell it. A .npy file begins with its magic bytes, JSON with `[`, decimal
ids with a digit. Raw uint32 have a zero byte among the first four, since no vocabulary has 2**24 ids; text never has
one.
"""

from __future__ import annotations

from array import array
from collections.abc import Iterator
from itertools import chain
from typing import Any

from dstok.base.faults import reason
from dstok.errors import ArgumentError, FileError
from dstok.files.inputs import Source

__all__ = ["id_groups", "id_lines"]

NPY_MAGIC = b"\x93NUMPY"
DIGITS = frozenset(b"0123456789")
LONGEST_ID = 20  # digits


def id_groups(source: Source, format: str | None) -> Iterator[list[int]]:
    """The ids of `source`, a group at a time; the ends of groups mean nothing.

    `format` is one of `outputs.ID_FORMATS`, or None: the first bytes tell. Raises `FileError`.
    """
    blocks = source.blocks()
    first = next(blocks, b"")
    if not first:
        return iter(())
    read = {"ids": _decimal, "json": _json, "npy": _npy, "u32": _u32}[format or _sniff(source, first)]
    return read(source, chain([first], blocks))


def id_lines(source: Source, format: str | None) -> Iterator[list[int]]:
    """The ids of each line of `source`: decimal, or one JSON array. An empty line is an empty text.

    `format` is "ids", "json", or None: each line tells. Raises `FileError`, and `ArgumentError` for another format.
    """
    if format not in (None, "ids", "json"):
        raise ArgumentError(f"expected a format with lines, ids or json, found {format}", "format")
    for number, line in enumerate(source.lines(), 1):
        name = f"{source.name}: line {number}"
        if format == "json" or (format is None and line.lstrip().startswith(b"[")):
            (yield from _parse_json(line, name))
        else:
            yield _numbers(line.split(), name, 0)


def _sniff(source: Source, first: bytes) -> str:
    if first.startswith(NPY_MAGIC):
        return "npy"
    if 0 in first[:4]:
        return "u32"
    start = first.lstrip()[:1]
    if not start or start[0] in DIGITS:
        return "ids"
    if start == b"[":
        return "json"
    raise FileError(f"{source.name}: not ids in any format that dstok knows", "format")


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


def _json(source: Source, blocks: Iterator[bytes]) -> Iterator[list[int]]:
    return _parse_json(source.together(blocks), source.name)


def _parse_json(data: bytes, name: str) -> Iterator[list[int]]:
    """The JSON arrays in `data`, one after the other."""
    import json

    decoder, at = json.JSONDecoder(), 0
    try:
        text = data.decode("utf-8").strip()
        while at < len(text):
            value, at = decoder.raw_decode(text, at)
            yield _checked(value, name)
            while text[at : at + 1].isspace():
                at += 1
    except RecursionError as error:
        raise FileError(f"{name}: JSON nested too deeply") from error
    except ValueError as error:
        raise FileError(f"{name}: not JSON: {reason(error)}") from error


def _checked(value: object, name: str) -> list[int]:
    if not isinstance(value, list):
        raise FileError(f"{name}: expected a JSON array of ids")
    for index, item in enumerate(value):
        if type(item) is not int:  # bool is a subclass of int
            shown = repr(item)
            raise FileError(f"{name}: not an id: {shown[:40]}{'...' * (len(shown) > 40)} at index {index}")
    return value


def _u32(source: Source, blocks: Iterator[bytes]) -> Iterator[list[int]]:
    rest = b""
    for block in blocks:
        block = rest + block
        rest = block[len(block) // 4 * 4 :]
        yield array("I", block[: len(block) // 4 * 4]).tolist()
    if rest:
        raise FileError(f"{source.name}: {source.bytes_read} bytes are no whole number of uint32")


def _npy(source: Source, blocks: Iterator[bytes]) -> Iterator[list[int]]:
    """The whole array at once, of any kind of integer."""
    import numpy

    data = source.together(blocks)
    dtype, count, at = _npy_header(data, source.name)
    if count * dtype.itemsize != len(data) - at:  # before memory is taken for the size in the header
        raise FileError(f"{source.name}: not a whole .npy file: expected {count} integers of {dtype.itemsize} bytes, "
                        f"found {len(data) - at} bytes")
    ids = numpy.frombuffer(data, dtype, count, at)
    for start in range(0, count, 1 << 18):
        yield ids[start : start + (1 << 18)].tolist()


def _npy_header(data: bytes, name: str) -> tuple[Any, int, int]:
    """The type of the integers, their number in the header, and where they begin."""
    import io

    from numpy.lib import format

    stream = io.BytesIO(data)
    try:
        version = format.read_magic(stream)
        read = format.read_array_header_1_0 if version == (1, 0) else format.read_array_header_2_0
        shape, _, dtype = read(stream)
    except Exception as error:  # numpy evaluates the header as Python, which may raise anything
        raise FileError(f"{name}: not a whole .npy file: {reason(error)}") from error
    if len(shape) != 1 or dtype.kind not in "iu":
        raise FileError(f"{name}: expected one row of integers, found {dtype}, {shape}")
    return dtype, shape[0], stream.tell()
