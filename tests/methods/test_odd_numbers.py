"""Numbers that are none, or out of range, as arguments of calls: one error for all of them, before a text is looked at."""

from __future__ import annotations

import pickle
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from real_models import V3

import dstok
from dstok import arrow
from dstok.errors import ArgumentError, DstokError

HUGE = 10**30
SPLITTER = dstok.Splitter.preset("gpt-2")


def unread() -> Iterator[str]:
    """Texts that nobody may ask for."""
    raise AssertionError("a text was looked at")
    yield ""


def padded(**options: Any) -> Any:
    return dstok.padding.encode_batch_padded(V3, unread(), **{"pad_id": 0, **options})


def pairs(**options: Any) -> Any:
    return dstok.padding.encode_pairs_padded(V3, unread(), unread(), **{"pad_id": 0, **options})


def parts(**options: Any) -> Any:
    return dstok.padding.encode_with_overflow(V3, "\ud800", **{"max_tokens": 5, **options})


def parts_of_pair(**options: Any) -> Any:
    return dstok.padding.encode_pair_with_overflow(V3, "\ud800", "", **{"max_tokens": 5, **options})


def limit(**options: Any) -> Any:
    return V3.count_up_to("\ud800", **options)


def cut(**options: Any) -> Any:
    return V3.truncate("\ud800", **options)


def chunks(**options: Any) -> Any:
    return V3.chunk(b"\xff", **{"max_tokens": 5, **options})


# Of each call: the numbers that it takes, with the least and the largest of each.
NUMBERS: dict[Callable[..., Any], dict[str, tuple[int, int]]] = {
    padded: {"length": (0, 1 << 40), "pad_to_multiple_of": (1, 1 << 40), "max_length": (0, 2**63 - 1), "pad_id": (0, 2**32 - 1),
             "threads": (1, 2**63 - 1)},
    parts: {"max_tokens": (0, 2**63 - 1), "stride": (0, 2**63 - 1)},
    limit: {"max_tokens": (0, 1 << 40)}, cut: {"max_tokens": (0, 1 << 40)}, chunks: {"max_tokens": (1, 1 << 40), "overlap": (0, 2**63 - 1)},
}
NUMBERS |= {pairs: {**NUMBERS[padded], "pad_type_id": (0, 2**32 - 1)}, parts_of_pair: NUMBERS[parts]}
THREADS: dict[str, Callable[..., Any]] = {
    "encode_batch": lambda threads: V3.encode_batch(unread(), threads=threads),
    "encode_batch_arrays": lambda threads: V3.encode_batch_arrays(unread(), threads=threads),
    "count_batch": lambda threads: V3.count_batch(unread(), threads=threads),
    "split_batch": lambda threads: SPLITTER.split_batch(unread(), threads=threads),
    "spans_batch": lambda threads: SPLITTER.spans_batch(unread(), threads=threads),
    "splitter's count_batch": lambda threads: SPLITTER.count_batch(unread(), threads=threads),
    "arrow.encode": lambda threads: arrow.encode(V3, pa.array(["a"]), threads=threads),
    "arrow.count": lambda threads: arrow.count(V3, pa.array(["a"]), threads=threads),
    "arrow.split": lambda threads: arrow.split(SPLITTER, pa.array(["a"]), threads=threads),
    "ColumnEncoder": lambda threads: arrow.ColumnEncoder(V3, threads=threads),
}
NONE = {"float: 1.5": 1.5, "float: 2.0": 2.0, "str: '2'": "2", "bool: True": True, r"list: \[2\]": [2], "complex: 1j": 1j,
        "bytes: b'2'": b"2", "ndarray: array": np.array([2, 3]), "float64": np.float64(2), "bool": np.True_}


def refused(call: Callable[..., Any], name: str, value: Any) -> str:
    with pytest.raises(ArgumentError) as caught:
        call(**{name: value})
    error = caught.value
    assert isinstance(error, DstokError) and isinstance(error, ValueError) and isinstance(error, TypeError)
    again = pickle.loads(pickle.dumps(error))
    assert (str(again), again.argument) == (str(error), error.argument) == (error.message, name)
    return str(error)


