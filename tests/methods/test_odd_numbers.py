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
from dstok.padding import Padding, Truncation, overflow, pad_batch, pad_pairs, pair_overflow

HUGE = 10**30
SPLITTER = dstok.Splitter.preset("gpt-2")


def unread() -> Iterator[str]:
    """Texts that nobody may ask for."""
    raise AssertionError("a text was looked at")
    yield ""


def padded(**options: Any) -> Any:
    return pad_batch(V3, unread(), Padding(pad_id=0), **options)


def pairs(**options: Any) -> Any:
    return pad_pairs(V3, unread(), unread(), Padding(pad_id=0), **options)


def truncation(**options: Any) -> Any:
    return Truncation(**{"max_tokens": 5, **options})


def limit(**options: Any) -> Any:
    return V3.count("\ud800", **options)


def cut(**options: Any) -> Any:
    return V3.truncate("\ud800", **options)


def chunks(**options: Any) -> Any:
    return V3.chunk(b"\xff", **{"max_tokens": 5, **options})


# Of each call: the numbers that it takes, with the least and the largest of each.
NUMBERS: dict[Callable[..., Any], dict[str, tuple[int, int]]] = {
    Padding: {"length": (0, 1 << 40), "multiple_of": (1, 1 << 40), "pad_id": (0, 2**32 - 1), "type_id": (0, 2**32 - 1)},
    truncation: {"max_tokens": (0, 2**63 - 1), "stride": (0, 2**63 - 1)},
    padded: {"num_threads": (1, 2**63 - 1)}, pairs: {"num_threads": (1, 2**63 - 1)},
    limit: {"limit": (0, 1 << 40)}, cut: {"max_tokens": (0, 1 << 40)}, chunks: {"max_tokens": (1, 1 << 40), "overlap": (0, 2**63 - 1)},
}
THREADS: dict[str, Callable[..., Any]] = {
    "encode_batch": lambda num_threads: V3.encode_batch(unread(), num_threads=num_threads),
    "encode_batch_arrays": lambda num_threads: V3.encode_batch_arrays(unread(), num_threads=num_threads),
    "count_batch": lambda num_threads: V3.count_batch(unread(), num_threads=num_threads),
    "split_batch": lambda num_threads: SPLITTER.split_batch(unread(), num_threads=num_threads),
    "spans_batch": lambda num_threads: SPLITTER.spans_batch(unread(), num_threads=num_threads),
    "splitter's count_batch": lambda num_threads: SPLITTER.count_batch(unread(), num_threads=num_threads),
    "arrow.encode": lambda num_threads: arrow.encode(V3, pa.array(["a"]), num_threads=num_threads),
    "arrow.count": lambda num_threads: arrow.count(V3, pa.array(["a"]), num_threads=num_threads),
    "arrow.split": lambda num_threads: arrow.split(SPLITTER, pa.array(["a"]), num_threads=num_threads),
    "ColumnEncoder": lambda num_threads: arrow.ColumnEncoder(V3, num_threads=num_threads),
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
    for name in NUMBERS[call].keys() & {"stride", "type_id", "num_threads", "max_tokens", "overlap"}:
        assert refused(call, name, None) == f"expected {name} to be a whole number, found None"


@pytest.mark.parametrize("call", THREADS)
def test_threads(call: str) -> None:
    for found, value in NONE.items():
        assert refused(THREADS[call], "num_threads", value).startswith(f"expected num_threads to be a whole number, found {found.split(':')[0]}")
    for value in (0, -HUGE):
        assert refused(THREADS[call], "num_threads", value) == f"expected num_threads to be at least 1, found {value}"
    assert refused(THREADS[call], "num_threads", HUGE) == f"expected num_threads to be at most {2**63 - 1}, found {HUGE}"


@pytest.mark.parametrize("kind", [np.int8, np.uint8, np.int64, np.uint64])
def test_integers_of_numpy_are_numbers(kind: Any) -> None:
    texts, seconds = ["Hello wide world", "a"], ["b", "wide world"]
    one, two, three = kind(1), kind(2), kind(3)
    ids, mask = pad_batch(V3, texts, Padding(length=three, multiple_of=two, pad_id=one), Truncation(two), num_threads=two)
    assert (ids.tolist(), mask.tolist()) == ([[19923, 7050, 1, 1], [67, 1, 1, 1]], [[1, 1, 0, 0], [1, 0, 0, 0]])
    found = pad_pairs(V3, texts, seconds, Padding(multiple_of=three, pad_id=one, type_id=three), Truncation(two), num_threads=one)
    expected = pad_pairs(V3, texts, seconds, Padding(multiple_of=3, pad_id=1, type_id=3), Truncation(2))
    assert [each.tolist() for each in found] == [each.tolist() for each in expected] and found.ids.dtype == np.int64
    assert [part.tolist() for part in overflow(V3, texts[0], Truncation(two, stride=one))] == [[19923, 7050], [7050, 2058]]
    assert len(pair_overflow(V3, texts[0], "a", Truncation(three, stride=one))) == 2
    encoder = arrow.ColumnEncoder(V3, num_threads=two)
    assert pickle.loads(pickle.dumps(encoder))(pa.array(["a"])).to_pylist() == [[67]]


def test_numbers_that_are_large() -> None:
    """No limit of a row is one; threads are as many as there is work for."""
    ids, _ = pad_batch(V3, ["Hello wide world"], Padding(pad_id=2**32 - 1), Truncation(2**63 - 1), num_threads=2**63 - 1)
    assert ids.tolist() == [V3.encode("Hello wide world")]
    text: str = "Hello wide world " * 100
    most: Any = np.int64(1 << 40)
    assert V3.count(text, limit=most) == V3.count(text)
    assert V3.truncate(text, most) == V3.truncate(text, most, truncation_side="left") == "".join(V3.chunk(text, most)) == text
    with pytest.raises(ArgumentError, match="expected overlap to be below max_tokens, 3, less 1 for BOS and EOS, found 2"):
        V3.chunk(text, 3, overlap=2, add_bos=True)
