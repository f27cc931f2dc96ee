"""Counting in bounded memory, and counts files: equal to `Counter` of `split`, whatever the memory, the threads, the merges."""

from __future__ import annotations

import gc
import os
import random
import struct
from collections import Counter
from collections.abc import Iterable
from functools import partial
from pathlib import Path
from weakref import ref
from zlib import crc32

import pytest
from hypothesis import given
from hypothesis import strategies as st
from reference import examples

import dstok
from dstok.compiled.programs import tables_of
from dstok.core.counts.word_counts import Merge, Tally, rows_of
from dstok.errors import ArgumentError, FileError
from dstok.training.piece_counts import MOST, CountsFile, PieceCounter, Rows, count_together, merge_counts, write_counts

WORDS = tables_of(dstok.Splitter(r"[^ ]+| ")._cascade).finder()
LEAST = 250_000  # bytes of a table: room for some thousand pieces
# Zero bytes at ends, equal beginnings, more than 8 bytes deep, and long pieces.
PIECES = st.binary(min_size=1, max_size=20) | st.builds(
    lambda head, times, end: head * times + end, st.sampled_from([b"a", b"ab", b"\0", b"\xff"]), st.integers(1, 40),
    st.sampled_from([b"", b"\0", b"b", b"\0\0", b"bb"]))
COUNTS = st.dictionaries(PIECES, st.integers(1, 300) | st.integers(1, (1 << 50) - 1), max_size=80)


def block(counts: Iterable[tuple[bytes, int]]) -> bytes:
    """A block, by the documented format."""
    made, before = b"", b""
    for piece, count in counts:
        shared = next((i for i, (one, other) in enumerate(zip(piece, before)) if one != other), min(len(piece), len(before)))
        made += leb(shared) + leb(len(piece) - shared) + piece[shared:] + leb(count)
        before = piece
    return made


def leb(number: int) -> bytes:
    made = b""
    while number > 127:
        made, number = made + bytes([number & 127 | 128]), number >> 7
    return made + bytes([number])


def listed(rows: Iterable[Rows]) -> list[tuple[bytes, int]]:
    return [(pieces[start:end], count) for pieces, ends, counts in rows
            for start, end, count in zip(ends, ends[1:], counts)]


def table(counts: dict[bytes, int]) -> Tally:
    tally = Tally(WORDS)
    order = list(counts.items())
    random.Random(len(counts)).shuffle(order)
    for row in order:
        assert tally.add_rows(*rows_of(block([row])))
    return tally


@given(counts=COUNTS, size=st.sampled_from([1, 40, 1 << 18]))
@examples(300)
def test_tables_are_sorted(counts: dict[bytes, int], size: int) -> None:
    orders = [(False, sorted(counts.items())), (True, sorted(counts.items(), key=lambda row: (-row[1], row[0])))]
    for by_count, wanted in orders:
        tally = table(counts)
        tally.sort(by_count)
        blocks = list(iter(partial(tally.block, size), b""))
        assert listed(map(rows_of, blocks)) == wanted
        assert size > 1 or len(blocks) == len(counts)
        assert blocks == [block(wanted)] or size < 1 << 18 or not counts
        assert tally.totals() == totals(counts)


def test_many_pieces_are_sorted() -> None:
    """More than are sorted by insertion, in groups that are equal for 8, 16 and 24 bytes."""
    rng = random.Random(5)
    counts = {rng.choice([b"", b"https://", b" " * 16, b"\0" * 24]) + rng.randbytes(rng.randrange(1, 9)): rng.randrange(1, 40)
              for _ in range(20_000)}
    counts |= {b"a" * size: 7 for size in range(1, 3000)}
    for by_count in (False, True):
        tally = table(counts)
        tally.sort(by_count)
        found = listed(map(rows_of, iter(partial(tally.block, 1 << 18), b"")))
        assert found == sorted(counts.items(), key=lambda row: (-row[1] if by_count else 0, row[0]))


def test_a_piece_may_be_the_start_of_a_more_frequent_one(tmp_path: Path) -> None:
    counts = {b"abc": 5, b"ab": 3, b"abd": 2, b"a": 1}
    tally = table(counts)
    tally.sort(True)
    file = write_counts(tmp_path / "one", tally, by_count=True)
    assert listed(file.rows()) == list(counts.items())
    other = table({b"x": 4, b"abcd": 5})
    other.sort(True)
    write_counts(tmp_path / "other", other, by_count=True)
    merged = merge_counts([file.path, tmp_path / "other"], tmp_path / "both")
    assert listed(merged.rows()) == [(b"abc", 5), (b"abcd", 5), (b"x", 4), (b"ab", 3), (b"abd", 2), (b"a", 1)]


