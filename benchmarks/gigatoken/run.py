"""dstok in gigatoken's own benchmark: adds it to the libraries of `benchmarks/compare/measure.py`, and runs that.

    python benchmarks/gigatoken/run.py CLONE --library dstok --tokenizer NAME --local-file tokenizer.json --file TEXT
    python benchmarks/gigatoken/run.py CLONE --table --tokenizer NAME --local-file tokenizer.json --file TEXT --rounds 3

In: a clone of gigatoken, and its command line. Out: its JSON record; with --table a line of a Markdown table.
Invariant: their script reads, times and counts; dstok gets the documents as `tokenizers` does, a list of `str` cut at
the separator, and uses all cores. As their `sweep.py`, a table takes turns of fresh processes, and the best of each.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import dstok

LIBRARIES = ("dstok", "gigatoken", "hf")


def load(name: str) -> dstok.Tokenizer:
    """The tokenizer of a file; that the file is called as a built-in model is no reason to take that."""
    return dstok.load(Path(name))


def encode(tok: dstok.Tokenizer, documents: list[str]) -> tuple[Any, Any]:
    """Ids and offsets of all documents: the call that is timed."""
    return tok.encode_batch_arrays(documents, num_threads=os.cpu_count() or 1)


def table(words: list[str], rounds: int) -> str:
    """One line: the model, then the best MB/s and the tokens of each library."""
    found: dict[str, list[dict[str, Any]]] = {name: [] for name in LIBRARIES}
    for _ in range(rounds):
        for name in LIBRARIES:
            command = [sys.executable, __file__, *words, "--library", name]
            done = subprocess.run(command, capture_output=True, text=True)
            if done.returncode:
                raise SystemExit(f"{name}: {done.stderr.strip()[-300:]}")
            found[name].append(json.loads(done.stdout.splitlines()[-1]))
    cells = [f"{max(each['mb_per_s'] for each in found[name]):.0f}" for name in LIBRARIES]
    tokens = ", ".join(f"{found[name][0]['tokens']:,}" for name in LIBRARIES)
    return f"| {found['dstok'][0]['tokenizer']} | {' | '.join(cells)} | {tokens} |"


def main() -> None:
    """Runs their `main`, or a table of it."""
    clone, *words = sys.argv[1:]
    if "--table" in words:
        words.remove("--table")
        at = words.index("--rounds") if "--rounds" in words else len(words)
        rounds = int(words[at + 1]) if at < len(words) else 3
        print(table([clone, *words[:at], *words[at + 2 :]], rounds))
        return
    sys.path.insert(0, str(Path(clone) / "benchmarks" / "compare"))
    import measure  # type: ignore[import-not-found]  # gigatoken's

    measure.LIBRARIES["dstok"] = (load, encode, lambda found: len(found[0]))
    sys.argv[1:] = words
    measure.main()


if __name__ == "__main__":
    main()
