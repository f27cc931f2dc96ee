"""The column encoder, as it is, in the libraries that it is for: the real ones, each skipped where it is missing."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections.abc import Iterator
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest

import dstok
from dstok import arrow

TOK = dstok.load("deepseek-v3")
ENCODER = arrow.ColumnEncoder(TOK)
TEXTS = ["Hello world", None, "", "<｜User｜>hi", "é中文, longer than a view"] * 40
ROWS = [{"id": number, "text": text, "input_ids": None if text is None else TOK.encode(text),
         "length": None if text is None else TOK.count(text)} for number, text in enumerate(TEXTS)]
TABLE = pa.table({"id": range(len(TEXTS)), "text": TEXTS})
DOCS = Path(__file__).resolve().parents[2] / "docs" / "arrow.md"


def needed(name: str) -> Any:
    """A library. Without it a test skips; in CI, which installs all, it fails."""
    if find_spec(name) is None and not os.environ.get("CI"):
        pytest.skip(f"needs the package {name}")
    return import_module(name)


def documented(heading: str, encoder: arrow.ColumnEncoder = ENCODER) -> dict[str, Any]:
    """The variables after the code of a section of docs/arrow.md was run."""
    section = re.search(rf"(?ms)^#+ {heading}.*?^```python\n(.*?)^```", DOCS.read_text(encoding="utf-8"))
    assert section
    variables = {"tok": TOK, "encoder": encoder, "pa": pa, "arrow": arrow}
    exec(section[1], variables)
    return variables


def test_the_first_example_of_the_documentation() -> None:
    assert documented("Ids in tables")["texts"].to_pylist() == ["Hello world", None, ""]
    assert documented("A column of a table")["encoded"]["length"].to_pylist() == [2, None]


# datasets


MAP = """
import sys
import datasets, dstok
from dstok import arrow

encoder = arrow.ColumnEncoder(dstok.load("deepseek-v3"), special={"<｜User｜>", "<｜Assistant｜>"})
table = datasets.load_dataset("parquet", data_files=sys.argv[1], split="train", cache_dir=sys.argv[2])
mapped = table.with_format("arrow").map(encoder, batched=True, batch_size=7, num_proc=int(sys.argv[3]))
print(sorted(file["filename"] for file in mapped.cache_files))
print(mapped.with_format(None)[:]["input_ids"] == [None if text is None else encoder._tok.encode(text)
                                                  for text in table["text"]])
