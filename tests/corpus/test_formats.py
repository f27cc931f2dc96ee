"""What is written in each format, read back by dstok and by readers that share nothing with it, is what `encode` gives."""

from __future__ import annotations

import importlib.util
import json
import pickle
from pathlib import Path
from types import ModuleType
from typing import Any, get_args

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from corpora_made import ids_of, json_lines, many
from shared_data import shared

import dstok.corpus
from dstok._util.arguments import Dtype
from dstok.corpus.writers import _metric
from dstok.errors import ArgumentError, FileError

FORMATS = dstok.corpus.FORMATS


@pytest.fixture(autouse=True)
def _in_empty_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def rows(corpus: Any) -> list[list[int]]:
    return [ids.tolist() for ids in corpus]


@pytest.mark.parametrize("format", FORMATS)
@pytest.mark.parametrize("options", [{}, {"add_eos": True, "add_bos": True}, {"special": "all"},
                                     {"tokens_per_file": 1000}], ids=str)
def test_equal_to_encode(format: str, options: dict[str, Any]) -> None:
    texts = many(400)
    done = dstok.corpus.tokenize(json_lines(Path("a.jsonl"), texts), "out", format=format, workers=1, shard_bytes=9000,
                                 **options)
    expected = ids_of(texts, special=options.get("special", "none"), add_bos="add_bos" in options,
                      add_eos="add_eos" in options)
    corpus = dstok.corpus.open("out")
    assert rows(corpus) == expected and len(corpus) == len(texts) == done.documents
    assert corpus.tokens == sum(map(len, expected)) == done.tokens
    assert [corpus[i].tolist() for i in (0, 7, -1, 399)] == [expected[i] for i in (0, 7, -1, 399)]
    assert rows(corpus[10:300:37]) == expected[10:300:37]
    assert corpus.lengths(4).tolist() == [len(expected[4])]
    assert rows(pickle.loads(pickle.dumps(corpus))) == expected
    with pytest.raises(IndexError):
        corpus[400]
    for dtype in get_args(Dtype):
        copied = pickle.loads(pickle.dumps(dstok.corpus.open("out", dtype=dtype)))
        assert rows(copied) == expected and {ids.dtype.name for ids in [*copied, copied[7], *copied[1:3]]} == {dtype}
        copied[7][:] = 0  # PyTorch warns of arrays that are not writable
    with pytest.raises(ArgumentError, match="expected dtype to be one of uint32, int32, int64, found 'uint16'"):
        dstok.corpus.open("out", dtype="uint16")  # type: ignore[arg-type]


@pytest.mark.parametrize(("format", "dtype"), [
    ("raw", "int32"), ("raw", "int64"), ("parquet", "int32"), ("parquet", "int64"), ("arrow", "int64")])
def test_stored_in_another_dtype(format: str, dtype: str) -> None:
    texts = many(400)
    dstok.corpus.tokenize(json_lines(Path("a.jsonl"), texts), "out", format=format, workers=1, dtype=dtype)
    corpus = dstok.corpus.open("out")
    assert rows(corpus) == ids_of(texts) and corpus[7].dtype == dtype
    assert rows(dstok.corpus.open("out", dtype="uint32")) == ids_of(texts)


@pytest.mark.parametrize("format", ["parquet", "arrow", "jsonl"])
def test_other_libraries_read_the_folder_as_it_is(format: str) -> None:
    """They find the ids, and nothing of what dstok keeps beside them."""
    import datasets
    import pyarrow.dataset

    texts = many(400)
    for name, part in (("in/a.jsonl", texts[:300]), ("in/b/c.jsonl", texts[300:])):
        path = json_lines(Path(name), part)
        path.write_bytes(path.read_bytes() + b"{\n")
    done = dstok.corpus.tokenize("in", "out", format=format, workers=1, shard_bytes=9000, skip=True)
    assert (done.documents, done.skipped) == (400, 2) and done.shards > 2
    loaded = datasets.load_dataset("out", split="train", cache_dir="cache")
    assert sorted(loaded["input_ids"]) == sorted(ids_of(texts))
    table = pyarrow.dataset.dataset("out", format="json" if format == "jsonl" else format).to_table()
    assert sorted(table["input_ids"].to_pylist()) == sorted(ids_of(texts))


