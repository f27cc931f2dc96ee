"""Arrow beside lists: `dstok.arrow` beside `encode_batch_arrays`, and both in `datasets.map`.

    python -m benchmarks.arrow --output FILE                 # a Markdown table on stdout, a JSON file

In: the lines of a corpus (english: 321,678 lines, 12 MB), as a list of `str` and as one Arrow array. Out: MB/s (10^6
bytes of UTF-8 a second by the clock), the best of five passes after one untimed pass. Invariant: results are compared
before they are timed: the ids of each call equal those of `encode_batch_arrays`. Each `map` reads the lines as
`load_dataset("text")` has stored them, and writes a new file, as it does for a user. A function that only copies shows
the cost of a `map` by itself. Without `datasets` there are no figures of `map`.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Callable
from datetime import date
from functools import partial
from importlib.util import find_spec
from itertools import count
from pathlib import Path
from tempfile import TemporaryDirectory
from time import perf_counter
from typing import Any

import numpy as np
import pyarrow as pa

import dstok
from benchmarks.cases import CORPORA, Case, load_text
from benchmarks.machine import commit, dirty, machine, python
from dstok import arrow
from dstok.core.cpu.level import chosen_level

__all__ = ["calls", "main", "maps", "table"]

PASSES = 5
THREADS = (1, 2)
BATCHES = (1000, 10_000)  # rows in a call of `map`: its default, and more
Ids = tuple[Any, Any]     # of all texts, and the number of each


def calls(tok: dstok.Tokenizer, texts: list[str]) -> dict[str, float]:
    """MB/s of each call, with `num_threads` threads."""
    array = pa.array(texts)
    found: dict[str, float] = {}
    size = sum(len(text.encode()) for text in texts)
    ids, offsets = tok.encode_batch_arrays(texts)
    lists = arrow.encode(tok, array)
    _compare((lists.values, lists.value_lengths()), (ids, np.diff(offsets)))
    _compare((lists.values, arrow.count(tok, array)), (ids, np.diff(offsets)))
    for threads in THREADS:
        timed: dict[str, Callable[[], Any]] = {
            "encode_batch_arrays, list of str": partial(tok.encode_batch_arrays, texts, num_threads=threads),
            "arrow.encode": partial(arrow.encode, tok, array, num_threads=threads),
            "arrow.count": partial(arrow.count, tok, array, num_threads=threads),
        }
        found |= {f"{name}, threads={threads}": _speed(call, size) for name, call in timed.items()}
    assert arrow.decode(tok, lists).equals(array)
    return {**found, "arrow.decode": _speed(partial(arrow.decode, tok, lists), size)}


def maps(tok: dstok.Tokenizer, texts: list[str]) -> dict[str, float]:
    """MB/s of `datasets.map` over a file of the lines: with lists, with a `ColumnEncoder`, and with only a copy."""
    import datasets

    datasets.disable_progress_bars()
    size = sum(len(text.encode()) for text in texts)
    kinds: dict[str, tuple[Any, str | None]] = {
        "encode_batch, lists": (lambda batch: {"input_ids": tok.encode_batch(batch["text"])}, None),
        "ColumnEncoder": (arrow.ColumnEncoder(tok), "arrow"),
        "ColumnEncoder, num_threads=2": (arrow.ColumnEncoder(tok, num_threads=2), "arrow"),
        "a function that copies the column": (lambda table: table.append_column("copy", table["text"]), "arrow"),
    }
    found = {}
    with TemporaryDirectory() as folder:
        file = Path(folder, "lines.txt")
        file.write_text("".join(texts), encoding="utf-8", newline="")
        lines = datasets.load_dataset("text", data_files=str(file), split="train", cache_dir=folder,
                                      keep_linebreaks=True)
        numbers = count()

        def mapped(function: Any, format: str | None, rows: int) -> None:
            lines.with_format(format).map(function, batched=True, batch_size=rows,
                                          cache_file_name=f"{folder}/{next(numbers)}.arrow")

        for name, (function, format) in kinds.items():
            for rows in BATCHES:
                call = partial(mapped, function, format, rows)
                found[f"datasets.map, {name}, batch_size={rows}"] = _speed(call, size)
    return found


def _compare(found: Ids, expected: Ids) -> None:
    for one, other in zip(found, expected):
        assert np.array_equal(one, other), "expected the ids of encode_batch_arrays, found others"


def _speed(call: Callable[[], Any], size: int) -> float:
    seconds = []
    for _ in range(PASSES):
        start = perf_counter()
        call()
        seconds.append(perf_counter() - start)
    return round(size / 1e6 / min(seconds), 1)


def _versions() -> dict[str, str]:
    from importlib.metadata import version

    others = {name: version(name) for name in ("datasets", "numpy", "pyarrow") if find_spec(name)}
    return {"dstok": dstok.__version__, **others}


def table(cases: dict[str, float]) -> str:
    """The figures as Markdown."""
    return "\n".join(["| call | MB/s |", "|---|---:|", *(f"| {name} | {speed:.1f} |" for name, speed in cases.items())])


def main(argv: list[str] | None = None) -> int:
    """Runs the command; see the module's docstring."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.arrow", description="Arrow beside lists, timed.")
    parser.add_argument("--corpus", choices=tuple(CORPORA), default="english")
    parser.add_argument("--lines", type=int, help="of the corpus, not all")
    parser.add_argument("--output", type=Path, metavar="FILE", help="write a JSON file, too")
    arguments = parser.parse_args(argv)
    text = load_text(Case(arguments.corpus, "corpus", arguments.corpus, "lines"))
    texts, tok = text.splitlines(keepends=True)[: arguments.lines], dstok.load("deepseek-v3")
    cases = calls(tok, texts) | (maps(tok, texts) if find_spec("datasets") else {})
    if arguments.output:
        _write(arguments.output, arguments.corpus, len(texts), cases)
    print(table(cases))
    return 0


def _write(file: Path, corpus: str, lines: int, cases: dict[str, float]) -> None:
    record = {"format": 1, "date": str(date.today()), "machine": machine(), "level": chosen_level(), "python": python(),
              "versions": _versions(), "commit": commit(), "dirty": dirty(), "corpus": corpus, "lines": lines,
              "mb_s": cases}
    file.write_text(json.dumps(record, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    raise SystemExit(main())
