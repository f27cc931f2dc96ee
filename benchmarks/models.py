"""The speed of several models as one Markdown table.

    for model in ...; do python -m benchmarks --model $model --cases english/whole code/whole --output $model.json; done
    python -m benchmarks.models FILE... [--write docs/families.md]

In: result files of `python -m benchmarks --model`, one for each model. Out: Markdown on stdout, or between the marker
comments of a document: speeds, the time to load the file, how pieces are found, llama.cpp's pre-type. Invariant: as in
table.py, only compared ids have a figure; others have "≠".
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

import dstok
from benchmarks.engines import ENGINES
from benchmarks.goals import ratio
from benchmarks.process import tokenizer_json
from benchmarks.summary import OURS, CaseSummary, Results, figure
from benchmarks.table import level_name, number, replaced
from dstok.errors import DstokError
from dstok.pretokenizer.pre_types import pre_type

__all__ = ["main", "table", "ways"]

FIGURES = ("cold_mb_s", "warm_mb_s")


def main(arguments: list[str] | None = None) -> int:
    """Runs the command."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.models", description="the speed of several models")
    parser.add_argument("results", type=Path, nargs="+")
    parser.add_argument("--write", type=Path, metavar="FILE", help="replace the table in a document")
    options = parser.parse_args(arguments)
    made = table([json.loads(path.read_text(encoding="utf-8")) for path in options.results])
    if options.write:
        options.write.write_text(replaced(options.write.read_text(encoding="utf-8"), made), encoding="utf-8")
    else:
        print(made)
    return 0


def ways(model: str) -> tuple[str, str]:
    """How a model's pieces are found, and the pre-type that cuts every text as the model does; "–" if there is none."""
    with tempfile.TemporaryDirectory() as folder:
        path = tokenizer_json(Path(folder), model)
        assert path is not None
        tok = dstok.load(path)
    try:
        found = pre_type(dstok.Splitter.from_tokenizer(tok), tok.inspect().takes_whole_tokens)
        name = "–" if found.proof == "nearest" else found.names[0]
    except DstokError:  # a model of characters has no splitter
        name = "–"
    return tok.inspect().way.partition(",")[0], name


def table(results: list[Results], ways: Callable[[str], tuple[str, str]] = ways) -> str:
    """A line for each model and case; the setting is that of the first result."""
    first = results[0]
    engines = [name for name in ENGINES if any(name in c["engines"] for r in results for c in r["cases"])]
    versions = ", ".join(f"{name} {first['versions'][name]}" for name in engines if name in first["versions"])
    setting = (f"{first['machine']['cpu']}, {level_name(first)}, {first['python']}, {first['date']}; "
               f"commit {str(first['commit'])[:10]}; {versions}. One core, median of {first['settings']['rounds']} "
               "rounds; MB/s cold / warm.")
    head = ["model", "text", *engines, "dstok over the best exact peer", "load, ms", "pieces by", "pre-type"]
    lines = [head, ["---", "---", *["---:"] * (len(engines) + 2), "---", "---"]]
    lines += [[*line, *known] for result in results for known in [ways(result["settings"]["model"])]
              for line in _lines(result, engines)]
    return setting + "\n\n" + "\n".join(f"| {' | '.join(line)} |" for line in lines)


def _lines(result: Results, engines: list[str]) -> Iterator[list[str]]:
    for case in result["cases"]:
        over = [ratio(case, name) for name in FIGURES]
        load = figure(case, OURS, "load_ms")
        yield [result["settings"]["model"], case["source"], *(_cell(case, name) for name in engines),
               " / ".join(f"{value:.2f}" if value else "–" for value in over), f"{load:.0f}" if load else "–"]


def _cell(case: CaseSummary, engine: str) -> str:
    found = case["engines"].get(engine)
    if found is None:
        return "–"
    if "failed" in found:
        return "failed"
    values = [figure(case, engine, name) for name in FIGURES]
    return " / ".join(number(value) if value else "≠" for value in values)


if __name__ == "__main__":
    sys.exit(main())
