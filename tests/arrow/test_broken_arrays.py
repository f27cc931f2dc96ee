"""Arrow arrays with wrong numbers: each call gives what the buffers say, or refuses the array with the row.

Arrays of every layout with one number changed, or two, by pyarrow's `from_buffers` and by the C data interface, go
through every call in a child process (tests/helpers/broken_arrays_child.py): a crash would end it.
"""

from __future__ import annotations

import json
import struct
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from real_models import V3 as TOK
from reference import BRIEF, DEEP
from shares import SEED

import dstok
from dstok import arrow
from dstok.core.text.utf8 import Rows

CHILD = Path(__file__).parents[1] / "helpers" / "broken_arrays_child.py"
ARRAYS = 2000 if DEEP else 20 if BRIEF else 60  # of each layout
SPLITTER = dstok.Splitter(r"\w+")
CALLS: list[Callable[[Any], Any]] = [
    lambda array: arrow.encode(TOK, array), lambda array: arrow.count(TOK, array, num_threads=2),
    lambda array: arrow.split(SPLITTER, array), lambda array: arrow.split(SPLITTER, array, views=True),
    lambda array: arrow.spans(SPLITTER, array, num_threads=2), lambda array: arrow.number_of_pieces(SPLITTER, array),
    lambda array: arrow.spans(SPLITTER, array, errors="replace"), arrow.ColumnEncoder(TOK),
    lambda array: arrow.ColumnEncoder(TOK)(pa.table({"text": array})),
    lambda array: arrow.conversations(TOK, array, "v3")]


def refused(array: Any, row: int, calls: list[Callable[[Any], Any]]) -> None:
    for call in calls:
        with pytest.raises(dstok.TextError) as caught:
            call(array)
        assert caught.value.batch_index == row


def numbers(values: list[int], kind: str = "i4") -> pa.Buffer:
    return pa.py_buffer(np.array(values, kind))


def views(*places: tuple[int, int]) -> pa.Array:
    """Texts of twenty bytes, each by the number of its buffer and its place there."""
    data = b"".join(struct.pack("<i4sii", 20, b"aaaa", buffer, start) for buffer, start in places)
    return pa.Array.from_buffers(pa.string_view(), len(places), [None, pa.py_buffer(data), pa.py_buffer(b"a" * 25)])


def test_any_wrong_numbers() -> None:
    done = subprocess.run([sys.executable, CHILD, str(ARRAYS), str(SEED)], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr[-4000:]
    found = json.loads(done.stdout)
    assert len(found) == 17
    for kind, counts in found.items():
        assert counts["answered"] > 5 and counts["refused"] > 5, (kind, counts)


@pytest.mark.parametrize("chunked", [False, True])
def test_the_row_of_a_text(chunked: bool) -> None:
    """It counts from the start of the whole column."""
    data = pa.py_buffer(b"hello world")
    for good, broken in [
        (views((0, 0)), views((0, 0), (1, 0))), (views((0, 0)), views((0, 5), (-1, 0))),
        (views((0, 0)), views((0, 1), (0, 6))), (views((0, 0)), views((0, 5), (2**31 - 1, 0))),
        (pa.array(["a"]), pa.Array.from_buffers(pa.string(), 3, [None, numbers([0, 5, 2, 11]), data])),
        (pa.array(["a"]), pa.Array.from_buffers(pa.string(), 3, [None, numbers([0, 1, 500, 11]), data])),
        (pa.array(["a"]).dictionary_encode(), pa.DictionaryArray.from_arrays(
            pa.array([0, 1], pa.int32()), pa.array(["a"]), safe=False)),
        (pa.array(["a"]).dictionary_encode(), pa.DictionaryArray.from_arrays(
            pa.array([0, -1], pa.int32()), pa.array(["a"]), safe=False)),
    ]:
        assert arrow.count(TOK, good).to_pylist() == [1 if str(good[0]) == "a" else TOK.count("a" * 20)]
        refused(pa.chunked_array([good, broken, good]) if chunked else broken, 2 if chunked else 1, CALLS)


def test_the_row_of_a_list() -> None:
    ids = pa.array([1, 2, 3, 4], pa.uint32())
    calls = [lambda array: arrow.decode(TOK, array)]
    plain, view = pa.list_(pa.uint32()), pa.list_view(pa.uint32())
    for broken in [
        pa.Array.from_buffers(plain, 3, [None, numbers([0, 3, 1, 4])], children=[ids]),
        pa.Array.from_buffers(plain, 3, [None, numbers([0, 1, 300_000_000, 4])], children=[ids]),
        pa.Array.from_buffers(view, 2, [None, numbers([0, 300_000_000]), numbers([1, 2])], children=[ids]),
        pa.Array.from_buffers(view, 2, [None, numbers([0, 0]), numbers([1, -2])], children=[ids]),
    ]:
        refused(broken, 1, calls)
        refused(pa.chunked_array([pa.array([[1], [2]], broken.type), broken]), 3, calls)


def test_an_empty_array_may_have_any_offsets() -> None:
    kind, offsets = pa.list_(pa.uint32()), numbers([0, 7, 9])
    empty = pa.Array.from_buffers(kind, 0, [None, offsets], offset=1, children=[pa.array([], pa.uint32())])
    assert arrow.decode(TOK, empty).to_pylist() == []
    full = pa.array([[19923]], kind)
    assert arrow.decode(TOK, pa.chunked_array([empty, full, empty])).to_pylist() == ["Hello"]


def test_an_offset_below_the_first_row() -> None:
    data = [None, numbers([0, 1, 2, 3]), pa.py_buffer(b"abc")]
    refused(pa.Array.from_buffers(pa.string(), 2, data, offset=-1), 0, CALLS)
    ids = pa.array([1, 2, 3], pa.uint32())
    array = pa.Array.from_buffers(pa.list_(pa.uint32()), 2, data[:2], offset=-1, children=[ids])
    refused(array, 0, [lambda array: arrow.decode(TOK, array)])


def test_wrong_numbers_of_nulls() -> None:
    data = [pa.py_buffer(b"\x07"), numbers([0, 1, 2, 3]), pa.py_buffer(b"abc")]
    refused(pa.Array.from_buffers(pa.string(), 3, data, null_count=2), 2, CALLS[:5])


def test_layouts_that_hold_no_texts() -> None:
    """Whatever their numbers say."""
    runs = pa.RunEndEncodedArray.from_arrays(pa.array([1, 2], pa.int32()), pa.array(["a", "b"]))
    for array in (runs, pa.array([b"ab"], pa.binary(2))):
        for call in (*CALLS[:4], lambda array: arrow.decode(TOK, array)):
            with pytest.raises(TypeError, match="expected an Arrow array"):
                call(array)


@pytest.mark.parametrize(("owner", "start", "length"), [
    (1, 0, 0), (-1, 0, 0), (0, 4, 0), (0, -1, 1), (0, 0, 4), (0, 3, 1), (0, 2, 2**63 - 1), (0, 2**63 - 1, 2**63 - 1),
    (0, 3, -1), (0, -(2**63), 1)])
def test_rows_are_checked_when_they_are_made(owner: int, start: int, length: int) -> None:
    columns: Any = np.array([0, owner], np.int32), np.array([0, start], np.int64), np.array([3, length], np.int64)
    with pytest.raises(dstok.TextError, match="expected a text inside its buffer") as caught:
        Rows([b"abc"], *columns)
    assert caught.value.batch_index == 1
    assert [Rows([b"abc"], *(column[:1] for column in columns))[0]] == [b"abc"]
