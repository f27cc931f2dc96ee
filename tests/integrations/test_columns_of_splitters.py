"""Splitters in Polars, DuckDB and pandas: the real engines give what Python's `Splitter` gives."""

from __future__ import annotations

import os
import re
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest

import dstok
from dstok import Splitter

SPLITTERS = [Splitter(r"\w+"), Splitter(r"\s+", behavior="Removed"), Splitter.preset("deepseek-v3")]
TEXTS: list[Any] = ["Hello world", None, "", "é中文, longer than a view  12345", " ", "\0 a", "internationalization of words"] * 700
each_splitter = pytest.mark.parametrize("splitter", SPLITTERS, ids=["words", "blanks lost", "deepseek"])


def needed(name: str) -> Any:
    """A library, with dstok's part of it. Without the library a test skips; in CI, which installs all, it fails."""
    if find_spec(name) is None and not os.environ.get("CI"):
        pytest.skip(f"needs the package {name}")
    import_module(f"dstok.integrations.{name}")
    return import_module(name)


def wanted(splitter: Splitter, unit: Any = "bytes") -> tuple[list[Any], list[Any], list[Any]]:
    """Spans, pieces and their number for each text."""
    spans = [None if text is None else [{"start": start, "end": end} for start, end in splitter.spans(text, unit=unit).tolist()]
             for text in TEXTS]
    pieces = [None if text is None else splitter.split(text) for text in TEXTS]
    return spans, pieces, [None if each is None else len(each) for each in pieces]


@each_splitter
def test_polars(splitter: Splitter) -> None:
    pl = needed("polars")
    frame = pl.DataFrame({"text": TEXTS, "id": range(len(TEXTS))})
    column = pl.col("text").dstok
    asked = [column.spans(splitter).alias("spans"), column.spans(splitter, unit="characters", threads=2).alias("characters"),
             column.split(splitter, threads=2).alias("split"), column.count(splitter).alias("count")]
    spans, pieces, counts = wanted(splitter)
    rows = {"spans": spans, "characters": wanted(splitter, "characters")[0], "split": pieces, "count": counts}
    schema = {"spans": pl.List(pl.Struct({"start": pl.Int32, "end": pl.Int32})), "characters": pl.List(pl.Struct({"start": pl.Int32, "end": pl.Int32})),
              "split": pl.List(pl.String), "count": pl.Int64}
    lazy = frame.lazy().select(*asked)
    assert lazy.collect_schema() == schema
    for found in (frame.select(*asked), lazy.collect(), lazy.collect(engine="streaming")):
        assert found.schema == schema and found.to_dict(as_series=False) == rows
    cut = pl.concat([frame[3:9], frame[:0], frame.filter(pl.col("id") % 7 == 3)], rechunk=False)
    assert cut["text"].dstok.split(splitter).to_list() == [pieces[number] for number in cut["id"]]
    assert cut["text"].dstok.count(splitter).name == "text"
    spread = frame.select(pl.col("id"), column.split(splitter)).explode("text").drop_nulls()
    assert spread.height == sum(filter(None, counts))


def test_texts_that_polars_makes() -> None:
    """Long columns, and what is no column of texts."""
    pl = needed("polars")
    words = pl.Series("words", [f"number {i} of many, and some more" for i in range(50_000)])
    assert words.dstok.count(SPLITTERS[0], threads=2).sum() == 50_000 * 13
    assert words.dstok.split(SPLITTERS[1]).list.len().sum() == 50_000 * 7
    with pytest.raises(TypeError, match="expected an Arrow array of strings or binaries, found one of int64"):
        pl.Series([1]).dstok.count(SPLITTERS[0])
    assert pl.Series(["a b", None], dtype=pl.Categorical).dstok.split(SPLITTERS[0]).to_list() == [["a", " ", "b"], None]
    with pytest.raises(dstok.TextError):
        pl.Series([b"\xff"]).dstok.count(SPLITTERS[0])


@each_splitter
def test_duckdb(splitter: Splitter) -> None:
    duckdb = needed("duckdb")
    from dstok.integrations.duckdb import register

    connection = duckdb.connect()
    register(connection, splitter, "word")
    register(connection, splitter, "char", unit="characters")
    connection.execute("create table texts (id integer, text varchar)")
    connection.executemany("insert into texts values (?, ?)", list(enumerate(TEXTS[:300])))
    asked = "select word_spans(text), char_spans(text), word_split(text), word_count(text) from texts order by id"
    spans, pieces, counts = wanted(splitter)
    assert connection.sql(asked).fetchall() == list(zip(spans[:300], wanted(splitter, "characters")[0], pieces, counts))
    many = connection.sql("select sum(word_count('a b')), sum(len(word_split('a b'))) from range(5000)").fetchall()
    assert many == [(5000 * splitter.count("a b"),) * 2]
    [(kind,)] = connection.sql("select typeof(word_spans('a'))").fetchall()
    assert kind == 'STRUCT("start" INTEGER, "end" INTEGER)[]'


@each_splitter
def test_pandas(splitter: Splitter) -> None:
    pd = needed("pandas")
    spans, pieces, counts = wanted(splitter)
    for kind in ("str", "object", "string[pyarrow]", "category"):
        series = pd.Series(TEXTS, range(10, 10 + len(TEXTS)), kind, name="texts")
        found = series.dstok.split(splitter, threads=2)
        assert [None if each is pd.NA else list(each) for each in found] == pieces
        assert (found.name, list(found.index)) == ("texts", list(series.index))
        assert [None if each is pd.NA else list(each) for each in series.dstok.spans(splitter)] == spans
        assert [None if each is pd.NA else list(each) for each in series.dstok.spans(splitter, unit="characters")] == wanted(splitter, "characters")[0]
        assert [None if each is pd.NA else each for each in series.dstok.count(splitter)] == counts


def test_the_documentation() -> None:
    for name in ("polars", "duckdb", "pandas"):
        needed(name)
    page = (Path(__file__).resolve().parents[2] / "docs" / "arrow.md").read_text(encoding="utf-8")
    [code] = re.findall(r"(?ms)^<!-- run by tests/integrations/test_columns.*?^```python\n(.*?)^```", page)
    found: dict[str, Any] = {"dstok": dstok, "words": SPLITTERS[0]}
    exec(code, found)
    pieces = ["Hello", " ", "world"]
    assert found["lists"]["text"].to_list() == [pieces, None] and found["found"] == [(pieces,), (None,)]
    assert list(found["series"][0]) == pieces and found["series"].isna().tolist() == [False, True]
