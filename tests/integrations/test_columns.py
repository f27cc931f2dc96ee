"""Tokenizers and splitters in Polars, DuckDB and pandas: the real engines give what Python's calls give."""

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
from dstok.errors import ArgumentError
from dstok.integrations import columns

SPLITTERS = [Splitter(r"\w+"), Splitter(r"\s+", behavior="Removed"), Splitter.preset("deepseek-v3")]
TEXTS: list[Any] = ["Hello world", None, "", "é中文, longer than a view  12345", " ", "\0 a", "internationalization of words"] * 700
each_splitter = pytest.mark.parametrize("splitter", SPLITTERS, ids=["words", "blanks lost", "deepseek"])


def needed(name: str) -> Any:
    """A library, with dstok's part of it. Without the library a test skips; in CI, which installs all, it fails."""
    if find_spec(name) is None and not os.environ.get("CI"):
        pytest.skip(f"needs the package {name}")
    library = import_module(name)
    if name != "duckdb":
        columns.register(library)
    return library


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
    asked = [column.spans(splitter).alias("spans"), column.spans(splitter, unit="characters", num_threads=2).alias("characters"),
             column.split(splitter, num_threads=2).alias("split"), column.count(splitter).alias("count")]
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
    assert words.dstok.count(SPLITTERS[0], num_threads=2).sum() == 50_000 * 13
    assert words.dstok.split(SPLITTERS[1]).list.len().sum() == 50_000 * 7
    with pytest.raises(TypeError, match="expected an Arrow array of strings or binaries, found one of int64"):
        pl.Series([1]).dstok.count(SPLITTERS[0])
    assert pl.Series(["a b", None], dtype=pl.Categorical).dstok.split(SPLITTERS[0]).to_list() == [["a", " ", "b"], None]
    with pytest.raises(dstok.TextError):
        pl.Series([b"\xff"]).dstok.count(SPLITTERS[0])


@each_splitter
def test_duckdb(splitter: Splitter) -> None:
    duckdb = needed("duckdb")
    connection = duckdb.connect()
    columns.register_functions(connection, splitter, "word")
    columns.register_functions(connection, splitter, "char", unit="characters")
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
        found = series.dstok.split(splitter, num_threads=2)
        assert [None if each is pd.NA else list(each) for each in found] == pieces
        assert (found.name, list(found.index)) == ("texts", list(series.index))
        assert [None if each is pd.NA else list(each) for each in series.dstok.spans(splitter)] == spans
        assert [None if each is pd.NA else list(each) for each in series.dstok.spans(splitter, unit="characters")] == wanted(splitter, "characters")[0]
        assert [None if each is pd.NA else each for each in series.dstok.count(splitter)] == counts


TOK = dstok.load("deepseek-v3")
IDS = [None if text is None else TOK.encode(text, add_bos=True) for text in TEXTS]
COUNTS = [None if ids is None else len(ids) for ids in IDS]
CUT = [None if text is None else TOK.truncate(text, 3) for text in TEXTS]
DECODED = [None if ids is None else TOK.decode(ids) for ids in IDS]


def test_tokenizers_in_polars() -> None:
    pl = needed("polars")
    frame, text = pl.DataFrame({"text": TEXTS}), pl.col("text").dstok
    asked = {"ids": text.encode(TOK, add_bos=True, num_threads=2), "count": text.count(TOK, add_bos=True), "cut": text.truncate(TOK, 3)}
    schema = {"ids": pl.List(pl.UInt32), "count": pl.Int64, "cut": pl.String}
    lazy = frame.lazy().select(**asked)
    assert lazy.collect_schema() == schema
    for found in (frame.select(**asked), lazy.collect(engine="streaming")):
        assert found.schema == schema and found.to_dict(as_series=False) == {"ids": IDS, "count": COUNTS, "cut": CUT}
        assert found.select(pl.col("ids").dstok.decode(TOK)).to_dict(as_series=False) == {"ids": DECODED}
    series = frame["text"].dstok
    assert series.encode(TOK).dstok.decode(TOK).to_list() == frame["text"].to_list()
    assert series.count(TOK).name == series.truncate(TOK, 3).name == "text"
    kinds = frame["text"].cast(pl.Categorical).dstok
    assert kinds.truncate(TOK, 3).to_list() == CUT and kinds.encode(TOK, add_bos=True).to_list() == IDS


