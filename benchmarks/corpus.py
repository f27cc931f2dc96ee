"""Corpora: `dstok corpus` beside other ways to turn JSON lines into token files, whole commands by the clock.

    python -m benchmarks.corpus TEXTS.jsonl TOKENIZER.json --cases dstok,gigatoken --output FILE

In: JSON lines with a key `text`, without repeated text (a cache would flatter); `.zst` and Parquet only for dstok. Out:
seconds, MB/s (10^6 bytes of the input a second) including the start, the most memory of one process, and tokens: a line
for each case, and a JSON file. Invariant: a case is a process of its own with two workers (`batch`: two threads that
only encode texts in memory; `worker` and `thread`: one worker and one thread, without the start). The numbers of tokens
are shown, and equal dstok's in all cases that are exact.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import subprocess
import sys
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor
from datetime import date
from importlib import import_module
from importlib.metadata import version
from importlib.util import find_spec
from multiprocessing import get_context
from pathlib import Path
from tempfile import TemporaryDirectory
from time import perf_counter, process_time
from typing import Any

import numpy as np

from benchmarks.machine import commit, dirty, machine, python
from dstok.core.cpu.level import chosen_level

__all__ = ["CASES", "main"]

WORKERS = 2
PACKAGES = ("datasets", "datatrove", "gigatoken", "orjson", "pyarrow", "tokenizers")


def _dstok(path: str, model: str, out: str) -> int:
    import dstok.corpus

    return dstok.corpus.tokenize(path, out, workers=WORKERS, special="all").tokens


def _worker(path: str, model: str, out: str) -> int:
    """One worker, which may use a second core."""
    import dstok.corpus

    tok = dstok.load("deepseek-v3")
    return _timed(lambda: dstok.corpus.tokenize(path, out, model=tok, workers=1, special="all").tokens)


def _timed(work: Callable[[], int]) -> int:
    """The result of `work`; prints its seconds, by the clock and of the processor."""
    began, used = perf_counter(), process_time()
    tokens = work()
    print(json.dumps({"seconds": perf_counter() - began, "cpu_seconds": process_time() - used}))
    return tokens


def _start(path: str, model: str, out: str) -> int:
    """A corpus of one document, by two workers without work: the cost of the start."""
    import dstok.corpus

    Path(out).mkdir()
    for name in "ab":
        Path(out, f"{name}.jsonl").write_text('{"text": "Hello world"}\n')
    return dstok.corpus.tokenize([f"{out}/a.jsonl", f"{out}/b.jsonl"], f"{out}/ids", workers=WORKERS).tokens


def _batch(path: str, model: str, out: str, threads: int = WORKERS) -> int:
    import dstok

    tok = dstok.load("deepseek-v3")
    texts = [*_texts(path, 0, 1)]
    return _timed(lambda: len(tok.encode_batch_arrays(texts, num_threads=threads)[0]))


def _thread(path: str, model: str, out: str) -> int:
    return _batch(path, model, out, threads=1)


def _texts(path: str, part: int, parts: int) -> Iterator[str]:
    """The texts of the lines that begin in a part of the file."""
    import orjson

    size = os.path.getsize(path)
    start, stop = size * part // parts, size * (part + 1) // parts
    with open(path, "rb") as file:
        if start:
            file.seek(start - 1)
            file.readline()
        while file.tell() < stop and (line := file.readline()):
            yield orjson.loads(line)["text"]


def _gigatoken(path: str, model: str, out: str) -> int:
    """gigatoken and orjson, with a process for each half of the file."""
    with ProcessPoolExecutor(WORKERS, get_context("spawn")) as pool:
        return sum(pool.map(_gigatoken_part, *zip(*((path, model, f"{out}.{part}", part) for part in range(WORKERS)))))


def _gigatoken_part(path: str, model: str, out: str, part: int) -> int:
    gigatoken: Any = import_module("gigatoken")
    tokenizer, tokens = gigatoken.Tokenizer(model), 0
    with open(out, "wb") as file:
        waiting, size = list[str](), 0
        for text in _texts(path, part, WORKERS):
            waiting.append(text)
            size += len(text)
            if size > 1 << 22:
                tokens += _append(tokenizer, waiting, file)
                waiting, size = [], 0
        return tokens + _append(tokenizer, waiting, file)


def _append(tokenizer: Any, texts: list[str], file: Any) -> int:
    flatten = import_module("awkward").flatten
    ids = flatten(tokenizer.encode_batch(texts, parallel=False)).to_numpy()
    ids.astype(np.uint32, copy=False).tofile(file)
    return len(ids)


def _datatrove(path: str, model: str, out: str) -> int:
    """datatrove's own step, with two tasks, one for each half of the file."""
    with ProcessPoolExecutor(WORKERS, get_context("spawn")) as pool:
        return sum(pool.map(_datatrove_part, *zip(*((path, model, out, part) for part in range(WORKERS)))))


