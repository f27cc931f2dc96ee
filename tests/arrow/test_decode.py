"""Arrow arrays of lists of ids to texts: what `Tokenizer.decode` gives, whatever the layout and the width of the ids."""

from __future__ import annotations

from typing import Any

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st
from real_models import V3 as TOK
from reference import examples

import dstok
from dstok import arrow
from dstok.arrow import ids as arrow_ids

WIDTHS = [pa.uint32(), pa.int32(), pa.int64(), pa.uint64()]
LAYOUTS = [pa.list_, pa.large_list, pa.list_view, pa.large_list_view]
CUT = TOK.encode("🦙")[0]  # the first bytes of a character
LISTS = [[19923, 2058], None, [], [CUT], [128803, 6366, 0], [CUT, CUT], TOK.encode("é中文 " * 500)]


def check(array: Any, lists: list[list[int] | None], **options: Any) -> None:
    texts = arrow.decode(TOK, array, **options)
    texts.validate(full=True)
    assert texts.to_pylist() == [None if ids is None else TOK.decode(ids, **options) for ids in lists]


@pytest.mark.parametrize("layout", LAYOUTS, ids=lambda layout: layout.__name__)
@pytest.mark.parametrize("width", WIDTHS, ids=str)
def test_every_slice(layout: Any, width: pa.DataType) -> None:
    array = pa.array(LISTS, layout(width))
    for start in range(len(LISTS) + 1):
        check(array[start : start + 3], LISTS[start : start + 3])
        check(array[start:], LISTS[start:], skip_special_tokens=True)
    assert arrow.decode(TOK, array).type == (pa.large_string() if "large" in layout.__name__ else pa.string())


def test_chunks() -> None:
    array = pa.array(LISTS, pa.list_(pa.uint32()))
    chunked = pa.chunked_array([array[3:], array[:0], array[:5]])
    check(chunked, LISTS[3:] + LISTS[:5])
    assert [len(chunk) for chunk in arrow.decode(TOK, chunked).chunks] == [4, 0, 5]


def test_lists_of_one_size() -> None:
    array = pa.array([[19923, 2058], None, [6366, 0]], pa.list_(pa.int32(), 2))
    check(array, [[19923, 2058], None, [6366, 0]])
    check(array[1:], [None, [6366, 0]])


def test_nothing() -> None:
    for kind in (pa.list_(pa.uint32()), pa.large_list(pa.int64()), pa.list_(pa.null())):
        check(pa.array([], kind), [])
        check(pa.chunked_array([], kind), [])
        check(pa.array([[], None], kind), [[], None])


@examples(60)
@given(st.lists(st.none() | st.lists(st.integers(0, 128_000), max_size=6), max_size=6), st.integers(0, 3))
def test_any_lists(lists: list[list[int] | None], start: int) -> None:
    check(pa.array(lists, pa.list_(pa.uint32()))[start:], lists[start:])


def test_large_strings_where_32_bits_are_too_few(monkeypatch: pytest.MonkeyPatch) -> None:
    array = pa.array([[19923, 2058]], pa.list_(pa.uint32()))  # 11 bytes
    monkeypatch.setattr(arrow_ids, "LIMIT", 11)
    assert arrow.decode(TOK, array).type == pa.string()
    monkeypatch.setattr(arrow_ids, "LIMIT", 10)
    assert arrow.decode(TOK, array).type == pa.large_string()
    check(array, [[19923, 2058]])


# Errors


@pytest.mark.parametrize("width", WIDTHS, ids=str)
def test_an_id_without_a_token(width: pa.DataType) -> None:
    array = pa.array([[1], None, [2, 3, 999_999]], pa.list_(width))
    for broken, row in ((array, 2), (array[1:], 1), (pa.chunked_array([array[:2], array]), 4)):
        with pytest.raises(dstok.errors.UnknownIdError) as caught:
            arrow.decode(TOK, broken)
        assert (caught.value.id, caught.value.index, caught.value.batch_index) == (999_999, 2, row)


@pytest.mark.parametrize(("id", "width"), [(-1, pa.int8()), (-1, pa.int64()), (1 << 32, pa.int64()), (1 << 63, pa.uint64())])
def test_an_id_that_no_uint32_holds(id: int, width: pa.DataType) -> None:
    with pytest.raises(dstok.errors.UnknownIdError) as caught:
        arrow.decode(TOK, pa.array([[], [1, id]], pa.list_(width)))
    assert (caught.value.id, caught.value.index, caught.value.batch_index) == (id, 1, 1)


def test_part_of_a_character() -> None:
    with pytest.raises(dstok.errors.DecodeError, match="of list 2$"):
        arrow.decode(TOK, pa.array([[19923], None, [CUT]]), errors="strict")


def test_two_lists_that_make_one_character() -> None:
    """Each is looked at by itself."""
    first, *rest = TOK.encode("🦙")
    check(pa.array([[first], rest], pa.list_(pa.uint32())), [[first], rest])


def test_a_null_among_the_ids() -> None:
    with pytest.raises(TypeError, match="list 1: expected an id at index 1, found null"):
        arrow.decode(TOK, pa.array([[], [1, None]]))


@pytest.mark.parametrize("array", [pa.array([1]), pa.array(["a"]), pa.array([["a"]]), pa.array([[1.0]]), [[1]]],
                         ids=["ints", "texts", "lists of texts", "lists of floats", "list"])
def test_what_is_no_array_of_lists(array: Any) -> None:
    with pytest.raises(TypeError, match="expected an Arrow array"):
        arrow.decode(TOK, array)
