"""The function over tables: what comes in comes out with two columns more, and a pickle is the same in every process."""

from __future__ import annotations

import os
import pickle
import subprocess
import sys
from typing import Any

import pyarrow as pa
import pytest
from real_models import V3 as TOK

import dstok
from dstok import arrow

TABLE = pa.table({"id": [1, 2, 3], "text": ["Hello world", None, "<｜User｜>hi"], "rest": ["x", "y", None]},
                 metadata={"who": "me"})
IDS = [TOK.encode("Hello world"), None, TOK.encode("<｜User｜>hi")]


def test_a_table() -> None:
    found = arrow.ColumnEncoder(TOK)(TABLE)
    assert found.column_names == ["id", "text", "rest", "input_ids", "length"]
    assert found.select(["id", "text", "rest"]) == TABLE and found.schema.metadata == TABLE.schema.metadata
    assert found["input_ids"].to_pylist() == IDS and found["input_ids"].type == pa.list_(pa.uint32())
    assert found["length"].to_pylist() == [2, None, 2] and found["length"].type == pa.int64()


def test_record_batches_and_iterators_over_them() -> None:
    batch, = TABLE.to_batches()
    found = arrow.ColumnEncoder(TOK)(batch)
    assert isinstance(found, pa.RecordBatch) and found["input_ids"].to_pylist() == IDS
    encoded = arrow.ColumnEncoder(TOK)(iter([batch, batch[1:]]))
    assert next(encoded) == found and next(encoded) == found[1:] and list(encoded) == []


def test_an_array_gives_ids() -> None:
    encoder = arrow.ColumnEncoder(TOK)
    assert encoder(TABLE["text"]).to_pylist() == IDS
    assert encoder(TABLE["text"].chunk(0)).to_pylist() == IDS


def test_names_and_options() -> None:
    encoder = arrow.ColumnEncoder(TOK, "rest", ids="text", length=None, num_threads=2, special="none", add_bos=True,
                                  add_eos=True, errors="replace")
    found = encoder(TABLE)
    assert found.column_names == ["id", "text", "rest"]
    assert found["text"].to_pylist() == [[0, *TOK.encode("x"), 1], [0, *TOK.encode("y"), 1], None]
    some = arrow.ColumnEncoder(TOK, special={"<｜Assistant｜>"})
    assert some(TABLE)["input_ids"].to_pylist()[2] == TOK.encode("<｜User｜>hi", special={"<｜Assistant｜>"})


def test_nothing() -> None:
    found = arrow.ColumnEncoder(TOK)(TABLE[:0])
    assert found.num_rows == 0 and found.schema == arrow.ColumnEncoder(TOK)(TABLE).schema


# Errors


@pytest.mark.parametrize(("names", "message"), [
    (["a", "b"], "expected one column 'text', found 'a', 'b'"), (["text", "text"], "expected one column"), ([], "no column")])
def test_a_column_that_is_not_there(names: list[str], message: str) -> None:
    table = pa.Table.from_arrays([pa.array(["x"])] * len(names), names)
    with pytest.raises(dstok.errors.ColumnError, match=message):
        arrow.ColumnEncoder(TOK)(table)


def test_what_is_no_table() -> None:
    for batch, message in (({"text": ["a"]}, "with_format"), ([TABLE], "Arrow array, found list"), ("text", "found str")):
        with pytest.raises(TypeError, match=message):
            arrow.ColumnEncoder(TOK)(batch)


@pytest.mark.parametrize(("options", "error"), [
    ({"num_threads": 0}, ValueError), ({"errors": "ignore"}, ValueError), ({"special": {"no token"}}, dstok.errors.UnknownTokenError),
    ({"special": [b"a", "b"]}, ValueError)])
def test_wrong_options_are_found_at_once(options: dict[str, Any], error: type[Exception]) -> None:
    with pytest.raises(error):
        arrow.ColumnEncoder(TOK, **options)


# Pickles

PROGRAM = """
import pickle, sys
import dstok
from dstok import arrow
column = "".join(["te", "xt"])
encoder = arrow.ColumnEncoder(dstok.load("deepseek-v3"), column, ids=column, special={"<｜User｜>", "<｜Assistant｜>", "<｜tool▁calls▁begin｜>"})
encoder(__import__("pyarrow").table({"text": ["used before"]}))
sys.stdout.buffer.write(pickle.dumps(encoder))
"""


def dumped(seed: str) -> bytes:
    return subprocess.run([sys.executable, "-c", PROGRAM], env={**os.environ, "PYTHONHASHSEED": seed, "PYTHONUTF8": "1"},
                          check=True, capture_output=True).stdout


def test_pickles_are_equal_in_every_process() -> None:
    """Whatever the order of sets, which names are one object in memory, and what the encoder did before."""
    special = ["<｜tool▁calls▁begin｜>", "<｜Assistant｜>", "<｜User｜>"]
    encoder = arrow.ColumnEncoder(TOK, "text", ids="text", special=special)
    assert dumped("1") == dumped("2") == pickle.dumps(encoder)


def test_a_pickle_does_the_same() -> None:
    tok = TOK.replace(eos_id=5)
    encoder = arrow.ColumnEncoder(tok, "rest", ids="i", length="n", add_eos=True)
    again = pickle.loads(pickle.dumps(encoder))
    assert again(TABLE) == encoder(TABLE) and again(TABLE)["i"].to_pylist()[0][-1] == 5
    assert pickle.dumps(again) == pickle.dumps(encoder)
    assert repr(again).startswith("<dstok.arrow.ColumnEncoder 'rest' -> 'i': <dstok.Tokenizer")


@pytest.mark.parametrize("name", ["text", "input_ids"])
def test_a_table_with_two_columns_of_one_name(name: str) -> None:
    """Neither of them is taken, nor replaced."""
    table = pa.table([pa.array(["a"]), pa.array(["b"]), pa.array(["c"])], names=["text", name, name])
    with pytest.raises(dstok.DstokError, match=f"expected one column '{name}', found 'text', '{name}', '{name}'"):
        arrow.ColumnEncoder(TOK)(table)


def test_messages_with_two_fields_of_one_name() -> None:
    message = pa.StructArray.from_arrays([pa.array(["user"]), pa.array(["a"]), pa.array(["b"])], ["role", "content", "content"])
    with pytest.raises(dstok.DstokError, match="duplicate field names"):
        arrow.conversations(TOK, pa.ListArray.from_arrays([0, 1], message), "v3")
