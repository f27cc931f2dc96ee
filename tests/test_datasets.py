"""The documented way to wikitext, `datasets`, works with a local file, and its rows give the file's tokens."""

from __future__ import annotations

from pathlib import Path

import datasets
import pytest
from shared_data import shared

import dstok


@pytest.fixture
def wiki_rows(tmp_path: Path) -> list[str]:
    table = datasets.load_dataset("text", data_files=str(shared("data/wiki.test.raw")), split="train",
                                  keep_linebreaks=True, cache_dir=str(tmp_path))
    return list(table["text"])


def test_the_rows_are_the_file(wiki_rows: list[str]) -> None:
    assert "".join(wiki_rows).encode() == shared("data/wiki.test.raw").read_bytes()


def test_rows_count_as_upstream_counts_lines(wiki_rows: list[str]) -> None:
    tok = dstok.load("deepseek-v3")
    lines = shared("data/wiki.test.raw").read_bytes().splitlines(keepends=True)
    assert tok.count_batch(wiki_rows, threads=2) == [len(tok.encode(line)) for line in lines]


def test_map_over_a_table(wiki_rows: list[str]) -> None:
    """A tokenizer pickles, so that `map` can send it to other processes and hash it."""
    tok = dstok.load("deepseek-v3")
    table = datasets.Dataset.from_dict({"text": wiki_rows[:100]})
    mapped = table.map(lambda batch: {"ids": tok.encode_batch(batch["text"])}, batched=True, num_proc=2)
    assert mapped["ids"][:] == tok.encode_batch(wiki_rows[:100])