def totals(counts: dict[bytes, int]) -> tuple[int, int, int, int]:
    return len(counts), sum(map(len, counts)), sum(counts.values()), max(map(len, counts), default=0)


@given(parts=st.lists(COUNTS, max_size=6), size=st.sampled_from([1, 30, 1 << 18]), data=st.data())
@examples(200)
def test_merges_add_up(parts: list[dict[bytes, int]], size: int, data: st.DataObject) -> None:
    weights = [data.draw(st.integers(1, 9)) for _ in parts]
    sources = [iter([block(sorted(part.items())[at : at + 7]) for at in range(0, len(part), 7)]) for part in parts]
    merge = Merge(list(sources), weights, False)
    found = listed(map(rows_of, iter(lambda: merge.block(size), b"")))
    wanted = Counter[bytes]()
    for part, weight in zip(parts, weights):
        wanted.update({piece: count * weight for piece, count in part.items()})
    assert found == sorted(wanted.items()) and merge.totals() == totals(wanted)


@pytest.mark.parametrize("broken", [
    b"\1\1a\1", b"\0\2a\1", b"\0\0\1", b"\0\1a\0", b"\0\1a", b"\0\1a\x80", b"\x80" * 12, b"\0" + b"\xff" * 9 + b"a\1",
    b"\0\1b\1\0\1a\1", b"\0\1b\1\1\1a\1\1\0\1", b"\0\1a\1\0\1a\1"])
def test_broken_blocks(broken: bytes) -> None:
    with pytest.raises(ValueError, match="expected pieces with counts"):
        Merge([iter([broken])], [1], False).block(100)


@given(data=st.binary(max_size=60) | st.lists(st.sampled_from([0, 1, 2, 127, 128, 255]), max_size=30).map(bytes))
@examples(1000)
def test_any_bytes_are_read_safely(data: bytes) -> None:
    try:
        found = listed([rows_of(data)])
    except ValueError:
        return
    assert listed([rows_of(block(found))]) == found and all(count for _, count in found)


def texts(seed: int, number: int = 60) -> list[str | bytes]:
    rng = random.Random(seed)
    return [" ".join(f"{'long' * 9 if rng.random() < .1 else ''}{rng.randrange(1 << rng.randrange(1, 18))}"
                     for _ in range(400)) for _ in range(number)]


def counted(given: Iterable[str | bytes]) -> Counter[bytes]:
    splitter = dstok.Splitter(r"[^ ]+| ")
    return Counter(piece.encode() for text in given for piece in splitter.split(text))


@pytest.mark.parametrize("threads", [1, 2, 3])
@pytest.mark.parametrize("memory", [LEAST, 1 << 30])
def test_counters(threads: int, memory: int, tmp_path: Path) -> None:
    """Tables that spill, and do not; the file is the same."""
    given = texts(1, 120)
    wanted = counted(given)
    folder = tmp_path / "spills"
    for way in ("file", "rows"):
        first, *others = [PieceCounter(WORDS, memory, folder) for _ in range(threads)]
        count_together([first, *others], ([text] for text in given))
        assert any(counter.spills for counter in (first, *others)) == (memory == LEAST)
        for other in others:
            first.take(other)
        if way == "rows":
            assert listed(first.most_frequent_first()) == sorted(wanted.items(), key=lambda row: (-row[1], row[0]))
        else:
            file = first.write(tmp_path / "a.counts")
            assert listed(file.rows()) == sorted(wanted.items()) and file.totals == totals(wanted)
        assert not folder.exists() or not list(folder.iterdir())
        first.add(["a a"])
        assert listed(first.most_frequent_first()) == [(b"a", 2), (b" ", 1)]
    tally = Tally(WORDS)
    tally.add(given)
    tally.sort(False)
    assert write_counts(tmp_path / "b.counts", tally).totals == file.totals
    assert (tmp_path / "a.counts").read_bytes() == (tmp_path / "b.counts").read_bytes()


def test_pieces_too_large_for_a_table(tmp_path: Path) -> None:
    """They are refused by size; those that fit alone are counted, one spill each."""
    large = [letter * 100_000 for letter in "abc"] * 2
    counter = PieceCounter(WORDS, LEAST, tmp_path)
    counter.add(texts(3))  # its memory is then that of small pieces
    counter.write(tmp_path / "small")
    counter.add([" ".join(large)])
    assert listed(counter.write(tmp_path / "x").rows()) == sorted(counted([" ".join(large)]).items())
    with pytest.raises(dstok.DstokError, match="expected distinct pieces that fit in 250000 bytes for each thread, found 0 of them"):
        counter.add(["a" * 300_000])