@pytest.mark.parametrize("pack", [0, 64])
def test_tables_carry_the_fingerprint(pack: int) -> None:
    path, fingerprint = json_lines(Path("a.jsonl"), many(40)), dstok.load("deepseek-v3").fingerprint
    for format in ("parquet", "arrow"):
        dstok.corpus.tokenize(path, format, format=format, workers=1, pack=pack)
        [file] = Path(format).glob(f"*.{format}")
        schema = pq.read_schema(file) if format == "parquet" else pa.ipc.open_file(file).schema
        assert schema.metadata[b"dstok.fingerprint"].decode() == fingerprint
        assert json.loads(Path(format, "__dstok__", "plan.json").read_bytes())["tokenizer"]["fingerprint"] == fingerprint


@pytest.mark.parametrize("format", FORMATS)
@pytest.mark.parametrize("shuffle", [None, 5])
def test_packed(format: str, shuffle: int | None) -> None:
    """Rows of one length; without their cuts and padding they are the documents, in order or shuffled."""
    texts = many(400)
    dstok.corpus.tokenize(json_lines(Path("a.jsonl"), texts), "out", format=format, workers=1, shard_bytes=9000,
                          add_eos=True, pack=64, shuffle=shuffle)
    corpus, expected = dstok.corpus.open("out"), ids_of(texts, add_eos=True)
    found = list[list[int]]()
    for index, row in enumerate(corpus):
        assert len(row) == 64
        parts = np.split(row, np.cumsum(corpus.lengths(index))[:-1])
        assert sum(map(len, parts)) == 64 and all(map(len, parts))
        for part in parts:
            whole = not found or found[-1][-1] == 1
            found.append(part.tolist()) if whole else found[-1].extend(part.tolist())
    found = [document for document in found if set(document) != {1}]
    assert sorted(found) == sorted(expected) and (found == expected) == (shuffle is None)


def readers() -> ModuleType:
    spec = importlib.util.spec_from_file_location("corpus_readers", shared("tools/corpus_readers.py"))
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.mark.parametrize("format", ["raw", "megatron", "datatrove"])
def test_independent_readers(format: str) -> None:
    texts, read = many(300), readers()
    dstok.corpus.tokenize(json_lines(Path("a.jsonl"), texts), "out", format=format, workers=1, shard_bytes=9000)
    suffix, reader = {"raw": (".bin", read.read_raw), "datatrove": (".ds", read.read_datatrove),
                      "megatron": (".bin", lambda path: read.read_megatron(path[:-4]))}[format]
    files = sorted(Path("out").glob(f"*{suffix}"))
    assert [ids.tolist() for path in files for ids in reader(str(path))] == ids_of(texts) and len(files) > 2


def test_tables_read_by_their_own_libraries() -> None:
    texts = many(300)
    path, expected = json_lines(Path("a.jsonl"), texts), ids_of(texts)
    for format in ("parquet", "arrow", "jsonl"):
        dstok.corpus.tokenize(path, format, format=format, workers=1)
    [parquet], [arrow], [lines] = (sorted(Path(format).glob(f"a*.{format}")) for format in ("parquet", "arrow", "jsonl"))
    assert pq.read_table(parquet).column("input_ids").to_pylist() == expected
    assert pa.ipc.open_file(arrow).read_all().column("input_ids").to_pylist() == expected
    found = [json.loads(line) for line in lines.read_text().splitlines()]
    assert [line["input_ids"] for line in found] == expected
    assert [line["id"] for line in found] == [f"a.jsonl-00000/{i}" for i in range(300)]


