"""Arrow arrays of texts to lists of pieces and spans: what `Splitter` gives, whatever the layout, the nulls, the chunks."""

from __future__ import annotations

from typing import Any

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st
from reference import examples

from dstok import Split, Splitter, TextError, arrow
from dstok.arrow import columns, splitting
from dstok.errors import DstokError

TYPES = [pa.string(), pa.binary(), pa.large_string(), pa.large_binary(), pa.string_view(), pa.binary_view()]
TEXTS = ["Hello world", None, "", "é中文  a1", "thirteen byte", None, "long " * 5000, " ", "a word of more than twelve bytes: " + "é" * 30]
SPLITTERS = [Splitter.preset("gpt-2"), Splitter([Split(r"\s+", "Removed"), Split(r"\d", "MergedWithNext")]),
             Splitter([r"\s+", r"\w+(?!\w)x?"])]
each_type = pytest.mark.parametrize("kind", TYPES, ids=str)
each_splitter = pytest.mark.parametrize("splitter", SPLITTERS, ids=["nothing lost", "blanks lost", "both sides"])


def check(splitter: Splitter, array: Any, texts: list[str | None], errors: Any = "strict") -> Any:
    wanted = [None if text is None else splitter.split(text) for text in texts]
    for threads in (1, 2):
        keywords = {"num_threads": threads, "errors": errors}
        found = arrow.split(splitter, array, **keywords)
        views = arrow.split(splitter, array, views=True, **keywords)
        spans = {unit: arrow.spans(splitter, array, unit=unit, **keywords) for unit in ("bytes", "characters")}
        counts = arrow.number_of_pieces(splitter, array, **keywords)
        for made in (found, views, *spans.values(), counts):
            made.validate(full=True)
            assert isinstance(made, pa.ChunkedArray) == isinstance(array, pa.ChunkedArray)
        assert found.to_pylist() == views.to_pylist() == wanted
        assert counts.to_pylist() == [None if pieces is None else len(pieces) for pieces in wanted]
        for unit, lists in spans.items():
            assert [pairs if pairs is None else [[pair["start"], pair["end"]] for pair in pairs] for pairs in lists.to_pylist()] == [
                text if text is None else splitter.spans(text, unit=unit).tolist() for text in texts]  # type: ignore[arg-type]
    number = pa.int64() if pa.types.is_large_list(found.type) else pa.int32()
    listed = pa.large_list if pa.types.is_large_list(found.type) else pa.list_
    assert views.type == listed(pa.string_view())
    assert spans["bytes"].type == listed(pa.struct([("start", number), ("end", number)]))
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
    texts = ["b c", None, "a", "b c", "a, and more than twelve bytes"]
    check(splitter, pa.array(texts).dictionary_encode(), texts)
    check(splitter, pa.DictionaryArray.from_arrays(pa.array([1, 0, None, 1]), pa.array(["a b", None])), [None, "a b", None, None])
    check(splitter, pa.array([None, None], pa.dictionary(pa.int32(), pa.string())), [None, None])


@each_splitter
def test_nulls_alone(splitter: Splitter) -> None:
    check(splitter, pa.nulls(3), [None] * 3)
    check(splitter, pa.array([], pa.string()), [])


@each_splitter
@given(st.lists(st.none() | st.text("ab1 é中", max_size=25), max_size=8), st.integers(0, 8), st.sampled_from(TYPES))
@examples(100)
def test_any_texts(splitter: Splitter, texts: list[str | None], start: int, kind: pa.DataType) -> None:
    check(splitter, pa.array(texts, kind)[start:], texts[start:])


def test_many_parts_for_threads() -> None:
    texts = [f"word {i} " * (1 + i % 7000) for i in range(0, 30_000, 37)]
    array = pa.chunked_array([pa.array(texts[:100]), pa.array(texts[100:])])
    one, two = (arrow.spans(SPLITTERS[0], array, num_threads=threads) for threads in (1, 3))
    assert one.equals(two) and one.chunk(1)[-1].as_py()[-1]["end"] == len(texts[-1])
    assert arrow.number_of_pieces(SPLITTERS[0], array, num_threads=3).to_pylist() == [len(each) for each in one]


def test_views_lie_in_the_texts() -> None:
    """No copy: a piece of more than twelve bytes is at its place in the text's own buffer."""
    array = pa.array(["the internationalization of communications " * 3])
    [list_] = arrow.split(Splitter(r"\w+"), array, views=True)
    buffers = list_.values.buffers()
    assert buffers[2].address == array.buffers()[2].address and len(buffers) == 3
    for kind in (pa.string_view(), pa.binary_view()):
        views = arrow.split(Splitter(r"\w+"), array.cast(kind), views=True).values
        assert views[2].as_py() == "internationalization"


def test_large_buffers_count_as_several(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(splitting, "WINDOW_LOG2", 5)
    check(SPLITTERS[0], pa.array(TEXTS), TEXTS)
    check(SPLITTERS[1], pa.array(TEXTS, pa.string_view()), TEXTS)


def test_large_lists_where_32_bits_are_too_few(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(columns, "LIMIT", 10)
    assert check(SPLITTERS[0], pa.array(["123456 7890"]), ["123456 7890"]).type == pa.large_list(pa.large_string())


def test_bad_input() -> None:
    for call in (arrow.split, arrow.spans, arrow.number_of_pieces):
        with pytest.raises(TextError, match=r"byte 0xff at byte offset 1 of text 2") as caught:
            call(SPLITTERS[0], pa.array([b"a", None, b"b\xff"]))
        assert caught.value.batch_index == 2
        with pytest.raises(TextError) as caught:
            call(SPLITTERS[0], pa.DictionaryArray.from_arrays(pa.array([1, 0, 1]), pa.array([b"\xff", b"a"])))
        assert caught.value.batch_index == 1
        with pytest.raises(TypeError, match="found one of int64"):
            call(SPLITTERS[0], pa.array([1]))
        with pytest.raises(ValueError, match="threads to be at least 1"):
            call(SPLITTERS[0], pa.array(["a"]), num_threads=0)
        with pytest.raises(ValueError, match="errors"):
            call(SPLITTERS[0], pa.array(["a"]), errors="ignore")  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="unit"):
        arrow.spans(SPLITTERS[0], pa.array(["a"]), unit="words")  # type: ignore[arg-type]


@each_splitter
def test_faults_are_replaced(splitter: Splitter) -> None:
    texts = [b"b\xff", None, b"fine", b"\xe4\xb8 and more than twelve bytes"]
    wanted = [None if text is None else text.decode(errors="replace") for text in texts]
    check(splitter, pa.array(texts), wanted, "replace")
    check(splitter, pa.array(texts).dictionary_encode(), wanted, "replace")


def test_rows_too_long_for_a_view(monkeypatch: pytest.MonkeyPatch) -> None:
    def too_long(*_: object) -> None:
        raise OverflowError("expected rows of less than 2**31 bytes, found one of 2147483648")

    class Long:
        views = too_long

    with pytest.raises(DstokError, match=r"^views: expected rows of less than 2\*\*31 bytes, found one of 2147483648"):
        splitting._views(None, Long(), 1)  # type: ignore[arg-type]