@pytest.mark.parametrize("call", NUMBERS)
def test_rows(call: Callable[..., Any]) -> None:
    for name, (least, most) in NUMBERS[call].items():
        for found, value in NONE.items():
            assert refused(call, name, value).startswith(f"expected {name} to be a whole number, found {found.split(':')[0]}")
        for value in (least - 1, np.int64(least - 1), -HUGE):
            assert refused(call, name, value) == f"expected {name} to be at least {least}, found {int(value)}"
        for value in (most + 1, HUGE):
            assert refused(call, name, value) == f"expected {name} to be at most {most}, found {value}"
        assert refused(call, name, 10**100_000) == f"expected {name} to be at most {most}, found 2**332192 or more"
    for name in NUMBERS[call].keys() & {"stride", "pad_type_id", "threads", "max_tokens", "overlap"}:
        assert refused(call, name, None) == f"expected {name} to be a whole number, found None"


@pytest.mark.parametrize("call", THREADS)
def test_threads(call: str) -> None:
    for found, value in NONE.items():
        assert refused(THREADS[call], "threads", value).startswith(f"expected threads to be a whole number, found {found.split(':')[0]}")
    for value in (0, -HUGE):
        assert refused(THREADS[call], "threads", value) == f"expected threads to be at least 1, found {value}"
    assert refused(THREADS[call], "threads", HUGE) == f"expected threads to be at most {2**63 - 1}, found {HUGE}"


@pytest.mark.parametrize("kind", [np.int8, np.uint8, np.int64, np.uint64])
def test_integers_of_numpy_are_numbers(kind: Any) -> None:
    texts, seconds = ["Hello wide world", "a"], ["b", "wide world"]
    one, two, three = kind(1), kind(2), kind(3)
    ids, mask = dstok.padding.encode_batch_padded(V3, texts, length=three, pad_to_multiple_of=two, max_length=two, pad_id=one, threads=two)
    assert (ids.tolist(), mask.tolist()) == ([[19923, 7050, 1, 1], [67, 1, 1, 1]], [[1, 1, 0, 0], [1, 0, 0, 0]])
    found = dstok.padding.encode_pairs_padded(V3, texts, seconds, max_length=two, pad_to_multiple_of=three, pad_id=one, pad_type_id=three, threads=one)
    expected = dstok.padding.encode_pairs_padded(V3, texts, seconds, max_length=2, pad_to_multiple_of=3, pad_id=1, pad_type_id=3)
    assert [each.tolist() for each in found] == [each.tolist() for each in expected] and found.ids.dtype == np.int64
    assert [part.tolist() for part in dstok.padding.encode_with_overflow(V3, texts[0], two, stride=one)] == [[19923, 7050], [7050, 2058]]
    assert len(dstok.padding.encode_pair_with_overflow(V3, texts[0], "a", three, stride=one)) == 2
    encoder = arrow.ColumnEncoder(V3, threads=two)
    assert pickle.loads(pickle.dumps(encoder))(pa.array(["a"])).to_pylist() == [[67]]


def test_numbers_that_are_large() -> None:
    """No limit of a row is one; threads are as many as there is work for."""
    ids, _ = dstok.padding.encode_batch_padded(V3, ["Hello wide world"], pad_id=2**32 - 1, max_length=2**63 - 1, threads=2**63 - 1)
    assert ids.tolist() == [V3.encode("Hello wide world")]
    text: str = "Hello wide world " * 100
    most: Any = np.int64(1 << 40)
    assert V3.count_up_to(text, most) == V3.count(text)
    assert V3.truncate(text, most) == V3.truncate(text, most, truncation_side="left") == "".join(V3.chunk(text, most)) == text
    with pytest.raises(ArgumentError, match="expected overlap to be below max_tokens, 3, less 1 for BOS and EOS, found 2"):
        V3.chunk(text, 3, overlap=2, add_bos=True)
