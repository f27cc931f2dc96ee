"""Arrow arrays of texts to lists of pieces: what `Splitter.split` gives, whatever the layout, the nulls, the chunks."""

from __future__ import annotations

from typing import Any

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st
from reference import examples

from dstok import Split, Splitter, TextError, arrow
from dstok.arrow import splitting

TYPES = [pa.string(), pa.binary(), pa.large_string(), pa.large_binary(), pa.string_view(), pa.binary_view()]
TEXTS = ["Hello world", None, "", "é中文  a1", "thirteen byte", None, "long " * 5000, " "]
SPLITTERS = [Splitter.preset("gpt-2"), Splitter([Split(r"\s+", "Removed"), Split(r"\d", "MergedWithNext")])]
each_type = pytest.mark.parametrize("kind", TYPES, ids=str)
each_splitter = pytest.mark.parametrize("splitter", SPLITTERS, ids=["nothing lost", "blanks lost"])


def check(splitter: Splitter, array: Any, texts: list[str | None]) -> Any:
    for threads in (1, 2):
        found = arrow.split(splitter, array, threads=threads)
        found.validate(full=True)
        assert found.to_pylist() == [None if text is None else splitter.split(text) for text in texts]
    return found


@each_splitter
@each_type
def test_slices_and_chunks(splitter: Splitter, kind: pa.DataType) -> None:
    array = pa.array(TEXTS, kind)
    for start in range(len(TEXTS) + 1):
        found = check(splitter, array[start : start + 4], TEXTS[start : start + 4])
        large = kind in (pa.large_string(), pa.large_binary())
        assert found.type == (pa.large_list(pa.large_string()) if large else pa.list_(pa.string()))
    check(splitter, pa.chunked_array([array[:3], array[3:3], array[3:]]), TEXTS)
    check(splitter, pa.chunked_array([], kind), [])


@each_splitter
def test_dictionaries(splitter: Splitter) -> None:
    texts = ["b c", None, "a", "b c", "a"]
    check(splitter, pa.array(texts).dictionary_encode(), texts)


@each_splitter
@given(st.lists(st.none() | st.text("ab1 é中", max_size=8), max_size=8), st.integers(0, 8))
@examples(100)
def test_any_texts(splitter: Splitter, texts: list[str | None], start: int) -> None:
    check(splitter, pa.array(texts, pa.string())[start:], texts[start:])


def test_large_lists_where_32_bits_are_too_few(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(splitting, "LIMIT", 10)
    assert check(SPLITTERS[0], pa.array(["123456 7890"]), ["123456 7890"]).type == pa.large_list(pa.large_string())


def test_bad_input() -> None:
    with pytest.raises(TextError, match=r"byte offset 1 of text 2") as caught:
        arrow.split(SPLITTERS[0], pa.array([b"a", None, b"b\xff"]))
    assert caught.value.batch_index == 2
    assert arrow.split(SPLITTERS[0], pa.array([b"b\xff"]), errors="replace").to_pylist() == [["b", "\ufffd"]]
    with pytest.raises(TextError) as caught:
        arrow.split(SPLITTERS[0], pa.DictionaryArray.from_arrays(pa.array([1, 0, 1]), pa.array([b"\xff", b"a"])))
    assert caught.value.batch_index == 1
    with pytest.raises(TypeError, match="found one of int64"):
        arrow.split(SPLITTERS[0], pa.array([1]))
    with pytest.raises(ValueError, match="threads to be at least 1"):
        arrow.split(SPLITTERS[0], pa.array(["a"]), threads=0)
    with pytest.raises(ValueError, match="errors"):
        arrow.split(SPLITTERS[0], pa.array(["a"]), errors="ignore")  # type: ignore[arg-type]