def test_tokenizers_in_pandas() -> None:
    pd = needed("pandas")

    def lists(series: Any) -> list[Any]:
        assert (series.name, list(series.index)) == ("texts", list(range(10, 10 + len(TEXTS))))
        return [None if each is pd.NA else each if isinstance(each, (str, int)) else [int(id) for id in each] for each in series]

    for kind in ("str", "object", "string[pyarrow]", "category"):
        texts = pd.Series(TEXTS, range(10, 10 + len(TEXTS)), kind, name="texts").dstok
        ids = texts.encode(TOK, add_bos=True)
        assert (lists(ids), lists(texts.count(TOK, add_bos=True)), lists(texts.truncate(TOK, 3))) == (IDS, COUNTS, CUT)
        assert lists(ids.dstok.decode(TOK)) == DECODED
    assert pd.Series([[19923], None, [2058, 0]]).dstok.decode(TOK, skip_special_tokens=True).fillna("-").tolist() == ["Hello", "-", " world"]


def test_tokenizers_in_duckdb() -> None:
    connection = needed("duckdb").connect()
    columns.register_functions(connection, TOK, "v3")
    connection.execute("create table texts (id integer, text varchar)")
    connection.executemany("insert into texts values (?, ?)", list(enumerate(TEXTS[:300])))
    found = connection.sql("select v3_encode(text), v3_count(text), v3_truncate(text, 3), v3_decode(v3_encode(text)) from texts order by id")
    plain = [None if text is None else TOK.encode(text) for text in TEXTS[:300]]
    assert found.fetchall() == list(zip(plain, [None if ids is None else len(ids) for ids in plain], CUT, TEXTS))
    assert connection.sql("select v3_truncate('Hello wide world', n) from range(4) rows(n) order by n").fetchall() == [
        ("",), ("Hello",), ("Hello wide",), ("Hello wide world",)]
    columns.register_functions(connection, TOK, "bare", special="none")
    assert connection.sql("select bare_count('<｜User｜>')").fetchall() == [(TOK.count("<｜User｜>", special="none"),)]


WRONG: list[Any] = [None, 3, "deepseek-v3", b"x", [TOK], Path("x"), dstok.Tokenizer]


@pytest.mark.parametrize("name", ["polars", "pandas"])
@pytest.mark.parametrize("given", WRONG, ids=repr)
def test_wrong_arguments(name: str, given: Any) -> None:
    """They are told when the call is written, not when a lazy frame is collected."""
    library, kind = needed(name), type(given).__name__
    for texts in (library.Series(["a"]).dstok, *([library.col("text").dstok] if name == "polars" else [])):
        for call in (texts.encode, texts.decode, lambda by, texts=texts: texts.truncate(by, 3)):
            with pytest.raises(ArgumentError, match=rf'expected a Tokenizer, such as dstok.load\("deepseek-v3"\), found {kind}$'):
                call(given)
        for call in (texts.spans, texts.split):
            with pytest.raises(ArgumentError, match=rf"expected a Splitter, such as .*, found {kind}$"):
                call(given)
        with pytest.raises(ArgumentError, match=rf"expected a Tokenizer, such as .* or a Splitter, such as .*, found {kind}$"):
            texts.count(given)
        with pytest.raises(ArgumentError, match="expected a Splitter, .*, found Tokenizer"):
            texts.split(TOK)
        with pytest.raises(ArgumentError, match="expected a Tokenizer, .*, found Splitter"):
            texts.encode(SPLITTERS[0])
        with pytest.raises(TypeError, match="unexpected keyword argument 'add_bos'"):
            texts.count(SPLITTERS[0], add_bos=True)
    with pytest.raises(ArgumentError, match="max_tokens"):
        library.Series(["a"]).dstok.truncate(TOK, -1)


def test_what_is_no_library() -> None:
    for given in WRONG:
        with pytest.raises(ArgumentError, match="expected the module polars or pandas"):
            columns.register(given)
        with pytest.raises(ArgumentError, match="expected a connection of DuckDB, found"):
            columns.register_functions(given, TOK, "v3")
        with pytest.raises(ArgumentError, match="expected a Tokenizer, such as .* or a Splitter"):
            columns.register_functions(needed("duckdb").connect(), given, "v3")


def test_the_documentation() -> None:
    for name in ("polars", "duckdb", "pandas"):
        needed(name)
    page = (Path(__file__).resolve().parents[2] / "docs" / "arrow.md").read_text(encoding="utf-8")
    [code] = re.findall(r"(?ms)^<!-- run by tests/integrations/test_columns.*?^```python\n(.*?)^```", page)
    found: dict[str, Any] = {"dstok": dstok, "words": SPLITTERS[0], "tok": TOK}
    exec(code, found)
    pieces = ["Hello", " ", "world"]
    assert found["lists"].to_dict(as_series=False) == {"ids": [[19923, 2058], None], "n": [2, None], "words": [pieces, None]}
    assert found["found"] == [([19923, 2058], pieces), (None, None)]
    assert found["series"].fillna(0).tolist() == [2, 0]