def _datatrove_part(path: str, model: str, out: str, part: int) -> int:
    from datatrove.data import Document
    from datatrove.pipeline.tokens import DocumentTokenizer

    step = DocumentTokenizer(out, model, shuffle_documents=False, save_filename=str(part))
    step.run((Document(text=text, id="") for text in _texts(path, part, WORKERS)), part, WORKERS)
    return sum(path.stat().st_size for path in Path(out).glob(f"{part}_*.ds")) // 4


def _datasets(path: str, model: str, out: str) -> int:
    """`datasets.map` with upstream's tokenizer, to Parquet."""
    from datasets import load_dataset
    from tokenizers import Tokenizer

    tokenizer = Tokenizer.from_file(model)
    rows = load_dataset("json", data_files=path, split="train", cache_dir=out)
    done = rows.map(lambda batch: {"input_ids": [one.ids for one in tokenizer.encode_batch(batch["text"])]},
                    batched=True, num_proc=WORKERS, remove_columns=rows.column_names)
    done.to_parquet(f"{out}/ids.parquet")
    return sum(len(row) for batch in done.with_format("numpy").iter(1000) for row in batch["input_ids"])


CASES = {"dstok": _dstok, "worker": _worker, "start": _start, "batch": _batch, "thread": _thread,
         "gigatoken": _gigatoken, "datatrove": _datatrove, "datasets.map": _datasets}


def _measured(case: str, path: str, model: str) -> dict[str, Any]:
    """Measures a case in its own process."""
    with TemporaryDirectory() as folder:
        began = perf_counter()
        done = subprocess.run([sys.executable, "-m", "benchmarks.corpus", path, model, "--one", case, "--output",
                               f"{folder}/out"], capture_output=True, text=True, check=True)
        seconds = perf_counter() - began
    told: dict[str, Any] = {"seconds": seconds}
    for line in done.stdout.splitlines():
        if line.startswith("{"):
            told |= json.loads(line)
    size = os.path.getsize(path)
    rate = size / told["seconds"] / 1e6
    return {"case": case, "input": Path(path).name, "bytes": size, "mb_per_second": rate, **told}


def main() -> None:
    """Runs the command; see the module's docstring."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("path")
    parser.add_argument("model", help="the tokenizer.json of deepseek-v3, for the others")
    parser.add_argument("--cases", default=",".join(CASES))
    parser.add_argument("--rounds", type=int, default=1)
    parser.add_argument("--one", choices=CASES, help=argparse.SUPPRESS)
    parser.add_argument("--output", required=True, help="a JSON file, to which results are added")
    arguments = parser.parse_args()
    if arguments.one:
        tokens = CASES[arguments.one](arguments.path, arguments.model, arguments.output)
        memory = max(resource.getrusage(who).ru_maxrss for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN))
        print(json.dumps({"tokens": tokens, "memory_mb": memory // 1024}))
        return
    for case in arguments.cases.split(",") * arguments.rounds:
        _add(Path(arguments.output), _measured(case, arguments.path, arguments.model))


def _add(output: Path, result: dict[str, Any]) -> None:
    """Shows a result, and adds it to those of the file."""
    print(f"{result['case']:<14} {result['input']:<20} {result['seconds']:8.2f} s {result['mb_per_second']:8.1f} MB/s "
          f"{result['memory_mb']:6} MB {result['tokens']:>12,} tokens")
    versions = {name: version(name) for name in PACKAGES if find_spec(name)}
    head = {"date": date.today().isoformat(), "machine": machine(), "python": python(), "commit": commit(),
            "dirty": dirty(), "level": chosen_level(), "versions": versions}
    found = json.loads(output.read_text()) if output.exists() else {**head, "results": []}
    found["results"].append(result)
    output.write_text(json.dumps(found, indent=1) + "\n")


if __name__ == "__main__":
    main()
