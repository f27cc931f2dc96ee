"""Tokenizers of transformers: original, accelerated by dstok, and under the adapters of fastokens and gigatoken.

    python -m benchmarks.integrations                          # a Markdown table on stdout, in some minutes
    python -m benchmarks.integrations --engines original,dstok --rounds 1
    python -m benchmarks.integrations --output integrations.json

In: prompts from english.txt.xz, of the shared corpora; DeepSeek V3's published tokenizer. Out: microseconds of CPU time
a call (which other load on the machine changes little), least of the rounds, each in its own process with one thread;
CPU milliseconds of loading, and the resident memory that it added. Invariant: the ids of each call are compared with
the original's. An engine whose ids differ is marked, and one that refuses a call is shown with its error.
"""

from __future__ import annotations

import argparse
import gc
import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Callable, Sequence
from datetime import date
from hashlib import sha256
from importlib import import_module
from importlib.metadata import version
from importlib.util import find_spec
from pathlib import Path
from time import process_time
from typing import Any

import dstok
from benchmarks.cases import ROOT, Case, load_text
from benchmarks.chat import published
from benchmarks.machine import commit, dirty, machine, python
from benchmarks.measure import memory
from dstok.core.cpu.level import chosen_level

__all__ = ["CALLS", "ENGINES", "main", "prompts", "record"]

MODEL = "deepseek-v3"
ENGINES = ("original", "dstok", "fastokens", "gigatoken")
PACKAGES = {"fastokens": "fastokens", "gigatoken": "gigatoken"}
SHORT, MIDDLE, LONG = 48, 800, 32_000  # characters of a prompt: some 10, 180 and 8,000 tokens
SECONDS = 0.5  # most time of repeating a call
Prompts = dict[str, list[str]]
Use = Callable[[Any, Prompts], list[Any]]