"""


def mapped(folder: Path, processes: int, seed: str) -> list[str]:
    """What a process of its own prints, which maps a file of `folder`."""
    needed("datasets")
    environment = {**os.environ, "PYTHONHASHSEED": seed, "PYTHONUTF8": "1", "HF_DATASETS_OFFLINE": "1"}
    arguments = [str(folder / "rows.parquet"), str(folder), str(processes)]
    run = subprocess.run([sys.executable, "-c", MAP, *arguments], env=environment, check=True, capture_output=True,
                         encoding="utf-8")
    return run.stdout.splitlines()


def test_datasets_maps_in_processes_and_a_second_run_finds_the_cache(tmp_path: Path) -> None:
    """The cache is found by the pickle: another process, with other hashes of strings, writes no file."""
    import pyarrow.parquet as parquet

    parquet.write_table(TABLE, tmp_path / "rows.parquet")
    first = mapped(tmp_path, 2, "1")
    made = {path: path.stat().st_mtime_ns for path in tmp_path.rglob("*.arrow")}
    assert first[1] == "True" and len(made) == 3  # the rows, and what each of two processes made
    assert mapped(tmp_path, 2, "2") == first
    assert {path: path.stat().st_mtime_ns for path in tmp_path.rglob("*.arrow")} == made


def test_datasets_keeps_other_columns() -> None:
    datasets = needed("datasets")
    table = datasets.Dataset.from_dict(TABLE.to_pydict()).with_format("arrow")
    found = table.map(ENCODER, batched=True, batch_size=64)
    assert found.with_format(None).to_list() == ROWS
    assert found.features["input_ids"] == datasets.List(datasets.Value("uint32"))
    assert found.features["length"] == datasets.Value("int64")
    assert documented("datasets")["encoded"].with_format(None)["length"][:] == [2, None]


# Polars


def test_polars() -> None:
    polars = needed("polars")
    frame = polars.DataFrame(TABLE)
    assert ENCODER(frame).to_dicts() == ROWS
    schema = {**frame.schema, "input_ids": polars.List(polars.UInt32), "length": polars.Int64}
    assert frame.lazy().map_batches(ENCODER, schema=schema).collect().to_dicts() == ROWS
    ids = polars.col("text").map_batches(ENCODER, return_dtype=polars.List(polars.UInt32))
    found = frame.select(ids.alias("ids"))
    assert found.schema == {"ids": polars.List(polars.UInt32)}
    assert found["ids"].to_list() == [row["input_ids"] for row in ROWS]
    assert arrow.count(TOK, frame["text"]).to_pylist() == [row["length"] for row in ROWS]
    shown = documented("Polars")
    assert shown["encoded"].equals(shown["lazy"]) and shown["encoded"]["length"].to_list() == [2, None]
    assert shown["ids"]["text"].to_list() == shown["lazy"]["input_ids"].to_list() == [[19923, 2058], None]


def test_polars_frames_that_were_cut_and_joined() -> None:
    polars = needed("polars")
    frame = polars.DataFrame(TABLE)
    joined = polars.concat([frame[3:9], frame[:0], frame.filter(polars.col("id") % 7 == 2)], rechunk=False)
    assert ENCODER(joined).to_dicts() == [ROWS[number] for number in joined["id"]]
    assert ENCODER(frame[:0]).to_dicts() == []
    with pytest.raises(dstok.errors.ColumnError, match="found 'id'"):
        ENCODER(frame.select("id"))


# DuckDB


def test_duckdb() -> None:
    duckdb = needed("duckdb")
    connection = duckdb.connect()
    connection.create_function("ids", ENCODER, ["VARCHAR"], "UINTEGER[]", type="arrow")
    connection.register("rows", TABLE)
    found = connection.sql("select id, text, ids(text), len(ids(text)) from rows order by id").fetchall()
    assert [dict(zip(ROWS[0], row)) for row in found] == ROWS
    many = connection.sql("select sum(len(ids('Hello world'))) from range(5000)").fetchall()  # more than one vector
    assert many == [(10_000,)]


def test_duckdb_as_batches() -> None:
    duckdb = needed("duckdb")
    connection = duckdb.connect()
    connection.register("rows", TABLE)
    batches = connection.sql("select * from rows order by id").to_arrow_reader(50)
    assert pa.Table.from_batches(ENCODER(iter(batches))).to_pylist() == ROWS
    shown = documented("DuckDB")
    assert shown["found"] == [([19923, 2058],), (None,)] and shown["encoded"]["length"].to_pylist() == [2]


# Ray


@pytest.fixture
def ray(monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    """Ray on this machine alone; its workers import the dstok that is tested."""
    monkeypatch.setenv("RAY_USAGE_STATS_ENABLED", "0")
    ray = needed("ray")
    import_module("ray.data")
    place = str(Path(dstok.__file__).parents[1])
    ray.init("local", num_cpus=1, include_dashboard=False, logging_level="ERROR", _node_ip_address="127.0.0.1",
             runtime_env={"env_vars": {"PYTHONPATH": place}})
    yield ray
    ray.shutdown()


@pytest.mark.skipif("CI" in os.environ, reason="Ray's processes take more memory than the tests may have: run by hand")
def test_ray(ray: Any) -> None:
    rows = ray.data.from_arrow(TABLE).map_batches(ENCODER, batch_format="pyarrow", batch_size=64)
    assert sorted(rows.take_all(), key=lambda row: row["id"]) == ROWS
    assert [row["length"] for row in documented("Ray")["encoded"]] == [2]