def test_lists_outside_of_their_values_are_refused() -> None:
    dstok.corpus.tokenize(json_lines(Path("a.jsonl"), many(3)), "out", format="arrow", workers=1)
    [path] = Path("out").glob("a*.arrow")
    table = pa.ipc.open_file(path).read_all().combine_chunks()
    ids = table.column("input_ids").chunk(0)
    offsets = pa.array([0, len(ids.values) + 1, 2, len(ids.values)], pa.int32()).buffers()[1]
    lists = pa.Array.from_buffers(ids.type, 3, [None, offsets], children=[ids.values])
    columns = [lists if name == "input_ids" else table.column(name).chunk(0) for name in table.column_names]
    with pa.ipc.new_file(path, table.schema) as file:
        file.write_batch(pa.record_batch(columns, schema=table.schema))
    with pytest.raises(FileError, match="a.*arrow: offset invariant failure"):
        list(dstok.corpus.open("out"))


def test_datatrove_reads_it() -> None:
    module = pytest.importorskip("datatrove.utils.dataset")
    texts = many(100)
    dstok.corpus.tokenize(json_lines(Path("a.jsonl"), texts), "out", format="datatrove", workers=1, add_eos=True)
    [path] = Path("out").glob("*.ds")
    flat = [id for ids in ids_of(texts, add_eos=True) for id in ids]
    data = module.DatatroveFileDataset(str(path), 31, token_size=4)
    found = [data[i]["input_ids"].tolist() for i in range(len(data))]
    assert found == [flat[at : at + 32] for at in range(0, len(flat) - 31, 32)] and found


def test_counts_in_metadata_are_as_datatrove_writes_them() -> None:
    humanize = pytest.importorskip("humanize")
    for count in (0, 1, 42, 999, 1000, 1234, 12345, 999499, 999999, 1234567, 10**9, 123456789012, 10**13):
        assert _metric(count) == humanize.metric(count, unit="T")


def test_uint16_is_refused_where_ids_would_be_cut_off() -> None:
    json_lines(Path("a.jsonl"), ["a"])
    with pytest.raises(ValueError, match="65536 ids for uint16, found 128815"):
        dstok.corpus.tokenize("a.jsonl", "out", dtype="uint16")
    assert not Path("out").exists()


@pytest.mark.parametrize("format", ["raw", "megatron", "datatrove"])
def test_uint16_of_a_small_vocabulary(format: str) -> None:
    small = dstok.Tokenizer.from_tiktoken({bytes([b]): b for b in range(256)}, r"\S+|\s+")
    json_lines(Path("a.jsonl"), ["ab", "", "c"])
    dstok.corpus.tokenize("a.jsonl", "out", model=small, dtype="uint16", format=format, workers=1)
    corpus = dstok.corpus.open("out")
    assert rows(corpus) == [[97, 98], [], [99]] and corpus[0].dtype == np.uint16


@pytest.mark.parametrize(("options", "message"), [
    ({"format": "webdataset"}, "expected format to be one of raw"), ({"dtype": "uint8"}, "expected the dtype"),
    ({"special": "some"}, "expected special"), ({"special": ("<no>",)}, "'<no>'"), ({"pack": -1}, "pack to be 0"), ({"pack": 1 << 40}, "pack to be below"),
    ({"shuffle": -1}, "shuffle to be 0"), ({"add_eos": "yes"}, "add_eos to be bool, found a string"),
    ({"pack": 4, "pad_id": 10**6}, "an id from 0"), ({"workers": 0}, "at least 1 worker"), ({"shard": (3, 2)}, "3 of 2"),
    ({"engine": "spark"}, "engine"), ({"kind": "csv"}, "inputs to be one of"),
], ids=str)
def test_settings_that_cannot_be(options: dict[str, Any], message: str) -> None:
    json_lines(Path("a.jsonl"), ["a"])
    with pytest.raises(ValueError, match=message):
        dstok.corpus.tokenize("a.jsonl", "out", **options)


@pytest.mark.parametrize("format", FORMATS)
def test_a_damaged_file_is_refused(format: str) -> None:
    dstok.corpus.tokenize(json_lines(Path("a.jsonl"), many(50)), "out", format=format, workers=1)
    corpus = dstok.corpus.open("out")
    path = Path(corpus.files[0].path)
    path.write_bytes(path.read_bytes()[:-7])
    with pytest.raises(FileError, match=path.name):
        rows(dstok.corpus.open("out"))


def test_what_is_no_corpus() -> None:
    for path in ("none", "."):
        with pytest.raises(FileError, match="expected"):
            dstok.corpus.open(path)
