"""Arrow arrays of texts to lists of ids: what single calls give, whatever the layout, the nulls, the slice, the chunks."""

from __future__ import annotations

from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st
from real_models import V3 as TOK
from reference import examples
from text_strategies import texts as any_text

import dstok
from dstok import arrow
from dstok.arrow import columns
from dstok.errors import ArgumentError, SpecialTokenError, TextError

TYPES = [pa.string(), pa.binary(), pa.large_string(), pa.large_binary(), pa.string_view(), pa.binary_view()]
TEXTS = ["Hello world", None, "", "twelve bytes", "thirteen byte", "é中文 <｜User｜>hi", None, "long " * 40_000, "end"]
LARGE = (pa.large_string(), pa.large_binary())

each_type = pytest.mark.parametrize("kind", TYPES, ids=str)


def expected(texts: list[str | None], **options: Any) -> list[list[int] | None]:
    return [None if text is None else TOK.encode(text, **options) for text in texts]


def check(array: Any, texts: list[str | None], **options: Any) -> None:
    """All that comes out is valid and right, with one thread and with two."""
    ids = expected(texts, **options)
    for threads in (1, 2):
        lists = arrow.encode(TOK, array, num_threads=threads, **options)
        lists.validate(full=True)
        assert lists.to_pylist() == ids
        counts = arrow.count(TOK, array, num_threads=threads, **options)
        assert (counts.type, counts.null_count) == (pa.int64(), texts.count(None))
        assert counts.to_pylist() == [None if row is None else len(row) for row in ids]
    for side in ("right", "left"):
        cut = arrow.truncate(TOK, array, 3, truncation_side=side, **options)
        cut.validate(full=True)
        assert cut.type in (pa.string(), pa.large_string())
        assert cut.to_pylist() == [None if text is None else TOK.truncate(text, 3, truncation_side=side, **options) for text in texts]


@each_type
def test_every_slice(kind: pa.DataType) -> None:
    array = pa.array(TEXTS, kind)
    for start in range(len(TEXTS) + 1):
        check(array[start : start + 4], TEXTS[start : start + 4])


@each_type
def test_options(kind: pa.DataType) -> None:
    """BOS and EOS stand around each text, and not in a null row."""
    array = pa.array(TEXTS, kind)[1:]
    for options in ({"add_bos": True}, {"add_bos": True, "add_eos": True, "special": "none"}, {"special": {"<｜User｜>"}}):
        check(array, TEXTS[1:], **options)


@each_type
def test_chunks(kind: pa.DataType) -> None:
    array = pa.array(TEXTS, kind)
    chunked = pa.chunked_array([array[2:5], array[:0], array[1:2], array], kind)
    check(chunked, TEXTS[2:5] + TEXTS[1:2] + TEXTS, add_eos=True)
    lists = arrow.encode(TOK, chunked)
    assert [len(chunk) for chunk in lists.chunks] == [3, 0, 1, len(TEXTS)]
    assert lists.type == (pa.large_list if kind in LARGE else pa.list_)(pa.uint32())


@each_type
def test_nothing(kind: pa.DataType) -> None:
    check(pa.array([], kind), [])
    check(pa.chunked_array([], kind), [])
    check(pa.nulls(3, kind), [None] * 3)
    check(pa.array([""] * 3, kind), [""] * 3)


def test_an_array_of_nulls_alone() -> None:
    check(pa.nulls(3), [None] * 3)


@pytest.mark.parametrize("kind", TYPES[:4], ids=str)
def test_what_a_null_row_holds_is_not_read(kind: pa.DataType) -> None:
    array = pa.array([b"a", b"\xff\xff", b"c"], pa.large_binary() if kind in LARGE else pa.binary())
    _, offsets, data = array.buffers()
    validity = pa.py_buffer(bytes([0b101]))
    check(pa.Array.from_buffers(kind, 3, [validity, offsets, data]), ["a", None, "c"])