def test_errors_of_spilling_come_through(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    counter = PieceCounter(WORDS, LEAST, tmp_path / "file" / "below")
    with pytest.raises(FileError, match="file.below: |file: "):
        counter.add(texts(2))
    with pytest.raises(KeyError, match="gone"):
        count_together([PieceCounter(WORDS, LEAST, tmp_path), PieceCounter(WORDS, LEAST, tmp_path)], failing())


def test_a_counter_goes_at_once(tmp_path: Path) -> None:
    """Its table is large: it does not wait in a cycle until Python looks for one."""
    gc.disable()
    try:
        counter = PieceCounter(WORDS, LEAST, tmp_path)
        counter.add(texts(4))
        assert counter.spills
        assert listed(counter.most_frequent_first())
        gone = ref(counter)
        del counter
        assert gone() is None
    finally:
        gc.enable()


def failing() -> Iterable[list[str | bytes]]:
    yield ["a b"] * 5
    raise KeyError("gone")


def made(path: Path, counts: dict[bytes, int], made_by: str = "") -> Path:
    tally = table(counts)
    tally.sort(False)
    write_counts(path, tally, made_by)
    return path


def test_merging_files(tmp_path: Path) -> None:
    """More files than are open at a time, with weights; the result may replace one of them."""
    parts = [{b"a": i + 1, b"b%d" % (i % 7): 2, b"%d" % i: 1} for i in range(2 * MOST + 5)]
    paths = [made(tmp_path / f"{i}.counts", part) for i, part in enumerate(parts)]
    weights = [i % 3 for i in range(len(parts))]
    wanted = Counter[bytes]()
    for part, weight in zip(parts, weights):
        wanted.update({piece: count * weight for piece, count in part.items() if weight})
    assert listed(merge_counts(paths, paths[0], weights).rows()) == sorted(wanted.items())
    assert len(list(tmp_path.iterdir())) == len(paths)
    assert listed(merge_counts([], tmp_path / "none").rows()) == []
    assert merge_counts(paths[1:3], tmp_path / "two").made_by == ""


def test_merges_that_are_refused(tmp_path: Path) -> None:
    one, other = made(tmp_path / "one", {b"a": 1}, "12" * 32), made(tmp_path / "other", {b"a": 1})
    with pytest.raises(FileError, match="other: expected counts of the same splitter"):
        merge_counts([one, other], tmp_path / "x")
    assert CountsFile(one).made_by == "12" * 32
    huge = made(tmp_path / "huge", {b"a": (1 << 62) + 1})
    for paths, weights in [([huge, huge], [1, 1]), ([huge], [2]), ([huge, made(tmp_path / "b", {b"b": 1 << 62})], [1, 1])]:
        with pytest.raises(dstok.DstokError, match=r"x: expected a sum of counts below 2\*\*63"):
            merge_counts(paths, tmp_path / "x", weights)
    for bad in ([1], [1, -1], [1, 1.5], [True, 1], [1, 1 << 63]):
        with pytest.raises(ArgumentError):
            merge_counts([other, huge], tmp_path / "x", bad)  # type: ignore[arg-type]
    assert not (tmp_path / "x").exists()


def test_damaged_files(tmp_path: Path) -> None:
    """A change of any byte, and a cut at any place, is found."""
    path = made(tmp_path / "a", {b"abc": 5, b"abd": 300, b"x" * 30: 1})
    whole = path.read_bytes()
    for at in range(len(whole)):
        for data in (whole[:at] + bytes([whole[at] ^ 4]) + whole[at + 1 :], whole[:at], whole + b"\0"):
            path.write_bytes(data)
            with pytest.raises(FileError, match=f"^{path}: "):
                list(CountsFile(path).rows())
    with pytest.raises(FileError, match="no such file"):
        CountsFile(tmp_path / "none")


def test_files_with_pieces_out_of_order(tmp_path: Path) -> None:
    """With right checksums: nobody's accident, but it must not give wrong counts."""
    path = made(tmp_path / "a", {b"a": 1, b"b": 2})
    whole = path.read_bytes()
    start = len(whole) - 8 - 12
    changed = b"\0\1b\1\0\1a\2"
    path.write_bytes(whole[:start] + struct.pack("<QI", 8, crc32(changed)) + changed)
    with pytest.raises(FileError, match=f"^{path}: expected pieces with counts, in order"):
        merge_counts([made(tmp_path / "b", {b"a": 1}), path], tmp_path / "x")


def test_a_file_that_is_cut_between_two_blocks(tmp_path: Path) -> None:
    """After it was opened: fewer blocks are no fewer pieces, but an error."""
    path = made(tmp_path / "a", {b"a": 1, b"b": 2})
    file = CountsFile(path)
    os.truncate(path, path.stat().st_size - 8 - 12)
    with pytest.raises(FileError, match=f"^{path}: expected .* bytes, found "):
        list(file.rows())
