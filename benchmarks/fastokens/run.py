"""dstok in the way of fastokens' own benchmark, `examples/simple_bench.rs`, which is a program in Rust.

    python benchmarks/fastokens/run.py tokenizer.json data.json --dataset zai-org/LongBench-v2 [-n 100]
    python benchmarks/fastokens/run.py tokenizer.json text.txt --sample 100000

In: a tokenizer.json; the JSON file of a data set that it knows, or a text that is cut into samples. Out: the sum of the
times, MB/s and the ratio to `tokenizers` of each library. Invariant: as there, one sample after the other, each by all
libraries in turn, one call a sample with special tokens added, by the clock, after one call as a warm-up; ids are
compared, and the run ends at the first sample with other ones. Theirs calls Rust, here all are called from Python.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import fastokens  # type: ignore[import-not-found,import-untyped,unused-ignore]
import tokenizers

import dstok

DATASETS = ("RyokoAI/ShareGPT52K", "zai-org/LongBench-v2")


def samples(path: Path, dataset: str | None, size: int) -> Iterator[str]:
    """The texts of a data set as their program takes them, or parts of a text."""
    text = path.read_text(encoding="utf-8")
    if dataset is None:
        yield from (text[at : at + size] for at in range(0, len(text), size))
        return
    for item in json.loads(text):
        if dataset == DATASETS[1]:
            sample = item.get("context") or ""
        else:
            sample = "\n\n".join(f"[{said.get('from', 'unknown')}]: {said['value']}"
                                 for said in item.get("conversations") or () if said.get("value"))
        if sample:
            yield sample


def libraries(path: Path) -> dict[str, Callable[[str], Any]]:
    """The call of each library; its ids are a list of int."""
    theirs, fast = tokenizers.Tokenizer.from_file(str(path)), fastokens.Tokenizer.from_file(str(path))
    ours = dstok.load(path)
    added = theirs.encode("").ids  # by the file's post-processor
    bos = added == [ours.config.bos_id]
    if added and not bos:
        raise SystemExit(f"{path}: expected a model that adds BOS or nothing to a text, found the ids {added}")
    return {"tokenizers": lambda text: theirs.encode_batch_fast([text])[0].ids,
            "fastokens": lambda text: fast.encode(text, True).ids, "dstok": lambda text: ours.encode(text, add_bos=bos)}


def main(arguments: list[str] | None = None) -> int:
    """Runs the command. The exit code is 1 if ids differ."""
    parser = argparse.ArgumentParser(prog="benchmarks/fastokens/run.py", description="fastokens' benchmark, with dstok")
    parser.add_argument("tokenizer", type=Path)
    parser.add_argument("texts", type=Path)
    parser.add_argument("--dataset", choices=DATASETS, help="the data set of the file; default: a text")
    parser.add_argument("--sample", type=int, default=100_000, help="characters of a sample of a text")
    parser.add_argument("-n", type=int, help="at most so many samples")
    options = parser.parse_args(arguments)
    calls = libraries(options.tokenizer)
    chunks = list(samples(options.texts, options.dataset, options.sample))[: options.n]
    spent, tokens = dict.fromkeys(calls, 0.0), 0
    for call in calls.values():
        call(chunks[0])
    for number, chunk in enumerate(chunks):
        ids = {}
        for name, call in calls.items():
            before = time.perf_counter()
            ids[name] = call(chunk)
            spent[name] += time.perf_counter() - before
        for name in calls:
            if [*ids[name]] != [*ids["tokenizers"]]:
                print(f"sample {number}: {name} has other ids than tokenizers", file=sys.stderr)
                return 1
        tokens += len(ids["tokenizers"])
    size = sum(len(chunk.encode()) for chunk in chunks) / 1e6
    print(f"{len(chunks)} samples, {size:.1f} MB, {tokens:,} tokens")
    for name, seconds in spent.items():
        ratio = spent["tokenizers"] / seconds
        print(f"{name}: {seconds * 1e3:.1f} ms, {size / seconds:.1f} MB/s, {ratio:.1f} times tokenizers")
    return 0


if __name__ == "__main__":
    sys.exit(main())
