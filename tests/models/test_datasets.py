"""The documented ways to wikitext: `datasets`, with a local file; wiki.test.raw, found in its cache or fetched.

`datasets` takes 80 MB and a second: it is imported where it is used, not in each process that collects the tests.
"""

from __future__ import annotations

from hashlib import sha256
from pathlib import Path
from typing import Any

import pytest
from shared_data import wiki

import dstok
from benchmarks import wikitext

LINES = " \n = Title = \n \n Some words @,@ é 中 , and more . \n \n"


@pytest.fixture
def wiki_rows(tmp_path: Path) -> list[str]:
    import datasets

    file = tmp_path / "wiki.test.raw"
    file.write_bytes(wiki().encode())
    table = datasets.load_dataset("text", data_files=str(file), split="train", keep_linebreaks=True,
                                  cache_dir=str(tmp_path))
    return list(table["text"])


def test_the_rows_are_the_file(wiki_rows: list[str]) -> None:
    assert "".join(wiki_rows) == wiki()


def test_rows_count_as_upstream_counts_lines(wiki_rows: list[str]) -> None:
    tok = dstok.load("deepseek-v3")
    lines = wiki().encode().splitlines(keepends=True)
    assert tok.count_batch(wiki_rows, num_threads=2) == [len(tok.encode(line)) for line in lines]


def test_map_over_a_table(wiki_rows: list[str]) -> None:
    """A tokenizer pickles, so that `map` can send it to other processes and hash it."""
    import datasets

    tok = dstok.load("deepseek-v3")
    table = datasets.Dataset.from_dict({"text": wiki_rows[:100]})
    mapped = table.map(lambda batch: {"ids": tok.encode_batch(batch["text"])}, batched=True, num_proc=2)
    assert mapped["ids"][:] == tok.encode_batch(wiki_rows[:100])


# Found and fetched


def rows_of(text: str) -> list[str]:
    """The rows of the data set, as its script makes them of the lines of the file: blank ones are empty."""
    return [line if line.strip() else "" for line in text.split("\n")[:-1] for line in [line + "\n"]]


def test_the_rows_of_the_data_set_make_the_file() -> None:
    """Of the real file, and of lines like its own."""
    for text in (wiki(), LINES):
        rows = rows_of(text)
        assert rows.count("") > 2 and wikitext.canonical(rows) == text.encode()


@pytest.fixture
def machine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """One with nothing on it, where `LINES` is the wanted text. Gives the folder of the data sets' cache."""
    monkeypatch.setattr(wikitext, "SHA256", sha256(LINES.encode()).hexdigest())
    monkeypatch.setenv("DSTOK_SHARED", str(tmp_path / "shared"))
    monkeypatch.setattr("datasets.config.HF_DATASETS_CACHE", tmp_path / "cache")
    return tmp_path / "cache"


def load(configuration: str, rows: list[str], cache: Path) -> None:
    """Loads a configuration of a data set of that name, as from the hub, into the cache."""
    import datasets

    repository = cache.parent / configuration / "wikitext"
    repository.mkdir(parents=True)
    datasets.Dataset.from_dict({"text": rows}).to_parquet(repository / "test.parquet")
    (repository / "README.md").write_text(f"---\nconfigs:\n- config_name: {configuration}\n  data_files:\n"
                                          "  - split: test\n    path: test.parquet\n---\n")
    datasets.load_dataset(str(repository), configuration, split="test", cache_dir=str(cache))


def test_found_in_the_cache_of_datasets(machine: Path) -> None:
    """Among tables of other texts, and broken ones."""
    load("wikitext-103-raw-v1", ["other rows\n"], machine)
    broken = machine / "wikitext" / "wikitext-2-raw-v1" / "0.0.0" / "0" / "wikitext-test.arrow"
    broken.parent.mkdir(parents=True)
    broken.write_bytes(b"not a table")
    assert wikitext.find() is None
    load("wikitext-2-raw-v1", rows_of(LINES), machine)
    assert wikitext.find() == LINES.encode()


def test_a_file_of_that_name_with_other_bytes(machine: Path) -> None:
    """It is passed over; the right one is taken."""
    file = machine.parent / "shared" / "data" / "wiki.test.raw"
    file.parent.mkdir(parents=True)
    file.write_bytes(LINES.encode()[:-1])
    assert wikitext.find() is None
    file.write_bytes(LINES.encode())
    assert wikitext.find() == LINES.encode()


def test_the_command_fetches(machine: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    file = machine.parent / "out"
    asked: list[tuple[object, ...]] = []

    def hub(*words: object, **keywords: object) -> Any:
        asked.append((*words, keywords))
        return {"text": rows_of(LINES)}

    monkeypatch.setattr("datasets.load_dataset", hub)
    assert wikitext.main([str(file)]) == 0
    assert asked == [("wikitext", "wikitext-2-raw-v1", {"split": "test"})]
    assert file.read_bytes() == LINES.encode() and "fetched" in capsys.readouterr().out


def test_the_command_without_a_network(
    machine: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """One line that says why; so do rows that make another file."""
    def no_hub(*words: object, **keywords: object) -> Any:
        raise ConnectionError("no\nroute")

    monkeypatch.setattr("datasets.load_dataset", no_hub)
    assert wikitext.main([]) == 2
    assert capsys.readouterr().err == ("benchmarks.wikitext: expected wikitext from datasets, "
                                       "found ConnectionError: no route\n")
    monkeypatch.setattr("datasets.load_dataset", lambda *words, **keywords: {"text": ["other\n"]})
    assert wikitext.main([]) == 2 and "another file" in capsys.readouterr().err