def prompts(text: str) -> Prompts:
    """1,000 short prompts, 64 of them middle-sized, and four long ones, from several places."""
    def cut(size: int, count: int) -> list[str]:
        step = max((len(text) - size) // count, 1)
        return [text[number * step : number * step + size] for number in range(count)]

    return {"short": cut(SHORT, 1000), "middle": cut(MIDDLE, 64), "long": cut(LONG, 4)}


def _listed(ids: Any) -> Any:
    return ids.tolist() if hasattr(ids, "tolist") else ids


# For each: the number of calls in a pass, and the pass; its results are ids or text.
CALLS: dict[str, tuple[int, Use]] = {
    "tokenizer(text), 48 characters": (1000, lambda tok, of: [tok(text)["input_ids"] for text in of["short"]]),
    "encode(text), 48 characters": (1000, lambda tok, of: [tok.encode(text) for text in of["short"]]),
    "tokenizer(texts), 64 of 800 characters": (1, lambda tok, of: list(tok(of["middle"])["input_ids"])),
    "tokenizer(texts), the same, padding, truncation": (1, lambda tok, of: list(
        tok(of["middle"], padding=True, truncation=True, max_length=256)["input_ids"])),
    "tokenizer(texts), the same, as numpy": (1, lambda tok, of: list(
        tok(of["middle"], padding=True, truncation=True, max_length=256, return_tensors="np")["input_ids"])),
    "tokenizer(text), 32,000 characters": (4, lambda tok, of: [tok(text)["input_ids"] for text in of["long"]]),
    "the same with offsets": (4, lambda tok, of: [
        tok(text, return_offsets_mapping=True)["input_ids"] for text in of["long"]]),
    "the same with a pair": (4, lambda tok, of: [tok(text, "A question?")["input_ids"] for text in of["long"]]),
}


def loaded(engine: str, folder: Path) -> Any:
    """The tokenizer of a folder, loaded by an engine."""
    transformers: Any = import_module("transformers")
    if engine == "gigatoken":
        found = import_module("gigatoken").Tokenizer(str(folder / "tokenizer.json")).as_hf()
        found.pad_token = "<｜end▁of▁sentence｜>"
        return found
    if engine == "fastokens":
        import_module("fastokens").patch_transformers()
    found = transformers.AutoTokenizer.from_pretrained(folder)
    if engine == "dstok":
        import_module("dstok.integrations.transformers").accelerate(found, strict=True)
    return found


def record(engine: str, folder: Path, of: Prompts) -> dict[str, Any]:
    """The measurements of an engine in one process."""
    import_module("transformers")
    gc.collect()
    before, start = memory("VmRSS") or 0, process_time()
    tok = loaded(engine, folder)
    tok("Hello")
    load = {"load_ms": round(1000 * (process_time() - start), 1), "mb": round((memory("VmRSS") or 0) - before, 1)}
    calls = {name: _timed(tok, use, count, of) for name, (count, use) in CALLS.items()}
    return {"engine": engine, **load, "calls": calls, "own_us": _own(tok, of) if engine == "dstok" else None}


def _timed(tok: Any, use: Use, count: int, of: Prompts) -> dict[str, Any]:
    """Microseconds a call, and a hash of the results; or the error."""
    try:
        ids = [_listed(each) for each in use(tok, of)]
    except Exception as error:  # from any library
        return {"error": f"{type(error).__name__}: {error}"[:200]}
    begun, passes = process_time(), list[float]()
    while not passes or process_time() - begun < SECONDS:
        start = process_time()
        use(tok, of)
        passes.append(process_time() - start)
    return {"us": 1e6 * min(passes) / count, "sha256": sha256(json.dumps(ids).encode()).hexdigest()}


def _own(tok: Any, of: Prompts) -> dict[str, float]:
    """Microseconds that a call takes beyond the `dstok.Tokenizer`'s time for the same text."""
    bare = tok.dstok.tokenizer
    ways: dict[str, Callable[[str], Any]] = {"tokenizer(text)": tok, "encode(text)": tok.encode}
    under = _least(bare.encode, of["short"])
    return {name: round(_least(way, of["short"]) - under, 2) for name, way in ways.items()}


def _least(way: Callable[[str], Any], texts: Sequence[str]) -> float:
    found = []
    for _ in range(20):
        start = process_time()
        for text in texts:
            way(text)
        found.append(process_time() - start)
    return 1e6 * min(found) / len(texts)


# Many processes, and their common result


def measure(engine: str, folder: Path) -> dict[str, Any]:
    """The record of an engine, measured in its own process."""
    if engine in PACKAGES and find_spec(PACKAGES[engine]) is None:
        return {"engine": engine, "absent": True}
    environment = {**os.environ, "TOKENIZERS_PARALLELISM": "false", "RAYON_NUM_THREADS": "1", "HF_HUB_OFFLINE": "1",
                   "PYTHONPATH": os.pathsep.join([*filter(None, [os.environ.get("PYTHONPATH")]), str(ROOT)])}
    command = [sys.executable, "-m", "benchmarks.integrations", "--child", engine, str(folder)]
    done = subprocess.run(command, env=environment, capture_output=True, text=True)
    if done.returncode:
        return {"engine": engine, "error": done.stderr.strip()[-300:]}
    found: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return found


def best(records: Sequence[dict[str, Any]]) -> dict[str, Any]:
    """The least of several rounds of one engine."""
    whole = [record for record in records if "calls" in record]
    if not whole:
        return dict(records[0])
    found = {**whole[0], **{key: min(record[key] for record in whole) for key in ("load_ms", "mb")}}
    found["calls"] = {name: min((record["calls"][name] for record in whole), key=lambda one: one.get("us", 0))
                      for name in CALLS}
    return found


def table(found: Sequence[dict[str, Any]]) -> str:
    """A Markdown table: calls, then loading and memory; a column an engine."""
    lines = [f"| CPU µs a call | {' | '.join(each['engine'] for each in found)} |", f"| --- |{' ---: |' * len(found)}"]
    original = found[0].get("calls", {})
    for name in CALLS:
        cells = [_cell(each.get("calls", {}).get(name), original.get(name)) for each in found]
        lines.append(f"| {name} | {' | '.join(cells)} |")
    for key, what in (("load_ms", "load and first call, CPU ms"), ("mb", "MB that loading adds")):
        lines.append(f"| {what} | {' | '.join(str(each.get(key, '–')) for each in found)} |")
    own: dict[str, float] = next((each["own_us"] for each in found if each.get("own_us")), {})
    return "\n".join([*lines, *(f"\n{name}: {us} µs beyond dstok's own call." for name, us in own.items())])


def _cell(one: dict[str, Any] | None, original: dict[str, Any] | None) -> str:
    if one is None:
        return "–"
    if "error" in one:
        return f"refused: {one['error'].split(':')[0]}"
    if original and one["sha256"] != original.get("sha256"):
        return "other ids"
    faster = f" ({original['us'] / one['us']:.1f} ×)" if original and one is not original and "us" in original else ""
    return f"{one['us']:.4g}{faster}"


def main(argv: list[str] | None = None) -> int:
    """Runs the command; see the module's docstring."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.integrations", description="transformers, timed.")
    parser.add_argument("--engines", default=",".join(ENGINES), help=f"out of {', '.join(ENGINES)}")
    parser.add_argument("--rounds", type=int, default=3, help="processes of each engine (default 3)")
    parser.add_argument("--output", type=Path, help="a JSON file for the records")
    parser.add_argument("--child", nargs=2, metavar=("ENGINE", "FOLDER"), help=argparse.SUPPRESS)
    arguments = parser.parse_args(argv)
    if arguments.child:
        engine, folder = arguments.child
        text = load_text(Case("english", "corpus", "english", "docs"))
        print(json.dumps(record(engine, Path(folder), prompts(text))))
        return 0
    engines = arguments.engines.split(",")
    with tempfile.TemporaryDirectory() as scratch:
        _published(Path(scratch))
        rounds = [[measure(engine, Path(scratch)) for engine in engines] for _ in range(arguments.rounds)]
    found = [best(records) for records in zip(*rounds)]
    if arguments.output is not None:
        _save(found, arguments.output)
    print(table(found))
    return 0


def _published(folder: Path) -> None:
    """The model's files."""
    text, config = published(MODEL)
    (folder / "tokenizer.json").write_text(text, encoding="utf-8")
    (folder / "tokenizer_config.json").write_text(json.dumps(config), encoding="utf-8")


def _save(found: list[dict[str, Any]], path: Path) -> None:
    names = ("numpy", "transformers", "tokenizers", *PACKAGES.values())
    whole = {"format": 1, "date": date.today().isoformat(), "machine": machine(), "level": chosen_level(),
             "python": python(), "versions": {"dstok": dstok.__version__} | {
                 name: version(name) for name in names if find_spec(name)},
             "commit": commit(), "dirty": dirty(), "engines": found}
    path.write_text(json.dumps(whole, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")


if __name__ == "__main__":
    sys.exit(main())