def test_arguments_of_the_calls() -> None:
    words, texts, ids = dstok.Splitter(r"\w+"), pa.array(["a", "b <｜User｜>", "\ufffd"]), pa.array([[1]])
    calls: list[tuple[Any, Any, tuple[int, ...]]] = [
        (arrow.encode, texts, ()), (arrow.count, texts, ()), (arrow.decode, ids, ()), (arrow.truncate, texts, (1,))]
    for wrong in (None, "deepseek-v3", 3, words):
        for call, array, more in calls:
            with pytest.raises(ArgumentError, match=f"expected a Tokenizer, .*, found {type(wrong).__name__}"):
                call(wrong, array, *more)
    splits: list[Any] = [arrow.split, arrow.spans, arrow.number_of_pieces]
    for split in splits:
        with pytest.raises(ArgumentError, match="expected a Splitter, .*, found Tokenizer"):
            split(TOK, texts)
    refusing: list[tuple[Any, Any]] = [(-1, {}), (0, {"add_bos": True}), (1, {"truncation_side": "middle"}), ("1", {})]
    for most, options in refusing:
        with pytest.raises(ArgumentError):
            arrow.truncate(TOK, pa.array([], pa.string()), most, **options)
    with pytest.raises(SpecialTokenError) as refused:
        arrow.truncate(TOK, texts, 9, special="raise")
    with pytest.raises(TextError) as broken:
        arrow.truncate(TOK, pa.array([b"a", b"bc\xff"]), 9)
    assert (refused.value.batch_index, broken.value.batch_index, broken.value.offset) == (1, 1, 2)
    assert arrow.truncate(TOK, pa.array([b"bc\xff"]), 9, errors="replace").to_pylist() == ["bc\ufffd"]


@each_type
def test_dictionaries(kind: pa.DataType) -> None:
    """Entries in another order than rows, unused ones (of binaries invalid), null codes, null entries."""
    unused = "unused" if "string" in str(kind) else b"\xff"
    entries = pa.array([unused, b"b", None, b"Hello world", b"never"], kind)
    codes = pa.array([3, 1, None, 3, 2, 1], pa.int16())
    texts = ["Hello world", "b", None, "Hello world", None, "b"]
    array = pa.DictionaryArray.from_arrays(codes, entries)
    check(array, texts, add_bos=True)
    check(array[2:], texts[2:])
    check(array[:0], [])
    check(pa.chunked_array([array[1:3], array]), texts[1:3] + texts)


def test_large_lists_where_32_bits_are_too_few(monkeypatch: pytest.MonkeyPatch) -> None:
    """Of one chunk, or of the rows of a dictionary: the limit is made small, the real one needs 8 GB."""
    array = pa.array(["Hello world", "a b c"])
    monkeypatch.setattr(columns, "LIMIT", 5)
    assert arrow.encode(TOK, array).type == pa.list_(pa.uint32())
    monkeypatch.setattr(columns, "LIMIT", 4)
    assert arrow.encode(TOK, array).type == pa.large_list(pa.uint32())
    assert arrow.encode(TOK, pa.chunked_array([array[:1], array[:1], array[1:]])).type == pa.list_(pa.uint32())
    check(pa.chunked_array([array[:1], array]), ["Hello world", "Hello world", "a b c"])
    assert arrow.encode(TOK, array[:1].take(pa.array([0] * 3)).dictionary_encode()).type == pa.large_list(pa.uint32())


@examples(60)
@given(st.lists(st.none() | any_text, max_size=9), st.sampled_from(TYPES), st.integers(0, 4))
def test_any_texts(texts: list[str | None], kind: pa.DataType, start: int) -> None:
    check(pa.array(texts, kind)[start:], texts[start:])


# Errors


@pytest.mark.parametrize("kind", [pa.binary(), pa.large_binary(), pa.binary_view()], ids=str)
@pytest.mark.parametrize("call", [arrow.encode, arrow.count])
def test_invalid_utf8_names_its_row(kind: pa.DataType, call: Any) -> None:
    array = pa.array([b"a", None, b"b\xff", b"c\xff"], kind)
    chunked = pa.chunked_array([array[:2], array[1:]])
    for broken, row in ((array, 2), (array[1:], 1), (chunked, 3), (array[3:], 0)):
        with pytest.raises(dstok.TextError, match=rf"found byte 0xff at byte offset 1 of text {row}$") as caught:
            call(TOK, broken, num_threads=2)
        assert (caught.value.offset, caught.value.batch_index) == (1, row)


def test_errors_of_a_dictionary_name_the_first_row() -> None:
    entries = pa.array([b"\xff", b"fine", b"\xfe"])
    array = pa.DictionaryArray.from_arrays(pa.array([1, None, 2, 0, 2]), entries)
    with pytest.raises(dstok.TextError, match="found byte 0xfe at byte offset 0 of text 2$"):
        arrow.encode(TOK, array)
    with pytest.raises(dstok.TextError, match="of text 7$"):
        arrow.encode(TOK, pa.chunked_array([array[:2], array[:2], array[:1], array]))


