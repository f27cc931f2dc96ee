"""Parts of the command that a process does not show quickly: small blocks, streams that take a part."""

from __future__ import annotations

import gzip
import io
import os
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from cli_process import TEXT, USER, tiny_model
from hypothesis import given
from hypothesis import strategies as st
from reference import examples

import dstok
from dstok._util.files import write_at_once
from dstok.cli.encode import count_blocks, encode_blocks
from dstok.cli.tokens import Rows
from dstok.errors import UnsupportedError
from dstok.io.id_files import IdWriter, Output
from dstok.io.passages import passages, whole_passage
from dstok.io.text_files import Source, open_source


class _Collected(IdWriter):
    def __init__(self, wants_arrays: bool) -> None:
        self.wants_arrays, self.ids = wants_arrays, list[int]()

    def add(self, ids: Sequence[int] | np.ndarray[Any, Any]) -> None:
        self.ids += list(map(int, ids))


PARTS = ["a", "Ab", "'s", "12", "  ", "\n", "\r\n ", "\u3000", "東", "京都", "かな", "한국", "。",
         "e\u0301", "\U0001f999", "\u20c1", USER, "<｜Us"]


@examples(100, deep=20_000)
@given(st.lists(st.sampled_from(PARTS)).map(lambda parts: "".join(parts).encode()), st.integers(1, 40))
def test_blocks_give_what_one_call_gives(text: bytes, size: int) -> None:
    tok = dstok.load("deepseek-v3")
    for arrays in (False, True):
        writer = _Collected(arrays)
        encode_blocks(tok, _source(text), writer, block_size=size)
        assert writer.ids == tok.encode(text)
    counted = count_blocks(tok, _source(text), block_size=size, special="none")
    assert counted == tok.count(text, special="none")
    assert _rows(tok, text, size) == _rows(tok, text, 0)


def _source(text: bytes) -> Source:
    return Source("text", io.BytesIO(text))


def _rows(tok: dstok.Tokenizer, text: bytes, size: int) -> list[str]:
    """The lines of dump and of pieces, in blocks of `size`, or at once."""
    rows = Rows(tok, table=False)
    rows.begin(None, None, "")
    parts = list(passages(tok, _source(text), "all", block_size=size)) if size else [whole_passage(tok, text, "all")]
    lines = [line for part in parts for line in rows.tokens(part)]
    return lines + [line for part in parts for line in rows.pieces(part, "all")]


def test_long_files_are_cut_into_several_stretches() -> None:
    tok = dstok.load("deepseek-v3")
    parts = list(passages(tok, _source(TEXT * 9), "all", block_size=100))
    assert len(parts) > 3 and max(len(part.text) for part in parts) < 400


def test_a_cut_is_never_taken_for_an_edge(tmp_path: Path) -> None:
    tok = dstok.Tokenizer.from_json(tiny_model(tmp_path / "tiny.json"))
    text, refused = b"a<>?? <>b <> c" * 3, 0
    for size in range(1, 50):
        try:
            assert _rows(tok, text, size) == _rows(tok, text, 0)
        except UnsupportedError:
            refused += 1
    assert refused, "no cut fell where the check matters"


def test_progress_counts_what_the_file_holds(tmp_path: Path) -> None:
    packed = tmp_path / "x.gz"
    packed.write_bytes(gzip.compress(TEXT * 99))
    with open_source(str(packed)) as source:
        assert source.read_all() == TEXT * 99
        assert source.position() == source.size == packed.stat().st_size < source.bytes_read
    source = _source(TEXT)
    assert source.read_all() == TEXT and (source.position(), source.size) == (len(TEXT), None)


class _Reluctant(io.RawIOBase):
    """A stream that takes three bytes at a time, as an unbuffered pipe may."""

    def __init__(self) -> None:
        self.taken = b""

    def write(self, data: Any) -> int:
        self.taken += bytes(data[:3])
        return min(len(data), 3)


def test_all_is_written_to_a_stream_that_takes_a_part(tmp_path: Path) -> None:
    stream = _Reluctant()
    with Output(str(tmp_path / "x")) as output:
        output.stream = stream  # type: ignore[assignment]
        output.write(TEXT)
    assert stream.taken == TEXT


def _two(path: Path) -> list[bytes]:
    """The file after each of two writers that overlap is done."""
    with Output(str(path)) as first:
        with Output(str(path)) as second:
            first.write(b"one, ")
            second.write(b"two, two")
        after = path.read_bytes()
        first.write(b"one")
    return [after, path.read_bytes()]


def test_two_outputs_of_one_name(tmp_path: Path) -> None:
    """Each writes a file of its own, and nobody's FILE.part is touched."""
    path, others = tmp_path / "x", tmp_path / "x.part"
    others.write_bytes(b"of the user")
    assert _two(path) == [b"two, two", b"one, one"]
    assert others.read_bytes() == b"of the user" and sorted(os.listdir(tmp_path)) == ["x", "x.part"]


@pytest.mark.skipif(os.name == "nt", reason="links and modes of POSIX")
def test_an_output_is_written_through_a_link_and_keeps_its_mode(tmp_path: Path) -> None:
    (tmp_path / "there").mkdir()
    path, link, dangling = tmp_path / "there" / "x", tmp_path / "link", tmp_path / "dangling"
    path.write_bytes(b"old")
    path.chmod(0o640)
    link.symlink_to("there/x")
    dangling.symlink_to("there/y")
    assert _two(link) == _two(dangling) == [b"two, two", b"one, one"]
    assert path.read_bytes() == (path.parent / "y").read_bytes() == b"one, one"
    assert link.is_symlink() and dangling.is_symlink()
    assert path.stat().st_mode & 0o777 == 0o640 and sorted(os.listdir(path.parent)) == ["x", "y"]


@pytest.mark.parametrize("fault", [KeyboardInterrupt(), OSError(28, "No space left on device")])
def test_a_stopped_output_changes_nothing(fault: BaseException, tmp_path: Path) -> None:
    path = tmp_path / "x"
    path.write_bytes(b"old")

    def stopped() -> None:
        with Output(str(path)) as output:
            output.write(b"new")
            raise fault

    with pytest.raises(BaseException, match="^$|^" + re.escape(f"{path}: no space")):
        stopped()
    assert path.read_bytes() == b"old" and os.listdir(tmp_path) == ["x"]


def test_a_device_is_written_as_it_is() -> None:
    before = os.stat(os.devnull)
    with Output(os.devnull) as output:
        output.write(TEXT)
    write_at_once(os.devnull, TEXT)
    assert os.stat(os.devnull).st_mode == before.st_mode
