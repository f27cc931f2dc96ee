"""Packed inputs that unpack to thousands of times their size, or ask for memory: bounded memory, or a `FileError`."""

from __future__ import annotations

import bz2
import gzip
import lzma
import subprocess
import sys
import zlib
from collections.abc import Iterator
from itertools import chain
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from zstd_frames import zstd_frame, zstd_zeros

import dstok
from dstok.cli.encode import count_blocks, encode_blocks
from dstok.cli.train import parts
from dstok.errors import FileError
from dstok.io import text_files as inputs
from dstok.io.id_files import id_groups, id_lines
from dstok.io.passages import passages
from dstok.io.text_files import Source, open_source, records

CHILD = Path(__file__).parents[1] / "helpers" / "packed_child.py"
PACK = {"gz": gzip.compress, "zst": zstd_frame, "bz2": bz2.compress, "xz": lzma.compress}
ZEROS = bytes(1 << 20)
MEGABYTES = 96


def zeros(compressor: Any, megabytes: int = MEGABYTES) -> bytes:
    """So many megabytes of zeros, packed as one frame."""
    return b"".join([*(compressor.compress(ZEROS) for _ in range(megabytes)), compressor.flush()])


def test_bombs(tmp_path: Path) -> None:
    """Two frames of each kind, one after the other, are read with half the memory that one unpacks to."""
    bombs = {"gz": zeros(zlib.compressobj(wbits=31)), "bz2": zeros(bz2.BZ2Compressor()),
             "xz": zeros(lzma.LZMACompressor(preset=0)), "zst": zstd_zeros(MEGABYTES)}
    paths = [tmp_path / f"bomb.{suffix}" for suffix in bombs]
    for path, data in zip(paths, bombs.values()):
        path.write_bytes(data * 2)
    done = subprocess.run([sys.executable, CHILD, str(MEGABYTES // 2), *paths], capture_output=True, text=True, timeout=100)
    assert done.returncode == 0, done.stderr[-1000:]
    assert [int(line) for line in done.stdout.split()] == [MEGABYTES << 21] * len(paths)


@pytest.mark.parametrize("suffix", PACK)
def test_frames_of_nothing(suffix: str, tmp_path: Path) -> None:
    """Thousands of frames without content, and one with some, are one stream."""
    path = tmp_path / f"x.{suffix}"
    path.write_bytes(PACK[suffix](b"") * 5000 + PACK[suffix](b"text") + PACK[suffix](b"") * 5000)
    with open_source(str(path)) as source:
        assert source.read_all() == b"text"


def zstd_of_window(log: int) -> bytes:
    """"abc" as a raw block of a frame whose window has 2**log bytes."""
    return b"\x28\xb5\x2f\xfd\x00" + bytes([(log - 10) << 3]) + (1 | 3 << 3).to_bytes(3, "little") + b"abc"


def xz_of_window(log: int) -> bytes:
    """"abc" in a block that asks for a dictionary of 2**log bytes."""
    packed = bytearray(lzma.compress(b"abc", filters=[{"id": lzma.FILTER_LZMA2, "dict_size": 1 << 20}]))
    assert packed[16] == 16  # the size: 2**12 times 2 to the half of this byte
    packed[16] = 2 * (log - 12)
    packed[20:24] = zlib.crc32(packed[12:20]).to_bytes(4, "little")
    return bytes(packed)


@pytest.mark.parametrize(("suffix", "made"), [("zst", zstd_of_window), ("xz", xz_of_window)])
def test_windows(suffix: str, made: Any, tmp_path: Path) -> None:
    """A window of 128 MB is made; a larger one, as a few bytes may ask for, is refused."""
    path = tmp_path / f"x.{suffix}"
    for log in (20, 27):
        path.write_bytes(made(log))
        with open_source(str(path)) as source:
            assert source.read_all() == b"abc"
    for log in (28, 30, 31):
        path.write_bytes(made(log))
        with open_source(str(path)) as source, pytest.raises(FileError, match=f"^{path}: .*[mM]emory"):
            source.read_all()


@pytest.mark.parametrize("length", [4, 8, 40_000])
@pytest.mark.parametrize("suffix", ["gz", "xz"])
def test_padding(suffix: str, length: int, tmp_path: Path) -> None:
    """Zeros after a frame, and between two: `xz --list` shows them as stream padding."""
    path, frame = tmp_path / f"x.{suffix}", PACK[suffix](b"abc")
    for data, text in ((frame + bytes(length), b"abc"), (frame + bytes(length) + frame, b"abcabc")):
        path.write_bytes(data)
        with open_source(str(path)) as source:
            assert source.read_all() == text
    path.write_bytes(bytes(length) + frame)
    with open_source(str(path)) as source, pytest.raises(FileError):
        source.read_all()


@pytest.mark.parametrize(("suffix", "length"), [("xz", 3), ("xz", 40_001), ("bz2", 4), ("zst", 4)])
def test_zeros_that_are_no_padding(suffix: str, length: int, tmp_path: Path) -> None:
    path = tmp_path / f"x.{suffix}"
    path.write_bytes(PACK[suffix](b"abc") + bytes(length))
    with open_source(str(path)) as source, pytest.raises(FileError, match=f"^{path}: "):
        source.read_all()


@pytest.mark.parametrize("suffix", PACK)
@pytest.mark.parametrize("room", [1, 100, 1 << 20])
def test_blocks_before_a_fault(suffix: str, room: int, tmp_path: Path) -> None:
    text = b"some text " * 1000
    path = tmp_path / f"x.{suffix}"
    path.write_bytes(PACK[suffix](text) + PACK[suffix](text)[:-9])
    blocks = list[bytes]()
    with open_source(str(path)) as source, pytest.raises(FileError, match="cut short"):
        blocks.extend(source.blocks(room))
    got = b"".join(blocks)
    assert got.startswith(text) and (2 * text).startswith(got)


# Memory that a packed input takes

def read_lines(source: Source) -> None:
    list(source.lines())


def read_all(source: Source) -> None:
    source.read_all()


def read_records(source: Source) -> None:
    list(records(source, "text"))


def read_id_lines(source: Source) -> None:
    list(id_lines(source, "json"))


def read_ids(source: Source) -> None:
    list(id_groups(source, "json"))


def read_npy(source: Source) -> None:
    list(id_groups(source, "npy"))


def count(source: Source) -> None:
    count_blocks(dstok.load("deepseek-v3"), source, block_size=1 << 14)


def encode(source: Source) -> None:
    class Nowhere:
        wants_arrays = True

        def add(self, ids: Any) -> None: ...

    encode_blocks(dstok.load("deepseek-v3"), source, Nowhere(), block_size=1 << 14)  # type: ignore[arg-type]


def dump(source: Source) -> None:
    list(passages(dstok.load("deepseek-v3"), source, "all", block_size=1 << 14))


def count_pieces(source: Source) -> None:
    list(parts(source, lambda left, right: False, block=1 << 14))


NO_END = b"a" * 300_000
NUMBERS = b"[" + b"1," * 150_000 + b"1]"


@pytest.mark.parametrize(("read", "data"), [
    (read_lines, NO_END), (read_all, NO_END), (read_records, b'{"text": "' + NO_END + b'"}'), (read_id_lines, NUMBERS),
    (read_ids, NUMBERS), (count, NO_END), (encode, NO_END), (dump, NO_END), (count_pieces, NO_END),
], ids=lambda value: getattr(value, "__name__", ""))
@pytest.mark.parametrize("suffix", ["", *PACK])
def test_held(read: Any, data: bytes, suffix: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A line, a piece, a whole text of a packed input has a limit; of another input it is in the file itself."""
    path = tmp_path / f"x.{suffix}"
    path.write_bytes(PACK[suffix](data) if suffix else data)
    with open_source(str(path)) as source:
        read(source)
    monkeypatch.setattr(inputs, "MOST_HELD", 1 << 17)
    with open_source(str(path)) as source:
        if suffix:
            with pytest.raises(FileError, match=f"^{path}: .* too much for a packed input: unpack the file first"):
                read(source)
        else:
            read(source)


@pytest.mark.parametrize("read", [read_lines, count, encode, dump, count_pieces])
def test_not_held(read: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The limit is on bytes held at one time: a larger file can be read in parts."""
    path = tmp_path / "x.bz2"
    path.write_bytes(bz2.compress(b"a line of text\n" * 30_000))
    monkeypatch.setattr(inputs, "MOST_HELD", 1 << 17)
    if read is not count_pieces:  # a splitter that never cuts holds all
        with open_source(str(path)) as source:
            read(source)


# Files of ids

def counted(blocks: Iterator[bytes], taken: list[int]) -> Iterator[bytes]:
    for block in blocks:
        taken.append(len(block))
        yield block


@pytest.mark.parametrize("digits", [1 << 16, 1 << 17, 1 << 18])
@pytest.mark.parametrize("before", [b"", b"12 34 "])
def test_a_number_without_end(digits: int, before: bytes, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It is refused in the block where it has become too long, however far it goes."""
    path, taken = tmp_path / "x.ids", list[int]()
    path.write_bytes(before + b"7" * digits)
    monkeypatch.setattr(inputs, "BLOCK", 1 << 10)
    with open_source(str(path)) as source:
        blocks = source.blocks
        monkeypatch.setattr(source, "blocks", lambda: counted(blocks(), taken))
        with pytest.raises(FileError, match=f"not an id: '7{{40}}' at index {len(before.split())}"):
            list(id_groups(source, None))
    assert sum(taken) == 1 << 10


def test_numbers_across_blocks(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "x.ids"
    numbers = [*range(0, 3000, 7), 2**64 - 1, 5]
    path.write_text(" ".join(map(str, numbers)))
    for size in (1, 2, 7, 19, 20, 21, 1000):
        monkeypatch.setattr(inputs, "BLOCK", size)
        with open_source(str(path)) as source:
            assert [*chain.from_iterable(id_groups(source, "ids"))] == numbers


def npy(header: str) -> bytes:
    return b"\x93NUMPY\x01\x00" + len(header).to_bytes(2, "little") + header.encode() + bytes(8)


@pytest.mark.parametrize("header", [
    "{'descr': '<u4', 'fortran_order': False, 'shape': (1099511627776,), }\n",
    "{'descr': '<u4', 'fortran_order': False, 'shape': (9999999999999999999999,), }\n",
    "{'descr': '<u4', 'fortran_order': False, 'shape': (-1,), }\n", "{'descr': '<u4', 'fortran_order': False, 'shape': (1,), }\n",
    "{'descr': '<u4', 'fortran_order': False, 'shape': (" + "(" * 3000 + "), }\n", "{'descr': [[[", "{" + "-" * 5000 + "1}", "",
    "{'descr': '<f4', 'fortran_order': False, 'shape': (2,), }\n", "{'descr': '|O', 'fortran_order': False, 'shape': (2,), }\n",
    "{'descr': ('<u4', (1 << 40,)), 'fortran_order': False, 'shape': (2,), }\n",
])
def test_a_header_that_lies(header: str, tmp_path: Path) -> None:
    """Memory is taken for what is there, not for what a header of .npy says."""
    path = tmp_path / "x.npy"
    path.write_bytes(npy(header))
    with open_source(str(path)) as source, pytest.raises(FileError, match=r"not a whole \.npy file|one row of integers"):
        list(id_groups(source, None))


@pytest.mark.parametrize("kind", ["<u2", "<u4", ">u4", "<i8", "|u1"])
def test_npy(kind: str, tmp_path: Path) -> None:
    path = tmp_path / "x.npy"
    np.save(path, np.arange(200).astype(kind))
    with open_source(str(path)) as source:
        assert [*chain.from_iterable(id_groups(source, None))] == [*range(200)]