def test_strings_are_checked_too() -> None:
    """pyarrow does not look at what a string array is made of."""
    _, offsets, data = pa.array([b"a", b"\xc3"]).buffers()
    with pytest.raises(dstok.TextError, match="of text 1$"):
        arrow.encode(TOK, pa.Array.from_buffers(pa.string(), 2, [None, offsets, data]))


def test_replacement() -> None:
    """U+FFFD for each maximal part, as in Python; valid rows are not touched."""
    texts = [b"a\xff", "é".encode(), b"\xe4\xb8", b"\xed\xa0\x80"]
    for kind in (pa.binary(), pa.binary_view()):
        found = arrow.encode(TOK, pa.array(texts, kind), errors="replace").to_pylist()
        assert found == [TOK.encode(text, errors="replace") for text in texts]


def test_an_added_token_names_its_row() -> None:
    array = pa.array(["plain", None, "x<｜User｜>"])
    with pytest.raises(dstok.SpecialTokenError) as caught:
        arrow.encode(TOK, array, special="raise")
    assert (caught.value.token, caught.value.offset, caught.value.batch_index) == ("<｜User｜>", 1, 2)


@pytest.mark.parametrize("offsets", [[0, 9, 3], [0, -4, 3], [0, 2**31 - 1, 3]])
def test_offsets_outside_the_buffer(offsets: list[int]) -> None:
    """An array that was put together wrongly is an error, not a crash."""
    parts = [None, pa.py_buffer(np.array(offsets, np.int32)), pa.py_buffer(b"abc")]
    with pytest.raises(dstok.TextError, match="expected a text inside its buffer, found"):
        arrow.encode(TOK, pa.Array.from_buffers(pa.string(), 2, parts))


def test_views_outside_their_buffers() -> None:
    views = pa.array(["a text of more than twelve bytes"], pa.string_view())
    for field, value in ((0, 1000), (2, 7), (2, -2), (3, 40), (3, -1)):
        fields = np.frombuffer(views.buffers()[1], np.int32).copy()
        fields[field] = value
        broken = pa.Array.from_buffers(pa.string_view(), 1, [None, pa.py_buffer(fields), views.buffers()[2]])
        with pytest.raises(dstok.TextError, match="inside its buffer"):
            arrow.encode(TOK, broken)


@pytest.mark.parametrize(("array", "found"), [
    (["a"], "list"), ("a", "str"), (None, "NoneType"), (pa.array([1]), "int64"), (pa.array([["a"]]), "list<"),
    (pa.array([1]).dictionary_encode(), "dictionary<"), (pa.table({"text": ["a"]}), "Table|struct<"),
    (pa.chunked_array([[b"abcd"]], pa.binary(4)), "fixed_size_binary"),
], ids=["list", "str", "none", "ints", "lists", "dictionary of ints", "table", "fixed size"])
def test_what_is_no_array_of_texts(array: Any, found: str) -> None:
    for call in (arrow.encode, arrow.count):
        with pytest.raises(TypeError, match=rf"expected an Arrow array.*found.*({found})"):
            call(TOK, array)


@pytest.mark.parametrize("dtype", ["uint32", "int32", "int64"])
def test_dtypes(dtype: Any) -> None:
    lists = arrow.encode(TOK, pa.chunked_array([pa.array(TEXTS)]), dtype=dtype)
    assert lists.type == pa.list_(pa.type_for_alias(dtype)) and lists.to_pylist() == expected(TEXTS)
    with pytest.raises(ValueError, match="one of uint32, int32, int64, found 'int16'"):
        arrow.encode(TOK, pa.array([]), dtype="int16")  # type: ignore[arg-type]


def test_threads() -> None:
    with pytest.raises(ValueError, match="threads to be at least 1, found 0"):
        arrow.encode(TOK, pa.array(["a"]), num_threads=0)


def test_ids_outlive_the_texts() -> None:
    """The buffer of the ids is not given to the next call while an array holds it."""
    kept = arrow.encode(TOK, pa.array(["Hello world"] * 50_000))
    other = arrow.encode(TOK, pa.array(["something else"] * 50_000))
    assert kept.values.to_numpy()[:2].tolist() == TOK.encode("Hello world")
    assert other.values.to_numpy()[:2].tolist() == TOK.encode("something else")[:2]
