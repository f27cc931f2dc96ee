"""Texts of Arrow tables and of data sets: the training and the counts of the same texts as a list."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import datasets
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest

import dstok
from dstok.errors import ArgumentError, TextError
from dstok.training import BpeTrainer, count_from_iterator, train_from_counts
from dstok.training.run import ROWS

TEXTS = [f"low lower {number % 7} newé 中{number % 5}文" * (number % 3) for number in range(2 * ROWS + 10)]
TRAINER = BpeTrainer(vocab_size=290, initial_alphabet=BpeTrainer.byte_alphabet())
TABLE = pa.table({"id": range(len(TEXTS)), "text": TEXTS})


def generated() -> Iterator[dict[str, Any]]:
    yield from ({"id": number, "text": text} for number, text in enumerate(TEXTS))


SOURCES: dict[str, Callable[[], Any]] = {
    "array": lambda: pa.array(TEXTS),
    "sliced array": lambda: pa.array(["x", *TEXTS, "y"]).slice(1, len(TEXTS)),
    "binary": lambda: pa.array([text.encode() for text in TEXTS]),
    "large": lambda: pa.array(TEXTS, pa.large_string()),
    "view": lambda: pa.array(TEXTS, pa.string_view()),
    "dictionary": lambda: pa.array(TEXTS).dictionary_encode(),
    "chunked": lambda: pa.chunked_array([TEXTS[:5], [], TEXTS[5:]]),
    "table": lambda: TABLE,
    "batch": lambda: TABLE.combine_chunks().to_batches()[0],
    "batches": lambda: pa.Table.from_batches(TABLE.to_batches(max_chunksize=300)),
    "reader": lambda: TABLE.to_reader(max_chunksize=700),
    "struct": lambda: TABLE.to_struct_array().combine_chunks(),
    "polars": lambda: pl.DataFrame({"id": range(len(TEXTS)), "text": TEXTS}),
    "polars series": lambda: pl.Series(TEXTS),
    "pandas": lambda: pd.DataFrame({"text": TEXTS}),
    "dataset": lambda: datasets.Dataset(TABLE),
    "filtered dataset": lambda: datasets.Dataset(pa.table({"text": [*TEXTS, "x"]})).select(range(len(TEXTS))),
    "formatted dataset": lambda: datasets.Dataset(TABLE).with_format("numpy"),
    "iterable dataset": lambda: datasets.IterableDataset.from_generator(generated),
    "shuffled back": lambda: datasets.Dataset(TABLE).shuffle(seed=1).sort("id").to_iterable_dataset(),
    "column of a dataset": lambda: datasets.Dataset(TABLE)["text"],
}


@pytest.mark.parametrize("name", SOURCES)
def test_trainings_of_the_list(name: str, tmp_path: Path) -> None:
    expected = dstok.training.train_from_iterator(TEXTS, TRAINER, like="gpt-2")
    assert dstok.training.train_from_iterator(SOURCES[name](), TRAINER, like="gpt-2", num_threads=2) == expected
    counts = count_from_iterator(SOURCES[name](), tmp_path / "a.counts", like="gpt-2")
    assert train_from_counts(counts, TRAINER, like="gpt-2") == expected
    listed = count_from_iterator(TEXTS, tmp_path / "b.counts", like="gpt-2", memory=1 << 20)
    assert (tmp_path / "a.counts").read_bytes() == Path(listed.path).read_bytes()


def test_another_column() -> None:
    found = dstok.training.train_from_iterator(pa.table({"text": ["x"], "body": ["low low"]}), TRAINER, like="gpt-2", field="body")
    assert found == dstok.training.train_from_iterator(["low low"], TRAINER, like="gpt-2")


FAULTS: list[tuple[Callable[[], Any], type[Exception], str]] = [
    (lambda: pa.table({"body": ["a"]}), ArgumentError, "expected one column 'text', found 'body'"),
    (lambda: datasets.Dataset.from_dict({"body": ["a"]}), ArgumentError, "expected one column 'text', found 'body'"),
    (lambda: pa.table([pa.array(["a"]), pa.array(["b"])], names=["text", "text"]), ArgumentError, "found 'text', 'text'"),
    (lambda: pa.table({"text": [5]}), ArgumentError, "strings or binaries, found one of int64"),
    (lambda: pa.array([["a"]]), ArgumentError, "strings or binaries, found one of list"),
    (lambda: pa.chunked_array([["a"], ["b", None]]), TextError, "expected text, found null.*2"),
    (lambda: pa.array([b"a", b"\xff"]), TextError, "found byte 0xff"),
    (lambda: pa.Array.from_buffers(pa.string(), 2, [None, pa.py_buffer(b"\0\0\0\0\x7f\0\0\0\x01\0\0\0"), pa.py_buffer(b"a")]), TextError, "a valid Arrow array"),
    (lambda: datasets.DatasetDict(train=datasets.Dataset(TABLE)), ArgumentError, "a DatasetDict with train: name one of these"),
    (lambda: {"text": ["a"]}, ArgumentError, "a dict with text"),
]


@pytest.mark.parametrize(("source", "kind", "fault"), FAULTS)
def test_errors(source: Callable[[], Any], kind: type[Exception], fault: str, tmp_path: Path) -> None:
    with pytest.raises(kind, match=fault):
        dstok.training.train_from_iterator(source(), TRAINER, like="gpt-2")
    with pytest.raises(kind, match=fault):
        count_from_iterator(source(), tmp_path / "a.counts", like="gpt-2")
    assert not [*tmp_path.iterdir()]
